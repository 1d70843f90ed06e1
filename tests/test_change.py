"""Change: candidate sets, one vote per family, vetoes, habits, and a slow twin for all of it together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.tables import ScriptType
from heuristics.clusters.change import calibration, decide, sets, votes
from heuristics.clusters.change.decide import Changes
from heuristics.clusters.change.view import View, first_of, only, view
from heuristics.fingerprints import EARLIER, MIXED, TIP
from tests.coins import OTHER, PLAIN, History, Look, Out
from tests.naive_change import Twin

P2PKH, P2WPKH, P2TR = ScriptType.P2PKH, ScriptType.P2WPKH, ScriptType.P2TR
UNEVEN = 1_234_567


def looked_at(history: History, several: tuple[int, ...] = ()) -> View:
    """The history as sets see it."""
    blocked = np.zeros(len(history.names), np.bool_)
    return view(history.graph(), history.clusters(several), history.flags(several), blocked)


def found(history: History, several: tuple[int, ...] = ()) -> Changes:
    """What is called change."""
    blocked = np.zeros(len(history.names), np.bool_)
    return decide.changes(history.graph(), history.clusters(several), history.flags(several), blocked)


def called(history: History, several: tuple[int, ...] = ()) -> dict[tuple[int, int], int]:
    """Families by transaction and position."""
    said = found(history, several)
    return dict(zip(zip(said.place.tolist(), said.vout.tolist(), strict=True), said.families.tolist(), strict=True))


def kept(history: History, t: int, name: str, *more: int) -> list[int]:
    """Positions that a set keeps in one transaction."""
    start = history.graph().out_start
    return np.flatnonzero(getattr(sets, name)(looked_at(history), *more)[start[t] : start[t + 1]]).tolist()


def payment(history: History, *, kind: int = P2PKH, value: int = 3 * UNEVEN) -> int:
    """A payment of `value` to somebody, change of the payer's own kind last; its place."""
    coin = history.mint(f"in {len(history.ins)}", 10**8)
    return history.tx([coin], Out(f"to {coin[0]}", value, kind), Out(f"back {coin[0]}", 10**8 - value - 1_000))


def test_sets_keep_what_they_can_not_rule_out() -> None:
    """Each heuristic rules out what its source says, and nothing where it has nothing to compare."""
    history = History()
    a, b = history.mint("a", 500), history.mint("b", 300, P2PKH)
    mixed = history.tx([a, b], Out("c", 400), Out("d", 250), Out(None, 0), Out("a", 100))
    assert kept(history, mixed, "optimal_change") == [1, 3]
    assert kept(history, mixed, "address_type") == [0, 1, 3]
    assert kept(history, mixed, "address_reuse") == [3]
    assert kept(history, mixed, "own_cluster") == [3]
    assert kept(history, mixed, "power_of_ten", 2) == [1]
    one = history.tx([(mixed, 1)], Out("e", 200), Out("f", 20, P2TR))
    assert kept(history, one, "optimal_change") == [0, 1]
    assert kept(history, one, "address_type") == [0]
    assert kept(history, one, "peeling_chain") == [0, 1]


def test_peeling_and_fee_follow_the_spender() -> None:
    """A peel goes on with a peel, a fixed fee with the same fee rate; what is unspent may do either."""
    history = History()
    first = history.tx([history.mint("a", 10_000)], Out("b", 4_000), Out("c", 5_000))
    history.tx([(first, 1)], Out("d", 2_000), Out("e", 2_000))
    assert kept(history, first, "fixed_fee") == [0, 1]
    assert kept(history, first, "peeling_chain") == [0, 1]
    history.tx([(first, 0)], Out("f", 3_500))
    assert kept(history, first, "fixed_fee") == [1]
    assert kept(history, first, "peeling_chain") == [1]


def test_an_address_is_fresh_where_it_is_paid_once_here() -> None:
    """Paid before or after is not fresh; dust that is forced upon an old address later says nothing."""
    history = History()
    coin = history.tx([], Out("old", 9_000), Out("a", 9_000), Out("z", 9_000))
    t = history.tx([(coin, 1)], Out("old", 1), Out("later", 2_000), Out("dusted", 3_000), Out("clean", 3_000))
    history.tx([(coin, 2)], Out("later", 5_000), Out("dusted", 546))
    assert kept(history, t, "client_change") == [2, 3]


@pytest.mark.parametrize(("look", "left"), [
    (Look(version=1), [1]), (Look(locktime=TIP), [1]), (Look(sequence=0), [1]),
    (Look(sequence=MIXED), [0, 1]), (PLAIN, [0, 1]),
])  # fmt: skip
def test_a_spender_that_looks_different_rules_out(look: Look, left: list[int]) -> None:
    """Version, use of nLockTime and nSequence have to agree; several values of nSequence tell nothing."""
    history = History()
    t = payment(history)
    history.tx([(t, 0)], Out("x", 1), look=look)
    start = history.graph().out_start[t]
    assert np.flatnonzero(votes.same_program(looked_at(history))[start : start + 2]).tolist() == left


def test_a_height_is_a_height_however_old() -> None:
    """A transaction that waited has an earlier height in nLockTime, and is of the same program."""
    history = History()
    coin = history.mint("a", 10_000)
    t = history.tx([coin], Out("b", 4_000), Out("c", 5_000), look=Look(locktime=TIP))
    history.tx([(t, 0)], Out("d", 3_000), look=Look(locktime=EARLIER))
    assert kept(history, t, "locktime") == [0, 1]


def test_one_family_is_not_enough_and_two_are() -> None:
    """The script kind alone decides nothing; with a round payment beside it, it does."""
    alone, both = History(), History()
    payment(alone)
    t = payment(both, value=10**7)
    assert called(alone) == {}
    assert called(both) == {(t, 1): votes.TYPE | votes.AMOUNT}


def test_signs_of_one_family_are_one_vote() -> None:
    """A round payment and an output smaller than every input are both about amounts."""
    history = History()
    coins = [history.mint("a", 6 * 10**6), history.mint("b", 6 * 10**6)]
    history.tx(coins, Out("to", 10**7), Out("back", UNEVEN))
    assert called(history) == {}


def test_families_at_odds_decide_nothing() -> None:
    """Where the kind speaks for one output and the amount for another, neither is called change."""
    history = History()
    coin = history.mint("a", 10**8)
    history.tx([coin], Out("same kind", 10**7), Out("uneven", UNEVEN, P2PKH))
    assert called(history) == {}


def test_back_to_the_payer_is_change() -> None:
    """An output to an address of the inputs is certain, the only one to their cluster as sure as T0."""
    history = History()
    coin = history.tx([], Out("a", 900), Out("b", 900), Out("a", 900), Out("a", 900))
    history.tx([(coin, 0), (coin, 1)], Out("x", 1_700))
    back = history.tx([(coin, 2)], Out("y", 300), Out("a", 500))
    other = history.tx([(coin, 3)], Out("z", 300), Out("b", 500))
    assert called(history) == {(back, 1): votes.SELF, (other, 1): votes.COSPENT}
    assert found(history).per_mille.tolist() == [1000, 990]


def test_change_goes_by_the_program_that_spends_it() -> None:
    """Spent alike while the payment is spent otherwise, and of the inputs' kind: change."""
    history = History()
    t = payment(history)
    history.tx([(t, 0)], Out("x", 1), look=OTHER)
    history.tx([(t, 1)], Out("y", 1))
    assert called(history) == {(t, 1): votes.TYPE | votes.SPENDER}


def test_vetoes() -> None:
    """Several parties before or after, a Stonewall, an equal output, another look of the spender: each stops it."""

    def paid(*outs: Out) -> tuple[History, int]:
        history = History()
        coin = history.mint("a", 10**8)
        return history, history.tx([coin], Out("to", 10**7, P2PKH), Out("back", UNEVEN), *outs)

    history, t = paid()
    spender = history.tx([(t, 1)], Out("x", 1))
    assert called(history) == {(t, 1): votes.TYPE | votes.AMOUNT}
    assert called(history, (t,)) == {}
    assert called(history, (spender,)) == {}
    history, t = paid()
    history.tx([(t, 1)], Out("x", 1), look=OTHER)
    assert called(history) == {}
    assert called(paid(Out("c", 10**7, P2PKH))[0]) == {}
    assert called(paid(Out(None, UNEVEN))[0]) == {}
    assert called(paid(*(Out(f"more {n}", 10**7 * n, P2PKH) for n in range(2, 11)))[0]) == {}


def test_freshness_needs_the_whole_history() -> None:
    """Where history begins later than the chain, any address may be old: freshness does not vote."""
    for first_height, expected in ((0, 1), (100, 0)):
        history = History(first_height=first_height)
        coin = history.tx([], Out("a", 10**8), Out("known", 10**6))
        t = history.tx([(coin, 0)], Out("known", 10**7), Out("back", UNEVEN))
        said = called(history)
        assert len(said) == expected
        assert set(said.values()) <= {votes.AMOUNT | votes.FRESHNESS}
        assert set(said) <= {(t, 1)}


def test_a_habit_tells_what_else_would_not() -> None:
    """Five times last, and one more vote: change is where this cluster always has it."""
    history = History()
    coin = history.tx([], *(Out("a", 10**8) for _ in range(7)))
    history.tx([(coin, 0)], Out("somebody", 10**5, P2PKH), Out("known", 10**5))
    for n in range(1, 6):
        history.tx([(coin, n)], Out(f"to {n}", UNEVEN + n), Out("a", UNEVEN))
    t = history.tx([(coin, 6)], Out("known", 3 * UNEVEN), Out("back", UNEVEN))
    assert called(history)[t, 1] == votes.FRESHNESS | votes.POSITION


def test_probabilities_follow_the_era() -> None:
    """No votes are even odds, own change is certain, votes never are; eras begin with the first spend of their kind."""
    every = np.arange(1 << 5, dtype=np.uint8)
    for era in (calibration.PRE_SEGWIT, calibration.SEGWIT, calibration.TAPROOT):
        share = calibration.probability(np.full(len(every), era, np.uint8), every)
        assert share[0] == 0.5
        assert share.max() <= calibration.MOST
        more = every[every & votes.TYPE == 0]
        assert (share[more | votes.TYPE] >= share[more]).all()
    assert calibration.probability(np.zeros(1, np.uint8), np.array([votes.SELF], np.uint8)).tolist() == [1.0]
    history = History()
    coins = [history.mint(name, 9, kind) for name, kind in (("a", P2PKH), ("b", P2WPKH), ("c", P2TR))]
    for n, coin in enumerate(coins):
        history.tx([coin], Out(f"x{n}", 1))
    assert calibration.eras(history.graph()).tolist() == [0, 0, 0, 0, 1, 2]


def test_rows_and_back() -> None:
    """What is written to the table `change` is read again as it was."""
    history = History()
    payment(history, value=10**7)
    said = found(history)
    rows = decide.rows(history.graph(), said)
    assert rows.column_names == ["tx_id", "vout", "probability", "families", "rule"]
    again = decide.from_rows(history.graph(), rows)
    assert len(said.place) == 1
    for name in Changes._fields:
        assert getattr(again, name).tolist() == getattr(said, name).tolist()


@st.composite
def histories(draw: st.DrawFn) -> tuple[History, tuple[int, ...]]:
    """Any small history, and which of its transactions are of several parties."""
    history = History()
    names = [f"n{n}" for n in range(12)]
    kinds: dict[str | None, int] = {}
    free: list[tuple[int, int]] = []
    looks = st.builds(Look, st.sampled_from([1, 2]), st.sampled_from([0, 1, 2]), st.sampled_from([0, 2, 4]))
    values = st.sampled_from([10**5, 3 * 10**6, 10**7, 546, 70_001, 123_456, 999_999, 5_000_001])
    for _ in range(draw(st.integers(1, 9))):
        ins = draw(st.lists(st.sampled_from(free), unique=True, max_size=3)) if free else []
        free = [coin for coin in free if coin not in ins]
        outs = []
        for _ in range(draw(st.integers(1, 4))):
            name = draw(st.sampled_from([*names, None]))
            kind = kinds.setdefault(name, draw(st.sampled_from([P2PKH, P2WPKH, P2TR])) if name else 9)
            outs.append(Out(name, draw(values), kind))
        t = history.tx(ins, *outs, look=draw(looks))
        free += [(t, vout) for vout, out in enumerate(outs) if out.name]
    several = draw(st.lists(st.integers(0, len(history.ins) - 1), max_size=1))
    return history, tuple(several)


@settings(max_examples=150)
@given(told=histories())
def test_change_agrees_with_a_slow_twin(told: tuple[History, tuple[int, ...]]) -> None:
    """Sets, votes, vetoes, habits and probabilities together say what a reading of the rules says."""
    history, several = told
    if history.names:
        assert called(history, several) == dict(sorted(Twin(history, several).changes().items()))


@given(st.lists(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=4), min_size=1, max_size=5))
def test_sets_combine(told: list[list[tuple[bool, bool]]]) -> None:
    """`only` keeps single candidates, `first_of` falls back where a transaction has none."""
    start = np.cumsum([0, *map(len, told)])
    a, b = (np.array([pair[side] for tx in told for pair in tx], np.bool_) for side in (0, 1))
    single = [one and sum(x for x, _ in tx) == 1 for tx in told for one, _ in tx]
    fallen = [one if any(x for x, _ in tx) else two for tx in told for one, two in tx]
    assert only(start, a).tolist() == single
    assert first_of(start, a, b).tolist() == fallen
