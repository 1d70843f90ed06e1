"""`tadoru verify`: the lake against itself, from the stored columns alone.

Every file against its SHA-256, every block's header against its hash and its neighbour, every merkle root
against the txids, every fee against outputs and spends, every count against the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from chains.bitcoin.hashes import merkle_root_bytes
from chains.blocks import POSITION_BITS, Span
from chains.sha256 import sha256d_bytes
from store.errors import DamagedError
from store.lake import Lake

Report = Callable[[int, int], None]

_COUNTS = """
WITH created AS (
    SELECT tx_id, count(*) AS n, sum(value) AS value FROM output GROUP BY tx_id
), spent AS (
    SELECT tx_id, count(*) AS n, sum(value) AS value, count(*) = count(value) AS whole FROM spend GROUP BY tx_id
)
SELECT tx.tx_id FROM tx
LEFT JOIN created USING (tx_id)
LEFT JOIN spent USING (tx_id)
WHERE tx.n_out != coalesce(created.n, 0)
   OR tx.n_in != coalesce(spent.n, 0)
   OR (tx.n_in = 0 AND tx.fee != 0)
   OR (spent.whole AND tx.fee IS DISTINCT FROM spent.value - created.value)
   OR (NOT spent.whole AND tx.fee IS NOT NULL)
LIMIT 1
"""
_ADDRESSES = """
SELECT count(*) FROM (
    SELECT DISTINCT address_id FROM (
        SELECT address_id FROM output UNION ALL SELECT address_id FROM spend
    ) WHERE address_id IS NOT NULL
) LEFT JOIN address USING (address_id)
WHERE address.payload IS NULL
"""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked."""

    segments: int
    blocks: int
    tx: int
    outputs: int
    spends: int
    unresolved: int
    gaps: int
    """Places where heights are missing between segments."""


def verify(lake: Lake, report: Report | None = None) -> VerifyReport:
    """Check the whole lake; raises DamagedError at the first thing that does not hold."""
    spans = lake.spans()
    totals = dict.fromkeys(("block", "tx", "output", "spend"), 0)
    unresolved = gaps = 0
    previous: Span | None = None
    for number, span in enumerate(spans):
        lake.check_files(span)
        _check_segment(lake, span)
        manifest = lake.manifest(span)
        if previous is not None and previous.last + 1 == span.first:
            if lake.manifest(previous).last_hash != manifest.prev_hash:
                msg = f"segment {span.name} does not build on {previous.name}: truncate and backfill from {span.first}"
                raise DamagedError(msg)
        elif previous is not None:
            gaps += 1
        for table in totals:
            totals[table] += manifest.rows[table]
        unresolved += manifest.unresolved
        previous = span
        if report is not None:
            report(number + 1, len(spans))
    return VerifyReport(len(spans), totals["block"], totals["tx"], totals["output"], totals["spend"], unresolved, gaps)


def _check_segment(lake: Lake, span: Span) -> None:
    """One segment against its own headers and sums."""
    tables = {table.name: lake.read(table.name, span) for table in lake.tables}
    manifest = lake.manifest(span)
    for name, rows in tables.items():
        if rows.num_rows != manifest.rows[name]:
            msg = f"segment {span.name} of {name} has {rows.num_rows} rows, its manifest {manifest.rows[name]}"
            raise DamagedError(msg)
    _check_blocks(span, tables["block"], tables["tx"])
    _check_sums(span, tables)


def _check_blocks(span: Span, blocks: pa.Table, tx: pa.Table) -> None:
    """Heights, header hashes, links and merkle roots."""
    txids = np.frombuffer(b"".join(tx["txid"].to_pylist()), np.uint8)
    heights = tx["tx_id"].to_numpy() >> POSITION_BITS
    previous = b""
    for height, block in zip(range(span.first, span.last + 1), blocks.to_pylist(), strict=True):
        first, last = np.searchsorted(heights, [height, height + 1]).tolist()
        if sha256d_bytes(_header(block)) != block["hash"]:
            problem = "its stored header does not hash to its hash"
        elif block["height"] != height or last - first != block["n_tx"]:
            problem = "its height or transaction count is wrong"
        elif previous and block["prev_hash"] != previous:
            problem = "it does not build on the block before it"
        elif merkle_root_bytes(txids[first * 32 : last * 32]) != block["merkle_root"]:
            problem = "its txids do not give its merkle root"
        else:
            previous = block["hash"]
            continue
        msg = f"block {height} in segment {span.name}: {problem}"
        raise DamagedError(msg)


def _header(block: dict[str, Any]) -> bytes:
    """The 80 bytes that a block's columns stand for."""

    def number(name: str, *, signed: bool = False) -> bytes:
        return int(block[name]).to_bytes(4, "little", signed=signed)

    hashes = bytes(block["prev_hash"] + block["merkle_root"])
    return number("version", signed=True) + hashes + number("time") + number("bits") + number("nonce")


def _check_sums(span: Span, tables: dict[str, pa.Table]) -> None:
    """Fees and counts of every transaction; every address known."""
    con = duckdb.connect()
    con.execute("SET python_enable_replacements = false")
    for name, rows in tables.items():
        con.register(name, rows)
    wrong = con.execute(_COUNTS).fetchone()
    unknown = con.execute(_ADDRESSES).fetchone()
    con.close()
    if wrong is not None:
        height, position = wrong[0] >> POSITION_BITS, wrong[0] & ((1 << POSITION_BITS) - 1)
        msg = f"transaction {position} of block {height} in segment {span.name}: fee or counts do not add up"
        raise DamagedError(msg)
    # Addresses of spends resolved against earlier segments are described there.
    if unknown is not None and unknown[0] and not tables["spend"]["value"].null_count and span.first == 0:
        msg = f"segment {span.name} uses {unknown[0]} addresses that it does not describe"
        raise DamagedError(msg)
