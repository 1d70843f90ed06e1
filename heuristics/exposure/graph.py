"""The coin graph as arrays: which transaction made each coin, who holds it, and which transaction spends it.

It follows from the lake alone, like the base file beside which it lies. A transaction goes by its place: its rank
in chain order, counted from 0. What the passes, paths and traces need of a neighbour is one memory access away.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from chains.blocks import POSITION_BITS
from chains.kernels import kernel
from heuristics.exposure.passes.parts import Ints, Longs
from heuristics.facts import Facts, Report, Resolved, chunks, plain
from heuristics.numbers import Numbering, Numbers, find, numbering
from store.arrays import Array, Arrays, Growing, save
from store.errors import DamagedError

_I4, _I8, _U1 = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.uint8)
_MOST: Final = (1 << 31) - 1
_AT_ONCE: Final = 1 << 20

ARRAYS: Final = (
    Array("in_start", _I8, "row of a spend", "where each transaction's spends begin, and the end of the last"),
    Array("out_start", _I8, "row of an output", "where each transaction's outputs begin, and the end of the last"),
    Array("origin", _I4, "place", "per spend: the transaction that made the coin; -1 before the indexed history"),
    Array("vout", _I4, "position", "per spend: which of that transaction's outputs the coin is"),
    Array("spend_value", _I8, "satoshi", "per spend: what it is worth; -1 where that is unresolved"),
    Array("spend_number", _I4, "number", "per spend: the address; -1 where there is none, or it is unresolved"),
    Array("spent_by", _I4, "place", "per output: the transaction that spends it; -1 unspent"),
    Array("out_value", _I8, "satoshi", "per output: what it is worth"),
    Array("out_number", _I4, "number", "per output: the address; -1 where there is none"),
    Array("pooled", _U1, "0, 1, 2", "per transaction: 1 like a CoinJoin, 2 so surely that funds are pooled"),
    Array("block_start", _I8, "place", "per block from the first indexed one: its first transaction; and the end"),
    Array("first_height", _I8, "height", "one element: the first indexed block"),
    Array("cluster", _I4, "cluster", "per number: the address's cluster"),
)


# What only the whole history tells; the others are written segment by segment.
_WRITTEN_LATER: Final = frozenset({"spent_by", "block_start", "first_height", "cluster"})
SHARED, POOLED = 1, 2


class Clustered(NamedTuple):
    """What the base build knows by now: the cluster of each number, and transactions like CoinJoins, by id.

    Of `shared` ones nobody knows who paid what: swaps are none, although several parties sign them. Those that are
    `pooled` besides absorb (heuristics.rules.POOLS_FUNDS).
    """

    numbers: Numbering
    cluster: Numbers
    shared: Longs
    pooled: Longs


class _Keys(NamedTuple):
    """Transactions by key: the last place of each distinct key, and the place before it that has the same one."""

    numbers: Numbering
    last: Ints
    earlier: Ints


def write(facts: Facts, found: Clustered, resolved: Resolved, folder: Path, report: Report) -> None:
    """Write the arrays of `ARRAYS` into a folder.

    Raises DamagedError where a spend names an output that its transaction does not have, or beyond 2**31 - 1
    transactions.
    """
    keys = np.concatenate([plain(facts.lake.read("tx", span, ["tx_key"])["tx_key"]) for span in facts.spans])
    if len(keys) > _MOST:
        raise DamagedError(f"{len(keys)} transactions; one index holds at most {_MOST}: index a shorter history")
    by_key = _by_key(keys)
    block_start = _stream(facts, found, resolved, (by_key, folder), report)
    save(folder, block_start=block_start, first_height=np.array([facts.first_height]), cluster=found.cluster)
    _write_spenders(folder, by_key.earlier)


def _stream(facts: Facts, found: Clustered, resolved: Resolved, to: tuple[_Keys, Path], report: Report) -> Longs:
    """Write all columns but spent_by, segment by segment; the first place of each block."""
    by_key, folder = to
    n_tx = np.zeros(facts.height - facts.first_height + 1, np.int64)
    with ExitStack() as stack:
        streamed = (array for array in ARRAYS if array.name not in _WRITTEN_LATER)
        files = {array.name: stack.enter_context(Growing(folder, array.name, array.dtype)) for array in streamed}
        for name in ("in_start", "out_start"):
            files[name].append(np.zeros(1, np.int64))
        segments = chunks(facts, found.numbers, resolved, "coins", report)
        for span, chunk in zip(facts.spans, segments, strict=True):
            place = len(files["pooled"])
            spend = facts.lake.read("spend", span, ["prev_tx_key", "prev_vout"])
            origin = _origins(by_key, chunk.in_start, plain(spend["prev_tx_key"]), place)
            columns = {
                "in_start": chunk.in_start[1:] + len(files["origin"]),
                "out_start": chunk.out_start[1:] + len(files["out_value"]),
                "origin": origin,
                "vout": plain(spend["prev_vout"]),
                "spend_value": chunk.spend_value,
                "spend_number": chunk.spend_number,
                "out_value": chunk.out_value,
                "out_number": chunk.out_number,
                "pooled": np.isin(chunk.tx_id, found.shared).astype(np.uint8) + np.isin(chunk.tx_id, found.pooled),
            }
            for name, piece in columns.items():
                files[name].append(piece)
            n_tx += np.bincount((chunk.tx_id >> POSITION_BITS) - facts.first_height, minlength=len(n_tx))
    return np.concatenate([[0], np.cumsum(n_tx)])


def _by_key(keys: Longs) -> _Keys:
    numbers = numbering(keys)
    last, earlier = np.full(len(numbers.ids), -1, np.int32), np.empty(len(keys), np.int32)
    _fill_places(numbers, keys, last, earlier)
    return _Keys(numbers, last, earlier)


@kernel
def _fill_places(numbers: Numbering, keys: Longs, last: Ints, earlier: Ints) -> None:
    """Note every transaction under its key; a txid exists twice where coinbases were repeated (before BIP 30)."""
    for place in range(len(keys)):
        i = find(numbers, keys[place])
        earlier[place] = last[i]
        last[i] = place


@kernel
def _origins(keys: _Keys, in_start: Longs, prev: Longs, first: int) -> Ints:
    """The latest transaction before the spender that has the key; -1 where the lake has none."""
    origin = np.full(len(prev), np.int32(-1), np.int32)
    for t in range(len(in_start) - 1):
        for i in range(in_start[t], in_start[t + 1]):
            at = find(keys.numbers, prev[i])
            place = keys.last[at] if at >= 0 else -1
            while place >= first + t:
                place = keys.earlier[place]
            origin[i] = place
    return origin


def _write_spenders(folder: Path, earlier: Ints) -> None:
    """Note at each output who spends it; raises DamagedError for a spend of an output that is not there."""
    have = Arrays(folder)
    n = len(have["out_value"])
    # Written before it is mapped: a full disk is an error then, and not the end of the process.
    with Growing(folder, "spent_by", np.int32) as file:
        for done in range(0, n, _AT_ONCE):
            file.append(np.full(min(_AT_ONCE, n - done), -1, np.int32))
    mapped = [np.lib.format.open_memmap(folder / f"{name}.npy", "r+") for name in ("origin", "spent_by")]
    links = _Links(np.asarray(mapped[0]), np.asarray(mapped[1]), earlier)
    wrong = _spenders(Coins(*(have[name] for name in Coins._fields)), links)
    for one in mapped:
        one.flush()
    if wrong >= 0:
        raise DamagedError(
            f"transaction {wrong} of the indexed history spends an output that its transaction does not have, or "
            "that was spent before; run `tadoru verify bitcoin`, then backfill those heights again"
        )


class Coins(NamedTuple):
    """What spends and outputs say of themselves; see ARRAYS."""

    in_start: Longs
    out_start: Longs
    vout: Ints
    spend_value: Longs
    spend_number: Ints
    out_value: Longs
    out_number: Ints


class _Links(NamedTuple):
    """Both ends of each coin, to be written, and the transaction before one that has the same key."""

    origin: Ints
    spent_by: Ints
    earlier: Ints


@kernel
def _fits(coins: Coins, spent_by: Ints, place: int, i: int) -> bool:
    """Whether a spend can be of a transaction's output."""
    row = coins.out_start[place] + coins.vout[i]
    if coins.vout[i] < 0 or row >= coins.out_start[place + 1] or spent_by[row] >= 0:
        return False
    same = coins.spend_value[i] == coins.out_value[row] and coins.spend_number[i] == coins.out_number[row]
    return bool(same or coins.spend_value[i] < 0)


@kernel
def _spenders(coins: Coins, links: _Links) -> int:
    """Write the spender of each output; the first transaction that can not be, else -1.

    Keys are 64 bits of a hash: among a billion of them two may agree, so the coin itself has to fit.
    """
    for t in range(len(coins.in_start) - 1):
        for i in range(coins.in_start[t], coins.in_start[t + 1]):
            place = links.origin[i]
            if place < 0:
                continue
            while place >= 0 and not _fits(coins, links.spent_by, place, i):
                place = links.earlier[place]
            if place < 0:
                return t
            links.origin[i] = place
            links.spent_by[coins.out_start[place] + coins.vout[i]] = t
    return -1
