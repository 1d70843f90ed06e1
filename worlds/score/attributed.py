"""Who every address is, all at once: the first conclusion of `heuristics.attribution.conclusions.attributions`.

The service asks for one address at a time; to score all of them, the same is worked out for whole tables. A test
holds every row against the service's answer.
"""

from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from heuristics.attribution.conclusions import CLAIMS_SHOWN, CLUSTER_LISTED, ENTITY, LISTED, OWNERSHIP_RULE
from heuristics.clusters.evidence import Edge, certainty

Longs = npt.NDArray[np.int64]
# Who speaks; where they say the same, the first is the basis.
_OWN, _SAME_KEY, _CLUSTER, _RULE = range(4)
_LISTED_BASIS: Final = {_OWN: LISTED, _SAME_KEY: OWNERSHIP_RULE, _CLUSTER: CLUSTER_LISTED, _RULE: OWNERSHIP_RULE}
_OTHER_BASIS: Final = {_OWN: ENTITY, _SAME_KEY: OWNERSHIP_RULE, _CLUSTER: ENTITY, _RULE: OWNERSHIP_RULE}
_LISTED_NOW, _NEVER_LISTED = 0, 2
# What makes claims agree, and how much a listing counts: as in heuristics.attribution.conclusions.
_PARTY: Final = "coalesce(t.entity_id, chr(0) || t.category)"
_STANDING: Final = "CASE WHEN t.list_id IS NULL THEN 2 WHEN t.listed_to IS NULL THEN 0 ELSE 1 END"
# Of a wallet's members; of an address that is alone its own tags and its key's say all that tags say.
_CLAIMED: Final = f"""
SELECT a.number, t.number AS named, t.rank, t.entity_id, t.category, t.confidence, t.n_tags, {_PARTY} AS party,
       {_STANDING} AS standing, CASE WHEN t.rule = 0 THEN {_CLUSTER} ELSE {_RULE} END AS source
FROM address a
LEFT JOIN wallet w ON w.cluster = coalesce(a.cluster, a.number)
JOIN attribution t ON t.cluster = coalesce(w.wallet, a.cluster, a.number) AND t.rank < {CLAIMS_SHOWN}
WHERE a.cluster IS NOT NULL OR w.wallet IS NOT NULL OR t.rule <> 0
"""  # noqa: S608
_FIRST: Final = f"""
WITH spoken AS (
    SELECT t.number, t.tag_id, t.entity_id, t.category, t.confidence, {_PARTY} AS party, {_STANDING} AS standing,
           {_OWN} AS source
    FROM tag t WHERE t.stands
    UNION ALL
    SELECT k.number, t.tag_id, t.entity_id, t.category, t.confidence, {_PARTY}, {_STANDING}, {_SAME_KEY}
    FROM same_key k JOIN tag t USING (tag_id) WHERE t.stands
), said AS (
    SELECT number, source, entity_id, category, party, standing, max(confidence) OVER agreeing AS confidence,
           count(*) OVER agreeing AS n_tags, FALSE AS linked
    FROM spoken WHERE number IS NOT NULL
    WINDOW agreeing AS (PARTITION BY number, source, party)
    QUALIFY row_number() OVER (
        PARTITION BY number, source, party ORDER BY standing, spoken.confidence DESC, tag_id
    ) = 1
    UNION ALL BY NAME
    SELECT number, source, entity_id, category, party, standing, confidence, n_tags, linked FROM claimed
), each_party AS (
    FROM said QUALIFY row_number() OVER (PARTITION BY number, party ORDER BY standing, confidence DESC, source) = 1
)
SELECT number, coalesce(entity_id, '') AS entity, category, confidence, source, standing, linked FROM each_party
QUALIFY row_number() OVER (
    PARTITION BY number
    ORDER BY standing, source = {_RULE} AND entity_id IS NULL, confidence DESC, n_tags DESC,
             coalesce(entity_id, ''), category
) = 1
ORDER BY number
"""  # noqa: S608


class Trees(NamedTuple):
    """The evidence tree of every wallet, by address number: its parent (a root: itself) and that edge's percent.

    `links` counts the change links (of no owning tier) between an address and the root.
    """

    parent: Longs
    confidence: Longs
    links: Longs


def first_conclusions(con: duckdb.DuckDBPyConnection, n_addresses: int) -> pa.Table:
    """Number (rising), entity, category, confidence (percent), basis and whether it is listed, if attributed."""
    claimed = con.sql(_CLAIMED).to_arrow_table()
    column = claimed.column_names.index("confidence")
    left, linked = _through_edges(con, claimed, n_addresses)
    con.register("claimed", claimed.set_column(column, "confidence", left).append_column("linked", linked))
    found = con.sql(_FIRST).to_arrow_table()
    con.unregister("claimed")
    standing = found["standing"].to_pylist()
    columns = (found["source"].to_pylist(), standing, found["linked"].to_pylist())
    bases = [
        (_OTHER_BASIS if linked or listed == _NEVER_LISTED else _LISTED_BASIS)[source]
        for source, listed, linked in zip(*columns, strict=True)
    ]
    stands = pa.array([listed == _LISTED_NOW for listed in standing], pa.bool_())
    return found.append_column("basis", pa.array(bases, pa.string())).append_column("listed", stands)


def _through_edges(con: duckdb.DuckDBPyConnection, claimed: pa.Table, n_addresses: int) -> tuple[pa.Array, pa.Array]:
    """What is left of each claim's confidence on the way from the member named, and whether a change link is on it."""
    number, named, rank, left = (_longs(claimed, name) for name in ("number", "named", "rank", "confidence"))
    linked = np.zeros(len(number), np.bool_)
    trees = _trees(con, n_addresses)
    for this in np.unique(rank):
        rows = np.flatnonzero(rank == this)
        counts = _on_the_way(trees, number[rows], named[rows], trees.links)
        linked[rows] = counts > 0
        left[rows] = _certainties(trees, number[rows], named[rows], left[rows])
    return pa.array(left), pa.array(linked)


def _trees(con: duckdb.DuckDBPyConnection, n_addresses: int) -> Trees:
    """Root every wallet's tree somewhere: the edges of its clusters and the change links between them make one tree."""
    columns = "number AS a, {} AS b, confidence, {} AS linked"
    owned = con.sql(f"SELECT {columns.format('parent', 'FALSE')} FROM cluster_edge").to_arrow_table()  # noqa: S608
    links = con.sql(f"SELECT {columns.format('payer', 'TRUE')} FROM wallet_edge").to_arrow_table()  # noqa: S608
    edges = pa.concat_tables([owned, links])
    a, b, percent = (_longs(edges, name) for name in ("a", "b", "confidence"))
    linked = _longs(edges.set_column(3, "linked", edges["linked"].cast(pa.int8())), "linked")
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n_addresses + 1,) * 2)
    _, tree = connected_components(graph, directed=False)
    _, roots = np.unique(tree[:n_addresses], return_index=True)
    # One search from an address that is none and hangs together with every root.
    ends = (np.append(a, np.full(len(roots), n_addresses)), np.append(b, roots))
    whole = csr_array(coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(n_addresses + 1,) * 2))
    _, above = breadth_first_order(whole, n_addresses, directed=False)
    parent = above[:n_addresses].astype(np.int64)
    parent[roots] = roots
    found = Trees(parent, np.zeros(n_addresses, np.int64), np.zeros(n_addresses, np.int64))
    child = np.where(parent[a] == b, a, b)
    found.confidence[child], found.links[child] = percent, linked
    return found


def _on_the_way(trees: Trees, member: Longs, named: Longs, edge: Longs) -> Longs:
    """Sum of a weight of edges over the path from each member to the one named, of which there is one per tree."""
    on_the_way = np.zeros(len(trees.parent), np.bool_)
    at = np.unique(named)
    while len(at):
        on_the_way[at] = True
        above = np.unique(trees.parent[at])
        at = above[~on_the_way[above]]
    to_root, _ = _climb(trees.parent, edge)
    stop = np.where(on_the_way, np.arange(len(edge)), trees.parent)
    up, meeting = _climb(stop, np.where(on_the_way, 0, edge))
    found: Longs = up[member] + to_root[named] - to_root[meeting[member]]
    return found


def _certainties(trees: Trees, member: Longs, named: Longs, percent: Longs) -> Longs:
    """Certainty of each member over its path to the one named, of which there is one per wallet."""
    kinds = np.unique(trees.confidence[trees.confidence > 0])
    ways = (_on_the_way(trees, member, named, (trees.confidence == kind).astype(np.int64)) for kind in kinds)
    rows = [percent, *ways]
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
