"""Addresses in running text, days as lists write them, and the lists that need both: Japan's and Israel's."""

import zipfile
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.address import text_of
from store.formats import LabelError, Published, gather, read, sheets
from store.formats.days import day_of
from store.formats.freetext import addresses_in

A = "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"
B = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
TRON = "TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq"
ETHER = "0x7db418b5d567a4e0e8c59ad71be1fce48f3e6107"
SOLANA = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"


def taken(text: str) -> list[str]:
    return [one.text for one in addresses_in(text) if one.doubt is None]


def doubted(text: str) -> list[str]:
    return [one.doubt for one in addresses_in(text) if one.doubt is not None]


@pytest.mark.parametrize(
    "text",
    [
        f"Bitcoin: {A}.",
        f"(1){A};(2)",
        f"ビットコインのアドレスは{A}及び",
        f"כתובת ארנק: {A}",
        f"XBT\uff1a{''.join(chr(ord(c) + 0xFEE0) for c in A)}",
        f"xbt {A[:5]}\u200b{A[5:]}",
    ],
)
def test_an_address_is_found_between_words_of_any_language(text: str) -> None:
    """Also in full-width letters and with invisible blanks within."""
    assert taken(text) == [A]


def test_every_form_with_a_checksum_is_found_in_order() -> None:
    assert taken(f"{A}, {B.upper()} / {TRON}\n{ETHER} {A}") == [A, B.upper(), TRON, ETHER, A]


def test_letters_that_look_latin_are_mended_and_said() -> None:
    """A real order writes two letters of a Tron address in Cyrillic; the checksum tells what was meant."""
    forged = TRON.replace("T", "\u0422").replace("o", "\u043e")
    [one] = addresses_in(f"wallet {forged}")
    assert (one.text, one.doubt) == (TRON, None)
    assert one.note == "letters of another script that look Latin were read as Latin"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"wallet {A[:-1]}x", "its checksum is wrong"),
        (f"wallet {B[:-1]}q", "its checksum is wrong"),
        (f"ETH {ETHER[2:]}", "40 hexadecimal digits after ETH, but no 0x"),
        (f"account {SOLANA}", "has the form of solana, whose checksum is not verified here"),
    ],
)
def test_what_only_looks_like_an_address_is_said(text: str, reason: str) -> None:
    assert taken(text) == []
    [doubt] = doubted(text)
    assert reason in doubt


def test_a_form_without_checksum_counts_where_its_currency_is_named() -> None:
    assert taken(f"Solana (SOL): {SOLANA}") == [SOLANA]


@pytest.mark.parametrize(
    "text",
    [
        "Tax ID 7744001497; IBAN DE89370400440532013000; IMO 9187629",
        "https://sanctionssearch.example/Details.aspx?id=12345678901234567890123456789",
        "fingerprint 7db418b5d567a4e0e8c59ad71be1fce48f3e6107",
        "transaction 0x" + "7d" * 32,
        "Donaudampfschifffahrtsgesellschaftskapitaen",
        "3" * 30,
        "",
    ],
)
def test_nothing_is_found_where_nothing_is(text: str) -> None:
    """Numbers of companies, links, hashes and long words are no addresses, nor like one."""
    assert addresses_in(text) == []


@given(st.text(max_size=200))
def test_any_text_is_searched(text: str) -> None:
    assert not taken(text)


@given(st.binary(min_size=20, max_size=20), st.text("abc 、。:ア", max_size=5), st.text(" 、。:ア", max_size=5))
def test_no_address_is_missed(payload: bytes, before: str, after: str) -> None:
    """Whatever stands around it, so long as it is no Latin letter or digit."""
    texts = [text_of(b"\xa9\x14" + payload + b"\x87", "main"), text_of(b"\x00\x14" + payload, "main")]
    for address in map(str, texts):
        assert taken(f"{before} {address}{after}") == [address]


@given(st.binary(min_size=20, max_size=20), st.integers(0, 100), st.sampled_from("123456789ABCDEFGHJKLMNPQRSTUVWXYZ"))
def test_a_changed_letter_is_never_taken(payload: bytes, place: int, letter: str) -> None:
    """One wrong letter in an address of Bitcoin is always noticed."""
    address = str(text_of(b"\xa9\x14" + payload + b"\x87", "main"))
    place %= len(address)
    changed = address[:place] + letter + address[place + 1 :]
    assert (taken(changed) == [address]) == (changed == address)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-05-29", date(2024, 5, 29)),
        ("2024-05-29T15:51:25.849+02:00", date(2024, 5, 29)),
        ("29/05/2024", date(2024, 5, 29)),
        ("3.9.2025", date(2025, 9, 3)),
        ("10-Sep-2026", date(2026, 9, 10)),
        ("2001.9.22", date(2001, 9, 22)),
        ("2025/6/16", date(2025, 6, 16)),
        ("２０２３年５月２６日", date(2023, 5, 26)),
        ("令和5年5月26日", date(2023, 5, 26)),
        ("平成元年1月8日", date(1989, 1, 8)),
        ("1951", None),
        ("31/02/2024", None),
        ("05/29/2024", None),
        ("10-Foo-2026", None),
        ("", None),
    ],
)
def test_days(text: str, day: date | None) -> None:
    """A year alone says no day, and a month never stands first."""
    assert day_of(text) == day


@given(st.text(max_size=30))
def test_any_text_is_a_day_or_none(text: str) -> None:
    day_of(text)


def workbook(path: Path, **content: Any) -> Path:
    book = openpyxl.Workbook()
    del book[book.sheetnames[0]]
    for name, rows in content.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def reading(path: Path) -> Published:
    [found], problems, _ = gather([path])
    assert not problems
    return read(found, "main", date(2024, 5, 29))


def refusal(path: Path) -> str:
    found, problems, _ = gather([path])
    if not problems:
        with pytest.raises(LabelError) as caught:
            read(found[0], "main")
        problems = list(caught.value.problems)
    return str(problems[0])


def counted(published: Published) -> dict[str, int]:
    return {one.outcome: one.rows for one in published.counts}


JP_HEADER = ["告示日付", "告示 番号", "日 本 語 表 記", "英 語 表 記", "国 籍", "そ の 他 の 情 報"]


def japanese(path: Path) -> Path:
    return workbook(
        path,
        **{
            "1.関係者": [["テロリスト等"], JP_HEADER,
                         [date(2023, 5, 26), 160, "ジョン", "Jon Doe", "Russia", f"ETHアドレス:{ETHER}、{A}"],
                         ["2001.9.22", 161, "だれか", "Some Body", "", "生年月日 1970年"],
                         ["", "", "", "", "", f"\uff08注\uff09{B}"]],
            "目次": [["no header here"]],
        },
    )  # fmt: skip


def test_japans_list_as_a_workbook(tmp_path: Path) -> None:
    """Addresses as free text in notes; rows of nobody and sheets without a header are counted and said."""
    published = reading(japanese(tmp_path / "shisantouketsu20240529.xlsx"))
    rows = published.tags.to_pylist()
    assert [(row["chain"], row["address"], row["listed_from"]) for row in rows] == [
        ("ethereum", ETHER, date(2023, 5, 26)),
        ("bitcoin", A, date(2023, 5, 26)),
    ]
    assert rows[0]["label"] == "Jon Doe (テロリスト等)"
    assert counted(published) == {
        "name addresses": 1,
        "name no address": 1,
        "name no party": 1,
        "stand on sheets without a header": 1,
    }
    assert f"{B} stands in a row that names no party" in published.skipped[0].message
    assert (published.list_id, published.dated) == ("jp_mof", date(2024, 5, 29))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
def test_japans_list_as_csv(tmp_path: Path, encoding: str) -> None:
    """Since 2026: one header, and a number per entry."""
    header = (
        "区分,番号,告示日付,告示番号,個人・団体,氏名\uff08日本語\uff09,"
        "氏名\uff08英語\uff09,国籍\uff08英語\uff09,その他の情報"
    )
    path = tmp_path / "list.csv"
    path.write_text(
        f"{header}\n2,002-000160,2001.9.22,160,個人,ジョン,Jon Doe,Russia,仮想通貨{TRON}\n", encoding=encoding
    )
    published = reading(path)
    [row] = published.tags.to_pylist()
    assert (row["chain"], row["entity_id"], row["listed_from"]) == ("tron", "jp_mof-002-000160", date(2001, 9, 22))
    assert published.entities["jurisdictions"].to_pylist() == [["RU"]]


ORDERS = (
    "Order ID,Full name,ID No,Passport No,D.O.B (DD/MM/YYYY),Virtual currency address / User ID,Currency\n"
    "ASO 13/26\n"
    f",,,,,{TRON},\n"
    f',,,,,"{A},{A}","{A}"\n'
    "ASO - 1/25,JON DOE,2000712506,,37828,361738751,\n"
    f",JON ROE,,,,{TRON.replace('T', chr(0x422), 1)},\n"
    ",,,,,not an address,\n"
)


def test_israels_orders(tmp_path: Path) -> None:
    """An order's number counts for the rows below it; accounts of platforms are numbers and are counted."""
    path = tmp_path / "wallets.csv"
    path.write_text(ORDERS)
    published = reading(path)
    found = [(row["address"], row["entity_id"], row["label"]) for row in published.tags.to_pylist()]
    assert found == [
        (TRON, "il_nbctf-aso-13-26", "Seizure order ASO 13/26"),
        (A, "il_nbctf-aso-13-26", "Seizure order ASO 13/26"),
        (TRON, "il_nbctf-aso-1-25", "Seizure order ASO 1/25 (JON ROE)"),
    ]
    assert counted(published) == {
        "name no address": 1,
        "name addresses": 3,
        "name accounts of platforms, which are no addresses": 1,
        "name nothing that is an address": 1,
    }
    assert not any(published.tags["cluster_definer"].to_pylist())
    assert set(published.tags["category"].to_pylist()) == {"terrorism"}
    assert published.list_id == "il_nbctf"


def test_an_annex_of_one_order_is_a_list_of_its_own(tmp_path: Path) -> None:
    """So that it ends the listings of no other order; its days count."""
    path = workbook(
        tmp_path / "ASO 43-25 annex.xlsx",
        Sheet1=[["Annex"], ["No.", "Wallet address", "Order date", "Valid until"],
                [1, TRON, date(2025, 9, 1), "01.09.2027"], [2, A, None, None]],
    )  # fmt: skip
    published = reading(path)
    assert published.list_id == "il_nbctf-aso-43-25"
    rows = published.tags.to_pylist()
    assert [(row["listed_from"], row["listed_to"]) for row in rows] == [(date(2025, 9, 1), date(2027, 9, 1))] * 2


def test_orders_without_a_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wallets.csv"
    path.write_text(f"Order ID,Virtual currency address / User ID\n,{A}\n")
    assert "wallets.csv:2: no order is named for this row" in refusal(path)


def test_a_workbook_that_is_none_of_these_is_refused(tmp_path: Path) -> None:
    assert "unknown workbook" in refusal(workbook(tmp_path / "x.xlsx", a=[["b", "c"]]))


def test_a_workbook_that_hides_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of entities, and of size."""
    path = japanese(tmp_path / "a.xlsx")
    with zipfile.ZipFile(path, "a") as parts:
        parts.writestr("xl/evil.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x/>')
    assert "xl/evil.xml declares a document type" in refusal(path)
    monkeypatch.setattr(sheets, "_MAX_UNPACKED", 1000)
    assert "the workbook unpacks to" in refusal(japanese(path))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_workbook_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = japanese(folder / "whole.xlsx").read_bytes()
    # A workbook's size is not always the same: it holds the time of its making.
    place = int(data.draw(st.floats(0, 1)) * len(whole))
    cut = place + data.draw(st.integers(0, 50))
    path = folder / "damaged.xlsx"
    path.write_bytes(whole[:place] + data.draw(st.binary(max_size=8)) + whole[cut:])
    found, problems, _ = gather([path])
    assert bool(found) != bool(problems)
    for one in found:
        with suppress(LabelError):
            read(one, "main", date(2024, 5, 29))
