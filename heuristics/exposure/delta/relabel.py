"""From one state of a history to the next: what changed is computed again, and nothing else.

A vector is a function of the transaction and of its neighbours' vectors, as they are stored. New labels give a coin's
owner another code; new blocks spend coins that were unspent, and merge clusters, so that what was a hop is none any
more, or a code covers more coins. A transaction that reads something that differs is computed again from what is
stored of the others, in chain order for sources and against it for destinations. Only where its vector comes out
otherwise are those looked at that read it. So all vectors are bit for bit what a run over everything gives.

Following the change pays because it fades: mixed with other coins it is soon folded into its category or too small.
In a drawn history of a million transactions a label on a private person could reach a fifth of all sources, and
changes hardly one; that of a small service could reach a quarter, and changes 5 %.

What went into a CoinJoin (see Cut.see_through) needs no delta: it follows at any time from the sources of its inputs,
which are stored, and `through` computes it for the CoinJoins that somebody asks for.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.delta.changes import History, comes_otherwise, comparable, goes_otherwise
from heuristics.exposure.delta.merge import Delta, taken
from heuristics.exposure.destinations import Destinations, _outputs, _total
from heuristics.exposure.passes import shelf
from heuristics.exposure.passes.blend import single
from heuristics.exposure.passes.parts import (
    NOBODY,
    SEVERAL,
    UNRESOLVED,
    WRONG,
    Ints,
    Longs,
    Shares,
    absorbs_at,
    code_of,
    keeper,
    spent,
)
from heuristics.exposure.passes.run import Cut, Desk, Pass
from heuristics.exposure.provenance import Provenance, _inputs
from store.errors import DamagedError, StoreError

# Shares of all transactions that may be computed again; from there on a run over everything is cheaper (measured:
# transactions with many neighbours are dear, and are the first to have one that changed).
SOURCES_DEARER: Final = 0.05
DESTINATIONS_DEARER: Final = 0.15
_NO_ROOM: Final = -3
_FRESH, _ROWS, _LOOKED, _HELD = range(4)


class _Side(NamedTuple):
    """What transactions spend, or what they pay: transaction t has rows start[t]:start[t + 1]."""

    start: Longs
    neighbour: Ints
    owner: Ints
    hops: bool
    """Whether it matters who pays the neighbours."""


class _Work(NamedTuple):
    """All that a kernel works on: the state before, the one after, what is stored, what is new.

    `number` says which of the fresh vectors, from 1, a place has, 0 where it has the stored one; `dirty` are the places
    with a neighbour that changed. `counts`: fresh vectors, their rows, transactions computed again (one less than
    `places` has room for is the most), neighbours of the present one that are held. Pages of these arrays that are not
    written cost nothing, however long the history is.
    """

    before: History
    desk: Desk
    stored: Shares
    fresh: Shares
    places: Longs
    number: Ints
    dirty: npt.NDArray[np.bool_]
    counts: Longs


_Kernel = Callable[[_Work, int], int]


def sources_delta(
    before: History, after: History, stored: Shares, cut: Cut, *, dearer: float = SOURCES_DEARER
) -> Delta | None:
    """Compute the sources that differ between two states of a history.

    Parameters
    ----------
    before
        The state that the stored vectors are of. Where blocks were undone since, what is left of it.
    after
        The new state: it begins with the same transactions. Owners, codes of owners, born codes and spenders may
        differ, and codes may be added; what a code means, and its category, may not differ.
    stored
        Sources of the state before, under the same `cut`.
    cut
        As it was when `stored` was computed.
    dearer
        Share of all transactions that may be computed again, new ones included.

    Returns
    -------
    Delta | None
        Places (all new ones among them) and their sources; None where it takes more than `dearer`: run over everything
        then. Raises DamagedError for columns that do not fit, StoreError for states that can not be compared.
    """
    return _delta(Provenance, _forward, comparable(before, after, stored), (cut, dearer))


def destinations_delta(
    before: History, after: History, stored: Shares, cut: Cut, *, dearer: float = DESTINATIONS_DEARER
) -> Delta | None:
    """Compute the destinations that differ, as `sources_delta` does the sources."""
    return _delta(Destinations, _backward, comparable(before, after, stored), (cut, dearer))


def through(history: History, sources: Shares, places: Longs, cut: Cut) -> Shares:
    """What went into some transactions that are CoinJoins, from the stored sources of the whole history.

    The rows are those of Provenance.see_through: none where there is nothing of value, or no CoinJoin.
    """
    run = Provenance(history.parties, len(history.whole.born), cut._replace(see_through=False))
    work = _work(run, (history, history, sources), len(places))
    work.places[:-1] = places
    done = 0
    while done < len(places):
        done = _see_through(work, done)
        _go_on(run, work, done)
    return Shares(work.fresh.start, work.fresh.rows[: work.counts[_ROWS]])


def _delta(
    kind: type[Provenance | Destinations],
    kernel: _Kernel,
    states: tuple[History, History, Shares],
    bounds: tuple[Cut, float],
) -> Delta | None:
    """Run a kernel over all transactions."""
    cut, dearer = bounds
    n = len(states[1].whole.born)
    run = kind(states[1].parties, n, cut._replace(see_through=False))
    work = _work(run, states, min(int(dearer * n), n))
    backward = kind is Destinations
    t, end = (n - 1, -1) if backward else (0, n)
    while t != end:
        t = kernel(work, t)
        if t != end and work.counts[_LOOKED] == len(work.places) - 1:
            return None
        _go_on(run, work, t)
    m, rows = int(work.counts[_FRESH]), work.fresh.rows[: work.counts[_ROWS]]
    places, shares = work.places[:m], Shares(work.fresh.start[: m + 1], rows)
    return Delta(places[::-1], taken(shares, np.arange(m)[::-1])) if backward else Delta(places, shares)


def _work(run: Pass, states: tuple[History, History, Shares], most: int) -> _Work:
    """Prepare for up to `most` transactions to be computed again."""
    before, after, stored = states
    n = len(after.whole.born)
    if stored.rows.dtype != run.kind:
        raise StoreError("what changed in a history: its stored shares are of another width than the cut asks for")
    fresh = Shares(np.zeros(most + 1, np.int64), np.empty(4 * len(run.blend.rows), run.kind))
    desk = Desk(after.whole, after.parties, run.kept, run.blend)
    number, dirty = np.zeros(n, np.int32), np.zeros(n, np.bool_)
    return _Work(before, desk, stored, fresh, np.empty(most + 1, np.int64), number, dirty, np.zeros(4, np.int64))


def _go_on(run: Pass, work: _Work, t: int) -> None:
    """Make room where a kernel stopped."""
    if t <= WRONG:
        raise DamagedError(f"transaction {WRONG - t} of the history names a neighbour that is not there")
    most, rows = len(run.blend.rows), work.fresh.rows
    shelf.widen(run.kept, most)
    if work.counts[_ROWS] + most > len(rows):
        rows.resize(len(rows) * 3 // 2 + most, refcheck=False)


@lean_step
def _hold_one(work: _Work, place: int, hops: bool) -> int:
    """Put a vector on the shelf, or let it be asked for once more; 0, or WRONG, or _NO_ROOM."""
    kept, start = work.desk.kept, work.stored.start
    if kept.slot[place] > 0:
        kept.head[kept.slot[place] - 1].uses += 1
        return 0
    m = work.number[place]
    if m == 0 and place >= len(start) - 1:
        return WRONG
    if not shelf.has_slot(kept) or not shelf.has_block(kept, len(work.desk.blend.rows)):
        return _NO_ROOM
    use = 1, keeper(work.desk.part, place) if hops else NOBODY
    if m > 0:
        fresh = work.fresh.rows[work.fresh.start[m - 1] : work.fresh.start[m]]
        shelf.keep(kept, place, use, fresh, len(fresh))
    else:
        old = work.stored.rows[start[place] : start[place + 1]]
        shelf.keep(kept, place, use, old, len(old))
    return 0


@lean_step
def _hold(work: _Work, side: _Side, t: int) -> int:
    """Hold all vectors that a transaction asks for, once for each time, from where room ended; as _hold_one."""
    for i in range(side.start[t] + work.counts[_HELD], side.start[t + 1]):
        if side.neighbour[i] >= 0 and code_of(work.desk.parties, side.owner[i]) < 0:
            answer = _hold_one(work, side.neighbour[i], side.hops)
            if answer < 0:
                return answer
        work.counts[_HELD] += 1
    work.counts[_HELD] = 0
    return 0


@lean_step
def _mixed_inputs(work: _Work, t: int) -> int:
    """Mix what a transaction spends; rows, or what _hold_one says."""
    part = work.desk.part
    value, gap, _ = spent(part, t)
    if value == 0:
        return 0
    k = _hold(work, _Side(part.in_start, part.origin, part.spend_owner, hops=True), t)
    return _inputs(work.desk, t, value, gap) if k == 0 else k


@lean_step
def _sources(work: _Work, t: int) -> int:
    """Compute a transaction's sources; rows, or what _hold_one says."""
    born = work.desk.part.born[t]
    k = 0 if born >= 0 else _mixed_inputs(work, t)
    return single(work.desk.blend, born if born >= 0 else UNRESOLVED, 0) if k == 0 else k


@lean_step
def _destinations(work: _Work, t: int) -> int:
    """Compute a transaction's destinations; rows, or what _hold_one says."""
    part, absorbs = work.desk.part, absorbs_at(work.desk.part, t)
    value, _, payer = spent(part, t)
    if part.in_start[t] == part.in_start[t + 1]:
        value = _total(part, t)
    if absorbs >= 0 or value == 0:
        return single(work.desk.blend, absorbs if absorbs >= 0 else UNRESOLVED, 0)
    k = _hold(work, _Side(part.out_start, part.spent_by, part.out_owner, hops=False), t)
    return _outputs(work.desk, t, value, payer, value > 0) if k == 0 else k


@lean_step
def _append(work: _Work, k: int) -> None:
    """Take the rows of the mix as the next fresh vector."""
    counts = work.counts
    shelf.copy(work.fresh.rows, counts[_ROWS], work.desk.blend.rows, k)
    counts[_ROWS] += k
    counts[_FRESH] += 1
    work.fresh.start[counts[_FRESH]] = counts[_ROWS]


@lean_step
def _differs(work: _Work, t: int, k: int) -> bool:
    """Whether the k rows of the mix are not the stored ones; then they are a fresh vector."""
    work.counts[_LOOKED] += 1
    differs = t >= len(work.stored.start) - 1 or work.stored.start[t + 1] - work.stored.start[t] != k
    if not differs:
        first = work.stored.start[t]
        for i in range(k):
            row, old = work.desk.blend.rows[i], work.stored.rows[first + i]
            differs |= row.share != old.share or row.code != old.code
            differs |= row.min_hops != old.min_hops or row.mean_hops != old.mean_hops
    if differs:
        work.places[work.counts[_FRESH]] = t
        _append(work, k)
        work.number[t] = work.counts[_FRESH]
    return differs


@lean_step
def _can_look(work: _Work) -> bool:
    """Whether one more transaction may be computed, and has room."""
    room = work.counts[_ROWS] + len(work.desk.blend.rows) <= len(work.fresh.rows)
    return bool(room and work.counts[_LOOKED] < len(work.places) - 1)


@lean_kernel
def _forward(work: _Work, t: int) -> int:
    """Go on from transaction t in chain order, handing what changed on to spenders; where there is no more room."""
    old, new, parties = work.before.whole, work.desk.part, work.desk.parties
    while t < len(new.born):
        late = t >= len(old.born)
        look = late or old.born[t] != new.born[t]
        if not look and new.born[t] < 0:
            look = work.dirty[t] or comes_otherwise(work.before, work.desk, t)
        differs = False
        if look:
            k = _sources(work, t) if _can_look(work) else _NO_ROOM
            if k == _NO_ROOM:
                break
            if k < 0:
                return WRONG - t
            differs = _differs(work, t, k)
        payer, payer_now = SEVERAL if late else keeper(old, t), keeper(new, t)
        if differs or payer >= 0 or payer_now >= 0:
            for o in range(new.out_start[t], new.out_start[t + 1]):
                owner, place = new.out_owner[o], new.spent_by[o]
                asks = place >= 0 and code_of(parties, owner) < 0
                if asks and (differs or (old.out_owner[o] == payer) != (owner == payer_now)):
                    work.dirty[place] = True
        t += 1
    return t


@lean_kernel
def _backward(work: _Work, t: int) -> int:
    """Go on from transaction t against chain order, handing what changed on to origins; where there is no more room."""
    old, new = work.before.whole, work.desk.part
    while t >= 0:
        absorbs = absorbs_at(new, t)
        look = t >= len(old.born) or absorbs_at(old, t) != absorbs
        if not look and absorbs < 0:
            look = work.dirty[t] or goes_otherwise(work.before, work.desk, t)
        if look:
            k = _destinations(work, t) if _can_look(work) else _NO_ROOM
            if k == _NO_ROOM:
                break
            if k < 0:
                return WRONG - t
            if _differs(work, t, k):
                for i in range(new.in_start[t], new.in_start[t + 1]):
                    if new.origin[i] >= 0 and code_of(work.desk.parties, new.spend_owner[i]) < 0:
                        work.dirty[new.origin[i]] = True
        t -= 1
    return t


@lean_kernel
def _see_through(work: _Work, done: int) -> int:
    """Mix what went into the CoinJoins among the places from number `done` on; where there is no more room."""
    while done < len(work.places) - 1:
        if work.counts[_ROWS] + len(work.desk.blend.rows) > len(work.fresh.rows):
            break
        t = work.places[done]
        k = _mixed_inputs(work, t) if work.desk.part.born[t] >= 0 else 0
        if k == _NO_ROOM:
            break
        if k < 0:
            return int(WRONG - t)
        _append(work, k)
        done += 1
    return done
