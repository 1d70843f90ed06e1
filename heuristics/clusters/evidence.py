"""Why two addresses are together: a chain of edges through the cluster's evidence tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chains.errors import TadoruError
from heuristics.lookup import Party, address, parties, txids_of
from heuristics.rules import BY_ID
from store.reader import Cursor

WHOLE = 100


class NotTogetherError(TadoruError):
    """Two addresses that no rule puts under one control, or that the index has not seen."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One stored edge: `number` is tied to `parent`; confidence in percent."""

    number: int
    parent: int
    rule: int
    tx_id: int
    confidence: int


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a chain, as answers show it; `txid` in internal byte order, confidence in percent."""

    from_address: Party
    to_address: Party
    rule: str
    tx_id: int
    txid: bytes
    confidence: int


def cluster_of(cur: Cursor, address_id: int) -> int:
    """Cluster of an address; raises NotTogetherError where the index has not seen it."""
    facts = address(cur, address_id)
    if facts is None:
        raise NotTogetherError("this address is not in the index, so it is in no cluster")
    return facts.cluster_id


def why(cur: Cursor, a: int, b: int) -> list[Step]:
    """Chain of links from one address to another.

    Parameters
    ----------
    cur
        Where to ask.
    a, b
        Address ids.

    Returns
    -------
    list[Step]
        From `a` to `b`; empty where they are the same. Raises NotTogetherError where there is no chain.
    """
    left, right = address(cur, a), address(cur, b)
    if left is None or right is None:
        raise NotTogetherError("one of the two addresses is not in the index; check it, or index its blocks")
    if left.cluster_id != right.cluster_id:
        raise NotTogetherError("no ownership rule links these two addresses; they are in different clusters")
    edges = path(cur, left.number, right.number, left.cluster_id)
    return chains_of(cur, [edges], left.number)[0]


def path(cur: Cursor, a: int, b: int, root: int) -> list[Edge]:
    """Edges between two members of the cluster `root`, by their numbers, from `a` to `b`."""
    if a == b:
        return []
    up, down = _to_root(cur, a, root), _to_root(cur, b, root)
    while up and down and up[-1] == down[-1]:
        up.pop()
        down.pop()
    return up + down[::-1]


def _to_root(cur: Cursor, number: int, root: int) -> list[Edge]:
    """Edges from a member to its cluster's earliest member."""
    found: list[Edge] = []
    sql = "SELECT number, parent, rule, tx_id, confidence FROM cluster_edge WHERE number = ?"
    while number != root:
        edge = cur.memory.known("edge", [number]).get(number)
        if edge is None:
            edge = Edge(*cur.row(sql, [number]))
            cur.memory.learn("edge", {number: edge})
        found.append(edge)
        number = found[-1].parent
    return found


def chains_of(cur: Cursor, paths: Sequence[Sequence[Edge]], start: int) -> list[list[Step]]:
    """Name the addresses and transactions of several chains of edges that begin at the number `start`."""
    edges = [edge for some in paths for edge in some]
    named = parties(cur, {n for edge in edges for n in (edge.number, edge.parent)})
    txids = txids_of(cur, [edge.tx_id for edge in edges])
    return [_chain(some, start, named, txids) for some in paths]


def _chain(edges: Sequence[Edge], start: int, named: Mapping[int, Party], txids: Mapping[int, bytes]) -> list[Step]:
    """Turn edges into steps, each from where the one before ended."""
    chain = []
    for edge in edges:
        end = edge.parent if edge.number == start else edge.number
        rule, txid = BY_ID[edge.rule].label, txids[edge.tx_id]
        chain.append(Step(named[start], named[end], rule, edge.tx_id, txid, edge.confidence))
        start = end
    return chain


def certainty(edges: Sequence[Edge | Step], percent: int = WHOLE) -> int:
    """Confidence that carries over a chain: the product, in percent, rounded down but never to 0."""
    product, scale = percent, 1
    for edge in edges:
        product *= edge.confidence
        scale *= WHOLE
    return max(product // scale, 1 if percent else 0)
