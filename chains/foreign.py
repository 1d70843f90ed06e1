"""Which chain an address belongs to, judged from its form alone.

Lists say a ticker, and the ticker is not the network: a Tron address stands under XBT, USDT lives on four
chains. So the form decides, and where several chains share a form (Bitcoin and its forks) all are given.
"""

import re
from hashlib import sha256
from typing import NamedTuple

from bitcoin.base58 import B58_DIGITS
from bitcoin.base58 import encode as _base58_encode

ETHEREUM = "ethereum"


class Foreign(NamedTuple):
    """What an address may be: the chains that share its form, likeliest first, and its canonical text."""

    chains: tuple[str, ...]
    text: str


_MAX_BASE58 = 120  # nothing recognised here is longer; decoding is quadratic
_KEY_HASH_BYTES = 21
# Version byte of a 21-byte base58check payload. Bitcoin's own 0 and 5 are judged by chains.bitcoin.address.
_VERSIONS: dict[int, tuple[str, ...]] = {
    0: ("bitcoin", "bitcoin_cash", "bitcoin_sv"),
    5: ("bitcoin", "bitcoin_cash", "bitcoin_sv", "litecoin"),
    16: ("dash",),
    22: ("dogecoin",),
    23: ("bitcoin_gold",),
    30: ("dogecoin", "verge"),
    38: ("bitcoin_gold",),
    48: ("litecoin",),
    50: ("litecoin",),
    65: ("tron",),
    76: ("dash",),
}
_ZCASH_VERSIONS = (b"\x1c\xb8", b"\x1c\xbd")
_BECH32_PREFIXES = {
    "bc": "bitcoin",
    "ltc": "litecoin",
    "zs": "zcash",
    "u": "zcash",
    "cosmos": "cosmos",
    "bnb": "bnb_beacon",
    "addr": "cardano",
    "terra": "terra",
    "osmo": "osmosis",
    "thor": "thorchain",
    "erd": "multiversx",
    "one": "harmony",
    "ckb": "nervos",
    "lnbc": "lightning",
}
# Forms whose checksum is not verified here: Keccak and friends are another chain's business.
_PATTERNS = (
    (re.compile(r"0[xX][0-9a-fA-F]{40}"), ETHEREUM, str.lower),
    (re.compile(r"(?:bitcoincash:)?[qp][02-9ac-hj-np-z]{41}"), "bitcoin_cash", str),
    (re.compile(r"[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}(?:[1-9A-HJ-NP-Za-km-z]{11})?"), "monero", str),
    (re.compile(r"G[A-Z2-7]{55}"), "stellar", str),
)
_BECH32 = re.compile(r"([a-z]{1,10})1[02-9ac-hj-np-z]{6,}")
_RIPPLE_DIGITS = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_FROM_RIPPLE = str.maketrans(_RIPPLE_DIGITS, B58_DIGITS)
_NO_DIGIT = 255
_TO_VALUES = bytes(B58_DIGITS.find(chr(i)) % 256 for i in range(256))
_SOLANA_BYTES = 32


def base58_bytes(text: str) -> bytes | None:
    """Decode base58 text of sensible length; None where it is not base58.

    Bulk imports spend their time here, and python-bitcoinlib's decoder takes three times as long; it is the
    oracle in the tests.
    """
    if not text.isascii() or not 0 < len(text) <= _MAX_BASE58:
        return None
    values = text.encode().translate(_TO_VALUES)
    if _NO_DIGIT in values:
        return None
    number = 0
    for value in values:
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58check_payload(text: str) -> bytes | None:
    """Decode base58check text: version and payload without the checksum; None where it does not check."""
    raw = base58_bytes(text)
    if raw is None:
        return None
    payload = raw[:-4]
    return payload if sha256(sha256(payload).digest()).digest()[:4] == raw[-4:] else None


def base58check(payload: bytes) -> str:
    """Encode version and payload with their checksum."""
    return str(_base58_encode(payload + sha256(sha256(payload).digest()).digest()[:4]))


def recognise(text: str) -> Foreign | None:
    """Say which chains an address may belong to, or None where its form is unknown or does not check."""
    for pattern, chain, canonical in _PATTERNS:
        if pattern.fullmatch(text):
            return Foreign((chain,), canonical(text))
    return _recognise_bech32(text) or _recognise_base58(text)


def _recognise_bech32(text: str) -> Foreign | None:
    found = _BECH32.fullmatch(text.lower())
    if found is None or text not in (text.lower(), text.upper()):
        return None
    chain = _BECH32_PREFIXES.get(found[1])
    return Foreign((chain,), text.lower()) if chain else None


def _recognise_base58(text: str) -> Foreign | None:
    payload = base58check_payload(text)
    if payload is None:
        return _recognise_unchecked(text)
    if len(payload) == _KEY_HASH_BYTES and payload[0] in _VERSIONS:
        return Foreign(_VERSIONS[payload[0]], text)
    if len(payload) == _KEY_HASH_BYTES + 1 and payload[:2] in _ZCASH_VERSIONS:
        return Foreign(("zcash",), text)
    return None


def _recognise_unchecked(text: str) -> Foreign | None:
    """XRP has its own alphabet; a Solana address is a bare 32-byte key."""
    if text.startswith("r"):
        payload = base58check_payload(text.translate(_FROM_RIPPLE))
        if payload is not None and len(payload) == _KEY_HASH_BYTES and payload[0] == 0:
            return Foreign(("xrp",), text)
    raw = base58_bytes(text)
    return Foreign(("solana",), text) if raw is not None and len(raw) == _SOLANA_BYTES else None
