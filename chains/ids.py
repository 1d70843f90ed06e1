"""Identifiers that need no look-up: keyed 64-bit hashes and chain-order numbers.

SipHash-2-4 (Aumasson and Bernstein, 2012) keyed with the lake's secret: known on every machine that holds
the lake, and an attacker who does not hold the secret can not grind collisions. Stored as signed 64-bit.
"""

import numpy as np

from chains.blocks import POSITION_BITS
from chains.kernels import kernel

SECRET_BYTES = 16


@kernel
def _rotl(x: np.uint64, bits: int) -> np.uint64:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@kernel
def _rounds(
    v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64, n: int
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    for _ in range(n):
        v0 += v1
        v1 = _rotl(v1, 13) ^ v0
        v0 = _rotl(v0, 32)
        v2 += v3
        v3 = _rotl(v3, 16) ^ v2
        v0 += v3
        v3 = _rotl(v3, 21) ^ v0
        v2 += v1
        v1 = _rotl(v1, 17) ^ v2
        v2 = _rotl(v2, 32)
    return v0, v1, v2, v3


@kernel
def siphash24(key: np.ndarray, buf: np.ndarray, start: int, length: int) -> np.int64:
    """SipHash-2-4 of `buf[start:start + length]`; `key` is two uint64, see `key_of`."""
    v0 = key[0] ^ np.uint64(0x736F6D6570736575)
    v1 = key[1] ^ np.uint64(0x646F72616E646F6D)
    v2 = key[0] ^ np.uint64(0x6C7967656E657261)
    v3 = key[1] ^ np.uint64(0x7465646279746573)
    whole = length - length % 8
    for i in range(start, start + whole, 8):
        word = np.uint64(0)
        for j in range(8):
            word |= np.uint64(buf[i + j]) << np.uint64(8 * j)
        v3 ^= word
        v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 2)
        v0 ^= word
    word = np.uint64(length & 0xFF) << np.uint64(56)
    for j in range(length - whole):
        word |= np.uint64(buf[start + whole + j]) << np.uint64(8 * j)
    v3 ^= word
    v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 2)
    v0 ^= word
    v2 ^= np.uint64(0xFF)
    v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 4)
    return np.int64(v0 ^ v1 ^ v2 ^ v3)


def key_of(secret: bytes) -> np.ndarray:
    """The two uint64 words that kernels take, from a lake's 16-byte secret."""
    if len(secret) != SECRET_BYTES:
        msg = f"a lake's secret has {SECRET_BYTES} bytes, this one {len(secret)}"
        raise ValueError(msg)
    return np.frombuffer(secret, dtype="<u8").astype(np.uint64)


def keyed_hash(data: bytes, secret: bytes) -> int:
    """SipHash-2-4 of `data` as a signed 64-bit number."""
    return int(siphash24(key_of(secret), np.frombuffer(bytearray(data), dtype=np.uint8), 0, len(data)))


def address_id(script: bytes, secret: bytes) -> int:
    """The id of a locking script; pay-to-public-key scripts go by their compressed key, both forms alike."""
    return keyed_hash(canonical_script(script), secret)


def tx_key(txid: bytes, secret: bytes) -> int:
    """The id by which a spend names the transaction it spends from; `txid` in internal byte order."""
    return keyed_hash(txid, secret)


def canonical_script(script: bytes) -> bytes:
    """The script that stands for an address: an uncompressed P2PK becomes its compressed form."""
    if len(script) == 67 and script[0] == 65 and script[66] == 0xAC and script[1] in (4, 6, 7):
        return b"\x21" + bytes([2 + (script[65] & 1)]) + script[2:34] + b"\xac"
    return script


def tx_id(height: int, position: int) -> int:
    """The chain-order number of a transaction."""
    return (height << POSITION_BITS) + position
