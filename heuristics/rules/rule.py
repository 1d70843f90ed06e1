"""One row of the table of rules."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One heuristic; `confidence` is percent.

    `scores` names the figures of an evaluation that speak of it; `heuristics.accuracy` has them. The first is its
    precision: of a veto, the share of its verdicts that are of a kind it is meant for; of co-spending, the share of
    pairs of addresses in one T0 cluster whose keys one holder has.
    """

    id: int
    name: str
    version: int
    tier: str
    chain: str
    confidence: int
    source: str
    failure_modes: str
    scores: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How answers name it, e.g. `cospend@1`."""
        return f"{self.name}@{self.version}"
