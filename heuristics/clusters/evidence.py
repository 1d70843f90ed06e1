"""Why two addresses are together: a chain of edges through the evidence trees of their cluster or wallet.

Inside a cluster every edge is a claim of ownership (T0). A wallet's clusters hang together by change links (T1), each
between two addresses of different clusters, so that between any two of its addresses there is one way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chains.errors import TadoruError
from heuristics.clusters.change.votes import FAMILIES
from heuristics.lookup import Party, address, parties, txids_of
from heuristics.rules import BY_ID
from store.reader import Cursor

WHOLE = 100
_CHANGE = "T1"  # the tier of change links
_VOTES = "SELECT families FROM change WHERE tx_id = ? ORDER BY probability DESC, vout LIMIT 1"
_Shown = tuple[
    Mapping[int, bytes], Mapping[int, tuple[str, ...]]
]  # by transaction: its hash, and what votes for change
_LINK = "SELECT cluster, parent, number, payer, rule, tx_id, confidence FROM wallet_edge WHERE cluster = ?"


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


class _Link(NamedTuple):
    """A row of wallet_edge: `number` and `payer` lie in `cluster` and `parent`, in either order."""

    cluster: int
    parent: int
    number: int
    payer: int
    rule: int
    tx_id: int
    confidence: int


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a chain, as answers show it; `txid` in internal byte order, confidence in percent.

    `families` names the kinds of evidence behind a change link; empty of any other.
    """

    from_address: Party
    to_address: Party
    rule: str
    tx_id: int
    txid: bytes
    confidence: int
    families: tuple[str, ...] = ()


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
    if wallet_of(cur, left.cluster_id) != wallet_of(cur, right.cluster_id):
        raise NotTogetherError("no rule links these two addresses; they are in different clusters and wallets")
    return chains_of(cur, [way(cur, left.number, right.number)], left.number)[0]


def wallet_of(cur: Cursor, cluster_id: int) -> int:
    """Wallet of a cluster: the number of the wallet's earliest member; the cluster itself where it is one alone."""
    found: int | None = cur.memory.known("wallet", [cluster_id]).get(cluster_id)
    if found is None:
        row = cur.row("SELECT wallet FROM wallet WHERE cluster = ?", [cluster_id])
        found = cluster_id if row is None else int(row[0])
        cur.memory.learn("wallet", {cluster_id: found})
    return found


def way(cur: Cursor, a: int, b: int) -> list[Edge]:
    """Edges between two addresses of one wallet, by their numbers, from `a` to `b`; over change links where it must."""
    here, end = cluster_of_number(cur, a), cluster_of_number(cur, b)
    found: list[Edge] = []
    for link in _links(cur, here, end):
        near, far = link.payer, link.number
        if cluster_of_number(cur, near) != here:
            near, far = far, near
        found += path(cur, a, near, here)
        found.append(Edge(near, far, link.rule, link.tx_id, link.confidence))
        a, here = far, link.parent if link.cluster == here else link.cluster
    return found + path(cur, a, b, here)


def cluster_of_number(cur: Cursor, number: int) -> int:
    """Cluster of an address by its number; the number itself where it is alone."""
    found: int | None = cur.memory.known("cluster of", [number]).get(number)
    if found is None:
        found = int(cur.row("SELECT coalesce(cluster, number) FROM address WHERE number = ?", [number])[0])
        cur.memory.learn("cluster of", {number: found})
    return found


def _links(cur: Cursor, a: int, b: int) -> list[_Link]:
    """Change links between two clusters of one wallet, from `a` to `b`."""
    if a == b:
        return []
    root = wallet_of(cur, a)
    up, down = _links_to_root(cur, a, root), _links_to_root(cur, b, root)
    while up and down and up[-1] == down[-1]:
        up.pop()
        down.pop()
    return up + down[::-1]


def _links_to_root(cur: Cursor, cluster: int, root: int) -> list[_Link]:
    """Change links from a cluster to its wallet's earliest one."""
    found: list[_Link] = []
    while cluster != root:
        link = cur.memory.known("link", [cluster]).get(cluster)
        if link is None:
            link = _Link(*cur.row(_LINK, [cluster]))
            cur.memory.learn("link", {cluster: link})
        found.append(link)
        cluster = link.parent
    return found


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
    families = _families(cur, {edge.tx_id for edge in edges if BY_ID[edge.rule].tier == _CHANGE})
    return [_chain(some, start, named, (txids, families)) for some in paths]


def _families(cur: Cursor, tx_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Kinds of evidence that say which output of each transaction is change."""
    rows = {tx_id: cur.row(_VOTES, [tx_id]) for tx_id in tx_ids}
    return {tx_id: tuple(name for bit, name in FAMILIES.items() if row[0] & bit) for tx_id, row in rows.items() if row}


def _chain(edges: Sequence[Edge], start: int, named: Mapping[int, Party], shown: _Shown) -> list[Step]:
    """Turn edges into steps, each from where the one before ended."""
    chain = []
    txids, families = shown
    for edge in edges:
        end = edge.parent if edge.number == start else edge.number
        rule, txid = BY_ID[edge.rule], txids[edge.tx_id]
        said = families.get(edge.tx_id, ()) if rule.tier == _CHANGE else ()
        chain.append(Step(named[start], named[end], rule.label, edge.tx_id, txid, edge.confidence, said))
        start = end
    return chain


def certainty(edges: Sequence[Edge | Step], percent: int = WHOLE) -> int:
    """Confidence that carries over a chain: the product, in percent, rounded down but never to 0."""
    product, scale = percent, 1
    for edge in edges:
        product *= edge.confidence
        scale *= WHOLE
    return max(product // scale, 1 if percent else 0)
