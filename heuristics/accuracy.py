"""The figures of the last published evaluation: how often each rule was right where the truth is known.

`accuracy.json` beside this module is what `make accuracy` writes; nobody edits it. What its figures mean stands in
docs/accuracy.md, which is made from the same file.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from heuristics.rules import Rule

JUDGED_ON: Final = "held-out"
"""The suite that decides: no threshold was chosen on it."""
LABELS: Final = "disclosed"
"""With the labels that a user has."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One score of a rule over the worlds of one suite."""

    suite: str
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
            Figure(result["suite"], name, told[name]["n"], told[name]["mean"], told[name].get("sd"))
            for name in rule.scores
            if name in told
        ]
    return found


def error(rule: Rule) -> float | None:
    """Share of a rule's statements that were wrong: one less its precision, on the suite that decides."""
    precision = rule.scores[0] if rule.scores else None
    return next((1 - f.mean for f in figures(rule) if f.score == precision and f.suite == JUDGED_ON), None)
