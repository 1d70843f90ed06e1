"""OFAC's list: every address it names, wherever the remarks are cut, and nothing from a damaged set."""

import csv
import re
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.address import script_of
from store.formats import LabelError, Published, date_in_name, gather, read

WATCHMAN = Path(__file__).resolve().parents[2] / "shared/data/labels/ofac_sdn_watchman"
DAY = date(2022, 4, 5)
A = "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"
B = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
TRON = "TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq"
ETHER = "0x7db418b5d567a4e0e8c59ad71be1fce48f3e6107"
NOTHING = "-0- "
END = b"\x1a"


def entry(number: int, name: str, remarks: str, program: str = "CYBER2") -> str:
    empty = ",".join([NOTHING] * 7)
    return f'{number},"{name}",{NOTHING},"{program}",{empty},"{remarks}"\r\n'


def write_set(folder: Path, entries: list[tuple[int, str, str]], cut: int = 1000, **others: str) -> Path:
    """Write a set whose remarks are cut where told; gives sdn.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    sdn = "".join(entry(number, name, remarks[:cut]) for number, name, remarks in entries)
    comments = "".join(f'{number},"{text[cut:]}"\r\n' for number, _, text in entries if len(text) > cut)
    texts = {"sdn": sdn, "sdn_comments": comments, "add": "", "alt": ""} | others
    for name, text in texts.items():
        (folder / f"{name}.csv").write_bytes(text.encode("latin-1") + END)
    return folder / "sdn.csv"


def reading(path: Path, network: str = "main", dated: date | None = DAY) -> Published:
    [found], problems, _ = gather([path])
    assert not problems
    return read(found, network, dated)


def refusal(path: Path) -> str:
    with pytest.raises(LabelError) as caught:
        reading(path)
    return str(caught.value.problems[0])


def coins(*addresses: tuple[str, str]) -> str:
    first = [f"Digital Currency Address - {ticker} {text}" for ticker, text in addresses]
    return "; ".join(first[:1] + [f"alt. {text}" for text in first[1:]])


def test_a_listed_address_and_its_party(tmp_path: Path) -> None:
    """The listing, its party with countries from address, nationality and citizenship, and its programme."""
    remarks = f"DOB 1970; nationality Russia; alt. citizen Korea, North; {coins(('XBT', A))}; Gender Male."
    path = write_set(
        tmp_path,
        [(36, "NOBODY", "a.k.a. 'NO'."), (12, "DOE, Jon", remarks)],
        add=f'12,1,{NOTHING},"Tbilisi","Georgia",{NOTHING}\r\n36,2,{NOTHING},{NOTHING},"Cuba",{NOTHING}\r\n',
        alt=f'12,3,"aka","DOE, Ivan",{NOTHING}\r\n',
    )
    published = reading(path)
    [row] = published.tags.to_pylist()
    assert (row["chain"], row["address"], row["script"]) == ("bitcoin", A, script_of(A, "main"))
    assert (row["entity_id"], row["label"], row["category"]) == (
        "ofac_sdn-12",
        "DOE, Jon (CYBER2)",
        "sanctioned_entity",
    )
    assert (row["list_id"], row["listed_from"], row["listed_to"]) == ("ofac_sdn", DAY, None)
    assert (row["confidence"], row["cluster_definer"]) == (100, True)
    [party] = published.entities.to_pylist()
    assert (party["name"], party["jurisdictions"]) == ("DOE, Jon", ["RU", "KP", "GE"])
    assert published.files[0].path == path


REMARKS = f"DOB 1970; {coins(('XBT', A), ('XBT', B), ('ETH', ETHER), ('XBT', TRON))}; Linked To: SOMEONE ELSE."


@settings(max_examples=len(REMARKS))
@given(st.integers(1, len(REMARKS)))
def test_remarks_are_joined_wherever_they_are_cut(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """In the middle of an address, of the word Digital, at a blank: the same four addresses."""
    folder = tmp_path_factory.getbasetemp() / "cut"
    tags = reading(write_set(folder, [(1, "X", REMARKS)], cut)).tags.to_pylist()
    assert [(row["chain"], row["address"]) for row in tags] == [
        ("bitcoin", A),
        ("bitcoin", B),
        ("ethereum", ETHER),
        ("tron", TRON),
    ]


def test_overflow_in_several_rows_is_joined_in_order(tmp_path: Path) -> None:
    path = write_set(tmp_path, [(1, "X", REMARKS[:50])], sdn_comments=f'1,"{REMARKS[50:90]}"\r\n1,"{REMARKS[90:]}"\r\n')
    assert reading(path).tags.num_rows == 4


def test_the_ticker_is_not_the_network(tmp_path: Path) -> None:
    """The form decides; what no chain knows is kept as text and said, as a listing is never dropped."""
    broken = "0xa7e5d5a720f06526557c513402f2e6b5fa20b00"
    remarks = coins(
        ("XBT", TRON),
        ("USDT", ETHER),
        ("BSV", A),
        ("BCH", A),
        ("ETH", broken),
        ("LTC", "LWnbjLYUfqeokfbWM4FcU7uk2FP2DSxuWS"),
    )
    published = reading(write_set(tmp_path, [(1, "X", remarks + ".")]))
    assert [(row["chain"], row["address"]) for row in published.tags.to_pylist()] == [
        ("tron", TRON),
        ("ethereum", ETHER),
        ("bitcoin", A),
        ("ethereum", broken),
        ("litecoin", "LWnbjLYUfqeokfbWM4FcU7uk2FP2DSxuWS"),
    ]
    said = " ".join(note.message for note in published.notes)
    assert "listed under XBT, but its form is of tron" in said
    assert "listed under BSV, but its form is of bitcoin" in said
    assert f"{broken}: kept as text" in said


def test_a_list_of_a_test_network(tmp_path: Path) -> None:
    path = write_set(tmp_path, [(1, "X", coins(("XBT", "bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9")) + ".")])
    [row] = reading(path, "regtest").tags.to_pylist()
    assert (row["chain"], row["network"]) == ("bitcoin", "regtest")


def test_a_header_row_is_understood(tmp_path: Path) -> None:
    header = "Ent_num,SDN_Name,SDN_Type,Program,Title,Call_Sign,Vess_type,Tonnage,GRT,Vess_flag,Vess_owner,Remarks\r\n"
    path = write_set(tmp_path, [(1, "X", coins(("XBT", A)) + ".")])
    path.write_bytes(header.encode() + path.read_bytes())
    assert reading(path).tags.num_rows == 1


@pytest.mark.parametrize("name", ["sdn.csv", "sdn_comments.csv", "add.csv", "alt.csv", "."])
def test_any_member_or_the_folder_stands_for_the_set(tmp_path: Path, name: str) -> None:
    write_set(tmp_path, [(1, "X", REMARKS)], 70)
    assert reading(tmp_path / name).tags.num_rows == 4


def test_prefix_and_capitals_in_names(tmp_path: Path) -> None:
    write_set(tmp_path, [(1, "X", REMARKS)], 70)
    for file in list(tmp_path.iterdir()):
        file.rename(tmp_path / f"old_{file.name.upper()}")
    assert reading(tmp_path / "old_SDN.CSV").tags.num_rows == 4


def test_missing_comments_file_is_refused(tmp_path: Path) -> None:
    path = write_set(tmp_path, [(1, "X", REMARKS)])
    (tmp_path / "sdn_comments.csv").unlink()
    assert "sdn_comments.csv must stand beside it: remarks go on there" in refusal(path)


def test_missing_sdn_file_is_said(tmp_path: Path) -> None:
    write_set(tmp_path, [(1, "X", REMARKS)]).unlink()
    found, [problem], _ = gather([tmp_path / "add.csv"])
    assert not found
    assert "sdn.csv must stand beside it" in problem.message


def test_remarks_that_do_not_go_on_are_refused(tmp_path: Path) -> None:
    """The comments of another day would lose addresses silently."""
    path = write_set(tmp_path, [(7, "X", "y" * 980 + "; " + REMARKS)], sdn_comments="")
    assert "sdn.csv:1: the remarks of entry 7 are cut off" in refusal(path)


@pytest.mark.parametrize("role", ["sdn_comments", "add", "alt"])
def test_a_list_cut_short_is_refused(tmp_path: Path, role: str) -> None:
    """What is missing would count as taken off the list; the other files still know it."""
    rows = {"sdn_comments": '2,"x"\r\n', "add": '2,9,"x","y","Cuba",-0- \r\n', "alt": '2,9,"aka","x",-0- \r\n'}
    path = write_set(tmp_path, [(1, "X", REMARKS)], 1000, **{role: rows[role]})
    message = refusal(path)
    assert f"{role}.csv:1: 1 rows speak of entries that sdn.csv lacks (first: 2): sdn.csv is cut short" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "sdn.csv: the file is empty"),
        (END, "sdn.csv: the list has no entries"),
        (b'1,"X",-0- ,"CYBER2"\r\n', "sdn.csv:1: unknown layout: a row of 4 columns"),
        (entry(1, "X", "a.").encode() + b'2,"Y",-0- ,"CY', "sdn.csv:2: unknown layout: a row of 4 columns"),
        (b"uid,name\r\n1,X\r\n", "sdn.csv:1: unknown layout: the first row is no entry and, as a header, lacks"),
        (b"<html><body>Moved</body></html>", "sdn.csv:1: unknown layout"),
        (b'{"a": 1}', "sdn.csv:1: unknown layout"),
        (entry(1, "X", "Digital Currency Address - XBT.").encode(), "entry 1: 'Digital Currency Address - XBT' is not"),
        (entry(1, "X", "Digital Currency Address XBT 1a b.").encode(), "is not understood"),
        (b'1,"a\x00b"\r\n', "unknown layout"),
    ],
)
def test_a_damaged_list_gives_one_error(tmp_path: Path, content: bytes, expected: str) -> None:
    path = write_set(tmp_path, [(1, "X", REMARKS)])
    path.write_bytes(content)
    assert expected in refusal(path)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write_set(tmp_path_factory.getbasetemp() / "fuzz", [(1, "X", "a.")])
    path.write_bytes(data)
    with suppress(LabelError):
        reading(path)


def test_a_name_outside_ascii_in_either_encoding(tmp_path: Path) -> None:
    path = write_set(tmp_path, [(1, "PEÑA", coins(("XBT", A)) + ".")])
    assert reading(path).entities["name"].to_pylist() == ["PEÑA"]
    path.write_bytes(path.read_bytes().decode("latin-1").encode())
    assert reading(path).entities["name"].to_pylist() == ["PEÑA"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("lists/2022-04-05_sdn.csv", DAY),
        ("sdn-20220405/sdn.csv", DAY),
        ("sdn-2022-04-05/sdn.csv", DAY),
        ("2022-04-45/sdn.csv", None),
        ("lists/sdn.csv", None),
    ],
)
def test_the_date_comes_from_the_name(tmp_path: Path, path: str, expected: date | None) -> None:
    assert date_in_name(tmp_path.parent / "x" / path) == expected


def test_without_a_date_the_modification_time_counts_and_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    path = write_set(folder, [(1, "X", REMARKS)])
    published = reading(path, dated=None)
    assert published.dated == datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    assert "after the file's modification time; say the date" in published.notes[-1].message


@pytest.mark.skipif(not WATCHMAN.is_dir(), reason=f"no OFAC lists at {WATCHMAN}")
def test_a_real_vintage() -> None:
    """A list of 2020: what a plain search finds in the joined remarks is what is imported."""
    texts: dict[str, str] = {}
    for name in ("bench_sdn.csv", "bench_sdn_comments.csv"):
        with (WATCHMAN / name).open(encoding="latin-1", newline="") as file:
            for cells in csv.reader(file):
                texts[cells[0]] = texts.get(cells[0], "") + cells[-1]
    expected = {
        (number, address.lower())
        for number, text in texts.items()
        for address in re.findall(r"Digital Currency Address - \w+ (\w+)", text)
    }
    published = reading(WATCHMAN / "bench_sdn.csv")
    rows = published.tags.to_pylist()
    assert {(row["entity_id"].removeprefix("ofac_sdn-"), row["address"].lower()) for row in rows} == expected
    assert len(rows) == 96
    by_address = {row["address"]: row for row in published.tags.to_pylist()}
    for whole in ("0x8576acc5c05d6ce88f4e49bf65bdf0c62f91353c", "12sjrrhoFEsedNRhtgwvvRqjFTh8fZTDX9"):
        assert whole in by_address
    assert by_address["12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h"]["label"] == "YAN, Xiaobing (SDNTK)"
    split = next(address for address in by_address if address.endswith("ChmWqGtsaLrGbHfgdrV5Nkvahtjjuxr"))
    assert split.startswith("1Gq")


@pytest.mark.skipif(not WATCHMAN.is_dir(), reason=f"no OFAC lists at {WATCHMAN}")
def test_a_real_mixed_up_set_is_refused() -> None:
    """sdn.csv of 2018 beside comments of 2024."""
    assert "sdn.csv is cut short, or the files are of different days" in refusal(WATCHMAN / "static_sdn.csv")
