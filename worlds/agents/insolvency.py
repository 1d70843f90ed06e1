"""The estate of a bankrupt exchange: its old coins go to the creditors in a few large payouts."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.deeds import Payment
from worlds.parties import Entity
from worlds.town import FIRST_BUSY, Town
from worlds.wallet import BTC, Wallet

_CREDITORS = 25
_FEES = BTC // 200


@dataclass(slots=True)
class Insolvency:
    """One estate."""

    town: Town
    entity: Entity
    wallet: Wallet
    rng: Random
    payouts: tuple[int, ...]
    """Heights at which creditors are paid."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the estate with the coins that were found."""
        rng = town.rng("insolvency")
        entity = town.world.entity(Entity("old harbour estate", "organization", "US"))
        wallet = town.world.wallet("old harbour estate", town.servers["old server"], entity)
        for _ in range(rng.randint(3, 8)):
            town.endow(wallet.receive(role="cold"), BTC)
        span = max(1, town.settings.blocks - FIRST_BUSY)
        payouts = tuple(FIRST_BUSY + int(span * rng.random()) for _ in range(rng.randint(1, 3)))
        return [cls(town, entity, wallet, rng, payouts)]

    def act(self) -> None:
        """Pay a part of what is left to the creditors."""
        if self.town.height not in self.payouts or not self.town.people:
            return
        funds = self.wallet.balance(self.town.height) // 2 - _FEES
        creditors = self.rng.sample(self.town.people, min(_CREDITORS, len(self.town.people)))
        claims = [self.rng.uniform(0.2, 1) for _ in creditors]
        due = [int(funds * claim / sum(claims)) for claim in claims]
        if funds > BTC // 10:
            paid = [Payment(c.wallet.receive(), value) for c, value in zip(creditors, due, strict=True)]
            self.town.world.batch(self.wallet, paid)
