"""Two entities in one wallet: the weakest change links between them are cut, and both stay on record.

Only T1 and T2 links can be cut. What T0 holds together is one node here: an edge of T0 counts as infinite, and links
through transactions like CoinJoins, which would not, make no T0 edge in the first place (rule table, tier veto). So two
entities claimed surely of one cluster can not be parted: that is shared custody, or a wrong label, and both are told.
Between all others runs a minimum cut over the links, each weighted by its log-odds. For three entities and more the
isolating cuts are taken but the heaviest, which is at most twice the least (Dahlhaus et al. 1994, The Complexity of
Multiterminal Cuts).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from heuristics.attribution.conclusions import SURE_ENOUGH

Longs = npt.NDArray[np.int64]
# Thousandths of a nat: the flow is counted in whole numbers of 32 bits.
_UNIT: Final = 1_000
_INFINITE: Final = 2**30
# Nothing is surer than one in a thousand of being wrong, nor does a link weigh nothing.
_SUREST: Final = 0.999
_LEAST: Final = 0.5001
_CONFLICTING: Final = "SELECT DISTINCT cluster FROM attribution WHERE conflict ORDER BY cluster"
# Whom tags and claims surely name, by T0 cluster.
_NAMED: Final = """
SELECT DISTINCT coalesce(w.wallet, t.cluster) AS wallet, t.cluster, t.entity_id
FROM spoken t
LEFT JOIN wallet w ON w.cluster = t.cluster
LEFT JOIN base.cluster c ON c.cluster = t.cluster
WHERE t.cluster IS NOT NULL AND t.entity_id IS NOT NULL AND t.confidence >= $sure
  AND (t.cluster_definer OR (c.cluster IS NULL AND w.cluster IS NULL))
  AND coalesce(w.wallet, t.cluster) IN (SELECT unnest($wallets))
UNION
SELECT a.cluster, coalesce(m.cluster, m.number), a.entity_id
FROM attribution a JOIN base.address m ON m.number = a.number
WHERE a.rule <> 0 AND a.entity_id IS NOT NULL AND a.confidence >= $sure
  AND a.cluster IN (SELECT unnest($wallets))
ORDER BY ALL
"""
_LINKS: Final = """
SELECT w.wallet, e.cluster, e.parent, e.number, e.payer, e.rule, e.tx_id, e.confidence
FROM wallet_edge e JOIN wallet w USING (cluster)
WHERE w.wallet IN (SELECT unnest($wallets)) ORDER BY e.cluster
"""
# A claim goes with the member that is in its transaction.
_MOVED: Final = """
UPDATE claim SET wallet = coalesce(w.wallet, a.cluster, a.number)
FROM claimed c JOIN base.address a ON a.number = c.number
LEFT JOIN wallet w ON w.cluster = coalesce(a.cluster, a.number)
WHERE claim.wallet = c.wallet AND claim.rule = c.rule AND claim.tx_id = c.tx_id
  AND claim.wallet IN (SELECT unnest($wallets))
"""
_FIRST: Final = """
SELECT number, first_tx_id FROM base.address WHERE number IN (SELECT unnest($clusters)) ORDER BY number
"""


class Links(NamedTuple):
    """Links between the nodes 0 … n-1 of one wallet, with the probability of each."""

    a: Longs
    b: Longs
    probability: npt.NDArray[np.float64]


class Parted(NamedTuple):
    """What a conflict comes to: the links to cut, and the nodes that two entities share."""

    cut: list[int]
    shared: set[int]


class _Wallet(NamedTuple):
    """One wallet in conflict: rows of wallet_edge, and by entity the clusters that it is surely named for."""

    edges: list[tuple[Any, ...]]
    named: Mapping[str, set[int]]


def part(n: int, links: Links, terminals: Sequence[AbstractSet[int]]) -> Parted:
    """Find the links to cut so that no two terminals hang together, except over nodes that both hold.

    Parameters
    ----------
    n : int
        Nodes.
    links : Links
        What holds them together.
    terminals : Sequence[AbstractSet[int]]
        By entity: the nodes that it is surely named for.
    """
    holders: dict[int, int] = defaultdict(int)
    for nodes in terminals:
        for node in nodes:
            holders[node] += 1
    shared = {node for node, count in holders.items() if count > 1}
    # Who shares a node is one party for the cut: no link parts them.
    parties = _merged(terminals, shared)
    if len(parties) < 2:  # noqa: PLR2004 nobody is left to be parted
        return Parted([], shared)
    cuts = [_isolating(n, links, party, set().union(*(p for p in parties if p is not party))) for party in parties]
    weights = _weights(links)
    cuts.sort(key=lambda one: (sum(int(weights[i]) for i in one), one))
    return Parted(sorted(set().union(*map(set, cuts[:-1]))), shared)


def _merged(terminals: Sequence[AbstractSet[int]], shared: AbstractSet[int]) -> list[set[int]]:
    """Terminals as one where they share a node."""
    parties: list[set[int]] = []
    for nodes in terminals:
        mine = set(nodes)
        apart = []
        for party in parties:
            if party & mine & shared:
                mine |= party
            else:
                apart.append(party)
        parties = [*apart, mine]
    return sorted(parties, key=min)


def _isolating(n: int, links: Links, party: AbstractSet[int], others: AbstractSet[int]) -> list[int]:
    """Links of least weight whose cut leaves the party with none of the others: those that leave its side."""
    source, sink = n, n + 1
    ends = [(source, node) for node in sorted(party)] + [(node, sink) for node in sorted(others)]
    held = np.array(ends, np.int64).T
    weight = _weights(links)
    a = np.concatenate([links.a, links.b, held[0]])
    b = np.concatenate([links.b, links.a, held[1]])
    capacity = np.concatenate([weight, weight, np.full(len(ends), _INFINITE)]).astype(np.int32)
    graph = csr_array(coo_array((capacity, (a, b)), shape=(n + 2, n + 2)))
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    side = np.zeros(n + 2, np.bool_)
    side[breadth_first_order(left, source, return_predecessors=False)] = True
    return np.flatnonzero(side[links.a] != side[links.b]).tolist()


def _weights(links: Links) -> Longs:
    """Log-odds of each link, in thousandths of a nat."""
    p = np.clip(links.probability, _LEAST, _SUREST)
    weights: Longs = np.maximum(np.rint(np.log(p / (1 - p)) * _UNIT), 1).astype(np.int64)
    return weights


def resolve(con: duckdb.DuckDBPyConnection) -> int:
    """Part the wallets of which `attribution` says that two entities are in them; how many links were cut.

    Writes `cut` and `conflict`, takes what was cut out of `wallet_edge`, and lets `wallet` and `claim` follow. It
    wants `ranking.rank` before it, over the same connection, and after it again where anything was cut. Asked again
    with more claims, it adds what they bring.

    Parameters
    ----------
    con
        Connection to a labels file, with its base attached as `base`.
    """
    wallets = [row[0] for row in con.execute(_CONFLICTING).fetchall()]
    cut, conflicts = [], []
    rebuilt: list[tuple[int, _Wallet, set[int]]] = []
    for wallet, one in _read(con, wallets).items():
        parted = _part(one)
        gone = {edge[0] for edge in (one.edges[i] for i in parted.cut)}
        cut += [(wallet, *one.edges[i]) for i in parted.cut]
        conflicts += [
            (wallet, entity, cluster, cluster in parted.shared)
            for entity, clusters in one.named.items()
            for cluster in sorted(clusters)
        ]
        if gone:
            rebuilt.append((wallet, one, gone))
    told = set(con.execute("FROM conflict").fetchall())
    _insert(con, "conflict", [row for row in conflicts if row not in told])
    _insert(con, "cut", cut)
    if rebuilt:
        _rebuild(con, rebuilt)
    return len(cut)


def _read(con: duckdb.DuckDBPyConnection, wallets: Sequence[int]) -> dict[int, _Wallet]:
    """Wallets in conflict, in which two entities are surely named."""
    named: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for wallet, cluster, entity in con.execute(_NAMED, {"sure": SURE_ENOUGH, "wallets": list(wallets)}).fetchall():
        named[wallet][entity].add(cluster)
    edges: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for wallet, *edge in con.execute(_LINKS, {"wallets": list(wallets)}).fetchall():
        edges[wallet].append(tuple(edge))
    return {wallet: _Wallet(edges[wallet], entities) for wallet, entities in named.items() if len(entities) > 1}


def _part(one: _Wallet) -> Parted:
    """Part one wallet; in the answer nodes are clusters again."""
    ends = [node for edge in one.edges for node in edge[:2]]
    nodes = np.unique(np.array([*ends, *(c for some in one.named.values() for c in some)], np.int64))
    a, b, percent = (np.array([edge[i] for edge in one.edges], np.int64) for i in (0, 1, 6))
    links = Links(np.searchsorted(nodes, a), np.searchsorted(nodes, b), percent / 100)
    terminals = [{int(np.searchsorted(nodes, cluster)) for cluster in clusters} for clusters in one.named.values()]
    found = part(len(nodes), links, terminals)
    return Parted(found.cut, {int(nodes[node]) for node in found.shared})


def _rebuild(con: duckdb.DuckDBPyConnection, cut: Sequence[tuple[int, _Wallet, set[int]]]) -> None:
    """Write the wallets anew that are left of those that were cut, each rooted at its earliest cluster."""
    roots: list[tuple[int, int]] = []
    trees: list[tuple[Any, ...]] = []
    clusters = sorted({node for _, one, _ in cut for edge in one.edges for node in edge[:2]})
    first = dict(con.execute(_FIRST, {"clusters": clusters}).fetchall())
    for _, one, gone in cut:
        left = [edge for edge in one.edges if edge[0] not in gone]
        for root, edges in _rooted(left, first):
            roots += [(root, root), *((edge[0], root) for edge in edges)]
            trees += edges
    con.execute("DELETE FROM wallet WHERE cluster IN (SELECT unnest(?))", [clusters])
    con.execute("DELETE FROM wallet_edge WHERE cluster IN (SELECT unnest(?))", [clusters])
    _insert(con, "wallet", roots)
    _insert(con, "wallet_edge", trees)
    con.execute(_MOVED, {"wallets": [wallet for wallet, _, _ in cut]})


def _rooted(edges: Sequence[tuple[Any, ...]], first: Mapping[int, int]) -> list[tuple[int, list[tuple[Any, ...]]]]:
    """Trees of clusters, each with its earliest cluster as root and its edges turned toward it."""
    if not edges:
        return []
    nodes = np.unique(np.array([edge[:2] for edge in edges], np.int64))
    ends = np.searchsorted(nodes, np.array([edge[:2] for edge in edges], np.int64))
    graph = csr_array(coo_array((np.ones(len(edges), np.int8), (ends[:, 0], ends[:, 1])), shape=(len(nodes),) * 2))
    _, of = connected_components(graph, directed=False)
    by_ends = {frozenset(edge[:2]): edge for edge in edges}
    found = []
    for tree in range(int(of.max()) + 1):
        inside = np.flatnonzero(of == tree)
        root = min(inside.tolist(), key=lambda node: (first[int(nodes[node])], int(nodes[node])))
        order, parent = breadth_first_order(graph, root, directed=False)
        turned = [(int(nodes[node]), int(nodes[parent[node]])) for node in order[1:]]
        found.append((int(nodes[root]), [(*pair, *by_ends[frozenset(pair)][2:]) for pair in turned]))
    return found


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append rows; the table stays sorted by its first columns."""
    if not rows:
        return
    names = [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall()]
    con.register("rows", pa.table({name: [row[i] for row in sorted(rows)] for i, name in enumerate(names)}))
    con.execute(f"INSERT INTO {table} SELECT * FROM rows")  # noqa: S608
    con.unregister("rows")
