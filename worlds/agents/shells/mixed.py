"""A mixed front: a company with an honest trade, among whose payments the principal's are hidden."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.deeds import Payment
from worlds.ledger.keys import Address
from worlds.settings import Flavour
from worlds.town import Person, Town, Venue
from worlds.wallet import BTC

_FEWEST, _MOST = 8, 20  # customers
_SUPPLIERS = 5
_WORTH = BTC // 100  # satoshi: suppliers wait for more than that


@dataclass(slots=True)
class Mixed:
    """The company, and its trade."""

    town: Town
    company: Company
    customers: list[tuple[Person, Venue]]
    suppliers: list[tuple[Person, Venue]]
    rng: Random
    sales: float
    """Sales a day."""
    usual: float
    """The median sale, in bitcoin."""
    buys: float
    """Payments to suppliers for each sale."""
    margin: float
    """Share of its sales that it keeps."""
    earned: int = 0
    """Satoshi that its suppliers are still to get."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one company with customers of its own, who pay it before and after the designation."""
        tune = town.settings.flavour is Flavour.TUNE
        patrons = [(p, venue) for p in town.people for venue, _ in p.accounts]
        found = []
        for principal in town.principals if len(patrons) > _SUPPLIERS else ():
            rng = town.rng(f"mixed {principal.entity.id}")
            customers = rng.sample(patrons, min(len(patrons) - _SUPPLIERS, rng.randint(_FEWEST, _MOST)))
            suppliers = rng.sample([p for p in patrons if p not in customers], _SUPPLIERS)
            sales = rng.uniform(0.4, 1.0) if tune else rng.uniform(0.7, 1.4)
            usual = rng.uniform(0.1, 0.25) if tune else rng.uniform(0.04, 0.12)
            company = Company.found(town, rng, "mixed", principal, Terms.drawn(town, rng))
            town.fronts.append(company)
            habits = (sales, usual, rng.uniform(0.4, 0.9), rng.uniform(0.02, 0.1))
            found.append(cls(town, company, customers, suppliers, rng, *habits))
            town.note(f"mixed {principal.entity.id}", found[-1])
        return found

    def act(self) -> None:
        """Pass on what is due; sell, and pay suppliers."""
        if not self.town.busy:
            return
        self.company.act()
        for _ in range(self.town.happens(self.rng, self.sales)):
            self._sell()
            if self.rng.random() < self.buys:
                self._buy()

    def _sell(self) -> None:
        customer, venue = self.rng.choice(self.customers)
        value = self.town.amount(self.rng, self.usual)
        venue.withdraw(customer.entity, self._counter(), value)
        self.earned += int(value * (1 - self.margin))

    def _buy(self) -> None:
        supplier, venue = self.rng.choice(self.suppliers)
        value = int(self.earned * self.rng.uniform(0.3, 1))
        payment = Payment(venue.open_account(supplier.entity), value)
        if value > _WORTH and self.town.affords(self.company.wallet, [payment]):
            self.town.world.pay(self.company.wallet, payment.to, value)
            self.earned -= value

    def _counter(self) -> Address:
        """Give the address at which customers pay the company itself."""
        own = [a for a in self.company.wallet.addresses if not a.of and a.role == "receive"]
        return own[0] if own and not self.company.terms.fresh else self.company.wallet.receive()
