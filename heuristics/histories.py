"""Address histories: what each address received and sent, transaction by transaction, and in total."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.facts import Chunk, concatenated
from heuristics.numbers import Numbers, stable_order

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]


class Moves(NamedTuple):
    """Value that one address received or sent in one transaction, satoshi; several rows may agree in both."""

    number: Numbers
    tx_id: Longs
    received: Longs
    sent: Longs


class Totals(NamedTuple):
    """Per address of a range: transactions and satoshi, both ways, and when it was seen."""

    first_tx_id: Longs
    last_tx_id: Longs
    n_received: Ints
    n_sent: Ints
    received: Longs
    sent: Longs


@kernel
def _moves(chunk: Chunk, first: int, last: int, out: Moves) -> int:
    """Write a segment's moves of the addresses in [first, last), transaction by transaction; how many."""
    n = 0
    for t in range(len(chunk.tx_id)):
        for i in range(chunk.in_start[t], chunk.in_start[t + 1]):
            x = chunk.spend_number[i]
            if first <= x < last:
                out.number[n], out.tx_id[n] = x, chunk.tx_id[t]
                out.received[n], out.sent[n] = 0, max(chunk.spend_value[i], 0)
                n += 1
        for o in range(chunk.out_start[t], chunk.out_start[t + 1]):
            x = chunk.out_number[o]
            if first <= x < last:
                out.number[n], out.tx_id[n] = x, chunk.tx_id[t]
                out.received[n], out.sent[n] = chunk.out_value[o], 0
                n += 1
    return n


def moves(chunk: Chunk, first: int, last: int) -> Moves:
    """Moves of the addresses numbered [first, last) in a segment, in chain order."""
    most = len(chunk.spend_number) + len(chunk.out_number)
    out = Moves(np.empty(most, np.int32), np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64))
    n = _moves(chunk, first, last, out)
    return Moves(out.number[:n].copy(), out.tx_id[:n].copy(), out.received[:n].copy(), out.sent[:n].copy())


@kernel
def _merge(order: Longs, rows: Moves, out: Moves) -> int:
    """Add up rows of one address and transaction, which follow each other in `order`; how many remain."""
    n = 0
    for i in order:
        if n > 0 and out.number[n - 1] == rows.number[i] and out.tx_id[n - 1] == rows.tx_id[i]:
            out.received[n - 1] += rows.received[i]
            out.sent[n - 1] += rows.sent[i]
        else:
            out.number[n], out.tx_id[n] = rows.number[i], rows.tx_id[i]
            out.received[n], out.sent[n] = rows.received[i], rows.sent[i]
            n += 1
    return n


@kernel
def _total(history: Moves, first: int, out: Totals) -> None:
    """Sum up each address of a history that is sorted by address and transaction."""
    for i in range(len(history.number)):
        x = history.number[i] - first
        if out.first_tx_id[x] < 0:
            out.first_tx_id[x] = history.tx_id[i]
        out.last_tx_id[x] = history.tx_id[i]
        out.n_received[x] += history.received[i] > 0
        out.n_sent[x] += history.sent[i] > 0
        out.received[x] += history.received[i]
        out.sent[x] += history.sent[i]


def histories(parts: Iterable[Moves], first: int, last: int) -> tuple[Moves, Totals]:
    """Bring the moves of the addresses [first, last), in chain order, into histories and totals."""
    collected = list(parts)
    rows = Moves(
        concatenated([part.number for part in collected], np.int32),
        concatenated([part.tx_id for part in collected], np.int64),
        concatenated([part.received for part in collected], np.int64),
        concatenated([part.sent for part in collected], np.int64),
    )
    del collected
    order = stable_order(rows.number, first, last)
    out = Moves(
        np.empty_like(rows.number), np.empty_like(rows.tx_id), np.empty_like(rows.received), np.empty_like(rows.sent)
    )
    n = _merge(order, rows, out)
    history = Moves(out.number[:n], out.tx_id[:n], out.received[:n], out.sent[:n])
    size = last - first
    totals = Totals(
        np.full(size, -1, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
    )
    _total(history, first, totals)
    return history, totals
