"""The audit chain: what was done, by whom, in what order; each row carries the hash of the one before."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, RowMapping

from store.errors import DamagedError
from store.record_tables import AUDIT, KEY, REVOCATION, SCREENING, reading

GENESIS = "0" * 64
HASHED = ("seq", "at", "actor", "action", "subject", "content_sha256", "prev_hash")
REPORT_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Chain:
    """What the chain was found to be: rows, screenings among them, and the newest row's hash."""

    rows: int
    screenings: int
    head: str


def timestamp() -> str:
    """Return now as RFC 3339 UTC with microseconds, so that text order is time order."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def sha256(data: bytes) -> str:
    """SHA-256 as lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def append(connection: Connection, actor: str, action: str, subject: str, content_sha256: str) -> None:
    """Append a row inside a transaction of `record_tables.writing`."""
    last = connection.execute(_LAST).first()
    row = {
        "seq": last.seq + 1 if last else 1,
        "at": timestamp(),
        "actor": actor,
        "action": action,
        "subject": subject,
        "content_sha256": content_sha256,
        "prev_hash": last.hash if last else GENESIS,
    }
    connection.execute(sa.insert(AUDIT), row | {"hash": sha256(canonical(row))})


def verify(engine: Engine, head: str | None, report: Callable[[int, int], None]) -> Chain:
    """Recompute the whole chain and compare it with the rows it speaks of.

    Parameters
    ----------
    engine : Engine
        The records.
    head : str, optional
        The hash of a row that was noted elsewhere; it has to be in the chain, so that a cut-off end shows.
    report : Callable[[int, int], None]
        Told the rows checked and the rows there are.

    Raises
    ------
    DamagedError
        At the first row that does not agree.
    """
    with reading(engine) as connection:
        total = connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()
        before, screenings, seen = GENESIS, 0, head is None
        for number, row in enumerate(_rows(connection), 1):
            _check(connection, number, row, before)
            before = str(row["hash"])
            screenings += row["action"] == "screening.created"
            seen = seen or before == head
            if number % REPORT_EVERY == 0 or number == total:
                report(number, total)
        _count(connection, SCREENING, screenings, "screenings")
    if not seen:
        raise DamagedError(f"the audit chain does not hold the row {head}: its end was cut off or rewritten")
    return Chain(total, screenings, before)


_LAST = sa.select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)


def _rows(connection: Connection) -> Iterator[RowMapping]:
    query = sa.select(AUDIT).order_by(AUDIT.c.seq).execution_options(yield_per=REPORT_EVERY)
    return iter(connection.execute(query).mappings())


def _check(connection: Connection, number: int, row: RowMapping, before: str) -> None:
    where = f"audit row {row['seq']} ({row['action']} {row['subject']} at {row['at']})"
    if row["seq"] != number:
        raise DamagedError(f"{where}: row {number} is missing before it")
    if row["prev_hash"] != before:
        raise DamagedError(f"{where}: does not carry the hash of the row before")
    if row["hash"] != sha256(canonical({name: row[name] for name in HASHED})):
        raise DamagedError(f"{where}: was changed: its hash does not agree")
    content = _content(connection, row["action"], row["subject"])
    if content is not None and sha256(content) != row["content_sha256"]:
        raise DamagedError(f"{where}: what it speaks of was changed or removed")


def _content(connection: Connection, action: str, subject: str) -> bytes | None:
    """Return the bytes that a row's content hash is over, where they are filed here; b"" if they are gone."""
    if action == "screening.created":
        query = sa.select(SCREENING.c.body).where(SCREENING.c.id == subject)
        body = connection.execute(query).scalar_one_or_none()
        return body if isinstance(body, bytes) else b""
    tables = {"key.created": KEY, "key.revoked": REVOCATION}
    if action not in tables:
        return None
    query = sa.select(tables[action]).where(tables[action].c.id == subject)
    row = connection.execute(query).mappings().one_or_none()
    return b"" if row is None else canonical({str(name): value for name, value in row.items()})


def _count(connection: Connection, table: sa.Table, told: int, what: str) -> None:
    filed = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    if filed != told:
        raise DamagedError(f"{filed} {what} are filed but the audit chain speaks of {told}")
