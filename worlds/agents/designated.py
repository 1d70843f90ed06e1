"""An exchange in Russia that a sanctions list names half-way, and that goes on as if nothing had happened.

Before, it pays its clients and takes from them in the open, many of them at Japanese exchanges. From that day on it
keeps its coins in wallets that it replaces every few days, and does the same business through fronts; a small
remainder it still does directly.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.agents.exchange import Exchange
from worlds.business.clients import Client, clients_of
from worlds.business.purses import Purses
from worlds.deeds import Payee, Payment
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.settings import Flavour
from worlds.town import Front, Town
from worlds.wallet import BTC

_NAME, _PLACE = "taiga", "RU"
_SMALLEST = BTC // 50  # satoshi


@dataclass(slots=True)
class Designated:
    """The exchange that is designated."""

    town: Town
    entity: Entity
    office: Exchange
    """Its business in the open."""
    purses: Purses
    clients: list[Client]
    rng: Random
    pays: float
    """Payments to clients a day."""
    takes: float
    """Payments from clients a day."""
    usual: float
    """The median payment, in bitcoin."""
    remainder: float
    """Share of its business that it still does directly afterwards."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the exchange where there are Japanese exchanges whose customers can be its clients."""
        if not town.people or not any(v.entity.jurisdiction == "JP" for v in town.venues):
            return []
        rng, tune = town.rng("designated"), town.settings.flavour is Flavour.TUNE
        entity = Entity(_NAME, "exchange", _PLACE, service=True, listed_from=town.time_of(town.t0))
        office = Exchange.open(town, entity, rng)
        count, longest, careless = rng.randint(2, 3), rng.uniform(3, 7), rng.uniform(0, 0.4)
        purses = Purses(town, entity, town.server(rng), rng, count, longest, careless)
        one = cls(
            town,
            entity,
            office,
            purses,
            clients_of(town, office.deposits, rng),
            rng,
            pays=rng.uniform(2, 3.2),
            takes=rng.uniform(1.8, 3),
            usual=rng.uniform(0.1, 0.25) if tune else rng.uniform(0.04, 0.12),
            remainder=rng.uniform(0.02, 0.08) if tune else rng.uniform(0.0, 0.15),
        )
        town.designated.append(entity)
        town.principals.append(one)
        town.note(entity.id, one)
        town.note(f"{entity.id} wallets", purses)
        return [one]

    def home(self) -> Address:
        """Give the address at which it wants to be paid today."""
        return self.purses.home() if self.purses.open else self.office.deposits.receive(role="deposit")

    def pay(self, to: Payee, value: int) -> None:
        """Ask for a payment; it is made as soon as there are funds."""
        if self.purses.open:
            self.purses.queue.append(Payment(to, value))
        else:
            self.office.withdraw(self.entity, to, value)

    def act(self) -> None:
        """Do the business of the day, in the open or not."""
        if not self.town.busy:
            return
        if self.town.height >= self.town.t0:
            self._hide()
        for _ in range(0 if self.purses.queue else self.town.happens(self.rng, self.pays)):
            to = self.rng.choice(self.clients).address(self.town, self.rng)
            value = min(self._amount(), self._most())
            if value >= _SMALLEST:
                self._pay_out(to, value)
        for _ in range(self.town.happens(self.rng, self.takes)):
            self._take_from(self.rng.choice(self.clients))
        if self.purses.open:
            self.purses.act()
        else:
            self.office.act()

    def _hide(self) -> None:
        """Leave the open for good, and later fetch what still comes to the old addresses."""
        if not self.purses.open:
            self.purses.start([self.office.hot, self.office.cold])
            unpaid, self.office.queue = self.office.queue, []
            for payment in unpaid:
                self._pay_out(payment.to, payment.value)
        self.purses.gather(self.office.deposits)

    def _front(self) -> Front | None:
        """Choose a front for one payment; None: it is made directly."""
        fronts = self.town.fronts if self.purses.open else []
        if not fronts or self.rng.random() < self.remainder:
            return None
        return self.rng.choices(fronts, [f.weight for f in fronts])[0]

    def _most(self) -> int:
        """Give the largest payment that it makes to a client: a part of what lies in one wallet."""
        wallets = self.purses.all or [self.office.hot, self.office.cold]
        return max(w.balance(self.town.height) for w in wallets) // 3

    def _amount(self) -> int:
        return max(_SMALLEST, self.town.amount(self.rng, self.usual))

    def _pay_out(self, to: Payee, value: int) -> None:
        front = self._front()
        if front:
            self.purses.queue.extend(front.route_out(to, value))
        else:
            self.pay(to, value)

    def _take_from(self, client: Client) -> None:
        front = self._front()
        direct = self.home if self.purses.open else lambda: client.account
        client.pay(self.town, front.till() if front else direct(), self._amount())
