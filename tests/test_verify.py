"""Verify finds tampering even where the manifest was made to fit it."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from chains.bitcoin.datadir import DatadirSource
from chains.bitcoin.tables import TABLES
from chains.blocks import Span
from chains.ids import address_id
from store.backfill import backfill
from store.errors import DamagedError
from store.files import sha256_file
from store.lake import Lake, _write_table
from store.verify import VerifyReport, verify
from tests.datadirs import COMMON, sample, straight, tale
from tests.twins import SECRET

A = tale()
TIP = len(A) - 1
LOW, HIGH = Span(0, COMMON), Span(COMMON + 1, TIP)
# What only the raw bytes show: held by the files' SHA-256, not by the other columns.
UNSEEN = {
    ("block", "coinbase_script"),
    ("tx", "version"),
    ("tx", "locktime"),
    ("spend", "sequence"),
    ("spend", "sighash"),
    ("spend", "witness_kind"),
    ("spend", "key_id"),
}
# Found only where the output that is spent is in the same segment.
SOMETIMES = {("spend", "prev_tx_key"), ("spend", "prev_vout")}
COLUMNS = [(table.name, column.name) for table in TABLES for column in table.columns]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two segments."""
    folder = tmp_path_factory.mktemp("sound")
    source = DatadirSource.open(straight(folder / "a"))
    lake = Lake.create(folder / "data", "bitcoin", "regtest", SECRET)
    for span in (LOW, HIGH):
        backfill(source, lake, span)
    return folder / "data"


@pytest.fixture
def lake(tmp_path: Path, sound: Path) -> Lake:
    """A copy of it to tamper with."""
    shutil.copytree(sound, tmp_path / "data")
    return Lake.open(tmp_path / "data")


def rewrite(lake: Lake, span: Span, table: str, rows: pa.Table) -> None:
    """Put other rows in a segment, and make the manifest fit."""
    entry = next(t for t in lake.tables if t.name == table)
    path = lake.path(table, span)
    _write_table(rows, entry, path)
    marker = lake.root / "segment" / f"{span.name}.json"
    told = json.loads(marker.read_text())
    told["rows"][table], told["sha256"][table] = rows.num_rows, sha256_file(path)
    marker.write_text(json.dumps(told))
    lake.check_files(span)


def changed(rows: pa.Table, column: str, row: int, change: Callable[[object], object]) -> pa.Table:
    """The same rows with one value changed."""
    at = rows.schema.get_field_index(column)
    values = rows[column].to_pylist()
    values[row] = change(values[row])
    return rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type))


def other(value: object) -> object:
    """Another value of the same type."""
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    if value is None:
        return 1
    assert isinstance(value, int)
    return value ^ 1


def refused(lake: Lake, says: str = "") -> None:
    """Verify names the segment, the problem and what to do."""
    with pytest.raises(DamagedError, match=f"segment 0000.*{says}.*backfill heights"):
        verify(lake)


def test_a_sound_lake(lake: Lake) -> None:
    """What was checked, with progress."""
    seen: list[tuple[int, int]] = []
    report = verify(lake, lambda done, total: seen.append((done, total)))
    n = {t.name: sum(lake.manifest(s).rows[t.name] for s in lake.spans()) for t in lake.tables}
    assert report == VerifyReport(2, TIP + 1, n["tx"], n["output"], n["spend"], 0, 0)
    assert seen == [(1, 2), (2, 2)]


def test_an_empty_lake(tmp_path: Path) -> None:
    """Nothing is wrong with nothing."""
    assert verify(Lake.create(tmp_path, "bitcoin", "regtest")) == VerifyReport(0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("name", ["core_regtest_0-206", "mainnet_0-599", "testnet3_0-400"])
def test_cores_own_chains_verify(tmp_path: Path, name: str) -> None:
    """Real chains of three networks."""
    source = DatadirSource.open(sample(tmp_path / "a", name))
    lake = Lake.create(tmp_path / "data", "bitcoin", source.network, SECRET)
    backfill(source, lake)
    assert verify(lake).blocks == source.tip().height + 1


@pytest.mark.parametrize("span", [LOW, HIGH], ids=["first", "last"])
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_any_changed_value_is_found(lake: Lake, table: str, column: str, span: Span) -> None:
    """One value of any column, manifest made to fit; the columns that can not be checked are known by name."""
    rows = lake.read(table, span)
    rewrite(lake, span, table, changed(rows, column, rows.num_rows // 2, other))
    if (table, column) in SOMETIMES:
        with suppress(DamagedError):
            verify(lake)
    elif (table, column) in UNSEEN:
        verify(lake)
    else:
        refused(lake)


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_changed_value_without_a_changed_manifest_is_found(lake: Lake, table: str, column: str) -> None:
    """Every column is held by the file's hash."""
    rows = lake.read(table, HIGH)
    entry = next(t for t in lake.tables if t.name == table)
    _write_table(changed(rows, column, 0, other), entry, lake.path(table, HIGH))
    with pytest.raises(DamagedError, match=f"{lake.path(table, HIGH)} is not what was written"):
        verify(lake)


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_rows_dropped_doubled_or_shuffled_are_found(lake: Lake, table: str) -> None:
    """In any table, with row counts made to fit."""
    # In the first segment, because addresses of later spends may be described before.
    span = LOW if table == "address" else HIGH
    rows = lake.read(table, span)
    middle = rows.num_rows // 2
    for tampered in (
        rows.slice(1),
        rows.slice(0, rows.num_rows - 1),
        pa.concat_tables([rows.slice(0, middle), rows.slice(middle + 1)]),
        pa.concat_tables([rows, rows.slice(middle, 1)]),
        rows.take(pa.array([1, 0, *range(2, rows.num_rows)])),
        rows.slice(0, 0),
    ):
        rewrite(lake, span, table, tampered)
        refused(lake)


@pytest.mark.parametrize(
    ("table", "column", "change", "says"),
    [
        ("block", "time", lambda _: 1 << 40, "its stored header does not hash"),
        ("block", "time", lambda _: -1, "its stored header does not hash"),
        ("tx", "fee", lambda fee: (fee or 0) + 1000, "transaction 1 of block .*do not add up"),
        ("tx", "fee", lambda _: None, "do not add up"),
        ("output", "value", lambda value: value - 1, "do not add up"),
        ("output", "value", lambda _: -5, "do not add up"),
        ("output", "address_id", lambda _: None, "an address is there where none can be"),
        ("spend", "value", lambda value: value + 1, "do not add up"),
        ("spend", "value", lambda _: None, "unresolved spends"),
        ("spend", "address_id", lambda _: None, "an address is there"),
        ("address", "payload", lambda payload: payload + b"x", "an address_id is not the hash"),
        ("address", "payload", lambda _: b"", "an address_id is not the hash"),
        ("address", "payload", lambda _: bytes(300), "an address_id is not the hash"),
    ],
)
def test_tampering_with_a_purpose(
    lake: Lake, table: str, column: str, change: Callable[[object], object], says: str
) -> None:
    """Numbers out of range, nulls, money moved: each with its reason."""
    rows = lake.read(table, HIGH)
    # Of the first transaction behind a coinbase.
    row = next(i for i, n in enumerate(rows["tx_id"].to_pylist()) if n & 0xFFFFF) if "tx_id" in rows.column_names else 1
    rewrite(lake, HIGH, table, changed(rows, column, row, change))
    refused(lake, says)


def test_a_fee_moved_to_the_miner_is_found(lake: Lake) -> None:
    """A fee and the reward raised together: the spends do not pay for it."""
    tx, output = lake.read("tx", HIGH), lake.read("output", HIGH)
    rewrite(lake, HIGH, "tx", changed(tx, "fee", 1, lambda fee: int(str(fee)) + 7))
    rewrite(lake, HIGH, "output", changed(output, "value", 0, lambda value: int(str(value)) + 7))
    refused(lake, "do not add up")


def test_a_raised_reward_is_found(lake: Lake) -> None:
    """More than subsidy and fees."""
    output = lake.read("output", HIGH)
    rewrite(lake, HIGH, "output", changed(output, "value", 0, lambda value: int(str(value)) + 1))
    refused(lake, f"coinbase of block {HIGH.first} creates more than subsidy and fees")


def test_an_output_paid_to_another_address_is_found(lake: Lake) -> None:
    """Where the output is spent in the same segment, its spend contradicts it."""
    tx, output, spend = (lake.read(table, HIGH) for table in ("tx", "output", "spend"))
    keys = set(tx["tx_key"].to_pylist())
    at = next(i for i, key in enumerate(spend["prev_tx_key"].to_pylist()) if key in keys)
    thief = next(a for a in output["address_id"].to_pylist() if a not in (None, spend["address_id"][at].as_py()))
    rewrite(lake, HIGH, "spend", changed(spend, "address_id", at, lambda _: thief))
    refused(lake, "a spend is not what the output it spends says")


def test_an_address_too_many_is_found(lake: Lake) -> None:
    """Described and used nowhere."""
    address = lake.read("address", HIGH)
    stranger = pa.table([[address_id(b"\x51", SECRET)], [0], [b"\x51"]], schema=address.schema)
    both = pa.concat_tables([address, stranger])
    rewrite(lake, HIGH, "address", both.take(pc.sort_indices(both, [("address_id", "ascending")])))
    refused(lake, "describes 1 addresses that it does not use")


def test_columns_of_another_schema_are_found(lake: Lake) -> None:
    """A column gone, renamed, or of another type."""
    rows = lake.read("tx", HIGH)
    wide = rows.set_column(7, pa.field("fee", pa.int32()), rows["fee"].cast(pa.int32()))
    for tampered in (rows.drop_columns(["locktime"]), rows.rename_columns(["a", *rows.column_names[1:]]), wide):
        path = lake.path("tx", HIGH)
        pq.write_table(tampered, path)
        marker = lake.root / "segment" / f"{HIGH.name}.json"
        told = json.loads(marker.read_text())
        told["sha256"]["tx"] = sha256_file(path)
        marker.write_text(json.dumps(told))
        refused(lake, "the columns of tx are not those of this schema version")


@pytest.mark.parametrize(
    ("span", "field", "value", "says"),
    [
        (HIGH, "prev_hash", "00" * 32, "does not build on|build on the block before"),
        (LOW, "last_hash", "00" * 32, "its last block is not the one in its manifest"),
        (LOW, "unresolved", 3, "3 unresolved spends"),
    ],
)
def test_a_tampered_manifest_is_found(lake: Lake, span: Span, field: str, value: object, says: str) -> None:
    """Links and counts of the manifest itself."""
    marker = lake.root / "segment" / f"{span.name}.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {field: value}))
    refused(lake, says)


def test_segments_of_two_chains_are_found(lake: Lake, tmp_path: Path) -> None:
    """Each sound in itself, but the upper one builds on another block."""
    other_chain = Lake.create(tmp_path / "other", "bitcoin", "regtest", SECRET)
    source = DatadirSource.open(straight(tmp_path / "b", "b"))
    backfill(source, other_chain, Span(HIGH.first, source.tip().height))
    lake.truncate(HIGH.first)
    shutil.copytree(other_chain.root, lake.root, dirs_exist_ok=True)
    with pytest.raises(DamagedError, match=f"does not build on {LOW.name}: remove its manifest and backfill"):
        verify(lake)


def test_ids_of_another_secret_are_found(lake: Lake) -> None:
    """A secret that was replaced no longer fits the ids."""
    (lake.root / "secret").write_text("11" * 16)
    refused(Lake.open(lake.root.parents[1]), "a tx_key is not the hash of its txid")


def test_gaps_are_counted(lake: Lake) -> None:
    """Missing heights are no damage."""
    source = DatadirSource.open(straight(lake.root.parents[1] / "a"))
    lake.truncate(0)
    for span in (Span(0, 4), Span(10, 12), Span(13, 15), Span(100, TIP)):
        backfill(source, lake, span)
    assert (verify(lake).gaps, verify(lake).segments) == (2, 4)
