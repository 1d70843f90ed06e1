"""The loops behind trace.py: coins wait in a heap by transaction, and each transaction is taken up once.

A coin is an output, or (FIFO) a run of its satoshi. Forward, it waits at the transaction that spends it, the
earliest first; backward at the one that made it, the latest first. All that leads into a transaction is therefore
there when its turn comes.

Nothing here is as long as the history; what is read of it is checked where it is read.
"""

from heapq import heappop, heappush
from typing import Final

import numpy as np

from chains.kernels import i64, kernel
from heuristics.exposure.passes.parts import (
    CUT,
    FEE,
    HELD,
    NOBODY,
    UNRESOLVED,
    Longs,
    Part,
    Parties,
    Rows,
    code_of,
    spent,
)
from heuristics.exposure.tracing.slots import (
    FIFO,
    POISON,
    Edge,
    Rule,
    Tx,
    fill,
    fits,
    line_up,
    look_at,
    offset,
    share_out,
    spent_row,
)

# What becomes of a coin: the trail goes on; ends with its owner, in a transaction that is an end by itself, or where
# there is no other transaction; or is cut off by one of the limits.
ON, OWNER, BORN, OPEN, MAX_TX, MAX_HOPS, MIN_VALUE = range(7)
VISIT: Final = np.dtype([("place", "i8"), ("satoshi", "f8"), ("hops", "i8")])

# Waiting coins: order of the transaction, output, first satoshi, number of the edge.
_Heap = list[tuple[int, int, int, int]]


@kernel
def _end(coin: Edge, code: int, why: int) -> bool:
    """End a trail; always true."""
    coin.code, coin.why = code, why
    return True


@kernel
def _go_on(part: Part, rule: Rule, coin: Edge, branch: float, code: int) -> bool:
    """Say what becomes of a coin of a party (or -1) that is at hand, one of `branch` satoshi; whether it can be."""
    near = coin.spender if rule.forward else coin.maker
    if not rule.forward and part.born[near] >= 0:
        coin.hops += 1
    if coin.hops > rule.max_hops:
        return _end(coin, CUT, MAX_HOPS)
    if code >= 0:
        return _end(coin, code, OWNER)
    if near < 0:
        return _end(coin, HELD, OPEN)
    if part.born[near] >= 0:
        return _end(coin, part.born[near], BORN)
    if branch < rule.min_value:
        return _end(coin, CUT, MIN_VALUE)
    return _end(coin, NOBODY, ON)


@kernel
def _pay(part: Part, parties: Parties, rule: Rule, tx: Tx, to: tuple[Edge, int, float]) -> bool:
    """Move a piece to an output or the fee; whether it can be there."""
    coin, slot, branch = to
    coin.maker, coin.spender, coin.row = tx.place, -1, -1
    if slot == len(tx.slots) - 1:
        coin.hops += 1
        return _end(coin, FEE, OPEN) if coin.hops <= rule.max_hops else _end(coin, CUT, MAX_HOPS)
    row = part.out_start[tx.place] + slot
    owner = part.out_owner[row]
    coin.row, coin.spender = row, part.spent_by[row]
    coin.hops += 0 if owner >= 0 and owner == tx.payer else 1
    return _go_on(part, rule, coin, branch, code_of(parties, owner))


@kernel
def _draw(part: Part, parties: Parties, rule: Rule, tx: Tx, to: tuple[Edge, int, float]) -> bool:
    """Move a piece to an input; whether it can be there."""
    coin, slot, branch = to
    coin.maker, coin.spender, coin.row = -1, tx.place, -1
    i = part.in_start[tx.place] + slot
    code = code_of(parties, part.spend_owner[i]) if slot < len(tx.slots) - 1 else NOBODY
    if slot == len(tx.slots) - 1 or part.spend_value[i] < 0:
        return _end(coin, UNRESOLVED, OPEN)
    if part.origin[i] >= 0:
        coin.row = spent_row(part, i)
        if coin.row < 0:
            return False
        coin.maker = part.origin[i]
    if code >= 0:
        return _end(coin, code, OWNER)
    if coin.maker < 0:
        return _end(coin, UNRESOLVED, OPEN)
    return _go_on(part, rule, coin, branch, NOBODY)


@kernel
def _wait(heap: _Heap, rule: Rule, edges: Rows, c: int) -> None:
    """Line a coin up at the transaction that it leads to."""
    coin = edges[c]
    if coin.why == ON:
        order = i64(coin.spender) if rule.forward else -i64(coin.maker)
        heappush(heap, (order, i64(coin.row), i64(coin.at), i64(c)))


@kernel
def _room(rows: Rows, n: int, more: int) -> Rows:
    """Make room for `more` rows after the first n."""
    if n + more <= len(rows):
        return rows
    wider = np.empty(2 * (n + more), rows.dtype)
    wider[:n] = rows[:n]
    return wider


@kernel
def _take(heap: _Heap) -> Longs:
    """The coins that lead to the next transaction, in order of outputs."""
    order = heap[0][0]
    group = [heappop(heap)[3]]
    while len(heap) > 0 and heap[0][0] == order:
        group.append(heappop(heap)[3])
    return np.array(group)


@kernel
def _within_reach(part: Part, rule: Rule, coins: tuple[Rows, Longs], payer: int) -> Longs:
    """Count (backward) the passage to each coin's holder, and cut off what is too far; the coins that are left."""
    edges, group = coins
    n = 0
    for c in group:
        coin = edges[c]
        owner = part.out_owner[coin.row]
        coin.hops += 0 if owner >= 0 and owner == payer else 1
        if coin.hops > rule.max_hops:
            _end(coin, CUT, MAX_HOPS)
        else:
            group[n] = c
            n += 1
    return group[:n]


@kernel
def _visit(part: Part, parties: Parties, rule: Rule, tx: Tx, coins: tuple[Rows, int, Longs]) -> tuple[Rows, int]:
    """Move coins through a transaction: the edges with the new ones, and how many, -1 where one can not be."""
    edges, n, group = coins
    if rule.method == FIFO:
        pieces = fill(tx, line_up(part, rule, tx.place, (edges, group)), (edges, group))
    else:
        pieces = share_out(tx, rule.method == POISON, (edges, group))
    if len(pieces) == 0:
        return edges, -1
    edges = _room(edges, n, len(pieces))
    branch = np.zeros(len(tx.slots))
    for piece in pieces:
        branch[piece[0]] += piece[2]
    for slot, at, amount, hops in pieces:
        coin = edges[n]
        coin.at, coin.satoshi, coin.hops, coin.why = at, amount, hops, ON
        to = (coin, slot, branch[slot])
        goes = _pay(part, parties, rule, tx, to) if rule.forward else _draw(part, parties, rule, tx, to)
        if not goes:
            return edges, -1
        n += 1
    return edges, n


@kernel
def _without(seeds: Longs, edges: Rows, first: int, n: int) -> int:
    """Take out of the newest edges the seeds that were reached again (poison counts a coin once); how many then.

    One that is followed through its owner as a seed, and ends with him when it is reached, is both.
    """
    kept = first
    for c in range(first, n):
        coin = edges[c]
        g = offset(seeds, coin.row)
        if g < len(seeds) and seeds[g] == coin.row and (coin.why != OWNER or edges[g].why == OWNER):
            continue
        edges[kept] = coin
        kept += 1
    return kept


@kernel
def _begin(part: Part, parties: Parties, rule: Rule, heap: _Heap, edges: Rows) -> Longs:
    """Line the seeds up; their outputs."""
    seeds = np.empty(len(edges), np.int64)
    for c in range(len(edges)):
        coin = edges[c]
        seeds[c] = coin.row
        stops = rule.forward and not rule.through
        code = code_of(parties, part.out_owner[coin.row]) if stops else NOBODY
        _go_on(part, rule, coin, coin.satoshi, code)
        _wait(heap, rule, edges, c)
    return seeds


@kernel
def _note(visit: Edge, t: int, edges: Rows, group: Longs) -> None:
    """Write down what comes into a transaction."""
    visit.place, visit.satoshi, visit.hops = t, 0.0, edges[group[0]].hops
    for c in group:
        visit.satoshi += edges[c].satoshi
        visit.hops = min(visit.hops, edges[c].hops)


@kernel
def follow(part: Part, parties: Parties, rule: Rule, edges: Rows, visits: Rows) -> tuple[Rows, Rows, int]:
    """Follow the seeds, the first edges, by row: all edges, all visits, and the transaction that can not be, else -1.

    `visits` is an empty array with some room.
    """
    heap = [(i64(0), i64(0), i64(0), i64(0))]
    heap.pop()
    n, visited = len(edges), 0
    seeds = _begin(part, parties, rule, heap, edges)
    while len(heap) > 0:
        t = abs(heap[0][0])
        group = _take(heap)
        if not fits(part, parties, t):
            return edges[:n], visits[:visited], t
        if not rule.forward:
            group = _within_reach(part, rule, (edges, group), spent(part, t)[2])
        if visited >= rule.max_tx:
            for c in group:
                _end(edges[c], CUT, MAX_TX)
        elif len(group) > 0:
            visits = _room(visits, visited, 1)
            _note(visits[visited], t, edges, group)
            visited += 1
            first = n
            edges, n = _visit(part, parties, rule, look_at(part, t, rule.forward), (edges, n, group))
            if n < 0:
                return edges[:first], visits[:visited], t
            if rule.method == POISON:
                n = _without(seeds, edges, first, n)
            for c in range(first, n):
                _wait(heap, rule, edges, c)
    return edges[:n], visits[:visited], -1
