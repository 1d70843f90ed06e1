"""The coins of a wallet that count as received, or as sent: what traces and intervals of it begin with.

What counts is what heuristics.exposure.wheel says: outputs to the wallet of transactions that others pay, its share
of the outputs to others of those that it pays, and of CoinJoins what it has more, or less, after them.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.exposure.coins import Coins
from heuristics.exposure.joint import due, parted
from heuristics.exposure.passes.parts import CUT, Longs, Part, absorbs_at
from heuristics.exposure.search.seeds import Whose, moved
from heuristics.exposure.trace import Asked, Seeds, by_method
from heuristics.exposure.wheel import PASSES, SENT

# Of a wallet with more, only the coins of most value are followed.
MOST_COINS: Final = 20_000
# Of a wallet with more transactions, only the newest are looked at.
MOST_TOUCHED: Final = 200_000


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
    room = int((whole.out_start[places.astype(np.int64) + 1] - whole.out_start[places]).sum())
    rows, values = np.empty(room, np.int64), np.empty(room, np.int64)
    ended = np.zeros(len(coins.codes))
    n = _gather(whole, Whose(wallet, coins.around.own, coins.around.pooled, places), (rows, values), ended, sent)
    rows, values = rows[:n], values[:n]
    left_out = 0
    if n > most:
        largest = np.sort(np.argsort(-values, kind="stable")[:most])
        left_out = int(values.sum() - values[largest].sum())
        rows, values = rows[largest], values[largest]
    if len(places) < len(touched):
        lines = coins.lines(wallet)
        everything = lines["value"][lines["flags"] & (SENT | PASSES) == (SENT if sent else 0)].sum()
        left_out = max(0, round(everything - ended.sum()) - int(values.sum()))
    by_code = {int(code): round(ended[code]) for code in np.flatnonzero(ended)}
    return Held(Seeds(rows, values, hops=int(sent)), by_code, left_out)


@kernel
def _gather(whole: Part, whose: Whose, coins: tuple[Longs, Longs], ended: npt.NDArray[np.float64], sent: bool) -> int:
    """Write rows of outputs and the satoshi of each that count; how many. What went into pools is added to `ended`."""
    rows, values = coins
    n = 0
    for t in whose.places:
        got, put, pays = moved(whole, whose, t)
        pooled = absorbs_at(whole, t) >= 0
        net = got - (due(whole, t, put) if pooled and pays else 0)
        if sent and pooled and net < 0:
            ended[whole.born[t]] -= net
        if (pays and not pooled) != sent or (pooled and (sent or net <= 0)):
            continue
        if sent and put == 0:
            continue
        whom = whose.own, whose.wallet
        part = parted(whole, whom, t, (got, put), whose.shared[t] != 0) if sent else net / max(got, 1)
        for o in range(whole.out_start[t], whole.out_start[t + 1]):
            owner = whole.out_owner[o]
            own = owner >= 0 and whose.own[owner] == whose.wallet
            value = min(int(whole.out_value[o] * part), whole.out_value[o])
            if own != sent and value > 0:
                rows[n], values[n] = o, value
                n += 1
    return n
