"""`tadoru prices`: what a coin cost on a day, and what is there."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.commands.common import chosen
from service.console import Console
from service.settings import Settings
from store.prices import AddReport, Book, Gap, Prices
from store.records import Records


def add(files: list[Path], data: Path | None, *, as_json: bool) -> None:
    """Import price files and put the import on record."""
    settings, console = chosen(data), Console(as_json=as_json)
    report = import_prices(settings, files)
    console.answer(
        asdict(report),
        [
            *(f"added {one.name}: {one.rows} days" for one in report.added),
            *(_gap_line(gap) for gap in report.gaps),
            (
                f"price version {report.version}: {report.taken} days were taken, {report.replaced} replaced "
                f"an earlier price, {report.same} were known"
            ),
            "next: tadoru index bitcoin",
        ],
    )


def import_prices(settings: Settings, files: Iterable[Path]) -> AddReport:
    """Import price files, and append the import to the audit chain."""
    records = Records(settings.records)  # opened first: an import that can not be put on record must not happen
    try:
        report = Prices(settings.data).add(files)
        if report.added:
            content = {"version": report.version, "imports": [one.sha256 for one in report.added]}
            records.append("cli", "prices.imported", report.version, content)
    finally:
        records.close()
    return report


def show(data: Path | None, *, as_json: bool) -> None:
    """Show what is imported, and for which days there are prices."""
    prices = Prices(chosen(data).data)
    book, imports = prices.book(), prices.imports()
    items = _items(book)
    Console(as_json=as_json).answer(
        {"version": book.version, "items": items, "imports": [asdict(one) for one in imports]},
        [
            *(f"{one.at}  {one.rows:>6} days  {one.name} ({one.sha256[:12]})" for one in imports),
            *(
                f"{one['asset']} in {one['currency']}: {one['days']} days, {one['first']} to {one['last']}"
                for one in items
            ),
            *(_gap_line(gap) for gap in book.gaps()),
            f"price version {book.version}",
        ],
    )


def _items(book: Book) -> list[dict[str, Any]]:
    gaps = book.gaps()
    items = []
    for pair in book.pairs:
        days = list(book.daily(*pair))
        missing = [{"first": gap.first, "last": gap.last} for gap in gaps if (gap.asset, gap.currency) == pair]
        items.append({**pair._asdict(), "days": len(days), "first": days[0], "last": days[-1], "gaps": missing})
    return items


def _gap_line(gap: Gap) -> str:
    return f"no price of {gap.asset} in {gap.currency} from {gap.first} to {gap.last}"
