"""A charity: one published address that everybody pays, emptied into an exchange every few weeks."""

from dataclasses import dataclass
from typing import Self

from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Town, Venue
from worlds.wallet import BTC, Wallet


@dataclass(slots=True)
class Charity:
    """One charity."""

    town: Town
    entity: Entity
    wallet: Wallet
    address: Address
    venue: Venue | None
    every: int
    """Blocks between withdrawals."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one charity; its address is known to everybody."""
        rng = town.rng("charity")
        entity = town.world.entity(Entity("open wells", "donation", "KE"))
        wallet = town.world.wallet("open wells", town.program(rng), entity)
        venue = rng.choice(town.venues) if town.venues else None
        every = town.blocks_in(rng.uniform(8, 25))
        one = cls(town, entity, wallet, wallet.receive(role="donation"), venue, every)
        town.shops.append(one)
        town.note(entity.id, one)
        return [one]

    def invoice(self, payer: Entity) -> Address:  # noqa: ARG002 -- the same for every donor
        """Give the published address."""
        return self.address

    def act(self) -> None:
        """Send what came in to the exchange."""
        if not self.town.busy or self.venue is None or self.town.height % self.every:
            return
        if self.wallet.balance(self.town.height) > BTC // 100:
            self.town.world.sweep(self.wallet, self.venue.open_account(self.entity))
