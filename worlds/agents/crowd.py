"""The crowd: as many further people and services as it takes to fill the blocks, made in bulk and unsigned.

They deal with each other above all; some pay the shops and the people of the town, and some are customers of its
exchanges or miners of its pools, so that no trail ends at the town's border.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.deeds import Payee, Received
from worlds.fast.crowd import Batch
from worlds.fast.crowd import Crowd as Engine
from worlds.ledger.keys import Guest
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC

_BEGINNERS = 240  # people who start with coins; everyone else is paid by somebody
_MINERS = 20
_START = 4 * BTC
_DEALS = 0.01  # of the crowd's transactions: orders from the town, and as many payouts of its exchanges
_MOST_DEALS = 12  # a block


@dataclass(slots=True)
class Crowd:
    """The whole crowd."""

    town: Town
    engine: Engine
    rng: Random
    n_tx: int
    """Transactions that it makes in a block, once it has the coins."""
    deals: int
    """Orders that it takes, and payouts that it asks for, in a block."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Gather a crowd, if there is to be one."""
        wanted = town.settings.crowd
        if not wanted:
            return []
        engine = Engine(town.settings.seed, wanted * town.settings.blocks)
        deals = min(_MOST_DEALS, max(1, int(wanted * _DEALS)))
        crowd = cls(town, engine, town.rng("crowd"), wanted, deals)
        town.world.crowd = crowd
        for guest in crowd.guests(_BEGINNERS):
            town.endow(guest, _START)
        for pool in town.pools:
            for guest in crowd.guests(_MINERS):
                pool.enlist(guest, crowd.rng.uniform(0.1, 1))
        town.note("crowd", crowd)
        return [crowd]

    def guests(self, n: int) -> list[Guest]:
        """Give addresses of `n` people of the crowd."""
        found = [Guest(script, self.engine.name(ticket), ticket) for script, ticket in self.engine.receive(n)]
        for guest in found:
            self.town.world.welcome(guest)
        return found

    def act(self) -> None:
        """Order payments to the town, and payouts from its exchanges."""
        if not self.town.busy:
            return
        for _ in range(self.deals if self.town.people else 0):
            to = self._somebody()
            payee = to.of or self.town.world.wallets[to.owner].owner.id
            wallet = self.town.world.wallets[to.owner].group
            self.engine.order(to.script, self.town.amount(self.rng, 0.005), wallet, payee)
        if self.town.venues:
            for guest in self.guests(self.deals):
                venue = self.rng.choice(self.town.venues)
                venue.withdraw(Entity(guest.owner), guest, self.town.amount(self.rng, 0.02))

    def _somebody(self) -> Payee:
        """Choose who is paid by the crowd: a shop, a person, or a person's account at an exchange."""
        if self.town.shops and self.rng.random() < 0.5:  # noqa: PLR2004 -- half of them
            return self.rng.choice(self.town.shops).invoice(Entity("crowd"))
        person = self.rng.choice(self.town.people)
        if person.accounts and self.rng.random() < 0.5:  # noqa: PLR2004
            return person.accounts[0][1]
        return self.town.address_of(person, self.rng)

    def fill(self, height: int, weight: int) -> Batch:
        """Make the crowd's transactions for the block that comes."""
        return self.engine.fill(height, self.n_tx if self.town.busy else 0, weight)

    def receive(self, height: int, paid: Sequence[Received]) -> None:
        """Credit what was paid to people of the crowd."""
        for guest, (txid, vout), value in paid:
            self.engine.credit(guest.ticket, txid, vout, value, height)
