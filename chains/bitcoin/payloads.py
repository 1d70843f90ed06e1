"""The distinct addresses of a run of blocks, with what is needed to write them as text again."""

import numpy as np
import pyarrow as pa

from chains.bitcoin.script import (
    COMPRESSED_KEY,
    OP_RETURN,
    P2PK,
    P2PK_UNCOMPRESSED,
    UNCOMPRESSED_KEY,
    Scripts,
    compressed_key,
    payload_place,
)
from chains.kernels import i64, kernel


@kernel
def _copy_payload(scripts: Scripts, i: int, out: np.ndarray, at: int) -> int:
    """Write the payload of script `i` to `out[at:]`; its length."""
    start, size = payload_place(scripts.kind[i], scripts.start[i], i64(scripts.size[i]))
    if scripts.kind[i] == P2PK_UNCOMPRESSED:
        compressed_key(scripts.buf, start, UNCOMPRESSED_KEY, out[at:])
        return COMPRESSED_KEY
    for k in range(size):
        out[at + k] = scripts.buf[start + k]
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
def _gather(
    order: np.ndarray,
    sources: tuple[Scripts, Scripts],
    ids: np.ndarray,
    kinds: np.ndarray,
    blob: tuple[np.ndarray, np.ndarray],
) -> int:
    """Keep one row per distinct (id, payload) among `order`; fills ids, kinds, and blob (bytes, offsets).

    Two scripts with one id (a collision) give two rows, so that the index can see and quarantine them.
    """
    outputs, spent = sources
    out, offsets = blob
    n_outputs = len(outputs.start)
    n, at = 0, 0
    offsets[0] = 0
    for i in order:
        scripts, j = (outputs, i) if i < n_outputs else (spent, i - n_outputs)
        if scripts.kind[j] == OP_RETURN:
            continue
        address = scripts.address_id[j]
        size = _copy_payload(scripts, j, out, at)
        kind = P2PK if scripts.kind[j] == P2PK_UNCOMPRESSED else scripts.kind[j]
        known = False
        k = n - 1
        while k >= 0 and ids[k] == address and not known:
            known = kinds[k] == kind and _same(out, offsets[k], offsets[k + 1] - offsets[k], at, size)
            k -= 1
        if not known:
            ids[n], kinds[n] = address, kind
            at += size
            n += 1
            offsets[n] = at
    return n


def distinct_addresses(outputs: Scripts, spent: Scripts | None) -> list[pa.Array]:
    """Columns of the `address` lake table, sorted by address_id."""
    if spent is None:
        spent = Scripts(outputs.buf, *(column[:0] for column in outputs[1:]))
    all_ids = np.concatenate((outputs.address_id, spent.address_id))
    # A stable order makes the rows the same on every machine, even where two scripts share an id.
    order = np.argsort(all_ids, kind="stable")
    n = len(all_ids)
    ids, kinds, offsets = np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n + 1, np.int64)
    room = int(outputs.size.sum(dtype=np.int64) + spent.size.sum(dtype=np.int64)) + COMPRESSED_KEY
    blob = np.empty(room, np.uint8)
    kept = _gather(order, (outputs, spent), ids, kinds, (blob, offsets))
    payload = pa.BinaryArray.from_buffers(
        pa.binary(),
        kept,
        [None, pa.py_buffer(offsets[: kept + 1].astype(np.int32)), pa.py_buffer(blob[: offsets[kept]])],
    )
    return [pa.array(ids[:kept]), pa.array(kinds[:kept]), payload]
