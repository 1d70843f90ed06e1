"""A transaction as bytes: its pieces, and what it is called and weighs once they are put together."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chains.sha256 import sha256d_bytes
from worlds.ledger.undo import compact_size

Output = tuple[bytes, int]
"""Locking script, and value in satoshi."""

NO_WITNESS = b"\0"
_SEGWIT = b"\0\1"  # marker and flag
_LEGACY_SIGOP, _OP_CHECKSIG = 4, b"\xac"

u32 = struct.Struct("<I").pack
i64 = struct.Struct("<q").pack


class Parts(NamedTuple):
    """A transaction without its signatures, piece by piece as it is serialised."""

    version: bytes
    outpoints: Sequence[bytes]
    sequences: Sequence[bytes]
    outputs: Sequence[bytes]
    locktime: bytes


@dataclass(frozen=True, slots=True)
class Packed:
    """A whole transaction, serialised and hashed once."""

    raw: bytes
    txid: bytes
    wtxid: bytes
    weight: int
    sigops: int
    """What it counts towards a block's limit on signature checks, or a little more."""
    outpoints: Sequence[tuple[bytes, int]]
    """What it spends."""
    outputs: Sequence[Output]


class Proof(NamedTuple):
    """What opens one input."""

    script: bytes
    """scriptSig, without its length"""
    witness: bytes = NO_WITNESS
    """Serialised stack."""


def sized(data: bytes) -> bytes:
    """Put the length before a script or a witness item."""
    return compact_size(len(data)) + data


def push(data: bytes) -> bytes:
    """Give the script that pushes up to 255 bytes."""
    return (b"\x4c" if len(data) > 75 else b"") + bytes((len(data),)) + data  # noqa: PLR2004 -- OP_PUSHDATA1 from here


def output_bytes(output: Output) -> bytes:
    """Serialise an output."""
    script, value = output
    return i64(value) + sized(script)


def pack(
    parts: Parts, proofs: Sequence[Proof], outpoints: Sequence[tuple[bytes, int]], outputs: Sequence[Output]
) -> Packed:
    """Put the pieces together and hash them."""
    rows = zip(parts.outpoints, proofs, parts.sequences, strict=True)
    inputs = b"".join([outpoint + sized(proof.script) + sequence for outpoint, proof, sequence in rows])
    core = compact_size(len(proofs)) + inputs + compact_size(len(outputs)) + b"".join(parts.outputs)
    bare = parts.version + core + parts.locktime
    txid = sha256d_bytes(bare)
    sigops = _LEGACY_SIGOP * sum([script.endswith(_OP_CHECKSIG) for script, _ in outputs])
    witnesses = [proof.witness for proof in proofs]
    signed = len(witnesses) - witnesses.count(NO_WITNESS)
    if not signed:
        return Packed(bare, txid, txid, 4 * len(bare), sigops, outpoints, outputs)
    raw = b"".join([parts.version, _SEGWIT, core, *witnesses, parts.locktime])
    weight = 3 * len(bare) + len(raw)
    return Packed(raw, txid, sha256d_bytes(raw), weight, sigops + signed, outpoints, outputs)
