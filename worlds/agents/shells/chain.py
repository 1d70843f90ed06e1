"""A chain of fronts: two to four companies in a row, so that no company deals with both ends."""

from dataclasses import dataclass
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.deeds import Payee, Payment
from worlds.ledger.keys import Address
from worlds.settings import Flavour
from worlds.town import Principal, Town


@dataclass(slots=True)
class Chain:
    """The companies, the one next to the principal first."""

    town: Town
    companies: list[Company]
    weight: float = 1.0

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one chain for whoever will be designated."""
        found = [cls(town, cls._row(town, principal)) for principal in town.principals]
        town.fronts.extend(found)
        return found

    @staticmethod
    def _row(town: Town, principal: Principal) -> list[Company]:
        rng = town.rng(f"chain {principal.entity.id}")
        row: list[Company] = []
        for _ in range(rng.randint(2, 3 if town.settings.flavour is Flavour.TUNE else 4)):
            company = Company.found(town, rng, "chain", principal, Terms.drawn(town, rng))
            if row:
                company.home = row[-1].till
            row.append(company)
        return row

    def route_out(self, to: Payee, value: int) -> list[Payment]:
        """Let each company pay the next, and the last one pay; the principal pays the first."""
        dues, due = [], self.town.height
        for company in self.companies:
            due = company.due(due)
            dues.append(due)
        payment = Payment(to, value)
        for company, due in zip(reversed(self.companies), reversed(dues), strict=True):
            payment = company.fund(payment.to, payment.value, due)
        return [payment]

    def till(self) -> Address:
        """Give an address of the last company; each passes on to the one before."""
        return self.companies[-1].till()

    def act(self) -> None:
        """Pass on what is due, company by company."""
        for company in self.companies:
            company.act()
