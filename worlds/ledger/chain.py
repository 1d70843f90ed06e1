"""A regtest chain that grows: what waits, what is unspent, and each block with its undo record as it is finished."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np

from chains.errors import TadoruError
from worlds.ledger.blocks import (
    GENESIS,
    GENESIS_TIME,
    MAX_SIGOPS,
    MAX_WEIGHT,
    NO_HASH,
    Block,
    Template,
    assemble,
    coinbase,
    merkle_root,
)
from worlds.ledger.undo import SpentOutput, compact_size, tx_undos
from worlds.ledger.wire import Output, Packed

# For the header and the coinbase, as Core's miner keeps free.
_RESERVED_WEIGHT, _RESERVED_SIGOPS = 4_000, 400

Outpoint = tuple[bytes, int]


class WorldError(TadoruError):
    """A world was told to do what its chain or a wallet can not do."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Transactions that were made elsewhere and are bytes already; they follow those that wait."""

    body: bytes
    txids: np.ndarray
    """uint8 (n, 32)"""
    wtxids: np.ndarray
    """uint8 (n, 32)"""
    undo: bytes
    """Their undo records, without a count."""
    fees: int
    weight: int
    sigops: int = 0
    spends: Sequence[Outpoint] = ()
    """What they take of the chain's own unspent outputs; others are their maker's business."""
    makes: Mapping[Outpoint, Output] = field(default_factory=dict)
    """Outputs that the chain's own transactions may spend later."""


class Mined(NamedTuple):
    """What a block brought."""

    reward: Packed
    """Its coinbase."""
    included: list[bytes]
    """txids of those that waited and are in it now, in order."""


class Chain:
    """Blocks from regtest's genesis on, one every `interval` seconds from `start`.

    Parameters
    ----------
    start, interval
        Time of the first block after genesis, and seconds between blocks.
    sink
        Takes each block as it is finished, genesis first; by default they are kept in `blocks`.

    Raises
    ------
    WorldError
        If `start` is before genesis, or a transaction spends what is not there.
    """

    def __init__(self, start: datetime, interval: int, sink: Callable[[Block], object] | None = None) -> None:
        self.blocks: list[Block] = []
        """The chain so far, genesis first; empty where a sink takes the blocks."""
        self.height = -1
        """Height of the last block."""
        self._sink = sink or self.blocks.append
        self._start, self._interval = int(start.timestamp()), interval
        if self._start <= GENESIS_TIME:
            msg = f"a regtest chain can not start at {start}, before its genesis block (2011-02-02)"
            raise WorldError(msg)
        self._unspent: dict[Outpoint, SpentOutput] = {}
        self._waiting: list[Packed] = []
        self._append(Block(GENESIS, None))

    @property
    def next_time(self) -> int:
        """Header time of the next block, seconds since 1970."""
        return self._start + self.height * self._interval

    @property
    def n_waiting(self) -> int:
        """Transactions that wait for a block."""
        return len(self._waiting)

    @property
    def weight_left(self) -> int:
        """Weight that the next block has beside what waits for it."""
        return max(0, MAX_WEIGHT - _RESERVED_WEIGHT - sum(tx.weight for tx in self._waiting))

    def submit(self, tx: Packed) -> bytes:
        """Let a signed transaction wait for the next block; gives its txid.

        Raises
        ------
        WorldError
            If it is too large for any block.
        """
        if tx.weight > MAX_WEIGHT - _RESERVED_WEIGHT or tx.sigops > MAX_SIGOPS - _RESERVED_SIGOPS:
            msg = f"a transaction of {tx.weight} weight units and {tx.sigops} signature checks fits into no block"
            raise WorldError(msg)
        self._waiting.append(tx)
        return tx.txid

    def mine(self, reward_script: bytes, tag: bytes, extra: Encoded | None = None) -> Mined:
        """Put what waits, as far as it fits, into a block, and `extra` behind it.

        Transactions enter blocks in the order in which they were submitted, so that none precedes what it spends.

        Raises
        ------
        WorldError
            If `extra` alone is too large for a block, or something is spent that is not there.
        """
        chosen = self._take(extra)
        spent = [self._connect(tx) for tx in chosen]
        fees = sum(_fee(tx, coins) for tx, coins in zip(chosen, spent, strict=True)) + (extra.fees if extra else 0)
        txids, wtxids = [tx.txid for tx in chosen], [tx.wtxid for tx in chosen]
        body, undo = b"".join([tx.raw for tx in chosen]), tx_undos(spent)
        if extra:
            self._connect_encoded(extra)
            txids, wtxids = [*txids, *_rows(extra.txids)], [*wtxids, *_rows(extra.wtxids)]
            body, undo = body + extra.body, undo + extra.undo
        template = Template(self.height + 1, self._last_hash, self.next_time, reward_script, tag)
        reward = coinbase(template, fees, merkle_root([NO_HASH, *wtxids]))
        self._credit(reward, is_coinbase=True)
        self._append(Block(assemble(template, reward, txids, body), compact_size(len(txids)) + undo))
        return Mined(reward, [tx.txid for tx in chosen])

    def _append(self, block: Block) -> None:
        self._last_hash = block.hash
        self.height += 1
        self._sink(block)

    def _take(self, extra: Encoded | None) -> list[Packed]:
        """Take the first of those that wait, up to the block's limits."""
        weight = MAX_WEIGHT - _RESERVED_WEIGHT - (extra.weight if extra else 0)
        sigops = MAX_SIGOPS - _RESERVED_SIGOPS - (extra.sigops if extra else 0)
        if min(weight, sigops) < 0:
            msg = f"the encoded transactions are over a block's limits by {-min(weight, sigops)}"
            raise WorldError(msg)
        n = 0
        for tx in self._waiting:
            weight -= tx.weight
            sigops -= tx.sigops
            if min(weight, sigops) < 0:
                break
            n += 1
        chosen, self._waiting = self._waiting[:n], self._waiting[n:]
        return chosen

    def _connect(self, tx: Packed) -> list[SpentOutput]:
        """Take from the unspent outputs what `tx` spends and add what it makes."""
        spent = self._spend(tx.outpoints, f"transaction {tx.txid[::-1].hex()}")
        self._credit(tx, is_coinbase=False)
        return spent

    def _connect_encoded(self, extra: Encoded) -> None:
        self._spend(extra.spends, "an encoded transaction")
        for outpoint, (script, value) in extra.makes.items():
            self._unspent[outpoint] = SpentOutput(value, script, self.height + 1, coinbase=False)

    def _spend(self, outpoints: Sequence[Outpoint], spender: str) -> list[SpentOutput]:
        """Take outputs from the unspent ones; each can be spent once."""
        spent = []
        for outpoint in outpoints:
            coin = self._unspent.pop(outpoint, None)
            if coin is None:
                txid, vout = outpoint
                msg = f"{spender} spends {txid[::-1].hex()}:{vout}, which is spent or unknown"
                raise WorldError(msg)
            spent.append(coin)
        return spent

    def _credit(self, tx: Packed, *, is_coinbase: bool) -> None:
        height = self.height + 1
        for n, (script, value) in enumerate(tx.outputs):
            self._unspent[tx.txid, n] = SpentOutput(value, script, height, is_coinbase)


def _fee(tx: Packed, coins: Sequence[SpentOutput]) -> int:
    return sum([coin.value for coin in coins]) - sum([value for _, value in tx.outputs])


def _rows(hashes: np.ndarray) -> list[bytes]:
    data = hashes.tobytes()
    return [data[at : at + 32] for at in range(0, len(data), 32)]
