"""Keys and the addresses they open, each derived from a seed so that a world is the same every time."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from bitcoin.core import Hash160
from bitcoin.core.script import (
    OP_0,
    OP_1,
    OP_CHECKSIG,
    OP_DUP,
    OP_EQUAL,
    OP_EQUALVERIFY,
    OP_HASH160,
    CScript,
)
from coincurve import PrivateKey

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_EVEN_Y = 2


class AddressKind(StrEnum):
    """How a key is locked; the ways of paying to a single key that are in use."""

    P2PK = "p2pk"
    P2PKH = "p2pkh"
    P2SH_P2WPKH = "p2sh-p2wpkh"
    P2WPKH = "p2wpkh"
    P2TR = "p2tr"


def tagged_hash(tag: str, data: bytes) -> bytes:
    """BIP 340 tagged SHA-256 of `data`, 32 bytes."""
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix + prefix + data).digest()


def taproot_tweaked(key: PrivateKey) -> PrivateKey:
    """Give the key that signs for a BIP 341 output without script paths (BIP 86)."""
    point = key.public_key.format()
    even = key if point[0] == _EVEN_Y else PrivateKey.from_int(CURVE_ORDER - key.to_int())
    return even.add(tagged_hash("TapTweak", point[1:]))


def key_hash_script(key_hash: bytes) -> CScript:
    """Script of a P2PKH output; also the script code that a P2WPKH spend signs."""
    return CScript([OP_DUP, OP_HASH160, key_hash, OP_EQUALVERIFY, OP_CHECKSIG])


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

    @cached_property
    def key(self) -> PrivateKey:
        """The private key whose signature the output asks for."""
        plain = PrivateKey(self.secret)
        return taproot_tweaked(plain) if self.kind is AddressKind.P2TR else plain

    @cached_property
    def public_key(self) -> bytes:
        """Compressed public key, 33 bytes."""
        return bytes(self.key.public_key.format())

    @cached_property
    def key_hash(self) -> bytes:
        """HASH160 of the compressed public key, 20 bytes."""
        return bytes(Hash160(self.public_key))

    @property
    def redeem_script(self) -> CScript:
        """The P2WPKH script that a P2SH-P2WPKH address hides."""
        return CScript([OP_0, self.key_hash])

    @cached_property
    def script(self) -> bytes:
        """The locking script."""
        match self.kind:
            case AddressKind.P2PK:
                return bytes(CScript([self.public_key, OP_CHECKSIG]))
            case AddressKind.P2PKH:
                return bytes(key_hash_script(self.key_hash))
            case AddressKind.P2SH_P2WPKH:
                return bytes(CScript([OP_HASH160, Hash160(self.redeem_script), OP_EQUAL]))
            case AddressKind.P2WPKH:
                return bytes(self.redeem_script)
            case AddressKind.P2TR:
                return bytes(CScript([OP_1, self.public_key[1:]]))

    def same_key(self, kind: AddressKind) -> "Address":
        """Give the address that the same key has in another form."""
        return replace(self, kind=kind)


def derive(seed: int, owner: str, number: int) -> bytes:
    """Secret of the `number`-th key of a wallet in the world of this seed, 32 bytes."""
    return hashlib.sha256(f"{seed}/{owner}/{number}".encode()).digest()
