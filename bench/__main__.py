"""All figures in one run: printed, and written to bench/results.json with the commit.

`python -m bench [--tx N] [--work DIR]`: N is the largest generated chain (10⁷ by default, about 25 minutes and
12 GB of disk; 10⁶ takes two minutes). Ratios are taken within the run, because machines are noisy.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench import backfill, exposure, index, labels, parse, provenance, screening, start, worlds
from bench.measure import Measure, commit

RESULTS = Path(__file__).with_name("results.json")


def measures(work: Path, largest: int) -> Iterator[Measure]:
    """Every bar, the quick ones first."""
    yield from start.run()
    yield from parse.run()
    yield from labels.run()
    yield from backfill.run(work, largest)
    for n_tx in backfill.SIZES[1:]:
        if n_tx <= largest:
            yield from index.run(backfill.lake_dir(work, n_tx), n_tx)
    yield from screening.run(backfill.lake_dir(work, min(largest, backfill.SIZES[1])))
    yield from exposure.run(backfill.lake_dir(work, min(largest, backfill.SIZES[1])))
    yield from provenance.run(largest)
    yield from worlds.run(work, largest)


def main() -> None:
    """Measure, print as it goes, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tx", type=int, default=max(backfill.SIZES), help="transactions of the largest chain")
    parser.add_argument("--work", type=Path, help="where chains are generated; kept for the next run if named")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        taken = []
        for measure in measures(work, args.tx):
            print(measure.line(), flush=True)
            taken.append(measure)
    facts = {"commit": commit(), "at": datetime.now(UTC).isoformat(timespec="seconds"), "tx": args.tx}
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    rows = {m.name: {key: value for key, value in asdict(m).items() if key != "name"} for m in taken}
    RESULTS.write_text(json.dumps({**facts, **machine, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
