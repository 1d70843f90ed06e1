"""A delta laid over the stored vectors of a history.

Stored rows are copied as plain numbers, as many at once as lie together: it takes about as long as reading them does.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.passes.parts import Longs, Rows, Shares
from store.errors import StoreError

_Words = npt.NDArray[np.int16]
# Transactions merged at once.
_STRETCH: Final = 1 << 20
# Rows are copied as numbers of two bytes.
_WORD: Final = 2


class Delta(NamedTuple):
    """Places of the transactions whose vectors differ, ascending, and the vectors they have now."""

    places: Longs
    shares: Shares


def merged(stored: Shares, delta: Delta, n_tx: int) -> Iterator[Shares]:
    """Vectors of the first n_tx transactions of a history: the stored ones with a delta laid over them.

    They come in consecutive stretches of a million transactions, each with starts from 0; `n_merged` rows altogether.
    Raises StoreError for transactions that are in neither.
    """
    _covered(stored, delta, n_tx)
    words, fresh = _words(stored.rows), _words(delta.shares.rows)
    per_row = stored.rows.dtype.itemsize // _WORD
    for first in range(0, n_tx, _STRETCH):
        start = np.empty(min(_STRETCH, n_tx - first) + 1, np.int64)
        k = int(np.searchsorted(delta.places, first))
        _lay_starts(stored.start, delta, (first, k), start)
        rows = np.empty(start[-1], stored.rows.dtype)
        _lay_rows((stored.start, words), (delta, fresh), (first, first + len(start) - 1, k), per_row, _words(rows))
        yield Shares(start, rows)


def n_merged(stored: Shares, delta: Delta, n_tx: int) -> int:
    """How many rows `merged` gives."""
    n = min(n_tx, len(stored.start) - 1)
    old = delta.places[: np.searchsorted(delta.places, n)]
    replaced = int((stored.start[old + 1] - stored.start[old]).sum())
    return int(stored.start[n]) - replaced + int(delta.shares.start[np.searchsorted(delta.places, n_tx)])


def taken(stored: Shares, places: Longs) -> Shares:
    """The vectors of some places."""
    start = np.zeros(len(places) + 1, np.int64)
    np.cumsum(stored.start[places + 1] - stored.start[places], out=start[1:])
    rows = np.empty(start[-1], stored.rows.dtype)
    _take(stored.start, _words(stored.rows), places, stored.rows.dtype.itemsize // _WORD, _words(rows))
    return Shares(start, rows)


def _covered(stored: Shares, delta: Delta, n_tx: int) -> None:
    """Refuse a delta that leaves transactions without a vector."""
    n = len(stored.start) - 1
    fresh = delta.places[np.searchsorted(delta.places, n) :]
    if n_tx > n and not np.array_equal(fresh[: n_tx - n], np.arange(n, n_tx)):
        raise StoreError(f"vectors of {n_tx} transactions: {n} are stored, and not all later ones are in the delta")


def _words(rows: Rows) -> _Words:
    """Rows as plain numbers, which are copied as fast as memory allows."""
    return rows.view(np.int16)


@lean_step
def _copied(to: _Words, at: int, words: _Words, span: tuple[int, int]) -> int:
    """Copy words span[0] to span[1] to `at`; where the next ones go."""
    first, n = span[0], span[1] - span[0]
    for i in range(n):
        to[at + i] = words[first + i]
    return at + n


@lean_kernel
def _take(start: Longs, words: _Words, places: Longs, per_row: int, to: _Words) -> None:
    """Copy the vectors of some places, one after the other."""
    at = 0
    for p in places:
        at = _copied(to, at, words, (start[p] * per_row, start[p + 1] * per_row))


@lean_kernel
def _lay_starts(stored: Longs, delta: Delta, at: tuple[int, int], start: Longs) -> None:
    """Starts of consecutive transactions from place at[0] on, where at[1] is the next of the delta."""
    first, k = at
    places, fresh = delta.places, delta.shares.start
    start[0] = 0
    for j in range(len(start) - 1):
        t = first + j
        if k < len(places) and places[k] == t:
            start[j + 1] = start[j] + fresh[k + 1] - fresh[k]
            k += 1
        else:
            start[j + 1] = start[j] + stored[t + 1] - stored[t]


@lean_kernel
def _lay_rows(
    stored: tuple[Longs, _Words], laid: tuple[Delta, _Words], span: tuple[int, int, int], per_row: int, to: _Words
) -> None:
    """Copy stored and fresh rows of the places span[0] to span[1], as many at once as lie together."""
    (start, words), (delta, fresh_words) = stored, laid
    places, fresh = delta.places, delta.shares.start
    t, last, k = span
    at = 0
    while t < last:
        if k < len(places) and places[k] == t:
            i = k
            while k < len(places) and places[k] == t and t < last:
                k += 1
                t += 1
            at = _copied(to, at, fresh_words, (fresh[i] * per_row, fresh[k] * per_row))
        else:
            until = min(places[k], last) if k < len(places) else last
            at = _copied(to, at, words, (start[t] * per_row, start[until] * per_row))
            t = until
