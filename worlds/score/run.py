"""Runs the pipeline blind over worlds, each time in a process of its own that is given nothing but paths."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from chains.errors import TadoruError
from worlds.score.known import labels_known_by

MODULE: Final = "worlds.score.blind"
_PACKAGES: Final = Path(__file__).resolve().parents[2]
_TAIL: Final = 20  # lines of what a process that failed said last
_NOISE: Final = ("nanobind:", " - leaked ", " - ... skipped ", "See https://nanobind.")  # of a library that is let go
_TIME_LIMIT_S: Final = 3600.0


class BlindRunError(TadoruError):
    """The pipeline failed on a world, or took too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process is given beside its paths."""

    seconds: float = _TIME_LIMIT_S
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for it to see, such as NUMBA_CACHE_DIR; of this process's own it sees none."""


@dataclass(frozen=True, slots=True)
class Job:
    """One world to evaluate."""

    world: Path
    """WORLD: node/, disclosed/ and truth/."""
    work: Path
    """Where the pipeline works; what is there already is used again."""
    checkpoints: tuple[int, ...] = ()
    """Heights at which to say what was known by then."""
    days: Mapping[int, date] = field(default_factory=dict)
    """The day of a checkpoint: labels of later days are withheld. One without a day has all that are disclosed."""
    owners: Path | None = None
    """Labels that name everybody (`worlds.truth.owners`); None: nothing is said with such."""


@dataclass(frozen=True, slots=True)
class Said:
    """Folders of what the pipeline said of a world; `worlds.score.findings.Findings.read` reads each."""

    world: Path
    disclosed: Path
    """With the labels that a user has."""
    perfect: Path
    """With labels that are complete and right."""
    owners: Path
    """With these, and everybody else's wallets named too; not there where the job has no such labels."""
    checkpoints: Mapping[int, Path]
    """With the labels that a user had by then, as of each height."""


def evaluate_world(job: Job, limits: Limits | None = None) -> Said:
    """Say what the pipeline says of one world: at every checkpoint, then of all of it, then with better labels.

    Raises
    ------
    BlindRunError
        With the end of what the process said.
    """
    findings = job.work / "findings"
    said = Said(
        job.world,
        findings / "disclosed",
        findings / "perfect",
        findings / "owners",
        {height: findings / f"until-{height}" for height in sorted(job.checkpoints)},
    )
    disclosed, perfect = job.world / "disclosed", job.world / "truth" / "labels"
    # In this order one lake grows: each run reads only the blocks that the one before did not.
    for height, folder in said.checkpoints.items():
        known = disclosed
        if height in job.days:
            known = labels_known_by(job.days[height], disclosed, job.work / "known" / str(height))
        run_blind(job, known, folder, limits, until=height)
    run_blind(job, disclosed, said.disclosed, limits)
    run_blind(job, perfect, said.perfect, limits)
    if job.owners is not None:
        run_blind(job, job.owners, said.owners, limits)
    return said


def run_blind(
    job: Job, labels: Path, findings: Path, limits: Limits | None = None, *, until: int | None = None
) -> None:
    """Run the pipeline once, in a process that knows the datadir, the labels and the addresses to screen."""
    paths = {
        "node": job.world / "node",
        "labels": labels,
        "wallets": job.world / "disclosed" / "wallets.csv",
        "work": job.work / "data",
        "findings": findings,
    }
    given = [part for name, path in paths.items() for part in (f"--{name}", str(path.resolve()))]
    if until is not None:
        given += ["--until", str(until)]
    job.work.mkdir(parents=True, exist_ok=True)
    _start([sys.executable, "-P", "-m", MODULE, *given], job, limits or Limits())


def _start(command: Sequence[str], job: Job, limits: Limits) -> None:
    environment = {"PATH": os.defpath, "HOME": str(Path.home()), "PYTHONPATH": str(_PACKAGES), **limits.environment}
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and paths
            command, cwd=job.work, env=environment, capture_output=True, text=True, timeout=limits.seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BlindRunError(f"{job.world}: the pipeline took longer than {limits.seconds:g} s") from None
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if not line.startswith(_NOISE)]
        tail = "\n".join(said[-_TAIL:])
        raise BlindRunError(f"{job.world}: the pipeline failed with exit code {done.returncode}:\n{tail}")
