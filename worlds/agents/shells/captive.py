"""A captive front: a registered Japanese exchange keeps a company in Singapore and settles through it.

The exchange and the party that will be designated settle with each other in the open. Afterwards the exchange's
payments go to the company, and the company pays the party or one of its fronts; what the party owes comes back the
same way. The principal is the exchange.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.deeds import Payee
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.settings import Flavour
from worlds.town import Principal, Town, Venue

_PLACE = "SG"
_AT_A_FRONT = 0.4  # of payments to the designated party: they go to one of its fronts


@dataclass(slots=True)
class House:
    """An exchange that pays and is paid on its own account."""

    entity: Entity
    venue: Venue

    def home(self) -> Address:
        """Give the address of its own account."""
        return self.venue.open_account(self.entity)

    def pay(self, to: Payee, value: int) -> None:
        """Pay with the next batch."""
        self.venue.withdraw(self.entity, to, value)


@dataclass(slots=True)
class Captive:
    """The exchange, its company, and the party that it settles with."""

    town: Town
    house: House
    company: Company
    partner: Principal
    rng: Random
    settles: float
    """Settlements a day, in either direction."""
    usual: float
    """The median settlement, in bitcoin."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the company of one registered exchange."""
        japanese = [v for v in town.venues if v.entity.jurisdiction == "JP"]
        tune = town.settings.flavour is Flavour.TUNE
        found = []
        for partner in town.principals if japanese else ():
            rng = town.rng(f"captive {partner.entity.id}")
            venue = rng.choice(japanese)
            house = House(venue.entity, venue)
            company = Company.found(town, rng, "captive", house, Terms.drawn(town, rng), _PLACE)
            usual = rng.uniform(0.2, 0.5) if tune else rng.uniform(0.1, 0.3)
            found.append(cls(town, house, company, partner, rng, rng.uniform(0.4, 0.9), usual))
            town.note(f"captive {venue.entity.id}", found[-1])
        return found

    def act(self) -> None:
        """Settle, in the open or not."""
        if not self.town.busy:
            return
        self.company.act()
        for _ in range(self.town.happens(self.rng, self.settles)):
            value = self.town.amount(self.rng, self.usual)
            if self.rng.random() < 0.5:  # noqa: PLR2004 -- as often in one direction as in the other
                self._pay(value)
            else:
                self.partner.pay(self.company.till() if self._hides else self.house.home(), value)

    @property
    def _hides(self) -> bool:
        return self.town.height >= self.town.t0

    def _pay(self, value: int) -> None:
        """Pay the partner, or a front of it once it has some."""
        if not self._hides:
            self.house.pay(self.partner.home(), value)
            return
        front = self.rng.choice(self.town.fronts) if self.town.fronts else None
        to = front.till() if front and self.rng.random() < _AT_A_FRONT else self.partner.home()
        for payment in self.company.route_out(to, value):
            self.house.pay(payment.to, payment.value)
