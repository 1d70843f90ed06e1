"""Rows of CSV files and of Excel workbooks as text, with their line numbers, whatever the file holds."""

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from store.formats.claims import SourceFile
from store.formats.problems import LabelError, only

_MAX_UNPACKED = 1 << 30  # bytes of a workbook's parts together: the largest public one has some 20 MB
_MAX_COLUMNS = 500
_MAX_ROWS = 2_000_000
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, KeyError)
HEADER_WITHIN = 40  # rows: titles and dates stand above some headers


class Row(NamedTuple):
    """One row: its line (a workbook's row), counted from 1, and its cells as stripped text."""

    line: int
    cells: tuple[str, ...]


class Sheet(NamedTuple):
    """One sheet of a workbook; of a CSV file the only one."""

    name: str
    rows: list[Row]


class Table:
    """The rows below a header, with cells by the header's words.

    Parameters
    ----------
    header
        The row of the column names.
    rows
        What follows it; rows without any text are left out.
    """

    def __init__(self, header: Row, rows: Iterable[Row]) -> None:
        self.line = header.line
        self.columns: dict[str, int] = {}
        for place, cell in enumerate(header.cells):
            if cell:
                self.columns.setdefault(plain(cell), place)
        self.rows = [row for row in rows if any(row.cells)]

    def get(self, row: Row, *names: str) -> str:
        """Give the first non-empty cell under any of some names, empty where there is none."""
        for name in names:
            place = self.columns.get(plain(name))
            if place is not None and place < len(row.cells) and row.cells[place]:
                return row.cells[place]
        return ""


def plain(name: str) -> str:
    """Reduce a column's name to what tells it apart: letters and digits, in lower case."""
    return "".join(filter(str.isalnum, name)).casefold()


def table(rows: Sequence[Row], *needed: str) -> Table | None:
    """Find the header that has some columns among the first rows; None where there is none."""
    wanted = {plain(name) for name in needed}
    for place, row in enumerate(rows[:HEADER_WITHIN]):
        if wanted <= {plain(cell) for cell in row.cells}:
            return Table(row, rows[place + 1 :])
    return None


def text_of(data: bytes, *others: str) -> str:
    """Decode: UTF-8 (or UTF-16 with its mark), else one of some other encodings, else Latin-1."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", *others):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def csv_rows(file: SourceFile, *encodings: str, delimiter: str = ",") -> Iterator[Row]:
    """Walk the rows of a CSV file; lines are those on which rows begin.

    Raises
    ------
    LabelError
        Where it is no CSV.
    """
    reader = csv.reader(io.StringIO(text_of(file.data, *encodings), newline=""), delimiter=delimiter)
    line = 1
    try:
        for cells in reader:
            yield Row(line, tuple(cell.strip() for cell in cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise only(file.path, f"this is not CSV: {error}; fetch it again", line) from None


def sheets(file: SourceFile) -> list[Sheet]:
    """Read a workbook (.xlsx), or a CSV file as one sheet.

    Raises
    ------
    LabelError
        Where it can not be read, or is larger than any list.
    """
    if not file.data.startswith(b"PK"):
        return [Sheet("", list(csv_rows(file, "cp932")))]
    from openpyxl import load_workbook  # noqa: PLC0415 - slow to load, and needed only where a workbook is given

    _check_parts(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that are not read
            book = load_workbook(io.BytesIO(file.data), read_only=True, data_only=True, keep_links=False)
            return [Sheet(str(sheet.title), list(_rows(file, sheet))) for sheet in book.worksheets]
    except LabelError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged workbook raises whatever its XML or ZIP parts do
        message = f"the workbook can not be read ({type(error).__name__}: {error}); fetch it again"
        raise only(file.path, message[:300]) from None


def _rows(file: SourceFile, sheet: Any) -> Iterator[Row]:
    for line, values in enumerate(sheet.iter_rows(max_col=_MAX_COLUMNS, values_only=True), 1):
        if line > _MAX_ROWS:
            raise only(file.path, f"sheet {sheet.title!r} has more than {_MAX_ROWS:,} rows; no list has", line)
        yield Row(line, tuple(map(_text, values)))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _check_parts(file: SourceFile) -> None:
    """Refuse a workbook that unpacks without measure, or whose XML declares entities."""
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as parts:
            size = sum(part.file_size for part in parts.infolist())
            if size > _MAX_UNPACKED:
                raise only(file.path, f"the workbook unpacks to {size:,} bytes; no list is as large")
            for part in parts.infolist():
                if part.filename.endswith((".xml", ".rels")) and _declares_type(parts, part):
                    raise only(file.path, f"{part.filename} declares a document type; fetch the workbook again")
    except _BROKEN as error:
        raise only(file.path, f"this is no whole workbook: {error}; fetch it again") from None


def _declares_type(parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """A document type must stand before the root element, which a few kilobytes reach."""
    with parts.open(part) as stream:
        head = stream.read(1 << 14)
    return b"<!DOCTYPE" in head or "<!DOCTYPE".encode("utf-16-le") in head
