"""How like the real chain a world's transactions look, by features that rules go by.

The real chain's rates are of 105,546 transactions drawn evenly from it (decluster's survey). What counts as a round
fee (a multiple of 1,000 satoshi), as the tip (the block before) and as a script type (that of the outputs) is our
reading of it. The survey is of all years: no year looks like it.
"""

from collections import defaultdict
from typing import Final

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, share
from worlds.truth.tables import Truth

METRICS: Final[Metrics] = {
    "rates.share[feature]": ("transactions with this value of the feature", "share", ""),
    "rates.distance[feature]": ("half the sum of differences to the real chain's shares", "share", ""),
}
REST: Final = "other"
REAL: Final[dict[str, dict[str, float]]] = {
    "version": {"1": 0.627, "2": 0.373},
    "nSequence": {"ffffffff": 0.567, "fffffffe": 0.187, "fffffffd": 0.196, "mixed": 0.048, REST: 0.002},
    "locktime": {"0": 0.74, "earlier height": 0.13, "tip": 0.124, REST: 0.006},
    "shape": {"1-2": 0.383, "1-1": 0.222, "2-2": 0.065, "3-2": 0.051, "1-3": 0.042, "2-1": 0.03, REST: 0.207},
    "outputs": {"by value": 0.37, "unsorted": 0.327, "single": 0.303},
    "script": {"p2pkh": 0.529, "mixed": 0.293, "p2wpkh": 0.093, "p2sh": 0.064, "p2tr": 0.017, REST: 0.004},
    "fee": {"round": 0.17, "not round": 0.83},
}
"""Shares on the real chain; `other` is what its survey leaves."""
UNKNOWN: Final = {"reuse": ("pays an address it spends from",)}
"""Features of which the survey says nothing, and the values to tell."""


def score(_: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None where the chain has no transaction but coinbases."""
    count: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in findings.rates.to_pylist():
        known = REAL.get(row["feature"])
        count[row["feature"]][row["kind"] if known is None or row["kind"] in known else REST] += row["n"]
    scores: Scores = {}
    for feature, real in REAL.items():
        here, n = count[feature], sum(count[feature].values())
        shares = {value: share(here[value], n) for value in {**real, **here}}
        scores |= {f"rates.share[{feature}: {value}]": one for value, one in shares.items()}
        apart = sum(abs((one or 0) - real.get(value, 0)) for value, one in shares.items()) / 2
        scores[f"rates.distance[{feature}]"] = apart if n else None
    for feature, values in UNKNOWN.items():
        n = sum(count[feature].values())
        scores |= {f"rates.share[{feature}: {value}]": share(count[feature][value], n) for value in values}
    return scores
