"""The clients of a party that will be designated: customers of exchanges, many of them Japanese, and a few others."""

from dataclasses import dataclass
from random import Random

from worlds.deeds import Payee, Payment
from worlds.ledger.keys import Address
from worlds.town import Person, Town, Venue
from worlds.wallet import Wallet

_FEWEST, _MOST = 14, 26
_AT_A_VENUE = 0.85  # of clients: the others hold their coins themselves


@dataclass(slots=True)
class Client:
    """Somebody who is paid by a party and pays it, the same way whoever stands between them."""

    person: Person
    venue: Venue | None
    """Where the client has the account that it uses for this; None: its own wallet."""
    account: Address
    """Where the party is paid by this client as long as it deals in the open."""

    def address(self, town: Town, rng: Random) -> Address:
        """Where the client wants to be paid."""
        return self.venue.open_account(self.person.entity) if self.venue else town.address_of(self.person, rng)

    def pay(self, town: Town, to: Payee, value: int) -> None:
        """Let the client pay, from its account or its wallet."""
        if self.venue:
            self.venue.withdraw(self.person.entity, to, value)
        elif town.affords(self.person.wallet, [Payment(to, value)]):
            town.world.pay(self.person.wallet, to, value)


def clients_of(town: Town, till: Wallet, rng: Random) -> list[Client]:
    """Choose clients: most use accounts at Japanese exchanges, some elsewhere, some their own wallets.

    Parameters
    ----------
    till
        Makes the address at which each of them pays.
    """
    japanese = [v for v in town.venues if v.entity.jurisdiction == "JP"]
    clients = []
    for person in rng.sample(town.people, min(len(town.people), rng.randint(_FEWEST, _MOST))):
        venue = rng.choice([*japanese, rng.choice(town.venues)]) if rng.random() < _AT_A_VENUE else None
        clients.append(Client(person, venue, till.receive(role="deposit")))
    return clients
