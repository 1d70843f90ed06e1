"""From coins and outputs to a signed transaction: single-key spends of every kind, with any signature type."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from worlds.ledger.keys import Address, AddressKind, key_hash_script
from worlds.ledger.sighash import SIGHASH_ALL, Digests
from worlds.ledger.wire import Output, Packed, Parts, Proof, output_bytes, pack, push, sized, u32

_version = struct.Struct("<i").pack


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
    outputs: Sequence[Output]
    """Locking script and value in satoshi, in order."""
    sequences: Sequence[int]
    sighash: Sequence[int]
    version: int = 2
    locktime: int = 0

    def parts(self) -> Parts:
        """Give the transaction without scriptSigs and witnesses, in pieces."""
        return Parts(
            _version(self.version),
            [coin.txid + u32(coin.vout) for coin in self.coins],
            [u32(sequence) for sequence in self.sequences],
            [output_bytes(output) for output in self.outputs],
            u32(self.locktime),
        )

    def signed(self) -> Packed:
        """Give the transaction as it goes on the chain."""
        parts = self.parts()
        digests = Digests(parts, [(coin.address.script, coin.value) for coin in self.coins])
        rows = zip(self.coins, parts.outpoints, self.sighash, strict=True)
        proofs = [
            _Spend(coin.address, outpoint, digests, n, kind).proof() for n, (coin, outpoint, kind) in enumerate(rows)
        ]
        return pack(parts, proofs, [coin.outpoint for coin in self.coins], self.outputs)


@dataclass(frozen=True, slots=True)
class _Spend:
    """One input as it is signed."""

    address: Address
    outpoint: bytes
    digests: Digests
    n: int
    kind: int
    """Signature type."""

    def proof(self) -> Proof:
        """Give scriptSig and witness."""
        address = self.address
        match address.kind:
            case AddressKind.P2WPKH:
                return Proof(b"", _stack(self._segwit(), address.public_key))
            case AddressKind.P2TR:
                return Proof(b"", _stack(self._taproot()))
            case AddressKind.P2PKH:
                return Proof(push(self._legacy()) + push(address.public_key))
            case AddressKind.P2SH_P2WPKH:
                return Proof(push(address.redeem_script), _stack(self._segwit(), address.public_key))
            case AddressKind.P2PK:
                return Proof(push(self._legacy()))

    def _legacy(self) -> bytes:
        digest = partial(self.digests.legacy, self.n, self.kind, self.address.script)
        return self.address.key.ecdsa(self.outpoint, digest) + bytes((self.kind,))

    def _segwit(self) -> bytes:
        digest = partial(self.digests.segwit, self.n, self.kind, key_hash_script(self.address.key_hash))
        return self.address.key.ecdsa(self.outpoint, digest) + bytes((self.kind,))

    def _taproot(self) -> bytes:
        """Sign by BIP 341's key path; plain SIGHASH_ALL is written as the 64-byte default."""
        kind = 0 if self.kind == SIGHASH_ALL else self.kind
        signature = self.address.key.schnorr(self.outpoint, partial(self.digests.taproot, self.n, kind))
        return signature + bytes((kind,)) if kind else signature


def _stack(*items: bytes) -> bytes:
    return bytes((len(items),)) + b"".join([sized(item) for item in items])
