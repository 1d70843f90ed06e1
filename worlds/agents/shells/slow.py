"""A slow front: money stays with the company for days, so that what comes in does not seem to be what goes out."""

from dataclasses import dataclass
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.settings import Flavour
from worlds.town import Town

_SHORTEST = 60  # hours


@dataclass(slots=True)
class Slow:
    """One company that takes its time."""

    company: Company

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one company, except where heuristics are tuned."""
        found = []
        for principal in town.principals if town.settings.flavour is not Flavour.TUNE else ():
            rng = town.rng(f"slow {principal.entity.id}")
            terms = Terms.drawn(town, rng, (_SHORTEST, _SHORTEST + rng.uniform(12, 100)))
            company = Company.found(town, rng, "slow", principal, terms)
            town.fronts.append(company)
            found.append(cls(company))
        return found

    def act(self) -> None:
        """Pass on what is due."""
        self.company.act()
