"""A wallet: keys made in order, the coins they hold, and the habits of the program that runs it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from worlds.ledger.blocks import MATURITY
from worlds.ledger.chain import Outpoint, WorldError
from worlds.ledger.keys import Address, AddressKind, derive
from worlds.ledger.signing import Coin

BTC = 100_000_000
DUST = 546  # satoshi below which a change output is not worth making

INPUT_VBYTES = {
    AddressKind.P2PK: 114,
    AddressKind.P2PKH: 149,
    AddressKind.P2SH_P2WPKH: 92,
    AddressKind.P2WPKH: 69,
    AddressKind.P2TR: 58,
}
_OVERHEAD_VBYTES = 12


class ChangeAt(StrEnum):
    """Where a wallet program puts its change."""

    LAST = "last"
    FIRST = "first"
    RANDOM = "random"
    SORTED = "sorted"
    """All outputs sorted by value and script (BIP 69)."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What one wallet program does the same way every time; its fingerprint."""

    kind: AddressKind = AddressKind.P2WPKH
    version: int = 2
    sequence: int = 0xFFFFFFFD
    follows_tip: bool = False
    """Whether nLockTime is the tip's height (against fee sniping) or 0."""
    change_at: ChangeAt = ChangeAt.RANDOM
    reuses_change: bool = False
    """Whether change goes back to the first input's address."""
    largest_first: bool = False
    """Whether the largest coins are spent first, or the oldest."""
    fee_rate: int = 8
    """satoshi per virtual byte"""


class Wallet:
    """Addresses and coins of one owner."""

    def __init__(self, seed: int, name: str, habits: Habits, register: Callable[[Address], None]) -> None:
        self.name, self.habits = name, habits
        self.addresses: list[Address] = []
        self.coins: dict[Outpoint, Coin] = {}
        self._seed, self._register = seed, register

    def receive(self, kind: AddressKind | None = None) -> Address:
        """Make a fresh address."""
        secret = derive(self._seed, self.name, len(self.addresses))
        return self.watch(Address(secret, kind or self.habits.kind, self.name))

    def watch(self, address: Address) -> Address:
        """Take in an address, so that coins paid to it are this wallet's."""
        self.addresses.append(address)
        self._register(address)
        return address

    def spendable(self, next_height: int) -> list[Coin]:
        """Coins that a block at `next_height` may spend, oldest first or largest first by habit."""
        ripe = [c for c in self.coins.values() if not c.coinbase or c.height + MATURITY <= next_height]
        return sorted(ripe, key=lambda c: -c.value) if self.habits.largest_first else ripe

    def balance(self, next_height: int) -> int:
        """Satoshi that a block at `next_height` may spend."""
        return sum(c.value for c in self.spendable(next_height))

    def take(self, coins: Iterable[Coin]) -> None:
        """Forget coins that were spent."""
        for coin in coins:
            del self.coins[coin.outpoint]

    def select(self, target: int, outputs: Iterable[bytes], next_height: int) -> list[Coin]:
        """Coins for `target` satoshi and the fee of paying these scripts and change.

        Raises
        ------
        WorldError
            If the wallet holds too little; the message says how much.
        """
        chosen: list[Coin] = []
        scripts = [*outputs, bytes(34)]
        for coin in self.spendable(next_height):
            chosen.append(coin)
            if sum(c.value for c in chosen) >= target + self.habits.fee_rate * vbytes(chosen, scripts):
                return chosen
        have = f"{self.balance(next_height)} at height {next_height}"
        msg = f"wallet {self.name} can not pay {target} satoshi and fees: it has {have}"
        raise WorldError(msg)


def vbytes(coins: Iterable[Coin], scripts: Iterable[bytes]) -> int:
    """Virtual size of a transaction, rounded up input by input."""
    inputs = sum(INPUT_VBYTES[c.address.kind] for c in coins)
    return _OVERHEAD_VBYTES + inputs + sum(9 + len(s) for s in scripts)
