"""Wallets: clusters joined by links in order of probability, refusals with their reasons, and the evidence kept."""

from collections.abc import Sequence
from random import Random

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chains.bitcoin.tables import ScriptType
from heuristics.clusters import links, profiles, wallets
from heuristics.clusters.change import decide
from heuristics.clusters.change.view import View, view
from heuristics.clusters.links import Apart, Links
from heuristics.clusters.wallets import Wallets
from heuristics.rules.change import CHANGE
from tests.coins import OTHER, PLAIN, History, Look, Out
from tests.naive_wallets import Link, Told, join

UNEVEN = 1_234_567


def sizes(*members: int) -> View:
    """Clusters of so many addresses, 0 the first, that did nothing but appear."""
    history = History()
    names = [f"{n} {k}" for n, size in enumerate(members) for k in range(size)]
    t = history.tx([], *(Out(name, 1) for name in names))
    start = np.cumsum([0, *members[:-1]])
    cluster = np.repeat(start, members).astype(np.int32)
    return view(history.graph(), cluster, history.flags(), np.zeros(len(names), np.bool_))._replace(
        several=history.flags([t])
    )


def joined(seen: View, told: Sequence[Link], apart: Sequence[tuple[int, int]] = (), **actor: int) -> Wallets:
    """Join clusters, which go by their order here."""
    own = np.unique(seen.cluster)
    columns = [np.array(column, np.int64) for column in zip(*told, strict=True)] or [np.zeros(0, np.int64)] * 4
    given_links = Links(
        own[columns[0]].astype(np.int32), own[columns[1]].astype(np.int32), columns[2],
        np.full(len(told), CHANGE.id, np.uint8), columns[3].astype(np.int32),
    )  # fmt: skip
    pairs = np.array(sorted((min(pair), max(pair)) for pair in apart), np.int64).reshape(-1, 2)
    code = np.full(len(seen.cluster), -1, np.int32)
    for name, value in actor.items():
        code[own[int(name.removeprefix("of"))]] = value
    found = Apart(own[pairs[:, 0]].astype(np.int32), own[pairs[:, 1]].astype(np.int32))
    return wallets.wallets(seen, given_links, found, code)


def test_links_join_clusters_under_the_earliest() -> None:
    """A wallet goes by its earliest member; who is in no link is a wallet of his own."""
    seen = sizes(2, 1, 3, 1)
    found = joined(seen, [Link(2, 1, 0, 995), Link(1, 0, 0, 995)])
    assert found.wallet.tolist() == [0, 0, 0, 0, 0, 0, 6]
    assert found.outcome.tolist() == [wallets.ACCEPTED] * 2
    assert wallets.wallet_rows(found).to_pylist() == [{"cluster": n, "wallet": 0} for n in (0, 2, 3)]


def test_the_most_probable_link_goes_first() -> None:
    """Of two links of which one must fail, the likelier holds, whichever stands first."""
    for told in ([Link(0, 1, 0, 991), Link(1, 2, 0, 999)], [Link(1, 2, 0, 999), Link(0, 1, 0, 991)]):
        found = joined(sizes(1, 1, 1), told, of0=1, of2=2)
        outcome = dict(zip([one.per_mille for one in told], found.outcome.tolist(), strict=True))
        assert outcome == {999: wallets.ACCEPTED, 991: wallets.ACTORS}


def test_two_actors_are_not_joined() -> None:
    """Not even through somebody between them; one actor's own clusters are."""
    path = [Link(0, 1, 0, 999), Link(1, 2, 0, 995)]
    assert joined(sizes(1, 1, 1), path, of0=7, of2=8).outcome.tolist() == [wallets.ACCEPTED, wallets.ACTORS]
    assert joined(sizes(1, 1, 1), path, of0=7, of2=7).outcome.tolist() == [wallets.ACCEPTED] * 2


def test_what_must_not_be_linked_is_not() -> None:
    """A pair that a transaction shows to be two parties stays two, also through others, whichever list is longer."""
    path = [Link(0, 1, 0, 999), Link(2, 3, 0, 998), Link(1, 2, 0, 995)]
    expected = [wallets.ACCEPTED, wallets.ACCEPTED, wallets.APART]
    assert joined(sizes(*[1] * 6), path, [(0, 3)]).outcome.tolist() == expected
    assert joined(sizes(*[1] * 6), path, [(0, 3), (0, 4), (1, 5)]).outcome.tolist() == expected
    assert joined(sizes(*[1] * 6), path, [(0, 4), (4, 5)]).outcome.tolist() == [wallets.ACCEPTED] * 3


def test_two_large_clusters_need_three_transactions() -> None:
    """One wrong link must not make a giant; three transactions may, three outputs of one may not."""
    size = wallets.LARGE
    three = [Link(0, 1, place, 999) for place in range(3)]
    assert joined(sizes(size, size), three[:2]).outcome.tolist() == [wallets.SIZE] * 2
    assert joined(sizes(size, size), [three[0]] * 3).outcome.tolist() == [wallets.SIZE] * 3
    assert sorted(joined(sizes(size, size), three).outcome.tolist()) == [
        wallets.ACCEPTED, wallets.REDUNDANT, wallets.REDUNDANT,
    ]  # fmt: skip
    assert joined(sizes(size, size - 1), three[:1]).outcome.tolist() == [wallets.ACCEPTED]


def busy(looks: Sequence[tuple[str, Look]], several: Sequence[int] = ()) -> tuple[View, dict[str, int]]:
    """Wallets of one address that make a transaction each time they are named."""
    history = History()
    for name, look in looks:
        history.tx([history.mint(name, 9_000)], Out(f"to {len(history.ins)}", 1_000), look=look)
    blocked = np.zeros(len(history.names), np.bool_)
    seen = view(history.graph(), history.clusters(several), history.flags(several), blocked)
    return seen, {name: history.number(name) for name, _ in looks}


def test_programs_that_differ_are_not_joined() -> None:
    """Three transactions each that always look alike, and not like the other's: another program, another wallet."""
    both = Links(
        np.array([0], np.int32), np.array([1], np.int32), np.array([0]), np.array([CHANGE.id], np.uint8),
        np.array([999], np.int32),
    )  # fmt: skip
    none = Apart(np.zeros(0, np.int32), np.zeros(0, np.int32))
    for times, other, expected in (
        (3, Look(version=1, sequence=0, locktime=1), wallets.FINGERPRINT),
        (2, Look(version=1, sequence=0, locktime=1), wallets.ACCEPTED),
        (3, Look(locktime=1), wallets.ACCEPTED),
        (3, PLAIN, wallets.ACCEPTED),
    ):
        seen, number = busy([("a", PLAIN), ("b", other)] * times)
        link = both._replace(payer=np.array([number["a"]], np.int32), number=np.array([number["b"]], np.int32))
        found = wallets.wallets(seen, link, none, np.full(len(seen.cluster), -1, np.int32))
        assert found.outcome.tolist() == [expected]


def test_profiles_count_own_transactions_by_what_they_look_like() -> None:
    """Nine in ten have to agree for a habit; transactions of several parties do not count."""
    seen, number = busy([("a", PLAIN)] * 9 + [("a", OTHER)])
    counts = profiles.profiles(seen, np.array([number["a"]], np.int32))[0]
    version = profiles.AXES.index("version")
    assert counts[version, :3].tolist() == [0, 1, 9]
    assert profiles.usual(counts[version]) == 2
    assert profiles.usual(np.array([2, 9, 0], np.int32)) == -1
    assert profiles.usual(np.array([0, 2, 0], np.int32)) == -1
    assert profiles.agreement(counts, counts) == 5 + 5 + 3 + 3 + 4
    seen, number = busy([("a", PLAIN)] * 3, [1, 3, 5])
    assert profiles.profiles(seen, np.array([number["a"]], np.int32)).sum() == 0


def test_change_links_and_keeps_apart() -> None:
    """What votes decide links the payer and the change; payments are kept apart from the payer, also of own change."""
    history = History()
    coin = history.tx([], Out("a", 10**8), Out("b", 10**8))
    voted = history.tx([(coin, 0)], Out("shop", 10**7, ScriptType.P2PKH), Out("back", UNEVEN))
    history.tx([(coin, 1)], Out("baker", 500, ScriptType.P2PKH), Out("b", 800))
    graph, cluster = history.graph(), history.clusters()
    changes = decide.changes(graph, cluster, history.flags(), np.zeros(len(cluster), np.bool_))
    told = links.links_of(graph, changes)
    assert [history.names[n] for n in (*told.payer, *told.number)] == ["a", "back"]
    assert (told.place.tolist(), told.rule.tolist()) == ([voted], [CHANGE.id])
    apart = links.apart_of(graph, cluster, changes)
    pairs = [{history.names[a], history.names[b]} for a, b in zip(*apart, strict=True)]
    assert pairs == [{"a", "shop"}, {"b", "baker"}]
    seen = view(graph, cluster, history.flags(), np.zeros(len(cluster), np.bool_))
    found = wallets.wallets(seen, links.joined([told, told]), apart, np.full(len(cluster), -1, np.int32))
    assert found.outcome.tolist() == [wallets.ACCEPTED, wallets.REDUNDANT]
    (edge,) = wallets.edge_rows(seen, told, found).to_pylist()
    a, back = history.number("a"), history.number("back")
    expected = {"cluster": back, "parent": a, "number": back, "payer": a, "rule": CHANGE.id}
    assert edge == expected | {"tx_id": voted << 20, "confidence": told.per_mille[0] // 10}


def test_nothing_is_joined_where_nothing_is_linked() -> None:
    """Without a link every cluster is its own wallet, and there is nothing to write."""
    seen = sizes(1, 2)
    found = joined(seen, [])
    assert found.wallet.tolist() == [0, 1, 1]
    assert wallets.wallet_rows(found).num_rows == wallets.edge_rows(seen, _NO_LINKS, found).num_rows == 0
    assert wallets.refusal_rows(seen, _NO_LINKS, found).num_rows == 0


_NO_LINKS = Links(
    np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.int32)
)
CLUSTERS = 7
told_links = st.lists(
    st.tuples(
        st.integers(0, CLUSTERS - 1), st.integers(0, CLUSTERS - 1), st.integers(0, 4), st.sampled_from([990, 995, 999])
    ).filter(lambda row: row[0] != row[1]),
    max_size=12,
    unique=True,
)
told_apart = st.sets(st.frozensets(st.integers(0, CLUSTERS - 1), min_size=2, max_size=2), max_size=4)
told_actors = st.lists(st.sampled_from([-1, -1, 3, 4]), min_size=CLUSTERS, max_size=CLUSTERS)


@given(rows=told_links, apart=told_apart, actors=told_actors, turn=st.randoms(use_true_random=False))
def test_wallets_agree_with_a_slow_twin(
    rows: list[tuple[int, int, int, int]], apart: set[frozenset[int]], actors: list[int], turn: Random
) -> None:
    """Every link is accepted, redundant or refused, whatever order they come in; what is accepted is a forest."""
    seen = sizes(2, 1, 1000, 1, 1200, 3, 999)
    told = [Link(*row) for row in rows]
    pairs = [(min(pair), max(pair)) for pair in apart]
    of = {f"of{n}": actor for n, actor in enumerate(actors)}
    found = joined(seen, told, pairs, **of)
    size = dict(enumerate(np.unique(seen.cluster, return_counts=True)[1].tolist()))
    expected = join(told, Told(size, dict(enumerate(actors)), apart))
    assert found.outcome.tolist() == expected
    shuffled = list(told)
    turn.shuffle(shuffled)
    assert joined(seen, shuffled, pairs, **of).wallet.tolist() == found.wallet.tolist()
    own = np.unique(seen.cluster)
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(own.tolist())
    accepted = [one for one, outcome in zip(told, expected, strict=True) if outcome == wallets.ACCEPTED]
    graph.add_edges_from((int(own[one.a]), int(own[one.b])) for one in accepted)
    parts = {frozenset(part) for part in nx.connected_components(graph)}
    assert {frozenset(own[found.wallet[own] == one].tolist()) for one in found.wallet[own]} == parts
    assert len(accepted) == len(own) - len(parts)
    assert not any(len({int(found.wallet[own[n]]) for n in pair}) == 1 for pair in apart)
