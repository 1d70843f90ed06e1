"""Firms that are not what they look like, in contrary worlds alone.

An exchange whose batches look like CoinJoins; a broker that forwards from one deposit address to two exchanges;
honest suppliers with one customer whose money goes on at once.
"""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Self

from worlds.business.funds import endow, fee_rate, spare
from worlds.deeds import Order, Payment, Share
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.settings import Flavour
from worlds.town import Person, Town, Venue
from worlds.wallet import BTC, DUST, LONGEST_SCRIPT, Wallet, vbytes

_LEAST = BTC // 100
_TIERS = (BTC // 1000, BTC // 500, BTC // 200)
_CUT = 0.985  # share of what comes in that a supplier passes on


class Trade(NamedTuple):
    """A customer, its supplier, and who works for the supplier."""

    customer: Wallet
    supplier: Wallet
    worker: Person


@dataclass(slots=True)
class ContraryFirms:
    """All of them together."""

    town: Town
    hot: Wallet
    broker: Wallet
    venues: list[Venue]
    """Where the broker has accounts."""
    clients: list[tuple[Person, Address]]
    trades: list[Trade]
    rng: Random
    per_day: float
    """Batches of the exchange, deposits at the broker, deliveries of the suppliers: so many each."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open them."""
        if town.settings.flavour is not Flavour.CONTRARY or len(town.people) < 30:  # noqa: PLR2004 -- to be paid
            return []
        rng, world = town.rng("contrary_firms"), town.world
        exchange = world.entity(Entity("evenbank", "exchange", "EE", service=True))
        hot = world.wallet("evenbank hot", town.servers["server"], exchange)
        endow(town, rng, hot, 8, 2)
        entity = world.entity(Entity("twoways", "service", "MT", service=True))
        broker = world.wallet("twoways", town.servers["nested server"], entity)
        clients = [(p, broker.receive(role="deposit", of=p.entity)) for p in rng.sample(town.people, 6)]
        trades = []
        for n in range(3):
            names = (f"contractor {n}", f"supplier {n}")
            customer, supplier = (
                world.wallet(name, town.program(rng), world.entity(Entity(name, "organization"))) for name in names
            )
            endow(town, rng, customer, 3, 2)
            trades.append(Trade(customer, supplier, rng.choice(town.people)))
        one = cls(town, hot, broker, town.venues[:2], clients, trades, rng, rng.uniform(0.25, 0.4))
        town.note("contrary_firms", one)
        return [one]

    def act(self) -> None:
        """Pay, forward, deliver."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.per_day)):
            self._even_batch()
        for _ in range(self.town.happens(self.rng, self.per_day) if len(self.venues) > 1 else 0):
            self._deposit(*self.rng.choice(self.clients))
        for _ in range(self.town.happens(self.rng, self.per_day)):
            self._order(self.rng.choice(self.trades))
        self._forward()
        for trade in self.trades:
            self._deliver(trade)

    def _even_batch(self) -> None:
        """Pay many customers equal amounts from many coins, with change: as WabiSabi, Wasabi 1 or JoinMarket do."""
        style = self.rng.choice(("wabisabi", "wasabi1", "joinmarket"))
        n = {"wabisabi": 24, "wasabi1": 14, "joinmarket": self.rng.randint(4, 7)}[style]
        each = BTC // 10 if style == "wasabi1" else BTC // 50
        self._pay_evenly(n, each * 6 // 5, _TIERS if style == "wabisabi" else (each,), style)

    def _pay_evenly(self, n: int, coin: int, tiers: tuple[int, ...], style: str) -> None:
        world, hot = self.town.world, self.hot
        coins = [c for c in hot.spendable(world.height) if coin // 2 < c.value <= 2 * coin][:n]
        if len(coins) < n:
            if spare(world, hot, n + 2) > n * coin:
                # It keeps its coins in the sizes that it pays out.
                world.batch(hot, [(hot.receive(role="hot"), coin + 7 * k) for k in range(n)], word="split")
            return
        people = self.rng.sample(self.town.people, n)
        paid = [
            Payment(self.town.address_of(p, self.rng), tiers[k % len(tiers)], p.entity) for k, p in enumerate(people)
        ]
        rest = sum(c.value for c in coins) - sum(p.value for p in paid)
        rest -= fee_rate(world) * vbytes(coins, [LONGEST_SCRIPT] * 2 * n)
        parts = n if style == "joinmarket" else n // 4
        kept = [Payment(hot.receive(role="change"), rest // parts - k * 1_009) for k in range(parts)]
        if kept[-1].value > DUST:
            order = Order.BY_VALUE if style == "wabisabi" else Order.RANDOM
            world.joint([Share(hot, coins, [*paid, *kept], range(n, n + parts))], "even_batch", order)

    def _deposit(self, client: Person, to: Address) -> None:
        value = min(spare(self.town.world, client.wallet) // 3, self.town.amount(self.rng, 0.03))
        if value > _LEAST:
            self.town.world.pay(client.wallet, to, value)

    def _forward(self) -> None:
        """Pass on each deposit by itself: what one client brought goes now to this exchange, now to that."""
        for coin in self.broker.spendable(self.town.height):
            if coin.height < self.town.height and coin.value > _LEAST // 2:
                venue = self.rng.choice(self.venues)
                self.town.world.spend(self.broker, [coin], venue.open_account(self.broker.owner), word="forward")

    def _order(self, trade: Trade) -> None:
        value = min(spare(self.town.world, trade.customer) // 2, self.town.amount(self.rng, 0.3))
        if value > _LEAST:
            self.town.world.pay(trade.customer, self.town.reused(trade.supplier, self.rng), value)

    def _deliver(self, trade: Trade) -> None:
        """Pay the one who does the work, within the hour, nearly all that came in."""
        funds = spare(self.town.world, trade.supplier)
        if funds > _LEAST:
            self.town.world.pay(trade.supplier, trade.worker.wallet.receive(), int(funds * _CUT))
