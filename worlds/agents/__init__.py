"""The parties of a world, one file for each kind; all of the same shape, all in one table."""

from typing import Protocol, Self

from worlds.agents.charity import Charity
from worlds.agents.darknet import DarknetMarket
from worlds.agents.desk import Desk
from worlds.agents.exchange import Exchange
from worlds.agents.insolvency import Insolvency
from worlds.agents.market_maker import MarketMaker
from worlds.agents.miner import Miner
from worlds.agents.payroll import Payroll
from worlds.agents.people import People
from worlds.agents.pool import Pool
from worlds.agents.processor import Processor
from worlds.agents.ransomware import Ransomware
from worlds.agents.treasury import Treasury
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
    "people": People,
    "processor": Processor,
    "darknet": DarknetMarket,
    "charity": Charity,
    "miner": Miner,
    "desk": Desk,
    "market_maker": MarketMaker,
    "treasury": Treasury,
    "payroll": Payroll,
    "insolvency": Insolvency,
    "ransomware": Ransomware,
}
