"""Private people: they pay each other and the shops, send coins to exchanges and take coins from them."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Person, Town
from worlds.wallet import BTC

_ACCOUNTS = 0.7  # of people: those who are customers of an exchange
_FEES = 50_000  # satoshi kept back for the fee of a payment
_IN_TWO = 0.15  # of payments of whole coins: those of two
_LIKES = 3  # times as many choose an exchange that gives out addresses of their own kind
_CONSOLIDATES = 12  # coins from which on some people gather theirs


@dataclass(slots=True)
class People:
    """All private people together: each block, some of them act."""

    town: Town
    rng: Random
    deals: tuple[float, float, float, float]
    """Weights of paying a person, paying a shop, depositing, withdrawing."""
    whole: float
    """Share of payments that send coins whole, so that no change is left."""
    double: float
    """Share of payments to people that pay two at once."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Give everyone a wallet program, coins to start with, and perhaps accounts."""
        rng = town.rng("people")
        for n in range(town.settings.people):
            owner = town.world.entity(Entity(f"person {n}"))
            person = Person(town.world.wallet(f"person {n}", town.program(rng), owner))
            if town.venues and rng.random() < _ACCOUNTS:
                likes = [_LIKES if v.kind is person.wallet.habits.kind else 1 for v in town.venues]
                venue = rng.choices(town.venues, likes)[0]
                person.accounts.append((venue, venue.open_account(owner)))
            for _ in range(rng.randint(1, 3)):
                cls._start(town, person, int(BTC * rng.uniform(0.05, 0.6)))
            town.people.append(person)
        deals = (rng.uniform(2, 4), rng.uniform(1, 3), rng.uniform(1, 3), rng.uniform(1, 3))
        one = cls(town, rng, deals, rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.25))
        town.note("people", one)
        return [one]

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

    def _send(self, person: Person, to: Address, value: int, *, double: bool = False) -> None:
        """Pay as much; or send a coin that is worth about as much, whole, or two; or pay somebody else beside."""
        wallet, third = person.wallet, self.rng.choice(self.town.people)
        coins = [c for c in wallet.spendable(self.town.height) if c.value > 2 * _FEES]
        if coins and self.rng.random() < self.whole:
            coins.sort(key=lambda c: abs(c.value - value))
            n = 2 if self.rng.random() < _IN_TWO else 1
            self.town.world.spend(wallet, coins[:n], to, word="pay")
        elif double and third is not person:
            part = int(value * self.rng.uniform(0.2, 0.8))
            also = (self.town.address_of(third, self.rng), value - part)
            self.town.world.batch(wallet, [(to, part), also], word="pay")
        else:
            self.town.world.pay(wallet, to, value)

    def _pay(self, person: Person) -> None:
        other = self.rng.choice(self.town.people)
        value = self._affords(person, self.town.amount(self.rng, 0.02))
        if value and other is not person:
            self._send(person, self.town.address_of(other, self.rng), value, double=self.rng.random() < self.double)
        if len(person.wallet.coins) > _CONSOLIDATES:
            self.town.world.sweep(person.wallet, person.wallet.receive())

    def _buy(self, person: Person) -> None:
        value = self._affords(person, self.town.amount(self.rng, 0.01))
        if value and self.town.shops:
            shop = self.rng.choice(self.town.shops)
            self._send(person, shop.invoice(person.entity), value)

    def _deposit(self, person: Person) -> None:
        value = self._affords(person, self.town.amount(self.rng, 0.05))
        if value and person.accounts:
            _, address = self.rng.choice(person.accounts)
            self._send(person, address, value)

    def _withdraw(self, person: Person) -> None:
        if person.accounts:
            venue, _ = self.rng.choice(person.accounts)
            to = self.town.address_of(person, self.rng)
            venue.withdraw(person.entity, to, self.town.amount(self.rng, 0.05))
