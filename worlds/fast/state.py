"""Who holds what: wallets, each with a list of unspent coins, in arrays that kernels change in place.

A coin takes one slot; free slots form a list. A wallet's coins form a list from the newest to the oldest.
An address is a number: key number * 16 + script kind; its key and script follow from the number and the seed.
"""

from typing import NamedTuple

import numpy as np

from chains.kernels import i64, kernel
from worlds.fast.draws import below, pick, scrambled, share
from worlds.fast.rates import KIND_STEPS, LOCKTIME_STEPS, NO_LOCKTIME, SEQUENCE_STEPS, VERSION_1_SHARE
from worlds.ledger.blocks import MATURITY

NOBODY = -1
FOREIGN = -2  # someone outside, whose address is given as a script
KIND_BITS = 4
KIND_MASK = 15
SERVICES = 256
BOOK = 512  # deposit addresses that a service remembers

# Places in State.numbers.
N_WALLETS, N_RICH, N_COINS, FREE, NEXT_KEY, SEED, HEIGHT = range(7)


class Coins(NamedTuple):
    """One entry per slot."""

    txid: np.ndarray  # uint8 (n, 32)
    payload: np.ndarray  # uint8 (n, 32): key hash, script hash, program or key, from byte 0
    value: np.ndarray  # int64, satoshi
    address: np.ndarray  # int64
    vout: np.ndarray  # int32
    origin: np.ndarray  # int64: height * 2 + coinbase
    given: np.ndarray  # bool: whether someone outside paid it
    next: np.ndarray  # int32: slot of the wallet's next older coin, or the next free slot


class Wallets(NamedTuple):
    """One entry per wallet; the first `SERVICES` are services."""

    newest: np.ndarray  # int32: slot
    n_coins: np.ndarray  # int32
    kind: np.ndarray  # uint8: script kind
    last: np.ndarray  # int64: address given out last; a service's main address
    place: np.ndarray  # int32: place in `rich`, or NOBODY
    rich: np.ndarray  # int32: wallets that hold coins, in no order


class Credits(NamedTuple):
    """Coins that people were paid from outside, one entry each."""

    wallet: np.ndarray  # int32
    address: np.ndarray  # int64
    txid: np.ndarray  # uint8 (n, 32)
    vout: np.ndarray  # int32
    value: np.ndarray  # int64
    height: np.ndarray  # int64


class State(NamedTuple):
    """Everything that goes on from block to block."""

    coins: Coins
    wallets: Wallets
    book: np.ndarray  # int64 (SERVICES, BOOK): deposit addresses
    unripe: np.ndarray  # int32 (MATURITY,): slot of the coinbase by height, wallet in `unripe_owner`
    unripe_owner: np.ndarray  # int32 (MATURITY,)
    numbers: np.ndarray  # int64: see the places above


def new_state(n_tx: int, seed: int) -> State:
    """Empty arrays, large enough for `n_tx` transactions."""
    slots = n_tx * 2 // 3 + 400_000
    people = n_tx // 2 + 100_000
    coins = Coins(
        txid=np.zeros((slots, 32), np.uint8),
        payload=np.zeros((slots, 32), np.uint8),
        value=np.zeros(slots, np.int64),
        address=np.zeros(slots, np.int64),
        vout=np.zeros(slots, np.int32),
        origin=np.zeros(slots, np.int64),
        given=np.zeros(slots, np.bool_),
        next=np.arange(1, slots + 1, dtype=np.int32),
    )
    wallets = Wallets(
        newest=np.full(people, NOBODY, np.int32),
        n_coins=np.zeros(people, np.int32),
        kind=np.zeros(people, np.uint8),
        last=np.full(people, NOBODY, np.int64),
        place=np.full(people, NOBODY, np.int32),
        rich=np.zeros(people, np.int32),
    )
    numbers = np.zeros(7, np.int64)
    numbers[SEED] = seed
    book = np.full((SERVICES, BOOK), NOBODY, np.int64)
    unripe = np.full(MATURITY, NOBODY, np.int32)
    return State(coins, wallets, book, unripe, np.zeros(MATURITY, np.int32), numbers)


@kernel
def new_wallet(state: State, rng: np.ndarray) -> int:
    """Open a wallet with an address; when there is no room, an existing one is given."""
    numbers, wallets = state.numbers, state.wallets
    if numbers[N_WALLETS] == len(wallets.kind):
        return SERVICES + below(rng, len(wallets.kind) - SERVICES)
    wallet = numbers[N_WALLETS]
    numbers[N_WALLETS] += 1
    wallets.kind[wallet] = pick(rng, KIND_STEPS)
    new_address(state, wallet)
    return i64(wallet)


@kernel
def new_address(state: State, wallet: int) -> int:
    """Give a wallet the next key; it becomes its latest address, for a service only if it has none yet."""
    numbers, wallets = state.numbers, state.wallets
    address = (numbers[NEXT_KEY] << KIND_BITS) | wallets.kind[wallet]
    numbers[NEXT_KEY] += 1
    if wallet >= SERVICES or wallets.last[wallet] == NOBODY:
        wallets.last[wallet] = address
    return i64(address)


@kernel
def program_of(seed: int, wallet: int) -> int:
    """Give the number of a wallet's program, which follows from the wallet's: a place in `rates.PROGRAMS`."""
    program = np.array([scrambled(np.uint64(wallet) ^ np.uint64(seed))])
    version = 0 if share(program) < VERSION_1_SHARE else 1
    sequence = pick(program, SEQUENCE_STEPS)
    locktime = pick(program, LOCKTIME_STEPS) if sequence != 0 else NO_LOCKTIME
    return i64((sequence * 3 + locktime) * 2 + version)


@kernel
def free_slot(state: State) -> int:
    """Take a slot for a coin. The caller has checked that `room` is left."""
    slot = state.numbers[FREE]
    state.numbers[FREE] = state.coins.next[slot]
    state.numbers[N_COINS] += 1
    return i64(slot)


@kernel
def release(state: State, slot: int) -> None:
    """Give the slot of a spent coin back."""
    state.coins.next[slot] = state.numbers[FREE]
    state.numbers[FREE] = slot
    state.numbers[N_COINS] -= 1


@kernel
def room(state: State) -> int:
    """Slots that are free."""
    return i64(len(state.coins.value) - state.numbers[N_COINS])


@kernel
def put(state: State, wallet: int, slot: int) -> None:
    """Add a coin to a wallet."""
    wallets = state.wallets
    state.coins.next[slot] = wallets.newest[wallet]
    wallets.newest[wallet] = slot
    wallets.n_coins[wallet] += 1
    if wallets.n_coins[wallet] == 1:
        last = state.numbers[N_RICH]
        wallets.rich[last] = wallet
        wallets.place[wallet] = last
        state.numbers[N_RICH] += 1


@kernel
def take(state: State, wallet: int) -> int:
    """Take the newest coin from a wallet that has one; its slot stays taken until released."""
    wallets = state.wallets
    slot = wallets.newest[wallet]
    wallets.newest[wallet] = state.coins.next[slot]
    wallets.n_coins[wallet] -= 1
    if wallets.n_coins[wallet] == 0:
        state.numbers[N_RICH] -= 1
        moved = wallets.rich[state.numbers[N_RICH]]
        place = wallets.place[wallet]
        wallets.rich[place] = moved
        wallets.place[moved] = place
        wallets.place[wallet] = NOBODY
    return i64(slot)
