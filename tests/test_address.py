"""Bitcoin addresses: text and script are two forms of one thing, and what is refused says why."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from bitcoin import base58
from hypothesis import given
from hypothesis import strategies as st

from chains.bitcoin.address import canonical, script_of, script_of_payload, text_of, text_of_payload
from chains.bitcoin.networks import NETWORKS, network_named
from chains.bitcoin.tables import ScriptType
from chains.errors import AddressError, ChainError
from chains.foreign import base58_bytes, recognise

VECTORS = Path(__file__).parent / "data" / "bitcoin-core"
VALID = [row for row in json.loads((VECTORS / "key_io_valid.json").read_text()) if not row[2]["isPrivkey"]]
PRIVATE = [row[0] for row in json.loads((VECTORS / "key_io_valid.json").read_text()) if row[2]["isPrivkey"]]
INVALID = [row[0] for row in json.loads((VECTORS / "key_io_invalid.json").read_text())]
CORE_MERKLE = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
TESTNET4_MERKLE = "7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e"
# network: merkle root, time, bits, nonce of the genesis header (version 1, no previous block)
GENESIS = {
    "main": (CORE_MERKLE, 1231006505, 0x1D00FFFF, 2083236893),
    "test": (CORE_MERKLE, 1296688602, 0x1D00FFFF, 414098458),
    "testnet4": (TESTNET4_MERKLE, 1714777860, 0x1D00FFFF, 393743547),
    "signet": (CORE_MERKLE, 1598918400, 0x1E0377AE, 52613770),
    "regtest": (CORE_MERKLE, 1296688602, 0x207FFFFF, 2),
}


@pytest.mark.parametrize("name", GENESIS)
def test_genesis_hash_is_the_hash_of_the_genesis_header(name: str) -> None:
    """The constants can not be mistyped: each hash is recomputed from its header and meets its target."""
    merkle, time, bits, nonce = GENESIS[name]
    header = struct.pack("<i32s32sIII", 1, bytes(32), bytes.fromhex(merkle)[::-1], time, bits, nonce)
    digest = hashlib.sha256(hashlib.sha256(header).digest()).digest()
    assert digest == NETWORKS[name].genesis_hash
    assert NETWORKS[name].caip2 == "bip122:" + digest[::-1].hex()[:32]


def test_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(ChainError, match=r"'mainnet' is no Bitcoin network.*main, test, testnet4"):
        network_named("mainnet")


@pytest.mark.parametrize("row", VALID, ids=lambda row: row[0])
def test_every_valid_vector_of_bitcoin_core_in_both_directions(row: tuple[str, str, dict[str, Any]]) -> None:
    text, script, about = row
    assert script_of(text, about["chain"]).hex() == script
    assert text_of(bytes.fromhex(script), about["chain"]) == text
    if about.get("tryCaseFlip"):
        assert script_of(text.upper(), about["chain"]).hex() == script
        assert canonical(text.upper()) == text


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("text", INVALID)
def test_every_invalid_vector_of_bitcoin_core_is_refused(text: str, network: str) -> None:
    with pytest.raises(AddressError, match=r"no address of Bitcoin|private or extended key"):
        script_of(text, network)


@pytest.mark.parametrize("text", PRIVATE)
def test_a_private_key_is_refused_and_never_repeated(text: str) -> None:
    """An error goes to logs and screens; a private key must not."""
    with pytest.raises(AddressError, match="private or extended key") as caught:
        script_of(text, "main")
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        (" 1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "blanks around it"),
        ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mp", "checksum is wrong"),
        ("bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhw", "checksum is wrong"),
        ("bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhV", "mixes upper and lower case"),
        ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2m0", "neither base58 nor bech32"),
        ("mzK2FFDEhxqHcmrJw1ysqFkVyhUULo45hZ", "belongs to Bitcoin test or testnet4 or signet or regtest"),
        ("tb1qcrh3yqn4nlleplcez2yndq2ry8h9ncg3qh7n54", "belongs to Bitcoin test or testnet4 or signet;"),
        ("bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9", "belongs to Bitcoin regtest"),
        ("0x7Db418b5D567A4e0E8c59Ad71BE1FcE48f3E6107", "address of ethereum"),
        ("TRYL7PKCG4b4xRCM554Q5J6o8f1UjUmfnY", "address of tron"),
        ("LWnbjLYUfqeokfbWM4FcU7uk2FP2DSxuWS", "address of litecoin"),
        ("t1WSKwCDL1QYRRUrCCknEs5tDLhtGVYu9KM", "address of zcash"),
        ("rGeyCsqc6vKXuyTGF39WJxmTRemoV3c97h", "address of xrp"),
        ("bitcoincash:qptsxhxxuyww0a3s3gy2ee9cwdgjhz7pqyw9d2dwsl", "address of bitcoin_cash"),
        ("cosmos1nynns8ex9fq6sjjfj8k79ymkdz4sqth06xexae", "address of cosmos"),
        (
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
            "bech32, but witness version 1 takes bech32m",
        ),
        ("1" * 3000, "is no address"),
        ("bc1q" + "q" * 3000, "longer than 90"),
        ("\u212a" + "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv", "is no address"),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason) as caught:
        script_of(text, "main")
    assert len(str(caught.value)) < 400


def test_mainnet_address_on_regtest_names_mainnet() -> None:
    with pytest.raises(AddressError, match="belongs to Bitcoin main;"):
        script_of("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "regtest")


HASHES = st.binary(min_size=20, max_size=20)
PROGRAMS = st.one_of(
    st.tuples(st.just(0), st.sampled_from([20, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))),
    st.tuples(st.integers(1, 16), st.binary(min_size=2, max_size=40)),
)
SCRIPTS = st.one_of(
    HASHES.map(lambda h: b"\x76\xa9\x14" + h + b"\x88\xac"),
    HASHES.map(lambda h: b"\xa9\x14" + h + b"\x87"),
    PROGRAMS.map(lambda p: bytes([0x50 + p[0] if p[0] else 0, len(p[1])]) + p[1]),
)


@given(SCRIPTS, st.sampled_from(list(NETWORKS)))
def test_script_to_text_to_script_is_the_identity(script: bytes, network: str) -> None:
    text = text_of(script, network)
    assert text is not None
    assert script_of(text, network) == script
    assert canonical(text) == text


@given(SCRIPTS, st.data())
def test_one_changed_character_is_always_caught(script: bytes, data: st.DataObject) -> None:
    """Base58check and bech32 both detect any single substitution (base58 by 32 bits of hash)."""
    text = str(text_of(script, "main"))
    at = data.draw(st.integers(0, len(text) - 1))
    digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l" if text.startswith("bc1") else "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    changed = text[:at] + data.draw(st.sampled_from(digits).filter(lambda c: c != text[at])) + text[at + 1 :]
    with pytest.raises(AddressError):
        script_of(changed, "main")


@given(st.one_of(st.text(max_size=130), st.from_regex(r"(bc1|tb1|1|3|0x|T|r)[ -~]{0,100}", fullmatch=True)))
def test_any_text_gives_a_script_or_an_address_error(text: str) -> None:
    try:
        script = script_of(text, "main")
    except AddressError:
        return
    assert text_of(script, "main") == canonical(text)


@given(st.binary(max_size=60))
def test_any_script_has_one_text_or_none(script: bytes) -> None:
    text = text_of(script, "main")
    assert text is None or script_of(text, "main") == script


@pytest.mark.parametrize(
    ("kind", "size", "prefix"),
    [
        (ScriptType.P2PKH, 20, "1"),
        (ScriptType.P2SH, 20, "3"),
        (ScriptType.P2WPKH, 20, "bc1q"),
        (ScriptType.P2WSH, 32, "bc1q"),
        (ScriptType.P2TR, 32, "bc1p"),
    ],
)
def test_payloads_come_back_as_script_and_text(kind: ScriptType, size: int, prefix: str) -> None:
    payload = bytes(range(7, 7 + size))
    script = script_of_payload(kind, payload)
    text = text_of_payload(kind, payload, "main")
    assert payload in script
    assert text is not None
    assert text.startswith(prefix)
    assert script_of(text, "main") == script
    with pytest.raises(ChainError, match="the row is damaged"):
        script_of_payload(kind, payload[1:])


def test_scripts_without_an_address_have_no_text() -> None:
    """P2PK has a payload (its key) but no address; the rest is stored whole."""
    key = b"\x02" + bytes(31) + b"\x01"
    assert script_of_payload(ScriptType.P2PK, key) == b"\x21" + key + b"\xac"
    assert script_of_payload(ScriptType.P2PK_UNCOMPRESSED, b"\x04" * 65)[0] == 65
    for kind, payload in [
        (ScriptType.P2PK, key),
        (ScriptType.MULTISIG, b"\x51\x21" + key + b"\x51\xae"),
        (ScriptType.OP_RETURN, b"\x6a\x01\x00"),
        (ScriptType.OTHER, b""),
    ]:
        assert text_of_payload(kind, payload, "main") is None


def test_unknown_witness_version_is_stored_whole_and_has_a_text() -> None:
    script = bytes.fromhex("520250ed")
    assert text_of_payload(ScriptType.WITNESS_UNKNOWN, script, "main") == "bc1z2rksukkjr8"


@pytest.mark.parametrize(
    ("text", "chains", "canonical_text"),
    [
        (
            "0xBE0EB53F46CD790CD13851D5EFF43D12404D33E8",
            ("ethereum",),
            "0xbe0eb53f46cd790cd13851d5eff43d12404d33e8",
        ),
        ("17om4dHcDNy9LAagMj8mGW59vyXjvA3GBn", ("bitcoin", "bitcoin_cash", "bitcoin_sv"), None),
        ("XnPFsRWTaSgiVauosEwQ6dEitGYXgwznz2", ("dash",), None),
        ("GPwg61XoHqQPNmAucFACuQ5H9sGCDv9TpS", ("bitcoin_gold",), None),
        ("DG1KhhBKpsyWXTakHNezaDQ34focsXjN1i", ("dogecoin", "verge"), None),
        ("not an address", None, None),
        ("0x1234", None, None),
    ],
)
def test_other_chains_are_told_by_their_form(
    text: str, chains: tuple[str, ...] | None, canonical_text: str | None
) -> None:
    found = recognise(text)
    assert (found.chains if found else None) == chains
    if found:
        assert found.text == (canonical_text or text)


BASE58 = st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0OIl ", min_size=1, max_size=60)


@given(BASE58)
def test_base58_decodes_as_python_bitcoinlib_does(text: str) -> None:
    try:
        expected = base58.decode(text)
    except base58.InvalidBase58Error:
        expected = None
    assert base58_bytes(text) == expected


@given(st.text(max_size=130))
def test_recognising_never_fails(text: str) -> None:
    recognise(text)
