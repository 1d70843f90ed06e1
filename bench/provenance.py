"""Forward and backward pass over arrays of realistic shape: `python -m bench.provenance [TX]`.

The history is drawn, not read: shapes as `worlds.fast.rates` has them, spends that mostly come soon, 500 services of
14 categories. Two regimes: a quarter of all outputs goes to a service (so trails end soon), and a tenth (so that
vectors are about as full as they can be). Rates are of CPU time, the best of several, because cores are shared.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.measure import Measure
from chains.kernels import kernel
from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import COINJOIN, MINED, N_ENDS, Part, Parties, stored_kind
from heuristics.exposure.provenance import Provenance
from worlds.fast.draws import below, generator, share
from worlds.fast.rates import SHAPE_LIMITS, SHAPE_STEPS

SERVICES = 500  # named parties, with a category each
CATEGORIES = 20
BLOCK = 2000
PART = 500_000  # transactions at once, about a lake's segment
NEW_OWNER = 0.22  # of outputs to people
REGIMES = {"": 0.25, ", few services": 0.10}  # of outputs that go to services
POOLED = 0.002  # of transactions: CoinJoins
REWARD = 625_000_000
NEAR = 8  # the power that makes coins be spent soon
TRIES = 30
RUNS = 4
PASSES: dict[str, tuple[type[Provenance | Destinations], int, float]] = {
    "forward": (Provenance, 1, 1.5e6),
    "backward": (Destinations, -1, 3e6),
}


@kernel
def _pick(rng: np.ndarray, spent_by: np.ndarray, owners: np.ndarray, n: int, payer: int) -> int:
    """A recent unspent output, of the payer or of people like him; -1 where none is found at once."""
    for _ in range(TRIES):
        o = int(n - 1 - int(n * share(rng) ** NEAR))
        if o >= 0 and spent_by[o] < 0 and (payer < 0 or owners[o] == payer or min(owners[o], payer) >= SERVICES):
            return o
    return -1


@kernel
def _whom(rng: np.ndarray, owners: int, to_service: float) -> int:
    """Who is paid: a service, the busy ones first; somebody new (`owners`); or somebody, mostly of late."""
    if share(rng) < to_service:
        return int(SERVICES * share(rng) ** 3)
    if share(rng) < NEW_OWNER or owners < 2 * SERVICES:
        return owners
    return owners - 1 - int((owners - SERVICES) * share(rng) ** 4)


@kernel
def _draw(
    rng: np.ndarray, n_tx: int, shapes: tuple[np.ndarray, np.ndarray], to_service: float
) -> tuple[np.ndarray, ...]:
    """Starts and columns of a history: in_start, out_start, born, then those of Part in their order."""
    limits, steps = shapes
    size = 4 * n_tx + 1000
    in_start, out_start, born = np.zeros(n_tx + 1, np.int64), np.zeros(n_tx + 1, np.int64), np.full(n_tx, -1, np.int32)
    origin, spend_value, spend_owner = np.zeros(size, np.int32), np.zeros(size, np.int64), np.zeros(size, np.int32)
    spent_by, out_value, out_owner = np.full(size, -1, np.int32), np.zeros(size, np.int64), np.zeros(size, np.int32)
    of, vout = np.zeros(size, np.int32), np.zeros(size, np.int32)
    owners, n_in, n_out = SERVICES, 0, 0
    for t in range(n_tx):
        shape = limits[min(int(np.searchsorted(steps, share(rng))), len(limits) - 1)]
        value, owner = 0, -1
        for _ in range(shape[0] + int((shape[1] - shape[0] + 1) * share(rng) ** 2) if t % BLOCK else 0):
            o = _pick(rng, spent_by, out_owner, n_out, owner)
            if o >= 0:
                owner = out_owner[o]
                origin[n_in], spend_value[n_in], spend_owner[n_in] = of[o], out_value[o], owner
                vout[n_in] = o - out_start[of[o]]
                value += out_value[o]
                spent_by[o] = t
                n_in += 1
        born[t] = MINED if owner < 0 else COINJOIN if below(rng, 1000) < 1000 * POOLED else -1
        left = REWARD if owner < 0 else value - min(value // 2, 500)
        outs = shape[2] + int((shape[3] - shape[2] + 1) * share(rng) ** 2)
        for j in range(min(outs, size - n_out)):
            whom = owner if j > 0 and j == outs - 1 and owner >= 0 else _whom(rng, owners, to_service)
            owners += whom == owners
            paid = left if j == outs - 1 else int(left * share(rng) * 0.8)
            left -= paid
            of[n_out], out_value[n_out], out_owner[n_out] = t, paid, whom
            n_out += 1
        in_start[t + 1], out_start[t + 1] = n_in, n_out
    columns = (origin[:n_in], vout[:n_in], spend_value[:n_in], spend_owner[:n_in])
    return in_start, out_start, born, *columns, spent_by[:n_out], out_value[:n_out], out_owner[:n_out]


def history(n_tx: int, to_service: float = REGIMES[""]) -> tuple[list[Part], Parties]:
    """A drawn history in parts, and who is a boundary."""
    in_start, out_start, born, *rows = _draw(generator(1), n_tx, (SHAPE_LIMITS, SHAPE_STEPS), to_service)
    parts = []
    for first in range(0, n_tx, PART):
        last = min(first + PART, n_tx)
        i, o = (slice(start[first], start[last]) for start in (in_start, out_start))
        starts = in_start[first : last + 1] - i.start, out_start[first : last + 1] - o.start
        columns: Any = (*(c[i].copy() for c in rows[:4]), *(c[o].copy() for c in rows[4:]))
        parts.append(Part._make((first, *starts, *columns, born[first:last].copy())))
    code = np.full(int(rows[6].max()) + 1, -1, np.int32)
    code[:SERVICES] = np.arange(CATEGORIES, CATEGORIES + SERVICES)
    kinds = N_ENDS + np.arange(SERVICES) % (CATEGORIES - N_ENDS)
    return parts, Parties(code, np.concatenate([np.arange(CATEGORIES), kinds]).astype(np.int32), CATEGORIES)


def once(name: str, parts: list[Part], parties: Parties) -> tuple[float, Provenance | Destinations, int]:
    """One pass over all parts: CPU seconds, the pass, rows that came out."""
    kind, order, _ = PASSES[name]
    run = kind(parties, sum(len(part.born) for part in parts))
    rows = 0
    start = time.process_time()
    for part in parts[::order]:
        rows += len(run.run(part).rows)
    return time.process_time() - start, run, rows


def stored(rows: int, n_tx: int) -> float:
    """Bytes per transaction of what is kept of one pass: its rows as arrays, and where each transaction's begin."""
    size = stored_kind(CATEGORIES + SERVICES).itemsize
    return (rows * size + (n_tx + 1) * np.dtype(np.int64).itemsize) / n_tx


def measure(name: str, n_tx: int, regime: str) -> Iterator[Measure]:
    """The bars of one pass in one regime."""
    once(name, *history(1000))
    best = {}
    for n in (n_tx // 2, n_tx):
        parts, parties = history(n, REGIMES[regime])
        best[n] = min((once(name, parts, parties) for _ in range(RUNS)), key=lambda taken: taken[0])
    seconds, run, rows = best[n_tx]
    title, bar = f"{name} pass, {n_tx:,} tx{regime}", PASSES[name][2]
    rate, twice = n_tx / seconds, seconds / best[n_tx // 2][0]
    size = stored(rows, n_tx)
    yield Measure(title, rate / 1e6, "M tx/s", bar=f">= {bar / 1e6} M tx/s", met=rate >= bar)
    yield Measure(f"{title}, against half", twice, "x", bar="<= 2.2 x", met=twice <= 2.2)
    yield Measure(f"{title}, rows", rows / n_tx, "rows/tx")
    yield Measure(f"{title}, stored", size, "bytes/tx", bar="<= 150", met=size <= 150)
    yield Measure(f"{title}, live at most", run.most_live / n_tx * 100, "% of tx")
    yield Measure(f"{title}, held", run.nbytes / 1e6, "MB")


def run(n_tx: int = 10_000_000) -> Iterator[Measure]:
    """Both passes in both regimes."""
    for regime in REGIMES:
        for name in PASSES:
            yield from measure(name, n_tx, regime)


if __name__ == "__main__":
    for taken in run(int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000):
        print(taken.line(), flush=True)
