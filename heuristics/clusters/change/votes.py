"""Votes: what each family of evidence says of every output, one vote per family at most.

Signs of one family see the same thing in different ways; counted one by one they turn a sound refusal into a false
link (decluster added up 23 fingerprints and got that). A family votes for an output where it leaves that one alone.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.clusters.change import sets
from heuristics.clusters.change.view import Flags, View, first_of, only
from heuristics.facts import Bytes, Longs
from heuristics.graph import Ints

Counts = npt.NDArray[np.int32]
TYPE, AMOUNT, FRESHNESS, SPENDER, POSITION = (1 << bit for bit in range(5))
SELF, COSPENT = 1 << 5, 1 << 6
FAMILIES: Final = {
    TYPE: "type", AMOUNT: "amount", FRESHNESS: "freshness", SPENDER: "spender", POSITION: "position",
    SELF: "self", COSPENT: "cospent",
}  # fmt: skip
"""The first five vote; `self` (back to an address of the inputs) and `cospent` (T0 has it with them) are enough."""
ROUND: Final = (5, 6, 7)
"""Trailing zeros, in satoshi, from which an amount was chosen and is not left over; first the least of them."""
HABIT_AFTER: Final = 5
"""Decided transactions after which a cluster that always does the same is taken to have a habit (Kappos et al.)."""


def votes(seen: View) -> Bytes:
    """Per output: the families that vote for it, of those that need no earlier decision.

    Where history does not begin with the chain, any address may have been used before: freshness does not vote.
    """
    fresh = seen.graph.first_height[0] == 0
    found = np.where(only(seen.graph.out_start, sets.address_type(seen)), TYPE, 0).astype(np.uint8)
    found[amount(seen)] |= AMOUNT
    if fresh:
        found[only(seen.graph.out_start, sets.client_change(seen))] |= FRESHNESS
    found[spender(seen)] |= SPENDER
    return found


def amount(seen: View) -> Flags:
    """Outputs that an amount tells: smaller than every input, or the only one that is not round; no two at odds."""
    start = seen.graph.out_start
    uneven = only(start, sets.power_of_ten(seen, ROUND[0]))
    for digits in ROUND[1:]:
        uneven = first_of(start, uneven, only(start, sets.power_of_ten(seen, digits)))
    return only(start, only(start, sets.optimal_change(seen)) | uneven)


def same_program(seen: View) -> Flags:
    """Outputs that are unspent, or whose spender has this transaction's version, use of nLockTime, and nSequence."""
    return sets.version(seen) & sets.locktime(seen) & sets.sequence(seen)


def spender(seen: View) -> Flags:
    """Outputs whose spender, of one party, looks like this transaction, while all others' spenders differ from it.

    Script kinds do not tell them apart: that is what `type` votes by.
    """
    spent_by = seen.graph.spent_by
    known = (spent_by >= 0) & ~seen.several[spent_by]
    return only(seen.graph.out_start, same_program(seen)) & known


def not_ruled_out(seen: View) -> Flags:
    """Outputs that are unspent, or whose spender looks like this transaction in every respect."""
    return same_program(seen) & sets.script_type(seen)


def position(seen: View, place: Longs, row: Longs) -> Flags:
    """Outputs where their payer always puts its change: first of all outputs, or last.

    Parameters
    ----------
    seen
        The history.
    place, row
        Decided transactions and which output is their change.
    """
    return _habitual(seen.graph.out_start, seen.payer, np.zeros((len(seen.cluster), 3), np.int32), (place, row))


@kernel
def _habitual(out_start: Longs, payers: Ints, n: Counts, decided: tuple[Longs, Longs]) -> Flags:
    """Outputs at the habitual place; `n` counts a cluster's decided transactions, change first, change last."""
    place, row = decided
    for i in range(len(place)):
        start, end, payer = out_start[place[i]], out_start[place[i] + 1], payers[place[i]]
        if payer >= 0 and end - start > 1:
            n[payer, 0] += 1
            n[payer, 1] += row[i] == start
            n[payer, 2] += row[i] == end - 1
    kept = np.zeros(out_start[-1], np.bool_)
    for t in range(len(payers)):
        payer = payers[t]
        if payer >= 0 and out_start[t + 1] > out_start[t] and n[payer, 0] >= HABIT_AFTER:
            if n[payer, 1] == n[payer, 0]:
                kept[out_start[t]] = True
            elif n[payer, 2] == n[payer, 0]:
                kept[out_start[t + 1] - 1] = True
    return kept
