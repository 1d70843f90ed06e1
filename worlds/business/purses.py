"""Wallets of a party that does not want to be recognised: several at a time, each replaced after some days.

Coins move from an old wallet to the new one by one, so that nothing is spent together; now and then somebody is
careless and spends a coin of each at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from worlds.deeds import Payment, Share
from worlds.ledger.keys import Address
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, Habits, Wallet

_WORTH = BTC // 50  # satoshi: smaller coins are not moved
_MOVED = 3  # coins at most; the rest is spent from where it lies


@dataclass(slots=True)
class Purses:
    """The wallets of one party."""

    town: Town
    owner: Entity
    habits: Habits
    rng: Random
    count: int
    """Wallets in use at a time."""
    longest: float
    """Days from one replacement to the next at most; one at least."""
    careless: float
    """Share of replacements that link the old wallet with the new one."""
    made: int = 0
    open: list[Wallet] = field(default_factory=list)
    """Those at which it is paid now, the oldest first."""
    all: list[Wallet] = field(default_factory=list)
    """Whichever paid last stands last, so that two payments rarely come from one."""
    next_at: int = 0
    """Height of the next replacement."""
    queue: list[Payment] = field(default_factory=list)

    def start(self, wallets: Sequence[Wallet]) -> None:
        """Open the first ones, and spread over them what lies in these wallets."""
        for _ in range(self.count):
            self.open.append(self._wallet())
        for wallet in wallets:
            self.gather(wallet)
        self._plan()

    def gather(self, wallet: Wallet) -> None:
        """Move the coins of a wallet into the purses, one by one."""
        for coin in wallet.spendable(self.town.height):
            if coin.value >= _WORTH:
                self._move(wallet, coin, self.poorest())

    def poorest(self) -> Wallet:
        """Give the open purse that holds least."""
        return min(self.open, key=lambda w: w.balance(self.town.height))

    def home(self) -> Address:
        """Give a fresh address."""
        return self.poorest().receive(role="hot")

    def act(self) -> None:
        """Replace the oldest purse if its time has come, and pay what is due."""
        if self.town.height >= self.next_at:
            self._replace()
        waiting, self.queue = self.queue, []
        for payment in waiting:
            purse = next((w for w in self.all if self.town.affords(w, [payment])), None)
            if purse is None:
                self.queue.append(payment)
            else:
                self.town.world.batch(purse, [payment], "pay")
                self.all.remove(purse)
                self.all.append(purse)

    def _replace(self) -> None:
        old = self.open.pop(0)
        coins = sorted(old.spendable(self.town.height), key=lambda c: -c.value)[:_MOVED]
        coins = [c for c in coins if c.value >= _WORTH]
        linked = len(coins) > 1 and self.rng.random() < self.careless
        new = self._wallet(old.group if linked else None)
        last = coins.pop() if linked else None
        for coin in coins:
            self._move(old, coin, new)
        if last:
            self._mix(old, last, new)
        self.open.append(new)
        self._plan()

    def _move(self, old: Wallet, coin: Coin, new: Wallet) -> None:
        self.town.world.spend(old, [coin], new.receive(role="hot"), word="rotate")

    def _mix(self, old: Wallet, coin: Coin, new: Wallet) -> None:
        """Spend a coin of the old purse and one of the new one together."""
        other = new.spendable(self.town.height)[0]
        value = coin.value + other.value - self.habits.fee_for(400, self.town.world.fee_level)
        own = Share(new, [other], [Payment(new.receive(role="hot"), value)], (0,))
        self.town.world.joint([Share(old, [coin], []), own], "rotate", habits=self.habits)

    def _wallet(self, group: str | None = None) -> Wallet:
        self.made += 1
        wallet = self.town.world.wallet(f"{self.owner.id} {self.made}", self.habits, self.owner, group)
        self.all.append(wallet)
        return wallet

    def _plan(self) -> None:
        days = self.rng.uniform(1, self.longest)
        self.next_at = self.town.height + self.town.blocks_in(days)
