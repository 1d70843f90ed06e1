"""A darknet market: buyers pay into escrow at fresh addresses, vendors are paid out in batches from the pool."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.escrow import Escrow
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC


@dataclass(slots=True)
class DarknetMarket:
    """One market and its vendors."""

    town: Town
    entity: Entity
    escrow: Escrow
    """What it holds for the vendors."""
    rng: Random
    every: int
    """Blocks between payouts."""
    commission: float

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one market with four to nine vendors."""
        rng = town.rng("darknet")
        entity = town.world.entity(Entity("nightjar", "darknet_market", service=True))
        wallet = town.world.wallet("nightjar", town.server(rng), entity)
        town.endow(wallet.receive(role="hot"), BTC // 2)
        vendors = []
        for n in range(rng.randint(4, 9)):
            owner = town.world.entity(Entity(f"vendor {n}"))
            vendors.append(town.world.wallet(f"vendor {n}", town.program(rng), owner))
        every, commission = town.blocks_in(rng.uniform(1, 4)), rng.uniform(0.03, 0.1)
        one = cls(town, entity, Escrow(town, wallet, vendors, commission), rng, every, commission)
        town.shops.append(one)
        town.note(entity.id, one)
        return [one]

    def invoice(self, payer: Entity) -> Address:  # noqa: ARG002 -- buyers are not known by name
        """Give a fresh escrow address for one of the vendors."""
        return self.escrow.address(self.rng.choice(self.escrow.clients))

    def act(self) -> None:
        """Pay the vendors what their buyers put into escrow, less the commission."""
        if self.town.busy and self.town.height % self.every == 0:
            self.escrow.pay_out(self.rng)
