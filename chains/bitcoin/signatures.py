"""What a spend reveals: its witness kind, the signature types it used, and a key that only it shows.

Judged from scriptSig and witness alone, so that every source gives the same answer whether or not it knows
the spent output. Sources: BIP 141, BIP 143, BIP 341 (64-byte signature means SIGHASH_DEFAULT, annex starts
with 0x50, control block is 33 + 32 k bytes), strict DER (BIP 66) for legacy signatures.
"""

from typing import NamedTuple

import numpy as np

from chains.bitcoin.script import COMPRESSED_KEY, UNCOMPRESSED_KEY, compressed_key, read_push
from chains.bitcoin.tables import Sighash, WitnessKind
from chains.bitcoin.wire import InputColumns, read_compact
from chains.ids import siphash24
from chains.kernels import i64, kernel
from chains.sha256 import hash160, new_context

NONE = int(WitnessKind.NONE)
P2WPKH = int(WitnessKind.P2WPKH)
P2WSH = int(WitnessKind.P2WSH)
TAPROOT_KEY = int(WitnessKind.TAPROOT_KEY)
TAPROOT_SCRIPT = int(WitnessKind.TAPROOT_SCRIPT)
NESTED_P2WPKH = int(WitnessKind.NESTED_P2WPKH)
NESTED_P2WSH = int(WitnessKind.NESTED_P2WSH)
OTHER = int(WitnessKind.OTHER)

DEFAULT_BIT = Sighash.DEFAULT
OTHER_BIT = Sighash.OTHER
SCHNORR = 64


class Proofs(NamedTuple):
    """One entry per input: what its signatures show."""

    sighash: np.ndarray  # uint8, Sighash bits
    witness_kind: np.ndarray  # uint8, WitnessKind
    key_id: np.ndarray  # int64: address_id of the revealed key's P2WPKH script
    has_key: np.ndarray  # bool: whether key_id is set


@kernel
def sighash_bit(sighash: int) -> int:
    """The bit of `Sighash` for a signature's last byte."""
    base = sighash & 0x7F
    if base < 1 or base > 3:
        return OTHER_BIT
    return 1 << (base + (3 if sighash & 0x80 else 0))


@kernel
def _is_der(buf: np.ndarray, at: int, size: int) -> bool:
    """Whether bytes look like a DER signature with its sighash byte."""
    return 9 <= size <= 73 and buf[at] == 0x30 and i64(buf[at + 1]) == size - 3 and buf[at + 2] == 2


@kernel
def _signature_bit(buf: np.ndarray, at: int, size: int, schnorr: bool) -> int:
    """The bit of one stack item if it is a signature, else 0."""
    if schnorr:
        if size == SCHNORR:
            return DEFAULT_BIT
        return sighash_bit(i64(buf[at + SCHNORR])) if size == SCHNORR + 1 else 0
    return sighash_bit(i64(buf[at + size - 1])) if _is_der(buf, at, size) else 0


@kernel
def _legacy(buf: np.ndarray, start: int, end: int) -> tuple[int, int, int]:
    """Signature bits of a scriptSig and its last push: (bits, start, length of the last push or -1)."""
    bits, pos = 0, start
    last, last_size, pushes = start, i64(-1), 0
    while pos < end:
        at, size = read_push(buf, pos, end)
        if size < 0:
            return bits, start, -1
        bits |= _signature_bit(buf, at, size, False)
        last, last_size, pos, pushes = at, size, at + size, pushes + 1
    return bits, last, (last_size if pushes > 0 else -1)


@kernel
def _item(buf: np.ndarray, pos: int, end: int, number: int) -> tuple[int, int]:
    """Witness item `number`: (start, length)."""
    size, at = read_compact(buf, pos, end)
    for _ in range(number):
        size, at = read_compact(buf, at + size, end)
    return at, size


@kernel
def _native_kind(buf: np.ndarray, pos: int, end: int, n_items: int) -> tuple[int, int]:
    """Kind of a witness without scriptSig, and how many of its items can be signatures."""
    at, size = _item(buf, pos, end, n_items - 1)
    if n_items >= 2 and size > 0 and buf[at] == 0x50:  # annex: last of several items, starts with 0x50
        n_items -= 1
        at, size = _item(buf, pos, end, n_items - 1)
    if n_items == 1:
        if size in (SCHNORR, SCHNORR + 1):
            return TAPROOT_KEY, 1
        return P2WSH, 0
    if size >= 33 and (size - 33) % 32 == 0 and buf[at] >= 0xC0:
        return TAPROOT_SCRIPT, n_items - 2
    if n_items == 2 and size == COMPRESSED_KEY and buf[at] in (2, 3):
        first, length = _item(buf, pos, end, 0)
        if _is_der(buf, first, length):
            return P2WPKH, 1
    return P2WSH, n_items - 1


@kernel
def _witness_bits(buf: np.ndarray, pos: int, end: int, n_items: int, schnorr: bool) -> int:
    """Signature bits of the first `n_items` witness items."""
    bits = 0
    for _ in range(n_items):
        size, at = read_compact(buf, pos, end)
        if size > 0:
            bits |= _signature_bit(buf, at, size, schnorr)
        pos = at + size
    return bits


@kernel
def _nested_kind(buf: np.ndarray, at: int, size: int) -> int:
    """Kind of a witness behind a scriptSig, from its last push (the redeem script)."""
    if size == 22 and buf[at] == 0 and buf[at + 1] == 20:
        return NESTED_P2WPKH
    if size == 34 and buf[at] == 0 and buf[at + 1] == 32:
        return NESTED_P2WSH
    return OTHER


@kernel
def read_proofs(key: np.ndarray, buf: np.ndarray, inputs: InputColumns, proofs: Proofs) -> None:
    """Fill `proofs` for every input; positions were checked by `wire.scan`."""
    context = new_context()
    program = np.zeros(2 + 32, np.uint8)
    program[1] = 20
    full_key = np.empty(COMPRESSED_KEY, np.uint8)
    end = len(buf)
    for i in range(len(inputs.origin)):
        start, size = inputs.script_start[i], i64(inputs.script_size[i])
        pos, n_items = inputs.witness_start[i], i64(inputs.n_items[i])
        bits, last, last_size = _legacy(buf, start, start + size)
        kind, proofs.has_key[i] = NONE, False
        if n_items > 0 and size == 0:
            kind, n_signatures = _native_kind(buf, pos, end, n_items)
            schnorr = kind in (TAPROOT_KEY, TAPROOT_SCRIPT)
            bits = _witness_bits(buf, pos, end, n_signatures, schnorr)
        elif n_items > 0:
            kind = _nested_kind(buf, last, last_size)
            bits = _witness_bits(buf, pos, end, n_items - 1, False)
            if kind == NESTED_P2WPKH:
                proofs.key_id[i] = siphash24(key, buf, last, 22)
                proofs.has_key[i] = True
        elif last_size == UNCOMPRESSED_KEY and bits != 0 and buf[last] in (4, 6, 7):
            compressed_key(buf, last, UNCOMPRESSED_KEY, full_key)
            hash160(context, full_key, 0, COMPRESSED_KEY, program[2:])
            proofs.key_id[i] = siphash24(key, program, 0, 22)
            proofs.has_key[i] = True
        proofs.sighash[i], proofs.witness_kind[i] = bits, kind
