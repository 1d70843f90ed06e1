"""Locking scripts and what opens them, written into buffers: right forms, random signatures.

Keys are random bytes behind a 02 or 03, payloads their true hashes, so that everything a reader can check
without the curve fits together: key to key hash, redeem script to script hash.
"""

from typing import NamedTuple

import numpy as np

from chains.kernels import i64, kernel
from chains.sha256 import hash160, sha256_begin, sha256_end, sha256_feed
from worlds.fast.draws import below, draw, fill, scrambled, share
from worlds.fast.rates import (
    NESTED,
    P2PK,
    P2PKH,
    P2PKH_UNCOMPRESSED,
    P2SH_MULTISIG,
    P2TR,
    P2WPKH,
    P2WSH,
    SCRIPT_PATH_SHARE,
)
from worlds.fast.state import KIND_BITS, KIND_MASK

KEY, LONG_KEY = 33, 65
MULTISIG = 105  # bytes of OP_2 <key> <key> <key> OP_3 OP_CHECKMULTISIG
_ALL, _SWAP = 0x01, 0x83
_TWO_BYTES = 0xFD  # announces a length of two bytes


class Pen(NamedTuple):
    """What writing a script takes besides its address."""

    seed: int  # of the keys
    swaps: float  # share of inputs signed SINGLE | ANYONECANPAY
    scratch: np.ndarray  # uint8
    context: np.ndarray  # for hashing


@kernel
def write_key(number: int, which: int, seed: int, out: np.ndarray, start: int) -> int:
    """Write the compressed public key of a key number; `which` tells the keys of a multisig apart."""
    state = scrambled(np.uint64(number * 4 + which) ^ scrambled(np.uint64(seed)))
    out[start] = 2 + i64(state & np.uint64(1))
    for word in range(4):
        state = scrambled(state)
        bits = state
        for n in range(8):
            out[start + 1 + word * 8 + n] = np.uint8(bits & np.uint64(0xFF))
            bits >>= np.uint64(8)
    return start + KEY


@kernel
def write_long_key(number: int, seed: int, out: np.ndarray, start: int) -> int:
    """Write an uncompressed key."""
    write_key(number, 1, seed, out, start + 32)
    write_key(number, 0, seed, out, start)
    out[start] = 4
    return start + LONG_KEY


@kernel
def write_multisig(number: int, seed: int, out: np.ndarray, start: int) -> int:
    """Write a 2-of-3 script."""
    out[start] = 0x52
    pos = start + 1
    for which in range(3):
        out[pos] = KEY
        pos = write_key(number, which, seed, out, pos + 1)
    out[pos] = 0x53
    out[pos + 1] = 0xAE
    return pos + 2


@kernel
def make_payload(pen: Pen, address: int, out: np.ndarray) -> None:
    """Derive what an address's script holds into `out[:32]`: 20 or 32 bytes."""
    number, kind = address >> KIND_BITS, address & KIND_MASK
    seed, scratch, context = pen.seed, pen.scratch, pen.context
    if kind in (P2TR, P2PK):
        write_key(number, 0, seed, scratch, 0)
        out[:32] = scratch[1:33]
    elif kind == P2PKH_UNCOMPRESSED:
        hash160(context, scratch, 0, write_long_key(number, seed, scratch, 0), out)
    elif kind == P2SH_MULTISIG:
        hash160(context, scratch, 0, write_multisig(number, seed, scratch, 0), out)
    elif kind == P2WSH:
        size = write_multisig(number, seed, scratch, 0)
        sha256_begin(context)
        sha256_feed(context, scratch, 0, size)
        sha256_end(context, out, 0)
    else:
        hash160(context, scratch, 0, write_key(number, 0, seed, scratch, 0), out)
    if kind == NESTED:
        scratch[0], scratch[1] = 0, 20
        scratch[2:22] = out[:20]
        hash160(context, scratch, 0, 22, out)


@kernel
def key_prefix(pen: Pen, address: int) -> int:
    """Give the first byte of an address's key, 2 or 3, where its script shows it; else 0."""
    if address & KIND_MASK != P2PK:
        return 0
    write_key(address >> KIND_BITS, 0, pen.seed, pen.scratch, 0)
    return i64(pen.scratch[0])


@kernel
def write_locking(pen: Pen, address: int, payload: np.ndarray, out: np.ndarray, pos: int) -> int:
    """Write the locking script of an address without its length."""
    return write_script(address & KIND_MASK, key_prefix(pen, address), payload, out, i64(pos))


@kernel
def write_script(kind: int, prefix: int, payload: np.ndarray, out: np.ndarray, pos: int) -> int:
    """Write a locking script without its length; `prefix` is the key's first byte, for P2PK."""
    start, size = pos + 2, 20
    if kind in (P2PKH, P2PKH_UNCOMPRESSED):
        out[pos], out[pos + 1], out[pos + 2] = 0x76, 0xA9, 20
        start = pos + 3
    elif kind in (NESTED, P2SH_MULTISIG):
        out[pos], out[pos + 1] = 0xA9, 20
    elif kind == P2WPKH:
        out[pos], out[pos + 1] = 0, 20
    else:
        size = 32
        out[pos], out[pos + 1] = 0, 32
        if kind == P2TR:
            out[pos] = 0x51
        elif kind == P2PK:
            out[pos], out[pos + 1] = KEY, prefix
    out[start : start + size] = payload[:size]
    pos = start + size
    if kind in (P2PKH, P2PKH_UNCOMPRESSED):
        out[pos], out[pos + 1] = 0x88, 0xAC
        pos += 2
    elif kind in (NESTED, P2SH_MULTISIG):
        out[pos] = 0x87
        pos += 1
    elif kind == P2PK:
        out[pos] = 0xAC
        pos += 1
    return pos


@kernel
def write_signature(rng: np.ndarray, swaps: float, out: np.ndarray, pos: int) -> int:
    """Write a length byte and an ECDSA signature in DER form with its type, of random numbers with low S."""
    high = below(rng, 4) == 0  # most programs grind for a short R, some do not
    size = 71 + high
    out[pos], out[pos + 1], out[pos + 2], out[pos + 3] = size, 0x30, size - 3, 0x02
    out[pos + 4] = 32 + high
    out[pos + 5] = 0
    r = pos + 5 + high
    fill(rng, out, r, 32)
    out[r] = (i64(out[r]) | 0x80) if high else (i64(out[r]) & 0x7F) | 0x01
    s = r + 34
    out[s - 2], out[s - 1] = 0x02, 32
    fill(rng, out, s, 32)
    out[s] = (i64(out[s]) & 0x7F) | 0x01
    out[s + 32] = _SWAP if share(rng) < swaps else _ALL
    return pos + 1 + size


@kernel
def has_witness(kind: int) -> bool:
    """Whether spending this kind takes a witness."""
    return kind in (P2WPKH, NESTED, P2WSH, P2TR)


@kernel
def write_script_sig(pen: Pen, address: int, rng: np.ndarray, out: np.ndarray, start: int) -> int:
    """Write the scriptSig with its length (all are shorter than 65,536 bytes)."""
    number, kind, seed = address >> KIND_BITS, address & KIND_MASK, pen.seed
    if kind in (P2WPKH, P2WSH, P2TR):
        out[start] = 0
        return start + 1
    if kind == P2SH_MULTISIG:
        return _write_multisig_sig(pen, number, rng, out, start)
    pos = start + 1
    if kind == NESTED:
        out[pos], out[pos + 1], out[pos + 2] = 22, 0, 20
        # The key is written where later bytes will go, and its hash (with 12 bytes of slack) into place.
        write_key(number, 0, seed, out, pos + 64)
        hash160(pen.context, out, pos + 64, KEY, out[pos + 3 : pos + 35])
        pos += 23
    else:
        pos = write_signature(rng, pen.swaps, out, pos)
        if kind == P2PKH:
            out[pos] = KEY
            pos = write_key(number, 0, seed, out, pos + 1)
        elif kind == P2PKH_UNCOMPRESSED:
            out[pos] = LONG_KEY
            pos = write_long_key(number, seed, out, pos + 1)
    out[start] = pos - start - 1
    return pos


@kernel
def _write_multisig_sig(pen: Pen, number: int, rng: np.ndarray, out: np.ndarray, start: int) -> int:
    """Write OP_0, two signatures and the redeem script, behind a three-byte length."""
    pos = start + 3
    out[pos] = 0
    pos = write_signature(rng, pen.swaps, out, pos + 1)
    pos = write_signature(rng, pen.swaps, out, pos)
    out[pos], out[pos + 1] = 0x4C, MULTISIG
    pos = write_multisig(number, pen.seed, out, pos + 2)
    size = pos - start - 3
    if size < _TWO_BYTES:
        out[start + 1 : start + 1 + size] = out[start + 3 : start + 3 + size]
        out[start] = size
        return pos - 2
    out[start], out[start + 1], out[start + 2] = _TWO_BYTES, size & 0xFF, size >> 8
    return pos


@kernel
def write_witness(pen: Pen, address: int, rng: np.ndarray, out: np.ndarray, pos: int) -> int:
    """Write an input's witness stack; a zero for a kind without one."""
    number, kind, seed = address >> KIND_BITS, address & KIND_MASK, pen.seed
    if kind == P2TR:
        return _write_taproot(rng, out, pos)
    if kind == P2WSH:
        out[pos], out[pos + 1] = 4, 0
        pos = write_signature(rng, pen.swaps, out, pos + 2)
        pos = write_signature(rng, pen.swaps, out, pos)
        out[pos] = MULTISIG
        return write_multisig(number, seed, out, pos + 1)
    if kind in (P2WPKH, NESTED):
        out[pos] = 2
        pos = write_signature(rng, pen.swaps, out, pos + 1)
        out[pos] = KEY
        return write_key(number, 0, seed, out, pos + 1)
    out[pos] = 0
    return pos + 1


@kernel
def _write_taproot(rng: np.ndarray, out: np.ndarray, pos: int) -> int:
    """Write a Schnorr signature; for a script path also a script of 34 to 233 bytes and its control block."""
    script = share(rng) < SCRIPT_PATH_SHARE
    out[pos], out[pos + 1] = (3, 64) if script else (1, 64)
    fill(rng, out, pos + 2, 64)
    pos += 66
    if script:
        size = 34 + below(rng, 200)
        out[pos] = size
        fill(rng, out, pos + 1, size)
        out[pos + 1], out[pos + 34] = 32, 0xAC  # <key> OP_CHECKSIG, then whatever
        pos += 1 + size
        out[pos] = KEY
        fill(rng, out, pos + 1, KEY)
        out[pos + 1] = 0xC0 | i64(draw(rng) & np.uint64(1))
        pos += 1 + KEY
    return pos
