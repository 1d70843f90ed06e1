"""The tables of the decision records and the way in: one engine per process, one writer at a time.

Rows are only ever inserted; SQLite triggers refuse everything else. The one exception is `claim`, a lock
table that says which idempotent requests are under way. Writers of several processes take turns:
BEGIN IMMEDIATE on SQLite, an advisory lock on PostgreSQL.

SQLite runs with synchronous=FULL: a decision that was told to an exchange has to survive a power cut, else
its attempt id could be used twice. That costs one fsync per decision, 0.25 ms on the machine it was
measured on, against 0.04 ms with NORMAL.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from chains.errors import TadoruError
from store.errors import BusyError, DamagedError, DiskError

LOCK_WAIT_S = 10
ADVISORY_LOCK = 0x7461646F7275  # "tadoru": serialises writers on PostgreSQL


class AttemptExistsError(TadoruError):
    """The caller used this attempt id before."""

    def __init__(self, attempt_id: str, screening_id: str) -> None:
        super().__init__(
            f"attempt_id {attempt_id!r} was used before, by screening {screening_id}; "
            "an attempt id is unique per caller, forever: read that screening, or send a new id"
        )
        self.screening_id = screening_id


class KeyReusedError(TadoruError):
    """An idempotency key came back with another request body."""


class InFlightError(TadoruError):
    """A request with this idempotency key is being answered right now."""


METADATA = sa.MetaData()
SCREENING = sa.Table(
    "screening",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("chain", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False, index=True),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("attempt_id", sa.Text),
    sa.Column("customer_ref", sa.Text),
    sa.Column("generation", sa.Text, nullable=False),
    sa.Column("result_sha256", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
ATTEMPT = sa.Table(
    "attempt",
    METADATA,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("attempt_id", sa.Text, primary_key=True),
    sa.Column("screening_id", sa.Text, nullable=False),
)
IDEMPOTENCY = sa.Table(
    "idempotency",
    METADATA,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_sha256", sa.Text, nullable=False),
    sa.Column("screening_id", sa.Text, nullable=False),
)
CLAIM = sa.Table(
    "claim",
    METADATA,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("claimed_at", sa.Text, nullable=False),
)
KEY = sa.Table(
    "key",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("secret_sha256", sa.Text, nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Text),
)
REVOCATION = sa.Table(
    "key_revocation",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("revoked_at", sa.Text, nullable=False),
)
AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
INSERT_ONLY = (SCREENING, ATTEMPT, IDEMPOTENCY, KEY, REVOCATION, AUDIT)


@event.listens_for(METADATA, "after_create")
def _guard(_target: sa.MetaData, connection: Connection, **_options: object) -> None:
    """Have SQLite itself refuse to change or remove a row."""
    if connection.dialect.name != "sqlite":
        return
    for table in INSERT_ONLY:
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} "
                "BEGIN SELECT RAISE(ABORT, 'records are only ever inserted'); END"
            )


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no other writer runs beside; commits at the end, or leaves no trace."""
    with _explained(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a connection that sees one state and keeps nobody from writing."""
    with _explained(engine), engine.connect() as connection:
        yield connection.execution_options(reading=True)


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Turn the driver's words into ours; a broken rule of the tables stays a defect and passes."""
    try:
        yield
    except DBAPIError as error:
        text, where = str(error.orig), engine.url.render_as_string(hide_password=True)
        if "locked" in text or "busy" in text:
            raise BusyError(f"{where}: another process held the lock for {LOCK_WAIT_S} s; ask again") from error
        if any(word in text for word in ("full", "readonly", "unable to open", "disk I/O")):
            raise DiskError(f"{where}: can not be written: {text}") from error
        if any(word in text for word in ("malformed", "not a database")):
            raise DamagedError(f"{where}: no SQLite database any more: {text}; restore a copy") from error
        raise


def open_engine(url: sa.URL) -> Engine:
    """Open the records behind a URL and create what is not there yet.

    Raises
    ------
    DiskError
        If the place can not be written.
    """
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else sa.create_engine(url)
    with writing(engine) as connection:
        METADATA.create_all(connection)
    return engine


def _sqlite(url: sa.URL) -> Engine:
    if url.database not in {None, "", ":memory:"}:
        _create_private(Path(str(url.database)))
    engine = sa.create_engine(url, pool_size=16, connect_args={"timeout": LOCK_WAIT_S})

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _create_private(path: Path) -> None:
    """Create the file readable by its owner alone, before SQLite would create it for everyone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DiskError(f"{path}: the records can not be opened for writing: {error.strerror}") from error
