"""A regtest chain that grows: what waits, what is unspent, and the blocks so far with their undo records."""

from collections.abc import Sequence
from datetime import datetime

from bitcoin.core import CTransaction

from chains.errors import TadoruError
from worlds.ledger.blocks import (
    GENESIS,
    GENESIS_TIME,
    MAX_WEIGHT,
    Block,
    Packed,
    Template,
    assemble,
    coinbase,
    merkle_root,
)
from worlds.ledger.undo import SpentOutput, block_undo

_RESERVED_WEIGHT = 4_000  # for the header and the coinbase, as Core's miner keeps free

Outpoint = tuple[bytes, int]


class WorldError(TadoruError):
    """A world was told to do what its chain or a wallet can not do."""


class Chain:
    """Blocks from regtest's genesis on, one every `interval` seconds from `start`.

    Raises
    ------
    WorldError
        If `start` is before genesis, or a transaction spends what is not there.
    """

    def __init__(self, start: datetime, interval: int) -> None:
        self.blocks = [Block(GENESIS, None)]
        self._start, self._interval = int(start.timestamp()), interval
        if self._start <= GENESIS_TIME:
            msg = f"a regtest chain can not start at {start}, before its genesis block (2011-02-02)"
            raise WorldError(msg)
        self._unspent: dict[Outpoint, SpentOutput] = {}
        self._waiting: list[Packed] = []

    @property
    def height(self) -> int:
        """Height of the last block."""
        return len(self.blocks) - 1

    @property
    def next_time(self) -> int:
        """Header time of the next block, seconds since 1970."""
        return self._start + self.height * self._interval

    @property
    def n_waiting(self) -> int:
        """Transactions that wait for a block."""
        return len(self._waiting)

    def submit(self, tx: CTransaction) -> bytes:
        """Let a signed transaction wait for the next block; gives its txid."""
        packed = Packed.of(tx)
        self._waiting.append(packed)
        return packed.txid

    def mine(self, reward_script: bytes, tag: bytes) -> Packed:
        """Put what waits, as far as it fits, into a block; gives the coinbase."""
        chosen = self._take()
        spent = [self._connect(tx) for tx in chosen]
        fees = sum(_fee(tx, coins) for tx, coins in zip(chosen, spent, strict=True))
        previous = self.blocks[-1].hash
        template = Template(self.height + 1, previous, self.next_time, reward_script, tag)
        reward = coinbase(template, fees, merkle_root([bytes(32), *(tx.wtxid for tx in chosen)]))
        self._credit(reward, is_coinbase=True)
        self.blocks.append(Block(assemble(template, [reward, *chosen]), block_undo(spent)))
        return reward

    def _take(self) -> list[Packed]:
        weight, n = _RESERVED_WEIGHT, 0
        for tx in self._waiting:
            weight += tx.weight
            if weight > MAX_WEIGHT:
                break
            n += 1
        chosen, self._waiting = self._waiting[:n], self._waiting[n:]
        return chosen

    def _connect(self, tx: Packed) -> list[SpentOutput]:
        """Take from the unspent outputs what `tx` spends and add what it makes."""
        outpoints = [(bytes(i.prevout.hash), int(i.prevout.n)) for i in tx.tx.vin]
        missing = [o for o in outpoints if o not in self._unspent]
        if missing:
            txid, vout = missing[0]
            origin = f"{txid[::-1].hex()}:{vout}"
            msg = f"transaction {tx.txid[::-1].hex()} spends {origin}, which is spent or unknown"
            raise WorldError(msg)
        spent = [self._unspent.pop(o) for o in outpoints]
        self._credit(tx, is_coinbase=False)
        return spent

    def _credit(self, tx: Packed, *, is_coinbase: bool) -> None:
        for n, out in enumerate(tx.tx.vout):
            script = bytes(out.scriptPubKey)
            self._unspent[tx.txid, n] = SpentOutput(int(out.nValue), script, self.height + 1, is_coinbase)


def _fee(tx: Packed, coins: Sequence[SpentOutput]) -> int:
    return sum(c.value for c in coins) - sum(int(o.nValue) for o in tx.tx.vout)
