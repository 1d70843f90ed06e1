"""Clusters from edges: union-find, then a tree of evidence per cluster, rooted at its earliest member."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.numbers import Numbers

Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class Edges(NamedTuple):
    """Links between two addresses by number, each with its rule and transaction."""

    a: Numbers
    b: Numbers
    rule: Bytes
    tx_id: Longs


class Trees(NamedTuple):
    """Per address: the cluster (number of its earliest member), the parent and the edge that leads there.

    -1 where an address is alone; the earliest member has no parent and no edge.
    """

    cluster: Numbers
    parent: Numbers
    edge: Numbers


def no_parents(n: int) -> Numbers:
    """Union-find state in which each of `n` addresses is alone."""
    return np.arange(n, dtype=np.int32)


@kernel
def root(parents: Numbers, x: np.int64) -> np.int64:
    """Representative of the set of `x`, halving the path on the way."""
    while parents[x] != x:
        parents[x] = parents[parents[x]]
        x = np.int64(parents[x])
    return x


@kernel
def unite(parents: Numbers, a: Numbers, b: Numbers, accepted: npt.NDArray[np.bool_]) -> None:
    """Unite the ends of every edge in order; `accepted` says which edges brought something together.

    The smaller number becomes the representative, so paths stay short without a table of ranks.
    """
    for i in range(len(a)):
        x, y = root(parents, np.int64(a[i])), root(parents, np.int64(b[i]))
        accepted[i] = x != y
        if x < y:
            parents[y] = x
        elif y < x:
            parents[x] = y


def accept(parents: Numbers, edges: Edges) -> Edges:
    """Unite edges and keep those that were needed."""
    accepted = np.zeros(len(edges.a), np.bool_)
    unite(parents, edges.a, edges.b, accepted)
    return Edges(edges.a[accepted], edges.b[accepted], edges.rule[accepted], edges.tx_id[accepted])


@kernel
def _neighbours(n: int, a: Numbers, b: Numbers) -> tuple[Longs, Numbers]:
    """Incident edges of every address: `edges[at[x]:at[x + 1]]`."""
    at = np.zeros(n + 2, np.int64)
    for i in range(len(a)):
        at[a[i] + 2] += 1
        at[b[i] + 2] += 1
    for x in range(n):
        at[x + 2] += at[x + 1]
    edges = np.empty(2 * len(a), np.int32)
    for i in range(len(a)):
        for x in (a[i], b[i]):
            edges[at[x + 1]] = i
            at[x + 1] += 1
    return at[: n + 1], edges


@kernel
def _earliest(parents: Numbers, first_seen: Longs, members: Numbers) -> Numbers:
    """Earliest member of every set, by its representative; -1 elsewhere."""
    best = np.full(len(parents), np.int32(-1), np.int32)
    for x in members:
        r = root(parents, np.int64(x))
        if best[r] < 0 or first_seen[x] < first_seen[best[r]]:
            best[r] = x
    return best


@kernel
def _grow(
    start: int, at: Longs, incident: Numbers, ends: tuple[Numbers, Numbers], trees: Trees, queue: Numbers
) -> None:
    """Breadth first from the earliest member, so that chains are as short as the edges allow."""
    a, b = ends
    trees.cluster[start] = start
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        x = queue[head]
        head += 1
        for k in range(at[x], at[x + 1]):
            e = incident[k]
            y = b[e] if a[e] == x else a[e]
            if trees.cluster[y] < 0:
                trees.cluster[y] = start
                trees.parent[y] = x
                trees.edge[y] = e
                queue[tail] = y
                tail += 1


@kernel
def _grow_all(roots: Numbers, at: Longs, incident: Numbers, ends: tuple[Numbers, Numbers], trees: Trees) -> None:
    """Grow every cluster's tree."""
    queue = np.empty(len(ends[0]) + 1, np.int32)
    for start in roots:
        _grow(start, at, incident, ends, trees, queue)


def joined(parts: Sequence[Edges]) -> Edges:
    """All edges of several lots, in order."""
    return Edges(
        np.concatenate([part.a for part in parts]),
        np.concatenate([part.b for part in parts]),
        np.concatenate([part.rule for part in parts]),
        np.concatenate([part.tx_id for part in parts]),
    )


def trees(parents: Numbers, edges: Edges, first_seen: Longs) -> Trees:
    """Root the accepted edges of every cluster at its earliest member.

    Parameters
    ----------
    parents
        Union-find state after the edges.
    edges
        The accepted edges: a forest.
    first_seen
        Per address, smaller is earlier; distinct.
    """
    n = len(parents)
    nothing = np.full(n, -1, np.int32)
    found = Trees(nothing, nothing.copy(), nothing.copy())
    members = np.concatenate([edges.a, edges.b])
    best = _earliest(parents, first_seen, members)
    at, incident = _neighbours(n, edges.a, edges.b)
    _grow_all(best[best >= 0], at, incident, (edges.a, edges.b), found)
    return found
