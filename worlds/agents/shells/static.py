"""A static front: one company that does nothing else, from the designation on."""

from dataclasses import dataclass
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.town import Town


@dataclass(slots=True)
class Static:
    """One company that stays."""

    company: Company

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one company for whoever will be designated."""
        found = []
        for principal in town.principals:
            rng = town.rng(f"static {principal.entity.id}")
            company = Company.found(town, rng, "static", principal, Terms.drawn(town, rng))
            town.fronts.append(company)
            found.append(cls(company))
        return found

    def act(self) -> None:
        """Pass on what is due."""
        self.company.act()
