"""PayJoin: merchants that add a coin of their own to the transactions by which regular customers pay them."""

from dataclasses import dataclass
from random import Random
from typing import Self

from worlds.business.funds import SMALLEST_COIN, endow, spare
from worlds.deeds import Payment, Share
from worlds.ledger.keys import Address, AddressKind
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.town import Person, Town, Venue
from worlds.wallet import DUST, ChangeAt, Fee, Habits, Locktime, Wallet, vbytes

_NAMES = ("kumo books", "harbour roasters", "north lane bikes")
_MARGIN = 30_000  # satoshi for the fee of the merchant's input
_GATHERS = 8  # coins from which on a merchant sells them


@dataclass(slots=True)
class PayJoin:
    """One merchant and the customers whose wallets can do it."""

    town: Town
    entity: Entity
    wallet: Wallet
    payers: list[Person]
    rng: Random
    per_day: float
    """PayJoins."""
    price: float
    """Median of a payment, in bitcoin."""
    venue: Venue | None

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open one to three merchants; payers have the merchant's kind of address."""
        rng = town.rng("payjoin")
        found = []
        for name in _NAMES[: rng.randint(1, len(_NAMES))]:
            kind = rng.choice((AddressKind.P2SH_P2WPKH, AddressKind.P2WPKH))
            able = [p for p in town.people if p.wallet.habits.kind is kind]
            if not able:
                continue
            entity = town.world.entity(Entity(name, "marketplace"))
            habits = Habits(kind, 2, 0xFFFFFFFD, Locktime.TIP, ChangeAt.RANDOM, fee=Fee.MARKET, program="paypoint")
            wallet = town.world.wallet(name, habits, entity)
            endow(town, rng, wallet, 3, 0.02)
            payers = rng.sample(able, min(len(able), rng.randint(4, 8)))
            venue = rng.choice(town.venues) if town.venues else None
            one = cls(town, entity, wallet, payers, rng, rng.uniform(0.2, 0.3), rng.uniform(0.005, 0.03), venue)
            town.shops.append(one)
            town.note(name, one)
            found.append(one)
        return found

    def invoice(self, payer: Entity) -> Address:  # noqa: ARG002 -- a fresh one for everybody
        """Give a fresh address; those who know no PayJoin pay it as any other."""
        return self.wallet.receive()

    def act(self) -> None:
        """Be paid, and now and then sell what came in."""
        if not self.town.busy:
            return
        for _ in range(self.town.happens(self.rng, self.per_day)):
            self._be_paid(self.rng.choice(self.payers))
        if self.venue and len(self.wallet.coins) > _GATHERS and spare(self.town.world, self.wallet) > SMALLEST_COIN:
            self.town.world.sweep(self.wallet, self.venue.open_account(self.entity))

    def _be_paid(self, payer: Person) -> None:
        world = self.town.world
        value = min(self.town.amount(self.rng, self.price), (spare(world, payer.wallet, 3) - _MARGIN) // 2)
        mine = [c for c in self.wallet.spendable(world.height) if c.height < world.height and c.value > SMALLEST_COIN]
        if value < SMALLEST_COIN or not mine:
            return
        coin = self.rng.choice(mine)
        to, change = self.wallet.receive(), payer.wallet.receive(role="change")
        scripts = [to.script, change.script]
        coins = payer.wallet.select(value + _MARGIN, scripts, world.height, world.fee_level, world.random)
        self._join(payer.wallet, coins, coin, Payment(to, coin.value + value), change)

    def _join(self, payer: Wallet, coins: list[Coin], mine: Coin, takes: Payment, change: Address) -> None:
        """Make the transaction: the merchant's output holds its own coin and the payment, which the books tell."""
        value = takes.value - mine.value
        fee = payer.habits.fee_for(vbytes([*coins, mine], [takes.to.script, change.script]), self.town.world.fee_level)
        rest = sum(c.value for c in coins) - value - fee
        if rest < 0:
            return
        kept = [Payment(change, rest)] if rest >= DUST else []
        shares = [Share(payer, coins, kept, range(len(kept))), Share(self.wallet, [mine], [takes])]
        self.town.world.joint(shares, "payjoin")
        self.town.world.book(payer.owner, self.entity, value)
