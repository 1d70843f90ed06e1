"""The catalogue of label imports: an append-only file of dated entries, and the versions that they make.

One JSON object per line. An entry adds a list or ends one (a tombstone); nothing is ever rewritten, so every
earlier state is a beginning of this file. A version's name follows from what is in force alone: the newest
date of its sources and a hash of their ids. The same lists give the same version on every machine.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from store.errors import DamagedError, NotHeldError, disk_error
from store.files import write_atomically

NAME = "catalogue.jsonl"
_NO_DATE = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of a list: its role, the name it came under, its hash, which is also where it lies."""

    role: str
    name: str
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Imported:
    """One imported list."""

    id: str
    """Hash of what was imported: files, date, network, rules of normalisation."""
    kind: str
    """tagpack, actorpack, mining_pools or ofac_sdn."""
    title: str
    list_id: str | None
    """Where it is a legal list: which."""
    dated: date | None
    """Published or last modified."""
    network: str
    """The Bitcoin network of its addresses."""
    files: tuple[Stored, ...]
    tags: int
    entities: int
    at: str
    """When it was imported: ISO 8601, UTC."""

    @property
    def name(self) -> str:
        """The main file's name."""
        return self.files[0].name

    @property
    def sha256(self) -> str:
        """The main file's hash."""
        return self.files[0].sha256


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an imported list."""

    id: str
    reason: str
    at: str


Entry = Imported | Ended


def read(folder: Path) -> list[Entry]:
    """Read all entries, oldest first; no catalogue means none.

    Raises
    ------
    DamagedError
        Where a line is not what was written.
    StoreError
        Where the file can not be read.
    """
    path = folder / NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(f"reading {path}", error) from error
    except UnicodeDecodeError as error:
        raise DamagedError(f"{path} is damaged (not UTF-8): restore it from a backup") from error
    return [_entry(path, number, line) for number, line in enumerate(lines, 1)]


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """Replace the catalogue by one that begins with it; the caller holds the lock."""
    lines = (json.dumps(_plain(entry), ensure_ascii=False, sort_keys=True) + "\n" for entry in entries)
    write_atomically(folder / NAME, "".join(lines).encode())


def in_force(entries: Iterable[Entry]) -> list[Imported]:
    """Give the lists that are imported and not ended, sorted by date and id."""
    live: dict[str, Imported] = {}
    for entry in entries:
        if isinstance(entry, Ended):
            live.pop(entry.id, None)
        else:
            live[entry.id] = entry
    return sorted(live.values(), key=lambda e: (e.dated or _NO_DATE, e.id))


def version_of(live: Sequence[Imported]) -> str:
    """Name a state: newest source date and a hash of the ids, like 2026.11.19-ab12cd34."""
    newest = max((e.dated for e in live if e.dated), default=_NO_DATE)
    digest = sha256("\n".join(sorted(e.id for e in live)).encode()).hexdigest()
    return f"{newest:%Y.%m.%d}-{digest[:8]}"


def at_version(folder: Path, version: str | None) -> list[Imported]:
    """Give the lists in force now or at an earlier version.

    Raises
    ------
    NotHeldError
        Where the catalogue never had that version.
    """
    entries = read(folder)
    now = in_force(entries)
    if version is None or version == version_of(now):
        return now
    for end in range(len(entries)):
        live = in_force(entries[:end])
        if version_of(live) == version:
            return live
    raise NotHeldError(
        f"{folder / NAME} never had the label version {version}; the one in force is {version_of(now)}: "
        "import the lists of that version, or use the data directory that had it"
    )


def _plain(entry: Entry) -> dict[str, Any]:
    plain = asdict(entry)
    if isinstance(entry, Imported):
        plain["dated"] = entry.dated.isoformat() if entry.dated else None
        return {"action": "add", **plain}
    return {"action": "end", **plain}


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        plain = json.loads(line)
        action = plain.pop("action")
        if action == "end":
            return Ended(**plain)
        plain["files"] = tuple(Stored(**file) for file in plain["files"])
        plain["dated"] = date.fromisoformat(plain["dated"]) if plain["dated"] else None
        return Imported(**plain)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedError(f"{path}:{number} is damaged: restore the file from a backup") from error
