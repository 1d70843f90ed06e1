"""Fingerprints of clusters: what their own transactions have in common, and how badly two of them disagree.

Weights: GraphSense's pair weights for a match and a mismatch; a sum at or below UNLINKED it calls "likely unlinked".
Its remaining axis, how many outputs a transaction has, tells what is paid rather than which program pays.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from chains.bitcoin.tables import ScriptType
from chains.kernels import kernel
from heuristics.clusters.change import sets
from heuristics.clusters.change.view import MIXED, View
from heuristics.facts import Bytes
from heuristics.graph import Graph, Ints

Counts = npt.NDArray[np.int32]
LEAST_TRANSACTIONS: Final = 3
CONSISTENT_PERCENT: Final = 90
UNLINKED: Final = -60
AXES: Final = ("script type", "version", "replaceability", "witness", "locktime", "output order")
WEIGHTS: Final = ((5, -80), (5, -30), (3, -25), (3, -20), (4, -15), (2, -10))
"""Per axis: for a match, for a mismatch."""
_ROOM: Final = 16  # values that an axis can have; the last says that it tells nothing
_NOTHING: Final = _ROOM - 1
_WITNESS: Final = (ScriptType.P2WPKH, ScriptType.P2WSH, ScriptType.P2TR)
_SORTED_FROM: Final = 2


def profiles(seen: View, nodes: Ints) -> Counts:
    """How often each cluster's own transactions have each value of each axis.

    Parameters
    ----------
    seen
        The history.
    nodes
        The clusters, ascending.

    Returns
    -------
    Counts
        (clusters, axes, values).
    """
    kind = np.where(seen.kind == MIXED, _NOTHING, seen.kind)
    witness = np.where(seen.kind == MIXED, _NOTHING, np.isin(seen.kind, _WITNESS))
    sequence = sets.sequences(seen)
    axes = (
        kind, sets.versions(seen), np.where(sequence == MIXED, _NOTHING, sequence), witness, sets.locktimes(seen),
        _order(seen.graph),
    )  # fmt: skip
    node = np.full(len(seen.cluster), -1, np.int32)
    node[nodes] = np.arange(len(nodes), dtype=np.int32)
    counts = np.zeros((len(nodes), len(AXES), _ROOM), np.int32)
    for axis, values in enumerate(axes):
        _count(seen, node, values.astype(np.uint8), counts[:, axis])
    return counts


@kernel
def _count(seen: View, node: Ints, values: Bytes, counts: Counts) -> None:
    """Count one axis over the transactions that one cluster pays."""
    for t in range(len(values)):
        payer = seen.payer[t]
        if payer >= 0 and not seen.several[t] and node[payer] >= 0 and values[t] != _NOTHING:
            counts[node[payer], values[t]] += 1


@kernel
def _order(graph: Graph) -> Bytes:
    """Whether a transaction's outputs stand sorted by value (BIP 69), 1 or 0; _NOTHING for a single one."""
    out = np.full(len(graph.looks), np.uint8(_NOTHING), np.uint8)
    for t in range(len(out)):
        start, end = graph.out_start[t], graph.out_start[t + 1]
        if end - start >= _SORTED_FROM:
            out[t] = 1
            for o in range(start + 1, end):
                if graph.out_value[o] < graph.out_value[o - 1]:
                    out[t] = 0
    return out


@kernel
def usual(counts: npt.NDArray[np.int32]) -> int:
    """The value that nearly all transactions have; -1 where there is none, or there are too few."""
    total, most = counts.sum(), counts.argmax()
    if total < LEAST_TRANSACTIONS or counts[most] * 100 < total * CONSISTENT_PERCENT:
        return -1
    return int(most)


@kernel
def agreement(a: Counts, b: Counts) -> int:
    """Sum of the weights over the axes on which both clusters are consistent."""
    total = 0
    for axis in range(len(a)):
        one, other = usual(a[axis]), usual(b[axis])
        if one >= 0 and other >= 0:
            total += WEIGHTS[axis][0] if one == other else WEIGHTS[axis][1]
    return total
