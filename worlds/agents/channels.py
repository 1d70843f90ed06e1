"""Lightning nodes: channels that two owners fund together by one P2TR output, closed weeks later to both.

What moves through a channel stands in nobody's chain; the close shows the difference alone.
"""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Self

from worlds.business.funds import endow, spare
from worlds.business.members import Member, join
from worlds.deeds import Payment, Share
from worlds.ledger.keys import AddressKind
from worlds.town import Town
from worlds.wallet import BTC, DUST, ChangeAt, Fee, Habits, Locktime, Selection, Wallet, vbytes

_NODES = 0.08  # share of the people
_LEAST = BTC // 100  # satoshi that each side puts in
_MARGIN = 20_000  # satoshi for the fee of the other side's part
_CLOSING = Habits(AddressKind.P2TR, sequence=0xFFFFFFFD, program="lightning")
_CLOSING_FEE = 2_000  # satoshi


class Channel(NamedTuple):
    """One open channel; the wallet that holds it is the opener's in the truth, as somebody's it must be."""

    wallet: Wallet
    opener: Member
    other: Member
    ours: int
    """Satoshi of the opener when it was opened."""
    until: int
    """Height of the close."""


@dataclass(slots=True)
class Channels:
    """All nodes and their channels."""

    town: Town
    nodes: list[Member]
    rng: Random
    per_day: float
    """Openings."""
    shortest: float
    longest: float
    """Days that a channel stays open."""
    opened: int = 0
    channels: list[Channel] = field(default_factory=list)

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Give some people a node."""
        rng = town.rng("channels")
        if len(town.people) < 2:  # noqa: PLR2004 -- a channel has two ends
            return []
        habits = Habits(
            rng.choice((AddressKind.P2WPKH, AddressKind.P2TR)),
            sequence=0xFFFFFFFD,
            locktime=Locktime.TIP,
            change_at=ChangeAt.RANDOM,
            selection=Selection.LARGEST,
            fee=Fee.MARKET,
            program="lightning",
        )
        nodes = join(town, rng, "node", _NODES, habits)
        for node in nodes:
            endow(town, rng, node.wallet, rng.randint(2, 3), 0.3)
        one = cls(town, nodes, rng, rng.uniform(0.18, 0.28), rng.uniform(3, 8), rng.uniform(12, 25))
        town.note("channels", one)
        return [one]

    def act(self) -> None:
        """Open channels, and close those whose time has come."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.per_day)):
            self._open(*self.rng.sample(self.nodes, 2))
        for channel in [c for c in self.channels if c.until <= self.town.height]:
            self._close(channel)

    def _open(self, opener: Member, other: Member) -> None:
        world = self.town.world
        ours, theirs = (int((spare(world, n.wallet) - _MARGIN) * self.rng.uniform(0.2, 0.9)) for n in (opener, other))
        if min(ours, theirs) < _LEAST:
            return
        self.opened += 1
        wallet = world.wallet(f"channel {self.opened}", _CLOSING, opener.entity)
        funding = Payment(wallet.receive(), ours + theirs)
        first = self._share(opener, ours, [funding])
        second = self._share(other, theirs, [])
        world.joint([first, second], "dual_fund")
        until = world.height + self.town.blocks_in(self.rng.uniform(self.shortest, self.longest))
        self.channels.append(Channel(wallet, opener, other, ours, until))

    def _share(self, node: Member, value: int, outputs: list[Payment]) -> Share:
        """One side's coins and change; each pays the fee of its own part."""
        world = self.town.world
        change = node.wallet.receive(role="change")
        scripts = [*(p.to.script for p in outputs), change.script]
        coins = node.wallet.select(value, scripts, world.height, world.fee_level)
        rest = sum(c.value for c in coins) - value - node.wallet.habits.fee_for(vbytes(coins, scripts), world.fee_level)
        if rest < DUST:
            return Share(node.wallet, coins, outputs)
        return Share(node.wallet, coins, [*outputs, Payment(change, rest)], (len(outputs),))

    def _close(self, channel: Channel) -> None:
        """Pay both what is theirs by now; the difference was paid through the channel."""
        self.channels.remove(channel)
        coin = max(channel.wallet.spendable(self.town.height), key=lambda c: c.value)
        ours = int((coin.value - _CLOSING_FEE) * self.rng.uniform(0.02, 0.98))
        parts = ((channel.opener, ours), (channel.other, coin.value - _CLOSING_FEE - ours))
        outputs = [Payment(node.wallet.receive(), part, node.entity) for node, part in parts]
        self.town.world.joint([Share(channel.wallet, [coin], outputs)], "close")
        moved = channel.ours - ours
        payer, payee = (channel.opener, channel.other) if moved > 0 else (channel.other, channel.opener)
        if moved:
            self.town.world.book(payer.entity, payee.entity, abs(moved))
