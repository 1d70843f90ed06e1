"""What a wallet received and sent, by source: its own transactions joined with the vectors of their neighbours.

Received is what others pay to the wallet: outputs to it of transactions that it does not pay, and of those that it
pays with others what came out more than its part of what went in. Sent is what came out less. Both are told by the
others' inputs, or outputs; of a CoinJoin by the CoinJoin. What moves between the wallet's own clusters is neither.

One look at a transaction's inputs (or outputs) tells direct dealings, with the immediate counterparty, from
indirect ones, behind it; nothing is cut at this last step.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.joint import due, gained, parted
from heuristics.exposure.passes.parts import (
    CUT,
    HELD,
    HOP_UNIT,
    UNRESOLVED,
    Ints,
    Longs,
    Part,
    Rows,
    Shares,
    absorbs_at,
    keeper,
    spent,
)

_Floats = npt.NDArray[np.float64]
# What one transaction pays is dust up to the first amount, satoshi; up to the second it counts as unsolicited as
# long as nothing of it was spent on.
DUST: Final = 1_000
UNTOUCHED: Final = 10_000
# Flags of a line.
SENT, INDIRECT, AFTER, UNSOLICITED, PASSES = 1, 2, 4, 8, 16
_FLAG_BITS: Final = 5
LINE: Final = np.dtype(
    [
        ("code", "i4"),
        ("flags", "i4"),
        ("value", "f8"),
        ("far", "f8"),
        ("fiat", "f8"),
        ("unpriced", "f8"),
        ("peak", "f8"),
        ("most", "i4"),
        ("first", "i4"),
        ("last", "i4"),
        ("n_tx", "i4"),
        ("min_hops", "i4"),
    ]
)
"""One source of what a wallet received or sent: satoshi, satoshi times hops, money, satoshi without a price; the most
that came at once, and the place where it did."""
# Rows that one coin can bring: a vector's, and those of the coin itself.
_MOST_ROWS: Final = 64
_LEAST: Final = 64


class Surroundings(NamedTuple):
    """What the wheel reads: the graph, the vectors, whose clusters are whose, and when."""

    whole: Part
    sources: Shares
    destinations: Shares
    code: Ints
    """By owner: where trails stop; see codes.Conclusions."""
    named: Ints
    own: Ints
    block_start: Longs
    listed_start: Longs
    """By code: where its listings begin."""
    since: Longs
    """The first place within each listing."""
    until: Longs
    """The first place after it."""
    price: npt.NDArray[np.float64]
    """By block: money for one satoshi; not a number where the day has no price."""


class Asked(NamedTuple):
    """Whose wheel: a wallet, and the one address of it that is asked about (-1: all)."""

    wallet: int
    number: int
    spend_number: Ints
    out_number: Ints


class _Tally(NamedTuple):
    """Lines so far, and how many; `slot` is a hash table by key of where each is, from 1."""

    lines: Rows
    keys: Longs
    slot: Ints
    counts: Longs


class _Now(NamedTuple):
    """The transaction at hand: its place, money for a satoshi, flags of all its lines."""

    place: int
    price: float
    flags: int


def wheel(around: Surroundings, asked: Asked, places: Ints) -> Rows:
    """Add up a wallet's lines over its transactions.

    Parameters
    ----------
    around
        The generation.
    asked
        Whose.
    places
        Its transactions, ascending, each once.

    Returns
    -------
    Rows
        LINEs, one for each code and flags that occur. Without PASSES, those of one direction sum to all that was
        received, or sent.
    """
    tally = _tally(_most_lines(around, places))
    prices = around.price[np.searchsorted(around.block_start, places, side="right") - 1]
    _wheel(around, asked, (places, prices), tally)
    return tally.lines[: tally.counts[0]].copy()


def _most_lines(around: Surroundings, places: Ints) -> int:
    """More lines than there can be: one for each code and flags, or for each row that is read."""
    whole, at = around.whole, places.astype(np.int64)
    coins = sum(int((start[at + 1] - start[at]).sum()) for start in (whole.in_start, whole.out_start))
    return min(len(around.listed_start) << _FLAG_BITS, _LEAST + _MOST_ROWS * coins)


def _tally(most: int) -> _Tally:
    """Make an empty one; pages that nothing is written to cost nothing."""
    return _Tally(np.zeros(most, LINE), np.zeros(most, np.int64), np.zeros(2 * most, np.int32), np.zeros(1, np.int64))


@lean_step
def _line(tally: _Tally, key: int) -> int:
    """Where the line of a key is; it is made where there is none."""
    size = len(tally.slot)
    at = int((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) % size
    while tally.slot[at] > 0 and tally.keys[tally.slot[at] - 1] != key:
        at = (at + 1) % size
    if tally.slot[at] > 0:
        return int(tally.slot[at]) - 1
    n = tally.counts[0]
    tally.slot[at], tally.keys[n] = n + 1, key
    tally.counts[0] = n + 1
    line = tally.lines[n]
    line.code, line.flags = key >> _FLAG_BITS, key & ((1 << _FLAG_BITS) - 1)
    line.first, line.last, line.min_hops = -1, -1, 1 << 30
    return int(n)


@lean_step
def _add(tally: _Tally, around: Surroundings, now: _Now, code: int, what: tuple[int, float, float, float]) -> None:
    """Add to a line: flags of its own, satoshi, least hops, mean hops."""
    flags, value, least, mean = what
    if not value > 0.0:
        return
    flags |= now.flags
    for i in range(around.listed_start[code], around.listed_start[code + 1]):
        if around.since[i] <= now.place < around.until[i]:
            flags |= AFTER
    if least > 1 or code == CUT:
        flags |= INDIRECT
    line = tally.lines[_line(tally, (code << _FLAG_BITS) | flags)]
    line.value += value
    line.far += value * mean
    if now.price == now.price:
        line.fiat += value * now.price
    else:
        line.unpriced += value
    if value > line.peak:
        line.peak, line.most = value, now.place
    if line.first < 0:
        line.first = now.place
    line.n_tx += line.last != now.place
    line.last = now.place
    line.min_hops = min(line.min_hops, int(least))


@lean_step
def _received(tally: _Tally, around: Surroundings, now: _Now, whose: tuple[int, int], value: float) -> None:
    """Add what others pay to a wallet, which put so much into the transaction itself."""
    whole, t = around.whole, now.place
    if whole.born[t] >= 0:
        _add(tally, around, now, whole.born[t], (0, value, 1, 1.0))
        return
    worth, gap, _ = spent(whole, t)
    worth -= whose[1]
    if worth == 0:
        _add(tally, around, now, UNRESOLVED, (0, value, 1, 1.0))
        return
    _add(tally, around, now, UNRESOLVED, (0, value * (gap / worth), 1, 1.0))
    for i in range(whole.in_start[t], whole.in_start[t + 1]):
        owner, origin = whole.spend_owner[i], whole.origin[i]
        if owner >= 0 and around.own[owner] == whose[0]:
            continue
        part = value * (max(whole.spend_value[i], 0) / worth)
        code = around.code[owner] if owner >= 0 else -1
        if code >= 0 or origin < 0:
            _add(tally, around, now, code if code >= 0 else UNRESOLVED, (0, part, 1, 1.0))
        if code < 0 and owner >= 0 and around.named[owner] >= 0:
            _add(tally, around, now, around.named[owner], (PASSES, part, 1, 1.0))
        if code >= 0 or origin < 0:
            continue
        step = 1 if owner >= 0 and keeper(whole, origin) == owner else 2
        first, last = around.sources.start[origin], around.sources.start[origin + 1]
        for k in range(first, last):
            row = around.sources.rows[k]
            hops = row.min_hops + step, row.mean_hops / HOP_UNIT + step
            _add(tally, around, now, row.code, (0, part * row.share, hops[0], hops[1]))


@lean_step
def _gone(tally: _Tally, around: Surroundings, now: _Now, o: int, value: float) -> None:
    """Add what a wallet pays to somebody else's output."""
    whole = around.whole
    owner, spender = whole.out_owner[o], whole.spent_by[o]
    code = around.code[owner] if owner >= 0 else -1
    if code < 0 and owner >= 0 and around.named[owner] >= 0:
        _add(tally, around, now, around.named[owner], (PASSES, value, 1, 1.0))
    if code >= 0 or spender < 0:
        _add(tally, around, now, code if code >= 0 else HELD, (0, value, 1, 1.0))
        return
    first, last = around.destinations.start[spender], around.destinations.start[spender + 1]
    for k in range(first, last):
        row = around.destinations.rows[k]
        hops = row.min_hops + 1, row.mean_hops / HOP_UNIT + 1
        _add(tally, around, now, row.code, (0, value * row.share, hops[0], hops[1]))


@lean_step
def _moved(around: Surroundings, asked: Asked, t: int) -> tuple[tuple[int, int], tuple[int, int], bool, bool]:
    """What a transaction pays to the wallet and takes from it, satoshi; the same of the address asked about.

    Besides, whether the wallet pays it, and whether nothing that the address got was spent.
    """
    whole, own = around.whole, around.own
    got, put, all_got, all_put, pays, untouched = 0, 0, 0, 0, False, True
    for i in range(whole.in_start[t], whole.in_start[t + 1]):
        owner = whole.spend_owner[i]
        if owner >= 0 and own[owner] == asked.wallet:
            pays = True
            value = max(whole.spend_value[i], 0)
            all_put += value
            if asked.number < 0 or asked.spend_number[i] == asked.number:
                put += value
    for o in range(whole.out_start[t], whole.out_start[t + 1]):
        owner = whole.out_owner[o]
        if owner >= 0 and own[owner] == asked.wallet:
            all_got += whole.out_value[o]
            if asked.number < 0 or asked.out_number[o] == asked.number:
                got += whole.out_value[o]
                untouched &= whole.spent_by[o] < 0
    return (all_got, all_put), (got, put), pays, untouched


@lean_step
def _paid(tally: _Tally, around: Surroundings, now: _Now, asked: Asked, part: float) -> None:
    """Add a part of each output to others of a transaction that the wallet pays."""
    whole, t = around.whole, now.place
    for o in range(whole.out_start[t], whole.out_start[t + 1]):
        owner = whole.out_owner[o]
        if (owner < 0 or around.own[owner] != asked.wallet) and whole.out_value[o] > 0:
            _gone(tally, around, now, o, whole.out_value[o] * part)


@lean_kernel
def _wheel(around: Surroundings, asked: Asked, touched: tuple[Ints, _Floats], tally: _Tally) -> None:
    """Go over a wallet's transactions, each with its day's price."""
    places, prices = touched
    whole = around.whole
    for k in range(len(places)):
        t, price = places[k], prices[k]
        every, some, pays, untouched = _moved(around, asked, t)
        got, put = some
        if pays and absorbs_at(whole, t) < 0:
            more = gained(whole, t, every[0], every[1])
            # Of what the wallet has more or less, an address has its part of what came, or went.
            if more > 0:
                whose = asked.wallet, every[1]
                _received(tally, around, _Now(t, price, 0), whose, more * (got / every[0]))
            elif put > 0:
                part = parted(whole, t, every[0], every[1]) * (put / every[1])
                _paid(tally, around, _Now(t, price, SENT), asked, part)
            continue
        if pays:
            put = due(whole, t, put)
            _add(tally, around, _Now(t, price, SENT), whole.born[t], (0, float(put - got), 1, 1.0))
            got -= put
        if got > 0:
            unsolicited = got <= DUST or (got <= UNTOUCHED and untouched)
            flags = UNSOLICITED if unsolicited else 0
            _received(tally, around, _Now(t, price, flags), (asked.wallet, 0), float(got))
