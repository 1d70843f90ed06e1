"""Backfill: whatever is done in parts, in parallel, killed, resumed or reorganised ends as if done at once."""

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import store.backfill
from chains.bitcoin.datadir import DatadirSource
from chains.blocks import Blocks, Span
from chains.errors import ReorgError, SourceError, VerificationError
from store.backfill import Progress, backfill
from store.errors import BusyError, StoreError
from store.lake import Lake
from store.verify import verify
from tests.datadirs import COMMON, KEY, FilePair, contents, flip, frame_starts, straight, tale, write
from tests.killed import Dying, family, started
from tests.twins import SECRET
from worlds.words import World

A, B = tale(), tale("b", 5)
TIP = len(A) - 1
SMALL = 4000  # bytes per segment: ten blocks or so
CHAIN_TABLES = ("block", "tx", "output", "spend")


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many segments from a small chain."""
    monkeypatch.setattr(store.backfill, "SEGMENT_BYTES", SMALL)


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain's files."""
    return straight(tmp_path_factory.mktemp("a"))


@pytest.fixture(scope="module")
def source(datadir: Path) -> DatadirSource:
    """The chain."""
    return DatadirSource.open(datadir)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, source: DatadirSource) -> Lake:
    """The lake that one undisturbed backfill makes."""
    before, store.backfill.SEGMENT_BYTES = store.backfill.SEGMENT_BYTES, SMALL
    lake = new(tmp_path_factory.mktemp("whole"))
    backfill(source, lake)
    store.backfill.SEGMENT_BYTES = before
    return lake


def new(folder: Path) -> Lake:
    """An empty lake with the tests' secret."""
    return Lake.create(folder, "bitcoin", "regtest", SECRET)


def rows(lake: Lake, table: str) -> list[dict[str, object]]:
    """All rows of a table in stored order."""
    return [row for span in lake.spans() for row in lake.read(table, span).to_pylist()]


def assert_same_rows(lake: Lake, expected: Lake) -> None:
    """The same rows in the same order, however cut into segments; the same addresses."""
    for table in CHAIN_TABLES:
        assert rows(lake, table) == rows(expected, table), table

    def addresses(of: Lake) -> set[tuple[object, ...]]:
        return {tuple(row.values()) for row in rows(of, "address")}

    assert addresses(lake) == addresses(expected)
    verify(lake)


def assert_same_files(lake: Lake, expected: Lake) -> None:
    """Byte for byte the same."""
    assert contents(lake.root) == contents(expected.root)


def test_a_report_of_what_was_done(tmp_path: Path, source: DatadirSource) -> None:
    """Segments of about the target size, counts, and progress that ends at the total."""
    seen: list[Progress] = []
    lake = new(tmp_path)
    report = backfill(source, lake, report=seen.append)
    assert (report.span, report.blocks, report.tx) == (Span(0, TIP), TIP + 1, len(rows(lake, "tx")))
    assert (report.unresolved, report.already_there, report.replaced) == (0, 0, 0)
    assert report.segments == len(lake.spans()) == len(seen) > 5
    assert [p.blocks_done for p in seen] == [span.last + 1 for span in lake.spans()]
    assert (seen[-1].blocks_done, seen[-1].tx_done, seen[-1].height) == (TIP + 1, report.tx, TIP)
    assert {p.blocks_total for p in seen} == {TIP + 1}
    sizes = lake.read("block", lake.spans()[0], ["size"])["size"].to_pylist()
    assert sum(sizes) <= SMALL


def test_again_does_nothing(tmp_path: Path, source: DatadirSource) -> None:
    """What is there is not read again."""
    lake = new(tmp_path)
    backfill(source, lake)
    before = contents(lake.root)
    report = backfill(source, lake)
    assert (report.segments, report.blocks, report.already_there) == (0, 0, TIP + 1)
    assert contents(lake.root) == before


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, TIP), st.integers(0, TIP)).map(sorted), max_size=4))
def test_parts_then_the_whole_equal_the_whole_at_once(
    tmp_path_factory: pytest.TempPathFactory, source: DatadirSource, whole: Lake, parts: list[list[int]]
) -> None:
    """Any parts in any order, overlapping or not, and then the rest."""
    lake = new(tmp_path_factory.mktemp("parts"))
    for first, last in parts:
        backfill(source, lake, Span(first, last))
    report = backfill(source, lake)
    assert report.already_there == len({h for first, last in parts for h in range(first, last + 1)})
    assert_same_rows(lake, whole)


def test_the_newest_first_and_the_rest_at_night(tmp_path: Path, source: DatadirSource, whole: Lake) -> None:
    """The last range is of use at once; the gap is closed later."""
    lake = new(tmp_path)
    backfill(source, lake, Span(100, TIP))
    assert lake.contiguous() == Span(100, TIP)
    backfill(source, lake, Span(0, 20))
    assert verify(lake).gaps == 1
    backfill(source, lake)
    assert lake.contiguous() == Span(0, TIP)
    assert_same_rows(lake, whole)


def test_two_workers_write_the_same_files(tmp_path: Path, source: DatadirSource, whole: Lake) -> None:
    """Byte for byte what one writes."""
    lake = new(tmp_path)
    seen: list[Progress] = []
    report = backfill(source, lake, workers=2, report=seen.append)
    assert report.blocks == seen[-1].blocks_done == TIP + 1
    assert_same_files(lake, whole)


def test_a_chain_that_grows(tmp_path: Path, source: DatadirSource, whole: Lake) -> None:
    """Each time the tip, and in the end the same rows."""
    lake = new(tmp_path / "data")
    for tip in (COMMON - 20, COMMON, COMMON + 3):
        shorter = DatadirSource.open(write(tmp_path / str(tip), [FilePair.of(A[: tip + 1])]))
        assert backfill(shorter, lake).span == Span(0, tip)
    assert backfill(source, lake).replaced == 0
    assert_same_rows(lake, whole)


# -- reorganisations


def test_a_reorganisation_replaces_the_stale_segments(
    tmp_path: Path, source: DatadirSource, whole: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    """A longer fork: what differs goes, what agrees stays untouched, and the rest is read."""
    lake = new(tmp_path / "data")
    stale = DatadirSource.open(write(tmp_path / "b", [FilePair.of(B)]))
    backfill(stale, lake)
    kept = {n: d for n, d in contents(lake.root).items() if not n.startswith("segment") and "0000001" not in n}
    report = backfill(source, lake)
    removed = [span for span in whole.spans() if span.last >= COMMON]
    assert report.replaced == len(B) - min(span.first for span in removed)
    assert report.already_there == TIP + 1 - report.blocks
    assert_same_rows(lake, whole)
    assert kept.items() <= contents(lake.root).items()
    assert any("differs from height" in record.getMessage() for record in caplog.records)


def test_a_deep_reorganisation(tmp_path: Path, source: DatadirSource, whole: Lake) -> None:
    """To another chain that shares genesis alone, with a gap in the lake."""
    world = World(99, datetime(2026, 2, 1, tzinfo=UTC))
    world.mine(world.wallet("pool"), 100)
    other = DatadirSource.open(write(tmp_path / "other", [FilePair.of(world.blocks)]))
    lake = new(tmp_path / "data")
    backfill(other, lake, Span(0, 30))
    backfill(other, lake, Span(60, 100))
    report = backfill(source, lake)
    assert report.replaced == 31 + 41
    assert_same_rows(lake, whole)


def test_another_chain_does_not_replace_the_lake(
    tmp_path: Path, source: DatadirSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deeper than any reorganisation, it is another chain or a stale copy: refused, and the lake stays as it was."""
    monkeypatch.setattr("store.backfill.MAX_REORG", len(B) - COMMON - 1)
    lake = new(tmp_path / "data")
    backfill(DatadirSource.open(write(tmp_path / "b", [FilePair.of(B)])), lake)
    before = contents(lake.root)
    with pytest.raises(StoreError, match=f"from height {COMMON} on, {len(B) - COMMON} blocks deep"):
        backfill(source, lake)
    assert contents(lake.root) == before


def test_a_reorganisation_below_what_is_asked_for(tmp_path: Path, source: DatadirSource) -> None:
    """Stale segments go even where other heights were asked for: they are not facts any more."""
    lake = new(tmp_path / "data")
    backfill(DatadirSource.open(write(tmp_path / "b", [FilePair.of(B)])), lake)
    report = backfill(source, lake, Span(0, 10))
    assert report.replaced > 0
    assert all(span.last < COMMON for span in lake.spans())
    verify(lake)


def test_a_shorter_copy_of_the_same_chain_removes_nothing(tmp_path: Path, whole: Lake) -> None:
    """An older copy knows less, and that is no reorganisation."""
    data = tmp_path / "data"
    shutil.copytree(whole.root.parents[1], data)
    lake = Lake.open(data)
    before = contents(lake.root)
    for length in (COMMON - 30, COMMON + 2):
        older = DatadirSource.open(write(tmp_path / f"older{length}", [FilePair.of(A[:length])]))
        assert backfill(older, lake).replaced == 0
        assert contents(lake.root) == before


def test_a_shorter_copy_of_another_branch_replaces(tmp_path: Path, whole: Lake) -> None:
    """What the source's best chain contradicts goes, also where the stale segments reach beyond its tip."""
    data = tmp_path / "data"
    shutil.copytree(whole.root.parents[1], data)
    lake = Lake.open(data)
    report = backfill(DatadirSource.open(write(tmp_path / "b", [FilePair.of(B[: COMMON + 2])])), lake)
    assert report.replaced > 0
    assert lake.contiguous() == Span(0, COMMON + 1)
    assert lake.manifest(lake.spans()[-1]).last_hash == B[COMMON + 1].hash[::-1].hex()
    verify(lake)


@dataclass(frozen=True)
class Turning(DatadirSource):
    """A source that reorganises while it is read: spans from a height on come from another branch."""

    other: DatadirSource | None = None
    turn: int = 0

    def read(self, span: Span, secret: bytes) -> Blocks:
        """Read from the other branch above the turn."""
        assert self.other is not None
        return self.other.read(span, secret) if span.first >= self.turn else super().read(span, secret)


def test_a_reorganisation_while_reading(tmp_path: Path, source: DatadirSource, whole: Lake) -> None:
    """Segments that do not link are removed and said; running again gives the new chain."""
    other = DatadirSource.open(write(tmp_path / "b", [FilePair.of(tale("b", 8))]))
    facts = {f.name: getattr(other, f.name) for f in fields(DatadirSource)}
    turn = next(span.first for span in whole.spans() if span.first > COMMON + 1)
    lake = new(tmp_path / "data")
    with pytest.raises(ReorgError, match=r"reorganised at height \d+ while it was read: run again"):
        backfill(Turning(**facts, other=source, turn=turn), lake)
    assert verify(lake).gaps == 0
    backfill(source, lake)
    assert_same_rows(lake, whole)


# -- faults


def test_heights_that_the_source_does_not_have(tmp_path: Path, source: DatadirSource) -> None:
    """What was asked for and what there is."""
    lake = new(tmp_path)
    for span in (Span(0, TIP + 1), Span(5, 4), Span(-1, 3)):
        with pytest.raises(SourceError, match=rf"heights {span.first} to {span.last} were asked for.*0 to {TIP}"):
            backfill(source, lake, span)


def test_another_network(tmp_path: Path, source: DatadirSource) -> None:
    """Said before anything is locked or read."""
    lake = Lake.create(tmp_path, "bitcoin", "main")
    with pytest.raises(StoreError, match="the source is network regtest, the lake main"):
        backfill(source, lake)


def test_two_backfills_at_once(tmp_path: Path, source: DatadirSource) -> None:
    """The second is told so."""
    lake = new(tmp_path)
    with lake.writing(), pytest.raises(BusyError, match="being written by another process"):
        backfill(source, Lake.open(tmp_path))
    assert lake.spans() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_damage_stops_but_what_was_committed_stays(tmp_path: Path, whole: Lake, workers: int) -> None:
    """One error with the heights; with the file mended the rest is read and nothing twice."""
    folder = straight(tmp_path / "bad")
    path = folder / "blocks" / "blk00000.dat"
    at = frame_starts(path, KEY, 0)[90] + 8 + 100
    flip(path, at)
    lake = new(tmp_path / "data")
    with pytest.raises(VerificationError, match=r"heights \d+ to \d+ from blk00000.dat .*block at height 90"):
        backfill(DatadirSource.open(folder), lake, workers=workers)
    assert lake.spans()
    assert not any(span.first <= 90 <= span.last for span in lake.spans())
    verify(lake)
    flip(path, at)
    assert backfill(DatadirSource.open(folder), lake).already_there > 0
    assert_same_files(lake, whole)


def test_a_worker_that_is_killed(tmp_path: Path, source: DatadirSource, whole: Lake) -> None:
    """Said with the likely reason; what was finished stays, and it goes on from there."""
    dying = Dying(**{f.name: getattr(source, f.name) for f in fields(DatadirSource)})
    lake = new(tmp_path)
    with pytest.raises(StoreError, match=r"worker process was killed .*fewer --workers; finished segments stay"):
        backfill(dying, lake, workers=2)
    backfill(source, lake)
    assert_same_files(lake, whole)


def kill_often(datadir: Path, data: Path, kills: int, seed: int, workers: int) -> None:
    """Kill a backfill at work, again and again, at random instants."""
    chance = random.Random(seed)  # noqa: S311
    found = 0
    longest = 0.4 if workers == 1 else 2.5
    while found < kills:
        process = started(datadir, data, SMALL, workers)
        deadline = time.monotonic() + chance.uniform(0.02, longest)
        while time.monotonic() < deadline and process.is_alive():
            time.sleep(0.001)
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
            found += 1
        process.join()
        if process.exitcode == 0:  # it was quicker: begin anew, and be quicker next time
            shutil.rmtree(data)
            longest = max(0.9 * longest, 0.05)


def finish(datadir: Path, data: Path) -> Lake:
    """Run once more, undisturbed."""
    process = started(datadir, data, SMALL)
    process.join()
    assert process.exitcode == 0
    return Lake.open(data)


def test_killed_and_resumed(tmp_path: Path, datadir: Path, whole: Lake) -> None:
    """Killed at random instants and run again, it ends with the same bytes."""
    kill_often(datadir, tmp_path / "data", kills=6, seed=1, workers=1)
    assert_same_files(finish(datadir, tmp_path / "data"), whole)


def test_killed_with_workers(tmp_path: Path, datadir: Path, whole: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers end with the process that started them: they neither linger nor write into the next one's lake."""
    mark = f"TADORU_TEST={tmp_path.name}"
    monkeypatch.setenv(*mark.split("="))
    process = started(datadir, tmp_path / "data", 300, workers=2)
    markers = tmp_path / "data" / "lake" / "bitcoin" / "segment"
    while process.is_alive() and len(list(markers.glob("*.json"))) < 20:
        time.sleep(0.005)
    assert process.pid is not None
    before = family(mark)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    lake = Lake.open(tmp_path / "data")
    with lake.writing():
        count = len(lake.spans())
        time.sleep(0.3)
        assert len(lake.spans()) == count < TIP + 1
    deadline = time.monotonic() + 5
    while (left := before & family(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left - _servers(), "processes were left behind"
    assert_same_rows(finish(datadir, tmp_path / "data"), whole)


def _servers() -> set[int]:
    """Helpers of the tests' own process, which stay."""
    pids = (forkserver._forkserver._forkserver_pid, resource_tracker._resource_tracker._pid)  # type: ignore[attr-defined]
    return {pid for pid in pids if pid is not None}


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("seed", "workers", "kills"), [(2, 1, 120), (3, 2, 80)])
def test_killed_and_resumed_many_times(
    tmp_path: Path, datadir: Path, whole: Lake, seed: int, workers: int, kills: int
) -> None:
    """The same for a long time, with one and with two workers."""
    kill_often(datadir, tmp_path / "data", kills, seed, workers)
    assert_same_files(finish(datadir, tmp_path / "data"), whole)
