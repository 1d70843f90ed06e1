"""The lake as arrays: one segment at a time, in chain order, addresses by number."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chains.blocks import Span
from heuristics.numbers import Numbering, Numbers, locate
from store.errors import DamagedError
from store.lake import Lake

Report = Callable[[str, int, int], None]
Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
NO_KEY = 0
_TX = ["tx_id", "n_in", "n_out"]
_SPEND = ["tx_id", "value", "address_id", "sighash", "key_id"]
_OUTPUT = ["value", "address_id"]


class Chunk(NamedTuple):
    """The transactions of one segment. Transaction t spends rows in_start[t]:in_start[t + 1], pays likewise.

    Numbers are -1 where there is no address, values -1 where the origin is unresolved, keys 0 where a spend
    reveals none.
    """

    tx_id: Longs
    in_start: Longs
    out_start: Longs
    spend_number: Numbers
    spend_value: Longs
    sighash: Bytes
    key_id: Longs
    out_number: Numbers
    out_value: Longs


class Resolved(NamedTuple):
    """Spends whose origin only the whole lake knows, sorted by transaction and input."""

    tx_id: Longs
    vin: Longs
    value: Longs
    address_id: Longs
    has_address: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Facts:
    """What one index is built from: the lake's latest gap-free run of segments."""

    lake: Lake
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, lake: Lake) -> "Facts":
        """Choose the segments; raises DamagedError for an empty lake, or where one does not follow the other."""
        whole = lake.contiguous()
        if whole is None:
            raise DamagedError(f"the lake in {lake.root} is empty; run `tadoru backfill {lake.chain}` first")
        spans = tuple(span for span in lake.spans() if span.first >= whole.first)
        for before, after in pairwise(spans):
            if lake.manifest(before).last_hash != lake.manifest(after).prev_hash:
                raise DamagedError(
                    f"lake segment {after.name} does not follow block {before.last} of {before.name}: they are of "
                    f"different branches; run `tadoru backfill {lake.chain}` again, or remove one of them"
                )
        return cls(lake, spans)

    @property
    def first_height(self) -> int:
        """Where history begins."""
        return self.spans[0].first

    @property
    def height(self) -> int:
        """The last block."""
        return self.spans[-1].last

    def sql(self, table: str) -> str:
        """SQL for all rows of a lake table, to stand after FROM."""
        paths = ", ".join("'" + str(path).replace("'", "''") + "'" for path in self.lake.paths(table, self.spans))
        return f"read_parquet([{paths}], hive_partitioning = false)"


def chunks(facts: Facts, numbers: Numbering, resolved: Resolved, step: str, report: Report) -> Iterator[Chunk]:
    """Read every segment in chain order, telling `report` how many of them are done."""
    for done, span in enumerate(facts.spans):
        report(step, done, len(facts.spans))
        yield read_chunk(facts.lake, span, numbers, resolved)
    report(step, len(facts.spans), len(facts.spans))


def read_chunk(lake: Lake, span: Span, numbers: Numbering, resolved: Resolved) -> Chunk:
    """Read one segment; raises DamagedError where its tables do not fit each other."""
    tx = lake.read("tx", span, _TX)
    spend = lake.read("spend", span, _SPEND)
    output = lake.read("output", span, _OUTPUT)
    in_start, out_start = _starts(tx["n_in"]), _starts(tx["n_out"])
    if in_start[-1] != spend.num_rows or out_start[-1] != output.num_rows:
        raise DamagedError(
            f"lake segment {span.name}: {spend.num_rows} spends and {output.num_rows} outputs, its transactions "
            f"have {in_start[-1]} and {out_start[-1]}; remove it and backfill those heights again"
        )
    ids, present = nullable(spend["address_id"])
    value, valued = nullable(spend["value"])
    value = np.where(valued, value, -1)
    if len(resolved.tx_id) and not valued.all():
        _fill_in(resolved, plain(spend["tx_id"]), (ids, present, value))
    return Chunk(
        plain(tx["tx_id"]),
        in_start,
        out_start,
        locate(numbers, ids, present),
        value,
        plain(spend["sighash"]),
        nullable(spend["key_id"])[0],
        locate(numbers, *nullable(output["address_id"])),
        plain(output["value"]),
    )


def _fill_in(resolved: Resolved, tx_id: Longs, columns: tuple[Longs, npt.NDArray[np.bool_], Longs]) -> None:
    """Write what the whole lake knows into a segment's unresolved spends (`tx_id`: of every spend)."""
    first, last = np.searchsorted(resolved.tx_id, [tx_id[0], tx_id[-1] + 1])
    some = slice(int(first), int(last))
    rows = np.searchsorted(tx_id, resolved.tx_id[some]) + resolved.vin[some]
    ids, present, value = columns
    ids[rows] = resolved.address_id[some]
    present[rows] = resolved.has_address[some]
    value[rows] = resolved.value[some]


def resolve(facts: Facts) -> Resolved:
    """Find the origin of spends that their source did not resolve, among the lake's own outputs."""
    if not any(facts.lake.manifest(span).unresolved for span in facts.spans):
        return NOTHING_RESOLVED
    con = duckdb.connect()
    # Where a txid exists twice (before BIP 30), the later one can be spent.
    found = con.execute(
        f"""
        WITH open AS (FROM {facts.sql("spend")} SELECT tx_id, vin, prev_tx_key, prev_vout WHERE value IS NULL)
        SELECT open.tx_id, open.vin::BIGINT AS vin, o.value, coalesce(o.address_id, 0) AS address_id,
               o.address_id IS NOT NULL AS has_address
        FROM open JOIN {facts.sql("tx")} t ON t.tx_key = open.prev_tx_key
        JOIN {facts.sql("output")} o ON o.tx_id = t.tx_id AND o.vout = open.prev_vout
        WHERE t.tx_id < open.tx_id
        QUALIFY row_number() OVER (PARTITION BY open.tx_id, open.vin ORDER BY t.tx_id DESC) = 1
        ORDER BY open.tx_id, open.vin
        """  # noqa: S608
    ).fetchnumpy()
    con.close()
    return Resolved(*(np.ascontiguousarray(found[name]) for name in Resolved._fields))


def plain(column: pa.ChunkedArray) -> Any:
    """Return a column without nulls as an array of its own: kernels are compiled for writable arrays only."""
    return np.array(column.to_numpy())


def nullable(column: pa.ChunkedArray) -> tuple[Any, npt.NDArray[np.bool_]]:
    """Return a column as an array, 0 where it is null, and where it is not null."""
    if column.null_count == 0:
        return plain(column), np.ones(len(column), np.bool_)
    return plain(column.fill_null(0)), np.array(column.is_valid().to_numpy())


def _starts(counts: pa.ChunkedArray) -> Longs:
    """Running sum of counts, from 0."""
    return np.concatenate([[0], np.cumsum(plain(counts), dtype=np.int64)])


_EMPTY = np.zeros(0, np.int64)
NOTHING_RESOLVED = Resolved(_EMPTY, _EMPTY, _EMPTY, _EMPTY, np.zeros(0, np.bool_))


def concatenated(parts: Sequence[npt.NDArray[Any]], kind: type[np.generic]) -> npt.NDArray[Any]:
    """One array of many, empty where there are none."""
    return np.concatenate(parts) if parts else np.zeros(0, kind)
