"""Slow, obvious twins of the Bitcoin kernels: plain Python over bytes, written from the protocol, not from the kernels.

A twin refuses by raising `Refused`; the kernel must refuse the same bytes, and read the same from the others.
"""

import hashlib
from dataclasses import dataclass, field

MAX_SIZE = 0x02000000
MAX_MONEY = 21_000_000 * 100_000_000


class Refused(ValueError):  # noqa: N818 -- a verdict, not a fault
    """These bytes are not what they should be."""


class Reader:
    """Bytes from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data, self.pos = data, 0

    def take(self, n: int) -> bytes:
        """The next `n` bytes."""
        if self.pos + n > len(self.data):
            raise Refused("truncated")
        self.pos += n
        return self.data[self.pos - n : self.pos]

    def number(self, n: int, *, signed: bool = False) -> int:
        """A little-endian number of `n` bytes."""
        return int.from_bytes(self.take(n), "little", signed=signed)

    def compact(self) -> int:
        """A compact size: in its shortest form and at most MAX_SIZE."""
        first = self.number(1)
        if first < 253:
            return first
        width = {253: 2, 254: 4, 255: 8}[first]
        value = self.number(width)
        if value < {2: 253, 4: 1 << 16, 8: 1 << 32}[width] or value > MAX_SIZE:
            raise Refused("no canonical length")
        return value

    def sized(self) -> bytes:
        """Bytes behind their compact size."""
        return self.take(self.compact())

    def varint(self) -> int:
        """Core's base-128 number of at most eight digits."""
        value = 0
        for _ in range(8):
            digit = self.number(1)
            value = value << 7 | digit & 0x7F
            if digit < 0x80:
                return value
            value += 1
        raise Refused("number too long")

    def end(self) -> None:
        """Nothing may be left."""
        if self.pos != len(self.data):
            raise Refused("bytes left over")


@dataclass
class Input:
    """One input."""

    origin: bytes
    vout: int
    script: bytes
    sequence: int
    witness: list[bytes] = field(default_factory=list)


@dataclass
class Output:
    """One output."""

    value: int
    script: bytes


@dataclass
class Tx:
    """One transaction and the bytes it was read from."""

    raw: bytes
    bare: bytes
    version: int
    locktime: int
    inputs: list[Input]
    outputs: list[Output]

    @property
    def txid(self) -> bytes:
        """Hash without witnesses."""
        return sha256d(self.bare)

    @property
    def wtxid(self) -> bytes:
        """Hash with witnesses."""
        return sha256d(self.raw)

    @property
    def weight(self) -> int:
        """BIP 141 weight."""
        return 3 * len(self.bare) + len(self.raw)


@dataclass
class Block:
    """One block."""

    raw: bytes
    txs: list[Tx]

    @property
    def hash(self) -> bytes:
        """Hash of the header."""
        return sha256d(self.raw[:80])

    @property
    def weight(self) -> int:
        """BIP 141 weight."""
        return 4 * (len(self.raw) - sum(len(tx.raw) for tx in self.txs)) + sum(tx.weight for tx in self.txs)


def sha256d(data: bytes) -> bytes:
    """Double SHA-256."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash160(data: bytes) -> bytes:
    """RIPEMD-160 of SHA-256."""
    return hashlib.new("ripemd160", hashlib.sha256(data).digest()).digest()


def parse_tx(r: Reader) -> Tx:
    """Read one transaction (BIP 144)."""
    start = r.pos
    version = r.number(4, signed=True)
    segwit = r.data[r.pos : r.pos + 1] == b"\x00"
    if segwit and r.take(2) != b"\x00\x01":
        raise Refused("no inputs, or an unknown flag")
    body = r.pos
    inputs = [Input(r.take(32), r.number(4), r.sized(), r.number(4)) for _ in range(r.compact())]
    outputs = [Output(r.number(8, signed=True), r.sized()) for _ in range(r.compact())]
    if not inputs or not outputs:
        raise Refused("no inputs or no outputs")
    middle = r.data[body : r.pos]
    if segwit:
        for spend in inputs:
            spend.witness = [r.sized() for _ in range(r.compact())]
        if not any(spend.witness for spend in inputs):
            raise Refused("superfluous witness record")
    locktime = r.number(4)
    raw = r.data[start : r.pos]
    return Tx(raw, raw[:4] + middle + raw[-4:], version, locktime, inputs, outputs)


def parse_block(raw: bytes) -> Block:
    """Read one block."""
    r = Reader(raw)
    r.take(80)
    n = r.compact()
    if n == 0:
        raise Refused("no transactions")
    if n * 60 > len(raw):
        raise Refused("truncated")
    txs = [parse_tx(r) for _ in range(n)]
    r.end()
    return Block(raw, txs)


def merkle_root(hashes: list[bytes]) -> tuple[bytes, bool]:
    """The root, and whether a level holds two equal neighbours as a pair (CVE-2012-2459)."""
    mutated = False
    while len(hashes) > 1:
        mutated |= any(a == b for a, b in zip(hashes[::2], hashes[1::2], strict=False))
        if len(hashes) % 2:
            hashes = [*hashes, hashes[-1]]
        hashes = [sha256d(a + b) for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0], mutated


def is_coinbase(tx: Tx) -> bool:
    """One input that names nothing."""
    return len(tx.inputs) == 1 and is_null(tx.inputs[0])


def is_null(spend: Input) -> bool:
    """An input that names no output."""
    return spend.origin == bytes(32) and spend.vout == 0xFFFFFFFF


def commitment_of(block: Block) -> bytes | None:
    """The coinbase's witness commitment, if any: the last output that fits (BIP 141)."""
    scripts = [o.script for o in block.txs[0].outputs]
    fitting = [s for s in scripts if len(s) >= 38 and s.startswith(bytes.fromhex("6a24aa21a9ed"))]
    return fitting[-1][6:38] if fitting else None


def check_block(block: Block) -> bool:
    """Whether coinbases, merkle root and witness commitment hold."""
    if not is_coinbase(block.txs[0]) or any(is_null(i) for tx in block.txs[1:] for i in tx.inputs):
        return False
    root, mutated = merkle_root([tx.txid for tx in block.txs])
    if root != block.raw[36:68] or mutated:
        return False
    stack = block.txs[0].inputs[0].witness
    committed = commitment_of(block)
    if not stack or committed is None:
        return not any(i.witness for tx in block.txs for i in tx.inputs)
    if len(stack) != 1 or len(stack[0]) != 32:
        return False
    witness_root, _ = merkle_root([bytes(32), *(tx.wtxid for tx in block.txs[1:])])
    return committed == sha256d(witness_root + stack[0])


def decompress_amount(x: int) -> int:
    """Core's compressed amount as satoshi."""
    if x == 0:
        return 0
    x, exponent = divmod(x - 1, 10)
    if exponent < 9:
        x, digit = divmod(x, 9)
        value: int = (10 * x + digit + 1) * 10**exponent
    else:
        value = (x + 1) * 10**9
    if value > MAX_MONEY:
        raise Refused("no amount")
    return value


def undo_script(r: Reader) -> bytes:
    """A compressed script; an uncompressed key comes back with only the last bit of its y coordinate."""
    code = r.varint()
    if code == 0:
        return b"\x76\xa9\x14" + r.take(20) + b"\x88\xac"
    if code == 1:
        return b"\xa9\x14" + r.take(20) + b"\x87"
    if code in (2, 3):
        return bytes([33, code]) + r.take(32) + b"\xac"
    if code in (4, 5):
        return b"\x41\x04" + r.take(32) + bytes(31) + bytes([code & 1]) + b"\xac"
    return r.take(code - 6)


def undo_coin(r: Reader) -> tuple[int, bytes]:
    """One spent output: value and script."""
    if r.varint() >> 1:  # height and coinbase flag; then the place of an old version number
        r.varint()
    return decompress_amount(r.varint()), undo_script(r)


def undo_record(data: bytes, n_inputs: list[int]) -> list[tuple[int, bytes]]:
    """A block's undo record: `n_inputs` per transaction after the coinbase."""
    r = Reader(data)
    if r.compact() != len(n_inputs):
        raise Refused("other number of transactions")
    coins = []
    for expected in n_inputs:
        if r.compact() != expected:
            raise Refused("other number of inputs")
        coins += [undo_coin(r) for _ in range(expected)]
    r.end()
    return coins


def spent_txouts(data: bytes, n_inputs: list[int]) -> list[tuple[int, bytes]]:
    """A REST `spenttxouts` body: `n_inputs` per transaction, 0 for the coinbase."""
    r = Reader(data)
    if r.compact() != len(n_inputs):
        raise Refused("other number of transactions")
    coins = []
    for expected in n_inputs:
        if r.compact() != expected:
            raise Refused("other number of inputs")
        coins += [(r.number(8, signed=True), r.sized()) for _ in range(expected)]
    r.end()
    return coins


def siphash(secret: bytes, data: bytes) -> int:
    """SipHash-2-4, signed."""
    mask = (1 << 64) - 1
    k0, k1 = int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little")
    names = (b"somepseu", b"dorandom", b"lygenera", b"tedbytes")
    v = [int.from_bytes(name, "big") ^ k for name, k in zip(names, (k0, k1, k0, k1), strict=True)]

    def add(a: int, b: int, turn: int) -> None:
        v[a] = (v[a] + v[b]) & mask
        v[b] = (v[b] << turn | v[b] >> (64 - turn)) & mask
        v[b] ^= v[a]

    def swap(a: int) -> None:
        v[a] = (v[a] << 32 | v[a] >> 32) & mask

    def rounds(n: int) -> None:
        for _ in range(n):
            add(0, 1, 13)
            swap(0)
            add(2, 3, 16)
            add(0, 3, 21)
            add(2, 1, 17)
            swap(2)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    value = v[0] ^ v[1] ^ v[2] ^ v[3]
    return value - (1 << 64) if value >> 63 else value


def difficulty_target(bits: int) -> int:
    """The header's compact target as Core reads it; 0 where it is negative or overflows."""
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    value = mantissa * 256 ** (exponent - 3) if exponent >= 3 else mantissa // 256 ** (3 - exponent)
    return 0 if bits & 0x800000 or value >= 1 << 256 else value
