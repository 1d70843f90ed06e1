"""Japan's list of those whose assets are frozen (Ministry of Finance), as a workbook or as CSV.

The workbook (.xlsx) has a sheet per measure: its title in the first row, then a header that begins with the
day of notice (告示日付). The CSV file, published since 2026, has one header of 32 columns and a number per
entry. Addresses of digital currencies stand as free text in notes (その他の情報, 詳細), in Japanese and English.
"""

from datetime import date
from hashlib import sha256

from store.formats.claims import Published, SourceFile
from store.formats.countries import code_of
from store.formats.days import day_of, in_force
from store.formats.freetext import addresses_in
from store.formats.listing import Authority, Listing, Party
from store.formats.problems import only
from store.formats.sheets import Row, Sheet, Table, sheets, table

KIND = "jp_mof"
NOTICED = "告示日付"
AUTHORITY = Authority(
    KIND,
    KIND,
    "Japan Ministry of Finance asset freeze list",
    "https://www.mof.go.jp/policy/international_policy/gaitame_kawase/gaitame/economic_sanctions/list.html",
)
_ENGLISH = ("氏名英語", "英語表記")  # without the brackets and blanks that the headers have
_JAPANESE = ("氏名日本語", "日本語表記")
_HOMES = ("国籍英語", "住所所在地国英語")
_NUMBERS = ("番号",)
_DAYS = (NOTICED,)
_NO_NUMBER_LENGTH = 12  # hexadecimal digits of the hash that stands for a number


def read(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise one vintage of the list; parameters and errors are those of `ofac_sdn_xml.read`."""
    dated, notes = in_force(file.path, None, asked)
    listing = Listing(AUTHORITY, file, network, dated, unit="rows")
    listing.notes.extend(notes)
    n_tables = 0
    for sheet in sheets(file):
        found = _table(sheet)
        if found is None:
            if sheet.rows:
                listing.note(None, f"sheet {sheet.name!r} has no header with {NOTICED}: it was not read")
                listing.tally.add("stand on sheets without a header", rows=len(sheet.rows))
            continue
        n_tables += 1
        heading = "".join(cell for row in sheet.rows[:1] for cell in row.cells) if sheet.name else ""
        for row in found.rows:
            _take(listing, found, row, heading)
    if not n_tables:
        raise only(file.path, f"no sheet has a header with {NOTICED}; fetch the list again")
    return listing.published()


def _table(sheet: Sheet) -> Table | None:
    return table(sheet.rows, NOTICED)


def _take(listing: Listing, found: Table, row: Row, heading: str) -> None:
    english, japanese = found.get(row, *_ENGLISH), found.get(row, *_JAPANESE)
    name = english or japanese
    if not name:
        # Sheets repeat notes below their tables; what stands there belongs to nobody.
        listing.tally.add("name no party", row.line)
        for cell in row.cells:
            for one in addresses_in(cell, listing.network):
                listing.skip(row.line, f"{one.text} stands in a row that names no party")
        return
    number = found.get(row, *_NUMBERS) or sha256(f"{english}\n{japanese}".encode()).hexdigest()[:_NO_NUMBER_LENGTH]
    party = Party(
        number=number,
        name=name.splitlines()[0],
        line=row.line,
        programme=found.get(row, "区分") or heading[:60],
        jurisdictions=tuple(code for home in _HOMES if (code := code_of(found.get(row, home)))),
        listed_from=day_of(found.get(row, *_DAYS)),
    )
    listing.count(sum(listing.search(party, cell, row.line) for cell in dict.fromkeys(row.cells)))
