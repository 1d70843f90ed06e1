"""The honest interval: the least and the most of some coins that can come from a goal, however coins are mixed.

methods.bounds tells it for a whole history; here it is computed for a few coins on demand, from the transactions
that lead to them, up to a depth and a number. What lies behind those is taken from the stored sources, which tell
for certain only that all of a transaction's coins are the goal's, or that none can be; of any other coin it may be
nothing or all. So an interval that the budget ended contains the one without a budget.

Bounds compound into uselessness after a few mixings, so who shows one looks at `told` first.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import i64, kernel
from heuristics.exposure.passes.parts import CUT, UNRESOLVED, Longs, Part, Parties, Shares, code_of, spent
from heuristics.exposure.trace import AskedError, Seeds
from heuristics.exposure.tracing.slots import fits, offset, spent_row
from store.errors import DamagedError

MOST_TX: Final = 2000
MOST_DEPTH: Final = 6
# Wider than this part of the value, an interval says nothing.
WIDE: Final = 0.3
# What is known of a transaction's coins without looking at its inputs.
_NONE, _ALL, _OPEN = range(3)

_Flags = npt.NDArray[np.bool_]


class Interval(NamedTuple):
    """From `low` to `high` of `value` satoshi come from the goal; `ended` where the budget kept it from being exact."""

    low: int
    high: int
    value: int
    ended: bool

    @property
    def told(self) -> bool:
        """Whether it is narrow enough to be shown; else the answer depends on the method."""
        return self.high - self.low < WIDE * self.value


class Budget(NamedTuple):
    """How many transactions may be looked at, and how deep."""

    tx: int = MOST_TX
    depth: int = MOST_DEPTH


class Goal(NamedTuple):
    """By code: whether it is the goal's; whether a stored row of that code may be, and whether it is for certain.

    The row of a category may stand for any party of it that is not told apart, and what was cut off for anything.
    """

    of: _Flags
    may: _Flags
    surely: _Flags


class _Known(NamedTuple):
    """Transactions looked at, by place: what they spend, and the least and the most of it that is the goal's."""

    place: Longs
    worth: Longs
    low: Longs
    high: Longs


def goal(parties: Parties, of: _Flags) -> Goal:
    """Say what stored rows can tell about a set of codes; raises AskedError where it has not one flag per code."""
    if of.shape != parties.category.shape:
        raise AskedError(f"a goal of {of.size} flags for {len(parties.category)} codes: give one flag for each code")
    may, surely = of.copy(), of.copy()
    named = np.arange(parties.n_categories, len(of))
    np.logical_or.at(may, parties.category[named], of[named])
    np.logical_and.at(surely, parties.category[named], of[named])
    may[CUT], surely[CUT] = of.any(), of.all()
    return Goal(of, may, surely)


def interval(
    coins: tuple[Part, Parties, Shares],
    received: Seeds,
    of: _Flags,
    budget: Budget = Budget(),  # noqa: B008
) -> Interval:
    """How much of some coins can come from a goal, by any method that moves value within transactions.

    Parameters
    ----------
    coins
        The history as one part, who is a boundary, and the stored sources.
    received
        Outputs, and the satoshi of each that count.
    of
        The goal, a flag by code.
    budget
        How far to look.

    Returns
    -------
    Interval
        In satoshi. Raises AskedError for coins that do not exist, DamagedError where the history contradicts itself.
    """
    whole, parties, sources = coins
    rows, values = np.asarray(received.row, np.int64), np.asarray(received.value, np.int64)
    if rows.shape != values.shape or (len(rows) and not 0 <= rows.min() <= rows.max() < len(whole.out_value)):
        raise AskedError(f"{len(rows)} coins asked about are not all among the {len(whole.out_value)} of the history")
    if ((values < 0) | (values > whole.out_value[rows])).any():
        raise AskedError("more satoshi are asked about than an output has, or fewer than none")
    if len(sources.start) != len(whole.born) + 1:
        raise DamagedError(f"{len(sources.start) - 1} stored sources are not those of {len(whole.born)} transactions")
    asked = goal(parties, of)
    places = np.searchsorted(whole.out_start, rows, "right") - 1
    if (places >= len(whole.born)).any():
        raise DamagedError("an output asked about belongs to no transaction of the history")
    found, ended, wrong = _look((whole, parties, sources), asked, (places, values), budget)
    if wrong >= 0:
        raise DamagedError(f"transaction {wrong} of the history contradicts its neighbours: nothing can be said of it")
    low, high = _add_up((whole, sources), asked, found, (rows, places, values))
    return Interval(low, high, int(values.sum()), ended)


@kernel
def _stored(sources: Shares, asked: Goal, place: int) -> int:
    """What the stored sources say of a transaction's coins; a row that can not be read says nothing."""
    if not 0 <= sources.start[place] < sources.start[place + 1] <= len(sources.rows):
        return _OPEN
    none = every = True
    for k in range(sources.start[place], sources.start[place + 1]):
        code = sources.rows[k].code
        if not 0 <= code < len(asked.of):
            return _OPEN
        none &= not asked.may[code]
        every &= asked.surely[code]
    return _NONE if none else _ALL if every else _OPEN


@kernel
def _at_once(coins: tuple[Part, Shares], asked: Goal, place: int) -> int:
    """What is known of a transaction's coins without looking at its inputs."""
    whole, sources = coins
    born = whole.born[place]
    if 0 <= born < len(asked.of):
        return _ALL if asked.of[born] else _NONE
    return _stored(sources, asked, place)


@kernel
def _largest_first(places: Longs, values: Longs) -> Longs:
    """Places, each once, by how much value leads to them."""
    order = np.argsort(places)
    some, sums = np.empty(len(places), np.int64), np.zeros(len(places), np.int64)
    n = 0
    for k in order:
        if n == 0 or some[n - 1] != places[k]:
            some[n] = places[k]
            n += 1
        sums[n - 1] += values[k]
    return some[:n][np.argsort(-sums[:n], kind="mergesort")]


@kernel
def _has(places: Longs, place: int) -> int:
    """Where a place is among some in order, -1 where it is not."""
    k = offset(places, place)
    return k if k < len(places) and places[k] == place else -1


@kernel
def _look(
    coins: tuple[Part, Parties, Shares], asked: Goal, begin: tuple[Longs, Longs], budget: Budget
) -> tuple[_Known, bool, int]:
    """Choose the transactions to look at, nearest first, and bound them; whether the budget ended it; what is wrong."""
    whole, parties, sources = coins
    looked = np.empty(0, np.int64)
    places, values = begin
    ended = False
    depth = 0
    while len(places) > 0:
        chosen = [i64(0)]
        chosen.pop()
        for place in _largest_first(places, values):
            if _at_once((whole, sources), asked, place) != _OPEN or _has(looked, place) >= 0:
                continue
            if depth == budget.depth or len(looked) + len(chosen) >= budget.tx:
                ended = True
                break
            if not fits(whole, parties, place):
                return _Known(looked, looked, looked, looked), ended, place
            chosen.append(place)
        level = np.array(chosen)
        looked = np.sort(np.concatenate((looked, level)))
        places, values = _behind((whole, parties), level)
        depth += 1
    known = _Known(looked, np.zeros(len(looked), np.int64), np.zeros(len(looked), np.int64), looked.copy())
    return known, ended, _bound((whole, parties, sources), asked, known)


@kernel
def _behind(coins: tuple[Part, Parties], level: Longs) -> tuple[Longs, Longs]:
    """The transactions whose coins some others spend, and for how much."""
    whole, parties = coins
    size = 0
    for place in level:
        size += whole.in_start[place + 1] - whole.in_start[place]
    places, values = np.empty(size, np.int64), np.empty(size, np.int64)
    n = 0
    for place in level:
        for i in range(whole.in_start[place], whole.in_start[place + 1]):
            owned = code_of(parties, whole.spend_owner[i]) >= 0
            if not owned and whole.origin[i] >= 0 and whole.spend_value[i] > 0:
                places[n], values[n] = whole.origin[i], whole.spend_value[i]
                n += 1
    return places[:n], values[:n]


@kernel
def _of_coin(coins: tuple[Part, Shares], asked: Goal, known: _Known, coin: tuple[int, int]) -> tuple[int, int]:
    """The least and the most of so many satoshi of a transaction's coins that is the goal's."""
    place, value = coin
    k = _has(known.place, place)
    if k >= 0:
        most = min(value, known.high[k])
        return min(most, max(0, value - (known.worth[k] - known.low[k]))), most
    told = _at_once(coins, asked, place)
    return value if told == _ALL else 0, 0 if told == _NONE else value


@kernel
def _bound(coins: tuple[Part, Parties, Shares], asked: Goal, known: _Known) -> int:
    """Bound what each transaction spends, first to last; the one that can not be, else -1."""
    whole, parties, sources = coins
    for k in range(len(known.place)):
        t = known.place[k]
        worth, gap, _ = spent(whole, t)
        low = high = gap * asked.of[UNRESOLVED]
        for i in range(whole.in_start[t], whole.in_start[t + 1]):
            code, value = code_of(parties, whole.spend_owner[i]), max(whole.spend_value[i], 0)
            if code >= 0 or whole.origin[i] < 0:
                least = most = value * asked.of[code if code >= 0 else UNRESOLVED]
            elif value == 0:
                continue
            elif spent_row(whole, i) < 0:
                return int(t)
            else:
                least, most = _of_coin((whole, sources), asked, known, (whole.origin[i], value))
            low += least
            high += most
        known.worth[k], known.low[k], known.high[k] = worth, low, high
    return -1


@kernel
def _add_up(
    coins: tuple[Part, Shares], asked: Goal, known: _Known, received: tuple[Longs, Longs, Longs]
) -> tuple[int, int]:
    """The least and the most of all coins together, of some satoshi of each."""
    whole, _ = coins
    rows, places, values = received
    low = high = 0
    for k in range(len(rows)):
        value = whole.out_value[rows[k]]
        least, most = _of_coin(coins, asked, known, (places[k], value))
        low += max(0, least - (value - values[k]))
        high += min(most, values[k])
    return low, high
