"""A drafted transaction becomes bytes, its hashes, and its undo record, in Core's compressed form."""

import numpy as np

from chains.kernels import i64, kernel
from chains.sha256 import sha256_begin, sha256_feed, sha256d, sha256d_end
from worlds.fast.buffers import LOCKTIME, N_IN, N_OUT, VERSION, Draft, Page
from worlds.fast.draws import below, fill
from worlds.fast.rates import (
    NESTED,
    OP_RETURN,
    P2PK,
    P2PKH,
    P2PKH_UNCOMPRESSED,
    P2SH_MULTISIG,
    P2WPKH,
    P2WSH,
)
from worlds.fast.scripts import (
    has_witness,
    key_prefix,
    make_payload,
    write_script,
    write_script_sig,
    write_witness,
)
from worlds.fast.state import FOREIGN, KIND_BITS, KIND_MASK, State

_MAX_DATA = 75  # bytes of an OP_RETURN, so that its push takes one byte
_LEGACY_SIGOP = 4  # signature checks outside witnesses count fourfold
_TWO_BYTES = 0xFD
_DIGIT = 0x7F
_TOP_EXPONENT = 9


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
    body, numbers, context = page.body, draft.numbers, page.pen.context
    witness = False
    for n in range(numbers[N_IN]):
        witness |= has_witness(state.coins.address[draft.slots[n]] & KIND_MASK)
    start = pos
    pos = write_le(numbers[VERSION], 4, body, pos)
    if witness:
        body[pos], body[pos + 1] = 0, 1
        pos += 2
    core_start = pos
    pos = _write_inputs(state, draft, page, rng, pos)
    pos = _write_outputs(draft, page, rng, pos)
    core_end = pos
    if witness:
        for n in range(numbers[N_IN]):
            pos = write_witness(page.pen, state.coins.address[draft.slots[n]], rng, body, pos)
    end = write_le(numbers[LOCKTIME], 4, body, pos)
    sha256_begin(context)
    sha256_feed(context, body, start, 4)
    sha256_feed(context, body, core_start, core_end - core_start)
    sha256_feed(context, body, end - 4, 4)
    sha256d_end(context, page.txids[row], 0)
    if witness:
        sha256d(context, body, start, end - start, page.wtxids[row], 0)
    else:
        page.wtxids[row, :] = page.txids[row]
    return end, 3 * (core_end - core_start + 8) + end - start


@kernel
def sigops_of(state: State, draft: Draft) -> int:
    """Count what a transaction adds to a block's limit on signature checks."""
    total = i64(0)
    for n in range(draft.numbers[N_IN]):
        kind = state.coins.address[draft.slots[n]] & KIND_MASK
        if kind == P2SH_MULTISIG:
            total += _LEGACY_SIGOP * 3
        elif kind == P2WSH:
            total += 3
        elif kind in (P2WPKH, NESTED):
            total += 1
    for n in range(draft.numbers[N_OUT]):
        if draft.address[n] & KIND_MASK in (P2PKH, P2PKH_UNCOMPRESSED, P2PK):
            total += _LEGACY_SIGOP
    return total


@kernel
def _write_inputs(state: State, draft: Draft, page: Page, rng: np.ndarray, pos: int) -> int:
    coins, body = state.coins, page.body
    n_in = draft.numbers[N_IN]
    pos = write_compact(n_in, body, pos)
    for n in range(n_in):
        slot = draft.slots[n]
        body[pos : pos + 32] = coins.txid[slot]
        pos = write_le(coins.vout[slot], 4, body, pos + 32)
        pos = write_script_sig(page.pen, coins.address[slot], rng, body, pos)
        pos = write_le(i64(draft.sequence[n]), 4, body, pos)
    return pos


@kernel
def _write_outputs(draft: Draft, page: Page, rng: np.ndarray, pos: int) -> int:
    body = page.body
    n_out = draft.numbers[N_OUT]
    pos = write_compact(n_out, body, pos)
    for n in range(n_out):
        address = draft.address[n]
        kind = address & KIND_MASK
        pos = write_le(draft.value[n], 8, body, pos)
        draft.at[n] = pos
        if kind == OP_RETURN:
            size = 1 + below(rng, _MAX_DATA)
            body[pos], body[pos + 1], body[pos + 2] = size + 2, 0x6A, size
            fill(rng, body, pos + 3, size)
            pos += 3 + size
            continue
        if draft.wallet[n] == FOREIGN:
            prefix = address >> KIND_BITS
        else:
            make_payload(page.pen, address, draft.payload[n])
            prefix = key_prefix(page.pen, address)
        end = write_script(kind, prefix, draft.payload[n], body, pos + 1)
        body[pos] = end - pos - 1
        pos = end
    return pos


@kernel
def write_undo(state: State, draft: Draft, page: Page, pos: int) -> int:
    """Write what a transaction spends at `page.undo[pos:]`; gives its end."""
    coins, undo = state.coins, page.undo
    n_in = draft.numbers[N_IN]
    pos = write_compact(n_in, undo, pos)
    for n in range(n_in):
        slot = draft.slots[n]
        pos = write_varint(coins.origin[slot], undo, pos)
        undo[pos] = 0  # where old versions kept the transaction's version
        pos = write_varint(compressed_amount(coins.value[slot]), undo, pos + 1)
        kind = coins.address[slot] & KIND_MASK
        prefix = key_prefix(page.pen, coins.address[slot])
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
