"""Raw block bytes to structure: where every transaction, input, output and witness lies.

One pass over many blocks at once, all bounds checked: a hostile block gives an error code, never a crash.
Format: the Bitcoin protocol's block message, BIP 144 for witnesses. Like Bitcoin Core, non-canonical
compact sizes and superfluous witness records are refused.
"""

from typing import NamedTuple

import numpy as np

from chains.errors import FormatError
from chains.kernels import i64, kernel

HEADER_BYTES = 80
MIN_TX_BYTES = 60
MIN_INPUT_BYTES = 41
MIN_OUTPUT_BYTES = 9
MAX_COMPACT = 0x02000000  # Core's MAX_SIZE: no length in a message may exceed it

OK = 0
TRUNCATED = 1
NON_CANONICAL = 2
NO_TRANSACTIONS = 3
NO_INPUTS = 4
UNKNOWN_FLAG = 5
SUPERFLUOUS_WITNESS = 6
TRAILING = 7
NO_OUTPUTS = 8
MEANINGS = {
    TRUNCATED: "ends in the middle of a field",
    NON_CANONICAL: "holds a length that is not in its shortest form, or is absurdly large",
    NO_TRANSACTIONS: "has no transactions",
    NO_INPUTS: "has a transaction without inputs",
    UNKNOWN_FLAG: "has a transaction with an unknown extension flag",
    SUPERFLUOUS_WITNESS: "has a transaction whose witness record is empty",
    TRAILING: "has bytes left over after its last transaction",
    NO_OUTPUTS: "has a transaction without outputs",
}


class TxColumns(NamedTuple):
    """One entry per transaction; byte positions point into the raw buffer."""

    start: np.ndarray  # int64: first byte
    size: np.ndarray  # int32: bytes with witness
    witness_start: np.ndarray  # int64: first witness byte, -1 without witness
    version: np.ndarray  # int32
    locktime: np.ndarray  # uint32
    n_in: np.ndarray  # int32, the coinbase's null input counted
    n_out: np.ndarray  # int32


class InputColumns(NamedTuple):
    """One entry per input, the coinbase's null input included."""

    origin: np.ndarray  # int64: where the 32-byte txid of the spent output starts
    prev_vout: np.ndarray  # uint32
    sequence: np.ndarray  # uint32
    script_start: np.ndarray  # int64
    script_size: np.ndarray  # int32
    witness_start: np.ndarray  # int64: first byte after the item count, -1 without
    n_items: np.ndarray  # int32: witness items


class OutputColumns(NamedTuple):
    """One entry per output."""

    value: np.ndarray  # int64, satoshi
    script_start: np.ndarray  # int64
    script_size: np.ndarray  # int32


class Structure(NamedTuple):
    """What `scan` found in a run of blocks; offsets have one entry more than there are parents."""

    block_tx: np.ndarray  # int64 (n_blocks + 1,): first transaction of each block
    tx_in: np.ndarray  # int64 (n_tx + 1,): first input of each transaction
    tx_out: np.ndarray  # int64 (n_tx + 1,)
    tx: TxColumns
    inputs: InputColumns
    outputs: OutputColumns


@kernel
def read_u32(buf: np.ndarray, pos: int) -> np.uint32:
    """Four bytes, little-endian; the caller has checked the bounds."""
    return (
        np.uint32(buf[pos])
        | (np.uint32(buf[pos + 1]) << np.uint32(8))
        | (np.uint32(buf[pos + 2]) << np.uint32(16))
        | (np.uint32(buf[pos + 3]) << np.uint32(24))
    )


@kernel
def read_i64(buf: np.ndarray, pos: int) -> int:
    """Eight bytes, little-endian, signed; the caller has checked the bounds."""
    low = np.uint64(read_u32(buf, pos))
    high = np.uint64(read_u32(buf, pos + 4))
    return i64(low | (high << np.uint64(32)))


@kernel
def read_compact(buf: np.ndarray, pos: int, end: int) -> tuple[int, int]:
    """A compact size at `pos`: (value, next position), or (error code, -1)."""
    if pos >= end:
        return TRUNCATED, -1
    first = i64(buf[pos])
    if first < 253:
        return first, pos + 1
    width = 2 if first == 253 else 4 if first == 254 else 8
    if pos + 1 + width > end:
        return TRUNCATED, -1
    value = i64(0)
    for i in range(min(width, 4)):
        value |= i64(buf[pos + 1 + i]) << i64(8 * i)
    least = 253 if width == 2 else 0x10000
    if width == 8 or value < least or value > MAX_COMPACT:
        return NON_CANONICAL, -1
    return value, pos + 1 + width


@kernel
def _scan_inputs(buf: np.ndarray, pos: int, end: int, count: int, inputs: InputColumns, at: int) -> tuple[int, int]:
    """Read `count` inputs; (OK, next position) or (error, where)."""
    for i in range(at, at + count):
        if pos + MIN_INPUT_BYTES > end:
            return TRUNCATED, pos
        inputs.origin[i] = pos
        inputs.prev_vout[i] = read_u32(buf, pos + 32)
        size, after = read_compact(buf, pos + 36, end)
        if after < 0:
            return size, pos
        if after + size + 4 > end:
            return TRUNCATED, pos
        inputs.script_start[i] = after
        inputs.script_size[i] = size
        inputs.sequence[i] = read_u32(buf, after + size)
        inputs.witness_start[i] = -1
        inputs.n_items[i] = 0
        pos = after + size + 4
    return OK, pos


@kernel
def _scan_outputs(buf: np.ndarray, pos: int, end: int, count: int, outputs: OutputColumns, at: int) -> tuple[int, int]:
    """Read `count` outputs; (OK, next position) or (error, where)."""
    for i in range(at, at + count):
        if pos + MIN_OUTPUT_BYTES > end:
            return TRUNCATED, pos
        outputs.value[i] = read_i64(buf, pos)
        size, after = read_compact(buf, pos + 8, end)
        if after < 0:
            return size, pos
        if after + size > end:
            return TRUNCATED, pos
        outputs.script_start[i] = after
        outputs.script_size[i] = size
        pos = after + size
    return OK, pos


@kernel
def _scan_witness(buf: np.ndarray, pos: int, end: int, count: int, inputs: InputColumns, at: int) -> tuple[int, int]:
    """Read the witness stacks of `count` inputs; (OK, next position) or (error, where)."""
    seen = 0
    for i in range(at, at + count):
        n_items, after = read_compact(buf, pos, end)
        if after < 0:
            return n_items, pos
        inputs.witness_start[i] = after
        inputs.n_items[i] = n_items
        seen += n_items
        pos = after
        for _ in range(n_items):
            size, after = read_compact(buf, pos, end)
            if after < 0:
                return size, pos
            if after + size > end:
                return TRUNCATED, pos
            pos = after + size
    if seen == 0:
        return SUPERFLUOUS_WITNESS, pos
    return OK, pos


@kernel
def _scan_tx(buf: np.ndarray, pos: int, end: int, t: int, found: Structure) -> tuple[int, int]:
    """Read transaction number `t` at `pos`; (OK, next position) or (error, where)."""
    tx, at_in, at_out = found.tx, found.tx_in[t], found.tx_out[t]
    if pos + MIN_TX_BYTES - 9 > end:
        return TRUNCATED, pos
    tx.start[t] = pos
    tx.version[t] = np.int32(read_u32(buf, pos))
    body = pos + 4
    segwit = buf[body] == 0
    if segwit:
        if buf[body + 1] != 1:
            return (NO_INPUTS if buf[body + 1] == 0 else UNKNOWN_FLAG), body
        body += 2
    n_in, after = read_compact(buf, body, end)
    if after < 0:
        return n_in, body
    if n_in == 0:
        return NO_INPUTS, body
    code, after = _scan_inputs(buf, after, end, n_in, found.inputs, at_in)
    if code != OK:
        return code, after
    n_out, next_pos = read_compact(buf, after, end)
    if next_pos < 0:
        return n_out, after
    if n_out == 0:
        return NO_OUTPUTS, after
    code, after = _scan_outputs(buf, next_pos, end, n_out, found.outputs, at_out)
    if code != OK:
        return code, after
    tx.witness_start[t] = -1
    if segwit:
        tx.witness_start[t] = after
        code, after = _scan_witness(buf, after, end, n_in, found.inputs, at_in)
        if code != OK:
            return code, after
    if after + 4 > end:
        return TRUNCATED, after
    tx.locktime[t] = read_u32(buf, after)
    tx.size[t] = after + 4 - pos
    tx.n_in[t] = n_in
    tx.n_out[t] = n_out
    found.tx_in[t + 1] = at_in + n_in
    found.tx_out[t + 1] = at_out + n_out
    return OK, after + 4


@kernel
def _scan(buf: np.ndarray, starts: np.ndarray, sizes: np.ndarray, found: Structure) -> tuple[int, int, int]:
    """Fill `found`; (OK, 0, 0) or (error, block number, byte position within the block)."""
    t = 0
    found.block_tx[0] = found.tx_in[0] = found.tx_out[0] = 0
    for b in range(len(starts)):
        start, end = starts[b], starts[b] + sizes[b]
        if start < 0 or end > len(buf) or sizes[b] < HEADER_BYTES + 1:
            return TRUNCATED, b, 0
        n_tx, pos = read_compact(buf, start + HEADER_BYTES, end)
        if pos < 0:
            return n_tx, b, HEADER_BYTES
        if n_tx == 0:
            return NO_TRANSACTIONS, b, HEADER_BYTES
        if n_tx * MIN_TX_BYTES > end - pos:
            return TRUNCATED, b, HEADER_BYTES
        for _ in range(n_tx):
            code, pos = _scan_tx(buf, pos, end, t, found)
            if code != OK:
                return code, b, pos - start
            t += 1
        if pos != end:
            return TRAILING, b, pos - start
        found.block_tx[b + 1] = t
    return OK, 0, 0


def _allocate(n_blocks: int, n_bytes: int) -> Structure:
    """Room for the most that `n_bytes` can hold; untouched pages cost nothing."""
    tx, inputs, outputs = (n_bytes // least + 1 for least in (MIN_TX_BYTES, MIN_INPUT_BYTES, MIN_OUTPUT_BYTES))
    return Structure(
        np.empty(n_blocks + 1, np.int64),
        np.empty(tx + 1, np.int64),
        np.empty(tx + 1, np.int64),
        TxColumns(*(np.empty(tx, d) for d in ("i8", "i4", "i8", "i4", "u4", "i4", "i4"))),
        InputColumns(*(np.empty(inputs, d) for d in ("i8", "u4", "u4", "i8", "i4", "i8", "i4"))),
        OutputColumns(*(np.empty(outputs, d) for d in ("i8", "i8", "i4"))),
    )


def _trim(found: Structure) -> Structure:
    """Cut every column to what was found."""
    n_tx = found.block_tx[-1]
    n_in, n_out = found.tx_in[n_tx], found.tx_out[n_tx]
    return Structure(
        found.block_tx,
        found.tx_in[: n_tx + 1],
        found.tx_out[: n_tx + 1],
        TxColumns(*(column[:n_tx] for column in found.tx)),
        InputColumns(*(column[:n_in] for column in found.inputs)),
        OutputColumns(*(column[:n_out] for column in found.outputs)),
    )


def scan(buf: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> Structure:
    """Find every transaction, input and output of the blocks at `buf[starts:starts + sizes]`.

    Parameters
    ----------
    buf : uint8 (n_bytes,)
    starts, sizes : int64 (n_blocks,)

    Raises
    ------
    FormatError
        Naming the block (its number in this run) and the byte where reading stopped.
    """
    found = _allocate(len(starts), int(sizes.clip(0).sum()))
    code, block, pos = _scan(buf, starts, sizes, found)
    if code != OK:
        msg = f"block {block} of this run {MEANINGS[code]} (byte {pos} of {sizes[block]})"
        raise FormatError(msg)
    return _trim(found)
