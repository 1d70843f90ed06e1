"""Payments between wallets: what each transaction moves from one wallet to another, in chain order.

A transaction has one payer, the wallet of most of its inputs' value; what comes back to that wallet is no payment.
Where many pool their coins nobody knows who paid whom: those who put in pay `POOL`, and `POOL` pays those who take out.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.graph import POOLED, Graph

Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

COINBASE: Final = -1
"""Payer of a new coin."""
POOL: Final = -2
"""Both payer and payee in a transaction of many parties."""
UNKNOWN: Final = -3
"""Payer whose coins come from before the indexed history."""


class Payments(NamedTuple):
    """One row per output that goes to another wallet, by place and output."""

    place: Ints
    """The transaction."""
    payer: Ints
    """Wallet, or COINBASE, POOL, UNKNOWN."""
    payee: Ints
    """Wallet, or POOL."""
    by: Ints
    """Number of the address that puts in most; -1 where none is known."""
    value: Longs
    """Satoshi."""
    row: Longs
    """Row of the output; -1 where it goes to POOL."""


_NARROW: Final = 4  # columns of payments that are numbers and places


def payments(graph: Graph, pooled: Bytes, wallet: Ints) -> Payments:
    """Every payment of the indexed history.

    Parameters
    ----------
    pooled : Bytes, shape (transactions,)
        2 where funds are pooled (`heuristics.graph.POOLED`).
    wallet : Ints, shape (numbers,)
        Wallet of each address.
    """
    n = _fill(graph, pooled, wallet, empty(0), False)  # noqa: FBT003 -- counts only
    found = empty(n)
    _fill(graph, pooled, wallet, found, True)  # noqa: FBT003
    return found


def empty(n: int) -> Payments:
    """Room for `n` payments."""
    return Payments._make(np.empty(n, np.int32 if i < _NARROW else np.int64) for i in range(len(Payments._fields)))


@kernel
def _payer(graph: Graph, wallet: Ints, t: int) -> tuple[int, int]:
    """The wallet that puts in most, the first of equals, and its first address; it is of few inputs as a rule."""
    best, at, most = UNKNOWN, -1, np.int64(-1)
    first, end = graph.in_start[t], graph.in_start[t + 1]
    for i in range(first, end):
        number = graph.spend_number[i]
        if number < 0 or (i > first and number == graph.spend_number[i - 1]):
            continue
        own = wallet[number]
        if own == best:
            continue
        whole = np.int64(0)
        for j in range(i, end):
            other = graph.spend_number[j]
            if other >= 0 and wallet[other] == own:
                whole += max(graph.spend_value[j], 0)
        if whole > most:
            best, at, most = own, number, whole
    return best, at


@kernel
def _put(to: Payments, n: int, ends: tuple[int, int, int], what: tuple[int, int, int]) -> None:
    to.payer[n], to.payee[n], to.by[n] = ends
    to.place[n], to.value[n], to.row[n] = what


@kernel
def _fill(graph: Graph, pooled: Bytes, wallet: Ints, to: Payments, write: bool) -> int:
    """Count the payments, or write them too."""
    n = 0
    for t in range(len(graph.in_start) - 1):
        payer, by = COINBASE, -1
        if pooled[t] == POOLED:
            payer = POOL
            for i in range(graph.in_start[t], graph.in_start[t + 1]):
                number = graph.spend_number[i]
                if number >= 0:
                    if write:
                        _put(to, n, (wallet[number], POOL, number), (t, max(graph.spend_value[i], 0), -1))
                    n += 1
        elif graph.in_start[t] < graph.in_start[t + 1]:
            payer, by = _payer(graph, wallet, t)
        for o in range(graph.out_start[t], graph.out_start[t + 1]):
            number = graph.out_number[o]
            if number >= 0 and wallet[number] != payer:
                if write:
                    _put(to, n, (payer, wallet[number], by), (t, graph.out_value[o], o))
                n += 1
    return n
