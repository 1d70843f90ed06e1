"""What codes mean: kept from one label version to the next, who absorbs, whose clusters are one wallet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.codes import (
    ENDS,
    N_CATEGORIES,
    PASSED_THROUGH,
    Conclusions,
    Source,
    categories_of,
    conclusions,
    ends_and_categories,
    from_table,
    mined_by,
    to_table,
)
from heuristics.exposure.passes.parts import COINJOIN, MINED, check_parties
from store.database import ddl
from store.formats.taxonomy import CATEGORIES
from store.reader import Listing

N = 12
ALONE = np.arange(N, dtype=np.int32)
DATES = st.none() | st.dates(date(2019, 1, 1), date(2022, 1, 1))
ROWS = st.fixed_dictionaries(
    {
        "entity_id": st.none() | st.sampled_from(("e1", "e2", "e3")),
        "category": st.sampled_from(("exchange", "mining_pool", "shell", "person", "coinjoin", "mixer")),
        "confidence": st.sampled_from((20, 49, 50, 100)),
        "listing": st.none() | st.tuples(st.sampled_from(("l1", "l2")), DATES, DATES),
        "conflict": st.booleans(),
    }
)
VERSIONS = st.lists(st.dictionaries(st.integers(0, N - 1), ROWS, max_size=6), min_size=1, max_size=4)
Row = dict[str, object]


@contextmanager
def labelled(rows: dict[int, Row]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A labels file's attribution: the answer per cluster, and a lesser one that says something else."""
    with duckdb.connect() as con:
        con.execute(ddl("labels"))
        for cluster, row in rows.items():
            said = {"confidence": 100, "conflict": False, "entity_id": None, "listing": None} | row
            listing: Any = said["listing"] or (None, None, None)
            insert = "INSERT INTO attribution VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, 1, ?, ?, ?, ?, 0, NULL, NULL)"
            answer = [cluster, 0, said["entity_id"], said["category"], said["confidence"]]
            con.execute(insert, [*answer, *listing, said["conflict"]])
            con.execute(insert, [cluster, 1, "other", "theft", 100, "l9", None, None, said["conflict"]])
        yield con


def told(rows: dict[int, Row], before: list[Source] | None = None) -> Conclusions:
    """What is concluded of some clusters."""
    with labelled(rows) as con:
        return conclusions(con, ALONE, before or [])


def meant(source: Source) -> tuple[object, ...]:
    """What a source says, but for how surely."""
    return source.entity_id, source.category, source.listing


@given(VERSIONS)
def test_codes_are_kept_from_version_to_version(versions: list[dict[int, Row]]) -> None:
    """A code once given means the same ever after; no two mean the same but for what is called alike from the start."""
    before: list[Source] = []
    for rows in versions:
        found = told(rows, before)
        assert [meant(one) for one in found.sources[: len(before)]] == [meant(one) for one in before]
        named = [meant(one) for one in found.sources[N_CATEGORIES:]]
        assert len(set(named)) == len(named)
        before = list(found.sources)
        check_parties(found.parties)


@given(VERSIONS)
def test_what_is_concluded_does_not_depend_on_earlier_versions(versions: list[dict[int, Row]]) -> None:
    """The numbers may be others, what they mean is the same: who is named, absorbs, mines, is one wallet."""
    before: list[Source] = []
    for rows in versions:
        later, fresh = told(rows, before), told(rows)
        for mine, true in ((later.named, fresh.named), (later.absorbs, fresh.absorbs)):
            assert _sources(later, mine) == _sources(fresh, true)
        assert _sources(later, mined_by(later)) == _sources(fresh, mined_by(fresh))
        assert later.own.tolist() == fresh.own.tolist()
        before = list(later.sources)


def _sources(found: Conclusions, codes: np.ndarray) -> list[Source | None]:
    return [found.sources[code] if code >= 0 else None for code in codes.tolist()]


@given(VERSIONS)
def test_conclusions_are_those_of_the_definition(versions: list[dict[int, Row]]) -> None:
    """By the table: named is everybody at rank 0, absorbing the listed and the sure whose category holds coins."""
    rows = versions[0]
    found = told(rows)
    owners: dict[object, int] = {}
    for cluster in range(N):
        row = rows.get(cluster)
        if row is None:
            assert (found.named[cluster], found.absorbs[cluster], found.own[cluster]) == (-1, -1, cluster)
            continue
        source = found.sources[found.named[cluster]]
        assert (source.entity_id, source.category) == (row["entity_id"], row["category"])
        listing = (
            (source.listing.list_id, source.listing.listed_from, source.listing.listed_to) if source.listing else None
        )
        assert listing == row["listing"]
        sure = row["confidence"] in (50, 100)
        absorbing = row["listing"] or (sure and row["category"] not in PASSED_THROUGH)
        assert found.absorbs[cluster] == (found.named[cluster] if absorbing else -1)
        alike = [
            r["confidence"] for r in rows.values() if all(r[k] == row[k] for k in ("entity_id", "category", "listing"))
        ]
        assert source.confidence == max(alike)  # type: ignore[type-var]
        one = row["entity_id"] and sure and not row["conflict"]
        assert found.own[cluster] == (min(owners.setdefault(row["entity_id"], cluster), cluster) if one else cluster)


@pytest.mark.parametrize("category", CATEGORIES)
def test_who_absorbs(category: str) -> None:
    """From 50 percent on, trails stop at whoever holds coins of others; below, and at the others, they go on."""
    found = told({1: {"category": category, "confidence": 50}, 2: {"category": category, "confidence": 49}})
    stops = category not in {"shell", "miner", "organization", "person", "token", "other"}
    assert (found.absorbs[1] >= 0, found.absorbs[2] >= 0) == (stops, False)
    assert found.named[1] == found.named[2] >= 0
    assert found.sources[found.named[1]].category == category
    assert found.named[1] < N_CATEGORIES


def test_the_listed_always_absorb() -> None:
    """However unsure, of whatever category, and though the listing has ended: it has dates."""
    ended = ("l", date(2019, 1, 1), date(2020, 1, 1))
    found = told({3: {"category": "person", "confidence": 1, "listing": ended}})
    assert found.absorbs[3] == found.named[3] >= N_CATEGORIES
    assert found.sources[found.named[3]].listing == Listing("l", None, *ended[1:])


def test_an_entity_is_one_wallet() -> None:
    """All its clusters have the first of them; not where another is claimed as surely, and not below 50 percent."""
    found = told({
        2: {"entity_id": "e", "category": "exchange", "confidence": 50},
        4: {"entity_id": "e", "category": "mixer", "confidence": 90},
        5: {"entity_id": "e", "category": "exchange", "confidence": 49},
        6: {"entity_id": "e", "category": "exchange", "conflict": True},
        7: {"entity_id": None, "category": "exchange"},
        8: {"entity_id": None, "category": "exchange"},
        9: {"entity_id": "f", "category": "exchange"},
    })  # fmt: skip
    assert found.own.tolist() == [0, 1, 2, 3, 2, 5, 6, 7, 8, 9, 10, 11]


def test_an_unsure_cluster_does_not_lend_its_number() -> None:
    """A wallet goes by the first cluster that is surely the entity's."""
    found = told({
        1: {"entity_id": "e", "category": "exchange", "confidence": 20},
        3: {"entity_id": "e", "category": "exchange"},
        5: {"entity_id": "e", "category": "exchange"},
    })  # fmt: skip
    assert found.own[[1, 3, 5]].tolist() == [1, 3, 3]


def test_what_pools_mine() -> None:
    """A pool's coinbases are mined by it, as surely as it is the pool; nobody else's are."""
    found = told({
        1: {"entity_id": "pool", "category": "mining_pool", "confidence": 80},
        2: {"entity_id": "pool", "category": "mining_pool", "confidence": 60},
        3: {"entity_id": None, "category": "mining_pool"},
        4: {"entity_id": "miner", "category": "miner"},
        5: {"entity_id": "pool", "category": "exchange"},
    })  # fmt: skip
    mined = mined_by(found)
    assert (mined[[0, 3, 4, 5]] == -1).all()
    assert mined[1] == mined[2] >= N_CATEGORIES
    assert found.sources[mined[1]] == Source("pool", "mined", None, 80)
    assert categories_of(found.sources)[mined[1]] == MINED


def test_ends_come_first_and_keep_their_names() -> None:
    """The ends that are no party have the first codes; a name that is an end and a category is the end."""
    names = [one.category for one in ends_and_categories()]
    assert names == [*ENDS.values(), *CATEGORIES]
    found = told({1: {"category": "coinjoin"}, 2: {"category": "coinjoin", "entity_id": "e"}})
    assert found.named[1] == COINJOIN
    assert categories_of(found.sources)[found.named[2]] == COINJOIN


@given(VERSIONS)
def test_sources_come_back_from_their_table(
    tmp_path_factory: pytest.TempPathFactory, versions: list[dict[int, Row]]
) -> None:
    """Written as a table, as a file and read again they are the same."""
    for rows in versions:
        sources = told(rows).sources
        assert from_table(to_table(sources)) == sources
    path = tmp_path_factory.getbasetemp() / "source.parquet"
    pq.write_table(to_table(sources), path)
    assert from_table(pq.read_table(path)) == sources
    assert to_table(sources).schema.field("confidence").type == pa.int32()


def test_nobody_is_known() -> None:
    """Without labels there are only ends and categories, and every cluster is by itself."""
    found = told({})
    assert found.sources == ends_and_categories()
    assert (found.named == -1).all()
    assert found.own.tolist() == found.owner.tolist() == list(range(N))
    assert found.listed == []
    assert len(conclusions_of_no_cluster().own) == 0


def conclusions_of_no_cluster() -> Conclusions:
    """What is concluded in a lake without addresses."""
    with labelled({}) as con:
        found = conclusions(con, ALONE[:0])
    assert len(mined_by(found)) == 0
    return found


TWO = np.array([0, 0, 2, 2, 2, 5], np.int32)
"""Two clusters, of two and of three addresses, and one address alone."""
Tag = dict[str, Any]
NOW, ONCE = ("l", date(2020, 1, 1), None), ("l", date(2018, 1, 1), date(2019, 1, 1))


def claimed(rows: dict[int, Row], tags: list[Tag], same_key: Sequence[tuple[int, int]] = ()) -> Conclusions:
    """What is concluded of the clusters of TWO, where some addresses have tags; `same_key` has numbers and tags."""
    with labelled(rows) as con:
        for tag_id, tag in enumerate(tags):
            one: Tag = {
                "entity_id": "own",
                "category": "exchange",
                "confidence": 80,
                "listing": (None, None, None),
            } | tag
            con.execute(
                "INSERT INTO tag VALUES (?, ?, ?, ?, 'x', ?, 'x', ?, ?, FALSE, ?, ?, ?, 'x', '00', NULL, NULL, NULL, "
                "NULL, NULL, TRUE)",
                [one["number"], one["number"], TWO[one["number"]].item(), tag_id, one["entity_id"], one["category"],
                 one["confidence"], *one["listing"]],
            )  # fmt: skip
        for number, tag_id in same_key:
            row = [number, number, TWO[number].item(), 0, b"", tag_id, 0, 0, b""]
            con.execute("INSERT INTO same_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return conclusions(con, TWO)


OTHER: Row = {"entity_id": "e", "category": "mixer", "confidence": 80}
APART: dict[str, tuple[Row | None, list[Tag], bool]] = {
    "as surely": (OTHER, [{}], True),
    "more surely": (OTHER, [{"confidence": 100}], True),
    "less surely": (OTHER, [{"confidence": 79}], False),
    "not surely": (OTHER | {"confidence": 20}, [{"confidence": 49}], False),
    "listed, however surely": (OTHER | {"confidence": 100}, [{"confidence": 1, "listing": NOW}], True),
    "once listed": (OTHER | {"confidence": 100}, [{"confidence": 1, "listing": ONCE}], True),
    "once listed, within the listed": (OTHER | {"listing": NOW}, [{"listing": ONCE}], False),
    "sure, within the listed": (OTHER | {"listing": ONCE}, [{"confidence": 100}], False),
    "listed, within the listed": (OTHER | {"listing": NOW}, [{"listing": NOW}], True),
    "the same party": (OTHER, [{"entity_id": "e", "confidence": 100}], False),
    "the same party, the cluster's in conflict": (OTHER | {"conflict": True}, [{"entity_id": "e"}], True),
    "two voices": (OTHER, [{}, {"entity_id": "third"}], False),
    "the second voice unsure": (OTHER, [{}, {"entity_id": "third", "confidence": 49}], True),
    "two voices, one of the cluster's party": (OTHER, [{}, {"entity_id": "e"}], False),
    "two tags, one voice": (OTHER, [{}, {"confidence": 60}], True),
    "nobody in particular": (OTHER, [{"entity_id": None, "confidence": 100}], False),
    "the cluster is nobody's in particular": (OTHER | {"entity_id": None}, [{}], True),
}


@pytest.mark.parametrize("case", APART)
def test_who_is_apart_from_its_cluster(case: str) -> None:
    """An address that one voice calls otherwise than its cluster, as surely and as listed, is an owner of its own."""
    row, tags, apart = APART[case]
    found = claimed({2: row} if row else {}, [{"number": 3} | tag for tag in tags])
    assert found.owner.tolist() == [0, 0, 2, 6 if apart else 2, 2, 5]
    assert len(found.named) == len(found.absorbs) == len(found.own) == 6 + apart
    assert found.sources[found.named[2]].category == "mixer"
    if apart:
        best = max(tags, key=lambda tag: tag.get("confidence", 80))
        source = found.sources[found.named[6]]
        assert (source.entity_id, source.category) == (best.get("entity_id", "own"), "exchange")
        assert source.confidence == best.get("confidence", 80)
        assert found.absorbs[6] == found.named[6]
        assert (source.listing is not None) == ("listing" in best)


def test_an_address_alone_needs_no_owner_of_its_own() -> None:
    """Where an address is its whole cluster the conclusion is about it, whatever another tag says."""
    assert claimed({5: OTHER}, [{"number": 5}]).owner.tolist() == TWO.tolist()


def test_those_apart_are_their_entitys_wallet() -> None:
    """An address apart is of one wallet with its entity's clusters; without any, those apart are one wallet."""
    rows: dict[int, Row] = {0: {"entity_id": "own", "category": "exchange"}, 2: OTHER | {"confidence": 50}}
    tags: list[Tag] = [{"number": 3}, {"number": 4}]
    assert claimed(rows, tags).own.tolist() == [0, 1, 2, 3, 4, 5, 0, 0]
    del rows[0]
    assert claimed(rows, tags).own.tolist() == [0, 1, 2, 3, 4, 5, 6, 6]


def test_every_listing_has_its_dates() -> None:
    """The code is of the listing that counts, its dates are all there are; also those of other scripts of a key."""
    rows: dict[int, Row] = {
        0: {"entity_id": "own", "category": "exchange", "listing": NOW},
        5: {"entity_id": "b", "category": "exchange", "listing": ONCE},
    }
    tags: list[Tag] = [
        {"number": 0, "listing": NOW},
        {"number": 1, "listing": ONCE},
        {"number": 1, "listing": NOW},
        {"number": 2},
    ]
    found = claimed(rows, tags, same_key=[(5, 1)])
    dates = sorted((found.sources[code].entity_id, str(since), str(until)) for code, since, until in found.listed)
    assert dates == [
        ("b", "2018-01-01", "2019-01-01"), ("own", "2018-01-01", "2019-01-01"), ("own", "2020-01-01", "None"),
    ]  # fmt: skip


def test_dates_of_those_apart_are_their_own() -> None:
    """A listed address within another's cluster lends that one no dates."""
    found = claimed({2: OTHER}, [{"number": 3, "category": "sanctioned_entity", "listing": NOW}])
    assert found.listed == [(found.named[6], NOW[1], None)]
