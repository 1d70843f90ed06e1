"""Worlds to figures: each is made if it is not there, run blind, and what was said is scored against its truth."""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import date, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from chains.errors import TadoruError
from worlds.score import exposure, shells
from worlds.score.families import FAMILIES
from worlds.score.findings import Findings
from worlds.score.measure import Scores
from worlds.score.report import LABELS
from worlds.score.run import Job, evaluate_world
from worlds.settings import Settings
from worlds.simulate import simulate
from worlds.truth.disclose import Days
from worlds.truth.owners import name_everybody
from worlds.truth.tables import Truth

CHECKPOINTS: Final = 3  # heights between the designation and the end at which shells are looked for
# Who owns what is given away to see what is left of the error in exposure; it says nothing of other rules.
FAMILIES_OF: Final = {"disclosed": FAMILIES, "perfect": FAMILIES, "owners": (exposure,)}
Report = Callable[[int, int], None]
"""Hears of worlds done and wanted."""


class NoWorldError(TadoruError):
    """A folder that holds no world."""


@dataclass(frozen=True, slots=True)
class Task:
    """One world to score."""

    world: Path
    work: Path
    """Where the pipeline works; what is there already is used again."""
    settings: Settings | None = None
    """How to make the world; None where it is there."""
    keep: bool = False
    """Whether a world that was made stays, with all that the pipeline built of it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out for one world."""

    settings: dict[str, Any]
    scores: dict[str, Scores]
    """By labels."""


def measure_all(tasks: Sequence[Task], workers: int, report: Report = lambda *_: None) -> list[Measured]:
    """Score worlds, `workers` at a time; the results stand in the order of the tasks.

    Raises
    ------
    NoWorldError
        If a folder holds no world.
    BlindRunError
        If the pipeline fails on a world.
    """
    for task in tasks:
        if task.settings is None:
            about(task.world)
    if workers == 1:
        return list(_one_by_one(tasks, report))
    found: dict[int, Measured] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        places = {pool.submit(measure, task): n for n, task in enumerate(tasks)}
        try:
            for done in as_completed(places):
                found[places[done]] = done.result()
                report(len(found), len(tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [found[n] for n in range(len(tasks))]


def _one_by_one(tasks: Sequence[Task], report: Report) -> Iterable[Measured]:
    for done, task in enumerate(tasks, 1):
        yield measure(task)
        report(done, len(tasks))


def measure(task: Task) -> Measured:
    """Make a world where it has to be made, run the pipeline blind, and score what it said."""
    if task.settings is not None:
        _make(task, task.settings)
    known = about(task.world)
    truth = Truth.read(task.world / "truth")  # first of all: damage shows before the work, not after
    heights = checkpoints(known)
    owners = name_everybody(task.world / "truth", task.work / "known" / "owners")
    said = evaluate_world(Job(task.world, task.work, heights, days_of(known, heights), owners))
    scores = {labels: score(truth, Findings.read(getattr(said, labels)), FAMILIES_OF[labels]) for labels in LABELS}
    dated = [(height, Findings.read(folder)) for height, folder in said.checkpoints.items()]
    whole = (known["settings"]["blocks"], Findings.read(said.disclosed))
    scores["disclosed"] |= shells.delay(truth, [*dated, whole], known["settings"]["interval"])
    if task.settings is not None and not task.keep:
        shutil.rmtree(task.world)
        shutil.rmtree(task.work)
    return Measured(known["settings"], scores)


def _make(task: Task, settings: Settings) -> None:
    """Make a world, unless one of the same settings is there already."""
    if (task.world / "truth" / "world.json").exists() and about(task.world)["settings"] == _plain(settings):
        return
    for folder in (task.world, task.work):
        shutil.rmtree(folder, ignore_errors=True)
    simulate(task.world, settings)


def _plain(settings: Settings) -> dict[str, Any]:
    """Settings as they come back from JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return plain


def score(truth: Truth, findings: Findings, families: Sequence[Any] = FAMILIES) -> Scores:
    """Some families' figures of one world."""
    return {name: value for family in families for name, value in family.score(truth, findings).items()}


def about(world: Path) -> dict[str, Any]:
    """Read what a world says of itself.

    Raises
    ------
    NoWorldError
        If the folder holds none.
    """
    path = world / "truth" / "world.json"
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        whole = {"t0", "start", "settings"} <= told.keys()
    except (OSError, ValueError, AttributeError) as error:
        msg = f"{world} holds no simulated world ({error}): make one with tadoru simulate bitcoin, in a new folder"
        raise NoWorldError(msg) from None
    if not whole:
        raise NoWorldError(f"{path} is not what tadoru simulate writes: make the world again, in a new folder")
    return told


def checkpoints(known: dict[str, Any]) -> tuple[int, ...]:
    """Heights at which to ask who is a shell: evenly between the designation and the end, which is asked anyway."""
    start, end = int(known["t0"]), int(known["settings"]["blocks"])
    return tuple(start + (end - start) * n // (CHECKPOINTS + 1) for n in range(1, CHECKPOINTS + 1))


def days_of(known: dict[str, Any], heights: Sequence[int]) -> dict[int, date]:
    """Give the day of each block, by what a world says of itself."""
    calendar = Days(datetime.fromisoformat(known["start"]), int(known["settings"]["interval"]), max(heights, default=0))
    return {height: calendar.of(height) for height in heights}
