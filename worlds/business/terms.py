"""How the companies of fronts work: how long money stays, what they keep, how they pay."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.settings import Flavour
from worlds.town import Town


@dataclass(frozen=True, slots=True)
class Terms:
    """How a company works."""

    shortest: float
    """Hours for which money stays at least."""
    longest: float
    commission: float
    """Share of what comes in that it keeps."""
    spread: float
    """By which share of itself the commission varies; 0: it is always the same."""
    parts: int
    """Into how many payments it splits one at most."""
    every: int
    """Blocks between the times at which it pays what is due."""
    batches: bool
    """Whether it pays all that is due in one transaction."""
    fresh: bool
    """Whether it gives out a new address each time."""

    @classmethod
    def drawn(cls, town: Town, rng: Random, hours: tuple[float, float] | None = None) -> Self:
        """Draw the terms of one company; `hours` are the shortest and the longest dwell where they are given."""
        tune = town.settings.flavour is Flavour.TUNE
        usual = (rng.uniform(1, 6), rng.uniform(8, 36)) if tune else (rng.uniform(6, 24), rng.uniform(30, 72))
        shortest, longest = hours or usual
        return cls(
            shortest,
            longest,
            commission=rng.uniform(0.003, 0.015) if tune else rng.uniform(0.01, 0.04),
            spread=rng.choice([0.0, rng.uniform(0.1, 0.5)]),
            parts=rng.choice([1, 1, 2]) if tune else rng.choice([1, 1, 1, 3]),
            every=town.blocks_in(rng.uniform(0.1, 0.6)),
            batches=rng.random() < 0.5,  # noqa: PLR2004 -- half of them
            fresh=rng.random() < (0.6 if tune else 0.4),
        )
