"""A drafted transaction becomes bytes, its hashes, and its undo record, in Core's compressed form."""

from typing import NamedTuple

import numpy as np

from chains.kernels import i64, kernel
from chains.sha256 import new_context, sha256_begin, sha256_feed, sha256d, sha256d_end
from worlds.fast.draws import below, fill
from worlds.fast.rates import (
    MAX_INPUTS,
    NESTED,
    OP_RETURN,
    P2PK,
    P2PKH,
    P2PKH_UNCOMPRESSED,
    P2SH_MULTISIG,
)
from worlds.fast.scripts import (
    has_witness,
    key_prefix,
    make_payload,
    write_script,
    write_script_sig,
    write_witness,
)
from worlds.fast.state import KIND_MASK, SEED, State
from worlds.ledger.blocks import MAX_WEIGHT

MAX_OUTPUTS = 3_000
MAX_TX_BYTES = 500_000  # above the largest draft: MAX_INPUTS inputs of under 700 bytes, MAX_OUTPUTS outputs of under 90
MAX_BLOCK_TX = 5_000
_MAX_DATA = 75  # bytes of an OP_RETURN, so that its push takes one byte
_SCRATCH = 256
_TWO_BYTES = 0xFD
_DIGIT = 0x7F
_TOP_EXPONENT = 9

# Places in Draft.numbers.
N_IN, N_OUT, VERSION, LOCKTIME = range(4)


class Draft(NamedTuple):
    """One transaction as decided, before it is bytes."""

    slots: np.ndarray  # int32: coins to spend
    sequence: np.ndarray  # uint32, per input
    address: np.ndarray  # int64, per output; OP_RETURN alone for data
    value: np.ndarray  # int64, per output
    wallet: np.ndarray  # int32, per output: who gets it, NOBODY for data
    payload: np.ndarray  # uint8 (n, 32), per output: filled in when written
    numbers: np.ndarray  # int64: see the places above


class Page(NamedTuple):
    """Buffers of one block, used again for the next."""

    body: np.ndarray  # uint8: transactions after the coinbase
    undo: np.ndarray  # uint8: their undo records
    txids: np.ndarray  # uint8 (n, 32): row 0 is kept for the coinbase
    wtxids: np.ndarray  # uint8 (n, 32): row 0 stays zero
    scratch: np.ndarray  # uint8
    context: np.ndarray  # for hashing


def new_draft() -> Draft:
    """Room for the largest transaction."""
    return Draft(
        np.zeros(MAX_INPUTS, np.int32),
        np.zeros(MAX_INPUTS, np.uint32),
        np.zeros(MAX_OUTPUTS, np.int64),
        np.zeros(MAX_OUTPUTS, np.int64),
        np.zeros(MAX_OUTPUTS, np.int32),
        np.zeros((MAX_OUTPUTS, 32), np.uint8),
        np.zeros(4, np.int64),
    )


def new_page() -> Page:
    """Room for the largest block."""
    size = MAX_WEIGHT + MAX_TX_BYTES
    return Page(
        np.zeros(size, np.uint8),
        np.zeros(size, np.uint8),
        np.zeros((MAX_BLOCK_TX, 32), np.uint8),
        np.zeros((MAX_BLOCK_TX, 32), np.uint8),
        np.zeros(_SCRATCH, np.uint8),
        new_context(),
    )


@kernel
def write_le(value: int, width: int, out: np.ndarray, pos: int) -> int:
    """Write a number of `width` bytes, lowest first."""
    for n in range(width):
        out[pos + n] = (value >> (8 * n)) & 0xFF
    return pos + width


@kernel
def write_compact(n: int, out: np.ndarray, pos: int) -> int:
    """Write a count below 65,536."""
    if n < _TWO_BYTES:
        out[pos] = n
        return pos + 1
    out[pos] = _TWO_BYTES
    return write_le(n, 2, out, pos + 1)


@kernel
def write_tx(state: State, draft: Draft, page: Page, rng: np.ndarray, pos: int, row: int) -> tuple[int, int]:
    """Write a transaction at `page.body[pos:]` and its hashes to a row; gives its end and its weight."""
    body, numbers, seed = page.body, draft.numbers, state.numbers[SEED]
    witness = False
    for n in range(numbers[N_IN]):
        witness |= has_witness(state.coins.address[draft.slots[n]] & KIND_MASK)
    start = pos
    pos = write_le(numbers[VERSION], 4, body, pos)
    if witness:
        body[pos], body[pos + 1] = 0, 1
        pos += 2
    core_start = pos
    pos = _write_inputs(state, draft, page, rng, pos, seed)
    pos = _write_outputs(draft, page, rng, pos, seed)
    core_end = pos
    if witness:
        for n in range(numbers[N_IN]):
            pos = write_witness(state.coins.address[draft.slots[n]], seed, rng, body, pos)
    end = write_le(numbers[LOCKTIME], 4, body, pos)
    sha256_begin(page.context)
    sha256_feed(page.context, body, start, 4)
    sha256_feed(page.context, body, core_start, core_end - core_start)
    sha256_feed(page.context, body, end - 4, 4)
    sha256d_end(page.context, page.txids[row], 0)
    if witness:
        sha256d(page.context, body, start, end - start, page.wtxids[row], 0)
    else:
        page.wtxids[row, :] = page.txids[row]
    return end, 3 * (core_end - core_start + 8) + end - start


@kernel
def _write_inputs(state: State, draft: Draft, page: Page, rng: np.ndarray, pos: int, seed: int) -> int:
    coins, body = state.coins, page.body
    n_in = draft.numbers[N_IN]
    pos = write_compact(n_in, body, pos)
    for n in range(n_in):
        slot = draft.slots[n]
        body[pos : pos + 32] = coins.txid[slot]
        pos = write_le(coins.vout[slot], 4, body, pos + 32)
        pos = write_script_sig(coins.address[slot], seed, rng, body, pos, page.context)
        pos = write_le(i64(draft.sequence[n]), 4, body, pos)
    return pos


@kernel
def _write_outputs(draft: Draft, page: Page, rng: np.ndarray, pos: int, seed: int) -> int:
    body = page.body
    n_out = draft.numbers[N_OUT]
    pos = write_compact(n_out, body, pos)
    for n in range(n_out):
        address = draft.address[n]
        kind = address & KIND_MASK
        pos = write_le(draft.value[n], 8, body, pos)
        if kind == OP_RETURN:
            size = 1 + below(rng, _MAX_DATA)
            body[pos], body[pos + 1], body[pos + 2] = size + 2, 0x6A, size
            fill(rng, body, pos + 3, size)
            pos += 3 + size
            continue
        make_payload(address, seed, page.scratch, page.context, draft.payload[n])
        prefix = key_prefix(address, seed, page.scratch) if kind == P2PK else 0
        end = write_script(kind, prefix, draft.payload[n], body, pos + 1)
        body[pos] = end - pos - 1
        pos = end
    return pos


@kernel
def write_undo(state: State, draft: Draft, page: Page, pos: int) -> int:
    """Write what a transaction spends at `page.undo[pos:]`; gives its end."""
    coins, undo, seed = state.coins, page.undo, state.numbers[SEED]
    n_in = draft.numbers[N_IN]
    pos = write_compact(n_in, undo, pos)
    for n in range(n_in):
        slot = draft.slots[n]
        pos = write_varint(coins.origin[slot], undo, pos)
        undo[pos] = 0  # where old versions kept the transaction's version
        pos = write_varint(compressed_amount(coins.value[slot]), undo, pos + 1)
        kind = coins.address[slot] & KIND_MASK
        prefix = key_prefix(coins.address[slot], seed, page.scratch) if kind == P2PK else 0
        pos = _write_compressed(kind, prefix, coins.payload[slot], undo, pos)
    return pos


@kernel
def _write_compressed(kind: int, prefix: int, payload: np.ndarray, out: np.ndarray, pos: int) -> int:
    size = 20
    if kind in (P2PKH, P2PKH_UNCOMPRESSED):
        out[pos] = 0
    elif kind in (NESTED, P2SH_MULTISIG):
        out[pos] = 1
    elif kind == P2PK:
        out[pos] = prefix
        size = 32
    else:  # kept whole, behind its length plus six
        end = write_script(kind, prefix, payload, out, pos + 1)
        out[pos] = end - pos - 1 + 6
        return end
    out[pos + 1 : pos + 1 + size] = payload[:size]
    return pos + 1 + size


@kernel
def write_varint(n: int, out: np.ndarray, pos: int) -> int:
    """Write Core's base-128 number."""
    digits = 1
    rest = n
    while rest > _DIGIT:
        rest = (rest >> 7) - 1
        digits += 1
    for place in range(digits - 1, -1, -1):
        out[pos + place] = (n & _DIGIT) | (0 if place == digits - 1 else 0x80)
        n = (n >> 7) - 1
    return pos + digits


@kernel
def compressed_amount(value: int) -> int:
    """Core's compressed amount."""
    if value == 0:
        return 0
    exponent = 0
    while value % 10 == 0 and exponent < _TOP_EXPONENT:
        value //= 10
        exponent += 1
    if exponent < _TOP_EXPONENT:
        digit = value % 10
        return 1 + (value // 10 * 9 + digit - 1) * 10 + exponent
    return 1 + (value - 1) * 10 + 9


@kernel
def merkle_root(hashes: np.ndarray, n: int, tree: np.ndarray, context: np.ndarray) -> None:
    """Root over rows 0 to n - 1 of `hashes`, left in `tree[:32]`; `tree` has room for n + 1 hashes."""
    for row in range(n):
        tree[row * 32 : row * 32 + 32] = hashes[row]
    while n > 1:
        if n % 2:
            tree[n * 32 : n * 32 + 32] = tree[(n - 1) * 32 : n * 32]
            n += 1
        n //= 2
        for row in range(n):
            sha256d(context, tree, row * 64, 64, tree, row * 32)
