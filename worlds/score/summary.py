"""Scores of many worlds as one: mean and spread over the seeds, and pooled rates with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import binomtest

from worlds.score.measure import Scores, base

# Rates whose cases are counted by another score with the same brackets: these are pooled over the worlds too.
COUNTED: Final = {
    "exposure.false_clear": "exposure.listed",
    "ownership.recall": "ownership.listed",
    "coinjoin.recall": "coinjoin.transactions",
    "coinjoin.precision": "coinjoin.verdicts",
    "coinjoin.false_on_batches": "coinjoin.batches",
    "coinjoin.false_on_batches_absorbing": "coinjoin.batches",
    "deposits.precision": "deposits.called",
    "deposits.recall_paid": "deposits.paid",
    "attribution.right": "attribution.named",
    "attribution.wrong": "attribution.named",
    "shells.recall": "shells.true",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """One score over the worlds in which it is defined."""

    n: int
    """Worlds."""
    mean: float
    sd: float | None
    """Standard deviation of a sample; None of a single world."""
    least: float
    most: float
    pooled: float | None = None
    """All worlds' cases taken together, where they are counted."""
    low: float | None = None
    high: float | None = None
    """Wilson's interval at 95 % for the pooled rate."""
    cases: int | None = None
    """How many they are."""


def summarise(worlds: Sequence[Scores]) -> dict[str, Summary]:
    """Summaries by name, of every score that is defined in some world."""
    names = sorted({name for scores in worlds for name, value in scores.items() if value is not None})
    return {name: _one(worlds, name) for name in names}


def wilson(successes: int, cases: int) -> tuple[float, float]:
    """Interval at 95 % for a rate of `successes` out of `cases`, which are not 0."""
    found = binomtest(successes, cases).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _one(worlds: Sequence[Scores], name: str) -> Summary:
    values = np.array([value for scores in worlds if (value := scores.get(name)) is not None], np.float64)
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    successes, cases = _pooled(worlds, name)
    low, high = wilson(successes, cases) if cases else (None, None)
    return Summary(
        n=len(values),
        mean=float(values.mean()),
        sd=sd,
        least=float(values.min()),
        most=float(values.max()),
        pooled=successes / cases if cases else None,
        low=low,
        high=high,
        cases=cases or None,
    )


def _pooled(worlds: Sequence[Scores], name: str) -> tuple[int, int]:
    """Successes and cases over all worlds; no cases where they are not counted."""
    if base(name) not in COUNTED:
        return 0, 0
    counter = COUNTED[base(name)] + name.removeprefix(base(name))
    successes, cases = 0, 0
    for scores in worlds:
        rate, n = scores.get(name), scores.get(counter)
        if rate is not None and n:
            successes += round(rate * n)
            cases += round(n)
    return successes, cases
