"""Plain CSV files of labels, told what their columns mean by a small YAML file beside them.

For `wallets.csv` it is `wallets.map.yaml` (or the file that `--map` names)::

    title: Our own blocklist
    source: https://example.org/blocklist
    columns: {address: wallet, label: name, category: kind}
    always: {currency: BTC, confidence: forensic}
    categories: {cex: exchange, "hack*": theft}
    list: our_blocklist          # only of a list whose newer versions say who is gone
    delimiter: ";"

`columns` names the column of each field, `always` gives fields that every row shares; address and label are
needed in either. A row that can not be read is left out and said, with its line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from chains.errors import AddressError
from store.formats import fields, yamldoc
from store.formats.claims import Claim, Claims, Origin, Published, SourceFile, entity_table
from store.formats.days import day_of, in_force
from store.formats.identify import Located, Locator
from store.formats.packs import Pack
from store.formats.problems import LabelError, Problem, Tally, only
from store.formats.sheets import Row, Table, csv_rows, plain
from store.formats.taxonomy import CATEGORIES, CONFIDENCE, category_of_word, did_you_mean

KIND = "csv"
_DAYS = ("lastmod", "listed_from", "listed_to")
_FIELDS: dict[str, fields.Check] = {
    "address": fields.text,
    "label": fields.text,
    "currency": fields.text,
    "category": fields.text,
    "actor": fields.text,
    "confidence": fields.confidence,
    "source": fields.text,
    "is_cluster_definer": fields.boolean,
    **dict.fromkeys(_DAYS, fields.day),
}
_NEEDED = ("address", "label")
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0", ""})
TAKEN = "become tags"
_REPEATED = "repeat a row above"


@dataclass(frozen=True, slots=True)
class CsvMap:
    """What the columns of a CSV file mean."""

    title: str
    source: str
    columns: Mapping[str, str]
    always: Mapping[str, Any] = field(default_factory=dict)
    """Fields that every row shares, checked; a row's own word comes first where it has one."""
    categories: Mapping[str, str] = field(default_factory=dict)
    """A category of ours by the file's word, which may end in *."""
    list_id: str | None = None
    delimiter: str = ","


class _RowError(ValueError):
    """Why a row is left out."""


def map_of(file: SourceFile) -> CsvMap:
    """Read a file that says what the columns of another mean.

    Raises
    ------
    LabelError
        With every mistake and its line.
    """
    pack = Pack(yamldoc.load(file.data, file.path), file.path, "map of columns", "columns")
    checks: dict[str, fields.Check] = {
        "title": fields.text,
        "source": fields.text,
        "columns": _mapping,
        "always": _mapping,
        "categories": _mapping,
        "list": _identifier,
        "delimiter": _delimiter,
    }
    said = pack.fields(pack.document, checks, "map")
    for name in ("title", "source", "columns"):
        if name not in pack.document:
            pack.problem(1, f"the map lacks {name}; add it")
    columns = said.get("columns", yamldoc.Mapping(1))
    always = pack.fields(said.get("always", yamldoc.Mapping(1)), _FIELDS, "map's always")
    columns = pack.fields(columns, dict.fromkeys(_FIELDS, fields.text), "map's columns")
    for name in _NEEDED:
        if name not in columns and name not in always and "columns" in said:
            pack.problem(said["columns"].line, f"the map says nowhere what is the {name}; name its column")
    categories = _categories(pack, said.get("categories", yamldoc.Mapping(1)))
    if isinstance(always.get("category"), str) and category_of_word(always["category"]) is None:
        pack.problem(1, f"{always['category']!r} is no known category{did_you_mean(always['category'], CATEGORIES)}")
    if pack.problems:
        raise LabelError(pack.problems)
    return CsvMap(
        said["title"],
        said["source"],
        columns,
        always,
        categories,
        said.get("list"),
        said.get("delimiter", ","),
    )


def _categories(pack: Pack, words: yamldoc.Mapping) -> dict[str, str]:
    """Check what the file's own words stand for."""
    good = {}
    for word, value in words.items():
        try:
            good[str(word)] = fields.concept("categories", value)
        except fields.FieldError as wrong:
            pack.problem(words.lines[word], str(wrong))
    return good


def read(file: SourceFile, how: CsvMap, network: str, asked: date | None, *others: SourceFile) -> Published:
    """Check and normalise a CSV file.

    Parameters
    ----------
    file : SourceFile
        The file.
    how : CsvMap
        What its columns mean.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.
    asked : date | None
        The day it was in force, where it is a list.
    *others : SourceFile
        The map, where it is a file.

    Raises
    ------
    LabelError
        Where the header lacks a column, or nothing of it is an address.
    """
    rows = list(csv_rows(file, "cp1252", delimiter=how.delimiter))
    if not rows:
        raise only(file.path, "the file is empty")
    found = Table(rows[0], rows[1:])
    lacking = [column for column in how.columns.values() if plain(column) not in found.columns]
    if lacking:
        has = ", ".join(cell for cell in rows[0].cells if cell)
        raise only(file.path, f"the header has no column {', '.join(map(repr, lacking))}; it has: {has[:300]}", 1)
    dated, notes = in_force(file.path, None, asked) if how.list_id else (None, ())
    reader = _Reader(file, how, Locator(network), dated)
    for row in found.rows:
        reader.take(found, row)
    if not reader.claims.located:
        raise LabelError(reader.skipped or [Problem(file.path, None, "the file has no rows below its header")])
    blank = len(rows) - 1 - len(found.rows)
    if blank:
        reader.tally.add("are empty", rows=blank)
    return Published(
        kind=KIND,
        title=how.title,
        dated=dated or max(reader.days, default=None),
        list_id=how.list_id,
        network=network,
        files=(file, *others),
        tags=reader.claims.table(Origin(how.title, file.sha256)),
        entities=entity_table([], file.sha256),
        notes=(*notes, *reader.notes),
        skipped=tuple(reader.skipped),
        counts=reader.tally.counts(),
    )


class _Reader:
    def __init__(self, file: SourceFile, how: CsvMap, locator: Locator, dated: date | None) -> None:
        self.file = file
        self.how = how
        self.locator = locator
        self.dated = dated
        self.claims = Claims()
        self.tally = Tally(file.path, "rows")
        self.notes: list[Problem] = []
        self.skipped: list[Problem] = []
        self.days: set[date] = set()

    def take(self, found: Table, row: Row) -> None:
        """Check one row and add its claim, or say why it is left out."""
        try:
            said = self.said(found, row)
            located = self.located(str(said.get("currency", "")), said["address"])
        except (_RowError, fields.FieldError, AddressError) as wrong:
            self.skipped.append(Problem(self.file.path, row.line, str(wrong)))
            self.tally.add(_outcome(wrong), row.line)
            return
        if located.note:
            self.notes.append(Problem(self.file.path, row.line, f"{said['address']}: {located.note}"))
        first = self.claims.add(located, self.claims.number_of(self.claim(said)), row.line)
        if first is not None:
            self.skipped.append(Problem(self.file.path, row.line, f"{said['address']}: repeats line {first}"))
        self.tally.add(TAKEN if first is None else _REPEATED, None if first is None else row.line)

    def located(self, ticker: str, text: str) -> Located:
        located = self.locator.locate(ticker, text)
        if not located.chain:
            raise _RowError(f"{text[:60]!r} has no form that is known here, and no currency is named")
        return located

    def said(self, found: Table, row: Row) -> dict[str, Any]:
        """Give what a row says, checked, over what all rows share."""
        said = dict(self.how.always)
        for name, column in self.how.columns.items():
            word = found.get(row, column)
            if word:
                said[name] = self.checked(name, word)
        for name in _NEEDED:
            if name not in said:
                raise _RowError(f"the row has no {name}")
        said["category"] = self.category(said)
        return said

    def checked(self, name: str, word: str) -> Any:
        if name in _DAYS:
            day = day_of(word)
            if day is None:
                raise _RowError(f"{word!r} is no date for {name}; write it like 2024-05-29")
            return day
        if name == "is_cluster_definer":
            if word.lower() not in _TRUE | _FALSE:
                raise _RowError(f"{word!r} is neither true nor false for {name}")
            return word.lower() in _TRUE
        return _FIELDS[name](name, word)

    def category(self, said: dict[str, Any]) -> str:
        """Give our category: by the map, or by the word itself; an unknown word is said once per row."""
        word = str(said.get("category", "other"))
        for pattern, category in self.how.categories.items():
            if fnmatchcase(word.casefold(), pattern.casefold()):
                return category
        known = category_of_word(word)
        if known is None:
            raise _RowError(f"{word!r} is no known category{did_you_mean(word, CATEGORIES)}; map it under categories")
        return known

    def claim(self, said: dict[str, Any]) -> Claim:
        if "lastmod" in said:
            self.days.add(said["lastmod"])
        is_list = self.how.list_id is not None
        return Claim(
            label=said["label"],
            category=said["category"],
            confidence=said.get("confidence", CONFIDENCE["unknown"]),
            cluster_definer=said.get("is_cluster_definer", False),
            entity_id=said.get("actor"),
            source_date=said.get("lastmod"),
            source_uri=said.get("source", self.how.source),
            list_id=self.how.list_id,
            listed_from=said.get("listed_from", self.dated) if is_list else None,
            listed_to=said.get("listed_to") if is_list else None,
        )


def _outcome(wrong: Exception) -> str:
    return "name no address" if isinstance(wrong, AddressError) else "can not be read"


def _mapping(name: str, value: Any) -> yamldoc.Mapping:
    if not isinstance(value, yamldoc.Mapping):
        raise fields.FieldError(f"{name} must be a mapping, not {value!r}")
    return value


def _identifier(name: str, value: Any) -> str:
    word = fields.text(name, value)
    if not word.replace("_", "").isalnum() or not word.isascii() or word != word.lower():
        raise fields.FieldError(f"{name} must be small letters, digits and _, not {word!r}")
    return word


def _delimiter(name: str, value: Any) -> str:
    if value not in {",", ";", "\t", "|"}:
        raise fields.FieldError(f"{name} must be a comma, a semicolon, a tab or a bar, not {value!r}")
    return str(value)
