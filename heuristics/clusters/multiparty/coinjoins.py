"""CoinJoins that pay equal amounts: small rules over per-transaction measures.

Sources: BlockSci (Kalodner et al. 2020), GraphSense's rules, Stuetz et al. 2022, Dumplings; the thresholds
are those of the published rules. The main false positive is an exchange's batch of equal payouts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from heuristics.clusters.multiparty.shapes import LEAST_OUTPUTS, Shape
from heuristics.facts import Longs
from heuristics.rules import multiparty
from heuristics.rules.rule import Rule

Flags = npt.NDArray[np.bool_]
BTC: Final = 100_000_000
DUST: Final = 2730
POOLS: Final = (100_000, 1_000_000, 5_000_000, 50_000_000)
MOST_OVER: Final = 110_000
"""What a coin that enters a Whirlpool mix may be worth more than the pool's amount."""
_NEAR, _WIDE = BTC // 200, BTC // 50


def _plain_shape(s: Shape) -> Flags:
    """BlockSci's test: half the outputs, rounded up, are equal, and as many parties could have paid."""
    participants = (s.n_out + 1) // 2
    parties = (participants <= s.n_in) & (participants <= s.in_addresses)
    amount = (s.n_mode == participants) & (s.mode != 546) & (s.mode != DUST)  # noqa: PLR2004
    found: Flags = parties & (s.n_out >= LEAST_OUTPUTS) & amount
    return found


def _stonewall(s: Shape) -> Flags:
    """Three or four outputs, exactly two of them equal: a payment and its decoy, or two payments of one amount."""
    few = (s.n_out >= LEAST_OUTPUTS) & (s.n_out <= 4) & (s.in_addresses >= 2)  # noqa: PLR2004
    found: Flags = few & (s.n_mode == 2) & (s.tiers == 1) & (s.mode >= 5000)  # noqa: PLR2004
    return found


def _joinmarket(s: Shape) -> Flags:
    """At least three equal outputs, half of all or more, with change beside them."""
    parties = (s.n_mode >= 3) & (s.n_mode <= s.in_addresses) & (2 * s.n_mode >= s.n_out)  # noqa: PLR2004
    many = (s.n_in >= 50) & ((s.n_in > 20 * s.n_mode) | (10 * s.n_out < 17 * s.n_mode))  # noqa: PLR2004
    found: Flags = parties & (s.mode > DUST) & (s.out_addresses == s.n_out) & (s.n_out > s.n_mode) & ~many
    return found


def _wasabi_round(s: Shape) -> Flags:
    """What all Wasabi 1 rules ask, whatever the amount; outputs of higher levels count as equal ones."""
    parties = (s.n_in >= 10) & (s.n_mode >= 3) & (2 * s.levels >= s.n_out - 1)  # noqa: PLR2004
    scripts = (s.n_mode <= s.in_addresses) & (s.in_addresses <= 7 * s.n_mode) & (10 * s.in_top <= s.n_in)
    split = (s.n_in < 20) & ((s.out_sum - s.n_mode * s.mode) * 10_000 <= s.out_sum)  # noqa: PLR2004
    found: Flags = parties & scripts & (s.out_addresses == s.n_out) & ~split
    return found


def _wasabi1(s: Shape) -> Flags:
    """Equal outputs of 0.1 BTC, give or take five per cent."""
    return _wasabi_round(s) & (np.abs(s.mode - BTC // 10) <= _NEAR)


def _wasabi1_wide(s: Shape) -> Flags:
    """Equal outputs of 0.1 BTC, give or take a fifth, as Dumplings reads it, to ten parties at least."""
    return _wasabi_round(s) & (np.abs(s.mode - BTC // 10) <= _WIDE) & (s.n_mode >= 10)  # noqa: PLR2004


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


def pool_shape(s: Shape) -> Flags:
    """Five to eight inputs and as many outputs, all of a Whirlpool pool's size."""
    pool = np.isin(s.mode, POOLS)
    equal = (s.n_in == s.n_out) & (s.n_mode == s.n_out) & (s.n_in >= 5) & (s.n_in <= 8)  # noqa: PLR2004
    apart = (s.in_addresses == s.n_in) & (s.out_addresses == s.n_out)
    found: Flags = pool & equal & apart & (s.in_least >= s.mode) & (s.in_most <= s.mode + MOST_OVER)
    return found


def _whirlpool(s: Shape) -> Flags:
    """A pool's mix in which one to four inputs pay the fee; a first mix is found by its lineage alone."""
    found: Flags = pool_shape(s) & (s.entrants + s.unknown >= 1) & (s.entrants <= 4)  # noqa: PLR2004
    return found


class Surety(NamedTuple):
    """Confidence of a rule's verdicts in per cent, by what came before and after.

    `alone`: every input is known, most outputs are spent, and none is of the same kind of CoinJoin, as an exchange's
    batch would have it; `unsaid`: nothing of the kind on either side, but that may lie beyond the indexed history;
    `one` side; `both` sides.
    """

    alone: int
    unsaid: int
    one: int
    both: int


@dataclass(frozen=True, slots=True)
class Test:
    """A rule, how it judges shapes, and how sure it is; `family` are the rules that one coordinator's rounds meet."""

    rule: Rule
    judge: Callable[[Shape], Flags]
    surety: Surety
    family: int = 0
    counts: bool = True


def _same(confidence: int) -> Surety:
    return Surety(confidence, confidence, confidence, confidence)


_WASABI, _WABISABI, _JOINMARKET, _WHIRLPOOL = 1, 2, 3, 4

# The first that fires names the transaction: the most specific and confident come first.
TESTS: Final = (
    Test(multiparty.WASABI1, _wasabi1, Surety(50, 70, 75, 90), _WASABI),
    Test(multiparty.WHIRLPOOL, _whirlpool, _same(60), _WHIRLPOOL),
    Test(multiparty.WASABI1, _wasabi1_wide, Surety(45, 55, 65, 85), _WASABI),
    Test(multiparty.WASABI11, _wasabi11, Surety(45, 60, 65, 80), _WASABI),
    Test(multiparty.WABISABI, _wabisabi, Surety(45, 60, 65, 80), _WABISABI, counts=False),
    Test(multiparty.STONEWALL, _stonewall, _same(40)),
    Test(multiparty.JOINMARKET, _joinmarket, Surety(40, 49, 49, 55), _JOINMARKET),
    Test(multiparty.COINJOIN_SHAPE, _plain_shape, _same(40)),
)


def judged(shape: Shape) -> Longs:
    """Which of TESTS names each row of the shapes; -1 where none does."""
    which = np.full(len(shape.t), -1, np.int64)
    for n in reversed(range(len(TESTS))):
        which[TESTS[n].judge(shape)] = n
    return which
