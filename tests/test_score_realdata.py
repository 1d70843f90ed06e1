"""The rules on real blocks: counts against a plain reader, and what is known from outside."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from bitcoin.core import CBlock

from tests.realdata import OWN, SHARED, dust_sweep, raito, shared
from worlds.score.realblocks import SOURCES, Run, Source
from worlds.score.realdata import BATCH_OUTPUTS, RealBlock, check_real, judge, known_facts

BLOCK = RealBlock(
    name="sample", network="main", height=413567, blocks=1, transactions=4, spends=9, unresolved=9,
    verdicts={"joinmarket@1": 2}, vetoed=2, vetoed_unresolved=None, too_early=0, too_few_keys=0, pay_themselves=0,
    batches=1, batches_vetoed=0, offers=0, cospend_edges=3, largest_cluster=2, one_in_two_out=0.5,
)  # fmt: skip
OURS = Source(("block413567.raw",), 413567)


def source(height: int) -> Source:
    """The source of a height."""
    return next(one for one in SOURCES if one.height == height)


def test_counts_agree_with_a_plain_reader() -> None:
    """Transactions, spends, batches and shapes of a real block are what python-bitcoinlib counts."""
    found = judge(OURS.read(OWN))
    txs = CBlock.deserialize((OWN / "block413567.raw").read_bytes()).vtx
    shapes = [(len(tx.vin), len(tx.vout)) for tx in txs[1:]]
    assert (found.transactions, found.spends) == (len(txs), sum(n for n, _ in shapes))
    assert found.batches == sum(m >= BATCH_OUTPUTS for _, m in shapes)
    assert found.one_in_two_out == pytest.approx(sum(shape == (1, 2) for shape in shapes) / len(shapes))
    assert found.vetoed == sum(found.verdicts.values())
    assert found.unresolved < found.spends  # what is spent in the block itself is known
    assert found.vetoed_unresolved is None


def test_no_folder_is_no_blocks(tmp_path: Path) -> None:
    """A clone without the samples measures nothing, and says no fact about them."""
    assert check_real(tmp_path / "absent") == []
    assert known_facts([]) == []


def test_a_folder_is_read_source_by_source() -> None:
    """Every source gives one row."""
    assert [block.height for block in check_real(OWN, [OURS])] == [413567]


def test_facts_are_held_against_what_was_found() -> None:
    """A verdict that cannot be right is counted and placed; a block that is not there is not spoken of."""
    wrong = replace(BLOCK, height=300025, too_early=2)
    facts = known_facts([BLOCK, wrong])
    assert [(fact.found, fact.holds) for fact in facts] == [(0, True), (2, False), (0, True)]
    assert facts[1].where == "300025 (2)"
    assert known_facts([replace(BLOCK, height=702861, batches=27)])[-1].holds


def test_blocks_told_as_json_are_the_blocks() -> None:
    """A block put together from JSON, and what it spends, are byte for byte what another reader makes of it."""
    told = next(one for one in raito() if one.block.height == 403200)
    run = source(403200).read(SHARED)
    assert run.blocks == [told.block.raw]
    assert run.spent is not None
    values = [value for value, _ in told.spent]
    assert struct.pack("<q", values[0]) in run.spent[0]
    assert len(run.spent[0]) > sum(8 + len(script) for _, script in told.spent)


def test_coins_told_beside_a_block_are_its_own() -> None:
    """Decoding checks that what is told to be spent covers what the block pays: fees fit, nothing is unresolved."""
    assert dust_sweep().block.raw == source(367891).read(SHARED).blocks[0]
    found = judge(source(367891).read(SHARED))
    assert (found.spends, found.unresolved) == (20_817, 0)
    assert (found.vetoed, found.vetoed_unresolved) == (0, 1)


def test_the_first_payment_joins_nobody() -> None:
    """Block 170: Satoshi pays Hal Finney from one coin, and nobody is joined."""
    found = judge(source(170).read(SHARED if SHARED.exists() else shared("")))
    assert (found.transactions, found.spends, found.vetoed) == (2, 1, 0)
    assert (found.cospend_edges, found.largest_cluster) == (0, 1)


def test_verdicts_of_2014_cannot_name_wasabi() -> None:
    """Block 300025 is four years older than Wasabi: two verdicts name it all the same, and are counted as wrong."""
    shared("")
    found = judge(source(300025).read(SHARED))
    assert found.verdicts == {"stonewall@1": 1, "wasabi1@2": 2}
    assert found.too_early == 2
    assert found.unresolved == 0


def test_block_of_2021_with_mixes() -> None:
    """Block 702861 has 27 large batches; its one WabiSabi verdict is older than WabiSabi."""
    shared("")
    found = judge(source(702861).read(SHARED))
    assert (found.batches, found.batches_vetoed, found.too_early) == (27, 1, 1)
    assert found.verdicts["whirlpool@2"] == 7


def test_one_testers_load_is_let_off() -> None:
    """In a testnet block that one tester filled, what looks like mixes is told to be one owner's."""
    shared("")
    found = judge(source(928816).read(SHARED))
    assert found.verdicts == {}
    assert found.vetoed_unresolved is not None
    assert found.vetoed_unresolved > 300  # without their coins nobody can know


def test_a_run_without_its_coins_says_so() -> None:
    """The same block without what it spends has more verdicts, and every spend unresolved that is not its own."""
    shared("")
    run = source(255018).read(SHARED)
    known, unknown = judge(run), judge(Run(*run[:4]))
    assert known.unresolved == 0
    assert unknown.unresolved > 0
    assert known.vetoed_unresolved == unknown.vetoed
    assert known.cospend_edges > unknown.cospend_edges
