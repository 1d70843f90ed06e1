"""One state of all labels as Arrow tables: claims numbered, listings as intervals, parties described once."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
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
from store.formats.claims import ENTITY_SCHEMA, TAG_SCHEMA
from store.formats.taxonomy import CATEGORIES, RANK

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
# A listing is a run of consecutive vintages that name the address (gaps and islands): it begins with the
# run's first date and ends on the date of the first vintage that lacks it. What is said is the last word.
_LISTINGS = """
WITH vintage AS (
    SELECT dated, row_number() OVER (ORDER BY dated) AS n, lead(dated) OVER (ORDER BY dated) AS next_dated
    FROM (SELECT DISTINCT dated FROM day)
), named AS (
    SELECT claim.*, n, next_dated,
        n - dense_rank() OVER (PARTITION BY entity_id, chain, network, address ORDER BY n) AS run
    FROM claim JOIN vintage ON claim.listed_from = vintage.dated
), ranked AS (
    SELECT *, min(listed_from) OVER w AS first_date,
        row_number() OVER (PARTITION BY entity_id, chain, network, address, run ORDER BY n DESC, row_id) AS back
    FROM named WINDOW w AS (PARTITION BY entity_id, chain, network, address, run)
)
SELECT * EXCLUDE (row_id, n, run, back, first_date, next_dated)
    REPLACE (first_date AS listed_from, next_dated AS listed_to)
FROM ranked WHERE back = 1
ORDER BY first_date, entity_id, chain, network, address
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


def tags_path(folder: Path, import_id: str) -> Path:
    """Where the normalised claims of an import lie."""
    return folder / f"{import_id}.tags.parquet"


def entities_path(folder: Path, import_id: str) -> Path:
    """Where the normalised parties of an import lie."""
    return folder / f"{import_id}.entities.parquet"


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
    entities = _entities(described, tags)
    tags = _with_parties_category(tags, entities)
    numbers = pa.array(np.arange(tags.num_rows, dtype=np.int64))
    numbered = pa.table([numbers, *tags.columns], schema=SNAPSHOT_SCHEMA)
    return LabelSnapshot(version, numbered, entities, _lists(live))


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    try:
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
    claims = pa.concat_tables(_read(tags_path(folder, e.id), TAG_SCHEMA) for e in vintages)
    # From the catalogue, as a vintage that names nobody ends listings too.
    days = pa.table({"dated": pa.array([e.dated for e in vintages], pa.date32())})
    numbered = claims.append_column("row_id", pa.array(np.arange(claims.num_rows)))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("claim", numbered)
        connection.register("day", days)
        return connection.sql(_LISTINGS).to_arrow_table().cast(TAG_SCHEMA)


def _entities(described: pa.Table, tags: pa.Table) -> pa.Table:
    """Describe each party once: the newest description wins; who only tags name is described by them."""
    rows: dict[str, dict[str, Any]] = {row["entity_id"]: row for row in described.to_pylist()}
    for key, row in _undescribed(tags, rows.keys()).items():
        rows[key] = {**row, "name": key, "jurisdictions": []}
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
