"""Keys and the addresses they open, each derived from a seed so that a world is the same every time."""

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from chains.sha256 import hash160 as hash160_into
from chains.sha256 import new_context
from worlds.ledger.signers import CurveKey, FillerKey, Key


class AddressKind(StrEnum):
    """How a key is locked; the ways of paying to a single key that are in use."""

    P2PK = "p2pk"
    P2PKH = "p2pkh"
    P2SH_P2WPKH = "p2sh-p2wpkh"
    P2WPKH = "p2wpkh"
    P2TR = "p2tr"


def hash160(data: bytes) -> bytes:
    """RIPEMD-160 of SHA-256, 20 bytes; by the kernel, because hashlib lacks RIPEMD-160 on some machines."""
    out = np.empty(32, np.uint8)
    hash160_into(new_context(), np.frombuffer(data, np.uint8), 0, len(data), out)
    return out[:20].tobytes()


def key_hash_script(key_hash: bytes) -> bytes:
    """Script of a P2PKH output; also the script code that a P2WPKH spend signs."""
    return b"\x76\xa9\x14" + key_hash + b"\x88\xac"


@dataclass(frozen=True)
class Address:
    """One key locked in one way: what is paid to, and what signs for it."""

    secret: bytes
    kind: AddressKind
    owner: str
    """Name of the wallet that made it."""
    role: str = "receive"
    """What it is for: `worlds.truth.tables.ROLES`."""
    of: str = ""
    """Entity on whose account it is paid; empty: the wallet's owner."""
    signer: type[Key] = field(default=CurveKey, repr=False)
    """How its key is made, the same for a whole world: on the curve, or in its form alone."""

    @cached_property
    def key(self) -> Key:
        """The key whose signature the output asks for."""
        return self.signer(self.secret, tweaked=self.kind is AddressKind.P2TR)

    @property
    def public_key(self) -> bytes:
        """Compressed public key, 33 bytes."""
        return self.key.public

    @cached_property
    def key_hash(self) -> bytes:
        """HASH160 of the compressed public key, 20 bytes."""
        return hash160(self.public_key)

    @property
    def redeem_script(self) -> bytes:
        """The P2WPKH script that a P2SH-P2WPKH address hides."""
        return b"\x00\x14" + self.key_hash

    @cached_property
    def script(self) -> bytes:
        """The locking script."""
        match self.kind:
            case AddressKind.P2PK:
                return b"\x21" + self.public_key + b"\xac"
            case AddressKind.P2PKH:
                return key_hash_script(self.key_hash)
            case AddressKind.P2SH_P2WPKH:
                return b"\xa9\x14" + hash160(self.redeem_script) + b"\x87"
            case AddressKind.P2WPKH:
                return self.redeem_script
            case AddressKind.P2TR:
                return b"\x51\x20" + self.public_key[1:]

    def same_key(self, kind: AddressKind) -> "Address":
        """Give the address that the same key has in another form."""
        return replace(self, kind=kind)


@dataclass(frozen=True, slots=True)
class Guest:
    """An address of somebody whose keys this world does not hold: it can be paid, not spent from here."""

    script: bytes
    owner: str
    """Name of the wallet, and of the party."""
    ticket: int
    """By which its own side knows it."""

    @property
    def of(self) -> str:
        """Entity on whose account it is paid."""
        return self.owner

    @property
    def kind(self) -> AddressKind:
        """How it is locked, as far as others imitate it."""
        kinds = {0x76: AddressKind.P2PKH, 0xA9: AddressKind.P2SH_P2WPKH, 0x51: AddressKind.P2TR}
        return kinds.get(self.script[0], AddressKind.P2WPKH)


def derive(seed: int, owner: str, number: int) -> bytes:
    """Secret of the `number`-th key of a wallet in the world of this seed, 32 bytes."""
    return hashlib.sha256(f"{seed}/{owner}/{number}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Keyring:
    """Where all keys of a world come from."""

    seed: int
    signed: bool = True
    """Whether they lie on the curve, so that signatures are valid."""

    def address(self, owner: str, number: int, kind: AddressKind, role: str = "receive", of: str = "") -> Address:
        """Give the address of the `number`-th key of a wallet."""
        signer = CurveKey if self.signed else FillerKey
        return Address(derive(self.seed, owner, number), kind, owner, role, of, signer)
