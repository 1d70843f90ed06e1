"""OFAC's list of Specially Designated Nationals, as its set of CSV files.

`sdn.csv` has one row per party; its last column, the remarks, holds `Digital Currency Address - XBT ...` among
much else, and is cut off at 1,000 characters, in the middle of a word if need be: what is missing goes on in
`sdn_comments.csv`. `add.csv` has addresses with countries, `alt.csv` other names. The files have no header, no
date, end with a Ctrl-Z, and write -0- for nothing. Names may carry a prefix (`2024-05-29_sdn.csv`).
Layout: OFAC's data specification for the delimited files (12, 6, 5 and 2 columns).
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from store.formats import ofac
from store.formats.claims import Published, SourceFile
from store.formats.countries import code_of
from store.formats.listing import Listing, Party
from store.formats.ofac import LIST_ID, MARK
from store.formats.problems import Count, LabelError, Problem, Tally, only

COLUMNS: dict[str, tuple[str, ...]] = {
    "sdn": (
        "ent_num",
        "sdn_name",
        "sdn_type",
        "program",
        "title",
        "call_sign",
        "vess_type",
        "tonnage",
        "grt",
        "vess_flag",
        "vess_owner",
        "remarks",
    ),
    "comments": ("ent_num", "remarks"),
    "add": ("ent_num", "add_num", "address", "city", "country", "add_remarks"),
    "alt": ("ent_num", "alt_num", "alt_type", "alt_name", "alt_remarks"),
}
_NOTHING = "-0-"
_CUT_AT = 1000  # characters of remarks that sdn.csv can hold
_FEATURE = re.compile(rf"(?:alt\. )?{MARK} - (\S+) (\S+)")
_HOME = re.compile(r"(?:alt\. )?(?:nationality|citizen) (.+)")


_USES = {
    "comments": "go on with the remarks of entries",
    "add": "say in which countries entries are",
    "alt": "give other names, which are kept and not used",
}


class _Row(NamedTuple):
    line: int
    cells: dict[str, str]


class _Party(NamedTuple):
    """One row of sdn.csv that names addresses."""

    line: int
    number: str
    name: str
    program: str
    remarks: list[str]  # the features of the whole remark, comments included
    addresses: list[tuple[str, str]]  # ticker and text


def read(files: dict[str, SourceFile], dated: date, network: str) -> Published:
    """Check and normalise one vintage of the list.

    Parameters
    ----------
    files : dict[str, SourceFile]
        The set by role: `sdn` and `comments` at least; `add` gives jurisdictions; `alt` is kept.
    dated : date
        The day this vintage was in force; the files do not say it.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.

    Raises
    ------
    LabelError
        Where a file is missing or of an unknown layout, or the comments do not belong to the list.
    """
    sdn = files["sdn"]
    if "comments" not in files:
        name = sdn.path.name[: -len("sdn.csv")] + "sdn_comments.csv"
        message = f"{name} must stand beside it: remarks go on there, and so do addresses; fetch it too"
        raise only(sdn.path, message)
    rows = list(_rows(sdn))
    if not rows:
        raise only(sdn.path, "the list has no entries; fetch it again")
    others = {role: _belonging(rows, file) for role, file in files.items() if role != "sdn"}
    parties = {party.number: party for party in _parties(sdn, rows, _comments(others["comments"]))}
    homes = _homes(others.get("add", []))
    listing = Listing(ofac.authority(LIST_ID), sdn, network, dated)
    for row in rows:
        party = parties.get(row.cells["ent_num"])
        if party is not None and party.line == row.line:
            _take(listing, party, homes.get(party.number, []))
        listing.count(party is not None)
    if "add" not in files:
        listing.note(None, "add.csv is not beside it: jurisdictions are incomplete")
    beside = [file for role, file in files.items() if role != "sdn"]
    counts = tuple(count for role, found in others.items() for count in _counted(files[role], found))
    return listing.published(*beside, counts=counts)


def _take(listing: Listing, party: _Party, homes: list[str]) -> None:
    said = [code_of(found[1]) for part in party.remarks if (found := _HOME.fullmatch(part))]
    codes = tuple(code for code in (*said, *homes) if code)
    designated = Party(party.number, party.name, party.line, party.program, codes)
    for ticker, text in party.addresses:
        listing.take(designated, ticker, text)


def _counted(file: SourceFile, rows: list[_Row]) -> tuple[Count, ...]:
    """Count the rows of the files beside sdn.csv by what they are for."""
    tally = Tally(file.path, "rows")
    tally.add(_USES[file.role], rows=len(rows))
    return tally.counts()


def _parties(sdn: SourceFile, rows: list[_Row], comments: dict[str, str]) -> list[_Party]:
    """Find the parties that name addresses, in file order."""
    problems: list[Problem] = []
    parties = []
    for row in rows:
        number, head = row.cells["ent_num"], row.cells["remarks"]
        tail = comments.get(number, "")
        if not tail and len(head) >= _CUT_AT and not head.endswith("."):
            message = (
                f"the remarks of entry {number} are cut off and sdn_comments.csv does not go on with them: "
                "the two files are of different days; fetch both together"
            )
            problems.append(Problem(sdn.path, row.line, message))
        if MARK not in head + tail:
            continue
        features = [part.strip().removesuffix(".") for part in (head + tail).split(";")]
        addresses = []
        for part in features:
            found = _FEATURE.fullmatch(part)
            if found:
                addresses.append((found[1], found[2]))
            elif MARK in part:
                message = f"entry {number}: {part[:120]!r} is not understood; report this layout"
                problems.append(Problem(sdn.path, row.line, message))
        name, program = row.cells["sdn_name"], row.cells["program"].replace("] [", ", ")
        parties.append(_Party(row.line, number, name, program, features, addresses))
    if problems:
        raise LabelError(problems)
    return parties


def _belonging(sdn: list[_Row], file: SourceFile) -> list[_Row]:
    """Read another file of the set, all of whose entries must be in sdn.csv.

    What is missing there would count as taken off the list, so that a list cut short must not pass.
    """
    known = {row.cells["ent_num"] for row in sdn}
    rows = list(_rows(file))
    strangers = [row for row in rows if row.cells["ent_num"] not in known]
    if strangers:
        raise only(
            file.path,
            f"{len(strangers)} rows speak of entries that sdn.csv lacks (first: {strangers[0].cells['ent_num']}): "
            "sdn.csv is cut short, or the files are of different days; fetch the whole set together",
            strangers[0].line,
        )
    return rows


def _comments(rows: list[_Row]) -> dict[str, str]:
    """Join the overflow by entry number, in file order; nothing is added between the pieces."""
    joined: defaultdict[str, str] = defaultdict(str)
    for row in rows:
        joined[row.cells["ent_num"]] += row.cells["remarks"]
    return dict(joined)


def _homes(rows: list[_Row]) -> dict[str, list[str]]:
    """Give the countries of the entries' addresses, as codes."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        code = code_of(row.cells["country"])
        if code:
            found[row.cells["ent_num"]].append(code)
    return dict(found)


def _rows(file: SourceFile) -> Iterator[_Row]:
    """Read the rows of one file of the set, checking its layout."""
    text = _text(file.data)
    if not text.strip():
        raise only(file.path, "the file is empty; fetch it again")
    columns: tuple[str, ...] = COLUMNS[file.role]
    reader = csv.reader(text.splitlines(keepends=True), skipinitialspace=False)
    started = False
    try:
        for cells in reader:
            if not cells or cells == ["\x1a"]:
                continue
            if not started and not cells[0].strip().isdigit():
                columns = _named_columns(file, cells)
                started = True
                continue
            started = True
            yield _row(file, columns, cells, reader.line_num)
    except csv.Error as error:
        raise only(file.path, f"this is not CSV: {error}; fetch it again", reader.line_num) from None


def _text(data: bytes) -> str:
    """Decode: today's files are UTF-8, older vintages Latin-1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _row(file: SourceFile, columns: tuple[str, ...], cells: list[str], line: int) -> _Row:
    values = [cell.strip() for cell in cells]
    if len(values) != len(columns) or not values[0].isdigit():
        raise only(
            file.path,
            f"unknown layout: a row of {len(values)} columns beginning with {values[0][:20]!r}, where a "
            f"{file.role} file has {len(columns)} beginning with an entry number; this vintage is not known, or "
            "the file is cut off or another; fetch it again from OFAC",
            line,
        )
    # The cut may fall on a blank: remarks keep theirs.
    cells = [raw if name == "remarks" else value for name, raw, value in zip(columns, cells, values, strict=True)]
    return _Row(line, {n: "" if c.strip() == _NOTHING else c for n, c in zip(columns, cells, strict=True)})


def _named_columns(file: SourceFile, cells: list[str]) -> tuple[str, ...]:
    """Take the layout from a header row; the columns that matter must be there."""
    names = tuple(re.sub(r"\W+", "_", cell.strip().lower()).strip("_") for cell in cells)
    needed = {"ent_num", *({"sdn_name", "program", "remarks"} if file.role == "sdn" else ())}
    needed |= {"remarks"} if file.role == "comments" else set()
    needed |= {"country"} if file.role == "add" else set()
    if not needed <= set(names):
        lacking = ", ".join(sorted(needed - set(names)))
        raise only(
            file.path,
            f"unknown layout: the first row is no entry and, as a header, lacks {lacking}; this vintage is not "
            "known: fetch the legacy CSV files from OFAC",
            1,
        )
    return names
