"""Two entities in one wallet: which links are cut, which can not be, and what stays on record."""

from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.attribution.conflicts import Links, part, resolve
from heuristics.attribution.ranking import rank
from store.database import ddl


def links(*edges: tuple[int, int, float]) -> Links:
    """Links from plain triples."""
    a, b, p = (np.array(column) for column in zip(*edges, strict=True))
    return Links(a.astype(np.int64), b.astype(np.int64), p.astype(np.float64))


def reached(n: int, edges: list[tuple[int, int, float]], cut: set[int], start: set[int]) -> set[int]:
    """What hangs together with some nodes once links are cut."""
    seen = set(start)
    for _ in range(n):
        for i, (a, b, _) in enumerate(edges):
            if i not in cut and (a in seen) != (b in seen):
                seen |= {a, b}
    return seen


def test_the_weakest_link_between_two_is_cut() -> None:
    """On the only way between two entities the least sure link goes."""
    found = part(4, links((0, 1, 0.99), (1, 2, 0.9), (2, 3, 0.97)), [{0}, {3}])
    assert found.cut == [1]
    assert found.shared == set()


def test_two_weak_ways_weigh_against_one_sure_link() -> None:
    """Log-odds add up: two links of 0.8 together are less than one of 0.99."""
    found = part(4, links((0, 1, 0.8), (0, 2, 0.8), (1, 3, 0.99), (2, 3, 0.99)), [{0}, {3}])
    assert found.cut == [0, 1]


def test_one_cluster_of_two_entities_is_shared_custody() -> None:
    """What T0 holds together is not cut, and no link that leads away from it is blamed."""
    found = part(2, links((0, 1, 0.9)), [{0}, {0, 1}])
    assert (found.cut, found.shared) == ([], {0})


def test_whoever_shares_is_still_parted_from_a_third() -> None:
    """Two share a cluster; the third is cut off from it."""
    found = part(3, links((0, 1, 0.95), (1, 2, 0.9)), [{0}, {0}, {2}])
    assert (found.cut, found.shared) == ([1], {0})


@st.composite
def _wallets(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, float]], list[set[int]]]:
    n = draw(st.integers(3, 6))
    pairs = draw(st.lists(st.sampled_from(list(combinations(range(n), 2))), min_size=2, max_size=8, unique=True))
    sure = st.sampled_from([0.6, 0.8, 0.9, 0.95, 0.99])
    k = draw(st.integers(2, 3))
    return n, [(a, b, draw(sure)) for a, b in pairs], [{i} for i in range(k)]


@given(_wallets())
def test_entities_are_parted_at_little_cost(drawn: tuple[int, list[tuple[int, int, float]], list[set[int]]]) -> None:
    """No two hang together; of two the cut is the least there is, of three at most twice that (by trying all)."""
    n, edges, terminals = drawn
    cut = set(part(n, links(*edges), terminals).cut)

    def parts(these: set[int]) -> bool:
        return all(not reached(n, edges, these, one) & other for one, other in combinations(terminals, 2))

    def cost(these: set[int]) -> float:
        return sum(float(np.log(edges[i][2] / (1 - edges[i][2]))) for i in these)

    assert parts(cut)
    every = (set(some) for size in range(len(edges) + 1) for some in combinations(range(len(edges)), size))
    least = min(cost(some) for some in every if parts(some))
    most = least if len(terminals) == 2 else 2 * least
    assert cost(cut) <= most * 1.001 + 1e-9


@pytest.fixture
def con(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A labels file over a base of ten addresses, each a cluster of its own, seen in the order of their numbers."""
    with duckdb.connect(str(tmp_path / "base.duckdb")) as base:
        base.execute(ddl("base"))
        for number in range(10):
            base.execute(
                "INSERT INTO address VALUES (?, ?, 1, ''::BLOB, NULL, ?, 0, 1, 0, 1, 0)",
                [100 + number, number, 1000 - number],
            )
    con = duckdb.connect()
    con.execute(ddl("labels"))
    con.execute(f"ATTACH '{tmp_path / 'base.duckdb'}' AS base (READ_ONLY)")
    return con


def tagged(con: duckdb.DuckDBPyConnection, number: int, entity: str, confidence: int = 60) -> None:
    """Tag an address."""
    con.execute(
        "INSERT INTO tag VALUES (?, ?, ?, ?, 'x', ?, 'x', 'exchange', ?, TRUE, NULL, NULL, NULL, 'x', '00', NULL, NULL,"
        " NULL, NULL, NULL, TRUE)",
        [100 + number, number, number, 10 + number, entity, confidence],
    )


def linked(con: duckdb.DuckDBPyConnection, wallet: int, *edges: tuple[int, int, int]) -> None:
    """Put clusters into a wallet: cluster, parent, percent."""
    con.execute("INSERT INTO wallet VALUES (?, ?)", [wallet, wallet])
    for cluster, parent, percent in edges:
        con.execute("INSERT INTO wallet VALUES (?, ?)", [cluster, wallet])
        con.execute("INSERT INTO wallet_edge VALUES (?, ?, ?, ?, 1, 5, ?)", [cluster, parent, cluster, parent, percent])


def test_a_wallet_falls_apart_and_both_sides_are_told(con: duckdb.DuckDBPyConnection) -> None:
    """The weakest link goes to `cut`; what is left are two wallets, each rooted at its earliest cluster."""
    linked(con, 9, (8, 9, 99), (7, 8, 91), (6, 7, 98), (5, 7, 97))
    tagged(con, 9, "kraken")
    tagged(con, 6, "binance")
    rank(con)
    assert con.sql("SELECT DISTINCT conflict FROM attribution").fetchall() == [(True,)]
    assert resolve(con) == 1
    rank(con)
    assert con.sql("SELECT wallet, cluster, parent, confidence FROM cut").fetchall() == [(9, 7, 8, 91)]
    assert con.sql("FROM wallet ORDER BY cluster").fetchall() == [(5, 7), (6, 7), (7, 7), (8, 9), (9, 9)]
    assert con.sql("SELECT cluster, parent FROM wallet_edge ORDER BY cluster").fetchall() == [(5, 7), (6, 7), (8, 9)]
    told = con.sql("SELECT cluster, entity_id, conflict FROM attribution ORDER BY cluster").fetchall()
    assert told == [(7, "binance", False), (9, "kraken", False)]
    assert con.sql("SELECT wallet, entity_id, shared FROM conflict ORDER BY ALL").fetchall() == [
        (9, "binance", False),
        (9, "kraken", False),
    ]


def test_a_claim_goes_with_the_member_that_is_in_its_transaction(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Tags name one end of a wallet, a rule the other: they are parted, and the claim stays with its own part."""
    con.execute("DETACH base")
    with duckdb.connect(str(tmp_path / "base.duckdb")) as base:
        base.execute("INSERT INTO address_tx VALUES (4, 77, 0, 5), (2, 77, 5, 0)")
    con.execute(f"ATTACH '{tmp_path / 'base.duckdb'}' AS base (READ_ONLY)")
    linked(con, 9, (8, 9, 91), (4, 8, 98))
    tagged(con, 9, "kraken")
    con.execute("INSERT INTO claim VALUES (9, 'binance', 'exchange', 75, 80, 2, 77, 1, 5)")
    rank(con)
    assert resolve(con) == 1
    rank(con)
    told = con.sql("SELECT cluster, entity_id, number, rule, conflict FROM attribution ORDER BY cluster").fetchall()
    assert told == [(8, "binance", 4, 80, False), (9, "kraken", 9, 0, False)]
    assert con.sql("SELECT cluster, parent FROM cut").fetchall() == [(8, 9)]


def test_the_root_moves_to_the_earliest_of_what_is_left(con: duckdb.DuckDBPyConnection) -> None:
    """Edges turn: the part that lost the root is rooted anew."""
    linked(con, 9, (4, 9, 80), (7, 4, 98))
    tagged(con, 9, "kraken")
    tagged(con, 4, "binance")
    rank(con)
    assert resolve(con) == 1
    assert con.sql("SELECT cluster, parent, number, payer FROM wallet_edge").fetchall() == [(4, 7, 7, 4)]
    assert con.sql("FROM wallet ORDER BY cluster").fetchall() == [(4, 7), (7, 7)]


def test_an_unsure_tag_parts_nobody(con: duckdb.DuckDBPyConnection) -> None:
    """Below 50 percent nothing is frozen or cut."""
    linked(con, 9, (8, 9, 80))
    tagged(con, 9, "kraken")
    tagged(con, 8, "binance", 49)
    rank(con)
    assert resolve(con) == 0
    assert con.sql("SELECT count(*) FROM conflict").fetchall() == [(0,)]
    assert con.sql("SELECT count(*) FROM wallet_edge").fetchall() == [(1,)]


def test_two_tags_of_one_cluster_are_shared_custody(con: duckdb.DuckDBPyConnection) -> None:
    """Both are reported, nothing is cut."""
    linked(con, 9, (8, 9, 80))
    tagged(con, 9, "kraken")
    tagged(con, 9, "binance")
    rank(con)
    assert resolve(con) == 0
    assert con.sql("SELECT entity_id, cluster, shared FROM conflict ORDER BY ALL").fetchall() == [
        ("binance", 9, True),
        ("kraken", 9, True),
    ]
    assert resolve(con) == 0
    assert con.sql("SELECT count(*) FROM conflict").fetchall() == [(2,)]
    rank(con)
    assert con.sql("SELECT DISTINCT conflict FROM attribution").fetchall() == [(True,)]
