"""The words a chain is told with: what each leaves in the wallets, on the chain and on disk."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bitcoin.core import CBlock, CTransaction, Hash
from hypothesis import given
from hypothesis import strategies as st

from worlds.ledger.blocks import MATURITY, subsidy
from worlds.ledger.chain import WorldError
from worlds.ledger.datadir import REGTEST_MAGIC, obfuscated, write_datadir
from worlds.ledger.keys import AddressKind
from worlds.ledger.undo import (
    SpentOutput,
    block_undo,
    compact_size,
    compressed_amount,
    compressed_script,
    undo_checksum,
    varint,
)
from worlds.wallet import BTC, ChangeAt, Habits, Wallet
from worlds.words import World

START = datetime(2026, 1, 1, tzinfo=UTC)


def funded(seed: int = 1) -> tuple[World, Wallet, Wallet]:
    """Give a world whose pool has ripe coins, and one other wallet."""
    world = World(seed, START)
    pool, alice = world.wallet("pool"), world.wallet("alice")
    world.mine(pool, MATURITY + 5)
    return world, pool, alice


def block_at(world: World, height: int) -> CBlock:
    return CBlock.deserialize(world.blocks[height].raw)


def transaction(world: World, txid: bytes) -> CTransaction:
    return next(tx for tx in block_at(world, world.chain.height).vtx if tx.GetTxid() == txid)


def test_same_seed_same_bytes() -> None:
    """The same seed and words give the same chain; another seed another."""

    def tip(seed: int) -> bytes:
        world, pool, alice = funded(seed)
        world.pay(pool, alice.receive(), BTC)
        world.mine(pool)
        return world.blocks[-1].raw

    assert tip(1) == tip(1) != tip(2)


def test_pay_reaches_the_payee_and_the_change_returns() -> None:
    """What leaves the payer is what the payee gets, the change and the fee; the fee is the miner's."""
    world, pool, alice = funded()
    bob = world.wallet("bob")
    world.pay(pool, alice.receive(), 5 * BTC)
    world.mine(pool)
    txid = world.pay(alice, bob.receive(), 2 * BTC)
    world.mine(pool)
    tx = transaction(world, txid)
    fee = 5 * BTC - sum(o.nValue for o in tx.vout)
    assert 0 < fee < 10_000
    assert bob.balance(world.chain.height) == 2 * BTC
    assert alice.balance(world.chain.height) == 3 * BTC - fee
    assert block_at(world, world.chain.height).vtx[0].vout[0].nValue == subsidy(world.chain.height) + fee


def test_coins_of_the_mempool_can_be_spent() -> None:
    """A chain of payments fits into one block, in order."""
    world, pool, alice = funded()
    world.pay(pool, alice.receive(), BTC)
    bob = world.wallet("bob")
    world.pay(alice, bob.receive(), BTC // 2)
    world.mine(pool)
    assert len(block_at(world, world.chain.height).vtx) == 3


def test_peel_spends_its_own_change() -> None:
    """Every payment of a peeling chain spends the change of the one before, as the record says."""
    world, pool, alice = funded()
    txids = world.peel(pool, [(alice.receive(), BTC)] * 4)
    world.mine(pool)
    links = [d for d in world.deeds if d.word == "peel"]
    assert [d.txid for d in links] == txids
    for before, after in pairwise(links):
        (spent,) = transaction(world, after.txid).vin
        assert (spent.prevout.hash, spent.prevout.n) == (before.txid, before.change[0])


def test_sweep_leaves_one_coin() -> None:
    """Everything ends in one output of one address."""
    world, pool, alice = funded()
    world.batch(pool, [(alice.receive(), BTC)] * 7)
    world.mine(pool)
    txid = world.sweep(alice, alice.receive())
    assert [c.txid for c in alice.coins.values()] == [txid]


def test_coinjoin_has_equal_outputs_of_everyone() -> None:
    """One output of the same value per person, to fresh addresses; everyone keeps the rest."""
    world, pool, _ = funded()
    people = [world.wallet(f"p{n}") for n in range(5)]
    world.batch(pool, [(p.receive(), 2 * BTC) for p in people])
    world.mine(pool)
    txid = world.coinjoin(people, BTC)
    world.mine(pool)
    values = [o.nValue for o in transaction(world, txid).vout]
    assert values.count(BTC) == 5
    assert len(values) == 10


def test_swap_is_signed_apart() -> None:
    """The seller's signature covers its own input and output alone (type 0x83), the buyer's everything."""
    world, pool, alice = funded()
    world.pay(pool, alice.receive(), BTC)
    world.mine(pool)
    txid = world.swap(alice, pool, 1_000)
    world.mine(pool)
    kinds = [w.scriptWitness.stack[0][-1] for w in transaction(world, txid).wit.vtxinwit]
    assert kinds[0] == 0x83
    assert set(kinds[1:]) == {1}


@pytest.mark.parametrize("place", ChangeAt)
def test_change_goes_where_the_habit_says(place: ChangeAt) -> None:
    """The record names the change output, and its place follows the wallet program's habit."""
    world, pool, _ = funded()
    eve = world.wallet("eve", Habits(change_at=place))
    world.pay(pool, eve.receive(), 10 * BTC)
    world.mine(pool)
    txid = world.batch(eve, [(pool.receive(), BTC), (pool.receive(), 3 * BTC)])
    (change,) = world.deeds[-1].change
    assert (txid, change) in eve.coins
    expected = {ChangeAt.LAST: {2}, ChangeAt.FIRST: {0}, ChangeAt.RANDOM: {0, 1, 2}, ChangeAt.SORTED: {2}}
    assert change in expected[place]


def test_refusals_say_what_is_wrong() -> None:
    """Paying too much, a taken name and unripe rewards are refused, and nothing has changed."""
    world, pool, alice = funded()
    with pytest.raises(WorldError, match="alice can not pay 1 satoshi"):
        world.pay(alice, pool.receive(), 1)
    with pytest.raises(WorldError, match="already has a wallet called 'alice'"):
        world.wallet("alice")
    with pytest.raises(WorldError, match="can not pay"):
        world.pay(pool, alice.receive(), 50 * BTC * 7)  # five rewards are ripe or about to be
    assert world.chain.n_waiting == 0


def test_headers_link_and_prove_work() -> None:
    """Every block names the one before, meets regtest's target and is later in time."""
    world, *_ = funded()
    for before, after in pairwise(world.blocks):
        assert after.prev_hash == before.hash
        assert Hash(after.raw[:80])[31] < 0x80
        assert after.raw[68:72] != before.raw[68:72]


# undo ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "compressed"),
    [(0, 0), (1, 1), (1_000_000, 7), (BTC, 9), (50 * BTC, 50), (21_000_000 * BTC, 21_000_000)],
)
def test_amounts_compress_as_in_core(value: int, compressed: int) -> None:
    """The values of Core's own compress_tests."""
    assert compressed_amount(value) == compressed


@given(st.integers(0, 2**63))
def test_varint_and_amount_can_be_read_back(n: int) -> None:
    """Reading the digits back gives the number."""
    value = 0
    data = varint(n)
    for digit in data[:-1]:
        value = ((value << 7) | (digit & 0x7F)) + 1
    assert (value << 7) | data[-1] == n


@pytest.mark.parametrize(
    ("script", "start", "size"),
    [
        ("76a914" + "11" * 20 + "88ac", 0, 21),
        ("a914" + "22" * 20 + "87", 1, 21),
        ("2102" + "33" * 32 + "ac", 2, 33),
        ("4104" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
         "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8" + "ac", 4, 33),
        ("4104" + "33" * 64 + "ac", 73, 68),  # not on the curve: kept whole
        ("0014" + "44" * 20, 28, 23),
    ],
)  # fmt: skip
def test_scripts_compress_as_in_core(script: str, start: int, size: int) -> None:
    """Templates shrink to their payload behind a code; everything else carries its length plus six."""
    data = compressed_script(bytes.fromhex(script))
    assert (data[0], len(data)) == (start, size)


def test_genesis_coins_carry_no_dummy() -> None:
    """Only coins above height 0 have the byte where a version once was."""
    low, high = (block_undo([[SpentOutput(1, b"", height, coinbase=True)]]) for height in (0, 1))
    assert len(high) == len(low) + 1


# files ----------------------------------------------------------------------------------------------------


def records(data: bytes, trailer: int) -> Iterator[tuple[bytes, bytes]]:
    """Read framed records up to the first that has no magic."""
    stream = BytesIO(data)
    while stream.read(4) == REGTEST_MAGIC:
        (size,) = struct.unpack("<I", stream.read(4))
        yield stream.read(size), stream.read(trailer)


@pytest.mark.parametrize("key_seed", [0, 5])
def test_files_hold_every_block_and_roll_over(tmp_path: Path, key_seed: int) -> None:
    """Records come back whole across files, undo beside its block, checksums right, one tail at the end."""
    world, pool, alice = funded()
    world.pay(pool, alice.receive(), BTC)
    world.mine(pool, 3)
    blocks = write_datadir(tmp_path / "node", world.blocks, seed=key_seed, max_file=10_000) / "blocks"
    key = np.frombuffer((blocks / "xor.dat").read_bytes(), dtype=np.uint8)
    found: list[tuple[bytes, bytes]] = []
    names = sorted(blocks.glob("blk*.dat"))
    for name in names:
        clear = obfuscated(name.read_bytes(), key, 0)
        raw = [r for r, _ in records(clear, 0)]
        undo = obfuscated((blocks / name.name.replace("blk", "rev")).read_bytes(), key, 0)
        kept = [b for b in raw if b != world.blocks[0].raw]
        for block, (record, checksum) in zip(kept, records(undo, 32), strict=True):
            assert checksum == undo_checksum(block[4:36], record)
            found.append((block, record))
    assert found == [(b.raw, b.undo) for b in world.blocks[1:]]
    assert [n.stat().st_size >= 1 << 24 for n in names] == [False] * (len(names) - 1) + [True]


@given(st.binary(min_size=1, max_size=64), st.integers(0, 40))
def test_obfuscation_depends_on_the_offset_alone(data: bytes, cut: int) -> None:
    """Writing in pieces equals writing at once, and doing it twice undoes it."""
    key = np.arange(1, 9, dtype=np.uint8)
    cut = min(cut, len(data))
    whole = obfuscated(data, key, 3)
    assert obfuscated(data[:cut], key, 3) + obfuscated(data[cut:], key, 3 + cut) == whole
    assert obfuscated(whole, key, 3) == data


@pytest.mark.parametrize(("n", "size"), [(0, 1), (252, 1), (253, 3), (65_535, 3), (65_536, 5), (1 << 32, 9)])
def test_compact_sizes(n: int, size: int) -> None:
    """Lengths take one, three, five or nine bytes."""
    assert len(compact_size(n)) == size


@pytest.mark.parametrize("kind", AddressKind)
def test_every_kind_has_its_own_script(kind: AddressKind) -> None:
    """The five forms of one key are five scripts."""
    world = World(3, START)
    address = world.wallet("w").receive(kind)
    others = {address.same_key(k).script for k in AddressKind if k is not kind}
    assert address.script not in others
    assert len(others) == 4
