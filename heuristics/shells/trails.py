"""Trails: wallets joined by what is likely to be change, for leads alone.

A front that gives out fresh addresses is many wallets to whoever joins only what is sure. Here the most likely change
of a payment is followed at a lower bar than ownership asks for (T1): one wrong link in fifty. So a trail serves to
add up what runs through probably the same hands; it is no claim of ownership, names nobody and is not stored.

Source: address type, freshness, amount and the spender's fingerprint as in BlockSci's and Moeser & Narayanan's lists,
one vote per family. Fails on: payments that look like change (a fresh address of the same kind, an odd amount, spent
by the same program); change that is handed on; programs of which everybody runs one.
"""

from typing import Final, NamedTuple

import numpy as np

from chains.kernels import i64, kernel
from heuristics.fingerprints import LOCKTIME_BITS, LOCKTIME_FROM, SEQUENCE_FROM, VERSION_BITS
from heuristics.graph import Graph
from heuristics.shells.payments import Bytes, Flags, Ints, Longs

_LEAST, _AHEAD = 1, 3
"""Points that change needs, and by which it has to be ahead of every other output; two points are one vote."""
_MOST_OUTPUTS: Final = 50
_MOST_ADDRESSES: Final = 5_000
"""Of a trail: what is larger is a service or an accident, and trails are for what hides."""
_ROUND: Final = 100_000  # satoshi
_NEVER: Final = -100


class Clues(NamedTuple):
    """What is asked of addresses and transactions when change is looked for."""

    first: Ints
    """Per number: the first place that pays it."""
    received: Ints
    """Per number: outputs that pay it."""
    joint: Flags
    """Per place: said to be of several parties."""
    party: Ints
    """Per wallet: whose it is known to be; -1 nobody's."""


class Links(NamedTuple):
    """Likely change: one row per transaction that has some."""

    payer: Ints
    """Wallet that pays."""
    change: Ints
    """Wallet that gets the change."""
    ahead: Ints
    """Points ahead of the next output."""


def trails(graph: Graph, wallet: Ints, joint: Flags, party: Ints) -> Ints:
    """Number of the first address of each address's trail; shape (numbers,).

    Wallets of two known parties are never joined, nor is anything joined to more than 5,000 addresses.
    """
    found = links(graph, wallet, joint, party)
    order = np.argsort(-found.ahead, kind="stable")
    root = np.arange(len(wallet), dtype=np.int32)
    size = np.bincount(wallet, minlength=len(wallet))
    _join(found.payer[order], found.change[order], root, (party.copy(), size))
    return root[wallet]


def links(graph: Graph, wallet: Ints, joint: Flags, party: Ints) -> Links:
    """Likely change of every transaction that has one payer and up to five outputs, none of them its own."""
    first = np.full(len(wallet), np.iinfo(np.int32).max, np.int32)
    received = np.zeros(len(wallet), np.int32)
    _seen(graph.out_start, graph.out_number, first, received)
    room = len(graph.in_start) - 1
    found = Links._make(np.empty(room, np.int32) for _ in Links._fields)
    n = _links(graph, wallet, Clues(first, received, joint, party), found)
    return Links._make(column[:n] for column in found)


@kernel
def _seen(out_start: Longs, out_number: Ints, first: Ints, received: Ints) -> None:
    for t in range(len(out_start) - 1):
        for o in range(out_start[t], out_start[t + 1]):
            number = out_number[o]
            if number >= 0:
                first[number] = min(first[number], t)
                received[number] += 1


@kernel
def _kind(kinds: Bytes, start: int, end: int) -> int:
    """Script kind of all inputs; -1 where they differ."""
    for i in range(start + 1, end):
        if kinds[i] != kinds[start]:
            return -1
    return int(kinds[start]) if start < end else -1


@kernel
def _habit(graph: Graph, t: int) -> int:
    """What a program does the same way every time: version, whether it locks, nSequence, kind of inputs."""
    bits = np.int64(graph.looks[t])
    locks = np.int64((bits >> LOCKTIME_FROM) & LOCKTIME_BITS != 0)
    kind = _kind(graph.spend_kind, graph.in_start[t], graph.in_start[t + 1])
    return i64(((kind + 1) << 6) | ((bits >> SEQUENCE_FROM) << 3) | (locks << 2) | (bits & VERSION_BITS))


@kernel
def alike(graph: Graph, a: int, b: int) -> bool:
    """Whether two transactions look as if one program made them."""
    return _habit(graph, a) == _habit(graph, b)


def habit(graph: Graph) -> Ints:
    """Habit of every transaction: transactions that are alike have the same."""
    to = np.empty(len(graph.looks), np.int32)
    _habits(graph, to)
    return to


@kernel
def _habits(graph: Graph, to: Ints) -> None:
    for t in range(len(to)):
        to[t] = _habit(graph, t)


@kernel
def _points(graph: Graph, clues: Clues, t: int, o: int, of: tuple[int, int]) -> int:
    """How much an output looks like change; `of` are the kind of the inputs and the least of their values."""
    kind, least = of
    number = graph.out_number[o]
    points = 0
    if clues.first[number] < t or clues.received[number] > 1:
        points -= 6
    if kind >= 0:
        points += 2 if graph.out_kind[o] == kind else -2
    spender = graph.spent_by[o]
    if spender >= 0:
        points += 3 if not clues.joint[spender] and alike(graph, t, spender) else -6
    if graph.out_value[o] % _ROUND == 0:
        points -= 2
    if graph.out_value[o] < least:
        points += 1
    return points


@kernel
def _payer(graph: Graph, wallet: Ints, t: int) -> int:
    """The one wallet that pays, where no output is its own; else -1."""
    start, end = graph.in_start[t], graph.in_start[t + 1]
    n_out = graph.out_start[t + 1] - graph.out_start[t]
    if start == end or n_out < 2 or n_out > _MOST_OUTPUTS:  # noqa: PLR2004 -- a payment and its change
        return -1
    for i in range(start, end):
        if graph.spend_number[i] < 0 or wallet[graph.spend_number[i]] != wallet[graph.spend_number[start]]:
            return -1
    own = int(wallet[graph.spend_number[start]])
    for o in range(graph.out_start[t], graph.out_start[t + 1]):
        if graph.out_number[o] >= 0 and wallet[graph.out_number[o]] == own:
            return -1
    return own


@kernel
def _links(graph: Graph, wallet: Ints, clues: Clues, to: Links) -> int:
    """Write the links; how many there are."""
    n = 0
    for t in range(len(graph.in_start) - 1):
        own = -1 if clues.joint[t] else _payer(graph, wallet, t)
        if own < 0:
            continue
        start, end = graph.in_start[t], graph.in_start[t + 1]
        of = _kind(graph.spend_kind, start, end), graph.spend_value[start:end].min()
        best, second, at = _NEVER, _NEVER, -1
        for o in range(graph.out_start[t], graph.out_start[t + 1]):
            if graph.out_number[o] < 0:
                continue
            points = _points(graph, clues, t, o, of)
            to_whom = clues.party[wallet[graph.out_number[o]]]
            if to_whom >= 0 and to_whom != clues.party[own]:
                points = _NEVER + 1
            if points > best:
                best, second, at = points, best, o
            elif points > second:
                second = points
        if at >= 0 and second > _NEVER and best >= _LEAST and best - second >= _AHEAD:
            to.payer[n], to.change[n] = own, wallet[graph.out_number[at]]
            to.ahead[n] = best - second
            n += 1
    return n


@kernel
def root_of(root: Ints, x: int) -> int:
    """Representative of the set of `x`, halving the path on the way."""
    while root[x] != x:
        root[x] = root[root[x]]
        x = root[x]
    return x


@kernel
def _join(a: Ints, b: Ints, root: Ints, known: tuple[Ints, Longs]) -> None:
    """Unite pairs in order, save what is of two parties or too large; `known` are party and size by wallet."""
    party, size = known
    for i in range(len(a)):
        x, y = root_of(root, a[i]), root_of(root, b[i])
        x, y = min(x, y), max(x, y)
        apart = party[x] >= 0 and party[y] >= 0 and party[x] != party[y]
        if x == y or apart or size[x] + size[y] > _MOST_ADDRESSES:
            continue
        root[y] = x
        size[x] += size[y]
        party[x] = max(party[x], party[y])
    for x in range(len(root)):
        root[x] = root_of(root, x)
