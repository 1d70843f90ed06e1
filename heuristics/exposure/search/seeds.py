"""Where paths begin: the best of a wallet's own coins, out of all its transactions.

What counts as received and as sent is what heuristics.exposure.wheel says. A transaction is looked at closely only
where its own vector leaves hope that it is among the best; so a wallet of a million transactions costs little more
than reading them.
"""

from typing import NamedTuple

import numpy as np

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.joint import due, gained, moved, parted
from heuristics.exposure.passes.parts import UNRESOLVED, WRONG, Ints, Longs, Rows, absorbs_at, spent
from heuristics.exposure.search.best import NODE, OPEN, Ways, is_own, passing, sought, way


class Whose(NamedTuple):
    """By owner the wallet that he is part of; the number of a wallet; the places of its transactions."""

    own: Ints
    wallet: int
    places: Ints


class Seeds(NamedTuple):
    """The best seeds as nodes, the least of them first; how many, and how many others there may be."""

    nodes: Rows
    counts: Longs


def seeds(most: int) -> Seeds:
    """Make room for so many seeds."""
    return Seeds(np.empty(most, NODE), np.zeros(2, np.int64))


@lean_kernel
def _sink(nodes: Rows, n: int, j: int) -> None:
    """Let seed j of a heap, the one of least worth on top, go down to where it belongs."""
    place, code, before, row = nodes[j].place, nodes[j].code, nodes[j].before, nodes[j].row
    weight, worth = nodes[j].weight, nodes[j].worth
    k = 2 * j + 1
    while k < n:
        if k + 1 < n and nodes[k + 1].worth < nodes[k].worth:
            k += 1
        if worth <= nodes[k].worth:
            break
        nodes[j] = nodes[k]
        j, k = k, 2 * k + 1
    node = nodes[j]
    node.place, node.code, node.before, node.row = place, code, before, row
    node.weight, node.worth, node.depth = weight, worth, 0


@lean_kernel
def _keep(seeds: Seeds, t: int, to: tuple[int, int, int], weight: float, share: float) -> None:
    """Keep a seed of transaction t if it is among the best: place, code, row; satoshi; share of what is sought."""
    worth, n = weight * share, seeds.counts[0]
    if not worth > 0.0:
        return
    at = n
    if n == len(seeds.nodes):
        seeds.counts[1] += 1
        at = 0
        if worth <= seeds.nodes[0].worth:
            return
    node = seeds.nodes[at]
    node.place, node.code, node.row = to
    node.before, node.depth, node.weight, node.worth = -1 - t, 0, weight, worth
    if at == n:
        seeds.counts[0] = n + 1
        if n + 1 == len(seeds.nodes):
            for j in range(n, -1, -1):
                _sink(seeds.nodes, n + 1, j)
    else:
        _sink(seeds.nodes, n, 0)


@lean_step
def _hopeless(ways: Ways, seeds: Seeds, t: int, most: float) -> bool:
    """Whether a transaction's vector says that no seed of it, of so many satoshi, is among the best."""
    n = seeds.counts[0]
    hopeless = n == len(seeds.nodes) and most * sought(ways, ways.near, t) <= seeds.nodes[0].worth
    if hopeless:
        # Whoever lets trails pass is in no vector.
        for row in range(ways.start[t], ways.start[t + 1]):
            hopeless &= passing(ways, row) < 0
        seeds.counts[1] += hopeless
    return bool(hopeless)


@lean_step
def _close_look(ways: Ways, t: int, put: int) -> float:
    """The share of what is sought in what others spend, nothing folded or cut at this step; WRONG.

    The wallet put so much into the transaction itself.
    """
    part = ways.part
    value, gap, _ = spent(part, t)
    value -= put
    if part.born[t] >= 0 or value == 0:
        return 1.0 if ways.goal[part.born[t] if part.born[t] >= 0 else UNRESOLVED] else 0.0
    found = gap / value * ways.goal[UNRESOLVED]
    for row in range(part.in_start[t], part.in_start[t + 1]):
        worth = part.spend_value[row]
        if worth > 0 and not is_own(ways, part.spend_owner[row]):
            code, _, share = way(ways, t, row)
            if code == WRONG:
                return float(WRONG)
            found += worth / value * (share + (passing(ways, row) >= 0))
    return float(found)


@lean_kernel
def received(ways: Ways, whose: Whose, seeds: Seeds) -> int:
    """Keep the best outputs that others pay to a wallet; WRONG - t where transaction t can not be, else 0."""
    part = ways.part
    for t in whose.places:
        got, put, pays = moved(part, (whose.own, whose.wallet), t)
        net = got
        if pays and absorbs_at(part, t) >= 0:
            net = got - due(part, t, put)
            put = 0
        elif pays:
            net = gained(part, t, got, put)
        if net <= 0:
            continue
        # The vector is of all inputs: the others' may have all of what is sought.
        value, _, _ = spent(part, t)
        if _hopeless(ways, seeds, t, net * (value / (value - put)) if value > put else float(net)):
            continue
        share = _close_look(ways, t, put)
        if share < 0.0:
            return int(WRONG - t)
        for o in range(part.out_start[t], part.out_start[t + 1]):
            owner = part.out_owner[o]
            if owner >= 0 and whose.own[owner] == whose.wallet:
                _keep(seeds, t, (t, OPEN, o), part.out_value[o] * (net / got), share)
    return 0


@lean_kernel
def _into_pool(ways: Ways, whose: Whose, seeds: Seeds, t: int, part_of: float) -> None:
    """Keep a wallet's inputs of a CoinJoin, each for so much of it: the path ends there."""
    part = ways.part
    for i in range(part.in_start[t], part.in_start[t + 1]):
        owner = part.spend_owner[i]
        if owner >= 0 and whose.own[owner] == whose.wallet:
            _keep(seeds, t, (t, part.born[t], i), max(part.spend_value[i], 0) * part_of, 1.0)


@lean_kernel
def sent(ways: Ways, whose: Whose, seeds: Seeds) -> int:
    """Keep the best outputs that a wallet pays to others; WRONG - t where transaction t can not be, else 0."""
    part = ways.part
    for t in whose.places:
        got, put, pays = moved(part, (whose.own, whose.wallet), t)
        if not pays or put == 0:
            continue
        if part.born[t] >= 0:
            net = due(part, t, put) - got
            if net > 0 and ways.goal[part.born[t]]:
                _into_pool(ways, whose, seeds, t, net / put)
            continue
        value, _, _ = spent(part, t)
        paid = parted(part, t, got, put)
        if paid == 0.0 or _hopeless(ways, seeds, t, value * paid):
            continue
        for o in range(part.out_start[t], part.out_start[t + 1]):
            owner = part.out_owner[o]
            if (owner >= 0 and whose.own[owner] == whose.wallet) or part.out_value[o] <= 0:
                continue
            code, place, share = way(ways, t, o)
            if code == WRONG:
                return int(WRONG - t)
            weight = part.out_value[o] * paid
            _keep(seeds, t, (place, code, o), weight, share)
            code = passing(ways, o)
            _keep(seeds, t, (-1, code, o), weight, 1.0 if code >= 0 else 0.0)
    return 0
