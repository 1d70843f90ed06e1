"""The truth on disk: what is written comes back, whole and in order, from any mix of rows and batches."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.formats.taxonomy import CATEGORIES
from worlds.truth.tables import (
    COINJOIN_KINDS,
    MULTI_PARTY_KINDS,
    OWN_CATEGORIES,
    ROW_GROUP_ROWS,
    SCHEMAS,
    TABLES,
    Truth,
    TruthWriter,
    path_of,
    read_table,
)

TXID = bytes(range(32))
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "entity": [
        ("alice", "Alice", "person", "", False, None),
        ("taiga", "Taiga", "exchange", "RU", True, 1_700_000_000),
    ],
    "wallet": [("alice-1", "alice", "phone"), ("taiga-1", "taiga", "")],
    "address": [(b"\x00\x14" + bytes(20), "alice-1", "alice", "receive")],
    "tx": [(TXID, 7, "pay", ["alice-1", "taiga-1"], "phone"), (TXID[::-1], 8, "coinbase", [], "")],
    "input": [(TXID, 0, b"\x51", 5, "alice-1", bytes(32), 3)],
    "output": [(TXID, 0, b"\x6a", 0, "", False), (TXID, 1, b"\x51", 4, "alice-1", True)],
    "payment": [(7, "alice", "taiga", 5, TXID, 1), (7, "taiga", "alice", 9, None, None)],
    "shell": [("front", "front-1", "static", "taiga", 7, None)],
    "matrix": [("alice-1", b"\x51", "sent", "intent", "taiga", "sanctioned_entity", 5, 1.0)],
}


def test_every_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Each value of each table, nulls and empty lists included, is what was added; types are those of the schema."""
    with TruthWriter(tmp_path) as writer:
        for name, rows in ROWS.items():
            writer.add(name, rows)
    truth = Truth.read(tmp_path)
    assert {one.name for one in fields(Truth)} == set(SCHEMAS) == {table.name for table in TABLES} == set(ROWS)
    for name, rows in ROWS.items():
        table = getattr(truth, name)
        assert table.schema.equals(SCHEMAS[name])
        assert [tuple(row.values()) for row in table.to_pylist()] == rows


def test_an_empty_table_has_a_file_too(tmp_path: Path) -> None:
    """A world without shells has a table of shells, empty."""
    with TruthWriter(tmp_path):
        pass
    truth = Truth.read(tmp_path)
    assert truth.shell.num_rows == 0
    assert truth.shell.schema.equals(SCHEMAS["shell"])


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    """Half a truth is none."""
    with TruthWriter(tmp_path, ["entity"]):
        pass
    with pytest.raises(FileNotFoundError):
        Truth.read(tmp_path)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("tdb"), st.integers(0, 5)), max_size=12), st.integers(1, 7))
def test_any_mix_of_rows_and_batches_keeps_its_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], size: int
) -> None:
    """Tuples, mappings and batches come back in the order in which they were added, whatever the row groups."""
    folder = tmp_path_factory.mktemp("truth")
    expected: list[tuple[str, str, str]] = []
    with pytest.MonkeyPatch.context() as patch, TruthWriter(folder, ["wallet"]) as writer:
        patch.setattr("worlds.truth.tables.ROW_GROUP_ROWS", size)
        for how, n in steps:
            rows = [(f"w{len(expected) + i}", f"e{i}", how) for i in range(n)]
            expected += rows
            columns = {name: [row[k] for row in rows] for k, name in enumerate(SCHEMAS["wallet"].names)}
            match how:
                case "t":
                    writer.add("wallet", rows)
                case "d":
                    writer.add("wallet", [dict(zip(columns, row, strict=True)) for row in rows])
                case "b":
                    writer.add_batch("wallet", pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()}))
    assert [tuple(row.values()) for row in read_table(folder, "wallet").to_pylist()] == expected


def test_large_tables_are_written_in_row_groups_as_they_grow(tmp_path: Path) -> None:
    """Memory does not grow with the world: full row groups leave it, and names are unified on reading."""
    n = ROW_GROUP_ROWS + 10
    with TruthWriter(tmp_path) as writer:
        for i in range(n):
            writer.add("tx", [(i.to_bytes(32, "big"), i, "pay", [f"w{i % 3000 + i // 60_000}"], f"p{i // 60_000}")])
    assert pq.ParquetFile(path_of(tmp_path, "tx")).num_row_groups == 2
    tx = Truth.read(tmp_path).tx
    assert tx["height"].to_pylist() == list(range(n))
    assert tx["program"].to_pylist() == [f"p{i // 60_000}" for i in range(n)]
    assert tx["wallets"].to_pylist() == [[f"w{i % 3000 + i // 60_000}"] for i in range(n)]


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    """Same seed, same bytes holds for the truth as well."""
    for folder in (tmp_path / "a", tmp_path / "b"):
        with TruthWriter(folder) as writer:
            for name, rows in ROWS.items():
                writer.add(name, rows)
    for name in ROWS:
        assert path_of(tmp_path / "a", name).read_bytes() == path_of(tmp_path / "b", name).read_bytes()


@pytest.mark.parametrize("row", [("alice-1",), ("alice-1", "alice", "phone", "more"), ("alice-1", None, "phone")])
def test_a_row_of_another_shape_is_refused(tmp_path: Path, row: tuple[Any, ...]) -> None:
    """A column too few or too many, or nothing where there must be something, is an error and not a gap."""
    writer = TruthWriter(tmp_path)
    writer.add("wallet", [row])
    with pytest.raises((ValueError, pa.ArrowInvalid)):
        writer.close()


def test_the_words_of_the_tables_are_told_apart() -> None:
    """A category that is no party's must not be taken for a party's, save `coinjoin`, which is both."""
    assert set(OWN_CATEGORIES) & set(CATEGORIES) == {"coinjoin"}
    assert set(COINJOIN_KINDS) < set(MULTI_PARTY_KINDS)
    assert all(column.meaning for table in TABLES for column in table.columns)
