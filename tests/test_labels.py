"""The label store: whole imports or none, versions that name their contents, every earlier state for ever."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.address import script_of, text_of
from store.catalogue import NAME
from store.errors import BusyError, DamagedError, DiskError, StoreError
from store.files import locked
from store.labels import LabelError, Labels
from store.snapshot import SNAPSHOT_SCHEMA

ROOT = Path(__file__).resolve().parents[1]
GRAPHSENSE = ROOT.parent / "shared/data/labels/graphsense"
A = "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"
B = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
START = date(2024, 1, 1)


def pack(path: Path, *addresses: str, **header: str) -> Path:
    fields = {
        "title": "Pack",
        "creator": "Someone",
        "label": "wallet",
        "source": "https://example.org",
        "currency": "BTC",
        "confidence": "service_data",
        "category": "exchange",
        "lastmod": "2022-11-16",
        "is_cluster_definer": "true",
    } | header
    lines = [f"{name}: {value}" for name, value in fields.items()]
    path.write_text("\n".join([*lines, "tags:", *(f"- address: {a}" for a in addresses)]) + "\n")
    return path


def actors(path: Path, **categories: str) -> Path:
    lines = ["title: Actors", "creator: Someone", "lastmod: '2023-01-01'", "actors:"]
    for name, category in categories.items():
        lines += [f"- id: {name}", "  uri: x", f"  label: {name.title()}", f"  categories: [{category}]",
                  "  jurisdictions: [SG]"]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


def address(number: int) -> str:
    return str(text_of(b"\xa9\x14" + number.to_bytes(20, "big") + b"\x87", "main"))


def vintage(folder: Path, day: date, numbers: set[int]) -> Path:
    """Write a list that names the addresses of some numbers; entry 999 keeps its highest entry number."""
    place = folder / f"sdn-{day}"
    place.mkdir(parents=True)
    empty = ",".join(["-0- "] * 7)
    rows = [f'{n + 1},"PARTY {n}",-0- ,"CYBER2",{empty},"Digital Currency Address - XBT {address(n)}."\r\n'
            for n in sorted(numbers)]  # fmt: skip
    rows.append(f'999,"LAST",-0- ,"CUBA",{empty},-0- \r\n')
    (place / "sdn.csv").write_text("".join(rows) + "\x1a", newline="")
    (place / "sdn_comments.csv").write_text("\x1a")
    (place / "add.csv").write_text('999,1,-0- ,-0- ,"Cuba",-0- \r\n\x1a', newline="")
    return place


def files_of(labels: Labels) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in labels.folder.iterdir() if path.name != ".lock"}


def rows(labels: Labels, version: str | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = labels.snapshot(version).tags.to_pylist()
    return found


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    return Labels(tmp_path / "data")


def test_nothing_imported_is_a_version_too(labels: Labels) -> None:
    snapshot = labels.snapshot()
    assert labels.list() == []
    assert snapshot.version == labels.version() == "1970.01.01-e3b0c442"
    assert snapshot.tags.schema == SNAPSHOT_SCHEMA
    assert snapshot.tags.num_rows == snapshot.entities.num_rows == snapshot.lists.num_rows == 0
    assert not labels.folder.exists()


def test_an_import_is_reported_and_listed(labels: Labels, tmp_path: Path) -> None:
    report = labels.add([pack(tmp_path / "a.yaml", A, B), actors(tmp_path / "x.yaml", bigex="exchange")])
    assert (len(report.added), report.tags, report.entities, report.already) == (2, 2, 1, ())
    assert report.version == labels.version()
    assert report.version.startswith("2023.01.01-")
    assert [(e.name, e.kind, e.tags, str(e.dated)) for e in labels.list()] == [
        ("a.yaml", "tagpack", 2, "2022-11-16"),
        ("x.yaml", "actorpack", 0, "2023-01-01"),
    ]
    assert (labels.folder / f"{labels.list()[0].sha256}.yaml").read_bytes() == (tmp_path / "a.yaml").read_bytes()
    found = rows(labels)
    assert [(row["tag_id"], row["address"], row["script"]) for row in found] == [
        (0, A, script_of(A, "main")),
        (1, B, script_of(B, "main")),
    ]


def test_adding_again_changes_nothing(labels: Labels, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.yaml", A)
    first = labels.add([path])
    before = files_of(labels)
    again = labels.add([path, path])
    assert (again.added, len(again.already), again.version) == ((), 1, first.version)
    assert files_of(labels) == before


def test_the_version_follows_from_the_contents_alone(tmp_path: Path) -> None:
    """In any order, on any machine, under any file name."""
    paths = [pack(tmp_path / f"{i}.yaml", address(i), title=f"T{i}") for i in range(3)]
    one, other = Labels(tmp_path / "one"), Labels(tmp_path / "other")
    one.add(paths)
    for path in reversed(paths):
        other.add([path.rename(tmp_path / f"renamed-{path.name}")])
    assert one.version() == other.version()
    mine, theirs = one.snapshot(), other.snapshot()
    assert mine.tags.equals(theirs.tags)
    assert mine.entities.equals(theirs.entities)


def test_the_network_is_part_of_what_is_imported(labels: Labels, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.yaml", "bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9")
    labels.add([path], network="regtest")
    assert (rows(labels)[0]["network"], labels.list()[0].network) == ("regtest", "regtest")
    with pytest.raises(LabelError, match="belongs to Bitcoin regtest"):
        labels.add([path])


def test_every_earlier_version_is_reproduced(labels: Labels, tmp_path: Path) -> None:
    """Imports and removals only append; the snapshot of any earlier version is what it was."""
    kept = {labels.version(): rows(labels)}
    for i in range(4):
        labels.add([pack(tmp_path / f"{i}.yaml", address(i), title=f"T{i}")])
        kept[labels.version()] = rows(labels)
    gone = labels.list()[1]
    version = labels.remove(gone.id[:12], "retracted by its author")
    kept[version] = rows(labels)
    assert len(kept) == 6
    for version, expected in kept.items():
        assert rows(labels, version) == expected
        assert labels.snapshot(version).version == version
    assert gone.id not in [entry.id for entry in labels.list()]
    assert labels.add([tmp_path / gone.name]).added[0].id == gone.id


def test_unknown_versions_and_ids_are_refused(labels: Labels, tmp_path: Path) -> None:
    labels.add([pack(tmp_path / "a.yaml", A)])
    with pytest.raises(StoreError, match=r"never had the label version 2020\.01\.01-00000000; the one in force is"):
        labels.snapshot("2020.01.01-00000000")
    for wrong in ("", "zz"):
        with pytest.raises(StoreError, match=r"names \d lists in force; give an id"):
            labels.remove(wrong, "x")


def test_one_bad_file_imports_nothing(labels: Labels, tmp_path: Path) -> None:
    good, bad = pack(tmp_path / "good.yaml", A), pack(tmp_path / "bad.yaml", A[:-1] + "p")
    with pytest.raises(LabelError, match=r"bad\.yaml:11: .* checksum is wrong .*nothing was imported"):
        labels.add([good, bad])
    assert labels.list() == []
    assert not labels.folder.exists()
    labels.add([good])
    before = files_of(labels)
    with pytest.raises(LabelError):
        labels.add([bad])
    assert files_of(labels) == before


def test_check_finds_every_mistake_and_imports_nothing(labels: Labels, tmp_path: Path) -> None:
    good = pack(tmp_path / "good.yaml", A, A)
    bad = pack(tmp_path / "bad.yaml", "x", "y", category="nonsense")
    other = tmp_path / "notes.txt"
    other.write_text("x")
    report = labels.check([good, bad, other, tmp_path / "gone.yaml"])
    assert [(problem.path.name, problem.line) for problem in report.problems] == [
        ("notes.txt", None),
        ("gone.yaml", None),
        ("bad.yaml", 7),
    ]
    assert (report.tags, len(report.skipped)) == (1, 1)
    assert not labels.folder.exists()


@pytest.mark.parametrize(("name", "words"), [("list.pdf", "unknown format"), ("empty", "holds no tag pack")])
def test_what_is_no_list_is_said(labels: Labels, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.pdf").write_bytes(b"%PDF")
    with pytest.raises(LabelError, match=words):
        labels.add([tmp_path / name])


def test_an_empty_file_is_said(labels: Labels, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    with pytest.raises(LabelError, match="the file is empty"):
        labels.add([tmp_path / "a.yaml"])


def test_listings_begin_and_end_with_the_vintages(labels: Labels, tmp_path: Path) -> None:
    """On, off, on again; the order of import does not matter."""
    days = [START + timedelta(days=30 * i) for i in range(4)]
    named = [{1, 2}, {1}, {1, 2, 3}, {1, 3}]
    for day, numbers in reversed(list(zip(days, named, strict=True))):
        labels.add([vintage(tmp_path, day, numbers)])
    found = [(row["address"], row["listed_from"], row["listed_to"]) for row in rows(labels)]
    assert found == [
        (address(1), days[0], None),
        (address(2), days[0], days[1]),
        (address(2), days[2], days[3]),
        (address(3), days[2], None),
    ]
    [legal] = labels.snapshot().lists.to_pylist()
    assert (legal["list_id"], legal["date"], legal["entries"]) == ("ofac_sdn", days[3], 2)


def listings(vintages: dict[date, set[int]]) -> set[tuple[str, date, date | None]]:
    """The slow twin: walk the vintages one address at a time."""
    found: set[tuple[str, date, date | None]] = set()
    for number in set().union(*vintages.values()):
        begun: date | None = None
        for day in sorted(vintages):
            if number in vintages[day]:
                begun = begun or day
            elif begun:
                found.add((address(number), begun, day))
                begun = None
        if begun:
            found.add((address(number), begun, None))
    return found


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(st.integers(0, 60), st.sets(st.integers(0, 5)), min_size=1, max_size=6), st.randoms())
def test_listings_agree_with_a_walk_through_the_vintages(
    tmp_path_factory: pytest.TempPathFactory, told: dict[int, set[int]], shuffle: Any
) -> None:
    folder = tmp_path_factory.mktemp("vintages")
    vintages = {START + timedelta(days=n): numbers for n, numbers in told.items()}
    paths = [vintage(folder, day, numbers) for day, numbers in vintages.items()]
    shuffle.shuffle(paths)
    labels = Labels(folder / "data")
    labels.add(paths)
    found = {(row["address"], row["listed_from"], row["listed_to"]) for row in rows(labels)}
    assert found == listings(vintages)
    assert len(found) == len(rows(labels))


def test_an_older_list_under_a_newer_date_is_refused(labels: Labels, tmp_path: Path) -> None:
    """It would end every listing made since."""
    labels.add([vintage(tmp_path, START, {1, 2})])
    old = vintage(tmp_path / "old", START - timedelta(days=99), {1})
    rest = (old / "sdn.csv").read_text().replace("999,", "99,")
    (old / "sdn.csv").write_text(rest)
    (old / "add.csv").write_text("\x1a")
    with pytest.raises(LabelError, match="has higher entry numbers: this is the older of the two"):
        labels.add([old], dated=START + timedelta(days=1))
    labels.add([old])


def test_parties_are_described_once_and_never_missing(labels: Labels, tmp_path: Path) -> None:
    """The actor pack describes; an actor that only tags name is described by them."""
    labels.add(
        [
            actors(tmp_path / "x.yaml", dark="[market, dark_web]".strip("[]"), plain="exchange"),
            pack(tmp_path / "a.yaml", A, actor="dark", category="market", title="A"),
            pack(tmp_path / "b.yaml", B, actor="unheard", category="gambling", title="B"),
            pack(tmp_path / "c.yaml", address(1), actor="plain", abuse="ransomware", title="C"),
        ]
    )
    snapshot = labels.snapshot()
    assert [(e["entity_id"], e["name"], e["category"], e["jurisdictions"]) for e in snapshot.entities.to_pylist()] == [
        ("dark", "Dark", "darknet_market", ["SG"]),
        ("plain", "Plain", "exchange", ["SG"]),
        ("unheard", "unheard", "gambling", []),
    ]
    by_address = {row["address"]: row["category"] for row in snapshot.tags.to_pylist()}
    assert by_address == {A: "darknet_market", B: "gambling", address(1): "ransomware"}


def test_two_writers_at_once(labels: Labels, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.yaml", A)
    with locked(labels.folder / ".lock", "labels"), pytest.raises(BusyError, match="another process"):
        labels.add([path])
    assert labels.add([path]).tags == 1


def test_damage_is_found_and_named(labels: Labels, tmp_path: Path) -> None:
    labels.add([pack(tmp_path / "a.yaml", A)])
    parquet = labels.folder / f"{labels.list()[0].id}.tags.parquet"
    whole = parquet.read_bytes()
    parquet.write_bytes(whole[:-20])
    with pytest.raises(DamagedError, match=r"tags\.parquet is damaged"):
        labels.snapshot()
    parquet.unlink()
    with pytest.raises(DamagedError, match=r"tags\.parquet is missing"):
        labels.snapshot()
    catalogue = labels.folder / NAME
    catalogue.write_text(catalogue.read_text() + '{"action": "add"}\n')
    with pytest.raises(DamagedError, match=r"catalogue\.jsonl:2 is damaged"):
        labels.version()


def test_the_catalogue_is_plain_json_lines(labels: Labels, tmp_path: Path) -> None:
    """Whoever has only the folder can read what was imported when, from which file."""
    labels.add([pack(tmp_path / "a.yaml", A)])
    labels.remove(labels.list()[0].id, "wrong")
    first, last = (json.loads(line) for line in (labels.folder / NAME).read_text().splitlines())
    assert (first["action"], first["files"][0]["name"], first["tags"]) == ("add", "a.yaml", 1)
    assert (last["action"], last["id"], last["reason"]) == ("end", first["id"], "wrong")


SCRIPT = """
import encodings.utf_8_sig, os, resource, signal, sys
from pathlib import Path
from store.labels import Labels
what, data, *paths = sys.argv[1:]
if what == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
if what == "readonly":
    if os.getuid() == 0:
        os.setegid(65534), os.seteuid(65534)
print("ready", flush=True)
try:
    print(Labels(Path(data)).add([Path(p) for p in paths]).version)
except Exception as error:
    print(type(error).__name__, error)
    sys.exit(1)
"""


def process(what: str, labels: Labels, *paths: Path) -> subprocess.Popen[str]:
    run = [sys.executable, "-c", SCRIPT, what, str(labels.folder.parent), *map(str, paths)]
    return subprocess.Popen(run, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_full_disk_leaves_what_was(labels: Labels, tmp_path: Path) -> None:
    labels.add([pack(tmp_path / "a.yaml", A)])
    before, version = rows(labels), labels.version()
    big = pack(tmp_path / "b.yaml", *(address(i) for i in range(2000)))
    out, _ = process("full", labels, big).communicate(timeout=60)
    assert "Error writing " in out.splitlines()[1].replace(":", "")
    assert (rows(labels), labels.version()) == (before, version)
    assert labels.add([big]).tags == 2000
    assert not [name for name in files_of(labels) if name.endswith(".tmp")]


def test_a_read_only_directory_is_said() -> None:
    """The files may be read by anyone; the folder may be written by its owner alone."""
    # Not in tmp_path: pytest's folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        labels = Labels(place / "data")
        labels.add([pack(place / "a.yaml", A)])
        labels.folder.chmod(0o555)
        os.chmod(labels.folder / ".lock", 0o444)  # noqa: PTH101
        out, _ = process("readonly", labels, pack(place / "b.yaml", B)).communicate(timeout=60)
        assert "DiskError" in out
        assert "not writable" in out
        assert rows(labels)[0]["address"] == A
        labels.folder.chmod(0o755)
    assert DiskError.__name__ in out


def test_killed_at_any_instant_it_is_whole_or_has_never_been(tmp_path: Path) -> None:
    """Kill -9 during an import: afterwards the version before or after, and the same import then succeeds."""
    packs = [pack(tmp_path / f"{i}.yaml", *(address(i * 500 + n) for n in range(500)), title=f"T{i}") for i in range(6)]
    undisturbed = Labels(tmp_path / "undisturbed")
    start = time.perf_counter()
    after = undisturbed.add(packs).version
    takes = time.perf_counter() - start
    before = Labels(tmp_path / "none").version()
    for i in range(8):
        labels = Labels(tmp_path / f"killed{i}")
        running = process("add", labels, *packs)
        assert running.stdout
        assert running.stdout.readline() == "ready\n"
        time.sleep(takes * i / 6)
        running.send_signal(signal.SIGKILL)
        running.wait()
        running.stdout.close()
        assert labels.version() in (before, after)
        assert len(rows(labels)) in (0, 3000)
        assert labels.add(packs).version == after
        assert labels.snapshot().tags.equals(undisturbed.snapshot().tags)
        assert not [name for name in files_of(labels) if name.endswith(".tmp")]


@pytest.mark.skipif(not GRAPHSENSE.is_dir(), reason=f"no GraphSense packs at {GRAPHSENSE}")
def test_the_public_packs_with_their_actors(labels: Labels) -> None:
    """Every actor that a public tag names is described, and a market's tags say that it is dark."""
    packs = [GRAPHSENSE / "packs" / f"{name}.yaml" for name in ("hydra", "ofac", "lazarus", "demo")]
    report = labels.add([*packs, GRAPHSENSE / "actors"])
    snapshot = labels.snapshot()
    assert report.tags == snapshot.tags.num_rows
    named = {row["entity_id"] for row in snapshot.tags.to_pylist()} - {None}
    assert named <= set(snapshot.entities["entity_id"].to_pylist())
    hydra = {row["category"] for row in snapshot.tags.to_pylist() if row["entity_id"] == "hydramarket"}
    assert hydra == {"darknet_market"}
