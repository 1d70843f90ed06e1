"""The pipeline under test, in a process of its own: blocks and labels in, findings out.

`python -m worlds.score.blind --node DIR --labels DIR --wallets FILE --work DIR --findings DIR [--until HEIGHT]`

It does what a user does (backfill, labels add, index) and writes down what the index then says. It is given no path
to the truth of a world and imports nothing that knows one.
"""

import argparse
import csv
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chains.bitcoin.address import script_of
from chains.bitcoin.datadir import DatadirSource
from chains.blocks import Span
from chains.errors import TadoruError
from chains.ids import SECRET_BYTES
from heuristics.facts import Facts
from heuristics.generation import build
from store.backfill import backfill
from store.index import Index
from store.labels import FOLDER, Labels
from store.lake import Lake
from worlds.score.findings import Findings, FindingsError
from worlds.score.statements import Ground, findings

# Nobody attacks the ids of a simulated world, and a run must not differ from the next in the order of its addresses.
SECRET: Final = bytes(range(SECRET_BYTES))
HEADER: Final = ["address"]
_PACKS: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Given:
    """All that the pipeline sees of a world, and where it works."""

    node: Path
    """Datadir of a node."""
    labels: Path
    """Folder of tag packs and actor packs; its folders are vintages of a list."""
    wallets: Path
    """CSV of the addresses to screen."""
    work: Path
    """Its data directory; what is there already is used again."""
    until: int | None = None
    """Last height to read; None for all."""


def run(given: Given, secret: bytes = SECRET) -> Findings:
    """Bring lake, labels and index up to date, and say what they say.

    Raises
    ------
    TadoruError
        Naming what is wrong with the blocks, the labels or the addresses.
    """
    source = DatadirSource.open(given.node)
    lake = Lake.create(given.work, "bitcoin", source.network, secret)
    fill(lake, source, given.until)
    labels = relabel(given, source.network)
    index = Index(given.work)
    build(lake, labels, index)
    wallets = tuple(script_of(text, source.network) for text in read_wallets(given.wallets))
    with index.open() as looked_up, index.open() as read_whole:
        # Look-ups leave the optimizer out, questions about whole tables need it.
        con = read_whole.cursor().execute("RESET disabled_optimizers")
        return findings(Ground(looked_up.cursor(), con, Facts.of(lake), wallets))


def fill(lake: Lake, source: DatadirSource, until: int | None) -> None:
    """Make the lake hold the source's blocks up to a height, and none above it."""
    if until is None:
        backfill(source, lake)
        return
    with lake.writing():
        lake.truncate(until + 1)
    backfill(source, lake, Span(source.first_height, until))


def relabel(given: Given, network: str) -> Labels:
    """Import a folder of labels in place of what was imported before."""
    labels = Labels(given.work)
    shutil.rmtree(given.work / FOLDER, ignore_errors=True)
    places = sorted(given.labels.iterdir())
    packs = [place for place in places if place.suffix in _PACKS]
    vintages = [place for place in places if place.is_dir()]  # their names end with the date
    if packs or vintages:
        labels.add([*packs, *vintages], network=network)
    return labels


def read_wallets(path: Path) -> list[str]:
    """Read the addresses to screen, each once, in the order given; raises FindingsError where it is another file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if rows[:1] != [HEADER] or any(len(row) != 1 for row in rows):
        raise FindingsError(f"{path} is no list of addresses: one a line, below the header {HEADER[0]!r}")
    return list(dict.fromkeys(row[0] for row in rows[1:]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run once and write the findings; what goes wrong is said on standard error, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m worlds.score.blind", description=__doc__)
    for name in ("node", "labels", "wallets", "work", "findings"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--until", type=int)
    asked = parser.parse_args(arguments)
    try:
        run(Given(asked.node, asked.labels, asked.wallets, asked.work, asked.until)).write(asked.findings)
    except (TadoruError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
