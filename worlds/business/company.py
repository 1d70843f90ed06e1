"""One company of a front: money comes in, waits, and goes on to whom it is meant for, less a commission.

It makes payments that its principal asks for, and passes on what the principal's partners pay to its tills.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Self

from worlds.business.terms import Terms
from worlds.deeds import Payee, Payment
from worlds.ledger.chain import Outpoint
from worlds.ledger.keys import Address
from worlds.parties import Entity
from worlds.town import Principal, Shell, Town, Venue
from worlds.wallet import Wallet

PLACES = ("SG", "HK", "AE", "CY", "VG")
_FIRST = ("Straits", "Harbour", "Lotus", "Falcon", "Orchid", "Pearl", "Summit", "Jade")
_SECOND = ("Trading", "Holdings", "Logistics", "Consulting", "Partners", "Commodities")
_HOURS = 24  # of a day
_LEAST = 50_000  # satoshi that a company keeps of every payment, fees of the chain included
_FLOAT = 1_000_000  # satoshi that its first customer gives it on top, so that it can pay fees


@dataclass(frozen=True, slots=True, eq=False)
class Lot:
    """Money that is to go on."""

    due: int
    """Height from which it may."""
    value: int
    to: Payee | None = None
    """None: the principal's, wherever that is by then."""


@dataclass(slots=True)
class Company:
    """One company, working for one principal."""

    town: Town
    wallet: Wallet
    principal: Entity
    home: Callable[[], Address]
    """Where what is meant for the principal goes."""
    terms: Terms
    rng: Random
    shell: Shell
    """What the truth knows of it."""
    weight: float = 1.0
    """How much of the principal's business it gets, compared with others."""
    host: Venue | None = None
    """Exchange through whose account it makes its payments; None: it makes them itself."""
    lots: list[Lot] = field(default_factory=list)
    given: dict[str, Address] = field(default_factory=dict)
    """The address last given out, by what for."""
    tills: set[bytes] = field(default_factory=set)
    """Scripts that partners of the principal pay to."""
    seen: set[Outpoint] = field(default_factory=set)
    """Coins that it knows of, its own change among them."""

    @classmethod
    def found(cls, town: Town, rng: Random, kind: str, principal: Principal, terms: Terms, place: str = "") -> Self:
        """Open a company that starts at the designation, or now where that is past."""
        name = f"{rng.choice(_FIRST)} {rng.choice(_SECOND)} {len(town.shells)}"
        entity = town.world.entity(Entity(name, "shell", place or rng.choice(PLACES)))
        wallet = town.world.wallet(name, town.program(rng), entity)
        shell = Shell(entity, kind, principal.entity, max(town.t0, town.height))
        town.shells.append(shell)
        town.note(name, terms)
        return cls(town, wallet, principal.entity, principal.home, terms, rng, shell)

    def due(self, after: int) -> int:
        """Draw until when money stays that comes in at height `after`."""
        return after + self.town.blocks_in(self.rng.uniform(self.terms.shortest, self.terms.longest) / _HOURS)

    def fund(self, to: Payee, value: int, due: int) -> Payment:
        """Take on a payment that is made from height `due` on; gives what the principal is to pay, and where."""
        kept = self._commission(value) + (0 if "principal" in self.given else _FLOAT)
        self.town.world.book(self.principal, self.wallet.owner, kept)
        parts = self.rng.randint(1, self.terms.parts)
        for part in range(parts):
            rest = value // parts + (value % parts if part == 0 else 0)
            self.lots.append(Lot(due if part == 0 else self.due(due), rest, to))
        return Payment(self._address("principal"), value + kept, self.principal)

    def route_out(self, to: Payee, value: int) -> list[Payment]:
        """Take on a payment that goes on as the company's terms say."""
        return [self.fund(to, value, self.due(self.town.height))]

    def till(self) -> Address:
        """Give the address that a partner of the principal is to pay."""
        address = self._address("partners")
        self.tills.add(address.script)
        return address

    def act(self) -> None:
        """See what came in, and pay what is due as far as there are funds."""
        self._notice()
        height = self.town.height
        due = [lot for lot in self.lots if lot.due <= height] if height % self.terms.every == 0 else []
        onward = [lot for lot in due if lot.to]
        together = [onward] if self.terms.batches else [[lot] for lot in onward]
        for lots in [*together, [lot for lot in due if not lot.to]]:
            self._pay(lots)

    def _notice(self) -> None:
        for outpoint, coin in self.wallet.coins.items():
            if coin.address.script in self.tills and outpoint not in self.seen:
                self.seen.add(outpoint)
                kept = self._commission(coin.value)
                kept = kept if coin.value > kept + _LEAST else coin.value
                self.town.world.book(self.principal, self.wallet.owner, kept)
                if coin.value > kept:
                    self.lots.append(Lot(self.due(self.town.height), coin.value - kept))

    def _pay(self, lots: list[Lot]) -> None:
        """Pay these together, without the largest where there are no funds for all."""
        home = self.home() if any(not lot.to for lot in lots) else None
        chosen = sorted(lots, key=lambda lot: lot.value)
        while chosen:
            payments = [Payment(lot.to, lot.value, self.principal) for lot in chosen if lot.to]
            back = sum(lot.value for lot in chosen if not lot.to)
            if home:
                payments.append(Payment(home, back, self.principal))
            if self.town.affords(self.wallet, payments):
                self._send(payments)
                break
            chosen.pop()
        self.lots = [lot for lot in self.lots if lot not in chosen]

    def _send(self, payments: list[Payment]) -> None:
        """Make these payments, or bring the money to the host and ask it to make them."""
        if self.host:
            for payment in payments:
                self.host.withdraw(self.principal, payment.to, payment.value)
            own = self.wallet.owner
            payments = [Payment(self.host.open_account(own), sum(p.value for p in payments), own)]
        txid = self.town.world.batch(self.wallet, payments, "batch" if len(payments) > 1 else "pay")
        self.seen |= {outpoint for outpoint in self.wallet.coins if outpoint[0] == txid}

    def _commission(self, value: int) -> int:
        rate = self.terms.commission * (1 + self.rng.uniform(-self.terms.spread, self.terms.spread))
        return max(_LEAST, int(value * rate))

    def _address(self, purpose: str) -> Address:
        if self.terms.fresh or purpose not in self.given:
            self.given[purpose] = self.wallet.receive(role="front", of=self.principal)
        return self.given[purpose]
