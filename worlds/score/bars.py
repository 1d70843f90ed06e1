"""The bars of DESIGN section 8 and of the steps that build the rules, and whether the figures reach them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from heuristics.accuracy import decides
from worlds.score.report import Result
from worlds.score.summary import Summary
from worlds.truth.tables import COINJOIN_KINDS

LABELS_SHOWN: Final = {
    "disclosed": "disclosed labels",
    "perfect": "perfect labels",
    "owners": "perfect labels and owners",
}
_TENS, _LARGE = 10, 1_000  # from which a figure is shown with fewer decimals
NOTHING: Final = "-"
MET, NOT_YET, NOTHING_THERE = "met", "not yet", "no cases"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure to reach."""

    what: str
    score: str
    at_least: float | None = None
    at_most: float | None = None
    labels: str = "disclosed"
    """The labels with which it is to be reached."""
    in_every_world: bool = False
    """Whether the worst world has to reach it, rather than the mean."""

    @property
    def text(self) -> str:
        """How the report states it."""
        return f"{self.limit} in every world" if self.in_every_world else self.limit

    @property
    def limit(self) -> str:
        """The bound alone."""
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"

    def reached(self, found: Summary) -> bool:
        """Whether a suite reaches it."""
        low, high = (found.least, found.most) if self.in_every_world else (found.mean, found.mean)
        return (self.at_least is None or low >= self.at_least) and (self.at_most is None or high <= self.at_most)

    def verdict(self, found: Summary | None) -> str:
        """Give MET, NOT_YET or NOTHING_THERE."""
        if found is None:
            return NOTHING_THERE
        return MET if self.reached(found) else NOT_YET


_EXPOSURE: Final = (
    ("Exposure: mean error by convention", "exposure.mean_error[convention]", 0.02),
    ("Exposure: cleared falsely at 10 % listed", "exposure.false_clear[convention,10%]", 0.01),
)
# Nobody in the worlds makes a plain CoinJoin, and no rule is meant for a pool's first mix alone.
_RECOGNISED: Final = tuple(kind for kind in COINJOIN_KINDS if kind not in {"coinjoin", "whirlpool_first"})
BARS: Final[tuple[Bar, ...]] = (
    Bar("T0 clusters: pairwise precision", "clusters.pairwise_precision[holder]", at_least=0.999),
    Bar("T0 clusters of two parties", "clusters.joined_clusters[holder]", at_most=0, in_every_world=True),
    *(Bar(f"CoinJoin recall: {kind}", f"coinjoin.recall[{kind}]", at_least=0.95) for kind in _RECOGNISED),
    Bar("CoinJoin verdicts on batches", "coinjoin.false_on_batches", at_most=0.01),
    Bar("T1 change: payments called change", "change.fpr[intent,50]", at_most=0.002),
    Bar("T1 change: coverage", "change.coverage[intent,50]", at_least=0.4),
    Bar("T0 and T1 wallets: pairwise precision", "wallets.pairwise_precision[holder]", at_least=0.99),
    Bar("Deposit addresses: precision", "deposits.precision", at_least=0.98),
    Bar("Deposit addresses: recall", "deposits.recall_paid", at_least=0.8),
    *(
        Bar(what + known, score, at_most=at_most, labels=labels)
        for labels, known in (("perfect", ""), ("owners", ", owners known"))
        for what, score, at_most in _EXPOSURE
    ),
    Bar("Shells: PR-AUC", "shells.pr_auc", at_least=0.9),
    Bar("Shells: macro recall by type", "shells.macro_recall", at_least=0.6),
    Bar("Shells: precision", "shells.precision", at_least=0.8),
    Bar("Shells: the right principal", "shells.principal", at_least=0.95),
)  # fmt: skip


class Judgement(NamedTuple):
    """What was measured of a bar, and whether that reaches it."""

    bar: Bar
    suite: str
    disclosed: Summary | None
    perfect: Summary | None
    owners: Summary | None
    verdict: str


class Headline(NamedTuple):
    """One row of the headline table, as text."""

    what: str
    bar: str
    disclosed: str
    perfect: str
    owners: str
    verdict: str


def judged(results: Sequence[Result]) -> Result | None:
    """Choose the suite that decides."""
    suite = decides(one.suite for one in results)
    return next((one for one in results if one.suite == suite), None)


def judgements(results: Sequence[Result], bars: Sequence[Bar] = BARS) -> list[Judgement]:
    """Hold every bar against the suite that decides; none where nothing was measured."""
    suite = judged(results)
    if suite is None:
        return []
    return [
        Judgement(
            bar, suite.suite, suite.figure("disclosed", bar.score), suite.figure("perfect", bar.score),
            suite.figure("owners", bar.score),
            bar.verdict(suite.figure(bar.labels, bar.score)),
        )
        for bar in bars
    ]  # fmt: skip


def headline(results: Sequence[Result], bars: Sequence[Bar] = BARS) -> list[Headline]:
    """Every bar beside what was measured with each set of labels."""
    return [
        Headline(
            row.bar.what, f"{row.bar.text}, {LABELS_SHOWN[row.bar.labels]}", shown(row.disclosed), shown(row.perfect),
            shown(row.owners), row.verdict,
        )
        for row in judgements(results, bars)
    ]  # fmt: skip


def shown(found: Summary | None, worlds: int = 0) -> str:
    """Give a summary as text: mean and spread; how many worlds, where not all of `worlds` have a figure."""
    if found is None:
        return NOTHING
    text = number(found.mean)
    if found.sd is not None:
        text += f" ± {number(found.sd)}"
    return f"{text} (n = {found.n})" if found.n < worlds else text


def rough(found: Summary) -> str:
    """Give mean and spread in three decimals at most, for a narrow table."""
    parts = [found.mean] if found.sd is None else [found.mean, found.sd]
    return " ± ".join(map(_short, parts))


def _short(value: float) -> str:
    if abs(value) >= _TENS:
        return f"{value:,.1f}" if abs(value) < _LARGE else f"{value:,.0f}"
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    if text in {"0", "-0"} and value:
        return "< 0.001"
    return "> 0.999" if text == "1" and value < 1 else text


def number(value: float) -> str:
    """Give a figure in four decimals, a large one whole; what is only nearly 0 or 1 is not shown as such."""
    if abs(value) >= _LARGE:
        return f"{value:,.0f}"
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    if text in {"0", "-0"} and value:
        return "< 0.0001"
    return "> 0.9999" if text == "1" and value < 1 else text
