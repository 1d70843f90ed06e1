"""Published lists of labels: one module per format, and here which file is of which format."""

import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

from store.formats import actorpack, ofac_sdn, tagpack, yamldoc
from store.formats.claims import Published, SourceFile
from store.formats.problems import LabelError, Problem, only

__all__ = ["Given", "LabelError", "Problem", "Published", "gather", "read"]

MAX_BYTES = 200 * 2**20  # of one file: the largest public pack has 20 MB
_YAML = (".yaml", ".yml")
_SET_MEMBER = re.compile(r"(?i)(.*?)(sdn_comments|sdn|add|alt)\.csv")
_ROLES = {"sdn_comments": "comments", "sdn": "sdn", "add": "add", "alt": "alt"}
_DATE_IN_NAME = re.compile(r"(?<!\d)(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})(?!\d)")


@dataclass(slots=True)
class Given:
    """One list as it was given: its main file and, of a set of files, the others by role."""

    path: Path
    members: dict[str, Path] = field(default_factory=dict)


def gather(paths: Iterable[Path]) -> tuple[list[Given], list[Problem]]:
    """Sort files and folders into lists; a member of an OFAC set brings the others that stand beside it.

    Returns
    -------
    tuple[list[Given], list[Problem]]
        The lists, each once; and what is wrong: a path that does not exist, a file of no known format, a
        folder without any.
    """
    found: dict[Path, Given] = {}
    problems: dict[Problem, None] = {}
    for path in paths:
        try:
            files = _files(path)
        except LabelError as error:
            problems |= dict.fromkeys(error.problems)
            continue
        for file in files:
            try:
                given = _given(file)
            except LabelError as error:
                problems |= dict.fromkeys(error.problems)
            else:
                found.setdefault(given.path, given)
    return list(found.values()), list(problems)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise only(path, "there is no such file or folder; check the path")
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.iterdir() if p.is_file() and (_is_yaml(p) or _SET_MEMBER.fullmatch(p.name)))
    if not files:
        raise only(path, "the folder holds no tag pack, actor pack or OFAC sdn.csv; name the files themselves")
    return files


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in _YAML


def _given(path: Path) -> Given:
    if _is_yaml(path):
        return Given(path)
    member = _SET_MEMBER.fullmatch(path.name)
    if member is None:
        raise only(path, "unknown format: labels are tag packs and actor packs (.yaml) or OFAC's sdn.csv set")
    members = {}
    for beside in path.parent.iterdir():
        found = _SET_MEMBER.fullmatch(beside.name)
        if found and found[1].lower() == member[1].lower():
            members[_ROLES[found[2].lower()]] = beside
    if "sdn" not in members:
        raise only(path, f"{member[1]}sdn.csv must stand beside it; fetch the whole set")
    return Given(members["sdn"], members)


def read(given: Given, network: str, dated: date | None = None) -> Published:
    """Read one list, check it and normalise it.

    Parameters
    ----------
    given : Given
        From `gather`.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.
    dated : date | None
        The day an OFAC list was in force; else taken from the name of the file or its folder, or else from
        the file's modification time.

    Raises
    ------
    LabelError
        With every mistake that was found.
    """
    with _collector_paused():
        return _read_set(given, network, dated) if given.members else _read_pack(given, network)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Spare the garbage collector the hundred thousand small objects of a large pack: a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_pack(given: Given, network: str) -> Published:
    file = _source(given.path, "pack")
    document = yamldoc.load(file.data, file.path)
    is_actors = isinstance(document, yamldoc.Mapping) and "actors" in document and "tags" not in document
    return actorpack.read(document, file, network) if is_actors else tagpack.read(document, file, network)


def _read_set(given: Given, network: str, dated: date | None) -> Published:
    files = {role: _source(path, role) for role, path in sorted(given.members.items())}
    day = dated or date_in_name(given.path)
    notes: tuple[Problem, ...] = ()
    if day is None:
        day = datetime.fromtimestamp(given.path.stat().st_mtime, UTC).date()
        message = f"dated {day} after the file's modification time; say the date if it is another"
        notes = (Problem(given.path, None, message),)
    published = ofac_sdn.read(files, day, network)
    published.notes += notes
    return published


def date_in_name(path: Path) -> date | None:
    """Find a date like 2024-05-29 or 20240529 in the name of a file or of its folder."""
    for name in (path.name, path.resolve().parent.name):
        for found in _DATE_IN_NAME.finditer(name):
            try:
                return date(int(found[1]), int(found[2]), int(found[3]))
            except ValueError:
                continue
    return None


def _source(path: Path, role: str) -> SourceFile:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise only(path, f"the file has {size:,} bytes, the limit is {MAX_BYTES:,}; split it")
        data = path.read_bytes()
    except OSError as error:
        raise only(path, f"the file can not be read: {error.strerror}") from None
    return SourceFile(path, role, data, sha256(data).hexdigest())
