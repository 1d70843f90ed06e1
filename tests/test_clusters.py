"""Clustering: co-spend, same-key identity, vetoes, quarantine, and the evidence for it."""

import json
from collections import defaultdict
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heuristics import lookup
from heuristics.clusters import evidence, unite
from heuristics.clusters.evidence import NotTogetherError
from heuristics.clusters.unite import Edges
from heuristics.generation import Choice, build
from heuristics.numbers import locate, numbering, stable_order
from heuristics.rules import RULES, UnknownRuleError
from heuristics.rules.clusters import COSPEND, SAMEKEY
from store.index import Index
from store.reader import Cursor
from tests.lakes import SECRET, Claims, In, Script, Tx, World, indexed, named, nested, p2pk, p2pkh, p2wpkh, pay

KEY = b"\x02" + bytes(range(32))


def together(cur: Cursor, *names: str | Script) -> bool:
    """Whether all of them are in one cluster."""
    ids = [(named(name) if isinstance(name, str) else name).id for name in names]
    return len({evidence.cluster_of(cur, address_id) for address_id in ids}) == 1


def test_inputs_of_one_transaction_are_together(tmp_path: Path) -> None:
    """Co-spending unites inputs, across transactions too; outputs are not drawn in."""
    world = World()
    a, b, c, d = (world.mint(pay(name, 100)) for name in "abcd")
    ab = world.spend([a, b], pay("x", 150), pay("b2", 40))
    world.spend([In(ab, 1), c], pay("y", 130))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        assert together(cur, "a", "b")
        assert together(cur, "b2", "c")
        assert not together(cur, "a", "c")
        assert not together(cur, "a", "x")
        assert not together(cur, "a", "d")
        assert d.id


def test_cluster_is_named_by_its_earliest_member(tmp_path: Path) -> None:
    """The cluster's name is its first-seen address, by transaction and then by place in it."""
    world = World()
    both = world.mint(pay("second", 1), pay("third", 2))
    early = world.mint(pay("late", 3))
    world.spend([In(early), In(both, 1), In(both, 0)], pay("x", 5))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        facts = lookup.address(cur, named("third").id)
        first = lookup.address(cur, named("second").id)
        assert facts is not None
        assert first is not None
        assert facts.cluster_id == first.number
        size = lookup.cluster(cur, facts.cluster_id)
        assert size is not None
        assert (size.n_addresses, size.first_tx_id, size.last_tx_id) == (3, 0, 2 << 20)


def test_same_key_is_one_owner(tmp_path: Path) -> None:
    """P2PK, P2PKH, P2WPKH and, once revealed, nested P2WPKH of one key are one cluster; others are not."""
    world = World()
    for script in (p2pk(KEY), p2pkh(KEY), p2wpkh(KEY), p2pkh(KEY[::-1])):
        world.mint(pay(script, 10))
    hidden = world.mint(pay(nested(KEY), 10))
    world.spend([In(hidden, key_id=p2wpkh(KEY).id)], pay("x", 9))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        assert together(cur, p2pk(KEY), p2pkh(KEY), p2wpkh(KEY), nested(KEY))
        assert not together(cur, p2pkh(KEY), p2pkh(KEY[::-1]))
        step = evidence.why(cur, p2pkh(KEY).id, p2pk(KEY).id)[-1]
        assert (step.rule, step.confidence) == ("samekey@1", 100)


def test_same_key_without_a_native_address(tmp_path: Path) -> None:
    """Where the key's P2WPKH address was never used, its other scripts still find each other."""
    world = World()
    world.mint(pay(p2pk(KEY), 10))
    world.mint(pay(p2pkh(KEY), 10))
    hidden = world.mint(pay(nested(KEY), 10))
    world.spend([In(hidden, key_id=p2wpkh(KEY).id)], pay("x", 9))
    with indexed(world, tmp_path) as reader:
        assert together(reader.cursor(), p2pk(KEY), p2pkh(KEY), nested(KEY))


def test_offered_input_keeps_traders_apart(tmp_path: Path) -> None:
    """A PSBT trade (an input signed SINGLE|ANYONECANPAY) unites nobody and is recorded."""
    world = World()
    seller, buyer = world.mint(pay("seller", 546)), world.mint(pay("buyer", 9000))
    world.spend([In(seller, sighash=64), In(buyer)], pay("seller2", 5000), pay("buyer2", 546))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        assert not together(cur, "seller", "buyer")
        assert cur.rows("SELECT rule FROM coinjoin") == [(20,)]


def test_colliding_ids_are_quarantined(tmp_path: Path) -> None:
    """Two scripts with one id are kept out of clusters, and both are named."""

    class Same(Script):
        """A script that has another one's id."""

        id = named("a").id

    world = World()
    forged = Same(b"\x51", 0, b"\x51")
    a, b, c = world.mint(pay("a", 10)), world.mint(pay("b", 10)), world.mint(pay(forged, 10))
    world.spend([a, b], pay("x", 15))
    assert c.outs
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        assert not together(cur, "a", "b")
        rows = cur.rows("SELECT address_id, payload FROM quarantine ORDER BY payload")
        assert {row[0] for row in rows} == {named("a").id}
        assert {row[1] for row in rows} == {b"\x51", named("a").payload}


def test_why_is_a_chain_of_transactions(tmp_path: Path) -> None:
    """The chain leads from one address to the other, each link with its rule and a transaction of both."""
    world = World()
    coins = [world.mint(pay(f"a{i}", 10), pay(f"a{i + 1}", 10)) for i in range(6)]
    links = [world.spend([In(coin, 0), In(coin, 1)], pay("sink", 15)) for coin in coins]
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        steps = evidence.why(cur, named("a5").id, named("a2").id)
        assert [s.from_address.address_id for s in steps] == [named(f"a{i}").id for i in (5, 4, 3)]
        assert [s.to_address.address_id for s in steps] == [named(f"a{i}").id for i in (4, 3, 2)]
        assert [s.txid for s in steps] == [links[i].txid for i in (4, 3, 2)]
        assert evidence.certainty(steps) == 97
        assert evidence.why(cur, named("a1").id, named("a1").id) == []
        with pytest.raises(NotTogetherError, match="different clusters"):
            evidence.why(cur, named("a1").id, named("sink").id)
        with pytest.raises(NotTogetherError, match="not in the index"):
            evidence.why(cur, named("a1").id, named("nobody").id)


def _random_world(shape: list[tuple[list[int], int]]) -> World:
    """Transactions that spend the coins at the given places and pay one of a few addresses."""
    world = World()
    coins: list[Tx] = [world.mint(pay(f"n{i}", 100)) for i in range(6)]
    for picks, to in shape:
        ins = [coins.pop(i) for i in sorted({pick % len(coins) for pick in picks}, reverse=True)]
        coins.append(world.spend([In(coin) for coin in reversed(ins)], pay(f"n{to}", 10)))
    return world


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.integers(0, 9)), max_size=8))
def test_clusters_agree_with_a_slow_graph(
    tmp_path_factory: pytest.TempPathFactory, shape: list[tuple[list[int], int]]
) -> None:
    """Clusters are the connected components of the co-spend graph, and every edge is a real co-spend."""
    world = _random_world(shape)
    graph: nx.Graph[int] = nx.Graph()
    spends = defaultdict(set)
    for block in world.blocks:
        for tx in block:
            owners = [i.tx.outs[i.vout].to for i in tx.ins]
            ids = [owner.id for owner in owners if owner is not None]
            graph.add_nodes_from(out.to.id for out in tx.outs if out.to)
            nx.add_path(graph, ids)
            for address_id in ids:
                spends[address_id].add(tx.id)
    with indexed(world, tmp_path_factory.mktemp("lake")) as reader:
        cur = reader.cursor()
        for component in nx.connected_components(graph):
            assert len({evidence.cluster_of(cur, address_id) for address_id in component}) == 1
            for a, b in zip(sorted(component), sorted(component)[1:], strict=False):
                for step in evidence.why(cur, a, b):
                    assert step.tx_id in spends[step.from_address.address_id]
                    assert step.tx_id in spends[step.to_address.address_id]
        clusters = cur.rows("SELECT count(DISTINCT coalesce(cluster, number)) FROM address")
        assert clusters == [(nx.number_connected_components(graph),)]


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=60))
def test_union_agrees_with_a_slow_graph(pairs: list[tuple[int, int]]) -> None:
    """Accepted edges are a spanning forest; every tree is rooted at its earliest member."""
    a, b = (np.array([pair[k] for pair in pairs], np.int32) for k in (0, 1))
    parents = unite.no_parents(20)
    edges = unite.accept(parents, Edges(a, b, np.ones(len(a), np.uint8), np.arange(len(a), dtype=np.int64)))
    graph: nx.Graph[int] = nx.Graph(pairs)
    graph.add_nodes_from(range(20))
    assert len(edges.a) == 20 - nx.number_connected_components(graph)
    first_seen = np.arange(20, dtype=np.int64)[::-1].copy()
    found = unite.trees(parents, edges, first_seen)
    for component in nx.connected_components(graph):
        if len(component) > 1:
            assert {int(found.cluster[x]) for x in component} == {max(component)}
            assert sum(found.parent[x] < 0 for x in component) == 1
        else:
            assert int(found.cluster[next(iter(component))]) == -1


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_agree_with_a_sorted_list(ids: list[int], others: list[int]) -> None:
    """An id's number is its rank; an unknown one has none."""
    numbers = numbering(np.array(ids, np.int64))
    rank = {value: i for i, value in enumerate(sorted(set(ids)))}
    asked = np.array(ids + others, np.int64)
    found = locate(numbers, asked, np.ones(len(asked), np.bool_))
    assert found.tolist() == [rank.get(value, -1) for value in asked.tolist()]


@given(st.lists(st.integers(5, 30)))
def test_stable_order_agrees_with_sorted(keys: list[int]) -> None:
    """The counting sort keeps ties in order."""
    order = stable_order(np.array(keys, np.int32), 5, 31)
    assert order.tolist() == sorted(range(len(keys)), key=keys.__getitem__)


def test_rules_are_a_table() -> None:
    """Ids are unique bytes, names unique, confidences percent, and every rule says how it fails."""
    assert len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert all(0 < rule.id < 256 and 0 < rule.confidence <= 100 for rule in RULES)
    assert all(rule.failure_modes and rule.source for rule in RULES)
    assert COSPEND.label == "cospend@1"
    assert SAMEKEY.confidence == 100
    assert SECRET


def test_a_rule_can_be_switched_off_and_clusters_are_built_again(tmp_path: Path) -> None:
    """Without co-spending its inputs stay apart, and the generation says which rules it was built with."""
    world = World()
    world.spend([world.mint(pay("a", 100)), world.mint(pay("b", 100))], pay("x", 150))
    lake, index = world.write(tmp_path), Index(tmp_path)
    for without, are in (((), True), (("cospend",), False), ((), True)):
        build(lake, Claims(), index, Choice(without=without))
        with index.open() as reader:
            cur = reader.cursor()
            assert together(cur, "a", "b") is are
            (told,) = cur.row("SELECT value FROM meta WHERE key = 'rules'")
            assert ("cospend" in json.loads(told)) is are
    with pytest.raises(UnknownRuleError, match="no rule is called cospent; there are cospend, "):
        build(lake, Claims(), index, Choice(without=("cospent",)))


def test_without_a_veto_the_inputs_are_united(tmp_path: Path) -> None:
    """A verdict that is switched off keeps nothing apart."""
    world = World()
    coins = [world.mint(pay(f"i{i}", 700_000)) for i in range(4)]
    world.spend(coins, *(pay(f"o{i}", 600_000) for i in range(4)), *(pay(f"c{i}", 90_001 + i) for i in range(3)))
    lake, index = world.write(tmp_path), Index(tmp_path)
    for without, are in (((), False), (("joinmarket",), True)):
        build(lake, Claims(), index, Choice(without=without))
        with index.open() as reader:
            assert together(reader.cursor(), "i0", "i3") is are
