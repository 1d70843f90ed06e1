"""A mining pool: its rewards first go to those who buy new coins, then, day by day, to the miners who work for it."""

from dataclasses import dataclass, field
from random import Random
from typing import Self

from worlds.deeds import Payee, Payment
from worlds.parties import Entity
from worlds.town import FIRST_BUSY, Town
from worlds.wallet import BTC, Wallet

_NAMES = (("kita_pool", "JP"), ("angara_pool", "RU"), ("prairie_pool", "US"), ("delta_pool", "CN"))
_BATCH = 30
_OLD = 0.85  # of pools: those with an old server
_FEES = BTC // 1000  # satoshi kept back for the fees of a payout


@dataclass(slots=True)
class Pool:
    """One pool."""

    town: Town
    entity: Entity
    wallet: Wallet
    power: float
    payout_every: int
    """Blocks between payouts."""
    rng: Random
    miners: list[tuple[Payee, float]] = field(default_factory=list)

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open two to four pools; their shares of the blocks differ."""
        rng = town.rng("pool")
        pools = []
        for name, where in _NAMES[: rng.randint(2, len(_NAMES))]:
            entity = town.world.entity(Entity(name, "mining_pool", where, service=True))
            habits = town.servers["old server" if rng.random() < _OLD else "server"]
            wallet = town.world.wallet(name, habits, entity)
            pool = cls(town, entity, wallet, rng.uniform(0.2, 1), town.blocks_in(rng.uniform(0.5, 3)), rng)
            town.note(name, pool)
            pools.append(pool)
        town.pools.extend(pools)
        return pools

    def enlist(self, to: Payee, power: float) -> None:
        """Pay a miner for its work from now on."""
        self.miners.append((to, power))

    def act(self) -> None:
        """Sell coins to those who start with some; later pay the miners."""
        if self.town.endowments:
            self._sell()
        elif self.town.height >= FIRST_BUSY and self.miners and self.town.height % self.payout_every == 0:
            self._pay_out()

    def _sell(self) -> None:
        funds = self.wallet.balance(self.town.height) - _FEES
        sold: list[Payment] = []
        while self.town.endowments and len(sold) < _BATCH and funds >= self.town.endowments[0][1]:
            to, value = self.town.endowments.pop(0)
            funds -= value
            sold.append(Payment(to, value))
        if sold:
            self.town.world.batch(self.wallet, sold)

    def _pay_out(self) -> None:
        funds = (self.wallet.balance(self.town.height) - _FEES) * 9 // 10
        power = sum(p for _, p in self.miners)
        due = [Payment(to, int(funds * p / power)) for to, p in self.miners if funds * p / power > BTC // 100]
        for n in range(0, len(due), _BATCH):
            self.town.world.batch(self.wallet, due[n : n + _BATCH], word="payout")
