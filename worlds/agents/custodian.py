"""A custodian that two exchanges share: it makes the deposit addresses of both and sweeps them together.

One transaction spends the deposits of both and pays each exchange's hot wallet, so that co-spending shows the
custodian, not the exchanges. What an address is there for is still its exchange's business.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.agents.exchange import Exchange
from worlds.deeds import Payment, Share
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, LONGEST_SCRIPT, Wallet, vbytes

_NAME, _PLACE = "strongroom", "CH"
_SERVED = (("shirakaba", "JP"), ("tagus", "PT"))
_AT_ONCE = 40  # coins of one exchange in one sweep
_WORTH = BTC // 20  # satoshi: less than that is not worth a sweep


@dataclass(slots=True)
class Custodian:
    """The custodian, with the exchanges that it serves."""

    town: Town
    entity: Entity
    wallet: Wallet
    """Its own earnings; it holds the keys of the deposits too."""
    served: list[Exchange]
    sweep_every: int
    """Blocks between sweeps."""
    charge: float
    """Share of what is swept that it keeps."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the custodian and its two exchanges."""
        rng = town.rng("custodian")
        entity = town.world.entity(Entity(_NAME, "wallet_service", _PLACE, service=True))
        wallet = town.world.wallet(_NAME, town.servers["custody"], entity)
        served = [cls._serve(town, name, where, wallet, rng) for name, where in _SERVED]
        town.venues.extend(served)
        one = cls(town, entity, wallet, served, town.blocks_in(rng.uniform(0.7, 2.5)), rng.uniform(0.0005, 0.002))
        town.note(entity.id, one)
        return [one]

    @staticmethod
    def _serve(town: Town, name: str, where: str, wallet: Wallet, rng: Random) -> Exchange:
        venue = Exchange.open(town, Entity(name, "exchange", where, service=True), rng, wallet)
        venue.sweep_every = town.settings.blocks + 1  # never: the custodian does it
        return venue

    def act(self) -> None:
        """Let the exchanges do their business, and sweep both at once."""
        for venue in self.served:
            venue.act()
        if self.town.busy and self.town.height % self.sweep_every == 0:
            self._sweep()

    def _sweep(self) -> None:
        """Spend the deposits of both in one transaction, with what the custodian earned before."""
        height = self.town.height
        chosen = [(venue, venue.deposits.spendable(height)[:_AT_ONCE]) for venue in self.served]
        worth = [(venue, coins) for venue, coins in chosen if sum(c.value for c in coins) > _WORTH]
        if not worth:
            return
        earned = self.wallet.spendable(height)
        income = sum(c.value for c in earned)
        shares = []
        for venue, coins in worth:
            kept = int(sum(c.value for c in coins) * self.charge)
            income += kept
            self.town.world.book(venue.entity, self.entity, kept)
            shares.append(self._share(venue, coins, kept))
        own = Payment(self.wallet.receive(), income)
        shares.append(Share(self.wallet, earned, [own], (0,)))
        self.town.world.joint(shares, "sweep", habits=self.wallet.habits)

    def _share(self, venue: Exchange, coins: list[Coin], kept: int) -> Share:
        """Give one exchange's part: all its coins, less the charge and the fee, to its hot wallet."""
        to = venue.hot.receive(role="hot")
        fee = self.wallet.habits.fee_for(vbytes(coins, [to.script, LONGEST_SCRIPT]) + 100, self.town.world.fee_level)
        value = sum(c.value for c in coins) - kept - fee
        return Share(venue.deposits, coins, [Payment(to, value, venue.entity)])
