"""Undo records and `spenttxouts` bodies: read as the twin reads them, refused where it refuses, never beyond."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.consensus import MAX_MONEY
from chains.bitcoin.undo import decompress_amount, read_prevouts
from chains.errors import VerificationError
from tests import naive, naive_scripts
from tests.realdata import spent_body
from tests.test_script import ALL, SMALL
from tests.twins import array, assert_undo_alike, block_with, mutated, scanned
from worlds.ledger.undo import SpentOutput, block_undo, compressed_amount, compressed_script, varint

COUNTS = [2, 1, 3]
KEY = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
Y = bytes.fromhex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")
ON_CURVE = b"\x41\x04" + KEY + Y + b"\xac"
COINS = [
    SpentOutput(0, b"", 0, coinbase=False),
    SpentOutput(MAX_MONEY, SMALL[0], 700_000, coinbase=True),
    SpentOutput(5_000_000_000, ON_CURVE, 1, coinbase=True),
    SpentOutput(1, SMALL[4], 5, coinbase=False),
    SpentOutput(123_456_789, b"\xa9\x14" + bytes(20) + b"\x87", 900_000, coinbase=False),
    SpentOutput(10, b"\x51" * 200, 7, coinbase=False),
]


def nested(coins: list[SpentOutput]) -> list[list[SpentOutput]]:
    """Coins dealt out to transactions as COUNTS says."""
    deal = iter(coins)
    return [[next(deal) for _ in range(count)] for count in COUNTS]


RECORD = block_undo(nested(COINS))
BODY = spent_body([0, *COUNTS], [(coin.value, coin.script) for coin in COINS])


def as_read(script: bytes) -> bytes:
    """What comes back of a script: full keys that Core compresses keep only the last bit of y."""
    if naive_scripts.script_kind(script) == "P2PK_UNCOMPRESSED" and len(compressed_script(script)) == 33:
        return script[:34] + bytes(31) + bytes([script[65] & 1]) + script[66:]
    return script


def test_both_forms_give_the_same_coins() -> None:
    """Values and scripts of every template, from Core's form and from the plain one."""
    plain = [(coin.value, coin.script) for coin in COINS]
    assert assert_undo_alike(BODY, COUNTS, compressed=False) == plain
    assert assert_undo_alike(RECORD, COUNTS, compressed=True) == [(v, as_read(s)) for v, s in plain]


@pytest.mark.parametrize(("record", "compressed"), [(RECORD, True), (BODY, False)], ids=["undo", "spenttxouts"])
def test_a_record_cut_anywhere_is_refused(record: bytes, *, compressed: bool) -> None:
    """No proper beginning of a record is a record."""
    for size in range(len(record)):
        assert assert_undo_alike(record[:size], COUNTS, compressed=compressed) is None


@settings(max_examples=300)
@given(mutated([RECORD, BODY]), st.booleans())
def test_mutated_records_read_alike(record: bytes, compressed: bool) -> None:
    """Damage is refused by both or read the same by both."""
    assert_undo_alike(record, COUNTS, compressed=compressed)


@settings(max_examples=200)
@given(st.binary(max_size=120), st.lists(st.integers(1, 3), max_size=3), st.booleans())
def test_arbitrary_records_read_alike(tail: bytes, counts: list[int], compressed: bool) -> None:
    """Garbage behind the right counts."""
    assert_undo_alike(bytes([len(counts), *counts[:1]]) + tail, counts, compressed=compressed)
    assert_undo_alike(tail, counts, compressed=compressed)


@st.composite
def coins(draw: st.DrawFn) -> list[SpentOutput]:
    """Six coins with scripts near and on the templates."""
    script = st.one_of(st.sampled_from(ALL), mutated(SMALL), st.just(ON_CURVE))
    values = st.one_of(st.integers(0, MAX_MONEY), st.integers(0, 21_000_000).map(lambda coins: coins * 10**8))
    coin = st.builds(SpentOutput, values, script, st.integers(0, 2**31 - 1), st.booleans())
    return draw(st.lists(coin, min_size=6, max_size=6))


@settings(max_examples=100)
@given(coins())
def test_records_come_back_as_written(spent: list[SpentOutput]) -> None:
    """Any value and script survives both forms."""
    written = [(coin.value, coin.script) for coin in spent]
    body = spent_body([0, *COUNTS], written)
    assert assert_undo_alike(body, COUNTS, compressed=False) == written
    read = assert_undo_alike(block_undo(nested(spent)), COUNTS, compressed=True)
    assert read == [(value, as_read(script)) for value, script in written]


@given(st.one_of(st.integers(0, 2**56 - 1), st.integers(0, 10**6)))
def test_amounts_agree_with_the_twin(x: int) -> None:
    """Every compressed amount, and those that are none."""
    try:
        assert decompress_amount(x) == naive.decompress_amount(x)
    except naive.Refused:
        assert decompress_amount(x) == -1


@given(st.integers(0, MAX_MONEY))
def test_amounts_come_back(value: int) -> None:
    """Compression undone."""
    assert decompress_amount(compressed_amount(value)) == value


HUGE = varint(2) + b"\0" + varint(compressed_amount(MAX_MONEY) + 90) + b"\0" + bytes(20)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (RECORD + b"\0", "bytes left over"),
        (RECORD[:-1], "middle of a field"),
        (b"\2" + RECORD[1:], "one spent output for each input"),
        (b"\3\1" + RECORD[2:], "one spent output for each input"),
        (b"\3\2" + HUGE, "amount above 21 million"),
        (b"\3\2" + b"\xff" * 12, "middle of a field"),
    ],
)
def test_each_refusal_says_what_is_wrong(record: bytes, says: str) -> None:
    """The message names the block and the reason."""
    found = scanned(block_with([1, *COUNTS]))
    assert found is not None
    with pytest.raises(VerificationError, match=f"undo record of block 0 .*{says}"):
        read_prevouts(array(record), np.zeros(1, np.int64), np.array([len(record)]), found, compressed=True)


@pytest.mark.parametrize(("start", "size"), [(-1, 10), (0, 10**6), (10**6, 1)])
def test_places_outside_of_the_buffer_are_refused(start: int, size: int) -> None:
    """A record that is not there is no record."""
    found = scanned(block_with([1, *COUNTS]))
    assert found is not None
    with pytest.raises(VerificationError, match="middle of a field"):
        read_prevouts(array(RECORD), np.array([start]), np.array([size]), found, compressed=True)


def test_one_record_per_block_is_asked_for() -> None:
    """A record too many or too few is a mistake of the caller, said before anything is read."""
    found = scanned(block_with([1, *COUNTS]))
    assert found is not None
    for n in (0, 2):
        with pytest.raises(ValueError, match=f"{n} undo records for 1 blocks"):
            read_prevouts(array(RECORD), np.zeros(n, np.int64), np.full(n, len(RECORD)), found, compressed=True)
