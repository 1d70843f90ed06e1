"""An employer that pays in bitcoin: it buys at one exchange and pays its staff in one batch a few hours later.

One source, quick passage, many payees: in shape a front for the exchange, in fact none.
"""

from dataclasses import dataclass
from typing import Self

from worlds.deeds import Payment
from worlds.parties import Entity
from worlds.town import Person, Town, Venue
from worlds.wallet import BTC, Wallet

_DUE = 2  # blocks between the order and the payday
_FEES = 100_000  # satoshi


@dataclass(slots=True)
class Payroll:
    """One employer."""

    town: Town
    entity: Entity
    wallet: Wallet
    venue: Venue
    staff: list[tuple[Person, int]]
    every: int
    """Blocks between paydays."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one employer with eight to twenty people on its staff."""
        if not town.venues or not town.people:
            return []
        rng = town.rng("payroll")
        entity = town.world.entity(Entity("kogane works", "organization", "JP"))
        wallet = town.world.wallet("kogane works", town.program(rng), entity)
        staff = rng.sample(town.people, min(len(town.people), rng.randint(8, 20)))
        paid = [(person, int(rng.uniform(0.01, 0.08) * BTC)) for person in staff]
        one = cls(town, entity, wallet, rng.choice(town.venues), paid, town.blocks_in(rng.uniform(6, 15)))
        town.note(entity.id, one)
        return [one]

    def act(self) -> None:
        """Order coins two blocks before payday; pay everyone once they are there."""
        if not self.town.busy:
            return
        wages = sum(value for _, value in self.staff)
        phase = self.town.height % self.every
        if phase == 0:
            self.venue.withdraw(self.entity, self.wallet.receive(), wages + _FEES)
        elif phase >= _DUE and self.wallet.balance(self.town.height) > wages + _FEES // 2:
            paid = [Payment(person.wallet.receive(), value) for person, value in self.staff]
            self.town.world.batch(self.wallet, paid)
