"""The index directory: generations, the lock, publishing, opening, pruning, and what goes wrong."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from heuristics.generation import build
from store.errors import BusyError, DamagedError, StoreError
from store.index import SCHEMA_VERSION, Index, IndexFormatError, NoIndexError, ddl
from store.lake import Lake
from tests.lakes import Claims, World, pay


@pytest.fixture
def small(tmp_path: Path) -> tuple[Lake, Index]:
    """A lake of two transactions and its index directory."""
    world = World()
    coin = world.mint(pay("a", 100))
    world.spend([coin], pay("b", 90))
    return world.write(tmp_path), Index(tmp_path)


def test_schema_is_valid_on_its_own() -> None:
    """`duckdb x.db < store/schema.sql` works, and its parts together make the whole."""
    con = duckdb.connect()
    con.execute(ddl("base"))
    con.execute(ddl("labels"))
    tables = {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert {"meta", "address", "flow", "tag", "attribution", "exposure"} <= tables


def test_every_column_says_what_it_means() -> None:
    """Each column of schema.sql carries a comment."""
    for line in (ddl("base") + ddl("labels")).splitlines():
        if line.startswith("    ") and not line.strip().startswith("--"):
            assert " -- " in line, line


def test_no_index_says_what_to_do(tmp_path: Path) -> None:
    """Opening before anything was published names the commands to run."""
    with pytest.raises(NoIndexError, match="tadoru backfill"):
        Index(tmp_path).open()


def test_building_twice_changes_nothing(small: tuple[Lake, Index]) -> None:
    """The same lake and labels give the same generation, found done."""
    lake, index = small
    first = build(lake, Claims(), index)
    files = {path: path.stat().st_mtime_ns for path in index.dir.glob("*.duckdb")}
    assert build(lake, Claims(), index) == first
    assert {path: path.stat().st_mtime_ns for path in index.dir.glob("*.duckdb")} == files
    assert index.current() == first
    index.verify()


def test_new_labels_reuse_the_base(small: tuple[Lake, Index]) -> None:
    """Relabelling writes a labels file over the same base; the older generation can still be opened."""
    lake, index = small
    first = build(lake, Claims("1"), index)
    second = build(lake, Claims("2"), index)
    assert first.files[0] == second.files[0]
    assert first.files[1] != second.files[1]
    assert [g.id for g in index.generations()] == [first.id, second.id]
    with index.open(index.generation(first.id)) as reader:
        assert reader.cursor().row("SELECT value FROM label_meta WHERE key = 'label_version'") == ("1",)


def test_only_one_builds(small: tuple[Lake, Index]) -> None:
    """A second build is refused at once."""
    lake, index = small
    with index.building(), pytest.raises(BusyError):
        build(lake, Claims(), Index(index.dir.parent.parent))


def test_other_schema_version_is_said(small: tuple[Lake, Index]) -> None:
    """A generation of another software is refused with both versions."""
    lake, index = small
    build(lake, Claims(), index)
    facts = json.loads(index.current_path.read_text())
    index.current_path.write_text(json.dumps(facts | {"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(IndexFormatError, match=f"version {SCHEMA_VERSION + 1}"):
        index.open()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 1}', '{"schema_version": 1, "files": 3}'])
def test_damaged_manifest_is_said(small: tuple[Lake, Index], text: str) -> None:
    """A CURRENT that is no manifest is an error with its path, not a traceback of another kind."""
    lake, index = small
    build(lake, Claims(), index)
    index.current_path.write_text(text)
    with pytest.raises(IndexFormatError, match="CURRENT"):
        index.open()


def test_missing_and_cut_files_are_said(small: tuple[Lake, Index]) -> None:
    """A file that is gone, short or changed is named."""
    lake, index = small
    generation = build(lake, Claims(), index)
    path = index.dir / generation.files[0].name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(IndexFormatError, match="bytes"):
        index.open()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(IndexFormatError, match="changed"):
        index.verify()
    path.write_bytes(bytes(len(whole)))
    with pytest.raises(IndexFormatError, match="can not be opened"):
        index.open()
    path.unlink()
    with pytest.raises(IndexFormatError, match="missing"):
        index.open()


def test_failed_build_leaves_the_live_generation(small: tuple[Lake, Index]) -> None:
    """A build that stops half way leaves CURRENT as it was; the next one clears away what it left."""
    lake, index = small
    live = build(lake, Claims("1"), index)

    def stop(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("SELECT * FROM nowhere")

    with index.building(), pytest.raises(StoreError, match="writing the index"):
        index.write("broken.duckdb", "base", stop)
    assert index.current() == live
    assert not index.has("broken.duckdb")
    assert list(index.dir.glob("*.tmp"))
    build(lake, Claims("2"), index)
    assert not list(index.dir.glob("*.tmp*"))


def test_damaged_lake_is_not_indexed(small: tuple[Lake, Index]) -> None:
    """A flipped bit in a segment stops the build with its name."""
    lake, index = small
    path = lake.path("output", lake.spans()[0])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="output"):
        build(lake, Claims(), index)
    assert index.current() is None


def test_empty_lake_is_said(tmp_path: Path) -> None:
    """Without segments there is nothing to index."""
    lake = World().write(tmp_path)
    with pytest.raises(DamagedError, match="empty"):
        build(lake, Claims(), Index(tmp_path))


def test_only_the_latest_gap_free_run_is_indexed(tmp_path: Path) -> None:
    """Last month first, the rest at night: a gap is where history begins."""
    late, early = World(first_height=10, count=1000), World()
    late.mint(pay("a", 5))
    early.mint(pay("b", 5))
    early.write(tmp_path)
    generation = build(late.write(tmp_path), Claims(), Index(tmp_path))
    assert (generation.first_height, generation.height) == (10, 10)


def test_prune_spares_live_kept_and_read(small: tuple[Lake, Index]) -> None:
    """Pruning removes old generations, never the live one, one being read, or one that was kept."""
    lake, index = small
    ids = [build(lake, Claims(str(i)), index).id for i in range(5)]
    index.keep(ids[0])
    with index.open(index.generation(ids[1])):
        assert index.prune(1) == [ids[2], ids[3]]
    assert [g.id for g in index.generations()] == [ids[0], ids[1], ids[4]]
    assert index.prune(1) == [ids[1]]
    assert len(list(index.dir.glob("*.duckdb"))) == 3
    with pytest.raises(NoIndexError):
        index.generation(ids[1])
    index.open().close()


def test_prune_never_removes_the_live_one(small: tuple[Lake, Index]) -> None:
    """Even `keep=0` leaves what answers."""
    lake, index = small
    live = build(lake, Claims(), index)
    assert index.prune(0) == []
    assert index.current() == live


def test_reader_can_not_write(small: tuple[Lake, Index]) -> None:
    """An open generation is read-only."""
    lake, index = small
    build(lake, Claims(), index)
    with index.open() as reader, pytest.raises(duckdb.Error):
        reader.cursor().execute("DELETE FROM f0.address")


_KILLED = """
import os, sys, threading, time
from pathlib import Path
sys.path.insert(0, {root!r})
from heuristics.generation import build
from store.index import Index
from store.lake import Lake
from tests.lakes import Claims
threading.Thread(target=lambda: (time.sleep({delay}), os.kill(os.getpid(), 9)), daemon=True).start()
build(Lake.open(Path({data!r})), Claims("2"), Index(Path({data!r})))
time.sleep(60)
"""


@pytest.mark.parametrize("delay", [0.3, 1.5])
def test_killed_build_leaves_the_last_generation(small: tuple[Lake, Index], delay: float) -> None:
    """Kill -9 at any instant: the live generation still opens, and the next build ends as if undisturbed."""
    lake, index = small
    live = build(lake, Claims("1"), index)
    root, data = str(Path(__file__).parent.parent), str(index.dir.parent.parent)
    code = _KILLED.format(root=root, data=data, delay=delay)
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == -9
    found = index.current()
    assert found is not None
    assert found.id.startswith(live.id[:-1])
    index.open().close()
    assert build(lake, Claims("2"), index).label_version == "2"
