"""Write a large datadir to measure on: `python -m bench.generate OUT --tx 1000000 --seed 1`."""

import argparse
import resource
import time
from pathlib import Path

from worlds.fast.simulate import generate


def main() -> None:
    """Generate, and say how long it took and how large it became."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="datadir to write; blocks/ must not exist in it")
    parser.add_argument("--tx", type=int, default=100_000, help="transactions, coinbases counted")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    start, cpu = time.perf_counter(), time.process_time()

    def report(done: int, wanted: int) -> None:
        rate = done / (time.perf_counter() - start)
        print(f"{done:>12,} of {wanted:,} transactions, {rate:,.0f}/s", flush=True)

    generate(args.out, args.tx, args.seed, report)
    spent, cpu = time.perf_counter() - start, time.process_time() - cpu
    size = sum(f.stat().st_size for f in (args.out / "blocks").glob("*.dat"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{args.tx:,} transactions in {spent:.1f} s ({cpu:.1f} s of one core)")
    print(f"{size / 1e6:,.0f} MB of files, peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
