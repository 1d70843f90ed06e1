"""Whole blocks that Bitcoin Core accepts on regtest: coinbase, commitment, merkle root, proof of work."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from bitcoin.core import (
    CBlock,
    CoreRegTestParams,
    COutPoint,
    CTransaction,
    CTxIn,
    CTxInWitness,
    CTxOut,
    CTxWitness,
    Hash,
)
from bitcoin.core.script import OP_RETURN, CScript, CScriptWitness

from worlds.ledger.undo import compact_size

HALVING = 150  # blocks, on regtest
MATURITY = 100  # blocks before a coinbase output can be spent
FIRST_SUBSIDY = 50 * 100_000_000
MAX_WEIGHT = 4_000_000
GENESIS = bytes(CoreRegTestParams.GENESIS_BLOCK.serialize())
GENESIS_TIME = int(CoreRegTestParams.GENESIS_BLOCK.nTime)
REGTEST_BITS = 0x207FFFFF
_VERSION = 0x20000000
_TARGET_TOP = 0x80  # half of all hashes meet regtest's target: those whose last byte is below this
_COMMITMENT = b"\xaa\x21\xa9\xed"


@dataclass(frozen=True, slots=True)
class Block:
    """A finished block and its undo record (None for genesis, which has none)."""

    raw: bytes
    undo: bytes | None

    @property
    def hash(self) -> bytes:
        """Hash of the header, internal byte order."""
        return bytes(Hash(self.raw[:80]))

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


@dataclass(frozen=True, slots=True)
class Packed:
    """A signed transaction, serialised and hashed once."""

    tx: CTransaction
    raw: bytes
    txid: bytes
    wtxid: bytes
    weight: int

    @classmethod
    def of(cls, tx: CTransaction) -> "Packed":
        """Serialise and hash a transaction."""
        raw = bytes(tx.serialize())
        bare = bytes(tx.serialize(params={"include_witness": False}))
        return cls(tx, raw, bytes(Hash(bare)), bytes(Hash(raw)), 3 * len(bare) + len(raw))


def coinbase(template: Template, fees: int, witness_root: bytes) -> Packed:
    """Pay the subsidy and the fees to the miner; commit to the witnesses of the block (BIP 34, BIP 141)."""
    script = bytes(CScript([template.height])) + bytes(CScript([template.tag]))
    commitment = CScript([OP_RETURN, _COMMITMENT + Hash(witness_root + bytes(32))])
    outputs = [
        CTxOut(subsidy(template.height) + fees, CScript(template.reward_script)),
        CTxOut(0, commitment),
    ]
    witness = CTxWitness([CTxInWitness(CScriptWitness([bytes(32)]))])
    return Packed.of(CTransaction([CTxIn(COutPoint(), CScript(script))], outputs, 0, 2, witness))


def assemble(template: Template, transactions: Sequence[Packed]) -> bytes:
    """Serialise a block, its coinbase first, and search its nonce."""
    start = header(template, merkle_root([tx.txid for tx in transactions]))
    return start + compact_size(len(transactions)) + b"".join(tx.raw for tx in transactions)


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Root of the merkle tree over at least one hash."""
    return bytes(CBlock.build_merkle_tree_from_txids(hashes)[-1])


def header(template: Template, root: bytes) -> bytes:
    """Make a header with the lowest nonce that meets regtest's target, 80 bytes."""
    start = struct.pack("<i32s32sII", _VERSION, template.prev_hash, root, template.time, REGTEST_BITS)
    nonce = 0
    while Hash(start + struct.pack("<I", nonce))[31] >= _TARGET_TOP:
        nonce += 1
    return start + struct.pack("<I", nonce)
