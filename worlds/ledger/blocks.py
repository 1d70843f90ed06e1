"""Whole blocks that Bitcoin Core accepts on regtest: coinbase, commitment, merkle root, proof of work."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from chains.sha256 import sha256d_bytes
from worlds.ledger.undo import compact_size
from worlds.ledger.wire import Packed, Parts, Proof, output_bytes, pack, push, u32

NETWORK = "regtest"
HALVING = 150  # blocks, on regtest
MATURITY = 100  # blocks before a coinbase output can be spent
FIRST_SUBSIDY = 50 * 100_000_000
MAX_WEIGHT = 4_000_000
MAX_SIGOPS = 80_000
GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e6776"
    "8f617fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f20020000000101000000010000000000000000000000000000"
    "000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f3230"
    "3039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73"
    "ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6"
    "bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
GENESIS_TIME = int.from_bytes(GENESIS[68:72], "little")
REGTEST_BITS = 0x207FFFFF
_VERSION = 0x20000000
_TARGET_TOP = 0x80  # half of all hashes meet regtest's target: those whose last byte is below this
NO_HASH = bytes(32)
"""Stands for the coinbase where witnesses are hashed."""
_COMMITMENT = b"\x6a\x24\xaa\x21\xa9\xed"  # OP_RETURN and a push of BIP 141's mark and a hash
_OP_1, _LAST_SMALL = 0x51, 16  # numbers up to 16 have opcodes of their own


@dataclass(frozen=True, slots=True)
class Block:
    """A finished block and its undo record (None for genesis, which has none)."""

    raw: bytes
    undo: bytes | None

    @property
    def hash(self) -> bytes:
        """Hash of the header, internal byte order."""
        return sha256d_bytes(self.raw[:80])

    @property
    def prev_hash(self) -> bytes:
        """Hash of the block before."""
        return self.raw[4:36]


@dataclass(frozen=True, slots=True)
class Template:
    """What a block is made of, apart from its transactions."""

    height: int
    prev_hash: bytes
    time: int
    reward_script: bytes
    tag: bytes
    """The miner's mark in the coinbase script."""


def subsidy(height: int) -> int:
    """Satoshi that a regtest block at this height may create."""
    return FIRST_SUBSIDY >> height // HALVING


def coinbase(template: Template, fees: int, witness_root: bytes) -> Packed:
    """Pay the subsidy and the fees to the miner; commit to the witnesses of the block (BIP 34, BIP 141)."""
    script = _height(template.height) + push(template.tag)
    commitment = _COMMITMENT + sha256d_bytes(witness_root + NO_HASH)
    outputs = [(template.reward_script, subsidy(template.height) + fees), (commitment, 0)]
    parts = Parts(u32(2), [NO_HASH + u32(0xFFFFFFFF)], [u32(0xFFFFFFFF)], [output_bytes(o) for o in outputs], u32(0))
    return pack(parts, [Proof(script, b"\1\x20" + NO_HASH)], [], outputs)


def _height(height: int) -> bytes:
    """Give the script that pushes a number above 0 as BIP 34 demands it."""
    if height <= _LAST_SMALL:
        return bytes((_OP_1 + height - 1,))
    return push(height.to_bytes(height.bit_length() // 8 + 1, "little"))  # the highest bit is the sign's


def assemble(template: Template, reward: Packed, txids: Sequence[bytes], body: bytes) -> bytes:
    """Serialise a block and search its nonce; `body` is the transactions after the coinbase."""
    start = header(template, merkle_root([reward.txid, *txids]))
    return b"".join([start, compact_size(1 + len(txids)), reward.raw, body])


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Root of the merkle tree over at least one hash."""
    level = list(hashes)
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [sha256d_bytes(left + right) for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def header(template: Template, root: bytes) -> bytes:
    """Make a header with the lowest nonce that meets regtest's target, 80 bytes."""
    start = struct.pack("<I32s32sII", _VERSION, template.prev_hash, root, template.time, REGTEST_BITS)
    nonce = 0
    while sha256d_bytes(start + u32(nonce))[31] >= _TARGET_TOP:
        nonce += 1
    return start + u32(nonce)
