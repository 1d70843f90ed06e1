"""The figures of the last published evaluation: how often each rule was right where the truth is known.

`accuracy.json` beside this module is what `make accuracy` writes; nobody edits it. What its figures mean stands in
docs/accuracy.md, which is made from the same file.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from heuristics.rules.rule import Rule

JUDGED_ON: Final = "held-out"
"""The suite that decides, as no threshold was chosen on it; where it was not run, the first that was."""
LABELS: Final = "disclosed"
"""With the labels that a user has."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One score of a rule over the worlds of one suite."""

    suite: str
    labels: str
    score: str
    worlds: int
    mean: float
    spread: float | None
    """Standard deviation over the worlds."""


def text() -> str:
    """Read the report as it was written."""
    return files("heuristics").joinpath("accuracy.json").read_text(encoding="utf-8")


@cache
def published() -> dict[str, Any]:
    """Give the report as plain data; its suites are under `results`."""
    content: dict[str, Any] = json.loads(text())
    return content


def figures(rule: Rule) -> list[Figure]:
    """Every published figure about a rule, suite by suite; none where no evaluation speaks of it."""
    found = []
    for result in published()["results"]:
        told = result["figures"][LABELS]
        found += [
            Figure(result["suite"], LABELS, name, told[name]["n"], told[name]["mean"], told[name].get("sd"))
            for name in rule.scores
            if name in told
        ]
    return found


def decides(suites: Iterable[str]) -> str | None:
    """Choose the suite whose figures decide; None where there is none."""
    names = list(suites)
    return JUDGED_ON if JUDGED_ON in names else next(iter(names), None)


def precision(rule: Rule) -> Figure | None:
    """Give the share of a rule's statements that were right, on the suite that decides; None where it is not known.

    It is the first of the rule's scores: `Rule.scores` says of which statements.
    """
    suite = decides(result["suite"] for result in published()["results"])
    return next((one for one in figures(rule) if one.suite == suite and one.score == rule.scores[0]), None)


def error(rule: Rule) -> float | None:
    """Share of a rule's statements that were wrong: one less its precision."""
    found = precision(rule)
    return None if found is None else 1 - found.mean
