"""OpenSanctions' exports, 0xB10C's extract, CSV files with a map, folders; and every real list that is at hand."""

import csv
import json
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.formats import LabelError, Published, gather, read

ROOT = Path(__file__).resolve().parents[1]
LISTS = ROOT.parent / "shared/data/labels"
EXTRACT = LISTS / "ofac_0xB10C"
SPELLBOOK = LISTS / "spellbook_mit_2023-05-30" / "labels.csv"
real = pytest.mark.skipif(not LISTS.is_dir(), reason=f"no lists at {LISTS}")
A = "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"
B = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
TRON = "TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq"
ETHER = "0x7db418b5d567a4e0e8c59ad71be1fce48f3e6107"
DAY = date(2024, 5, 29)


def reading(path: Path, dated: date | None = DAY) -> list[Published]:
    found, problems, _ = gather([path])
    assert not problems
    return [read(one, "main", dated) for one in found]


def refusals(path: Path) -> list[str]:
    found, problems, _ = gather([path])
    for one in found:
        with suppress(LabelError):
            read(one, "main", DAY)
            continue
        with pytest.raises(LabelError) as caught:
            read(one, "main", DAY)
        problems += caught.value.problems
    return list(map(str, problems))


def counted(published: Published) -> dict[str, int]:
    return {one.outcome: one.rows for one in published.counts}


def entity(key: str, schema: str, datasets: str, **properties: Any) -> str:
    values = {name: value if isinstance(value, list) else [value] for name, value in properties.items()}
    return json.dumps({"id": key, "schema": schema, "datasets": datasets.split(), "properties": values})


EXPORT = [
    entity("p", "Person", "us_x", name="Jon Doe", topics="sanction", nationality="ru", country=["ge", "zz"]),
    entity("w1", "CryptoWallet", "us_x", publicKey=A, currency="XBT", holder="p", topics="sanction"),
    entity("w2", "CryptoWallet", "us_x il_y", publicKey=TRON, topics="crime.terror"),
    entity("w3", "CryptoWallet", "crime_z", publicKey=[ETHER], topics="crime.theft"),
    entity("w4", "CryptoWallet", "il_y", publicKey="361738751", managingExchange="Binance"),
    entity("s1", "Sanction", "us_x", entity="p", startDate="2018-11-28", program="CYBER2"),
    entity("s2", "Sanction", "il_y", entity="w2", startDate="2025-09-01", endDate="2027-09-01"),
]


def test_an_export_holds_as_many_lists_as_datasets(tmp_path: Path) -> None:
    """A wallet of two datasets is on both; holders give name and home, sanctions the days, topics the category."""
    path = tmp_path / "entities.ftm.json"
    path.write_text("\n".join(EXPORT) + "\n")
    crime, israel, us = reading(path)
    assert [one.list_id for one in (crime, israel, us)] == [f"opensanctions_{n}" for n in ("crime_z", "il_y", "us_x")]
    rows = {row["address"]: row for row in us.tags.to_pylist()}
    assert (rows[A]["label"], rows[A]["entity_id"], rows[A]["category"]) == (
        "Jon Doe (CYBER2)", "opensanctions-p", "sanctioned_entity"
    )  # fmt: skip
    assert (rows[A]["listed_from"], rows[A]["listed_to"], rows[A]["confidence"]) == (date(2018, 11, 28), None, 100)
    assert us.entities["jurisdictions"].to_pylist() == [["GE", "RU"]]
    [row] = israel.tags.to_pylist()
    assert (row["chain"], row["category"], row["listed_from"], row["listed_to"]) == (
        "tron", "terrorism", date(2025, 9, 1), date(2027, 9, 1)
    )  # fmt: skip
    [row] = crime.tags.to_pylist()
    assert (row["category"], row["list_id"], row["listed_from"], row["confidence"]) == ("theft", None, None, 50)
    for one in (crime, israel, us):
        assert sum(counted(one).values()) == len(EXPORT)
    assert counted(israel)["wallets are accounts of platforms, without an address"] == 1


def test_exports_that_name_no_wallet_or_are_damaged_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "entities.ftm.json"
    path.write_text(f"{EXPORT[0]}\n{entity('q', 'Person', 'other', name='X')}\n")
    assert "no entity of the export is a CryptoWallet" in refusals(path)[0]
    path.write_text(f"{EXPORT[1]}\n{{\n")
    assert "entities.ftm.json:2: this line is no entity" in refusals(path)[0]
    path.write_text('{"a": 1}')
    assert "unknown format" in refusals(path)[0]


@settings(deadline=None)
@given(st.data())
def test_a_damaged_export_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = "\n".join(EXPORT).encode()
    place = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.getbasetemp() / "damaged.ftm.json"
    path.write_bytes(
        whole[:place] + data.draw(st.binary(max_size=6)) + whole[data.draw(st.integers(place, len(whole))) :]
    )
    refusals(path)


def extract(folder: Path, history: str | None, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for ticker, text in files.items():
        (folder / f"sanctioned_addresses_{ticker}.txt").write_text(text)
        (folder / f"sanctioned_addresses_{ticker}.json").write_text(json.dumps(text.split()))
    if history is not None:
        (folder / "ofac_history.csv").write_text(f"date,event,currency,address,lists_commit\n{history}")
    return folder


def test_the_extract_says_since_when_and_until_when(tmp_path: Path) -> None:
    """An address that was taken off and put on again has two stays."""
    history = f"2022-09-03,added,XBT,{A},c\n2023-01-01,removed,XBT,{A},c\n2024-02-02,added,XBT,{A},c\n"
    folder = extract(tmp_path / "x", f"{history}2024-02-02,added,XBT,{TRON},c\n", XBT=f"{A}\n{TRON}\n")
    [published] = reading(folder, None)
    stays = [(row["address"], row["listed_from"], row["listed_to"]) for row in published.tags.to_pylist()]
    assert stays == [
        (A, date(2022, 9, 3), date(2023, 1, 1)),
        (A, date(2024, 2, 2), None),
        (TRON, date(2024, 2, 2), None),
    ]
    assert (published.dated, published.list_id) == (date(2024, 2, 2), "ofac_0xb10c")
    assert sum(one.rows for one in published.counts) == 4 + 2 + 2


def test_the_extract_without_history_is_dated_as_other_lists(tmp_path: Path) -> None:
    [published] = reading(extract(tmp_path / "x", None, XBT=A, ETH=ETHER))
    assert {row["listed_from"] for row in published.tags.to_pylist()} == {DAY}
    assert published.tags.num_rows == 2


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (f"2022-09-03,added,XBT,{B},c\n", "is here, but not on the list of ofac_history.csv"),
        (f"2022-09-03,removed,XBT,{A},c\n", "can not be 'removed' here: it is not on the list"),
        (f"2022-09-03,added,XBT,{A},c\n2022-09-02,added,XBT,{B},c\n", "the history must be in order"),
        (f"3 Sep,added,XBT,{A},c\n", "is no date like"),
        ("2022-09-03,added\n", "a row of 2 columns"),
        ("", "the history has no events"),
    ],
)
def test_an_extract_that_contradicts_itself_is_refused(tmp_path: Path, history: str, message: str) -> None:
    assert message in refusals(extract(tmp_path / "x", history, XBT=A))[0]


def test_files_by_ticker_that_differ_are_refused(tmp_path: Path) -> None:
    folder = extract(tmp_path / "x", None, XBT=A)
    (folder / "sanctioned_addresses_XBT.json").write_text("[]")
    assert "it does not hold the addresses of sanctioned_addresses_XBT.json" in refusals(folder)[0]
    (folder / "sanctioned_addresses_XBT.json").write_text("{}")
    assert "it must be an array of texts" in refusals(folder)[0]


CSV = f"""wallet;kind;who;when
{A};cex;Big;2024-01-02
{TRON};hack-1;;
nonsense;cex;;
;;;
{A};cex;Big;2024-01-02
{B};odd;;
"""
MAP = """
title: Ours
source: https://example.org
columns: {address: wallet, category: kind, actor: who, lastmod: when}
always: {label: wallet of ours, currency: BTC, confidence: forensic}
categories: {cex: exchange, "hack*": theft}
delimiter: ";"
"""


def mapped(folder: Path, content: str = CSV, how: str | None = MAP, more: str = "") -> Path:
    path = folder / "labels.csv"
    path.write_text(content)
    if how is not None:
        (folder / "labels.map.yaml").write_text(how + more)
    return path


def test_a_csv_file_with_a_map_beside_it(tmp_path: Path) -> None:
    """Rows that can not be read are left out with line and reason; every row is counted."""
    [published] = reading(mapped(tmp_path))
    rows = published.tags.to_pylist()
    assert [(row["chain"], row["address"], row["category"], row["entity_id"]) for row in rows] == [
        ("bitcoin", A, "exchange", "Big"),
        ("tron", TRON, "theft", None),
    ]
    assert (rows[0]["source_date"], rows[0]["list_id"], published.dated) == (date(2024, 1, 2), None, date(2024, 1, 2))
    assert [(one.line, one.message.split()[0]) for one in published.skipped] == [
        (4, "'nonsense'"), (6, f"{A}:"), (7, "'odd'")
    ]  # fmt: skip
    assert counted(published) == {
        "become tags": 2, "name no address": 1, "repeat a row above": 1, "can not be read": 1, "are empty": 1
    }  # fmt: skip


def test_the_map_of_the_documentation_is_one(tmp_path: Path) -> None:
    how = (ROOT / "docs/lists.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    path = mapped(tmp_path, f"wallet,name,kind,seen\n{A},Big,cex,2024-01-02\n{B},Bad,hacked,\n", how)
    [published] = reading(path)
    assert published.tags["category"].to_pylist() == ["exchange", "theft"]


def test_a_csv_file_that_is_a_list(tmp_path: Path) -> None:
    [published] = reading(mapped(tmp_path, more="list: ours\n"))
    assert (published.list_id, published.dated) == ("ours", DAY)
    assert {row["listed_from"] for row in published.tags.to_pylist()} == {DAY}


def test_a_map_that_is_named(tmp_path: Path) -> None:
    path = mapped(tmp_path, how=None)
    how = tmp_path / "how.yaml"
    how.write_text(MAP)
    [found], problems, _ = gather([path], how)
    assert not problems
    assert [file.role for file in read(found, "main").files] == ["list", "map"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (None, "unknown CSV: say what its columns (wallet;kind;who;when) mean in labels.map.yaml"),
        (MAP.replace("title: Ours", ""), "the map lacks title"),
        (MAP.replace("address: wallet, ", ""), "the map says nowhere what is the address"),
        (MAP.replace("address: wallet", "address: purse"), "the header has no column 'purse'; it has: wallet, kind"),
        (MAP.replace("cex: exchange", "cex: exchnage"), "'exchnage' is no known concept or category"),
        (MAP.replace("forensic", "sure"), "'sure' is no known confidence"),
        (MAP.replace('";"', '"x"'), "delimiter must be"),
        (MAP + "list: Our List\n", "list must be small letters"),
        (MAP + "more: 1\n", "unknown field 'more' in the map"),
    ],
)
def test_a_map_with_mistakes_is_refused(tmp_path: Path, how: str | None, message: str) -> None:
    assert any(message in one for one in refusals(mapped(tmp_path, how=how)))


def test_a_folder_is_searched_to_its_bottom(tmp_path: Path) -> None:
    """Lists in folders within are found, what is no list is said, a mistake is one; hidden files do not count."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    mapped(deep)
    extract(deep / "c", None, XBT=A)
    (tmp_path / "README.md").write_text("words")
    (tmp_path / ".hidden.yaml").write_text("x")
    (deep / "abuses.csv").write_text("id,uri,label,description\n")
    (deep / "loop").symlink_to(tmp_path)
    found, problems, skipped = gather([tmp_path])
    assert sorted(one.kind for one in found) == ["csv", "ofac_0xb10c"]
    assert not problems
    assert [one.path.name for one in skipped] == ["README.md", "abuses.csv", "labels.map.yaml"]
    (deep / "list.pdf").write_bytes(b"%PDF")
    assert "list.pdf: unknown format" in str(gather([tmp_path]).problems[0])


@real
def test_every_file_of_the_real_lists_is_taken_left_out_or_refused() -> None:
    """No file is passed over in silence, and no row of those that are taken."""
    found, problems, skipped = gather([LISTS])
    named = {one.path for one in (*problems, *skipped)}
    for one in found:
        try:
            published = read(one, "main", DAY)
        except LabelError as error:
            named |= {one.path, *one.members.values(), *(wrong.path for wrong in error.problems)}
            continue
        named |= {file.path for file in published.files}
        assert {count.path for count in published.counts} == {file.path for file in published.files}
    assert named == {path for path in LISTS.rglob("*") if path.is_file()}


@real
def test_the_real_extract() -> None:
    """657 additions and 3 removals: 654 are listed at the end, 13 of them under two tickers."""
    [published] = reading(EXTRACT, None)
    events = Counter(row["event"] for row in csv.DictReader((EXTRACT / "ofac_history.csv").read_text().splitlines()))
    counts = {one.outcome: one.rows for one in published.counts if one.path.name == "ofac_history.csv"}
    assert events == {"added": 657, "removed": 3}
    assert sum(counts.values()) == 660
    rows = published.tags.to_pylist()
    listed = {row["address"].lower() for row in rows if row["listed_to"] is None}
    texts = {line.lower() for path in EXTRACT.glob("sanctioned*.txt") for line in path.read_text().split()}
    assert listed == texts
    assert published.dated == date(2024, 9, 27)


@real
def test_the_real_labels_of_spellbook() -> None:
    """Every row with an address of a known form is a tag or repeats one; what has none is said with its line."""
    [published] = reading(SPELLBOOK)
    rows = list(csv.DictReader(SPELLBOOK.read_text().splitlines()))
    good = {row["address"].lower() for row in rows if row["address"].startswith("0x") and row["name"]}
    assert good <= {row["address"] for row in published.tags.to_pylist()}
    assert sum(counted(published).values()) == len(rows) == 2446
    assert len(published.skipped) == sum(n for outcome, n in counted(published).items() if outcome != "become tags")
    assert set(published.tags["chain"].to_pylist()) == {"bitcoin", "ethereum", "solana"}
