"""Datadir → lake, end to end with undo: rate on one core and on two, growth from 10⁵ to 10⁷, bytes a transaction."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from bench.measure import Finished, Measure, run_command

SIZES = (100_000, 1_000_000, 10_000_000)
SEED = 1
TADORU = [str(Path(sys.executable).with_name("tadoru"))]


def datadir(work: Path, n_tx: int) -> Path:
    """A generated datadir of `n_tx` transactions, made once."""
    path = work / f"datadir-{n_tx}"
    if not (path / "done").exists():
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run(
            [sys.executable, "-m", "bench.generate", str(path), "--tx", str(n_tx), "--seed", str(SEED)], check=True
        )
        (path / "done").touch()
    return path


def lake_dir(work: Path, n_tx: int) -> Path:
    """Where the lake of a generated datadir lies."""
    return work / f"data-{n_tx}"


def fill(work: Path, n_tx: int, workers: int) -> Finished:
    """Backfill a fresh lake as a user would; one worker is pinned to one core."""
    source, target = datadir(work, n_tx), lake_dir(work, n_tx)
    shutil.rmtree(target, ignore_errors=True)
    pinned = ["taskset", "-c", "0"] if workers == 1 else []
    verb = ["backfill", "bitcoin", "--from", str(source), "--data", str(target), "--workers", str(workers)]
    return run_command([*pinned, *TADORU, *verb])


def lake_bytes(data: Path) -> int:
    """Bytes of all Parquet segments."""
    return sum(path.stat().st_size for path in data.glob("lake/**/*.parquet"))


def run(work: Path, largest: int) -> list[Measure]:
    """The backfill bars, up to `largest` transactions."""
    sizes = [n for n in SIZES if n <= largest]
    done = {n: fill(work, n, 1) for n in sizes}
    n = sizes[-1]
    two = fill(work, n, 2)
    rate = n / done[n].seconds
    speedup = done[n].seconds / two.seconds
    disk = lake_bytes(lake_dir(work, n)) / n
    measures = [
        Measure("backfill, one core", rate, "tx/s", bar=">= 100,000", met=rate >= 100_000),
        Measure("backfill, two workers", n / two.seconds, "tx/s", "one", speedup, ">= 1.7 x", speedup >= 1.7),
        Measure("lake", disk, "bytes/tx", bar="<= 200", met=disk <= 200),
    ]
    for small, large in pairwise(sizes):
        growth = done[large].seconds / done[small].seconds
        measures.append(
            Measure(
                f"backfill, time({large:,})", done[large].seconds, "s", f"{small:,}", growth, "<= 11 x", growth <= 11
            )
        )
    peaks = [done[n].peak_bytes for n in sizes]
    spread = max(peaks) / min(peaks)
    return [
        *measures,
        Measure("backfill, peak memory", max(peaks) / 1e6, "MB", "smallest", spread, "<= 1.3 x", spread <= 1.3),
    ]
