"""What the parties of a large chain do, transaction by transaction, at the rates of `worlds.fast.rates`.

A few services take and make many payments; everyone else is a person with a handful of coins. The inputs of a
transaction belong to one wallet, except in the rare mix of several.
"""

import numpy as np

from chains.kernels import i64, kernel
from worlds.fast.draws import below, log_normal, pick, scrambled, share
from worlds.fast.encode import (
    LOCKTIME,
    MAX_BLOCK_TX,
    MAX_OUTPUTS,
    N_IN,
    N_OUT,
    VERSION,
    Draft,
    Page,
    write_tx,
    write_undo,
)
from worlds.fast.rates import (
    AT_TIP,
    FEE_MEDIAN,
    FEE_SIGMA,
    LOCKTIME_STEPS,
    MAX_BACKDATE,
    MIX_PEOPLE,
    MIX_SHARE,
    NEW_WALLET,
    NO_LOCKTIME,
    OP_RETURN,
    OP_RETURN_SHARE,
    PAID_BY_SERVICE,
    PAID_PART,
    PAYS_SERVICE,
    PERSON_KEEPS_CHANGE,
    PERSON_REUSES,
    ROUND_SHARE,
    SEQUENCE_STEPS,
    SEQUENCES,
    SERVICE_DEPOSIT,
    SERVICE_HOT,
    SERVICE_KEEPS_CHANGE,
    SHAPE_LIMITS,
    SHAPE_STEPS,
    VALUE_MEDIAN,
    VALUE_SIGMA,
    VERSION_1_SHARE,
)
from worlds.fast.state import (
    BOOK,
    HEIGHT,
    N_RICH,
    N_WALLETS,
    NOBODY,
    SEED,
    SERVICES,
    State,
    free_slot,
    new_address,
    new_wallet,
    put,
    release,
    room,
    take,
)

_TRIES = 12
_HIGHEST_SEQUENCE = 0xFFFFFFFF
_INPUT_VBYTES, _OUTPUT_VBYTES, _OVERHEAD_VBYTES = 95, 33, 11
_USEFUL = 10_000  # satoshi per output that the first coin should hold
_SMALLEST = 1_000  # satoshi per output that a transaction should have left after its fee
_SERVICE_SPENDS = 5  # inputs from which on only services spend
_SERVICE_PAYS = 8  # outputs from which on only services pay
_TWO_DIGITS = 100
_FULL = 3_600_000  # weight from which a block takes no more; the largest transaction weighs under 400,000
_MIXED_PART = 0.9  # of the smallest coin put into a mix: the value of its equal outputs


@kernel
def fill_block(state: State, draft: Draft, page: Page, rng: np.ndarray, n_tx: int) -> tuple[int, int, int, int]:
    """Make up to `n_tx` transactions; gives how many, the bytes of body and undo, and the fees."""
    at, undo_at, fees, weight, done = i64(0), i64(0), i64(0), i64(0), i64(0)
    while done < min(n_tx, MAX_BLOCK_TX - 1) and state.numbers[N_RICH] > 0 and weight < _FULL:
        plan(state, draft, rng)
        at, undo_at, fee, more = commit(state, draft, page, rng, (at, undo_at, done + 1))
        fees += fee
        weight += more
        done += 1
    return done, at, undo_at, fees


@kernel
def commit(
    state: State, draft: Draft, page: Page, rng: np.ndarray, where: tuple[int, int, int]
) -> tuple[int, int, int, int]:
    """Write a draft and move its coins; gives the ends of body and undo, the fee and the weight."""
    at, undo_at, row = where
    end, weight = write_tx(state, draft, page, rng, at, row)
    undo_end = write_undo(state, draft, page, undo_at)
    coins, fee = state.coins, i64(0)
    for n in range(draft.numbers[N_IN]):
        fee += coins.value[draft.slots[n]]
        release(state, draft.slots[n])
    for n in range(draft.numbers[N_OUT]):
        fee -= draft.value[n]
        if draft.wallet[n] != NOBODY:
            slot = free_slot(state)
            coins.txid[slot, :] = page.txids[row]
            coins.payload[slot, :] = draft.payload[n]
            coins.value[slot] = draft.value[n]
            coins.address[slot] = draft.address[n]
            coins.vout[slot] = n
            coins.origin[slot] = state.numbers[HEIGHT] * 2
            put(state, draft.wallet[n], slot)
    return end, undo_end, fee, weight


@kernel
def plan(state: State, draft: Draft, rng: np.ndarray) -> None:
    """Decide the next transaction and take its coins."""
    if share(rng) < MIX_SHARE and _mix(state, draft, rng):
        return
    limits = SHAPE_LIMITS[pick(rng, SHAPE_STEPS)]
    n_in, n_out = _between(rng, limits[0], limits[1]), _between(rng, limits[2], limits[3])
    wallet = _payer(state, rng, n_in, n_out)
    n_in = min(n_in, i64(state.wallets.n_coins[wallet]))
    total = 0
    for n in range(n_in):
        draft.slots[n] = take(state, wallet)
        total += state.coins.value[draft.slots[n]]
    draft.numbers[N_IN] = n_in
    _habits(state, draft, rng, wallet)
    fee = _fee(rng, n_in, n_out)
    if total - fee < n_out * _SMALLEST or room(state) < 2 * MAX_OUTPUTS:
        n_out = 1
        fee = min(fee, total // 2)
    _choose_outputs(state, draft, rng, wallet, n_out)
    _split(draft, rng, total - fee, n_out, PAID_PART)


@kernel
def _between(rng: np.ndarray, low: int, high: int) -> int:
    if low == high:
        return low
    x = share(rng)
    return low + i64((high - low + 1) * x * x * x)


@kernel
def _fee(rng: np.ndarray, n_in: int, n_out: int) -> int:
    rate = 1 + i64(FEE_MEDIAN * log_normal(rng, FEE_SIGMA))
    return rate * (_OVERHEAD_VBYTES + _INPUT_VBYTES * n_in + _OUTPUT_VBYTES * n_out)


@kernel
def _service(rng: np.ndarray) -> int:
    x = share(rng)
    return i64(SERVICES * x * x * x)


@kernel
def _payer(state: State, rng: np.ndarray, n_in: int, n_out: int) -> int:
    """Find a wallet with enough coins; after some tries, the best one seen."""
    wallets, n_rich = state.wallets, state.numbers[N_RICH]
    service = n_in >= _SERVICE_SPENDS or n_out >= _SERVICE_PAYS or share(rng) < PAID_BY_SERVICE
    best = i64(wallets.rich[below(rng, n_rich)])
    for _ in range(_TRIES):
        means = state.coins.value[wallets.newest[best]]
        if wallets.n_coins[best] >= n_in and (best < SERVICES) == service and means >= n_out * _USEFUL:
            break
        wallet = _service(rng) if service else i64(wallets.rich[below(rng, n_rich)])
        if wallets.n_coins[wallet] >= min(n_in, max(1, i64(wallets.n_coins[best]))):
            best = wallet
    return best


@kernel
def _habits(state: State, draft: Draft, rng: np.ndarray, wallet: int) -> None:
    """Let version, nSequence and nLockTime follow the wallet's program, which follows from its number."""
    program = np.array([scrambled(np.uint64(wallet) ^ np.uint64(state.numbers[SEED]))])
    draft.numbers[VERSION] = 1 if share(program) < VERSION_1_SHARE else 2
    habit = pick(program, SEQUENCE_STEPS)
    for n in range(draft.numbers[N_IN]):
        below_highest = below(rng, 3) if habit == len(SEQUENCES) else i64(SEQUENCES[habit])
        draft.sequence[n] = _HIGHEST_SEQUENCE - below_highest
    draft.numbers[LOCKTIME] = 0
    if habit != 0:
        when = pick(program, LOCKTIME_STEPS)
        tip = state.numbers[HEIGHT] - 1
        if when != NO_LOCKTIME:
            draft.numbers[LOCKTIME] = tip if when == AT_TIP else max(0, tip - below(rng, MAX_BACKDATE))


@kernel
def _choose_outputs(state: State, draft: Draft, rng: np.ndarray, wallet: int, n_out: int) -> None:
    """Choose who gets what: output 0 is the change where there are two or more, until they are shuffled."""
    consolidates = n_out == 1 and draft.numbers[N_IN] >= _SERVICE_SPENDS
    for n in range(n_out):
        if consolidates or (n == 0 and n_out > 1):
            draft.wallet[n] = wallet
            draft.address[n] = _own(state, rng, wallet)
        elif share(rng) < PAYS_SERVICE:
            draft.wallet[n] = _service(rng)
            draft.address[n] = _deposit(state, rng, i64(draft.wallet[n]))
        else:
            draft.wallet[n] = _person(state, rng)
            reuse = share(rng) < PERSON_REUSES
            draft.address[n] = (
                state.wallets.last[draft.wallet[n]] if reuse else new_address(state, i64(draft.wallet[n]))
            )
    if n_out > 1 and share(rng) < OP_RETURN_SHARE:
        draft.wallet[n_out] = NOBODY
        draft.address[n_out] = OP_RETURN
        n_out += 1
    draft.numbers[N_OUT] = n_out


@kernel
def _own(state: State, rng: np.ndarray, wallet: int) -> int:
    keeps = SERVICE_KEEPS_CHANGE if wallet < SERVICES else PERSON_KEEPS_CHANGE
    if share(rng) < keeps:
        return i64(state.wallets.last[wallet])
    return new_address(state, wallet)


@kernel
def _deposit(state: State, rng: np.ndarray, service: int) -> int:
    x = share(rng)
    if x < SERVICE_HOT:
        return i64(state.wallets.last[service])
    place = below(rng, BOOK)
    if x < SERVICE_HOT + SERVICE_DEPOSIT and state.book[service, place] != NOBODY:
        return i64(state.book[service, place])
    state.book[service, place] = new_address(state, service)
    return i64(state.book[service, place])


@kernel
def _person(state: State, rng: np.ndarray) -> int:
    """Give a new wallet, or a known one, recent ones more likely."""
    people = state.numbers[N_WALLETS] - SERVICES
    if people == 0 or share(rng) < NEW_WALLET:
        return new_wallet(state, rng)
    x = share(rng)
    return i64(state.numbers[N_WALLETS] - 1 - i64(people * x * x))


@kernel
def _split(draft: Draft, rng: np.ndarray, total: int, n_out: int, part: float) -> None:
    """Pay usual sums, together at most a `part` of `total` satoshi, some of them round; the rest is output 0."""
    weights = np.empty(n_out, np.float64)
    for n in range(n_out):
        weights[n] = VALUE_MEDIAN * log_normal(rng, VALUE_SIGMA)
    scale = min(1.0, part * total / weights.sum())
    left = total
    for n in range(n_out - 1, 0, -1):
        value = min(max(i64(weights[n] * scale), 1), left)
        if share(rng) < ROUND_SHARE:
            value = _rounded(value)
        draft.value[n] = value
        left -= value
    draft.value[0] = left
    if draft.numbers[N_OUT] > n_out:
        draft.value[n_out] = 0
    if n_out > 1:
        _swap_outputs(draft, 0, below(rng, n_out))


@kernel
def _rounded(value: int) -> int:
    """Keep the first two digits."""
    unit = 1
    while value // unit >= _TWO_DIGITS:
        unit *= 10
    return value // unit * unit


@kernel
def _swap_outputs(draft: Draft, a: int, b: int) -> None:
    draft.value[a], draft.value[b] = draft.value[b], draft.value[a]
    draft.address[a], draft.address[b] = draft.address[b], draft.address[a]
    draft.wallet[a], draft.wallet[b] = draft.wallet[b], draft.wallet[a]


@kernel
def _mix(state: State, draft: Draft, rng: np.ndarray) -> bool:
    """Draft a mix: one coin of each of several people, for each an equal output and the rest."""
    people = MIX_PEOPLE + below(rng, MIX_PEOPLE + 1)
    n = 0
    smallest = i64(1) << 62
    for _ in range(3 * people):
        if n == people:
            break
        wallet = i64(state.wallets.rich[below(rng, state.numbers[N_RICH])])
        value = state.coins.value[state.wallets.newest[wallet]]
        known = (draft.wallet[: 2 * n] == wallet).any()
        if wallet < SERVICES or known or value < 100 * _SMALLEST:
            continue
        draft.wallet[2 * n], draft.wallet[2 * n + 1] = wallet, wallet
        smallest = min(smallest, value)
        n += 1
    if n < people:
        return False
    part = i64(smallest * _MIXED_PART)
    fee = _fee(rng, 1, 2)
    draft.numbers[N_IN], draft.numbers[N_OUT] = n, 2 * n
    _habits(state, draft, rng, i64(draft.wallet[0]))
    for person in range(n):
        wallet = i64(draft.wallet[2 * person])
        draft.slots[person] = take(state, wallet)
        value = state.coins.value[draft.slots[person]]
        draft.value[2 * person] = part
        draft.value[2 * person + 1] = max(1, value - part - fee)
        draft.address[2 * person] = new_address(state, wallet)
        draft.address[2 * person + 1] = new_address(state, wallet)
    for a in range(2 * n - 1, 0, -1):
        _swap_outputs(draft, a, below(rng, a + 1))
    return True


@kernel
def hand_out(state: State, draft: Draft, page: Page, rng: np.ndarray, slot: int, n_out: int) -> tuple[int, int, int]:
    """Share one ripe reward among many wallets, services first; gives the ends of body and undo and the fee."""
    draft.slots[0] = slot
    draft.numbers[N_IN], draft.numbers[N_OUT], draft.numbers[VERSION] = 1, n_out, 1
    draft.numbers[LOCKTIME] = 0
    draft.sequence[0] = _HIGHEST_SEQUENCE
    for n in range(n_out):
        wallet = new_wallet(state, rng) if n % 4 or state.numbers[N_WALLETS] < SERVICES else _service(rng)
        draft.wallet[n] = wallet
        draft.address[n] = i64(state.wallets.last[wallet])
    fee = _OUTPUT_VBYTES * n_out
    _split(draft, rng, state.coins.value[slot] - fee, n_out, 1.0)
    end, undo_end, paid, _ = commit(state, draft, page, rng, (i64(0), i64(0), i64(1)))
    return end, undo_end, paid
