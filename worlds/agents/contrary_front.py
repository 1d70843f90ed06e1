"""A front that looks like an honest firm, in contrary worlds alone.

The principal's payments wait for days, among the takings of a shop that anybody pays and the wages of its workers.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.deeds import Payment
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.settings import Flavour
from worlds.town import Person, Town
from worlds.wallet import BTC

_HOURS = (60, 200)  # for which the principal's money waits
_WAGE = BTC // 100
_WORKERS = 4


@dataclass(slots=True)
class ContraryFront:
    """The firm, its shop, and those who work there."""

    town: Town
    company: Company
    entity: Entity
    workers: list[Person]
    rng: Random
    every: int
    """Blocks between the days on which wages are paid."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one for each party that hides."""
        if town.settings.flavour is not Flavour.CONTRARY or len(town.people) < _WORKERS:
            return []
        rng, found = town.rng("contrary_front"), []
        for principal in town.principals:
            company = Company.found(town, rng, "mixed", principal, Terms.drawn(town, rng, _HOURS))
            workers = rng.sample(town.people, _WORKERS)
            one = cls(town, company, company.wallet.owner, workers, rng, town.blocks_in(rng.uniform(5, 9)))
            town.fronts.append(company)
            town.shops.append(one)
            town.note(f"contrary_front {principal.entity.id}", one)
            found.append(one)
        return found

    def invoice(self, payer: Entity) -> Address:  # noqa: ARG002 -- a fresh one for everybody
        """Give an address of the shop; what comes in there is the firm's own."""
        return self.company.wallet.receive()

    def act(self) -> None:
        """Work for the principal, and pay wages where nothing of the principal's waits."""
        if not self.town.busy:
            return
        self.company.act()
        wages = [Payment(self.town.address_of(p, self.rng), _WAGE) for p in self.workers]
        payday = self.town.height % self.every == 0 and not self.company.lots
        if payday and self.town.affords(self.company.wallet, wages):
            self.town.world.batch(self.company.wallet, wages)
