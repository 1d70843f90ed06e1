"""A split front: each payment is cut up and runs through several companies, each paid out of another wallet."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.deeds import Payee, Payment
from worlds.ledger.keys import Address
from worlds.settings import Flavour
from worlds.town import Town

_FEWEST, _MOST = 2, 4


@dataclass(slots=True)
class Split:
    """The companies, which stand side by side."""

    companies: list[Company]
    rng: Random
    weight: float

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open some companies at once, except where heuristics are tuned."""
        found = []
        for principal in town.principals if town.settings.flavour is not Flavour.TUNE else ():
            rng = town.rng(f"split {principal.entity.id}")
            many = range(rng.randint(_FEWEST, _MOST))
            row = [Company.found(town, rng, "split", principal, Terms.drawn(town, rng)) for _ in many]
            found.append(cls(row, rng, 0.5 * len(row)))
        town.fronts.extend(found)
        return found

    def route_out(self, to: Payee, value: int) -> list[Payment]:
        """Cut the payment into as many as there are companies, of different sizes."""
        cuts = [self.rng.uniform(1, 2) for _ in self.companies]
        values = [int(value * cut / sum(cuts)) for cut in cuts]
        values[0] += value - sum(values)
        return [p for c, v in zip(self.companies, values, strict=True) for p in c.route_out(to, v)]

    def till(self) -> Address:
        """Give an address of one of the companies."""
        return self.rng.choice(self.companies).till()

    def act(self) -> None:
        """Pass on what is due, company by company."""
        for company in self.companies:
            company.act()
