"""What one world is like: what was asked for, and what its seed drew."""

import random
from dataclasses import dataclass, field, replace
from enum import StrEnum

from worlds.programs import HELD_OUT, PROGRAMS

DAY = 86_400  # seconds


class Flavour(StrEnum):
    """Which kind of world."""

    TUNE = "tune"
    """The programs, shells and ranges that heuristics may be tuned on."""
    HELD_OUT = "held-out"
    """Other wallet programs, other types of shell, other ranges; for reporting only."""
    CONTRARY = "contrary"
    """Everyone does what the rules do not expect: co-spends with strangers, pays like a CoinJoin, leads honest lives
    that look like a front's."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One world's settings.

    Everything from `programs` on is drawn from the seed by `drawn`; shares are of 1, rates per day.
    """

    seed: int
    blocks: int
    interval: int = 3 * 3_600
    """Seconds between blocks: long, so that a small world spans months."""
    people: int = 120
    crowd: int = 0
    """Further transactions per block by the crowd, unsigned and made in bulk."""
    signed: bool = True
    flavour: Flavour = Flavour.TUNE
    agents: tuple[str, ...] = ()
    """Kinds of party that live here, with those that they need (`worlds.agents.NEEDS`); all of them where empty."""

    programs: dict[str, float] = field(default_factory=dict)
    """Wallet program → share of the people who run it."""
    designation: float = 0.5
    """When the list names its party: share of the time from the first payment to the end."""
    activity: float = 0.3
    """Payments of a person per day."""
    reuse: float = 0.2
    """Share of payments to people that go to an address given out before."""
    round_share: float = 0.3
    """Share of amounts that are round, in bitcoin or in money."""
    labelled: float = 0.2
    """Share of a service's addresses that tags name."""
    mislabelled: float = 0.015
    """Share of tags that name the wrong party."""

    @property
    def per_day(self) -> float:
        """Blocks of a day."""
        return DAY / self.interval


def drawn(asked: Settings) -> Settings:
    """Settings with what the seed draws; the same seed draws the same. With a crowd nothing is signed."""
    rng = random.Random(f"{asked.seed}/{asked.flavour}/settings")  # noqa: S311 -- repeatable on purpose
    wide = asked.flavour is not Flavour.TUNE
    table = HELD_OUT if wide else PROGRAMS
    weights = {name: program.share * rng.gammavariate(4, 0.25) for name, program in table.items()}
    whole = sum(weights.values())
    return replace(
        asked,
        signed=asked.signed and not asked.crowd,
        programs={name: weight / whole for name, weight in weights.items()},
        designation=rng.uniform(0.35, 0.55),
        activity=rng.uniform(0.15, 0.5),
        reuse=rng.uniform(0.0, 0.5) if wide else rng.uniform(0.05, 0.35),
        round_share=rng.uniform(0.05, 0.6) if wide else rng.uniform(0.15, 0.45),
        labelled=rng.uniform(0.05, 0.30),
        mislabelled=rng.uniform(0.01, 0.02),
    )
