"""The labels that were known by a day: what a user had then of what is disclosed at the end of a world.

The runner makes the copy, so that the pipeline is given labels and no day to leave any out by. Tags count from their
own `lastmod`, or from the pack's where they have none; vintages of a list from the date in their name.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

_DATED: Final = re.compile(r"^ *lastmod: *'?(\d{4}-\d{2}-\d{2})'? *$")
_VINTAGE: Final = re.compile(r"\d{4}-\d{2}-\d{2}$")
_PACKS: Final = (".yaml", ".yml")


def labels_known_by(day: date, labels: Path, into: Path) -> Path:
    """Copy what of a world's labels was known by the end of a day into a new folder; gives that folder."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for place in sorted(labels.iterdir()):
        if place.is_dir():
            vintage = _VINTAGE.search(place.name)
            if vintage is None or date.fromisoformat(vintage[0]) <= day:
                shutil.copytree(place, into / place.name)
        elif place.suffix in _PACKS:
            text = _pack(place.read_text(encoding="utf-8"), day)
            if text:
                (into / place.name).write_text(text, encoding="utf-8")
    return into


def _pack(text: str, day: date) -> str:
    """Give a tag pack without later tags, dated that day at the latest; nothing where none is left.

    Packs are read line by line as `worlds.claims` writes them: a YAML parser takes minutes for those of large worlds.
    """
    head, mark, body = text.partition("\ntags:\n")
    lines = head.splitlines(keepends=True)
    own = _of(head)
    head = "".join(f"lastmod: {day}\n" if (_date(line) or day) > day else line for line in lines)
    if not mark:
        return head  # actors: who there is, was known all along
    kept = "".join(tag for tag in _tags(body) if (_of(tag) or own or day) <= day)
    return f"{head.rstrip()}{mark}{kept}" if kept else ""


def _tags(body: str) -> Iterator[str]:
    """Give each tag with its lines."""
    tag: list[str] = []
    for line in body.splitlines(keepends=True):
        if line.startswith("- ") and tag:
            yield "".join(tag)
            tag = []
        tag.append(line)
    if tag:
        yield "".join(tag)


def _of(tag: str) -> date | None:
    """Give the first date among the lines of a tag, or of a pack's head."""
    return next((day for day in map(_date, tag.splitlines()) if day is not None), None)


def _date(line: str) -> date | None:
    found = _DATED.match(line.rstrip("\n"))
    return None if found is None else date.fromisoformat(found[1])
