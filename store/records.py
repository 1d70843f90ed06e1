"""Decisions: screenings with their attempt ids and idempotency keys, and the keys of the API.

Everything is filed in one transaction with its audit row. Nothing is changed afterwards: a revocation or a
later screening is a row of its own.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from store import audit
from store.audit import canonical, sha256, timestamp
from store.record_tables import (
    ATTEMPT,
    CLAIM,
    IDEMPOTENCY,
    KEY,
    REVOCATION,
    SCREENING,
    AttemptExistsError,
    InFlightError,
    KeyReusedError,
    open_engine,
    reading,
    writing,
)

CLAIM_LIFE_S = 60  # no request lives longer; an older claim is a dead process's
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Decision:
    """One screening as it is filed; `body` holds the whole answer as it was told, UTF-8 JSON."""

    id: str
    created_at: str
    caller: str
    kind: str
    chain: str
    address: str
    decision: str
    status: str
    policy: str
    generation: str
    result_sha256: str
    body: bytes
    attempt_id: str | None = None
    customer_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret; times are RFC 3339 UTC."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    def active(self, now: str) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def new_id(prefix: str) -> str:
    """Return `prefix_` and a ULID: 48 bits of milliseconds, then 80 random bits."""
    number = (int(datetime.now(UTC).timestamp() * 1000) << 80) | random.getrandbits(80)
    return f"{prefix}_" + "".join(CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


class Records:
    """The open records; safe to use from several threads, and beside other processes."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(sa.make_url(url))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    # decisions ---------------------------------------------------------------------------------------------

    def file(self, decision: Decision, idempotency: tuple[str, str] | None = None) -> None:
        """Append a decision, its attempt id, its idempotency key and its audit row, all or nothing.

        Parameters
        ----------
        decision : Decision
            The row.
        idempotency : tuple[str, str], optional
            The caller's Idempotency-Key and the SHA-256 of the request.

        Raises
        ------
        AttemptExistsError
            If the caller used the attempt id before.
        """
        row = {name: getattr(decision, name) for name in decision.__slots__}
        with writing(self._engine) as connection:
            if decision.attempt_id is not None:
                self._take_attempt(connection, decision)
            connection.execute(sa.insert(SCREENING), row)
            if idempotency is not None:
                self._settle(connection, decision, *idempotency)
            audit.append(connection, decision.caller, "screening.created", decision.id, sha256(decision.body))

    def decision(self, screening_id: str) -> bytes | None:
        """Return the filed answer of one screening."""
        with reading(self._engine) as connection:
            query = sa.select(SCREENING.c.body).where(SCREENING.c.id == screening_id)
            return connection.execute(query).scalar_one_or_none()

    def decisions(
        self, limit: int, before: int | None = None, match: Mapping[str, str] | None = None
    ) -> list[tuple[int, bytes]]:
        """Return up to `limit` answers, newest first, below sequence number `before`.

        Parameters
        ----------
        match : Mapping[str, str], optional
            Column names of `screening` and the value each has to have.
        """
        query = sa.select(SCREENING.c.seq, SCREENING.c.body).order_by(SCREENING.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(SCREENING.c.seq < before)
        for name, value in (match or {}).items():
            query = query.where(SCREENING.c[name] == value)
        with reading(self._engine) as connection:
            return [(row.seq, row.body) for row in connection.execute(query)]

    def attempt(self, caller: str, attempt_id: str) -> str | None:
        """Return the screening that used this attempt id."""
        with reading(self._engine) as connection:
            return _attempt(connection, caller, attempt_id)

    @staticmethod
    def _take_attempt(connection: Connection, decision: Decision) -> None:
        assert decision.attempt_id is not None  # noqa: S101 the caller has looked
        earlier = _attempt(connection, decision.caller, decision.attempt_id)
        if earlier is not None:
            raise AttemptExistsError(decision.attempt_id, earlier)
        row = {"caller": decision.caller, "attempt_id": decision.attempt_id, "screening_id": decision.id}
        connection.execute(sa.insert(ATTEMPT), row)

    @staticmethod
    def _settle(connection: Connection, decision: Decision, key: str, request_sha256: str) -> None:
        row = {"caller": decision.caller, "key": key, "request_sha256": request_sha256}
        connection.execute(sa.insert(IDEMPOTENCY), row | {"screening_id": decision.id})
        connection.execute(_unclaim(decision.caller, key))

    # idempotency -------------------------------------------------------------------------------------------

    def claim(self, caller: str, key: str, request_sha256: str) -> bytes | None:
        """Claim an idempotency key, or return the answer that was given under it.

        Raises
        ------
        KeyReusedError
            If the key was used with another request.
        InFlightError
            If a request with the key is being answered.
        """
        with writing(self._engine) as connection:
            where = (IDEMPOTENCY.c.caller == caller) & (IDEMPOTENCY.c.key == key)
            used = connection.execute(sa.select(IDEMPOTENCY).where(where)).mappings().one_or_none()
            if used is not None:
                return _replay(connection, used, request_sha256)
            _expire(connection)
            held = sa.select(CLAIM.c.key).where((CLAIM.c.caller == caller) & (CLAIM.c.key == key))
            if connection.execute(held).first() is not None:
                raise InFlightError("a request with this Idempotency-Key is being answered; ask again in a second")
            row = {"caller": caller, "key": key, "claimed_at": timestamp()}
            connection.execute(sa.insert(CLAIM), row)
        return None

    def release(self, caller: str, key: str) -> None:
        """Give a claim back after a request that came to nothing."""
        with writing(self._engine) as connection:
            connection.execute(_unclaim(caller, key))

    # keys --------------------------------------------------------------------------------------------------

    def add_key(self, key: Key, secret: str) -> None:
        """File a new key by the hash of its secret."""
        row = {
            "id": key.id,
            "name": key.name,
            "secret_sha256": sha256(secret.encode()),
            "scopes": " ".join(key.scopes),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        with writing(self._engine) as connection:
            connection.execute(sa.insert(KEY), row)
            audit.append(connection, "cli", "key.created", key.id, sha256(canonical(row)))

    def revoke_key(self, key_id: str) -> bool:
        """Revoke a key; False if there is none of that id or it was revoked before."""
        with writing(self._engine) as connection:
            known = connection.execute(_KEYS.where(KEY.c.id == key_id)).mappings().one_or_none()
            if known is None or known["revoked_at"] is not None:
                return False
            row = {"id": key_id, "revoked_at": timestamp()}
            connection.execute(sa.insert(REVOCATION), row)
            audit.append(connection, "cli", "key.revoked", key_id, sha256(canonical(row)))
        return True

    def keys(self) -> list[Key]:
        """Every key ever made, oldest first."""
        with reading(self._engine) as connection:
            return [_key(row) for row in connection.execute(_KEYS.order_by(KEY.c.created_at)).mappings()]

    def key_of(self, secret: str) -> Key | None:
        """Return the key that a bearer token belongs to, active or not."""
        with reading(self._engine) as connection:
            query = _KEYS.where(KEY.c.secret_sha256 == sha256(secret.encode()))
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _key(row)

    # audit -------------------------------------------------------------------------------------------------

    def append(self, actor: str, action: str, subject: str, content: object) -> None:
        """Append one audit row about something that is filed elsewhere (a label import, a key's use)."""
        with writing(self._engine) as connection:
            audit.append(connection, actor, action, subject, sha256(canonical(content)))

    def verify_chain(
        self, head: str | None = None, report: Callable[[int, int], None] = lambda _done, _total: None
    ) -> audit.Chain:
        """Recompute the whole audit chain; see `store.audit.verify`."""
        return audit.verify(self._engine, head, report)


_KEYS = sa.select(KEY, REVOCATION.c.revoked_at).join(REVOCATION, REVOCATION.c.id == KEY.c.id, isouter=True)


def _key(row: RowMapping) -> Key:
    return Key(
        id=row["id"],
        name=row["name"],
        scopes=tuple(row["scopes"].split()),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def _attempt(connection: Connection, caller: str, attempt_id: str) -> str | None:
    where = (ATTEMPT.c.caller == caller) & (ATTEMPT.c.attempt_id == attempt_id)
    return connection.execute(sa.select(ATTEMPT.c.screening_id).where(where)).scalar_one_or_none()


def _unclaim(caller: str, key: str) -> sa.Delete:
    return sa.delete(CLAIM).where((CLAIM.c.caller == caller) & (CLAIM.c.key == key))


def _expire(connection: Connection) -> None:
    """Void the claims of processes that died before they answered."""
    limit = (datetime.now(UTC) - timedelta(seconds=CLAIM_LIFE_S)).isoformat(timespec="microseconds")
    connection.execute(sa.delete(CLAIM).where(CLAIM.c.claimed_at < limit.replace("+00:00", "Z")))


def _replay(connection: Connection, used: RowMapping, request_sha256: str) -> bytes:
    if used["request_sha256"] != request_sha256:
        raise KeyReusedError(
            "this Idempotency-Key was used with another request body "
            f"(screening {used['screening_id']}); send a new key with a new request"
        )
    query = sa.select(SCREENING.c.body).where(SCREENING.c.id == used["screening_id"])
    return bytes(connection.execute(query).scalar_one())
