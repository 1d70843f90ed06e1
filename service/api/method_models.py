"""What the rules and their measured errors look like in answers, as declared in OpenAPI."""

from datetime import date
from typing import Any

from service.api.models import Answer, Share


class MeasuredFigure(Answer):
    """A score over the simulated worlds of one suite: how many, mean, and standard deviation (null: of one world).

    `labels` is what the pipeline was given: `disclosed`, a user's; `perfect`, every service; `owners`, everybody.
    """

    suite: str
    labels: str
    score: str
    worlds: int
    mean: str
    spread: str | None


class MethodAnswer(Answer):
    """A rule, with its failure modes and its measured error (null: not measured yet).

    The measured error is 1 less the mean of `measured_from`: of `coinjoin.precision[rule]`, the share of the rule's
    verdicts that are of a kind of transaction it is meant for; of `clusters.pairwise_precision[holder]` (co-spending),
    the share of pairs of addresses in one T0 cluster whose keys one holder has. It is of simulated worlds.
    """

    rule: str
    name: str
    version: str
    tier: str
    chain: str
    confidence: Share
    source: str
    failure_modes: str
    measured_error: str | None
    measured_from: MeasuredFigure | None
    measured: list[MeasuredFigure]


class EvaluationAnswer(Answer):
    """One suite of simulated worlds that the published figures come from."""

    suite: str
    seeds: list[int]
    settings: dict[str, Any]
    commit: str
    date: date


class BarAnswer(Answer):
    """A figure to reach, and what was measured on the suite that decides: by the labels it was measured with.

    `labels` are those with which it is to be reached, by the mean or, where `in_every_world`, by the worst world.
    Null figures: there is nothing to measure, or no rule yet.
    """

    what: str
    score: str
    at_least: str | None
    at_most: str | None
    labels: str
    in_every_world: bool
    suite: str
    disclosed: MeasuredFigure | None
    perfect: MeasuredFigure | None
    owners: MeasuredFigure | None
    verdict: str


class MethodsAnswer(Answer):
    """Every rule that an answer may rest on, and the evaluation that its measured errors come from."""

    items: list[MethodAnswer]
    evaluations: list[EvaluationAnswer]
    bars: list[BarAnswer]
