"""Second opinions on a stretch of history, output by output: FIFO, poison, and the bounds that hold for any method.

They read the same arrays as the passes, the stretch being one part that begins with the history. Haircut is what
is stored; these are asked for a case at a time.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.exposure.passes.parts import (
    CUT,
    UNRESOLVED,
    Ints,
    Longs,
    Part,
    Parties,
    check,
    check_parties,
    code_of,
    spent,
)
from store.errors import DamagedError

# Pieces of different origin that one transaction's coins are told apart into; what comes after them is CUT.
MOST_PIECES: Final = 4096
_MOST_CATEGORIES: Final = 64


class Pieces(NamedTuple):
    """Output o consists of pieces start[o] to start[o] + size[o], in order: each a code and satoshi."""

    start: Longs
    size: Longs
    code: Ints
    value: Longs


class Bounds(NamedTuple):
    """Per output the least and the most, in satoshi, that can come from what was asked about."""

    least: Longs
    most: Longs


def fifo(part: Part, parties: Parties, most: int = MOST_PIECES) -> Pieces:
    """Fill outputs by inputs, both in their order; the fee takes what is left.

    Where inputs are of unknown value, the first of them stands for all. Raises DamagedError for columns that do
    not fit.
    """
    _check(part, parties)
    start, size, code, value, wrong = _fifo(part, parties, most)
    _refuse(wrong)
    return Pieces(start, size, code, value)


def poison(part: Part, parties: Parties) -> npt.NDArray[np.uint64]:
    """Tell per transaction from which categories any of its coins can come: bit c for category c.

    What is worth nothing carries nothing. Raises DamagedError for columns that do not fit, or beyond 64 categories.
    """
    _check(part, parties)
    if parties.n_categories > _MOST_CATEGORIES:
        raise DamagedError(f"{parties.n_categories} categories; poison tells at most {_MOST_CATEGORIES} apart")
    reached, wrong = _poison(part, parties)
    _refuse(wrong)
    return reached


def bounds(part: Part, parties: Parties, of: npt.NDArray[np.bool_]) -> Bounds:
    """Tell per output how much of it can come from the codes that `of` marks, however coins are mixed.

    Any method that moves value from inputs to outputs of the same transaction lies between. Raises DamagedError
    for columns that do not fit.
    """
    _check(part, parties)
    least, most, wrong = _bounds(part, parties, of)
    _refuse(wrong)
    return Bounds(least, most)


def _check(part: Part, parties: Parties) -> None:
    check_parties(parties)
    check(part, parties, len(part.born))


def _refuse(wrong: int) -> None:
    if wrong >= 0:
        raise DamagedError(f"transaction {wrong} of the history spends an output that is not there")


@kernel
def _output(part: Part, t: int, i: int) -> int:
    """The row of the output that a spend of transaction t spends, -1 where it can not be."""
    place, vout = part.origin[i], part.vout[i]
    if place >= t or vout < 0 or vout >= part.out_start[place + 1] - part.out_start[place]:
        return -1
    return int(part.out_start[place] + vout)


@kernel
def _push(queue: tuple[Ints, Longs], n: int, code: int, value: int) -> int:
    """Add a piece at the end, to the last one where it is of the same code or none other has room; how many then."""
    codes, values = queue
    if value == 0:
        return n
    if n == len(codes) - 1:
        code = CUT
    if n > 0 and (codes[n - 1] == code or n == len(codes)):
        values[n - 1] += value
        return n
    codes[n], values[n] = code, value
    return n + 1


@kernel
def _queue(part: Part, parties: Parties, t: int, done: Pieces, queue: tuple[Ints, Longs]) -> int:
    """Line up what a transaction spends, in pieces; how many, -1 where an output can not be."""
    _, gap, _ = spent(part, t)
    n = 0
    for i in range(part.in_start[t], part.in_start[t + 1]):
        code = code_of(parties, part.spend_owner[i])
        if part.spend_value[i] < 0:
            n = _push(queue, n, UNRESOLVED, gap)
            gap = 0
        elif code >= 0 or part.origin[i] < 0:
            n = _push(queue, n, UNRESOLVED if code < 0 else code, part.spend_value[i])
        else:
            o = _output(part, t, i)
            if o < 0:
                return -1
            for k in range(done.start[o], done.start[o] + done.size[o]):
                n = _push(queue, n, done.code[k], done.value[k])
    return n


@kernel
def _room(done: Pieces, n: int, more: int) -> Pieces:
    """Make room for `more` pieces after the first n."""
    if n + more <= len(done.code):
        return done
    code, value = np.empty(2 * (n + more), np.int32), np.empty(2 * (n + more), np.int64)
    code[:n], value[:n] = done.code[:n], done.value[:n]
    return Pieces(done.start, done.size, code, value)


@kernel
def _fifo(part: Part, parties: Parties, most: int) -> tuple[Longs, Longs, Ints, Longs, int]:
    """Pieces of every output, and the first transaction that can not be, else -1."""
    n_out = len(part.out_value)
    done = Pieces(np.zeros(n_out, np.int64), np.zeros(n_out, np.int64), np.empty(64, np.int32), np.empty(64, np.int64))
    queue = np.empty(most, np.int32), np.empty(most, np.int64)
    n = 0
    for t in range(len(part.born)):
        waiting = 0
        if part.born[t] < 0:
            waiting = _queue(part, parties, t, done, queue)
            if waiting < 0:
                return done.start, done.size, done.code[:n], done.value[:n], t
        done = _room(done, n, waiting + part.out_start[t + 1] - part.out_start[t])
        front = 0
        for o in range(part.out_start[t], part.out_start[t + 1]):
            done.start[o], left = n, part.out_value[o]
            if part.born[t] >= 0 and left > 0:
                done.code[n], done.value[n] = part.born[t], left
                n += 1
            while part.born[t] < 0 and left > 0 and front < waiting:
                taken = min(left, queue[1][front])
                done.code[n], done.value[n] = queue[0][front], taken
                n += 1
                left -= taken
                queue[1][front] -= taken
                front += queue[1][front] == 0
            done.size[o] = n - done.start[o]
    return done.start, done.size, done.code[:n], done.value[:n], -1


@kernel
def _poison(part: Part, parties: Parties) -> tuple[npt.NDArray[np.uint64], int]:
    """Categories of every transaction, and the first one that can not be, else -1."""
    reached = np.zeros(len(part.born), np.uint64)
    one = np.uint64(1)
    for t in range(len(part.born)):
        worth, gap, _ = spent(part, t)
        if part.born[t] >= 0 or worth == 0:
            born = parties.category[part.born[t]] if part.born[t] >= 0 else UNRESOLVED
            reached[t] = one << np.uint64(born)
            continue
        if gap > 0:
            reached[t] |= one << np.uint64(UNRESOLVED)
        for i in range(part.in_start[t], part.in_start[t + 1]):
            code, place = code_of(parties, part.spend_owner[i]), part.origin[i]
            if place >= t:
                return reached, t
            if part.spend_value[i] <= 0:
                continue
            if code >= 0 or place < 0:
                reached[t] |= one << np.uint64(parties.category[code] if code >= 0 else UNRESOLVED)
            else:
                reached[t] |= reached[place]
    return reached, -1


@kernel
def _bounds(part: Part, parties: Parties, of: npt.NDArray[np.bool_]) -> tuple[Longs, Longs, int]:
    """Least and most of every output, and the first transaction that can not be, else -1."""
    least, most = np.zeros(len(part.out_value), np.int64), np.zeros(len(part.out_value), np.int64)
    for t in range(len(part.born)):
        worth, gap, _ = spent(part, t)
        low = high = gap * of[UNRESOLVED]
        for i in range(part.in_start[t], part.in_start[t + 1]):
            code, value = code_of(parties, part.spend_owner[i]), max(part.spend_value[i], 0)
            if code >= 0 or part.origin[i] < 0:
                low += value * of[code if code >= 0 else UNRESOLVED]
                high += value * of[code if code >= 0 else UNRESOLVED]
                continue
            o = _output(part, t, i)
            if o < 0:
                return least, most, t
            low += least[o]
            high += most[o]
        for o in range(part.out_start[t], part.out_start[t + 1]):
            value = part.out_value[o]
            if part.born[t] >= 0:
                least[o] = most[o] = value * of[part.born[t]]
            else:
                least[o], most[o] = max(0, value - (worth - low)), min(value, high)
    return least, most, -1
