"""Slow, obvious twin of a trace: transaction by transaction through the whole history, coins in dictionaries.

What a coin carries is a list of runs: first satoshi, how many, hops to whoever holds it. Haircut and poison have
one run per coin, and do not look at its first satoshi.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from heuristics.exposure.passes.parts import FEE, HELD, UNRESOLVED
from heuristics.exposure.trace import Asked
from tests.naive_provenance import Out, Tx

Run = tuple[int, Fraction, int]
Runs = list[Run]
Coin = tuple[int, int]  # transaction, output


@dataclass
class Told:
    """What a trace tells."""

    ends: dict[int, list[tuple[Fraction, int, object]]] = field(default_factory=lambda: defaultdict(list))
    cut: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    visits: list[tuple[int, Fraction, int]] = field(default_factory=list)

    def end(self, code: int, runs: Runs, coin: object, hops: int = 0) -> None:
        """Count what has arrived somewhere, `hops` further on."""
        self.ends[code] += [(value, far + hops, coin) for _, value, far in runs]

    def summary(self) -> dict[int, tuple[Fraction, int, int]]:
        """Satoshi, least hops and number of coins by code."""
        return {
            code: (sum((v for v, _, _ in some), Fraction(0)), min(h for _, h, _ in some), len({c for _, _, c in some}))
            for code, some in self.ends.items()
            if some
        }


@dataclass
class Twin:
    """One trace over a history."""

    txs: Sequence[Tx]
    code: Mapping[int | None, int]
    asked: Asked
    told: Told = field(default_factory=Told)
    waiting: dict[int, dict[Coin, Runs]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def again(self, coin: Coin, seeds: Mapping[Coin, int]) -> bool:
        """Whether a coin counts already: poison counts each once."""
        return self.asked.method == "poison" and coin in seeds

    def reach(self, runs: Runs) -> Runs:
        """Cut off what is too far."""
        for _, value, hops in runs:
            if hops > self.asked.max_hops:
                self.told.cut["max_hops"] += value
        return [run for run in runs if run[2] <= self.asked.max_hops]

    def wait(self, t: int, coin: Coin, runs: Runs) -> None:
        """Follow a coin into a transaction, if it is large enough."""
        if not runs:
            return
        value = sum((v for _, v, _ in runs), Fraction(0))
        born = self.txs[t].born
        if born is not None:
            self.told.end(born, runs, coin)
        elif value < self.asked.min_value:
            self.told.cut["min_value"] += value
        else:
            self.waiting[t][coin] += runs

    def moved(self, arrived: Sequence[tuple[int, Runs]], slots: Sequence[int]) -> list[Runs]:
        """What goes to each slot; `arrived` has runs with the place in line where their coin begins."""
        flat: Runs = sorted((at + first, value, hops) for at, runs in arrived for first, value, hops in runs)
        if self.asked.method == "fifo":
            return [_between(flat, sum(slots[:k]), slot) for k, slot in enumerate(slots)]
        total, hops = sum((run[1] for run in flat), Fraction(0)), min(run[2] for run in flat)
        if self.asked.method == "poison":
            total = Fraction(sum(slots))
        return [[(0, total * slot / sum(slots), hops)] if slot else [] for slot in slots]

    def visit(self, t: int, runs: Iterable[Runs]) -> bool:
        """Count a visit; whether there may be one more."""
        flat = [run for some in runs for run in some]
        value = sum((v for _, v, _ in flat), Fraction(0))
        if flat and len(self.told.visits) >= self.asked.max_tx:
            self.told.cut["max_tx"] += value
        elif flat:
            self.told.visits.append((t, value, min(hops for _, _, hops in flat)))
            return True
        return False


def _between(flat: Sequence[Run], first: int, size: int) -> Runs:
    """The part of some runs that lies in a slot, counted from there."""
    found = []
    for at, value, hops in flat:
        low, high = max(at, first), min(at + value, Fraction(first + size))
        if low < high:
            found.append((int(low - first), Fraction(high - low), hops))
    return found


def _further(runs: Runs, step: int) -> Runs:
    return [(at, value, hops + step) for at, value, hops in runs]


def _inputs(tx: Tx) -> list[int]:
    """What each input is worth: the first one of unknown value stands for all of these."""
    gap, values = tx.gap, []
    for i in tx.ins:
        values.append(gap if i.value is None else i.value)
        gap = 0 if i.value is None else gap
    return values


def _passage(tx: Tx, o: Out) -> int:
    """Hops from whoever pays a transaction to an output."""
    return 0 if o.owner is not None and {i.owner for i in tx.ins} == {o.owner} else 1


def forward(twin: Twin, seeds: Mapping[Coin, int], *, through: bool) -> Told:
    """Follow coins to where they went."""

    def go(coin: Coin, runs: Runs, *, seed: bool) -> None:
        out = twin.txs[coin[0]].outs[coin[1]]
        runs = twin.reach(runs)
        if out.owner in twin.code and not (seed and through):
            twin.told.end(twin.code[out.owner], runs, coin)
        elif out.spent_by is None:
            twin.told.end(HELD, runs, coin)
        else:
            twin.wait(out.spent_by, coin, runs)

    for coin, value in seeds.items():
        go(coin, [(0, Fraction(value), 0)], seed=True)
    for t, tx in enumerate(twin.txs):
        values = _inputs(tx)
        arrived = [
            (sum(values[:k]), twin.waiting[t].get((i.tx, i.vout), [])) for k, i in enumerate(tx.ins) if i.tx is not None
        ]
        if not twin.visit(t, [runs for _, runs in arrived]):
            continue
        slots = [o.value for o in tx.outs]
        for vout, runs in enumerate(twin.moved(arrived, [*slots, sum(values) - sum(slots)])):
            if vout == len(slots):
                twin.told.end(FEE, twin.reach(_further(runs, 1)), (t, None))
                continue
            o = tx.outs[vout]
            moved = _further(runs, _passage(tx, o))
            arrives = through and o.owner in twin.code and all(run[2] <= twin.asked.max_hops for run in moved)
            if arrives or not twin.again((t, vout), seeds):
                go((t, vout), moved, seed=False)
    return twin.told


def backward(twin: Twin, seeds: Mapping[Coin, int]) -> Told:
    """Follow coins to where they came from."""

    def go(coin: Coin, runs: Runs) -> None:
        far = 1 if twin.txs[coin[0]].born is not None else 0
        twin.wait(coin[0], coin, twin.reach(_further(runs, far)))

    for coin, value in seeds.items():
        go(coin, [(0, Fraction(value), 0)])
    for t in reversed(range(len(twin.txs))):
        tx = twin.txs[t]
        arrived = []
        for vout, o in enumerate(tx.outs):
            runs = twin.reach(_further(twin.waiting[t].get((t, vout), []), _passage(tx, o)))
            arrived.append((sum(other.value for other in tx.outs[:vout]), runs))
        if not twin.visit(t, [runs for _, runs in arrived]):
            continue
        for k, runs in enumerate(twin.moved(arrived, _inputs(tx))):
            i = tx.ins[k]
            if i.value is None or (i.tx is None and i.owner not in twin.code):
                twin.told.end(UNRESOLVED, runs, (t, k))
            elif i.owner in twin.code:
                twin.told.end(twin.code[i.owner], runs, (t, k) if i.tx is None else (i.tx, i.vout))
            elif i.tx is not None and not twin.again((i.tx, i.vout), seeds):
                go((i.tx, i.vout), runs)
    return twin.told
