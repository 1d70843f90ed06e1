"""A custodial exchange: a deposit address per customer, sweeps into a hot wallet, payouts in batches, a cold wallet.

What customers pay each other inside stands in its books alone. Two are registered in Japan.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Self

from worlds.deeds import Payee, Payment
from worlds.ledger.keys import Address, AddressKind
from worlds.parties import Entity
from worlds.town import Town
from worlds.wallet import BTC, Wallet

_NAMES = (("hinode", "JP"), ("aobayama", "JP"), ("baltica", "LT"), ("harborx", "US"), ("meridian", "KY"))
_START, _START_EACH = 20 * BTC, BTC // 4  # satoshi that an exchange begins with: in all, and per person
_WORTH = BTC // 500  # satoshi: coins worth less on average are not swept
_RESERVE = BTC // 10  # satoshi that the hot wallet keeps for fees
_AT_ONCE = 60  # coins of one sweep
_APART = 0.3  # of exchanges


@dataclass(slots=True)
class Exchange:
    """One exchange."""

    town: Town
    entity: Entity
    hot: Wallet
    deposits: Wallet
    cold: Wallet
    rng: Random
    sweep_every: int
    batch_every: int
    largest_batch: int
    hot_limit: int
    """Satoshi above which the hot wallet sends to the cold one."""
    internal: float
    """Payments a day from one customer to another, in the books."""
    apart: bool
    """Whether it sweeps each coin by itself."""
    accounts: dict[str, Address] = field(default_factory=dict)
    customers: list[Entity] = field(default_factory=list)
    queue: list[Payment] = field(default_factory=list)

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open three to five exchanges."""
        rng = town.rng("exchange")
        names = _NAMES[: rng.randint(3, len(_NAMES))]
        found = [cls.open(town, Entity(name, "exchange", where, service=True), rng) for name, where in names]
        town.venues.extend(found)
        return found

    @classmethod
    def open(cls, town: Town, entity: Entity, rng: Random, custodian: Wallet | None = None) -> Self:
        """Open one exchange with habits of its own; a custodian holds the keys of the deposits with its own."""
        name = town.world.entity(entity).id
        habits = town.server(rng)
        hot = town.world.wallet(f"{name} hot", habits, entity, group=name)
        keys = (custodian.habits, custodian.group) if custodian else (habits, name)
        deposits = town.world.wallet(f"{name} deposits", keys[0], entity, group=keys[1])
        cold = town.world.wallet(f"{name} cold", town.servers["custody"], entity)
        start = _START + _START_EACH * town.settings.people
        town.endow(hot.receive(role="hot"), start // 8)
        for _ in range(7):
            town.endow(cold.receive(role="cold"), start // 8)
        venue = cls(
            town,
            entity,
            hot,
            deposits,
            cold,
            town.rng(name),
            sweep_every=town.blocks_in(rng.uniform(0.3, 3)),
            batch_every=town.blocks_in(rng.uniform(0.1, 0.7)),
            largest_batch=rng.randint(8, 50),
            hot_limit=rng.randint(8, 25) * BTC,
            internal=rng.uniform(0.5, 4),
            apart=rng.random() < _APART,
        )
        town.note(name, venue)
        return venue

    @property
    def kind(self) -> AddressKind:
        """Script kind of its deposit addresses."""
        return self.deposits.habits.kind

    def open_account(self, customer: Entity) -> Address:
        """Give the deposit address of a customer, the same one each time."""
        if customer.id not in self.accounts:
            self.accounts[customer.id] = self.deposits.receive(role="deposit", of=customer)
            self.customers.append(customer)
        return self.accounts[customer.id]

    def withdraw(self, customer: Entity, to: Payee, value: int) -> None:
        """Ask for a payout; it is made with the next batch."""
        self.queue.append(Payment(to, value, customer))

    def act(self) -> None:
        """Sweep, pay out, keep the hot wallet within its limits, move money in the books."""
        if not self.town.busy:
            return
        height = self.town.height
        if height % self.sweep_every == 0:
            self._sweep()
        if height % self.batch_every == 0 and self.queue:
            self._pay_out()
        self._balance()
        for _ in range(self.town.happens(self.rng, self.internal) if len(self.customers) > 1 else 0):
            payer, payee = self.rng.sample(self.customers, 2)
            self.town.world.book(payer, payee, self.town.amount(self.rng, 0.02))

    def _sweep(self) -> None:
        coins = self.deposits.spendable(self.town.height)
        at_once = 1 if self.apart else _AT_ONCE
        for n in range(0, len(coins), at_once):
            some = coins[n : n + at_once]
            if sum(c.value for c in some) > _WORTH * at_once:
                self.town.world.spend(self.deposits, some, self._hot_address(), word="sweep")

    def _hot_address(self) -> Address:
        return self.hot.addresses[0] if self.hot.habits.reuses_change else self.hot.receive(role="hot")

    def _pay_out(self) -> None:
        funds = self.hot.balance(self.town.height) - _RESERVE
        due: list[Payment] = []
        while self.queue and len(due) < self.largest_batch and funds >= self.queue[0].value:
            due.append(self.queue.pop(0))
            funds -= due[-1].value
        if due:
            self.town.world.batch(self.hot, due)

    def _balance(self) -> None:
        """Send what is too much to the cold wallet; call for more where payouts wait."""
        funds = self.hot.balance(self.town.height)
        if funds > self.hot_limit:
            self.town.world.pay(self.hot, self.cold.receive(role="cold"), funds - self.hot_limit // 3, word="to_cold")
        due = sum(p.value for p in self.queue)
        if due + _RESERVE > funds and self.cold.balance(self.town.height) > due + BTC:
            self.town.world.pay(self.cold, self._hot_address(), due + BTC // 2, word="from_cold")
