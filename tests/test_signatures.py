"""What a spend shows: its kind, its signature types, its key; templates, published vectors, damage."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chains.bitcoin.script import read_push
from chains.bitcoin.signatures import sighash_bit
from chains.bitcoin.tables import Sighash
from tests import naive, naive_scripts
from tests.realdata import OWN, collection
from tests.test_script import push
from tests.twins import SECRET, SURROUNDINGS, array, mutated, proofs_of, proofs_of_twin
from worlds.ledger.undo import compact_size

Spend = tuple[bytes, list[bytes]]
SHORT, FULL = b"\x02" + b"k" * 32, b"\x04" + b"k" * 32 + b"y" * 31 + b"\x01"


def der(sighash: int, size: int = 71) -> bytes:
    """Something in the form of a DER signature of `size` bytes with this type."""
    return b"\x30" + bytes([size - 3]) + b"\x02" + bytes([7]) * (size - 4) + bytes([sighash])


def block_of(spends: list[Spend]) -> bytes:
    """A block with one transaction that has these inputs."""
    witness = b"".join(
        compact_size(len(stack)) + b"".join(compact_size(len(i)) + i for i in stack) for _, stack in spends
    )
    inputs = b"".join(bytes(36) + compact_size(len(script)) + script + bytes(4) for script, _ in spends)
    mark = b"\0\1" if any(stack for _, stack in spends) else b""
    body = compact_size(len(spends)) + inputs + b"\1" + bytes(8) + b"\0" + (witness if mark else b"")
    return bytes(80) + b"\1" + bytes(4) + mark + body + bytes(4)


NESTED, NESTED_LONG = b"\x00\x14" + b"h" * 20, b"\x00\x20" + b"h" * 32
CONTROL = b"\xc0" + b"i" * 32
SCHNORR = b"s" * 64
ANNEX = b"\x50annex"
WITNESS_SCRIPT = b"\x52" + push(SHORT) * 2 + b"\x52\xae"
CASES: dict[str, tuple[Spend, str, int]] = {
    "p2pk": ((push(der(1)), []), "NONE", Sighash.ALL),
    "p2pkh": ((push(der(3)) + push(SHORT), []), "NONE", Sighash.SINGLE),
    "p2pkh full key": ((push(der(2)) + b"\x41" + FULL, []), "NONE", Sighash.NONE),
    "p2sh multisig": (
        (b"\0" + push(der(1)) + push(der(0x82)) + b"\x4c\x47" + WITNESS_SCRIPT, []),
        "NONE",
        Sighash.ALL | Sighash.NONE_ANYONECANPAY,
    ),
    "wide pushes": ((b"\x4d\x47\0" + der(1) + b"\x4e\x47\0\0\0" + der(0x83), []), "NONE", Sighash.ALL | 64),
    "no signature": ((b"\x51", []), "NONE", 0),
    "empty": ((b"", []), "NONE", 0),
    "not only pushes": ((push(der(1)) + b"\xab" + push(der(2)), []), "NONE", Sighash.ALL),
    "push over the end": ((push(der(1)) + b"\x21" + b"k" * 32, []), "NONE", Sighash.ALL),
    "odd type": ((push(der(0x41)), []), "NONE", Sighash.OTHER),
    "p2wpkh": ((b"", [der(0x81, 72), SHORT]), "P2WPKH", Sighash.ALL_ANYONECANPAY),
    "p2wsh": ((b"", [b"", der(1), der(0x83), WITNESS_SCRIPT]), "P2WSH", Sighash.ALL | Sighash.SINGLE_ANYONECANPAY),
    "p2wsh without signature": ((b"", [b"preimage", SHORT]), "P2WSH", 0),
    "p2wsh alone": ((b"", [b"\x51"]), "P2WSH", 0),
    "key path": ((b"", [SCHNORR]), "TAPROOT_KEY", Sighash.DEFAULT),
    "key path with type": ((b"", [SCHNORR + b"\x83"]), "TAPROOT_KEY", Sighash.SINGLE_ANYONECANPAY),
    "key path with annex": ((b"", [SCHNORR + b"\x03", ANNEX]), "TAPROOT_KEY", Sighash.SINGLE),
    "script path": ((b"", [SCHNORR, b"", SCHNORR + b"\x01", b"\x51", CONTROL]), "TAPROOT_SCRIPT", 1 | Sighash.ALL),
    "deep script path": ((b"", [SCHNORR, b"\x51", CONTROL + b"n" * 64, ANNEX]), "TAPROOT_SCRIPT", Sighash.DEFAULT),
    "script path without signature": ((b"", [b"\x51", CONTROL]), "TAPROOT_SCRIPT", 0),
    "nested p2wpkh": ((push(NESTED), [der(1), SHORT]), "NESTED_P2WPKH", Sighash.ALL),
    "nested p2wsh": ((push(NESTED_LONG), [b"", der(2), WITNESS_SCRIPT]), "NESTED_P2WSH", Sighash.NONE),
    "nested unknown": ((push(b"\x60\x02ab"), [b"x"]), "OTHER", 0),
}
SPENDS = [spend for spend, _, _ in CASES.values()]


def assert_shown_alike(raw: bytes) -> None:
    """Kernel and twin judge every input of a block alike, whatever lies around it."""
    twin = proofs_of_twin(naive.parse_block(raw))
    for around in SURROUNDINGS:
        assert proofs_of(raw, around) == twin, raw.hex()


@pytest.mark.parametrize("name", CASES)
def test_each_way_to_spend_is_told(name: str) -> None:
    """Kind and signature types of every way to spend, alone and among others."""
    spend, kind, bits = CASES[name]
    raw = block_of([spend])
    ((shown, sighash, _),) = proofs_of(raw)
    assert (shown, sighash) == (kind, bits)
    assert_shown_alike(raw)
    assert_shown_alike(block_of([SPENDS[0], spend, *SPENDS]))


def test_keys_that_only_a_spend_reveals() -> None:
    """Nested P2WPKH gives its program, a full key its compressed P2WPKH form; other spends give none."""
    compressed = naive_scripts.compress_key(FULL)
    expected = {
        "nested p2wpkh": naive.siphash(SECRET, NESTED),
        "p2pkh full key": naive.siphash(SECRET, b"\x00\x14" + naive.hash160(compressed)),
    }
    for name, (spend, _, _) in CASES.items():
        ((_, _, key),) = proofs_of(block_of([spend]))
        assert key == expected.get(name), name
    ((_, _, key),) = proofs_of(block_of([(b"\x41" + FULL, [])]))
    assert key is None, "65 bytes without a signature are no revealed key"


def pieces() -> st.SearchStrategy[bytes]:
    """Stack items near and on what matters."""
    known = [item for script, stack in SPENDS for item in (script, *stack)]
    return st.one_of(mutated([*known, ANNEX, CONTROL, SCHNORR, FULL]), st.sampled_from(known), st.binary(max_size=80))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.one_of(st.just(b""), pieces()), st.lists(pieces(), max_size=5)), min_size=1, max_size=4))
@example([(b"\x4e\xff\xff\xff\xff", [b""])])
@example([(b"\x4d\xff", []), (b"\x4c", []), (b"\x4e\0\0\0", [])])
@example([(b"", [b"", b""]), (b"", [b"\x50"]), (b"", [b"\x50", b"\x50"])])
def test_mutated_spends_are_judged_alike(spends: list[Spend]) -> None:
    """Scripts and stacks a byte away from something real, side by side."""
    assert_shown_alike(block_of(spends))


@given(st.binary(min_size=1, max_size=12))
def test_pushes_agree_with_the_twin(script: bytes) -> None:
    """Every push opcode, cut off or not."""
    at, size = read_push(array(script + b"\xff" * 300), 0, len(script))
    items, _ = naive_scripts.pushes(script)
    assert (array(script)[at : at + size].tobytes() if size >= 0 else None) == (items[0] if items else None)


def test_every_signature_type_has_its_bit() -> None:
    """256 types, seven of them known."""
    assert [sighash_bit(n) for n in range(256)] == [naive_scripts.SIGHASHES.get(n, 128) for n in range(256)]


@pytest.mark.parametrize("name", ["core-413567", "core-regtest", "core-blockfilters", "core-getblockstats"])
def test_spends_of_real_blocks_are_judged_alike(name: str) -> None:
    """Every input of real blocks."""
    for real in collection(name):
        assert proofs_of(real.raw) == proofs_of_twin(naive.parse_block(real.raw))


def test_bip341_spends_show_the_type_they_were_signed_with() -> None:
    """The BIP's own fully signed transaction: each key path spend has the hash type that its vector names."""
    (vector,) = json.loads((OWN / "bip341_wallet_vectors.json").read_text())["keyPathSpending"]
    raw = bytes(80) + b"\1" + bytes.fromhex(vector["auxiliary"]["fullySignedTx"])
    assert_shown_alike(raw)
    shown = proofs_of(raw)
    for spending in vector["inputSpending"]:
        kind, bits, _ = shown[spending["given"]["txinIndex"]]
        hash_type = spending["given"]["hashType"]
        assert (kind, bits) == ("TAPROOT_KEY", naive_scripts.SIGHASHES[hash_type] if hash_type else 1)
    locks = [bytes.fromhex(spent["scriptPubKey"]) for spent in vector["given"]["utxosSpent"]]
    kinds = {"P2TR": "TAPROOT_KEY", "P2WPKH": "P2WPKH", "P2PKH": "NONE"}
    assert [kind for kind, _, _ in shown] == [kinds[naive_scripts.script_kind(lock)] for lock in locks]


def test_cores_valid_transactions_are_judged_alike() -> None:
    """Core's own odd but valid transactions: strange scripts, strange stacks."""
    rows = [row for row in json.loads((OWN / "tx_valid.json").read_text()) if len(row) == 3]
    for _, text, _ in rows:
        raw = bytes(80) + b"\1" + bytes.fromhex(text)
        assert proofs_of(raw) == proofs_of_twin(naive.parse_block(raw)), text
    assert len(rows) > 100
