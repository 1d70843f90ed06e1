"""What the kernels write into: a transaction as decided, the bytes of a block, and notes of what was meant."""

from typing import NamedTuple

import numpy as np

from chains.sha256 import new_context
from worlds.fast.rates import MAX_INPUTS
from worlds.fast.scripts import Pen
from worlds.ledger.blocks import MAX_WEIGHT

MAX_OUTPUTS = 3_000
MAX_TX_BYTES = 500_000  # above the largest draft: MAX_INPUTS inputs of under 700 bytes, MAX_OUTPUTS outputs of under 90
MAX_BLOCK_TX = 5_000
_MOST_INPUTS = MAX_WEIGHT // 164 + MAX_INPUTS  # of a block: an input takes at least 41 bytes without its witness
_MOST_OUTPUTS = MAX_WEIGHT // 124 + MAX_OUTPUTS  # an output at least 31
_SCRIPT_BYTES = MAX_WEIGHT // 4 + MAX_TX_BYTES  # locking scripts of a block
_SCRATCH = 256

# Places in Draft.numbers.
N_IN, N_OUT, VERSION, LOCKTIME, DEED, LEAST = range(6)

# What a transaction was made for, in Draft.numbers[DEED]; the names are those of the truth tables.
PAY, BATCH, SPEND, SWEEP, COINJOIN = range(5)
DEEDS = ("pay", "batch", "spend", "sweep", "coinjoin")

# What an address was first used for, in Notes.role; the names are those of the truth tables.
RECEIVE, CHANGE, DEPOSIT, HOT, MIX, KNOWN = range(6)
ROLES = ("receive", "change", "deposit", "hot", "mix")  # none for KNOWN: the address was used before


class Draft(NamedTuple):
    """One transaction as decided, before it is bytes."""

    slots: np.ndarray  # int32: coins to spend
    owner: np.ndarray  # int32, per input: whose coin it is
    sequence: np.ndarray  # uint32, per input
    address: np.ndarray  # int64, per output; OP_RETURN alone for data, see `orders` for addresses of others
    value: np.ndarray  # int64, per output
    wallet: np.ndarray  # int32, per output: who gets it, NOBODY for data, FOREIGN for an address of others
    change: np.ndarray  # bool, per output
    payload: np.ndarray  # uint8 (n, 32), per output: filled in when written, for addresses of others before
    at: np.ndarray  # int64, per output: where the length of its script stands in the body, once written
    numbers: np.ndarray  # int64: see the places above


class Side(NamedTuple):
    """What all inputs, or all outputs, of a block's transactions have in common."""

    wallet: np.ndarray  # int32
    address: np.ndarray  # int64
    value: np.ndarray  # int64
    ends: np.ndarray  # int32: where its script ends in `scripts`, after a leading zero
    scripts: np.ndarray  # uint8: locking scripts one after the other


class Notes(NamedTuple):
    """The truth about a block, by rows as in Page; without room, none is taken."""

    deed: np.ndarray  # uint8, per row
    payer: np.ndarray  # int32, per row: owner of the first input
    fee: np.ndarray  # int64, per row
    inputs: np.ndarray  # int32, per row: where its inputs end
    outputs: np.ndarray  # int32, per row: where its outputs end
    spent: Side
    made: Side
    origin_txid: np.ndarray  # uint8 (n, 32), per input
    origin_vout: np.ndarray  # int32, per input
    given: np.ndarray  # bool, per input: whether someone outside paid the coin
    change: np.ndarray  # bool, per output
    role: np.ndarray  # uint8, per output
    used: np.ndarray  # bool, per key number: whether its address stands on the chain; kept from block to block


class Page(NamedTuple):
    """Buffers of one block, used again for the next. Row 0 is kept for the coinbase."""

    body: np.ndarray  # uint8: transactions after the coinbase
    undo: np.ndarray  # uint8: their undo records
    txids: np.ndarray  # uint8 (n, 32)
    wtxids: np.ndarray  # uint8 (n, 32): row 0 stays zero
    pen: Pen


class Desk(NamedTuple):
    """All of it: what a block is made with."""

    draft: Draft
    page: Page
    notes: Notes


def new_desk(seed: int, *, swaps: float = 0.0, least: int = 0, notes: bool = False) -> Desk:
    """Room for the largest block of a seed's keys.

    `swaps` is the share of inputs signed as swaps are, `least` the satoshi in every output that is not data.
    """
    size = (MAX_BLOCK_TX, _MOST_INPUTS, _MOST_OUTPUTS) if notes else (0, 0, 0)
    return Desk(_new_draft(least), _new_page(seed, swaps), _new_notes(*size))


def _new_draft(least: int) -> Draft:
    draft = Draft(
        np.zeros(MAX_INPUTS, np.int32),
        np.zeros(MAX_INPUTS, np.int32),
        np.zeros(MAX_INPUTS, np.uint32),
        np.zeros(MAX_OUTPUTS, np.int64),
        np.zeros(MAX_OUTPUTS, np.int64),
        np.zeros(MAX_OUTPUTS, np.int32),
        np.zeros(MAX_OUTPUTS, np.bool_),
        np.zeros((MAX_OUTPUTS, 32), np.uint8),
        np.zeros(MAX_OUTPUTS, np.int64),
        np.zeros(6, np.int64),
    )
    draft.numbers[LEAST] = least
    return draft


def _new_page(seed: int, swaps: float) -> Page:
    size = MAX_WEIGHT + MAX_TX_BYTES
    return Page(
        np.zeros(size, np.uint8),
        np.zeros(size, np.uint8),
        np.zeros((MAX_BLOCK_TX, 32), np.uint8),
        np.zeros((MAX_BLOCK_TX, 32), np.uint8),
        Pen(seed, float(swaps), np.zeros(_SCRATCH, np.uint8), new_context()),
    )


def _new_notes(rows: int, inputs: int, outputs: int) -> Notes:
    return Notes(
        np.zeros(rows, np.uint8),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.int32),
        _new_side(inputs),
        _new_side(outputs),
        np.zeros((inputs, 32), np.uint8),
        np.zeros(inputs, np.int32),
        np.zeros(inputs, np.bool_),
        np.zeros(outputs, np.bool_),
        np.zeros(outputs, np.uint8),
        np.zeros(0, np.bool_),
    )


def _new_side(n: int) -> Side:
    return Side(
        np.zeros(n, np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n + 1, np.int32),
        np.zeros(_SCRIPT_BYTES if n else 0, np.uint8),
    )
