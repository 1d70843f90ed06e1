"""A crowd around the agents of a world: thousands of people and services that fill its blocks.

    crowd = Crowd(seed, n_tx)
    [(script, ticket)] = crowd.receive(1)           # an agent pays this script ...
    crowd.credit(ticket, txid, vout, value, height) # ... and says so once a block holds the payment
    crowd.order(my_script, 50_000)                  # someone shall pay this in the block that comes
    batch = crowd.fill(height, 3_000)

The crowd has no coins but those credited to it. Its transactions are well formed, with random signatures; they
stand in a block in the order of the batch, behind everything that they may spend: coins credited at a lower height
and each other's. The same seed and calls give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from worlds.deeds import Bulk
from worlds.fast import truth
from worlds.fast.buffers import MAX_BLOCK_TX, new_desk
from worlds.fast.draws import generator
from worlds.fast.ledger import fill_block, first_uses, invite, take_in
from worlds.fast.notes import LONGEST_SCRIPT, scripts_of
from worlds.fast.orders import Orders, new_orders
from worlds.fast.rates import NESTED, P2PK, P2PKH, P2TR, P2WPKH, P2WSH
from worlds.fast.state import (
    HEIGHT,
    KIND_BITS,
    N_WALLETS,
    NEXT_KEY,
    NOBODY,
    SERVICES,
    Credits,
    new_state,
    new_wallet,
    room,
)
from worlds.ledger.blocks import MAX_WEIGHT
from worlds.ledger.chain import Outpoint, WorldError
from worlds.ledger.wire import Output

MOST_TX = MAX_BLOCK_TX - 1
"""Transactions of the largest batch."""
LEAST_VALUE = 546
"""Satoshi; the crowd makes no output below."""
_RESERVED_WEIGHT = 4_000  # for the header and the coinbase, as Core's miner keeps free
_INVITED = 256  # addresses made at once
_NEW_KEYS = 1 << 20  # more than one batch can use
_TICKET_BITS = 40  # of an address number
_TEMPLATES = (
    (P2PKH, b"\x76\xa9\x14", 20, b"\x88\xac"),
    (NESTED, b"\xa9\x14", 20, b"\x87"),
    (P2WPKH, b"\x00\x14", 20, b""),
    (P2WSH, b"\x00\x20", 32, b""),
    (P2TR, b"\x51\x20", 32, b""),
    (P2PK, b"\x21\x02", 32, b"\xac"),
    (P2PK, b"\x21\x03", 32, b"\xac"),
)


class Paid(NamedTuple):
    """An order as it was paid."""

    order: int
    """As `Crowd.order` gave it."""
    row: int
    """Transaction of the batch, from 0."""
    vout: int
    payer: str
    """Name of the wallet and of the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Bulk):
    """Transactions of the crowd for one block, as `Chain.mine` takes them, and the truth about them."""

    paid: tuple[Paid, ...]
    unpaid: tuple[int, ...]
    """Orders for which nobody was rich enough, or the block too full."""
    rows: truth.Rows
    """What was meant, as numbers."""

    @property
    def n_tx(self) -> int:
        """Transactions in it."""
        return len(self.txids)

    def truth(self) -> dict[str, pa.RecordBatch]:
        """Rows of the truth tables entity, wallet, address, tx, input, output and payment.

        Entities and wallets come with the batch after they have opened, addresses with the one that they stand in.
        """
        return truth.tables(self.rows)


class _Credit(NamedTuple):
    ticket: int
    txid: bytes
    vout: int
    value: int
    height: int


class _Order(NamedTuple):
    script: bytes
    address: int
    payload: bytes
    value: int
    receiver: tuple[str, str]


class Crowd:
    """People and services, from block to block.

    Parameters
    ----------
    seed
        Decides everything that is left open.
    n_tx_hint
        Transactions of the world in all, agents' included: the memory that is set aside.
    """

    def __init__(self, seed: int, n_tx_hint: int) -> None:
        self.value = 0
        """Satoshi that the crowd holds, credits that are not ripe included."""
        self._state = new_state(n_tx_hint, seed)
        self._rng = generator(seed)
        self._desk = new_desk(seed, least=LEAST_VALUE, notes=True)
        self._told = 0  # wallets whose truth is told
        self._invited: list[tuple[bytes, int]] = []
        self._credits: list[_Credit] = []
        self._unripe: list[_Credit] = []
        self._orders: list[_Order] = []
        for _ in range(SERVICES):
            new_wallet(self._state, self._rng)

    def receive(self, n: int) -> list[tuple[bytes, int]]:
        """Fresh addresses of `n` people, one each: the script and a ticket for `credit`."""
        if len(self._invited) < n:
            self._invite(max(n, _INVITED))
        given, self._invited = self._invited[:n], self._invited[n:]
        return given

    def name(self, ticket: int) -> str:
        """Name of the wallet that an address from `receive` belongs to, and of its owner."""
        return truth.name_of(ticket >> _TICKET_BITS)

    def credit(self, ticket: int, txid: bytes, vout: int, value: int, height: int) -> None:
        """Take note that the block at `height` holds a payment to an address from `receive`.

        The coin can be spent in the blocks after it.
        """
        self._credits.append(_Credit(ticket, txid, vout, value, height))
        self.value += value

    def order(self, script: bytes, value: int, wallet: str = "", payee: str = "") -> int:
        """Ask that some person pays a script in the coming block; gives the order's number there.

        `wallet` and `payee` are what the truth shall say: who can spend the coin, and whom it pays (an entity).
        Where there is no `payee`, no payment is recorded.

        Raises
        ------
        WorldError
            If the script is none of P2PKH, P2SH, P2WPKH, P2WSH, P2TR, P2PK with a compressed key.
        """
        address, payload = _parsed(script)
        self._orders.append(_Order(script, address, payload, value, (wallet, payee)))
        return len(self._orders) - 1

    def fill(self, height: int, n_tx: int, weight: int = MAX_WEIGHT - _RESERVED_WEIGHT) -> Batch:
        """Make up to `n_tx` transactions of together at most `weight`, orders first of all.

        There are fewer where the coins or the weight do not suffice, and never more than MOST_TX. With `n_tx` zero the
        batch holds what the truth still has to say of wallets and credited addresses.
        """
        credited = self._take_credits(height)
        self._grow()
        state, page = self._state, self._desk.page
        state.numbers[HEIGHT] = height
        orders = _columns(self._orders)
        bounds = (min(n_tx, MOST_TX), weight, weight)
        made = fill_block(state, self._desk, self._rng, orders, bounds)
        done, size, undo_size, fees, used, sigops = made
        first, self._told = self._told, int(state.numbers[N_WALLETS])
        rows = truth.copied(self._desk, done, (height, first, self._told), credited)
        paid, unpaid, makes = self._settle(orders, rows)
        self.value -= fees + sum(value for _, value in makes.values())
        return Batch(
            page.body[:size].tobytes(),
            rows.txids,
            page.wtxids[1 : done + 1].copy(),
            page.undo[:undo_size].tobytes(),
            fees,
            used,
            sigops,
            truth.given(rows),
            makes,
            paid=paid,
            unpaid=unpaid,
            rows=rows,
        )

    def _settle(
        self, orders: Orders, rows: truth.Rows
    ) -> tuple[tuple[Paid, ...], tuple[int, ...], dict[Outpoint, Output]]:
        """Tell the orders that were paid from the others, and note in the rows who gets the outputs that paid them."""
        paid, unpaid, makes = [], [], {}
        for n, order in enumerate(self._orders):
            row, vout = int(orders.row[n]), int(orders.vout[n])
            if row == NOBODY:
                unpaid.append(n)
                continue
            paid.append(Paid(n, row, vout, truth.name_of(int(rows.payer[row]))))
            rows.receivers[int(rows.outputs[row]) + vout] = order.receiver
            makes[rows.txids[row].tobytes(), vout] = order.script, order.value
        self._orders = []
        return tuple(paid), tuple(unpaid), makes

    def _invite(self, n: int) -> None:
        wallets, addresses = np.zeros(n, np.int32), np.zeros(n, np.int64)
        invite(self._state, self._rng, wallets, addresses)
        ends, scripts = self._scripts(addresses)
        text, cuts = scripts.tobytes(), ends.tolist()
        for i, (wallet, address) in enumerate(zip(wallets.tolist(), addresses.tolist(), strict=True)):
            self._invited.append((text[cuts[i] : cuts[i + 1]], wallet << _TICKET_BITS | address))

    def _take_credits(self, height: int) -> truth.Credited:
        """Hand over the coins that are ripe; gives the addresses that came onto the chain with the new ones."""
        self._grow()
        tickets = np.array([c.ticket for c in self._credits], np.int64)
        addresses = tickets & ((1 << _TICKET_BITS) - 1)
        new = np.zeros(len(tickets), np.bool_)
        first_uses(self._desk.notes.used, addresses, new)
        waiting = self._unripe + self._credits
        ripe = [c for c in waiting if c.height < height]
        self._credits, self._unripe = [], [c for c in waiting if c.height >= height]
        if len(ripe) >= room(self._state):
            msg = f"the crowd has no room for {len(ripe)} more coins: give Crowd a larger n_tx_hint"
            raise WorldError(msg)
        take_in(self._state, self._desk.page.pen, _credit_columns(ripe))
        ends, scripts = self._scripts(addresses[new])
        return truth.Credited((tickets[new] >> _TICKET_BITS).astype(np.int32), ends, scripts)

    def _scripts(self, addresses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Locking scripts one after the other, and where they end."""
        scripts, ends = np.zeros(len(addresses) * LONGEST_SCRIPT, np.uint8), np.zeros(len(addresses) + 1, np.int32)
        scripts_of(self._desk.page.pen, addresses, scripts, ends)
        return ends, scripts[: ends[-1]]

    def _grow(self) -> None:
        """Make room to note the use of the keys that the next batch may make."""
        notes, wanted = self._desk.notes, int(self._state.numbers[NEXT_KEY]) + _NEW_KEYS
        if len(notes.used) < wanted:
            used = np.zeros(wanted + wanted // 2, np.bool_)
            used[: len(notes.used)] = notes.used
            self._desk = self._desk._replace(notes=notes._replace(used=used))


def _parsed(script: bytes) -> tuple[int, bytes]:
    """Kind and shown first byte of a locking script, as a number, and what it holds."""
    for kind, start, size, end in _TEMPLATES:
        if len(script) == len(start) + size + len(end) and script.startswith(start) and script.endswith(end):
            prefix = start[-1] if kind == P2PK else 0
            return prefix << KIND_BITS | kind, script[len(start) : len(start) + size]
    msg = f"the crowd can not pay the script {script.hex()}: it knows P2PKH, P2SH, P2WPKH, P2WSH, P2TR and P2PK"
    raise WorldError(msg)


def _columns(orders: Sequence[_Order]) -> Orders:
    columns = new_orders(len(orders))
    for n, order in enumerate(orders):
        columns.address[n], columns.value[n] = order.address, order.value
        columns.payload[n, : len(order.payload)] = np.frombuffer(order.payload, np.uint8)
    return columns


def _credit_columns(paid: Sequence[_Credit]) -> Credits:
    tickets = np.array([c.ticket for c in paid], np.int64)
    return Credits(
        (tickets >> _TICKET_BITS).astype(np.int32),
        tickets & ((1 << _TICKET_BITS) - 1),
        np.frombuffer(b"".join(c.txid for c in paid), np.uint8).reshape(-1, 32),
        np.array([c.vout for c in paid], np.int32),
        np.array([c.value for c in paid], np.int64),
        np.array([c.height for c in paid], np.int64),
    )
