"""Whose coins a code means: the ends that are no party, then categories, then every different conclusion.

A conclusion is an entity with its category and listing, as `attribution` has it at rank 0. Codes are append-only
from one label version to the next, so that vectors stay what they were where nothing changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from heuristics.attribution.conclusions import SURE_ENOUGH
from heuristics.exposure.passes.parts import COINJOIN, CUT, FEE, HELD, MINED, UNRESOLVED, Ints, Parties
from store.formats.taxonomy import CATEGORIES
from store.reader import Listing

# What answers call the codes that are no party.
ENDS: Final[Mapping[int, str]] = {
    UNRESOLVED: "unresolved",
    CUT: "unattributed",
    MINED: "mined",
    COINJOIN: "coinjoin",
    HELD: "held",
    FEE: "fee",
}
UNATTRIBUTED: Final = ENDS[CUT]
# Trails go on behind these: they hold no coins of others, or nobody knows what they are.
PASSED_THROUGH: Final = frozenset({"shell", "miner", "organization", "person", "token", "other"})
_POOL: Final = "mining_pool"
_NAMES: Final = (*ENDS.values(), *CATEGORIES)
N_CATEGORIES: Final = len(_NAMES)
_SCHEMA: Final = pa.schema(
    {
        "entity_id": pa.string(),
        "category": pa.string(),
        "list_id": pa.string(),
        "listed_from": pa.date32(),
        "listed_to": pa.date32(),
        "confidence": pa.int32(),
    }
)
_CONCLUSIONS: Final = """
SELECT cluster, entity_id, category, list_id, listed_from, listed_to, confidence, conflict
FROM attribution WHERE rank = 0 ORDER BY cluster
"""
# What an address is called itself, with one voice, where its wallet is called otherwise and no more surely, or is
# not called anything because no tag of it may speak for others.
_APART: Final = """
WITH own AS (
    SELECT number, cluster, entity_id, category, list_id, listed_from, listed_to, confidence,
           CASE WHEN list_id IS NULL THEN 2 WHEN listed_to IS NULL THEN 0 ELSE 1 END AS standing
    FROM tag
    WHERE stands AND number IS NOT NULL AND entity_id IS NOT NULL AND (confidence >= $sure OR list_id IS NOT NULL)
    QUALIFY min(entity_id) OVER (PARTITION BY number) = max(entity_id) OVER (PARTITION BY number)
        AND row_number() OVER (PARTITION BY number ORDER BY standing, confidence DESC, tag_id) = 1
)
SELECT own.number, own.entity_id, own.category, own.list_id, own.listed_from, own.listed_to, own.confidence, FALSE
FROM own LEFT JOIN wallet w USING (cluster) LEFT JOIN attribution a ON a.cluster = coalesce(w.wallet, own.cluster)
 AND a.rank = 0
WHERE a.cluster IS NULL
   OR (a.entity_id IS DISTINCT FROM own.entity_id OR a.conflict)
  AND (standing, 100 - own.confidence)
   <= (CASE WHEN a.list_id IS NULL THEN 2 WHEN a.listed_to IS NULL THEN 0 ELSE 1 END, 100 - a.confidence)
ORDER BY own.number
"""
# Every listing of whoever is or was listed, those of other scripts of its keys included.
_LISTED: Final = """
SELECT DISTINCT number, cluster, listed_from, listed_to FROM (
    SELECT number, cluster, list_id, listed_from, listed_to FROM tag
    UNION ALL
    SELECT k.number, k.cluster, t.list_id, t.listed_from, t.listed_to FROM same_key k JOIN tag t USING (tag_id)
) WHERE list_id IS NOT NULL AND number IS NOT NULL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Source:
    """What a code means; `confidence` in percent, the best of all clusters it was concluded of."""

    entity_id: str | None
    category: str
    listing: Listing | None
    confidence: int


@dataclass(frozen=True, slots=True)
class Conclusions:
    """Who is known, by owner: `named` has a code wherever there is a conclusion, `absorbs` where trails stop.

    An owner is a wallet, or an address that is surely somebody else's than its wallet. `own` has one owner for
    all owners of an entity: what goes between them is no dealing.
    """

    owner: Ints
    """By number of an address: its wallet, or an owner of its own, numbered after the last address."""
    named: Ints
    absorbs: Ints
    own: Ints
    sources: Sequence[Source]
    """By code."""
    listed: Sequence[tuple[int, date | None, date | None]]
    """Codes with the dates of every listing of one of their owners; several of one code may overlap."""

    @property
    def parties(self) -> Parties:
        """The same, as the passes have it."""
        return Parties(self.absorbs, categories_of(self.sources), N_CATEGORIES)


def categories_of(sources: Sequence[Source]) -> Ints:
    """The category of each code, as a code."""
    code = {name: i for i, name in reversed(list(enumerate(_NAMES)))}
    own = list(range(N_CATEGORIES))
    return np.array(own + [code[source.category] for source in sources[N_CATEGORIES:]], np.int32)


def ends_and_categories() -> list[Source]:
    """What the codes below N_CATEGORIES mean."""
    return [Source(None, name, None, 0) for name in _NAMES]


def conclusions(con: duckdb.DuckDBPyConnection, wallet: Ints, before: Sequence[Source] = ()) -> Conclusions:
    """Number what is concluded of the wallets of a labels file.

    Parameters
    ----------
    con
        Where the tables of the labels file are.
    wallet
        Of each address, by number.
    before
        The sources of an earlier label version, whose codes are kept.
    """
    several = np.bincount(wallet, minlength=len(wallet)) > 1
    apart = [row for row in con.execute(_APART, {"sure": SURE_ENOUGH}).fetchall() if several[wallet[row[0]]]]
    owner = wallet.copy()
    owner[[row[0] for row in apart]] = len(wallet) + np.arange(len(apart))
    n = len(wallet) + len(apart)
    found = _Numbered(n, list(before) or ends_and_categories())
    for row in con.execute(_CONCLUSIONS).fetchall():
        found.conclude(row[0], row[1:])
    for at, row in enumerate(apart, len(wallet)):
        found.conclude(at, row[1:])
    told = [replace(one, confidence=found.best.get(i, 0)) for i, one in enumerate(found.sources)]
    listed = {
        (int(found.named[owner[number]]), listed_from, listed_to)
        for number, _, listed_from, listed_to in con.execute(_LISTED).fetchall()
    }
    dated = sorted((one for one in listed if one[0] >= 0 and told[one[0]].listing), key=str)
    return Conclusions(owner, found.named, found.absorbs, found.own, told, dated)


class _Numbered:
    """Conclusions while they are numbered."""

    def __init__(self, n: int, sources: list[Source]) -> None:
        self.named, self.absorbs = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        self.own = np.arange(n, dtype=np.int32)
        self.sources = sources
        self.best: dict[int, int] = {}
        # `coinjoin` is an end and a category: the first of a name is meant, as in categories_of.
        self._known = {_key(source): code for code, source in reversed(list(enumerate(sources)))}
        self._first: dict[str, int] = {}

    def conclude(self, owner: int, row: Sequence[Any]) -> None:
        """Note who an owner is."""
        entity, category, list_id, listed_from, listed_to, confidence, conflict = row
        listing = Listing(list_id, entity, listed_from, listed_to) if list_id else None
        self.named[owner] = code = self._code(Source(entity, category, listing, 0), confidence)
        sure = confidence >= SURE_ENOUGH
        if listing or (sure and category not in PASSED_THROUGH):
            self.absorbs[owner] = code
        if entity and sure and not conflict:
            self.own[owner] = self._first.setdefault(entity, owner)
        if entity and category == _POOL:
            self._code(Source(entity, ENDS[MINED], None, 0), confidence)

    def _code(self, source: Source, confidence: int) -> int:
        """The code of a source, which is a new one where it was never seen."""
        code = self._known.setdefault(_key(source), len(self.sources))
        if code == len(self.sources):
            self.sources.append(source)
        self.best[code] = max(self.best.get(code, 0), confidence)
        return code


def _key(source: Source) -> tuple[str | None, str, Listing | None]:
    return source.entity_id, source.category, source.listing


def mined_by(found: Conclusions) -> Ints:
    """By owner: the code of what a pool mines; -1 for everybody else."""
    mined = {s.entity_id: code for code, s in enumerate(found.sources) if s.entity_id and s.category == ENDS[MINED]}
    by_code = np.full(len(found.sources) + 1, -1, np.int32)
    for code, source in enumerate(found.sources):
        if source.category == _POOL and source.entity_id in mined:
            by_code[code] = mined[source.entity_id]
    return by_code[found.named]


def to_table(sources: Sequence[Source]) -> pa.Table:
    """Write sources as a table, in the order of their codes."""
    listings = [source.listing or Listing("", None, None, None) for source in sources]
    columns = {
        "entity_id": [source.entity_id for source in sources],
        "category": [source.category for source in sources],
        "list_id": [listing.list_id or None for listing in listings],
        "listed_from": [listing.listed_from for listing in listings],
        "listed_to": [listing.listed_to for listing in listings],
        "confidence": [source.confidence for source in sources],
    }
    return pa.table(columns, _SCHEMA)


def from_table(rows: pa.Table) -> list[Source]:
    """Read what `to_table` wrote."""
    return [
        Source(
            row["entity_id"], row["category"],
            Listing(row["list_id"], row["entity_id"], row["listed_from"], row["listed_to"]) if row["list_id"] else None,
            row["confidence"],
        )
        for row in rows.to_pylist()
    ]  # fmt: skip
