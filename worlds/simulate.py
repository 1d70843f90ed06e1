"""From settings to a world: everyone moves in, lives block by block, and the truth is written down meanwhile."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from worlds.agents import ROSTER, Agent
from worlds.ledger.blocks import MATURITY
from worlds.settings import Settings
from worlds.town import Town
from worlds.words import World

START = datetime(2023, 1, 2, tzinfo=UTC)

Report = Callable[[int, int], None]
"""Hears of blocks done and wanted."""


def settled(settings: Settings) -> tuple[Town, list[Agent]]:
    """Open a world and let everyone move in."""
    world = World(settings.seed, START, settings.interval, signed=settings.signed)
    town = Town(world, settings)
    kinds = settings.agents or tuple(ROSTER)
    agents = [agent for name, kind in ROSTER.items() if name in kinds for agent in kind.settle(town)]
    return town, agents


def live(town: Town, agents: Sequence[Agent], report: Report = lambda *_: None) -> None:
    """Let everyone live until the last block."""
    chance = town.rng("blocks")
    powers = [pool.power for pool in town.pools]
    for height in range(1, town.settings.blocks + 1):
        if height > MATURITY:
            for agent in agents:
                agent.act()
            town.world.fee_level = max(0.3, min(4.0, town.world.fee_level * chance.uniform(0.9, 1.11)))
        pool = chance.choices(town.pools, powers)[0]
        town.world.mine(pool.wallet, tag=f"/{pool.entity.id}/".encode())
        report(height, town.settings.blocks)
