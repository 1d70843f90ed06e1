"""Scores of mining: pools of blocks, and who is called a miner."""

from typing import Any

import pyarrow as pa
import pytest

from tests.truths import Story, txid
from worlds.score import mining
from worlds.score.findings import TABLES, Findings
from worlds.score.measure import Scores, base

SCHEMAS = {table.name: table.schema for table in TABLES}


def mined() -> Story:
    """Two pools with two blocks each, and a miner with two addresses for payouts and one of its own; a person."""
    story = Story()
    for name in ("ant", "fox"):
        story.entity(name, "mining_pool", service=True)
    story.entity("digger", "miner")
    for address in ("digger/1", "digger/2", "digger/unpaid"):
        story.address(address, role="payout")
    for n, pool in enumerate(("ant", "ant", "fox", "fox")):
        story.tx(f"block {n}", "", [(f"{pool}/{n}", 50), ("", 0)], kind="coinbase")
    story.tx("payout", "ant/0", [("digger/1", 20), ("digger/2", 20), ("alice/1", 10)], kind="payout")
    story.tx("spend", "digger/1", [("digger/own", 10)])
    return story


def said(blocks: list[tuple[str, str, str]] = [], miners: list[tuple[str, str]] = []) -> Findings:  # noqa: B006
    """Findings: block, pool and rule; address and rule."""
    pools: list[dict[str, Any]] = [
        {"txid": txid(name), "entity": pool, "confidence": 70, "basis": rule} for name, pool, rule in blocks
    ]
    called: list[dict[str, Any]] = [{"script": one.encode(), "confidence": 60, "basis": rule} for one, rule in miners]
    return Findings.of(
        pool_block=pa.Table.from_pylist(pools, SCHEMAS["pool_block"]),
        miner=pa.Table.from_pylist(called, SCHEMAS["miner"]),
    )


def scored(found: Findings) -> Scores:
    """The scores, whose names are those of METRICS."""
    scores = mining.score(mined().truth(), found)
    assert {base(name) for name in scores} == {base(name) for name in mining.METRICS}
    return scores


def test_pools_by_hand() -> None:
    """A wrong pool costs precision, a block left open costs coverage; each rule has its own precision."""
    blocks = [("block 0", "ant", "pool_tag"), ("block 1", "fox", "pool_tag"), ("block 2", "fox", "pool_address")]
    scores = scored(said(blocks))
    assert {name: value for name, value in scores.items() if "miner" not in name} == {
        "mining.blocks": 4,
        "mining.coverage": 2 / 4,
        "mining.named": 3,
        "mining.precision": pytest.approx(2 / 3),
        "mining.named[pool_tag]": 2,
        "mining.precision[pool_tag]": 1 / 2,
        "mining.named[pool_address]": 1,
        "mining.precision[pool_address]": 1.0,
        "mining.paid": 2,
        "mining.called": 0,
    }


def test_miners_by_hand() -> None:
    """An address that a miner is not paid at is the miner's all the same; somebody else's is not."""
    calls = [("digger/1", "miner_payout"), ("digger/own", "miner_payout"), ("alice/1", "miner_payout")]
    scores = scored(said(miners=calls))
    assert scores["mining.paid"] == 2
    assert scores["mining.miner_recall"] == 1 / 2
    assert scores["mining.called"] == scores["mining.called[miner_payout]"] == 3
    assert scores["mining.miner_precision"] == pytest.approx(2 / 3)


def test_an_address_of_nobody_is_no_miners() -> None:
    """An address that the truth does not know is called a miner's wrongly."""
    assert scored(said(miners=[("unknown", "miner_payout")]))["mining.miner_precision"] == 0.0


def test_nothing_said() -> None:
    """Without any finding there is nothing to be right or wrong about."""
    scores = scored(said())
    assert (scores["mining.blocks"], scores["mining.paid"]) == (4, 2)
    told = {name: value for name, value in scores.items() if name not in {"mining.blocks", "mining.paid"}}
    assert {name: value for name, value in told.items() if value} == {}
    assert scores["mining.coverage"] is scores["mining.precision"] is scores["mining.miner_recall"] is None
