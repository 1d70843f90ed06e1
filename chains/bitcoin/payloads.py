"""The distinct addresses of a run of blocks, with what is needed to write them as text again."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from chains.bitcoin.script import (
    COMPRESSED_KEY,
    OP_RETURN,
    P2PK,
    P2PK_UNCOMPRESSED,
    P2PKH,
    P2SH,
    P2TR,
    P2WPKH,
    P2WSH,
    UNCOMPRESSED_KEY,
    Scripts,
    compressed_key,
    payload_place,
)
from chains.ids import siphash24
from chains.kernels import i64, kernel

_LONGEST_TEMPLATE = 64  # bytes; P2PK with a compressed key has 35


class Rows(NamedTuple):
    """Distinct addresses while they are gathered."""

    address_id: np.ndarray  # int64
    kind: np.ndarray  # uint8
    offset: np.ndarray  # int64, one more than there are rows
    payload: np.ndarray  # uint8, one after the other


@kernel
def _copy_payload(buf: np.ndarray, kind: int, place: tuple[int, int], out: np.ndarray, at: int) -> int:
    """Write the payload of the script at `place` (start, size) to `out[at:]`; its length."""
    start, size = payload_place(kind, place[0], place[1])
    if kind == P2PK_UNCOMPRESSED:
        compressed_key(buf, start, UNCOMPRESSED_KEY, out[at:])
        return COMPRESSED_KEY
    for k in range(size):
        out[at + k] = buf[start + k]
    return size


@kernel
def _same(out: np.ndarray, a: int, a_size: int, b: int, b_size: int) -> bool:
    """Whether two payloads in `out` are equal."""
    if a_size != b_size:
        return False
    for k in range(a_size):
        if out[a + k] != out[b + k]:
            return False
    return True


@kernel
def _gather(scripts: Scripts, is_spent: np.ndarray, spent_buf: np.ndarray, rows: Rows) -> int:
    """Keep one row per distinct (id, payload) among scripts that are sorted by id; how many.

    Scripts that were spent lie in the second buffer. Two scripts with one id (a collision) give two rows, so
    that the index can see and quarantine them.
    """
    n, at = 0, 0
    rows.offset[0] = 0
    for i in range(len(scripts.start)):
        kind = i64(scripts.kind[i])
        if kind == OP_RETURN:
            continue
        place = (scripts.start[i], i64(scripts.size[i]))
        if is_spent[i]:
            size = _copy_payload(spent_buf, kind, place, rows.payload, at)
        else:
            size = _copy_payload(scripts.buf, kind, place, rows.payload, at)
        kind = P2PK if kind == P2PK_UNCOMPRESSED else kind
        address, known, k = scripts.address_id[i], False, n - 1
        while k >= 0 and rows.address_id[k] == address and not known:
            length = rows.offset[k + 1] - rows.offset[k]
            known = rows.kind[k] == kind and _same(rows.payload, rows.offset[k], length, at, size)
            k -= 1
        if not known:
            rows.address_id[n], rows.kind[n] = address, kind
            at += size
            n += 1
            rows.offset[n] = at
    return n


def distinct_addresses(outputs: Scripts, spent: Scripts | None) -> list[pa.Array]:
    """Columns of the `address` lake table, sorted by address_id."""
    if spent is None:
        spent = Scripts(outputs.buf, *(column[:0] for column in outputs[1:]))
    # A stable order makes the rows the same on every machine, even where two scripts share an id. The columns
    # are put in that order here, because a kernel that hops between them waits for memory at every row.
    order = np.argsort(np.concatenate((outputs.address_id, spent.address_id)), kind="stable")
    columns = (np.concatenate(pair)[order] for pair in zip(outputs[1:], spent[1:], strict=True))
    both = Scripts(outputs.buf, *columns)
    n, room = len(order), int(both.size.sum(dtype=np.int64)) + COMPRESSED_KEY
    rows = Rows(np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n + 1, np.int64), np.empty(room, np.uint8))
    kept = _gather(both, order >= len(outputs.start), spent.buf, rows)
    offsets = pa.py_buffer(rows.offset[: kept + 1].astype(np.int32))
    payload = pa.py_buffer(rows.payload[: rows.offset[kept]])
    return [
        pa.array(rows.address_id[:kept]),
        pa.array(rows.kind[:kept]),
        pa.BinaryArray.from_buffers(pa.binary(), kept, [None, offsets, payload]),
    ]


def ids_of(key: np.ndarray, kinds: np.ndarray, payloads: pa.ChunkedArray) -> np.ndarray:
    """The address_id that each row of the `address` table must have, int64; `key` as in `chains.ids.key_of`."""
    whole = payloads.combine_chunks()
    sizes = np.asarray([len(payload) for payload in whole.to_pylist()], np.int64)
    blob = np.frombuffer(bytearray().join(whole.to_pylist()), np.uint8)
    ids = np.empty(len(kinds), np.int64)
    _hash_payloads(key, kinds.astype(np.int64), blob, sizes, ids)
    return ids


@kernel
def _hash_payloads(key: np.ndarray, kinds: np.ndarray, blob: np.ndarray, sizes: np.ndarray, ids: np.ndarray) -> None:
    """Hash the script around each payload; payloads lie one after the other in `blob`."""
    script = np.empty(_LONGEST_TEMPLATE, np.uint8)
    at = 0
    for i in range(len(kinds)):
        size = sizes[i]
        before, after = _around(kinds[i])
        if before == 0 or before + size + after > len(script):
            ids[i] = siphash24(key, blob, at, size)
        else:
            _put_around(kinds[i], size, script)
            for k in range(size):
                script[before + k] = blob[at + k]
            ids[i] = siphash24(key, script, 0, before + size + after)
        at += size


@kernel
def _around(kind: int) -> tuple[int, int]:
    """Bytes of a locking script before and after its payload."""
    if kind == P2PKH:
        return 3, 2
    if kind == P2SH:
        return 2, 1
    if kind in (P2WPKH, P2WSH, P2TR):
        return 2, 0
    if kind == P2PK:
        return 1, 1
    return 0, 0


@kernel
def _put_around(kind: int, size: int, script: np.ndarray) -> None:
    """Write what stands around a payload of `size` bytes."""
    if kind == P2PKH:
        script[0], script[1], script[2] = 0x76, 0xA9, size
        script[3 + size], script[4 + size] = 0x88, 0xAC
    elif kind == P2SH:
        script[0], script[1], script[2 + size] = 0xA9, size, 0x87
    elif kind == P2PK:
        script[0], script[1 + size] = size, 0xAC
    else:
        script[0], script[1] = (0x51 if kind == P2TR else 0), size
