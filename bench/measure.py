"""One figure of a bench run, and how it is taken: best of several, peer and subject in the same run."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """A named figure; `ratio` is against `peer` in the same run, and `met` says whether the bar holds."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None
    bar: str | None = None
    met: bool | None = None

    def line(self) -> str:
        """One row of the printed table."""
        ratio = "" if self.ratio is None else f"{self.ratio:8.2f} x {self.peer}"
        verdict = {None: "", True: "met", False: "NOT MET"}[self.met]
        return f"{self.name:44} {self.value:14,.2f} {self.unit:10} {ratio:34} {self.bar or '':22} {verdict}"


def best_of(times: int, work: Callable[[], object]) -> float:
    """Shortest wall time of several runs, seconds."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def commit() -> str:
    """The commit that was measured; `+` where the tree has changes."""
    run = ["git", "describe", "--always", "--dirty=+"]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished command took."""

    seconds: float
    peak_bytes: int
    """Largest resident size of any one process of the command."""


def run_command(command: list[str]) -> Finished:
    """Run a command to its end, as a user would; raises where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Finished(seconds, 1024 * usage.ru_maxrss)
