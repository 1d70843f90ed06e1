"""CoinJoin rules: each fires on the shape it describes, and not on its neighbours."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chains.bitcoin.decode import decode_blocks
from heuristics.clusters import evidence
from heuristics.clusters.multiparty import verdicts
from heuristics.clusters.multiparty.shapes import shapes
from heuristics.exposure.exposures import of_wallet
from heuristics.rules import BY_ID
from store.lake import Lake
from tests.graphs import graph_of
from tests.lakes import SECRET, In, Out, World, indexed, named, pay
from tests.realdata import shared

BTC = 100_000_000


def judge(tmp_path: Path, ins: list[tuple[str, int]], outs: list[int | Out]) -> str | None:
    """Name of the rule that fires on a transaction with these inputs and outputs, or None."""
    world = World()
    coins = [world.mint(pay(name, value)) for name, value in ins]
    world.spend(coins, *(out if isinstance(out, Out) else pay(f"o{i}", out) for i, out in enumerate(outs)))
    found = verdicts(graph_of(world.write(tmp_path)))
    return BY_ID[int(found.rule[0])].name if len(found.rule) else None


def parties(n: int, value: int) -> list[tuple[str, int]]:
    """Inputs of n different addresses."""
    return [(f"i{i}", value) for i in range(n)]


WASABI_SPLIT = [*[BTC // 10] * 12, *(1_000_000 + i for i in range(10))]
LEVELS = [*[BTC // 5] * 12, *(1_000_000 + i for i in range(10))]
WABISABI = [*[100_000] * 8, *[200_000] * 6, *[531_441] * 5, *(700_000 + i for i in range(9))]
CASES: dict[str, tuple[Any, ...]] = {
    "wasabi1": (parties(25, 12_000_000), WASABI_SPLIT, "wasabi1"),
    "wasabi1.1": (parties(25, 24_000_000), LEVELS, "wasabi11"),
    "wasabi1 with half as many inputs as parties": (parties(11, 40_000_000), WASABI_SPLIT, None),
    "wasabi2": (parties(30, 400_000), WABISABI, "wabisabi"),
    "wasabi2 with one busy address": ([("same", 400_000)] * 30, WABISABI, None),
    "wasabi2 with two tiers only": (parties(30, 400_000), [*[100_000] * 10, *[200_000] * 10, 1, 2], None),
    "whirlpool": ([*parties(3, 1_000_000), ("n1", 1_000_300), ("n2", 1_000_500)], [1_000_000] * 5, "whirlpool"),
    "whirlpool nobody paid for": (parties(5, 1_000_000), [1_000_000] * 5, None),
    "whirlpool of no pool": ([*parties(3, 2_000_000), ("n1", 2_000_300), ("n2", 2_000_500)], [2_000_000] * 5, None),
    "joinmarket": (parties(4, 700_000), [600_000] * 4 + [90_001, 90_002, 90_003], "joinmarket"),
    "joinmarket without change": (parties(4, 700_000), [600_000] * 4, None),
    "joinmarket of one owner": ([("same", 700_000)] * 4, [600_000] * 4 + [90_001, 90_002, 90_003], None),
    "two equal and change": (parties(2, 700_000), [600_000, 600_000, 1000], "stonewall"),
    "three equal of six": (parties(3, 700_000), [600_000] * 3 + [1000, 1000, 2001], "joinmarket"),
    "five outputs, three equal and two": (parties(3, 2000), [2000] * 3 + [10, 10], "coinjoin_shape"),
    "two small equal and change": (parties(2, 7_000), [4_000, 4_000, 1000], "coinjoin_shape"),
    "two dust and change": (parties(2, 700_000), [546, 546, 1000], None),
    "payment with change": (parties(2, 700_000), [600_000, 99_000], None),
    "batch payout from one coin": (parties(1, 10**8), [600_000] * 10 + [1000], None),
    "batch payout of different amounts": (parties(5, 10**8), [600_000 + i for i in range(20)], None),
    "op_return does not count": (parties(2, 700_000), [600_000, Out(None, 0), Out(None, 0)], None),
}


@pytest.mark.parametrize(("ins", "outs", "expected"), CASES.values(), ids=CASES.keys())
def test_shape_is_judged(
    tmp_path: Path, ins: list[tuple[str, int]], outs: list[int | Out], expected: str | None
) -> None:
    """Each rule fires on its own shape only."""
    assert judge(tmp_path, ins, outs) == expected


def test_measures_agree_with_a_slow_count(tmp_path: Path) -> None:
    """The measures of a CoinJoin are what a plain count gives."""
    world = World()
    coins = [world.mint(pay(f"i{i % 5}", 1000 + 200 * i)) for i in range(7)]
    values = [500, 500, 500, 900, 900, 1000]
    world.spend(coins, *(pay(f"o{i % 5}", value) for i, value in enumerate(values)), Out(None, 0))
    rows = shapes(graph_of(world.write(tmp_path)))
    assert [int(column[0]) for column in rows][1:] == [
        7, 6, 5, 5, 2, 1000, 2200, 500, 4300, 500, 3, 2, 5, 7, 0, 4,
    ]  # fmt: skip


def test_coinjoin_unites_nobody_and_takes_the_flow(tmp_path: Path) -> None:
    """Participants stay apart; what they pay, less the fee, goes to the CoinJoin and what comes out comes from it."""
    world = World()
    coins = [world.mint(pay(f"i{i}", 12_000_000)) for i in range(25)]
    world.spend([In(coin) for coin in coins], *(pay(f"o{i}", value) for i, value in enumerate(WASABI_SPLIT)))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        ids = [evidence.cluster_of(cur, named(f"i{i}").id) for i in range(25)]
        assert len(set(ids)) == 25
        sent = [e for e in of_wallet(cur, ids[0]) if e.direction == "sent"]
        # Its share of what came out: the rest of what it put in is fee.
        assert [(e.category, e.value) for e in sent] == [("coinjoin", sum(WASABI_SPLIT) // 25)]
        got = of_wallet(cur, evidence.cluster_of(cur, named("o0").id))
        assert [(e.category, e.value, e.share) for e in got] == [("coinjoin", BTC // 10, Decimal(1))]
        assert cur.rows("SELECT participants, denomination, confidence FROM coinjoin") == [(12, BTC // 10, 70)]


@pytest.mark.parametrize("case", ["wasabi1", "wasabi1.1", "wasabi2", "whirlpool", "joinmarket"])
def test_unresolved_inputs_are_other_parties(tmp_path: Path, case: str) -> None:
    """Where history starts later, inputs of unknown origin may be anyone's: the veto still stands."""
    ins, outs, _ = CASES[case]
    past, world = World(count=5000), World(first_height=100)
    known = [In(world.mint(pay(name, value))) for name, value in ins[:2]]
    unknown = [In(past.mint(pay(name, value)), resolved=False) for name, value in ins[2:]]
    mixed = world.spend(known + unknown, *(pay(f"o{i}", out) for i, out in enumerate(outs)))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        assert [row[0] for row in cur.rows("SELECT tx_id FROM coinjoin")] == [mixed.id]
        assert cur.rows("SELECT count(*) FROM cluster") == [(0,)]


def test_real_mixes_are_seen_without_their_prevouts(tmp_path: Path) -> None:
    """Mainnet block 702861 alone holds seven Whirlpool mixes and a Wasabi round of 100 inputs."""
    raw = shared("btc-blocks/strata/mainnet_block_702861.raw").read_bytes()
    lake = Lake.create(tmp_path, "bitcoin", "main", SECRET)
    lake.append(decode_blocks([raw], None, 702861, "main", SECRET))
    found = Counter(BY_ID[int(rule)].name for rule in verdicts(graph_of(lake)).rule)
    assert found == {"whirlpool": 7, "wabisabi": 1, "coinjoin_shape": 1, "stonewall": 2}
