"""What every wallet does with its coins, and who pays whom: the features that the service rules read.

A transaction has a *payer* where all of its inputs are of one wallet. It is a *sweep* where it pays nearly all to one
other wallet, in at most two outputs (heuristics.md B1, rule D). Figures are arrays by the wallet's number; rows of
`Edges` are pairs of a payer and a payee. One pass over the chain and one sort of the pairs.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import i64, kernel
from heuristics.graph import Graph

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

COINBASE: Final = -1
SEVERAL: Final = -2  # inputs of two wallets or more, or of somebody unknown
SWEPT: Final = 90  # percent of what is paid that goes to one wallet in a sweep
MOST_OUTPUTS: Final = 2
PROMPT: Final = 7 * 86_400  # seconds (W of rule D): money of customers is moved on within a week
BATCH: Final = 10  # payees of one transaction (A5: batch payouts have ten outputs or more)
ROUND: Final = 100_000  # satoshi: amounts that are multiples of it are round
_NO_PAYEE: Final = -1


class Coins(NamedTuple):
    """What of the coin graph is read here; the arrays mean what they mean there. `block_time`: seconds."""

    in_start: Longs
    out_start: Longs
    origin: Ints
    spend_value: Longs
    spend_number: Ints
    out_value: Longs
    out_number: Ints
    block_start: Longs
    block_time: Longs


class Habits(NamedTuple):
    """Per wallet, by its number: how often and how much (satoshi); all 0 for numbers that are no wallet's.

    Of transactions that it pays alone: `spends`, of these `sweeps`, `batches`; `sent` to others, of it `swept`;
    `kept` came back to itself. `joint`: transactions that others pay as well. Of its coins that were spent: `spent`,
    of it `prompt` within a week; `waited` is the sum of satoshi times hours. `rewards` coinbases that pay it;
    `paid` amounts paid out, of them `rounded`; `first`, `last` places of transactions (first -1: none).
    """

    spends: Ints
    sweeps: Ints
    batches: Ints
    joint: Ints
    rewards: Ints
    paid: Ints
    rounded: Ints
    first: Ints
    last: Ints
    sent: Longs
    swept: Longs
    kept: Longs
    received: Longs
    spent: Longs
    prompt: Longs
    waited: npt.NDArray[np.float64]


class Edges(NamedTuple):
    """Who paid whom, sorted by payer and payee; payments of sweeps are counted apart, values are satoshi."""

    payer: Ints
    payee: Ints
    n: Ints
    sweeps: Ints
    value: Longs
    swept: Longs
    place: Ints  # the last transaction that shows it


def chosen(edges: Edges, rows: npt.NDArray[Any]) -> Edges:
    """Some of the pairs."""
    return Edges(*(column[rows] for column in edges))


@kernel
def total(who: Ints, weight: Any, n: int) -> Longs:
    """Sum of the weights per wallet, of `n` wallets."""
    out = np.zeros(n, np.int64)
    for i in range(len(who)):
        out[who[i]] += weight[i]
    return out


class Activity(NamedTuple):
    """All that is worked out of the chain for the service rules."""

    payer: Ints
    habits: Habits
    edges: Edges


class _Moves(NamedTuple):
    """One row per output that is paid to another wallet."""

    key: Longs
    value: Longs
    place: Ints
    sweep: Bytes


def coins_of(graph: Graph, times: Longs) -> Coins:
    """Take what is read here out of the coin graph; `times` has seconds since 1970 per block."""
    columns = {name: getattr(graph, name) for name in Coins._fields if name != "block_time"}
    return Coins(block_time=times, **columns)


def activity(coins: Coins, wallet: Ints) -> Activity:
    """Work out who pays, how every wallet behaves, and who pays whom."""
    habits = _empty(len(wallet))
    payer = _payers(coins, wallet, habits)
    n = _count(coins, wallet, payer)
    moves = _Moves(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.uint8))
    _walk(coins, wallet, payer, habits, moves)
    return Activity(payer, habits, _edges(moves))


def _empty(n: int) -> Habits:
    floats, longs = {"waited"}, {"sent", "swept", "kept", "received", "spent", "prompt"}
    columns: dict[str, Any] = {}
    for name in Habits._fields:
        columns[name] = np.zeros(n, np.float64 if name in floats else np.int64 if name in longs else np.int32)
    columns["first"] -= 1
    return Habits(**columns)


@kernel
def _payers(coins: Coins, wallet: Ints, habits: Habits) -> Ints:
    """Who pays each transaction: a wallet, COINBASE or SEVERAL; counts who takes part in what several pay."""
    n_tx = len(coins.in_start) - 1
    payer = np.empty(n_tx, np.int32)
    for t in range(n_tx):
        start, end = coins.in_start[t], coins.in_start[t + 1]
        who = COINBASE
        for i in range(start, end):
            number = coins.spend_number[i]
            one = wallet[number] if number >= 0 else SEVERAL
            if i == start:
                who = one
            elif who != one:
                who = SEVERAL
        payer[t] = who
        if who == SEVERAL:
            for i in range(start, end):
                number = coins.spend_number[i]
                if number >= 0:
                    habits.joint[wallet[number]] += 1
    return payer


@kernel
def _count(coins: Coins, wallet: Ints, payer: Ints) -> int:
    """How many outputs a wallet pays to another one."""
    n = 0
    for t in range(len(payer)):
        if payer[t] >= 0:
            for o in range(coins.out_start[t], coins.out_start[t + 1]):
                number = coins.out_number[o]
                if number >= 0 and wallet[number] != payer[t]:
                    n += 1
    return n


@kernel
def _walk(coins: Coins, wallet: Ints, payer: Ints, habits: Habits, moves: _Moves) -> None:
    """Go through all transactions in chain order and note what each does."""
    row = 0
    for block in range(len(coins.block_start) - 1):
        for t in range(coins.block_start[block], coins.block_start[block + 1]):
            _receive(coins, wallet, payer[t], t, habits)
            if payer[t] >= 0:
                _age(coins, payer[t], t, coins.block_time[block], habits)
                at = (i64(payer[t]), t)
                n = _spread(coins, wallet, at, moves, row)
                _pay(coins, wallet, at, habits, moves, (row, row + n))
                row += n


@kernel
def _seen(habits: Habits, who: int, t: int) -> None:
    if habits.first[who] < 0:
        habits.first[who] = t
    habits.last[who] = t


@kernel
def _receive(coins: Coins, wallet: Ints, payer: int, t: int, habits: Habits) -> None:
    """What others, or a coinbase, pay to each wallet."""
    for o in range(coins.out_start[t], coins.out_start[t + 1]):
        number = coins.out_number[o]
        if number < 0:
            continue
        who = wallet[number]
        _seen(habits, who, t)
        if who != payer:
            habits.received[who] += coins.out_value[o]
        if payer == COINBASE:
            habits.rewards[who] += 1


@kernel
def _age(coins: Coins, payer: int, t: int, now: int, habits: Habits) -> None:
    """How long the coins waited that are spent here."""
    for i in range(coins.in_start[t], coins.in_start[t + 1]):
        value, origin = coins.spend_value[i], coins.origin[i]
        if value < 0 or origin < 0:
            continue
        block = np.searchsorted(coins.block_start, origin, side="right") - 1
        age = max(0, now - coins.block_time[block])
        habits.spent[payer] += value
        habits.waited[payer] += value * (age / 3_600)
        if age <= PROMPT:
            habits.prompt[payer] += value


@kernel
def _spread(coins: Coins, wallet: Ints, at: tuple[int, int], moves: _Moves, row: int) -> int:
    """Write a row for every output of a transaction that another wallet gets; how many. `at`: payer and place."""
    n = 0
    payer, t = at
    for o in range(coins.out_start[t], coins.out_start[t + 1]):
        number = coins.out_number[o]
        if number >= 0 and wallet[number] != payer:
            moves.key[row + n] = (np.int64(payer) << 32) | np.int64(wallet[number])
            moves.value[row + n] = coins.out_value[o]
            moves.place[row + n] = t
            n += 1
    return n


@kernel
def _pay(coins: Coins, wallet: Ints, at: tuple[int, int], habits: Habits, moves: _Moves, rows: tuple[int, int]) -> None:
    """Note whether a transaction is a sweep or a batch, and what its payer pays and keeps; `rows` say whom it pays."""
    payer, t = at
    start, end = rows
    sent, most, kept, n_out = np.int64(0), np.int64(0), np.int64(0), 0
    for i in range(start, end):
        sent += moves.value[i]
        most = max(most, moves.value[i])
        habits.rounded[payer] += moves.value[i] % ROUND == 0
    for o in range(coins.out_start[t], coins.out_start[t + 1]):
        number = coins.out_number[o]
        n_out += number >= 0
        if number >= 0 and wallet[number] == payer:
            kept += coins.out_value[o]
    one = end - start == MOST_OUTPUTS and moves.key[start] == moves.key[end - 1]
    most = sent if one else most
    sweep = n_out <= MOST_OUTPUTS and end > start and 100 * most >= SWEPT * (sent + kept)
    for i in range(start, end):
        moves.sweep[i] = sweep and (one or moves.value[i] == most)
    _seen(habits, payer, t)
    habits.sent[payer] += sent
    habits.kept[payer] += kept
    habits.paid[payer] += end - start
    habits.spends[payer] += end > start
    habits.sweeps[payer] += sweep
    habits.swept[payer] += most if sweep else 0
    habits.batches[payer] += end - start >= BATCH


def _edges(moves: _Moves) -> Edges:
    """Add up the payments of each pair."""
    order = np.argsort(moves.key, kind="stable")
    key = moves.key[order]
    starts = np.flatnonzero(np.diff(key, prepend=np.int64(-1)))
    empty = Edges(*(np.zeros(len(starts), kind) for kind in (*[np.int32] * 4, np.int64, np.int64, np.int32)))
    empty.payer[:] = key[starts] >> 32
    empty.payee[:] = key[starts] & 0xFFFFFFFF
    _add_up(moves, order, np.append(starts, len(key)), empty)
    return empty


@kernel
def _add_up(moves: _Moves, order: Any, starts: Any, edges: Edges) -> None:
    """Sum the rows of each pair; two outputs of one transaction are one payment."""
    for e in range(len(starts) - 1):
        place = _NO_PAYEE
        for i in range(starts[e], starts[e + 1]):
            row = order[i]
            fresh = moves.place[row] != place
            place = moves.place[row]
            edges.n[e] += fresh
            edges.sweeps[e] += fresh and moves.sweep[row] == 1
            edges.value[e] += moves.value[row]
            edges.swept[e] += moves.value[row] if moves.sweep[row] else 0
        edges.place[e] = place
