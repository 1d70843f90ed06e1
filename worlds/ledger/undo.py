"""Undo data as Bitcoin Core writes it: what every input of a block spends, in Core's compressed form.

Written from the format (Core's `undo.h`, `compressor.h`, `serialize.h`), one coin at a time; the fast worlds
write the same bytes in a kernel.
"""

from collections.abc import Sequence
from typing import NamedTuple

from coincurve import PublicKey

from chains.sha256 import sha256d_bytes

_SPECIAL_SCRIPTS = 6  # script codes below this are templates, above it plain lengths


class SpentOutput(NamedTuple):
    """What one input spends."""

    value: int
    """satoshi"""
    script: bytes
    height: int
    """Block that created it."""
    coinbase: bool


def block_undo(spent: Sequence[Sequence[SpentOutput]]) -> bytes:
    """Undo record of a block: `spent` holds one list per transaction after the coinbase."""
    return compact_size(len(spent)) + tx_undos(spent)


def tx_undos(spent: Sequence[Sequence[SpentOutput]]) -> bytes:
    """Undo records of transactions, one after the other, without the count that a block puts before them."""
    return b"".join([_tx_undo(coins) for coins in spent])


def undo_checksum(prev_hash: bytes, undo: bytes) -> bytes:
    """Double SHA-256 of the previous block's hash and an undo record: the 32 bytes that follow it."""
    return sha256d_bytes(prev_hash + undo)


def _tx_undo(coins: Sequence[SpentOutput]) -> bytes:
    return compact_size(len(coins)) + b"".join([_coin(coin) for coin in coins])


def _coin(coin: SpentOutput) -> bytes:
    code = varint(coin.height * 2 + coin.coinbase)
    dummy = b"\0" if coin.height else b""  # where old versions kept the transaction's version
    return code + dummy + varint(compressed_amount(coin.value)) + compressed_script(coin.script)


def compact_size(n: int) -> bytes:
    """Length prefix of the Bitcoin protocol."""
    if n < 0xFD:  # noqa: PLR2004
        return bytes((n,))
    for limit, prefix, width in ((1 << 16, b"\xfd", 2), (1 << 32, b"\xfe", 4)):
        if n < limit:
            return prefix + n.to_bytes(width, "little")
    return b"\xff" + n.to_bytes(8, "little")


def varint(n: int) -> bytes:
    """Core's own variable-length number: base 128, highest digit first, each continuation less one."""
    digits = [n & 0x7F]
    while n > 0x7F:  # noqa: PLR2004
        n = (n >> 7) - 1
        digits.append((n & 0x7F) | 0x80)
    return bytes(reversed(digits))


def compressed_amount(value: int) -> int:
    """Core's compressed amount: trailing decimal zeros become an exponent."""
    if value == 0:
        return 0
    exponent = 0
    while value % 10 == 0 and exponent < 9:  # noqa: PLR2004
        value //= 10
        exponent += 1
    if exponent < 9:  # noqa: PLR2004
        value, digit = divmod(value, 10)
        return 1 + (value * 9 + digit - 1) * 10 + exponent
    return 1 + (value - 1) * 10 + 9


def compressed_script(script: bytes) -> bytes:
    """Core's compressed script: four templates by their payload, the rest with its length."""
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":  # noqa: PLR2004
        return b"\0" + script[3:23]
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22] == 0x87:  # noqa: PLR2004
        return b"\1" + script[2:22]
    if len(script) == 35 and script[0] == 33 and script[1] in (2, 3) and script[34] == 0xAC:  # noqa: PLR2004
        return script[1:34]
    if len(script) == 67 and script[:2] == b"\x41\x04" and script[66] == 0xAC and _on_curve(script[1:66]):  # noqa: PLR2004
        return bytes([4 + (script[65] & 1)]) + script[2:34]
    return varint(len(script) + _SPECIAL_SCRIPTS) + script


def _on_curve(point: bytes) -> bool:
    try:
        PublicKey(point)
    except ValueError:
        return False
    return True
