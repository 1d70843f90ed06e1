"""The exposure folder: both passes as stored, in whatever parts; touches, listings, prices; labels before exposure."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heuristics.clusters.evidence import cluster_of
from heuristics.exposure import vectors
from heuristics.exposure.codes import N_CATEGORIES, Conclusions, Source, categories_of, ends_and_categories, from_table
from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.passes.parts import CUT, HELD, MINED, Shares
from heuristics.generation import build
from store.arrays import Arrays, save
from store.index import Index
from store.lake import Lake
from store.reader import Listing
from tests.histories import OWNERS, history, part
from tests.histories import vectors as as_dictionaries
from tests.lakes import Claims, In, World, named, pay
from tests.naive_provenance import In as PlainIn
from tests.naive_provenance import Out as PlainOut
from tests.naive_provenance import Tx as PlainTx
from tests.naive_provenance import Vector, destinations, provenance, trimmer
from tests.test_index_kills import busy_world, claims

DAY = 86_400
FIRST = N_CATEGORIES
POOL = 4
SOURCES = [
    *ends_and_categories(),
    Source("a", "exchange", None, 90),
    Source("b", "mixer", Listing("l", "b", date(2020, 1, 3), date(2020, 1, 5)), 90),
    Source("c", "sanctioned_entity", Listing("l", "c", None, None), 90),
    Source("pool", "mining_pool", None, 80),
    Source("pool", "mined", None, 80),
]
START = (date(2020, 1, 1) - date(1970, 1, 1)).days * DAY
CODES: Mapping[int | None, int] = {0: FIRST, 1: FIRST + 1, 2: FIRST + 2, 3: FIRST + 3}


def quiet(*_: object) -> None:
    """Tell nobody."""


def ground(folder: Path, txs: list[PlainTx], times: list[int] | None = None, **more: Any) -> vectors.Ground:
    """A coin graph on disk, of one transaction a block, with what is concluded of it."""
    whole = part(txs)
    numbers = {"spend_number": whole.spend_owner, "out_number": whole.out_owner}
    later = {"first", "born", "spend_owner", "out_owner"}
    columns = {name: column for name, column in whole._asdict().items() if name not in later}
    folder.mkdir()
    save(
        folder, **columns, **numbers, block_start=np.arange(len(txs) + 1), cluster=np.arange(OWNERS, dtype=np.int32),
        pooled=np.array([2 * tx.coinjoin for tx in txs], np.uint8), first_height=np.array([0]),
    )  # fmt: skip
    codes = np.array([CODES.get(owner, -1) for owner in range(OWNERS)], np.int32)
    # Owner 5 is known, but trails go on; 6 and 7 are one wallet.
    seen, own = codes.copy(), np.arange(OWNERS, dtype=np.int32)
    seen[5], own[7] = FIRST, 6
    listed = [(code, one.listing.listed_from, one.listing.listed_to) for code, one in enumerate(SOURCES) if one.listing]
    owner = np.arange(OWNERS, dtype=np.int32)
    found = Conclusions(owner, seen, codes, own, SOURCES, [*listed, *more.get("listed", ())])
    block_times = np.array(times or [START + DAY * t for t in range(len(txs))], np.int64)
    return vectors.Ground(Arrays(folder), found, block_times, more.get("prices", vectors.NO_PRICES))


def written(place: Path, txs: list[PlainTx], times: list[int] | None = None, **more: Any) -> Arrays:
    """The exposure folder of a plain history."""
    base = ground(place / "coins", txs, times, **more)
    (place / "exposure").mkdir()
    vectors.write(base, place / "exposure", {"labels": "1"}, quiet)
    return Arrays(place / "exposure")


def assert_near(told: Shares, twin: list[Vector]) -> None:
    """Shares agree to what four bytes hold, hops as they are stored; what lies at the limit may be cut or not."""
    for t, (mine, true) in enumerate(zip(as_dictionaries(told), twin, strict=True)):
        for code in mine.keys() | true.keys():
            share, least, mean = mine.get(code, (0.0, None, 0))
            expected = float(true[code][0]) if code in true else 0.0
            assert share == pytest.approx(expected, abs=2e-6), (t, code)
            if code in mine and code in true and code != CUT:
                assert least == true[code][1]
                assert abs(mean / 64 - float(true[code][2])) <= (len(twin) + 1) / 128
        assert sum(share for share, _, _ in mine.values()) == pytest.approx(1, abs=1e-6) or not mine


HISTORIES = st.builds(history, st.integers(0, 2**32), st.integers(1, 40))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(HISTORIES)
def test_what_is_stored_is_what_the_passes_mean(tmp_path_factory: pytest.TempPathFactory, txs: list[PlainTx]) -> None:
    """Owners, sources and destinations are those of the definition, cut as stored."""
    found = written(tmp_path_factory.mktemp("x"), txs)
    pools = {t for t, tx in enumerate(txs) if not tx.ins and tx.outs[0].owner == 3}
    mined = [FIRST + 4 if t in pools else -1 if tx.born is None else tx.born for t, tx in enumerate(txs)]
    assert found["born"].tolist() == mined
    if pools:
        return
    trim = trimmer(categories_of(SOURCES).tolist(), N_CATEGORIES, Fraction(1, 10_000), 8)
    assert_near(Shares(found["source_start"], found["source_rows"]), provenance(txs, CODES, trim))
    assert_near(Shares(found["destination_start"], found["destination_rows"]), destinations(txs, CODES, trim))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(HISTORIES)
def test_touches_are_a_wallets_transactions(tmp_path_factory: pytest.TempPathFactory, txs: list[PlainTx]) -> None:
    """Every wallet has the places of the transactions that pay it or that it pays, ascending, each once."""
    base = ground(tmp_path_factory.mktemp("x") / "coins", txs)
    whole = part(txs)
    save(base.coins.folder, own=base.found.own, spend_owner=whole.spend_owner, out_owner=whole.out_owner)
    start, places = vectors.touches(base.coins, Arrays(base.coins.folder))
    for wallet in range(OWNERS):
        owners = {owner for owner in range(OWNERS) if base.found.own[owner] == wallet}
        slow = [t for t, tx in enumerate(txs) if owners & ({i.owner for i in tx.ins} | {o.owner for o in tx.outs})]
        assert places[start[wallet] : start[wallet + 1]].tolist() == slow


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 50), st.sampled_from((1, 2, 3, 7, 49)))
def test_parts_make_no_difference(tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, at_once: int) -> None:
    """Written in parts of whatever size, the folder is the same, byte by byte."""
    folders = []
    for size in (at_once, 1000):
        place = tmp_path_factory.mktemp("x")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vectors, "_AT_ONCE", size)
            written(place, history(seed, n))
        folders.append(contents(place / "exposure"))
    assert folders[0] == folders[1]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    """A lake of a thousand transactions."""
    place = tmp_path_factory.mktemp("busy")
    return busy_world(60).write(place, per_segment=20), place


def test_parts_of_a_lake_make_no_difference(
    busy: tuple[Lake, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole index is the same in parts as at once."""
    folders = []
    for size in (97, 500_000):
        monkeypatch.setattr(vectors, "_AT_ONCE", size)
        index = Index(tmp_path / str(size))
        files = build(busy[0], claims(), index).files
        folders.append([contents(index.dir / entry.name) for entry in (files[1], files[3])])
    assert folders[0] == folders[1]


def test_busy_wallets_say_the_same(busy: tuple[Lake, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that were stored are those that would be added up, bit for bit; only busy wallets have them."""
    told: list[list[bytes]] = []
    for most in (0, 30, 10_000):
        monkeypatch.setattr(vectors, "BUSY", most)
        index = Index(tmp_path / str(most))
        build(busy[0], claims(), index)
        with index.open() as reader:
            coins = coins_of(reader.cursor())
            wallets = sorted(set(coins.around.own.tolist()))
            assert coins.busy.tolist() == [w for w in wallets if len(coins.touched(w)) > most]
            assert len(coins.busy_start) == len(coins.busy) + 1
            told.append([coins.lines(wallet).tobytes() for wallet in wallets])
    assert told[0] == told[1] == told[2]
    assert any(told[0])


def test_places_and_ids_are_the_same_thing(busy: tuple[Lake, Path], tmp_path: Path) -> None:
    """A transaction's place follows from its id and the other way round."""
    index = Index(tmp_path)
    build(busy[0], claims(), index)
    with index.open() as reader:
        cur = reader.cursor()
        coins = coins_of(cur)
        assert coins is coins_of(reader.cursor())
        ids = [row[0] for row in cur.rows("SELECT tx_id FROM tx ORDER BY tx_id")]
        assert [coins.tx_id_of(place) for place in range(len(ids))] == ids
        assert [coins.place_of(tx) for tx in ids] == list(range(len(ids)))


def test_coinbases_are_the_pools_that_they_pay_first(tmp_path: Path) -> None:
    """Mined by the pool where its first output is the pool's, by whoever otherwise; without outputs by nobody."""
    txs = [PlainTx([], [PlainOut(5, 3), PlainOut(5, 9)]), PlainTx([], [PlainOut(5, 9), PlainOut(5, 3)]),
           PlainTx([], [PlainOut(0, None), PlainOut(5, 3)]), PlainTx([], [])]  # fmt: skip
    assert written(tmp_path, txs)["born"].tolist() == [FIRST + 4, MINED, MINED, MINED]


def test_a_listing_counts_by_the_latest_day_so_far(tmp_path: Path) -> None:
    """From the first block of its first day, though later headers say earlier; up to the day of removal, not of it."""
    days = [1, 2, 3, 2, 4, 3, 5, 4, 6]
    txs = [PlainTx([], [PlainOut(5, 9)]) for _ in days]
    found = written(tmp_path, txs, [START + DAY * (day - 1) + 500 for day in days])
    assert listings(found) == {FIRST + 1: [(2, 6)], FIRST + 2: [(0, 9)]}


def listings(found: Arrays) -> dict[int, list[tuple[int, int]]]:
    """Places within the listings of each code that has any, the last ones not."""
    start, dates = (
        found["listed_start"].tolist(),
        list(zip(found["since"].tolist(), found["until"].tolist(), strict=True)),
    )
    assert start[0] == 0
    assert start[-1] == len(dates)
    assert len(start) == len(SOURCES) + 1
    return {code: dates[a:b] for code, (a, b) in enumerate(pairwise(start)) if a < b}


def test_every_listing_of_a_party_counts(tmp_path: Path) -> None:
    """Who was listed, removed and listed again has several stretches, open ones included."""
    txs = [PlainTx([], [PlainOut(5, 9)]) for _ in range(8)]
    again = [(FIRST, None, date(2020, 1, 2)), (FIRST + 1, date(2020, 1, 7), None), (FIRST, date(2020, 1, 4), None)]
    assert listings(written(tmp_path, txs, listed=again)) == {
        FIRST: [(0, 1), (3, 8)], FIRST + 1: [(2, 4), (6, 8)], FIRST + 2: [(0, 8)],
    }  # fmt: skip


@pytest.mark.parametrize(("days", "expected"), [([1, 2], (2, 2)), ([7, 8], (0, 0)), ([3, 4], (0, 2))])
def test_listings_outside_the_history(tmp_path: Path, days: list[int], expected: tuple[int, int]) -> None:
    """A listing after or before all blocks covers none, one that spans them all of them."""
    txs = [PlainTx([], [PlainOut(5, 9)]) for _ in days]
    found = written(tmp_path, txs, [START + DAY * (day - 1) for day in days])
    assert listings(found)[FIRST + 1] == [expected]


def test_prices_are_of_the_blocks_day(tmp_path: Path) -> None:
    """Money for one satoshi, by the header's own day; not a number where it has no price."""
    first = START // DAY
    prices = vectors.Prices("v", "EUR", np.array([first, first + 2]), np.array([1e8, 3e8]))
    days = [-1, 0, 1, 2, 0, 3]
    txs = [PlainTx([], [PlainOut(5, 9)]) for _ in days]
    found = written(tmp_path, txs, [START + DAY * day + 86_399 for day in days], prices=prices)
    np.testing.assert_array_equal(found["price"], [np.nan, 1.0, np.nan, 3.0, 1.0, np.nan])
    assert found.facts["currency"] == "EUR"


def test_facts_say_what_it_is_as_of(tmp_path: Path) -> None:
    """Labels, prices, base, cut: enough to say what an answer was computed from."""
    world = World()
    world.spend([world.mint(pay("a", 100))], pay("b", 90))
    index = Index(tmp_path)
    made = build(world.write(tmp_path), Claims("7"), index)
    with index.open() as reader:
        coins = coins_of(reader.cursor())
    assert coins.facts == {
        "labels": "7", "prices": "none", "base": made.files[0].name, "currency": "", "drop": 1e-4, "top": 8,
        "version": vectors.VERSION,
    }  # fmt: skip
    assert coins.currency is None
    assert (made.label_version, made.exposure_labels, made.prices) == ("7", "7", "none")


def test_what_was_cut_stays_in_the_sum(tmp_path: Path) -> None:
    """Sources below the limit are told as what was cut off."""
    n = 20_000
    txs = [
        PlainTx([], [PlainOut(n - 1, 8, 2)]),
        PlainTx([], [PlainOut(1, 0, 2)]),
        PlainTx([PlainIn(0, 0, n - 1, 8), PlainIn(1, 0, 1, 0)], [PlainOut(n, 9)]),
    ]
    found = written(tmp_path, txs)
    last = as_dictionaries(Shares(found["source_start"], found["source_rows"]))[2]
    assert {code: round(share * n) for code, (share, _, _) in last.items()} == {MINED: n - 1, CUT: 1}


def test_one_address_of_a_wallet_is_asked_for(tmp_path: Path) -> None:
    """Given the places of its own transactions, an address has its own lines; between addresses there are none."""
    world = World()
    coin = world.mint(pay("a", 50_000), pay("b", 30_000))
    both = world.spend([In(coin, 0), In(coin, 1)], pay("a", 80_000))
    world.spend([In(both)], pay("x", 80_000))
    index = Index(tmp_path)
    build(world.write(tmp_path), Claims(), index)
    with index.open() as reader:
        cur = reader.cursor()
        coins: Coins = coins_of(cur)
        wallet = coins.wallet_of(cluster_of(cur, named("a").id))
        number = {row[0]: row[1] for row in cur.rows("SELECT address_id, number FROM address")}
        told = {}
        for name in ("a", "b"):
            one = number[named(name).id]
            places = [coins.place_of(tx) for (tx,) in cur.rows(f"SELECT tx_id FROM address_tx WHERE number = {one}")]  # noqa: S608
            rows = coins.lines_of_address(wallet, one, places)
            told[name] = [(int(row["code"]), int(row["flags"]), float(row["value"])) for row in rows]
        every = coins.lines(wallet)
    assert told == {"a": [(MINED, 0, 50_000.0), (HELD, 1, 80_000.0)], "b": [(MINED, 0, 30_000.0)]}
    assert sorted(every["value"].tolist()) == [80_000.0, 80_000.0]


def test_sources_are_by_code(tmp_path: Path) -> None:
    """The table of sources says what every code means that is used."""
    index = Index(tmp_path)
    world, labels = World(), Claims()
    world.spend([world.mint(pay("service", 100))], pay("me", 90))
    labels.tag("service", "kraken", confidence=80)
    build(world.write(tmp_path), labels, index)
    with index.open() as reader:
        exposed = reader.cursor().arrays["exposure"]
        sources = from_table(exposed.table("source"))
        assert len(sources) == len(exposed["listed_start"]) - 1
        assert max(exposed["source_rows"]["code"].max(), exposed["named"].max()) < len(sources)
