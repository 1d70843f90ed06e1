"""The honest interval: what any method can say lies within, and a budget only widens it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.intervals import Budget, Interval, goal, interval
from heuristics.exposure.methods import bounds
from heuristics.exposure.passes.parts import CUT, MINED, UNRESOLVED, Shares
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.trace import Asked, AskedError, Seeds, by_method
from store.errors import DamagedError
from tests.histories import CATEGORY, HISTORIES, PARTIES, history, part
from tests.naive_provenance import In, Out, Tx

MARKS = st.lists(st.booleans(), min_size=len(CATEGORY), max_size=len(CATEGORY)).map(np.array)
CUTS = st.sampled_from((Cut(), Cut(0.2, 1), Cut(0.3, 0), Cut(0.0, 99, exact=True)))
BUDGETS = st.builds(Budget, st.integers(0, 12), st.integers(0, 6))
FREE = Budget(1 << 30, 1 << 30)


def sources(txs: list[Tx], cut: Cut = Cut()) -> Shares:  # noqa: B008 -- it never changes
    """What is stored."""
    return Provenance(PARTIES, len(txs), cut).run(part(txs))


def some_coins(txs: list[Tx], seed: int) -> Seeds:
    """Up to five coins, some of them in part."""
    values = part(txs).out_value
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(values))[:5]
    return Seeds(rows, values[rows] * rng.integers(1, 4, len(rows)) // 3)


def oracle(txs: list[Tx], received: Seeds, marks: np.ndarray) -> tuple[int, int]:
    """The interval from the bounds of the whole history."""
    whole = part(txs)
    found = bounds(whole, PARTIES, marks)
    rest = whole.out_value[received.row] - received.value
    low = np.maximum(found.least[received.row] - rest, 0).sum()
    return int(low), int(np.minimum(found.most[received.row], received.value).sum())


@given(HISTORIES, MARKS, CUTS, st.integers(0, 1000))
def test_without_a_budget_it_is_the_bound_of_the_whole_history(
    txs: list[Tx], marks: np.ndarray, cut: Cut, seed: int
) -> None:
    """Looking as far as needed gives methods.bounds exactly, however roughly the stored sources were cut."""
    received = some_coins(txs, seed)
    found = interval((part(txs), PARTIES, sources(txs, cut)), received, marks, FREE)
    assert (found.low, found.high) == oracle(txs, received, marks)
    assert not found.ended
    assert found.value == received.value.sum()


@given(HISTORIES, MARKS, CUTS, BUDGETS, st.integers(0, 1000))
def test_a_budget_only_widens_it(txs: list[Tx], marks: np.ndarray, cut: Cut, budget: Budget, seed: int) -> None:
    """Within any budget the interval contains the one without; it is that one unless it says that it was ended."""
    received = some_coins(txs, seed)
    coins = (part(txs), PARTIES, sources(txs, cut))
    found, (low, high) = interval(coins, received, marks, budget), oracle(txs, received, marks)
    assert 0 <= found.low <= low <= high <= found.high <= found.value
    assert found.ended or (found.low, found.high) == (low, high)
    for more in (budget._replace(tx=budget.tx + 3), budget._replace(depth=1 << 30, tx=1 << 30)):
        wider = interval(coins, received, marks, more)
        assert found.low <= wider.low <= wider.high <= found.high


@given(HISTORIES, MARKS, BUDGETS, st.integers(0, 1000))
def test_every_method_lies_within(txs: list[Tx], marks: np.ndarray, budget: Budget, seed: int) -> None:
    """L <= haircut <= U and L <= FIFO <= U for several coins at once; what poison does not reach has U = 0."""
    whole = part(txs)
    received = some_coins(txs, seed)
    received = received._replace(value=whole.out_value[received.row])
    found = interval((whole, PARTIES, sources(txs)), received, marks, budget)
    free = interval((whole, PARTIES, sources(txs)), received, marks, FREE)
    told = {}
    for method in ("haircut", "fifo", "poison"):
        ends = by_method(whole, PARTIES, received, Asked(method, "backward"))
        told[method] = sum(satoshi for code, (satoshi, _) in ends.items() if marks[code])
    slack = 1e-9 * found.value
    assert found.low - slack <= told["haircut"] <= found.high + slack
    assert found.low <= told["fifo"] <= found.high
    assert (told["poison"] > 0) == (free.high > 0)


def test_by_hand() -> None:
    """Ten mined and ten from before the history: of an output of twelve at least two, at most ten are mined."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5), In(None, 0, 10, 6)], [Out(12, 7), Out(5, 8)])]
    coins = (part(txs), PARTIES, sources(txs))
    marks = np.arange(len(CATEGORY)) == MINED
    assert interval(coins, Seeds(np.array([1]), np.array([12])), marks) == Interval(2, 10, 12, ended=False)
    assert interval(coins, Seeds(np.array([1]), np.array([11])), marks) == Interval(1, 10, 11, ended=False)
    both = Seeds(np.array([1, 2]), np.array([12, 5]))
    assert interval(coins, both, marks) == Interval(2, 15, 17, ended=False)
    assert interval(coins, both, marks, Budget(0, 6)) == Interval(0, 17, 17, ended=True)
    assert not interval(coins, both, marks).told
    assert interval(coins, both, ~marks & False).told
    marks[UNRESOLVED] = True
    assert interval(coins, both, marks, Budget(0, 0)) == Interval(17, 17, 17, ended=False)


def test_what_stored_rows_may_hide() -> None:
    """A category's row may hide its parties, and what was cut off anything; neither is for certain."""
    of = np.arange(len(CATEGORY)) == 9  # a party of category 6; 10 is the other one
    asked = goal(PARTIES, of)
    assert np.flatnonzero(asked.may).tolist() == [CUT, 6, 9]
    assert np.flatnonzero(asked.surely).tolist() == [9]
    whole = np.isin(np.arange(len(CATEGORY)), (6, 9, 10))
    assert np.flatnonzero(goal(PARTIES, whole).surely).tolist() == [6, 9, 10]
    assert not goal(PARTIES, of & False).may.any()
    assert goal(PARTIES, of | True).surely.all()


def test_long_ways_end_at_the_budget() -> None:
    """A long chain of mixings is looked at to its depth, and the answer says so."""
    n = 50
    txs = [Tx([], [Out(10, 5, 1)])]
    txs += [Tx([In(t, 0, 10, 5 + t % 2), In(None, 0, 10, 7)], [Out(10, 5 + (t + 1) % 2, t + 2), Out(10, 8)])
            for t in range(n)]  # fmt: skip
    txs[-1].outs[0].spent_by = None
    coins = (part(txs), PARTIES, sources(txs))
    marks = np.arange(len(CATEGORY)) == MINED
    last = Seeds(np.array([2 * n - 1]), np.array([10]))
    assert interval(coins, last, marks) == Interval(0, 10, 10, ended=True)
    assert interval(coins, last, marks, FREE) == Interval(0, 10, 10, ended=False)
    assert interval(coins, Seeds(np.array([3]), np.array([10])), marks) == Interval(0, 10, 10, ended=False)


def test_nothing_and_what_does_not_exist() -> None:
    """No coins have an interval of nothing; coins or goals that do not exist are refused."""
    txs = history(3, 20)
    coins = (part(txs), PARTIES, sources(txs))
    marks = np.zeros(len(CATEGORY), np.bool_)
    none = Seeds(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert interval(coins, none, marks) == Interval(0, 0, 0, ended=False)
    for rows, values in (([9999], [1]), ([-1], [1]), ([0, 1], [1]), ([0], [-1]), ([0], [1 << 60])):
        with pytest.raises(AskedError):
            interval(coins, Seeds(np.array(rows), np.array(values)), marks)
    with pytest.raises(AskedError, match="one flag for each"):
        interval(coins, none, marks[1:])
    short = Shares(coins[2].start[:-1], coins[2].rows)
    with pytest.raises(DamagedError, match="stored sources"):
        interval((*coins[:2], short), none, marks)


@pytest.mark.parametrize(
    ("column", "at", "value"), [("origin", 0, 1), ("vout", 0, 9), ("spend_value", 0, 9), ("spend_owner", 0, 12)]
)
def test_a_history_that_contradicts_itself_is_refused(column: str, at: int, value: int) -> None:
    """What names a neighbour or owner that can not be gives an error, never a crash."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5), In(None, 0, 10, 6)], [Out(12, 7), Out(5, 8)])]
    bad, stored = part(txs), sources(txs)
    getattr(bad, column)[at] = value
    with pytest.raises(DamagedError):
        interval((bad, PARTIES, stored), Seeds(np.array([1]), np.array([12])), np.arange(len(CATEGORY)) == MINED)


def test_stored_rows_that_can_not_be_read_say_nothing() -> None:
    """A code that does not exist leaves the interval wide, and is no crash."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5)], [Out(10, 7)])]
    stored = sources(txs)
    marks = np.arange(len(CATEGORY)) == MINED
    coin = Seeds(np.array([1]), np.array([10]))
    assert interval((part(txs), PARTIES, stored), coin, marks, Budget(0, 0)) == Interval(10, 10, 10, ended=False)
    stored.rows["code"] = 99
    assert interval((part(txs), PARTIES, stored), coin, marks, Budget(0, 0)) == Interval(0, 10, 10, ended=True)
    assert interval((part(txs), PARTIES, stored), coin, marks) == Interval(10, 10, 10, ended=False)
