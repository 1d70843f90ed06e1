"""From a number of transactions and a seed to a datadir: the loop over blocks around the kernels."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from worlds.fast.buffers import MAX_BLOCK_TX, MAX_OUTPUTS, Desk, new_desk
from worlds.fast.draws import below, generator
from worlds.fast.encode import merkle_root
from worlds.fast.ledger import fill_block, hand_out
from worlds.fast.orders import new_orders
from worlds.fast.rates import SWAP_SHARE
from worlds.fast.scripts import make_payload, write_locking
from worlds.fast.state import (
    HEIGHT,
    NOBODY,
    SERVICES,
    State,
    free_slot,
    new_state,
    new_wallet,
    put,
)
from worlds.ledger.blocks import GENESIS, MATURITY, MAX_WEIGHT, Block, Template, coinbase, header
from worlds.ledger.datadir import DatadirWriter, xor_key
from worlds.ledger.undo import compact_size

START = int(datetime(2019, 1, 1, tzinfo=UTC).timestamp())
INTERVAL = 600
POOLS = 12  # services that mine
HAND_OUTS = 20  # blocks whose one transaction shares a reward among the first wallets
_LEAST, _MOST = 2_000, 4_000  # transactions of a full block
_FULL = 3_600_000  # weight from which a block takes no more; the largest transaction weighs under 400,000
_MANY = 100_000


class Filled(NamedTuple):
    """What a kernel left on the page."""

    n_tx: int
    size: int
    undo_size: int
    fees: int


class Simulation:
    """A large chain, block after block.

    Parameters
    ----------
    n_tx
        Transactions in all, coinbases counted; at least those of the first 120 blocks.
    seed
        Decides everything; the same seed gives the same bytes.
    """

    def __init__(self, n_tx: int, seed: int) -> None:
        self.n_tx = max(n_tx, 1 + MATURITY + 2 * HAND_OUTS)
        self.state: State = new_state(self.n_tx, seed)
        self._rng = generator(seed)
        self._desk: Desk = new_desk(seed, swaps=SWAP_SHARE)
        self._orders = new_orders(0)
        self._tree = np.zeros((MAX_BLOCK_TX + 1) * 32, np.uint8)
        for _ in range(SERVICES):
            new_wallet(self.state, self._rng)

    def blocks(self) -> Iterator[tuple[Block, int]]:
        """Give every block with its number of transactions, genesis first."""
        block = Block(GENESIS, None)
        yield block, 1
        done, height = 1, 0
        while done < self.n_tx:
            height += 1
            self.state.numbers[HEIGHT] = height
            filled = self._fill(height, self.n_tx - done - 1)
            block = self._finish(height, block.hash, filled)
            done += filled.n_tx + 1
            yield block, filled.n_tx + 1

    def _fill(self, height: int, left: int) -> Filled:
        """Let the transactions of one block happen."""
        ripe = int(self.state.unripe[height % MATURITY])
        owner = int(self.state.unripe_owner[height % MATURITY])
        if ripe == NOBODY or left == 0:
            return Filled(0, 0, 0, 0)
        if height <= MATURITY + HAND_OUTS:
            outputs = min(max(self.n_tx // (25 * HAND_OUTS), 100), MAX_OUTPUTS - 1)
            size, undo, fee = hand_out(self.state, self._desk, self._rng, ripe, outputs)
            return Filled(1, size, undo, fee)
        put(self.state, owner, ripe)
        wanted = min(left, _LEAST + below(self._rng, _MOST - _LEAST))
        bounds = (min(wanted, MAX_BLOCK_TX - 1), _FULL, MAX_WEIGHT)
        return Filled(*fill_block(self.state, self._desk, self._rng, self._orders, bounds)[:4])

    def _finish(self, height: int, prev_hash: bytes, filled: Filled) -> Block:
        """Put the coinbase before the transactions, and the header before all."""
        page, rows = self._desk.page, filled.n_tx + 1
        pool = below(self._rng, POOLS)
        template = Template(height, prev_hash, START + height * INTERVAL, self._script(pool), b"/Tadoru %d/" % pool)
        reward = coinbase(template, filled.fees, self._root(page.wtxids, rows))
        page.txids[0] = np.frombuffer(reward.txid, np.uint8)
        self._keep(height, pool, reward.txid, reward.outputs[0][1])
        start = header(template, self._root(page.txids, rows)) + compact_size(rows) + reward.raw
        undo = compact_size(filled.n_tx) + page.undo[: filled.undo_size].tobytes()
        return Block(start + page.body[: filled.size].tobytes(), undo)

    def _root(self, hashes: np.ndarray, n: int) -> bytes:
        merkle_root(hashes, n, self._tree, self._desk.page.pen.context)
        return self._tree[:32].tobytes()

    def _script(self, pool: int) -> bytes:
        """Give the locking script of a pool's address, its payload left in the scratch's last 32 bytes."""
        pen, out = self._desk.page.pen, np.zeros(64, np.uint8)
        address, payload = int(self.state.wallets.last[pool]), pen.scratch[-32:]
        make_payload(pen, address, payload)
        return out[: write_locking(pen, address, payload, out, 0)].tobytes()

    def _keep(self, height: int, pool: int, txid: bytes, value: int) -> None:
        """Keep a reward until it is ripe."""
        state = self.state
        slot = free_slot(state)
        state.coins.txid[slot] = np.frombuffer(txid, np.uint8)
        state.coins.payload[slot] = self._desk.page.pen.scratch[-32:]
        state.coins.value[slot] = value
        state.coins.address[slot] = state.wallets.last[pool]
        state.coins.vout[slot] = 0
        state.coins.origin[slot] = height * 2 + 1
        state.unripe[height % MATURITY] = slot
        state.unripe_owner[height % MATURITY] = pool


def generate(out: Path, n_tx: int, seed: int, report: Callable[[int, int], None] | None = None) -> Path:
    """Write a datadir of `n_tx` transactions to `out`; `report` hears of transactions done and wanted.

    Raises
    ------
    FileExistsError
        If `out` already holds blocks.
    """
    simulation = Simulation(n_tx, seed)
    done = 0
    with DatadirWriter(out, key=xor_key(seed)) as writer:
        for block, n in simulation.blocks():
            writer.add(block)
            if report is not None and done // _MANY != (done + n) // _MANY:
                report(done + n, simulation.n_tx)
            done += n
    return out
