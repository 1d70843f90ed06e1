"""Measured worlds as one result: which worlds they were, what measured them, every figure; and the gates not kept."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from heuristics import rules
from worlds.score.evaluate import Measured, Task
from worlds.score.report import LABELS, Result
from worlds.score.suites import Suite
from worlds.score.summary import summarise

OWN: Final = "worlds"
"""What a report calls worlds that were named by hand."""
_SHOWN: Final[tuple[str, ...]] = ("flavour", "blocks", "people")


def own_tasks(worlds: Sequence[Path], work: Path) -> list[Task]:
    """One task for each world that is there."""
    return [Task(world, work / f"{n}-{world.resolve().name}") for n, world in enumerate(worlds)]


def suite_tasks(suite: Suite, work: Path, *, keep: bool) -> list[Task]:
    """One task for each seed of a suite; worlds lie in `work` by suite and seed."""
    places = {seed: work / f"{suite.name}-{seed}" for seed in suite.seeds}
    return [Task(place / "world", place / "work", suite.settings(seed), keep=keep) for seed, place in places.items()]


def of_suite(suite: Suite, measured: Sequence[Measured], software: str) -> Result:
    """Give a suite's result; `software` is the version that measured it."""
    settings = {"flavour": str(suite.flavour), "blocks": suite.blocks, "people": suite.people}
    return _result(suite.name, tuple(suite.seeds), settings, measured, software)


def of_own(measured: Sequence[Measured], software: str) -> Result:
    """Give the result of worlds that were named by hand, with the settings that they share."""
    seeds = tuple(int(one.settings["seed"]) for one in measured)
    first = measured[0].settings
    same = {key: first[key] for key in _SHOWN if key in first and all(m.settings[key] == first[key] for m in measured)}
    return _result(OWN, seeds, same, measured, software)


def broken(suite: Suite, result: Result) -> list[str]:
    """Return the gates that a suite does not keep, each as a line."""
    lines = []
    for gate in suite.gates:
        found = result.figure(gate.labels, gate.score)
        mean = None if found is None else found.mean
        if not gate.passes(mean):
            bound = f"at least {gate.at_least:g}" if gate.at_least is not None else f"at most {gate.at_most:g}"
            lines.append(f"{suite.name}: {gate.score} ({gate.labels} labels) is {mean}, its gate is {bound}")
    return lines


def _result(
    name: str, seeds: tuple[int, ...], settings: dict[str, Any], measured: Sequence[Measured], software: str
) -> Result:
    return Result(
        suite=name,
        seeds=seeds,
        settings=settings,
        commit=_commit(),
        date=datetime.now(UTC).date().isoformat(),
        versions={"tadoru": software, **{key: str(value) for key, value in rules.versions().items()}},
        figures={labels: summarise([one.scores[labels] for one in measured]) for labels in LABELS},
    )


def _commit() -> str:
    """Return the commit that this code is checked out at, with a `+` where it was changed; empty outside of git."""
    here = Path(__file__).parent
    told = subprocess.run(  # noqa: S603 -- git, about this file's own folder
        ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return told.stdout.strip()
