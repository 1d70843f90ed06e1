"""An over-the-counter desk: it buys coins from some clients and sells them to others within hours.

Everything passes through it fast, as through a front; but it has many principals, and none stands behind it.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.parties import Entity
from worlds.town import Person, Town
from worlds.wallet import BTC, Wallet

_FEES = 50_000  # satoshi


@dataclass(slots=True)
class Desk:
    """One desk."""

    town: Town
    entity: Entity
    wallet: Wallet
    clients: list[Person]
    rng: Random
    trades: float
    """Purchases a day, and as many sales."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one or two desks, each with clients of its own."""
        rng = town.rng("desk")
        desks = []
        for n in range(rng.randint(1, 2) if town.people else 0):
            entity = town.world.entity(Entity(f"desk {n}", "organization", rng.choice(["CH", "SG", "HK"])))
            wallet = town.world.wallet(f"desk {n}", town.program(rng), entity)
            town.endow(wallet.receive(), 2 * BTC)
            clients = rng.sample(town.people, min(len(town.people), 20))
            desks.append(cls(town, entity, wallet, clients, rng, rng.uniform(0.3, 1.2)))
            town.note(entity.id, desks[-1])
        return desks

    def act(self) -> None:
        """Buy from a client, sell to another."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.trades)):
            seller, buyer = self.rng.sample(self.clients, 2)
            value = self.town.amount(self.rng, 0.15)
            if seller.wallet.balance(self.town.height) > value + _FEES:
                self.town.world.pay(seller.wallet, self.wallet.receive(), value)
            value = self.town.amount(self.rng, 0.15)
            if self.wallet.balance(self.town.height) > value + _FEES:
                self.town.world.pay(self.wallet, self.town.address_of(buyer, self.rng), value)
