"""The block parser: what it accepts, what it refuses and where, and that no bytes make it read elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin import wire
from chains.errors import FormatError
from tests import naive
from tests.realdata import collection
from tests.twins import array, assert_read_alike, block_with, mutated, scanned

SMALL = [
    *(b.raw for b in collection("core-getblockstats") if len(b.raw) > 300),
    *(b.raw for b in collection("core-blockfilters")),
]
SEGWIT = max((raw for raw in SMALL if b"\x00\x01\x01" in raw), key=len)
COINBASE = bytes(4) + b"\1" + bytes(36) + b"\0" + bytes(4) + b"\1" + bytes(8) + b"\0" + bytes(4)


@pytest.mark.parametrize("raw", SMALL, ids=range(len(SMALL)))
def test_small_real_blocks_read_alike(raw: bytes) -> None:
    """Kernel and twin agree on blocks with and without witnesses."""
    assert assert_read_alike(raw) is not None


def test_a_block_cut_anywhere_is_refused() -> None:
    """No proper beginning of a block is a block, and none is read beyond its end."""
    for size in range(len(SEGWIT)):
        assert assert_read_alike(SEGWIT[:size]) is None


@settings(max_examples=300)
@given(mutated(SMALL))
def test_mutated_blocks_read_alike(raw: bytes) -> None:
    """Damage is refused by both or read the same by both."""
    assert_read_alike(raw)


@settings(max_examples=200)
@given(st.binary(max_size=400), st.integers(0, 3))
def test_arbitrary_bytes_read_alike(tail: bytes, n_tx: int) -> None:
    """Garbage behind a header is refused by both or read the same by both."""
    assert_read_alike(bytes(80) + bytes([n_tx]) + tail)
    assert_read_alike(tail)


COUNTS = st.sampled_from([b"\0", b"\1", b"\2", b"\xfc", b"\xfd\1\0", b"\xfd\xfd\0", b"\xfe\0\0\1\0", b"\xff" * 9])


@settings(max_examples=300)
@given(st.lists(st.one_of(COUNTS, st.sampled_from([bytes(4), bytes(36), bytes(8), COINBASE, b"\0\1"])), max_size=12))
def test_pieces_of_transactions_read_alike(parts: list[bytes]) -> None:
    """Lengths of every form where any field may stand."""
    assert_read_alike(bytes(80) + b"".join(parts))


@given(st.binary(max_size=10))
def test_compact_sizes_agree_with_the_twin(data: bytes) -> None:
    """Value and next position, or a refusal."""
    value, after = wire.read_compact(array(data + b"\xff" * 9), 0, len(data))
    reader = naive.Reader(data)
    try:
        assert (reader.compact(), reader.pos) == (value, after)
    except naive.Refused:
        assert after == -1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (bytes(80), wire.TRUNCATED),
        (bytes(80) + b"\0", wire.NO_TRANSACTIONS),
        (bytes(80) + b"\xfd\1\0" + COINBASE, wire.NON_CANONICAL),
        (bytes(80) + b"\xff" + (1 << 40).to_bytes(8, "little"), wire.NON_CANONICAL),
        (bytes(80) + b"\xfe" + (wire.MAX_COMPACT + 1).to_bytes(4, "little"), wire.NON_CANONICAL),
        (bytes(80) + b"\2" + COINBASE, wire.TRUNCATED),
        (bytes(80) + b"\1" + COINBASE + b"\0", wire.TRAILING),
        (bytes(80) + b"\1" + bytes(4) + bytes(2) + COINBASE, wire.NO_INPUTS),
        (bytes(80) + b"\1" + bytes(4) + b"\0\1\0" + COINBASE, wire.NO_INPUTS),
        (bytes(80) + b"\1" + bytes(4) + b"\0\2" + COINBASE, wire.UNKNOWN_FLAG),
        (bytes(80) + b"\1" + COINBASE[:46] + b"\0" + bytes(20), wire.NO_OUTPUTS),
        (bytes(80) + b"\1" + bytes(4) + b"\0\1" + COINBASE[4:-4] + b"\0" + bytes(4), wire.SUPERFLUOUS_WITNESS),
    ],
)
def test_each_refusal_says_what_is_wrong_and_where(raw: bytes, code: int) -> None:
    """The message names the block, the byte and the reason."""
    with pytest.raises(FormatError, match=f"block 0 of this run {wire.MEANINGS[code]}.*byte [0-9]+ of {len(raw)}"):
        wire.scan(array(raw), np.zeros(1, np.int64), np.array([len(raw)]))


def test_a_run_of_blocks_is_read_in_one_go() -> None:
    """Offsets of several blocks follow each other, and a damaged one is named by its number."""
    parts = [block_with([1, 3]), block_with([1]), block_with([1, 2, 2])]
    starts = np.cumsum([0, *map(len, parts)])[:-1]
    found = wire.scan(array(b"".join(parts)), starts, np.array([*map(len, parts)]))
    assert found.block_tx.tolist() == [0, 2, 3, 6]
    assert found.tx.n_in.tolist() == [1, 3, 1, 1, 2, 2]
    assert found.tx_in.tolist() == [0, 1, 4, 5, 6, 8, 10]
    parts[1] = parts[1][:-1] + b"\xff"
    with pytest.raises(FormatError, match="block 2 of this run"):
        wire.scan(array(b"".join(parts)), starts, np.array([len(parts[0]), len(parts[1]), len(parts[2]) + 1]))


@pytest.mark.parametrize(("start", "size"), [(-1, 141), (0, 142), (1, 141), (200, 141), (0, -1)])
def test_places_outside_of_the_buffer_are_refused(start: int, size: int) -> None:
    """Places come from files; none of them may point the kernel elsewhere."""
    raw = array(block_with([1]))
    with pytest.raises(FormatError, match="ends in the middle"):
        wire.scan(raw, np.array([start]), np.array([size]))


def test_the_largest_counts_fit() -> None:
    """65,536 transactions in a block, and 70,000 inputs in one."""
    found = scanned(block_with([1] * 0x10000))
    assert found is not None
    assert len(found.tx.start) == 0x10000
    wide = scanned(block_with([1, 70_000]))
    assert wide is not None
    assert wide.tx.n_in.tolist() == [1, 70_000]
