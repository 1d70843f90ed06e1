"""`tadoru labels`: claims in, and what is there."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from service.commands.common import chosen, has_lake, lake_of
from service.console import Console
from service.exits import UsageError
from service.settings import Settings
from store.formats.problems import LabelError
from store.labels import AddReport, Labels
from store.records import Records

Said = tuple[str | None, Path | None]  # --dated and --map


def add(files: list[Path], network: str | None, said: Said, data: Path | None, *, as_json: bool) -> None:
    """Import lists and put the import on record."""
    settings, console = chosen(data), Console(as_json=as_json)
    report = import_labels(settings, files, network, *said)
    added = [{"id": one.id, "kind": one.kind, "title": one.title, "dated": one.dated} for one in report.added]
    console.answer(
        {
            "version": report.version,
            "added": added,
            "already": [one.id for one in report.already],
            "tags": report.tags,
            "entities": report.entities,
            "notes": list(map(str, report.notes)),
            "skipped": list(map(str, report.skipped)),
            "counts": list(map(str, report.counts)),
        },
        [
            *(f"note: {one}" for one in report.notes),
            *(f"skipped: {one}" for one in report.skipped),
            *(f"counted: {one}" for one in report.counts),
            *(f"added {one['kind']} {one['title']} of {one['dated']}" for one in added),
            *(f"already there: {one.title} of {one.dated}" for one in report.already),
            f"label version {report.version}: {report.tags} tags and {report.entities} parties were added",
            "next: tadoru index bitcoin",
        ],
    )


def import_labels(
    settings: Settings, files: Sequence[Path], network: str | None, dated: str | None, mapping: Path | None = None
) -> AddReport:
    """Import lists, and append the import to the audit chain."""
    records = Records(settings.records)  # opened first: an import that can not be put on record must not happen
    try:
        report = Labels(settings.data).add(
            files, network=network_of(settings, network), dated=day_of(dated), mapping=mapping
        )
        if report.added:
            content = {"version": report.version, "imports": [one.id for one in report.added]}
            records.append("cli", "labels.imported", report.version, content)
    finally:
        records.close()
    return report


def check(files: list[Path], network: str | None, said: Said, data: Path | None, *, as_json: bool) -> None:
    """Name every mistake."""
    settings, console = chosen(data), Console(as_json=as_json)
    dated, mapping = said
    report = Labels(settings.data).check(
        files, network=network_of(settings, network), dated=day_of(dated), mapping=mapping
    )
    console.answer(
        {
            "tags": report.tags,
            "entities": report.entities,
            **{name: list(map(str, getattr(report, name))) for name in ("problems", "notes", "skipped", "counts")},
        },
        [
            *(f"mistake: {one}" for one in report.problems),
            *(f"note: {one}" for one in report.notes),
            *(f"skipped: {one}" for one in report.skipped),
            *(f"counted: {one}" for one in report.counts),
            f"{report.tags} tags and {report.entities} parties can be imported",
        ],
    )
    if report.problems:
        raise LabelError(report.problems)


def show(data: Path | None, *, as_json: bool) -> None:
    """Show what is imported."""
    labels = Labels(chosen(data).data)
    imported = labels.list()
    items: list[dict[str, Any]] = [asdict(one) for one in imported]
    lines = [f"{one.dated}  {one.kind:10} {one.tags:>8} tags  {one.title} ({one.id[:12]})" for one in imported]
    Console(as_json=as_json).answer(
        {"version": labels.version(), "items": items}, [*lines, f"label version {labels.version()}"]
    )


def network_of(settings: Settings, asked: str | None) -> str:
    """Return the network of labels: the lake's where there is one, which nothing may contradict."""
    if not has_lake(settings.data):
        return asked or settings.network
    network = lake_of(settings.data).network
    if asked not in {None, network}:
        raise UsageError(f"--network {asked}: the lake in {settings.data} is {network}; use another --data")
    return network


def day_of(text: str | None) -> date | None:
    """Read --dated."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--dated {text}: write a day as YYYY-MM-DD") from None
