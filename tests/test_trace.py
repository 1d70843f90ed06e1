"""Tracing coins: agreement with the twin, with what is stored and with FIFO's pieces, and what holds of any limit."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.destinations import Destinations
from heuristics.exposure.methods import fifo
from heuristics.exposure.passes.parts import COINJOIN, CUT, FEE, HELD, MINED, UNRESOLVED, Part
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.trace import DIRECTIONS, METHODS, Asked, AskedError, Seeds, Trace, by_method, coin, trace
from heuristics.exposure.tracing.kernels import ON
from service.exits import Exit, exit_of
from store.errors import DamagedError
from tests.histories import CODE, HISTORIES, PARTIES, history, part, vectors
from tests.naive_provenance import In, Out, Tx
from tests.naive_trace import Coin, Told, Twin, backward, forward

UNCUT = Cut(drop=0.0, top=1000, exact=True)
ASKED = st.builds(Asked, st.sampled_from(list(METHODS)), st.sampled_from(DIRECTIONS))
LIMITED = st.builds(
    Asked,
    st.sampled_from(list(METHODS)),
    st.sampled_from(DIRECTIONS),
    st.one_of(st.integers(0, 12), st.just(10_000)),
    st.one_of(st.integers(0, 4), st.just(65_535)),
    st.one_of(st.just(0), st.integers(0, 1 << 40)),
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Tx], dict[Coin, int]]:
    """A history and some coins of it, or parts of them."""
    txs = draw(HISTORIES)
    every = [(t, vout) for t, tx in enumerate(txs) for vout in range(len(tx.outs))]
    coins = draw(st.lists(st.sampled_from(every), min_size=1, max_size=4, unique=True))
    return txs, {(t, v): txs[t].outs[v].value * draw(st.sampled_from((1, 2, 3))) // 3 for t, v in coins}


def seeds_of(whole: Part, coins: dict[Coin, int], *, through: bool = False) -> Seeds:
    """Coins as rows."""
    rows = [int(whole.out_start[t]) + vout for t, vout in coins]
    return Seeds(np.array(rows, np.int64), np.array(list(coins.values()), np.int64), through=through)


def twin(txs: list[Tx], coins: dict[Coin, int], asked: Asked, *, through: bool) -> Told:
    """What the twin tells."""
    if asked.method == "poison":
        coins = {(t, vout): txs[t].outs[vout].value for (t, vout), value in coins.items() if value}
    coins = {at: value for at, value in coins.items() if value}
    slow = Twin(txs, CODE, asked)
    return forward(slow, coins, through=through) if asked.direction == "forward" else backward(slow, coins)


def ends_of(found: Trace) -> dict[int, tuple[float, int, int]]:
    """Satoshi, least hops and coins by code."""
    return {int(e["code"]): (float(e["satoshi"]), int(e["min_hops"]), int(e["n"])) for e in found.ends}


def near(value: float, scale: float) -> Any:
    """Equal to rounding."""
    return pytest.approx(value, rel=1e-9, abs=1e-9 * scale + 1e-12)


def total(found: Trace) -> float:
    """All that was found or cut off."""
    return float(found.ends["satoshi"].sum()) + found.cut_off


@given(questions(), LIMITED, st.booleans())
def test_a_trace_is_that_of_the_definition(
    question: tuple[list[Tx], dict[Coin, int]], asked: Asked, through: bool
) -> None:
    """Ends, hops, coins, cuts and visits are the twin's, for every method, direction and limit."""
    txs, coins = question
    whole = part(txs)
    found = trace(whole, PARTIES, seeds_of(whole, coins, through=through), asked)
    told = twin(txs, coins, asked, through=through)
    mine, true = ends_of(found), told.summary()
    assert set(mine) == set(true)
    for code, (satoshi, least, n) in true.items():
        assert mine[code] == (near(float(satoshi), found.start), least, n)
    assert {k: v for k, (v, _) in found.cut.items()} == {k: near(float(told.cut[k]), found.start) for k in found.cut}
    visits = [(int(v["place"]), float(v["satoshi"]), int(v["hops"])) for v in found.visits]
    assert visits == [(t, near(float(v), found.start), hops) for t, v, hops in told.visits]


@given(HISTORIES)
def test_haircut_without_limits_is_what_is_stored(txs: list[Tx]) -> None:
    """Forward, the ends of an output are the destinations of its spender; backward, the sources of its maker."""
    whole = part(txs)
    there = vectors(Destinations(PARTIES, len(txs), UNCUT).run(whole))
    here = vectors(Provenance(PARTIES, len(txs), UNCUT).run(whole))
    for t, tx in enumerate(txs):
        payers = {i.owner for i in tx.ins} if not tx.coinjoin else set()
        for vout, o in enumerate(tx.outs):
            seed = seeds_of(whole, {(t, vout): o.value})
            if o.value == 0:
                continue
            if o.spent_by is not None and o.owner not in CODE:
                assert_shares(trace(whole, PARTIES, seed, Asked()), there[o.spent_by], 0)
            step = 0 if payers == {o.owner} and o.owner is not None else 1
            assert_shares(trace(whole, PARTIES, seed, Asked("haircut", "backward")), here[t], step)


def assert_shares(found: Trace, vector: dict[int, tuple[float, int, int]], step: int) -> None:
    """The ends are a vector's rows, some hops further away."""
    assert found.complete
    mine = ends_of(found)
    assert set(mine) == set(vector)
    for code, (share, least, _) in vector.items():
        assert mine[code][:2] == (near(share * found.start, found.start), least + step)


@given(HISTORIES)
def test_fifo_backward_finds_fifos_pieces(txs: list[Tx]) -> None:
    """Traced back, an output consists of what methods.fifo says, to the satoshi."""
    whole = part(txs)
    pieces = fifo(whole, PARTIES)
    for o, value in enumerate(whole.out_value.tolist()):
        found = trace(whole, PARTIES, Seeds(np.array([o]), np.array([value])), Asked("fifo", "backward"))
        true: dict[int, float] = defaultdict(float)
        for k in range(pieces.start[o], pieces.start[o] + pieces.size[o]):
            true[int(pieces.code[k])] += float(pieces.value[k])
        assert {code: satoshi for code, (satoshi, _, _) in ends_of(found).items()} == true


@given(HISTORIES, st.sampled_from(("haircut", "fifo")))
def test_there_and_back_is_the_same_way(txs: list[Tx], method: str) -> None:
    """What a forward trace brings from one coin to another, a backward trace from there finds at that coin."""
    whole = part(txs)
    some = np.flatnonzero(whole.out_value)[:12]
    through: dict[tuple[int, int], float] = defaultdict(float)
    for o in some:
        seed = Seeds(np.array([o]), whole.out_value[[o]], through=True)
        for edge in trace(whole, PARTIES, seed, Asked(method)).edges[1:]:
            if edge["row"] >= 0:
                through[int(o), int(edge["row"])] += float(edge["satoshi"])
    for e in np.flatnonzero(whole.out_value):
        seed = Seeds(np.array([e]), whole.out_value[[e]])
        found: dict[int, float] = defaultdict(float)
        for edge in trace(whole, PARTIES, seed, Asked(method, "backward")).edges[1:]:
            found[int(edge["row"])] += float(edge["satoshi"])
        for o in some:
            exact = method == "fifo"
            there, back = through.get((int(o), int(e)), 0.0), found.get(int(o), 0.0)
            assert there == (back if exact else near(back, float(whole.out_value[e])))


@given(questions(), LIMITED, st.booleans())
def test_nothing_is_lost(question: tuple[list[Tx], dict[Coin, int]], asked: Asked, through: bool) -> None:
    """Ends and what was cut off add up to the start, whatever the limits: FIFO exactly, haircut to rounding."""
    txs, coins = question
    whole = part(txs)
    found = trace(whole, PARTIES, seeds_of(whole, coins, through=through), asked)
    assert len(found.visits) <= asked.max_tx
    if asked.method == "fifo":
        assert total(found) == found.start == sum(coins.values())
    elif asked.method == "haircut":
        assert total(found) == near(found.start, 0)
    assert found.complete == (found.cut_off == 0)


@given(questions(), LIMITED, st.integers(0, 20))
def test_more_transactions_never_cut_more(question: tuple[list[Tx], dict[Coin, int]], asked: Asked, more: int) -> None:
    """A larger bound on transactions visits the same first, and cuts off no more."""
    assert_wider(question, asked, replace(asked, max_tx=asked.max_tx + more))


@given(questions(), LIMITED, st.integers(0, 5), st.integers(0, 1 << 40))
def test_a_wider_reach_never_cuts_more(
    question: tuple[list[Tx], dict[Coin, int]], asked: Asked, more: int, less: int
) -> None:
    """More hops, or smaller coins, cut off no more where the bound on transactions is not what stops the trace."""
    asked = replace(asked, max_tx=10_000)
    wider = replace(asked, max_hops=asked.max_hops + more, min_value=max(0, asked.min_value - less))
    assert_wider(question, asked, wider)


def assert_wider(question: tuple[list[Tx], dict[Coin, int]], asked: Asked, wider: Asked) -> None:
    """One trace goes at least as far as another."""
    whole = part(question[0])
    seeds = seeds_of(whole, question[1])
    one, other = trace(whole, PARTIES, seeds, asked), trace(whole, PARTIES, seeds, wider)
    assert set(one.visits["place"]) <= set(other.visits["place"])
    ends, more = ends_of(one), ends_of(other)
    assert all(more[code][0] >= satoshi * (1 - 1e-9) for code, (satoshi, _, _) in ends.items())
    if asked.method != "poison":
        assert other.cut_off <= one.cut_off + 1e-9 * one.start


@given(questions(), st.sampled_from(DIRECTIONS))
def test_poison_reaches_all_that_any_method_does(question: tuple[list[Tx], dict[Coin, int]], direction: str) -> None:
    """Whatever FIFO or haircut finds, poison finds too, and not less of it; and nothing that haircut does not find."""
    txs, coins = question
    whole = part(txs)
    seeds = seeds_of(whole, coins)
    found = {m: ends_of(trace(whole, PARTIES, seeds, Asked(m, direction))) for m in METHODS}
    assert set(found["fifo"]) <= set(found["poison"]) == set(found["haircut"])
    if len(coins) == 1:
        for method in ("haircut", "fifo"):
            for code, (satoshi, least, _) in found[method].items():
                assert satoshi <= found["poison"][code][0] * (1 + 1e-9)
                assert least >= found["poison"][code][1]


def two() -> list[Tx]:
    """A coin of 10 that becomes 6 and 3, and a fee of 1."""
    return [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5)], [Out(6, 6), Out(3, 0)])]


def test_a_trail_by_hand() -> None:
    """Six are held, three are with the party, one is the fee; hops begin with the holder of the coin."""
    whole = part(two())
    for method in METHODS:
        found = trace(whole, PARTIES, coin(whole, 0, 0), Asked(method))
        assert ends_of(found) == {HELD: (6, 1, 1), CODE[0]: (3, 1, 1), FEE: (1, 1, 1)}
        assert found.ends["first"].tolist() == found.ends["last"].tolist() == [1, 1, 1]
        assert found.edges[["maker", "spender", "row"]].tolist() == [(0, 1, 0), (1, -1, 1), (1, -1, 2), (1, -1, -1)]
        assert found.at_most == (method == "poison")
        back = trace(whole, PARTIES, coin(whole, 1, 1), Asked(method, "backward"))
        assert ends_of(back) == {MINED: (10 if method == "poison" else 3, 2, 1)}
        assert back.ends[["first", "last"]].tolist() == [(0, 0)]


def test_the_coins_of_a_party_can_be_traced_through_it() -> None:
    """A coin that belongs to a boundary has arrived, unless it is asked to be followed all the same."""
    txs = [Tx([], [Out(10, 0, 1)]), Tx([In(0, 0, 10, 0)], [Out(10, 0, 2)]), Tx([In(1, 0, 10, 0)], [Out(10, 7)])]
    whole = part(txs)
    seeds = coin(whole, 0, 0)
    assert seeds.through
    assert ends_of(trace(whole, PARTIES, seeds, Asked())) == {CODE[0]: (10, 0, 1)}
    assert len(trace(whole, PARTIES, seeds, Asked()).visits) == 1
    assert len(trace(whole, PARTIES, seeds._replace(through=False), Asked()).visits) == 0


def test_what_enters_a_coinjoin_stays_there() -> None:
    """Both ways a CoinJoin is an end, at its own place."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5)], [Out(10, 6)], coinjoin=True)]
    whole = part(txs)
    there = trace(whole, PARTIES, coin(whole, 0, 0), Asked())
    back = trace(whole, PARTIES, coin(whole, 1, 0), Asked("fifo", "backward"))
    assert there.ends.tolist() == [(COINJOIN, 10, 0, 1, 1, 1)]
    assert back.ends.tolist() == [(COINJOIN, 10, 1, 1, 1, 1)]


def test_unknown_inputs_count_once() -> None:
    """Of two inputs of unknown value, the first stands for what the outputs exceed the others by."""
    txs = [Tx([], [Out(4, 5, 1)]), Tx([In(None, 0, None, None), In(None, 1, None, None), In(0, 0, 4, 5)], [Out(10, 7)])]
    whole = part(txs)
    for method in ("haircut", "fifo"):
        back = trace(whole, PARTIES, coin(whole, 1, 0), Asked(method, "backward"))
        assert ends_of(back) == {UNRESOLVED: (6, 1, 1), MINED: (4, 2, 1)}


def test_wallets_by_method() -> None:
    """From several seeds at once: what a wallet sent lies one hop behind it, and what is cut off has its own code."""
    whole = part(two())
    rows = np.array([1, 2])
    sent = Seeds(rows, whole.out_value[rows], hops=1)
    assert by_method(whole, PARTIES, sent, Asked("fifo")) == {HELD: (6, 1), CODE[0]: (3, 1)}
    got = Seeds(rows, whole.out_value[rows])
    assert by_method(whole, PARTIES, got, Asked("poison", "backward")) == {MINED: (10, 2)}
    assert by_method(whole, PARTIES, got, Asked("haircut", "backward", max_tx=0)) == {CUT: (9, 0)}


def test_thousands_of_inputs() -> None:
    """Thousands of coins that one transaction gathers, and thousands that it pays, are told to the satoshi."""
    n = 4000
    coins = [Tx([], [Out(100 + k, 5 + k % 7, n)]) for k in range(n)]
    gathered = sum(100 + k for k in range(n))
    spend = Tx([In(k, 0, 100 + k, 5 + k % 7) for k in range(n)], [Out(100, k % 12) for k in range(n)])
    whole = part([*coins, spend])
    rows = np.arange(0, n, 2)
    for method in METHODS:
        found = trace(whole, PARTIES, Seeds(rows, whole.out_value[rows]), Asked(method))
        assert len(found.visits) == 1
        assert method == "poison" or total(found) == near(found.start, 0)
    found = trace(whole, PARTIES, Seeds(np.arange(n), whole.out_value[:n]), Asked("fifo"))
    assert len(found.edges) == 2 * n + 1
    assert ends_of(found)[FEE] == (gathered - 100 * n, 1, 1)
    back = trace(whole, PARTIES, Seeds(np.arange(n, 2 * n), whole.out_value[n:]), Asked("fifo", "backward"))
    assert ends_of(back)[MINED][0] == 100 * n
    assert trace(whole, PARTIES, coin(whole, n, 0), Asked("poison", "backward")).ends["n"].tolist() == [n]


def test_a_trace_of_everything_ends_at_its_bound() -> None:
    """A chain of transactions longer than the bound is cut off there, and that is said; memory follows the bound."""
    n = 3000
    txs = [Tx([], [Out(10, 5, 1)])]
    txs += [Tx([In(t, 0, 10, 5 + t % 2)], [Out(10, 5 + (t + 1) % 2, t + 2)]) for t in range(n)]
    txs[-1].outs[0].spent_by = None
    whole = part(txs)
    for method in METHODS:
        for direction in DIRECTIONS:
            place = 0 if direction == "forward" else n
            found = trace(whole, PARTIES, coin(whole, place, 0), Asked(method, direction, max_tx=100))
            assert found.cut == {"max_tx": (10, 1), "max_hops": (0, 0), "min_value": (0, 0)}
            assert (len(found.visits), len(found.ends), found.complete) == (100, 0, False)
            assert len(found.edges) == 101
            near_by = trace(whole, PARTIES, coin(whole, place, 0), Asked(method, direction, max_hops=7))
            assert (near_by.cut["max_hops"], len(near_by.visits)) == ((10, 1), 7 if direction == "backward" else 8)


def test_nothing_of_value_leads_nowhere() -> None:
    """Worthless coins, and none at all, are no error."""
    whole = part([Tx([], [Out(0, 5, 1)]), Tx([In(0, 0, 0, 5)], [Out(0, 6)])])
    none = Seeds(np.zeros(0, np.int64), np.zeros(0, np.int64))
    for seeds in (coin(whole, 0, 0), none):
        for method in METHODS:
            found = trace(whole, PARTIES, seeds, Asked(method))
            assert (found.start, len(found.ends), len(found.edges), found.complete) == (0, 0, 0, True)


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "lifo"},
        {"direction": "sideways"},
        {"max_tx": -1},
        {"max_hops": -1},
        {"min_value": -1},
        {"max_tx": 1 << 31},
    ],
)
def test_questions_that_mean_nothing_are_refused(asked: dict[str, Any]) -> None:
    """An unknown method or direction, or a limit that is none, is bad input and says what to use."""
    with pytest.raises(AskedError, match=r"use one of|give a number") as told:
        Asked(**asked)
    assert exit_of(told.value) is Exit.INPUT


def test_coins_that_do_not_exist_are_refused() -> None:
    """So is an output that is not there, or more satoshi than it has."""
    whole = part(two())
    for place, vout in ((2, 0), (-1, 0), (0, 1), (0, -1)):
        with pytest.raises(AskedError):
            coin(whole, place, vout)
    for rows, values in (([3], [1]), ([-1], [1]), ([0], [11]), ([0], [-1]), ([0, 1], [1])):
        with pytest.raises(AskedError):
            trace(whole, PARTIES, Seeds(np.array(rows), np.array(values)), Asked())


@pytest.mark.parametrize(
    ("column", "at", "value"),
    [
        ("origin", 0, 1),
        ("origin", 0, -2),
        ("vout", 0, 9),
        ("spend_value", 0, 9),
        ("spent_by", 0, 0),
        ("spent_by", 0, 7),
        ("spent_by", 1, 1),
        ("spend_owner", 0, 12),
        ("out_owner", 1, 12),
        ("out_value", 1, -5),
        ("out_value", 1, 1 << 60),
        ("in_start", 2, 3),
        ("out_start", 2, 9),
    ],
)
def test_a_history_that_contradicts_itself_is_refused(column: str, at: int, value: int) -> None:
    """What names a neighbour, owner or row that can not be gives an error, never a crash."""
    bad = part(two())
    getattr(bad, column)[at] = value
    with pytest.raises(DamagedError):
        both(bad)


@pytest.mark.parametrize("method", METHODS)
def test_value_does_not_vanish(method: str) -> None:
    """A coin of value that its spender takes in as worth nothing, and pays out as nothing, is an error."""
    bad = part([Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 0, 5)], [Out(0, 6)])])
    with pytest.raises(DamagedError):
        trace(bad, PARTIES, coin(bad, 0, 0), Asked(method))


def both(whole: Part) -> None:
    """Trace the first coin forward, and the last one backward."""
    trace(whole, PARTIES, Seeds(np.array([0]), np.array([10])), Asked("fifo"))
    trace(whole, PARTIES, Seeds(np.array([2]), np.array([3])), Asked("fifo", "backward"))


def test_edges_are_enough_to_draw() -> None:
    """Every edge but the seeds' begins or ends at a visited transaction, and what a visit takes in it gives out."""
    whole = part(history(7, 60))
    seeds = Seeds(np.flatnonzero(whole.out_value)[:5], whole.out_value[np.flatnonzero(whole.out_value)[:5]])
    found = trace(whole, PARTIES, seeds, Asked("fifo"))
    for visit in found.visits:
        edges = found.edges
        into = edges[(edges["spender"] == visit["place"]) & (edges["why"] == ON)]["satoshi"].sum()
        new = edges[len(seeds.row) :]
        out = new[new["maker"] == visit["place"]]["satoshi"].sum()
        assert into == out == visit["satoshi"]
