"""The coins of a wallet that count as received, or as sent: what traces and intervals of it begin with.

What counts is what heuristics.exposure.wheel says: outputs to the wallet of transactions that others pay, and of those
that it pays what it has more, or less, after them. Who paid what it has more is said by value, whatever the method: a
trace of it begins with the others' inputs.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.exposure.coins import Coins
from heuristics.exposure.joint import due, gained, moved, parted
from heuristics.exposure.passes.parts import CUT, UNRESOLVED, Ints, Longs, Part, absorbs_at, spent
from heuristics.exposure.search.seeds import Whose
from heuristics.exposure.trace import Asked, Seeds, by_method
from heuristics.exposure.wheel import PASSES, SENT

# Of a wallet with more, only the coins of most value are followed.
MOST_COINS: Final = 20_000
# Of a wallet with more transactions, only the newest are looked at.
MOST_TOUCHED: Final = 200_000


class _Gathered(NamedTuple):
    """Room for coins: rows of outputs, satoshi of each that count, hops behind each; satoshi by code at their end."""

    row: Longs
    value: Longs
    hops: Ints
    ended: npt.NDArray[np.float64]


class Held(NamedTuple):
    """A wallet's coins: to be followed, satoshi by code that are at their end already, and satoshi left out."""

    seeds: Seeds
    ended: dict[int, int]
    left_out: int

    @property
    def total(self) -> int:
        """Satoshi in all."""
        return int(self.seeds.value.sum()) + sum(self.ended.values()) + self.left_out


def received(coins: Coins, number: int, most: int = MOST_COINS) -> Held:
    """Give the outputs that others paid to the wallet of an address, by its number."""
    return _held(coins, number, most, sent=False)


def sent(coins: Coins, number: int, most: int = MOST_COINS) -> Held:
    """Give the outputs that the wallet of an address paid to others; what it put into CoinJoins is at its end."""
    return _held(coins, number, most, sent=True)


def told_by(coins: Coins, held: Held, asked: Asked) -> dict[int, tuple[float, int]]:
    """Tell where a wallet's coins come from (backward) or go to, by a method: satoshi and least hops, by code.

    CUT is what limits cut off, with hops 0. By poison satoshi are at most so many. Raises as trace.trace does.
    """
    told = by_method(coins.whole, coins.parties, held.seeds, asked)
    for code, value in {**held.ended, CUT: held.left_out}.items():
        if value:
            satoshi, hops = told.get(code, (0.0, 1 if code != CUT else 0))
            told[code] = satoshi + value, min(hops, 1)
    return told


def _held(coins: Coins, number: int, most: int, *, sent: bool) -> Held:
    whole, wallet = coins.whole, coins.wallet_of(number)
    touched = coins.touched(wallet)
    places = touched[-MOST_TOUCHED:]
    at = places.astype(np.int64)
    room = sum(int((start[at + 1] - start[at]).sum()) for start in (whole.in_start, whole.out_start))
    ended = np.zeros(len(coins.parties.category))
    some = _Gathered(np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int32), ended)
    whose = Whose(coins.around.own, wallet, places)
    n = _sent(whole, whose, some) if sent else _received(whole, whose, coins.parties.code, some)
    rows, values, hops = some.row[:n], some.value[:n], some.hops[:n]
    left_out = 0
    if n > most:
        largest = np.sort(np.argsort(-values, kind="stable")[:most])
        left_out = int(values.sum() - values[largest].sum())
        rows, values, hops = rows[largest], values[largest], hops[largest]
    if len(places) < len(touched):
        lines = coins.lines(wallet)
        everything = lines["value"][lines["flags"] & (SENT | PASSES) == (SENT if sent else 0)].sum()
        left_out = max(0, round(everything - ended.sum()) - int(values.sum()))
    by_code = {int(code): round(ended[code]) for code in np.flatnonzero(ended)}
    return Held(Seeds(rows, values, hops), by_code, left_out)


@kernel
def _keep(some: _Gathered, n: int, row: int, what: tuple[int, int]) -> int:
    """Keep so many satoshi of a coin, so many hops away; how many coins then."""
    if what[0] > 0:
        some.row[n], some.value[n], some.hops[n] = row, what[0], what[1]
        n += 1
    return n


@kernel
def _received(whole: Part, whose: Whose, code: Ints, some: _Gathered) -> int:
    """Write the coins that others paid to a wallet, or by which they paid what it has more; how many."""
    n = 0
    for t in whose.places:
        got, put, pays = moved(whole, (whose.own, whose.wallet), t)
        if pays and absorbs_at(whole, t) < 0:
            more = gained(whole, t, got, put)
            if more > 0:
                n = _from_others(whole, (whose, code), (t, put, more), (some, n))
            continue
        net = got - (due(whole, t, put) if pays else 0)
        for o in range(whole.out_start[t], whole.out_start[t + 1]):
            owner, value = whole.out_owner[o], whole.out_value[o]
            if net > 0 and owner >= 0 and whose.own[owner] == whose.wallet:
                n = _keep(some, n, o, (min(int(value * (net / got)), value), 0))
    return n


@kernel
def _from_others(whole: Part, whose: tuple[Whose, Ints], what: tuple[int, int, int], to: tuple[_Gathered, int]) -> int:
    """Write the coins that others put into a transaction, for what a wallet has more after it; how many then.

    `what` is the transaction, what the wallet put in, and what it has more.
    """
    t, put, more = what
    some, n = to
    worth, gap, _ = spent(whole, t)
    part = more / (worth - put)
    some.ended[UNRESOLVED] += gap * part
    for i in range(whole.in_start[t], whole.in_start[t + 1]):
        owner, origin, value = whole.spend_owner[i], whole.origin[i], max(whole.spend_value[i], 0)
        if owner >= 0 and whose[0].own[owner] == whose[0].wallet:
            continue
        code = whose[1][owner] if owner >= 0 else -1
        if code >= 0 or origin < 0:
            some.ended[code if code >= 0 else UNRESOLVED] += value * part
        else:
            n = _keep(some, n, whole.out_start[origin] + whole.vout[i], (min(int(value * part), value), 1))
    return n


@kernel
def _sent(whole: Part, whose: Whose, some: _Gathered) -> int:
    """Write the outputs that a wallet paid to others; how many. What went into pools is at its end."""
    n = 0
    for t in whose.places:
        got, put, pays = moved(whole, (whose.own, whose.wallet), t)
        if not pays or put == 0:
            continue
        if absorbs_at(whole, t) >= 0:
            some.ended[whole.born[t]] += max(due(whole, t, put) - got, 0)
            continue
        part = parted(whole, t, got, put)
        for o in range(whole.out_start[t], whole.out_start[t + 1]):
            owner, value = whole.out_owner[o], whole.out_value[o]
            if owner < 0 or whose.own[owner] != whose.wallet:
                n = _keep(some, n, o, (min(int(value * part), value), 1))
    return n
