"""Where the agents of a world meet: who is there to be paid, where one can have an account, what day it is."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from worlds.deeds import Payee, Payment
from worlds.ledger.blocks import MATURITY
from worlds.ledger.keys import Address, AddressKind
from worlds.parties import Entity
from worlds.prices import daily
from worlds.programs import HELD_OUT, HELD_OUT_SERVERS, PROGRAMS, SERVER_SHARES, SERVERS
from worlds.settings import DAY, Flavour, Settings
from worlds.wallet import BTC, LONGEST_SCRIPT, Habits, Wallet, vbytes
from worlds.words import World

FIRST_BUSY = MATURITY + 16  # height from which everybody has received what he starts with
_SPREAD = 1.1  # of the logarithm of amounts
_SMALLEST = 20_000  # satoshi
_BUSINESS_REUSES = 0.7


class Venue(Protocol):
    """An exchange as its customers see it."""

    entity: Entity

    @property
    def kind(self) -> AddressKind:
        """Script kind of its deposit addresses."""

    def open_account(self, customer: Entity) -> Address:
        """Give the deposit address of a customer, the same one each time."""

    def withdraw(self, customer: Entity, to: Payee, value: int) -> None:
        """Ask for a payout; it is made with the next batch."""


class Shop(Protocol):
    """Anybody who takes payments from the public."""

    entity: Entity

    def invoice(self, payer: Entity) -> Address:
        """Give the address that this payer is to pay."""


class Miners(Protocol):
    """A pool as the others see it."""

    entity: Entity
    wallet: Wallet
    power: float
    """Its share of the blocks."""

    def enlist(self, to: Payee, power: float) -> None:
        """Pay a miner for its work from now on."""


class Principal(Protocol):
    """A party whose payments fronts hide, as its fronts and its partners see it."""

    entity: Entity

    def home(self) -> Address:
        """Give the address at which it wants to be paid today."""

    def pay(self, to: Payee, value: int) -> None:
        """Ask for a payment; it is made as soon as there are funds."""


class Front(Protocol):
    """Companies through which a principal pays, and is paid, without being seen."""

    weight: float
    """How much of the principal's business it gets, compared with others."""

    def route_out(self, to: Payee, value: int) -> list[Payment]:
        """Take on a payment on the principal's account; gives what the principal is to pay for it, and where."""

    def till(self) -> Address:
        """Give an address for a partner to pay to; what comes there is passed on to the principal."""


@dataclass(slots=True, eq=False)
class Person:
    """A private party with one wallet, and accounts at exchanges."""

    wallet: Wallet
    accounts: list[tuple[Venue, Address]] = field(default_factory=list)

    @property
    def entity(self) -> Entity:
        """Who it is."""
        return self.wallet.owner


@dataclass(slots=True)
class Town:
    """Everyone who lives in a world, as far as others deal with them."""

    world: World
    settings: Settings
    pools: list[Miners] = field(default_factory=list)
    venues: list[Venue] = field(default_factory=list)
    shops: list[Shop] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    designated: list[Entity] = field(default_factory=list)
    """Who is put on the list at `t0`."""
    principals: list[Principal] = field(default_factory=list)
    """Those of them who go on through fronts."""
    fronts: list[Front] = field(default_factory=list)
    """The fronts that are theirs."""
    mixers: list[Shop] = field(default_factory=list)
    """Custodial mixers."""
    endowments: list[tuple[Payee, int]] = field(default_factory=list)
    """What the pools still have to sell to those who start with coins."""
    shells: list["Shell"] = field(default_factory=list)
    notes: dict[str, dict[str, object]] = field(default_factory=dict)
    """Parameters that agents drew, by agent: they go into the truth."""
    prices: list[float] = field(default_factory=list)
    """US dollars per bitcoin, by day."""

    def __post_init__(self) -> None:
        """Draw the prices of every day."""
        days = 2 + int(self.settings.blocks / self.settings.per_day)
        self.prices = self.prices or daily(self.settings.seed, days)

    @property
    def height(self) -> int:
        """Height of the block that comes next."""
        return self.world.height

    @property
    def t0(self) -> int:
        """Height at which the list names its party."""
        busy = self.settings.blocks - FIRST_BUSY
        return FIRST_BUSY + int(busy * self.settings.designation)

    @property
    def busy(self) -> bool:
        """Whether everybody has what he starts with."""
        return self.height >= FIRST_BUSY

    def time_of(self, height: int) -> int:
        """Header time of the block at a height, past or to come, in seconds since 1970."""
        return self.world.chain.next_time + (height - self.height) * self.settings.interval

    def rng(self, name: str) -> random.Random:
        """Give an agent its own source of chance, so that others' choices do not change its own."""
        return random.Random(f"{self.settings.seed}/{self.settings.flavour}/{name}")  # noqa: S311 -- repeatable

    def happens(self, rng: random.Random, per_day: float) -> int:
        """Draw how often something happens in one block that happens `per_day` times a day (Poisson)."""
        limit, n, product = math.exp(-per_day * self.settings.interval / DAY), 0, rng.random()
        while product > limit:
            n += 1
            product *= rng.random()
        return n

    def blocks_in(self, days: float) -> int:
        """Blocks in so many days, at least one."""
        return max(1, round(days * self.settings.per_day))

    def amount(self, rng: random.Random, median: float) -> int:
        """Draw a payment in satoshi around a median in bitcoin; some are round in bitcoin, some in dollars."""
        value = max(_SMALLEST, int(median * BTC * math.exp(rng.gauss(0, _SPREAD))))
        if rng.random() >= self.settings.round_share:
            return value
        if rng.random() < 0.5:  # noqa: PLR2004 -- half of them
            unit = int(10 ** max(4, len(str(value)) - 2))
            return max(unit, value // unit * unit)
        price = self.prices[min(int(self.height / self.settings.per_day), len(self.prices) - 1)]
        dollars = max(10, round(value / BTC * price / 10) * 10)
        return max(_SMALLEST, int(dollars / price * BTC))

    def program(self, rng: random.Random) -> Habits:
        """Draw the wallet program of one more person."""
        names = list(self.settings.programs)
        name = rng.choices(names, [self.settings.programs[n] for n in names])[0]
        return (PROGRAMS | HELD_OUT)[name].habits

    @property
    def servers(self) -> dict[str, Habits]:
        """The programs that businesses run here, by kind."""
        return SERVERS if self.settings.flavour is Flavour.TUNE else HELD_OUT_SERVERS

    def server(self, rng: random.Random) -> Habits:
        """Draw the program of one more business."""
        return self.servers[rng.choices(list(SERVER_SHARES), list(SERVER_SHARES.values()))[0]]

    def endow(self, to: Payee, value: int) -> None:
        """Let a party start with coins: the pools sell it their first rewards."""
        self.endowments.append((to, value))

    def address_of(self, person: Person, rng: random.Random) -> Address:
        """Give the address at which a person is paid: now and then one that was given out before."""
        known = person.wallet.addresses
        if known and rng.random() < self.settings.reuse:
            return known[-1] if known[-1].role == "receive" else known[0]
        return person.wallet.receive()

    def reused(self, wallet: Wallet, rng: random.Random) -> Address:
        """Give the address at which a business is paid: as a rule the one it always gives, now and then a new one."""
        if wallet.addresses and rng.random() < _BUSINESS_REUSES:
            return wallet.addresses[0]
        return wallet.receive()

    def affords(self, wallet: Wallet, payments: Sequence[Payment]) -> bool:
        """Tell whether a wallet can make these payments in one transaction, even if that takes all its coins."""
        coins = wallet.spendable(self.height)
        scripts = [*(p.to.script for p in payments), LONGEST_SCRIPT]
        fee = wallet.habits.fee_for(vbytes(coins, scripts), self.world.fee_level)
        return sum(c.value for c in coins) >= sum(p.value for p in payments) + fee

    def note(self, name: str, agent: Any) -> None:
        """Keep the parameters that an agent drew for itself: its fields that are plain numbers and words."""
        values = ((f.name, getattr(agent, f.name)) for f in fields(agent))
        self.notes[name] = {key: value for key, value in values if isinstance(value, int | float | str)}


@dataclass(slots=True)
class Shell:
    """A front, as the truth knows it; heights, `to_height` None while it goes on."""

    entity: Entity
    type: str
    principal: Entity
    from_height: int
    to_height: int | None = None
