"""The coin graph as arrays: which transaction made each coin, who holds it, and which transaction spends it.

It follows from the lake alone, like the base file beside which it lies. A transaction goes by its place: its rank
in chain order, counted from 0. What rules, passes, paths and traces need of a neighbour is one memory access away.
It is written before anything is concluded, and the conclusions of the base build are added to it.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from chains.blocks import POSITION_BITS, Span
from chains.kernels import kernel
from heuristics.facts import Bytes, Chunk, Facts, Longs, Report, Resolved, chunks, plain
from heuristics.fingerprints import looks
from heuristics.numbers import Numbering, Numbers, find, numbering
from store.arrays import Array, Arrays, Growing, save
from store.errors import DamagedError

Ints = npt.NDArray[np.int32]
_I4, _I8, _U1, _U4 = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.uint8), np.dtype(np.uint32)
_MOST: Final = (1 << 31) - 1
_AT_ONCE: Final = 1 << 20

ARRAYS: Final = (
    Array("in_start", _I8, "row of a spend", "where each transaction's spends begin, and the end of the last"),
    Array("out_start", _I8, "row of an output", "where each transaction's outputs begin, and the end of the last"),
    Array("looks", _U4, "bit field", "per transaction: version, locktime and nSequence (heuristics.fingerprints)"),
    Array("weight", _I4, "weight units", "per transaction: BIP 141 weight"),
    Array("origin", _I4, "place", "per spend: the transaction that made the coin; -1 before the indexed history"),
    Array("vout", _I4, "position", "per spend: which of that transaction's outputs the coin is"),
    Array("spend_value", _I8, "satoshi", "per spend: what it is worth; -1 where that is unresolved"),
    Array("spend_number", _I4, "number", "per spend: the address; -1 where there is none, or it is unresolved"),
    Array("spend_kind", _U1, "ScriptType", "per spend: kind of the script that locked the coin"),
    Array("sighash", _U1, "Sighash bits", "per spend: every signature type seen"),
    Array("spent_by", _I4, "place", "per output: the transaction that spends it; -1 unspent"),
    Array("out_value", _I8, "satoshi", "per output: what it is worth"),
    Array("out_number", _I4, "number", "per output: the address; -1 where there is none"),
    Array("out_kind", _U1, "ScriptType", "per output: kind of the locking script"),
    Array("block_start", _I8, "place", "per block from the first indexed one: its first transaction; and the end"),
    Array("first_height", _I8, "height", "one element: the first indexed block"),
    Array("pooled", _U1, "0, 1, 2", "per transaction: 1 like a CoinJoin, 2 so surely that funds are pooled"),
    Array("cluster", _I4, "cluster", "per number: the address's cluster"),
)


# What only the whole history tells; the others are written segment by segment.
_WRITTEN_LATER: Final = frozenset({"spent_by", "block_start", "first_height", "pooled", "cluster"})
SHARED, POOLED = 1, 2


class Graph(NamedTuple):
    """What the lake alone says, mapped; see ARRAYS. A kernel takes it whole."""

    in_start: Longs
    out_start: Longs
    looks: npt.NDArray[np.uint32]
    weight: Ints
    origin: Ints
    vout: Ints
    spend_value: Longs
    spend_number: Ints
    spend_kind: Bytes
    sighash: Bytes
    spent_by: Ints
    out_value: Longs
    out_number: Ints
    out_kind: Bytes
    block_start: Longs
    first_height: Longs

    @classmethod
    def of(cls, arrays: Arrays) -> Self:
        """Take them from a folder that is open."""
        return cls(*(arrays[name] for name in cls._fields))

    def tx_id(self, places: npt.NDArray[np.integer[Any]]) -> Longs:
        """Ids of transactions by their places."""
        block = np.searchsorted(self.block_start, places, "right") - 1
        ids: Longs = ((self.first_height[0] + block) << POSITION_BITS) + (places - self.block_start[block])
        return ids

    def place(self, tx_ids: Longs) -> Longs:
        """Places of transactions by their ids, all of them of indexed blocks."""
        block = (tx_ids >> POSITION_BITS) - self.first_height[0]
        places: Longs = self.block_start[block] + (tx_ids & ((1 << POSITION_BITS) - 1))
        return places


class _Keys(NamedTuple):
    """Transactions by key: the last place of each distinct key, and the place before it that has the same one."""

    numbers: Numbering
    last: Ints
    earlier: Ints


def write(facts: Facts, numbers: Numbering, resolved: Resolved, folder: Path, report: Report) -> Graph:
    """Write what follows from the lake alone into a folder, and map it.

    Raises DamagedError where a spend names an output that its transaction does not have, or beyond 2**31 - 1
    transactions.
    """
    keys = np.concatenate([plain(facts.lake.read("tx", span, ["tx_key"])["tx_key"]) for span in facts.spans])
    if len(keys) > _MOST:
        raise DamagedError(f"{len(keys)} transactions; one index holds at most {_MOST}: index a shorter history")
    by_key = _by_key(keys)
    block_start = _stream(facts, numbers, resolved, (by_key, folder), report)
    save(folder, block_start=block_start, first_height=np.array([facts.first_height]))
    _write_spenders(folder, by_key.earlier)
    return Graph.of(Arrays(folder))


def conclude(folder: Path, cluster: Numbers, pooled: Bytes) -> None:
    """Add what the base build concludes: the cluster of each number, and transactions like CoinJoins.

    Of those that are SHARED nobody knows who paid what: swaps are none, although several parties sign them. Those
    that are POOLED absorb besides (heuristics.rules.POOLS_FUNDS).
    """
    save(folder, cluster=cluster, pooled=pooled)


def _stream(facts: Facts, numbers: Numbering, resolved: Resolved, to: tuple[_Keys, Path], report: Report) -> Longs:
    """Write all columns that segments tell; the first place of each block."""
    by_key, folder = to
    n_tx = np.zeros(facts.height - facts.first_height + 1, np.int64)
    with ExitStack() as stack:
        streamed = (array for array in ARRAYS if array.name not in _WRITTEN_LATER)
        files = {array.name: stack.enter_context(Growing(folder, array.name, array.dtype)) for array in streamed}
        for name in ("in_start", "out_start"):
            files[name].append(np.zeros(1, np.int64))
        segments = chunks(facts, numbers, resolved, "coins", report)
        for span, chunk in zip(facts.spans, segments, strict=True):
            seen = {name: len(files[name]) for name in ("looks", "origin", "out_value")}
            prev, columns = _columns(facts, span, chunk)
            columns["in_start"] = chunk.in_start[1:] + seen["origin"]
            columns["out_start"] = chunk.out_start[1:] + seen["out_value"]
            columns["origin"] = _origins(by_key, chunk.in_start, prev, seen["looks"])
            for name, piece in columns.items():
                files[name].append(piece)
            n_tx += np.bincount((chunk.tx_id >> POSITION_BITS) - facts.first_height, minlength=len(n_tx))
    return np.concatenate([[0], np.cumsum(n_tx)])


def _columns(facts: Facts, span: Span, chunk: Chunk) -> tuple[Longs, dict[str, npt.NDArray[Any]]]:
    """Keys of the transactions that a segment's spends name, and what the segment alone tells."""
    tx = facts.lake.read("tx", span, ["version", "locktime", "weight"])
    spend = facts.lake.read("spend", span, ["prev_tx_key", "prev_vout", "script_type", "sequence"])
    output = facts.lake.read("output", span, ["script_type"])
    version, locktime, sequence = plain(tx["version"]), plain(tx["locktime"]), plain(spend["sequence"])
    return plain(spend["prev_tx_key"]), {
        "looks": looks(version, locktime, chunk.tx_id >> POSITION_BITS, chunk.in_start, sequence),
        "weight": plain(tx["weight"]),
        "vout": plain(spend["prev_vout"]),
        "spend_value": chunk.spend_value,
        "spend_number": chunk.spend_number,
        "spend_kind": plain(spend["script_type"]),
        "sighash": chunk.sighash,
        "out_value": chunk.out_value,
        "out_number": chunk.out_number,
        "out_kind": plain(output["script_type"]),
    }


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
    written = ("origin", "spent_by", "spend_kind")
    mapped = [np.lib.format.open_memmap(folder / f"{name}.npy", "r+") for name in written]
    origin, spent_by, kind = (np.asarray(one) for one in mapped)
    links = _Links(origin, spent_by, kind, have["out_kind"], earlier)
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
    """Both ends of each coin and its kind, to be written; kinds of outputs; the transaction before of the same key."""

    origin: Ints
    spent_by: Ints
    spend_kind: Bytes
    out_kind: Bytes
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
    """Write the spender of each output, and of each spend the kind; the first transaction that can not be, else -1.

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
            row = coins.out_start[place] + coins.vout[i]
            links.spent_by[row] = t
            links.spend_kind[i] = links.out_kind[row]
    return -1
