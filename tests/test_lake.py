"""The lake: what is appended is there, whole or not at all; what is damaged, foreign or in the way is said."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from chains.bitcoin.decode import decode_blocks
from chains.blocks import Blocks, Span
from store.errors import BusyError, DamagedError, StoreError
from store.files import TEMPORARY
from store.lake import SCHEMA_VERSION, Lake
from tests.datadirs import COMMON, contents, tale
from tests.naive import parse_block
from tests.realdata import spent_body
from tests.twins import SECRET, scanned, undo_of

A = tale()
HOLD = """
import sys
from pathlib import Path
from store.lake import Lake
with Lake.open(Path(sys.argv[1])).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def blocks(first: int, last: int) -> Blocks:
    """Decoded blocks of the chain with what they spend."""
    raws = [block.raw for block in A[first : last + 1]]
    bodies = []
    for block in A[first : last + 1]:
        found = scanned(block.raw)
        assert found is not None
        assert block.undo is not None or block is A[0]
        spent = [] if block.undo is None else undo_of(block.undo, found, b"", compressed=True)
        assert spent is not None
        bodies.append(spent_body([0, *(len(tx.inputs) for tx in parse_block(block.raw).txs[1:])], spent))
    return decode_blocks(raws, bodies, first, "regtest", SECRET)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty regtest lake."""
    return Lake.create(tmp_path / "data", "bitcoin", "regtest", SECRET)


SPANS = [Span(0, 9), Span(10, 12), Span(13, 20), Span(COMMON - 5, COMMON + 3)]


@pytest.fixture
def full(lake: Lake) -> Lake:
    """A lake with three neighbours, a gap and a last segment."""
    for span in SPANS:
        lake.append(blocks(*span))
    return lake


def test_what_is_appended_comes_back(full: Lake) -> None:
    """Every table with every type, row and null; segments in order whatever the order of appending."""
    assert full.spans() == SPANS
    for span in SPANS:
        expected = blocks(*span)
        for table in full.tables:
            assert full.read(table.name, span) == expected.tables[table.name]
        assert full.manifest(span).span == span
        assert full.manifest(span).prev_hash == A[span.first].prev_hash[::-1].hex()
        assert full.manifest(span).last_hash == A[span.last].hash[::-1].hex()
        full.check_files(span)
    assert full.read("tx", SPANS[0], ["fee", "n_in"]).column_names == ["fee", "n_in"]


def test_appending_out_of_order(lake: Lake) -> None:
    """The newest first, the rest later."""
    for span in reversed(SPANS):
        lake.append(blocks(*span))
    assert lake.spans() == SPANS


def test_the_newest_run_without_gaps(lake: Lake) -> None:
    """None at first, then the run that ends at the highest."""
    assert lake.contiguous() is None
    lake.append(blocks(0, 3))
    assert lake.contiguous() == Span(0, 3)
    lake.append(blocks(10, 12))
    assert lake.contiguous() == Span(10, 12)
    lake.append(blocks(4, 9))
    assert lake.contiguous() == Span(0, 12)


def test_paths_follow_the_chain(full: Lake) -> None:
    """All segments by default, or those asked for."""
    names = ["000000000-000000009", "000000010-000000012", "000000013-000000020", "000000107-000000115"]
    assert [path.name for path in full.paths("tx")] == [f"{name}.parquet" for name in names]
    assert full.paths("tx", [SPANS[1]]) == [full.root / "tx" / f"{names[1]}.parquet"]
    assert all(path.exists() for table in full.tables for path in full.paths(table.name))


@pytest.mark.parametrize(("height", "left"), [(116, 4), (115, 3), (107, 3), (21, 3), (20, 2), (0, 0)])
def test_truncating(full: Lake, height: int, left: int) -> None:
    """Segments that hold the height or more go, files and all; nothing else does."""
    before = contents(full.root)
    assert full.truncate(height) == SPANS[left:][::-1]
    assert full.spans() == SPANS[:left]
    kept = {name: digest for name, digest in before.items() if not any(s.name in name for s in SPANS[left:])}
    assert contents(full.root) == kept


@pytest.mark.parametrize("span", [Span(9, 9), Span(0, 20), Span(12, 13), Span(20, 25), Span(11, 11)])
def test_heights_that_are_there_are_not_appended_again(full: Lake, span: Span) -> None:
    """Segments never overlap; nothing is touched."""
    before = contents(full.root)
    with pytest.raises(StoreError, match=f"holds heights of {span.name} already.*truncate"):
        full.append(blocks(*span))
    assert contents(full.root) == before


def test_overlapping_segments_are_said(full: Lake) -> None:
    """However they came about."""
    marker = full.root / "segment" / f"{SPANS[0].name}.json"
    (full.root / "segment" / "000000005-000000010.json").write_bytes(marker.read_bytes())
    with pytest.raises(DamagedError, match="000000000-000000009 and 000000005-000000010 overlap"):
        full.spans()


@pytest.mark.parametrize("name", ["notes.json", "1-2-3.json", "5-3.json", "-.json", "a-b.json"])
def test_what_is_no_manifest_is_said(full: Lake, name: str) -> None:
    """A stranger among the manifests is named."""
    (full.root / "segment" / name).write_text("{}")
    with pytest.raises(DamagedError, match=f"{name} is no manifest of a segment"):
        full.spans()


def test_leftovers_of_a_killed_writer_are_swept(full: Lake) -> None:
    """Temporary files and table files without a manifest, by the next writer and only by it."""
    before = contents(full.root)
    leftovers = [
        full.root / "tx" / f"000000050-000000060.parquet.123{TEMPORARY}",
        full.root / "output" / "000000050-000000060.parquet",
        full.root / "segment" / f"000000050-000000060.json{TEMPORARY}",
    ]
    for path in leftovers:
        path.write_bytes(b"half")
    assert full.spans() == SPANS
    with full.writing():
        assert contents(full.root) == before


def test_a_segment_without_manifest_is_none(full: Lake) -> None:
    """The manifest is the commit: without it heights are missing, and can be appended again."""
    (full.root / "segment" / f"{SPANS[1].name}.json").unlink()
    assert full.spans() == [SPANS[0], *SPANS[2:]]
    full.append(blocks(*SPANS[1]))
    assert full.spans() == SPANS
    full.check_files(SPANS[1])


def test_one_writer_at_a_time(full: Lake) -> None:
    """A second process is told so at once, and can write when the first has ended, be it killed."""
    command = [sys.executable, "-c", HOLD, str(full.root.parents[1])]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        says = r"the bitcoin lake is being written by another process .*LOCK"
        with pytest.raises(BusyError, match=says), full.writing():
            pass
        assert full.spans() == SPANS, "reading goes on"
        held.kill()
    with full.writing():
        pass


def test_two_writers_in_one_process(full: Lake) -> None:
    """Threads of one process are held apart too."""
    with full.writing(), pytest.raises(BusyError), full.writing():
        pass


# -- opening


def test_a_lake_keeps_its_secret_and_network(tmp_path: Path) -> None:
    """Made once, with a secret that only its owner reads."""
    made = Lake.create(tmp_path, "bitcoin", "regtest")
    again = Lake.create(tmp_path, "bitcoin", "regtest", b"another secret..")
    opened = Lake.open(tmp_path)
    assert made.secret == again.secret == opened.secret
    assert len(made.secret) == 16
    assert made.secret != Lake.create(tmp_path / "other", "bitcoin", "regtest").secret
    assert stat.S_IMODE((made.root / "secret").stat().st_mode) == 0o600
    assert (opened.network, opened.chain) == ("regtest", "bitcoin")


def test_another_network_is_refused(tmp_path: Path) -> None:
    """A lake holds one network."""
    Lake.create(tmp_path, "bitcoin", "regtest")
    with pytest.raises(StoreError, match="holds network regtest, the source is main: use another --data"):
        Lake.create(tmp_path, "bitcoin", "main")


def test_no_lake(tmp_path: Path) -> None:
    """What to run first."""
    with pytest.raises(StoreError, match=f"no bitcoin lake in {tmp_path}: run `tadoru backfill bitcoin"):
        Lake.open(tmp_path)


def test_another_schema_version(tmp_path: Path) -> None:
    """Neither older nor newer software guesses."""
    lake = Lake.create(tmp_path, "bitcoin", "regtest")
    facts = json.loads((lake.root / "lake.json").read_text())
    (lake.root / "lake.json").write_text(json.dumps(facts | {"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(StoreError, match=f"schema version {SCHEMA_VERSION + 1}, this software {SCHEMA_VERSION}"):
        Lake.open(tmp_path)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("lake.json", ""),
        ("lake.json", "[]"),
        ("lake.json", "{}"),
        ("lake.json", "null"),
        ("lake.json", '{"schema_version": 1'),
        ("secret", ""),
        ("secret", "no hex"),
        ("secret", "00" * 15),
        ("secret", None),
    ],
)
def test_damaged_facts(tmp_path: Path, file: str, text: str | None) -> None:
    """A lake whose facts or secret do not read says what to restore; it never makes a new secret."""
    lake = Lake.create(tmp_path, "bitcoin", "regtest")
    if text is None:
        (lake.root / file).unlink()
    else:
        (lake.root / file).write_text(text)
    says = r"lake.json or the secret beside it is unreadable.*restore them"
    with pytest.raises(DamagedError, match=says):
        Lake.open(tmp_path)
    if (lake.root / "lake.json").exists():
        with pytest.raises(DamagedError, match=says):
            Lake.create(tmp_path, "bitcoin", "regtest")


# -- damage


@pytest.mark.parametrize("table", ["block", "tx", "output", "spend", "address"])
def test_a_flipped_bit_is_found_by_its_hash(full: Lake, table: str) -> None:
    """Anywhere in any file of a segment."""
    path = full.path(table, SPANS[3])
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), max(len(data) // 7, 1)):
        data[at] ^= 4
        path.write_bytes(data)
        with pytest.raises(DamagedError, match=f"{path} is not what was written .*remove .*json and backfill"):
            full.check_files(SPANS[3])
        data[at] ^= 4


def test_a_flipped_bit_is_found_when_pages_are_read(full: Lake) -> None:
    """Page checksums catch damage that decompresses well, without reading the manifest; rows are never wrong."""
    path = full.path("output", SPANS[0])
    before = full.read("output", SPANS[0])
    original = path.read_bytes()
    end = len(original) - 8 - int.from_bytes(original[-8:-4], "little")
    found = 0
    for at in range(4, end):
        path.write_bytes(original[:at] + bytes([original[at] ^ 1]) + original[at + 1 :])
        try:
            assert full.read("output", SPANS[0]) == before
        except DamagedError:
            found += 1
    assert found > (end - 4) / 2


@pytest.mark.parametrize("damage", ["gone", "empty", "garbage", "cut"])
def test_a_file_that_does_not_read(full: Lake, damage: str) -> None:
    """The file, the reason and the heights to read again."""
    path = full.path("tx", SPANS[1])
    data = {"empty": b"", "garbage": b"PAR1" + b"x" * 100 + b"PAR1", "cut": path.read_bytes()[:-50]}.get(damage)
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    advice = "remove .*000000010-000000012.json and backfill heights 10 to 12 again"
    with pytest.raises(DamagedError, match=f"{path} .*: {advice}"):
        full.check_files(SPANS[1])
    with pytest.raises(DamagedError, match=f"{path} .*: {advice}"):
        full.read("tx", SPANS[1])


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"first": 10}', None, {"first": 11}, {"rows": {}}, {"sha256": {"tx": ""}}, {"extra": 1}],
)
def test_a_manifest_that_does_not_read(full: Lake, text: str | dict[str, object] | None) -> None:
    """Cut off, of another form, or about something else."""
    path = full.root / "segment" / f"{SPANS[1].name}.json"
    if isinstance(text, str):
        path.write_text(text)
    elif text is None:
        path.write_bytes(b"\xff\xfe")
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | text))
    with pytest.raises(DamagedError, match=f"{path} is unreadable .*remove it and backfill heights 10 to 12 again"):
        full.check_files(SPANS[1])
