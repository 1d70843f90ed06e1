"""`tadoru keys` and `tadoru audit`: who may ask, and proof that the records are whole."""

import secrets
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.commands.common import chosen
from service.console import Console, progress
from service.exits import NotFoundError, UsageError
from store.audit import timestamp
from store.records import Key, Records, new_id

SCOPES = ("screen", "read", "labels", "policy", "audit", "admin")
SECRET_BYTES = 32


def create(name: str, scopes: list[str], days: int | None, data: Path | None, *, as_json: bool) -> None:
    """Create a key; its secret is shown now and never again."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise UsageError(f"--scope {', '.join(unknown)}: scopes are {', '.join(SCOPES)}")
    secret = "tdr_" + secrets.token_urlsafe(SECRET_BYTES)
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    until = None if expires is None else expires.isoformat(timespec="microseconds").replace("+00:00", "Z")
    key = Key(new_id("key"), name, tuple(sorted(set(scopes))), timestamp(), until, None)
    with closing(Records(chosen(data).records)) as records:
        records.add_key(key, secret)
    Console(as_json=as_json).answer(
        {**asdict(key), "secret": secret},
        [
            f"{secret}",
            (
                f"key {key.id} ({name}): scopes {', '.join(key.scopes)}, expires {until or 'never'}; "
                "the line above is shown this once"
            ),
        ],
    )


def show(data: Path | None, *, as_json: bool) -> None:
    """Show every key."""
    with closing(Records(chosen(data).records)) as records:
        keys = records.keys()
    now = timestamp()
    items = [{**asdict(key), "active": key.active(now)} for key in keys]
    lines = [
        f"{key.id}  {'active ' if key.active(now) else 'dead   '}  {' '.join(key.scopes):24}  "
        f"expires {key.expires_at or 'never'}  {key.name}"
        for key in keys
    ]
    Console(as_json=as_json).answer({"items": items}, lines or ["no keys: only clients on this machine are answered"])


def revoke(key_id: str, data: Path | None, *, as_json: bool) -> None:
    """Revoke a key."""
    with closing(Records(chosen(data).records)) as records:
        if not records.revoke_key(key_id):
            raise NotFoundError(f"there is no active key {key_id!r}; `tadoru keys list` shows them")
    Console(as_json=as_json).answer({"revoked": key_id}, [f"key {key_id} is revoked"])


def verify(head: str | None, data: Path | None, *, as_json: bool) -> None:
    """Prove the audit chain whole."""
    with closing(Records(chosen(data).records)) as records, progress("rows") as shown:
        chain = records.verify_chain(head, lambda done, total: shown.report("audit", done, total))
    Console(as_json=as_json).answer(
        asdict(chain),
        [
            f"the audit chain is whole: {chain.rows} rows, {chain.screenings} screenings",
            f"head {chain.head} (note it elsewhere; `tadoru audit verify --head` then shows a cut-off end)",
        ],
    )
