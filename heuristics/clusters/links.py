"""What changes say of clusters: links (the change address is the payer's) and pairs that must stay apart.

Where one output is change, the others are payments: whoever holds them is another party (Möser and Narayanan 2022).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chains.kernels import kernel
from heuristics.clusters.change import votes
from heuristics.clusters.change.decide import Changes
from heuristics.facts import Bytes, Longs
from heuristics.graph import Graph, Ints
from heuristics.rules.change import CHANGE


class Links(NamedTuple):
    """Claims that two addresses in different T0 clusters are one party's.

    `payer` is an address of the inputs of the transaction at `place`, `number` the other address, `per_mille` the
    probability. Links of any rule can stand beside each other.
    """

    payer: Ints
    number: Ints
    place: Longs
    rule: Bytes
    per_mille: Ints


class Apart(NamedTuple):
    """Pairs of T0 clusters of which a transaction shows that they are two parties; each pair once."""

    a: Ints
    b: Ints


def links_of(graph: Graph, changes: Changes) -> Links:
    """Links between payers and the change that votes decided; what T0 shows by itself links nothing new."""
    voted = (changes.families & (votes.SELF | votes.COSPENT)) == 0
    place, row = changes.place[voted], changes.row[voted]
    payer = graph.spend_number[graph.in_start[place]]
    rule = np.full(len(place), CHANGE.id, np.uint8)
    return Links(payer, graph.out_number[row], place, rule, changes.per_mille[voted])


def joined(parts: Sequence[Links]) -> Links:
    """All links of several rules."""
    return Links(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def apart_of(graph: Graph, cluster: Ints, changes: Changes) -> Apart:
    """Clusters that changes show to be others': the payer's, and that of each other output.

    Parameters
    ----------
    graph
        The coin graph.
    cluster
        T0 cluster of each address number.
    changes
        In chain order.
    """
    place = changes.place[np.flatnonzero(np.diff(changes.place, prepend=-1))]
    payer = graph.spend_number[graph.in_start[place]]
    mine = np.where(payer >= 0, cluster[payer], -1).astype(np.int32)
    change = np.zeros(len(graph.out_value), np.bool_)
    change[changes.row] = True
    others = np.where(graph.out_number >= 0, cluster[graph.out_number], -1).astype(np.int32)
    others[change] = -1
    keys = np.sort(_apart(place, mine, graph.out_start, others))
    # np.unique of numbers is a hash table, several times slower than a sort of this many.
    keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
    return Apart((keys >> 32).astype(np.int32), (keys & 0xFFFF_FFFF).astype(np.int32))


@kernel
def _apart(place: Longs, mine: Ints, out_start: Longs, others: Ints) -> Longs:
    """Pairs of a payer's cluster and the cluster of a payment, in one number, the smaller in the upper half."""
    keys = np.empty((out_start[place + 1] - out_start[place]).sum(), np.int64)
    n = 0
    for k in range(len(place)):
        for o in range(out_start[place[k]], out_start[place[k] + 1]):
            a, b = np.int64(mine[k]), np.int64(others[o])
            if a >= 0 and b >= 0 and a != b:
                keys[n] = min(a, b) << 32 | max(a, b)
                n += 1
    return keys[:n]
