"""Tracing over arrays of realistic shape: `python -m bench.trace [TX]`, with the history of bench.provenance.

Each method and direction follows drawn coins one by one, then thousands of them at once (a large wallet's), with the
bound on transactions as it is by default and no other limit. The interval of a wallet of drawn coins is found for
one category. Times are CPU time of one question, with all its results; rates are of all transactions visited.
"""

import sys
import time
from collections.abc import Iterator

import numpy as np

from bench.measure import Measure
from bench.provenance import REGIMES, history
from heuristics.exposure.intervals import interval
from heuristics.exposure.passes.parts import N_ENDS, Part, Parties
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.trace import DIRECTIONS, MAX_TX, METHODS, Asked, Seeds, trace

COINS = 200
WALLET = 5000


def joined(parts: list[Part]) -> Part:
    """One part of all."""
    starts = [np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part[k]) for part in parts]))]) for k in (1, 2)]
    columns = [np.concatenate([part[k] for part in parts]) for k in range(3, 11)]
    return Part(0, *starts, *columns)


def drawn(whole: Part, direction: str, n: int) -> np.ndarray:
    """Outputs from a stretch of the history that has most of it ahead."""
    some = len(whole.out_value)
    near = some // 10 if direction == "forward" else some * 17 // 20
    return np.random.default_rng(1).integers(near, near + some // 20, n)


def timed(whole: Part, parties: Parties, rows: np.ndarray, asked: Asked) -> tuple[float, int]:
    """Milliseconds of one trace, and how many transactions it visited."""
    seeds = Seeds(rows, whole.out_value[rows], through=True)
    start = time.process_time()
    found = trace(whole, parties, seeds, asked)
    return 1e3 * (time.process_time() - start), len(found.visits)


def measure(whole: Part, parties: Parties, asked: Asked, regime: str) -> Iterator[Measure]:
    """The figures of one method in one direction."""
    title = f"{asked.method} {asked.direction}{regime}"
    rows = drawn(whole, asked.direction, COINS)
    taken = np.array([timed(whole, parties, rows[k : k + 1], asked) for k in range(COINS)])
    full = taken[taken[:, 1] == asked.max_tx, 0]
    yield Measure(f"{title}, p50", float(np.percentile(taken[:, 0], 50)), "ms")
    yield Measure(f"{title}, p99", float(np.percentile(taken[:, 0], 99)), "ms")
    yield Measure(f"{title}, at the bound", 100 * len(full) / COINS, "% of coins")
    if len(full):
        yield Measure(f"{title}, p50 at the bound", float(np.percentile(full, 50)), "ms")
    once, visits = timed(whole, parties, np.unique(drawn(whole, asked.direction, WALLET)), asked)
    yield Measure(f"{title}, {WALLET:,} coins", once, "ms")
    yield Measure(f"{title}, {WALLET:,} coins", visits / once * 1e-3, "M visits/s")


def intervals(whole: Part, parties: Parties, regime: str) -> Iterator[Measure]:
    """The figures of intervals, for wallets of ten coins and one category."""
    sources = Provenance(parties, len(whole.born)).run(whole)
    of = parties.category == N_ENDS
    rows = drawn(whole, "backward", 10 * COINS).reshape(COINS, 10)
    taken, wide = [], 0
    for some in rows:
        start = time.process_time()
        found = interval((whole, parties, sources), Seeds(some, whole.out_value[some]), of)
        taken.append(1e3 * (time.process_time() - start))
        wide += not found.told
    yield Measure(f"interval{regime}, p50", float(np.percentile(taken, 50)), "ms")
    yield Measure(f"interval{regime}, p99", float(np.percentile(taken, 99)), "ms")
    yield Measure(f"interval{regime}, too wide to be shown", 100 * wide / COINS, "% of wallets")


def run(n_tx: int = 1_000_000) -> Iterator[Measure]:
    """All methods in both directions and regimes."""
    for regime, to_service in REGIMES.items():
        parts, parties = history(n_tx, to_service)
        whole = joined(parts)
        for method in METHODS:
            for direction in DIRECTIONS:
                asked = Asked(method, direction, max_tx=MAX_TX)
                timed(whole, parties, np.array([0]), asked)
                yield from measure(whole, parties, asked, regime)
        yield from intervals(whole, parties, regime)


if __name__ == "__main__":
    for taken in run(int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000):
        print(taken.line(), flush=True)
