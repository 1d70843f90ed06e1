"""The lake's addresses: numbers, key ids, payloads, and the check that no two scripts share an id."""

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chains.bitcoin.tables import ScriptType
from chains.ids import key_of, siphash24
from chains.kernels import kernel
from heuristics.clusters.samekey import key_ids
from heuristics.facts import Bytes, Facts, Longs, Report, concatenated, plain
from heuristics.numbers import Numbering, Numbers, locate, numbering

_P2PK = int(ScriptType.P2PK)
_P2PK_UNCOMPRESSED = int(ScriptType.P2PK_UNCOMPRESSED)
_COLUMNS = ["address_id", "script_type", "payload"]


class Scripts(NamedTuple):
    """Rows of a segment's address table; `payloads[offsets[i]:offsets[i + 1]]` is the payload of row i."""

    number: Numbers
    kind: Bytes
    offsets: npt.NDArray[np.int32]
    payloads: Bytes


class Addresses(NamedTuple):
    """What all segments together say: numbers, which ids collide, and the keys that scripts tell."""

    numbers: Numbering
    blocked: npt.NDArray[np.bool_]
    keys: Longs
    owners: Numbers


def number_all(facts: Facts, report: Report) -> Numbering:
    """Number every address of the lake."""
    parts = []
    for done, span in enumerate(facts.spans):
        report("addresses", done, len(facts.spans))
        parts.append(plain(facts.lake.read("address", span, ["address_id"])["address_id"]))
    report("addresses", len(facts.spans), len(facts.spans))
    return numbering(concatenated(parts, np.int64))


def scripts(facts: Facts, numbers: Numbering) -> Iterator[tuple[Scripts, pa.Table]]:
    """Every segment's address rows."""
    for span in facts.spans:
        table = facts.lake.read("address", span, _COLUMNS).combine_chunks()
        ids = plain(table["address_id"])
        offsets, payloads = _buffers(table["payload"])
        kind = plain(table["script_type"])
        yield Scripts(locate(numbers, ids, np.ones(len(ids), np.bool_)), kind, offsets, payloads), table


def check(facts: Facts, numbers: Numbering, report: Report) -> Addresses:
    """Compare the scripts behind every id, and name the keys they tell.

    Two scripts are told apart by a second keyed hash under a random key, so that nobody can prepare for it.
    """
    second = key_of(secrets.token_bytes(16))
    seen = np.zeros(len(numbers.ids), np.int64)
    blocked = np.zeros(len(numbers.ids), np.bool_)
    keys: list[Longs] = []
    owners: list[Numbers] = []
    secret = key_of(facts.lake.secret)
    for done, (rows, _) in enumerate(scripts(facts, numbers)):
        report("collisions", done, len(facts.spans))
        _compare(second, rows, seen, blocked)
        found = key_ids(secret, rows.kind, rows.offsets, rows.payloads)
        # A P2WPKH script is its own key's id: it need not be named, only found.
        told = (found != 0) & (rows.kind != int(ScriptType.P2WPKH))
        keys.append(found[told])
        owners.append(rows.number[told])
    report("collisions", len(facts.spans), len(facts.spans))
    return Addresses(numbers, blocked, concatenated(keys, np.int64), concatenated(owners, np.int32))


def quarantined(facts: Facts, addresses: Addresses) -> pa.Table:
    """Every script behind the ids that collide."""
    tables = [
        table.filter(pa.array(addresses.blocked[rows.number]))
        for rows, table in (scripts(facts, addresses.numbers) if addresses.blocked.any() else ())
    ]
    if not tables:
        return pa.table({"address_id": [], "payload": [], "script_type": []})
    rows = pa.concat_tables(tables).group_by(["address_id", "payload", "script_type"]).aggregate([])
    return rows.sort_by([("address_id", "ascending"), ("payload", "ascending")]).select(
        ["address_id", "payload", "script_type"]
    )


def described(facts: Facts, numbers: Numbering, first: int, last: int) -> tuple[Any, Any]:
    """Script type and payload (Arrow arrays) of the addresses numbered [first, last), in that order."""
    place = np.full(last - first, -1, np.int64)
    parts, at = [], 0
    for rows, table in scripts(facts, numbers):
        new = _note_new(rows.number, first, last, place, at)
        parts.append(table.select(["script_type", "payload"]).take(pa.array(new)))
        at += len(new)
    whole = pa.concat_tables(parts).combine_chunks().take(pa.array(place))
    return whole["script_type"], whole["payload"]


@kernel
def _note_new(number: Numbers, first: int, last: int, place: Longs, at: int) -> Longs:
    """Rows that are the first to describe an address of the range; `place` learns where they go."""
    rows = np.empty(len(number), np.int64)
    n = 0
    for i in range(len(number)):
        if first <= number[i] < last and place[number[i] - first] < 0:
            place[number[i] - first] = at + n
            rows[n] = i
            n += 1
    return rows[:n]


@kernel
def _compare(secret: npt.NDArray[np.uint64], rows: Scripts, seen: Longs, blocked: npt.NDArray[np.bool_]) -> None:
    """Mark addresses under whose id another script was seen before; `seen` holds their second hash, 0 none."""
    for i in range(len(rows.number)):
        start, end = int(rows.offsets[i]), int(rows.offsets[i + 1])
        # Both P2PK forms have the same payload, the compressed key, and are one address.
        kind = _P2PK if rows.kind[i] == _P2PK_UNCOMPRESSED else np.int64(rows.kind[i])
        value = (siphash24(secret, rows.payloads, start, end - start) + kind) | 1
        x = rows.number[i]
        if seen[x] == 0:
            seen[x] = value
        elif seen[x] != value:
            blocked[x] = True


def _buffers(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], Bytes]:
    """Offsets and bytes of a binary column."""
    array = column.chunk(0) if column.num_chunks else pa.array([], pa.binary())
    _, offsets, data = array.buffers()
    if offsets is None or data is None:
        return np.zeros(len(array) + 1, np.int32), np.zeros(0, np.uint8)
    # Copies, because kernels are compiled for writable arrays only.
    where = np.array(np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1])
    return where, np.array(np.frombuffer(data, np.uint8))
