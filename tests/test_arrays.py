"""Arrays on disk: written piece by piece, read as they were written; folders of a generation, whole or not at all."""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from heuristics import graph
from heuristics.exposure import coins, vectors
from heuristics.exposure.passes.parts import ROW
from heuristics.exposure.wheel import LINE
from heuristics.generation import build
from store import files
from store.arrays import Arrays, Growing, save, save_facts, save_table
from store.errors import DamagedError, DiskError, StoreError
from store.index import COINS, EXPOSURE, Index
from store.lake import Lake
from store.manifest import IndexFormatError
from tests.disks import tiny
from tests.lakes import Claims, World, pay

KINDS = [np.dtype(kind) for kind in ("u1", "i4", "i8", "f4", "f8")] + [ROW, LINE]


@pytest.fixture
def small(tmp_path: Path) -> tuple[Lake, Index]:
    """A lake of two transactions and its index directory."""
    return _lake(tmp_path), Index(tmp_path)


def _lake(place: Path) -> Lake:
    world = World()
    world.spend([world.mint(pay("a", 100))], pay("b", 90))
    return world.write(place)


@st.composite
def pieces(draw: st.DrawFn) -> tuple[np.dtype[Any], list[np.ndarray]]:
    """A type and some pieces of it, whose bytes may lie apart."""
    kind = draw(st.sampled_from(KINDS))
    lengths = draw(st.lists(st.integers(0, 40), max_size=5))
    return kind, [draw(nps.arrays(kind, 2 * n))[:: draw(st.sampled_from((1, 2, -1)))] for n in lengths]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces())
def test_what_is_written_is_read(tmp_path: Path, drawn: tuple[np.dtype[Any], list[np.ndarray]]) -> None:
    """In whatever pieces an array was written, it is read as one, as numpy's own format, and can be written to."""
    kind, some = drawn
    with Growing(tmp_path, "x", kind) as file:
        for n, piece in enumerate(some):
            assert len(file) == sum(map(len, some[:n]))
            file.append(piece)
    whole = np.concatenate([np.zeros(0, kind), *some])
    save(tmp_path, y=whole)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()
    found = Arrays(tmp_path)
    assert list(found) == ["x", "y"]
    for array in (found["x"], np.load(tmp_path / "y.npy")):
        assert type(array) is np.ndarray
        assert array.dtype == kind
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.tobytes() == whole.tobytes()


def test_a_stray_write_is_seen_by_nobody_else(tmp_path: Path) -> None:
    """Arrays are mapped privately."""
    save(tmp_path, x=np.arange(5))
    before = (tmp_path / "x.npy").read_bytes()
    Arrays(tmp_path)["x"][2] = 77
    assert Arrays(tmp_path)["x"].tolist() == [0, 1, 2, 3, 4]
    assert (tmp_path / "x.npy").read_bytes() == before


def test_tables_and_facts_come_back(tmp_path: Path) -> None:
    """What lies beside the arrays is read as it was written."""
    table = pa.table({"a": pa.array([1, None]), "b": ["x", "y"]})
    save_table(tmp_path, "t", table)
    save_facts(tmp_path, {"b": [1, 2.5], "a": "x"})
    assert Arrays(tmp_path).table("t") == table
    assert Arrays(tmp_path).facts == {"a": "x", "b": [1, 2.5]}
    assert len(Arrays(tmp_path)) == 0


def test_what_does_not_read_is_named(tmp_path: Path) -> None:
    """A table, facts or an array that are damaged give an error with their path."""
    reads: dict[str, Any] = {
        "t.parquet": lambda x: x.table("t"),
        "facts.json": lambda x: x.facts,
    }
    for name, read in reads.items():
        for text in (None, "", "{"):
            if text is not None:
                (tmp_path / name).write_text(text)
            with pytest.raises(DamagedError, match=name):
                read(Arrays(tmp_path))
    save(tmp_path, x=np.arange(9))
    whole = (tmp_path / "x.npy").read_bytes()
    for damaged in (b"", whole[:-1], whole[:50], bytes(len(whole)), whole.replace(b"i8", b"i9"), b"x" + whole[1:]):
        (tmp_path / "x.npy").write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"x\.npy"):
            Arrays(tmp_path)


def test_every_array_is_described(small: tuple[Lake, Index]) -> None:
    """The folders hold what `ARRAYS` says, of the types it says, and nothing else."""
    lake, index = small
    build(lake, Claims(), index)
    with index.open() as reader:
        for kind, arrays in ((COINS, graph.ARRAYS), (EXPOSURE, vectors.ARRAYS)):
            found = reader.cursor().arrays[kind[1:]]
            assert {name: array.dtype for name, array in found.items()} == {a.name: a.dtype for a in arrays}
            beside = {path.name for path in found.folder.iterdir() if path.suffix != ".npy"}
            assert beside == (set() if kind == COINS else {"facts.json", "source.parquet"})


def test_a_folder_counts_as_one_file(small: tuple[Lake, Index]) -> None:
    """The manifest has the bytes of all its files, and a sum of their names and sums."""
    lake, index = small
    generation = build(lake, Claims(), index)
    for entry in generation.files:
        place = index.dir / entry.name
        if place.is_dir():
            assert entry.size == sum(path.stat().st_size for path in place.iterdir())
            assert entry.sha256 == files.sha256_of(place)
            (place / "facts2.json").write_bytes(b"")
            assert files.sha256_of(place) != entry.sha256
            (place / "facts2.json").unlink()
    assert [Path(entry.name).suffix for entry in generation.files] == [".duckdb", ".coins", ".duckdb", ".exposure"]
    index.verify()


@pytest.mark.parametrize("kind", [COINS, EXPOSURE])
def test_changed_arrays_are_said(small: tuple[Lake, Index], kind: str) -> None:
    """An array that was changed, cut, taken away or renamed is an error that names the folder."""
    lake, index = small
    (entry,) = (one for one in build(lake, Claims(), index).files if one.name.endswith(kind))
    place = index.dir / entry.name
    path = min(place.glob("*.npy"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    index.open().close()
    with pytest.raises(IndexFormatError, match="changed"):
        index.verify()
    path.write_bytes(whole[:-1])
    with pytest.raises(IndexFormatError, match="bytes"):
        index.open()
    path.write_bytes(bytes(len(whole)))
    with pytest.raises(IndexFormatError, match="can not be opened"):
        index.open()
    path.write_bytes(whole)
    path.rename(place / "other.npy")
    with pytest.raises(IndexFormatError, match="changed"):
        index.verify()
    (place / "other.npy").unlink()
    with pytest.raises(IndexFormatError, match="bytes"):
        index.open()


@pytest.mark.parametrize("kind", [COINS, EXPOSURE])
def test_a_missing_folder_is_built_again(small: tuple[Lake, Index], kind: str) -> None:
    """It is named, no lock stays behind, and the next build makes the same one again."""
    lake, index = small
    before = build(lake, Claims(), index)
    (entry,) = (one for one in before.files if one.name.endswith(kind))
    files.remove(index.dir / entry.name)
    with pytest.raises(IndexFormatError, match="missing"):
        index.open()
    handle = os.open(index.dir / f"{before.id}.json", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)
    after = build(lake, Claims(), index)
    index.verify()
    assert [one for one in after.files if one.name.endswith(kind)] == [entry]


def test_prune_removes_folders_that_nobody_needs(small: tuple[Lake, Index]) -> None:
    """Shared coins stay with the last generation that needs them; exposure goes with its own unless kept or read."""
    lake, index = small
    first, second, third = (build(lake, Claims(version), index) for version in "123")
    names = [generation.files[-1].name for generation in (first, second, third)]
    index.keep(first.id)
    with index.open(second) as reader:
        index.prune(1)
        assert {path.name for path in index.dir.glob(f"*{EXPOSURE}")} == set(names)
        assert len(coins.coins_of(reader.cursor()).whole.born) == 2
    index.prune(1)
    assert {path.name for path in index.dir.glob(f"*{EXPOSURE}")} == {names[0], names[2]}
    assert [path.name for path in index.dir.glob(f"*{COINS}")] == [third.files[1].name]
    index.verify(first)
    index.verify(third)


def test_an_open_folder_answers_on_when_it_is_gone(tmp_path: Path) -> None:
    """What was mapped stays readable until it is let go."""
    folder = tmp_path / "x.coins"
    folder.mkdir()
    save(folder, x=np.arange(100_000))
    found = Arrays(folder)
    files.remove(folder)
    assert int(found["x"].sum()) == 99_999 * 50_000


def test_a_killed_folder_is_removed_by_the_next_build(small: tuple[Lake, Index]) -> None:
    """Half a folder never has its name, and does not stay."""
    lake, index = small
    live = build(lake, Claims(), index)

    class Killed(BaseException):
        """The process ends here."""

    def killed() -> None:
        with index.building(), index.folder("new.exposure") as folder:
            (folder / "x.npy").write_bytes(b"half")
            raise Killed

    with pytest.raises(Killed):
        killed()
    assert not index.has("new.exposure")
    assert list(index.dir.glob("new*"))
    build(lake, Claims(), index)
    assert not list(index.dir.glob("new*"))
    assert index.current() == live


def test_a_folder_that_is_half_removed_is_no_folder(small: tuple[Lake, Index], monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it removes a folder, pruning leaves nothing that a later build would take for whole."""
    lake, index = small
    first, _ = build(lake, Claims("1"), index), build(lake, Claims("2"), index)
    whole = shutil.rmtree

    def half(place: Path) -> None:
        min(place.iterdir()).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", half)
    with pytest.raises(KeyboardInterrupt):
        index.prune(1)
    monkeypatch.setattr(shutil, "rmtree", whole)
    assert not index.has(first.files[-1].name)
    again = build(lake, Claims("1"), index)
    index.verify()
    assert again.files[-1] == first.files[-1]
    assert not list(index.dir.glob("*.tmp*"))


def test_a_folder_is_replaced_whole(small: tuple[Lake, Index]) -> None:
    """Writing a folder that is there already leaves the new one only."""
    _, index = small
    index.dir.mkdir(parents=True, exist_ok=True)
    for n in range(2):
        with index.building(), index.folder("x.coins") as folder:
            save(folder, **{f"a{n}": np.arange(n)})
    assert [path.name for path in (index.dir / "x.coins").iterdir()] == ["a1.npy"]
    assert not list(index.dir.glob("*.tmp*"))


@pytest.mark.parametrize("room", [0, 50, 200, 600, 800, 1000, 1200])
def test_full_disk_stops_a_build_of_arrays(tmp_path: Path, room: int) -> None:
    """Wherever the disk becomes full, mapped arrays included, it is one error, and with space the build succeeds."""
    with tiny(tmp_path / "disk", 12_000) as disk:
        lake, index = _lake(disk), Index(disk)
        ballast = disk / "ballast"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        ballast.write_bytes(bytes(max(free - room * 1024, 0)))
        try:
            build(lake, Claims(), index)
        except DiskError as error:
            assert "space" in str(error)  # noqa: PT017 -- some of these fit
            assert index.current() is None
        ballast.unlink()
        build(lake, Claims(), index)
        index.verify()


def test_a_full_disk_is_an_error_where_arrays_are_mapped(tmp_path: Path) -> None:
    """Who spends an output is written before it is mapped: a hole in a file would end the process."""
    with tiny(tmp_path / "disk", 2_000) as disk:
        n = 500_000
        folder = disk / "x"
        folder.mkdir()
        empty = np.zeros(0, np.int32)
        save(folder, in_start=np.zeros(2, np.int64), out_start=np.array([0, n]), origin=empty, vout=empty)
        with Growing(folder, "out_value", np.uint8) as file:
            file.append(np.zeros(n, np.uint8))
        with pytest.raises(OSError, match="space"):
            graph._write_spenders(folder, np.full(1, -1, np.int32))


def test_errors_of_arrays_are_errors_of_the_store(tmp_path: Path) -> None:
    """Whoever catches what the store says catches damaged arrays as well."""
    with pytest.raises(StoreError):
        assert Arrays(tmp_path).facts
