"""The vectors that later transactions still need: kept from the transaction that makes one to the last that asks.

Rows lie in one arena, in blocks of 1, 2, 4 … rows; a block and a slot are used again as soon as they are free,
so memory follows the transactions that are live, but for four bytes per transaction that say where each one is.
"""

from typing import NamedTuple

import numpy as np

from chains.kernels import fetch, lean_step
from heuristics.exposure.passes.parts import Ints, Longs, Rows
from store.errors import StoreError

_HEAD = np.dtype([("at", "i8"), ("uses", "i4"), ("payer", "i4"), ("n", "i4"), ("place", "i4")])
_N_CLASSES = 31
_FREE = 6  # where the free blocks of each size begin in `counts`
SLOTS, FREE_SLOT, TOP, LIVE, MOST_LIVE, MOST_ROWS = range(_FREE)
_LEAST = 1 << 12
# Rows that come into the cache together, 64 bytes.
_ROWS_AT_ONCE = 5
# Offsets of free blocks are kept in the rows' own four-byte codes.
_MOST_ROWS_EVER = (1 << 31) - 1


class Shelf(NamedTuple):
    """`slot` of each place, from 1, 0 where there is none; a slot's `head`; the arena; and how much of each is used."""

    slot: Ints
    head: Rows
    rows: Rows
    counts: Longs


def shelf(n_tx: int, kind: np.dtype[np.void]) -> Shelf:
    """Make an empty shelf for a history of n_tx transactions."""
    counts = np.zeros(_FREE + _N_CLASSES, np.int64)
    counts[_FREE:] = -1
    counts[FREE_SLOT] = -1
    return Shelf(np.zeros(n_tx, np.int32), np.zeros(_LEAST, _HEAD), np.zeros(_LEAST, kind), counts)


def widen(kept: Shelf, most: int) -> None:
    """Make room for at least one more slot and one more block of `most` rows, without a second copy."""
    if kept.counts[FREE_SLOT] < 0 and kept.counts[SLOTS] == len(kept.head):
        kept.head.resize(len(kept.head) * 3 // 2, refcheck=False)
    if kept.counts[TOP] + 2 * most > len(kept.rows):
        size = max(len(kept.rows) * 3 // 2, len(kept.rows) + 4 * most)
        if size > _MOST_ROWS_EVER:
            raise StoreError("more shares are live at once than one pass can hold: index a shorter history")
        kept.rows.resize(size, refcheck=False)


@lean_step
def has_slot(kept: Shelf) -> bool:
    """Whether one more vector can be named."""
    return bool(kept.counts[FREE_SLOT] >= 0 or kept.counts[SLOTS] < len(kept.head))


@lean_step
def has_block(kept: Shelf, most: int) -> bool:
    """Whether a vector of up to `most` rows can be kept."""
    return bool(kept.counts[TOP] + 2 * most <= len(kept.rows))


@lean_step
def _size_class(n: int) -> int:
    """The smallest c with n <= 2**c."""
    c = 0
    while (1 << c) < n:
        c += 1
    return c


@lean_step
def copy(to: Rows, at: int, rows: Rows, n: int) -> None:
    """Copy n rows to `at`, field by field: what was just written narrow is slow to read wide."""
    for i in range(n):
        row, other = rows[i], to[at + i]
        other.share = row.share
        other.code = row.code
        other.min_hops = row.min_hops
        other.mean_hops = row.mean_hops


@lean_step
def keep(kept: Shelf, place: int, use: tuple[int, int], rows: Rows, n: int) -> None:
    """Keep a transaction's rows for so many uses, with the cluster that pays it."""
    counts = kept.counts
    c = _size_class(n)
    at = counts[_FREE + c]
    if at >= 0:
        counts[_FREE + c] = kept.rows[at].code
    else:
        at = counts[TOP]
        counts[TOP] += 1 << c
        counts[MOST_ROWS] = counts[TOP]
    slot = counts[FREE_SLOT]
    if slot >= 0:
        counts[FREE_SLOT] = kept.head[slot].at
    else:
        slot = counts[SLOTS]
        counts[SLOTS] += 1
    copy(kept.rows, at, rows, n)
    head = kept.head[slot]
    head.at, head.uses, head.payer, head.n, head.place = at, use[0], use[1], n, place
    kept.slot[place] = slot + 1
    counts[LIVE] += 1
    counts[MOST_LIVE] = max(counts[MOST_LIVE], counts[LIVE])


@lean_step
def fetch_slots(kept: Shelf, places: Ints) -> None:
    """Ask for what says where the vectors of some places are."""
    for place in places:
        fetch(kept.slot, max(place, 0))


@lean_step
def fetch_heads(kept: Shelf, places: Ints) -> None:
    """Ask for the heads of some vectors."""
    for place in places:
        fetch(kept.head, max(kept.slot[max(place, 0)] - 1, 0))


@lean_step
def fetch_rows(kept: Shelf, places: Ints) -> None:
    """Ask for the rows of some vectors."""
    for place in places:
        head = kept.head[max(kept.slot[max(place, 0)] - 1, 0)]
        for i in range(head.at, head.at + head.n, _ROWS_AT_ONCE):
            fetch(kept.rows, i)


@lean_step
def used(kept: Shelf, slot: int) -> None:
    """One use less; the last one frees slot and block."""
    head = kept.head[slot]
    head.uses -= 1
    if head.uses > 0:
        return
    counts = kept.counts
    c = _size_class(head.n)
    kept.rows[head.at].code = counts[_FREE + c]
    counts[_FREE + c] = head.at
    kept.slot[head.place] = 0
    head.at = counts[FREE_SLOT]
    counts[FREE_SLOT] = slot
    counts[LIVE] -= 1
