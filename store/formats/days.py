"""Dates as lists write them, and the day a list was in force."""

import re
import unicodedata
from datetime import UTC, date, datetime
from pathlib import Path

from store.formats.problems import Problem

_IN_NAME = re.compile(r"(?<!\d)(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})(?!\d)")
_YEAR_FIRST = re.compile(r"(\d{4})\s*[-./年]\s*(\d{1,2})\s*[-./月]\s*(\d{1,2})(?!\d)\s*日?(?:[T ].*)?")
_DAY_FIRST = re.compile(r"(\d{1,2})[-./](\d{1,2})[-./](\d{4})")
_MONTH_NAME = re.compile(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ](\d{4})")
_ERA = re.compile(r"(令和|平成|昭和)\s*(\d{1,2}|元)\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日")
_ERA_STARTS = {"令和": 2018, "平成": 1988, "昭和": 1925}  # the year before the first
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def day_of(text: str) -> date | None:
    """Read a day: year first, day first (never month first), with a month's name, or in a Japanese era.

    Returns
    -------
    date | None
        None where it is no whole date: a year alone says no day.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if found := _YEAR_FIRST.fullmatch(plain):
        return _date(int(found[1]), int(found[2]), int(found[3]))
    if found := _DAY_FIRST.fullmatch(plain):
        return _date(int(found[3]), int(found[2]), int(found[1]))
    if found := _MONTH_NAME.fullmatch(plain):
        month = found[2].lower()
        return _date(int(found[3]), _MONTHS.index(month) + 1, int(found[1])) if month in _MONTHS else None
    if found := _ERA.fullmatch(plain):
        year = 1 if found[2] == "元" else int(found[2])
        return _date(_ERA_STARTS[found[1]] + year, int(found[3]), int(found[4]))
    return None


def american_day_of(text: str) -> date | None:
    """Read a day as OFAC's SDN.XML writes it: month, day, year."""
    found = _DAY_FIRST.fullmatch(text.strip())
    return _date(int(found[3]), int(found[1]), int(found[2])) if found else None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def date_in_name(path: Path) -> date | None:
    """Find a date like 2024-05-29 or 20240529 in the name of a file or of its folder."""
    for name in (path.name, path.resolve().parent.name):
        for found in _IN_NAME.finditer(name):
            day = _date(int(found[1]), int(found[2]), int(found[3]))
            if day is not None:
                return day
    return None


def in_force(path: Path, own: date | None, asked: date | None) -> tuple[date, tuple[Problem, ...]]:
    """Decide the day a list was in force: its own word, else the user's, else its name's, else the file's.

    Parameters
    ----------
    path : Path
        The list's main file.
    own : date | None
        What the list itself says.
    asked : date | None
        What the user says.

    Returns
    -------
    tuple[date, tuple[Problem, ...]]
        The day, and a note where it is not the user's or was guessed.
    """
    if own is not None:
        if asked is not None and asked != own:
            note = f"dated {own}, as the list itself says, not {asked}"
            return own, (Problem(path, None, note),)
        return own, ()
    day = asked or date_in_name(path)
    if day is not None:
        return day, ()
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    return day, (Problem(path, None, f"dated {day} after the file's modification time; say the date if it is another"),)
