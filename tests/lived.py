"""A small world that was lived through in memory, with what was meant by every transaction."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Self, TypeVar

from worlds.agents import ROSTER, Agent
from worlds.agents.designated import Designated
from worlds.business.company import Company
from worlds.deeds import Deed, Happened, Settled
from worlds.ledger.keys import Address
from worlds.settings import Flavour, Settings, drawn
from worlds.simulate import live, settled
from worlds.town import Town

KINDS = ("pool", "exchange", "custodian", "people", "designated", *(k for k in ROSTER if k.endswith("-shell")))
_Kind = TypeVar("_Kind", bound=Agent)


@dataclass
class Lived:
    """A world that was lived through."""

    town: Town
    agents: list[Agent]
    deeds: list[tuple[int, Deed]] = field(default_factory=list)
    booked: list[tuple[int, Settled]] = field(default_factory=list)

    @classmethod
    def through(cls, settings: Settings) -> Self:
        """Live through a world."""
        lived = cls(*settled(drawn(settings)))
        lived.town.world.recorder = lived.record
        live(lived.town, lived.agents)
        return lived

    def record(self, block: Happened) -> None:
        """Keep what happened."""
        self.deeds += [(block.height, deed) for deed in block.deeds]
        self.booked += [(block.height, one) for one in block.booked]

    def all(self, kind: type[_Kind]) -> list[_Kind]:
        """Give all agents of a kind."""
        return [a for a in self.agents if isinstance(a, kind)]

    @property
    def designated(self) -> Designated:
        """The exchange that is put on the list."""
        (one,) = self.all(Designated)
        return one

    @property
    def companies(self) -> list[Company]:
        """Every company of every front."""
        rows = (getattr(a, "companies", None) or [getattr(a, "company", None)] for a in self.agents)
        return [c for row in rows for c in row if c is not None]

    @property
    def shells(self) -> dict[str, str]:
        """Type of each shell, by entity."""
        return {shell.entity.id: shell.type for shell in self.town.shells}

    def owner(self, wallet: str) -> str:
        """Entity that owns a wallet."""
        return self.town.world.wallets[wallet].owner.id

    def signer(self, deed: Deed) -> str:
        """Entity that signed a transaction first."""
        return self.owner(deed.by[0])

    def paid_to(self, deed: Deed) -> Iterator[tuple[Address, int, int]]:
        """Addresses and values of a transaction's outputs that are not change, with their numbers."""
        for n, (script, value) in enumerate(deed.outputs):
            address = self.town.world.address_of(script)
            if isinstance(address, Address) and n not in deed.change:
                yield address, value, n

    def settled(self) -> Iterator[tuple[int, Deed, Settled]]:
        """Every payment by a transaction, with its height."""
        for height, deed in self.deeds:
            for one in deed.paid:
                yield height, deed, one


def inhabited(seed: int, blocks: int, flavour: Flavour, *, signed: bool = False) -> Lived:
    """Live through a world of exchanges, people and fronts."""
    return Lived.through(Settings(seed, blocks, people=60, flavour=flavour, signed=signed, agents=KINDS))


@cache
def world(flavour: Flavour) -> Lived:
    """Give a world of 75 days."""
    return inhabited(5, 600, flavour)
