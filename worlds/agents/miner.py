"""Miners with machines in a hosting centre: paid by pools, cashed out at exchanges.

Where the machines stand is known off chain alone: the truth names the country, no transaction does.
"""

from dataclasses import dataclass
from typing import Self

from worlds.parties import Entity
from worlds.town import Town, Venue
from worlds.wallet import BTC, Wallet

_COUNTRIES = ("RU", "RU", "KZ", "US", "CA", "NO")
_KEEPS = BTC // 100


@dataclass(slots=True)
class Miner:
    """One miner."""

    town: Town
    entity: Entity
    wallet: Wallet
    venue: Venue | None
    every: int
    """Blocks between sales."""
    sells: float
    """Share of its coins that it sells each time."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Let six to fourteen miners work, some of them for several pools."""
        rng = town.rng("miner")
        miners = []
        for n in range(rng.randint(6, 14)):
            entity = town.world.entity(Entity(f"miner {n}", "miner", rng.choice(_COUNTRIES)))
            wallet = town.world.wallet(f"miner {n}", town.program(rng), entity)
            venue = rng.choice(town.venues) if town.venues and rng.random() < 0.8 else None  # noqa: PLR2004
            miner = cls(town, entity, wallet, venue, town.blocks_in(rng.uniform(3, 12)), rng.uniform(0.3, 1))
            for pool in rng.sample(town.pools, rng.randint(1, min(2, len(town.pools)))):
                pool.enlist(wallet.receive(role="payout"), rng.uniform(0.1, 1))
            town.note(entity.id, miner)
            miners.append(miner)
        return miners

    def act(self) -> None:
        """Sell some of what was earned."""
        if not self.town.busy or self.venue is None or self.town.height % self.every:
            return
        value = int(self.wallet.balance(self.town.height) * self.sells) - _KEEPS
        if value > _KEEPS:
            self.town.world.pay(self.wallet, self.venue.open_account(self.entity), value)
