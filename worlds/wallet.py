"""A wallet: keys made in order, the coins they hold, and the habits of the program that runs it."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from worlds.ledger.blocks import MATURITY
from worlds.ledger.chain import Outpoint, WorldError
from worlds.ledger.keys import Address, AddressKind, Keyring
from worlds.ledger.signing import Coin
from worlds.parties import Entity

BTC = 100_000_000
LONGEST_SCRIPT = bytes(34)  # stands for a locking script that is not made yet
DUST = 546  # satoshi below which a change output is not worth making

INPUT_VBYTES = {
    AddressKind.P2PK: 114,
    AddressKind.P2PKH: 149,
    AddressKind.P2SH_P2WPKH: 92,
    AddressKind.P2WPKH: 69,
    AddressKind.P2TR: 58,
}
_OVERHEAD_VBYTES = 12
_ROUND_FEE = 1_000  # satoshi


class ChangeAt(StrEnum):
    """Where a wallet program puts its change."""

    LAST = "last"
    FIRST = "first"
    RANDOM = "random"
    SORTED = "sorted"
    """All outputs sorted by value and script (BIP 69)."""


class Selection(StrEnum):
    """Which coins a wallet program spends first."""

    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"
    RANDOM = "random"
    CLOSEST = "closest"
    """One coin that pays exactly, so that no change is left; else the smallest that suffices; else the largest."""
    ADDRESS = "address"
    """All coins of an address at once, so that an address is spent once only."""


class Locktime(StrEnum):
    """What a wallet program writes to nLockTime."""

    ZERO = "zero"
    TIP = "tip"
    BACKDATED = "backdated"
    """The tip's height, one time in ten up to 100 blocks less (Bitcoin Core, against fee sniping)."""


class Fee(StrEnum):
    """How a wallet program sets its fee."""

    FIXED = "fixed"
    """Always the same rate."""
    MARKET = "market"
    """The rate times the level of the day."""
    ROUND = "round"
    """As `fixed`, rounded up to whole thousands of satoshi."""


class InputOrder(StrEnum):
    """In which order a wallet program lists what it spends."""

    CHOSEN = "chosen"
    SORTED = "sorted"
    """By outpoint (BIP 69)."""
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Habits:
    """What one wallet program does the same way every time; its fingerprint."""

    kind: AddressKind = AddressKind.P2WPKH
    version: int = 2
    sequence: int = 0xFFFFFFFD
    locktime: Locktime = Locktime.ZERO
    change_at: ChangeAt = ChangeAt.RANDOM
    reuses_change: bool = False
    """Whether change goes back to the first input's address."""
    selection: Selection = Selection.OLDEST
    fee_rate: int = 8
    """satoshi per virtual byte"""
    fee: Fee = Fee.FIXED
    inputs: InputOrder = InputOrder.CHOSEN
    change_like_payment: bool = False
    """Whether change takes the script kind of what is paid, not the wallet's own."""
    change_kind: AddressKind | None = None
    """Script kind of change, where that is another than `kind`, at which it is paid."""
    leaves: int = DUST
    """Satoshi below which what is left over goes to the fee, not to a change output."""
    program: str = ""
    """Name of the wallet program; empty where none is meant."""

    def fee_for(self, size: int, level: float) -> int:
        """Fee in satoshi of a transaction of `size` virtual bytes at today's fee level."""
        rate = max(1, round(self.fee_rate * level)) if self.fee is Fee.MARKET else self.fee_rate
        fee = rate * size
        return -(-fee // _ROUND_FEE) * _ROUND_FEE if self.fee is Fee.ROUND else fee


class Wallet:
    """Addresses and coins under one set of keys.

    Parameters
    ----------
    keys, name
        Decide its keys.
    habits
        What its program does.
    owner
        The party that holds the keys.
    group
        What the truth calls it: wallets of one group are under one control and spend together at times.
    register
        Called with every address it makes.
    """

    def __init__(
        self, keys: Keyring, name: str, habits: Habits, owner: Entity, group: str, register: Callable[[Address], None]
    ) -> None:
        self.name, self.habits, self.owner, self.group = name, habits, owner, group
        self.addresses: list[Address] = []
        self.coins: dict[Outpoint, Coin] = {}
        self._keys, self._register = keys, register

    def receive(self, kind: AddressKind | None = None, role: str = "receive", of: Entity | None = None) -> Address:
        """Make a fresh address; `of` is the party on whose account it is paid, if not the wallet's owner."""
        account = of.id if of else ""
        usual = self.habits.change_kind or self.habits.kind if role == "change" else self.habits.kind
        return self.watch(self._keys.address(self.name, len(self.addresses), kind or usual, role, account))

    def watch(self, address: Address) -> Address:
        """Take in an address, so that coins paid to it are this wallet's."""
        self.addresses.append(address)
        self._register(address)
        return address

    def spendable(self, next_height: int) -> list[Coin]:
        """Coins that a block at `next_height` may spend, oldest first."""
        return [c for c in self.coins.values() if not c.coinbase or c.height + MATURITY <= next_height]

    def balance(self, next_height: int) -> int:
        """Satoshi that a block at `next_height` may spend."""
        return sum(c.value for c in self.spendable(next_height))

    def take(self, coins: Iterable[Coin]) -> None:
        """Forget coins that were spent."""
        for coin in coins:
            del self.coins[coin.outpoint]

    def select(
        self,
        target: int,
        outputs: Iterable[bytes],
        next_height: int,
        level: float = 1.0,
        rng: random.Random | None = None,
    ) -> list[Coin]:
        """Coins for `target` satoshi and the fee of paying these scripts and change.

        Raises
        ------
        WorldError
            If the wallet holds too little; the message says how much.
        """
        size = vbytes((), [*outputs, LONGEST_SCRIPT])
        chosen: list[Coin] = []
        total = 0
        for coin in self._ordered(target, next_height, rng):
            chosen.append(coin)
            total += coin.value
            size += INPUT_VBYTES[coin.address.kind]
            if total >= target + self.habits.fee_for(size, level):
                return self._completed(chosen, next_height)
        have = f"{self.balance(next_height)} at height {next_height}"
        msg = f"wallet {self.name} can not pay {target} satoshi and fees: it has {have}"
        raise WorldError(msg)

    def _ordered(self, target: int, next_height: int, rng: random.Random | None) -> list[Coin]:
        coins = self.spendable(next_height)
        match self.habits.selection:
            case Selection.LARGEST:
                coins.sort(key=lambda c: -c.value)
            case Selection.SMALLEST:
                coins.sort(key=lambda c: c.value)
            case Selection.CLOSEST:
                coins.sort(key=lambda c: (c.value < target, abs(c.value - target)))
            case Selection.RANDOM if rng:
                rng.shuffle(coins)
            case _:
                pass  # they lie oldest first
        return coins

    def _completed(self, chosen: list[Coin], next_height: int) -> list[Coin]:
        """Add the other coins of the same addresses, where that is the habit."""
        if self.habits.selection is not Selection.ADDRESS:
            return chosen
        scripts, known = {c.address.script for c in chosen}, {c.outpoint for c in chosen}
        rest = (c for c in self.spendable(next_height) if c.outpoint not in known)
        return chosen + [c for c in rest if c.address.script in scripts]


def vbytes(coins: Iterable[Coin], scripts: Sequence[bytes]) -> int:
    """Virtual size of a transaction, rounded up input by input."""
    inputs = sum(INPUT_VBYTES[c.address.kind] for c in coins)
    return _OVERHEAD_VBYTES + inputs + sum(9 + len(s) for s in scripts)
