"""A custodial mixer: deposits at fresh addresses, paid out days later from other people's coins, less a cut."""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Self

from worlds.business.funds import pay_with, spare
from worlds.deeds import Payment
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Person, Town
from worlds.wallet import BTC, Wallet

_NAMES = ("gloam", "silt")
_LEAST = BTC // 100  # satoshi of an order
_COINS, _COIN = 6, BTC  # what the mixer starts with
_MARGIN = BTC // 1000  # satoshi for the fee of a payout


@dataclass(slots=True)
class Order:
    """A deposit that came in and is paid out later."""

    customer: Entity
    to: Address
    value: int
    due: int
    """Height."""


@dataclass(slots=True)
class CustodialMixer:
    """One mixer."""

    town: Town
    entity: Entity
    wallet: Wallet
    rng: Random
    customers: list[Person]
    per_day: float
    """Orders."""
    shortest: float
    longest: float
    """Days until it pays out."""
    asked: dict[str, tuple[Entity, Address]] = field(default_factory=dict)
    """Who is paid where, by the deposit address's script in hex."""
    orders: list[Order] = field(default_factory=list)

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one or two mixers."""
        rng = town.rng("custodial_mixer")
        found = []
        for name in _NAMES[: rng.randint(1, len(_NAMES))]:
            entity = town.world.entity(Entity(name, "mixer", service=True))
            wallet = town.world.wallet(name, town.servers[rng.choice(["server", "nested server"])], entity)
            for _ in range(_COINS):
                town.endow(wallet.receive(role="hot"), _COIN)
            customers = rng.sample(town.people, max(1, len(town.people) // 8)) if town.people else []
            per_day, shortest = rng.uniform(0.2, 0.5), rng.uniform(0.1, 1)
            one = cls(town, entity, wallet, town.rng(name), customers, per_day, shortest, rng.uniform(2, 5))
            town.note(name, one)
            found.append(one)
        town.mixers.extend(found)
        return found

    def mix(self, customer: Entity, to: Address) -> Address:
        """Give a fresh deposit address; what comes in there is paid out to `to`."""
        address = self.wallet.receive(role="deposit", of=customer)
        self.asked[address.script.hex()] = (customer, to)
        return address

    def invoice(self, payer: Entity) -> Address:
        """Give a deposit address to a party that is paid out at a fresh address of its own first wallet."""
        wallet = next(w for w in self.town.world.wallets.values() if w.owner is payer)
        return self.mix(payer, wallet.receive(role="mix"))

    def act(self) -> None:
        """Let customers order, note what came in, pay out what is due."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.per_day) if self.customers else 0):
            self._order(self.rng.choice(self.customers))
        if self.asked:
            self._note_deposits()
        due = [o for o in self.orders if o.due <= self.town.height]
        for order in due:
            self._pay_out(order)

    def _order(self, customer: Person) -> None:
        value = min(self.town.amount(self.rng, 0.08), spare(self.town.world, customer.wallet) * 2 // 3)
        if value >= _LEAST:
            to = customer.wallet.receive(role="mix")
            self.town.world.pay(customer.wallet, self.mix(customer.entity, to), value)

    def _note_deposits(self) -> None:
        for coin in self.wallet.spendable(self.town.height):
            if coin.height < self.town.height and coin.value >= _LEAST:
                customer, to = self.asked.pop(coin.address.script.hex(), (None, None))
                if customer and to:
                    days = self.rng.uniform(self.shortest, self.longest)
                    due = self.town.height + self.town.blocks_in(days)
                    self.orders.append(Order(customer, to, coin.value, due))

    def _pay_out(self, order: Order) -> None:
        """Pay from coins that this customer did not bring; wait where there are none."""
        fee = int(order.value * self.rng.uniform(0.01, 0.03))
        others = [c for c in self.wallet.spendable(self.town.height) if c.address.of != order.customer.id]
        sums = list(accumulate(c.value for c in others))
        n = bisect_left(sums, order.value + _MARGIN) + 1
        if n <= len(others):
            payment = Payment(order.to, order.value - fee, order.customer)
            pay_with(self.town.world, self.wallet, others[:n], [payment])
            self.town.world.book(order.customer, self.entity, fee)
            self.orders.remove(order)
