"""Private people: they pay each other and the shops, send coins to exchanges and take coins from them."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.parties import Entity
from worlds.town import Person, Town
from worlds.wallet import BTC

_ACCOUNTS = 0.7  # of people: those who are customers of an exchange
_FEES = 50_000  # satoshi kept back for the fee of a payment
_CONSOLIDATES = 12  # coins from which on some people gather theirs


@dataclass(slots=True)
class People:
    """All private people together: each block, some of them act."""

    town: Town
    rng: Random
    deals: tuple[float, float, float, float]
    """Weights of paying a person, paying a shop, depositing, withdrawing."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Give everyone a wallet program, coins to start with, and perhaps accounts."""
        rng = town.rng("people")
        for n in range(town.settings.people):
            owner = town.world.entity(Entity(f"person {n}"))
            person = Person(town.world.wallet(f"person {n}", town.program(rng), owner))
            if town.venues and rng.random() < _ACCOUNTS:
                venue = rng.choice(town.venues)
                person.accounts.append((venue, venue.open_account(owner)))
            for _ in range(rng.randint(1, 3)):
                cls._start(town, person, int(BTC * rng.uniform(0.05, 0.6)))
            town.people.append(person)
        deals = (rng.uniform(2, 4), rng.uniform(1, 3), rng.uniform(1, 3), rng.uniform(1, 3))
        return [cls(town, rng, deals)]

    @staticmethod
    def _start(town: Town, person: Person, value: int) -> None:
        """Let a person begin with coins, bought at its exchange, or from a pool where it has none."""
        if person.accounts:
            person.accounts[0][0].withdraw(person.entity, person.wallet.receive(), value)
        else:
            town.endow(person.wallet.receive(), value)

    def act(self) -> None:
        """Let some people do something."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.town.settings.activity * len(self.town.people))):
            person = self.rng.choice(self.town.people)
            deal = self.rng.choices((self._pay, self._buy, self._deposit, self._withdraw), self.deals)[0]
            deal(person)

    def _affords(self, person: Person, value: int) -> int:
        """The value, or half of what the person holds where that is less; 0 where it holds next to nothing."""
        funds = person.wallet.balance(self.town.height) - _FEES
        return min(value, funds // 2) if funds > 2 * _FEES else 0

    def _pay(self, person: Person) -> None:
        other = self.rng.choice(self.town.people)
        value = self._affords(person, self.town.amount(self.rng, 0.02))
        if value and other is not person:
            self.town.world.pay(person.wallet, self.town.address_of(other, self.rng), value)
        if len(person.wallet.coins) > _CONSOLIDATES:
            self.town.world.sweep(person.wallet, person.wallet.receive())

    def _buy(self, person: Person) -> None:
        value = self._affords(person, self.town.amount(self.rng, 0.01))
        if value and self.town.shops:
            shop = self.rng.choice(self.town.shops)
            self.town.world.pay(person.wallet, shop.invoice(person.entity), value)

    def _deposit(self, person: Person) -> None:
        value = self._affords(person, self.town.amount(self.rng, 0.05))
        if value and person.accounts:
            _, address = self.rng.choice(person.accounts)
            self.town.world.pay(person.wallet, address, value)

    def _withdraw(self, person: Person) -> None:
        if person.accounts:
            venue, _ = self.rng.choice(person.accounts)
            to = self.town.address_of(person, self.rng)
            venue.withdraw(person.entity, to, self.town.amount(self.rng, 0.05))
