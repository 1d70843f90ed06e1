"""The index: generations of read-only files, built beside the live one and published by a rename.

A generation is a short list of files with a manifest, `<id>.json`: DuckDB databases, and folders of arrays; first
what follows from the lake alone, then what depends on the labels.
`CURRENT` is a copy of the live generation's manifest. Names follow from the content's origin, so building the
same thing twice finds it done. Readers hold a shared lock on the manifest of what they read; `prune` leaves
such generations alone, and those that were kept by `keep`.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import duckdb

from store.database import ddl, write_errors, writer_config
from store.errors import DamagedError
from store.files import (
    TEMPORARY,
    locked,
    publish,
    remove,
    sha256_of,
    size_of,
    sync_file,
    sync_folder,
    write_atomically,
)
from store.manifest import INTERIM, SCHEMA_VERSION, AsOf, FileEntry, Generation, IndexFormatError, NoIndexError
from store.reader import Reader

# What a generation is made of: databases, and folders of arrays.
DATABASE, COINS, EXPOSURE = KINDS = ".duckdb", ".coins", ".exposure"


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

    def readable(self) -> Generation | None:
        """The live generation; none where it is of another schema version or damaged: it has to be built anew."""
        try:
            return self.current()
        except IndexFormatError:
            return None

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

    def find(self, height: int | None, label_version: str | None) -> Generation:
        """Find the generation of a height and a label version (None: whichever); raises NoIndexError.

        Of several the live one is meant, then one of its labels, one whose exposure follows its labels, the newest.
        """
        live = self.current()
        fitting = [
            one
            for one in reversed(self.generations())
            if height in (None, one.height) and label_version in (None, one.label_version)
        ]
        if fitting:
            return max(fitting, key=lambda one: _nearness(one, live))  # the first of equals, so newest first
        wanted = [] if height is None else [f"--height {height}"]
        wanted += [] if label_version is None else [f"--labels {label_version}"]
        raise NoIndexError(
            f"no generation in {self.dir} is as of that height and those labels; "
            f"`tadoru index {self.chain} {' '.join(wanted)}` builds it"
        )

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
        except (duckdb.Error, DamagedError) as error:
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
            if sha256_of(self.dir / entry.name) != entry.sha256:
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
            con = duckdb.connect(str(temporary), config=writer_config(self.dir))
            try:
                con.execute(ddl(part))
                fill(con)
                con.execute("CHECKPOINT")
            finally:
                con.close()
            publish(temporary, final)

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Write one folder whole: what is put into the one that is given appears under `name` at the end."""
        final, temporary = self.dir / name, self.dir / (name + TEMPORARY)
        with write_errors(self.dir):
            temporary.mkdir()
            yield temporary
            for path in temporary.iterdir():
                sync_file(path)
            sync_folder(temporary)
            if final.exists():
                remove(final)
            temporary.rename(final)
            sync_folder(self.dir)

    def publish(self, generation_id: str, files: list[str], facts: AsOf, *, live: bool = True) -> Generation:
        """Make a generation of finished files, and (atomically) the live one."""
        with write_errors(self.dir):
            entries = tuple(FileEntry(name, size_of(self.dir / name), self._known_sha256(name)) for name in files)
            generation = Generation(id=generation_id, files=entries, schema_version=SCHEMA_VERSION, **asdict(facts))
        self._write_manifest(self.dir / f"{generation_id}.json", generation)
        if live:
            self._write_manifest(self.current_path, generation)
        return generation

    def keep(self, generation_id: str) -> None:
        """Keep a generation from being pruned, for as long as records cite it."""
        self.generation(generation_id)
        write_atomically(self.keep_path(generation_id), b"")

    def keep_path(self, generation_id: str) -> Path:
        """The mark that keeps a generation; without it, it may be pruned."""
        return self.dir / f"{generation_id}.kept"

    def kept(self) -> list[str]:
        """Ids of the generations that were kept from being pruned."""
        return sorted(path.stem for path in self.dir.glob("*.kept"))

    def prune(self, keep: int, *, release: bool = False) -> list[str]:
        """Remove old generations: all but the newest `keep`, the live one, those kept and those being read.

        One that only answered until its exposure was there goes as soon as it is not live.

        Parameters
        ----------
        keep
            So many are left, beside those that were kept by `keep`.
        release
            Remove the ones that were kept as well, however new: nothing is kept any longer.

        Returns
        -------
        list[str]
            The ids that were removed. Files shared with a remaining generation stay. Raises BusyError while
            an index is being built: its files are not in any manifest yet.
        """
        with locked(self.dir / "LOCK", f"the {self.chain} index"), write_errors(self.dir):
            live = self.current()
            spared = set() if live is None else {f"{live.id}.json"}
            marked = {f"{one}.json" for one in self.kept()}
            paths = self._manifests()
            own = [path for path in paths if path.name not in marked and INTERIM not in path.name]
            old = [path for path in own[: max(0, len(own) - keep)] if path.name not in spared]
            old += [path for path in paths if INTERIM in path.name and path.name not in marked | spared]
            if release:
                old += [path for path in paths if path.name in marked - spared]
                self._release()
            removed = [path.stem for path in old if self._retire(path)]
            wanted = self._wanted(live)
            for path in [path for kind in KINDS for path in self.dir.glob(f"*{kind}")]:
                if wanted is not None and path.name not in wanted:
                    remove(path)
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

    def _release(self) -> None:
        """Take every mark that keeps a generation away."""
        for path in self.dir.glob("*.kept"):
            path.unlink()

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
            size = size_of(path)
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
        return sha256_of(path)

    def _manifest(self, path: Path) -> Generation | None:
        try:
            return Generation.from_json(path.read_text(), path)
        except FileNotFoundError:
            return None

    def _remove_temporary(self) -> None:
        for path in self.dir.glob(f"*{TEMPORARY}*"):
            remove(path)


def _nearness(one: Generation, live: Generation | None) -> tuple[bool, bool, bool]:
    """What speaks for a generation where several fit."""
    of_live = live is not None and one.label_version == live.label_version
    return one == live, of_live, one.exposure_labels == one.label_version
