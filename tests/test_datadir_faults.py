"""Damaged, foreign and incomplete block files: one error that names the place and what to do, the lake as before."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chains.bitcoin.datadir import DatadirSource
from chains.blocks import Span
from chains.errors import ChainError, FormatError, SourceError, TadoruError, VerificationError
from store.backfill import backfill
from store.lake import Lake
from tests.datadirs import (
    COMMON,
    KEY,
    FilePair,
    Layout,
    contents,
    flip,
    frame_starts,
    sample,
    straight,
    tale,
    undo_of,
    used,
    write,
)
from tests.test_datadir import rows
from tests.twins import SECRET
from worlds.ledger.blocks import Block

A, B = tale("a"), tale("b", 5)


def refused(folder: Path, tmp_path: Path, kind: type[TadoruError], *says: str) -> None:
    """Backfilling from `folder` fails with one error of this kind that says all this, and changes nothing."""
    data = tmp_path / "data"
    lake = Lake.create(data, "bitcoin", "regtest", SECRET)
    backfill(DatadirSource.open(straight(tmp_path / "good")), lake, Span(0, 49))
    before = contents(data)
    with pytest.raises(TadoruError) as caught:
        backfill(DatadirSource.open(folder), lake)
    assert type(caught.value) is kind, caught.value
    for part in says:
        assert part in str(caught.value)
    assert contents(data) == before


def damaged(tmp_path: Path, pairs: list[FilePair | None] | None = None) -> Path:
    """The blocks folder of a chain to damage."""
    return write(tmp_path / "bad", pairs or [FilePair.of(A)]) / "blocks"


@pytest.mark.parametrize("kind", ["blk", "rev"])
def test_a_file_cut_in_the_middle(tmp_path: Path, kind: str) -> None:
    """The file and the byte where its last record begins."""
    folder = damaged(tmp_path)
    path = folder / f"{kind}00000.dat"
    start = frame_starts(path, KEY, 32 if kind == "rev" else 0)[80]
    path.write_bytes(path.read_bytes()[: start + 30])
    refused(folder, tmp_path, FormatError, f"{path} ends in the middle of the record at byte {start}", "copy it again")


def test_a_block_file_cut_between_records(tmp_path: Path) -> None:
    """Files go on elsewhere, so blocks are missing in between."""
    folder = damaged(tmp_path, [FilePair.of(A[:60]), FilePair.of(A[60:])])
    path = folder / "blk00000.dat"
    path.write_bytes(path.read_bytes()[: frame_starts(path, KEY, 0)[50]])
    refused(folder, tmp_path, SourceError, "blk00001.dat", "is in no blk file: one is missing or damaged", "copy")


def test_a_block_file_missing_in_the_middle(tmp_path: Path) -> None:
    """What lies behind was connected, so this is no download under way."""
    folder = damaged(tmp_path, [FilePair.of(A[:40]), FilePair.of(A[40:60]), FilePair.of(A[60:])])
    (folder / "blk00001.dat").unlink()
    refused(folder, tmp_path, SourceError, "byte 8 of", "blk00002.dat", "is in no blk file", "copy the files again")


@pytest.mark.parametrize("kind", ["blk", "rev"])
@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "is empty: copy it again"), (b"\x11garbage" * 30, "magic")],
    ids=["empty", "garbage"],
)
def test_a_file_that_is_none(tmp_path: Path, kind: str, data: bytes, says: str) -> None:
    """Empty or garbage."""
    folder = damaged(tmp_path)
    path = folder / f"{kind}00000.dat"
    path.write_bytes(data)
    refused(folder, tmp_path, FormatError, f"{kind}00000.dat", says)


def test_block_files_that_were_never_written(tmp_path: Path) -> None:
    """Room was made, and nothing came."""
    folder = damaged(tmp_path)
    (folder / "blk00000.dat").write_bytes(bytes(500))
    refused(folder, tmp_path, SourceError, f"{folder}/blk00000.dat holds no blocks yet", "let the node")


@pytest.mark.parametrize("kind", ["blk", "rev"])
def test_garbage_after_the_records(tmp_path: Path, kind: str) -> None:
    """Directly behind the last record, or after the zeros."""
    folder = damaged(tmp_path)
    path = folder / f"{kind}00000.dat"
    data, end = path.read_bytes(), used(path)
    path.write_bytes(data[:end] + b"garbage that is no record" + data[end:])
    with pytest.raises(FormatError, match=f"{path} has garbage at byte {end}.*copy it again"):
        DatadirSource.open(folder)
    path.write_bytes(data + b"\1")
    refused(folder, tmp_path, FormatError, str(path), "data behind them", "copy it again")


@pytest.mark.parametrize("file", ["blk00000.dat", "rev00000.dat", "blk00001.dat"])
def test_a_file_of_another_network(tmp_path: Path, file: str) -> None:
    """Which network was expected, which one is there."""
    folder = damaged(tmp_path, [FilePair.of(A[:60]), FilePair.of(A[60:])])
    other = write(tmp_path / "other", [FilePair.of(A[:60]), FilePair.of(A[60:])], Layout(magic=b"\x0b\x11\x09\x07"))
    shutil.copy(other / "blocks" / file, folder / file)
    with pytest.raises(SourceError, match="holds blocks of network test, not regtest"):
        DatadirSource.open(folder, "regtest")
    if file != "blk00000.dat":
        refused(folder, tmp_path, SourceError, str(folder / file), "network test, not regtest", "byte 0")


def test_a_network_that_is_not_the_expected_one(tmp_path: Path) -> None:
    """The name the caller gave is held against the files; an unknown one is refused with the known ones."""
    folder = damaged(tmp_path)
    with pytest.raises(SourceError, match="holds blocks of network regtest, not main"):
        DatadirSource.open(folder, "main")
    with pytest.raises(ChainError, match="'mainnet' is no Bitcoin network; say one of: main"):
        DatadirSource.open(folder, "mainnet")


@pytest.mark.parametrize(
    ("key", "says"),
    [(None, "xor.dat is missing or wrong"), (b"wrongkey", "xor.dat is missing or wrong"), (KEY[:5], "has 5 bytes")],
)
def test_a_wrong_key(tmp_path: Path, key: bytes | None, says: str) -> None:
    """Without its key a directory is garbage, and the key is what to look at."""
    folder = damaged(tmp_path)
    (folder / "xor.dat").unlink()
    if key is not None:
        (folder / "xor.dat").write_bytes(key)
    refused(folder, tmp_path, FormatError, str(folder), says)


def test_all_undo_files_missing(tmp_path: Path) -> None:
    """Blocks alone do not say what they spend."""
    folder = damaged(tmp_path)
    (folder / "rev00000.dat").unlink()
    refused(folder, tmp_path, SourceError, f"{folder} has no rev*.dat files", "copy them too")


def test_an_undo_file_missing_in_the_middle(tmp_path: Path) -> None:
    """The file is named."""
    folder = damaged(tmp_path, [FilePair.of(A[:60]), FilePair.of(A[60:90]), FilePair.of(A[90:])])
    (folder / "rev00001.dat").unlink()
    refused(folder, tmp_path, SourceError, f"{folder}/rev00001.dat is missing", "Copy it beside blk00001.dat")


def test_an_undo_file_of_another_copy(tmp_path: Path) -> None:
    """Its checksums fit no block of ours."""
    folder = damaged(tmp_path)
    other = write(tmp_path / "other", [FilePair.of(B)])
    shutil.copy(other / "blocks" / "rev00000.dat", folder / "rev00000.dat")
    refused(folder, tmp_path, VerificationError, "rev00000.dat matches block", "belongs to another copy", "together")


def test_more_blocks_without_undo_data_than_a_node_stores_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost undo file is not taken for a download under way."""
    monkeypatch.setattr("chains.bitcoin.datadir._AHEAD", 20)
    folder = damaged(tmp_path, [FilePair.of(A[:60]), FilePair.of(A[60:])])
    (folder / "rev00001.dat").unlink()
    refused(folder, tmp_path, SourceError, "newest blocks", "rev00001.dat or later ones are missing", "copy them again")


@pytest.mark.parametrize("field", range(0, 80, 7))
def test_a_flipped_bit_in_a_header(tmp_path: Path, field: int) -> None:
    """Damage in the middle of the chain is never taken for its end, whichever field it hits."""
    folder = damaged(tmp_path)
    path = folder / "blk00000.dat"
    flip(path, frame_starts(path, KEY, 0)[70] + 8 + field)
    with pytest.raises(ChainError, match=r"blk00000.dat.*(damaged|not what its header says|copy)"):
        rows(DatadirSource.open(folder))


def test_a_flipped_bit_in_a_record_size(tmp_path: Path) -> None:
    """What follows is no record any more."""
    folder = damaged(tmp_path)
    path = folder / "blk00000.dat"
    start = frame_starts(path, KEY, 0)[70]
    flip(path, start + 4)
    refused(folder, tmp_path, FormatError, str(path), "garbage at byte", "copy it again")


def test_a_flipped_bit_in_a_transaction(tmp_path: Path) -> None:
    """The merkle root tells, with heights and file."""
    folder = damaged(tmp_path)
    flip(folder / "blk00000.dat", frame_starts(folder / "blk00000.dat", KEY, 0)[70] + 8 + 150)
    refused(folder, tmp_path, VerificationError, "blk00000.dat", "block at height 70", "merkle root")


def test_a_flipped_bit_in_a_witness(tmp_path: Path) -> None:
    """The witness commitment tells."""
    folder = damaged(tmp_path)
    path = folder / "blk00000.dat"
    end_of_last = used(path)
    flip(path, end_of_last - 40)
    with pytest.raises(VerificationError, match=f"block at height {len(A) - 1}.*(witness commitment|merkle root)"):
        rows(DatadirSource.open(folder))


@pytest.mark.parametrize("at", [70, len(A) - 2])
def test_a_flipped_bit_in_an_undo_record(tmp_path: Path, at: int) -> None:
    """Its checksum tells, in the middle as for the newest block, which is not taken for unconnected."""
    folder = damaged(tmp_path)
    path = folder / "rev00000.dat"
    flip(path, frame_starts(path, KEY, 32)[at] + 8)
    refused(folder, tmp_path, VerificationError, f"rev00000.dat matches block {at + 1}", "damaged")


def test_an_undo_record_that_fits_by_checksum_only(tmp_path: Path) -> None:
    """A record with a right checksum over wrong coins is held against the block's inputs and values."""
    wrong = [undo_of(block) for block in A[1:]]
    empty = Block(A[COMMON].raw, b"\0")
    wrong[COMMON - 1] = undo_of(empty)
    pair = FilePair([block.raw for block in A], [record for record in wrong if record is not None])
    says = ("blk00000.dat", "undo record of block", "each input")
    refused(damaged(tmp_path, [pair]), tmp_path, VerificationError, *says)


def test_a_record_too_short_for_a_block(tmp_path: Path) -> None:
    """A record of a header's length or less."""
    folder = damaged(tmp_path, [FilePair([*(b.raw for b in A), A[1].raw[:80]], [r for b in A if (r := undo_of(b))])])
    refused(folder, tmp_path, FormatError, "blk00000.dat has a record of 80 bytes", "too short for a block")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, pa.Table]]:
    """Core's regtest sample and what is read from it."""
    folder = sample(tmp_path_factory.mktemp("clean"))
    return folder / "blocks", rows(DatadirSource.open(folder))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["blk", "rev"]), st.floats(0, 1), st.integers(0, 7))
def test_any_flipped_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, clean: tuple[Path, dict[str, pa.Table]], kind: str, part: float, bit: int
) -> None:
    """Any one bit of Core's files: an error, or the same rows up to the tip (whose header alone carries itself)."""
    folder = tmp_path_factory.mktemp("flip") / "blocks"
    shutil.copytree(clean[0], folder)
    path = folder / f"{kind}00000.dat"
    flip(path, int(part * (used(path) - 1)), bit)
    try:
        source = DatadirSource.open(folder)
        read = rows(source)
    except ChainError as error:
        assert str(folder) in str(error)  # noqa: PT017 -- an error is one of two right outcomes
        return
    top = source.tip().height
    assert top >= 205, "damage was taken for the end of the chain"
    height = read["block"]["height"].to_numpy()
    assert read["block"].filter(height < top) == clean[1]["block"].slice(0, top)


def test_flips_between_first_and_last_record_cost_nothing_silently(tmp_path: Path) -> None:
    """Every byte of one small block: each flip in it is an error."""
    folder = damaged(tmp_path)
    path = folder / "blk00000.dat"
    start, end = frame_starts(path, KEY, 0)[20:22]
    for at in range(start, end, 3):
        flip(path, at)
        with pytest.raises(ChainError, match=r"blk00000\.dat"):
            rows(DatadirSource.open(folder))
        flip(path, at)
    assert rows(DatadirSource.open(folder))["block"].num_rows == len(A)
