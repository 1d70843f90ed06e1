"""Exposure of wallets in whole lakes: direct and indirect, by party, unknown said; flows to the satoshi."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heuristics import lookup
from heuristics.attribution.conclusions import attributions
from heuristics.clusters.evidence import cluster_of
from heuristics.exposure import flows, vectors
from heuristics.exposure.coins import coins_of
from heuristics.exposure.exposures import Exposure, of_wallet, overlaps, ownership
from heuristics.exposure.pairs import mul_div
from store.reader import Cursor, Listing
from tests.lakes import SPACING, TIME, Claims, In, Out, World, indexed, named, pay

LISTED = {"list_id": "ofac_sdn", "listed_from": date(2020, 9, 13), "category": "sanctioned_entity"}


def exposure(cur: Cursor, name: str) -> list[tuple[Any, ...]]:
    """Direction, kind, category, entity, value of each exposure of a named address's wallet."""
    return [(e.direction, e.kind, e.category, e.entity_id, e.value) for e in wallet_of(cur, name)]


def wallet_of(cur: Cursor, name: str) -> list[Exposure]:
    """Exposure of a named address's wallet."""
    found = lookup.address(cur, named(name).id)
    assert found is not None
    return of_wallet(cur, found.number)


def test_received_and_sent_by_party(tmp_path: Path) -> None:
    """What a wallet got and gave, per entity; behind whom nobody knows the trail goes on; change is no dealing."""
    world = World()
    service, other = world.mint(pay("service", 100)), world.mint(pay("other", 60))
    got = world.spend([service], pay("me", 90))
    more = world.spend([other], pay("me", 60))
    world.spend([got, more], pay("service", 100), pay("me2", 0), pay("me", 40))
    claims = Claims()
    claims.entity("kraken", "exchange", ["US"])
    claims.tag("service", "kraken", confidence=80)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        assert exposure(cur, "me") == [
            ("received", "direct", "exchange", "kraken", 90),
            ("received", "indirect", "mined", None, 60),
            ("sent", "direct", "exchange", "kraken", 100),
        ]
        first, behind, _ = wallet_of(cur, "me")
    assert (first.share, first.n_tx, first.confidence) == (Decimal("0.6"), 1, 80)
    assert (first.name, first.jurisdictions) == ("Kraken", ("US",))
    assert (behind.share, behind.min_hops, behind.mean_hops) == (Decimal("0.4"), 2, Decimal(2))
    assert first.first_time == first.last_time == TIME + 2 * SPACING


def test_mined_coins_are_said(tmp_path: Path) -> None:
    """A coinbase is nobody's payment."""
    world = World()
    world.mint(pay("miner", 50), Out(None, 0))
    with indexed(world, tmp_path) as reader:
        assert exposure(reader.cursor(), "miner") == [("received", "direct", "mined", None, 50)]


def test_unresolved_origin_is_said(tmp_path: Path) -> None:
    """Inputs whose origin lies before the history count for what they must be worth."""
    past, world = World(count=500), World(first_height=5)
    past.mint(pay("before", 100))
    known = world.mint(pay("known", 40))
    world.spend([In(known), In(past.blocks[0][0], resolved=False)], pay("x", 130))
    with indexed(world, tmp_path) as reader:
        assert exposure(reader.cursor(), "x") == [
            ("received", "indirect", "mined", None, 40),
            ("received", "direct", "unresolved", None, 90),
        ]


def test_unresolved_spends_are_found_in_the_lake(tmp_path: Path) -> None:
    """What the source could not resolve, but the lake holds, counts as if it had been resolved."""
    worlds = []
    for resolved in (True, False):
        world = World()
        coins = world.mint(pay("a", 100), pay("b", 50))
        world.spend([In(coins, 0, resolved=resolved), In(coins, 1, resolved=resolved)], pay("x", 140))
        with indexed(world, tmp_path / str(resolved)) as reader:
            cur = reader.cursor()
            tables = ("address", "cluster", "cluster_edge", "flow", "address_tx")
            arrays = {name: array.tolist() for name, array in cur.arrays["coins"].items()}
            worlds.append(([cur.rows(f"FROM {table} ORDER BY ALL") for table in tables], arrays, wallet_of(cur, "x")))
    assert worlds[0] == worlds[1]


def test_after_designation(tmp_path: Path) -> None:
    """Dealings before a listing are shown but not held against anyone; within it they are."""
    assert not overlaps(Listing("l", None, date(2020, 1, 10), None), 0, _at(2020, 1, 9))
    assert overlaps(Listing("l", None, date(2020, 1, 10), None), 0, _at(2020, 1, 10))
    assert not overlaps(Listing("l", None, date(2020, 1, 10), date(2020, 2, 1)), _at(2020, 2, 1), _at(2020, 3, 1))
    world, claims = World(), Claims()
    world.spend([world.mint(pay("bad", 100))], pay("me", 90))
    claims.entity("bad", "sanctioned_entity", ["RU"])
    claims.tag("bad", "bad", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        (found,) = wallet_of(reader.cursor(), "me")
        assert found.after_designation
        assert found.listing == Listing("ofac_sdn", "bad", date(2020, 9, 13), None)


def _at(year: int, month: int, day: int) -> int:
    return (date(year, month, day) - date(1970, 1, 1)).days * 86400


def test_ownership_is_the_whole(tmp_path: Path) -> None:
    """A listed wallet's funds are all its own: share 1, both ways."""
    world, claims = World(), Claims()
    world.spend([world.mint(pay("bad", 100))], pay("x", 90))
    claims.tag("bad", "bad", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur, bad = reader.cursor(), named("bad").id
        facts = lookup.address(cur, bad)
        assert facts is not None
        found = ownership(cur.known, bad, facts, attributions(cur, cluster_of(cur, bad), bad))
        assert [(e.direction, e.kind, e.value, e.share) for e in found] == [
            ("received", "ownership", 100, Decimal(1)),
            ("sent", "ownership", 100, Decimal(1)),
        ]
        assert ownership(cur.known, bad, facts, []) == []


def test_counterparties_come_in_pages(tmp_path: Path) -> None:
    """Largest first, no row twice, none missing; pseudo counterparties have no address."""
    world = World()
    coin = world.mint(pay("me", 1000))
    world.spend([coin], *(pay(f"to{i}", 10 * (i // 2 + 1)) for i in range(9)))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        me = cluster_of(cur, named("me").id)
        whole = flows.counterparties(cur, me, 100)
        pages, after = [], None
        while page := flows.counterparties(cur, me, 4, after):
            pages += page
            after = page[-1].position
        assert pages == whole
        assert len(whole) == 10
        assert (whole[0].category, whole[0].party) == ("mined", None)
        assert whole[1].party is not None


def test_busy_clusters_answer_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that were stored for busy wallets give the same answer as adding up when asked."""
    world, claims = World(), Claims()
    for i in range(6):
        coin = world.mint(pay("me", 100), pay(f"p{i}", 50))
        world.spend([In(coin, 0)], pay(f"to{i}", 60), pay("me", 30))
        world.spend([In(coin, 1)], pay("me", 45))
    for i in range(6):
        until = date(2021, 1, 1) if i % 2 else None
        claims.tag(f"to{i}", "bad" if i < 4 else None, **LISTED | {"listed_to": until, "confidence": 50 + i})
        claims.tag(f"p{i}", "kraken", category="exchange")
    answers = []
    for busy in (1000, 0):
        monkeypatch.setattr(vectors, "BUSY", busy)
        with indexed(world, tmp_path / str(busy), claims) as reader:
            cur = reader.cursor()
            assert (len(coins_of(cur).busy) > 0) == (busy == 0)
            answers.append([wallet_of(cur, name) for name in ("me", "to1", "p1")])
    assert answers[0] == answers[1]
    assert len(answers[0][0]) > 2


def _slow_flows(world: World, clusters: dict[int, int]) -> dict[tuple[int, int], int]:
    """Value from cluster to cluster, charged by exact shares, with plain integers and dictionaries."""
    total: dict[tuple[int, int], int] = defaultdict(int)
    for block in world.blocks:
        for tx in block:
            payers: dict[int, int] = defaultdict(int)
            paid: dict[int, int] = defaultdict(int)
            for i in tx.ins:
                spent = i.tx.outs[i.vout]
                assert spent.to is not None
                payers[clusters[spent.to.id]] += spent.value
            for out in tx.outs:
                assert out.to is not None
                paid[clusters[out.to.id]] += out.value
            whole = sum(payers.values())
            for target, value in sorted(paid.items()):
                upto, spent_so_far = 0, 0
                for source, part in sorted(payers.items()) or [(-1, 1)]:
                    spent_so_far += part
                    share = value * spent_so_far // whole - upto if tx.ins else value
                    upto += share
                    if source != target and share:
                        total[source, target] += share
    return dict(total)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 30), min_size=1, max_size=3),
            st.lists(st.tuples(st.integers(0, 6), st.integers(1, 2**51)), min_size=1, max_size=3),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_flows_agree_with_a_slow_ledger(
    tmp_path_factory: pytest.TempPathFactory,
    shape: list[tuple[list[int], list[tuple[int, int]], bool]],
) -> None:
    """Flows are exact to the satoshi, for one payer and for several, and the same seen from both sides."""
    world = World()
    coins = [In(world.mint(pay(f"n{i}", 10**15 + i))) for i in range(4)]
    for picks, outs, offered in shape:
        some = [coins.pop(k) for k in sorted({pick % len(coins) for pick in picks}, reverse=True)]
        ins = [In(coin.tx, coin.vout, sighash=64 if offered else 2) for coin in some]
        tx = world.spend(ins, *(pay(f"n{to}", value) for to, value in outs))
        coins += [In(tx, vout) for vout in range(len(outs))]
    with indexed(world, tmp_path_factory.mktemp("lake")) as reader:
        cur = reader.cursor()
        multi = cur.rows("SELECT tx_id FROM coinjoin WHERE confidence >= 60")
        clusters = dict(cur.rows("SELECT address_id, coalesce(cluster, number) FROM address"))
        found = {(a, b): v for a, b, v in cur.rows("SELECT counterparty, cluster, value FROM flow WHERE direction = 0")}
        sent = {(a, b): v for a, b, v in cur.rows("SELECT cluster, counterparty, value FROM flow WHERE direction = 1")}
    assert multi == []
    assert found == _slow_flows(world, clusters)
    assert sent == {pair: value for pair, value in found.items() if pair[0] >= 0}


@given(st.integers(0, 2**61), st.integers(0, 2**61), st.integers(1, 2**62 - 1))
def test_mul_div_is_exact(a: int, b: int, c: int) -> None:
    """128-bit multiply and divide agrees with Python's integers."""
    if a * b // c < 2**62:
        assert mul_div(a, b, c) == a * b // c


def test_values_stay_exact_beyond_64_bits(tmp_path: Path) -> None:
    """All coins there are, split between payers, lose no satoshi."""
    world = World()
    everything = 21 * 10**14
    a, b = world.mint(pay("a", everything // 3)), world.mint(pay("b", everything - everything // 3))
    world.spend([In(a, sighash=64), In(b)], pay("x", everything - 1))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        received = [e.value for e in wallet_of(cur, "x") if e.direction == "received"]
        assert received == [everything - 1]
        stored = cur.rows("SELECT value FROM flow WHERE counterparty >= 0 AND direction = 0")
        assert sum(value for (value,) in stored) == everything - 1


def _alike(tmp_path: Path, world: World, claims: Claims, monkeypatch: pytest.MonkeyPatch) -> list[Exposure]:
    """Exposure of `me`, which must be the same whether added up when asked or when the index was built."""
    answers = []
    for busy in (1000, 0):
        monkeypatch.setattr(vectors, "BUSY", busy)
        with indexed(world, tmp_path / str(busy), claims) as reader:
            answers.append(wallet_of(reader.cursor(), "me"))
    assert answers[0] == answers[1]
    return answers[0]


def test_what_nobody_claims_has_its_own_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First and last of what nobody claims are of those dealings, not of all."""
    world, claims = World(), Claims()
    coins = [world.mint(pay(name, 10)) for name in ("k", "x", "k")]
    for coin in coins:
        world.spend([coin], pay("me", 10))
    claims.tag("k", "kraken")
    found = {e.category: e for e in _alike(tmp_path, world, claims, monkeypatch)}
    assert (found["exchange"].first_tx_id >> 20, found["exchange"].last_tx_id >> 20) == (3, 5)
    assert (found["mined"].first_tx_id >> 20, found["mined"].last_tx_id >> 20) == (4, 4)
    assert sum(e.share for e in found.values()) <= 1


INTERVALS = {
    "paid while one address was listed, shown is the other's listing": (
        {"one": [(date(2019, 1, 1), date(2021, 1, 1))], "two": [(date(2022, 1, 1), None)]},
        True,
    ),
    "listed, removed, and listed again: the first time counts": (
        {"one": [(date(2019, 1, 1), date(2021, 1, 1)), (date(2022, 1, 1), None)]},
        True,
    ),
    "the other's listing says nothing of this one": (
        {"one": [(date(2022, 1, 1), None)], "three": [(date(2019, 1, 1), None)]},
        False,
    ),
    "ended before": ({"one": [(date(2019, 1, 1), date(2020, 9, 13))]}, False),
    "not yet begun": ({"one": [(date(2030, 1, 1), None)]}, False),
}


@pytest.mark.parametrize(("intervals", "expected"), INTERVALS.values(), ids=INTERVALS)
def test_dealings_are_held_against_the_listing_they_fell_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    intervals: dict[str, list[tuple[date, date | None]]],
    expected: bool,
) -> None:
    """A party's addresses are listed at different times: each payment counts by the listing of whom it paid."""
    world, claims = World(), Claims()
    for name in ("one", "two"):
        world.spend([world.mint(pay("me", 10))], pay(name, 9))
    world.mint(pay("three", 1))
    claims.entity("bad", "sanctioned_entity")
    for name, dates in intervals.items():
        for since, until in dates:
            claims.tag(name, "bad", **LISTED | {"listed_from": since, "listed_to": until})
    sent = [e for e in _alike(tmp_path, world, claims, monkeypatch) if e.entity_id == "bad"]
    assert {e.kind for e in sent} == {"direct"}
    assert any(e.after_designation for e in sent) == expected


def test_own_dealings_within_an_earlier_listing_are_said(tmp_path: Path) -> None:
    """A wallet that was listed twice owned its funds as a listed party during the first time too."""
    world, claims = World(), Claims()
    world.mint(pay("me", 10))
    claims.tag("me", "bad", **LISTED | {"listed_from": date(2019, 1, 1), "listed_to": date(2021, 1, 1)})
    claims.tag("me", "bad", **LISTED | {"listed_from": date(2030, 1, 1)})
    with indexed(world, tmp_path, claims) as reader:
        cur, me = reader.cursor(), named("me").id
        facts = lookup.address(cur, me)
        assert facts is not None
        (owned,) = ownership(cur.known, me, facts, attributions(cur, cluster_of(cur, me), me))
    assert owned.listing is not None
    assert owned.listing.listed_to is None
    assert owned.after_designation
