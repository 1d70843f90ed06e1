"""From settings to a world on disk: everyone moves in and lives, and the truth is written down meanwhile."""

import gc
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from worlds.agents import ROSTER, Agent, with_needs
from worlds.ledger.blocks import MATURITY, Block
from worlds.ledger.chain import WorldError
from worlds.ledger.datadir import DatadirWriter, xor_key
from worlds.settings import Settings
from worlds.town import FIRST_BUSY, Town
from worlds.truth.disclose import disclose
from worlds.truth.matrices import write_matrices
from worlds.truth.record import Record
from worlds.truth.tables import TruthWriter
from worlds.words import World

START = datetime(2023, 1, 2, tzinfo=UTC)
SAMPLED = 200  # wallets whose sources and destinations the truth holds
ALWAYS = ("pool",)  # kinds of party without which there is no chain
_LEAST_FEE, _MOST_FEE = 0.3, 4.0  # of the level that programs follow

Report = Callable[[int, int], None]
"""Hears of blocks done and wanted."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was made."""

    seed: int
    flavour: str
    blocks: int
    n_tx: int
    entities: int
    addresses: int


def simulate(out: Path, settings: Settings, report: Report = lambda *_: None) -> Summary:
    """Write a world to `out`: `node/`, `truth/` and `disclosed/`; where it can not be finished, nothing of it stays.

    `truth/world.json` is written last: a world without it was stopped half-way.

    Raises
    ------
    FileExistsError
        If `out` holds anything already.
    WorldError
        If there are too few blocks for anything to happen.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        msg = f"{out} is not empty: name a new folder"
        raise FileExistsError(msg)
    try:
        return _write(out, settings, report)
    except BaseException:
        for part in list(out.iterdir()):
            shutil.rmtree(part, ignore_errors=True)
        raise


def _write(out: Path, settings: Settings, report: Report) -> Summary:
    with DatadirWriter(out / "node", key=xor_key(settings.seed)) as writer, TruthWriter(out / "truth") as truth:
        town, agents = settled(settings, writer.add)
        record = Record(town.world, truth)
        town.world.recorder = record
        with _no_collection():
            live(town, agents, report)
        record.close(town.shells)
    write_matrices(out / "truth", settings.seed, SAMPLED)
    disclose(out, settings, START)
    told = Summary(settings.seed, settings.flavour, settings.blocks, record.n_tx, record.n_entities, record.n_addresses)
    about = {"settings": asdict(settings), "start": START.isoformat(), "t0": town.t0, "made": asdict(told)}
    text = json.dumps({**about, "agents": town.notes}, indent=1, sort_keys=True)
    (out / "truth" / "world.json").write_text(text + "\n", encoding="utf-8")
    return told


def settled(settings: Settings, sink: Callable[[Block], object] | None = None) -> tuple[Town, list[Agent]]:
    """Open a world and let everyone move in; `sink` takes its blocks, which are kept in memory otherwise.

    Raises
    ------
    WorldError
        If there are too few blocks for anything to happen.
    """
    if settings.blocks <= FIRST_BUSY:
        msg = f"{settings.blocks} blocks are too few: coins can be spent from block {FIRST_BUSY} on"
        raise WorldError(msg)
    world = World(settings.seed, START, settings.interval, signed=settings.signed, sink=sink)
    town = Town(world, settings)
    kinds = with_needs((*settings.agents, *ALWAYS)) if settings.agents else set(ROSTER)
    return town, [agent for name, kind in ROSTER.items() if name in kinds for agent in kind.settle(town)]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Spare the search for garbage: a world only grows, and searching it again and again takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def live(town: Town, agents: Sequence[Agent], report: Report = lambda *_: None) -> None:
    """Let everyone live until the last block."""
    chance = town.rng("blocks")
    powers = [pool.power for pool in town.pools]
    world = town.world
    for height in range(1, town.settings.blocks + 1):
        if height > MATURITY:
            for agent in agents:
                agent.act()
            world.fee_level = max(_LEAST_FEE, min(_MOST_FEE, world.fee_level * chance.uniform(0.9, 1.11)))
        pool = chance.choices(town.pools, powers)[0]
        world.mine(pool.wallet, tag=f"/{pool.entity.id}/".encode())
        report(height, town.settings.blocks)
