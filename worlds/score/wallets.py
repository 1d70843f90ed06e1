"""Wallets (T0 and T1 together): the figures of clusters over again, for clusters joined by links, and what was refused.

What T1 adds is the difference to the figures of the same name in the family `clusters`.
"""

from dataclasses import replace
from typing import Final

import pyarrow.compute as pc

from worlds.score import clusters
from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores
from worlds.truth.tables import Truth

# What T1 has no part in: how many addresses there are, and transactions with inputs of several parties.
_T0_ALONE: Final = ("addresses", "unclustered", "refused_merges", "two_wallet_transactions", "two_holder_transactions",
                    "two_entity_transactions")  # fmt: skip
_FROM, _TO = "clusters.", "wallets."


def _own(name: str) -> bool:
    """Whether a figure of clusters is one of wallets too."""
    return name.removeprefix(_FROM).partition("[")[0] not in _T0_ALONE


def _named(text: str) -> str:
    return text.replace("cluster", "wallet")


METRICS: Final[Metrics] = {
    "wallets.refused[reason]": ("links of clusters that were refused", "count", ""),
    **{_named(name): (_named(what), unit, better) for name, (what, unit, better) in clusters.METRICS.items()
       if _own(name)},
}  # fmt: skip


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None where there is no pair, no service or no address to measure it on."""
    joined = replace(findings, cluster=findings.wallet.rename_columns(["script", "cluster"]))
    scores = {_named(name): value for name, value in clusters.score(truth, joined).items() if _own(name)}
    for reason in sorted(set(findings.refusal["reason"].to_pylist())):
        n = pc.sum(pc.equal(findings.refusal["reason"], reason)).as_py()
        scores[f"wallets.refused[{reason}]"] = float(n)
    return scores
