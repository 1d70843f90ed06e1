"""A rotating front: every few days a new company takes over, and the old one hands over what it has left."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.company import Company
from worlds.business.terms import Terms
from worlds.deeds import Payee, Payment
from worlds.ledger.keys import Address
from worlds.settings import Flavour
from worlds.town import Principal, Town

_LATE = 1.5  # days for which partners may still pay the old company
_WORTH = 20_000  # satoshi


@dataclass(slots=True)
class Rotating:
    """All companies so far; the last one does the new business."""

    town: Town
    principal: Principal
    rng: Random
    shortest: float
    """Days for which a company does new business at least."""
    longest: float
    companies: list[Company]
    next_at: int
    """Height at which the next company takes over."""
    leaving: dict[int, int]
    """Companies that do no new business: number → height from which they may hand over."""
    weight: float

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the first company for whoever will be designated."""
        tune = town.settings.flavour is Flavour.TUNE
        found = []
        for principal in town.principals:
            rng = town.rng(f"rotating {principal.entity.id}")
            days = (rng.uniform(1.5, 3), rng.uniform(4, 6)) if tune else (rng.uniform(3, 4), rng.uniform(5, 7))
            one = cls(town, principal, rng, *days, companies=[], next_at=town.t0, leaving={}, weight=3 if tune else 4)
            one._open(town.t0)
            town.note(f"rotating {principal.entity.id}", one)
            found.append(one)
        town.fronts.extend(found)
        return found

    def route_out(self, to: Payee, value: int) -> list[Payment]:
        """Let the newest company take it on."""
        return self.companies[-1].route_out(to, value)

    def till(self) -> Address:
        """Give an address of the newest company."""
        return self.companies[-1].till()

    def act(self) -> None:
        """Pass on what is due; found the next company, and close those that are done."""
        for company in self.companies:
            company.act()
        height = self.town.height
        if height >= self.next_at:
            self.leaving[len(self.companies) - 1] = height + self.town.blocks_in(_LATE)
            self._open(height)
        for number, until in list(self.leaving.items()):
            if height >= until and not self.companies[number].lots:
                del self.leaving[number]
                self._hand_over(self.companies[number])

    def _open(self, height: int) -> None:
        terms = Terms.drawn(self.town, self.rng)
        self.companies.append(Company.found(self.town, self.rng, "rotating", self.principal, terms))
        self.next_at = height + self.town.blocks_in(self.rng.uniform(self.shortest, self.longest))

    def _hand_over(self, old: Company) -> None:
        """Pay what an old company has left to the newest one."""
        old.shell.to_height = self.town.height
        new = self.companies[-1].wallet
        coins = old.wallet.spendable(self.town.height)
        if coins and self.town.affords(old.wallet, [Payment(new.addresses[0], _WORTH)] if new.addresses else []):
            self.town.world.spend(old.wallet, coins, new.receive(role="front"), word="hand_over")
