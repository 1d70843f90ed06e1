"""A darknet market: buyers pay into escrow at fresh addresses, vendors are paid out in batches from the pool."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Self

from worlds.deeds import Payment
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.programs import SERVERS
from worlds.town import Town
from worlds.wallet import BTC, Wallet


@dataclass(slots=True)
class DarknetMarket:
    """One market and its vendors."""

    town: Town
    entity: Entity
    wallet: Wallet
    vendors: list[Wallet]
    rng: Random
    every: int
    """Blocks between payouts."""
    commission: float
    due: Counter[str] = field(default_factory=Counter)
    """Satoshi owed, by vendor."""
    counted: int = 0
    """Height up to which escrow has been counted."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one market with four to nine vendors."""
        rng = town.rng("darknet")
        entity = town.world.entity(Entity("nightjar", "darknet_market", service=True))
        wallet = town.world.wallet("nightjar", SERVERS[rng.choice(["server", "old server"])], entity)
        town.endow(wallet.receive(role="hot"), BTC // 2)
        vendors = []
        for n in range(rng.randint(4, 9)):
            owner = town.world.entity(Entity(f"vendor {n}"))
            vendors.append(town.world.wallet(f"vendor {n}", town.program(rng), owner))
        one = cls(town, entity, wallet, vendors, rng, town.blocks_in(rng.uniform(1, 4)), rng.uniform(0.03, 0.1))
        town.shops.append(one)
        town.note(entity.id, one)
        return [one]

    def invoice(self, payer: Entity) -> Address:  # noqa: ARG002 -- buyers are not known by name
        """Give a fresh escrow address for one of the vendors."""
        return self.wallet.receive(role="deposit", of=self.rng.choice(self.vendors).owner)

    def act(self) -> None:
        """Pay the vendors what their buyers put into escrow, less the commission."""
        if not self.town.busy or self.town.height % self.every:
            return
        for coin in self.wallet.spendable(self.town.height):
            if coin.address.of and coin.height >= self.counted:
                self.due[coin.address.of] += coin.value
        self.counted = self.town.height
        payments = []
        for vendor in self.vendors:
            value = int(self.due.pop(vendor.owner.id, 0) * (1 - self.commission))
            if value > BTC // 1000:
                payments.append(Payment(self.town.reused(vendor, self.rng), value, vendor.owner))
        if payments and self.wallet.balance(self.town.height) > sum(p.value for p in payments) + BTC // 50:
            self.town.world.batch(self.wallet, payments)
