"""The truth about a transaction is noted as it is written: who paid, whose every output is, what is change."""

import numpy as np

from chains.kernels import i64, kernel
from worlds.fast.buffers import (
    CHANGE,
    COINJOIN,
    DEED,
    DEPOSIT,
    HOT,
    KNOWN,
    MIX,
    N_IN,
    N_OUT,
    RECEIVE,
    Draft,
    Notes,
    Page,
)
from worlds.fast.scripts import Pen, make_payload, write_locking
from worlds.fast.state import KIND_BITS, SERVICES, Coins, State, program_of

LONGEST_SCRIPT = 35  # bytes, of an address


@kernel
def note(state: State, draft: Draft, page: Page, notes: Notes, row: int, fee: int) -> None:
    """Note a transaction that stands on the page, before its coins move."""
    notes.deed[row] = draft.numbers[DEED]
    notes.payer[row] = draft.owner[0]
    notes.fee[row] = fee
    notes.inputs[row] = _note_inputs(state.coins, draft, page.pen, notes, i64(notes.inputs[row - 1]))
    notes.outputs[row] = _note_outputs(state.wallets.last, draft, page.body, notes, i64(notes.outputs[row - 1]))


# The loops are in here, not around: a call hands over every array by itself.
@kernel
def _note_inputs(coins: Coins, draft: Draft, pen: Pen, notes: Notes, start: int) -> int:
    side, end = notes.spent, i64(start + draft.numbers[N_IN])
    for to in range(start, end):
        slot = draft.slots[to - start]
        address = coins.address[slot]
        side.wallet[to] = draft.owner[to - start]
        side.address[to] = address
        side.value[to] = coins.value[slot]
        side.ends[to + 1] = write_locking(pen, address, coins.payload[slot], side.scripts, side.ends[to])
        notes.origin_txid[to, :] = coins.txid[slot]
        notes.origin_vout[to] = coins.vout[slot]
        notes.given[to] = coins.given[slot]
    return end


@kernel
def _note_outputs(main: np.ndarray, draft: Draft, body: np.ndarray, notes: Notes, start: int) -> int:
    """`main` is the address given out last, of every wallet."""
    side, end = notes.made, i64(start + draft.numbers[N_OUT])
    for to in range(start, end):
        wallet, address, change = draft.wallet[to - start], draft.address[to - start], draft.change[to - start]
        side.wallet[to] = wallet
        side.address[to] = address
        side.value[to] = draft.value[to - start]
        begin, at = i64(side.ends[to]), draft.at[to - start]
        size = i64(body[at])
        side.scripts[begin : begin + size] = body[at + 1 : at + 1 + size]
        side.ends[to + 1] = begin + size
        notes.change[to] = change
        if wallet < 0 or not first_use(notes.used, address):
            notes.role[to] = KNOWN
        elif wallet < SERVICES and address == main[wallet]:
            notes.role[to] = HOT
        elif change:
            notes.role[to] = CHANGE
        elif draft.numbers[DEED] == COINJOIN:
            notes.role[to] = MIX
        elif wallet >= SERVICES:
            notes.role[to] = RECEIVE
        else:
            notes.role[to] = HOT if wallet == draft.owner[0] else DEPOSIT
    return end


@kernel
def first_use(used: np.ndarray, address: int) -> bool:
    """Whether an address was not on the chain before; from now on it is."""
    number = address >> KIND_BITS
    first = not used[number]
    used[number] = True
    return first


@kernel
def programs_of(seed: int, wallets: np.ndarray, out: np.ndarray) -> None:
    """Give the program number of every wallet."""
    for n in range(len(wallets)):
        out[n] = program_of(seed, wallets[n])


@kernel
def scripts_of(pen: Pen, addresses: np.ndarray, out: np.ndarray, ends: np.ndarray) -> None:
    """Write the locking scripts of addresses one after the other; `ends` begins with a zero."""
    payload = np.zeros(32, np.uint8)
    for n in range(len(addresses)):
        make_payload(pen, addresses[n], payload)
        ends[n + 1] = write_locking(pen, addresses[n], payload, out, ends[n])
