"""Follow coins from one place or several, forward or backward, by haircut, FIFO or poison, as far as was asked.

The trail of a coin ends where the passes end it: with a party that is a boundary, in a coinbase or a CoinJoin, in
the fee, unspent, or before the history. What a limit stops is *cut off*, and counted by the limit. By haircut and
FIFO the ends and what was cut off add up to what was asked about: FIFO exactly, haircut to rounding.

Haircut is the method of what is stored; asked here without limits it tells the same. FIFO is sharp, and depends on
the order in which wallets list inputs and outputs. Poison tells what can be reached at all: each coin counts whole,
so its sums are "at most", and its shares do not add up to 1.

Hops are counted from whoever holds the coins asked about: their own transactions are no hop, as in the passes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.errors import TadoruError
from heuristics.exposure.passes.parts import CUT, MOST_HOPS, Ints, Longs, Part, Parties, Rows
from heuristics.exposure.tracing import kernels as loops
from heuristics.exposure.tracing import slots
from store.errors import DamagedError

METHODS: Final[Mapping[str, int]] = {"haircut": slots.HAIRCUT, "fifo": slots.FIFO, "poison": slots.POISON}
DIRECTIONS: Final = ("forward", "backward")
MAX_TX: Final = 10_000
# The limits by name, as the loops number them.
LIMITS: Final[Mapping[str, int]] = {
    "max_tx": loops.MAX_TX,
    "max_hops": loops.MAX_HOPS,
    "min_value": loops.MIN_VALUE,
}
# Where trails end: satoshi, how many coins, and the first and the last transaction that pays them there (backward:
# that takes them from there).
END: Final = np.dtype(
    [("code", "i4"), ("satoshi", "f8"), ("min_hops", "i4"), ("n", "i8"), ("first", "i8"), ("last", "i8")]
)
_SOME: Final = 64


class AskedError(TadoruError, ValueError):
    """A trace that can not be made: an unknown method or direction, a limit below 0, a coin that does not exist."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How to trace, and when to stop.

    At most `max_tx` transactions are gone through, those nearest in time first; nothing further away than `max_hops`
    is looked at; a coin that carries less than `min_value` satoshi is not followed. A wider limit never cuts off more,
    but where `max_tx` binds the other two choose which transactions it is spent on. Raises AskedError.
    """

    method: str = "haircut"
    direction: str = "forward"
    max_tx: int = MAX_TX
    max_hops: int = MOST_HOPS
    min_value: int = 0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.method not in METHODS:
            raise AskedError(f"{self.method!r} is no method of tracing: use one of {', '.join(METHODS)}")
        if self.direction not in DIRECTIONS:
            raise AskedError(f"{self.direction!r} is no direction: use one of {', '.join(DIRECTIONS)}")
        for name in LIMITS:
            limit = getattr(self, name)
            most = slots.MOST_VALUE if name == "min_value" else np.iinfo(np.int32).max
            if not 0 <= limit <= most:
                raise AskedError(f"{name} is {limit}: give a number from 0 to {most}")


class Seeds(NamedTuple):
    """Coins to trace: rows of outputs, and how many satoshi of each (by FIFO its first ones; poison takes it whole).

    `hops` lie behind them, or behind each, already. Forward, a coin that belongs to a boundary goes nowhere, unless
    the trail is to lead `through` whoever holds the seeds.
    """

    row: Longs
    value: Longs
    hops: int | Ints = 0
    through: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What a trace found. Satoshi are 8-byte floats, in which whole satoshi add up exactly up to 2**53 of them."""

    asked: Asked
    start: float
    """Satoshi asked about."""
    ends: Rows
    """Rows of END, one per code, the largest first."""
    cut: Mapping[str, tuple[float, int]]
    """Satoshi and coins that each limit cut off, by its name."""
    visits: Rows
    """Rows of tracing.kernels.VISIT, in the order in which transactions were gone through."""
    edges: Rows
    """Rows of tracing.slots.EDGE: every coin that was met, the seeds first."""

    @property
    def cut_off(self) -> float:
        """Satoshi cut off by any limit."""
        return sum(satoshi for satoshi, _ in self.cut.values())

    @property
    def complete(self) -> bool:
        """Whether no limit cut anything off."""
        return not any(n for _, n in self.cut.values())

    @property
    def at_most(self) -> bool:
        """Whether satoshi are only what can be reached, and do not add up."""
        return self.asked.method == "poison"


def coin(whole: Part, place: int, vout: int) -> Seeds:
    """One whole output, to be traced through whoever holds it; raises AskedError where there is none."""
    if not 0 <= place < len(whole.born):
        raise AskedError(f"transaction {place} is not in the history of {len(whole.born)} transactions")
    first, last = int(whole.out_start[place]), int(whole.out_start[place + 1])
    if not 0 <= vout < last - first:
        raise AskedError(f"the transaction has no output {vout}: its outputs are 0 to {last - first - 1}")
    row = np.array([first + vout], np.int64)
    return Seeds(row, whole.out_value[row], through=True)


def trace(whole: Part, parties: Parties, seeds: Seeds, asked: Asked) -> Trace:
    """Follow coins.

    Parameters
    ----------
    whole
        The history, as one part.
    parties
        Who is a boundary.
    seeds
        What to follow; those worth nothing lead nowhere.
    asked
        How, and how far.

    Returns
    -------
    Trace
        The ends, what was cut off, and the way there. Time and memory follow the transactions gone through. Raises
        AskedError for seeds that do not exist, DamagedError where the history contradicts itself.
    """
    edges = _seeds(whole, parties, seeds, poison=asked.method == "poison")
    start = float(edges["satoshi"].sum())
    rule = slots.Rule(
        METHODS[asked.method],
        asked.direction == "forward",
        seeds.through,
        asked.max_tx,
        asked.max_hops,
        float(asked.min_value),
    )
    edges, visits, wrong = loops.follow(whole, parties, rule, edges, np.empty(_SOME, loops.VISIT))
    if wrong >= 0:
        raise DamagedError(
            f"transaction {wrong} of the history contradicts its neighbours: its coins can not be traced"
        )
    cut = {}
    for name, why in LIMITS.items():
        lost = edges[edges["why"] == why]
        cut[name] = float(lost["satoshi"].sum()), len(np.unique(_coins(lost)))
    return Trace(asked, start, _ends(edges, forward=rule.forward), cut, visits, edges)


def by_method(whole: Part, parties: Parties, seeds: Seeds, asked: Asked) -> dict[int, tuple[float, int]]:
    """Where the coins of a wallet come from (the seeds are what it received), or go to (what it sent), by a method.

    Parameters
    ----------
    whole, parties, asked
        As trace takes them; what is stored of a wallet is haircut.
    seeds
        Outputs to the wallet with the satoshi that count as received, backward; outputs to others with its share of
        them, forward: these are one hop away from it already (`hops=1`), as are coins of others by which they paid.

    Returns
    -------
    dict[int, tuple[float, int]]
        By code, satoshi and least hops; CUT is what the limits cut off, with hops 0. By poison a party that is
        there can be reached, with at most so many satoshi. Raises as trace does.
    """
    found = trace(whole, parties, seeds, asked)
    told = {int(end["code"]): (float(end["satoshi"]), int(end["min_hops"])) for end in found.ends}
    return told if found.complete else {**told, CUT: (found.cut_off, 0)}


def _seeds(whole: Part, parties: Parties, seeds: Seeds, *, poison: bool) -> Rows:
    """Edges for the seeds, by row; each coin once where it counts whole."""
    rows, values = np.asarray(seeds.row, np.int64), np.asarray(seeds.value, np.int64)
    if rows.shape != values.shape or rows.ndim != 1:
        raise AskedError(f"{rows.size} outputs and {values.size} values to trace: give one value for each output")
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(whole.out_value):
        raise AskedError(f"an output to trace is not among the {len(whole.out_value)} of the history")
    if ((values < 0) | (values > whole.out_value[rows])).any():
        raise AskedError("more satoshi are to be traced than an output has, or fewer than none")
    hops = np.broadcast_to(np.asarray(seeds.hops, np.int32), rows.shape)
    rows, values, hops = rows[values > 0], values[values > 0], hops[values > 0]
    if poison:
        rows, at = np.unique(rows, return_index=True)
        values, hops = whole.out_value[rows], hops[at]
    edges = np.zeros(len(rows), slots.EDGE)
    edges["row"], edges["satoshi"], edges["hops"] = rows, values, hops
    edges["maker"] = np.searchsorted(whole.out_start, rows, "right") - 1
    edges["spender"] = whole.spent_by[rows]
    owners = whole.out_owner[rows]
    known = (owners >= -1) & (owners < len(parties.code))
    later = (edges["spender"] == -1) | ((edges["spender"] > edges["maker"]) & (edges["spender"] < len(whole.born)))
    there = edges["maker"] < len(whole.born)
    if not (known & later & there).all():
        raise DamagedError("an output to trace has a maker, an owner, or a spender that does not exist")
    return np.sort(edges, order="row", kind="stable")


def _coins(edges: Rows) -> npt.NDArray[np.void]:
    """What tells coins apart: outputs; fees by who pays them; coins from before the history by who spends them."""
    return np.ascontiguousarray(edges[["maker", "spender", "row"]])


def _ends(edges: Rows, *, forward: bool) -> Rows:
    """Trails that ended, by code."""
    some = edges[(edges["why"] >= loops.OWNER) & (edges["why"] <= loops.OPEN)]
    code, of = np.unique(some["code"], return_inverse=True)
    ends = np.zeros(len(code), END)
    ends["code"] = code
    ends["satoshi"] = np.bincount(of, some["satoshi"], len(code))
    inside = some["why"] == loops.BORN
    place = np.where(inside == forward, some["spender"], some["maker"])
    ends["min_hops"], ends["first"], ends["last"] = np.iinfo(np.int32).max, np.iinfo(np.int64).max, -1
    np.minimum.at(ends["min_hops"], of, some["hops"])
    np.minimum.at(ends["first"], of, place)
    np.maximum.at(ends["last"], of, place)
    different = np.unique(np.rec.fromarrays([of, *(some[name] for name in ("maker", "spender", "row"))]))
    ends["n"] = np.bincount(different["f0"], minlength=len(code))
    return ends[np.lexsort((ends["code"], -ends["satoshi"]))]
