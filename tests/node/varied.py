"""A regtest chain with a bit of everything: every kind of locking script, paid and spent, in a node's own files.

Transactions are written with python-bitcoinlib and signed by the node; those that no node would relay are mined
all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from bitcoin.base58 import CBase58Data
from bitcoin.core import (
    CMutableTransaction,
    CMutableTxIn,
    CMutableTxOut,
    COutPoint,
    Hash160,
    lx,
)
from bitcoin.core.script import OP_0, OP_1, OP_2, OP_3, OP_16, OP_CHECKMULTISIG, OP_CHECKSIG, OP_RETURN, CScript
from coincurve import PrivateKey

from tests.node.harness import RegtestNode

MINER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"  # BIP 173's example key, as regtest writes it
MINER_2 = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
WIF_VERSION = 239
FEE = 5_000
KEYS = (PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32))


@dataclass(frozen=True)
class Lock:
    """A locking script, and what the signer must know beside the keys."""

    script: CScript
    redeem: bytes = b""
    witness: bytes = b""
    answer: bytes = b""
    """The scriptSig, where no signature is needed."""


@dataclass(frozen=True)
class Coin:
    """An output that can be spent."""

    txid: str
    vout: int
    value: int
    lock: Lock


@dataclass
class Purse:
    """Makes transactions that pay every lock there is."""

    node: RegtestNode
    coins: list[Coin] = field(default_factory=list)

    def spend(self, coins: Sequence[Coin], locks: Sequence[Lock]) -> str:
        """Sign a transaction that spends some coins into all locks alike; returns its hex."""
        value = (sum(coin.value for coin in coins) - FEE) // len(locks)
        tx = CMutableTransaction(
            [CMutableTxIn(COutPoint(lx(c.txid), c.vout), CScript(c.lock.answer), nSequence=0xFFFFFFFD) for c in coins],
            [CMutableTxOut(value, lock.script) for lock in locks],
            nVersion=2,
        )
        tx.vout.append(CMutableTxOut(0, CScript([OP_RETURN, b"tadoru"])))
        before = [_known(coin) for coin in coins if coin.lock.script]  # the node looks up the empty one
        signed = self.node.rpc("signrawtransactionwithkey", tx.serialize().hex(), _wifs(), before)
        txid = self.node.rpc("decoderawtransaction", signed["hex"])["txid"]
        self.coins = [coin for coin in self.coins if coin not in coins]
        self.coins += [Coin(txid, vout, value, lock) for vout, lock in enumerate(locks)]
        return str(signed["hex"])


def _known(coin: Coin) -> dict[str, Any]:
    whole, satoshi = divmod(coin.value, 100_000_000)
    told = {
        "txid": coin.txid,
        "vout": coin.vout,
        "scriptPubKey": coin.lock.script.hex(),
        "amount": f"{whole}.{satoshi:08d}",
    }
    if coin.lock.redeem:
        told["redeemScript"] = coin.lock.redeem.hex()
    if coin.lock.witness:
        told["witnessScript"] = coin.lock.witness.hex()
    return told


def _wifs() -> list[str]:
    """Both keys as the node takes them: the first compressed and plain, the second compressed."""
    (first, second), compressed = KEYS, b"\x01"
    secrets = (first.secret + compressed, first.secret, second.secret + compressed)
    return [str(CBase58Data.from_bytes(secret, WIF_VERSION)) for secret in secrets]


def _p2sh(redeem: bytes, witness: bytes = b"") -> Lock:
    return Lock(CScript(bytes.fromhex("a914") + Hash160(redeem) + b"\x87"), redeem, witness)


def all_locks() -> list[Lock]:
    """Every kind of locking script that can be spent."""
    first, second = KEYS
    key, plain, other = first.public_key.format(), first.public_key.format(compressed=False), second.public_key.format()
    two_of_two = bytes(CScript([OP_2, key, other, OP_2, OP_CHECKMULTISIG]))
    wpkh, wsh = CScript([OP_0, Hash160(key)]), CScript([OP_0, sha256(two_of_two).digest()])
    true = bytes((OP_1,))
    pushed_true = bytes((1,)) + true
    return [
        Lock(CScript([key, OP_CHECKSIG])),
        Lock(CScript([plain, OP_CHECKSIG])),
        Lock(CScript(bytes.fromhex("76a914") + Hash160(key) + bytes.fromhex("88ac"))),
        Lock(CScript(bytes.fromhex("76a914") + Hash160(plain) + bytes.fromhex("88ac"))),
        Lock(CScript([OP_1, key, other, OP_2, OP_CHECKMULTISIG])),
        Lock(CScript([OP_2, plain, other, key, OP_3, OP_CHECKMULTISIG])),
        _p2sh(two_of_two),
        _p2sh(bytes(wpkh)),
        _p2sh(bytes(wsh), two_of_two),
        Lock(wpkh),
        Lock(wsh, witness=two_of_two),
        Lock(CScript([OP_1, first.public_key_xonly.format()])),
        Lock(CScript([OP_1, b"\x4e\x73"])),  # pay to anchor
        Lock(CScript([OP_16, b"\x01" * 2])),  # a witness version without rules yet
        Lock(_p2sh(true).script, true, answer=pushed_true),
        Lock(CScript(true)),
        Lock(CScript(b""), answer=true),
    ]


def grow(node: RegtestNode, blocks: int = 300) -> None:
    """Mine a varied chain: coinbases of three kinds, empty and busy blocks, spends within a block, stale blocks."""
    locks, purse = all_locks(), Purse(node)
    owned = [
        node.rpc(
            "deriveaddresses", node.rpc("getdescriptorinfo", f"pkh({KEYS[0].public_key.format().hex()})")["descriptor"]
        )[0]
    ]
    first = node.mine(100, owned[0])[0]
    coinbase = node.rpc("getblock", first, 2)["tx"][0]
    purse.coins.append(Coin(coinbase["txid"], 0, 50 * 10**8, locks[2]))
    node.mine(20, MINER)
    while (height := node.rpc("getblockcount")) < blocks:
        if height % 50 == 0:
            _fork(node)
        if height % 7 == 0:
            node.mine(1, MINER)
        else:
            _mine_busy(purse, locks, height)


def _mine_busy(purse: Purse, locks: Sequence[Lock], height: int) -> None:
    """Mine one block with a transaction that spends all coins and one that spends some of that one's outputs."""
    first = purse.spend(purse.coins, locks)
    some = [coin for coin in purse.coins if coin.lock.script][:: 2 + height % 5]
    second = purse.spend(some, locks[height % len(locks) :])
    purse.node.rpc("generateblock", MINER, [first, second])


def _fork(node: RegtestNode) -> None:
    """Leave two stale blocks in the files."""
    stale = node.mine(2, MINER)[0]
    node.rpc("invalidateblock", stale)
    node.mine(3, MINER_2)
    node.rpc("reconsiderblock", stale)
