"""Reach: how much of each payment comes from a principal, and how much gets to it, through wallets that pass it on.

Lots are followed from payment to payment in chain order and back, through wallets that nobody is known to hold; each
such wallet keeps a twentieth, so that a long way counts for less. So the outer company of a chain of fronts, which
never deals with the principal itself, deals with it all the same.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.shells.lots import Lots
from heuristics.shells.payments import Flags, Ints, Longs, Payments

Shares = npt.NDArray[np.float32]
_PASSED: Final = 0.95


class Reach(NamedTuple):
    """Per payment, 0 to 1."""

    source: Shares
    """Share that comes from the principal."""
    goal: Shares
    """Share that gets to the principal."""


class Order(NamedTuple):
    """Lots in chain order."""

    go: Longs
    """By the payment out."""
    come: Longs
    """By the payment in."""


def order_of(lots: Lots) -> Order:
    """Sort lots once for all principals."""
    return Order(np.argsort(lots.go, kind="stable"), np.argsort(lots.come, kind="stable"))


def some(lots: Lots, order: Order, kept: Flags) -> tuple[Lots, Order]:
    """Some of the lots, in the same order."""
    place = np.cumsum(kept) - 1
    return Lots._make(column[kept] for column in lots), Order._make(place[by[kept[by]]] for by in order)


def reach(pay: Payments, lots: Lots, order: Order, own: Flags) -> Reach:
    """How much of every payment comes from and gets to the wallets that are `own`; shape (wallets,)."""
    of = Reach(_direct(pay.payer, own), _direct(pay.payee, own))
    _forward(lots, order.go, pay.value, of.source)
    _backward(lots, order.come, pay.value, of.goal)
    return of


def _direct(wallet: Ints, own: Flags) -> Shares:
    return ((wallet >= 0) & own[wallet]).astype(np.float32)


@kernel
def _forward(lots: Lots, order: Longs, value: Longs, share: Shares) -> None:
    """Hand each payment's share on to what is paid with it; what is paid later stands later."""
    for i in order:
        if value[lots.go[i]] > 0:
            share[lots.go[i]] += _PASSED * share[lots.come[i]] * lots.value[i] / value[lots.go[i]]


@kernel
def _backward(lots: Lots, order: Longs, value: Longs, share: Shares) -> None:
    for k in range(len(order) - 1, -1, -1):
        i = order[k]
        if value[lots.come[i]] > 0:
            share[lots.come[i]] += _PASSED * share[lots.go[i]] * lots.value[i] / value[lots.come[i]]
