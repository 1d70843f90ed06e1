"""A payment processor: it takes what shoppers pay to many merchants at fresh addresses, and settles with each weekly.

Money passes through it within days, and it is nobody's front.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.escrow import Escrow
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC


@dataclass(slots=True)
class Processor:
    """One processor and the merchants that it serves."""

    town: Town
    entity: Entity
    escrow: Escrow
    """What it holds for the merchants."""
    rng: Random
    settle_every: int
    fee: float
    """Share of a payment that it keeps."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one processor with five to twelve merchants."""
        rng = town.rng("processor")
        entity = town.world.entity(Entity("tillpay", "payment_processor", "NL", service=True))
        wallet = town.world.wallet("tillpay", town.server(rng), entity)
        town.endow(wallet.receive(role="hot"), BTC // 2)
        merchants = []
        for n in range(rng.randint(5, 12)):
            owner = town.world.entity(Entity(f"merchant {n}", "organization"))
            merchants.append(town.world.wallet(f"merchant {n}", town.program(rng), owner))
        every, fee = town.blocks_in(rng.uniform(2, 8)), rng.uniform(0.002, 0.02)
        one = cls(town, entity, Escrow(town, wallet, merchants, fee), rng, every, fee)
        town.shops.append(one)
        town.note("tillpay", one)
        return [one]

    def invoice(self, payer: Entity) -> Address:
        """Give a fresh address on which one of the merchants is paid."""
        return self.escrow.address(self.rng.choice([m for m in self.escrow.clients if m.owner is not payer]))

    def act(self) -> None:
        """Settle with the merchants, each on the account of what came in for it."""
        if self.town.busy and self.town.height % self.settle_every == 0:
            self.escrow.pay_out(self.rng)
