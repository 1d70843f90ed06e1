"""Exposure that follows from the generation before: the same as one that is built from nothing, and less work."""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from heuristics.exposure import vectors
from heuristics.exposure.codes import Source, from_table
from heuristics.exposure.delta.merge import Delta
from heuristics.exposure.exposures import Exposure, of_wallet
from heuristics.exposure.passes.parts import Longs
from heuristics.generation import build
from store.arrays import Arrays
from store.index import Index
from store.lake import Lake
from store.reader import Cursor
from tests.lakes import Claims, In, Out, Tx, World, indexed, named, pay
from tests.test_index_kills import busy_world

LISTED = {"category": "sanctioned_entity", "list_id": "l", "listed_from": date(2020, 9, 13)}
SERVICES = ("n1", "n4", "n7", "n11")


def labels(version: str, *parties: str, **more: Any) -> Claims:
    """Claims that some addresses are services, and one of them listed."""
    made = Claims(version)
    for name in parties:
        made.tag(
            name, f"party of {name}", confidence=80, category="exchange" if name != "n4" else "mining_pool", **more
        )
    return made


def listed(version: str, *parties: str) -> Claims:
    """The same with a party that was listed twice, within somebody's cluster or not."""
    made = labels(version, *parties)
    made.tag("n2", "bad", **LISTED | {"listed_to": date(2020, 9, 14)})
    made.tag("n2", "bad", **LISTED | {"listed_from": date(2021, 1, 1)})
    made.tag("n3", "worse", **LISTED)
    return made


PLAIN = ("owner", "spend_owner", "out_owner", "own", "touch_start", "touch", "busy")
CODED = ("code", "named", "born")
ROWS = {"source_start": "source_rows", "destination_start": "destination_rows", "busy_start": "busy_lines"}
DATES = ("listed_start", "since", "until")


class Meaning(NamedTuple):
    """An exposure folder, free of how its codes are numbered."""

    arrays: dict[str, Any]
    listed: set[tuple[Source | None, int, int]]
    exposure: dict[int, list[Exposure]]


def meaning(cur: Cursor) -> Meaning:
    """What a folder says."""
    exposed = cur.arrays["exposure"]
    codes = [*from_table(exposed.table("source")), None]
    found: dict[str, Any] = {name: exposed[name].tolist() for name in PLAIN}
    found |= {name: [codes[code] for code in exposed[name].tolist()] for name in CODED}
    found |= {rows: by_source(exposed[rows], exposed[start], codes) for start, rows in ROWS.items()}
    found["price"] = exposed["price"].tobytes()
    assert {*exposed} == {*found, *ROWS, *DATES}
    dates = zip(exposed["since"].tolist(), exposed["until"].tolist(), strict=True)
    whose = np.repeat(np.arange(len(codes) - 1), np.diff(exposed["listed_start"]))
    listed = {(codes[code], *one) for code, one in zip(whose.tolist(), dates, strict=True)}
    assert {source for source, *_ in listed} <= {*found["named"]}
    numbers = [number for (number,) in cur.rows("SELECT number FROM address ORDER BY number")]
    exposure = {number: of_wallet(cur, number) for number in numbers}
    return Meaning(found, listed, exposure)


def parted(row: tuple[Any, ...], names: Sequence[str]) -> tuple[int, list[Any]]:
    """A row's code, and all its other fields, flags first."""
    fields = dict(zip(names, row, strict=True))
    return fields.pop("code"), [fields.pop("flags", None), *fields.values()]


def by_source(rows: np.ndarray, start: Longs, codes: Sequence[Source | None]) -> list[dict[Any, list[Any]]]:
    """Rows of each transaction, or wallet, by whom they mean and flags; every one has a key of its own."""
    split = [parted(row, rows.dtype.names or ()) for row in rows.tolist()]
    told = [[(codes[code], rest) for code, rest in split[a:b]] for a, b in pairwise(start.tolist())]
    found = [{(source, rest[0]): rest for source, rest in some} for some in told]
    assert list(map(len, found)) == list(map(len, told))
    return found


def told(index: Index) -> Meaning:
    """What the live generation says."""
    with index.open() as reader:
        return meaning(reader.cursor())


def assert_same(one: Meaning, other: Meaning) -> None:
    """Two folders mean the same, exactly."""
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        assert array == other.arrays[name], name
    assert one.listed == other.listed
    assert one.exposure == other.exposure


@pytest.fixture(scope="module")
def world() -> World:
    """Some hundred transactions between a few owners."""
    return busy_world(40)


@pytest.fixture(scope="module")
def lake(world: World, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """All of it."""
    return world.write(tmp_path_factory.mktemp("whole"), per_segment=10)


class Passes:
    """Counts full passes, or forbids them."""

    def __init__(self, patch: pytest.MonkeyPatch, *, allowed: bool = True) -> None:
        self.run: list[str] = []
        for name in ("_forward", "_backward"):
            patch.setattr(vectors, name, self.watched(name, getattr(vectors, name), allowed))

    def watched(self, name: str, whole: Any, allowed: bool) -> Any:
        """The pass, noted."""

        def run(*given: Any) -> Any:
            self.run.append(name)
            assert allowed, f"{name} ran over everything"
            return whole(*given)

        return run


def follow_however_dear(patch: pytest.MonkeyPatch) -> None:
    """Follow every change, whatever it costs."""
    for name in ("sources_delta", "destinations_delta"):
        whole = getattr(vectors, name)
        patch.setattr(vectors, name, lambda *given, whole=whole: whole(*given, dearer=1.0))


CHANGES: dict[str, tuple[Claims, Claims]] = {
    "nothing": (labels("1", *SERVICES), labels("2", *SERVICES)),
    "from nobody": (Claims("1"), listed("2", *SERVICES)),
    "one more": (labels("1", *SERVICES[:3]), labels("2", *SERVICES)),
    "one removed": (labels("1", *SERVICES), labels("2", *SERVICES[1:])),
    "all removed": (listed("1", *SERVICES), Claims("2")),
    "listed": (labels("1", *SERVICES), listed("2", *SERVICES)),
    "no longer listed": (listed("1", *SERVICES), labels("2", *SERVICES)),
    "others": (labels("1", "n1", "n2", "n5"), listed("2", "n5", "n7", "n1")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_labels(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Built over other labels, and back again, an index says what it says built from nothing."""
    monkeypatch.setattr(vectors, "BUSY", 20)
    first, second = CHANGES[change]
    fresh = []
    for n, claims in enumerate((first, second)):
        build(lake, claims, Index(tmp_path / str(n)))
        fresh.append(told(Index(tmp_path / str(n))))
    index = Index(tmp_path / "both")
    build(lake, first, index)
    follow_however_dear(monkeypatch)
    Passes(monkeypatch, allowed=False)
    build(lake, second, index)
    assert_same(told(index), fresh[1])
    first.version = "3"
    build(lake, first, index)
    first.version = "1"
    assert_same(told(index), fresh[0])


def part_of(world: World, n: int) -> World:
    """The first n blocks."""
    return World(world.blocks[:n], world.first_height, world.count)


@pytest.mark.parametrize("change", ["nothing", "others", "one removed", "listed"])
@pytest.mark.parametrize("n", [10, 30])
def test_more_blocks(
    tmp_path: Path, world: World, lake: Lake, monkeypatch: pytest.MonkeyPatch, n: int, change: str
) -> None:
    """Blocks appended since, under the same labels or others: an index says what it says built from nothing."""
    first, second = CHANGES[change]
    build(lake, second, Index(tmp_path / "fresh"))
    begun = part_of(world, n).write(tmp_path / "begun", per_segment=10)
    index = Index(tmp_path / "begun")
    build(begun, first, index)
    for start in range(n, len(world.blocks), 10):
        begun.append(world._segment(start, world.blocks[start : start + 10]))
    follow_however_dear(monkeypatch)
    Passes(monkeypatch, allowed=False)
    build(begun, second, index)
    assert_same(told(index), told(Index(tmp_path / "fresh")))


def test_a_small_change_takes_no_pass_over_everything(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the limits that are set: somebody with few dealings gets a name, and only what changes is computed."""
    index = Index(tmp_path)
    build(lake, labels("1", *SERVICES), index)
    with monkeypatch.context() as patch:
        Passes(patch, allowed=False)
        build(lake, labels("2", *SERVICES, "n303"), index)
    asked: list[Delta | None] = []

    def noted(whole: Callable[..., Delta | None]) -> Callable[..., Delta | None]:
        def run(*given: Any) -> Delta | None:
            asked.append(whole(*given))
            return asked[-1]

        return run

    with monkeypatch.context() as patch:
        passes = Passes(patch)
        for name in ("sources_delta", "destinations_delta"):
            patch.setattr(vectors, name, noted(getattr(vectors, name)))
        build(lake, Claims("3"), index)
    # Everybody's name gone is dear: both were tried, then given up.
    assert asked == [None, None]
    assert passes.run == ["_forward", "_backward"]
    index.verify()


def test_an_undone_block_is_no_beginning(
    tmp_path: Path, world: World, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the live generation is of other blocks, everything is computed anew."""

    class Other(World):
        """The same up to the last blocks, whose hashes are others."""

        def hash_of(self, height: int) -> bytes:
            return super().hash_of(height if height < 35 else height + 1000)

    other = Other(world.blocks, world.first_height, world.count).write(tmp_path / "other", per_segment=10)
    build(other, labels("1", *SERVICES), Index(tmp_path / "fresh"))
    index = Index(tmp_path / "index")
    build(lake, labels("1", *SERVICES), index)
    passes = Passes(monkeypatch)
    build(other, labels("1", *SERVICES), index)
    assert passes.run == ["_forward", "_backward"]
    assert_same(told(index), told(Index(tmp_path / "fresh")))


def test_another_version_of_the_folder_is_no_beginning(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of another version may have other arrays: they are not looked at."""
    index = Index(tmp_path)
    build(lake, labels("1", *SERVICES), index)
    monkeypatch.setattr(vectors, "VERSION", vectors.VERSION + 1)
    passes = Passes(monkeypatch)
    build(lake, labels("2", *SERVICES), index)
    assert passes.run == ["_forward", "_backward"]
    live = index.current()
    assert live is not None
    assert Arrays(index.dir / live.files[3].name).facts["version"] == vectors.VERSION


def shared_wallet() -> World:
    """Addresses `a` and `b` pay together; others pay each of them, and each pays somebody."""
    world = World()
    coin = world.mint(pay("a", 100), pay("b", 100), pay("payer", 300))
    world.spend([In(coin, 0), In(coin, 1)], pay("somebody", 50), pay("a", 60), pay("b", 90))
    together = world.blocks[-1][0]
    world.spend([In(coin, 2)], pay("b", 110), pay("a", 70), pay("payer", 120))
    world.spend([In(together, 2)], pay("after b", 90))
    world.spend([In(together, 1)], pay("after a", 60))
    return world


def dealings(cur: Cursor, name: str) -> set[tuple[str, str, str | None, int]]:
    """Direction, kind, entity and value."""
    number = cur.rows(f"SELECT number FROM address WHERE address_id = {named(name).id}")[0][0]  # noqa: S608
    return {(e.direction, e.kind, e.entity_id or e.category, e.value) for e in of_wallet(cur, number)}


def apart(**more: Any) -> Claims:
    """The cluster is an exchange's; `b` is surely somebody else's."""
    claims = Claims()
    claims.tag("a", "kraken", confidence=80)
    claims.tag("b", "mixer", category="mixer", confidence=80, **{"cluster_definer": False} | more)
    return claims


def test_an_address_within_another_partys_cluster_is_its_own_owner(tmp_path: Path) -> None:
    """What it gets and pays is its party's, not its cluster's; the rest of the cluster goes without it."""
    with indexed(shared_wallet(), tmp_path, apart()) as reader:
        cur = reader.cursor()
        assert len(set(cur.rows("SELECT cluster FROM address WHERE cluster IS NOT NULL"))) == 1
        assert dealings(cur, "payer") == {
            ("received", "direct", "mined", 300), ("sent", "direct", "kraken", 70), ("sent", "direct", "mixer", 110),
        }  # fmt: skip
        assert dealings(cur, "after b") == {("received", "direct", "mixer", 90)}
        assert dealings(cur, "after a") == {("received", "direct", "kraken", 60)}
        assert ("received", "direct", "held", 70) not in dealings(cur, "a")
        received = {name: sum(v for d, _, _, v in dealings(cur, name) if d == "received") for name in ("a", "b")}
        assert received == {"a": 100 + 70, "b": 100 + 110}
        # They paid together: a has 40 less, which went to somebody (50) and to b (90); b has 10 less.
        assert ("sent", "direct", "mixer", round(40 * 90 / 140)) in dealings(cur, "a")
        assert ("sent", "direct", "kraken", round(10 * 60 / 110)) in dealings(cur, "b")


def test_two_voices_make_nobody_apart(tmp_path: Path) -> None:
    """Where two parties are claimed for the address it stays with its cluster."""
    claims = apart()
    claims.tag("b", "third", confidence=80, cluster_definer=False)
    with indexed(shared_wallet(), tmp_path, claims) as reader:
        cur = reader.cursor()
        assert dealings(cur, "payer") == {("received", "direct", "mined", 300), ("sent", "direct", "kraken", 180)}
        assert dealings(cur, "a") == dealings(cur, "b")
        assert dealings(cur, "after b") == {("received", "direct", "kraken", 90)}


def test_owners_come_and_go_with_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that becomes apart, or is no longer, changes what was computed before."""
    lake = shared_wallet().write(tmp_path)
    follow_however_dear(monkeypatch)
    plain = Claims("1")
    plain.tag("a", "kraken", confidence=80)
    versions = [plain, apart(), plain]
    index = Index(tmp_path / "on")
    for n, claims in enumerate(versions):
        claims.version = str(n)
        build(lake, claims, index)
        build(lake, claims, Index(tmp_path / str(n)))
        assert_same(told(index), told(Index(tmp_path / str(n))))


def test_coins_without_an_owner_are_nobodys(tmp_path: Path) -> None:
    """Burnt coins have no owner whoever is apart."""
    world = World()
    world.block(Tx([], [pay("a", 5), Out(None, 0)]))
    with indexed(world, tmp_path) as reader:
        assert reader.cursor().arrays["exposure"]["out_owner"].tolist() == [0, -1]
