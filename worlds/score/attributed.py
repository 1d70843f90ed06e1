"""Who every address is, all at once: the first conclusion of `heuristics.attribution.conclusions.attributions`.

The service asks for one address at a time; to score all of them, the same is worked out for whole tables. A test
holds every row against the service's answer.
"""

from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from heuristics.attribution.conclusions import CLAIMS_SHOWN, CLUSTER_LISTED, ENTITY, LISTED, OWNERSHIP_RULE
from heuristics.clusters.evidence import Edge, certainty

Longs = npt.NDArray[np.int64]
_OWN, _SAME_KEY, _CLUSTER = range(3)  # whose tags speak; where they say the same, the first is the basis
_LISTED_BASIS: Final = {_OWN: LISTED, _SAME_KEY: OWNERSHIP_RULE, _CLUSTER: CLUSTER_LISTED}
_OTHER_BASIS: Final = {_OWN: ENTITY, _SAME_KEY: OWNERSHIP_RULE, _CLUSTER: ENTITY}
_LISTED_NOW, _NEVER_LISTED = 0, 2
# What makes claims agree, and how much a listing counts: as in heuristics.attribution.conclusions.
_PARTY: Final = "coalesce(t.entity_id, chr(0) || t.category)"
_STANDING: Final = "CASE WHEN t.list_id IS NULL THEN 2 WHEN t.listed_to IS NULL THEN 0 ELSE 1 END"
# Of an address that is alone, its own tags and its key's say it all.
_CLAIMED: Final = f"""
SELECT m.number, t.number AS named, t.rank, t.entity_id, t.category, t.confidence, t.n_tags, {_PARTY} AS party,
       {_STANDING} AS standing, {_CLUSTER} AS source
FROM cluster_member m JOIN attribution t ON t.cluster = m.cluster AND t.rank < {CLAIMS_SHOWN}
"""  # noqa: S608
_FIRST: Final = f"""
WITH spoken AS (
    SELECT t.number, t.tag_id, t.entity_id, t.category, t.confidence, {_PARTY} AS party, {_STANDING} AS standing,
           {_OWN} AS source
    FROM tag t
    UNION ALL
    SELECT k.number, t.tag_id, t.entity_id, t.category, t.confidence, {_PARTY}, {_STANDING}, {_SAME_KEY}
    FROM same_key k JOIN tag t USING (tag_id)
), said AS (
    SELECT number, source, entity_id, category, party, standing, max(confidence) OVER agreeing AS confidence,
           count(*) OVER agreeing AS n_tags
    FROM spoken WHERE number IS NOT NULL
    WINDOW agreeing AS (PARTITION BY number, source, party)
    QUALIFY row_number() OVER (
        PARTITION BY number, source, party ORDER BY standing, spoken.confidence DESC, tag_id
    ) = 1
    UNION ALL BY NAME
    SELECT number, source, entity_id, category, party, standing, confidence, n_tags FROM claimed
), each_party AS (
    FROM said QUALIFY row_number() OVER (PARTITION BY number, party ORDER BY standing, confidence DESC, source) = 1
)
SELECT number, coalesce(entity_id, '') AS entity, category, confidence, source, standing FROM each_party
QUALIFY row_number() OVER (
    PARTITION BY number ORDER BY standing, confidence DESC, n_tags DESC, coalesce(entity_id, ''), category
) = 1
ORDER BY number
"""  # noqa: S608


class Trees(NamedTuple):
    """The evidence tree of every cluster, by address number: its parent (a root: itself) and that edge's percent."""

    parent: Longs
    confidence: Longs


def first_conclusions(con: duckdb.DuckDBPyConnection, n_addresses: int) -> pa.Table:
    """Number (rising), entity, category, confidence (percent), basis and whether it is listed, if attributed."""
    claimed = con.sql(_CLAIMED).to_arrow_table()
    column = claimed.column_names.index("confidence")
    con.register("claimed", claimed.set_column(column, "confidence", _through_edges(con, claimed, n_addresses)))
    found = con.sql(_FIRST).to_arrow_table()
    con.unregister("claimed")
    standing = found["standing"].to_pylist()
    bases = [
        (_OTHER_BASIS if listed == _NEVER_LISTED else _LISTED_BASIS)[source]
        for source, listed in zip(found["source"].to_pylist(), standing, strict=True)
    ]
    stands = pa.array([listed == _LISTED_NOW for listed in standing], pa.bool_())
    return found.append_column("basis", pa.array(bases, pa.string())).append_column("listed", stands)


def _through_edges(con: duckdb.DuckDBPyConnection, claimed: pa.Table, n_addresses: int) -> pa.Array:
    """What is left of each claim's confidence on the way from the tagged member."""
    number, named, rank, left = (_longs(claimed, name) for name in ("number", "named", "rank", "confidence"))
    trees = _trees(con, n_addresses)
    for this in np.unique(rank):
        rows = np.flatnonzero(rank == this)
        left[rows] = _certainties(trees, number[rows], named[rows], left[rows])
    return pa.array(left)


def _trees(con: duckdb.DuckDBPyConnection, n_addresses: int) -> Trees:
    edges = con.sql("SELECT number, parent, confidence FROM cluster_edge").to_arrow_table()
    found = Trees(np.arange(n_addresses), np.zeros(n_addresses, np.int64))
    number = _longs(edges, "number")
    found.parent[number] = _longs(edges, "parent")
    found.confidence[number] = _longs(edges, "confidence")
    return found


def _certainties(trees: Trees, member: Longs, named: Longs, percent: Longs) -> Longs:
    """Certainty of each member over its path to the tagged one, of which there is one per cluster."""
    on_the_way = np.zeros(len(trees.parent), np.bool_)
    at = np.unique(named)
    while len(at):
        on_the_way[at] = True
        above = np.unique(trees.parent[at])
        at = above[~on_the_way[above]]
    kinds = np.unique(trees.confidence[trees.confidence > 0])
    rows = [percent]
    for kind in kinds:
        edge = (trees.confidence == kind).astype(np.int64)
        to_root, _ = _climb(trees.parent, edge)
        stop = np.where(on_the_way, np.arange(len(edge)), trees.parent)
        up, meeting = _climb(stop, np.where(on_the_way, 0, edge))
        rows.append(up[member] + to_root[named] - to_root[meeting[member]])
    cases, which = np.unique(np.column_stack(rows), axis=0, return_inverse=True)
    told = [
        certainty([Edge(0, 0, 0, 0, int(kind)) for kind, n in zip(kinds, counts, strict=True) for _ in range(n)], left)
        for left, *counts in cases.tolist()
    ]
    return np.array(told, np.int64)[which]


def _climb(parent: Longs, weight: Longs) -> tuple[Longs, Longs]:
    """Sum of the weights from each node up to where its parent is itself, and that node; a leap doubles each time."""
    total, up = weight.copy(), parent
    while not np.array_equal(above := up[up], up):
        total += total[up]
        up = above
    return total, up


def _longs(table: pa.Table, name: str) -> Any:
    return np.array(table[name].to_numpy(), np.int64)
