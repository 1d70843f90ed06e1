"""Raw blocks and what they spend to tables: nothing that contradicts its header, neighbours or coins gets through."""

from collections.abc import Sequence
from itertools import count

import pyarrow as pa
import pytest
from hypothesis import given, settings

from chains.bitcoin.consensus import MAX_MONEY, subsidy
from chains.bitcoin.decode import decode_blocks
from chains.bitcoin.tables import TABLES
from chains.blocks import Blocks, Span
from chains.errors import ChainError, FormatError, VerificationError
from tests import naive
from tests.datadirs import COMMON, tale
from tests.realdata import spent_body
from tests.test_hashes import block, coinbase, tx
from tests.twins import SECRET, mutated

BITS = bytes.fromhex("ffff7f20")
HEIGHT = 5
TAIL = [b.raw for b in tale()[COMMON : COMMON + 4]]


def proven(start: bytes) -> bytes:
    """A header with the lowest nonce that meets regtest's target."""
    headers = (start + nonce.to_bytes(4, "little") for nonce in count())
    return next(header for header in headers if naive.sha256d(header)[31] < 0x80)


def mined(txs: Sequence[bytes], prev: bytes = bytes(32)) -> bytes:
    """A block of these transactions with regtest's proof of work."""
    raw = block(txs)
    return proven(bytes(4) + prev + raw[36:68] + bytes(4) + BITS) + raw[80:]


def paying(values: Sequence[int], **facts: bytes) -> bytes:
    """A transaction that creates these values."""
    raw = tx([b""] * len(values), **facts)  # type: ignore[arg-type]
    start = len(raw) - 4 - 9 * len(values)
    outputs = b"".join(value.to_bytes(8, "little", signed=True) + b"\0" for value in values)
    return raw[:start] + outputs + raw[-4:]


def rewarding(*values: int) -> bytes:
    """A coinbase that creates these values."""
    raw = coinbase([b""] * len(values))
    start = len(raw) - 4 - 9 * len(values)
    return raw[:start] + b"".join(v.to_bytes(8, "little", signed=True) + b"\0" for v in values) + raw[-4:]


def decoded(raws: Sequence[bytes], spent: Sequence[Sequence[int]] | None = None) -> Blocks:
    """Decode blocks from HEIGHT on; `spent` holds the values that each block's later transactions spend."""
    bodies = None
    if spent is not None:
        counts = [[len(t.inputs) for t in naive.parse_block(raw).txs[1:]] for raw in raws]
        pairs = zip(counts, spent, strict=True)
        bodies = [spent_body([0, *count], [(value, b"\x51") for value in values]) for count, values in pairs]
    return decode_blocks(raws, bodies, HEIGHT, "regtest", SECRET)


REWARD = subsidy(HEIGHT, "regtest")


def test_fees_and_rewards_that_add_up() -> None:
    """A block that takes exactly subsidy and fees; another that takes less."""
    one = mined([rewarding(REWARD + 30), paying([60, 10])])
    two = mined([rewarding(1, 2)], prev=naive.sha256d(one[:80]))
    blocks = decoded([one, two], [[100], []])
    assert blocks.tables["tx"]["fee"].to_pylist() == [0, 30, 0]
    assert (blocks.span, blocks.unresolved) == (Span(HEIGHT, HEIGHT + 1), 0)
    assert blocks.last_hash == naive.sha256d(two[:80])


@pytest.mark.parametrize(
    ("txs", "spent", "says"),
    [
        ([rewarding(REWARD + 31), paying([70])], [100], f"coinbase of block 5 creates {REWARD + 31} satoshi"),
        ([rewarding(0), paying([101])], [100], "transaction 1 of block 5 creates more than it spends"),
        ([rewarding(0), paying([-1])], [100], "transaction 1 of block 5 creates an impossible value"),
        ([rewarding(-1)], [], "transaction 0 of block 5 creates an impossible value"),
        ([rewarding(0), paying([MAX_MONEY + 1])], [1], "transaction 1 of block 5 creates an impossible value"),
        ([rewarding(0), paying([MAX_MONEY, 1])], [1], "transaction 1 of block 5 creates an impossible value"),
        ([rewarding(0), paying([MAX_MONEY] * 8800)], [0], "transaction 1 of block 5 creates an impossible value"),
        ([rewarding(0), paying([0])], [-1], "transaction 1 of block 5 spends an impossible value"),
        ([rewarding(0), paying([0])], [MAX_MONEY + 1], "transaction 1 of block 5 spends an impossible value"),
    ],
)
def test_values_that_can_not_be(txs: Sequence[bytes], spent: Sequence[int], says: str) -> None:
    """Out of range, alone or summed up (8,800 times all money is more than 64 bits hold), or more than is there."""
    with pytest.raises(VerificationError, match=says):
        decoded([mined(txs)], [spent])


def test_impossible_outputs_are_found_without_prevouts() -> None:
    """Values are looked at where nothing is known of the spends too."""
    with pytest.raises(VerificationError, match="transaction 1 of block 5 creates an impossible value"):
        decoded([mined([rewarding(0), paying([MAX_MONEY, 1])])])


def test_proof_of_work_is_held_against_the_header() -> None:
    """A header whose hash is above its target, and targets that no hash meets."""
    raw = mined([coinbase()])
    for bits in (b"\xff\xff\x00\x1d", b"\xff\xff\xff\x20", b"\xff\xff\x7f\x23", bytes(4)):
        with pytest.raises(VerificationError, match=r"block [0-9a-f]{64} at height 5 does not meet its own proof"):
            decoded([raw[:72] + bits + raw[76:]])


def test_neighbours_must_link() -> None:
    """A block that builds on another one than the one before."""
    one = mined([coinbase()])
    stranger = mined([coinbase()], prev=b"\x07" * 32)
    with pytest.raises(VerificationError, match=r"block at height 6 builds on 0707.*, not on the block before it"):
        decoded([one, stranger])


def test_contents_are_held_against_the_header() -> None:
    """The height and the reason are told."""
    one = mined([coinbase()])
    other = mined([coinbase(), tx([b"\x51"])], prev=naive.sha256d(one[:80]))
    with pytest.raises(VerificationError, match="block at height 6 is not what its header says: the merkle root"):
        decoded([one, other[:-1] + b"\1"])


def test_blocks_that_do_not_parse() -> None:
    """The block's number in the run and the byte."""
    one = mined([coinbase()])
    with pytest.raises(FormatError, match=r"block 1 of this run ends in the middle of a field \(byte [0-9]+ of 100\)"):
        decoded([one, one[:100]])


def test_prevouts_of_another_block() -> None:
    """Bodies that do not have a coin for each input."""
    raw = mined([rewarding(0), paying([10])])
    for body in (b"\1\0", b"\2\0\0", b"\2\0\2" + bytes(18), b"\2\1" + bytes(9) + b"\1" + bytes(9), b""):
        with pytest.raises(VerificationError, match="undo record of block 0 of this run"):
            decode_blocks([raw], [body], HEIGHT, "regtest", SECRET)


def test_mistakes_of_the_caller() -> None:
    """No blocks, or not one body for each."""
    raw = mined([coinbase()])
    with pytest.raises(ValueError, match="no blocks"):
        decode_blocks([], None, 0, "regtest", SECRET)
    with pytest.raises(ValueError, match="2 undo records for 1 blocks"):
        decode_blocks([raw], [b"\1\0", b"\1\0"], HEIGHT, "regtest", SECRET)


@settings(max_examples=200)
@given(mutated(TAIL))
def test_no_damage_gets_through(raw: bytes) -> None:
    """A mutated block is an error, or it is the block itself."""
    try:
        blocks = decode_blocks([raw], None, COMMON, "regtest", SECRET)
    except ChainError:
        return
    # Regtest's proof of work is weak: another header can meet it. What stands below it is committed to.
    assert raw[80:] in {original[80:] for original in TAIL}
    assert blocks.tables["block"]["hash"].to_pylist() == [naive.sha256d(raw[:80])]


def test_tables_have_the_types_of_the_registry() -> None:
    """With and without prevouts, with spends and without any."""
    raw = mined([coinbase()])
    spending = mined([rewarding(0), paying([10])])
    for blocks in (decoded([raw]), decoded([raw], [[]]), decoded([spending]), decoded([spending], [[10]])):
        for table in TABLES:
            assert blocks.tables[table.name].schema == table.schema
            blocks.tables[table.name].validate(full=True)
    assert isinstance(decoded([raw]).tables["block"], pa.Table)


def test_rows_are_sorted_as_the_registry_says() -> None:
    """By height, transaction, position and address."""
    tables = decode_blocks(TAIL, None, COMMON, "regtest", SECRET).tables
    for table in TABLES:
        rows = list(zip(*(tables[table.name][c].to_pylist() for c in table.sorted_by), strict=True))
        assert rows == sorted(rows)
