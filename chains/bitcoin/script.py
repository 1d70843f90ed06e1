"""Locking scripts: what kind they are, what they pay to, and the id of the address.

Kinds follow Bitcoin Core's standard templates (`Solver`). A script is read from any buffer, so that the same
kernel serves outputs in raw blocks and spent outputs in undo data.
"""

from typing import NamedTuple

import numpy as np

from chains.bitcoin.tables import ScriptType
from chains.bitcoin.wire import read_u32
from chains.ids import siphash24
from chains.kernels import i64, kernel

OTHER = int(ScriptType.OTHER)
P2PK = int(ScriptType.P2PK)
P2PK_UNCOMPRESSED = int(ScriptType.P2PK_UNCOMPRESSED)
P2PKH = int(ScriptType.P2PKH)
P2SH = int(ScriptType.P2SH)
P2WPKH = int(ScriptType.P2WPKH)
P2WSH = int(ScriptType.P2WSH)
P2TR = int(ScriptType.P2TR)
MULTISIG = int(ScriptType.MULTISIG)
OP_RETURN = int(ScriptType.OP_RETURN)
WITNESS_UNKNOWN = int(ScriptType.WITNESS_UNKNOWN)

COMPRESSED_KEY = 33
UNCOMPRESSED_KEY = 65
MAX_SCRIPT = 10_000  # consensus: a longer script can never be spent


class Scripts(NamedTuple):
    """One entry per script, with the buffer that holds it."""

    buf: np.ndarray  # uint8
    start: np.ndarray  # int64
    size: np.ndarray  # int32
    kind: np.ndarray  # uint8, ScriptType
    address_id: np.ndarray  # int64; meaningless where `kind` is OP_RETURN


@kernel
def read_push(buf: np.ndarray, pos: int, end: int) -> tuple[int, int]:
    """The push at `pos` of a script: (start, length) of its data, length -1 where it is no push."""
    op = i64(buf[pos])
    if op <= 0x4B:
        start, size = pos + 1, op
    elif op == 0x4C and pos + 2 <= end:
        start, size = pos + 2, i64(buf[pos + 1])
    elif op == 0x4D and pos + 3 <= end:
        start, size = pos + 3, i64(buf[pos + 1]) | (i64(buf[pos + 2]) << 8)
    elif op == 0x4E and pos + 5 <= end:
        start, size = pos + 5, i64(read_u32(buf, pos + 1))
    elif op == 0x4F or 0x51 <= op <= 0x60:
        start, size = pos + 1, 0
    else:
        return pos, -1
    return (start, size) if start + size <= end else (pos, -1)


@kernel
def _is_key(buf: np.ndarray, at: int, size: int) -> bool:
    """Whether bytes have the form of a public key."""
    if size == COMPRESSED_KEY:
        return buf[at] in (2, 3)
    return size == UNCOMPRESSED_KEY and buf[at] in (4, 6, 7)


@kernel
def _small_number(buf: np.ndarray, pos: int) -> tuple[int, int]:
    """A number from 1 to 20 in its shortest form: (number, next position), or (0, pos)."""
    op = i64(buf[pos])
    if 0x51 <= op <= 0x60:
        return op - 0x50, pos + 1
    if op == 1 and 17 <= buf[pos + 1] <= 20:
        return i64(buf[pos + 1]), pos + 2
    return 0, pos


@kernel
def _is_multisig(buf: np.ndarray, start: int, size: int) -> bool:
    """<m> <key>…<key> <n> OP_CHECKMULTISIG with 1 ≤ m ≤ n ≤ 20."""
    last = start + size - 1
    if size < 37 or buf[last] != 0xAE:
        return False
    m, pos = _small_number(buf, start)
    keys = 0
    while pos < last:
        at, length = read_push(buf, pos, last)
        if length < 0 or not _is_key(buf, at, length):
            break
        pos = at + length
        keys += 1
    if pos >= last:
        return False
    n, pos = _small_number(buf, pos)
    return pos == last and 1 <= m <= n == keys


@kernel
def _witness_kind(buf: np.ndarray, start: int, size: int) -> int:
    """The kind of a witness program (BIP 141), or OTHER."""
    if size < 4 or size > 42 or i64(buf[start + 1]) + 2 != size:
        return OTHER
    version, length = buf[start], size - 2
    if version == 0:
        return P2WPKH if length == 20 else P2WSH if length == 32 else OTHER
    if version < 0x51 or version > 0x60:
        return OTHER
    return P2TR if version == 0x51 and length == 32 else WITNESS_UNKNOWN


@kernel
def script_kind(buf: np.ndarray, start: int, size: int) -> int:
    """The ScriptType of `buf[start:start + size]`; the caller has checked the bounds."""
    if size == 0:
        return OTHER
    first, last = buf[start], buf[start + size - 1]
    if first == 0x76:
        is_p2pkh = size == 25 and buf[start + 1] == 0xA9 and buf[start + 2] == 20
        return P2PKH if is_p2pkh and buf[start + 23] == 0x88 and last == 0xAC else OTHER
    if first == 0xA9:
        return P2SH if size == 23 and buf[start + 1] == 20 and last == 0x87 else OTHER
    if first == 0x6A or size > MAX_SCRIPT:
        return OP_RETURN
    if last == 0xAC and i64(first) + 2 == size and _is_key(buf, start + 1, size - 2):
        return P2PK if size == COMPRESSED_KEY + 2 else P2PK_UNCOMPRESSED
    kind = _witness_kind(buf, start, size)
    if kind == OTHER and _is_multisig(buf, start, size):
        return MULTISIG
    return kind


@kernel
def compressed_key(buf: np.ndarray, at: int, size: int, out: np.ndarray) -> None:
    """Write the compressed form of a 33- or 65-byte public key to `out[:33]`."""
    for i in range(COMPRESSED_KEY):
        out[i] = buf[at + i]
    if size == UNCOMPRESSED_KEY:
        out[0] = 2 + (buf[at + UNCOMPRESSED_KEY - 1] & 1)


@kernel
def classify(key: np.ndarray, scripts: Scripts) -> None:
    """Fill `kind` and `address_id` of every script; `key` is two uint64 (`chains.ids.key_of`)."""
    p2pk = np.empty(COMPRESSED_KEY + 2, np.uint8)
    p2pk[0], p2pk[COMPRESSED_KEY + 1] = COMPRESSED_KEY, 0xAC
    buf = scripts.buf
    for i in range(len(scripts.start)):
        start, size = scripts.start[i], i64(scripts.size[i])
        kind = script_kind(buf, start, size)
        scripts.kind[i] = kind
        if kind == P2PK_UNCOMPRESSED:
            compressed_key(buf, start + 1, UNCOMPRESSED_KEY, p2pk[1:])
            scripts.address_id[i] = siphash24(key, p2pk, 0, len(p2pk))
        elif kind == OP_RETURN:
            scripts.address_id[i] = 0
        else:
            scripts.address_id[i] = siphash24(key, buf, start, size)


@kernel
def payload_place(kind: int, start: int, size: int) -> tuple[int, int]:
    """Where the payload of a script lies: (first byte, length); compress a P2PK key after reading it."""
    if kind == P2PKH:
        return start + 3, 20
    if kind == P2SH:
        return start + 2, 20
    if kind in (P2WPKH, P2WSH, P2TR):
        return start + 2, size - 2
    if kind in (P2PK, P2PK_UNCOMPRESSED):
        return start + 1, COMPRESSED_KEY
    return start, size
