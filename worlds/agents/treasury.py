"""A company's treasury: it buys at an exchange, holds, splits its holdings into equal coins, and moves them about."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.parties import Entity
from worlds.town import Town, Venue
from worlds.wallet import BTC, Wallet

_FEES = 50_000  # satoshi
_PARTS = (4, 12)


@dataclass(slots=True)
class Treasury:
    """One company with a wallet for daily use and one for keeping."""

    town: Town
    entity: Entity
    daily: Wallet
    vault: Wallet
    venue: Venue
    rng: Random
    buys: float
    splits: float
    """Purchases, and splits, a day."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one or two companies."""
        rng = town.rng("treasury")
        found = []
        for n in range(rng.randint(1, 2) if town.venues else 0):
            entity = town.world.entity(Entity(f"company {n}", "organization", rng.choice(["US", "JP", "DE"])))
            daily = town.world.wallet(f"company {n} daily", town.program(rng), entity)
            vault = town.world.wallet(f"company {n} vault", town.servers["custody"], entity)
            town.endow(vault.receive(role="cold"), 5 * BTC)
            found.append(cls(town, entity, daily, vault, rng.choice(town.venues), rng, 0.2, rng.uniform(0.02, 0.1)))
            town.note(entity.id, found[-1])
        return found

    def act(self) -> None:
        """Buy, put away, split."""
        if not self.town.busy:
            return
        height = self.town.height
        for _ in range(self.town.happens(self.rng, self.buys)):
            self.venue.withdraw(self.entity, self.daily.receive(), self.town.amount(self.rng, 0.5))
        if self.daily.balance(height) > BTC:
            self.town.world.sweep(self.daily, self.vault.receive(role="cold"))
        funds = self.vault.balance(height)
        if self.town.happens(self.rng, self.splits) and funds > BTC:
            parts = self.rng.randint(*_PARTS)
            each = (funds // 2 - _FEES) // parts // 100_000 * 100_000
            self.town.world.batch(self.vault, [(self.vault.receive(role="cold"), each)] * parts, word="split")
