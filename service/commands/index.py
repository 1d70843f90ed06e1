"""`tadoru index` and `tadoru verify`: build, prune and check generations."""

import shutil
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from heuristics.exposure.vectors import NO_PRICES
from heuristics.exposure.vectors import Prices as DayPrices
from heuristics.generation import Choice
from heuristics.generation import build as build_generation
from service.commands.common import chosen, lake_of
from service.console import Console, progress
from service.settings import Settings
from store import verify as lake_check
from store.earlier import earlier
from store.errors import BusyError
from store.index import Index
from store.labels import Labels
from store.lake import Lake
from store.manifest import Generation
from store.prices import Prices

_EARLIER = "earlier.tmp"


def build(data: Path | None, without: Collection[str] = (), *, prune: bool, as_json: bool) -> None:
    """Build and publish the next generation, with some rules switched off."""
    settings, console = chosen(data), Console(as_json=as_json)
    before = Index(settings.data).readable()
    generation = publish(lake_of(settings.data), settings, without)
    same_base = before is not None and before.files[0] == generation.files[0]
    said = "nothing changed" if before == generation else "labels only" if same_base else "base and labels"
    removed = _pruned(settings.data, settings.keep_generations) if prune else []
    console.answer(
        {**_facts(generation), "built": said, "pruned": removed},
        [
            (
                f"generation {generation.id} is live: {generation.network} from height {generation.first_height} "
                f"to {generation.height}, labels {generation.label_version} ({said})"
            ),
            *([f"switched off until the next index: {', '.join(sorted(without))}"] if without else []),
            *(f"removed generation {one}" for one in removed),
            "next: tadoru screen ADDRESS, or tadoru serve",
        ],
    )


def build_earlier(data: Path | None, when: tuple[int | None, str | None, str | None], *, as_json: bool) -> None:
    """Build the generation of an earlier height, label version or price version beside the live one, and keep it."""
    height, labels, prices_version = when
    settings, console = chosen(data), Console(as_json=as_json)
    lake, index = lake_of(settings.data), Index(settings.data)
    claims, prices = Labels(settings.data).at(labels), prices_of(settings, prices_version)
    claims.labels.list(labels)  # says so at once where that version never was
    scratch = settings.data / _EARLIER
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        source = lake if height is None else earlier(lake, height, scratch)
        with progress("steps") as shown:
            generation = build_generation(source, claims, index, Choice(prices, live=False), shown.report)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    index.keep(generation.id)
    console.answer(
        _facts(generation),
        [
            (
                f"generation {generation.id} lies beside the live one: heights {generation.first_height} to "
                f"{generation.height}, labels {generation.label_version}; it is kept until `tadoru index prune "
                "--earlier`"
            ),
            f"next: tadoru exposure ADDRESS --height {generation.height} --labels {generation.label_version}",
        ],
    )


def _pruned(data: Path, keep: int) -> list[str]:
    """Remove old generations; none where another build has begun: it is published already, pruning can wait."""
    try:
        return Index(data).prune(keep)
    except BusyError:
        return []


def publish(lake: Lake, settings: Settings, without: Collection[str] = ()) -> Generation:
    """Build with progress."""
    data = settings.data
    with progress("steps") as shown:
        choice = Choice(prices_of(settings), without=tuple(without))
        return build_generation(lake, Labels(data), Index(data), choice, shown.report)


def prices_of(settings: Settings, version: str | None = None) -> DayPrices:
    """What a coin cost in the currency of the settings, now or by a version that a generation names."""
    currency, _, of = (version or settings.currency).partition("-")
    if currency == NO_PRICES.version:
        return NO_PRICES
    book = Prices(settings.data).book(of or None)
    days, price = book.arrays("BTC", currency)
    return DayPrices(f"{currency}-{book.version}", currency, days, price) if len(days) else NO_PRICES


def _facts(generation: Generation) -> dict[str, object]:
    facts = asdict(generation)
    facts["bytes"] = sum(entry.size for entry in generation.files)
    facts["files"] = [entry.name for entry in generation.files]
    return facts


def prune(keep: int | None, data: Path | None, *, earlier: bool, as_json: bool) -> None:
    """Remove old generations; with `earlier` those too that were built beside the live one."""
    settings = chosen(data)
    removed = Index(settings.data).prune(keep or settings.keep_generations, release=earlier)
    lines = [f"removed generation {one}" for one in removed] or ["nothing to remove"]
    Console(as_json=as_json).answer({"pruned": removed}, lines)


def verify(data: Path | None, *, as_json: bool) -> None:
    """Check the lake and the files of the live generation."""
    settings = chosen(data)
    lake = lake_of(settings.data)
    with progress("segments") as shown:
        report = lake_check.verify(lake, lambda done, total: shown.report("lake", done, total))
    index = Index(settings.data)
    generation = index.current()
    index.verify(generation)
    live = "no generation yet" if generation is None else f"generation {generation.id} is as published"
    Console(as_json=as_json).answer(
        {"lake": asdict(report), "generation": None if generation is None else generation.id},
        [
            (
                f"lake: {report.blocks} blocks, {report.tx} transactions, {report.outputs} outputs and "
                f"{report.spends} spends in {report.segments} segments agree with their hashes"
            ),
            *([f"lake: {report.unresolved} spends of unknown origin"] if report.unresolved else []),
            *([f"lake: heights are missing in {report.gaps} places"] if report.gaps else []),
            f"index: {live}",
        ],
    )
