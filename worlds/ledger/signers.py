"""The two ways of holding a key: on the curve, so that Bitcoin Core accepts the chain, or in its form alone.

A `CurveKey` signs validly. A `FillerKey` has the same lengths and encodings without any arithmetic: a public key
that is a hash, and signatures that are hashes of what they spend.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

from coincurve import PrivateKey, PublicKey, PublicKeyXOnly
from coincurve.context import GLOBAL_CONTEXT

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_EVEN_Y, _ODD_Y = 2, 3  # first byte of a compressed public key
_HIGH_BIT = 0x80
# BIP 340 recommends fresh randomness against side channels; worlds must be the same every time.
_NO_RANDOMNESS = bytes(32)

Digest = Callable[[], bytes]
"""Gives what is to be signed, 32 bytes; made only where a signature depends on it."""


class Key(Protocol):
    """What an output is locked to: a public key, and signatures for it."""

    public: bytes
    """Compressed, 33 bytes; what is checked by BIP 340 is the last 32."""

    def __init__(self, secret: bytes, *, tweaked: bool) -> None:
        """Make the key of a 32-byte secret; with `tweaked`, as BIP 341 has it for an output without scripts."""

    def ecdsa(self, outpoint: bytes, digest: Digest) -> bytes:
        """Sign the spend of an outpoint (36 bytes); gives the signature in DER form."""

    def schnorr(self, outpoint: bytes, digest: Digest) -> bytes:
        """Sign the spend of an outpoint as BIP 340 has it, 64 bytes."""


class _OneForm(PrivateKey):
    """A private key with its public key in one form; coincurve computes both, at twice the cost."""

    def __init__(self, secret: bytes, *, xonly: bool) -> None:
        self.secret, self.context = secret, GLOBAL_CONTEXT
        if xonly:
            self.public_key_xonly = PublicKeyXOnly.from_valid_secret(secret)
        else:
            self.public_key = PublicKey.from_valid_secret(secret)


class CurveKey:
    """A key on secp256k1."""

    def __init__(self, secret: bytes, *, tweaked: bool) -> None:
        self._key = _OneForm(tweaked_secret(secret) if tweaked else secret, xonly=tweaked)
        self.public = (
            bytes((_EVEN_Y,)) + self._key.public_key_xonly.format() if tweaked else self._key.public_key.format()
        )

    def ecdsa(self, outpoint: bytes, digest: Digest) -> bytes:  # noqa: ARG002 -- a filler's business
        """Sign deterministically (RFC 6979) and with low S, as libsecp256k1 does."""
        return self._key.sign(digest(), hasher=None)

    def schnorr(self, outpoint: bytes, digest: Digest) -> bytes:  # noqa: ARG002 -- a filler's business
        """Sign deterministically."""
        return self._key.sign_schnorr(digest(), _NO_RANDOMNESS)


class FillerKey:
    """Bytes that look like a key; its signatures depend on the outpoint alone, which is spent once."""

    __slots__ = ("public",)

    def __init__(self, secret: bytes, *, tweaked: bool) -> None:
        body = hashlib.sha256(b"tweaked" + secret if tweaked else secret).digest()
        self.public = bytes((_ODD_Y if body[0] & 1 else _EVEN_Y,)) + body

    def ecdsa(self, outpoint: bytes, digest: Digest) -> bytes:  # noqa: ARG002 -- the curve's business
        """Give two random numbers in DER form, the second low."""
        numbers = hashlib.sha512(outpoint).digest()
        r, s = _der_number(numbers[:32]), _der_number(bytes((numbers[32] & ~_HIGH_BIT,)) + numbers[33:])
        return bytes((0x30, len(r) + len(s))) + r + s

    def schnorr(self, outpoint: bytes, digest: Digest) -> bytes:  # noqa: ARG002 -- the curve's business
        """Give 64 random bytes."""
        return hashlib.sha512(outpoint).digest()


def _der_number(number: bytes) -> bytes:
    """Encode a positive number: no leading zeros, but one where the highest bit would read as a sign."""
    number = number.lstrip(b"\0")
    if number[0] & _HIGH_BIT:
        number = b"\0" + number
    return bytes((0x02, len(number))) + number


def tagged_hash(tag: str, data: bytes) -> bytes:
    """BIP 340 tagged SHA-256 of `data`, 32 bytes."""
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix + prefix + data).digest()


def tweaked_secret(secret: bytes) -> bytes:
    """Give the secret that signs for a BIP 341 output without script paths (BIP 86)."""
    point = PublicKey.from_secret(secret).format()
    number = int.from_bytes(secret, "big")
    even = number if point[0] == _EVEN_Y else CURVE_ORDER - number
    tweak = int.from_bytes(tagged_hash("TapTweak", point[1:]), "big")
    return ((even + tweak) % CURVE_ORDER).to_bytes(32, "big")
