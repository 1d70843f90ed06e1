"""Wasabi 1: rounds in which everybody gets about 0.1 BTC, with change beside it; later also twice, four times that.

The denomination falls a little from round to round, so that a coin of an earlier round pays for its next one.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.funds import endow, fee_rate, spare
from worlds.business.members import Member, between_mixes, join
from worlds.deeds import Order, Output, Payment, Share
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, Fee, Habits, Wallet

WASABI = Habits(version=1, sequence=0xFFFFFFFF, fee=Fee.MARKET, program="wasabi")
_IN, _OUT = 69, 31  # virtual bytes of a P2WPKH input and output
_MOST_INPUTS = 7
_LEAST = 10  # participants
_LEAST_CHANGE = 10_000  # satoshi; what is less goes to the coordinator


@dataclass(slots=True)
class Wasabi1:
    """The coordinator and those who mix with it."""

    town: Town
    coordinator: Wallet
    members: list[Member]
    rng: Random
    denomination: int
    every: int
    """Blocks between rounds."""
    largest: int
    """Participants of a round."""
    levels_from: int
    """Height from which there are several levels."""
    percent: float
    """Coordinator's fee, of the denomination and for each participant that shares it."""
    remixes: float
    """Chance that a coin of an earlier round takes part again."""
    due: int = 0

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the coordinator, and wallets for those who use it."""
        rng = town.rng("wasabi1")
        if len(town.people) < _LEAST:
            return []
        entity = town.world.entity(Entity("wasabi1", "coinjoin", "GI", service=True))
        coordinator = town.world.wallet("wasabi1", WASABI, entity)
        members = join(town, rng, "wasabi1", rng.uniform(0.2, 0.3), WASABI)
        for member in members:
            endow(town, rng, member.wallet, rng.randint(1, 3), rng.choice((0.3, 0.3, 0.8)))
        one = cls(
            town,
            coordinator,
            members,
            rng,
            denomination=int(BTC * rng.uniform(0.0995, 0.11)),
            every=town.blocks_in(rng.uniform(3.5, 5.5)),
            largest=rng.randint(16, 30),
            levels_from=int(town.settings.blocks * rng.uniform(0.4, 0.7)),
            percent=0.003,
            remixes=rng.uniform(0.4, 0.9),
        )
        town.note("wasabi1", one)
        return [one]

    def act(self) -> None:
        """Hold a round when it is time; in between, members bring coins and spend what is mixed."""
        if not self.town.busy:
            return
        if self.town.height >= self.due:
            self._round()
        n = len(self.members)
        between_mixes(self.town, self.rng, self.members, top_ups=n / 60, spends=n / 50)
        if self.town.height % (self.every * 5) == 0 and spare(self.town.world, self.coordinator) > BTC // 100:
            self.town.world.sweep(self.coordinator, self.coordinator.receive())

    def _round(self) -> None:
        rate = fee_rate(self.town.world)
        # What a coin of the round before has over the denomination pays for its input and two outputs.
        denomination = self.denomination - (_IN + 2 * _OUT) * rate
        wanted = self.rng.randint(12, self.largest)
        brought: list[tuple[Member, list[Coin]]] = []
        for member in self.rng.sample(self.members, len(self.members)):
            if len(brought) < wanted and (coins := self._coins(member, denomination, rate)):
                brought.append((member, coins))
        if len(brought) < _LEAST:
            self.due = self.town.height + self.town.blocks_in(0.5)
            return
        self.due = self.town.height + self.every
        self.denomination = denomination
        self._mix(brought, rate)

    def _coins(self, member: Member, denomination: int, rate: int) -> list[Coin]:
        """What a member brings: coins not mixed yet, until they suffice, or one mixed coin."""
        chosen: list[Coin] = []
        for coin in member.coins(self.town.height, mixed=False):
            chosen.append(coin)
            need = denomination + (_IN * len(chosen) + 2 * _OUT) * rate
            if sum(c.value for c in chosen) >= need and len(chosen) <= _MOST_INPUTS:
                return chosen
        need = denomination + (_IN + 2 * _OUT) * rate
        mixed = [c for c in member.coins(self.town.height, mixed=True) if c.value >= need]
        return mixed[:1] if self.rng.random() < self.remixes else []

    def _mix(self, brought: list[tuple[Member, list[Coin]]], rate: int) -> None:
        rest = {m: sum(c.value for c in cs) - (_IN * len(cs) + 2 * _OUT) * rate for m, cs in brought}
        mixed: dict[Member, list[Payment]] = {m: [] for m, _ in brought}
        fees: dict[Member, int] = dict.fromkeys(rest, 0)
        value, able = self.denomination, list(rest)
        while len(able) > 1:
            for member in able:
                mixed[member].append(Payment(member.wallet.receive(role="mix"), value))
                rest[member] -= value + (_OUT * rate if len(mixed[member]) > 1 else 0)
                fees[member] += int(value * self.percent / 100 * len(able))
            value *= 2
            several = self.town.height >= self.levels_from
            able = [m for m in able if several and rest[m] >= value * 11 // 10]
        shares = []
        for member, coins in brought:
            change, fee = rest[member] - fees[member], fees[member]
            kept = [Payment(member.wallet.receive(role="change"), change)] if change > _LEAST_CHANGE else []
            fees[member] = fee if kept else rest[member]
            outputs = [*mixed[member], *kept]
            shares.append(Share(member.wallet, coins, outputs, range(len(outputs) - len(kept), len(outputs))))
            if fees[member]:
                self.town.world.book(member.entity, self.coordinator.owner, fees[member])
        fee = sum(fees.values())
        income: list[Output] = [(self.coordinator.receive().script, fee)] if fee else []
        self.town.world.joint(shares, "wasabi1", Order.SORTED, habits=WASABI, extra=income)
