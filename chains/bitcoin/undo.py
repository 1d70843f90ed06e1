"""What a block's inputs spent: Bitcoin Core's undo records, and its REST `spenttxouts` bodies.

Both become the same thing: per spend a value and a locking script in one byte buffer. Core compresses undo
scripts and amounts (`compressor.h`, `undo.h`); a pay-to-public-key script with an uncompressed key is kept
there as x coordinate and parity only, so it comes back here with a y coordinate of which only the last bit
is true. That bit is all that identification needs.
"""

from typing import NamedTuple

import numpy as np

from chains.bitcoin.consensus import MAX_MONEY
from chains.bitcoin.wire import TRUNCATED, Structure, read_compact, read_i64
from chains.errors import VerificationError
from chains.kernels import i64, kernel

OK = 0
WRONG_COUNT = 101
BAD_NUMBER = 102
TRAILING = 103
MEANINGS = {
    TRUNCATED: "ends in the middle of a field",
    WRONG_COUNT: "does not have one spent output for each input of its block",
    BAD_NUMBER: "holds an amount above 21 million coins",
    TRAILING: "has bytes left over",
}
_NOT_A_NUMBER = -1
_SPECIAL_SCRIPTS = 6  # Core compresses six script templates; larger codes are a length plus six


class Prevouts(NamedTuple):
    """One entry per spend in chain order, coinbases left out."""

    value: np.ndarray  # int64, satoshi
    scripts: np.ndarray  # uint8: all locking scripts one after the other
    start: np.ndarray  # int64: where each begins
    size: np.ndarray  # int32


@kernel
def _read_varint(buf: np.ndarray, pos: int, end: int) -> tuple[int, int]:
    """Core's base-128 number: (value, next position), or (_NOT_A_NUMBER, -1)."""
    value = i64(0)
    for _ in range(8):
        if pos >= end:
            return _NOT_A_NUMBER, -1
        byte = i64(buf[pos])
        pos += 1
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, pos
        value += 1
    return _NOT_A_NUMBER, -1


@kernel
def decompress_amount(x: int) -> int:
    """Core's amount compression undone: satoshi, or -1 where it is no amount at all."""
    if x == 0:
        return 0
    x -= 1
    exponent = x % 10
    x //= 10
    if exponent < 9:
        digit = x % 9 + 1
        n = (x // 9) * 10 + digit
    else:
        n = x + 1
    for _ in range(exponent):
        n *= 10
        if n > MAX_MONEY:
            return -1
    return n if n <= MAX_MONEY else -1


@kernel
def _put_template(kind: int, buf: np.ndarray, pos: int, out: np.ndarray, at: int) -> int:
    """Write the script that Core's template number `kind` stands for; its length."""
    if kind == 0:
        out[at], out[at + 1], out[at + 2] = 0x76, 0xA9, 20
        out[at + 3 : at + 23] = buf[pos : pos + 20]
        out[at + 23], out[at + 24] = 0x88, 0xAC
        return 25
    if kind == 1:
        out[at], out[at + 1] = 0xA9, 20
        out[at + 2 : at + 22] = buf[pos : pos + 20]
        out[at + 22] = 0x87
        return 23
    if kind < 4:
        out[at], out[at + 1], out[at + 34] = 33, kind, 0xAC
        out[at + 2 : at + 34] = buf[pos : pos + 32]
        return 35
    out[at], out[at + 1], out[at + 66] = 65, 4, 0xAC
    out[at + 2 : at + 34] = buf[pos : pos + 32]
    out[at + 34 : at + 65] = 0
    out[at + 65] = kind & 1
    return 67


@kernel
def _undo_script(buf: np.ndarray, pos: int, end: int, out: np.ndarray, at: int) -> tuple[int, int]:
    """Read one compressed script into `out[at:]`: (length, next position), or (error, -1)."""
    code, pos = _read_varint(buf, pos, end)
    if pos < 0:
        return TRUNCATED, -1
    if code < _SPECIAL_SCRIPTS:
        stored = 20 if code < 2 else 32
        if pos + stored > end:
            return TRUNCATED, -1
        return _put_template(code, buf, pos, out, at), pos + stored
    size = code - _SPECIAL_SCRIPTS
    if size > end - pos:
        return TRUNCATED, -1
    out[at : at + size] = buf[pos : pos + size]
    return size, pos + size


@kernel
def _undo_coin(buf: np.ndarray, pos: int, end: int, coins: Prevouts, where: tuple[int, int]) -> tuple[int, int]:
    """Read one spent coin as entry `where[0]`, script at `where[1]`: (length, next) or (error, -1)."""
    n, at = where
    code, pos = _read_varint(buf, pos, end)
    if pos >= 0 and code >> 1 > 0:
        _version, pos = _read_varint(buf, pos, end)
    if pos < 0:
        return TRUNCATED, -1
    amount, pos = _read_varint(buf, pos, end)
    if pos < 0:
        return TRUNCATED, -1
    coins.value[n] = decompress_amount(amount)
    if coins.value[n] < 0:
        return BAD_NUMBER, -1
    size, pos = _undo_script(buf, pos, end, coins.scripts, at)
    if pos >= 0:
        coins.start[n], coins.size[n] = at, size
    return size, pos


@kernel
def _plain_coin(buf: np.ndarray, pos: int, end: int, coins: Prevouts, where: tuple[int, int]) -> tuple[int, int]:
    """Read one uncompressed output as entry `where[0]`, script at `where[1]`: (length, next) or (error, -1)."""
    n, at = where
    if pos + 9 > end:
        return TRUNCATED, -1
    coins.value[n] = read_i64(buf, pos)
    size, pos = read_compact(buf, pos + 8, end)
    if pos < 0 or pos + size > end:
        return TRUNCATED, -1
    coins.scripts[at : at + size] = buf[pos : pos + size]
    coins.start[n], coins.size[n] = at, size
    return size, pos + size


@kernel
def _read_block(
    buf: np.ndarray, place: tuple[int, int, bool], found: Structure, b: int, state: tuple[int, int], coins: Prevouts
) -> tuple[int, int, int]:
    """Read one block's record at `place` (position, end, compressed): (code, entries, script bytes) so far."""
    pos, end, compressed = place
    n, at = state
    first = found.block_tx[b] + (1 if compressed else 0)
    last = found.block_tx[b + 1]
    count, pos = read_compact(buf, pos, end)
    if pos < 0:
        return TRUNCATED, n, at
    if count != last - first:
        return WRONG_COUNT, n, at
    for t in range(first, last):
        expected = 0 if t == found.block_tx[b] else found.tx.n_in[t]
        count, pos = read_compact(buf, pos, end)
        if pos < 0:
            return TRUNCATED, n, at
        if count != expected:
            return WRONG_COUNT, n, at
        for _ in range(count):
            if compressed:
                size, pos = _undo_coin(buf, pos, end, coins, (n, at))
            else:
                size, pos = _plain_coin(buf, pos, end, coins, (n, at))
            if pos < 0:
                return size, n, at
            n += 1
            at += size
    return (OK if pos == end else TRAILING), n, at


@kernel
def _read_records(
    buf: np.ndarray, starts: np.ndarray, sizes: np.ndarray, found: Structure, kind: tuple[bool, Prevouts]
) -> tuple[int, int, int]:
    """Read the records of all blocks: (OK, 0, script bytes) or (error, block number, 0)."""
    compressed, coins = kind
    n = at = 0
    for b in range(len(starts)):
        if starts[b] < 0 or starts[b] + sizes[b] > len(buf):
            return TRUNCATED, b, 0
        place = (starts[b], starts[b] + sizes[b], compressed)
        code, n, at = _read_block(buf, place, found, b, (n, at), coins)
        if code != OK:
            return code, b, 0
    return OK, 0, at


def read_prevouts(
    buf: np.ndarray, starts: np.ndarray, sizes: np.ndarray, found: Structure, *, compressed: bool
) -> Prevouts:
    """The outputs that the blocks in `found` spend.

    Parameters
    ----------
    buf : uint8 (n_bytes,)
        Records one after the other: Core's `CBlockUndo` where `compressed`, else `spenttxouts` bodies
        (which have an empty entry for the coinbase).
    starts, sizes : int64 (n_blocks,)
    found : Structure
        The same blocks as `chains.bitcoin.wire.scan` saw them.

    Raises
    ------
    VerificationError
        Naming the block (its number in this run).
    ValueError
        There is not one record for each block.
    """
    if len(starts) != len(found.block_tx) - 1:
        msg = f"{len(starts)} undo records for {len(found.block_tx) - 1} blocks"
        raise ValueError(msg)
    n_spends = int(found.tx_in[-1]) - len(starts)
    room = 3 * int(sizes.clip(0).sum()) + 67
    coins = Prevouts(
        np.empty(max(n_spends, 0), np.int64),
        np.empty(room, np.uint8),
        np.empty(max(n_spends, 0), np.int64),
        np.empty(max(n_spends, 0), np.int32),
    )
    code, block, used = _read_records(buf, starts, sizes, found, (compressed, coins))
    if code != OK:
        msg = f"the undo record of block {block} of this run {MEANINGS.get(code, 'is damaged')}"
        raise VerificationError(msg)
    return coins._replace(scripts=coins.scripts[:used])
