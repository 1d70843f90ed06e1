"""The whole index against a slow one: random worlds, indexed, and told again with dictionaries.

The worlds have everything at once: keys behind several scripts, trades, CoinJoins, unresolved inputs, zero
values, OP_RETURN, several segments, and claims of every standing.
"""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from chains.ids import address_id
from heuristics import generation, lookup
from heuristics.clusters import evidence
from heuristics.exposure import flows
from store.reader import Cursor
from tests.lakes import (
    SECRET,
    SPACING,
    TIME,
    Claims,
    In,
    Out,
    Tx,
    World,
    indexed,
    named,
    nested,
    p2pk,
    p2pkh,
    p2wpkh,
    pay,
)

KEYS = [bytes([2]) + bytes([i]) * 32 for i in range(5)]
SCRIPTS = [named(f"n{i}") for i in range(12)] + [f(key) for key in KEYS for f in (p2pk, p2pkh, p2wpkh, nested)]
KEY_OF = {f(key).id: p2wpkh(key).id for key in KEYS for f in (p2pk, p2pkh, p2wpkh)}
# What else a script that shows its key, or the key's hash, speaks for; P2PK only where the chain shows the key.
KIN = {
    f(key).id: [g(key).id for g in (p2pk, p2pkh, p2wpkh, nested) if g is not f]
    for key in KEYS
    for f in (p2pk, p2pkh, p2wpkh)
}
HIDDEN_KEY_OF = {nested(key).id: p2wpkh(key).id for key in KEYS}
Sums = list[int]


def told(rnd: random.Random) -> World:
    """Some blocks of random transactions, after a history that the lake does not hold."""
    past, world = World(count=10_000), World(first_height=5)
    before = past.mint(*(pay(rnd.choice(SCRIPTS), 1000 + i) for i in range(20)))
    lost = [In(before, vout, resolved=False) for vout in range(20)]
    coins: list[In] = []
    for _ in range(3):
        values = [rnd.choice([0, 1000, 5000, 100_000, 10**6]) + rnd.randrange(3) for _ in range(12)]
        coins += owned(world.mint(*(pay(rnd.choice(SCRIPTS), value) for value in values)), rnd)
    for _ in range(rnd.randrange(3, 14)):
        ins = [coins.pop(rnd.randrange(len(coins))) for _ in range(min(len(coins), rnd.choice([1, 1, 2, 3, 5, 25])))]
        ins += [lost.pop()] if rnd.random() < 0.2 else []
        coins += owned(world.spend(ins, *payments(rnd, sum(i.tx.outs[i.vout].value for i in ins))), rnd)
    return world


def owned(tx: Tx, rnd: random.Random) -> list[In]:
    """How a transaction's outputs will be spent."""
    return [
        In(tx, vout, rnd.choice([2] * 12 + [64, 16, 66]), HIDDEN_KEY_OF.get(out.to.id), rnd.random() < 0.9)
        for vout, out in enumerate(tx.outs)
        if out.to is not None
    ]


def payments(rnd: random.Random, left: int) -> list[Out]:
    """Outputs worth at most `left`, some of them equal."""
    outs, equal = [pay(rnd.choice(SCRIPTS), 0)], rnd.choice([None, 1000, 5000, 100_000])
    for _ in range(rnd.choice([1, 2, 3, 6, 12])):
        value = equal if equal and equal <= left and rnd.random() < 0.7 else rnd.randrange(left + 1)
        left -= value
        outs.append(Out(None, value) if rnd.random() < 0.05 else pay(rnd.choice(SCRIPTS), value))
    return outs


def claimed(rnd: random.Random) -> Claims:
    """A few claims about the same addresses."""
    claims = Claims()
    for _ in range(rnd.randrange(8)):
        more: dict[str, Any] = {"confidence": rnd.choice([20, 50, 80, 100]), "cluster_definer": rnd.random() < 0.8}
        if rnd.random() < 0.4:
            since = rnd.choice([date(2019, 1, 1), date(2020, 9, 14), date(2030, 1, 1)])
            until = rnd.choice([None, date(2020, 9, 13), date(2021, 1, 1)])
            more |= {"list_id": rnd.choice(["l1", "l2"]), "listed_from": since, "listed_to": until}
        claims.tag(rnd.choice(SCRIPTS), rnd.choice(["e1", "e2", "e3", None]), **more)
    return claims


@dataclass
class Twin:
    """A world's clusters, histories and flows, as dictionaries have them; `vetoes` are taken from the index."""

    world: World
    vetoes: dict[int, int]
    graph: "nx.Graph[int]" = field(default_factory=nx.Graph)
    first: dict[int, int] = field(default_factory=dict)
    history: dict[tuple[int, int], Sums] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    keys: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    spent: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Tell it from the beginning."""
        self.txs = [tx for block in self.world.blocks for tx in block]
        self.here = set(map(id, self.txs))
        for tx in self.txs:
            spent = [(self.owner(i), i.tx.outs[i.vout].value) for i in tx.ins if self.known(i)]
            for who, value in spent:
                self.see(who, tx)[1] += value
                self.spent.add((who, tx.id))
            for out in tx.outs:
                if out.to is not None:
                    self.see(out.to.id, tx)[0] += out.value
            if tx.id not in self.vetoes:
                nx.add_path(self.graph, [who for who, _ in spent])
            for i in tx.ins:
                if self.known(i) and i.key_id:
                    self.keys[i.key_id].add(self.owner(i))
        for same in self.keys.values():
            nx.add_path(self.graph, sorted(same))
        components = nx.connected_components(self.graph)
        self.cluster = {who: min(some, key=self.first.__getitem__) for some in components for who in some}

    def known(self, i: In) -> bool:
        """Whether the source or the lake resolves an input."""
        return i.resolved or id(i.tx) in self.here

    def owner(self, i: In) -> int:
        """Who is spent from."""
        to = i.tx.outs[i.vout].to
        assert to is not None
        return to.id

    def see(self, who: int, tx: Tx) -> Sums:
        """Note an address; its sums in this transaction."""
        self.graph.add_node(who)
        self.first.setdefault(who, len(self.first))
        if who in KEY_OF:
            self.keys[KEY_OF[who]].add(who)
        return self.history[who, tx.id]

    def flows(self, number: dict[int, int]) -> dict[tuple[int, int, int], Sums]:
        """Value, transactions, first and last between clusters; addresses by number."""
        total: dict[tuple[int, int, int], Sums] = {}
        for tx in self.txs:
            for (source, target), value in self.moved(tx, number).items():
                for who, direction, other in ((target, 0, source), (source, 1, target)):
                    if who >= 0:
                        before = total.get((who, direction, other), [0, 0, tx.id, tx.id])
                        total[who, direction, other] = [before[0] + value, before[1] + 1, before[2], tx.id]
        return total

    def moved(self, tx: Tx, number: dict[int, int]) -> dict[tuple[int, int], int]:
        """One transaction's value from cluster to cluster."""
        payers: Counter[int] = Counter()
        paid: Counter[int] = Counter()
        for i in tx.ins:
            if self.known(i):
                payers[number[self.cluster[self.owner(i)]]] += i.tx.outs[i.vout].value
        for out in tx.outs:
            if out.to is not None:
                paid[number[self.cluster[out.to.id]]] += out.value
        if not all(self.known(i) for i in tx.ins):
            payers[-3] = max(sum(out.value for out in tx.outs) - payers.total(), 0)
        if not tx.ins:
            payers[-1] = 1
        if self.vetoes.get(tx.id, 0) >= 60:
            some = {(who, -2): value for who, value in payers.items() if who >= 0}
            some |= {(-2, who): value for who, value in paid.items()}
        else:
            some = charged(payers, paid)
        return {ends: value for ends, value in some.items() if value > 0 and ends[0] != ends[1]}


def charged(payers: Counter[int], paid: Counter[int]) -> dict[tuple[int, int], int]:
    """Each output charged to the payers by their shares, in whole satoshi."""
    moved = {}
    for target, value in paid.items():
        upto = spent = 0
        for source in sorted(payers):
            spent += payers[source]
            share = value if spent == payers.total() else value * spent // payers.total()
            moved[source, target] = share - upto
            upto = share
    return moved


def check_why(cur: Cursor, twin: Twin) -> None:
    """Every chain leads from end to end, is the same backwards, and each link is in the transaction it names."""
    for some in nx.connected_components(twin.graph):
        for a, b in zip(sorted(some), sorted(some)[1:], strict=False):
            chain, back = evidence.why(cur, a, b), evidence.why(cur, b, a)
            ends = [(s.from_address.address_id, s.to_address.address_id, s.tx_id) for s in chain]
            assert ends == [(s.to_address.address_id, s.from_address.address_id, s.tx_id) for s in reversed(back)]
            assert [end[0] for end in ends] + [b] == [a] + [end[1] for end in ends]
            for step, (x, y, tx) in zip(chain, ends, strict=True):
                assert step.txid == lookup.txid_of(cur, tx)
                if step.rule.startswith("cospend"):
                    assert tx not in twin.vetoes
                    assert {(x, tx), (y, tx)} <= twin.spent
                else:
                    assert any({x, y} <= same for same in twin.keys.values())
                    assert {(x, tx), (y, tx)} & twin.history.keys()


def best_tags(twin: Twin, claims: Claims) -> dict[int, list[dict[str, Any]]]:
    """Per cluster the tags that speak for it, the best first; of its best party first."""
    sizes = Counter(twin.cluster.values())
    spoken: dict[int, dict[tuple[str, str], list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for tag in claims.tags:
        named_id = address_id(tag["script"], SECRET)
        roots = {twin.cluster.get(who) for who in [named_id, *KIN.get(named_id, ())]}
        for root in roots:
            if root is not None and (tag["cluster_definer"] or sizes[root] == 1):
                party = (tag["entity_id"], "") if tag["entity_id"] else ("~", tag["category"])
                spoken[root][party].append(tag)
    found = {}
    for root, by_party in spoken.items():
        ranked = [
            sorted(tags, key=lambda t: (_standing(t), -t["confidence"], t["tag_id"])) for tags in by_party.values()
        ]
        ranked.sort(key=lambda ts: (_standing(ts[0]), -ts[0]["confidence"], -len(ts), ts[0]["entity_id"] or "~"))
        found[root] = [tag for tags in ranked for tag in tags]
    return found


def _standing(tag: dict[str, Any]) -> int:
    return 2 if not tag.get("list_id") else 0 if tag["listed_to"] is None else 1


def _day(tx: int) -> date:
    return datetime.fromtimestamp(TIME + SPACING * (tx >> 20), UTC).date()


def check_exposure(cur: Cursor, twin: Twin, claims: Claims, number: dict[int, int]) -> None:
    """Every cluster's direct exposure, by party, adds up to its flows, with dates and dealings while listed."""
    id_of = {number[who]: who for who in number}
    best, total = best_tags(twin, claims), twin.flows(number)
    for root in set(twin.cluster.values()):
        expected: dict[tuple[str, str, str | None], list[Any]] = {}
        for (_, direction, other), (value, n_tx, first, last) in (
            (k, v) for k, v in total.items() if k[0] == number[root]
        ):
            tags = best.get(id_of.get(other, 0), [])
            plain = flows.PSEUDO.get(other, "unattributed"), None
            who = (tags[0]["category"], tags[0]["entity_id"]) if tags else plain
            listed = [t for t in tags if t.get("list_id")] if tags and _standing(tags[0]) < 2 else []
            within = any(_day(last) >= t["listed_from"] and _day(first) < (t["listed_to"] or date.max) for t in listed)
            row = expected.setdefault((flows.DIRECTIONS[direction], *who), [0, 0, first, last, False])
            row[:] = [row[0] + value, row[1] + n_tx, min(row[2], first), max(row[3], last), row[4] or within]
        found = flows.direct(cur, number[root])
        assert {
            (e.direction, e.category, e.entity_id): [e.value, e.n_tx, e.first_tx_id, e.last_tx_id, e.after_designation]
            for e in found
        } == expected
        for side in flows.DIRECTIONS:
            shares = [e.share for e in found if e.direction == side]
            assert not shares or 1 - len(shares) / 10**6 <= sum(shares) <= 1


@pytest.mark.parametrize("busy", [1000, 0])
@pytest.mark.parametrize("seed", range(12))
def test_index_agrees_with_dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, busy: int) -> None:
    """Clusters, names, evidence, histories, flows and exposure are what a plain retelling of the chain gives."""
    monkeypatch.setattr(generation, "BUSY", busy)
    rnd = random.Random(seed)  # noqa: S311 -- repeatable on purpose
    world, claims = told(rnd), claimed(rnd)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        twin = Twin(world, dict(cur.rows("SELECT tx_id, confidence FROM coinjoin")))
        number = dict(cur.rows("SELECT address_id, number FROM address"))
        roots = dict(cur.rows("SELECT address_id, coalesce(cluster, number) FROM address"))
        assert roots == {who: number[root] for who, root in twin.cluster.items()}
        who_is = {n: who for who, n in number.items()}
        rows = cur.rows("SELECT number, tx_id, received, sent FROM address_tx")
        assert {(who_is[n], tx): sums for n, tx, *sums in rows} == dict(twin.history)
        stored = cur.rows("SELECT cluster, direction, counterparty, value, n_tx, first_tx_id, last_tx_id FROM flow")
        assert {(row[0], row[1], row[2]): list(row[3:]) for row in stored} == twin.flows(number)
        check_why(cur, twin)
        check_exposure(cur, twin, claims, number)
