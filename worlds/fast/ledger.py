"""Transactions one after the other until a block is full: each is planned, written, and its coins move."""

import numpy as np

from chains.kernels import i64, kernel
from worlds.fast.buffers import (
    BATCH,
    DEED,
    LEAST,
    LOCKTIME,
    N_IN,
    N_OUT,
    VERSION,
    Desk,
    Draft,
)
from worlds.fast.draws import below
from worlds.fast.encode import sigops_of, write_tx, write_undo
from worlds.fast.notes import first_use, note
from worlds.fast.orders import Orders, plan_order
from worlds.fast.plan import HIGHEST_SEQUENCE, OUTPUT_VBYTES, plan, some_person, some_service, split
from worlds.fast.rates import OP_RETURN
from worlds.fast.scripts import Pen, make_payload
from worlds.fast.state import (
    HEIGHT,
    N_RICH,
    N_WALLETS,
    NOBODY,
    SERVICES,
    Credits,
    State,
    free_slot,
    new_address,
    new_wallet,
    put,
    release,
)

_PATIENCE = 64  # drafts given up before a block takes no more, and one for each that it took
_BASE_WEIGHT, _INPUT_WEIGHT, _OUTPUT_WEIGHT = 400, 1_200, 176  # at most; the base has room for an OP_RETURN


@kernel
def fill_block(
    state: State, desk: Desk, rng: np.ndarray, orders: Orders, bounds: tuple[int, int, int]
) -> tuple[int, int, int, int, int, int]:
    """Make transactions, orders among them; gives how many, bytes of body and undo, fees, weight and sigops.

    `bounds` are the most transactions, the weight from which no more begins, and the weight that none may pass.
    """
    n_tx, full, limit = bounds
    draft = desk.draft
    at, undo_at, fees, weight, sigops = i64(0), i64(0), i64(0), i64(0), i64(0)
    done, given_up, asked, n_orders = i64(0), i64(0), i64(0), len(orders.value)
    while done < n_tx and weight < full and state.numbers[N_RICH] > 0 and given_up < _PATIENCE + done:
        order = i64(NOBODY)
        # Every order gets its turn among what is left, at a place of the block that tells nothing.
        if asked < n_orders and below(rng, n_tx - done) < n_orders - asked:
            order = asked
            asked += 1
            if not plan_order(state, draft, rng, orders, order):
                continue
        else:
            plan(state, draft, rng)
        if weight + _heaviest(draft) > limit or _dusty(draft):
            give_up(state, draft)
            given_up += 1
            continue
        if order != NOBODY:
            orders.row[order] = done
        sigops += sigops_of(state, draft)
        at, undo_at, fee, more = commit(state, desk, rng, (at, undo_at, done + 1))
        fees += fee
        weight += more
        done += 1
    return done, at, undo_at, fees, weight, sigops


@kernel
def _heaviest(draft: Draft) -> int:
    """Weight that the draft will not exceed."""
    return i64(_BASE_WEIGHT + _INPUT_WEIGHT * draft.numbers[N_IN] + _OUTPUT_WEIGHT * draft.numbers[N_OUT])


@kernel
def _dusty(draft: Draft) -> bool:
    """Whether an output holds too little."""
    for n in range(draft.numbers[N_OUT]):
        if draft.value[n] < draft.numbers[LEAST] and draft.address[n] != OP_RETURN:
            return True
    return False


@kernel
def give_up(state: State, draft: Draft) -> None:
    """Put the coins of a draft back, the last taken first."""
    for n in range(draft.numbers[N_IN] - 1, -1, -1):
        put(state, draft.owner[n], draft.slots[n])


@kernel
def commit(state: State, desk: Desk, rng: np.ndarray, where: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Write a draft and move its coins; gives the ends of body and undo, the fee and the weight."""
    at, undo_at, row = where
    draft, page = desk.draft, desk.page
    end, weight = write_tx(state, draft, page, rng, at, row)
    undo_end = write_undo(state, draft, page, undo_at)
    coins, fee = state.coins, i64(0)
    for n in range(draft.numbers[N_IN]):
        fee += coins.value[draft.slots[n]]
    for n in range(draft.numbers[N_OUT]):
        fee -= draft.value[n]
    if len(desk.notes.deed) > 0:
        note(state, draft, page, desk.notes, row, fee)
    for n in range(draft.numbers[N_IN]):
        release(state, draft.slots[n])
    for n in range(draft.numbers[N_OUT]):
        if draft.wallet[n] >= 0:
            slot = free_slot(state)
            coins.txid[slot, :] = page.txids[row]
            coins.payload[slot, :] = draft.payload[n]
            coins.value[slot] = draft.value[n]
            coins.address[slot] = draft.address[n]
            coins.vout[slot] = n
            coins.origin[slot] = state.numbers[HEIGHT] * 2
            coins.given[slot] = False
            put(state, draft.wallet[n], slot)
    return end, undo_end, fee, weight


@kernel
def hand_out(state: State, desk: Desk, rng: np.ndarray, slot: int, n_out: int) -> tuple[int, int, int]:
    """Share one ripe reward among many wallets, services first; gives the ends of body and undo and the fee."""
    draft = desk.draft
    draft.slots[0] = slot
    draft.numbers[N_IN], draft.numbers[N_OUT], draft.numbers[VERSION] = 1, n_out, 1
    draft.numbers[LOCKTIME], draft.numbers[DEED] = 0, BATCH
    draft.owner[0] = NOBODY
    draft.sequence[0] = HIGHEST_SEQUENCE
    for n in range(n_out):
        wallet = new_wallet(state, rng) if n % 4 or state.numbers[N_WALLETS] < SERVICES else some_service(rng)
        draft.wallet[n] = wallet
        draft.change[n] = False
        draft.address[n] = i64(state.wallets.last[wallet])
    fee = OUTPUT_VBYTES * n_out
    split(draft, rng, state.coins.value[slot] - fee, n_out, 1.0)
    end, undo_end, paid, _ = commit(state, desk, rng, (i64(0), i64(0), i64(1)))
    return end, undo_end, paid


@kernel
def invite(state: State, rng: np.ndarray, wallets: np.ndarray, addresses: np.ndarray) -> None:
    """Let people make fresh addresses for others to pay."""
    for n in range(len(wallets)):
        wallets[n] = some_person(state, rng)
        addresses[n] = new_address(state, wallets[n])


@kernel
def take_in(state: State, pen: Pen, paid: Credits) -> None:
    """Give people the coins that others paid them."""
    coins = state.coins
    for n in range(len(paid.wallet)):
        slot = free_slot(state)
        coins.txid[slot, :] = paid.txid[n]
        make_payload(pen, paid.address[n], coins.payload[slot])
        coins.value[slot] = paid.value[n]
        coins.address[slot] = paid.address[n]
        coins.vout[slot] = paid.vout[n]
        coins.origin[slot] = paid.height[n] * 2
        coins.given[slot] = True
        put(state, paid.wallet[n], slot)


@kernel
def first_uses(used: np.ndarray, addresses: np.ndarray, out: np.ndarray) -> None:
    """Say of every address whether it was not on the chain before; from now on it is."""
    for n in range(len(addresses)):
        out[n] = first_use(used, addresses[n])
