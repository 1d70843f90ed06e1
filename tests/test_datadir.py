"""A node's block files in every order and state: the same rows come out, or one error says what is wrong."""

import logging
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from chains.bitcoin.datadir import DatadirSource, blocks_folder
from chains.blocks import Span
from chains.errors import SourceError, VerificationError
from tests.datadirs import (
    COMMON,
    KEY,
    FilePair,
    Layout,
    flip,
    frame_starts,
    sample,
    straight,
    tale,
    used,
    write,
)
from tests.realdata import DATADIRS, collection
from tests.twins import SECRET
from worlds.ledger.blocks import Block

NEAR = slice(COMMON - 2, COMMON + 3)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> DatadirSource:
    """The chain in one pair of files, in order."""
    return DatadirSource.open(straight(tmp_path_factory.mktemp("straight")))


def rows(source: DatadirSource, span: Span | None = None) -> dict[str, pa.Table]:
    """Everything a source tells of a span, by default of all it has."""
    return dict(source.read(span or Span(source.first_height, source.tip().height), SECRET).tables)


def opened(folder: Path, pairs: list[FilePair | None], layout: Layout | None = None) -> DatadirSource:
    """A source over files laid out by hand."""
    return DatadirSource.open(write(folder, pairs, layout))


@pytest.mark.parametrize("name", DATADIRS)
def test_cores_own_directories_are_read(tmp_path: Path, name: str) -> None:
    """Networks, tips, hashes and every block's numbers, as Core wrote them."""
    source = DatadirSource.open(sample(tmp_path, name))
    known = collection(f"datadir-{name}")
    assert (source.network, source.first_height, source.tip().height) == (DATADIRS[name], 0, len(known) - 1)
    blocks = rows(source)["block"].to_pydict()
    assert blocks["size"] == [len(block.raw) for block in known]
    assert blocks["hash"] == [source.block_hash(h) for h in range(len(known))]
    assert blocks["prev_hash"] == [block.raw[4:36] for block in known]


A = tale("a")
B, C = tale("b", 5), tale("c", 5)
EARLY, LATE = A[:COMMON], A[COMMON:]
STALE = B[COMMON:]
LAYOUTS: dict[str, Callable[[], tuple[list[FilePair | None], Layout]]] = {
    "in the clear": lambda: ([FilePair.of(A)], Layout(key=bytes(8))),
    "without a tail": lambda: ([FilePair.of(A)], Layout(tail=False)),
    "several files": lambda: ([FilePair.of(A[:40]), FilePair.of(A[40:90]), FilePair.of(A[90:])], Layout()),
    "out of order": lambda: ([FilePair.of([*A[:1], *A[:0:-1]], A)], Layout()),
    "out of order over files": lambda: (
        [FilePair.of([*A[:50], *A[60:70]]), FilePair.of([*A[69:49:-1][10:], *A[70:]], [*A[50:60], *A[70:]])],
        Layout(),
    ),
    "stale blocks never connected": lambda: ([FilePair.of([*EARLY, *STALE, *LATE], A)], Layout()),
    "stale blocks connected and left": lambda: ([FilePair.of([*EARLY, *STALE, *LATE])], Layout()),
    "stale blocks after": lambda: ([FilePair.of([*A, *STALE], A)], Layout()),
    "stored twice": lambda: ([FilePair.of([*A[:80], *A[60:]], A)], Layout()),
    "numbers left out": lambda: ([FilePair.of(A[:80]), None, FilePair.of(A[80:])], Layout()),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_any_layout_gives_the_same_rows(tmp_path: Path, expected: DatadirSource, name: str) -> None:
    """Order, files, stale blocks and obfuscation do not show."""
    source = opened(tmp_path, *LAYOUTS[name]())
    assert source.tip() == expected.tip()
    assert rows(source) == rows(expected)
    assert rows(source, Span(NEAR.start, NEAR.stop)) == rows(expected, Span(NEAR.start, NEAR.stop))


def test_a_source_travels_to_workers(expected: DatadirSource) -> None:
    """Pickled and read elsewhere it is the same."""
    assert rows(pickle.loads(pickle.dumps(expected)), Span(3, 9)) == rows(expected, Span(3, 9))  # noqa: S301


@pytest.mark.parametrize("where", [".", "blocks", "regtest/blocks"])
def test_the_folder_is_found_where_core_puts_it(tmp_path: Path, where: str) -> None:
    """The data directory, its blocks folder, a network's folder below."""
    (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
    blocks = straight(tmp_path / "made") / "blocks"
    shutil.copytree(blocks, tmp_path / where, dirs_exist_ok=True)
    (tmp_path / where / "blk00000-copy.dat").write_bytes(b"not one of them")
    shutil.rmtree(tmp_path / "made")
    assert blocks_folder(tmp_path) == tmp_path / where
    assert DatadirSource.open(tmp_path).tip().height == len(A) - 1
    assert DatadirSource.open(tmp_path / where).tip().height == len(A) - 1


def test_a_folder_without_block_files_is_said(tmp_path: Path) -> None:
    """Where was looked, and what to point at; other files that start alike do not count."""
    (tmp_path / "blkindex.dat").write_bytes(b"")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SourceError, match=r"no blk\*.dat files found; looked in .*Point --from"):
            DatadirSource.open(path)


def left(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Warnings so far."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("missing", [1, 3])
def test_blocks_that_the_node_has_not_connected_wait(
    tmp_path: Path, expected: DatadirSource, caplog: pytest.LogCaptureFixture, missing: int
) -> None:
    """Newest blocks without undo data are left for later, and everything below is read."""
    source = opened(tmp_path, [FilePair.of(A, A[:-missing])])
    assert source.tip().height == len(A) - 1 - missing
    assert rows(source) == rows(expected, Span(0, source.tip().height))
    assert left(caplog) == [f"{missing} newest blocks have no undo data yet and are left for later"]


@pytest.mark.parametrize("stale", [STALE, C[COMMON:]], ids=["other number of coins", "same number of coins"])
@pytest.mark.parametrize("n", [1, 2])
def test_undo_data_of_stale_blocks_does_not_count_for_the_tip(tmp_path: Path, stale: tuple[Block, ...], n: int) -> None:
    """A stored tip waits although the file holds more records than the chain below, stale blocks'."""
    late = LATE[:3]
    pair = FilePair.of([*EARLY, *stale[:n], *late], [*EARLY, *stale[:n], *late[:-1]])
    source = opened(tmp_path, [pair])
    assert source.tip().height == COMMON + 1


@pytest.mark.parametrize("first", ["stale", "best"])
@pytest.mark.parametrize("branch", ["b", "c"])
def test_undo_data_of_a_stale_block_on_the_same_parent_is_not_taken(
    tmp_path: Path, expected: DatadirSource, branch: str, first: str
) -> None:
    """The checksum fits both of two blocks on one parent: the right record is found whichever was connected first."""
    stale = tale(branch)[COMMON : COMMON + 2]
    late = [*stale, *LATE] if first == "stale" else [LATE[0], *stale, *LATE[1:]]
    source = opened(tmp_path, [FilePair.of([*EARLY, *late])])
    assert source.tip() == expected.tip()
    assert rows(source) == rows(expected)
    assert rows(source, Span(COMMON, COMMON)) == rows(expected, Span(COMMON, COMMON))


def test_a_damaged_record_beside_a_stale_one_is_not_taken_for_an_unconnected_tip(tmp_path: Path) -> None:
    """The newest block's record is there, though its checksum fails."""
    folder = write(tmp_path, [FilePair.of([*EARLY, *STALE[:2], *LATE])]) / "blocks"
    path = folder / "rev00000.dat"
    flip(path, frame_starts(path, KEY, 32)[-1] + 8)
    source = DatadirSource.open(folder)
    assert source.tip().height == len(A) - 1
    with pytest.raises(VerificationError, match=f"rev00000.dat matches block {len(A) - 1} "):
        rows(source)


def test_a_new_file_without_undo_file_waits(tmp_path: Path) -> None:
    """A node that has just begun a block file has no undo file for it yet."""
    source = opened(tmp_path, [FilePair.of(A[:-2]), FilePair([b.raw for b in A[-2:]], None)])
    assert source.tip().height == len(A) - 3


def test_a_block_that_is_being_written_waits(tmp_path: Path) -> None:
    """The frame is there, the bytes are not yet all of them."""
    folder = straight(tmp_path) / "blocks"
    path = folder / "blk00000.dat"
    last = frame_starts(path, KEY, 0)[-1]
    data = path.read_bytes()
    for written in (8, 30, 88, 200):
        path.write_bytes(data[: last + written] + bytes(len(data) - last - written))
        rev = folder / "rev00000.dat"
        records = frame_starts(rev, KEY, 32)
        whole = rev.read_bytes()
        rev.write_bytes(whole[: records[-1]] + bytes(len(whole) - records[-1]))
        assert DatadirSource.open(tmp_path).tip().height == len(A) - 2
        rev.write_bytes(whole)


def test_blocks_ahead_of_their_parents_wait(
    tmp_path: Path, expected: DatadirSource, caplog: pytest.LogCaptureFixture
) -> None:
    """A first download holds blocks whose parents are still on their way, be they more than those below."""
    source = opened(tmp_path, [FilePair.of([*A[:20], *A[30:]], A[:20])])
    assert source.tip().height == 19
    assert rows(source) == rows(expected, Span(0, 19))
    assert left(caplog) == [f"{len(A) - 30} blocks whose parents are not there yet are left for later"]


def test_a_directory_with_genesis_alone(tmp_path: Path) -> None:
    """A node that has just started: one block, no undo data."""
    source = opened(tmp_path, [FilePair([A[0].raw], None)])
    assert (source.tip().height, rows(source)["tx"].num_rows) == (0, 1)


def test_a_pruned_start_takes_its_height_from_the_coinbase(tmp_path: Path, expected: DatadirSource) -> None:
    """BIP 34: history starts where the files start."""
    source = opened(tmp_path, [None, FilePair.of(A[60:90]), FilePair.of(A[90:])])
    assert (source.first_height, source.tip()) == (60, expected.tip())
    assert rows(source) == rows(expected, Span(60, len(A) - 1))
    with pytest.raises(SourceError, match=f"holds heights 60 to {len(A) - 1}; height 59 is not among them"):
        source.block_hash(59)


@pytest.mark.parametrize("stale", [STALE[:1], STALE[1:2], STALE[2:4]])
def test_a_stale_block_at_a_pruned_start_does_not_shift_heights(
    tmp_path: Path, expected: DatadirSource, stale: tuple[Block, ...]
) -> None:
    """The oldest block of the best chain says the height, not the first block found."""
    source = opened(tmp_path, [None, FilePair.of([*stale, *A[COMMON + 2 :]])])
    assert source.first_height == COMMON + 2
    assert rows(source) == rows(expected, Span(COMMON + 2, len(A) - 1))


def test_blocks_left_over_below_a_pruned_start_are_ignored(tmp_path: Path, expected: DatadirSource) -> None:
    """Older blocks that happened to lie in a file that was kept."""
    source = opened(tmp_path, [None, FilePair.of([*A[40:45], *A[60:]])])
    assert source.first_height == 60
    assert rows(source) == rows(expected, Span(60, len(A) - 1))


def test_a_pruned_start_before_bip34_needs_its_height(tmp_path: Path) -> None:
    """Version 1 blocks do not say their height: the caller must."""
    folder = sample(tmp_path, "mainnet_0-599") / "blocks"
    for kind, trailer, first in (("blk", 0, 100), ("rev", 32, 99)):
        path = folder / f"{kind}00000.dat"
        key = (folder / "xor.dat").read_bytes()
        start = frame_starts(path, key, trailer)[first]
        data = path.read_bytes()
        # Cut where the key falls the same way, so that the rest still reads.
        turn = start % 8
        (folder / "xor.dat").write_bytes(key)
        path.write_bytes(_rekeyed(data[start : used(path)], key[turn:] + key[:turn], key))
    with pytest.raises(SourceError, match=r"is not genesis and its height is not known.*--start"):
        DatadirSource.open(tmp_path)
    source = DatadirSource.open(tmp_path, first_height=100)
    assert (source.first_height, source.tip().height) == (100, 599)
    assert rows(source)["block"]["height"].to_pylist() == list(range(100, 600))


def _rekeyed(data: bytes, old: bytes, new: bytes) -> bytes:
    pairs = zip(old, new, strict=True)
    mask = bytes(a ^ b for a, b in pairs)
    return bytes(byte ^ mask[i % 8] for i, byte in enumerate(data))
