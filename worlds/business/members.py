"""Second wallets of people: those who mix, trade or run a node keep coins apart from their everyday wallet."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from worlds.business.funds import SMALLEST_COIN, pay_with, spare
from worlds.deeds import Payment
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.town import Person, Town
from worlds.wallet import BTC, LONGEST_SCRIPT, Habits, Wallet, vbytes

_TOGETHER = (0.55, 0.25, 0.2)  # how often one, two and three mixed coins are spent at once
_FROM_EXCHANGE = 0.3  # of top-ups
_LEAST_TOP_UP = BTC // 50


@dataclass(slots=True, eq=False)
class Member:
    """A person, and the wallet that is kept apart."""

    person: Person
    wallet: Wallet

    @property
    def entity(self) -> Entity:
        """Who it is."""
        return self.wallet.owner

    def coins(self, height: int, *, mixed: bool | None = None, least: int = SMALLEST_COIN) -> list[Coin]:
        """Give the coins that are in a block already: all of them, or those that are (not) of a mix."""
        ripe = (c for c in self.wallet.spendable(height) if c.height < height and c.value >= least)
        return [c for c in ripe if mixed is None or (c.address.role == "mix") is mixed]


def join(town: Town, rng: Random, name: str, share: float, habits: Habits) -> list[Member]:
    """Open a second wallet for a share of the people, twelve at least where there are so many."""
    n = min(len(town.people), max(12, round(len(town.people) * share)))
    people = rng.sample(town.people, n)
    return [Member(p, town.world.wallet(f"{p.entity.id} {name}", habits, p.entity)) for p in people]


def top_up(town: Town, rng: Random, member: Member) -> None:
    """Move own money into the second wallet, from the everyday one or from an account at an exchange."""
    funds = spare(town.world, member.person.wallet)
    value = int(funds * rng.uniform(0.2, 0.6))
    if member.person.accounts and rng.random() < _FROM_EXCHANGE:
        venue, _ = rng.choice(member.person.accounts)
        venue.withdraw(member.entity, member.wallet.receive(), town.amount(rng, 0.15))
    elif value >= _LEAST_TOP_UP:
        town.world.pay(member.person.wallet, member.wallet.receive(), value, word="transfer")


def spend_mixed(town: Town, rng: Random, member: Member, coins: Sequence[Coin]) -> None:
    """Spend up to three mixed coins as one spends any: pay a person or a shop, deposit them, take them home."""
    if not coins:
        return
    n = min(len(coins), rng.choices((1, 2, 3), _TOGETHER)[0])
    chosen = rng.sample(coins, n)
    worth = sum(c.value for c in chosen) - 2 * member.wallet.habits.fee_for(vbytes(chosen, [LONGEST_SCRIPT] * 2), 1)
    if worth < SMALLEST_COIN * 10:
        return
    way = rng.randrange(4)
    if way == 0 and member.person.accounts:
        town.world.spend(member.wallet, chosen, rng.choice(member.person.accounts)[1])
    elif way == 1:
        town.world.spend(member.wallet, chosen, member.person.wallet.receive())
    else:
        shop = rng.choice(town.shops) if way == 2 and town.shops else None  # noqa: PLR2004 -- one way of four
        other = rng.choice([p for p in town.people if p is not member.person])
        to = shop.invoice(member.entity) if shop else town.address_of(other, rng)
        pay_with(town.world, member.wallet, chosen, [Payment(to, int(worth * rng.uniform(0.3, 0.9)))])


def between_mixes(town: Town, rng: Random, members: Sequence[Member], top_ups: float, spends: float) -> None:
    """Let members bring coins, and spend what is mixed, each so many times a day."""
    for _ in range(town.happens(rng, top_ups)):
        top_up(town, rng, rng.choice(members))
    for _ in range(town.happens(rng, spends)):
        member = rng.choice(members)
        spend_mixed(town, rng, member, member.coins(town.height, mixed=True))
