"""How a pass goes over the parts of a history: a kernel works until it runs out of room, gets more, and goes on."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from heuristics.exposure.passes import blend, shelf
from heuristics.exposure.passes.parts import (
    EXACT_ROW,
    ROW,
    WRONG,
    Longs,
    Part,
    Parties,
    Rows,
    Shares,
    check,
    check_parties,
    stored_kind,
)
from store.errors import DamagedError

DROP: Final = 1e-4
TOP: Final = 8
# Rows to make room for in the first part, many: what is never written takes no memory. Later ones are taken to be as
# the part before.
_ROWS_PER_TX: Final = 16.0


class Cut(NamedTuple):
    """Up to which share sources are dropped (and counted as cut), and how many parties are told apart."""

    drop: float = DROP
    top: int = TOP
    exact: bool = False
    """Shares of eight bytes instead of four: for proofs, not for storage."""
    see_through: bool = False
    """Besides, what went into each CoinJoin, for investigators (forward only)."""


class Out(NamedTuple):
    """Rows written so far; `start` by transaction, filled from the front or (backward) from the end."""

    start: Longs
    rows: Rows
    through_start: Longs
    through: Rows


class Desk(NamedTuple):
    """All that a kernel works on."""

    part: Part
    parties: Parties
    kept: shelf.Shelf
    blend: blend.Mix


# Where a kernel stands: the next transaction, rows written, see-through rows written; the first is WRONG - t where
# transaction t names a neighbour that can not be.
State = tuple[int, int, int]
Kernel = Callable[[Desk, Out, State], State]


class Pass:
    """One pass over one history, part by part; what is live between parts is kept."""

    def __init__(self, parties: Parties, n_tx: int, cut: Cut = Cut()) -> None:  # noqa: B008 -- it never changes
        """Prepare for a history of n_tx transactions; raises DamagedError for parties without a category."""
        check_parties(parties)
        self.parties, self.n_tx, self.cut = parties, n_tx, cut
        kind = EXACT_ROW if cut.exact else ROW
        self.kind = EXACT_ROW if cut.exact else stored_kind(len(parties.category))
        """What the rows that come out are stored as."""
        self.kept = shelf.shelf(n_tx, kind)
        self.blend = blend.mix(parties, cut.drop, cut.top, kind)
        self.next = 0
        """Place where the next part has to begin (forward) or end (backward)."""
        self.per_tx = _ROWS_PER_TX

    @property
    def most_live(self) -> int:
        """Transactions whose vectors were kept at once, at most."""
        return int(self.kept.counts[shelf.MOST_LIVE])

    @property
    def nbytes(self) -> int:
        """What is held between parts, at most so far."""
        return sum(array.nbytes for array in (self.kept.slot, self.kept.head, self.kept.rows, self.blend.cells))

    @property
    def cut_off(self) -> tuple[int, float]:
        """Transactions of which something was cut off, and the satoshi of it."""
        return int(self.blend.cut[0]), float(self.blend.cut[1])

    def over(self, part: Part, kernel: Kernel, *, backward: bool = False) -> tuple[Shares, Shares]:
        """Run a kernel over a part: the rows, and those that see through CoinJoins."""
        check(part, self.parties, self.n_tx)
        n = len(part.born)
        if self.next != (part.first + n if backward else part.first):
            raise DamagedError(f"transactions {part.first} to {part.first + n} do not follow {self.next}")
        most = len(self.blend.rows)
        desk = Desk(part, self.parties, self.kept, self.blend)
        sizes = int(n * self.per_tx) + most, most if self.cut.see_through else 0
        out = Out(np.zeros(n + 1, np.int64), np.empty(sizes[0], self.kind),
                  np.zeros(n + 1, np.int64), np.empty(sizes[1], self.kind))  # fmt: skip
        state: State = (n - 1, 0, 0) if backward else (0, 0, 0)
        while True:
            state = kernel(desk, out, state)
            if state[0] <= WRONG:
                raise DamagedError(
                    f"transaction {part.first + WRONG - state[0]} of the history names a neighbour that is not there"
                )
            if state[0] == (-1 if backward else n):
                break
            shelf.widen(self.kept, most)
            out = _wider(out, state, most, backward=backward)
        self.next = part.first if backward else part.first + n
        self.per_tx = 1.1 * state[1] / max(n, 1)
        return _finished(out, state, backward=backward)


def _wider(out: Out, state: State, most: int, *, backward: bool) -> Out:
    """Make room for `most` more rows of each kind, at the end or (backward) at the front."""
    rows, through = out.rows, out.through
    if state[1] + most > len(rows):
        wider = np.empty(len(rows) * 3 // 2 + most, rows.dtype)
        written = slice(-state[1] or len(rows), None) if backward else slice(state[1])
        _copy(wider[slice(-state[1] or len(wider), None) if backward else written], rows[written])
        rows = wider
    if len(through) and state[2] + most > len(through):
        wider = np.empty(2 * len(through) + most, through.dtype)
        wider[: state[2]] = through[: state[2]]
        through = wider
    return Out(out.start, rows, out.through_start, through)


def _copy(to: Rows, rows: Rows) -> None:
    """Copy rows as the bytes they are: numpy would go field by field."""
    to.view(np.uint8)[:] = rows.view(np.uint8)


def _finished(out: Out, state: State, *, backward: bool) -> tuple[Shares, Shares]:
    """Counts to starts; only the rows that were written."""
    for start in (out.start, out.through_start):
        np.cumsum(start, out=start)
    rows = out.rows[len(out.rows) - state[1] :] if backward else out.rows[: state[1]]
    return Shares(out.start, rows), Shares(out.through_start, out.through[: state[2]])
