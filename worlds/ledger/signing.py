"""Valid signatures for single-key spends of every kind, with any signature type.

python-bitcoinlib knows the sighash of legacy and version 0 witness scripts; BIP 341's is here.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from bitcoin.core import (
    COutPoint,
    CTransaction,
    CTxIn,
    CTxInWitness,
    CTxOut,
    CTxWitness,
)
from bitcoin.core.script import (
    SIGHASH_ALL,
    SIGHASH_ANYONECANPAY,
    SIGHASH_NONE,
    SIGHASH_SINGLE,
    SIGVERSION_WITNESS_V0,
    CScript,
    CScriptWitness,
    SignatureHash,
)

from worlds.ledger.keys import Address, AddressKind, key_hash_script, tagged_hash

_NO_WITNESS = CTxInWitness()
# BIP 340 recommends fresh randomness against side channels; worlds must be the same every time.
_NO_RANDOMNESS = bytes(32)
_OUTPUT_TYPES = 0x1F  # the bits of a signature type that say which outputs it covers


@dataclass(frozen=True, slots=True)
class Coin:
    """An output that can be spent, and the key that opens it."""

    txid: bytes
    vout: int
    value: int
    """satoshi"""
    address: Address
    height: int
    """Block that holds it; the next block for a coin that waits in the mempool."""
    coinbase: bool = False

    @property
    def outpoint(self) -> tuple[bytes, int]:
        """What an input names it by."""
        return self.txid, self.vout


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction before it is signed; `sighash` and `sequences` hold one number per coin."""

    coins: Sequence[Coin]
    outputs: Sequence[tuple[bytes, int]]
    """Locking script and value in satoshi, in order."""
    sequences: Sequence[int]
    sighash: Sequence[int]
    version: int = 2
    locktime: int = 0

    def unsigned(self) -> CTransaction:
        """Give the transaction without scriptSigs and witnesses."""
        inputs = self._inputs([b""] * len(self.coins))
        return CTransaction(inputs, self._outputs(), self.locktime, self.version)

    def signed(self) -> CTransaction:
        """Give the transaction as it goes on the chain."""
        bare = self.unsigned()
        proofs = [_prove(self, bare, n) for n in range(len(self.coins))]
        inputs = self._inputs([script for script, _ in proofs])
        witness = CTxWitness([w for _, w in proofs])
        return CTransaction(inputs, self._outputs(), self.locktime, self.version, witness)

    def _inputs(self, scripts: Sequence[bytes]) -> list[CTxIn]:
        rows = zip(self.coins, scripts, self.sequences, strict=True)
        return [CTxIn(COutPoint(c.txid, c.vout), CScript(s), sequence) for c, s, sequence in rows]

    def _outputs(self) -> list[CTxOut]:
        return [CTxOut(value, CScript(script)) for script, value in self.outputs]


def _prove(draft: Draft, bare: CTransaction, n: int) -> tuple[CScript, CTxInWitness]:
    """Give scriptSig and witness of input `n`."""
    coin = draft.coins[n]
    address = coin.address
    match address.kind:
        case AddressKind.P2PK:
            return CScript([_legacy(draft, bare, n)]), _NO_WITNESS
        case AddressKind.P2PKH:
            return CScript([_legacy(draft, bare, n), address.public_key]), _NO_WITNESS
        case AddressKind.P2WPKH:
            return CScript(), _stack(_segwit(draft, bare, n), address.public_key)
        case AddressKind.P2SH_P2WPKH:
            return CScript([address.redeem_script]), _stack(_segwit(draft, bare, n), address.public_key)
        case AddressKind.P2TR:
            return CScript(), _stack(_taproot(draft, n))


def _stack(*items: bytes) -> CTxInWitness:
    return CTxInWitness(CScriptWitness(items))


def _ecdsa(address: Address, digest: bytes, kind: int) -> bytes:
    # libsecp256k1 signs deterministically (RFC 6979) and always with low S.
    return bytes(address.key.sign(digest, hasher=None)) + bytes([kind])


def _legacy(draft: Draft, bare: CTransaction, n: int) -> bytes:
    address, kind = draft.coins[n].address, draft.sighash[n]
    return _ecdsa(address, SignatureHash(CScript(address.script), bare, n, kind), kind)


def _segwit(draft: Draft, bare: CTransaction, n: int) -> bytes:
    coin, kind = draft.coins[n], draft.sighash[n]
    code = key_hash_script(coin.address.key_hash)
    digest = SignatureHash(code, bare, n, kind, coin.value, SIGVERSION_WITNESS_V0)
    return _ecdsa(coin.address, digest, kind)


def _taproot(draft: Draft, n: int) -> bytes:
    """Sign for input `n` by BIP 341's key path; plain SIGHASH_ALL is written as the 64-byte default."""
    kind = 0 if draft.sighash[n] == SIGHASH_ALL else draft.sighash[n]
    digest = taproot_sighash(draft, n, kind)
    signature = bytes(draft.coins[n].address.key.sign_schnorr(digest, _NO_RANDOMNESS))
    return signature if kind == 0 else signature + bytes([kind])


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sized(script: bytes) -> bytes:
    return bytes([len(script)]) + script  # every script here is shorter than 253 bytes


def taproot_sighash(draft: Draft, n: int, kind: int) -> bytes:
    """Digest that a key path spend of input `n` signs (BIP 341, no annex), 32 bytes."""
    outputs = kind & _OUTPUT_TYPES
    # The epoch, 0, comes first.
    message = struct.pack("<BBiI", 0, kind, draft.version, draft.locktime)
    if not kind & SIGHASH_ANYONECANPAY:
        message += _hash_of_all_inputs(draft)
    if outputs not in (SIGHASH_NONE, SIGHASH_SINGLE):
        message += _sha256(b"".join(_output_bytes(o) for o in draft.outputs))
    message += b"\0"  # spend type: key path, no annex
    message += _input_bytes(draft, n) if kind & SIGHASH_ANYONECANPAY else struct.pack("<I", n)
    if outputs == SIGHASH_SINGLE:
        message += _sha256(_output_bytes(draft.outputs[n]))
    return tagged_hash("TapSighash", message)


def _output_bytes(output: tuple[bytes, int]) -> bytes:
    script, value = output
    return struct.pack("<q", value) + _sized(script)


def _outpoint_bytes(coin: Coin) -> bytes:
    return coin.txid + struct.pack("<I", coin.vout)


def _input_bytes(draft: Draft, n: int) -> bytes:
    coin = draft.coins[n]
    spent = _output_bytes((coin.address.script, coin.value))
    return _outpoint_bytes(coin) + spent + struct.pack("<I", draft.sequences[n])


def _hash_of_all_inputs(draft: Draft) -> bytes:
    coins = draft.coins
    return (
        _sha256(b"".join(_outpoint_bytes(c) for c in coins))
        + _sha256(b"".join(struct.pack("<q", c.value) for c in coins))
        + _sha256(b"".join(_sized(c.address.script) for c in coins))
        + _sha256(b"".join(struct.pack("<I", s) for s in draft.sequences))
    )
