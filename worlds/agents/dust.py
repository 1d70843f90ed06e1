"""Dust attackers: next to nothing goes to many known addresses, so that their owners spend it beside other coins.

Now and then it goes to a single one, as those do who want an address of their own to stand in somebody's history.
Neither is a payment for anything.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.funds import spare
from worlds.deeds import Payment
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, Wallet

_NAMES = ("crumb", "tick")
_LEAST, _MOST = 546, 1_000  # satoshi
_FUNDS = BTC // 10


@dataclass(slots=True)
class Dust:
    """One attacker."""

    town: Town
    entity: Entity
    wallet: Wallet
    rng: Random
    per_day: float
    """Waves of dust."""
    widest: int
    """Addresses of one wave."""
    singles: float
    """Addresses a day that get dust by themselves."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one or two attackers."""
        rng = town.rng("dust")
        found = []
        for name in _NAMES[: rng.randint(1, len(_NAMES))]:
            entity = town.world.entity(Entity(name, "scam"))
            wallet = town.world.wallet(name, town.servers["server"], entity)
            town.endow(wallet.receive(), _FUNDS)
            widest = min(60, 5 + len(town.people) // 4)
            one = cls(town, entity, wallet, rng, rng.uniform(0.03, 0.08), widest, rng.uniform(0.1, 0.25))
            town.note(name, one)
            found.append(one)
        return found

    def act(self) -> None:
        """Send dust."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.per_day)):
            self._send(self.rng.randint(self.widest // 3, self.widest))
        for _ in range(self.town.happens(self.rng, self.singles)):
            self._send(1)

    def _send(self, n: int) -> None:
        value = self.rng.randint(_LEAST, _MOST)
        targets = self._targets(n)
        if targets and spare(self.town.world, self.wallet, n + 1) > value * n:
            self.town.world.batch(self.wallet, [Payment(to, value) for to in targets], word="dust")

    def _targets(self, n: int) -> list[Address]:
        """Addresses that are known to hold coins, people's and those their exchanges gave them."""
        known: list[Address] = []
        for person in self.rng.sample(self.town.people, min(n, len(self.town.people))):
            held = [c.address for c in person.wallet.coins.values()]
            known += [self.rng.choice(held)] if held else []
            known += [address for _, address in person.accounts]
        return self.rng.sample(known, min(n, len(known)))
