"""`tadoru demo`: the story in small, through the same code as any datadir."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service import reading, screening
from service.commands.ask import PATIENCE_MS, describe, edge_line
from service.commands.backfill import Place, fill, open_source
from service.commands.index import publish
from service.commands.labels import import_labels
from service.console import Console
from service.desk import Desk, desk_for_once
from service.exits import Exit, UsageError
from service.settings import Settings
from store.lake import Lake
from worlds.demo import DemoStory, build_demo

Say = Callable[[str], None]
MARK = "TADORU_DEMO"
MADE_HERE = ("node", "published", "data")


def run(out: Path, *, as_json: bool) -> Exit:
    """Build, index and screen the demo, say how to go on; NO where a decision is not what the story asks for."""
    console, started = Console(as_json=as_json), time.monotonic()

    def say(line: str) -> None:
        if not as_json:
            console.answer(None, [line])

    _clear(out)
    story = build_demo(out)
    say("The story:")
    for number, sentence in enumerate(story.plot, 1):
        say(f"  {number}. {sentence}")
    settings = Settings.model_validate({**Settings().model_dump(), "data": out / "data", "records_url": None})
    told = _index(story, settings, say)
    decisions = _screen(story, settings, say)
    seconds = round(time.monotonic() - started, 1)
    as_expected = all(one["decision"] == one["expected"] for one in decisions)
    say(f"\nDone in {seconds} s. Look further:")
    for line in _next_steps(story, settings):
        say(f"  {line}")
    if as_json:
        summary = {**told, "decisions": decisions, "as_expected": as_expected, "seconds": seconds}
        console.answer({**summary, "data": str(settings.data)}, [])
    return Exit.OK if as_expected else Exit.NO


def _clear(out: Path) -> None:
    """Make room: an earlier demo is replaced, anything else is left alone."""
    mark = out / MARK
    if out.exists() and any(out.iterdir()) and not mark.exists():
        raise UsageError(f"--out {out} holds something that is no demo; name a new folder")
    for name in MADE_HERE:
        shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    mark.write_text("made by tadoru demo; `tadoru demo` replaces node, published and data beside this file\n")


def _index(story: DemoStory, settings: Settings, say: Say) -> dict[str, Any]:
    """Backfill, add labels, build: what a user would do with his own node's files."""
    source = open_source(Place(str(story.datadir)))
    lake = Lake.create(settings.data, "bitcoin", source.network)
    report = fill(source, lake, None, 1)
    say(f"\ntadoru backfill bitcoin --from {story.datadir}")
    say(f"  {report.blocks} blocks with {report.tx} transactions, every one verified")
    for path in story.labels:  # one by one, as the lists came out
        added = import_labels(settings, [path], None, None)
        say(f"tadoru labels add {path}")
        say(f"  {added.tags} tags, {added.entities} parties; label version {added.version}")
    generation = publish(lake, settings)
    say(f"tadoru index bitcoin\n  generation {generation.id}")
    return {"backfill": asdict(report), "generation": generation.id, "labels": generation.label_version}


def _screen(story: DemoStory, settings: Settings, say: Say) -> list[dict[str, Any]]:
    """Screen the addresses of the story."""
    say(f"\nWithdrawals to screen under {settings.policy} (a list names Taiga on {story.designated_on}):")
    decisions = []
    with desk_for_once(settings) as desk:
        for case in story.screenings:
            request = screening.Request(
                case.address, kind="withdrawal_attempt", direction="outbound", timeout_ms=PATIENCE_MS
            )
            told = screening.screen(desk, request, desk.policy(None), caller="demo").answer
            decisions.append({"name": case.name, "expected": case.expected, "decision": told["decision"], **told})
            say(f"\n{case.name}: {case.why}")
            if told["decision"] != case.expected:
                say(f"  EXPECTED {case.expected.upper()}")
            for line in describe(told):
                say(f"  {line}")
        _why(desk, story, say)
    return decisions


def _why(desk: Desk, story: DemoStory, say: Say) -> None:
    """Show the evidence that two addresses are one party's."""
    with desk.live.ask() as question:
        told = reading.why(question, *story.same_party)
    say("\nWhy are {} and {} one party's?".format(*story.same_party))
    for edge in told["steps"]:
        say(f"  {edge_line(edge)}")


def _next_steps(story: DemoStory, settings: Settings) -> list[str]:
    body = f'{{"kind": "address", "address": "{story.screenings[0].address}"}}'
    return [
        f"tadoru serve --data {settings.data}",
        f"curl -s http://{settings.host}:{settings.port}/v1/screenings -H 'Content-Type: application/json' -d '{body}'",
        f"tadoru why {' '.join(story.same_party)} --data {settings.data}",
        f"tadoru tx {story.coinjoins[0]} --data {settings.data}",
        f"tadoru exposure {story.shell} --data {settings.data}",
        f"tadoru audit verify --data {settings.data}",
    ]
