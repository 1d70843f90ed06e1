"""A market maker: it carries coins from one exchange to another, in both directions, all day."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, Wallet

_FEES = 50_000  # satoshi


@dataclass(slots=True)
class MarketMaker:
    """One market maker with an account at every exchange."""

    town: Town
    entity: Entity
    wallet: Wallet
    rng: Random
    moves: float
    """Transfers a day."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one market maker where there are two exchanges to deal with."""
        if len(town.venues) < 2:  # noqa: PLR2004
            return []
        rng = town.rng("market_maker")
        entity = town.world.entity(Entity("lattice trading", "organization", rng.choice(["US", "GB", "VG"])))
        wallet = town.world.wallet("lattice trading", town.program(rng), entity)
        town.endow(wallet.receive(), 3 * BTC)
        one = cls(town, entity, wallet, rng, rng.uniform(0.5, 2))
        town.note(entity.id, one)
        return [one]

    def act(self) -> None:
        """Bring coins to one exchange, and order as many from another."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.moves)):
            to, back = self.rng.sample(self.town.venues, 2)
            value = self.town.amount(self.rng, 0.3)
            if self.wallet.balance(self.town.height) > value + _FEES:
                self.town.world.pay(self.wallet, to.open_account(self.entity), value)
                back.withdraw(self.entity, self.town.reused(self.wallet, self.rng), value * 999 // 1000)
