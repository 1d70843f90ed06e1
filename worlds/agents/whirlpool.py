"""Whirlpool: pools of one amount each. A Tx0 cuts a deposit into coins of it, which are mixed by fives to eights.

One to four coins of a mix come from a Tx0 and pay the miners, the others are remixed for nothing.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Self

from worlds.business.funds import endow, fee_rate
from worlds.business.members import Member, join, spend_mixed, top_up
from worlds.deeds import Order, Payment, Share
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, ChangeAt, Fee, Habits, InputOrder, Wallet

SAMOURAI = Habits(
    version=1,
    sequence=0xFFFFFFFF,
    change_at=ChangeAt.SORTED,
    fee=Fee.MARKET,
    inputs=InputOrder.SORTED,
    program="samourai",
)
POOLS = {BTC // 1000: 5_000, BTC // 100: 50_000, BTC // 20: 175_000, BTC // 2: 1_750_000}  # amount: coordinator's fee
_IN, _OUT = 69, 31  # virtual bytes of a P2WPKH input and output
_MOST_OVER = 100_000  # satoshi that a coin of a Tx0 has over the pool's amount at most
_NOTE = b"\x6a\x40"  # OP_RETURN and 64 bytes: the payment code that the fee is checked by
_MIX_BYTES = 530  # virtual bytes of a mix of five
_LEAST = 5  # coins of a mix
_MEMBERS = 0.12  # share of the people


@dataclass(slots=True)
class Whirlpool:
    """The coordinator and those who mix with it."""

    town: Town
    coordinator: Wallet
    members: list[Member]
    rng: Random
    every: int
    """Blocks between mixes."""
    largest: int
    """Coins of a mix: five in the first years, up to eight later."""
    most_premix: int
    """Coins that a Tx0 makes."""
    pools: list[int] = field(default_factory=list)
    """Amounts that are mixed here, in satoshi."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the coordinator with one or two pools, and wallets for those who use it."""
        rng = town.rng("whirlpool")
        if len(town.people) < _LEAST:
            return []
        entity = town.world.entity(Entity("whirlpool", "coinjoin", service=True))
        coordinator = town.world.wallet("whirlpool", SAMOURAI, entity)
        pools = sorted(rng.sample(list(POOLS), rng.randint(1, 2)))
        members = join(town, rng, "whirlpool", _MEMBERS, SAMOURAI)
        for member in members:
            most = pools[-1] / BTC * rng.uniform(2.2, 4)
            endow(town, rng, member.wallet, rng.randint(1, 2), max(0.01, most))
        every = town.blocks_in(rng.uniform(1.8, 4))
        one = cls(town, coordinator, members, rng, every, rng.randint(5, 8), rng.randint(3, 10), pools)
        town.note("whirlpool", one)
        return [one]

    def act(self) -> None:
        """Cut up deposits, mix when it is time, and spend what is mixed."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, len(self.members) / 20)):
            self._tx0(self.rng.choice(self.members))
        if self.town.height % self.every == 0:
            self._mix(self.rng.choice(self.pools))
        for _ in range(self.town.happens(self.rng, len(self.members) / 60)):
            top_up(self.town, self.rng, self.rng.choice(self.members))
        for _ in range(self.town.happens(self.rng, len(self.members) / 60)):
            member = self.rng.choice(self.members)
            done = [c for c in member.coins(self.town.height, mixed=True) if c.value in POOLS]
            spend_mixed(self.town, self.rng, member, done)

    def _tx0(self, member: Member) -> None:
        """Cut a deposit, or the change of an earlier one, into coins of a pool's amount."""
        rate, amount = fee_rate(self.town.world), self.rng.choice(self.pools)
        # Two that enter share the fee of a mix.
        each = amount + min(_MOST_OVER, _MIX_BYTES * rate // 2)
        coins = member.coins(self.town.height, mixed=False)
        coins = self.rng.sample(coins, min(len(coins), self.rng.randint(1, 2)))
        size = 12 + _IN * len(coins) + _OUT * 2 + 75
        budget = sum(c.value for c in coins) - POOLS[amount] - size * rate
        n = min(self.most_premix, budget // (each + _OUT * rate))
        if n < 1:
            return
        premix = [Payment(member.wallet.receive(role="mix"), each) for _ in range(n)]
        fee = Payment(self.coordinator.receive(), POOLS[amount])
        rest = budget - n * (each + _OUT * rate)
        change = [Payment(member.wallet.receive(role="change"), rest)] if rest > _OUT * rate else []
        outputs = [*premix, fee, *change]
        own = range(len(outputs) - len(change), len(outputs))
        note = (_NOTE + self.rng.randbytes(64), 0)
        self.town.world.joint([Share(member.wallet, coins, outputs, own)], "tx0", Order.SORTED, extra=[note])

    def _mix(self, amount: int) -> None:
        """Mix coins of different members; the first mix of a pool has only coins that enter."""
        size = self.rng.randint(5, self.largest)
        entering, staying = self._queue(amount)
        new = entering[: max(self.rng.randint(1, 4), min(4, _LEAST - len(staying)))]
        taken = {member for member, _ in new}
        old = [(m, c) for m, c in staying if m not in taken]
        chosen = [*new, *old[: size - len(new)]]
        if not staying:
            chosen = entering[:_LEAST]
        kind = "whirlpool" if staying else "whirlpool_first"
        if new and len(chosen) >= _LEAST:
            shares = [Share(m.wallet, [c], [Payment(m.wallet.receive(role="mix"), amount)]) for m, c in chosen]
            self.town.world.joint(shares, kind, Order.SORTED, habits=SAMOURAI)

    def _queue(self, amount: int) -> tuple[list[tuple[Member, Coin]], list[tuple[Member, Coin]]]:
        """One coin of each member that wants to enter, and one of each that would be remixed."""
        entering: list[tuple[Member, Coin]] = []
        staying: list[tuple[Member, Coin]] = []
        for member in self.rng.sample(self.members, len(self.members)):
            coins = member.coins(self.town.height, mixed=True)
            entering += [(member, c) for c in coins if amount < c.value <= amount + _MOST_OVER][:1]
            staying += [(member, c) for c in coins if c.value == amount][:1]
        return entering, staying
