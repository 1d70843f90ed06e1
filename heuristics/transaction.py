"""One transaction with everything the lake says of it: inputs, outputs, fee, and whether it is multi-party."""

from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from chains.blocks import POSITION_BITS, Span
from chains.ids import tx_key
from heuristics.lookup import block_time, transaction_id
from heuristics.rules import BY_ID
from store.errors import DamagedError
from store.lake import Lake
from store.reader import Cursor


@dataclass(frozen=True, slots=True)
class Input:
    """One spend; `value`, `address_id` and `payload` are None where the origin is unresolved. Satoshi."""

    vin: int
    value: int | None
    script_type: int
    address_id: int | None
    payload: bytes | None
    sequence: int
    sighash: int


@dataclass(frozen=True, slots=True)
class Output:
    """One output; `address_id` and `payload` are None for OP_RETURN. Satoshi."""

    vout: int
    value: int
    script_type: int
    address_id: int | None
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a transaction counts as multi-party; confidence in percent, denomination in satoshi."""

    rule: str
    participants: int
    denomination: int
    confidence: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction; `txid` in internal byte order, fee in satoshi, None where an origin is unresolved."""

    tx_id: int
    txid: bytes
    height: int
    position: int
    time: int
    version: int
    locktime: int
    size: int
    weight: int
    fee: int | None
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    multi_party: Verdict | None

    @property
    def is_coinbase(self) -> bool:
        """Whether it creates coins."""
        return not self.inputs


def transaction(cur: Cursor, lake: Lake, txid: bytes) -> Transaction | None:
    """Describe a transaction by its hash (internal byte order); None where the index has not seen it.

    Raises DamagedError where the lake no longer has it, or has another in its place since a reorganisation.
    """
    tx_id = transaction_id(cur, tx_key(txid, lake.secret), txid)
    if tx_id is None:
        return None
    span = _segment(lake, tx_id >> POSITION_BITS)
    tx = next(iter(_rows(lake, "tx", span, tx_id)), None)
    if tx is None or tx["txid"] != txid:
        raise DamagedError(
            f"transaction {txid[::-1].hex()} is in the index, but no longer in the lake {lake.root}: it was "
            "reorganised since; run `tadoru index` to publish the lake as it is now"
        )
    inputs, outputs = (_rows(lake, table, span, tx_id) for table in ("spend", "output"))
    payloads = _payloads(cur, {row["address_id"] for row in inputs + outputs} - {None})
    return Transaction(
        tx_id=tx_id,
        txid=txid,
        height=tx_id >> POSITION_BITS,
        position=tx_id & ((1 << POSITION_BITS) - 1),
        time=block_time(cur, tx_id),
        version=tx["version"],
        locktime=tx["locktime"],
        size=tx["size"],
        weight=tx["weight"],
        fee=tx["fee"],
        inputs=tuple(Input(**_fields(row, Input, payloads)) for row in inputs),
        outputs=tuple(Output(**_fields(row, Output, payloads)) for row in outputs),
        multi_party=_verdict(cur, tx_id),
    )


def _segment(lake: Lake, height: int) -> Span:
    """The segment of a height; raises DamagedError where the lake has lost it since the index was built."""
    for span in lake.spans():
        if span.first <= height <= span.last:
            return span
    raise DamagedError(f"block {height} is in the index, but no longer in the lake {lake.root}; backfill it again")


def _rows(lake: Lake, table: str, span: Span, tx_id: int) -> list[dict[str, Any]]:
    """Rows of one transaction; row groups that can not hold it are not read."""
    rows: list[dict[str, Any]] = pq.read_table(
        lake.path(table, span), filters=[("tx_id", "=", tx_id)], partitioning=None
    ).to_pylist()
    return rows


def _payloads(cur: Cursor, ids: set[int]) -> dict[int, bytes]:
    """Payload of each address."""
    sql = "SELECT payload FROM address WHERE address_id = ?"
    found = {address_id: cur.row(sql, [address_id]) for address_id in ids}
    return {address_id: row[0] for address_id, row in found.items() if row is not None}


def _fields(row: dict[str, Any], kind: type[Input | Output], payloads: dict[int, bytes]) -> dict[str, Any]:
    known = {name: row[name] for name in kind.__slots__ if name in row}
    return {**known, "payload": payloads.get(row["address_id"])}


def _verdict(cur: Cursor, tx_id: int) -> Verdict | None:
    row = cur.row("SELECT rule, participants, denomination, confidence FROM coinjoin WHERE tx_id = ?", [tx_id])
    return None if row is None else Verdict(BY_ID[row[0]].label, *row[1:])
