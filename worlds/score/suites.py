"""The fixed suites of worlds: which may be looked at, which guard against sliding back, which only report.

`tune` may be looked at while a heuristic is built. `check` runs in CI: its gates are the bars that are met already.
`held-out` has other wallet programs, other types of shell and other ranges; no threshold is ever chosen on it.
`contrary` is a world in which every rule is wrong: how bad it gets when nobody does what the rules expect.
"""

from dataclasses import dataclass

from worlds.settings import Flavour, Settings, drawn


@dataclass(frozen=True, slots=True)
class Gate:
    """A score that may not get worse than a bound.

    The bound holds for the mean over the suite's worlds with the labels named; a score that is undefined everywhere
    fails its gate.
    """

    score: str
    labels: str
    """`disclosed` or `perfect`."""
    at_least: float | None = None
    at_most: float | None = None

    def passes(self, mean: float | None) -> bool:
        """Whether a suite's mean keeps the bound."""
        if mean is None:
            return False
        return (self.at_least is None or mean >= self.at_least) and (self.at_most is None or mean <= self.at_most)


@dataclass(frozen=True, slots=True)
class Suite:
    """Some worlds of one kind, told apart by their seeds."""

    name: str
    flavour: Flavour
    seeds: range
    blocks: int = 420
    people: int = 90
    gates: tuple[Gate, ...] = ()

    def settings(self, seed: int) -> Settings:
        """Settings of one of its worlds. Unsigned: no rule looks at what a signature is, only at its type."""
        asked = Settings(seed, self.blocks, people=self.people, signed=False, flavour=self.flavour)
        return drawn(asked)


# Bars that are met: from here on they stay met.
CHECK_GATES = (
    *(
        Gate(f"coinjoin.recall[{kind}]", "disclosed", at_least=0.95)
        for kind in ("joinmarket", "wasabi1", "wabisabi", "whirlpool", "whirlpool_first", "swap", "dual_fund")
    ),
    Gate("coinjoin.false_on_batches", "disclosed", at_most=0.01),
    Gate("coinjoin.false", "disclosed", at_most=0.002),
    *(
        Gate(f"clusters.two_holder_joins[{kind}]", "disclosed", at_most=0)
        for kind in ("joinmarket", "wasabi1", "wabisabi", "whirlpool", "whirlpool_first", "swap")
    ),
    Gate("clusters.pairwise_precision[holder]", "disclosed", at_least=0.999),
    Gate("clusters.unexplained_clusters[holder]", "disclosed", at_most=0),
    Gate("clusters.pairwise_precision_by_value[holder]", "disclosed", at_least=0.999),
    Gate("clusters.bcubed_precision_by_value[holder]", "disclosed", at_least=0.999),
    Gate("clusters.bcubed_precision[holder]", "disclosed", at_least=0.98),
    Gate("change.fpr[intent,50]", "disclosed", at_most=0.002),
    Gate("change.coverage[intent,50]", "disclosed", at_least=0.4),
    Gate("wallets.pairwise_precision[holder]", "disclosed", at_least=0.99),
    Gate("deposits.precision", "disclosed", at_least=0.98),
    Gate("shells.precision", "disclosed", at_least=0.8),
    Gate("mining.miner_precision[miner_payout]", "disclosed", at_least=0.98),
    Gate("attribution.unknown_kept", "disclosed", at_least=1),
    Gate("attribution.wrong", "perfect", at_most=0.005),  # rules name addresses that no tag does, and may err
    Gate("ownership.false", "disclosed", at_most=0),
    Gate("ownership.recall", "perfect", at_least=1),
    Gate("exposure.mean_error[convention,no CoinJoin]", "owners", at_most=0.001),
    Gate("exposure.mean_error[convention]", "owners", at_most=0.02),
    Gate("exposure.false_clear[convention,10%]", "owners", at_most=0.01),
    Gate("exposure.false_alarm[convention,10%]", "perfect", at_most=1),
)

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("tune", Flavour.TUNE, range(1, 21)),
        Suite("check", Flavour.TUNE, range(101, 121), gates=CHECK_GATES),
        Suite("held-out", Flavour.HELD_OUT, range(1001, 1021)),
        Suite("contrary", Flavour.CONTRARY, range(2001, 2021)),
    )
}
