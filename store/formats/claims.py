"""What every published list becomes: claims about addresses and the parties they name, as Arrow tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from store.formats.identify import Located
from store.formats.problems import Count, Problem
from store.formats.relations import no_aliases, no_relations

_RUN = pa.dictionary(pa.int32(), pa.string())  # few values among many rows
TAG_SCHEMA = pa.schema(
    [
        pa.field("chain", pa.string(), nullable=False),  # bitcoin, ethereum, tron, ...
        pa.field("network", pa.string(), nullable=False),  # main unless a test network
        pa.field("address", pa.string(), nullable=False),  # canonical text
        pa.field("script", pa.binary()),  # locking script, where chain is bitcoin
        pa.field("entity_id", pa.string()),  # who it is, where the source says
        pa.field("label", pa.string(), nullable=False),  # the source's own words
        pa.field("category", pa.string(), nullable=False),  # taxonomy.CATEGORIES
        pa.field("confidence", pa.uint8(), nullable=False),  # percent
        pa.field("cluster_definer", pa.bool_(), nullable=False),  # may name the whole cluster
        pa.field("list_id", pa.string()),  # where the claim is a legal listing
        pa.field("listed_from", pa.date32()),  # since when: the list's own word, or the day it was in force
        pa.field("listed_to", pa.date32()),  # until when, where the list itself says so
        pa.field("source_name", pa.string(), nullable=False),  # title of the pack or list
        pa.field("source_sha256", pa.string(), nullable=False),  # of the file
        pa.field("source_date", pa.date32()),  # published or last modified
        pa.field("source_uri", pa.string()),  # where the source points to
        pa.field("valid_from", pa.date32()),  # first day of which the claim speaks
        pa.field("valid_to", pa.date32()),  # first day of which it speaks no more
        pa.field("retracted", pa.date32()),  # the day its source withdrew it
    ]
)
ENTITY_SCHEMA = pa.schema(
    [
        pa.field("entity_id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("jurisdictions", pa.list_(pa.string()), nullable=False),  # ISO 3166-1 alpha-2
        pa.field("source_sha256", pa.string(), nullable=False),
    ]
)

COINBASE_TAG_SCHEMA = pa.schema(
    [
        pa.field("tag", pa.binary(), nullable=False),  # bytes that the pool writes into its coinbases
        pa.field("entity_id", pa.string(), nullable=False),  # the pool
        pa.field("source_name", pa.string(), nullable=False),  # title of the list
        pa.field("source_sha256", pa.string(), nullable=False),  # of the file
    ]
)


class Claim(NamedTuple):
    """What a source says about an address, the address left out: few of them cover many addresses.

    The last three are of legal lists: which one, and the days from which and until which the list itself says
    that it names the address (or else the day the list was in force).
    """

    label: str
    category: str
    confidence: int
    cluster_definer: bool
    entity_id: str | None
    source_date: date | None
    source_uri: str | None
    valid_from: date | None = None
    valid_to: date | None = None
    retracted: date | None = None
    list_id: str | None = None
    listed_from: date | None = None
    listed_to: date | None = None


class Entity(NamedTuple):
    """One party that a source describes."""

    entity_id: str
    name: str
    category: str
    jurisdictions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as it was given: its role in the list, its name, its content and the content's hash."""

    path: Path
    role: str
    data: bytes = field(repr=False)
    sha256: str


@dataclass(slots=True)
class Published:
    """One published list, read, checked and normalised."""

    kind: str
    """The format, a key of `kinds.READERS`: tagpack, ofac_sdn, eu_fsf, ..."""
    title: str
    dated: date | None
    """Published or last modified."""
    list_id: str | None
    """Where it is a legal list: which."""
    network: str
    """The Bitcoin network that its addresses belong to."""
    files: tuple[SourceFile, ...]
    tags: pa.Table
    """`TAG_SCHEMA`, in file order."""
    entities: pa.Table
    """`ENTITY_SCHEMA`, in file order."""
    notes: tuple[Problem, ...]
    """Taken, but worth knowing."""
    skipped: tuple[Problem, ...]
    """Left out, and why."""
    relations: pa.Table = field(default_factory=no_relations)
    """`RELATION_SCHEMA`, in file order."""
    aliases: pa.Table = field(default_factory=no_aliases)
    """`ALIAS_SCHEMA`, in file order."""
    coinbase_tags: pa.Table = field(default_factory=COINBASE_TAG_SCHEMA.empty_table)
    """`COINBASE_TAG_SCHEMA`, in file order: what pools write into the blocks that they find."""
    counts: tuple[Count, ...] = ()
    """What became of every row of every file."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What all claims of one file share."""

    name: str
    sha256: str


@dataclass(slots=True)
class Claims:
    """Collects the claims of one file as columns; equal claims are stored once and repeated by number."""

    located: list[Located] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    claims: dict[Claim, int] = field(default_factory=dict)
    _seen: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def number_of(self, claim: Claim) -> int:
        """Give a claim's number; equal claims have one."""
        return self.claims.setdefault(claim, len(self.claims))

    def add(self, located: Located, number: int, line: int) -> int | None:
        """Add a claim, or give the line of the very same claim where it was made before."""
        key = (located.chain, located.text, number)
        first = self._seen.get(key)
        if first is not None:
            return first
        self._seen[key] = line
        self.located.append(located)
        self.numbers.append(number)
        return None

    def table(self, origin: Origin) -> pa.Table:
        """Give the claims as `TAG_SCHEMA`."""
        n = len(self.located)
        chains, networks, texts, scripts, _ = zip(*self.located, strict=True) if n else ((),) * 5
        columns = {
            "chain": _repeated(chains),
            "network": _repeated(networks),
            "address": pa.array(texts, pa.string()),
            "script": pa.array(scripts, pa.binary()),
            "source_name": pa.repeat(pa.scalar(origin.name), n),
            "source_sha256": pa.repeat(pa.scalar(origin.sha256), n),
        }
        numbers = pa.array(self.numbers, pa.int32())
        for i, name in enumerate(Claim._fields):
            values = pa.array([claim[i] for claim in self.claims], TAG_SCHEMA.field(name).type)
            columns[name] = values.take(numbers)
        return pa.table([columns[name] for name in TAG_SCHEMA.names], schema=TAG_SCHEMA)


def _repeated(values: Sequence[str]) -> pa.Array:
    return pa.array(values, _RUN).cast(pa.string())


def entity_table(entities: Sequence[Entity], sha256: str) -> pa.Table:
    """Give parties as `ENTITY_SCHEMA`."""
    columns = [
        pa.array([e.entity_id for e in entities], pa.string()),
        pa.array([e.name for e in entities], pa.string()),
        pa.array([e.category for e in entities], pa.string()),
        pa.array([list(e.jurisdictions) for e in entities], pa.list_(pa.string())),
        pa.repeat(pa.scalar(sha256), len(entities)),
    ]
    return pa.table(columns, schema=ENTITY_SCHEMA)
