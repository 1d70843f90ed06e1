"""Where a CoinJoin's coins come from and go: the best witness against exchange batches and treasury splits.

Coins are remixed: a round has inputs from rounds of its kind before it and outputs in later ones (PETS 2026 and
Dumplings call a round without either false). Whirlpool's entrants come from a Tx0, which cuts a deposit into coins of a
pool's amount and pays the coordinator by an output beside an OP_RETURN.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.clusters.multiparty.coinjoins import MOST_OVER, POOLS
from heuristics.facts import Longs
from heuristics.graph import Graph

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
LEAST_OVER: Final = 100
MOST_PREMIX: Final = 70
# A coordinator's fee per pool, in satoshi, in the order of POOLS.
_FEES: Final = np.array([5_000, 50_000, 175_000, 1_750_000])
_POOLS: Final = np.array(POOLS)


class Remixes(NamedTuple):
    """Per verdict: inputs and outputs shared with rounds of its family, and how much of either can be said at all."""

    before: Longs
    after: Longs
    n_in: Longs
    n_out: Longs
    known: Longs
    spent: Longs


@kernel
def _remixes(graph: Graph, which: Longs, family: Bytes, out: Longs) -> None:
    for k in range(len(which)):
        t = which[k]
        mine = family[t]
        for i in range(graph.in_start[t], graph.in_start[t + 1]):
            u = graph.origin[i]
            out[0, k] += u >= 0 and mine > 0 and family[u] == mine
            out[4, k] += u >= 0
        for o in range(graph.out_start[t], graph.out_start[t + 1]):
            u = graph.spent_by[o]
            out[1, k] += u >= 0 and mine > 0 and family[u] == mine
            out[5, k] += u >= 0
        out[2, k] = graph.in_start[t + 1] - graph.in_start[t]
        out[3, k] = graph.out_start[t + 1] - graph.out_start[t]


def remixes(graph: Graph, which: Longs, family: Bytes) -> Remixes:
    """Count remixed coins of transactions; `family` per place, 0 none."""
    out = np.zeros((6, len(which)), np.int64)
    _remixes(graph, which, family, out)
    return Remixes(*out)


@kernel
def _cut(graph: Graph, t: int, amount: int, fee: int) -> bool:
    """Whether a transaction is a Tx0 of one pool: equal premix coins, a fee output, one OP_RETURN."""
    premix, fees, notes, worth = 0, 0, 0, np.int64(0)
    for o in range(graph.out_start[t], graph.out_start[t + 1]):
        value = graph.out_value[o]
        if graph.out_number[o] < 0:
            notes += 1
        elif amount + LEAST_OVER <= value <= amount + MOST_OVER and (worth in (0, value)):
            premix += 1
            worth = value
        elif fee <= 2 * value and value <= 3 * fee:
            fees += 1
    return notes == 1 and 1 <= premix <= MOST_PREMIX and fees >= 1


@kernel
def _pool_of(value: int) -> int:
    for n in range(len(_POOLS)):
        if _POOLS[n] + LEAST_OVER <= value <= _POOLS[n] + MOST_OVER:
            return n
    return -1


@kernel
def _descent(graph: Graph, which: Longs, pool_shaped: Bytes, mixed: Bytes) -> Longs:
    out = np.zeros((3, len(which)), np.int64)
    for k in range(len(which)):
        t = which[k]
        if pool_shaped[k] == 0:
            continue
        for i in range(graph.in_start[t], graph.in_start[t + 1]):
            u = graph.origin[i]
            if u < 0:
                continue
            pool = _pool_of(graph.spend_value[i])
            if pool >= 0:
                out[0 if _cut(graph, u, _POOLS[pool], _FEES[pool]) else 2, k] += 1
            else:
                out[1 if mixed[u] > 0 else 2, k] += 1
    return out


class Descent(NamedTuple):
    """Of each pool-shaped transaction's inputs: how many come from a Tx0, from an earlier mix, from elsewhere."""

    entered: Longs
    remixed: Longs
    strange: Longs


def descent(graph: Graph, which: Longs, pool_shaped: Bytes, mixed: Bytes) -> Descent:
    """Count the origins of the inputs of those transactions of `which` that have a pool's shape.

    `mixed` is not 0 at the places of all such transactions.
    """
    return Descent(*_descent(graph, which, pool_shaped, mixed))


@kernel
def tx0s(graph: Graph, which: Longs) -> Flags:
    """Per transaction of `which`, whether it has the form of a Tx0 of any pool."""
    out = np.zeros(len(which), np.bool_)
    for k in range(len(which)):
        for n in range(len(_POOLS)):
            out[k] |= _cut(graph, which[k], _POOLS[n], _FEES[n])
    return out
