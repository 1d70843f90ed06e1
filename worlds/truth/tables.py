"""The tables of a world's truth: every column's name, type, unit and meaning, and how they are written and read.

One Parquet file per table in `WORLD/truth`. Transactions stand in chain order; txids are in internal byte order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from chains.blocks import Column, Table
from store.errors import DamagedError

COINJOIN_KINDS = ("coinjoin", "joinmarket", "wasabi1", "wabisabi", "whirlpool", "whirlpool_first")
"""Kinds of transaction that mix: what goes in and what comes out belong to many, on purpose."""
MULTI_PARTY_KINDS = (*COINJOIN_KINDS, "swap", "payjoin", "dual_fund")
"""Kinds of transaction that several parties sign."""
ROLES = ("receive", "change", "deposit", "hot", "cold", "payout", "reward", "front", "mix", "donation")
"""What an address is there for."""
SHELL_TYPES = ("static", "chain", "rotating", "mixed", "slow", "split", "nested", "captive")
"""How a shell hides its principal."""
OWN_CATEGORIES = ("mined", "coinjoin", "unspent", "fee", "unattributed")
"""Categories of the matrix that are no party's; the others are those of `store.formats.taxonomy`."""
DIRECTIONS = ("received", "sent")
TRUTHS = ("convention", "intent")

ROW_GROUP_ROWS = 100_000
_NAME = pa.dictionary(pa.int32(), pa.string())  # few values, or values that come in runs
_HASH = pa.binary(32)
_SATOSHI = "satoshi"
_TXID = Column("txid", _HASH, "bytes", "double SHA-256 of the transaction, as hashed")
_HEIGHT = Column("height", pa.int32(), "blocks", "distance from genesis")
_SCRIPT = Column("script", pa.binary(), "bytes", "locking script")
_VALUE = Column("value", pa.int64(), _SATOSHI, "amount")
_WALLET = Column("wallet", _NAME, "", "who can spend it: `wallet.wallet`; empty where nobody can")
_PROGRAM = Column("program", _NAME, "", "wallet program; empty where there is none")

TABLES: tuple[Table, ...] = (
    Table(
        "entity",
        "one row per real-world party",
        (
            Column("entity", _NAME, "", "id"),
            Column("name", pa.string(), "", "display name"),
            Column("category", _NAME, "taxonomy.CATEGORIES", "what it is"),
            Column("jurisdiction", _NAME, "ISO 3166-1 alpha-2", "where it is at home; empty where nobody knows"),
            Column("service", pa.bool_(), "", "whether it pools its customers' coins, so that trails stop there"),
            Column("listed_from", pa.int64(), "seconds since 1970 UTC", "when a list first names it", nullable=True),
        ),
        (),
    ),
    Table(
        "wallet",
        "one row per set of keys under one control",
        (
            Column("wallet", pa.string(), "", "id"),
            Column("entity", _NAME, "", "who holds the keys"),
            _PROGRAM,
        ),
        (),
    ),
    Table(
        "address",
        "one row per locking script of a wallet that was paid",
        (
            _SCRIPT,
            _WALLET,
            Column("entity", _NAME, "", "whose business it serves; the wallet's entity, save at a custodian"),
            Column("role", _NAME, "ROLES", "what it is there for"),
        ),
        (),
    ),
    Table(
        "tx",
        "one row per transaction, coinbases included",
        (
            _TXID,
            _HEIGHT,
            Column("kind", _NAME, "", "what was meant: coinbase, pay, batch, sweep, ..., MULTI_PARTY_KINDS"),
            Column("wallets", pa.list_(_NAME), "", "who signed"),
            Column("program", _NAME, "", "of the first signer; empty for a coinbase"),
        ),
        ("height",),
    ),
    Table(
        "input",
        "one row per coin spent; coinbases have none",
        (
            _TXID,
            Column("vin", pa.int32(), "", "number of the input"),
            _SCRIPT,
            _VALUE,
            _WALLET,
            Column("origin_txid", _HASH, "bytes", "the transaction that made the coin"),
            Column("origin_vout", pa.int32(), "", "its output number there"),
        ),
        (),
    ),
    Table(
        "output",
        "one row per coin made",
        (
            _TXID,
            Column("vout", pa.int32(), "", "number of the output"),
            _SCRIPT,
            _VALUE,
            _WALLET,
            Column(
                "is_change",
                pa.bool_(),
                "",
                "whether it is what a payer had left over, or a sweep's or spend's output to the very wallet that it "
                "spends; other outputs to a signer are not: mixed coins, premix of a Tx0, splits, transfers to its "
                "other wallets, a merchant's output of a PayJoin",
            ),
        ),
        (),
    ),
    Table(
        "payment",
        "one row per payment from one party to another: who really paid whom",
        (
            _HEIGHT,
            Column("payer", _NAME, "", "entity on whose account it was paid"),
            Column("payee", _NAME, "", "entity to whose account it went"),
            _VALUE,
            Column("txid", _HASH, "bytes", "the transaction; null where it stands in a service's books", nullable=True),
            Column("vout", pa.int32(), "", "the output; null where it stands in a service's books", nullable=True),
        ),
        ("height",),
    ),
    Table(
        "shell",
        "one row per wallet of a shell and principal that it hides",
        (
            Column("entity", _NAME, "", "the shell"),
            Column("wallet", _NAME, "", "a wallet of it"),
            Column("type", _NAME, "SHELL_TYPES", "how it hides the principal"),
            Column("principal", _NAME, "", "entity whose payments run through it"),
            Column("from_height", pa.int32(), "blocks", "first block of that service"),
            Column("to_height", pa.int32(), "blocks", "last block of it; null while it goes on", nullable=True),
        ),
        (),
    ),
    Table(
        "matrix",
        "where a sampled wallet's money came from and went: one row per wallet, direction, truth, entity, category",
        (
            Column("wallet", pa.string(), "", "the wallet"),
            Column("script", pa.binary(), "bytes", "locking script of the address of it that is asked about"),
            Column("direction", _NAME, "DIRECTIONS", "received or sent"),
            Column("truth", _NAME, "TRUTHS", "by convention (trails stop at services) or by intent"),
            Column("entity", _NAME, "", "the other party; empty for OWN_CATEGORIES"),
            Column("category", _NAME, "taxonomy.CATEGORIES or OWN_CATEGORIES", "what the other party is"),
            _VALUE,
            Column("share", pa.float64(), "1", "of all rows of this wallet, direction and truth, which sum to 1"),
        ),
        (),
    ),
)
SCHEMAS: dict[str, pa.Schema] = {table.name: table.schema for table in TABLES}
Row = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Truth:
    """All tables of one world; `tables.TABLES` says what their columns mean."""

    entity: pa.Table
    wallet: pa.Table
    address: pa.Table
    tx: pa.Table
    input: pa.Table
    output: pa.Table
    payment: pa.Table
    shell: pa.Table
    matrix: pa.Table

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `WORLD/truth`.

        Raises
        ------
        FileNotFoundError
            Where a table is missing.
        DamagedError
            Where a table can not be read, or has other columns.
        """
        return cls(**{one.name: read_table(folder, one.name) for one in fields(cls)})


def read_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one table, or some of its columns."""
    path = path_of(folder, name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: make the world again")
    try:
        table = pq.read_table(path, columns=columns and list(columns), partitioning=None)
    except (pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split())
        raise DamagedError(f"{path} can not be read ({why}): make the world again") from error
    if columns is None and table.schema.names != SCHEMAS[name].names:
        raise DamagedError(f"{path} has other columns than this version writes: make the world again")
    return table.unify_dictionaries()


def path_of(folder: Path, name: str) -> Path:
    """Where a table lies in `WORLD/truth`."""
    return folder / f"{name}.parquet"


@dataclass(slots=True)
class _Pending:
    """What is still to be written of one table."""

    rows: list[Row] = field(default_factory=list)
    batches: list[pa.Table] = field(default_factory=list)
    n: int = 0


class TruthWriter:
    """Writes tables row by row or batch by batch, in the order given.

        with TruthWriter(world / "truth") as truth:
            truth.add("wallet", [("alice-1", "alice", "phone")])
            truth.add("wallet", [{"wallet": "bob-1", "entity": "bob", "program": ""}])

    Every table of the contract has a file when it is closed, empty or not.

    Parameters
    ----------
    folder
        `WORLD/truth`; made where it is missing. Tables that it holds are written anew.
    tables
        Names of the tables to write.
    """

    def __init__(self, folder: Path, tables: Iterable[str] = tuple(SCHEMAS)) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._pending = {name: _Pending() for name in tables}
        self._files = {name: _open(path_of(folder, name), SCHEMAS[name]) for name in self._pending}

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the files; after an error they hold what was added before it."""
        self.close()

    def add(self, table: str, rows: Iterable[Row]) -> None:
        """Add rows: all of them tuples in the order of the columns, or all of them mappings by column."""
        pending = self._pending[table]
        given = list(rows)
        if given and isinstance(given[0], Mapping):
            given = [tuple(row[name] for name in SCHEMAS[table].names) for row in given]
        pending.rows += given
        pending.n += len(given)
        if pending.n >= ROW_GROUP_ROWS:
            self._flush(table)

    def add_batch(self, table: str, batch: pa.RecordBatch | pa.Table) -> None:
        """Add columns; plain strings will do where the schema wants dictionaries."""
        pending, schema = self._pending[table], SCHEMAS[table]
        if isinstance(batch, pa.RecordBatch):
            batch = pa.Table.from_batches([batch])
        _close_rows(pending, schema)
        pending.batches.append(batch.select(schema.names).cast(schema))
        pending.n += batch.num_rows
        if pending.n >= ROW_GROUP_ROWS:
            self._flush(table)

    def close(self) -> None:
        """Write what is left and finish the files."""
        for name, file in self._files.items():
            self._flush(name)
            file.close()

    def _flush(self, name: str) -> None:
        pending = self._pending[name]
        _close_rows(pending, SCHEMAS[name])
        if pending.n:
            whole = pa.concat_tables(pending.batches).unify_dictionaries()
            self._files[name].write_table(whole, row_group_size=pending.n)
        self._pending[name] = _Pending()


def _open(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # Parquet's own path of a list's items.
    paths = {_NAME: "{}", pa.list_(_NAME): "{}.list.element"}
    names = [paths[f.type].format(f.name) for f in schema if f.type in paths]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=names)


def _close_rows(pending: _Pending, schema: pa.Schema) -> None:
    """Turn the rows that were added one by one into a batch, so that order is kept."""
    if not pending.rows:
        return
    columns = zip(*pending.rows, strict=True)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    pending.batches.append(pa.Table.from_arrays(arrays, schema=schema))
    pending.rows = []
