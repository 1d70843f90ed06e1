"""Flows between clusters: each transaction's outputs, charged to the clusters that paid its inputs.

An output of value v is charged to input cluster c with v x (value spent by c) / (value spent), in whole
satoshi that add up to v. What a cluster pays to itself is left out. Fees are no flow. In a CoinJoin nobody
knows who paid whom, so everybody pays, and is paid by, the CoinJoin. Inputs of unresolved origin count for
what the outputs exceed the resolved ones by: the least that they can be worth.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.facts import Chunk, concatenated
from heuristics.numbers import Numbers, stable_order

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
COINBASE, COINJOIN, UNRESOLVED = -1, -2, -3
RECEIVED, SENT = 0, 1
# Beyond so many pairs of clusters in one transaction it is taken for a CoinJoin: nobody pays like that.
MOST_PAIRS = 10_000
FEW = 24
WORD = 64


class Pairs(NamedTuple):
    """One transaction's flow from one cluster to another, satoshi."""

    source: Numbers
    target: Numbers
    value: Longs
    tx_id: Longs


class Flows(NamedTuple):
    """Rows of the index's flow table."""

    cluster: Numbers
    direction: npt.NDArray[np.uint8]
    counterparty: Numbers
    value: Longs
    n_tx: Ints
    first_tx_id: Longs
    last_tx_id: Longs


@kernel
def mul_div(a: int, b: int, c: int) -> np.int64:
    """Return a * b // c exactly, for 0 <= a, b < 2**62, 0 < c and a result below 2**62."""
    high, low = np.uint64(0), np.uint64(0)
    mask = np.uint64(0xFFFFFFFF)
    a0, a1 = np.uint64(a) & mask, np.uint64(a) >> np.uint64(32)
    b0, b1 = np.uint64(b) & mask, np.uint64(b) >> np.uint64(32)
    middle = a1 * b0 + ((a0 * b0) >> np.uint64(32))
    carried = a0 * b1 + (middle & mask)
    high = a1 * b1 + (middle >> np.uint64(32)) + (carried >> np.uint64(32))
    low = (carried << np.uint64(32)) | ((a0 * b0) & mask)
    quotient, rest = np.uint64(0), np.uint64(0)
    for bit in range(2 * WORD - 1, -1, -1):
        word = high if bit >= WORD else low
        rest = (rest << np.uint64(1)) | ((word >> np.uint64(bit % WORD)) & np.uint64(1))
        quotient <<= np.uint64(1)
        if rest >= np.uint64(c):
            rest -= np.uint64(c)
            quotient |= np.uint64(1)
    return np.int64(quotient)


@kernel
def _merge(clusters: Ints, values: Longs, n: int) -> int:
    """Add up the first n rows per cluster, in place, sorted by cluster; how many clusters."""
    if n > FEW:
        order = np.argsort(clusters[:n], kind="mergesort")
        clusters[:n] = clusters[:n][order]
        values[:n] = values[:n][order]
    else:
        for i in range(1, n):
            c, v, j = clusters[i], values[i], i
            while j > 0 and clusters[j - 1] > c:
                clusters[j], values[j] = clusters[j - 1], values[j - 1]
                j -= 1
            clusters[j], values[j] = c, v
    m = 0
    for i in range(n):
        if m > 0 and clusters[m - 1] == clusters[i]:
            values[m - 1] += values[i]
        else:
            clusters[m], values[m] = clusters[i], values[i]
            m += 1
    return m


@kernel
def _sources(chunk: Chunk, t: int, cluster: Numbers, who: Ints, values: Longs) -> int:
    """Write the clusters that pay a transaction and what each spends; how many."""
    first, last = chunk.in_start[t], chunk.in_start[t + 1]
    if first == last:
        who[0], values[0] = COINBASE, 1
        return 1
    known, open_inputs = np.int64(0), 0
    n = 0
    for i in range(first, last):
        x = chunk.spend_number[i]
        open_inputs += chunk.spend_value[i] < 0
        if chunk.spend_value[i] >= 0:
            who[n] = cluster[x] if x >= 0 else UNRESOLVED
            values[n] = chunk.spend_value[i]
            known += values[n]
            n += 1
    if open_inputs > 0:
        paid = chunk.out_value[chunk.out_start[t] : chunk.out_start[t + 1]].sum()
        who[n], values[n] = UNRESOLVED, max(paid - known, 0)
        n += 1
    return _merge(who, values, n)


@kernel
def _targets(chunk: Chunk, t: int, cluster: Numbers, who: Ints, values: Longs) -> int:
    """Write the clusters that a transaction pays and what each receives; how many."""
    n = 0
    for o in range(chunk.out_start[t], chunk.out_start[t + 1]):
        x = chunk.out_number[o]
        if x >= 0:
            who[n], values[n] = cluster[x], chunk.out_value[o]
            n += 1
    return _merge(who, values, n)


@kernel
def _room(out: Pairs, n: int, more: int) -> Pairs:
    """Make room for `more` rows after the first n."""
    if n + more <= len(out.source):
        return out
    size = max(2 * len(out.source), n + more)
    grown = Pairs(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int64), np.empty(size, np.int64)
    )
    grown.source[:n] = out.source[:n]
    grown.target[:n] = out.target[:n]
    grown.value[:n] = out.value[:n]
    grown.tx_id[:n] = out.tx_id[:n]
    return grown


@kernel
def _put(out: Pairs, n: int, ends: tuple[int, int], value: int, tx_id: int) -> int:
    """Write one row where value moves between different parties; the number of rows then."""
    if ends[0] == ends[1] or value <= 0:
        return n
    out.source[n], out.target[n], out.value[n], out.tx_id[n] = ends[0], ends[1], value, tx_id
    return n + 1


@kernel
def _pool(out: Pairs, n: int, tx_id: int, payers: tuple[Ints, Longs], paid: tuple[Ints, Longs]) -> int:
    """Everybody pays, and is paid by, the CoinJoin; the number of rows then."""
    for i in range(len(payers[0])):
        if payers[0][i] >= 0:
            n = _put(out, n, (payers[0][i], COINJOIN), payers[1][i], tx_id)
    for j in range(len(paid[0])):
        n = _put(out, n, (COINJOIN, paid[0][j]), paid[1][j], tx_id)
    return n


@kernel
def _charge(out: Pairs, n: int, tx_id: int, payers: tuple[Ints, Longs], paid: tuple[Ints, Longs]) -> int:
    """Charge every output to the payers by their shares; the number of rows then."""
    whole = payers[1].sum()
    for j in range(len(paid[0])):
        spent, charged = np.int64(0), np.int64(0)
        for i in range(len(payers[0])):
            spent += payers[1][i]
            upto = np.int64(paid[1][j]) if spent == whole else mul_div(paid[1][j], spent, whole)
            n = _put(out, n, (payers[0][i], paid[0][j]), int(upto - charged), tx_id)
            charged = upto
    return n


@kernel
def _pairs(chunk: Chunk, cluster: Numbers, pooled: npt.NDArray[np.bool_]) -> Pairs:
    """Flows of a segment, in chain order."""
    n = 0
    size = len(chunk.tx_id) + len(chunk.out_number)
    out = Pairs(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int64), np.empty(size, np.int64))
    in_most = 1 + (chunk.in_start[1:] - chunk.in_start[:-1]).max() if len(chunk.tx_id) else 1
    out_most = 1 + (chunk.out_start[1:] - chunk.out_start[:-1]).max() if len(chunk.tx_id) else 1
    who, spent = np.empty(in_most, np.int32), np.empty(in_most, np.int64)
    whom, received = np.empty(out_most, np.int32), np.empty(out_most, np.int64)
    for t in range(len(chunk.tx_id)):
        k = _sources(chunk, t, cluster, who, spent)
        m = _targets(chunk, t, cluster, whom, received)
        payers, paid = (who[:k], spent[:k]), (whom[:m], received[:m])
        if pooled[t] or (k > 1 and k * m > MOST_PAIRS):
            out = _room(out, n, k + m)
            n = _pool(out, n, chunk.tx_id[t], payers, paid)
        else:
            out = _room(out, n, k * m)
            n = _charge(out, n, chunk.tx_id[t], payers, paid)
    return Pairs(out.source[:n], out.target[:n], out.value[:n], out.tx_id[:n])


def pairs(chunk: Chunk, cluster: Numbers, pooled: npt.NDArray[np.bool_]) -> Pairs:
    """Flows of a segment.

    Parameters
    ----------
    chunk
        The segment.
    cluster
        Per address, its cluster; its own number where alone.
    pooled
        Per transaction: a CoinJoin, sure enough that nobody can be said to have paid anybody.

    Returns
    -------
    Pairs
        In chain order; at most one row per transaction, source and target.
    """
    return _pairs(chunk, cluster, pooled)


def sides(rows: Pairs, first: int, last: int) -> tuple[Numbers, Longs, Longs, Longs]:
    """Both sides of flows, for the clusters in [first, last): cluster, direction and counterparty, value, tx.

    Direction and counterparty are packed into one number that sorts by direction, then counterparty.
    """
    got = (rows.target >= first) & (rows.target < last)
    gave = (rows.source >= first) & (rows.source < last)
    packed = (
        rows.source[got].astype(np.int64),
        rows.target[gave].astype(np.int64) + (1 << 33),
    )
    return (
        np.concatenate([rows.target[got], rows.source[gave]]),
        np.concatenate(packed),
        np.concatenate([rows.value[got], rows.value[gave]]),
        np.concatenate([rows.tx_id[got], rows.tx_id[gave]]),
    )


@kernel
def _sort_runs(keys: Numbers, packed: Longs, order: Longs) -> None:
    """Sort each run of one cluster in `order` by direction and counterparty."""
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and keys[order[end]] == keys[order[start]]:
            end += 1
        if end - start > FEW:
            run = order[start:end].copy()
            order[start:end] = run[np.argsort(packed[run], kind="mergesort")]
        else:
            for i in range(start + 1, end):
                row, j = order[i], i
                while j > start and packed[order[j - 1]] > packed[row]:
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = row
        start = end


@kernel
def _sum_up(
    order: Longs, keys: Numbers, packed: Longs, value: Longs, tx_id: Longs
) -> tuple[Longs, Longs, Ints, Longs, Longs]:
    """Add up rows of one cluster, direction and counterparty: (row, value, transactions, first, last)."""
    size = len(order)
    row, total, count = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int32)
    first, last = np.empty(size, np.int64), np.empty(size, np.int64)
    n = 0
    for i in order:
        if n > 0 and keys[row[n - 1]] == keys[i] and packed[row[n - 1]] == packed[i]:
            total[n - 1] += value[i]
            count[n - 1] += 1
            first[n - 1] = min(first[n - 1], tx_id[i])
            last[n - 1] = max(last[n - 1], tx_id[i])
        else:
            row[n], total[n], count[n], first[n], last[n] = i, value[i], 1, tx_id[i], tx_id[i]
            n += 1
    return row[:n], total[:n], count[:n], first[:n], last[:n]


def flows(parts: Iterable[tuple[Numbers, Longs, Longs, Longs]], first: int, last: int) -> Flows:
    """Add up the sides of flows (see `sides`) of the clusters in [first, last), sorted by cluster."""
    collected = list(parts)
    keys = concatenated([part[0] for part in collected], np.int32)
    packed, value, tx_id = (concatenated([part[i] for part in collected], np.int64) for i in (1, 2, 3))
    del collected
    order = stable_order(keys, first, last)
    _sort_runs(keys, packed, order)
    row, total, count, first_tx_id, last_tx_id = _sum_up(order, keys, packed, value, tx_id)
    sent = packed[row] >= 1 << 32
    counterparty = np.where(sent, packed[row] - (1 << 33), packed[row]).astype(np.int32)
    return Flows(keys[row], sent.astype(np.uint8), counterparty, total, count, first_tx_id, last_tx_id)
