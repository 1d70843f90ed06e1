"""Labels: imported tag packs, actor packs and legal lists, kept for good.

Files lie content-addressed under `DIR/labels`, as they came and normalised (Parquet); the catalogue says what
is in force and is replaced by one rename, last. So an import that ends at any instant is whole or has never
been; files that no entry names are harmless and are used again.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from store import catalogue, relating, snapshot
from store.catalogue import Ended, Imported, Stored
from store.errors import StoreError, disk_error
from store.files import TEMPORARY, locked, publish, write_atomically
from store.formats import Count, LabelError, Problem, Published, ftm, gather, ofac, read
from store.formats.claims import SourceFile
from store.snapshot import LabelSnapshot

__all__ = ["AddReport", "CheckReport", "Count", "Imported", "LabelError", "LabelSnapshot", "Labels", "Problem"]

FOLDER = "labels"
RULES = 2  # of normalisation: raise it when the same file would become other claims
_LOCK = ".lock"
_SEVERAL_LISTS = frozenset({ftm.KIND})  # formats whose files may hold several lists


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an import did."""

    version: str
    """The label version in force after it."""
    added: tuple[Imported, ...]
    already: tuple[Imported, ...]
    """Given again and left as they were."""
    tags: int
    """Claims in the lists added."""
    entities: int
    """Parties in the lists added."""
    notes: tuple[Problem, ...]
    """Taken, but worth knowing."""
    skipped: tuple[Problem, ...]
    """Left out, and why."""
    counts: tuple[Count, ...]
    """What became of every row of every file."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What an import would say; `problems` is empty where it would succeed."""

    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    skipped: tuple[Problem, ...]
    counts: tuple[Count, ...]
    tags: int
    entities: int


class Labels:
    """The labels of a data directory.

    Parameters
    ----------
    data_dir
        `--data DIR`; `DIR/labels` is made by the first import.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = Path(data_dir) / FOLDER

    def add(
        self,
        paths: Iterable[Path],
        *,
        network: str = "main",
        dated: date | None = None,
        mapping: Path | None = None,
    ) -> AddReport:
        """Import lists: all that are given, or none.

        Parameters
        ----------
        paths : Iterable[Path]
            Files, or folders, which are searched to their bottom; one member of a set of files stands for it.
        network : str
            The Bitcoin network that their Bitcoin addresses belong to.
        dated : date | None
            The day a list was in force, where neither it nor its name says so.
        mapping : Path | None
            What says what the columns of CSV files mean.

        Raises
        ------
        LabelError
            Where a list has mistakes; all of them are in `problems`.
        StoreError
            Where the folder is busy, full, read-only or damaged.
        """
        lists, problems, skipped = _read_all(paths, mapping, network, dated)
        if problems:
            raise LabelError(problems)
        with locked(self.folder / _LOCK, str(self.folder)):
            problems = relating.check(self.folder, lists, self.list())
            if problems:
                raise LabelError(problems)
            return self._import(lists, skipped)

    def check(
        self,
        paths: Iterable[Path],
        *,
        network: str = "main",
        dated: date | None = None,
        mapping: Path | None = None,
    ) -> CheckReport:
        """Find every mistake without importing; the parameters are those of `add`."""
        good, problems, skipped = _read_all(paths, mapping, network, dated)
        if not problems:
            problems = relating.check(self.folder, good, self.list())
        return CheckReport(
            problems=tuple(problems),
            notes=tuple(note for one in good for note in one.notes),
            skipped=(*skipped, *(left for one in good for left in one.skipped)),
            counts=tuple(count for one in good for count in one.counts),
            tags=sum(one.tags.num_rows for one in good),
            entities=sum(one.entities.num_rows for one in good),
        )

    def list(self, version: str | None = None) -> list[Imported]:
        """Give the lists in force now or at an earlier version, sorted by date."""
        return catalogue.at_version(self.folder, version)

    def remove(self, import_id: str, reason: str) -> str:
        """End an imported list with a dated entry, and give the new version; earlier versions keep it.

        Parameters
        ----------
        import_id : str
            Its id, or a beginning of it that only one list has.
        reason : str
            Why, for the record.

        Raises
        ------
        StoreError
            Where no list or more than one is meant, or the folder can not be written.
        """
        with locked(self.folder / _LOCK, str(self.folder)):
            entries = catalogue.read(self.folder)
            meant = [e for e in catalogue.in_force(entries) if e.id.startswith(import_id)]
            if len(meant) != 1 or not import_id:
                raise StoreError(
                    f"{import_id!r} names {len(meant)} lists in force; give an id that `labels list` shows"
                )
            entries.append(Ended(meant[0].id, reason, _now()))
            catalogue.write(self.folder, entries)
            return catalogue.version_of(catalogue.in_force(entries))

    def version(self) -> str:
        """Name what is in force, like 2026.11.19-ab12cd34: the same lists give the same name."""
        return catalogue.version_of(self.list())

    def snapshot(self, version: str | None = None) -> LabelSnapshot:
        """Give all claims and parties in force now or at an earlier version.

        Raises
        ------
        StoreError
            Where that version never was, or stored files are missing or damaged.
        """
        live = self.list(version)
        return snapshot.build(self.folder, catalogue.version_of(live), live)

    def at(self, version: str | None) -> "LabelsAt":
        """Give the labels of an earlier version (None: the newest), to build an index with."""
        return LabelsAt(self, version)

    def _import(self, lists: Sequence[Published], skipped: Sequence[Problem]) -> AddReport:
        """Write what is new, then the catalogue; the caller holds the lock."""
        self._sweep()
        entries = catalogue.read(self.folder)
        known = {e.id: e for e in catalogue.in_force(entries)}
        _refuse_older_under_newer_date(self.folder, lists, list(known.values()))
        added: dict[str, Imported] = {}
        already: list[Imported] = []
        changes: list[Problem] = []
        for one in lists:
            entry = _entry(one)
            if entry.id in known or entry.id in added:
                already.append(known.get(entry.id) or added[entry.id])
                continue
            self._store(one, entry.id)
            changes += _changes(self.folder, one, list(known.values()))
            added[entry.id] = entry
        if added:
            entries.extend(added.values())
            catalogue.write(self.folder, entries)
        return AddReport(
            version=catalogue.version_of(catalogue.in_force(entries)),
            added=tuple(added.values()),
            already=tuple(already),
            tags=sum(e.tags for e in added.values()),
            entities=sum(e.entities for e in added.values()),
            notes=(*changes, *(note for one in lists for note in one.notes)),
            skipped=(*skipped, *(left for one in lists for left in one.skipped)),
            counts=tuple(count for one in lists for count in one.counts),
        )

    def _store(self, one: Published, import_id: str) -> None:
        for file in one.files:
            path = source_path(self.folder, file.sha256, file.path)
            if not path.exists():
                write_atomically(path, file.data)
        if one.tags.num_rows or one.list_id:
            _write_parquet(snapshot.tags_path(self.folder, import_id), one.tags)
        if one.entities.num_rows:
            _write_parquet(snapshot.entities_path(self.folder, import_id), one.entities)
        if one.relations.num_rows:
            _write_parquet(snapshot.relations_path(self.folder, import_id), one.relations)
        if one.aliases.num_rows:
            _write_parquet(snapshot.aliases_path(self.folder, import_id), one.aliases)
        if one.coinbase_tags.num_rows:
            _write_parquet(snapshot.coinbase_tags_path(self.folder, import_id), one.coinbase_tags)

    def _sweep(self) -> None:
        """Remove what an import that was killed left half written."""
        for left in _temporaries(self.folder):
            try:
                left.unlink()
            except OSError as error:
                raise disk_error(f"removing {left}", error) from error


@dataclass(frozen=True, slots=True)
class LabelsAt:
    """Labels as of one version."""

    labels: Labels
    version: str | None

    def snapshot(self) -> LabelSnapshot:
        """Give all claims and parties; raises StoreError where that version never was."""
        return self.labels.snapshot(self.version)


def _read_all(
    paths: Iterable[Path], mapping: Path | None, network: str, dated: date | None
) -> tuple[list[Published], list[Problem], list[Problem]]:
    """Read what can be read; say what is wrong with the rest, and which files of folders are no lists."""
    found, problems, skipped = gather(map(Path, paths), mapping)
    good = []
    for given in found:
        try:
            good.append(read(given, network, dated))
        except LabelError as error:
            problems += error.problems
    return good, problems, skipped


def source_path(folder: Path, digest: str, name: Path | str) -> Path:
    """Where a file lies as it came."""
    return folder / (digest + Path(name).suffix.lower())


def _temporaries(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name.endswith(TEMPORARY))


def _write_parquet(path: Path, table: pa.Table) -> None:
    """Write anew even where it exists: a file that no entry names may be of older software."""
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        pq.write_table(table, temporary, compression="zstd")
        publish(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_error(f"writing {path}", error) from error


def _entry(one: Published) -> Imported:
    return Imported(
        id=_id_of(one),
        kind=one.kind,
        title=one.title,
        list_id=one.list_id,
        dated=one.dated,
        network=one.network,
        files=tuple(_stored(file) for file in one.files),
        tags=one.tags.num_rows,
        entities=one.entities.num_rows,
        at=_now(),
    )


def _stored(file: SourceFile) -> Stored:
    return Stored(file.role, file.path.name, file.sha256, len(file.data))


def _id_of(one: Published) -> str:
    """Hash what decides the outcome; an actor pack says the same on every network."""
    said = {
        "rules": RULES,
        "kind": one.kind,
        "network": one.network if one.kind != "actorpack" else "",
        "dated": str(one.dated),
        "files": sorted((file.role, file.sha256) for file in one.files),
    }
    if one.kind in _SEVERAL_LISTS:
        said["list"] = one.list_id
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _refuse_older_under_newer_date(folder: Path, lists: Sequence[Published], known: Sequence[Imported]) -> None:
    """Refuse an OFAC list whose date contradicts its entry numbers, which only grow.

    An old copy under a new date would end every listing made since.
    """
    for one in lists:
        before = [e for e in known if e.list_id and (e.list_id, e.network) == (one.list_id, one.network)]
        before = [e for e in before if e.dated and one.dated and e.dated < one.dated]
        ours = ofac.highest_number(one.kind, one.files[0].data) if before else None
        if ours is not None and _highest(folder, before[-1]) > ours:
            message = (
                f"dated {one.dated}, but the list of {before[-1].dated} that is already imported has higher entry "
                "numbers: this is the older of the two; say its true date"
            )
            raise LabelError([Problem(one.files[0].path, None, message)])


def _changes(folder: Path, one: Published, known: Sequence[Imported]) -> list[Problem]:
    """Say what a newer vintage of a list adds and ends, so that a list cut short is noticed."""
    before = [e for e in known if e.list_id and (e.list_id, e.network) == (one.list_id, one.network)]
    before = [e for e in before if e.dated and one.dated and e.dated < one.dated]
    if not before:
        return []
    earlier = set(snapshot.read_addresses(folder, before[-1].id))
    now = set(zip(one.tags["chain"].to_pylist(), one.tags["address"].to_pylist(), strict=True))
    message = (
        f"against the list of {before[-1].dated}, {len(now - earlier)} addresses are new on it, {len(earlier - now)} "
        f"are gone and count as taken off it on {one.dated}"
    )
    return [Problem(one.files[0].path, None, message)]


def _highest(folder: Path, entry: Imported) -> int:
    path = source_path(folder, entry.sha256, entry.name)
    try:
        return ofac.highest_number(entry.kind, path.read_bytes()) or 0
    except OSError as error:
        raise disk_error(f"reading {path}", error) from error
