"""The index: generations of read-only DuckDB files, built beside the live one and published by a rename.

A generation is a short list of files (base, then what depends on the labels) with a manifest, `<id>.json`.
`CURRENT` is a copy of the live generation's manifest. Names follow from the content's origin, so building the
same thing twice finds it done. Readers hold a shared lock on the manifest of what they read; `prune` leaves
such generations alone, and those that were kept by `keep`.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import duckdb

from store.errors import DiskError, StoreError, disk_error
from store.files import TEMPORARY, locked, publish, sha256_file, sync_folder, write_atomically
from store.reader import Reader

SCHEMA_VERSION: Final = 2
DDL_FILE: Final = Path(__file__).with_name("schema.sql")
LABELS_MARK: Final = "-- labels ---"
# Larger than the library's default buffers need not be: sorted runs spill to disk beside the file.
WRITER_MEMORY: Final = "6GB"


class NoIndexError(StoreError):
    """No generation was published yet."""


class IndexFormatError(StoreError):
    """A generation of another schema version, or one whose files are missing or damaged."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a generation: its name in the index directory, bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Generation:
    """What `CURRENT` says: which files answer, and as of what."""

    id: str
    files: tuple[FileEntry, ...]
    height: int
    block_hash: str
    label_version: str
    schema_version: int
    network: str
    first_height: int

    def to_json(self) -> str:
        """Write the manifest's text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, where: Path) -> Self:
        """Read a manifest; raises IndexFormatError where the text is not one of this schema version."""
        try:
            fields = json.loads(text)
            version = fields["schema_version"]
            if version == SCHEMA_VERSION:
                files = tuple(FileEntry(**f) for f in fields.pop("files"))
                return cls(files=files, **fields)
        except (ValueError, TypeError, KeyError) as error:
            raise IndexFormatError(
                f"{where} is no generation manifest ({error}); run `tadoru index` to publish a new one"
            ) from error
        raise IndexFormatError(
            f"{where} has index schema version {version}, this software reads version {SCHEMA_VERSION}; "
            "run `tadoru index` to rebuild it"
        )


class Index:
    """The index directory of one chain, `DIR/index/<chain>`."""

    def __init__(self, data_dir: Path, chain: str = "bitcoin") -> None:
        """Name the directory; nothing is read or created yet."""
        self.chain = chain
        self.dir = Path(data_dir) / "index" / chain

    @property
    def current_path(self) -> Path:
        """The file that names the live generation."""
        return self.dir / "CURRENT"

    def current(self) -> Generation | None:
        """Read which generation is live; None where none was published yet."""
        return self._manifest(self.current_path)

    def generations(self) -> list[Generation]:
        """Every generation that this software can open, oldest first."""
        found = []
        for path in self._manifests():
            with suppress(IndexFormatError):
                found.append(self._manifest(path))
        return [generation for generation in found if generation is not None]

    def generation(self, generation_id: str) -> Generation:
        """Find a generation by its id; raises NoIndexError where it is gone or never was."""
        found = self._manifest(self.dir / f"{generation_id}.json")
        if found is None:
            raise NoIndexError(f"generation {generation_id} is not in {self.dir}; it was pruned or built elsewhere")
        return found

    def open(self, generation: Generation | None = None) -> Reader:
        """Open a generation (default: the live one) for reading.

        Raises NoIndexError where there is none, IndexFormatError where its files are missing or damaged.
        """
        chosen = generation or self.current()
        if chosen is None:
            raise NoIndexError(
                f"no index in {self.dir}; run `tadoru backfill {self.chain}` and `tadoru index {self.chain}`"
            )
        try:
            return self._open(chosen)
        except IndexFormatError:
            # Between reading CURRENT and locking what it names, another one may have gone live and this one away.
            if generation is not None or self.current() == chosen:
                raise
        return self.open()

    def _open(self, chosen: Generation) -> Reader:
        """Lock a generation, look at its files, and open them."""
        lock = self._share_manifest(chosen)
        try:
            for entry in chosen.files:
                self._check_file(entry)
            return Reader([self.dir / entry.name for entry in chosen.files], lock)
        except duckdb.Error as error:
            os.close(lock)
            raise IndexFormatError(
                f"generation {chosen.id} in {self.dir} can not be opened ({error}); run `tadoru index` to rebuild it"
            ) from error
        except IndexFormatError:
            os.close(lock)
            raise

    def verify(self, generation: Generation | None = None) -> None:
        """Compare every file of a generation with its manifest; raises IndexFormatError where one differs."""
        chosen = generation or self.current()
        for entry in chosen.files if chosen else ():
            self._check_file(entry)
            if sha256_file(self.dir / entry.name) != entry.sha256:
                raise IndexFormatError(
                    f"{self.dir / entry.name} was changed after it was published; delete it and run `tadoru index`"
                )

    @contextmanager
    def building(self) -> Iterator[None]:
        """Be the only builder; raises BusyError at once where another process builds.

        What an earlier, killed build left behind is removed first.
        """
        with locked(self.dir / "LOCK", f"the {self.chain} index"):
            with write_errors(self.dir):
                self._remove_temporary()
            yield

    def has(self, name: str) -> bool:
        """Whether a finished file of this name is here."""
        return (self.dir / name).exists()

    def write(self, name: str, part: str, fill: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        """Write one file whole: create the tables of `part`, let `fill` fill them, then rename.

        Parameters
        ----------
        name
            The file's name in the index directory; it appears only when it is whole and on disk.
        part
            Which tables of schema.sql it gets: `base` or `labels`.
        fill
            Receives a connection whose default database is the new file.
        """
        final, temporary = self.dir / name, self.dir / (name + TEMPORARY)
        with write_errors(self.dir):
            con = duckdb.connect(str(temporary), config=self._writer_config())
            try:
                con.execute(ddl(part))
                fill(con)
                con.execute("CHECKPOINT")
            finally:
                con.close()
            publish(temporary, final)

    def publish(self, generation_id: str, files: list[str], facts: "AsOf") -> Generation:
        """Make a generation of finished files the live one, atomically."""
        with write_errors(self.dir):
            entries = tuple(
                FileEntry(name, (self.dir / name).stat().st_size, self._known_sha256(name)) for name in files
            )
            generation = Generation(id=generation_id, files=entries, schema_version=SCHEMA_VERSION, **asdict(facts))
        self._write_manifest(self.dir / f"{generation_id}.json", generation)
        self._write_manifest(self.current_path, generation)
        return generation

    def keep(self, generation_id: str) -> None:
        """Keep a generation from being pruned, for as long as records cite it."""
        self.generation(generation_id)
        write_atomically(self.keep_path(generation_id), b"")

    def keep_path(self, generation_id: str) -> Path:
        """The mark that keeps a generation; without it, it may be pruned."""
        return self.dir / f"{generation_id}.kept"

    def prune(self, keep: int) -> list[str]:
        """Remove old generations: all but the newest `keep`, the live one, those kept and those being read.

        Returns
        -------
        list[str]
            The ids that were removed. Files shared with a remaining generation stay. Raises BusyError while
            an index is being built: its files are not in any manifest yet.
        """
        with locked(self.dir / "LOCK", f"the {self.chain} index"), write_errors(self.dir):
            live = self.current()
            spared = set() if live is None else {f"{live.id}.json"}
            paths = self._manifests()
            old = [path for path in paths[: max(0, len(paths) - keep)] if path.name not in spared]
            removed = [path.stem for path in old if self._retire(path)]
            wanted = self._wanted(live)
            for path in self.dir.glob("*.duckdb"):
                if wanted is not None and path.name not in wanted:
                    path.unlink()
            sync_folder(self.dir)
        return removed

    def _manifests(self) -> list[Path]:
        """Manifests of every generation, oldest first."""
        return sorted(self.dir.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))

    def _wanted(self, live: Generation | None) -> set[str] | None:
        """Files that some generation needs, of whatever schema version; None where a manifest does not read."""
        wanted = {entry.name for entry in live.files} if live else set()
        for path in self._manifests():
            try:
                wanted |= {entry["name"] for entry in json.loads(path.read_text())["files"]}
            except (ValueError, TypeError, KeyError):
                return None
        return wanted

    def _retire(self, path: Path) -> bool:
        """Remove a generation's manifest unless it is kept or read by someone."""
        if self.keep_path(path.stem).exists():
            return False
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True

    def _write_manifest(self, path: Path, generation: Generation) -> None:
        """Write a manifest unless it says so already: readers hold their lock on the file that is there."""
        with write_errors(self.dir), suppress(IndexFormatError):
            if self._manifest(path) == generation:
                os.utime(path)
                return
        write_atomically(path, generation.to_json().encode())

    def _share_manifest(self, generation: Generation) -> int:
        """Open and lock the manifest: the shared lock says that the generation is being read."""
        path = self.dir / f"{generation.id}.json"
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise IndexFormatError(f"{path} is missing; run `tadoru index` to publish again") from error
        fcntl.flock(handle, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink == 0:
            os.close(handle)
            raise IndexFormatError(f"{path} was pruned while it was opened; run `tadoru index` to publish again")
        return handle

    def _check_file(self, entry: FileEntry) -> None:
        """Raise IndexFormatError where a file is missing or has another size than its manifest says."""
        path = self.dir / entry.name
        try:
            size = path.stat().st_size
        except FileNotFoundError as error:
            raise IndexFormatError(f"{path} is missing; restore it or run `tadoru index` to rebuild it") from error
        if size != entry.size:
            raise IndexFormatError(
                f"{path} has {size} bytes, its manifest says {entry.size}; delete it and run `tadoru index`"
            )

    def _known_sha256(self, name: str) -> str:
        """SHA-256 of a file, taken from a manifest where one was written since the file was."""
        path = self.dir / name
        written = path.stat().st_mtime_ns
        for generation in self.generations():
            if (self.dir / f"{generation.id}.json").stat().st_mtime_ns > written:
                known = {entry.name: entry.sha256 for entry in generation.files}
                if name in known:
                    return known[name]
        return sha256_file(path)

    def _manifest(self, path: Path) -> Generation | None:
        try:
            return Generation.from_json(path.read_text(), path)
        except FileNotFoundError:
            return None

    def _remove_temporary(self) -> None:
        for path in self.dir.glob(f"*{TEMPORARY}*"):
            if path.is_dir():
                for spilled in path.iterdir():
                    spilled.unlink()
                path.rmdir()
            else:
                path.unlink()

    def _writer_config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": WRITER_MEMORY,
            "temp_directory": str(self.dir / f"spill{TEMPORARY}"),
            "python_enable_replacements": False,
        }


@dataclass(frozen=True, slots=True)
class AsOf:
    """What a generation is as of: the last block, the labels, and where its history starts."""

    height: int
    block_hash: str
    label_version: str
    network: str
    first_height: int


def ddl(part: str) -> str:
    """Take from schema.sql what creates the tables of `part`: `base` or `labels`."""
    base, labels = DDL_FILE.read_text().split(LABELS_MARK)
    return base if part == "base" else "-- " + labels


@contextmanager
def write_errors(where: Path) -> Iterator[None]:
    """Turn what an operating system or DuckDB says about a write that failed into what to do about it."""
    action = f"writing the index in {where}"
    try:
        yield
    except OSError as error:
        raise disk_error(action, error) from error
    except duckdb.Error as error:
        text = str(error)
        if "No space left" in text or "ermission denied" in text or "Read-only" in text:
            raise DiskError(f"{action}: {text}; the live generation is untouched") from error
        raise StoreError(f"{action}: {text}") from error
