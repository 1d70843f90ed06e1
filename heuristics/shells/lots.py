"""Lots: which of a wallet's payments out are made with which of its payments in, first in first out."""

from typing import NamedTuple

import numpy as np

from chains.kernels import kernel
from heuristics.shells.payments import Flags, Ints, Longs, Payments


class Lots(NamedTuple):
    """Pieces of payments, wallet by wallet, each in the order in which they go out."""

    wallet: Ints
    come: Ints
    """Row of the payment in."""
    go: Ints
    """Row of the payment out."""
    value: Longs
    """Satoshi."""


class Events(NamedTuple):
    """Rows of the payments of some wallets, each wallet's together and in chain order."""

    wallet: Ints
    """The wallets, rising."""
    start: Longs
    """Where each wallet's rows begin, and the end."""
    row: Ints
    incoming: Flags


def events(pay: Payments, chosen: Flags) -> Events:
    """The payments of wallets that are chosen.

    Parameters
    ----------
    chosen : Flags, shape (numbers,)
        By wallet.
    """
    into = np.flatnonzero((pay.payee >= 0) & chosen[pay.payee])
    out = np.flatnonzero((pay.payer >= 0) & chosen[pay.payer])
    rows = np.concatenate([into, out])
    own = np.concatenate([pay.payee[into], pay.payer[out]])
    incoming = np.arange(len(rows)) < len(into)
    # A coin that comes and one that goes in one transaction are of different places, so the row decides.
    order = np.lexsort((rows, own))
    wallets, start = np.unique(own[order], return_index=True)
    ends = np.append(start, len(rows)).astype(np.int64)
    return Events(wallets.astype(np.int32), ends, rows[order].astype(np.int32), incoming[order])


def lots(pay: Payments, of: Events) -> Lots:
    """Match each wallet's payments in with its payments out, first in first out.

    What was there before, or comes back as interest from nowhere, makes no lot; what does not go out, neither.
    """
    room = len(of.row) + len(of.wallet)
    found = Lots._make(np.empty(room, kind) for kind in (np.int32, np.int32, np.int32, np.int64))
    n = _match(pay.value, of, found)
    return Lots._make(column[:n] for column in found)


@kernel
def _match(value: Longs, of: Events, to: Lots) -> int:
    """Fill the lots; how many there are."""
    n = 0
    for w in range(len(of.wallet)):
        head, end = of.start[w], of.start[w + 1]
        left = np.int64(-1)  # of the payment in at `head`; -1: not begun
        for e in range(of.start[w], end):
            if of.incoming[e]:
                continue
            due = value[of.row[e]]
            while due > 0 and head < e:
                if not of.incoming[head]:
                    head += 1
                    continue
                if left < 0:
                    left = value[of.row[head]]
                taken = min(left, due)
                if taken > 0:
                    to.wallet[n], to.come[n], to.go[n], to.value[n] = of.wallet[w], of.row[head], of.row[e], taken
                    n += 1
                due -= taken
                left -= taken
                if left == 0:
                    head += 1
                    left = np.int64(-1)
    return n
