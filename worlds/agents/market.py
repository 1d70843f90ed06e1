"""A marketplace of inscriptions, which are coins of next to no value, kept apart from the money.

Sellers sign for their own input and income alone; a buyer completes one or more such offers.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple, Self

from worlds.business.funds import endow, spare
from worlds.deeds import Order, Payment, Share
from worlds.ledger.keys import AddressKind
from worlds.ledger.sighash import SIGHASH_ANYONECANPAY, SIGHASH_SINGLE
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import DUST, INPUT_VBYTES, ChangeAt, Fee, Habits, Selection, Wallet, vbytes

_MONEY = Habits(
    AddressKind.P2SH_P2WPKH,
    sequence=0xFFFFFFFF,
    change_at=ChangeAt.LAST,
    selection=Selection.LARGEST,
    fee=Fee.MARKET,
    program="collector",
)
_ITEMS = replace(_MONEY, kind=AddressKind.P2TR)
_OFFER = SIGHASH_SINGLE | SIGHASH_ANYONECANPAY
_POSTAGE = (546, 546, 600, 1_000, 3_000, 10_000)  # satoshi that an inscription lies on
_OWNERS = 0.08  # share of the people
_INSCRIBES, _SINGLE = 0.2, 0.6  # share of acts that make new items; share of purchases of one item


class Collector(NamedTuple):
    """One owner's two wallets, which are one program's."""

    money: Wallet
    items: Wallet


@dataclass(slots=True)
class Market:
    """The marketplace and those who trade on it."""

    town: Town
    desk: Wallet
    traders: list[Collector]
    rng: Random
    per_day: float
    """Sales."""
    fee: float
    """The marketplace's share of the price."""
    most: int
    """Offers that a buyer takes at once."""
    median: float
    """Price, in bitcoin."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the marketplace, and wallets for those who trade."""
        rng = town.rng("market")
        if len(town.people) < 2:  # noqa: PLR2004 -- a buyer and a seller
            return []
        entity = town.world.entity(Entity("moth market", "marketplace", service=True))
        desk = town.world.wallet("moth market", _MONEY, entity)
        traders = []
        for person in rng.sample(town.people, min(len(town.people), max(6, round(len(town.people) * _OWNERS)))):
            name = f"{person.entity.id} collector"
            money = town.world.wallet(name, _MONEY, person.entity)
            items = town.world.wallet(f"{name} items", _ITEMS, person.entity, group=name)
            endow(town, rng, money, 2, 0.3)
            traders.append(Collector(money, items))
        fee = rng.choice((0.0, 0.02, 0.025))
        one = cls(town, desk, traders, rng, rng.uniform(0.25, 0.5), fee, rng.randint(2, 4), rng.uniform(0.001, 0.01))
        town.note("market", one)
        return [one]

    def act(self) -> None:
        """Let somebody inscribe or buy."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.per_day)):
            trader = self.rng.choice(self.traders)
            if self._offers(trader) and self.rng.random() >= _INSCRIBES:
                self._buy(trader)
            else:
                self._inscribe(trader)

    def _inscribe(self, trader: Collector) -> None:
        """Make new items, each a coin of its own."""
        n = self.rng.randint(2, 6)
        postage = self.rng.choice(_POSTAGE)
        if spare(self.town.world, trader.money, n + 1) > n * postage + DUST:
            items = [Payment(trader.items.receive(), postage) for _ in range(n)]
            self.town.world.batch(trader.money, items, word="inscribe")

    def _offers(self, buyer: Collector) -> list[Collector]:
        return [t for t in self.traders if t is not buyer and t.items.coins]

    def _buy(self, buyer: Collector) -> None:
        """Take up offers of several sellers."""
        offers = self._offers(buyer)
        n = 1 if self.rng.random() < _SINGLE else self.rng.randint(2, self.most)
        sold, bought, cost = [], [], 0
        for seller in self.rng.sample(offers, min(len(offers), n)):
            item = self.rng.choice(seller.items.spendable(self.town.height))
            price = self.town.amount(self.rng, self.median)
            # The seller is paid at the one address that its program shows.
            income = Payment(seller.money.addresses[0], price, buyer.money.owner)
            sold.append(Share(seller.items, [item], [income], sighash=_OFFER))
            bought.append(Payment(buyer.items.receive(), item.value))
            cost += price
        if cost * self.fee > DUST:
            bought.append(Payment(self.desk.receive(), int(cost * self.fee)))
        if sold:
            self._pay(buyer.money, sold, bought)

    def _pay(self, money: Wallet, sold: list[Share], bought: list[Payment]) -> None:
        """Complete the offers: each is bound to the place of its input and output, and brings what the item holds."""
        world = self.town.world
        items = [s.coins[0] for s in sold]
        total = sum(p.value for p in bought) + sum(s.outputs[0].value for s in sold) - sum(c.value for c in items)
        change = money.receive(role="change")
        scripts = [p.to.script for p in [*bought, *(s.outputs[0] for s in sold)]]
        extra = _MONEY.fee_for(len(items) * INPUT_VBYTES[_ITEMS.kind], world.fee_level)
        if spare(world, money, len(scripts) + 1) < total + extra:
            return
        coins = money.select(total + extra, scripts, world.height, world.fee_level)
        fee = _MONEY.fee_for(vbytes([*coins, *items], [*scripts, change.script]), world.fee_level)
        rest = sum(c.value for c in coins) - total - fee
        kept = [Payment(change, rest)] if rest >= DUST else []
        share = Share(money, coins, [*bought, *kept], range(len(bought), len(bought) + len(kept)))
        world.joint([*sold, share], "swap", Order.AS_GIVEN, habits=_MONEY)
