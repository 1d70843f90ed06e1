"""Bitcoin Core's own code accepts the worlds' blocks and writes the same files from them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bitcoin.core import CBlock

from worlds.demo import tell
from worlds.ledger.datadir import obfuscated, write_datadir
from worlds.ledger.keys import AddressKind
from worlds.wallet import BTC, ChangeAt, Habits, Locktime, Selection
from worlds.words import World

pbk = pytest.importorskip("pbk", reason="Bitcoin Core's kernel is a test dependency")


def every_word(seed: int) -> World:
    """Tell a world in which every kind of address meets every word."""
    world = World(seed, datetime(2026, 1, 1, tzinfo=UTC))
    pool = world.wallet("pool", Habits(reuses_change=True, selection=Selection.LARGEST))
    places = list(ChangeAt)
    people = [
        world.wallet(kind, Habits(kind, 1 + n % 2, 0xFFFFFFFD + n % 3, list(Locktime)[n % 2], places[n % len(places)]))
        for n, kind in enumerate(AddressKind)
    ]
    world.mine(pool, 120)
    for person in people:
        world.batch(pool, [(person.receive(), BTC), (person.receive(), 2 * BTC), (person.receive(), 3 * BTC)])
    world.mine(pool)
    world.coinjoin(people, BTC // 2)
    world.mine(pool)
    for buyer, seller in zip(people, people[1:] + people[:1], strict=True):
        world.swap(seller, buyer, 5_000)
    world.peel(people[0], [(p.receive(), BTC // 100) for p in people])
    world.mine(pool)
    for person in people:
        world.sweep(person, people[0].receive())
    world.mine(pool, 2)
    return world


def core(world: World, folder: Path) -> Any:
    """Give the blocks of a world to a fresh Core that leaves its files in the clear."""
    blocks = folder / "blocks"
    blocks.mkdir(parents=True)
    (blocks / "xor.dat").write_bytes(bytes(8))
    manager = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
    for height, block in enumerate(world.blocks[1:], start=1):
        assert manager.process_block(pbk.Block(block.raw))
        assert manager.get_active_chain().height == height, f"Core refused block {height}"
    return manager


def test_core_accepts_every_word_and_address_kind(tmp_path: Path) -> None:
    """Signatures, fees, commitments, maturity and proof of work of every word hold before Core."""
    world = every_word(seed=7)
    assert core(world, tmp_path / "core").get_active_chain().height == world.chain.height


def test_core_accepts_the_demo_and_reads_its_spent_coins(tmp_path: Path) -> None:
    """The demo's chain is valid, and Core's undo data names the outputs that its inputs spend."""
    world = tell().world
    manager = core(world, tmp_path / "core")
    made: dict[tuple[bytes, int], tuple[int, bytes]] = {}
    for entry in list(manager.get_active_chain().block_tree_entries)[1:]:
        transactions = list(CBlock.deserialize(world.blocks[entry.height].raw).vtx)
        made |= {
            (tx.GetTxid(), n): (o.nValue, bytes(o.scriptPubKey)) for tx in transactions for n, o in enumerate(tx.vout)
        }
        for tx, coins in zip(transactions[1:], manager.block_spent_outputs[entry].transactions, strict=True):
            told = [(c.output.amount, bytes(c.output.script_pubkey)) for c in coins.coins]
            assert told == [made[i.prevout.hash, i.prevout.n] for i in tx.vin]


@pytest.mark.parametrize("tale", [lambda: every_word(seed=8), lambda: tell().world], ids=["words", "demo"])
def test_files_equal_what_core_writes(tmp_path: Path, tale: Callable[[], World]) -> None:
    """Block and undo files are, XOR apart, byte for byte those that Core writes for the same blocks."""
    world = tale()
    manager = core(world, tmp_path / "core")
    del manager
    mine = write_datadir(tmp_path / "mine", world.blocks, seed=8) / "blocks"
    key = (mine / "xor.dat").read_bytes()
    for name in ("blk00000.dat", "rev00000.dat"):
        theirs = (tmp_path / "core" / "blocks" / name).read_bytes()
        data = (mine / name).read_bytes()
        # Only what is written is obfuscated; the pre-allocated tail is zeros in both.
        used = len(theirs.rstrip(b"\0"))
        assert obfuscated(data, np.frombuffer(key, dtype=np.uint8), 0)[:used] == theirs[:used]
        assert len(data) == len(theirs)
        assert not any(data[used + 64 :])


def test_core_opens_our_datadir(tmp_path: Path) -> None:
    """Core rebuilds its indexes from our obfuscated files alone and ends at the same tip."""
    world = every_word(seed=9)
    folder = write_datadir(tmp_path / "node", world.blocks, seed=9, max_file=20_000)
    assert len(list((folder / "blocks").glob("blk*.dat"))) > 1
    context = pbk.make_context(pbk.ChainType.REGTEST)
    options = pbk.ChainstateManagerOptions(context, str(folder), str(folder / "blocks"))
    options.set_wipe_dbs(wipe_block_tree_db=True, wipe_chainstate_db=True)
    manager = pbk.ChainstateManager(options)
    manager.import_blocks([])
    tip = manager.get_active_chain().block_tree_entries[world.chain.height]
    assert bytes(tip.block_hash) == world.blocks[-1].hash
