"""A payment processor: it takes what shoppers pay to many merchants at fresh addresses, and settles with each weekly.

Money passes through it within days, and it is nobody's front.
"""

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

_RESERVE = BTC // 50


@dataclass(slots=True)
class Processor:
    """One processor and the merchants that it serves."""

    town: Town
    entity: Entity
    wallet: Wallet
    merchants: list[Wallet]
    rng: Random
    settle_every: int
    fee: float
    """Share of a payment that it keeps."""
    due: Counter[str] = field(default_factory=Counter)
    """Satoshi owed, by merchant."""
    counted: int = 0
    """Height up to which takings have been counted."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one processor with five to twelve merchants."""
        rng = town.rng("processor")
        entity = town.world.entity(Entity("tillpay", "payment_processor", "NL", service=True))
        wallet = town.world.wallet("tillpay", SERVERS[rng.choice(list(SERVERS))], entity)
        town.endow(wallet.receive(role="hot"), BTC // 2)
        merchants = []
        for n in range(rng.randint(5, 12)):
            owner = town.world.entity(Entity(f"merchant {n}", "organization"))
            merchants.append(town.world.wallet(f"merchant {n}", town.program(rng), owner))
        one = cls(town, entity, wallet, merchants, rng, town.blocks_in(rng.uniform(2, 8)), rng.uniform(0.002, 0.02))
        town.shops.append(one)
        town.note("tillpay", one)
        return [one]

    def invoice(self, payer: Entity) -> Address:
        """Give a fresh address on which one of the merchants is paid."""
        merchant = self.rng.choice([m for m in self.merchants if m.owner is not payer])
        return self.wallet.receive(role="deposit", of=merchant.owner)

    def act(self) -> None:
        """Settle with the merchants, each on the account of what came in for it."""
        if not self.town.busy or self.town.height % self.settle_every:
            return
        payments = []
        for coin in self.wallet.spendable(self.town.height):
            if coin.address.of and coin.height >= self.counted:
                self.due[coin.address.of] += coin.value
        self.counted = self.town.height
        for merchant in self.merchants:
            value = int(self.due.pop(merchant.owner.id, 0) * (1 - self.fee))
            if value > BTC // 1000:
                payments.append(Payment(self.town.reused(merchant, self.rng), value, merchant.owner))
        if payments and self.wallet.balance(self.town.height) > sum(p.value for p in payments) + _RESERVE:
            self.town.world.batch(self.wallet, payments)
