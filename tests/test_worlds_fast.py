"""The large chains: their files hold valid blocks, right hashes and the undo data that their spends need."""

import hashlib
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from bitcoin.core import CBlock, CTransaction, Hash, Hash160
from bitcoin.core.script import CScript
from hypothesis import given, settings
from hypothesis import strategies as st

from worlds.fast import encode, rates
from worlds.fast.buffers import new_desk
from worlds.fast.draws import below, generator, log_normal, pick
from worlds.fast.simulate import START, Simulation, generate
from worlds.ledger.blocks import GENESIS, MATURITY, merkle_root, subsidy
from worlds.ledger.datadir import REGTEST_MAGIC, obfuscated
from worlds.ledger.undo import SpentOutput, block_undo, compressed_amount, undo_checksum, varint

pbk = pytest.importorskip("pbk", reason="Bitcoin Core's kernel is a test dependency")

N_TX = 20_000
SEED = 5


class Chain(NamedTuple):
    """Every block of a datadir, read back the slow way."""

    raw: list[bytes]
    undo: list[bytes]
    blocks: list[CBlock]


def records(path: Path, key: np.ndarray, trailer: int) -> Iterator[tuple[bytes, bytes]]:
    """Read framed records up to the first that has no magic."""
    data, at = obfuscated(path.read_bytes(), key, 0), 0
    while data[at : at + 4] == REGTEST_MAGIC:
        (size,) = struct.unpack_from("<I", data, at + 4)
        end = at + 8 + size
        yield data[at + 8 : end], data[end : end + trailer]
        at = end + trailer


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Generate a small chain of the large kind, and check framing and checksums on the way."""
    folder = generate(tmp_path_factory.mktemp("fast"), N_TX, SEED) / "blocks"
    key = np.frombuffer((folder / "xor.dat").read_bytes(), dtype=np.uint8)
    raw = [block for block, _ in records(folder / "blk00000.dat", key, 0)]
    undo = []
    for block, (record, checksum) in zip(raw[1:], records(folder / "rev00000.dat", key, 32), strict=True):
        assert checksum == undo_checksum(block[4:36], record)
        undo.append(record)
    return Chain(raw, undo, [CBlock.deserialize(r) for r in raw])


def spent_outputs(chain: Chain) -> Iterator[list[list[SpentOutput]]]:
    """Resolve every spend against the outputs before it, block by block; an output is spent once."""
    unspent: dict[tuple[bytes, int], SpentOutput] = {}
    for height, block in enumerate(chain.blocks):
        spent = []
        for tx in block.vtx:
            if not tx.is_coinbase():
                spent.append([unspent.pop((i.prevout.hash, i.prevout.n)) for i in tx.vin])
            txid = tx.GetTxid()
            for n, out in enumerate(tx.vout):
                coin = SpentOutput(out.nValue, bytes(out.scriptPubKey), height, tx.is_coinbase())
                unspent[txid, n] = coin
        yield spent


def test_it_is_the_number_of_transactions_asked_for(chain: Chain) -> None:
    """Coinbases counted, genesis counted."""
    assert sum(len(b.vtx) for b in chain.blocks) == N_TX
    assert chain.raw[0] == GENESIS


def test_core_finds_nothing_wrong_with_the_blocks(chain: Chain) -> None:
    """Core's own context-free check: proof of work, merkle root, sizes, amounts, duplicate inputs."""
    consensus = pbk.ChainParameters(pbk.ChainType.REGTEST).consensus_params
    for raw in chain.raw:
        assert pbk.Block(raw).check(consensus).validation_mode == pbk.ValidationMode.VALID


def test_blocks_link_and_commit(chain: Chain) -> None:
    """Every header names its parent, every coinbase its height and the block's witnesses."""
    for height, block in enumerate(chain.blocks[1:], start=1):
        assert block.hashPrevBlock == chain.blocks[height - 1].GetHash()
        assert block.nTime == START + height * 600
        reward = block.vtx[0]
        assert bytes(reward.vin[0].scriptSig).startswith(bytes(CScript([height])))
        root = merkle_root([bytes(32), *(Hash(tx.serialize()) for tx in block.vtx[1:])])
        assert bytes(reward.vout[1].scriptPubKey)[6:] == Hash(root + bytes(32))
        assert block.GetWeight() <= 4_000_000


def test_undo_is_what_the_spends_resolve_to(chain: Chain) -> None:
    """The undo records are those of the slow twin over the outputs that the inputs name; rewards were ripe."""
    for height, spent in enumerate(spent_outputs(chain)):
        if height:
            assert chain.undo[height - 1] == block_undo(spent)
        assert all(c.height + MATURITY <= height for coins in spent for c in coins if c.coinbase)


def test_nothing_is_made_from_nothing(chain: Chain) -> None:
    """No transaction pays more than it spends, and the miner takes the fees and the subsidy."""
    for height, (block, spent) in enumerate(zip(chain.blocks, spent_outputs(chain), strict=True)):
        fees = 0
        for tx, coins in zip(block.vtx[1:], spent, strict=True):
            fee = sum(c.value for c in coins) - sum(o.nValue for o in tx.vout)
            assert fee >= 0
            fees += fee
        assert sum(o.nValue for o in block.vtx[0].vout) == subsidy(height) + fees


def test_keys_hash_to_what_they_open(chain: Chain) -> None:
    """What an input reveals fits the script that it spends: key to key hash, script to script hash."""
    kinds: Counter[str] = Counter()
    for block, spent in zip(chain.blocks[-3:], list(spent_outputs(chain))[-3:], strict=True):
        for tx, coins in zip(block.vtx[1:], spent, strict=True):
            for n, coin in enumerate(coins):
                kinds[revealed(tx, n, coin.script)] += 1
    assert set(kinds) >= {"p2pkh", "nested", "p2sh", "p2wpkh", "p2wsh", "p2tr"}


def revealed(tx: CTransaction, n: int, script: bytes) -> str:
    """Check one input against the script it spends; gives the kind."""
    stack = list(tx.wit.vtxinwit[n].scriptWitness.stack) if tx.has_witness() else []
    pushes = list(CScript(tx.vin[n].scriptSig))
    if script[:3] == b"\x76\xa9\x14":
        assert Hash160(pushes[-1]) == script[3:23]
        return "p2pkh"
    if script[:2] == b"\xa9\x14":
        assert Hash160(pushes[-1]) == script[2:22]
        if stack:
            assert Hash160(stack[1]) == pushes[-1][2:]
        return "nested" if stack else "p2sh"
    if script[:2] == b"\x00\x14":
        assert Hash160(stack[1]) == script[2:]
        return "p2wpkh"
    if script[:2] == b"\x00\x20":
        assert hashlib.sha256(stack[-1]).digest() == script[2:]
        return "p2wsh"
    return "p2tr" if script[:2] == b"\x51\x20" else "p2pk"


def test_rates_are_near_what_was_measured(chain: Chain) -> None:
    """Shapes, inputs and outputs per transaction, and address reuse lie where real chains have them."""
    made = [tx for block in chain.blocks[MATURITY + 22 :] for tx in block.vtx[1:]]
    shapes = Counter((len(tx.vin), len(tx.vout)) for tx in made)
    assert shapes[1, 2] / len(made) == pytest.approx(0.38, abs=0.05)
    assert shapes[1, 1] / len(made) == pytest.approx(0.22, abs=0.05)
    assert 1.6 < sum(len(tx.vin) for tx in made) / len(made) < 2.6
    assert 2.0 < sum(len(tx.vout) for tx in made) / len(made) < 2.8
    scripts = [bytes(o.scriptPubKey) for tx in made for o in tx.vout]
    assert 0.25 < 1 - len(set(scripts)) / len(scripts) < 0.55
    assert Counter(scripts).most_common(1)[0][1] > len(scripts) / 200


def test_same_seed_same_bytes() -> None:
    """The same seed gives the same tip, another seed another."""
    tips = [list(Simulation(4_000, seed).blocks())[-1][0].hash for seed in (1, 1, 2)]
    assert tips[0] == tips[1] != tips[2]


def test_a_seed_keeps_its_bytes() -> None:
    """Figures of different commits compare because they are measured on the same chain: this seed ends in this tip."""
    *_, (tip, _) = Simulation(4_000, 1).blocks()
    assert tip.hash[::-1].hex() == "204753985cc645ca64387bf4bdf7ace37e04e8de38fde109b578328e75c8f1a1"


def test_a_datadir_is_not_overwritten(tmp_path: Path) -> None:
    """Generating over existing blocks is refused."""
    (tmp_path / "blocks").mkdir()
    with pytest.raises(FileExistsError):
        generate(tmp_path, 1_000, 1)


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 21_000_000 * 10**8))
def test_kernels_compress_like_their_twins(n: int) -> None:
    """Amounts and numbers come out as from the slow functions."""
    assert encode.compressed_amount(n) == compressed_amount(n)
    out = np.zeros(16, np.uint8)
    assert out[: encode.write_varint(n, out, 0)].tobytes() == varint(n)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_kernel_merkle_root(hashes: list[bytes]) -> None:
    """The kernel's root is python-bitcoinlib's, for any number of leaves."""
    rows = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
    tree = np.zeros((len(hashes) + 1) * 32, np.uint8)
    encode.merkle_root(rows, len(hashes), tree, new_desk(0).page.pen.context)
    assert tree[:32].tobytes() == merkle_root(hashes)


def test_draws_have_the_shares_they_promise() -> None:
    """Over many draws: integers even, picks by their shares, the log-normal's median at one."""
    rng = generator(1)
    assert np.bincount([below(rng, 4) for _ in range(20_000)]) == pytest.approx([5_000] * 4, rel=0.06)
    picks = np.bincount([pick(rng, rates.KIND_STEPS) for _ in range(20_000)]) / 20_000
    assert picks[0] == pytest.approx(rates.KIND_STEPS[0], rel=0.05)
    values = np.array([log_normal(rng, 1.0) for _ in range(20_000)])
    assert np.median(values) == pytest.approx(1, rel=0.07)
    assert np.log(values).std() == pytest.approx(1, rel=0.07)
