"""CoinJoins that pay equal amounts: small rules over per-transaction measures.

Sources: BlockSci (Kalodner et al. 2020), GraphSense's rules, Stuetz et al. 2022, Dumplings; the thresholds
are those of the published rules. The main false positive is an exchange's batch of equal payouts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics import rules
from heuristics.clusters import psbt
from heuristics.facts import Chunk
from heuristics.rules import Rule

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
BTC: Final = 100_000_000
DUST: Final = 2730
LEAST_INPUTS, LEAST_OUTPUTS = 2, 3


class Shape(NamedTuple):
    """Measures of the transactions that could be CoinJoins: two or more inputs, three or more outputs.

    `mode` is the most frequent output value (the largest of several), `n_mode` how often; `tiers` counts the
    values seen at least twice, `repeated` the outputs that have one; `in_top` is the number of inputs of the
    busiest input address; `entrants` counts the inputs worth 100 to 110,000 satoshi more than the mode.
    OP_RETURN outputs do not count. Of the inputs whose origin is unresolved (`unknown` many) each may be
    another party's: they count as different addresses, and for no value.
    """

    t: Longs
    n_in: Longs
    n_out: Longs
    in_addresses: Longs
    out_addresses: Longs
    in_top: Longs
    in_least: Longs
    in_most: Longs
    out_least: Longs
    out_sum: Longs
    mode: Longs
    n_mode: Longs
    tiers: Longs
    repeated: Longs
    entrants: Longs
    unknown: Longs


class Verdicts(NamedTuple):
    """Multi-party transactions of a segment, in chain order: `t` is the position in the segment."""

    t: Longs
    rule: npt.NDArray[np.uint8]
    participants: npt.NDArray[np.int32]
    denomination: Longs
    confidence: npt.NDArray[np.uint8]


@kernel
def _candidates(chunk: Chunk) -> Longs:
    """Transactions with enough inputs, enough outputs and two outputs of one value; the cheap sieve."""
    out = np.empty(len(chunk.tx_id), np.int64)
    n = 0
    for t in range(len(chunk.tx_id)):
        first, last = chunk.out_start[t], chunk.out_start[t + 1]
        if chunk.in_start[t + 1] - chunk.in_start[t] < LEAST_INPUTS or last - first < LEAST_OUTPUTS:
            continue
        values = np.sort(chunk.out_value[first:last])
        for i in range(1, len(values)):
            if values[i] == values[i - 1]:
                out[n] = t
                n += 1
                break
    return out[:n]


@kernel
def _distinct(values: npt.NDArray[np.int32]) -> tuple[int, int]:
    """How many different values a sorted array has, and how often the most frequent one stands there."""
    count, top, run = 0, 0, 0
    for i in range(len(values)):
        run = run + 1 if i > 0 and values[i] == values[i - 1] else 1
        count += run == 1
        top = max(top, run)
    return count, top


@kernel
def _measure_values(values: Longs, row: Longs) -> None:
    """Fill mode, n_mode, tiers and repeated from the sorted output values."""
    i = 0
    while i < len(values):
        j = i
        while j < len(values) and values[j] == values[i]:
            j += 1
        if j - i >= row[11]:
            row[10], row[11] = values[i], j - i
        if j - i > 1:
            row[12] += 1
            row[13] += j - i
        i = j


@kernel
def _measure(chunk: Chunk, which: Longs) -> Longs:
    """One row of measures per candidate, in the order of Shape."""
    out = np.zeros((len(which), 16), np.int64)
    for k in range(len(which)):
        t, row = which[k], out[k]
        i0, i1, o0, o1 = chunk.in_start[t], chunk.in_start[t + 1], chunk.out_start[t], chunk.out_start[t + 1]
        paid = chunk.out_number[o0:o1] >= 0
        values = np.sort(chunk.out_value[o0:o1][paid])
        known = chunk.spend_number[i0:i1] >= 0
        spent = chunk.spend_value[i0:i1][known]
        row[0], row[1], row[2] = t, i1 - i0, len(values)
        row[15] = i1 - i0 - len(spent)
        row[3], row[5] = _distinct(np.sort(chunk.spend_number[i0:i1][known]))
        row[3] += row[15]
        row[4] = _distinct(np.sort(chunk.out_number[o0:o1][paid]))[0]
        if len(values) > 0:
            row[8], row[9] = values[0], values.sum()
        _measure_values(values, row)
        row[6], row[7] = (spent.min(), spent.max()) if len(spent) > 0 else (row[10], row[10])
        row[14] = ((spent >= row[10] + 100) & (spent <= row[10] + 110_000)).sum()
    return out


def shapes(chunk: Chunk) -> Shape:
    """Measure a segment's candidates."""
    rows = _measure(chunk, _candidates(chunk))
    return Shape(*(np.ascontiguousarray(rows[:, i]) for i in range(rows.shape[1])))


def _plain_shape(s: Shape) -> Flags:
    """BlockSci's test: half the outputs, rounded up, are equal, and as many parties could have paid."""
    participants = (s.n_out + 1) // 2
    parties = (participants <= s.n_in) & (participants <= s.in_addresses)
    amount = (s.n_mode == participants) & (s.mode != 546) & (s.mode != DUST)  # noqa: PLR2004
    found: Flags = parties & (s.n_out >= LEAST_OUTPUTS) & amount
    return found


def _joinmarket(s: Shape) -> Flags:
    """At least three equal outputs, half of all or more, with change beside them."""
    parties = (s.n_mode >= 3) & (s.n_mode <= s.in_addresses) & (2 * s.n_mode >= s.n_out)  # noqa: PLR2004
    many = (s.n_in >= 50) & ((s.n_in > 20 * s.n_mode) | (10 * s.n_out < 17 * s.n_mode))  # noqa: PLR2004
    found: Flags = parties & (s.mode > DUST) & (s.out_addresses == s.n_out) & (s.n_out > s.n_mode) & ~many
    return found


def _wasabi_round(s: Shape) -> Flags:
    """What both Wasabi 1 rules ask, whatever the amount."""
    parties = (s.n_in >= 10) & (s.n_mode >= 3) & (2 * s.n_mode >= s.n_out - 1)  # noqa: PLR2004
    scripts = (s.n_mode <= s.in_addresses) & (s.in_addresses <= 7 * s.n_mode) & (10 * s.in_top <= s.n_in)
    split = (s.n_in < 20) & ((s.out_sum - s.n_mode * s.mode) * 10_000 <= s.out_sum)  # noqa: PLR2004
    found: Flags = parties & scripts & (s.out_addresses == s.n_out) & ~split
    return found


def _wasabi1(s: Shape) -> Flags:
    """Equal outputs of 0.1 BTC, give or take five per cent."""
    return _wasabi_round(s) & (np.abs(s.mode - BTC // 10) <= BTC // 200)


def _wasabi11(s: Shape) -> Flags:
    """Equal outputs of a higher level: 0.1 BTC times a power of two, give or take five per cent."""
    level = np.zeros(len(s.t), np.bool_)
    for power in range(1, 15):
        amount = (BTC // 10) << power
        level |= np.abs(s.mode - amount) <= amount // 20
    return _wasabi_round(s) & level


def _wabisabi(s: Shape) -> Flags:
    """Many inputs, three or more repeated amounts that make up half the outputs, no address twice."""
    inputs = (s.n_in >= 20) & (10 * s.in_top <= s.n_in)  # noqa: PLR2004
    outputs = (s.out_least >= 5000) & (s.out_addresses == s.n_out) & (s.tiers >= 3)  # noqa: PLR2004
    found: Flags = inputs & outputs & (2 * s.repeated >= s.n_out - 1) & (s.repeated < s.n_out)
    return found


def _whirlpool(s: Shape) -> Flags:
    """Five to eight inputs and as many outputs, all of a pool's size; one to four inputs pay the fee."""
    pool = np.isin(s.mode, [100_000, 1_000_000, 5_000_000, 50_000_000])
    equal = (s.n_in == s.n_out) & (s.n_mode == s.n_out) & (s.n_in >= 5) & (s.n_in <= 8)  # noqa: PLR2004
    apart = (s.in_addresses == s.n_in) & (s.out_addresses == s.n_out)
    paid = (s.in_least >= s.mode) & (s.in_most <= s.mode + 110_000)
    entered = (s.entrants + s.unknown >= 1) & (s.entrants <= 4)  # noqa: PLR2004
    found: Flags = pool & equal & apart & paid & entered
    return found


@dataclass(frozen=True, slots=True)
class Test:
    """A rule and how it judges shapes."""

    rule: Rule
    judge: Callable[[Shape], Flags]
    counts: bool = True


# The first that fires names the transaction: the most specific and confident come first.
TESTS: Final = (
    Test(rules.WASABI1, _wasabi1),
    Test(rules.WHIRLPOOL, _whirlpool),
    Test(rules.WASABI11, _wasabi11),
    Test(rules.WABISABI, _wabisabi, counts=False),
    Test(rules.JOINMARKET, _joinmarket),
    Test(rules.COINJOIN_SHAPE, _plain_shape),
)


def verdicts(chunk: Chunk) -> Verdicts:
    """Every multi-party transaction of a segment: CoinJoins and PSBT swaps."""
    shape = shapes(chunk)
    rule = np.zeros(len(shape.t), np.uint8)
    counted = np.zeros(len(shape.t), np.bool_)
    for test in reversed(TESTS):
        fires = test.judge(shape)
        rule[fires] = test.rule.id
        counted[fires] = test.counts
    joined = rule > 0
    swapped = np.setdiff1d(np.flatnonzero(psbt.swaps(chunk)), shape.t[joined])
    none = np.zeros(len(swapped), np.int64)
    where = np.concatenate([shape.t[joined], swapped])
    rule = np.concatenate([rule[joined], np.full(len(swapped), rules.PSBT_SWAP.id, np.uint8)])
    participants = np.concatenate([np.where(counted, shape.n_mode, 0)[joined], none]).astype(np.int32)
    denomination = np.concatenate([np.where(counted, shape.mode, 0)[joined], none])
    order = np.argsort(where, kind="stable")
    return Verdicts(where[order], rule[order], participants[order], denomination[order], _CONFIDENCE[rule[order]])


_CONFIDENCE: Final = np.zeros(256, np.uint8)
for _rule in rules.RULES:
    _CONFIDENCE[_rule.id] = _rule.confidence
