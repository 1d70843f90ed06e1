"""Two states of a history side by side: whether they can be compared, and what a transaction reads differs in.

Owners may be numbered anew: compared are their codes, and whether they are who pays.
"""

from typing import Final, NamedTuple

import numpy as np

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.passes.parts import Part, Parties, Shares, check, check_parties, code_of, payer
from heuristics.exposure.passes.run import Desk
from store.errors import DamagedError, StoreError

_ANY_PLACE: Final = 1 << 31


class History(NamedTuple):
    """One state of a history: all of it, so that its first place is 0, and who is a boundary."""

    whole: Part
    parties: Parties


def comparable(before: History, after: History, stored: Shares) -> tuple[History, History, Shares]:
    """Refuse what would lead a kernel out of its arrays, and codes that changed their meaning."""
    old, new = before.parties, after.parties
    n = len(before.whole.born)
    for history, end in ((before, _ANY_PLACE), (after, len(after.whole.born))):
        check_parties(history.parties)
        check(history.whole, history.parties, end)
    if before.whole.first or after.whole.first or n > len(after.whole.born):
        raise StoreError(
            f"what changed in a history: its {n} transactions from {before.whole.first} on are not the first of "
            f"{len(after.whole.born)} from {after.whole.first} on; give both from 0, and of the old one only what is "
            "still there"
        )
    if len(stored.start) != n + 1 or stored.start[-1] > len(stored.rows):
        raise DamagedError(f"what changed in a history: {len(stored.start) - 1} vectors are stored of {n} transactions")
    if old.n_categories != new.n_categories or not np.array_equal(old.category, new.category[: len(old.category)]):
        raise StoreError(
            "what changed in a history: a code does not mean the same afterwards; run both passes over everything"
        )
    wrong = _reshaped(before.whole, after.whole)
    if wrong >= 0:
        raise StoreError(
            f"what changed in a history: transaction {wrong} has not as many inputs and outputs as before; "
            "run both passes over everything"
        )
    return before, after, stored


@lean_kernel
def _reshaped(old: Part, new: Part) -> int:
    """The first transaction with another number of inputs or outputs, -1 where there is none."""
    for t in range(len(old.born)):
        if old.in_start[t + 1] != new.in_start[t + 1] or old.out_start[t + 1] != new.out_start[t + 1]:
            return t
    return -1


@lean_step
def comes_otherwise(before: History, desk: Desk, t: int) -> bool:
    """Whether a coin that a transaction spends has another code."""
    old, new = before.whole, desk.part
    differs = False
    for i in range(new.in_start[t], new.in_start[t + 1]):
        differs |= code_of(before.parties, old.spend_owner[i]) != code_of(desk.parties, new.spend_owner[i])
    return differs


@lean_step
def goes_otherwise(before: History, desk: Desk, t: int) -> bool:
    """Whether an output of a transaction has another code or spender, or is a hop where it was none, or none now."""
    old, new = before.whole, desk.part
    pays, pays_now = payer(old, t), payer(new, t)
    differs = False
    for o in range(new.out_start[t], new.out_start[t + 1]):
        owner, owner_now = old.out_owner[o], new.out_owner[o]
        code = code_of(desk.parties, owner_now)
        differs |= code_of(before.parties, owner) != code or (owner == pays) != (owner_now == pays_now)
        differs |= code < 0 and old.spent_by[o] != new.spent_by[o]
    return differs
