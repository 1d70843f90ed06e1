"""The scripts of one key: one owner by identity (rule samekey), whether or not the chain has shown them.

From a key's hash its P2PKH, P2WPKH and nested P2WPKH scripts follow, from the key itself its P2PK script too, and
the P2PKH script of its uncompressed form.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from chains.bitcoin.address import script_of_payload
from chains.bitcoin.tables import ScriptType
from chains.ids import address_id, canonical_script
from chains.sha256 import hash160, new_context

HASH_BYTES: Final = 20
_SHOWING: Final = (
    (ScriptType.P2PKH, re.compile(rb"\x76\xa9\x14(.{20})\x88\xac", re.DOTALL)),
    (ScriptType.P2WPKH, re.compile(rb"\x00\x14(.{20})", re.DOTALL)),
    (ScriptType.P2PK, re.compile(rb"\x21([\x02\x03].{32})\xac", re.DOTALL)),
)
# The field of secp256k1 (SEC 2, section 2.4.1): y² = x³ + 7 modulo this prime.
_PRIME: Final = 2**256 - 2**32 - 977


class Form(NamedTuple):
    """A script as the address table has it: ScriptType and payload (a P2PK's is its compressed key)."""

    script_type: int
    payload: bytes

    def id(self, secret: bytes) -> int:
        """Address id under a lake's secret."""
        return address_id(script_of_payload(*self), secret)


def shown(script: bytes) -> Form | None:
    """Return the form of a script that shows its key or the key's hash; None where a script shows neither."""
    script = canonical_script(script)
    for kind, pattern in _SHOWING:
        if found := pattern.fullmatch(script):
            return Form(kind, found[1])
    return None


def others(form: Form) -> list[Form]:
    """List the other scripts of the key that a form shows."""
    if form.script_type != ScriptType.P2PK:
        return [one for one in _of_hash(form.payload) if one != form]
    compressed, whole = key_hashes(form.payload)
    return [*_of_hash(compressed), *(Form(ScriptType.P2PKH, digest) for digest in whole)]


def _of_hash(digest: bytes) -> list[Form]:
    native = Form(ScriptType.P2WPKH, digest)
    nested = Form(ScriptType.P2SH, _hash160(script_of_payload(*native)))
    return [Form(ScriptType.P2PKH, digest), native, nested]


def key_hashes(key: bytes) -> tuple[bytes, list[bytes]]:
    """HASH160 of a compressed key, and of its uncompressed form; no second where the key is no point."""
    x = int.from_bytes(key[1:])
    square = (pow(x, 3, _PRIME) + 7) % _PRIME
    y = pow(square, (_PRIME + 1) // 4, _PRIME)
    if y * y % _PRIME != square:
        return _hash160(key), []
    y = y if y % 2 == key[0] % 2 else _PRIME - y
    return _hash160(key), [_hash160(b"\x04" + key[1:] + y.to_bytes(32))]


def keys_by_hash(keys: Iterable[bytes], wanted: frozenset[bytes]) -> dict[bytes, list[Form]]:
    """P2PK forms of those compressed keys whose hash, in either form, is wanted: by that hash."""
    found: dict[bytes, list[Form]] = {}
    for key in keys:
        compressed, whole = key_hashes(key)
        for digest in wanted.intersection((compressed, *whole)):
            found.setdefault(digest, []).append(Form(ScriptType.P2PK, key))
    return found


def _hash160(data: bytes) -> bytes:
    out = np.zeros(32, np.uint8)
    hash160(new_context(), np.frombuffer(bytearray(data), np.uint8), 0, len(data), out)
    return out[:HASH_BYTES].tobytes()
