"""Wallets (T1): T0 clusters joined by links, the most probable first, unless something speaks against it.

Kruskal's order with refusals after Möser and Narayanan 2022 and Ermilov et al. 2017: one wrong link must not join two
known parties, nor what a transaction shows to be two, nor two large clusters; and programs do not change their habits.
Every refusal is kept: many of them are the sign of a collapse.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from chains.kernels import i64, kernel
from heuristics.clusters import unite
from heuristics.clusters.change.view import View
from heuristics.clusters.links import Apart, Links
from heuristics.clusters.profiles import UNLINKED, Counts, agreement, profiles
from heuristics.facts import Bytes, Longs
from heuristics.graph import Ints

LARGE: Final = 1_000
"""Addresses from which a cluster is large."""
EDGES_FOR_LARGE: Final = 3
"""Independent links, by as many transactions, that join two large clusters all the same."""
ACCEPTED, REDUNDANT, ACTORS, APART, SIZE, FINGERPRINT = range(6)
REASONS: Final = {
    ACTORS: "two_actors", APART: "must_not_link", SIZE: "both_large", FINGERPRINT: "fingerprints_differ",
}  # fmt: skip


class Wallets(NamedTuple):
    """What came of the links.

    `wallet` has for each address number its wallet: the number of the earliest address in it. `outcome` says of
    each link whether it was ACCEPTED, REDUNDANT (both ends were together by then), or why it was refused. `tree` is
    the evidence over the clusters of `nodes`, by their place there, rooted at each wallet's earliest cluster.
    """

    wallet: Ints
    outcome: Bytes
    nodes: Ints
    tree: unite.Trees


class _State(NamedTuple):
    """Per node: union-find, addresses, actor, fingerprints; and a chained list of the nodes it must stay apart from.

    `head`, `tail` and `length` are of a node's list, `other` and `next` of its entries; -1 ends a list.
    """

    parent: Ints
    size: Ints
    actor: Ints
    counts: Counts
    head: Ints
    tail: Ints
    length: Ints
    other: Ints
    next: Ints


def wallets(seen: View, links: Links, apart: Apart, actor: Ints) -> Wallets:
    """Join clusters.

    Parameters
    ----------
    seen
        The history.
    links
        Candidate links, of any rule. Equal ones are taken in chain order.
    apart
        Pairs of clusters that must not be joined.
    actor
        Per address number, looked up at the cluster's own: code of the entity that surely holds it, -1 none.
    """
    a, b = seen.cluster[links.payer], seen.cluster[links.number]
    nodes = np.unique(np.concatenate([a, b]))
    a, b = (np.searchsorted(nodes, ends).astype(np.int32) for ends in (a, b))
    order = np.lexsort((links.rule, links.payer, links.number, links.place, -links.per_mille))
    state = _state(seen, nodes, _within(nodes, apart), actor)
    outcome = np.empty(len(a), np.uint8)
    _join(state, (a, b), order, _parallel(a, b, links.place), outcome)
    accepted = np.flatnonzero(outcome == ACCEPTED)
    edges = unite.Edges(a[accepted], b[accepted], links.rule[accepted], accepted)
    tree = unite.trees(state.parent, edges, seen.first[nodes])
    return Wallets(_wallet(seen.cluster, nodes, tree), outcome, nodes, tree._replace(edge=_link(tree, accepted)))


def _state(seen: View, nodes: Ints, apart: Apart, actor: Ints) -> _State:
    """Everybody alone, with their addresses, actors, fingerprints and lists."""
    n = len(nodes)
    size = np.bincount(seen.cluster, minlength=len(seen.cluster))[nodes].astype(np.int32)
    empty = np.full(n, -1, np.int32)
    state = _State(
        np.arange(n, dtype=np.int32), size, actor[nodes], profiles(seen, nodes), empty, empty.copy(),
        np.zeros(n, np.int32), np.empty(2 * len(apart.a), np.int32), np.full(2 * len(apart.a), -1, np.int32),
    )  # fmt: skip
    _chain(state, apart)
    return state


def _within(nodes: Ints, apart: Apart) -> Apart:
    """The pairs of which both may be joined to something, by their places among the nodes."""
    if not len(nodes):
        return Apart(apart.a[:0], apart.b[:0])
    ends = [np.minimum(np.searchsorted(nodes, side), len(nodes) - 1).astype(np.int32) for side in apart]
    both = (nodes[ends[0]] == apart.a) & (nodes[ends[1]] == apart.b)
    return Apart(ends[0][both], ends[1][both])


def _parallel(a: Ints, b: Ints, place: Longs) -> Ints:
    """Per link: how many transactions link the same two clusters."""
    pair = np.minimum(a, b).astype(np.int64) << 32 | np.maximum(a, b)
    order = np.lexsort((place, pair))
    distinct = np.ones(len(pair), np.bool_)
    distinct[1:] = (np.diff(pair[order]) != 0) | (np.diff(place[order]) != 0)
    _, which = np.unique(pair, return_inverse=True)
    n = np.bincount(which[order][distinct], minlength=1)
    return n[which].astype(np.int32)


@kernel
def _chain(state: _State, apart: Apart) -> None:
    """Put every pair into both ends' lists."""
    n = 0
    for k in range(len(apart.a)):
        for one, other in ((apart.a[k], apart.b[k]), (apart.b[k], apart.a[k])):
            state.other[n], state.next[n] = other, state.head[one]
            state.head[one] = n
            if state.tail[one] < 0:
                state.tail[one] = n
            state.length[one] += 1
            n += 1


@kernel
def _join(state: _State, ends: tuple[Ints, Ints], order: Longs, parallel: Ints, outcome: Bytes) -> None:
    """Take the links in order; write what came of each."""
    for link in order:
        x = i64(unite.root(state.parent, np.int64(ends[0][link])))
        y = i64(unite.root(state.parent, np.int64(ends[1][link])))
        outcome[link] = REDUNDANT if x == y else _objection(state, x, y, parallel[link])
        if outcome[link] == ACCEPTED:
            _merge(state, min(x, y), max(x, y))


@kernel
def _objection(state: _State, x: int, y: int, n_edges: int) -> int:
    """Why two wallets must not be joined; ACCEPTED where nothing speaks against it."""
    if state.actor[x] >= 0 and state.actor[y] >= 0 and state.actor[x] != state.actor[y]:
        return ACTORS
    if min(state.size[x], state.size[y]) >= LARGE and n_edges < EDGES_FOR_LARGE:
        return SIZE
    if agreement(state.counts[x], state.counts[y]) <= UNLINKED:
        return FINGERPRINT
    return APART if _must_not(state, x, y) else ACCEPTED


@kernel
def _must_not(state: _State, x: int, y: int) -> bool:
    """Whether some member of one wallet must stay apart from some member of the other; reads the shorter list."""
    if state.length[x] > state.length[y]:
        x, y = y, x
    entry = state.head[x]
    while entry >= 0:
        if unite.root(state.parent, np.int64(state.other[entry])) == y:
            return True
        entry = state.next[entry]
    return False


@kernel
def _merge(state: _State, x: int, y: int) -> None:
    """Let `x` stand for both."""
    state.parent[y] = x
    state.size[x] += state.size[y]
    state.actor[x] = max(state.actor[x], state.actor[y])
    state.counts[x] += state.counts[y]
    if state.head[y] >= 0:
        if state.tail[x] >= 0:
            state.next[state.tail[x]] = state.head[y]
        else:
            state.head[x] = state.head[y]
        state.tail[x] = state.tail[y]
        state.length[x] += state.length[y]


def _wallet(cluster: Ints, nodes: Ints, tree: unite.Trees) -> Ints:
    """Wallet of every address."""
    of = np.arange(len(cluster), dtype=np.int32)
    inside = tree.cluster >= 0
    of[nodes[inside]] = nodes[tree.cluster[inside]]
    wallet: Ints = of[cluster]
    return wallet


def _link(tree: unite.Trees, accepted: Longs) -> Ints:
    """Replace each edge of the tree, counted among the accepted links, by the link."""
    return np.where(tree.edge >= 0, accepted[tree.edge] if len(accepted) else -1, -1).astype(np.int32)


def wallet_rows(found: Wallets) -> pa.Table:
    """Rows of the table `wallet`: the clusters that were joined to others."""
    inside = found.tree.cluster >= 0
    return pa.table({"cluster": found.nodes[inside], "wallet": found.nodes[found.tree.cluster[inside]]})


def edge_rows(seen: View, links: Links, found: Wallets) -> pa.Table:
    """Rows of the table `wallet_edge`: the evidence, by cluster."""
    node = np.flatnonzero(found.tree.edge >= 0)
    edge = found.tree.edge[node]
    return pa.table(
        {
            "cluster": found.nodes[node],
            "parent": found.nodes[found.tree.parent[node]],
            "number": links.number[edge],
            "payer": links.payer[edge],
            "rule": links.rule[edge],
            "tx_id": seen.graph.tx_id(links.place[edge]),
            "confidence": (links.per_mille[edge] // 10).astype(np.uint8),
        }
    )


def refusal_rows(seen: View, links: Links, found: Wallets) -> pa.Table:
    """Rows of the table `refusal`, by address."""
    refused = np.flatnonzero(found.outcome > REDUNDANT)
    refused = refused[np.lexsort((links.place[refused], links.number[refused]))]
    return pa.table(
        {
            "number": links.number[refused],
            "other": links.payer[refused],
            "rule": links.rule[refused],
            "tx_id": seen.graph.tx_id(links.place[refused]),
            "probability": links.per_mille[refused].astype(np.int16),
            "reason": pa.array([REASONS[code] for code in found.outcome[refused].tolist()], pa.string()),
        }
    )
