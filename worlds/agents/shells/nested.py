"""A nested front: the company has an account at an exchange and pays out of it, so that the chain shows the host only.

Who really paid whom stands in no transaction: the company deposits, and the host's next batches pay the clients.
"""

from dataclasses import dataclass
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.settings import Flavour
from worlds.town import Town


@dataclass(slots=True)
class Nested:
    """One company that is an exchange's customer."""

    company: Company

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one company with an account at some exchange, except where heuristics are tuned."""
        found = []
        for principal in town.principals if town.settings.flavour is not Flavour.TUNE else ():
            rng = town.rng(f"nested {principal.entity.id}")
            company = Company.found(town, rng, "nested", principal, Terms.drawn(town, rng))
            company.host = rng.choice(town.venues)
            town.fronts.append(company)
            found.append(cls(company))
        return found

    def act(self) -> None:
        """Deposit what is due, and order as much from the host."""
        self.company.act()
