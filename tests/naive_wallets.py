"""The slow, obvious twin of heuristics.clusters.wallets: sets of clusters, merged link by link."""

from collections.abc import Sequence
from typing import NamedTuple

from heuristics.clusters import wallets


class Link(NamedTuple):
    """A claim that two clusters are one party's, by a transaction, with a probability in per mille."""

    a: int
    b: int
    place: int
    per_mille: int


class Told(NamedTuple):
    """What speaks against links: addresses and actors per cluster, and pairs that stay apart."""

    size: dict[int, int]
    actor: dict[int, int]
    apart: set[frozenset[int]]


def join(links: Sequence[Link], told: Told) -> list[int]:
    """What comes of each link."""
    sets = {cluster: {cluster} for cluster in told.size}
    outcome = [0] * len(links)
    for k in sorted(range(len(links)), key=lambda k: (-links[k].per_mille, links[k].place, links[k].b, links[k].a)):
        x, y = sets[links[k].a], sets[links[k].b]
        outcome[k] = wallets.REDUNDANT if x is y else _objection(x, y, _edges(links, links[k]), told)
        if outcome[k] == wallets.ACCEPTED:
            both = x | y
            sets |= dict.fromkeys(both, both)
    return outcome


def _edges(links: Sequence[Link], link: Link) -> int:
    """Transactions that link the same two clusters."""
    return len({one.place for one in links if {one.a, one.b} == {link.a, link.b}})


def _objection(x: set[int], y: set[int], n_edges: int, told: Told) -> int:
    actors = [{told.actor[one] for one in side} - {-1} for side in (x, y)]
    if actors[0] and actors[1] and actors[0] != actors[1]:
        return wallets.ACTORS
    if n_edges < 3 and all(sum(told.size[one] for one in side) >= wallets.LARGE for side in (x, y)):
        return wallets.SIZE
    if any(frozenset({one, other}) in told.apart for one in x for other in y):
        return wallets.APART
    return wallets.ACCEPTED
