"""Slow, obvious twins of what is read from scripts and witnesses: kinds, payloads, signature types, revealed keys."""

from dataclasses import dataclass

from tests.naive import Input, Reader, Refused, hash160

SIGHASHES = {1: 2, 2: 4, 3: 8, 0x81: 16, 0x82: 32, 0x83: 64}


def is_key(data: bytes) -> bool:
    """Whether bytes have the form of a public key."""
    return len(data) == {2: 33, 3: 33, 4: 65, 6: 65, 7: 65}.get(data[0] if data else 0, 0)


def operations(script: bytes) -> list[tuple[int, bytes]] | None:
    """Opcodes with what they push; None where a push runs over the end."""
    r, found = Reader(script), []
    try:
        while r.pos < len(script):
            op = r.number(1)
            size = op if op < 0x4C else r.number({0x4C: 1, 0x4D: 2, 0x4E: 4}[op]) if op <= 0x4E else 0
            found.append((op, r.take(size)))
    except Refused:
        return None
    return found


def small_number(op: tuple[int, bytes]) -> int | None:
    """1 to 20 as a script writes it in shortest form."""
    if 0x51 <= op[0] <= 0x60:
        return op[0] - 0x50
    if op[0] == 1 and 17 <= op[1][0] <= 20:
        return op[1][0]
    return None


def is_multisig(script: bytes) -> bool:
    """M keys n CHECKMULTISIG with 1 ≤ m ≤ n ≤ 20."""
    ops = operations(script)
    if not ops or len(ops) < 4 or ops[-1][0] != 0xAE:
        return False
    m, n = small_number(ops[0]), small_number(ops[-2])
    if m is None or n is None or not m <= n:
        return False
    keys = ops[1:-2]
    return len(keys) == n and all(is_key(data) for _, data in keys)


def script_kind(script: bytes) -> str:
    """Name of the ScriptType, by Core's templates; unspendable scripts all count as OP_RETURN."""
    size = len(script)
    if size == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return "P2PKH"
    if size == 23 and script[:2] == b"\xa9\x14" and script[22] == 0x87:
        return "P2SH"
    if script[:1] == b"\x6a" or size > 10_000:
        return "OP_RETURN"
    for length, name in ((33, "P2PK"), (65, "P2PK_UNCOMPRESSED")):
        if size == length + 2 and script[0] == length and script[-1] == 0xAC and is_key(script[1:-1]):
            return name
    if 4 <= size <= 42 and script[1] == size - 2 and (script[0] == 0 or 0x51 <= script[0] <= 0x60):
        known = {(0, 22): "P2WPKH", (0, 34): "P2WSH", (0x51, 34): "P2TR"}
        return known.get((script[0], size), "WITNESS_UNKNOWN" if script[0] else "OTHER")
    return "MULTISIG" if is_multisig(script) else "OTHER"


def compress_key(key: bytes) -> bytes:
    """The 33-byte form of a public key."""
    return key if len(key) == 33 else bytes([2 + key[-1] % 2]) + key[1:33]


def canonical(script: bytes) -> bytes:
    """The script that stands for an address."""
    if script_kind(script) == "P2PK_UNCOMPRESSED":
        return b"\x21" + compress_key(script[1:-1]) + b"\xac"
    return script


def payload(script: bytes) -> bytes:
    """What the address table keeps of a script."""
    kind = script_kind(script)
    if kind == "P2PKH":
        return script[3:23]
    if kind == "P2SH":
        return script[2:22]
    if kind in ("P2WPKH", "P2WSH", "P2TR"):
        return script[2:]
    if kind in ("P2PK", "P2PK_UNCOMPRESSED"):
        return canonical(script)[1:-1]
    return script


def signature_bit(item: bytes, *, schnorr: bool) -> int:
    """The Sighash bit of one stack item, 0 if it is no signature."""
    if schnorr:
        if len(item) == 64:
            return 1
        return SIGHASHES.get(item[64], 128) if len(item) == 65 else 0
    if not (9 <= len(item) <= 73 and item[0] == 0x30 and item[1] == len(item) - 3 and item[2] == 2):
        return 0
    return SIGHASHES.get(item[-1], 128)


def pushes(script: bytes) -> tuple[list[bytes], bool]:
    """What a scriptSig pushes, up to the first thing that is no push; and whether that was all of it."""
    found: list[bytes] = []
    r = Reader(script)
    while r.pos < len(script):
        op = r.number(1)
        try:
            if op <= 0x4E:
                found.append(r.take(op if op < 0x4C else r.number({0x4C: 1, 0x4D: 2, 0x4E: 4}[op])))
            elif op == 0x4F or 0x51 <= op <= 0x60:
                found.append(b"")
            else:
                return found, False
        except Refused:
            return found, False
    return found, True


@dataclass(frozen=True)
class Proof:
    """What a spend shows."""

    kind: str
    bits: int
    key_script: bytes | None = None
    """The P2WPKH script of a key that only this spend reveals."""


def _bits(items: list[bytes], *, schnorr: bool = False) -> int:
    bits = 0
    for item in items:
        bits |= signature_bit(item, schnorr=schnorr)
    return bits


def native_proof(stack: list[bytes]) -> Proof:
    """Judge a witness without scriptSig."""
    if len(stack) >= 2 and stack[-1][:1] == b"\x50":
        stack = stack[:-1]
    last = stack[-1]
    if len(stack) == 1:
        if len(last) in (64, 65):
            return Proof("TAPROOT_KEY", _bits(stack, schnorr=True))
        return Proof("P2WSH", 0)
    if len(last) >= 33 and (len(last) - 33) % 32 == 0 and last[0] >= 0xC0:
        return Proof("TAPROOT_SCRIPT", _bits(stack[:-2], schnorr=True))
    bits = _bits(stack[:-1])
    if len(stack) == 2 and len(last) == 33 and last[0] in (2, 3) and bits:
        return Proof("P2WPKH", bits)
    return Proof("P2WSH", bits)


def proof(spend: Input) -> Proof:
    """What one input shows."""
    pushed, whole = pushes(spend.script)
    last = pushed[-1] if pushed and whole else b""
    if spend.witness and not spend.script:
        return native_proof(spend.witness)
    if spend.witness:
        bits = _bits(spend.witness[:-1])
        if len(last) == 22 and last[:2] == b"\x00\x14":
            return Proof("NESTED_P2WPKH", bits, last)
        return Proof("NESTED_P2WSH" if len(last) == 34 and last[:2] == b"\x00\x20" else "OTHER", bits)
    bits = _bits(pushed)
    if len(last) == 65 and last[0] in (4, 6, 7) and bits:
        return Proof("NONE", bits, b"\x00\x14" + hash160(compress_key(last)))
    return Proof("NONE", bits)
