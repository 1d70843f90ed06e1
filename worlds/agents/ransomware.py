"""Ransomware: victims buy coins and pay to an address of their own; the takings are shared and peeled off to exchanges.

A part goes to the affiliate who broke in, the rest runs through a peeling chain of small sales.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.deeds import Payment
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, Wallet

_LAG = 4  # blocks between a victim's order at its exchange and its payment
_FEES = 50_000  # satoshi
_SMALLEST_CHAIN = BTC // 10
_STEPS = (5, 9)


@dataclass(slots=True)
class Ransomware:
    """One gang and its affiliate."""

    town: Town
    entity: Entity
    wallet: Wallet
    affiliate: Wallet
    rng: Random
    attacks: float
    """Victims a day."""
    share: float
    """What the affiliate gets."""
    owed: list[tuple[int, Wallet, Address, int]]
    """What victims will pay: height, from, to, satoshi."""
    mules: int = 0
    """Helpers so far."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one gang where there are exchanges to buy and to sell at."""
        if not town.venues:
            return []
        rng = town.rng("ransomware")
        entity = town.world.entity(Entity("greylock", "ransomware", "RU"))
        partner = town.world.entity(Entity("greylock affiliate", "ransomware"))
        wallet = town.world.wallet("greylock", town.program(rng), entity)
        affiliate = town.world.wallet("greylock affiliate", town.program(rng), partner)
        one = cls(town, entity, wallet, affiliate, rng, rng.uniform(0.1, 0.3), rng.uniform(0.6, 0.8), [])
        town.note(entity.id, one)
        return [one]

    def act(self) -> None:
        """Attack, collect, share, cash out."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.attacks)):
            self._attack()
        self._collect()
        if self.wallet.balance(self.town.height) > _SMALLEST_CHAIN and self.town.happens(self.rng, 0.3):
            self._cash_out()

    def _attack(self) -> None:
        name = f"victim {len(self.town.world.wallets)}"
        victim = self.town.world.wallet(name, self.town.program(self.rng))
        value = int(BTC * self.rng.uniform(0.1, 0.8))
        self.rng.choice(self.town.venues).withdraw(victim.owner, victim.receive(), value + 2 * _FEES)
        self.owed.append((self.town.height + _LAG, victim, self.wallet.receive(), value))

    def _collect(self) -> None:
        waiting = []
        for due, victim, to, value in self.owed:
            if due <= self.town.height and victim.balance(self.town.height) > value + _FEES:
                self.town.world.pay(victim, to, value)
                cut = int(value * self.share)
                self.town.world.pay(self.wallet, self.affiliate.receive(), cut - _FEES)
            else:
                waiting.append((due, victim, to, value))
        self.owed = waiting

    def _cash_out(self) -> None:
        """Sell along a peeling chain, each time through another helper who has opened an account for it."""
        coin = max(self.wallet.spendable(self.town.height), key=lambda c: c.value)
        steps = self.rng.randint(*_STEPS)
        value = (coin.value - steps * _FEES) // (steps + 2)
        if value < BTC // 1000:
            return
        accounts = [self.rng.choice(self.town.venues).open_account(self._mule()) for _ in range(steps)]
        sales = [Payment(to, int(value * self.rng.uniform(0.5, 1))) for to in accounts]
        self.town.world.peel(self.wallet, sales)

    def _mule(self) -> Entity:
        self.mules += 1
        return self.town.world.entity(Entity(f"greylock mule {self.mules}"))
