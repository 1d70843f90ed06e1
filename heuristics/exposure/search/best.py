"""The search for paths: best first, guided by the stored vectors, bounded in rows read and in length.

A *node* is a way to a transaction: the coin followed last, the node before, and the satoshi of the wallet's that come
(or go) this way by haircut. The share of what is sought in that transaction's vector is the sum over all ways on, so
weight times share is never less than the best path through a node, and falls along every path. So nodes are looked
into in that order, a transaction no more often than paths are asked for, and paths are complete in order of value.
When the rows that may be read are used up, the best open nodes are followed to their end, always along what
carries most.

What is cut off small is no longer in the vector and is not followed: a path leads to what the vector has.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.passes.parts import (
    CUT,
    FEE,
    HELD,
    UNRESOLVED,
    WRONG,
    Ints,
    Longs,
    Part,
    Parties,
    Rows,
    Shares,
    code_of,
    spent,
)

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

OPEN: Final = -1
# Where a transaction's own cut is told from rounding of four-byte shares.
_NOISE: Final = 1e-6
# What is worth less is worth this: a path through many forks is still one.
_LEAST: Final = 1e-300
# place: the transaction it leads into, -1 where it ends. code: of the end, OPEN before. before: the node before; of
# a seed -1 less the wallet's transaction. row: of the coin followed, a spend (received, but for seeds) or an output
# (sent, but for seeds in CoinJoins), -1 where it ends inside the transaction. worth: the most its paths are worth.
NODE: Final = np.dtype(
    [
        ("place", "i4"),
        ("code", "i4"),
        ("before", "i4"),
        ("depth", "i4"),
        ("row", "i8"),
        ("weight", "f8"),
        ("worth", "f8"),
    ]
)
# One coin of a path, see paths.Step.
COIN: Final = np.dtype(
    [("maker", "i4"), ("vout", "i4"), ("spender", "i4"), ("vin", "i4"), ("owner", "i4"), ("value", "i8"),
     ("haircut", "f8"), ("fifo", "i8")]
)  # fmt: skip
MADE, QUEUED, READ, LOOKED = range(4)
# Which of the ways on are made nodes: all, or the one that carries most.
EVERY, MOST = range(2)


class Ways(NamedTuple):
    """What leads on from a transaction: its inputs, each to its origin, or (sent) its outputs, each to its spender.

    `loose` is the code of a coin that leads nowhere, `rest` of what the rows leave of what the transaction spends.
    `goal` tells by code what is sought, `near` besides in which codes that may have been cut or folded; `named` is
    the code of each owner's conclusion, where trails stop or not. `own` tells by owner the wallet that he is part of:
    paths back begin with what others than `wallet` put in. `sign` is 1 where places rise along a path.
    """

    part: Part
    parties: Parties
    shares: Shares
    goal: Flags
    near: Flags
    named: Ints
    own: Ints
    wallet: int
    start: Longs
    value: Longs
    owner: Ints
    next: Ints
    loose: int
    rest: int
    sign: int


class Tree(NamedTuple):
    """Nodes made so far, those waiting as a heap, how often each place was looked into, the best of a dive."""

    nodes: Rows
    heap: Ints
    keys: Ints
    visits: Ints
    best: Floats
    counts: Longs


def ways(history: tuple[Part, Parties, Shares], named: Ints, whose: tuple[Ints, int], goal: Flags, sent: bool) -> Ways:
    """Lay out one direction for a wallet (`whose`: Ways.own and Ways.wallet), with the vectors that belong to it."""
    part, parties, vectors = history
    near = goal.copy()
    near[parties.category[goal]] = True
    near[CUT] = True
    ground = part, parties, vectors, goal, near, named, *whose
    if sent:
        return Ways(*ground, part.out_start, part.out_value, part.out_owner, part.spent_by, HELD, FEE, 1)
    return Ways(*ground, part.in_start, part.spend_value, part.spend_owner, part.origin, UNRESOLVED, UNRESOLVED, -1)


def tree(seeds: Rows, rows: int, more: int) -> Tree:
    """Make room for a search from some seeds that reads so many rows, and dives that make so many nodes more."""
    n = len(seeds)
    size = n + rows + more
    nodes = np.empty(size, NODE)
    nodes[:n] = seeds
    slots = 1 << (2 * (n + rows)).bit_length()
    counts = np.array([n, 0, 0, 0], np.int64)
    return Tree(
        nodes, np.empty(size, np.int32), np.zeros(slots, np.int32), np.zeros(slots, np.int32), np.zeros(1), counts
    )


@lean_step
def sought(ways: Ways, what: Flags, place: int) -> float:
    """The share of what is sought in a transaction's vector."""
    found = 0.0
    for k in range(ways.shares.start[place], ways.shares.start[place + 1]):
        row = ways.shares.rows[k]
        if what[row.code]:
            found += row.share
    return found


@lean_step
def way(ways: Ways, t: int, row: int) -> tuple[int, int, float]:
    """Where a coin of a transaction leads: code of its end or OPEN, next transaction, share of what is sought.

    WRONG is the code of a coin that leads where it can not.
    """
    code, place, share = code_of(ways.parties, ways.owner[row]), ways.next[row], 0.0
    if code < 0 and place < 0:
        code = ways.loose
    if code >= 0:
        place, share = -1, 1.0 if ways.goal[code] else 0.0
    elif (place - t) * ways.sign <= 0 or place >= len(ways.part.born):
        code = WRONG
    else:
        share = sought(ways, ways.goal, place)
    return code, place, share


@lean_step
def passing(ways: Ways, row: int) -> int:
    """The code of what a coin's owner is known as, where that is sought and trails do not stop there; else OPEN."""
    owner = ways.owner[row]
    code = ways.named[owner] if owner >= 0 and ways.parties.code[owner] < 0 else OPEN
    return code if code >= 0 and ways.goal[code] else OPEN


@lean_step
def is_own(ways: Ways, owner: int) -> bool:
    """Whether a coin's owner is the wallet whose paths are sought."""
    return bool(owner >= 0 and ways.own[owner] == ways.wallet)


@lean_step
def _worth(ways: Ways, t: int, begins: bool) -> int:
    """What a transaction spends, satoshi; where a path back begins, what others put in."""
    value, _, _ = spent(ways.part, t)
    for row in range(ways.part.in_start[t], ways.part.in_start[t + 1] if begins else 0):
        if is_own(ways, ways.part.spend_owner[row]):
            value -= max(ways.part.spend_value[row], 0)
    return int(value)


@lean_step
def _first(nodes: Rows, a: int, b: int) -> bool:
    """Whether one node is looked into before another."""
    return bool(nodes[a].worth > nodes[b].worth or (nodes[a].worth == nodes[b].worth and a < b))


@lean_kernel
def _push(tree: Tree, x: int) -> None:
    heap, nodes = tree.heap, tree.nodes
    j = tree.counts[QUEUED]
    tree.counts[QUEUED] += 1
    while j > 0 and _first(nodes, x, heap[(j - 1) >> 1]):
        heap[j] = heap[(j - 1) >> 1]
        j = (j - 1) >> 1
    heap[j] = x


@lean_kernel
def _pop(tree: Tree) -> int:
    heap, nodes = tree.heap, tree.nodes
    top = heap[0]
    tree.counts[QUEUED] -= 1
    n = tree.counts[QUEUED]
    x, j, k = heap[n], 0, 1
    while k < n:
        if k + 1 < n and _first(nodes, heap[k + 1], heap[k]):
            k += 1
        if not _first(nodes, heap[k], x):
            break
        heap[j] = heap[k]
        j, k = k, 2 * k + 1
    heap[j] = x
    return int(top)


@lean_kernel
def _offer(tree: Tree, x: int, to: tuple[int, int, int], by: tuple[float, float], which: int) -> None:
    """Make a node after x: place, code and row; its part of x and the share of what is sought."""
    share = by[0] * by[1]
    at = tree.counts[MADE]
    if not share > 0.0 or (which == MOST and not share > tree.best[0]):
        return
    tree.best[0] = share
    node, before = tree.nodes[at], tree.nodes[x]
    node.place, node.code, node.row = to
    node.before, node.depth = x, before.depth + 1
    node.weight = before.weight * by[0]
    node.worth = max(node.weight * by[1], _LEAST)
    if which == EVERY:
        tree.counts[MADE] = at + 1
        _push(tree, at)


@lean_kernel
def _follow(ways: Ways, tree: Tree, x: int, which: int) -> bool:
    """Make the nodes after x; whether they can be."""
    t, part = tree.nodes[x].place, ways.part
    tree.best[0] = 0.0
    begins = ways.sign < 0 and tree.nodes[x].depth == 0 and part.born[t] < 0
    value = _worth(ways, t, begins)
    if part.born[t] >= 0 or value == 0:
        _offer(tree, x, (-1, part.born[t] if part.born[t] >= 0 else UNRESOLVED, -1), (1.0, 1.0), which)
        return True
    told, left, unknown = 0.0, value, -1
    for row in range(ways.start[t], ways.start[t + 1]):
        worth = ways.value[row]
        if worth <= 0 or (begins and is_own(ways, ways.owner[row])):
            if worth < 0 and unknown < 0:
                unknown = row
            continue
        left -= worth
        code, place, share = way(ways, t, row)
        if code == WRONG:
            return False
        told += worth / value * share
        _offer(tree, x, (place, code, row), (worth / value, share), which)
        if begins:
            code = passing(ways, row)
            _offer(tree, x, (-1, code, row), (worth / value, 1.0 if code >= 0 else 0.0), which)
    if left > 0 and ways.goal[ways.rest]:
        told += left / value
        _offer(tree, x, (-1, ways.rest, unknown), (left / value, 1.0), which)
    # The first transaction's inputs are added up as they are, see heuristics.exposure.wheel.
    if ways.goal[CUT] and not begins:
        cut = sought(ways, ways.goal, t) - told
        if cut > _NOISE or told == 0.0:
            _offer(tree, x, (-1, CUT, -1), (cut, 1.0), which)
    return True


@lean_step
def _too_often(tree: Tree, place: int, most: int) -> bool:
    """Count that a transaction is looked into; whether the best ways to it all were before."""
    last = len(tree.keys) - 1
    slot = (place * 2_654_435_761) & last
    while tree.keys[slot] != 0 and tree.keys[slot] != place + 1:
        slot = (slot + 1) & last
    tree.keys[slot] = place + 1
    tree.visits[slot] += 1
    return bool(tree.visits[slot] > most)


@lean_step
def _size(part: Part, t: int, depth: int) -> int:
    """Rows of a transaction, and those of nodes that can come of it besides: its own cut, its rest, known payers."""
    n_in, n_out = part.in_start[t + 1] - part.in_start[t], part.out_start[t + 1] - part.out_start[t]
    return int(n_in + n_out + 2 + (depth == 0) * n_in)


@lean_kernel
def _best_first(ways: Ways, tree: Tree, limits: tuple[int, int], ends: Ints) -> int:
    """Find paths in order of value, while rows may be read; how many, WRONG - t where that can not be."""
    nodes, found = tree.nodes, 0
    while found < len(ends) and tree.counts[QUEUED] > 0:
        node = nodes[tree.heap[0]]
        if node.code != OPEN or node.depth >= limits[1]:
            ends[found] = _pop(tree)
            found += 1
            continue
        t = node.place
        tree.counts[READ] += _size(ways.part, t, node.depth)
        if tree.counts[READ] > limits[0]:
            break
        x = _pop(tree)
        # A seed is looked into more closely than the same transaction later on.
        if node.depth > 0 and _too_often(tree, t, len(ends)):
            continue
        tree.counts[LOOKED] += 1
        if not _follow(ways, tree, x, EVERY):
            return int(WRONG - t)
    return found


@lean_kernel
def _dive(ways: Ways, tree: Tree, x: int, length: int) -> int:
    """Follow what carries most from a node to an end; the last node, WRONG - t where that can not be."""
    while tree.nodes[x].code == OPEN and tree.nodes[x].depth < length:
        t = tree.nodes[x].place
        tree.counts[LOOKED] += 1
        tree.counts[READ] += _size(ways.part, t, 1)
        if not _follow(ways, tree, x, MOST):
            return int(WRONG - t)
        if tree.best[0] == 0.0:
            break
        x = tree.counts[MADE]
        tree.counts[MADE] = x + 1
    return int(x)


@lean_kernel
def search(ways: Ways, tree: Tree, limits: tuple[int, int], ends: Ints) -> tuple[int, int]:
    """Find the last nodes of the best paths; how many, and how many of them are proven to be the best.

    Limits are rows read and transactions in a path; a path that is longer ends open. The first number is WRONG - t
    where transaction t names a neighbour that can not be.
    """
    for x in range(tree.counts[MADE]):
        _push(tree, x)
    proven = _best_first(ways, tree, limits, ends)
    found = proven
    while 0 <= found < len(ends) and tree.counts[QUEUED] > 0:
        x = _dive(ways, tree, _pop(tree), limits[1])
        if x <= WRONG:
            return x, 0
        ends[found] = x
        found += 1
    return found, proven
