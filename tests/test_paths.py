"""Paths: agreement with all paths of small histories; one is found whenever there is any, at the cost of its length."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.coins import Coins
from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import COINJOIN, CUT, FEE, HELD, MINED, UNRESOLVED
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.paths import Found, Limits, Path, paths
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.vectors import touches
from heuristics.exposure.wheel import PASSES, SENT, Surroundings
from store.errors import DamagedError, StoreError
from tests import naive_paths
from tests.histories import CATEGORY, CODE, HISTORIES, N_CATEGORIES, OWNERS, PARTIES, history, part
from tests.naive_provenance import In, Out, Tx

if TYPE_CHECKING:
    from store.arrays import Arrays

UNCUT = Cut(drop=0.0, top=1000, exact=True)
# Owners 10 and 11 are one wallet. Owner 5 is known and lets trails pass.
OWN = np.array([*range(11), 10], np.int32)
OWNER = np.array([*range(OWNERS), *reversed(range(OWNERS))], np.int32)
PASSING: Mapping[int | None, int] = {5: 9}
NAMED = np.array([CODE.get(owner, PASSING.get(owner, -1)) for owner in range(OWNERS)], np.int32)
DIRECTIONS = ("received", "sent")
N_CODES = len(CATEGORY)
# The code of a category stands for its parties.
ENTITIES = tuple({code} for code in range(N_CODES) if not 6 <= code < N_CATEGORIES)
CATEGORIES = tuple({code for code in range(N_CODES) if CATEGORY[code] == c} for c in (6, 7, 8))
GOALS = st.sampled_from((*ENTITIES, *CATEGORIES, {UNRESOLVED, CUT}, {MINED, COINJOIN, HELD}, set(range(N_CODES))))
SMALL = st.builds(history, st.integers(0, 2**32), st.integers(1, 25))
EVERYTHING = Limits(paths=100_000, rows=1_000_000, seeds=10_000)


def coins(txs: Sequence[Tx], cut: Cut = UNCUT) -> Coins:
    """The coins of a drawn history, as a generation has them; every owner has two addresses."""
    whole, n = part(txs), len(txs)
    sources, ends = (kind(PARTIES, n, cut).run(whole) for kind in (Provenance, Destinations))
    never, none = np.zeros(N_CODES + 1, np.int64), np.zeros(0, np.int64)
    dates = never, none, none, np.full(1, np.nan)
    around = Surroundings(whole, sources, ends, PARTIES.code, NAMED, OWN, np.array([0, n]), *dates)
    columns: Arrays = whole._asdict() | {"own": OWN}  # type: ignore[assignment]  # as in a generation's folders
    few = np.zeros(0, np.int32)
    touched = touches(columns, columns)
    return Coins(around, PARTIES, (), OWNER, few, few, *touched, few, never[:1], sources.rows[:0], 0, {})


def marked(codes: Iterable[int], n: int = N_CODES) -> np.ndarray:
    """A goal of some codes."""
    goal = np.zeros(n, np.bool_)
    goal[list(codes)] = True
    return goal


def known(wallet: int) -> naive_paths.Known:
    """What the twin knows."""
    return naive_paths.Known(CODE, PASSING, [owner for owner in range(OWNERS) if OWN[owner] == wallet])


def trails(txs: Sequence[Tx], wallet: int, direction: str, goal: set[int]) -> list[naive_paths.Trail]:
    """All paths of the twin to a goal."""
    found = getattr(naive_paths, direction)(txs, known(wallet))
    return [trail for trail in found if trail.code in goal]


def plain(path: Path) -> tuple[object, ...]:
    """A path as the twin has it, but for its value."""
    told = [tuple(None if n < 0 else n for n in (s.maker, s.vout, s.spender, s.vin)) for s in path.steps]
    return path.code, tuple(told), path.end, path.fifo


def exposure(of: Coins, wallet: int, direction: str, goal: np.ndarray, *, passes: bool) -> float:
    """What the wheel says."""
    lines = of.lines(wallet)
    mine = goal[lines["code"]] & ((lines["flags"] & SENT > 0) == (direction == "sent"))
    mine &= (lines["flags"] & PASSES == 0) | passes
    return float(lines["value"][mine].sum())


WALLETS = st.sampled_from(sorted({int(own) for own in OWN}))


@given(SMALL, WALLETS, st.sampled_from(DIRECTIONS), GOALS)
def test_all_paths_are_those_of_the_definition(txs: list[Tx], wallet: int, direction: str, goal: set[int]) -> None:
    """Uncut and unlimited, every path is found: its coins, value, FIFO, end; together they are the exposure."""
    of = coins(txs)
    found = paths(of, wallet, marked(goal), direction, EVERYTHING)
    twin = trails(txs, wallet, direction, goal)
    assert not found.truncated
    by_coins = {trail[0:1] + trail[2:]: trail.value for trail in twin}
    assert len(by_coins) == len(twin)
    mine = {plain(path): path.value for path in found.paths}
    assert len(mine) == len(found.paths)
    assert mine == pytest.approx({key: float(value) for key, value in by_coins.items()}, rel=1e-9)
    whole = exposure(of, wallet, direction, marked(goal), passes=True)
    assert sum(mine.values()) == pytest.approx(whole, rel=1e-9, abs=1e-3)


@given(SMALL, WALLETS, st.sampled_from(DIRECTIONS), GOALS, st.integers(1, 6))
def test_the_best_paths_come_first(txs: list[Tx], wallet: int, direction: str, goal: set[int], most: int) -> None:
    """Of few paths asked for, the values are the largest there are, in order."""
    found = paths(coins(txs), wallet, marked(goal), direction, Limits(most))
    best = sorted((float(trail.value) for trail in trails(txs, wallet, direction, goal)), reverse=True)
    assert not found.truncated
    assert [path.value for path in found.paths] == pytest.approx(best[:most], rel=1e-9)


@given(
    HISTORIES,
    WALLETS,
    st.sampled_from(DIRECTIONS),
    GOALS,
    st.sampled_from((Cut(), Cut(0.01, 1), Cut(0.2, 0), Cut(0.05, 2))),
    st.sampled_from((Limits(), Limits(1, 1000, 0), Limits(3, 1000, 20, 2), Limits(2, 3, 1000, 1))),
)
def test_there_is_a_path_whenever_there_is_exposure(
    txs: list[Tx], wallet: int, direction: str, goal: set[int], cut: Cut, limits: Limits
) -> None:
    """As stored, cut and folded, and however tight the limits, a path is found if and only if the wheel has a line."""
    of = coins(txs, cut)
    found = paths(of, wallet, marked(goal), direction, limits)
    whole = exposure(of, wallet, direction, marked(goal), passes=True)
    assert bool(found.paths) == (whole > 0)
    assert len(found.paths) <= limits.paths
    assert sum(path.value for path in found.paths) <= whole * (1 + 1e-5)
    for path in found.paths:
        check_chain(txs, path, direction, wallet)
        assert path.code is None or path.code in goal
        assert path.code is not None or found.truncated


def check_chain(txs: Sequence[Tx], path: Path, direction: str, wallet: int) -> None:
    """A path is a chain in the graph, and what it carries does not grow."""
    mine = known(wallet).wallet
    for step in path.steps:
        if step.maker >= 0:
            out = txs[step.maker].outs[step.vout]
            assert (out.value, -1 if out.owner is None else out.owner) == (step.value, step.owner)
        if step.spender >= 0:
            spend = txs[step.spender].ins[step.vin]
            assert (-1 if spend.tx is None else spend.tx, spend.vout) == (step.maker, step.vout)
        assert 0 <= step.fifo <= step.value
    for one, other in zip(path.steps, path.steps[1:], strict=False):
        assert one.maker == other.spender if direction == "received" else one.spender == other.maker
        assert other.fifo <= one.fifo
        assert other.haircut <= one.haircut * (1 + 1e-5)
    assert path.fifo <= path.steps[-1].fifo
    assert path.value <= path.steps[-1].haircut * (1 + 1e-5)
    assert path.end in (path.steps[-1].maker, path.steps[-1].spender)
    first = path.steps[0]
    into_pool = direction == "sent" and first.spender == path.end and first.owner in mine
    assert (first.owner in mine) == (direction == "received" or into_pool)
    assert not into_pool or (txs[path.end].coinjoin and path.code == COINJOIN and len(path.steps) == 1)


def chain(n: int, fee: int = 0, branch: int = 0) -> list[Tx]:
    """A coin that is mined, and handed on n times; at each hop some satoshi go to the miner, or stay with somebody."""
    value = 1 << 40
    txs = [Tx([], [Out(value, 6, 1)])]
    for t in range(1, n + 1):
        left = value - fee - branch
        outs = [Out(left, 6 + t % 2, t + 1)] + [Out(branch, 8)] * (branch > 0)
        txs.append(Tx([In(t - 1, 0, value, 6 + (t - 1) % 2)], outs))
        value = left
    txs[-1].outs[0].spent_by = None
    txs[-1].outs[0].owner = 11
    return txs


def test_a_long_chain_is_followed_as_far_as_asked() -> None:
    """A peel chain of 5,000 hops is found whole, at the cost of its length, or up to the limit, which is said."""
    txs = chain(5000, fee=3, branch=1000)
    of = coins(txs, Cut())
    found = paths(of, 10, marked({MINED}), "received", Limits(length=6000))
    assert [len(path.steps) for path in found.paths] == [5001]
    assert found.looked == 5001
    assert not found.truncated
    assert found.paths[0].fifo == txs[-1].outs[0].value == pytest.approx(found.paths[0].value)
    found = paths(of, 10, marked({MINED}), "received")
    assert found.truncated
    assert [(path.code, len(path.steps), path.end) for path in found.paths] == [(None, 1000 + 1, 4000)]
    found = paths(of, 6, marked({HELD}), "sent", Limits(1, 6000))
    assert found.paths[0].code == HELD


def lattice(levels: int) -> list[Tx]:
    """Two coins of two owners, mixed again and again: every transaction spends one of either and pays either."""
    txs = [Tx([], [Out(1 << 40, 6), Out(1 << 40, 7)]), Tx([], [Out(1 << 40, 6), Out(1 << 40, 7)])]
    for level in range(levels):
        above = 2 * level
        for k in range(2):
            ins = [In(above + j, k, 1 << 40, 6 + k) for j in range(2)]
            for j in range(2):
                txs[above + j].outs[k].spent_by = above + 2 + k
            txs.append(Tx(ins, [Out(1 << 40, 6), Out(1 << 40, 7)]))
    txs[-1].outs[0].owner = 11
    return txs


def test_countless_paths_are_no_more_work_than_few() -> None:
    """In a lattice of 2**40 paths of the same value the first five are found, in as many steps as it has places."""
    of = coins(lattice(40), Cut())
    found = paths(of, 10, marked({MINED}), "received")
    assert [path.value for path in found.paths] == pytest.approx([2.0**40 / 2**40] * 5)
    assert len({plain(path) for path in found.paths}) == 5
    assert not found.truncated
    assert found.looked <= 5 * 82
    deep = paths(coins(lattice(900), Cut()), 10, marked({MINED}), "received")
    assert len(deep.paths) == 5
    assert all(path.code == MINED and len(path.steps) == 901 for path in deep.paths)
    hasty = paths(coins(lattice(900), Cut()), 10, marked({MINED}), "received", Limits(rows=100))
    assert hasty.truncated
    assert all(path.code == MINED and len(path.steps) == 901 for path in hasty.paths)
    assert hasty.paths


def test_thousands_of_inputs_are_no_hindrance() -> None:
    """Of 20,000 coins that one transaction spends, the path follows the one that carries what is sought."""
    n = 20_000
    txs = [Tx([], [Out(100 + k, 0 if k == n // 2 else 7, n)]) for k in range(n)]
    txs.append(Tx([In(k, 0, 100 + k, tx.outs[0].owner) for k, tx in enumerate(txs)], [Out(5_000, 8, n + 1)]))
    txs.append(Tx([In(n, 0, 5_000, 8)], [Out(5_000, 11)]))
    of = coins(txs, Cut(drop=0.0))
    for rows in (1_000_000, 100):
        found = paths(of, 10, marked({CODE[0]}), "received", Limits(rows=rows))
        assert [step.owner for step in found.paths[0].steps] == [11, 8, 0]
        assert found.paths[0].steps[-1].vin == n // 2
        assert len(found.paths) == 1


def test_of_very_many_coins_the_best_are_taken() -> None:
    """A wallet of thousands of coins begins with the best; that others were left out is said where it may matter."""
    n = 3_000
    txs = [Tx([], [Out(1000 + (k * 7919) % n, 11)]) for k in range(n)]
    of = coins(txs, Cut())
    found = paths(of, 10, marked({MINED}), "received")
    assert [path.value for path in found.paths] == [1000.0 + n - 1 - k for k in range(5)]
    assert not found.truncated
    assert paths(of, 10, marked({MINED}), "received", Limits(paths=300)).truncated
    assert not paths(of, 10, marked({COINJOIN}), "received").paths


def test_every_address_stands_for_its_wallet() -> None:
    """Asked of any address of a wallet, also one of another cluster of the same entity, paths are the same."""
    of = coins(chain(5, branch=10))
    assert len({paths(of, number, marked({MINED}), "received") for number in (10, 11, 12, 13)}) == 1
    assert len({paths(of, number, marked({MINED}), "received") for number in (6, 10)}) == 2


def test_what_came_back_of_what_several_signed_is_not_followed() -> None:
    """Who got all of his back has paid nobody: no path leads on from there; who has less has paid that."""
    txs = [
        Tx([], [Out(300, 10, 1), Out(300, 6, 1)]),
        Tx([In(0, 0, 300, 10), In(0, 1, 300, 6)], [Out(300, 10), Out(200, 6), Out(100, 0)]),
    ]
    of = coins(txs)
    assert not paths(of, 10, marked({CODE[0]}), "sent").paths
    assert [path.value for path in paths(of, 6, marked({CODE[0]}), "sent").paths] == [25.0]


def test_who_gets_more_than_he_put_in_got_it_from_the_others() -> None:
    """A path leads from what a signer has more to what the others put in, and not to his own inputs."""
    txs = [
        Tx([], [Out(100, 10, 1), Out(100, 0, 1), Out(300, 6, 1)]),
        Tx(
            [In(0, 0, 100, 10), In(0, 1, 100, 0), In(0, 2, 300, 6)],
            [Out(300, 10), Out(200, 6)],
        ),
    ]
    of = coins(txs)
    # 200 more: a quarter of what others put in is owner 0's, three quarters are of a coin that was mined.
    found = paths(of, 10, marked({CODE[0]}), "received").paths
    assert [(path.value, [step.owner for step in path.steps]) for path in found] == [(50.0, [10, 0])]
    found = paths(of, 10, marked({MINED}), "received").paths
    assert [(path.value, [step.owner for step in path.steps]) for path in found] == [(150.0, [10, 6]), (100.0, [10])]
    assert not paths(of, 6, marked({MINED}), "received").paths[1:]


def test_a_fee_is_the_end_of_what_is_left() -> None:
    """Of ten in, eight out, FIFO pays the fee with the last two."""
    txs = [Tx([], [Out(10, 10, 1)]), Tx([In(0, 0, 10, 10)], [Out(10, 6, 2)]), Tx([In(1, 0, 10, 6)], [Out(8, 7)])]
    found: Found = paths(coins(txs), 10, marked({FEE}), "sent")
    assert [(path.value, path.fifo, path.end, len(path.steps)) for path in found.paths] == [(2.0, 2, 2, 1)]


@given(HISTORIES, st.sampled_from(DIRECTIONS))
def test_a_category_stands_for_all_its_parties(txs: list[Tx], direction: str) -> None:
    """Asked for a category's own code, paths lead to those of its parties too."""
    of = coins(txs, Cut(0.05, 1))
    for category, every in zip((6, 7, 8), CATEGORIES, strict=True):
        assert paths(of, 10, marked({category}), direction) == paths(of, 10, marked(every), direction)


def test_questions_that_make_no_sense_are_refused() -> None:
    """A wallet, a direction or a goal that does not exist is refused, as is an index that contradicts itself."""
    txs = chain(3)
    of = coins(txs)
    goal = marked({MINED})
    with pytest.raises(StoreError, match="24 addresses"):
        paths(of, 2 * OWNERS, goal, "received")
    with pytest.raises(StoreError, match="say 'received' or 'sent'"):
        paths(of, 0, goal, "up")
    with pytest.raises(StoreError, match="codes"):
        paths(of, 0, goal[1:], "received")
    of.whole.origin[1] = 3
    of.whole.spent_by[1] = 0
    for rows in (0, 1000):
        with pytest.raises(DamagedError, match="transaction 2"):
            paths(of, 10, goal, "received", Limits(rows=rows))
    with pytest.raises(DamagedError, match="transaction 1"):
        paths(of, 6, marked({HELD}), "sent")
