"""The exposure folder of a generation: who is known, and where every transaction's coins came from and went.

It follows from the coin graph and one label version. Both passes go over the whole chain; what a busy wallet
received and sent is added up here too, because adding it up when asked would take too long.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.exposure.codes import N_CATEGORIES, Conclusions, categories_of, from_table, mined_by, to_table
from heuristics.exposure.delta.changes import History
from heuristics.exposure.delta.merge import merged
from heuristics.exposure.delta.relabel import destinations_delta, sources_delta
from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import (
    COINJOIN,
    MINED,
    NARROW_ROW,
    Ints,
    Longs,
    Part,
    Parties,
    Shares,
    stored_kind,
)
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.wheel import LINE, Asked, Surroundings, wheel
from heuristics.facts import Report
from heuristics.graph import POOLED
from store.arrays import Array, Arrays, Growing, save, save_facts, save_table

# Grows when the same graph and labels come to give other vectors.
VERSION: Final = 6
CUT: Final = Cut()
# A wallet with more transactions than this has its lines stored.
BUSY: Final = 1_000
_AT_ONCE: Final = 500_000  # transactions in a part
_ROWS_AT_ONCE: Final = 1 << 22
_DAY: Final = 86_400
_SATOSHI: Final = 100_000_000
_I4, _I8, _F8 = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float64)

ARRAYS: Final = (
    Array("owner", _I4, "owner", "per number: the address's cluster, or an owner of its own, after the last number"),
    Array("spend_owner", _I4, "owner", "per spend: whose it is; -1 nobody's"),
    Array("out_owner", _I4, "owner", "per output: whose it is; -1 nobody's"),
    Array("code", _I4, "code", "per owner: where trails stop; -1 where they go on"),
    Array("named", _I4, "code", "per owner: the conclusion about it, whether trails stop there or not; -1 none"),
    Array("own", _I4, "owner", "per owner: the first of all owners of the same entity, which are one wallet"),
    Array("born", _I4, "code", "per transaction: what its outputs are by themselves (mined, CoinJoin); else -1"),
    Array("source_start", _I8, "row", "where each transaction's sources begin, and the end of the last"),
    Array(
        "source_rows",
        NARROW_ROW,
        "share, code, hops",
        "sources; mean hops in 1/64 of a hop; code int32 from 65,537 codes on",
    ),
    Array("destination_start", _I8, "row", "where each transaction's destinations begin, and the end of the last"),
    Array("destination_rows", NARROW_ROW, "share, code, hops", "destinations, likewise"),
    Array("touch_start", _I8, "index of touch", "per wallet: where its transactions begin, and the end of the last"),
    Array("touch", _I4, "place", "per wallet: the transactions that pay it or that it pays, ascending"),
    Array("busy", _I4, "wallet", "wallets whose lines are stored, ascending"),
    Array("busy_start", _I8, "row", "where the lines of each begin, and the end of the last"),
    Array("busy_lines", LINE, "satoshi, money, places", "the lines, as heuristics.exposure.wheel makes them"),
    Array("listed_start", _I8, "index of since", "per code: where its listings begin, and the end of the last"),
    Array("since", _I8, "place", "per listing: the first transaction within it"),
    Array("until", _I8, "place", "per listing: the first transaction after it"),
    Array("price", _F8, "money for one satoshi", "per block: the day's price; not a number where there is none"),
)


class Prices(NamedTuple):
    """What a bitcoin cost, by day since 1970, ascending; the version stands for all of it."""

    version: str
    currency: str
    days: Longs
    price: npt.NDArray[np.float64]


NO_PRICES: Final = Prices("none", "", np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Ground:
    """What a folder is built from."""

    coins: Arrays
    found: Conclusions
    block_times: Longs
    """Seconds since 1970, from the first indexed block on."""
    prices: Prices
    earlier: "Earlier | None" = None
    """What is known of the same history, or of its beginning, under other labels."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier generation: its history, whose codes are the first of the new one's, and its vectors."""

    history: History
    sources: Shares
    destinations: Shares


def earlier(coins: Arrays, exposed: Arrays) -> Earlier:
    """Open an earlier generation."""
    around = surroundings(coins, exposed)
    known = Parties(around.code, categories_of(from_table(exposed.table("source"))), N_CATEGORIES)
    return Earlier(History(around.whole, known), around.sources, around.destinations)


def write(ground: Ground, folder: Path, facts: dict[str, str | int], report: Report) -> None:
    """Write the arrays of `ARRAYS`, the table of sources and the facts into a folder."""
    coins, found = ground.coins, ground.found
    save(folder, owner=found.owner, code=found.absorbs, named=found.named, own=found.own)
    for side in ("spend", "out"):
        _write_owners(coins[f"{side}_number"], found.owner, folder, side)
    _write_born(coins, found, folder)
    save(folder, price=_prices(ground), **_listed(ground))
    save_table(folder, "source", to_table(found.sources))
    touch_start, touch = touches(coins, Arrays(folder))
    save(folder, touch_start=touch_start, touch=touch)
    _passes(ground, History(whole(coins, Arrays(folder)), found.parties), folder, report)
    _write_busy(coins, Arrays(folder), folder, report)
    save_facts(folder, {**facts, "currency": ground.prices.currency, "drop": CUT.drop, "top": CUT.top})


def whole(coins: Arrays, exposed: Arrays) -> Part:
    """The history as one part."""
    return Part._make((0, *((exposed if name in exposed else coins)[name] for name in Part._fields[1:])))


def surroundings(coins: Arrays, exposed: Arrays) -> Surroundings:
    """What the wheel reads of an open generation."""
    return Surroundings(
        whole(coins, exposed),
        Shares(exposed["source_start"], exposed["source_rows"]),
        Shares(exposed["destination_start"], exposed["destination_rows"]),
        exposed["code"],
        exposed["named"],
        exposed["own"],
        coins["block_start"],
        exposed["listed_start"],
        exposed["since"],
        exposed["until"],
        exposed["price"],
    )


def parts(history: Part, *, backward: bool = False) -> Iterator[Part]:
    """Cut a history into parts, first to last or last to first."""
    n = len(history.born)
    firsts = range(0, n, _AT_ONCE)
    for first in reversed(firsts) if backward else firsts:
        last = min(first + _AT_ONCE, n)
        in_start, out_start = history.in_start[first : last + 1], history.out_start[first : last + 1]
        i, o = slice(in_start[0], in_start[-1]), slice(out_start[0], out_start[-1])
        yield Part(
            first, in_start - i.start, out_start - o.start, history.origin[i], history.vout[i],
            history.spend_value[i], history.spend_owner[i], history.spent_by[o], history.out_value[o],
            history.out_owner[o], history.born[first:last],
        )  # fmt: skip


def _write_owners(number: Ints, owner: Ints, folder: Path, side: str) -> None:
    """Write whose each spend or output is."""
    with Growing(folder, f"{side}_owner", np.int32) as file:
        for first in range(0, len(number), _ROWS_AT_ONCE):
            some = number[first : first + _ROWS_AT_ONCE]
            file.append(np.where(some >= 0, owner[some], np.int32(-1)))


def _write_born(coins: Arrays, found: Conclusions, folder: Path) -> None:
    """Write what each transaction's outputs are by themselves."""
    mined = np.full(len(coins["pooled"]), -1, np.int32)
    _coinbases(coins["in_start"], coins["out_start"], Arrays(folder)["out_owner"], mined_by(found), mined)
    save(folder, born=np.where(coins["pooled"] == POOLED, np.int32(COINJOIN), mined))


@kernel
def _coinbases(in_start: Longs, out_start: Longs, out_owner: Ints, pool: Ints, born: Ints) -> None:
    """Note coinbases: mined by the pool that their first output pays, where that is known."""
    for t in range(len(born)):
        if in_start[t] == in_start[t + 1]:
            owner = out_owner[out_start[t]] if out_start[t] < out_start[t + 1] else -1
            born[t] = pool[owner] if owner >= 0 and pool[owner] >= 0 else MINED


def touches(coins: Arrays, exposed: Arrays) -> tuple[Longs, Ints]:
    """Give the transactions of every wallet: where each one's begin, and their places."""
    own = exposed["own"]
    start = np.zeros(len(own) + 1, np.int64)
    last = np.full(len(own), -1, np.int32)
    graph = coins["in_start"], coins["out_start"], exposed["spend_owner"], exposed["out_owner"]
    places = np.zeros(0, np.int32)
    _touch(graph, own, last, start, places)
    np.cumsum(start, out=start)
    places = np.empty(start[-1], np.int32)
    last[:] = -1
    at = start[:-1].copy()
    _touch(graph, own, last, at, places)
    return start, places


@kernel
def _touch(graph: tuple[Longs, Longs, Ints, Ints], own: Ints, last: Ints, at: Longs, places: Ints) -> None:
    """Count each wallet's transactions (at[wallet + 1]), or where `places` has room write them from at[wallet] on."""
    in_start, out_start, spend_owner, out_owner = graph
    write = len(places) > 0
    for t in range(len(in_start) - 1):
        for row in range(in_start[t] - in_start[t + 1], out_start[t + 1] - out_start[t]):
            owner = spend_owner[in_start[t + 1] + row] if row < 0 else out_owner[out_start[t] + row]
            if owner < 0:
                continue
            wallet = own[owner]
            if last[wallet] == t:
                continue
            last[wallet] = t
            if write:
                places[at[wallet]] = t
                at[wallet] += 1
            else:
                at[wallet + 1] += 1


def _listed(ground: Ground) -> dict[str, Longs]:
    """By code where its listings begin; of each the first place within it, and the first after it."""
    start, listed = ground.coins["block_start"], ground.found.listed
    # Header times may run back a little; a block counts from the first time that was as late.
    day = np.maximum.accumulate(ground.block_times) // _DAY
    count = np.bincount([code for code, _, _ in listed], minlength=len(ground.found.sources))
    order = sorted(listed, key=lambda one: one[0])
    since = [start[np.searchsorted(day, _days(since))] if since else 0 for _, since, _ in order]
    until = [start[np.searchsorted(day, _days(until))] if until else start[-1] for _, _, until in order]
    listed_start = np.concatenate([[0], np.cumsum(count)])
    return {"listed_start": listed_start, "since": np.array(since, np.int64), "until": np.array(until, np.int64)}


def _prices(ground: Ground) -> npt.NDArray[np.float64]:
    """Money for one satoshi by block; not a number where its day has no price."""
    prices, days = ground.prices, ground.block_times // _DAY
    price = np.append(prices.price, np.nan)
    at = np.searchsorted(prices.days, days)
    at[~np.isin(days, prices.days)] = len(prices.days)
    return price[at] / _SATOSHI


def _passes(ground: Ground, history: History, folder: Path, report: Report) -> None:
    """Write what both passes say of every transaction, from what they said before where that is less work."""
    n, kind = len(history.whole.born), stored_kind(len(ground.found.sources))
    earlier = ground.earlier
    if earlier and earlier.sources.rows.dtype != kind:
        earlier = None
    sources = destinations = None
    if earlier:
        sources = sources_delta(earlier.history, history, earlier.sources, CUT)
        destinations = destinations_delta(earlier.history, history, earlier.destinations, CUT)
    report("sources", 0, n)
    forward = merged(earlier.sources, sources, n) if earlier and sources else _forward(history, report)
    _write(forward, folder, "source", kind)
    report("destinations", 0, n)
    if earlier and destinations:
        _write(merged(earlier.destinations, destinations, n), folder, "destination", kind)
    else:
        _write(_first_to_last(_backward(history, report), folder), folder, "destination", kind)
    report("destinations", n, n)


def _write(told: Iterator[Shares], folder: Path, name: str, kind: np.dtype[np.void]) -> None:
    """Write shares that come in chain order: starts are counted on from part to part."""
    with Growing(folder, f"{name}_start", np.int64) as start, Growing(folder, f"{name}_rows", kind) as rows:
        start.append(np.zeros(1, np.int64))
        for shares in told:
            start.append(shares.start[1:] + len(rows))
            rows.append(shares.rows)


def _forward(history: History, report: Report) -> Iterator[Shares]:
    run, n = Provenance(history.parties, len(history.whole.born), CUT), len(history.whole.born)
    for part in parts(history.whole):
        report("sources", part.first, n)
        yield run.run(part)


def _backward(history: History, report: Report) -> Iterator[Shares]:
    run, n = Destinations(history.parties, len(history.whole.born), CUT), len(history.whole.born)
    for part in parts(history.whole, backward=True):
        report("destinations", n - part.first - len(part.born), n)
        yield run.run(part)


def _first_to_last(told: Iterator[Shares], folder: Path) -> Iterator[Shares]:
    """Give back in chain order what comes last to first: it waits on disk."""
    waiting: list[Path] = []
    for shares in told:
        place = folder / f"waiting-{len(waiting)}.npz"
        np.savez(place, start=shares.start, rows=shares.rows)
        waiting.append(place)
    for place in reversed(waiting):
        with np.load(place) as kept:
            yield Shares(kept["start"], kept["rows"])
        place.unlink()


def _write_busy(coins: Arrays, exposed: Arrays, folder: Path, report: Report) -> None:
    """Add up what the busy wallets received and sent."""
    around, start, places = surroundings(coins, exposed), exposed["touch_start"], exposed["touch"]
    busy = np.flatnonzero(np.diff(start) > BUSY).astype(np.int32)
    ends = [0]
    with Growing(folder, "busy_lines", LINE) as file:
        for done, wallet in enumerate(busy.tolist()):
            report("busy wallets", done, len(busy))
            asked = Asked(wallet, -1, coins["spend_number"], coins["out_number"])
            file.append(wheel(around, asked, places[start[wallet] : start[wallet + 1]]))
            ends.append(len(file))
    report("busy wallets", len(busy), len(busy))
    save(folder, busy=busy, busy_start=np.array(ends, np.int64))


def _days(day: date) -> int:
    """Days since 1970."""
    return (day - date(1970, 1, 1)).days
