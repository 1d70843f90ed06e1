"""Wasabi 2 (WabiSabi): rounds without one denomination. Each member's coins are taken apart into standard amounts.

Inputs and outputs are listed by value, largest first. Coins that were mixed before take part again.
"""

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.agents.wasabi1 import WASABI
from worlds.business.funds import endow, fee_rate
from worlds.business.members import Member, between_mixes, join
from worlds.deeds import Order, Output, Payment, Share
from worlds.ledger.keys import Address, AddressKind
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, INPUT_VBYTES, Wallet

_LEAST_VALUE, _MOST_VALUE = 5_000, 1_000 * BTC  # satoshi of an output
STANDARD = sorted(
    {
        value
        for value in (
            *(2**n for n in range(40)),
            *(k * 3**n for n in range(25) for k in (1, 2)),
            *(k * 10**n for n in range(12) for k in (1, 2, 5)),
        )
        if _LEAST_VALUE <= value <= _MOST_VALUE
    },
    reverse=True,
)
_OUT = 43  # virtual bytes of a P2TR output; a P2WPKH output is reckoned the same, as the coordinator does
_PLEBS = BTC // 100  # coins up to this pay no coordinator's fee
_LEAST_INPUTS, _MOST_INPUTS, _MOST_OUTPUTS = 20, 60, 8
_LEAST_MEMBERS = 6
_OF_ONE = 6  # coins that a member brings at most


@dataclass(slots=True)
class WabiSabi:
    """The coordinator and those who mix with it."""

    town: Town
    coordinator: Wallet
    members: list[Member]
    rng: Random
    every: int
    """Blocks between rounds."""
    fee: float
    """Coordinator's, of coins that were not mixed before."""
    taproot: float
    """Share of outputs that are P2TR."""
    remixes: float
    """Chance that a coin of an earlier round takes part again."""
    due: int = 0

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the coordinator, and wallets for those who use it."""
        rng = town.rng("wabisabi")
        if len(town.people) < _LEAST_MEMBERS:
            return []
        entity = town.world.entity(Entity("wabisabi", "coinjoin", "GI", service=True))
        coordinator = town.world.wallet("wabisabi", WASABI, entity)
        members = join(town, rng, "wabisabi", rng.uniform(0.15, 0.25), WASABI)
        for member in members:
            endow(town, rng, member.wallet, rng.randint(1, 4), rng.choice((0.05, 0.2, 0.6)))
        taproot = rng.choice((0.0, 0.5))
        every = town.blocks_in(rng.uniform(3.5, 6))
        one = cls(town, coordinator, members, rng, every, 0.003, taproot, rng.uniform(0.5, 0.9))
        town.note("wabisabi", one)
        return [one]

    def act(self) -> None:
        """Hold a round when it is time; in between, members bring coins and spend what is mixed."""
        if not self.town.busy:
            return
        if self.town.height >= self.due:
            self._round()
        n = len(self.members)
        between_mixes(self.town, self.rng, self.members, top_ups=n / 70, spends=n / 40)

    def _round(self) -> None:
        wanted, n = self.rng.randint(_LEAST_INPUTS + 4, _MOST_INPUTS), 0
        brought: list[tuple[Member, list[Coin]]] = []
        for member in self.rng.sample(self.members, len(self.members)):
            coins = [
                c for c in member.coins(self.town.height) if c.address.role != "mix" or self.rng.random() < self.remixes
            ]
            coins = self.rng.sample(coins, min(len(coins), self.rng.randint(1, _OF_ONE), wanted - n))
            if coins:
                brought.append((member, coins))
                n += len(coins)
        if n < _LEAST_INPUTS or len(brought) < _LEAST_MEMBERS:
            self.due = self.town.height + self.town.blocks_in(0.5)
            return
        self.due = self.town.height + self.every
        self._mix(brought)

    def _mix(self, brought: list[tuple[Member, list[Coin]]]) -> None:
        rate = fee_rate(self.town.world)
        sizes = self._in_demand([c for _, coins in brought for c in coins], rate)
        shares, fees = [], []
        for member, coins in brought:
            fee = sum(int(c.value * self.fee) for c in coins if c.value > _PLEBS and c.address.role != "mix")
            budget = sum(c.value - INPUT_VBYTES[c.address.kind] * rate for c in coins) - fee
            values, change = self._taken_apart(budget, sizes, rate)
            outputs = [Payment(self._address(member, "mix"), v) for v in values]
            outputs += [Payment(self._address(member, "change"), v) for v in change]
            shares.append(Share(member.wallet, coins, outputs, range(len(values), len(outputs))))
            fees.append((member.entity, fee))
        income = sum(fee for _, fee in fees)
        paid: list[Output] = []
        if income >= _LEAST_VALUE:
            paid.append((self.coordinator.receive().script, income))
            for payer, fee in fees:
                if fee:
                    self.town.world.book(payer, self.coordinator.owner, fee)
        self.town.world.joint(shares, "wabisabi", Order.BY_VALUE, habits=WASABI, extra=paid)

    def _address(self, member: Member, role: str) -> Address:
        kind = AddressKind.P2TR if self.rng.random() < self.taproot else AddressKind.P2WPKH
        return member.wallet.receive(kind, role)

    def _in_demand(self, coins: list[Coin], rate: int) -> list[int]:
        """The standard amounts that several coins would be taken apart into, largest first."""
        wanted: Counter[int] = Counter()
        for coin in coins:
            rest = coin.value
            for size in STANDARD:
                if size + _OUT * rate <= rest:
                    wanted[size] += 1
                    rest -= size + _OUT * rate
        return [size for size in STANDARD if wanted[size] > 1]

    def _taken_apart(self, budget: int, sizes: list[int], rate: int) -> tuple[list[int], list[int]]:
        """Standard amounts and change that a budget pays for; what is too little for an output goes to the miners."""
        values: list[int] = []
        while len(values) < _MOST_OUTPUTS and (fits := [s for s in sizes if s + _OUT * rate <= budget][:3]):
            values.append(self.rng.choice(fits))
            budget -= values[-1] + _OUT * rate
        change = budget - _OUT * rate
        return values, [change] if change >= _LEAST_VALUE else []
