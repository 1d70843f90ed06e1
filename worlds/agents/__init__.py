"""The parties of a world, one file for each kind; all of the same shape, all in one table."""

from collections.abc import Iterable
from typing import Protocol, Self

from worlds.agents.channels import Channels
from worlds.agents.charity import Charity
from worlds.agents.contrary import Contrary
from worlds.agents.contrary_firms import ContraryFirms
from worlds.agents.contrary_front import ContraryFront
from worlds.agents.crowd import Crowd
from worlds.agents.custodial_mixer import CustodialMixer
from worlds.agents.custodian import Custodian
from worlds.agents.darknet import DarknetMarket
from worlds.agents.designated import Designated
from worlds.agents.desk import Desk
from worlds.agents.dust import Dust
from worlds.agents.exchange import Exchange
from worlds.agents.insolvency import Insolvency
from worlds.agents.joinmarket import JoinMarket
from worlds.agents.market import Market
from worlds.agents.market_maker import MarketMaker
from worlds.agents.miner import Miner
from worlds.agents.payjoin import PayJoin
from worlds.agents.payroll import Payroll
from worlds.agents.people import People
from worlds.agents.pool import Pool
from worlds.agents.processor import Processor
from worlds.agents.ransomware import Ransomware
from worlds.agents.shells.captive import Captive
from worlds.agents.shells.chain import Chain
from worlds.agents.shells.mixed import Mixed
from worlds.agents.shells.nested import Nested
from worlds.agents.shells.rotating import Rotating
from worlds.agents.shells.slow import Slow
from worlds.agents.shells.split import Split
from worlds.agents.shells.static import Static
from worlds.agents.treasury import Treasury
from worlds.agents.wabisabi import WabiSabi
from worlds.agents.wasabi1 import Wasabi1
from worlds.agents.whirlpool import Whirlpool
from worlds.town import Town


class Agent(Protocol):
    """Somebody who acts on the chain."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Move in: open parties and wallets, draw habits, and say what others need to know of them."""

    def act(self) -> None:
        """Do what there is to do in the block that comes next."""


# In the order in which they move in and act: whoever is needed by others comes first.
ROSTER: dict[str, type[Agent]] = {
    "pool": Pool,
    "exchange": Exchange,
    "custodian": Custodian,
    "people": People,
    "crowd": Crowd,
    "designated": Designated,
    "static-shell": Static,
    "chain-shell": Chain,
    "rotating-shell": Rotating,
    "mixed-shell": Mixed,
    "slow-shell": Slow,
    "split-shell": Split,
    "nested-shell": Nested,
    "captive-shell": Captive,
    "processor": Processor,
    "darknet": DarknetMarket,
    "charity": Charity,
    "miner": Miner,
    "desk": Desk,
    "market-maker": MarketMaker,
    "treasury": Treasury,
    "payroll": Payroll,
    "insolvency": Insolvency,
    "ransomware": Ransomware,
    "custodial-mixer": CustodialMixer,
    "payjoin": PayJoin,
    "wasabi1": Wasabi1,
    "wabisabi": WabiSabi,
    "whirlpool": Whirlpool,
    "joinmarket": JoinMarket,
    "market": Market,
    "channels": Channels,
    "dust": Dust,
    "contrary": Contrary,
    "contrary-firms": ContraryFirms,
    "contrary-front": ContraryFront,
}
# Kinds of party without which a kind has nobody to deal with, or nothing to hide.
_FRONT = ("designated",)
_CUSTOMERS = ("people",)
NEEDS: dict[str, tuple[str, ...]] = {
    "designated": ("exchange", "people"),
    **{name: _FRONT for name in ROSTER if name.endswith("-shell")},
    "desk": _CUSTOMERS,
    "market-maker": ("exchange",),
    "treasury": ("exchange",),
    "payroll": ("exchange", "people"),
    "insolvency": _CUSTOMERS,
    "ransomware": ("exchange",),
    "custodial-mixer": _CUSTOMERS,
    "payjoin": _CUSTOMERS,
    "wasabi1": _CUSTOMERS,
    "wabisabi": _CUSTOMERS,
    "whirlpool": _CUSTOMERS,
    "joinmarket": _CUSTOMERS,
    "market": _CUSTOMERS,
    "channels": _CUSTOMERS,
    "dust": _CUSTOMERS,
    "contrary": _CUSTOMERS,
    "contrary-firms": ("exchange", "people"),
    "contrary-front": _FRONT,
}


def with_needs(kinds: Iterable[str]) -> set[str]:
    """Give these kinds of party and all that they need."""
    found: set[str] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            waiting += NEEDS.get(kind, ())
    return found
