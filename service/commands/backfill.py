"""`tadoru backfill bitcoin`: source → lake."""

from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chains.bitcoin.datadir import DatadirSource, blocks_folder
from chains.bitcoin.node import NodeSource
from chains.bitcoin.rawfiles import RawSource
from chains.blocks import Source, Span
from chains.errors import SourceError
from service.commands.common import chosen
from service.console import Console, progress
from service.exits import UsageError
from store import backfill as filling
from store.lake import Lake


@dataclass(frozen=True, slots=True)
class Place:
    """Where blocks come from, as the command line says it."""

    text: str
    network: str | None = None
    first_height: int | None = None
    cookie: Path | None = None


def run(
    place: Place, heights: tuple[int | None, int | None], workers: int, data: Path | None, *, as_json: bool
) -> None:
    """Bring the lake up to the source."""
    settings, console = chosen(data), Console(as_json=as_json)
    source = open_source(place)
    lake = Lake.create(settings.data, "bitcoin", source.network)
    report = fill(source, lake, _span(source, heights), workers)
    console.answer(
        {"network": source.network, **asdict(report), "span": list(report.span)},
        [
            (
                f"heights {report.span.first} to {report.span.last} of {source.network} are in {settings.data}: "
                f"{report.blocks} blocks and {report.tx} transactions read, {report.already_there} blocks were there"
            ),
            *_remarks(report),
            "next: tadoru labels add …, then tadoru index bitcoin",
        ],
    )


def fill(source: Source, lake: Lake, span: Span | None, workers: int) -> filling.BackfillReport:
    """Backfill with progress."""
    with progress("blocks") as shown:
        return filling.backfill(
            source,
            lake,
            span,
            workers=workers,
            report=lambda now: shown.report("blocks", now.blocks_done, now.blocks_total),
        )


def _remarks(report: filling.BackfillReport) -> list[str]:
    said = []
    if report.replaced:
        said.append(f"{report.replaced} blocks were replaced: the source's best chain no longer holds them")
    if report.unresolved:
        said.append(f"{report.unresolved} spends have an origin that is not known yet: index what lies before")
    return said


def open_source(place: Place) -> Source:
    """Open a node for a URL, a datadir for a folder of block files, raw blocks for anything else."""
    if urlsplit(place.text).scheme in {"http", "https"}:
        return NodeSource(place.text, place.cookie, network=place.network)
    if place.cookie is not None:
        raise UsageError("--cookie is for a node; --from is no http:// address")
    path = Path(place.text)
    if not path.exists():
        raise SourceError(f"--from {path}: no such file or folder; give a datadir, a node's http:// or raw blocks")
    if path.is_dir() and _is_datadir(path):
        return DatadirSource.open(path, place.network, place.first_height)
    return RawSource.open(path, place.network, place.first_height)


def _is_datadir(path: Path) -> bool:
    try:
        blocks_folder(path)
    except SourceError:
        return False
    return True


def _span(source: Source, heights: tuple[int | None, int | None]) -> Span | None:
    start, end = heights
    if start is None and end is None:
        return None
    first = source.first_height if start is None else start
    last = source.tip().height if end is None else end
    if first > last:
        raise UsageError(f"--start {first} lies above --end {last}")
    return Span(first, last)
