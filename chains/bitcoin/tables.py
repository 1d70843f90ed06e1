"""The Bitcoin lake tables: every column's name, type, unit and meaning, written once.

`docs/schema.md` is generated from this registry. Rows are in chain order. `tx_id` is
height * 2**20 + position in block. Hashes are in internal byte order (as hashed, not as displayed).
"""

from enum import IntEnum

import pyarrow as pa

from chains.blocks import Column, Table


class ScriptType(IntEnum):
    """What a locking script is; the number is what the lake stores."""

    OTHER = 0
    P2PK = 1
    P2PK_UNCOMPRESSED = 2
    P2PKH = 3
    P2SH = 4
    P2WPKH = 5
    P2WSH = 6
    P2TR = 7
    MULTISIG = 8
    OP_RETURN = 9
    WITNESS_UNKNOWN = 10


class WitnessKind(IntEnum):
    """How a spend proved its right, judged from scriptSig and witness alone."""

    NONE = 0
    P2WPKH = 1
    P2WSH = 2
    TAPROOT_KEY = 3
    TAPROOT_SCRIPT = 4
    NESTED_P2WPKH = 5
    NESTED_P2WSH = 6
    OTHER = 7


class Sighash:
    """Bits of `spend.sighash`: every signature type seen among the spend's signatures."""

    DEFAULT = 1  # BIP 341: 64-byte Schnorr signature
    ALL = 2  # 0x01
    NONE = 4  # 0x02
    SINGLE = 8  # 0x03
    ALL_ANYONECANPAY = 16  # 0x81
    NONE_ANYONECANPAY = 32  # 0x82
    SINGLE_ANYONECANPAY = 64  # 0x83
    OTHER = 128


HASH = pa.binary(32)
TX_ID = Column("tx_id", pa.int64(), "height * 2**20 + position", "the transaction, in chain order")
ADDRESS_ID = Column(
    "address_id",
    pa.int64(),
    "SipHash-2-4 of the script",
    "who is paid: keyed hash of the locking script (P2PK by its compressed key); null for OP_RETURN "
    "and where the origin is unresolved",
    nullable=True,
)
SCRIPT_TYPE = Column("script_type", pa.uint8(), "ScriptType", "kind of the locking script")

BLOCK = Table(
    "block",
    "one row per block of the best chain",
    (
        Column("height", pa.int32(), "blocks", "distance from genesis"),
        Column("hash", HASH, "bytes", "double SHA-256 of the header"),
        Column("prev_hash", HASH, "bytes", "hash of the block before"),
        Column("merkle_root", HASH, "bytes", "as in the header, checked against the transactions"),
        Column("version", pa.int32(), "", "header version"),
        Column("time", pa.int64(), "seconds since 1970 UTC", "header time; not monotonic"),
        Column("bits", pa.uint32(), "compact target", "proof-of-work target"),
        Column("nonce", pa.uint32(), "", "header nonce"),
        Column("size", pa.int32(), "bytes", "serialised size with witnesses"),
        Column("weight", pa.int32(), "weight units", "BIP 141 weight"),
        Column("n_tx", pa.int32(), "transactions", "transactions in the block"),
        Column("coinbase_script", pa.binary(), "bytes", "scriptSig of the coinbase: height, pool tag"),
    ),
    ("height",),
)
TX = Table(
    "tx",
    "one row per transaction",
    (
        TX_ID,
        Column("txid", HASH, "bytes", "double SHA-256 without witnesses"),
        Column("tx_key", pa.int64(), "SipHash-2-4 of txid", "what spends name their origin by"),
        Column("version", pa.int32(), "", "signed, as BIP 68 reads it"),
        Column("locktime", pa.uint32(), "height or seconds", "nLockTime"),
        Column("size", pa.int32(), "bytes", "serialised size with witnesses"),
        Column("weight", pa.int32(), "weight units", "BIP 141 weight"),
        Column(
            "fee",
            pa.int64(),
            "satoshi",
            "inputs minus outputs; 0 for coinbase; null where unresolved",
            nullable=True,
        ),
        Column("n_in", pa.int32(), "inputs", "inputs, the coinbase's null input not counted"),
        Column("n_out", pa.int32(), "outputs", "outputs"),
    ),
    ("tx_id",),
)
OUTPUT = Table(
    "output",
    "one row per output",
    (
        TX_ID,
        Column("vout", pa.int32(), "", "position among the transaction's outputs"),
        Column("value", pa.int64(), "satoshi", "value"),
        SCRIPT_TYPE,
        ADDRESS_ID,
    ),
    ("tx_id", "vout"),
)
SPEND = Table(
    "spend",
    "one row per input that spends an output (none for coinbase)",
    (
        TX_ID,
        Column("vin", pa.int32(), "", "position among the transaction's inputs"),
        Column("prev_tx_key", pa.int64(), "SipHash-2-4 of txid", "tx_key of the output's transaction"),
        Column("prev_vout", pa.uint32(), "", "position of the output spent"),
        Column("value", pa.int64(), "satoshi", "value spent; null where unresolved", nullable=True),
        SCRIPT_TYPE,
        ADDRESS_ID,
        Column("sequence", pa.uint32(), "", "nSequence"),
        Column("sighash", pa.uint8(), "Sighash bits", "every signature type seen; 0 where none was"),
        Column("witness_kind", pa.uint8(), "WitnessKind", "how the spend proved its right"),
        Column(
            "key_id",
            pa.int64(),
            "SipHash-2-4 of a P2WPKH script",
            "address_id of the P2WPKH form of a key that only this spend reveals (nested P2WPKH, "
            "P2PKH with an uncompressed key); null otherwise",
            nullable=True,
        ),
    ),
    ("tx_id", "vin"),
)
ADDRESS = Table(
    "address",
    "one row per distinct address_id in the segment's outputs and spends",
    (
        Column("address_id", pa.int64(), "SipHash-2-4 of the script", "the address"),
        Column("script_type", pa.uint8(), "ScriptType", "P2PK stands for both forms"),
        Column(
            "payload",
            pa.binary(),
            "bytes",
            "key hash, script hash, witness program or compressed key; the whole script for the rest",
        ),
    ),
    ("address_id",),
)
TABLES: tuple[Table, ...] = (BLOCK, TX, OUTPUT, SPEND, ADDRESS)
