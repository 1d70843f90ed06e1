"""Records in block and undo files: found in order through any XOR key; each way a file can be wrong is said."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.framing import MAX_RECORD, Mask, RecordFile
from chains.bitcoin.networks import NETWORKS
from chains.errors import FormatError, SourceError, TadoruError
from tests.datadirs import KEY
from worlds.ledger.datadir import obfuscated

REGTEST = NETWORKS["regtest"]
NO_KEY = bytes(8)


def framed(payloads: list[bytes], trailer: int = 0) -> bytes:
    """Records in the clear; the trailer is part of each payload."""
    return b"".join(REGTEST.magic + (len(p) - trailer).to_bytes(4, "little") + p for p in payloads)


def opened(path: Path, plain: bytes, key: bytes = NO_KEY, tail: int = 0) -> RecordFile:
    """A file with these records and a tail of zeros."""
    path.write_bytes(obfuscated(plain, np.frombuffer(key, np.uint8), 0) + bytes(tail))
    return RecordFile(path, Mask(key))


@settings(max_examples=60)
@given(
    st.lists(st.binary(min_size=32, max_size=90), max_size=5),
    st.sampled_from([NO_KEY, KEY, b"\0" * 7 + b"\1"]),
    st.sampled_from([0, 32]),
    st.sampled_from([0, 1, 7, 8, 64, 5000]),
)
def test_records_come_back(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], key: bytes, trailer: int, tail: int
) -> None:
    """Any payloads, key, trailer and length of the pre-allocated tail."""
    path = tmp_path_factory.mktemp("f") / "blk00000.dat"
    with opened(path, framed(payloads, trailer), key, tail) as file:
        if not file.size:
            return
        frames = file.frames(REGTEST, trailer)
        assert [file.read(f.start, f.size + trailer) for f in frames] == payloads


@given(st.binary(min_size=1, max_size=200), st.sampled_from([NO_KEY, KEY]), st.integers(0, 200))
def test_any_byte_is_read_through_the_key(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, key: bytes, start: int
) -> None:
    """Reading from any offset gives the plain bytes, or says where the file ends."""
    with opened(tmp_path_factory.mktemp("f") / "blk00000.dat", data, key) as file:
        start = min(start, len(data))
        assert file.read(start, len(data) - start) == data[start:]
        with pytest.raises(FormatError, match=f"ends at byte {len(data)}"):
            file.read(start, len(data) - start + 1)


def test_a_key_is_applied_to_more_than_one_tile(tmp_path: Path) -> None:
    """Blocks longer than the pieces in which the key is applied."""
    data = np.random.default_rng(1).bytes(3_000_001)
    with opened(tmp_path / "blk00000.dat", data, KEY) as file:
        assert file.read(5, len(data) - 5) == data[5:]


ONE = framed([b"x" * 90])
FAULTS: dict[str, tuple[bytes, int, type[TadoruError], str]] = {
    "empty": (b"", 0, FormatError, "is empty"),
    "garbage": (b"garbage, not a record" * 5, 0, FormatError, "has garbage at byte 0"),
    "garbage after records": (ONE + b"garbage, not a record", 0, FormatError, "has garbage at byte 98"),
    "cut in the payload": (ONE[:-1], 0, FormatError, "ends in the middle of the record at byte 0"),
    "cut in the frame": (ONE + ONE[:5], 0, FormatError, "ends in the middle of a record at byte 98"),
    "cut in the last byte of the frame": (ONE + ONE[:7], 0, FormatError, "ends in the middle of a record at byte 98"),
    "too large": (
        REGTEST.magic + (MAX_RECORD + 1).to_bytes(4, "little") + bytes(100),
        0,
        FormatError,
        f"record of {MAX_RECORD + 1} bytes at byte 0; the limit is {MAX_RECORD}",
    ),
    "zeros, then a record": (ONE + bytes(100) + ONE, 0, FormatError, "holds zeros at byte 98 and data behind them"),
    "zeros, far off a byte": (ONE + bytes(3 << 20) + b"\1", 0, FormatError, "holds zeros at byte 98 and data behind"),
    "another network": (
        ONE + NETWORKS["signet"].magic + ONE[4:],
        0,
        SourceError,
        r"network signet, not regtest \(byte 98\)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("key", [NO_KEY, KEY], ids=["clear", "masked"])
def test_each_fault_is_said_with_file_and_byte(tmp_path: Path, name: str, key: bytes) -> None:
    """One error that names the file and the byte."""
    plain, tail, kind, says = FAULTS[name]
    path = tmp_path / "blk00007.dat"
    if "zeros" in name:  # the gap is of raw zeros, so the key is laid under it by hand
        path.write_bytes(_with_raw_zeros(plain, key))
        file = RecordFile(path, Mask(key))
    else:
        file = opened(path, plain, key, tail)
    with file, pytest.raises(kind, match=f"{path}.*{says}") as caught:
        file.frames(REGTEST, 0)
    assert type(caught.value) is kind


def _with_raw_zeros(plain: bytes, key: bytes) -> bytes:
    data = obfuscated(plain, np.frombuffer(key, np.uint8), 0)
    gap = plain[len(ONE) :].index(plain[len(ONE) :].lstrip(b"\0")[:1]) if plain[len(ONE) :].strip(b"\0") else 0
    return data[: len(ONE)] + bytes(gap) + data[len(ONE) + gap :]


def test_a_file_that_can_not_be_opened_is_said(tmp_path: Path) -> None:
    """A missing file is a SourceError with its path."""
    with pytest.raises(SourceError, match=r"can not read .*blk00009.dat: No such file"):
        RecordFile(tmp_path / "blk00009.dat", Mask(NO_KEY))


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_a_key_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    """Eight bytes or no file at all."""
    (tmp_path / "xor.dat").write_bytes(bytes(size))
    with pytest.raises(FormatError, match=f"xor.dat has {size} bytes, not 8: copy it again"):
        Mask.of(tmp_path)


def test_no_key_file_means_files_in_the_clear(tmp_path: Path) -> None:
    """As nodes before version 28 write them."""
    assert Mask.of(tmp_path).key == NO_KEY


def test_a_key_that_is_no_file_is_said(tmp_path: Path) -> None:
    """Whatever stands in its place."""
    (tmp_path / "xor.dat").mkdir()
    with pytest.raises(SourceError, match=r"can not read .*xor.dat"):
        Mask.of(tmp_path)
