"""People who do what no rule expects, in contrary worlds alone.

Strangers sign one plain transaction together; two parties hold one key in two forms; one owner's transfers look like
a CoinJoin or a trade; change is round, or goes to an old address, or to somebody else.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Self

from worlds.business.funds import endow, spare
from worlds.deeds import Order, Payment, Share
from worlds.ledger.keys import Address, AddressKind
from worlds.ledger.sighash import SIGHASH_ANYONECANPAY, SIGHASH_SINGLE
from worlds.parties import Entity
from worlds.settings import Flavour
from worlds.town import Person, Town
from worlds.wallet import BTC, DUST, LONGEST_SCRIPT, Wallet, vbytes

_LEAST = BTC // 50  # satoshi that somebody must be able to pay to take part
_OFFER = SIGHASH_SINGLE | SIGHASH_ANYONECANPAY
_ROUND = BTC // 1000
_HASHED = (AddressKind.P2PKH, AddressKind.P2WPKH, AddressKind.P2SH_P2WPKH)  # forms in which one key is the same


@dataclass(slots=True)
class Contrary:
    """All of them together: each block, some do one thing or the other."""

    town: Town
    splitters: list[Wallet]
    """Owners of whose coins one makes many of one size."""
    rng: Random
    per_day: float
    """Deeds."""

    @classmethod
    def settle(cls, town: Town) -> list[Self]:
        """Open the splitters' wallets; everyone else is there."""
        if town.settings.flavour is not Flavour.CONTRARY or len(town.people) < 3:  # noqa: PLR2004 -- strangers
            return []
        rng = town.rng("contrary")
        splitters = []
        for n in range(2):
            owner = town.world.entity(Entity(f"splitter {n}"))
            splitters.append(town.world.wallet(owner.id, town.servers["server"], owner))
            endow(town, rng, splitters[-1], 8, 0.8)
        one = cls(town, splitters, rng, rng.uniform(1.0, 1.6))
        town.note("contrary", one)
        return [one]

    def act(self) -> None:
        """Do some of it."""
        if not self.town.busy:
            return
        ways = (self._strangers, self._key_of_two, self._selfjoin, self._own_offer, self._odd_change, self._donation)
        for _ in range(self.town.happens(self.rng, self.per_day)):
            self.rng.choice(ways)()

    def _able(self, n: int) -> list[Person]:
        """Draw people who have enough; none where there are too few."""
        people = self.rng.sample(self.town.people, min(len(self.town.people), 4 * n))
        able = [p for p in people if spare(self.town.world, p.wallet, 4) > 2 * _LEAST][:n]
        return able if len(able) == n else []

    def _address(self, apart_from: Person) -> Address:
        other = self.rng.choice([p for p in self.town.people if p is not apart_from])
        return self.town.address_of(other, self.rng)

    def _paid(self, person: Person, to: Address, value: int) -> Share:
        """One party's part of a joint payment: its coins, its payment, its change; each pays for its own part."""
        world, wallet = self.town.world, person.wallet
        change = wallet.receive(role="change")
        scripts = [to.script, change.script]
        coins = wallet.select(value, scripts, world.height, world.fee_level, world.random)
        rest = sum(c.value for c in coins) - value - wallet.habits.fee_for(vbytes(coins, scripts), world.fee_level)
        kept = [Payment(change, rest)] if rest >= DUST else []
        return Share(wallet, coins, [Payment(to, value), *kept], range(1, 1 + len(kept)))

    def _strangers(self) -> None:
        """Two or three strangers pay whom they have to pay, of different amounts, in one transaction."""
        people = self._able(self.rng.randint(2, 3))
        shares = [self._paid(p, self._address(p), self.rng.randint(_LEAST // 2, _LEAST)) for p in people]
        if shares:
            self.town.world.joint(shares, "shared_spend")

    def _key_of_two(self) -> None:
        """Somebody's key is sold: the buyer takes payments on it in another form, the seller goes on in the old one."""
        able = [p for p in self._able(3) if p.wallet.coins]
        old = next((c.address for p in able[:1] for c in p.wallet.coins.values() if c.address.kind in _HASHED), None)
        if old is None:
            return
        _, buyer, payer = able
        kind = self.rng.choice([k for k in _HASHED if k is not old.kind])
        new = replace(old.same_key(kind), owner=buyer.wallet.name, role="receive", of="")
        if self.town.world.address_of(new.script) is None:
            buyer.wallet.watch(new)
            self.town.world.pay(payer.wallet, new, _LEAST // 2)

    def _selfjoin(self) -> None:
        """One owner cuts its coins into some of one size and some of others, as a CoinJoin of many would."""
        world, wallet = self.town.world, self.rng.choice(self.splitters)
        coins = [c for c in wallet.spendable(world.height) if c.value > _LEAST][: self.rng.randint(4, 8)]
        if len(coins) < 4:  # noqa: PLR2004 -- where coins are few, there are large ones
            return
        fee = wallet.habits.fee_for(vbytes(coins, [LONGEST_SCRIPT] * (2 * len(coins))), world.fee_level)
        size = min(c.value for c in coins) * self.rng.randint(5, 9) // 10
        values = [size] * len(coins) + [c.value - size - fee // len(coins) - 1 for c in coins]
        outputs = [Payment(wallet.receive(role="change"), v) for v in values if v >= DUST]
        world.joint([Share(wallet, coins, outputs, range(len(outputs)))], "selfjoin")

    def _own_offer(self) -> None:
        """One owner signs each input with its own output alone, as sellers on a market do, and nobody buys."""
        world, wallet = self.town.world, self.rng.choice(self.splitters)
        coins = [c for c in wallet.spendable(world.height) if c.value > _LEAST][:3]
        to = [self._address(self.town.people[0]) for _ in coins]
        fee = wallet.habits.fee_for(vbytes(coins, [a.script for a in to] * 2), world.fee_level)
        values = [int((c.value - fee) * self.rng.uniform(0.1, 0.4)) for c in coins]
        if len(coins) < 2:  # noqa: PLR2004 -- with one input there is nothing to keep apart
            return
        change = Payment(wallet.receive(role="change"), sum(c.value for c in coins) - sum(values) - fee)
        outputs = [*(Payment(a, v) for a, v in zip(to, values, strict=True)), change]
        world.joint([Share(wallet, coins, outputs, (len(coins),), _OFFER)], "self_offer", Order.AS_GIVEN)

    def _odd_change(self) -> None:
        """The change is round and goes to an old address of another kind; the payment is odd and to a fresh one."""
        for person in self._able(1):
            wallet = person.wallet
            coins = sorted(wallet.spendable(self.town.height), key=lambda c: -c.value)[:2]
            old = next((a for a in wallet.addresses if a.role == "change"), wallet.addresses[0])
            worth = sum(c.value for c in coins) - 2 * wallet.habits.fee_for(vbytes(coins, [LONGEST_SCRIPT] * 2), 4)
            kept = worth // 2 // _ROUND * _ROUND
            if kept:
                outputs = [Payment(self._address(person), worth - kept), Payment(old, kept)]
                self.town.world.joint([Share(wallet, coins, outputs, (1,))], "odd_change")

    def _donation(self) -> None:
        """What is left of a payment goes to somebody else, such as a cause with an account at an exchange."""
        for person in self._able(1):
            world, wallet = self.town.world, person.wallet
            gifts = [s.invoice(person.entity) for s in self.town.shops if s.entity.category == "donation"]
            gifts += [v.open_account(person.entity) for v in self.town.venues]
            coins = [max(wallet.spendable(world.height), key=lambda c: c.value)]
            to = self._address(person)
            fee = wallet.habits.fee_for(vbytes(coins, [to.script, LONGEST_SCRIPT]), world.fee_level)
            value = (coins[0].value - fee) * 3 // 5
            if gifts and value > DUST:
                given = Payment(self.rng.choice(gifts), coins[0].value - fee - value)
                world.joint([Share(wallet, coins, [Payment(to, value), given])], "donated_change")
