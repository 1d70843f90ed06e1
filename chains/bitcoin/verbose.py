"""What a block spends, from `getblock` verbosity 3 to the bytes of REST `spenttxouts`.

JSON amounts are decimals of a bitcoin; they are read as text and become whole satoshi with no float between.
"""

import struct
from collections.abc import Mapping
from decimal import Context, Inexact, InvalidOperation, Overflow
from typing import Any

from chains.errors import FormatError

SATOSHI_DIGITS = 8
MAX_SATOSHI = 21_000_000 * 10**SATOSHI_DIGITS
COINBASE_ONLY = b"\x01\x00"
"""What a block without any other transaction spends."""

# Compact size: one byte below the first mark, else a mark and a wider number.
_MARKS = ((0xFFFF, b"\xfd", "<H"), (0xFFFFFFFF, b"\xfe", "<I"), (2**64 - 1, b"\xff", "<Q"))
_ONE_BYTE = 0xFC
# Amounts have at most 16 digits; whatever would have to be rounded is refused.
_EXACT = Context(prec=32, traps=[Inexact, InvalidOperation, Overflow])


def satoshi(amount: str | int) -> int:
    """Turn a decimal amount of bitcoin into satoshi, exactly.

    Parameters
    ----------
    amount : str or int
        Bitcoin, as the node wrote it.

    Raises
    ------
    FormatError
        No number, finer than a satoshi, negative or above 21 million bitcoin.
    """
    try:
        scaled = _EXACT.scaleb(_EXACT.create_decimal(amount), SATOSHI_DIGITS)
        if 0 <= scaled <= MAX_SATOSHI and scaled == (whole := int(scaled)):
            return whole
    except (ArithmeticError, ValueError, TypeError):
        pass
    raise FormatError(f"{amount!r} is no amount of bitcoin: whole satoshi from 0 to 21 million bitcoin")


def compact_size(number: int) -> bytes:
    """Bitcoin's variable-length number."""
    if number <= _ONE_BYTE:
        return bytes((number,))
    mark, width = next((mark, width) for top, mark, width in _MARKS if number <= top)
    return mark + struct.pack(width, number)


def carries_prevouts(block: Mapping[str, Any]) -> bool:
    """Whether the node put the spent outputs in: older ones take verbosity 3 for 2."""
    return all("prevout" in spend for tx in block["tx"][1:] for spend in tx["vin"])


def spent_outputs(block: Mapping[str, Any]) -> bytes:
    """Write what a block spends as REST `spenttxouts` would.

    Parameters
    ----------
    block : mapping
        `getblock` verbosity 3, decimals as text; all its spends carry their `prevout`.

    Returns
    -------
    bytes
        Number of transactions, the coinbase with nothing, then per transaction the outputs spent: value in
        satoshi (int64, little-endian) and script with its length.

    Raises
    ------
    FormatError
        A field is missing or is not what it should be.
    """
    try:
        parts = [compact_size(len(block["tx"])), b"\0"]
        for tx in block["tx"][1:]:
            parts.append(compact_size(len(tx["vin"])))
            parts.extend(_output(spend["prevout"]) for spend in tx["vin"])
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise FormatError(f"a getblock answer can not be read: {type(err).__name__} {err}") from None
    return b"".join(parts)


def _output(prevout: Mapping[str, Any]) -> bytes:
    script = bytes.fromhex(prevout["scriptPubKey"]["hex"])
    return struct.pack("<q", satoshi(prevout["value"])) + compact_size(len(script)) + script
