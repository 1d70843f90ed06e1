"""Simulated worlds with their truth: agents alone, signed and unsigned, and with a crowd up to 10⁷ transactions."""

import json
import shutil
from pathlib import Path

from bench.backfill import TADORU
from bench.measure import Finished, Measure, run_command

PEOPLE = 7_900  # who make 10⁵ transactions in BLOCKS, all agents together
BLOCKS = 720
CROWD = 2_500  # transactions a block
FIRST_BUSY = 116  # blocks before the crowd has coins
MINUTE_BAR, HOUR_BAR, MEMORY_BAR = 60, 3_600, 8e9


def simulated(work: Path, name: str, *options: str) -> tuple[Finished, int]:
    """Simulate a world as a user would; gives what it took, and its transactions."""
    world = work / f"world-{name}"
    shutil.rmtree(world, ignore_errors=True)
    done = run_command([*TADORU, "simulate", "bitcoin", "--out", str(world), "--seed", "1", *options])
    n_tx = int(json.loads((world / "truth" / "world.json").read_text())["made"]["n_tx"])
    shutil.rmtree(world)
    return done, n_tx


def run(work: Path, largest: int) -> list[Measure]:
    """The bars of generating, the largest with a crowd of so many transactions."""
    measures = []
    town = ["--blocks", str(BLOCKS), "--people", str(PEOPLE)]
    for name, options in (("unsigned", [*town, "--unsigned"]), ("signed", town)):
        done, n_tx = simulated(work, name, *options)
        seconds = done.seconds * 100_000 / n_tx
        measures.append(Measure(f"simulate 100,000 tx, {name}", seconds, "s", bar="<= 60 s", met=seconds <= MINUTE_BAR))
    blocks = FIRST_BUSY + largest // CROWD
    done, n_tx = simulated(work, "crowd", "--blocks", str(blocks), "--crowd", str(CROWD))
    limit = HOUR_BAR * n_tx / 10_000_000
    memory = done.peak_bytes
    return [
        *measures,
        Measure(f"simulate {n_tx:,} tx, crowd", done.seconds, "s", bar=f"<= {limit:,.0f} s", met=done.seconds <= limit),
        Measure("simulate, peak memory", memory / 1e9, "GB", bar="<= 8 GB", met=memory <= MEMORY_BAR),
    ]
