"""What an evaluation found, kept as JSON: which suite, which seeds and settings, which software, and every figure.

The text follows from the content alone: keys in order, figures to six digits, so that the same evaluation gives the
same bytes.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from chains.errors import TadoruError
from worlds.score.realdata import RealBlock
from worlds.score.summary import Summary

SCHEMA: Final = 1
DIGITS: Final = 6
_SAME: Final = 2e-6  # two figures that differ by no more are the same, rounded here and there
_COMPARED: Final = ("n", "mean", "sd", "least", "most")
NO_FIGURE: Final = "undefined"
PUBLISH: Final = "where the change is meant, publish the figures: `make accuracy`"
LABELS: Final = ("disclosed", "perfect", "owners")
"""What the pipeline was given: the labels that a user has; such as are complete and right of services and listed
parties; these, and everybody else's wallets named too (`worlds.truth.owners`)."""

_INNERMOST: Final = re.compile(r"\{[^{}]*\}")  # one figure, one line


class ReportError(TadoruError):
    """A report that cannot be read, or is of another version."""


@dataclass(frozen=True, slots=True)
class Result:
    """One suite's figures."""

    suite: str
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    """What the worlds were drawn from."""
    commit: str
    date: str
    """ISO 8601."""
    versions: dict[str, str]
    """Of the software and its rules."""
    figures: dict[str, dict[str, Summary]]
    """By labels, then by name of the score."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what a summary leaves open is left out."""
        content = asdict(self)
        for figures in content["figures"].values():
            for name, summary in figures.items():
                figures[name] = {key: value for key, value in summary.items() if value is not None}
        return content

    def figure(self, labels: str, name: str) -> Summary | None:
        """Give a score's summary; None where it is undefined in every world."""
        return self.figures.get(labels, {}).get(name)


@dataclass(frozen=True, slots=True)
class Report:
    """All suites of one evaluation, and what the rules say of real blocks (empty where none are here)."""

    results: tuple[Result, ...]
    real: tuple[RealBlock, ...] = ()

    def to_json(self) -> str:
        """Write it down; raises ValueError for a figure that is no number."""
        content: dict[str, Any] = {"schema": SCHEMA, "results": [one.to_dict() for one in self.results]}
        content["real"] = [one.to_dict() for one in self.real]
        text = json.dumps(rounded(content), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return _INNERMOST.sub(lambda found: " ".join(found[0].split()), text) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; raises ReportError for anything else."""
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA:
                found = content["schema"]
                raise ReportError(f"the report has schema {found}, this version reads {SCHEMA}: evaluate again")
            results = tuple(_result(one) for one in content["results"])
            return cls(results, tuple(RealBlock(**one) for one in content["real"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReportError(f"this is no report of an evaluation ({error!r}): evaluate again") from error


def differences(report: Report, published: Report) -> list[str]:
    """Say where a report's figures are not the published ones, suite by suite, and what to do about it.

    A suite that was not run is no difference; one that was run and is not published is one. Rounding aside, the same
    software gives the same figures on every machine.
    """
    earlier = {one.suite: one for one in published.results}
    lines = []
    for now in report.results:
        then = earlier.get(now.suite)
        if then is None:
            lines.append(f"{now.suite}: the published report does not have this suite")
        else:
            lines += [line for labels in LABELS for line in _changes(now, then, labels)]
    return [*lines, PUBLISH] if lines else []


def _changes(now: Result, then: Result, labels: str) -> Iterator[str]:
    """Give the scores of which any of `_COMPARED` is another, or that only one of the two has."""
    mine, theirs = (one.figures.get(labels, {}) for one in (now, then))
    for name in sorted({*mine, *theirs}):
        pair = [one.get(name) for one in (mine, theirs)]
        if None in pair:
            told = [NO_FIGURE if one is None else f"{one.mean:g}" for one in pair]
            yield f"{now.suite}: {name} ({labels} labels) is {told[0]}, published is {told[1]}"
            continue
        for field in _COMPARED:
            is_, was = (getattr(one, field) for one in pair)
            if not _same(is_, was):
                told = [NO_FIGURE if one is None else f"{one:.6g}" for one in (is_, was)]
                what = f"{now.suite}: {name} ({labels} labels): {field}"
                yield f"{what} is {told[0]}, published is {told[1]}"


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME)


def _result(content: dict[str, Any]) -> Result:
    summaries = {
        labels: {name: Summary(**{"sd": None, **summary}) for name, summary in figures.items()}
        for labels, figures in content.pop("figures").items()
    }
    seeds = tuple(content.pop("seeds"))
    return Result(seeds=seeds, figures=summaries, **content)


def rounded(value: Any) -> Any:
    """Give plain data with every float to six digits, and no negative zero."""
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0 if math.isfinite(value) else value
    if isinstance(value, dict):
        return {str(key): rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one) for one in value]
    return value
