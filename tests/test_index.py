"""The index directory: generations, the lock, publishing, opening, pruning, and what goes wrong."""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from heuristics.generation import build
from store.database import ddl
from store.errors import BusyError, DamagedError, DiskError, StoreError
from store.index import KINDS, Index
from store.lake import Lake
from store.manifest import SCHEMA_VERSION, Generation, IndexFormatError, NoIndexError
from tests.disks import read_only, tiny, without_permission
from tests.lakes import Claims, In, World, pay


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
    assert {"meta", "address", "flow", "tag", "attribution"} <= tables


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
    """Relabelling writes labels and exposure over the same base; the older generation can still be opened."""
    lake, index = small
    first = build(lake, Claims("1"), index)
    second = build(lake, Claims("2"), index)
    assert first.files[:2] == second.files[:2]
    assert not set(first.files[2:]) & set(second.files[2:])
    assert whole_ones(index) == [first.id, second.id]
    with index.open(index.generation(first.id)) as reader:
        assert reader.cursor().row("SELECT value FROM label_meta WHERE key = 'label_version'") == ("1",)


def whole_ones(index: Index) -> list[str]:
    """Ids of the generations whose exposure follows their own labels."""
    return [g.id for g in index.generations() if g.exposure_labels == g.label_version]


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


def test_history_that_comes_later_resolves_what_was_open(tmp_path: Path) -> None:
    """Raw blocks of last month first: their open spends are counted, and found once the rest is there."""
    early, late = World(), World(first_height=3, count=800)
    coins = early.mint(pay("a", 10), pay("b", 7), pay("c", 1))
    late.spend([In(coins, 0, resolved=False), In(coins, 1, resolved=False)], pay("x", 15))
    for _ in range(2):
        early.mint(pay("y", 1))
        late.mint(pay("z", 1))
    index, found = Index(tmp_path), []
    for world in (late, early):
        generation = build(world.write(tmp_path), Claims(), index)
        with index.open() as reader:
            asked = "SELECT (SELECT value FROM meta WHERE key = 'unresolved'), (SELECT count(*) FROM cluster)"
            found.append((generation.first_height, *reader.cursor().row(asked)))
    assert found == [(3, "2", 0), (0, "0", 1)]


def test_prune_spares_live_kept_and_read(small: tuple[Lake, Index]) -> None:
    """Pruning removes old generations, never the live one, one being read, or one that was kept."""
    lake, index = small
    ids = [build(lake, Claims(str(i)), index).id for i in range(5)]
    index.keep(ids[0])
    with index.open(index.generation(ids[1])):
        assert [removed for removed in index.prune(1) if removed in ids] == [ids[2], ids[3]]
    assert [g.id for g in index.generations()] == [ids[0], ids[1], ids[4]]
    assert index.prune(1) == [ids[1]]
    assert [len(list(index.dir.glob(f"*{kind}"))) for kind in KINDS] == [3, 1, 2]
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


def test_generations_of_other_versions_do_not_stand_in_the_way(small: tuple[Lake, Index]) -> None:
    """`tadoru index` is the way out of a schema change: old manifests are left alone, and pruned by age."""
    lake, index = small
    old = build(lake, Claims("1"), index)
    for path in (index.dir / f"{old.id}.json", index.current_path):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": SCHEMA_VERSION - 1}))
    index.keep_path(old.id).touch()
    new = build(lake, Claims("2"), index)
    assert index.generations() == [new]
    assert index.prune(1) == []
    assert index.has(old.files[2].name)
    index.keep_path(old.id).unlink()
    assert index.prune(1) == [old.id]
    assert files_of(index) == sorted(entry.name for entry in new.files)


def files_of(index: Index) -> list[str]:
    """Names of the databases and folders that are there."""
    return sorted(path.name for kind in KINDS for path in index.dir.glob(f"*{kind}"))


def test_nothing_is_pruned_beside_a_manifest_that_does_not_read(small: tuple[Lake, Index]) -> None:
    """Whose files they are can not be known, so they stay."""
    lake, index = small
    build(lake, Claims("1"), index)
    live = build(lake, Claims("2"), index)
    (index.dir / "unknown.json").write_text("{")
    index.keep_path("unknown").touch()
    files = files_of(index)
    assert len(index.prune(1)) == 3  # the first, and the new labels before and after their rules
    assert files_of(index) == files
    assert index.current() == live


def test_a_file_that_was_built_again_gets_its_own_sum(small: tuple[Lake, Index]) -> None:
    """Deleting a damaged file and building again, as the error says, ends with an index that verifies."""
    lake, index = small
    before = build(lake, Claims(), index)
    path = index.dir / before.files[2].name
    path.unlink()

    def otherwise(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("INSERT INTO label_meta VALUES ('label_version', 'x')")

    index.write(path.name, "labels", otherwise)
    build(lake, Claims(), index)
    index.verify()


def test_prune_waits_for_no_build(small: tuple[Lake, Index]) -> None:
    """Files of a build that is not published yet are in no manifest: pruning beside it is refused."""
    lake, index = small
    build(lake, Claims(), index)
    with index.building(), pytest.raises(BusyError):
        index.prune(1)


def test_publishing_again_leaves_readers_their_lock(small: tuple[Lake, Index]) -> None:
    """A generation that is read stays, even where the same one was published again meanwhile."""
    lake, index = small
    first = build(lake, Claims("1"), index)
    with index.open():
        build(lake, Claims("1"), index)
        build(lake, Claims("2"), index)
        assert first.id not in index.prune(1)
    assert index.prune(1) == [first.id]


def test_opening_follows_what_goes_live_meanwhile(small: tuple[Lake, Index], monkeypatch: pytest.MonkeyPatch) -> None:
    """A generation that is replaced and pruned between reading CURRENT and opening it is no error."""
    lake, index = small
    build(lake, Claims("1"), index)
    share = Index._share_manifest

    def late(self: Index, generation: Generation) -> int:
        monkeypatch.setattr(Index, "_share_manifest", share)
        build(lake, Claims("2"), index)
        index.prune(1)
        return share(self, generation)

    monkeypatch.setattr(Index, "_share_manifest", late)
    with index.open() as reader:
        assert reader.cursor().row("SELECT value FROM label_meta WHERE key = 'label_version'") == ("2",)


def test_a_failed_open_leaves_no_lock(small: tuple[Lake, Index]) -> None:
    """What could not be opened is not being read."""
    lake, index = small
    generation = build(lake, Claims(), index)
    (index.dir / generation.files[0].name).write_bytes(b"")
    with pytest.raises(IndexFormatError):
        index.open()
    handle = os.open(index.dir / f"{generation.id}.json", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_every_flipped_byte_is_named(small: tuple[Lake, Index]) -> None:
    """Wherever a published file is changed, verify names the file."""
    lake, index = small
    for entry in build(lake, Claims(), index).files:
        place = index.dir / entry.name
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            whole = path.read_bytes()
            for at in range(0, len(whole), len(whole) // (2 if place.is_dir() else 7)):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
                with pytest.raises(IndexFormatError, match=entry.name):
                    index.verify()
            path.write_bytes(whole)
    index.verify()


def test_branches_are_not_mixed(tmp_path: Path) -> None:
    """Segments that do not link, as after half a reorganisation, are refused by name."""

    class Branch(World):
        """Other blocks at the same heights."""

        def hash_of(self, height: int) -> bytes:
            return super().hash_of(height + 1000)

    trunk, branch = World(), Branch(first_height=3, count=900)
    for _ in range(3):
        trunk.mint(pay("a", 1))
        branch.mint(pay("b", 1))
    trunk.write(tmp_path)
    with pytest.raises(DamagedError, match="000000003-000000005 does not follow block 2"):
        build(branch.write(tmp_path), Claims(), Index(tmp_path))


def lives_on(index: Index, live: Generation) -> bool:
    """Whether a generation is still the live one and answers."""
    with index.open() as reader:
        return index.current() == live and reader.cursor().row("SELECT count(*) FROM block") is not None


def test_full_disk_leaves_the_live_generation(tmp_path: Path) -> None:
    """No space: one error that says so, the live generation answers on, and with space the build succeeds."""
    with tiny(tmp_path / "disk", 12_000) as disk:
        lake, index = _on(disk), Index(disk)
        live = build(lake, Claims("1"), index)
        ballast = disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with pytest.raises(DiskError, match=r"[Nn]o space"):
            build(lake, Claims("2"), index)
        assert lives_on(index, live)
        ballast.unlink()
        assert build(lake, Claims("2"), index).label_version == "2"
        index.verify()


def test_read_only_disk_is_said_and_can_be_read(tmp_path: Path) -> None:
    """On a read-only disk the index can be opened, not built or pruned."""
    with tiny(tmp_path / "disk", 12_000) as disk:
        lake, index = _on(disk), Index(disk)
        live = build(lake, Claims("1"), index)
        with read_only(disk):
            with pytest.raises(DiskError, match="not writable"):
                build(lake, Claims("2"), index)
            with pytest.raises(DiskError, match="not writable"):
                index.prune(1)
            assert lives_on(index, live)


def test_without_permission_it_is_said(small: tuple[Lake, Index]) -> None:
    """The same where a user may read, but not write."""
    lake, index = small
    live = build(lake, Claims("1"), index)
    with without_permission(index.dir):
        with pytest.raises(DiskError, match="not writable"):
            build(lake, Claims("2"), index)
        assert lives_on(index, live)


def _on(disk: Path) -> Lake:
    """The small lake on another disk."""
    world = World()
    world.spend([world.mint(pay("a", 100))], pay("b", 90))
    return world.write(disk)
