"""`tadoru verify`: the lake against itself, from the stored columns alone.

Every file against its SHA-256 and its schema; every block's header against its hash, its proof of work and its
neighbour; every merkle root against the txids; every id against what it is the id of; every size, count, fee and
reward against the rows; every spend against the output it spends where both are in one segment. What only the raw
bytes show (versions, locktimes, sequences, signature types, origins of spends) is held by the SHA-256 alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from chains.bitcoin.columns import frame_bytes, tx_keys
from chains.bitcoin.consensus import MAX_MONEY, subsidy, target_of
from chains.bitcoin.hashes import merkle_root_bytes
from chains.bitcoin.payloads import ids_of
from chains.bitcoin.tables import ScriptType
from chains.blocks import POSITION_BITS, Span
from chains.ids import key_of
from chains.sha256 import sha256d_bytes
from store.errors import DamagedError
from store.lake import Lake, Manifest

Report = Callable[[int, int], None]

_FEES = """
WITH created AS (
    SELECT tx_id, sum(value) AS value FROM output GROUP BY tx_id
), spent AS (
    SELECT tx_id, sum(value) AS value, count(*) = count(value) AS whole FROM spend GROUP BY tx_id
)
SELECT min(tx.tx_id) FROM tx
LEFT JOIN created USING (tx_id)
LEFT JOIN spent USING (tx_id)
WHERE (tx.n_in = 0 AND tx.fee IS DISTINCT FROM 0)
   OR (spent.whole AND tx.fee IS DISTINCT FROM spent.value - created.value)
   OR (NOT spent.whole AND tx.fee IS NOT NULL)
   OR tx.fee < 0
"""
_ORIGINS = """
SELECT min(spend.tx_id) FROM spend
JOIN tx ON tx.tx_key = spend.prev_tx_key
JOIN output ON output.tx_id = tx.tx_id AND output.vout = spend.prev_vout
WHERE (output.value, output.script_type, output.address_id)
      IS DISTINCT FROM (spend.value, spend.script_type, spend.address_id)
  -- Two early pairs of coinbases share a txid: the later one replaced the other.
  AND (SELECT count(*) FROM tx AS twin WHERE twin.tx_key = spend.prev_tx_key) = 1
"""
_NULLS = f"""
SELECT min(tx_id) FROM (
    SELECT tx_id, value, script_type, address_id FROM output
    UNION ALL SELECT tx_id, value, script_type, address_id FROM spend
) WHERE (address_id IS NULL) != (value IS NULL OR script_type = {int(ScriptType.OP_RETURN)})
     OR (value IS NULL AND script_type != 0)
"""  # noqa: S608 -- a number of our own
_DESCRIBED = f"""
WITH known AS (
    SELECT DISTINCT address_id, script_type FROM address $earlier
), used AS (
    SELECT tx_id, address_id, script_type FROM $table
)
SELECT min(used.tx_id) FROM used
LEFT JOIN known ON known.address_id = used.address_id
    AND known.script_type = CASE used.script_type WHEN {int(ScriptType.P2PK_UNCOMPRESSED)}
                            THEN {int(ScriptType.P2PK)} ELSE used.script_type END
WHERE used.address_id IS NOT NULL AND known.address_id IS NULL
"""  # noqa: S608 -- numbers of our own
# Spends that were resolved against earlier segments have their addresses described there.
_EARLIER = "UNION ALL SELECT DISTINCT address_id, script_type FROM read_parquet($paths)"
_UNUSED = """
SELECT count(*) FROM address WHERE address_id NOT IN (
    SELECT address_id FROM output WHERE address_id IS NOT NULL
    UNION ALL SELECT address_id FROM spend WHERE address_id IS NOT NULL
)
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


class _Segment(NamedTuple):
    """One segment, read whole."""

    span: Span
    manifest: Manifest
    tables: dict[str, pa.Table]
    earlier: list[str]
    """Files of the `address` table below."""

    def numbers(self, table: str, column: str) -> np.ndarray:
        """A column of numbers without nulls."""
        values: np.ndarray = self.tables[table][column].to_numpy()
        return values

    def bytes_of(self, table: str, column: str) -> np.ndarray:
        """A column of 32-byte hashes, one after the other."""
        return np.frombuffer(b"".join(self.tables[table][column].to_pylist()), np.uint8)


def verify(lake: Lake, report: Report | None = None) -> VerifyReport:
    """Check the whole lake; raises DamagedError at the first thing that does not hold."""
    spans = lake.spans()
    totals = dict.fromkeys(("block", "tx", "output", "spend"), 0)
    unresolved = gaps = 0
    previous: Manifest | None = None
    with duckdb.connect() as con:
        con.execute("SET python_enable_replacements = false")
        for number, span in enumerate(spans):
            lake.check_files(span)
            manifest = lake.manifest(span)
            _check_segment(con, lake, manifest)
            if previous is not None:
                gaps += _gap(previous, manifest)
            for table in totals:
                totals[table] += manifest.rows[table]
            unresolved += manifest.unresolved
            previous = manifest
            if report is not None:
                report(number + 1, len(spans))
    return VerifyReport(len(spans), totals["block"], totals["tx"], totals["output"], totals["spend"], unresolved, gaps)


def _gap(before: Manifest, after: Manifest) -> int:
    """1 where heights are missing between two segments, else 0 after seeing that they link."""
    if before.last + 1 != after.first:
        return 1
    if before.last_hash != after.prev_hash:
        msg = (
            f"segment {after.span.name} does not build on {before.span.name}: remove its manifest and backfill "
            f"heights {after.first} to {after.last} again"
        )
        raise DamagedError(msg)
    return 0


def _check_segment(con: duckdb.DuckDBPyConnection, lake: Lake, manifest: Manifest) -> None:
    """One segment against its own headers, ids and sums."""
    span = manifest.span
    tables = {table.name: lake.read(table.name, span) for table in lake.tables}
    problem = _shape_problem(lake, manifest, tables)
    if problem is None:
        below = [str(path) for path in lake.paths("address") if path.stem < span.name]
        segment = _Segment(span, manifest, tables, below)
        problem = (
            _block_problem(segment)
            or _order_problem(segment)
            or _size_problem(segment)
            or _id_problem(segment, lake.secret)
            or _sum_problem(con, segment)
            or _reward_problem(segment, lake.network)
        )
    if problem is not None:
        marker = lake.root / "segment" / f"{span.name}.json"
        msg = f"segment {span.name}: {problem}; remove {marker} and backfill heights {span.first} to {span.last} again"
        raise DamagedError(msg)


def _shape_problem(lake: Lake, manifest: Manifest, tables: dict[str, pa.Table]) -> str | None:
    """Columns, row counts and nulls against the registry and the manifest."""
    for table in lake.tables:
        rows = tables[table.name]
        if not rows.schema.equals(table.schema):
            return f"the columns of {table.name} are not those of this schema version"
        if rows.num_rows != manifest.rows[table.name]:
            return f"{table.name} has {rows.num_rows} rows, its manifest says {manifest.rows[table.name]}"
    if tables["block"].num_rows != manifest.last - manifest.first + 1:
        return f"it has {tables['block'].num_rows} blocks"
    if tables["spend"]["value"].null_count != manifest.unresolved:
        return (
            f"its manifest says {manifest.unresolved} unresolved spends, its rows {tables['spend']['value'].null_count}"
        )
    return None


def _block_problem(segment: _Segment) -> str | None:
    """Heights, header hashes, proof of work, links and merkle roots."""
    txids = segment.bytes_of("tx", "txid")
    heights = segment.numbers("tx", "tx_id") >> POSITION_BITS
    blocks = segment.tables["block"].to_pylist()
    previous = bytes.fromhex(segment.manifest.prev_hash)[::-1]
    for height, block in enumerate(blocks, segment.span.first):
        first, last = np.searchsorted(heights, [height, height + 1]).tolist()
        if sha256d_bytes(_header(block)) != block["hash"]:
            problem = "its stored header does not hash to its hash"
        elif int.from_bytes(block["hash"], "little") > target_of(block["bits"]):
            problem = "it does not meet its own proof-of-work target"
        elif block["height"] != height or last - first != block["n_tx"]:
            problem = "its height or transaction count is wrong"
        elif block["prev_hash"] != previous:
            problem = "it does not build on the block before it"
        elif merkle_root_bytes(txids[first * 32 : last * 32]) != block["merkle_root"]:
            problem = "its txids do not give its merkle root"
        else:
            previous = block["hash"]
            continue
        return f"block {height}: {problem}"
    if previous[::-1].hex() != segment.manifest.last_hash:
        return "its last block is not the one in its manifest"
    return None


def _header(block: dict[str, Any]) -> bytes:
    """The 80 bytes that a block's columns stand for; other bytes where a number has no room in a header."""

    def number(name: str, *, signed: bool = False) -> bytes:
        try:
            return int(block[name]).to_bytes(4, "little", signed=signed)
        except OverflowError:
            return b""

    hashes = bytes(block["prev_hash"] + block["merkle_root"])
    return number("version", signed=True) + hashes + number("time") + number("bits") + number("nonce")


def _order_problem(segment: _Segment) -> str | None:
    """Transactions, outputs and spends are numbered without holes, and there are as many as counted."""
    tx_ids = segment.numbers("tx", "tx_id")
    n_tx = segment.numbers("block", "n_tx").astype(np.int64)
    heights = np.arange(segment.span.first, segment.span.last + 1, dtype=np.int64)
    if not np.array_equal(tx_ids, np.repeat(heights << POSITION_BITS, n_tx) + _positions(n_tx)):
        return "its transactions are not numbered in chain order"
    for table, place, count in (("output", "vout", "n_out"), ("spend", "vin", "n_in")):
        counts = segment.numbers("tx", count).astype(np.int64)
        if (
            (counts < 0).any()
            or not np.array_equal(segment.numbers(table, "tx_id"), np.repeat(tx_ids, counts))
            or not np.array_equal(segment.numbers(table, place), _positions(counts))
        ):
            return f"its rows of {table} are not those that its transactions count"
    return None


def _positions(counts: np.ndarray) -> np.ndarray:
    """0, 1, 2 … for each parent that has so many children."""
    ends = np.cumsum(counts)
    positions: np.ndarray = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    return positions


def _size_problem(segment: _Segment) -> str | None:
    """Sizes and weights of blocks are those of their transactions and the header."""
    n_tx = segment.numbers("block", "n_tx").astype(np.int64)
    starts = np.cumsum(n_tx) - n_tx
    for column, factor in (("size", 1), ("weight", 4)):
        sums = np.add.reduceat(segment.numbers("tx", column).astype(np.int64), starts) + factor * frame_bytes(n_tx)
        wrong = np.flatnonzero(sums != segment.numbers("block", column))
        if len(wrong):
            return f"the {column} of block {segment.span.first + int(wrong[0])} is not that of its transactions"
    return None


def _id_problem(segment: _Segment, secret: bytes) -> str | None:
    """Every tx_key and address_id is the keyed hash of what it stands for."""
    key, address = key_of(secret), segment.tables["address"]
    if not np.array_equal(tx_keys(key, segment.bytes_of("tx", "txid")), segment.numbers("tx", "tx_key")):
        return "a tx_key is not the hash of its txid"
    stored = segment.numbers("address", "address_id")
    if not np.array_equal(ids_of(key, address["script_type"].to_numpy(), address["payload"]), stored):
        return "an address_id is not the hash of its script"
    if (stored[1:] < stored[:-1]).any():
        return "its addresses are not in order"
    return None


def _sum_problem(con: duckdb.DuckDBPyConnection, segment: _Segment) -> str | None:
    """Fees add up, spends agree with outputs, every address is described and used."""
    for name, rows in segment.tables.items():
        con.register(name, rows)
    undescribed = "uses an address that is not described"
    for query, problem in (
        (_FEES, "fee, outputs and spends do not add up"),
        (_NULLS, "an address is there where none can be, or not where one must be"),
        (_ORIGINS, "a spend is not what the output it spends says"),
        (_described("output"), undescribed),
        (_described("spend"), undescribed),
    ):
        ((found,),) = con.execute(query).fetchall()
        if found is not None and query == _described("spend") and segment.earlier:
            everywhere = _described("spend", earlier=True)
            ((found,),) = con.execute(everywhere, {"paths": segment.earlier}).fetchall()
        if found is not None:
            height, position = divmod(found, 1 << POSITION_BITS)
            return f"transaction {position} of block {height}: {problem}"
    ((unused,),) = con.execute(_UNUSED).fetchall()
    return f"it describes {unused} addresses that it does not use" if unused else None


def _described(table: str, *, earlier: bool = False) -> str:
    """SQL that finds a row whose address no `address` row describes, here or in earlier segments."""
    return _DESCRIBED.replace("$table", table).replace("$earlier", _EARLIER if earlier else "")


def _reward_problem(segment: _Segment, network: str) -> str | None:
    """No output is below zero, and no coinbase creates more than subsidy and fees where all fees are known."""
    value = segment.numbers("output", "value")
    if (value < 0).any():
        return "an output has a negative value"
    first, n_blocks = segment.span.first, segment.tables["block"].num_rows
    fee, block = segment.tables["tx"]["fee"], (segment.numbers("tx", "tx_id") >> POSITION_BITS) - first
    limits = np.array([subsidy(first + i, network) for i in range(n_blocks)])
    np.add.at(limits, block, fee.fill_null(0).to_numpy())
    limits[block[fee.is_null().to_numpy()]] = MAX_MONEY
    made_by = segment.numbers("output", "tx_id")
    is_reward = made_by % (1 << POSITION_BITS) == 0
    rewards = np.zeros(n_blocks, np.int64)
    np.add.at(rewards, (made_by[is_reward] >> POSITION_BITS) - first, value[is_reward])
    wrong = np.flatnonzero(rewards > limits)
    return f"the coinbase of block {first + int(wrong[0])} creates more than subsidy and fees" if len(wrong) else None
