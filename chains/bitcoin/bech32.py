"""Segwit addresses as text: bech32 (BIP 173, witness version 0) and bech32m (BIP 350, versions 1 to 16).

python-bitcoinlib knows bech32 alone, which is why this is here.
"""

from functools import lru_cache

from chains.errors import AddressError

MAX_LENGTH = 90
_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
# Python's own base-32 digits, so that int() converts groups of 5 bits.
_BASE32 = "0123456789abcdefghijklmnopqrstuv"
_TO_BASE32 = str.maketrans(_CHARSET, _BASE32)
_TO_VALUES = bytes(_CHARSET.find(chr(i)) % 256 for i in range(128)) + b"\xff" * 128  # 255: not a digit
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_FINAL = 1
_BECH32M_FINAL = 0x2BC830A3
_CHECKSUM_DIGITS = 6
_MAX_VERSION = 16
_V0_SIZES = (20, 32)
_MIN_PROGRAM, _MAX_PROGRAM = 2, 40


def _reduction(top: int) -> int:
    value = 0
    for bit, generator in enumerate(_GENERATORS):
        if top >> bit & 1:
            value ^= generator
    return value


_REDUCTIONS = tuple(_reduction(top) for top in range(32))


def _polymod(values: bytes, state: int) -> int:
    """Feed 5-bit values into the checksum's remainder."""
    for value in values:
        state = ((state & 0x1FFFFFF) << 5) ^ value ^ _REDUCTIONS[state >> 25]
    return state


@lru_cache(maxsize=64)
def _start(hrp: str) -> int:
    """Give the remainder after the prefix; cached, as there are few prefixes among many addresses."""
    expanded = [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]
    return _polymod(bytes(expanded), 1)


def checksum_kind(hrp: str, data: str) -> str | None:
    """Say which checksum lower-case data after the prefix carries: `bech32`, `bech32m` or None."""
    values = data.encode("ascii", "replace").translate(_TO_VALUES)
    if len(values) < _CHECKSUM_DIGITS or 255 in values:
        return None
    return {_BECH32_FINAL: "bech32", _BECH32M_FINAL: "bech32m"}.get(_polymod(values, _start(hrp)))


def decode(hrp: str, data: str) -> tuple[int, bytes]:
    """Read the lower-case data part of a segwit address.

    Parameters
    ----------
    hrp : str
        The prefix, before the last `1`, lower case.
    data : str
        What follows it: witness version, program, checksum; lower case.

    Returns
    -------
    tuple[int, bytes]
        Witness version (0 to 16) and program (2 to 40 bytes).

    Raises
    ------
    AddressError
        With the reason alone, for the caller to say of which text.
    """
    if len(hrp) + 1 + len(data) > MAX_LENGTH:
        raise AddressError(f"it is longer than {MAX_LENGTH} characters")
    kind = checksum_kind(hrp, data)
    if kind is None:
        raise AddressError("its checksum is wrong (a character was changed, lost or added)")
    if len(data) == _CHECKSUM_DIGITS:
        raise AddressError("it carries no witness program")
    version = _BASE32.index(data[0].translate(_TO_BASE32))
    _check_version(version, kind)
    program = _program(data[1:-_CHECKSUM_DIGITS])
    _check_size(version, program)
    return version, program


def _check_version(version: int, kind: str) -> None:
    if version > _MAX_VERSION:
        raise AddressError(f"its witness version is {version}, the highest is {_MAX_VERSION}")
    wanted = "bech32m" if version else "bech32"
    if kind != wanted:
        raise AddressError(f"its checksum is {kind}, but witness version {version} takes {wanted}")


def _check_size(version: int, program: bytes) -> None:
    size = len(program)
    if not _MIN_PROGRAM <= size <= _MAX_PROGRAM or (version == 0 and size not in _V0_SIZES):
        raise AddressError(f"witness version {version} has no program of {size} bytes")


def _program(digits: str) -> bytes:
    """Regroup 5-bit digits to bytes; what is left over must be less than a digit, and zero."""
    if not digits:
        return b""
    number = int(digits.translate(_TO_BASE32), 32)
    size, spare = divmod(5 * len(digits), 8)
    if spare > 4 or number & ((1 << spare) - 1):
        raise AddressError("its padding is not zero")
    return (number >> spare).to_bytes(size, "big")


def encode(hrp: str, version: int, program: bytes) -> str:
    """Write a segwit address; the program's size is the caller's responsibility."""
    spare = -len(program) % 5
    number = int.from_bytes(program + bytes(spare), "big")
    n_digits = (8 * len(program) + 4) // 5
    digits = [number >> 5 * (8 * (len(program) + spare) // 5 - 1 - i) & 31 for i in range(n_digits)]
    values = bytes([version, *digits])
    final = _BECH32M_FINAL if version else _BECH32_FINAL
    checksum = _polymod(values + bytes(_CHECKSUM_DIGITS), _start(hrp)) ^ final
    tail = bytes(checksum >> 5 * (5 - i) & 31 for i in range(_CHECKSUM_DIGITS))
    return hrp + "1" + "".join(_CHARSET[value] for value in values + tail)
