"""Bitcoin addresses: text to locking script and back, every type and network.

Base58 comes from `chains.foreign`, bech32 and bech32m from `chains.bitcoin.bech32`. A script has an
address only if it is P2PKH, P2SH or a witness program; P2PK, bare multisig and OP_RETURN have none.
"""

from chains import foreign
from chains.bitcoin import bech32
from chains.bitcoin.networks import NETWORKS, Network, network_named
from chains.bitcoin.tables import ScriptType
from chains.errors import AddressError, ChainError
from chains.foreign import base58_bytes, base58check_payload

_OP_1 = 0x51
_SHOWN = 100  # characters of the offending text that an error repeats
_HASH_BYTES = 20
_MAX_BASE58_ADDRESS = 35
_PROGRAM_BYTES = {ScriptType.P2WPKH: 20, ScriptType.P2WSH: 32, ScriptType.P2TR: 32}
_WITNESS_VERSION = {ScriptType.P2WPKH: 0, ScriptType.P2WSH: 0, ScriptType.P2TR: 1}
_MIN_WITNESS_SCRIPT, _MAX_WITNESS_SCRIPT = 4, 42
_COMPRESSED_KEY = 33
_PRIVATE_VERSIONS = (128, 239)
_EXTENDED_KEY_BYTES = 78


def script_of(text: str, network: str) -> bytes:
    """Give the locking script that an address stands for.

    Parameters
    ----------
    text : str
        The address; nothing before or after it.
    network : str
        The network it must belong to, a key of `NETWORKS`.

    Returns
    -------
    bytes
        22 to 42 bytes of script.

    Raises
    ------
    AddressError
        Where it is no address of that network, saying why: checksum, another network or chain (named).
    """
    net = network_named(network)
    if text.isascii():
        size = len(net.hrp)
        if text[size : size + 1] == "1" and text[:size].lower() == net.hrp:
            return _segwit_script(text, net)
        if len(text) <= _MAX_BASE58_ADDRESS:
            payload = base58check_payload(text)
            if payload is not None and len(payload) == _HASH_BYTES + 1:
                if payload[0] == net.p2pkh:
                    return b"\x76\xa9\x14" + payload[1:] + b"\x88\xac"
                if payload[0] == net.p2sh:
                    return b"\xa9\x14" + payload[1:] + b"\x87"
    raise _refusal(text, net)


def canonical(text: str) -> str:
    """Give the one spelling of a valid address: bech32 in lower case, base58 as it is."""
    return text.lower() if text[:1] in "bBtT" else text  # no base58 address of Bitcoin begins so


def text_of(script: bytes, network: str) -> str | None:
    """Give a locking script's address on a network; None where that kind of script has none."""
    net = network_named(network)
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return _base58check(net.p2pkh, script[3:23])
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22] == 0x87:
        return _base58check(net.p2sh, script[2:22])
    witness = _witness_program(script)
    return None if witness is None else bech32.encode(net.hrp, *witness)


def text_of_payload(script_type: int, payload: bytes, network: str) -> str | None:
    """Give the address of a stored payload (`tables.ADDRESS`); None where its kind of script has none.

    Raises
    ------
    ChainError
        Where the payload does not have the size of its type.
    """
    return text_of(script_of_payload(script_type, payload), network)


def script_of_payload(script_type: int, payload: bytes) -> bytes:
    """Give back the locking script that a stored payload (`tables.ADDRESS`) was taken from.

    P2PK comes back in the form that its key has: compressed (33 bytes) or not (65 bytes). Every type without
    a payload of its own (multisig, unknown witness versions, other) is stored as its whole script.

    Raises
    ------
    ChainError
        Where the payload does not have the size of its type.
    """
    kind = ScriptType(script_type)
    size = len(payload)
    if kind in (ScriptType.P2PKH, ScriptType.P2SH) and size == _HASH_BYTES:
        head, tail = (b"\x76\xa9\x14", b"\x88\xac") if kind is ScriptType.P2PKH else (b"\xa9\x14", b"\x87")
        return head + payload + tail
    if kind in _PROGRAM_BYTES and size == _PROGRAM_BYTES[kind]:
        return _witness_script(_WITNESS_VERSION[kind], payload)
    if kind in (ScriptType.P2PK, ScriptType.P2PK_UNCOMPRESSED) and size in (_COMPRESSED_KEY, 65):
        return bytes([size]) + payload + b"\xac"
    if kind in _PROGRAM_BYTES or ScriptType.P2PK <= kind <= ScriptType.P2SH:
        raise ChainError(f"a {kind.name} payload can not have {size} bytes: the row is damaged; run verify")
    return payload


def _witness_script(version: int, program: bytes) -> bytes:
    return bytes([_OP_1 - 1 + version if version else 0, len(program)]) + program


def _witness_program(script: bytes) -> tuple[int, bytes] | None:
    """Split a witness program (BIP 141) into version and program; None where the script is none."""
    if not _MIN_WITNESS_SCRIPT <= len(script) <= _MAX_WITNESS_SCRIPT or script[1] != len(script) - 2:
        return None
    if script[0] == 0:
        return (0, script[2:]) if script[1] in (20, 32) else None
    if _OP_1 <= script[0] <= 0x60:
        return script[0] - _OP_1 + 1, script[2:]
    return None


def _segwit_script(text: str, net: Network) -> bytes:
    data = text[len(net.hrp) + 1 :].lower()
    if text not in (text.lower(), text.upper()):
        raise _error(text, net, "it mixes upper and lower case, which bech32 forbids; write it in lower case")
    try:
        return _witness_script(*bech32.decode(net.hrp, data))
    except AddressError as reason:
        raise _error(text, net, f"{reason}; copy it again from its source") from None


def _base58check(version: int, payload: bytes) -> str:
    return foreign.base58check(bytes([version]) + payload)


def _error(text: str, net: Network, reason: str) -> AddressError:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return AddressError(f"{shown!r} is no address of Bitcoin {net.name}: {reason}")


def _refusal(text: str, net: Network) -> AddressError:
    """Find out why a text that is no address of this network was refused."""
    if not text:
        return _error(text, net, "it is empty; give an address")
    if text != text.strip():
        return _error(text, net, "there are blanks around it; remove them")
    if _is_secret(text):
        # A private key must not be repeated in a log.
        return AddressError(
            "the text given is a private or extended key, not an address; whoever has seen it may "
            "control its coins: give the address instead, and move the coins"
        )
    networks = _networks_of(text)
    if networks:
        names = " or ".join(networks)
        return _error(text, net, f"it belongs to Bitcoin {names}; use the data of that network")
    other = foreign.recognise(text)
    if other is not None and other.chains[0] != "bitcoin":
        return _error(text, net, f"it is an address of {' or '.join(other.chains)}; screen it on that chain")
    return _error(text, net, _why_malformed(text))


def _is_secret(text: str) -> bool:
    payload = base58check_payload(text)
    if payload is None:
        return False
    return len(payload) == _EXTENDED_KEY_BYTES or (
        payload[0] in _PRIVATE_VERSIONS and len(payload) in (_COMPRESSED_KEY, _COMPRESSED_KEY + 1)
    )


def _networks_of(text: str) -> list[str]:
    """Name the Bitcoin networks that a text is a valid address of."""
    hrp, _, data = text.lower().rpartition("1")
    payload = base58check_payload(text) or b""
    version = payload[0] if len(payload) == _HASH_BYTES + 1 else None
    return [
        net.name
        for net in NETWORKS.values()
        if version in (net.p2pkh, net.p2sh) or (hrp == net.hrp and bech32.checksum_kind(hrp, data))
    ]


def _why_malformed(text: str) -> str:
    raw = base58_bytes(text)
    if raw is None:
        return "it is neither base58 nor bech32 text; copy it again from its source"
    if base58check_payload(text) is None:
        return "its checksum is wrong (a character was changed, lost or added); copy it again from its source"
    return f"it is base58 with version byte {raw[0]} and {len(raw) - 5} bytes, which no Bitcoin network uses"
