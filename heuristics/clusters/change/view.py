"""What change is judged from: the coin graph, the T0 clusters, and what follows from both in one pass.

An address's appearances have ranks: the rows of all spends and outputs in chain order, a transaction's spends before
its outputs. The rank of its first appearance tells whether a transaction is where it was first seen.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel, lean_kernel, lean_step
from heuristics.facts import Bytes, Longs
from heuristics.graph import Graph, Ints

Flags = npt.NDArray[np.bool_]

MIXED: Final = 255
"""Instead of a script kind: the inputs are of several, or there are none."""
FORCED_DUST: Final = 1_000
"""Satoshi up to which a payment to an old address says nothing: anyone can force it upon the holder."""
NEVER: Final = (1 << 63) - 1


class View(NamedTuple):
    """The graph, with what every candidate set needs.

    Per address number: `cluster` the T0 cluster, `blocked` whether nothing may be concluded from it, `first` the rank
    of its first appearance, `last` the place of the last transaction that pays it (forced dust left out).

    Per output: `place` its transaction, `open` whether it is to an address of which something may be concluded.

    Per transaction: `several` whether it is, or may be, of several parties, `payer` the cluster of its inputs (-1
    unknown, several or none), `kind` the script kind of all its inputs or MIXED, `least` the smallest input in satoshi
    (-1 where one is unresolved).
    """

    graph: Graph
    cluster: Ints
    several: Flags
    blocked: Flags
    place: Ints
    open: Flags
    first: Longs
    last: Ints
    payer: Ints
    kind: Bytes
    least: Longs


def view(graph: Graph, cluster: Ints, several: Flags, blocked: Flags) -> View:
    """Look at the whole history once: one pass over all spends and outputs.

    Parameters
    ----------
    graph
        The coin graph.
    cluster
        T0 cluster of each address number; its own number where an address is alone.
    several
        Per transaction: several parties sign it, or may.
    blocked
        Per address: its id is shared by two scripts, so nothing may be concluded from it.
    """
    n, n_tx = len(cluster), len(graph.looks)
    found = View(
        graph,
        cluster,
        several,
        blocked,
        np.repeat(np.arange(n_tx, dtype=np.int32), np.diff(graph.out_start)),
        (graph.out_number >= 0) & ~blocked[graph.out_number] if n else np.zeros(len(graph.out_number), np.bool_),
        np.full(n, NEVER, np.int64),
        np.full(n, -1, np.int32),
        np.full(n_tx, -1, np.int32),
        np.full(n_tx, MIXED, np.uint8),
        np.full(n_tx, -1, np.int64),
    )
    _fill(found)
    return found


@lean_kernel
def _fill(to: View) -> None:
    """Note appearances, and what each transaction's inputs have in common."""
    graph = to.graph
    for t in range(len(graph.looks)):
        start, end = graph.in_start[t], graph.in_start[t + 1]
        if end > start:
            _inputs(to, t, start, end)
        for o in range(graph.out_start[t], graph.out_start[t + 1]):
            number = graph.out_number[o]
            if number < 0:
                continue
            rank = end + o
            old = to.first[number] < rank
            to.first[number] = min(to.first[number], rank)
            if not old or graph.out_value[o] > FORCED_DUST:
                to.last[number] = t


@lean_step
def _inputs(to: View, t: int, start: int, end: int) -> None:
    graph = to.graph
    kind, least = graph.spend_kind[start], graph.spend_value[start]
    first = graph.spend_number[start]
    payer = to.cluster[first] if first >= 0 else -1
    for i in range(start, end):
        number = graph.spend_number[i]
        if number >= 0:
            to.first[number] = min(to.first[number], i + graph.out_start[t])
        if number < 0 or to.blocked[number] or to.cluster[number] != payer:
            payer = -1
        if graph.spend_kind[i] != kind:
            kind = MIXED
        least = min(least, graph.spend_value[i])
    to.payer[t], to.kind[t], to.least[t] = payer, kind, least


@kernel
def only(out_start: Longs, candidates: Flags) -> Flags:
    """Keep the candidates that are their transaction's only one."""
    kept = np.zeros(len(candidates), np.bool_)
    for t in range(len(out_start) - 1):
        one, n = 0, 0
        for o in range(out_start[t], out_start[t + 1]):
            if candidates[o]:
                one, n = o, n + 1
        if n == 1:
            kept[one] = True
    return kept


@kernel
def first_of(out_start: Longs, chosen: Flags, otherwise: Flags) -> Flags:
    """Keep what is chosen; in transactions where nothing is, what is chosen otherwise."""
    kept = chosen.copy()
    for t in range(len(out_start) - 1):
        some = False
        for o in range(out_start[t], out_start[t + 1]):
            some |= chosen[o]
        if not some:
            for o in range(out_start[t], out_start[t + 1]):
                kept[o] = otherwise[o]
    return kept
