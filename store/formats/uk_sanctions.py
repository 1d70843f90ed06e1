"""The lists of the United Kingdom: the UK Sanctions List, and OFSI's consolidated list, which it replaced.

The UK Sanctions List comes as XML (`Designations`, a `Designation` per party) and as CSV (`Report Date: ...`,
then a header with `Unique ID`, a row per name). OFSI's list, published until January 2026, comes as XML
(`ArrayOfFinancialSanctionsTarget`, an element per name) and as CSV (`Last Updated,...`, then a header with
`Group ID`). Addresses of digital currencies stand in the other information. The statement of reasons may speak
of other people's addresses: what stands only there is said, not taken.
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

from store.formats.claims import Published, SourceFile
from store.formats.countries import code_of
from store.formats.days import day_of, in_force
from store.formats.freetext import addresses_in
from store.formats.listing import Authority, Listing, Party
from store.formats.problems import only
from store.formats.sheets import Row, csv_rows, table
from store.formats.xmldoc import Element, records

UKSL = Authority(
    "uk_sanctions_list",
    "uk_sanctions_list",
    "UK Sanctions List",
    "https://www.gov.uk/government/publications/the-uk-sanctions-list",
)
OFSI = Authority(
    "uk_ofsi",
    "uk_ofsi",
    "OFSI consolidated list of asset freeze targets",
    "https://www.gov.uk/government/publications/financial-sanctions-consolidated-list-of-targets",
)
_NAMES = ("name1", "name2", "name3", "name4", "name5", "name6")
_CSV_NAMES = tuple(f"Name {n}" for n in range(1, 7))
_PRIMARY = "primary name"
_WHERE_DATED = 3  # rows of a CSV file above the header, which say its day


class _Name(NamedTuple):
    """One row: a name of a party, with what is said of the party."""

    line: int
    number: str
    name: str
    is_primary: bool
    regime: str
    homes: tuple[str, ...]
    listed_from: date | None
    about: str
    reasons: str


def read_uksl(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise the UK Sanctions List; parameters and errors are those of `ofac_sdn_xml.read`."""
    if _is_xml(file):
        found = list(records(file.data, file.path, {"DateGenerated", "Designation"}))
        own = next((day_of(one.text) for one in found if one.name == "DateGenerated"), None)
        return _read(UKSL, file, network, (own, asked), map(_designation, found[own is not None :]))
    return _read_csv(UKSL, file, network, asked, _uksl_row)


def read_ofsi(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise OFSI's list; parameters and errors are those of `ofac_sdn_xml.read`."""
    if _is_xml(file):
        targets = map(_target, records(file.data, file.path, {"FinancialSanctionsTarget"}))
        return _read(OFSI, file, network, (None, asked), targets)
    return _read_csv(OFSI, file, network, asked, _ofsi_row)


def _is_xml(file: SourceFile) -> bool:
    return file.data[:200].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")


def _read_csv(
    authority: Authority,
    file: SourceFile,
    network: str,
    asked: date | None,
    name_of: Callable[[Callable[..., str], Row], _Name],
) -> Published:
    rows = list(csv_rows(file, "cp1252"))
    key = "Unique ID" if authority is UKSL else "Group ID"
    found = table(rows, key, "Name 6")
    if found is None:
        raise only(file.path, f"no header with {key} and Name 6 is found; fetch the list again", 1)
    own = next((day for row in rows[:_WHERE_DATED] for cell in row.cells if (day := _stated_day(cell))), None)
    names = (name_of(lambda *columns, row=row: found.get(row, *columns), row) for row in found.rows)
    return _read(authority, file, network, (own, asked), names)


def _stated_day(cell: str) -> date | None:
    return day_of(cell.rpartition(":")[2])


def _read(
    authority: Authority, file: SourceFile, network: str, days: tuple[date | None, date | None], names: Iterator[_Name]
) -> Published:
    """Put the rows of each party together, in the order of the list."""
    parties: dict[str, list[_Name]] = {}
    for name in names:
        parties.setdefault(name.number, []).append(name)
    if not parties:
        raise only(file.path, "the list has no entries; fetch it again")
    dated, notes = in_force(file.path, *days)
    listing = Listing(authority, file, network, dated, unit="rows")
    listing.notes.extend(notes)
    for number, rows in parties.items():
        _take(listing, number or f"line {rows[0].line}", rows)
    return listing.published()


def _take(listing: Listing, number: str, rows: list[_Name]) -> None:
    primary = next((row for row in rows if row.is_primary), rows[0])
    party = Party(
        number=number,
        name=primary.name or f"entry {number}",
        line=primary.line,
        programme=", ".join(dict.fromkeys(row.regime for row in rows if row.regime)),
        jurisdictions=tuple(code for row in rows for home in row.homes if (code := code_of(home))),
        listed_from=min((row.listed_from for row in rows if row.listed_from), default=None),
    )
    found: dict[str, int] = {}
    for row in rows:
        if row.about not in found:  # the rows of a party repeat what is said of it
            found[row.about] = listing.search(party, row.about, row.line)
        listing.count(found[row.about])
    for reasons in dict.fromkeys(row.reasons for row in rows):
        for one in addresses_in(reasons, listing.network):
            if one.doubt is None and not any(one.text in row.about for row in rows):
                message = f"entry {number}: {one.text} stands in the statement of reasons, which may speak of others"
                listing.skip(primary.line, message)


def _designation(one: Element) -> _Name:
    names = list(one.all("Names", "Name"))
    first = next((name for name in names if name.said("NameType").lower() == _PRIMARY), names[0] if names else None)
    homes = [home.text for tag in ("AddressCountry", "Nationality") for home in one.anywhere(tag)]
    return _Name(
        line=one.line,
        number=one.said("UniqueID"),
        name=" ".join(text for n in range(1, 7) if first and (text := first.said(f"Name{n}"))),
        is_primary=True,
        regime=one.said("RegimeName"),
        homes=tuple(homes),
        listed_from=day_of(one.said("DateDesignated")),
        about=_joined(one, "OtherInformation"),
        reasons=_joined(one, "UKStatementofReasons"),
    )


def _joined(one: Element, tag: str) -> str:
    return "\n".join(found.text for found in one.anywhere(tag))


def _target(one: Element) -> _Name:
    said = {child.name.lower(): child.text.strip() for child in one.children}
    return _Name(
        line=one.line,
        number=said.get("groupid", ""),
        name=" ".join(text for name in _NAMES if (text := said.get(name, ""))),
        is_primary=said.get("aliastype", "").lower() == _PRIMARY,
        regime=said.get("regimename", ""),
        homes=(said.get("country", ""), said.get("individual_nationality", "")),
        listed_from=day_of(said.get("datedesignated", "")) or day_of(said.get("datelisted", "")),
        about=said.get("otherinformation", ""),
        reasons=said.get("ukstatementofreasons", ""),
    )


def _uksl_row(get: Callable[..., str], row: Row) -> _Name:
    return _Name(
        line=row.line,
        number=get("Unique ID"),
        name=" ".join(text for name in _CSV_NAMES if (text := get(name))),
        is_primary=get("Name type").lower() == _PRIMARY,
        regime=get("Regime Name"),
        homes=(get("Address Country"), get("Nationality(/ies)")),
        listed_from=day_of(get("Date Designated")),
        about=get("Other Information"),
        reasons=get("UK Statement of Reasons"),
    )


def _ofsi_row(get: Callable[..., str], row: Row) -> _Name:
    return _Name(
        line=row.line,
        number=get("Group ID"),
        name=" ".join(text for name in _CSV_NAMES if (text := get(name))),
        is_primary=get("Alias Type").lower() == _PRIMARY,
        regime=get("Regime"),
        homes=(get("Country"), get("Nationality")),
        listed_from=day_of(get("UK Sanctions List Date Designated")) or day_of(get("Listed On")),
        about=get("Other Information"),
        reasons="",
    )
