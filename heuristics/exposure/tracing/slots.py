"""How coins move through one transaction that is traced: what it looks like from there, and what goes to each slot.

A transaction has *slots* that the coins move on to: forward its outputs and the fee; backward its inputs, and what
its outputs exceed them by.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from chains.kernels import i64, kernel
from heuristics.exposure.passes.parts import Longs, Part, Parties, Rows, spent

HAIRCUT, FIFO, POISON = range(3)
# What 8-byte floats hold to the satoshi: 90 million bitcoin.
MOST_VALUE: Final = 1 << 53
# The way money goes: from `maker` to `spender`, -1 where there is none; `row` is the output, -1 for a fee or a coin
# from before the history; `at` the first of its satoshi that counts (FIFO).
EDGE: Final = np.dtype(
    [("maker", "i4"), ("spender", "i4"), ("row", "i8"), ("at", "i8"), ("satoshi", "f8"),
     ("hops", "i4"), ("code", "i4"), ("why", "i4")]
)  # fmt: skip
# One row of it: numba has its fields as attributes.
Edge = Any
# What moves to a slot: the slot, its first satoshi, how many, hops so far.
Piece = tuple[int, int, float, int]


class Rule(NamedTuple):
    """What was asked, as the loops need it."""

    method: int
    forward: bool
    through: bool
    max_tx: int
    max_hops: int
    min_value: float


class Tx(NamedTuple):
    """A transaction that is being visited: its place, the one cluster that pays it, the value of each slot."""

    place: int
    payer: int
    slots: Longs


@kernel
def fits(part: Part, parties: Parties, t: int) -> bool:
    """Whether what a transaction says of itself lies within the columns, and within what a sum can hold."""
    i, j, o, p = part.in_start[t], part.in_start[t + 1], part.out_start[t], part.out_start[t + 1]
    if not (0 <= i <= j <= len(part.origin) and 0 <= o <= p <= len(part.out_value)):
        return False
    owners, n = len(parties.code), len(part.born)
    spends = pays = 0
    for k in range(i, j):
        value = part.spend_value[k]
        if not (value <= MOST_VALUE and -1 <= part.spend_owner[k] < owners and -1 <= part.origin[k] < t):
            return False
        spends += max(value, 0)
        if spends > MOST_VALUE:
            return False
    for k in range(o, p):
        value, spender = part.out_value[k], part.spent_by[k]
        if not (0 <= value <= MOST_VALUE and -1 <= part.out_owner[k] < owners and (spender == -1 or t < spender < n)):
            return False
        pays += value
        if pays > MOST_VALUE:
            return False
    return True


@kernel
def spent_row(part: Part, i: int) -> int:
    """The output that a spend spends; -1 where it can not be, or is worth something else."""
    place, vout = part.origin[i], part.vout[i]
    if place < 0 or vout < 0 or vout >= part.out_start[place + 1] - part.out_start[place]:
        return -1
    row = part.out_start[place] + vout
    if not 0 <= row < len(part.out_value) or part.out_value[row] != part.spend_value[i]:
        return -1
    return int(row)


@kernel
def look_at(part: Part, t: int, forward: bool) -> Tx:
    """Look at a transaction: forward its outputs and then the fee; backward its inputs and what they lack.

    Of inputs of unknown value the first stands for all.
    """
    _, gap, payer = spent(part, t)
    ins = np.zeros(part.in_start[t + 1] - part.in_start[t] + 1, np.int64)
    outs = np.zeros(part.out_start[t + 1] - part.out_start[t] + 1, np.int64)
    for k in range(len(ins) - 1):
        value = part.spend_value[part.in_start[t] + k]
        if value < 0:
            value, gap = gap, 0
        ins[k] = value
    for k in range(len(outs) - 1):
        outs[k] = part.out_value[part.out_start[t] + k]
    over = ins.sum() - outs.sum()
    ins[-1], outs[-1] = max(-over, 0), max(over, 0)
    return Tx(t, payer, outs if forward else ins)


@kernel
def offset(rows: Longs, row: int) -> int:
    """The first of some rows, in order, that is not before this one."""
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def line_up(part: Part, rule: Rule, t: int, coins: tuple[Rows, Longs]) -> Longs:
    """Where each coin (in order of outputs) stands in the line of its transaction's satoshi; empty if one can not."""
    edges, group = coins
    rows = np.empty(len(group), np.int64)
    for g in range(len(group)):
        rows[g] = edges[group[g]].row
    at = np.full(len(group), -1, np.int64)
    first, last = (
        (part.in_start[t], part.in_start[t + 1]) if rule.forward else (part.out_start[t], part.out_start[t + 1])
    )
    gap = spent(part, t)[1] if rule.forward else 0
    line = 0
    for k in range(first, last):
        value = part.spend_value[k] if rule.forward else part.out_value[k]
        row = k
        if rule.forward:
            row = spent_row(part, k) if value >= 0 and part.origin[k] >= 0 else -1
            if value < 0:
                value, gap = gap, 0
        g = offset(rows, row)
        while row >= 0 and g < len(rows) and rows[g] == row:
            at[g] = line + edges[group[g]].at
            g += 1
        line += value
    return at if at.min() >= 0 else at[:0]


@kernel
def fill(tx: Tx, line: Longs, coins: tuple[Rows, Longs]) -> list[Piece]:
    """Move runs of satoshi to the slots that have the same place in the line (FIFO)."""
    edges, group = coins
    start = np.zeros(len(tx.slots) + 1, np.int64)
    start[1:] = np.cumsum(tx.slots)
    pieces = [(0, 0, 0.0, 0)]
    pieces.pop()
    for g in np.argsort(line):
        at, left, hops = line[g], i64(edges[group[g]].satoshi), edges[group[g]].hops
        slot = np.searchsorted(start, at, side="right") - 1
        while left > 0 and slot < len(tx.slots):
            taken = min(left, start[slot + 1] - at)
            if taken > 0:
                first = at - start[slot]
                if len(pieces) > 0:
                    other = pieces[-1]
                    if other[0] == slot and other[3] == hops and other[1] + i64(other[2]) == first:
                        pieces.pop()
                        first = other[1]
                pieces.append((slot, first, float(at - start[slot] - first + taken), hops))
            at += taken
            left -= taken
            slot += 1
    return pieces


@kernel
def share_out(tx: Tx, poison: bool, coins: tuple[Rows, Longs]) -> list[Piece]:
    """Move coins to all slots: in proportion to their value, or (poison) the whole value of each."""
    edges, group = coins
    worth = float(tx.slots.sum())
    amount, hops = 0.0, edges[group[0]].hops
    for c in group:
        amount += edges[c].satoshi
        hops = min(hops, edges[c].hops)
    pieces = [(0, 0, 0.0, 0)]
    pieces.pop()
    for slot in range(len(tx.slots)):
        if tx.slots[slot] > 0:
            share = float(tx.slots[slot]) if poison else amount * (tx.slots[slot] / worth)
            pieces.append((slot, 0, share, hops))
    return pieces
