"""What the parties of a large chain do, transaction by transaction, at the rates of `worlds.fast.rates`.

A few services take and make many payments; everyone else is a person with a handful of coins. The inputs of a
transaction belong to one wallet, except in the rare mix of several.
"""

import numpy as np

from chains.kernels import i64, kernel
from worlds.fast.buffers import (
    BATCH,
    COINJOIN,
    DEED,
    LEAST,
    LOCKTIME,
    MAX_OUTPUTS,
    N_IN,
    N_OUT,
    PAY,
    SPEND,
    SWEEP,
    VERSION,
    Draft,
)
from worlds.fast.draws import below, log_normal, pick, share
from worlds.fast.rates import (
    AT_TIP,
    FEE_MEDIAN,
    FEE_SIGMA,
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
    SEQUENCES,
    SERVICE_DEPOSIT,
    SERVICE_HOT,
    SERVICE_KEEPS_CHANGE,
    SHAPE_LIMITS,
    SHAPE_STEPS,
    VALUE_MEDIAN,
    VALUE_SIGMA,
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
    new_address,
    new_wallet,
    program_of,
    room,
    take,
)

HIGHEST_SEQUENCE = 0xFFFFFFFF
INPUT_VBYTES, OUTPUT_VBYTES, OVERHEAD_VBYTES = 95, 33, 11
_TRIES = 12
_PAYMENT = 2  # outputs of the usual payment
_USEFUL = 10_000  # satoshi per output that the first coin should hold
_SMALLEST = 1_000  # satoshi per output that a transaction should have left after its fee
_SERVICE_SPENDS = 5  # inputs from which on only services spend
_SERVICE_PAYS = 8  # outputs from which on only services pay
_TWO_DIGITS = 100
_MIXED_PART = 0.9  # of the smallest coin put into a mix: the value of its equal outputs


@kernel
def plan(state: State, draft: Draft, rng: np.ndarray) -> None:
    """Decide the next transaction and take its coins."""
    if share(rng) < MIX_SHARE and _mix(state, draft, rng):
        return
    limits = SHAPE_LIMITS[pick(rng, SHAPE_STEPS)]
    n_in, n_out = _between(rng, limits[0], limits[1]), _between(rng, limits[2], limits[3])
    wallet = _payer(state, rng, n_in, n_out)
    n_in = min(n_in, i64(state.wallets.n_coins[wallet]))
    total = take_coins(state, draft, wallet, n_in)
    habits(state, draft, rng, wallet)
    fee = fee_rate(rng) * vbytes(n_in, n_out)
    if total - fee < n_out * _SMALLEST or room(state) < 2 * MAX_OUTPUTS:
        n_out = 1
        fee = min(fee, total // 2)
    _choose_outputs(state, draft, rng, wallet, n_out)
    split(draft, rng, total - fee, n_out, PAID_PART)


@kernel
def take_coins(state: State, draft: Draft, wallet: int, n_in: int) -> int:
    """Let a draft spend the newest coins of a wallet; gives their sum."""
    total = i64(0)
    for n in range(n_in):
        draft.slots[n] = take(state, wallet)
        draft.owner[n] = wallet
        total += state.coins.value[draft.slots[n]]
    draft.numbers[N_IN] = n_in
    return total


@kernel
def _between(rng: np.ndarray, low: int, high: int) -> int:
    if low == high:
        return low
    x = share(rng)
    return low + i64((high - low + 1) * x * x * x)


@kernel
def fee_rate(rng: np.ndarray) -> int:
    """Draw what someone pays per virtual byte, in satoshi."""
    return 1 + i64(FEE_MEDIAN * log_normal(rng, FEE_SIGMA))


@kernel
def vbytes(n_in: int, n_out: int) -> int:
    """Virtual size, about, of a transaction."""
    return OVERHEAD_VBYTES + INPUT_VBYTES * n_in + OUTPUT_VBYTES * n_out


@kernel
def some_service(rng: np.ndarray) -> int:
    """Give a service, the first ones more often."""
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
        wallet = some_service(rng) if service else i64(wallets.rich[below(rng, n_rich)])
        if wallets.n_coins[wallet] >= min(n_in, max(1, i64(wallets.n_coins[best]))):
            best = wallet
    return best


@kernel
def habits(state: State, draft: Draft, rng: np.ndarray, wallet: int) -> None:
    """Let version, nSequence and nLockTime follow the wallet's program."""
    program = program_of(state.numbers[SEED], wallet)
    habit, when = program // 6, program // 2 % 3
    draft.numbers[VERSION] = 1 + program % 2
    for n in range(draft.numbers[N_IN]):
        below_highest = below(rng, 3) if habit == len(SEQUENCES) else i64(SEQUENCES[habit])
        draft.sequence[n] = HIGHEST_SEQUENCE - below_highest
    draft.numbers[LOCKTIME] = 0
    tip = state.numbers[HEIGHT] - 1
    if when != NO_LOCKTIME:
        draft.numbers[LOCKTIME] = tip if when == AT_TIP else max(0, tip - below(rng, MAX_BACKDATE))


@kernel
def _choose_outputs(state: State, draft: Draft, rng: np.ndarray, wallet: int, n_out: int) -> None:
    """Choose who gets what: output 0 is the change where there are two or more, until they are shuffled."""
    consolidates = n_out == 1 and draft.numbers[N_IN] >= _SERVICE_SPENDS
    draft.numbers[DEED] = SWEEP if consolidates else SPEND if n_out == 1 else PAY if n_out == _PAYMENT else BATCH
    for n in range(n_out):
        draft.change[n] = n == 0 and n_out > 1
        if consolidates or draft.change[n]:
            draft.wallet[n] = wallet
            draft.address[n] = own_address(state, rng, wallet)
        elif share(rng) < PAYS_SERVICE:
            draft.wallet[n] = some_service(rng)
            draft.address[n] = _deposit(state, rng, i64(draft.wallet[n]))
        else:
            draft.wallet[n] = some_person(state, rng)
            reuse = share(rng) < PERSON_REUSES
            draft.address[n] = (
                state.wallets.last[draft.wallet[n]] if reuse else new_address(state, i64(draft.wallet[n]))
            )
    if n_out > 1 and share(rng) < OP_RETURN_SHARE:
        draft.wallet[n_out] = NOBODY
        draft.change[n_out] = False
        draft.address[n_out] = OP_RETURN
        n_out += 1
    draft.numbers[N_OUT] = n_out


@kernel
def own_address(state: State, rng: np.ndarray, wallet: int) -> int:
    """Give where a wallet puts what it keeps."""
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
def some_person(state: State, rng: np.ndarray) -> int:
    """Give a new wallet, or a known one, recent ones more likely."""
    people = state.numbers[N_WALLETS] - SERVICES
    if people == 0 or share(rng) < NEW_WALLET:
        return new_wallet(state, rng)
    x = share(rng)
    return i64(state.numbers[N_WALLETS] - 1 - i64(people * x * x))


@kernel
def split(draft: Draft, rng: np.ndarray, total: int, n_out: int, part: float) -> None:
    """Pay usual sums, together at most a `part` of `total` satoshi, some of them round; the rest is output 0."""
    weights = np.empty(n_out, np.float64)
    for n in range(n_out):
        weights[n] = VALUE_MEDIAN * log_normal(rng, VALUE_SIGMA)
    scale = min(1.0, part * total / weights.sum())
    left = total
    for n in range(n_out - 1, 0, -1):
        value = max(i64(weights[n] * scale), 1)
        if share(rng) < ROUND_SHARE:
            value = _rounded(min(value, left))
        draft.value[n] = min(max(value, draft.numbers[LEAST]), left)
        left -= draft.value[n]
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
    draft.change[a], draft.change[b] = draft.change[b], draft.change[a]


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
    fee = fee_rate(rng) * vbytes(1, 2)
    draft.numbers[N_IN], draft.numbers[N_OUT], draft.numbers[DEED] = n, 2 * n, COINJOIN
    habits(state, draft, rng, i64(draft.wallet[0]))
    for person in range(n):
        wallet = i64(draft.wallet[2 * person])
        draft.slots[person] = take(state, wallet)
        draft.owner[person] = wallet
        value = state.coins.value[draft.slots[person]]
        draft.change[2 * person], draft.change[2 * person + 1] = False, True
        draft.value[2 * person] = part
        draft.value[2 * person + 1] = max(1, value - part - fee)
        draft.address[2 * person] = new_address(state, wallet)
        draft.address[2 * person + 1] = new_address(state, wallet)
    for a in range(2 * n - 1, 0, -1):
        _swap_outputs(draft, a, below(rng, a + 1))
    return True
