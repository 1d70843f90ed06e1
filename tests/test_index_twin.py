"""The whole index against a slow one: random worlds, indexed, and told again with dictionaries.

The worlds have everything at once: keys behind several scripts, trades, CoinJoins, unresolved inputs, zero
values, OP_RETURN, several segments, and claims of every standing.
"""

import random
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from chains.ids import address_id
from heuristics import lookup
from heuristics.clusters import evidence
from heuristics.exposure import exposures, vectors
from heuristics.exposure.codes import Source
from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.wheel import AFTER, INDIRECT, PASSES, SENT, UNSOLICITED
from heuristics.generation import Choice
from heuristics.rules import POOLS_FUNDS, RULES, SHOWS_WHO_PAYS
from store.reader import Cursor, Listing
from tests import naive_multiparty, naive_provenance
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
from tests.naive_provenance import destinations, provenance
from tests.naive_wheel import Key, Line, Setting, Wheel

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
    for _ in range(rnd.randrange(14)):
        more: dict[str, Any] = {"confidence": rnd.choice([20, 50, 80, 100]), "cluster_definer": rnd.random() < 0.8}
        more["category"] = rnd.choice(["exchange", "exchange", "mixer", "shell"])
        if rnd.random() < 0.4:
            since = rnd.choice([date(2019, 1, 1), date(2020, 9, 14), date(2030, 1, 1)])
            until = rnd.choice([None, date(2020, 9, 13), date(2021, 1, 1)])
            more |= {"list_id": rnd.choice(["l1", "l2"]), "listed_from": since, "listed_to": until}
        claims.tag(rnd.choice(SCRIPTS), rnd.choice(["e1", "e2", "e3", None]), **more)
    return claims


@dataclass
class Twin:
    """A world's clusters, histories and flows, as dictionaries have them."""

    world: World
    graph: "nx.Graph[int]" = field(default_factory=nx.Graph)
    first: dict[int, int] = field(default_factory=dict)
    history: dict[tuple[int, int], Sums] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    keys: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    spent: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Tell it from the beginning."""
        self.verdicts = naive_multiparty.Chain(self.world).verdicts()
        self.vetoes = {v.tx_id for v in self.verdicts}
        shown = {rule.id for rule in SHOWS_WHO_PAYS}
        self.mixes = {v.tx_id: v.confidence for v in self.verdicts if v.rule not in shown}
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
        if self.mixes.get(tx.id, 0) >= POOLS_FUNDS:
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


def _place(days: list[int], day: date | None, otherwise: int) -> int:
    """The first transaction of that day or later."""
    return otherwise if day is None else bisect_left(days, (day - date(1970, 1, 1)).days)


@dataclass
class Naming:
    """Who is known, as dictionaries have it; what a code means is taken from the index."""

    twin: Twin
    claims: Claims
    number: dict[int, int]
    codes: Sequence[Source]

    def setting(self) -> Setting:
        """The world as the wheel's twin has it."""
        owner, apart = self.owners()
        at = Setting(plain_txs(self.twin, owner), {}, {}, {}, {}, [None] * len(self.twin.txs))
        code_of = {(one.entity_id, one.category, one.listing): i for i, one in reversed(list(enumerate(self.codes)))}
        clusters = {self.number[root]: tags for root, tags in self.best.items()}
        first: dict[str, int] = {}
        for who, tags in [*sorted(clusters.items()), *((owner[one], [tag]) for one, tag in apart.items())]:
            best = tags[0]
            listing = _listing(best)
            code = code_of[best["entity_id"], best["category"], listing]
            at.named[who] = code  # type: ignore[index]
            sure = best["confidence"] >= 50
            if listing or (sure and best["category"] != "shell"):
                at.code[who] = code  # type: ignore[index]
            if best["entity_id"] and sure and not _conflict(tags):
                at.own[who] = first.setdefault(best["entity_id"], who)  # type: ignore[index]
        at.listed |= self.listed(owner, at.named)  # type: ignore[operator]
        return at

    @cached_property
    def best(self) -> dict[int, list[dict[str, Any]]]:
        """Per cluster the tags that speak for it."""
        return best_tags(self.twin, self.claims)

    def owners(self) -> tuple[dict[int, int], dict[int, dict[str, Any]]]:
        """Whose each address is; the tags of those that are surely somebody else's than their cluster."""
        owner = {who: self.number[root] for who, root in self.twin.cluster.items()}
        sizes = Counter(self.twin.cluster.values())
        apart = {}
        for who, root in sorted(self.twin.cluster.items(), key=lambda item: self.number[item[0]]):
            said = [
                tag for tag in self.claims.tags
                if address_id(tag["script"], SECRET) == who and tag["entity_id"]
                and (tag["confidence"] >= 50 or tag.get("list_id"))
            ]  # fmt: skip
            if len({tag["entity_id"] for tag in said}) != 1 or sizes[root] == 1:
                continue
            own, cluster = min(said, key=_rank), self.best.get(root)
            other = cluster is None or own["entity_id"] != cluster[0]["entity_id"] or _conflict(cluster)
            if other and (cluster is None or _rank(own)[:2] <= _rank(cluster[0])[:2]):
                apart[who] = own
                owner[who] = len(owner) + len(apart) - 1
        return owner, apart

    def listed(self, owner: dict[int, int], named: Any) -> dict[int, list[tuple[int, int]]]:
        """Places within every listing of whoever is or was listed."""
        days = [(TIME + SPACING * (tx.id >> 20)) // 86400 for tx in self.twin.txs]
        found = defaultdict(list)
        for tag in self.claims.tags:
            to = address_id(tag["script"], SECRET)
            kin = [
                who for who in KIN.get(to, ())
                if not tag["cluster_definer"] or self.twin.cluster.get(who) != self.twin.cluster.get(to)
            ]  # fmt: skip
            for who in [to, *kin]:
                code = named.get(owner.get(who, -1), -1)
                if tag.get("list_id") and code >= 0 and self.codes[code].listing:
                    dates = _place(days, tag["listed_from"], 0), _place(days, tag["listed_to"], len(days))
                    found[code].append(dates)
        return dict(found)


def _listing(tag: dict[str, Any]) -> Listing | None:
    dates = tag.get("listed_from"), tag.get("listed_to")
    return Listing(tag["list_id"], tag["entity_id"], *dates) if tag.get("list_id") else None


def _conflict(tags: list[dict[str, Any]]) -> bool:
    """Whether two parties are claimed surely."""
    return len({tag["entity_id"] for tag in tags if tag["entity_id"] and tag["confidence"] >= 50}) > 1


def _rank(tag: dict[str, Any]) -> tuple[int, int, int]:
    return _standing(tag), -tag["confidence"], tag["tag_id"]


def plain_txs(twin: Twin, whose: dict[int, int]) -> list[naive_provenance.Tx]:
    """Transactions with the owner of each address."""
    place = {id(tx): t for t, tx in enumerate(twin.txs)}
    spender = {(place.get(id(i.tx)), i.vout): t for t, tx in enumerate(twin.txs) for i in tx.ins}

    def spent(i: In) -> naive_provenance.In:
        value, owner = (i.tx.outs[i.vout].value, whose[twin.owner(i)]) if twin.known(i) else (None, None)
        return naive_provenance.In(place.get(id(i.tx)), i.vout, value, owner)

    return [
        naive_provenance.Tx(
            [spent(i) for i in tx.ins],
            [
                naive_provenance.Out(out.value, whose[out.to.id] if out.to else None, spender.get((t, v)))
                for v, out in enumerate(tx.outs)
            ],
            twin.mixes.get(tx.id, 0) >= POOLS_FUNDS,
        )
        for t, tx in enumerate(twin.txs)
    ]


def check_exposure(cur: Cursor, twin: Twin, claims: Claims, number: dict[int, int]) -> None:
    """Every wallet's lines are those of the definition, and its answer tells each of them."""
    coins = coins_of(cur)
    naming = Naming(twin, claims, number, coins.codes)
    at, (owner, apart) = naming.setting(), naming.owners()
    assert coins.owner.tolist() == [owner[who] for who in sorted(number, key=number.__getitem__)]
    assert coins.around.own.tolist() == [at.wallet(c) for c in range(len(number) + len(apart))]
    wheel = Wheel(at, (provenance(at.txs, at.code), destinations(at.txs, at.code)))
    any_address = {at.wallet(owner[who]): number[who] for who in number}
    for wallet, one in any_address.items():
        assert wallet is not None
        true = wheel.lines(wallet)
        mine = {(int(row["code"]), int(row["flags"])): row for row in coins.lines(wallet)}
        assert mine.keys() == true.keys()
        for key, line in true.items():
            assert float(mine[key]["value"]) == pytest.approx(float(line.value), rel=1e-5)
            assert (mine[key]["first"], mine[key]["last"]) == (min(line.places), max(line.places))
            assert (mine[key]["n_tx"], mine[key]["min_hops"]) == (len(line.places), line.min_hops)
        check_answer(exposures.of_wallet(cur, one), true, coins)


def check_answer(found: list[exposures.Exposure], true: dict[Key, Line], coins: Coins) -> None:
    """Each line is one exposure; per direction shares sum to 1."""
    told = Counter((e.entity_id, e.category, e.listing, _flags(e)) for e in found)
    sources = [(coins.codes[code], flags) for code, flags in true]
    assert told == Counter((one.entity_id, one.category, one.listing, flags) for one, flags in sources)
    for side in exposures.DIRECTIONS:
        some = [e for e in found if e.direction == side and not e.passes_through]
        total = sum(line.value for (_, f), line in true.items() if f & PASSES == 0 and f & SENT == (side == "sent"))
        assert sum(e.value for e in some) == pytest.approx(float(total), rel=1e-5, abs=len(some))
        assert not some or 1 - len(some) / 10**6 <= sum(e.share for e in some) <= 1


def _flags(e: exposures.Exposure) -> int:
    sent, indirect = SENT * (e.direction == "sent"), INDIRECT * (e.kind == "indirect")
    return sent | indirect | AFTER * e.after_designation | UNSOLICITED * e.unsolicited | PASSES * e.passes_through


# The rules beyond ownership have twins of their own.
OWNERSHIP = Choice(without=tuple(rule.name for rule in RULES if rule.tier in {"T1", "T2"}))


@pytest.mark.parametrize("busy", [1000, 0])
@pytest.mark.parametrize("seed", range(12))
def test_index_agrees_with_dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, busy: int) -> None:
    """Clusters, names, evidence, histories, flows and exposure are what a plain retelling of the chain gives."""
    uncut = Cut(0.0, 1000, see_through=True)
    monkeypatch.setattr(vectors, "BUSY", busy)
    monkeypatch.setattr(vectors, "CUT", uncut)
    monkeypatch.setattr(exposures, "CUT_AT", uncut)
    rnd = random.Random(seed)  # noqa: S311 -- repeatable on purpose
    world, claims = told(rnd), claimed(rnd)
    with indexed(world, tmp_path, claims, OWNERSHIP) as reader:
        cur = reader.cursor()
        twin = Twin(world)
        assert cur.rows("SELECT * FROM coinjoin ORDER BY tx_id") == [tuple(v) for v in twin.verdicts]
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
