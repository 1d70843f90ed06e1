"""Published lists of labels: one module per format, `kinds` says which file is of which, and here they are read."""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from store.formats.claims import Published, SourceFile
from store.formats.days import date_in_name
from store.formats.kinds import MAIN, PACK, READERS, Asked, Given, NoListError, given_of
from store.formats.problems import Count, LabelError, Problem, Tally, only

__all__ = ["Count", "Gathered", "Given", "LabelError", "Problem", "Published", "date_in_name", "gather", "read"]

MAX_BYTES = 2**30  # of one file: the largest public lists have some hundred MB


class Gathered(NamedTuple):
    """What was given, sorted."""

    lists: list[Given]
    """Each once."""
    problems: list[Problem]
    """A path that does not exist, a file of no known format, a folder without any list."""
    skipped: list[Problem]
    """Files of a folder that are no lists, and why."""


def gather(paths: Iterable[Path], mapping: Path | None = None) -> Gathered:
    """Sort files and folders into lists; a member of a set of files brings the others that stand beside it.

    Parameters
    ----------
    paths : Iterable[Path]
        Files, and folders, which are searched to their bottom.
    mapping : Path | None
        What says what the columns of CSV files mean.
    """
    found: dict[tuple[Path, str], Given] = {}
    problems: dict[Problem, None] = {}
    skipped: dict[Problem, None] = {}
    for path in paths:
        lists = 0
        try:
            files = _files(path)
        except OSError as error:
            problems |= dict.fromkeys(only(path, f"the folder can not be read: {error.strerror}").problems)
            continue
        for file in files:
            try:
                given = given_of(file, mapping) if path.exists() else []
            except NoListError as error:
                (skipped if path.is_dir() else problems).update(dict.fromkeys(error.problems))
                continue
            except LabelError as error:
                problems |= dict.fromkeys(error.problems)
                lists += 1
                continue
            for one in given:
                found.setdefault((one.path, one.part), one)
            lists += len(given)
        if not path.exists():
            problems |= dict.fromkeys(only(path, "there is no such file or folder; check the path").problems)
        elif path.is_dir() and not lists:
            message = "the folder holds no tag pack, actor pack or other list; name the files themselves"
            problems |= dict.fromkeys(only(path, message).problems)
    return Gathered(list(found.values()), list(problems), list(skipped))


def _files(path: Path) -> list[Path]:
    """Give the files of a folder and the folders within, but for hidden ones; links to folders are not followed."""
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    waiting = [path]
    while waiting:
        for one in sorted(waiting.pop().iterdir(), reverse=True):
            if one.name.startswith("."):
                continue
            if one.is_dir():
                if not one.is_symlink():
                    waiting.append(one)
            elif one.is_file():
                found.append(one)
    return sorted(found)


def read(given: Given, network: str, dated: date | None = None) -> Published:
    """Read one list, check it and normalise it.

    Parameters
    ----------
    given : Given
        From `gather`.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.
    dated : date | None
        The day the list was in force, where it does not say so itself; else taken from the name of the file
        or its folder, or else from the file's modification time.

    Raises
    ------
    LabelError
        With every mistake that was found.
    """
    with _collector_paused():
        members = given.members or {PACK if given.kind == PACK else MAIN: given.path}
        files = {role: _source(path, role) for role, path in sorted(members.items())}
        published = READERS[given.kind](files, Asked(network, dated), given.part)
    if not published.counts:
        published.counts = _counted(given.path, published)
    return published


def _counted(path: Path, published: Published) -> tuple[Count, ...]:
    """Count the items of a pack, each of which becomes a claim or a party, or is left out."""
    is_actors = published.kind == "actorpack"
    tally = Tally(path, "actors" if is_actors else "tags")
    tally.add("are taken", rows=published.entities.num_rows if is_actors else published.tags.num_rows)
    for one in published.skipped:
        tally.add("are left out", one.line)
    return tally.counts()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Spare the garbage collector the hundred thousand small objects of a large list: a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _source(path: Path, role: str) -> SourceFile:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise only(path, f"the file has {size:,} bytes, the limit is {MAX_BYTES:,}; split it")
        data = path.read_bytes()
    except OSError as error:
        raise only(path, f"the file can not be read: {error.strerror}") from None
    return SourceFile(path, role, data, sha256(data).hexdigest())
