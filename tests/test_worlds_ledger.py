"""The chain under a world: its bytes and digests against python-bitcoinlib, its blocks against Bitcoin Core."""

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from bitcoin.core import (
    CBlock,
    CoreRegTestParams,
    COutPoint,
    CTransaction,
    CTxIn,
    CTxInWitness,
    CTxOut,
    CTxWitness,
    Hash,
    Hash160,
)
from bitcoin.core.script import (
    OP_CHECKSIG,
    SIGVERSION_WITNESS_V0,
    CScript,
    CScriptWitness,
    RawSignatureHash,
    SignatureHash,
)
from hypothesis import given
from hypothesis import strategies as st

from worlds.ledger.blocks import GENESIS, MATURITY, MAX_WEIGHT, Block, Template, coinbase, merkle_root
from worlds.ledger.chain import Chain, Encoded, WorldError
from worlds.ledger.datadir import DatadirWriter, write_datadir, xor_key
from worlds.ledger.keys import Address, AddressKind, Keyring, hash160, key_hash_script
from worlds.ledger.sighash import Digests
from worlds.ledger.signers import CURVE_ORDER, FillerKey
from worlds.ledger.signing import Coin, Draft
from worlds.ledger.undo import SpentOutput, tx_undos
from worlds.ledger.wire import Output, Packed, Parts, Proof, output_bytes, pack, push, sized, u32
from worlds.wallet import BTC, Habits, Locktime
from worlds.words import World

pbk = pytest.importorskip("pbk", reason="Bitcoin Core's kernel is a test dependency")

START = datetime(2026, 1, 1, tzinfo=UTC)
RBF = 0xFFFFFFFD
TYPES = (0x01, 0x02, 0x03, 0x81, 0x82, 0x83)
CURVE, FORM = Keyring(1), Keyring(1, signed=False)

hashes = st.binary(min_size=32, max_size=32)
u32s = st.integers(0, 2**32 - 1)
scripts = st.binary(max_size=300)
values = st.integers(0, 2**62)


# bytes ----------------------------------------------------------------------------------------------------


class Loose(NamedTuple):
    """A transaction of any shape, signed or not, as plain values."""

    version: int
    inputs: list[tuple[bytes, int, bytes, int, list[bytes]]]
    """txid, output number, scriptSig, sequence, witness stack"""
    outputs: list[Output]
    locktime: int

    def parts(self) -> Parts:
        """The pieces that are packed."""
        return Parts(
            struct.pack("<i", self.version),
            [txid + u32(vout) for txid, vout, *_ in self.inputs],
            [u32(sequence) for _, _, _, sequence, _ in self.inputs],
            [output_bytes(o) for o in self.outputs],
            u32(self.locktime),
        )

    def packed(self) -> Packed:
        """Our serialisation."""
        proofs = [Proof(script, bytes([len(w)]) + b"".join(map(sized, w))) for _, _, script, _, w in self.inputs]
        return pack(self.parts(), proofs, [(i[0], i[1]) for i in self.inputs], self.outputs)

    def oracle(self) -> CTransaction:
        """The library's."""
        inputs = [CTxIn(COutPoint(txid, n), CScript(script), sequence) for txid, n, script, sequence, _ in self.inputs]
        outputs = [CTxOut(value, CScript(script)) for script, value in self.outputs]
        witness = CTxWitness([CTxInWitness(CScriptWitness(w)) for *_, w in self.inputs])
        return CTransaction(inputs, outputs, self.locktime, self.version, witness)


loose = st.builds(
    Loose,
    st.integers(-(2**31), 2**31 - 1),
    st.lists(st.tuples(hashes, u32s, scripts, u32s, st.lists(scripts, max_size=3)), min_size=1, max_size=6),
    st.lists(st.tuples(scripts, values), min_size=1, max_size=6),
    st.integers(0, 2**31 - 1),  # the library knows larger locktimes in transactions, but not in BIP 143 digests
)


@given(loose)
def test_bytes_are_those_of_the_library(tx: Loose) -> None:
    """Serialisation, both hashes and the weight of any transaction, with witnesses and without."""
    packed, oracle = tx.packed(), tx.oracle()
    assert packed.raw == oracle.serialize()
    assert packed.txid == oracle.GetTxid()
    assert packed.wtxid == Hash(oracle.serialize())
    assert packed.weight == oracle.calc_weight()


coins = st.builds(
    Coin,
    hashes,
    u32s,
    values,
    st.builds(FORM.address, st.just("w"), st.integers(0, 9), st.sampled_from(AddressKind)),
    st.just(1),
)


@given(st.lists(coins, min_size=1, max_size=5), st.lists(st.tuples(scripts, values), min_size=1, max_size=5), st.data())
def test_a_draft_becomes_what_it_says(spent: list[Coin], outputs: list[Output], data: st.DataObject) -> None:
    """Every field of a draft is in the transaction that the library reads, and nothing else."""
    sequences = [data.draw(u32s) for _ in spent]
    version, locktime = data.draw(st.integers(-(2**31), 2**31 - 1)), data.draw(u32s)
    draft = Draft(spent, outputs, sequences, [data.draw(st.sampled_from(TYPES)) for _ in spent], version, locktime)
    found = CTransaction.deserialize(draft.signed().raw)
    assert (found.nVersion, found.nLockTime) == (version, locktime)
    assert [(i.prevout.hash, i.prevout.n) for i in found.vin] == [c.outpoint for c in spent]
    assert [i.nSequence for i in found.vin] == sequences
    assert [(bytes(o.scriptPubKey), o.nValue) for o in found.vout] == outputs
    assert found.serialize() == draft.signed().raw


@given(loose, st.data())
def test_digests_are_those_of_the_library(tx: Loose, data: st.DataObject) -> None:
    """Legacy and BIP 143 digests of every input under every type, more inputs than outputs included."""
    spent = [(b"", data.draw(values)) for _ in tx.inputs]
    digests, oracle = Digests(tx.parts(), spent), tx.oracle()
    for n, (_, value) in enumerate(spent):
        kind = data.draw(st.sampled_from(TYPES))
        for code in (key_hash_script(b"\1" * 20), bytes(CScript([b"\2" * 33, OP_CHECKSIG]))):
            assert digests.legacy(n, kind, code) == RawSignatureHash(CScript(code), oracle, n, kind)[0]
            theirs = SignatureHash(CScript(code), oracle, n, kind, value, SIGVERSION_WITNESS_V0)
            assert digests.segwit(n, kind, code) == theirs


@given(st.binary(max_size=100))
def test_hash160_is_the_librarys(data: bytes) -> None:
    """RIPEMD-160 of SHA-256."""
    assert hash160(data) == Hash160(data)


@pytest.mark.parametrize("size", [0, 1, 75, 76, 255])
def test_pushes_are_the_librarys(size: int) -> None:
    """Up to 75 bytes behind their length alone."""
    assert push(b"\7" * size) == bytes(CScript([b"\7" * size]))


def test_genesis_is_the_librarys() -> None:
    """Regtest's first block."""
    assert bytes(CoreRegTestParams.GENESIS_BLOCK.serialize()) == GENESIS


@pytest.mark.parametrize("n", range(1, 12))
def test_merkle_roots_are_the_librarys(n: int) -> None:
    """An odd hash is paired with itself, on every level."""
    leaves = [bytes([i]) * 32 for i in range(n)]
    assert merkle_root(leaves) == CBlock.build_merkle_tree_from_txids(leaves)[-1]


@pytest.mark.parametrize("height", [1, 16, 17, 127, 128, 255, 256, 32_767, 32_768, 65_535, 8_388_608])
def test_a_coinbase_starts_with_its_height(height: int) -> None:
    """As BIP 34 demands it: a minimal script number, in the library's encoding."""
    reward = coinbase(Template(height, bytes(32), 0, b"\x51", b"/tag/"), 7, bytes(32))
    tx = CTransaction.deserialize(reward.raw)
    assert bytes(tx.vin[0].scriptSig) == bytes(CScript([height, b"/tag/"]))
    assert (reward.txid, reward.weight) == (tx.GetTxid(), tx.calc_weight())


# signatures -----------------------------------------------------------------------------------------------


def mined(chain: Chain, address: Address, n: int = MATURITY + 1) -> list[Coin]:
    """Mine rewards for an address."""
    rewards = [chain.mine(address.script, b"/t/").reward for _ in range(n)]
    at = chain.height - n + 1
    return [Coin(r.txid, 0, r.outputs[0][1], address, at + i, coinbase=True) for i, r in enumerate(rewards)]


def spending(coins: Sequence[Coin], outputs: Sequence[Output], kind: int = 1) -> Packed:
    """Spend coins, whatever is left to the miner."""
    return Draft(coins, outputs, [RBF] * len(coins), [kind] * len(coins)).signed()


def handed(chain: Chain, coin: Coin, to: Sequence[Address], value: int) -> list[Coin]:
    """Submit a payment of `value` to each address; gives the coins that it makes."""
    txid = chain.submit(spending([coin], [(a.script, value) for a in to]))
    return [Coin(txid, n, value, a, chain.height + 1) for n, a in enumerate(to)]


def accepted(blocks: Sequence[Block], folder: Path) -> int:
    """Give blocks to Bitcoin Core; gives the height that it reaches."""
    manager = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
    for block in blocks[1:]:
        manager.process_block(pbk.Block(block.raw))
    height: int = manager.get_active_chain().height
    return height


def test_core_accepts_every_type_of_signature_of_every_kind(tmp_path: Path) -> None:
    """ALL, NONE and SINGLE, each with and without ANYONECANPAY, by every kind of address, two inputs at a time."""
    chain = Chain(START, 600)
    reward = mined(chain, CURVE.address("pool", 0, AddressKind.P2WPKH))[0]
    addresses = [CURVE.address("w", n, kind) for n, kind in enumerate(list(AddressKind) * 2 * len(TYPES))]
    coins = handed(chain, reward, addresses, BTC // 10)
    chain.mine(reward.address.script, b"/t/")
    for n, kind in enumerate(TYPES):
        for m in range(len(AddressKind)):
            pair = coins[2 * (n * len(AddressKind) + m) :][:2]
            assert [c.value for c in pair] == [BTC // 10] * 2
            chain.submit(spending(pair, [(c.address.script, c.value - 1_000) for c in pair], kind))
    assert len(chain.mine(reward.address.script, b"/t/").included) == len(TYPES) * len(AddressKind)
    assert accepted(chain.blocks, tmp_path / "core") == chain.height


def test_core_refuses_fillers(tmp_path: Path) -> None:
    """What is not signed is not mistaken for it."""
    chain = Chain(START, 600)
    reward = mined(chain, FORM.address("pool", 0, AddressKind.P2WPKH))[0]
    handed(chain, reward, [FORM.address("w", 0, AddressKind.P2TR)], BTC)
    chain.mine(reward.address.script, b"/t/")
    assert accepted(chain.blocks, tmp_path / "core") == chain.height - 1


def der_numbers(signature: bytes) -> tuple[bytes, bytes]:
    """Read a signature strictly (BIP 66)."""
    assert (signature[0], signature[1]) == (0x30, len(signature) - 2)
    numbers, at = [], 2
    for _ in range(2):
        tag, size = signature[at : at + 2]
        number = signature[at + 2 : at + 2 + size]
        assert tag == 0x02
        assert number[0] < 0x80
        assert number[0] or number[1] >= 0x80
        numbers.append(number)
        at += 2 + size
    assert at == len(signature)
    return numbers[0], numbers[1]


def never() -> bytes:
    """A digest that must not be asked for."""
    raise AssertionError


@given(st.binary(min_size=36, max_size=36))
def test_fillers_have_the_form_of_signatures(outpoint: bytes) -> None:
    """Strict DER with low S below the curve's order, 64 bytes for Schnorr; no digest is made."""
    key = FillerKey(bytes(32), tweaked=False)
    _, s = der_numbers(key.ecdsa(outpoint, never))
    assert int.from_bytes(s, "big") <= CURVE_ORDER // 2
    assert len(key.schnorr(outpoint, never)) == 64


def test_fillers_are_as_long_as_signatures() -> None:
    """Half of them have a long R, as those of a signer that does not grind."""
    key = FillerKey(bytes(32), tweaked=False)
    sizes = Counter(len(key.ecdsa(n.to_bytes(36, "big"), never)) for n in range(2_000))
    assert sizes[70] + sizes[71] > 1_950
    assert 900 < sizes[71] < 1_100


@pytest.mark.parametrize("keys", [CURVE, FORM])
def test_forms_of_one_key_share_it(keys: Keyring) -> None:
    """Key hash kinds hold the same key; taproot holds another, derived from it; two keys differ."""
    one, other = (keys.address("w", n, AddressKind.P2WPKH) for n in (0, 1))
    forms = {kind: one.same_key(kind).public_key for kind in AddressKind}
    assert {len(key) for key in forms.values()} == {33}
    assert {key[0] for key in forms.values()} <= {2, 3}
    tweaked = forms.pop(AddressKind.P2TR)
    assert set(forms.values()) == {one.public_key} != {other.public_key}
    assert tweaked[1:] != one.public_key[1:]


def told(*, signed: bool) -> World:
    """Tell a world in which every kind of address meets every word."""
    world = World(3, START, signed=signed)
    pool = world.wallet("pool")
    people = [
        world.wallet(kind, Habits(kind, 1 + n % 2, RBF + n % 3, list(Locktime)[n % 3]))
        for n, kind in enumerate(AddressKind)
    ]
    world.mine(pool, MATURITY + 20)
    for person in people:
        world.batch(pool, [(person.receive(), BTC), (person.receive(), 2 * BTC), (person.receive(), 3 * BTC)])
    world.mine(pool)
    world.coinjoin(people, BTC // 2)
    for buyer, seller in pairwise([*people, people[0]]):
        world.swap(seller, buyer, 5_000)
    world.peel(people[0], [(p.receive(), BTC // 100) for p in people])
    world.mine(pool)
    for person in people:
        world.sweep(person, people[0].receive())
    world.mine(pool)
    return world


def outline(world: World) -> list[object]:
    """Everything of a chain but its keys and signatures: ids become places, proofs their lengths and types."""
    place: dict[bytes, tuple[int, int]] = {}
    rows: list[object] = []
    for height, block in enumerate(world.blocks):
        for n, tx in enumerate(CBlock.deserialize(block.raw).vtx):
            place[tx.GetTxid()] = height, n
            spends = [(place.get(i.prevout.hash), i.prevout.n, i.nSequence) for i in tx.vin]
            makes = [(o.nValue, form(bytes(o.scriptPubKey))) for o in tx.vout]
            proofs = [[proof(item) for item in w.scriptWitness.stack] for w in tx.wit.vtxinwit]
            pushed = [] if tx.is_coinbase() else [[proof(item) for item in i.scriptSig if item] for i in tx.vin]
            rows.append((tx.nVersion, tx.nLockTime, spends, makes, proofs, pushed))
    return rows


def form(script: bytes) -> tuple[int, bytes, bytes]:
    """Length and outer opcodes of a script."""
    return len(script), script[:1], script[-1:] if len(script) in (23, 25, 35) else b""


def proof(item: bytes) -> tuple[str, int]:
    """Type of an ECDSA signature, whose length varies; length of anything else."""
    return ("ecdsa", item[-1]) if item[0] == 0x30 and len(item) in range(68, 74) else ("other", len(item))


def test_an_unsigned_world_is_the_same_but_for_keys_and_signatures() -> None:
    """The same words give the same spends, values, kinds, sequences, types of signature; sizes differ by DER alone."""
    signed, unsigned = told(signed=True), told(signed=False)
    assert outline(signed) == outline(unsigned)
    assert [d.word for d in signed.deeds] == [d.word for d in unsigned.deeds]
    sizes = [sum(len(b.raw) for b in world.blocks) for world in (signed, unsigned)]
    assert abs(sizes[0] - sizes[1]) < 100
    assert {d.txid for d in signed.deeds}.isdisjoint({d.txid for d in unsigned.deeds})


def test_an_unsigned_world_is_the_same_every_time() -> None:
    """The same seed and words give the same bytes."""
    assert told(signed=False).blocks == told(signed=False).blocks


# blocks ---------------------------------------------------------------------------------------------------


def chained(chain: Chain, coin: Coin, fan: int) -> Coin:
    """Submit a payment of a coin to its own address, beside `fan` outputs of nothing; gives the coin that follows."""
    address = coin.address
    rest = [(address.script, 0)] * fan
    txid = chain.submit(spending([coin], [(address.script, coin.value - 1_000), *rest]))
    return Coin(txid, 0, coin.value - 1_000, address, chain.height + 1)


def test_what_does_not_fit_waits_in_order() -> None:
    """A chain of payments over three blocks' weight is mined in order, each block within its limit."""
    chain = Chain(START, 600)
    coin = mined(chain, FORM.address("p", 0, AddressKind.P2TR))[0]
    submitted = []
    for _ in range(60):
        coin = chained(chain, coin, fan=1_000)
        submitted.append(coin.txid)
    included: list[bytes] = []
    counts = []
    while chain.n_waiting:
        brought = chain.mine(coin.address.script, b"/t/").included
        block = CBlock.deserialize(chain.blocks[-1].raw)
        assert brought == [tx.GetTxid() for tx in block.vtx[1:]]
        assert block.GetWeight() <= MAX_WEIGHT
        included += brought
        counts.append(len(brought))
    assert included == submitted
    assert len(counts) == 3
    assert counts[0] == counts[1] > counts[2]


def test_signature_checks_are_within_their_limit(tmp_path: Path) -> None:
    """Outputs to key hashes fill a block's 80,000 signature checks before its weight; Core accepts what is mined."""
    chain = Chain(START, 600)
    coin = mined(chain, CURVE.address("p", 0, AddressKind.P2PKH))[0]
    for _ in range(25):
        coin = chained(chain, coin, fan=1_000)
    n = len(chain.mine(coin.address.script, b"/t/").included)
    assert n == 19
    chain.mine(coin.address.script, b"/t/")
    assert chain.n_waiting == 0
    assert accepted(chain.blocks, tmp_path / "core") == chain.height


def test_a_transaction_that_fits_no_block_is_refused() -> None:
    """It would wait for ever, and everything behind it too."""
    chain = Chain(START, 600)
    coin = mined(chain, FORM.address("p", 0, AddressKind.P2PKH))[0]
    with pytest.raises(WorldError, match=r"weight units and 80\d{3} signature checks fits into no block"):
        chained(chain, coin, fan=20_000)
    assert chain.n_waiting == 0


def test_an_output_is_spent_once() -> None:
    """A second spend, and a spend of what never was, are refused by name."""
    chain = Chain(START, 600)
    coin, other = mined(chain, FORM.address("p", 0, AddressKind.P2WPKH))[:2]
    chained(chain, coin, fan=0)
    chain.mine(coin.address.script, b"/t/")
    chained(chain, coin, fan=0)
    with pytest.raises(WorldError, match=f"spends {coin.txid[::-1].hex()}:0, which is spent or unknown"):
        chain.mine(coin.address.script, b"/t/")
    extra = encoded([spending([Coin(bytes(32), 5, 7, other.address, 1)], [(b"\x51", 7)])], [])
    with pytest.raises(WorldError, match=r"an encoded transaction spends 0{64}:5, which"):
        chain.mine(coin.address.script, b"/t/", extra)


def encoded(transactions: Sequence[Packed], spent: Sequence[Sequence[SpentOutput]]) -> Encoded:
    """Give transactions in the form that a generator of many hands them over."""
    return Encoded(
        body=b"".join(tx.raw for tx in transactions),
        txids=rows([tx.txid for tx in transactions]),
        wtxids=rows([tx.wtxid for tx in transactions]),
        undo=tx_undos(spent),
        fees=sum(c.value for coins in spent for c in coins) - sum(v for tx in transactions for _, v in tx.outputs),
        weight=sum(tx.weight for tx in transactions),
        spends=[o for tx in transactions for o in tx.outpoints],
        makes={(tx.txid, n): output for tx in transactions for n, output in enumerate(tx.outputs)},
    )


def rows(found: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)


def test_encoded_transactions_make_the_same_block(tmp_path: Path) -> None:
    """Whether a transaction waits or is handed over encoded, block, undo record and later spends are the same."""
    chains = [Chain(START, 600), Chain(START, 600)]
    for split, chain in zip((5, 2), chains, strict=True):
        reward = mined(chain, CURVE.address("p", 0, AddressKind.P2WPKH))[0]
        coins = handed(chain, reward, [CURVE.address("w", n, AddressKind.P2TR) for n in range(5)], BTC)
        chain.mine(reward.address.script, b"/t/")
        paid = [spending([c], [(c.address.script, c.value - 500)]) for c in coins]
        for tx in paid[:split]:
            chain.submit(tx)
        spent = [[SpentOutput(c.value, c.address.script, chain.height, coinbase=False)] for c in coins[split:]]
        extra = encoded(paid[split:], spent) if split < 5 else None
        block = chain.mine(reward.address.script, b"/t/", extra)
        assert block.included == [tx.txid for tx in paid[:split]]
        chained(chain, Coin(paid[4].txid, 0, BTC - 500, coins[4].address, chain.height), fan=2)
        chain.mine(reward.address.script, b"/t/")
    assert chains[0].blocks == chains[1].blocks
    assert accepted(chains[1].blocks, tmp_path / "core") == chains[1].height


def test_waiting_transactions_give_way_to_encoded_ones() -> None:
    """What is handed over goes into this block; what waits takes the room that is left; too much is refused."""
    chain = Chain(START, 600)
    coin = mined(chain, FORM.address("p", 0, AddressKind.P2WPKH))[0]
    chained(chain, coin, fan=1_000)
    empty = np.zeros((0, 32), np.uint8)
    none = chain.mine(coin.address.script, b"/t/", Encoded(b"", empty, empty, b"", 0, MAX_WEIGHT - 100_000))
    assert (none.included, chain.n_waiting) == ([], 1)
    with pytest.raises(WorldError, match="over a block's limits by 4000"):
        chain.mine(coin.address.script, b"/t/", Encoded(b"", empty, empty, b"", 0, MAX_WEIGHT))
    assert len(chain.mine(coin.address.script, b"/t/").included) == 1


# sinks ----------------------------------------------------------------------------------------------------


def grown(sink: Callable[[Block], object] | None = None) -> Chain:
    """Let a small chain grow."""
    chain = Chain(START, 600, sink)
    coin = mined(chain, FORM.address("p", 0, AddressKind.P2WPKH))[0]
    for _ in range(5):
        coin = chained(chain, coin, fan=3)
        chain.mine(coin.address.script, b"/t/")
    return chain


def test_a_sink_takes_the_blocks_as_they_are_finished(tmp_path: Path) -> None:
    """Written as it grows, a chain gives the files that it gives when it is written at its end, and keeps no block."""
    whole = grown()
    write_datadir(tmp_path / "whole", whole.blocks, seed=5, max_file=10_000)
    with DatadirWriter(tmp_path / "grown", key=xor_key(5), max_file=10_000) as writer:
        chain = grown(writer.add)
    assert chain.blocks == []
    assert chain.height == whole.height
    files = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*.dat"))
    assert len(files) > 3
    for name in files:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "grown" / name).read_bytes()
