"""Who is one owner for sure: addresses that were spent together where nothing looks like several parties.

A transaction that could be of several parties, but whose inputs are all one owner's by that measure, is that owner's:
an exchange that pays equal amounts out of its deposits, a treasury that splits its coins, a sloppy coin selection.
"""

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.clusters.unite import no_parents, root
from heuristics.facts import Longs
from heuristics.graph import Graph
from heuristics.numbers import Numbers

Flags = npt.NDArray[np.bool_]


@kernel
def _unite(graph: Graph, suspected: Flags, parents: Numbers) -> None:
    """Unite the inputs of all transactions but the suspected ones; the smaller number represents."""
    for t in range(len(suspected)):
        if suspected[t]:
            continue
        oldest = np.int64(-1)
        for i in range(graph.in_start[t], graph.in_start[t + 1]):
            x = graph.spend_number[i]
            if x < 0:
                continue
            y = root(parents, np.int64(x))
            if oldest < 0:
                oldest = y
            elif y < oldest:
                parents[oldest] = y
                oldest = y
            else:
                parents[y] = oldest


def addresses(graph: Graph) -> int:
    """How many addresses are numbered."""
    return 1 + max(int(some.max(initial=-1)) for some in (graph.out_number, graph.spend_number))


def owners(graph: Graph, suspected: Flags) -> Numbers:
    """Union-find state of the addresses by number, with `suspected` transactions (per place) left out."""
    parents = no_parents(addresses(graph))
    _unite(graph, suspected, parents)
    return parents


@kernel
def parties(graph: Graph, which: Longs, parents: Numbers) -> Longs:
    """Per transaction of `which`: how many owners its inputs have at most; one whose address is unknown is one more."""
    out = np.zeros(len(which), np.int64)
    for k in range(len(which)):
        t = which[k]
        of = np.empty(graph.in_start[t + 1] - graph.in_start[t], np.int64)
        for n in range(len(of)):
            x = graph.spend_number[graph.in_start[t] + n]
            of[n] = root(parents, np.int64(x)) if x >= 0 else -1
        of.sort()
        for n in range(len(of)):
            out[k] += of[n] < 0 or n == 0 or of[n] != of[n - 1]
    return out
