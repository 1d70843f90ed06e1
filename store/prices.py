"""Prices: what an asset cost on a day, imported as files (`store/formats/prices.py`) and kept for good.

Files lie content-addressed under `DIR/prices`, as they came; the journal says in which order they were imported
and is replaced by one rename, last. So an import that ends at any instant is whole or has never been. Where two
files price a day, the newer import holds.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from store.errors import DamagedError, NotHeldError, disk_error
from store.files import locked, write_atomically
from store.formats.prices import Pair, Rows, load, read
from store.formats.problems import PriceError

__all__ = ["AddReport", "Book", "Gap", "Imported", "PriceError", "Prices"]

FOLDER: Final = "prices"
JOURNAL: Final = "imports.jsonl"
NO_VERSION: Final = "none"
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """Days without a price between days that have one; first and last of them."""

    asset: str
    currency: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Imported:
    """One imported file: the hash of its bytes, its name, its rows, when (ISO 8601, UTC)."""

    sha256: str
    name: str
    rows: int
    at: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an import did, in days and currencies: new, of another price than before, and as before."""

    version: str
    added: tuple[Imported, ...]
    """Files that changed anything."""
    taken: int
    replaced: int
    same: int
    gaps: tuple[Gap, ...]
    """Of all that is known now."""


class Book:
    """All prices of one moment, by pair and then by day, both sorted."""

    def __init__(self, rows: Rows) -> None:
        self._days: dict[Pair, dict[date, Decimal]] = {}
        for (pair, day), price in sorted(rows.items()):
            self._days.setdefault(pair, {})[day] = price

    @property
    def version(self) -> str:
        """Beginning of a hash of all days and prices, whatever files they came in; `none` without any."""
        lines = [
            f"{day},{','.join(pair)},{price.normalize():f}"
            for pair, days in self._days.items()
            for day, price in days.items()
        ]
        return sha256("\n".join(lines).encode()).hexdigest()[:12] if lines else NO_VERSION

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """What is priced in what."""
        return tuple(self._days)

    def currencies(self, asset: str = "BTC") -> tuple[str, ...]:
        """What an asset is priced in, sorted."""
        return tuple(pair.currency for pair in self._days if pair.asset == asset)

    def daily(self, asset: str, currency: str) -> Mapping[date, Decimal]:
        """Give the price of each known day, sorted by day; empty where there is none."""
        return self._days.get(Pair(asset, currency), {})

    def arrays(self, asset: str, currency: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Give the same as days since 1970, ascending, and prices."""
        known = self.daily(asset, currency)
        days = np.array(list(known), dtype="datetime64[D]").astype(np.int64)
        return days, np.array([float(price) for price in known.values()])

    def gaps(self) -> tuple[Gap, ...]:
        """Find the days that are missing between the first and last of each pair."""
        return tuple(
            Gap(*pair, day + _ONE_DAY, later - _ONE_DAY)
            for pair, days in self._days.items()
            for day, later in pairwise(days)
            if later - day > _ONE_DAY
        )


class Prices:
    """The price files of a data directory; `DIR/prices` is made by the first import."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = Path(data_dir) / FOLDER

    def add(self, paths: Iterable[Path]) -> AddReport:
        """Import price files: all that are given, or none; what changes no price is not kept.

        Raises
        ------
        PriceError
            Where a file has mistakes; all of them are in `problems`.
        StoreError
            Where the folder is busy, full, read-only or damaged.
        """
        files = _read_all(paths)
        with locked(self.folder / ".lock", str(self.folder)):
            journal = self.imports()
            before = self._rows(journal)
            now, added = dict(before), []
            for file in files:
                if any(now.get(key) != price for key, price in file.rows.items()):
                    write_atomically(self._path(file.sha256), file.data)
                    now |= file.rows
                    added.append(Imported(file.sha256, file.name, len(file.rows), _now()))
            if added:
                lines = [json.dumps(asdict(one), sort_keys=True) + "\n" for one in (*journal, *added)]
                write_atomically(self.folder / JOURNAL, "".join(lines).encode())
        given = {key for file in files for key in file.rows}
        replaced = sum(1 for key in given if key in before and before[key] != now[key])
        taken = len(given - before.keys())
        book = Book(now)
        return AddReport(book.version, tuple(added), taken, replaced, len(given) - taken - replaced, book.gaps())

    def imports(self) -> list[Imported]:
        """Give what was imported, oldest first; raises DamagedError where the journal is not what was written."""
        path = self.folder / JOURNAL
        try:
            return [Imported(**json.loads(line)) for line in path.read_bytes().splitlines()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise disk_error(f"reading {path}", error) from error
        except (ValueError, TypeError) as error:
            raise DamagedError(f"{path} is damaged: restore it from a backup") from error

    def book(self, version: str | None = None) -> Book:
        """Give all prices that hold now, or held at an earlier version.

        Raises
        ------
        NotHeldError
            That version never was.
        DamagedError
            A stored file is not what was imported.
        """
        journal = self.imports()
        for n in range(len(journal), -1, -1):
            book = Book(self._rows(journal[:n]))
            if version in (None, book.version):
                return book
        raise NotHeldError(f"{self.folder} never held prices of version {version}")

    @property
    def version(self) -> str:
        """Name what holds now: the same prices give the same name; see `Book.version`."""
        return self.book().version

    def _rows(self, journal: Iterable[Imported]) -> Rows:
        rows: Rows = {}
        for one in journal:
            path = self._path(one.sha256)
            try:
                data = path.read_bytes()
            except FileNotFoundError as error:
                raise DamagedError(f"{path} ({one.name}) is missing: restore it from a backup") from error
            except OSError as error:
                raise disk_error(f"reading {path}", error) from error
            if sha256(data).hexdigest() != one.sha256:
                raise DamagedError(f"{path} ({one.name}) is damaged: restore it from a backup")
            rows |= read(data, path)
        return rows

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.csv"


class _File(NamedTuple):
    name: str
    sha256: str
    data: bytes
    rows: Rows


def _read_all(paths: Iterable[Path]) -> list[_File]:
    files: list[_File] = []
    wrong: list[PriceError] = []
    for path in map(Path, paths):
        try:
            data = load(path)
            files.append(_File(path.name, sha256(data).hexdigest(), data, read(data, path)))
        except PriceError as error:
            wrong.append(error)
    if wrong:
        raise PriceError(problem for error in wrong for problem in error.problems)
    return files


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
