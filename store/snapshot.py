"""One state of all labels as Arrow tables: claims numbered, listings as intervals, parties described once."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.catalogue import Imported
from store.errors import DamagedError
from store.formats.claims import COINBASE_TAG_SCHEMA, ENTITY_SCHEMA, TAG_SCHEMA
from store.formats.relations import ALIAS_SCHEMA, ID, NAME, RELATION_SCHEMA, no_aliases, no_relations
from store.formats.taxonomy import CATEGORIES, RANK

LEAST = list(CATEGORIES)[-1]
SNAPSHOT_SCHEMA = TAG_SCHEMA.insert(0, pa.field("tag_id", pa.int64(), nullable=False))
LIST_SCHEMA = pa.schema(
    [
        pa.field("list_id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("date", pa.date32(), nullable=False),  # of the newest vintage
        pa.field("sha256", pa.string(), nullable=False),  # of its main file
        pa.field("entries", pa.int64(), nullable=False),  # addresses that it names
    ]
)
RELATION_COLUMNS = ("relation_id", *RELATION_SCHEMA.names[:-1])  # in which file line it stands is for the import
# A listing is a run of consecutive vintages that name the address (gaps and islands), and ends on the day of the
# first vintage that lacks it, or before, where the list itself says so. It begins when the list itself says: but
# where an earlier vintage than the run's first was in force since that day, the address was added to an older
# entry, and the run's first day counts. A stay with an end of its own (`ended`) is a run for itself; a later
# vintage that says when a stay ended takes the place of what earlier ones said of it. What is said is the last word.
_LISTINGS = """
WITH vintage AS (
    SELECT dated, row_number() OVER (ORDER BY dated) AS n, lead(dated) OVER (ORDER BY dated) AS next_dated,
        lag(dated) OVER (ORDER BY dated) AS last_dated
    FROM (SELECT DISTINCT dated FROM day)
), stay AS (
    SELECT claim.* EXCLUDE (dated), n, vintage.dated, next_dated, last_dated,
        CASE WHEN listed_to IS NULL THEN NULL ELSE listed_from END AS ended
    FROM claim JOIN vintage ON claim.dated = vintage.dated
), named AS (
    SELECT *, n - dense_rank() OVER (PARTITION BY entity_id, chain, network, address, ended ORDER BY n) AS run
    FROM stay
), ranked AS (
    SELECT *, min(listed_from) OVER w AS said, min(dated) OVER w AS seen,
        min(coalesce(last_dated, DATE '0001-01-01')) OVER w AS before,
        row_number() OVER (
            PARTITION BY entity_id, chain, network, address, ended, run ORDER BY n DESC, row_id) AS back
    FROM named WINDOW w AS (PARTITION BY entity_id, chain, network, address, ended, run)
), listing AS (
    SELECT * EXCLUDE (row_id, n, run, back, said, seen, before, dated, next_dated, last_dated)
        REPLACE (
            CASE WHEN ended IS NULL AND said <= before THEN seen ELSE said END AS listed_from,
            least(listed_to, next_dated) AS listed_to)
    FROM ranked WHERE back = 1
)
SELECT * EXCLUDE (ended) FROM listing
WHERE ended IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM listing other WHERE other.ended = listing.listed_from AND other.chain = listing.chain
        AND other.network = listing.network AND other.address = listing.address
        AND other.entity_id IS NOT DISTINCT FROM listing.entity_id)
ORDER BY listed_from, entity_id, chain, network, address, listed_to
"""


@dataclass(frozen=True, slots=True)
class LabelSnapshot:
    """One state of all labels; the same version gives the same rows in the same order."""

    version: str
    tags: pa.Table
    """`SNAPSHOT_SCHEMA`. The category is the claim's own or its party's, whichever takes precedence."""
    entities: pa.Table
    """`ENTITY_SCHEMA`, one row per party, parties that only tags name included."""
    lists: pa.Table
    """`LIST_SCHEMA`, one row per legal list."""
    relations: pa.Table = field(default_factory=lambda: _numbered(no_relations()))
    """`RELATION_SCHEMA` after a relation_id, between entities by the ids that `entities` has."""
    aliases: pa.Table = field(default_factory=no_aliases)
    """`ALIAS_SCHEMA`: other ids and names of `entities`."""
    coinbase_tags: pa.Table = field(default_factory=COINBASE_TAG_SCHEMA.empty_table)
    """`COINBASE_TAG_SCHEMA`, in the order of the lists: what pools write into the blocks that they find."""


def tags_path(folder: Path, import_id: str) -> Path:
    """Where the normalised claims of an import lie."""
    return folder / f"{import_id}.tags.parquet"


def entities_path(folder: Path, import_id: str) -> Path:
    """Where the normalised parties of an import lie."""
    return folder / f"{import_id}.entities.parquet"


def relations_path(folder: Path, import_id: str) -> Path:
    """Where the relations that an import tells of lie."""
    return folder / f"{import_id}.relations.parquet"


def aliases_path(folder: Path, import_id: str) -> Path:
    """Where the other ids and names that an import gives lie."""
    return folder / f"{import_id}.aliases.parquet"


def coinbase_tags_path(folder: Path, import_id: str) -> Path:
    """Where the coinbase tags of an imported list of pools lie."""
    return folder / f"{import_id}.coinbase_tags.parquet"


def read_addresses(folder: Path, import_id: str) -> list[tuple[str, str]]:
    """Give chain and address of the claims of an import; raises DamagedError as `build` does."""
    tags = _read(tags_path(folder, import_id), TAG_SCHEMA)
    return list(zip(tags["chain"].to_pylist(), tags["address"].to_pylist(), strict=True))


def build(folder: Path, version: str, live: Sequence[Imported]) -> LabelSnapshot:
    """Put the lists in force together.

    Parameters
    ----------
    folder : Path
        The labels' folder.
    version : str
        The name of this state.
    live : Sequence[Imported]
        What is in force, sorted by date and id.

    Raises
    ------
    DamagedError
        Where a normalised file is missing or is not what was written.
    """
    plain = [_read(tags_path(folder, e.id), TAG_SCHEMA) for e in live if e.list_id is None and e.tags]
    listed = [_listings(folder, vintages) for vintages in _by_list(live).values()]
    tags = pa.concat_tables([TAG_SCHEMA.empty_table(), *plain, *listed]).combine_chunks()
    parties = (_read(entities_path(folder, e.id), ENTITY_SCHEMA) for e in live if e.entities)
    described = pa.concat_tables([ENTITY_SCHEMA.empty_table(), *parties])
    aliases = pa.concat_tables([no_aliases(), *(read_if(aliases_path(folder, e.id), ALIAS_SCHEMA) for e in live)])
    told = (read_if(relations_path(folder, e.id), RELATION_SCHEMA) for e in live)
    related = pa.concat_tables([no_relations(), *told])
    names = canonical(aliases, described)
    tags = _renamed(tags, names, "entity_id")
    related = _renamed(related, names, "entity_id", "other_id")
    entities = _entities(_merged(described, names), tags, related)
    tags = _with_parties_category(tags, entities)
    numbers = pa.array(np.arange(tags.num_rows, dtype=np.int64))
    numbered = pa.table([numbers, *tags.columns], schema=SNAPSHOT_SCHEMA)
    marks = (read_if(coinbase_tags_path(folder, e.id), COINBASE_TAG_SCHEMA) for e in live)
    marks = _renamed(pa.concat_tables([COINBASE_TAG_SCHEMA.empty_table(), *marks]), names, "entity_id")
    aliases = _aliases(aliases, names)
    return LabelSnapshot(version, numbered, entities, _lists(live), _numbered(related), aliases, marks)


def canonical(aliases: pa.Table, described: pa.Table) -> dict[str, str]:
    """Under which id each alias goes: that of the actor pack that gives it, through any number of steps.

    An identifier means its actor even where another source describes it; a name that looks like an id does so only
    where nobody does, and where one actor alone has it. An import is refused that gives an identifier to another.
    """
    known = set(described["entity_id"].to_pylist())
    given: dict[str, dict[str, str]] = {ID: {}, NAME: {}}
    shared: set[str] = set()
    for row in aliases.to_pylist():
        first = given[row["kind"]].setdefault(row["alias"], row["entity_id"])
        if first != row["entity_id"]:
            shared.add(row["alias"])
    up = {alias: to for alias, to in given[NAME].items() if alias not in known | shared} | given[ID]
    return {alias: _top(alias, up) for alias in up}


def _top(name: str, up: dict[str, str]) -> str:
    """Follow aliases to the id that is none; of a circle, the first by name."""
    seen = [name]
    while seen[-1] in up:
        following = up[seen[-1]]
        if following in seen:
            return min(seen[seen.index(following) :])
        seen.append(following)
    return seen[-1]


def _renamed(table: pa.Table, names: dict[str, str], *columns: str) -> pa.Table:
    """Give entities their canonical ids."""
    for column in columns if names else ():
        encoded = _encoded(table[column])
        told = pa.array([names.get(key, key) for key in encoded.dictionary.to_pylist()], pa.string())
        at = table.column_names.index(column)
        table = table.set_column(at, table.schema.field(column), told.take(encoded.indices))
    return table


def _merged(described: pa.Table, names: dict[str, str]) -> pa.Table:
    """Descriptions under canonical ids, those of the actor itself last: they win, and its category and home add up."""
    if not names:
        return described
    rows = described.to_pylist()
    own = {row["entity_id"]: row for row in rows if row["entity_id"] not in names}
    for row in rows:
        to = names.get(row["entity_id"])
        if to is None:
            continue
        main = own.setdefault(to, {**row, "entity_id": to})
        homes = dict.fromkeys([*main["jurisdictions"], *row["jurisdictions"]])
        foremost = min(main["category"], row["category"], key=RANK.__getitem__)
        own[to] = {**main, "category": foremost, "jurisdictions": list(homes)}
    return pa.Table.from_pylist(list(own.values()), ENTITY_SCHEMA)


def _aliases(aliases: pa.Table, names: dict[str, str]) -> pa.Table:
    """Aliases with the canonical ids of their entities, each once."""
    rows = {
        (row["alias"], row["kind"], names.get(row["entity_id"], row["entity_id"])): row for row in aliases.to_pylist()
    }
    told = [{**row, "entity_id": entity} for (_, _, entity), row in sorted(rows.items()) if row["alias"] != entity]
    return pa.Table.from_pylist(told, ALIAS_SCHEMA)


def _numbered(relations: pa.Table) -> pa.Table:
    numbers = pa.array(np.arange(relations.num_rows, dtype=np.int32))
    return relations.add_column(0, pa.field("relation_id", pa.int32(), nullable=False), numbers)


def read_if(path: Path, schema: pa.Schema) -> pa.Table:
    """Read what only some imports have."""
    return _read(path, schema) if path.exists() else schema.empty_table()


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        # Columns that came with later software are empty in what earlier software wrote.
        return pq.read_table(path, schema=schema)
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing: restore it from a backup, or import its list again") from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise DamagedError(f"{path} is damaged ({error}): restore it from a backup") from error


def _by_list(live: Iterable[Imported]) -> dict[tuple[str, str], list[Imported]]:
    """Give the vintages of each legal list and network, oldest first."""
    found: dict[tuple[str, str], list[Imported]] = {}
    for entry in live:
        if entry.list_id is not None:
            found.setdefault((entry.list_id, entry.network), []).append(entry)
    return found


def _listings(folder: Path, vintages: Sequence[Imported]) -> pa.Table:
    """Turn the claims of all vintages of one list into listings with a beginning and an end."""
    claims = pa.concat_tables(_dated(_read(tags_path(folder, e.id), TAG_SCHEMA), e.dated) for e in vintages)
    # From the catalogue, as a vintage that names nobody ends listings too.
    days = pa.table({"dated": pa.array([e.dated for e in vintages], pa.date32())})
    numbered = claims.append_column("row_id", pa.array(np.arange(claims.num_rows)))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("claim", numbered)
        connection.register("day", days)
        return connection.sql(_LISTINGS).to_arrow_table().cast(TAG_SCHEMA)


def _dated(claims: pa.Table, day: date | None) -> pa.Table:
    """Add the day of the vintage that the claims are of."""
    return claims.append_column("dated", pa.repeat(pa.scalar(day, pa.date32()), claims.num_rows))


def _entities(described: pa.Table, tags: pa.Table, related: pa.Table) -> pa.Table:
    """Describe each party once: the newest description wins; who only tags or relations name is described by them."""
    rows: dict[str, dict[str, Any]] = {row["entity_id"]: row for row in described.to_pylist()}
    for key, row in _undescribed(tags, rows.keys()).items():
        rows[key] = {**row, "name": key, "jurisdictions": []}
    for row in related.to_pylist():
        for key in (row["entity_id"], row["other_id"]):
            bare = {"entity_id": key, "name": key, "category": LEAST, "jurisdictions": []}
            rows.setdefault(key, bare | {"source_sha256": row["source_sha256"]})
    return pa.Table.from_pylist([rows[key] for key in sorted(rows)], ENTITY_SCHEMA)


def _undescribed(tags: pa.Table, described: AbstractSet[str]) -> dict[str, dict[str, Any]]:
    """Give the parties that only tags name, each with its foremost category."""
    columns = ["entity_id", "category", "source_sha256"]
    named = tags.select(columns).filter(pc.is_valid(tags["entity_id"])).group_by(columns).aggregate([])
    rows: dict[str, dict[str, Any]] = {}
    for row in sorted(named.to_pylist(), key=lambda r: (RANK[r["category"]], r["source_sha256"])):
        if row["entity_id"] not in described:
            rows.setdefault(row["entity_id"], row)
    return rows


def _with_parties_category(tags: pa.Table, entities: pa.Table) -> pa.Table:
    """Let the party's category speak where it takes precedence: a market's tag may not say that it is dark."""
    rank_of = dict(zip(entities["entity_id"].to_pylist(), entities["category"].to_pylist(), strict=True))
    least = len(CATEGORIES) - 1
    parties = _encoded(tags["entity_id"])
    party_ranks = np.array([RANK[rank_of[key]] for key in parties.dictionary.to_pylist()] + [least])
    own = _encoded(tags["category"])
    own_ranks = np.array([RANK[name] for name in own.dictionary.to_pylist()] + [least])
    ranks = np.minimum(party_ranks[_codes(parties)], own_ranks[_codes(own)])
    names = pa.array(list(CATEGORIES)).take(pa.array(ranks))
    return tags.set_column(tags.column_names.index("category"), TAG_SCHEMA.field("category"), names)


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return pa.concat_arrays(column.chunks or [pa.array([], column.type)]).dictionary_encode()


def _codes(encoded: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    """Give the dictionary codes; nulls as -1, which is the last entry of a look-up array."""
    return np.asarray(encoded.indices.fill_null(-1), dtype=np.int64)


def _lists(live: Iterable[Imported]) -> pa.Table:
    newest = {e.list_id: e for e in live if e.list_id is not None}
    rows = [
        {"list_id": list_id, "name": e.title, "date": e.dated, "sha256": e.sha256, "entries": e.tags}
        for list_id, e in sorted(newest.items())
    ]
    return pa.Table.from_pylist(rows, LIST_SCHEMA)
