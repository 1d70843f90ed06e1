"""0xB10C's extract of OFAC's list: addresses by ticker, every night, without the parties they belong to.

`sanctioned_addresses_TICKER.txt` has an address per line and `.json` the same as an array. Where
`ofac_history.csv` stands beside them (date, added or removed, ticker, address), it says since when and until
when each address was listed; the other files must then hold exactly what it says is listed at its end. As the
extract names no parties, it is a list of its own: it must not end the listings of OFAC's own files.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from store.formats.claims import Claim, Claims, Origin, Published, SourceFile, entity_table
from store.formats.days import in_force
from store.formats.identify import Locator
from store.formats.problems import Count, LabelError, Problem, Tally, only
from store.formats.taxonomy import LISTED_CONFIDENCE

KIND = "ofac_0xb10c"
TITLE = "OFAC digital currency addresses (0xB10C)"
SOURCE_URI = "https://github.com/0xB10C/ofac-sanctioned-digital-currency-addresses"
HISTORY = "ofac_history.csv"
_MEMBER = re.compile(r"(?i)sanctioned_addresses_([A-Z0-9]{2,10})\.(txt|json)")
_COLUMNS = ["date", "event", "currency", "address"]
_ADDED, _ADDED_AGAIN, _REMOVED = (
    "put addresses on the list",
    "put on it what another ticker has",
    "take addresses off it",
)
_Key = tuple[str, str]  # ticker and address


def role_of(path: Path) -> str | None:
    """Give the role of a file of the extract, None of other files."""
    if path.name.lower() == HISTORY:
        return "history"
    found = _MEMBER.fullmatch(path.name)
    return f"{found[1].upper()}.{found[2].lower()}" if found else None


@dataclass(slots=True)
class _Listed:
    """One stay of an address on the list."""

    ticker: str
    text: str
    line: int
    since: date | None = None
    until: date | None = None


@dataclass(slots=True)
class _History:
    """What ofac_history.csv says: all stays in file order, and those that last."""

    stays: list[_Listed] = field(default_factory=list)
    open: dict[_Key, _Listed] = field(default_factory=dict)
    last: date | None = None


def read(files: dict[str, SourceFile], network: str, asked: date | None) -> Published:
    """Check and normalise the extract.

    Parameters
    ----------
    files : dict[str, SourceFile]
        By role, as `role_of` gives it; at least one.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.
    asked : date | None
        The day it was in force, where it has no history.

    Raises
    ------
    LabelError
        Where files of the extract contradict each other or are not what their names say.
    """
    history = _history(files["history"]) if "history" in files else None
    main = files.get("history") or files[min(files)]
    current, counts = _current(files, history)
    tally = Tally(main.path, "events")
    dated, notes = in_force(main.path, history.last if history else None, asked)
    said, skipped = list(notes), []
    claims = Claims()
    locator = Locator(network)
    for one in history.stays if history else current.values():
        located = locator.listed(one.ticker, one.text)
        if located.note:
            said.append(Problem(main.path, one.line, f"{one.text}: {located.note}"))
        first = claims.add(located, claims.number_of(_claim(one, dated)), one.line)
        if first is not None:
            skipped.append(Problem(main.path, one.line, f"{one.text}: under another ticker on line {first}"))
        if history:
            tally.add(_ADDED if first is None else _ADDED_AGAIN, None if first is None else one.line)
            if one.until:
                tally.add(_REMOVED)
    return Published(
        kind=KIND,
        title=TITLE,
        dated=dated,
        list_id=KIND,
        network=network,
        files=(main, *(file for file in files.values() if file is not main)),
        tags=claims.table(Origin(TITLE, main.sha256)),
        entities=entity_table([], main.sha256),
        notes=tuple(said),
        skipped=tuple(skipped),
        counts=(*tally.counts(), *counts),
    )


def _claim(one: _Listed, dated: date) -> Claim:
    return Claim(
        label="OFAC SDN",
        category="sanctioned_entity",
        confidence=LISTED_CONFIDENCE,
        cluster_definer=True,
        entity_id=None,
        source_date=dated,
        source_uri=SOURCE_URI,
        list_id=KIND,
        listed_from=one.since or dated,
        listed_to=one.until,
    )


def _history(file: SourceFile) -> _History:
    """Follow the additions and removals."""
    found = _History()
    reader = csv.reader(io.StringIO(file.data.decode("utf-8-sig", "replace"), newline=""))
    problems: list[Problem] = []
    try:
        for cells in reader:
            line = reader.line_num
            if line == 1 and cells[:4] == _COLUMNS:
                continue
            wrong = _event(found, cells, line)
            if wrong:
                problems.append(Problem(file.path, line, wrong))
    except csv.Error as error:
        raise only(file.path, f"this is not CSV: {error}; fetch it again", reader.line_num) from None
    if problems:
        raise LabelError(problems)
    if not found.stays:
        raise only(file.path, "the history has no events; fetch it again")
    return found


def _event(found: _History, cells: list[str], line: int) -> str | None:
    """Take one row, or say why it can not be."""
    if len(cells) < len(_COLUMNS):
        return f"a row of {len(cells)} columns, where there must be {', '.join(_COLUMNS)}"
    said, event, ticker, text = (cell.strip() for cell in cells[:4])
    try:
        day = date.fromisoformat(said)
    except ValueError:
        return f"{said!r} is no date like 2024-05-29"
    if found.last and day < found.last:
        return f"{day} stands after {found.last}: the history must be in order"
    found.last = day
    key = (ticker, text)
    if event == "added" and key not in found.open and text:
        found.open[key] = _Listed(ticker, text, line, since=day)
        found.stays.append(found.open[key])
        return None
    if event == "removed" and key in found.open:
        found.open.pop(key).until = day
        return None
    return f"{ticker} {text} can not be {event!r} here: it {'is' if key in found.open else 'is not'} on the list"


def _current(files: dict[str, SourceFile], history: _History | None) -> tuple[dict[_Key, _Listed], tuple[Count, ...]]:
    """Read the files by ticker, which must agree with each other and with the history; gives the counts of all."""
    current: dict[_Key, _Listed] = {}
    by_ticker: dict[str, tuple[SourceFile, set[str]]] = {}
    counts: list[Count] = []
    for role, file in sorted(files.items()):
        if role == "history":
            continue
        ticker = role.partition(".")[0]
        texts = list(_texts(file))
        tally = Tally(file.path, "addresses")
        first, known = by_ticker.setdefault(ticker, (file, {text for _, text in texts}))
        if known != {text for _, text in texts}:
            raise only(file.path, f"it does not hold the addresses of {first.path.name}; fetch both again")
        for line, text in texts:
            is_new = history is None and (ticker, text) not in current
            tally.add("are on the list" if is_new else "are listed in another of the files")
            current.setdefault((ticker, text), _Listed(ticker, text, line))
        _check_against(history, file, ticker, known)
        counts += tally.counts()
    return current, tuple(counts)


def _check_against(history: _History | None, file: SourceFile, ticker: str, texts: set[str]) -> None:
    if history is None:
        return
    listed = {text for of, text in history.open if of == ticker}
    if texts != listed:
        odd = min(texts ^ listed)
        raise only(
            file.path,
            f"{odd} is {'here, but not' if odd in texts else 'not here, but'} on the list of {HISTORY}: the files are "
            "of different days; fetch them together",
        )


def _texts(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Walk the addresses of a file by ticker with their lines (of an array: their places)."""
    try:
        text = file.data.decode("utf-8-sig")
        if file.path.suffix.lower() == ".txt":
            yield from ((n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip())
            return
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise only(file.path, f"this is no list of addresses: {error}; fetch it again") from None
    if not isinstance(items, list) or not all(isinstance(item, str) and item.strip() for item in items):
        raise only(file.path, "this is no list of addresses: it must be an array of texts; fetch it again")
    yield from ((n, item.strip()) for n, item in enumerate(items, 1))
