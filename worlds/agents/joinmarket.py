"""JoinMarket: a taker pays makers to join it. Everyone gets one output of the taker's amount, and his change.

A wallet has five depths: what was joined moves one depth on, change stays, and depths are never spent together.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Self

from worlds.business.funds import endow, fee_rate
from worlds.business.members import Member, join, spend_mixed, top_up
from worlds.deeds import Payment, Share
from worlds.ledger.keys import AddressKind
from worlds.ledger.signing import Coin
from worlds.town import Town
from worlds.wallet import BTC, LONGEST_SCRIPT, Fee, Habits, Locktime, Selection, vbytes

_DEPTHS = 5
_LEAST_CHANGE = 2_730  # satoshi below which a maker refuses
_MOST_COINS = 5
_MEMBERS = 0.12  # share of the people
_SWEEPS = 0.25  # share of joins
_LEAST_MAKERS = 3  # that a taker asks
_PARTY_BYTES = 550  # virtual bytes of five inputs and two outputs
_MILLION = 1_000_000

Coins = tuple[Member, list[Coin]]


@dataclass(slots=True)
class JoinMarket:
    """All makers and takers."""

    town: Town
    makers: list[Member]
    takers: list[Member]
    rng: Random
    program: Habits
    per_day: float
    """Joins."""
    most_makers: int
    fees: dict[str, int] = field(default_factory=dict)
    """What a maker asks, in millionths of the amount."""
    depths: dict[bytes, int] = field(default_factory=dict)
    """Depth of a script; 0 where none is noted."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open wallets for makers and takers."""
        rng = town.rng("joinmarket")
        if len(town.people) < 12:  # noqa: PLR2004 -- too few for an order book
            return []
        kind = rng.choice((AddressKind.P2SH_P2WPKH, AddressKind.P2WPKH))
        # Since 2020 its transactions are locked to the tip, as Core's are; it never signals replacement.
        locked = rng.random() < 0.5  # noqa: PLR2004 -- half of the worlds are younger than that
        program = Habits(
            kind,
            2 if locked else 1,
            0xFFFFFFFE if locked else 0xFFFFFFFF,
            Locktime.TIP if locked else Locktime.ZERO,
            selection=Selection.RANDOM,
            fee=Fee.MARKET,
            program="joinmarket",
        )
        members = join(town, rng, "joinmarket", _MEMBERS, program)
        for member in members:
            endow(town, rng, member.wallet, rng.randint(1, 3), 0.7)
        cut = max(8, len(members) * 2 // 3)
        most = rng.randint(5, 9)
        one = cls(town, members[:cut], members[cut:], rng, program, rng.uniform(0.25, 0.35), most)
        one.fees = {m.entity.id: rng.choice((10, 30, 100, 300, 1000)) for m in one.makers}
        town.note("joinmarket", one)
        return [one]

    def act(self) -> None:
        """Let takers join with makers, bring coins, and spend what was joined."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.per_day)):
            any(self._join(taker) for taker in self.rng.sample(self.takers, len(self.takers)))
        for _ in range(self.town.happens(self.rng, 0.1)):
            top_up(self.town, self.rng, self.rng.choice(self.takers))
        for _ in range(self.town.happens(self.rng, 0.12)):
            member = self.rng.choice([*self.takers, *self.makers])
            joined = member.coins(self.town.height, mixed=True)
            if joined:
                depth = self._depth(self.rng.choice(joined))
                spend_mixed(self.town, self.rng, member, [c for c in joined if self._depth(c) == depth])

    def _depth(self, coin: Coin) -> int:
        return self.depths.get(coin.address.script, 0)

    def _join(self, taker: Member) -> bool:
        """Join where the taker has enough and there are makers for it."""
        n = self.rng.randint(3, self.most_makers)
        own = self._coins(taker, 0)
        worth = sum(c.value for c in own)
        if worth < BTC // 20:
            return False
        least = _PARTY_BYTES * (n + 1) * fee_rate(self.town.world) + worth // 100  # miners and makers
        # One join in four is of all that the taker has at a depth, and leaves no change.
        amount = worth if self.rng.random() < _SWEEPS else int((worth - least) * self.rng.uniform(0.1, 0.9))
        parties: list[Coins] = []
        for maker in self.rng.sample(self.makers, len(self.makers)):
            if len(parties) < n and (coins := self._coins(maker, amount + 10 * _LEAST_CHANGE)):
                parties.append((maker, coins))
        if len(parties) < _LEAST_MAKERS:
            return False
        self._build((taker, own), parties, amount)
        return True

    def _coins(self, member: Member, target: int) -> list[Coin]:
        """Coins of one depth that cover a target; for 0, all that lie at the depth with most, five at most."""
        coins = member.coins(self.town.height)
        depths = [[c for c in coins if self._depth(c) == d][:_MOST_COINS] for d in range(_DEPTHS)]
        most = max(depths, key=lambda cs: sum(c.value for c in cs))
        if not target:
            return most
        for n in range(1, len(most) + 1):
            if sum(c.value for c in most[:n]) > target:
                return most[:n]
        return []

    def _build(self, taker: Coins, makers: list[Coins], amount: int) -> None:
        member, coins = taker
        size = vbytes([c for _, cs in (taker, *makers) for c in cs], [LONGEST_SCRIPT] * (2 * len(makers) + 2))
        funds = sum(c.value for c in coins) - size * fee_rate(self.town.world)
        rates = [self.fees[m.entity.id] for m, _ in makers]
        amount = min(amount, funds * _MILLION // (_MILLION + sum(rates)))
        asked = [amount * rate // _MILLION for rate in rates]
        shares = [self._share(taker, amount, funds - amount - sum(asked))]
        for (maker, brought), fee in zip(makers, asked, strict=True):
            shares.append(self._share((maker, brought), amount, sum(c.value for c in brought) - amount + fee))
            if fee:
                self.town.world.book(member.entity, maker.entity, fee)
        self.town.world.joint(shares, "joinmarket", habits=self.program)

    def _share(self, party: Coins, amount: int, change: int) -> Share:
        member, coins = party
        depth = self._depth(coins[0])
        joined = member.wallet.receive(role="mix")
        self.depths[joined.script] = (depth + 1) % _DEPTHS
        if change < _LEAST_CHANGE:
            return Share(member.wallet, coins, [Payment(joined, amount)])
        kept = member.wallet.receive(role="change")
        self.depths[kept.script] = depth
        return Share(member.wallet, coins, [Payment(joined, amount), Payment(kept, change)], (1,))
