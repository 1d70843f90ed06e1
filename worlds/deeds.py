"""What words are made of: payments before they are made, and what was meant by a transaction afterwards."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from worlds.ledger.chain import Encoded, Outpoint
from worlds.ledger.keys import Address, Guest
from worlds.ledger.sighash import SIGHASH_ALL
from worlds.ledger.signing import Coin
from worlds.parties import Entity
from worlds.wallet import Wallet

Output = tuple[bytes, int]
Payee = Address | Guest
Meant = tuple[Payee, int] | tuple[Payee, int, Entity | None]


class Payment(NamedTuple):
    """One output that is meant for somebody."""

    to: Payee
    value: int
    """satoshi"""
    of: Entity | None = None
    """On whose account it is paid; the payer's owner where None."""


class Settled(NamedTuple):
    """One party really paid another; `txid` and `vout` are None where it stands in a service's books alone."""

    payer: str
    payee: str
    value: int
    vout: int | None = None


class Order(StrEnum):
    """How a transaction of several parties lists its inputs and outputs."""

    RANDOM = "random"
    BY_VALUE = "by value"
    """Largest first, inputs and outputs alike (WabiSabi); the order of equal ones does not tell whose they are."""
    SORTED = "sorted"
    """By txid as displayed and output number, and by value and script (BIP 69)."""
    AS_GIVEN = "as given"


@dataclass(frozen=True, slots=True)
class Share:
    """What one party brings to a transaction of several, and takes from it."""

    wallet: Wallet
    coins: Sequence[Coin]
    outputs: Sequence[Payment]
    change: Sequence[int] = ()
    """Places in `outputs` of what is change."""
    sighash: int = SIGHASH_ALL


@dataclass(frozen=True, slots=True)
class Deed:
    """What was meant by one transaction: the truth behind it."""

    txid: bytes
    word: str
    by: tuple[str, ...]
    """Wallets that signed."""
    to: tuple[str, ...]
    """Wallets that were meant to receive, change not counted."""
    change: tuple[int, ...]
    """Output numbers of the change."""
    paid: tuple[Settled, ...]
    """Who really paid whom by it."""
    coins: Sequence[Coin]
    outputs: Sequence[Output]


class Bulk(Encoded):
    """Transactions made in bulk, with their truth."""

    @property
    @abstractmethod
    def n_tx(self) -> int:
        """Transactions in it."""

    @abstractmethod
    def truth(self) -> dict[str, Any]:
        """Rows of the truth's tables as Arrow record batches, by table."""


class Happened(NamedTuple):
    """One block, as it was meant."""

    height: int
    reward: Deed
    deeds: Sequence[Deed]
    booked: Sequence[Settled]
    """What services booked since the block before."""
    crowd: Bulk | None
    """What the crowd did, where there is one."""


Recorder = Callable[[Happened], None]


class Received(NamedTuple):
    """A payment to a guest that a block holds."""

    guest: Guest
    outpoint: Outpoint
    value: int


class Bystanders(Protocol):
    """The crowd, as the world knows it."""

    def fill(self, height: int, weight: int) -> Bulk:
        """Make its transactions for the block that comes, of together at most this weight."""

    def receive(self, height: int, paid: Sequence[Received]) -> None:
        """Take note of what the block at `height` paid to its people."""
