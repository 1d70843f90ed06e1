"""Israel's seizure orders against digital currency (National Bureau for Counter Terror Financing).

The bureau's table, saved as CSV or .xlsx, has a row per address: order, holder, identity papers, `Virtual
currency address / User ID`, currency; an order's number stands on its first row or on a row of its own. A file
of a single order (an annex: `ASO 43/25`) is a list of its own, so that it ends no other order's listings. A
cell may hold several addresses or the same one twice. Accounts of platforms are numbers and no addresses: they
are counted, not taken. Many of the addresses are deposit addresses of exchanges, so that none of them may name
its cluster.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from store.formats.claims import Published, SourceFile
from store.formats.days import day_of, in_force
from store.formats.freetext import Candidate, addresses_in
from store.formats.listing import Authority, Listing, Party
from store.formats.problems import LabelError, Problem, only
from store.formats.sheets import HEADER_WITHIN, Row, Table, plain, sheets

KIND = "il_nbctf"
TITLE = "Israel NBCTF seizure orders"
URI = "https://nbctf.mod.gov.il/en/MinisterSanctions/PropertyPerceptions/Pages/Blockchain.aspx"
_ADDRESS = re.compile(r"(?i)virtual currency address|wallet|crypto.?address|ארנק|כתובת")
_ORDER = re.compile(r"(?i)\b((?:ASO|FO))\s*[-\u2013]?\s*(\d{1,3})\s*[-/_]\s*(\d{2})\b")
_ORDER_COLUMNS = ("Order ID", "Order", "ASO", "מספר צו", "צו")
_HOLDER_COLUMNS = ("Full name", "Name", "Holder", "שם מלא", "שם")
_CURRENCY_COLUMNS = ("Currency", "Coin", "מטבע")
_FROM_COLUMNS = ("Order date", "Start date", "Date", "תאריך הצו")
_TO_COLUMNS = ("Validity of Issue", "Valid until", "End date", "תוקף הצו")
_ACCOUNT = re.compile(r"[\d\s,;-]{5,}")
_ACCOUNTS = "name accounts of platforms, which are no addresses"
_OTHERS = "name nothing that is an address"
_PLAIN = "name no address"


@dataclass(slots=True)
class _Order:
    """One order in hand: what its first rows say counts for those below."""

    number: str
    since: date | None = None
    until: date | None = None


@dataclass(slots=True)
class _Found:
    """What one row names."""

    line: int
    order: _Order
    holder: str
    outcome: str
    addresses: list[Candidate] = field(default_factory=list)


def address_column(header: Row) -> int | None:
    """Give the place of the column of addresses, None where the row is no header of this list."""
    return next((place for place, cell in enumerate(header.cells) if _ADDRESS.search(cell)), None)


def read(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise a table of orders; parameters and errors are those of `ofac_sdn_xml.read`."""
    found: list[_Found] = []
    skipped: list[Problem] = []
    for sheet in sheets(file):
        place = next((n for n, row in enumerate(sheet.rows[:HEADER_WITHIN]) if address_column(row) is not None), None)
        if place is None:
            continue
        header = sheet.rows[place]
        column = address_column(header)
        order = _order_in(f"{sheet.name} {file.path.name}")
        below = Table(header, sheet.rows[place + 1 :])
        for row in below.rows:
            order = _order_of(below, row, order)
            found.append(_row(file, (below, row, column or 0), order, skipped, network))
    if not found:
        raise only(file.path, "no header with a column of addresses is found; save the bureau's table with its header")
    return _published(file, network, asked, found, skipped)


def _published(
    file: SourceFile, network: str, asked: date | None, found: list[_Found], skipped: list[Problem]
) -> Published:
    missing = next((one for one in found if one.addresses and not one.order.number), None)
    if missing is not None:
        message = "no order is named for this row: name it in the column Order ID, or in the file's name (ASO 43-25)"
        raise LabelError([Problem(file.path, missing.line, message)])
    orders = {one.order.number for one in found if one.order.number}
    only_order = next(iter(orders)) if len(orders) == 1 else None
    list_id = f"{KIND}-{only_order}" if only_order else KIND
    dated, notes = in_force(file.path, None, asked)
    authority = Authority(KIND, list_id, TITLE, URI, category="terrorism", cluster_definer=False)
    listing = Listing(authority, file, network, dated, unit="rows")
    listing.notes.extend(notes)
    listing.skipped.extend(skipped)
    for one in found:
        listing.tally.add(one.outcome, one.line)
        party = _party(one)
        for address in one.addresses:
            if address.note:
                listing.note(one.line, f"{address.text}: {address.note}")
            listing.take(party, address.ticker, address.text, one.line)
    return listing.published()


def _party(one: _Found) -> Party:
    order = one.order
    title = f"Seizure order {order.number.replace('-', ' ', 1).replace('-', '/').upper()}"
    return Party(order.number, title, one.line, one.holder, (), order.since, order.until)


def _order_in(text: str) -> _Order:
    found = _ORDER.search(text)
    return _Order(f"{found[1].lower()}-{int(found[2])}-{found[3]}" if found else "")


def _order_of(below: Table, row: Row, order: _Order) -> _Order:
    """Give the order of a row: its own, or that of the rows above."""
    said = _order_in(below.get(row, *_ORDER_COLUMNS) or row.cells[0])
    if said.number and said.number != order.number:
        order = said
    order.since = day_of(below.get(row, *_FROM_COLUMNS)) or order.since
    order.until = day_of(below.get(row, *_TO_COLUMNS)) or order.until
    return order


def _row(
    file: SourceFile, place: tuple[Table, Row, int], order: _Order, skipped: list[Problem], network: str
) -> _Found:
    below, row, column = place
    text = row.cells[column] if column < len(row.cells) else ""
    currency = below.get(row, *_CURRENCY_COLUMNS)
    found = _Found(row.line, order, below.get(row, *_HOLDER_COLUMNS), _PLAIN)
    # The currency's column sometimes repeats the address.
    for one in addresses_in(f"{currency} {text}", network):
        if one.doubt:
            skipped.append(Problem(file.path, row.line, f"{one.text} {one.doubt}"))
        elif one.text not in {known.text for known in found.addresses}:
            found.addresses.append(one)
    if found.addresses:
        found.outcome = "name addresses"
    elif _ACCOUNT.fullmatch(text):
        found.outcome = _ACCOUNTS
    elif text:
        found.outcome = _OTHERS
        skipped.append(Problem(file.path, row.line, f"{text[:80]!r} is no address of a form that is known here"))
    return found


def looks_like(rows: list[Row], path: Path) -> bool:
    """Say whether rows are of this list: a column of addresses, and an order's number within or in the name."""
    for place, row in enumerate(rows[:HEADER_WITHIN]):
        if address_column(row) is not None:
            names = {plain(cell) for cell in row.cells}
            has_orders = any(plain(name) in names for name in _ORDER_COLUMNS)
            near = " ".join(cell for one in rows[place : place + HEADER_WITHIN] for cell in one.cells)
            return has_orders or bool(_ORDER.search(f"{path.name} {near}"))
    return False
