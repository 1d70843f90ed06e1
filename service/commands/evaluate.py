"""`tadoru evaluate`: the pipeline, run blind over worlds, scored against their truth."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.table import Table

from heuristics import rules
from service.console import Console, progress
from service.exits import Exit, UsageError
from service.version import software
from worlds.score.bars import headline
from worlds.score.evaluate import Measured, Task, measure_all
from worlds.score.page import to_markdown
from worlds.score.realdata import check_real
from worlds.score.report import LABELS, Report, Result, differences
from worlds.score.suites import SUITES, Suite
from worlds.score.summary import summarise

ALL = "all"
OWN = "worlds"  # what a report calls worlds that were named by hand
REAL_BLOCKS = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Places:
    """Where to write, and where to work."""

    out: Path | None
    """Folder for accuracy.json and accuracy.md; None to print only."""
    work: Path | None
    """Kept, and used again; None for a temporary folder."""
    against: Path | None = None
    """An earlier accuracy.json, whose figures are to come out again."""


def run(worlds: Sequence[Path], names: Sequence[str], places: Places, workers: int, *, as_json: bool) -> Exit:
    """Evaluate worlds or suites; NO where a gate is not kept, or where published figures do not come out again."""
    suites = _chosen(names)
    published = None if places.against is None else Report.from_json(places.against.read_text(encoding="utf-8"))
    if bool(worlds) == bool(suites):
        raise UsageError("name worlds (folders of tadoru simulate) or suites (--suite), one or the other")
    with _workplace(places.work) as work, progress("worlds") as shown:
        results = []
        if worlds:
            tasks = [Task(world, work / f"{n}-{world.resolve().name}") for n, world in enumerate(worlds)]
            results.append(_own(measure_all(tasks, workers, partial(shown.report, OWN))))
        for suite in suites:
            tasks = [_task(suite, seed, work, keep=places.work is not None) for seed in suite.seeds]
            measured = measure_all(tasks, workers, partial(shown.report, suite.name))
            results.append(_of_suite(suite, measured))
    report = Report(tuple(results), tuple(check_real(REAL_BLOCKS)) if suites and REAL_BLOCKS.exists() else ())
    if places.out is not None:
        places.out.mkdir(parents=True, exist_ok=True)
        (places.out / "accuracy.json").write_text(report.to_json(), encoding="utf-8")
        (places.out / "accuracy.md").write_text(to_markdown(report), encoding="utf-8")
    broken = [line for suite, result in zip(suites, results, strict=False) for line in _broken(suite, result)]
    broken += [] if published is None else differences(report, published)
    _tell(report, broken, places, as_json=as_json)
    return Exit.NO if broken else Exit.OK


def _chosen(names: Sequence[str]) -> list[Suite]:
    unknown = [name for name in names if name not in SUITES and name != ALL]
    if unknown:
        raise UsageError(f"--suite: no such suite {', '.join(unknown)}; there are {', '.join(SUITES)} and {ALL}")
    return [suite for suite in SUITES.values() if suite.name in names or ALL in names]


@contextmanager
def _workplace(work: Path | None) -> Iterator[Path]:
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        yield work
    else:
        with tempfile.TemporaryDirectory(prefix="tadoru-evaluate-") as folder:
            yield Path(folder)


def _task(suite: Suite, seed: int, work: Path, *, keep: bool) -> Task:
    place = work / f"{suite.name}-{seed}"
    return Task(place / "world", place / "work", suite.settings(seed), keep=keep)


def _of_suite(suite: Suite, measured: Sequence[Measured]) -> Result:
    settings = {"flavour": str(suite.flavour), "blocks": suite.blocks, "people": suite.people}
    return _result(suite.name, tuple(suite.seeds), settings, measured)


def _own(measured: Sequence[Measured]) -> Result:
    seeds = tuple(int(one.settings["seed"]) for one in measured)
    same = {
        key: value for key, value in measured[0].settings.items() if all(m.settings[key] == value for m in measured)
    }
    return _result(OWN, seeds, {key: same[key] for key in ("flavour", "blocks", "people") if key in same}, measured)


def _result(name: str, seeds: tuple[int, ...], settings: dict[str, Any], measured: Sequence[Measured]) -> Result:
    return Result(
        suite=name,
        seeds=seeds,
        settings=settings,
        commit=_commit(),
        date=datetime.now(UTC).date().isoformat(),
        versions={"tadoru": software(), **{key: str(value) for key, value in rules.versions().items()}},
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


def _broken(suite: Suite, result: Result) -> list[str]:
    """Return the gates that a suite does not keep, each as a line."""
    lines = []
    for gate in suite.gates:
        found = result.figure(gate.labels, gate.score)
        mean = None if found is None else found.mean
        if not gate.passes(mean):
            bound = f"at least {gate.at_least:g}" if gate.at_least is not None else f"at most {gate.at_most:g}"
            lines.append(f"{suite.name}: {gate.score} ({gate.labels} labels) is {mean}, its gate is {bound}")
    return lines


def _tell(report: Report, broken: Sequence[str], places: Places, *, as_json: bool) -> None:
    console = Console(as_json=as_json)
    rows = headline(report.results)
    if not as_json:
        table = Table(*rows[0]._fields, title=", ".join(one.suite for one in report.results))
        for row in rows:
            table.add_row(*row)
        Terminal().print(table)
    written = [f"every figure: {places.out / 'accuracy.md'}, {places.out / 'accuracy.json'}"] if places.out else []
    content = {
        "results": [asdict(one) for one in report.results],
        "headline": [row._asdict() for row in rows],
        "broken": list(broken),
    }
    console.answer(content, [*written, *broken])
