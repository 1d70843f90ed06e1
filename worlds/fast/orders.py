"""Payments that someone outside waits for: some person with enough coins makes each."""

from typing import NamedTuple

import numpy as np

from chains.kernels import i64, kernel
from worlds.fast.buffers import DEED, LEAST, N_OUT, PAY, Draft
from worlds.fast.draws import below
from worlds.fast.plan import fee_rate, habits, own_address, take_coins, vbytes
from worlds.fast.state import FOREIGN, N_RICH, NOBODY, SERVICES, State

_TRIES = 64  # people asked at random, before
_SEARCH = 20_000  # all in order, or as many
_MOST_COINS = 30  # of one payer
_OUTPUTS = 2  # the payment and the change


class Orders(NamedTuple):
    """One entry per order, and a limit."""

    address: np.ndarray  # int64: first byte of a shown key * 16 + script kind
    payload: np.ndarray  # uint8 (n, 32): what the script holds
    value: np.ndarray  # int64, satoshi
    row: np.ndarray  # int32: transaction of the block that paid it, from 0, or NOBODY
    vout: np.ndarray  # int32
    refused: np.ndarray  # int64 (1,): value from which on nobody was found rich enough in this block


def new_orders(n: int) -> Orders:
    """Room for `n` orders."""
    return Orders(
        np.zeros(n, np.int64),
        np.zeros((n, 32), np.uint8),
        np.zeros(n, np.int64),
        np.full(n, NOBODY, np.int32),
        np.zeros(n, np.int32),
        np.full(1, np.iinfo(np.int64).max, np.int64),
    )


@kernel
def plan_order(state: State, draft: Draft, rng: np.ndarray, orders: Orders, order: int) -> bool:
    """Draft the payment of an order and take its coins; False where nobody is rich enough."""
    value, rate = orders.value[order], fee_rate(rng)
    if value >= orders.refused[0]:
        return False
    wallet, n_in = _rich_enough(state, rng, value, rate)
    if n_in == 0:
        orders.refused[0] = value
        return False
    change = take_coins(state, draft, wallet, n_in) - value - rate * vbytes(n_in, _OUTPUTS)
    habits(state, draft, rng, wallet)
    n_out = 1 if change < max(1, draft.numbers[LEAST]) else _OUTPUTS
    place = below(rng, n_out)
    draft.numbers[N_OUT], draft.numbers[DEED] = n_out, PAY
    draft.wallet[place], draft.address[place] = FOREIGN, orders.address[order]
    draft.payload[place, :] = orders.payload[order]
    draft.value[place], draft.change[place] = value, False
    if n_out == _OUTPUTS:
        draft.wallet[1 - place], draft.address[1 - place] = wallet, own_address(state, rng, wallet)
        draft.value[1 - place], draft.change[1 - place] = change, True
    orders.vout[order] = place
    return True


@kernel
def _rich_enough(state: State, rng: np.ndarray, value: int, rate: int) -> tuple[int, int]:
    """Find a person who can pay, and how many coins that takes: 0 where nobody is found."""
    n_rich = state.numbers[N_RICH]
    for _ in range(_TRIES):
        wallet = i64(state.wallets.rich[below(rng, n_rich)])
        n_in = _coins_for(state, wallet, value, rate)
        if n_in > 0:
            return wallet, n_in
    start = below(rng, n_rich)
    for n in range(min(n_rich, _SEARCH)):
        wallet = i64(state.wallets.rich[(start + n) % n_rich])
        n_in = _coins_for(state, wallet, value, rate)
        if n_in > 0:
            return wallet, n_in
    return i64(NOBODY), i64(0)


@kernel
def _coins_for(state: State, wallet: int, value: int, rate: int) -> int:
    """Count the newest coins of a person that pay a value and its fee; 0 where they do not, or for a service."""
    if wallet < SERVICES:
        return i64(0)
    wallets, coins = state.wallets, state.coins
    slot, have = wallets.newest[wallet], i64(0)
    for n in range(1, min(i64(wallets.n_coins[wallet]), _MOST_COINS) + 1):
        have += coins.value[slot]
        if have >= value + rate * vbytes(n, _OUTPUTS):
            return i64(n)
        slot = coins.next[slot]
    return i64(0)
