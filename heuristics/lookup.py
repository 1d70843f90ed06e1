"""What the chain alone says about an address or a transaction: look-ups by a sorted key."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from chains.blocks import POSITION_BITS
from store.reader import Cursor, Known

KEYS_AT_ONCE = 50  # point look-ups per statement
# Fewer keys in a row are looked up one by one: reading what lies between them would take longer.
_RUN: Final = 4
_ADDRESS = (
    "SELECT address_id, number, cluster, script_type, payload, first_tx_id, last_tx_id, n_received, n_sent, "
    "received, sent FROM address WHERE address_id = ?"
)


class _Table(NamedTuple):
    """Where to look keys up: keys that are no further apart than `gap` are read in one go with what lies between."""

    name: str
    key: str
    columns: str
    gap: int


_ADDRESSES: Final = _Table("address", "number", "number, address_id, script_type, payload", 20_000)
_TXIDS: Final = _Table("tx", "tx_id", "tx_id, txid", 8 << POSITION_BITS)


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """One address on chain. Amounts are satoshi, counts transactions.

    `number` and `cluster_id` are valid within one generation: hand them on to other questions, do not keep
    them. An address that is alone has its own number as `cluster_id`.
    """

    address_id: int
    number: int
    cluster_id: int
    clustered: bool
    script_type: int
    payload: bytes
    first_tx_id: int
    last_tx_id: int
    n_received: int
    n_sent: int
    received: int
    sent: int

    @property
    def balance(self) -> int:
        """Satoshi received less those sent; what it holds where the history is whole."""
        return self.received - self.sent

    @property
    def first_height(self) -> int:
        """Height of the block that first names it."""
        return self.first_tx_id >> POSITION_BITS

    @property
    def last_height(self) -> int:
        """Height of the block that last names it."""
        return self.last_tx_id >> POSITION_BITS


@dataclass(frozen=True, slots=True)
class Party:
    """An address as answers name it: chains.bitcoin.address writes its text from type and payload."""

    number: int
    address_id: int
    script_type: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class AddressTransaction:
    """One transaction in an address's history; amounts in satoshi."""

    tx_id: int
    txid: bytes
    time: int
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Size and lifetime of a cluster."""

    cluster_id: int
    n_addresses: int
    first_tx_id: int
    last_tx_id: int


def address(cur: Cursor, address_id: int) -> AddressFacts | None:
    """Find an address by its id; None where the index has not seen it."""
    row = cur.row(_ADDRESS, [address_id])
    if row is None:
        return None
    number, cluster = row[1], row[2]
    clustered = cluster is not None
    return AddressFacts(row[0], number, cluster if clustered else number, clustered, *row[3:])


def parties(cur: Cursor, numbers: Iterable[int]) -> dict[int, Party]:
    """Names of several addresses by their numbers; numbers that are no address are left out."""
    rows = _several(cur, _ADDRESSES, {number for number in numbers if number >= 0})
    return {number: Party(*row) for number, row in rows.items()}


def _several(cur: Cursor, table: _Table, keys: AbstractSet[int]) -> dict[int, tuple[Any, ...]]:
    """Rows of several keys (the first column), from memory or by as few statements as serve."""
    found = cur.memory.known(table.name, keys)
    single: list[int] = []
    missing = sorted(keys - found.keys())
    rows: list[Any] = []
    for run in _runs(missing, table.gap):
        if len(run) < _RUN:
            single += run
            continue
        rows += cur.rows(
            f"SELECT {table.columns} FROM {table.name} JOIN (SELECT unnest(?) AS {table.key}) USING ({table.key}) "  # noqa: S608
            f"WHERE {table.key} BETWEEN ? AND ?",
            [run, run[0], run[-1]],
        )
    point = f"SELECT {table.columns} FROM {table.name} WHERE {table.key} = ?"  # noqa: S608
    for start in range(0, len(single), KEYS_AT_ONCE):
        some = single[start : start + KEYS_AT_ONCE]
        rows += cur.rows(" UNION ALL ".join([point] * len(some)), some)
    learnt = {row[0]: row for row in rows}
    cur.memory.learn(table.name, learnt)
    return found | learnt


def _runs(keys: Sequence[int], gap: int) -> Iterator[list[int]]:
    """Cut ascending keys where two neighbours are further apart than `gap`."""
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] - keys[i - 1] > gap:
            yield list(keys[start:i])
            start = i


def transactions(cur: Cursor, address_id: int, limit: int, after: int | None = None) -> list[AddressTransaction]:
    """List an address's transactions, newest first.

    Parameters
    ----------
    cur
        Where to ask.
    address_id
        The address.
    limit
        At most so many.
    after
        The `tx_id` of the last one of the page before; None for the first page.
    """
    facts = address(cur, address_id)
    if facts is None:
        return []
    bound = (1 << 62) if after is None else after
    rows = cur.rows(
        "SELECT tx_id, received, sent FROM address_tx WHERE number = ? AND tx_id < ? ORDER BY tx_id DESC LIMIT ?",
        [facts.number, bound, limit],
    )
    txids = txids_of(cur, [row[0] for row in rows])
    return [
        AddressTransaction(tx, txids[tx], block_time_of(cur.known, tx), received, sent) for tx, received, sent in rows
    ]


def cluster(cur: Cursor, cluster_id: int) -> ClusterFacts | None:
    """Size and lifetime of a cluster; None where the address is alone."""
    row = cur.row("SELECT cluster, n_addresses, first_tx_id, last_tx_id FROM cluster WHERE cluster = ?", [cluster_id])
    return None if row is None else ClusterFacts(*row)


def members(cur: Cursor, cluster_id: int, limit: int, after: int | None = None) -> list[Party]:
    """List a cluster's addresses by number; `after` is the last number of the page before.

    An address that is alone is its only member.
    """
    rows = cur.rows(
        "SELECT number FROM cluster_member WHERE cluster = ? AND number > ? ORDER BY number LIMIT ?",
        [cluster_id, -1 if after is None else after, limit],
    )
    numbers = [row[0] for row in rows]
    if not numbers and after is None:
        numbers = [cluster_id]
    found = parties(cur, numbers)
    return [found[number] for number in numbers if number in found]


def transaction_id(cur: Cursor, tx_key: int, txid: bytes) -> int | None:
    """Find a transaction by its key and check it by its hash; None where the index has not seen it.

    The earliest one wins where a txid exists twice (before BIP 30).
    """
    for (tx_id,) in cur.rows("SELECT tx_id FROM tx_lookup WHERE tx_key = ? ORDER BY tx_id", [tx_key]):
        if txid_of(cur, tx_id) == txid:
            return int(tx_id)
    return None


def txid_of(cur: Cursor, tx_id: int) -> bytes:
    """Hash of a transaction, internal byte order; raises KeyError for a number that is none."""
    return txids_of(cur, [tx_id])[tx_id]


def txids_of(cur: Cursor, tx_ids: Iterable[int]) -> dict[int, bytes]:
    """Hashes of several transactions; raises KeyError when one is looked up that is none."""
    rows = _several(cur, _TXIDS, set(tx_ids))
    return {tx_id: row[1] for tx_id, row in rows.items()}


def block_time(cur: Cursor, tx_id: int) -> int:
    """Header time of a transaction's block, seconds since 1970 UTC."""
    return block_time_of(cur.known, tx_id)


def block_time_of(known: Known, tx_id: int) -> int:
    """Header time of a transaction's block, seconds since 1970 UTC."""
    return int(known.block_times[(tx_id >> POSITION_BITS) - known.first_height])
