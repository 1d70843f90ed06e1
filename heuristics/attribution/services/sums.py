"""Whose input feeds which output of a joint sweep, by amounts alone.

What is paid to a party is what came in for it, less the fee and a small charge. Where every way of sharing the inputs
out over the outputs agrees on an input, it belongs with that output: the subset sums of BlockSci's CoinJoin test and
the link matrix of Boltzmann (heuristics.md A4), put to sweeps of a custodian.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.attribution.services.habits import Coins

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

MOST_INPUTS: Final = 24  # addresses of one sweep: beyond that sums agree by chance
MOST_OUTPUTS: Final = 4
NOT_ASKED, UNSOLVED, SOLVED = 0, 1, 2  # how a transaction came out
_MOST_STEPS: Final = 1 << 20  # of one search
_ANYWHERE: Final = (1 << MOST_OUTPUTS) - 1
_NOBODY: Final = -1
OWN: Final = -2  # the custodian itself: nobody else's money goes to its own outputs


class Sweep(NamedTuple):
    """One sweep: distinct input addresses with their sums, the largest first, and outputs; values are satoshi.

    `allowed` has per input, as bits, the outputs that it may feed; `spare` is the fee, `least` and `charge` are the
    smallest and the largest share of what somebody brought that is kept.
    """

    number: Ints
    value: Longs
    allowed: Ints
    out_number: Ints
    out_value: Longs
    spare: int
    least: float
    charge: float


class Links(NamedTuple):
    """Addresses and the outputs that they feed for certain.

    `a` is the input address; `to` the one paid, `b` its wallet, or the same where it is of the payer's own wallet.
    `place` is the transaction, `value` what the address brought.
    """

    a: Ints
    b: Ints
    to: Ints
    place: Ints
    value: Longs


class Terms(NamedTuple):
    """What is known before: the party of each address (code, -1), and per wallet what it keeps, at least and at most.

    `lowest` and `worst` take per wallet the smallest and the largest share that was kept where there was one way only.
    """

    name: Ints
    least: Floats
    charge: Floats
    lowest: Floats
    worst: Floats


@kernel
def _fits(sweep: Sweep, left: Longs, slack: int) -> bool:
    """Whether what the outputs get is what was brought for them: one may gain, the others lose a little."""
    gains = 0
    for o in range(len(left)):
        gains += left[o] > 0
        most = np.int64(sweep.charge * sweep.out_value[o]) + sweep.spare
        least = np.int64(sweep.least * sweep.out_value[o])
        if left[o] > slack or left[o] < -most or (left[o] <= 0 and left[o] > -least):
            return False
    return gains <= 1


@kernel
def share_out(sweep: Sweep) -> Ints:
    """Per input, the outputs (as bits) that it feeds in any way of sharing out that conserves amounts.

    Every output gets what feeds it less the charge and the fee; one of them, the custodian's own, takes the charges
    on top. Empty where no way is found, or the search is too long.
    """
    value, left, k = sweep.value, sweep.out_value.copy(), len(sweep.out_value)
    slack = int(sweep.charge * value.sum()) + sweep.spare
    feeds = np.zeros(len(value), np.int32)
    choice = np.full(len(value), np.int32(-1), np.int32)
    i, steps, found = 0, 0, 0
    while i >= 0 and steps < _MOST_STEPS:
        steps += 1
        j = choice[i]
        if j >= 0:
            left[j] += value[i]
        j += 1
        while j < k and not ((sweep.allowed[i] >> j) & 1 and left[j] - value[i] >= -slack):
            j += 1
        if j == k:
            choice[i] = -1
            i -= 1
            continue
        choice[i] = j
        left[j] -= value[i]
        if i < len(value) - 1:
            i += 1
        elif _fits(sweep, left, slack):
            found += 1
            for one in range(len(value)):
                feeds[one] |= np.int32(1) << choice[one]
    if steps >= _MOST_STEPS or not found:
        return np.zeros(0, np.int32)
    return feeds


@kernel
def _inputs(coins: Coins, t: int) -> tuple[Ints, Longs]:
    """Input addresses of a transaction with their sums, the largest first; none where there are too many."""
    number, value, n = np.zeros(MOST_INPUTS, np.int32), np.zeros(MOST_INPUTS, np.int64), 0
    for i in range(coins.in_start[t], coins.in_start[t + 1]):
        at = 0
        while at < n and number[at] != coins.spend_number[i]:
            at += 1
        if at == MOST_INPUTS or coins.spend_value[i] < 0:
            return number[:0], value[:0]
        n = max(n, at + 1)
        number[at] = coins.spend_number[i]
        value[at] += coins.spend_value[i]
    order = np.argsort(-value[:n])
    return number[order], value[order]


@kernel
def _party(wallet: Ints, payer: int, to: int, name: Ints) -> int:
    """Whose an output is, as far as known: of the payer's own wallet by address, of others by wallet."""
    if to < 0:
        return _NOBODY
    return name[to] if wallet[to] == payer else name[wallet[to]]  # type: ignore[no-any-return]


@kernel
def _allowed(wallet: Ints, number: Ints, out_number: Ints, name: Ints) -> Ints:
    """Outputs, as bits, that each input may feed: those of its own party, where both are known."""
    allowed = np.full(len(number), np.int32(_ANYWHERE), np.int32)
    for i in range(len(number)):
        mine = name[number[i]]
        same, other = 0, 0
        for o in range(len(out_number)):
            whose = _party(wallet, wallet[number[0]], out_number[o], name)
            same |= (whose == mine) << o
            known = whose != _NOBODY and mine != _NOBODY  # noqa: PLR1714 -- numba has no `in` for this
            other |= (whose == OWN or known) << o
        allowed[i] = same if same and mine != _NOBODY else _ANYWHERE & ~other
    return allowed


@kernel
def _learn(sweep: Sweep, feeds: Ints, payer: int, terms: Terms) -> None:
    """Note what is kept of what was brought for each output, where there is one way only."""
    brought = np.zeros(len(sweep.out_value), np.int64)
    for i in range(len(feeds)):
        if feeds[i] & (feeds[i] - 1):
            return
        for o in range(len(brought)):
            brought[o] += sweep.value[i] * ((feeds[i] >> o) & 1)
    for o in range(len(brought)):
        lost = brought[o] - sweep.out_value[o]
        if lost > 0:
            terms.worst[payer] = max(terms.worst[payer], lost / brought[o])
            terms.lowest[payer] = min(terms.lowest[payer], max(0, lost - sweep.spare) / brought[o])


@kernel
def _note(wallet: Ints, sweep: Sweep, feeds: Ints, at: tuple[int, int], links: Links) -> int:
    """Write down what a sweep shows, from a row on; the next free row. `at`: the transaction and the row."""
    t, row = at
    for i in range(len(feeds)):
        if feeds[i] & (feeds[i] - 1):
            continue
        o = 0
        while not (feeds[i] >> o) & 1:
            o += 1
        to = sweep.out_number[o]
        if to >= 0:
            # Within the payer's wallet an address stands for itself alone.
            links.b[row] = to if wallet[to] == wallet[sweep.number[i]] else wallet[to]
            links.a[row], links.to[row], links.place[row] = sweep.number[i], to, t
            links.value[row] = sweep.value[i]
            row += 1
    return row


@kernel
def _solve(coins: Coins, wallet: Ints, places: Longs, terms: Terms, links: Links, how: Bytes) -> int:
    """Fill in the links that transactions show and how each came out; how many links there are."""
    row = 0
    for p in range(len(places)):
        t = places[p]
        start, end = coins.out_start[t], coins.out_start[t + 1]
        if end - start < 2 or end - start > MOST_OUTPUTS:  # noqa: PLR2004 -- nothing to share out
            continue
        number, value = _inputs(coins, t)
        if len(number) < 2:  # noqa: PLR2004 -- nothing to share out
            continue
        out_number, out_value = coins.out_number[start:end], coins.out_value[start:end]
        payer = wallet[number[0]]
        spare = value.sum() - out_value.sum()
        allowed = _allowed(wallet, number, out_number, terms.name)
        sweep = Sweep(number, value, allowed, out_number, out_value, spare, terms.least[payer], terms.charge[payer])
        feeds = share_out(sweep)
        how[p] = SOLVED if len(feeds) else UNSOLVED
        _learn(sweep, feeds, payer, terms)
        row = _note(wallet, sweep, feeds, (t, row), links)
    return row


def solve(coins: Coins, wallet: Ints, places: Longs, terms: Terms) -> tuple[Links, Bytes]:
    """Share out the inputs of these transactions, each of which one wallet pays; links, and how each came out."""
    most = int((coins.in_start[places + 1] - coins.in_start[places]).sum())
    a, b, to, place = (np.zeros(most, np.int32) for _ in range(4))
    links, how = Links(a, b, to, place, np.zeros(most, np.int64)), np.zeros(len(places), np.uint8)
    n = _solve(coins, wallet, places, terms, links, how)
    return Links(a[:n], b[:n], to[:n], place[:n], links.value[:n]), how
