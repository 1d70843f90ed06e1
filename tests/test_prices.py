"""Prices: whole imports or none, every mistake with its line, and the newest price of a day holds."""

import contextlib
import io
import json
import os
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cli import main
from service.exits import Exit
from service.settings import settings
from store.errors import BusyError, DamagedError, DiskError
from store.files import locked
from store.formats import prices as format_of
from store.formats.prices import CURRENCIES, FIRST_DAY, HEADER, MAX_BYTES, MOST_PROBLEMS, Pair, Rows, read
from store.prices import NO_VERSION, Gap, PriceError, Prices
from worlds.truth.disclose import Days, write_prices

DAY = date(2023, 11, 1)
USD, JPY = Pair("BTC", "USD"), Pair("BTC", "JPY")
WHERE = Path("p.csv")

keys = st.tuples(
    st.builds(Pair, st.just("BTC"), st.sampled_from(sorted(CURRENCIES))), st.dates(FIRST_DAY, date(2100, 1, 1))
)
values = st.decimals(Decimal("0.00000001"), Decimal(10) ** 12, places=8)
tables = st.dictionaries(keys, values, min_size=1, max_size=12)


def text_of(rows: Rows) -> bytes:
    """Write a price file."""
    lines = [f"{day},{pair.asset},{pair.currency},{price:f}" for (pair, day), price in rows.items()]
    return "".join(f"{line}\n" for line in [HEADER, *lines]).encode()


def naive(data: bytes) -> Rows:
    """Read a file that is known to be right."""
    lines = [line.rstrip("\r").split(",") for line in data.decode("utf-8-sig").split("\n")[1:-1]]
    return {(Pair(a, c), date(*map(int, d.split("-")))): Decimal(p) for d, a, c, p in lines}


def file(folder: Path, name: str, *rows: str) -> Path:
    """Write a price file of these rows."""
    path = folder / name
    path.write_text("".join(f"{row}\n" for row in (HEADER, *rows)))
    return path


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    """Return the prices of an empty data directory."""
    return Prices(tmp_path / "data")


# the format ------------------------------------------------------------------------------------------------


@given(tables)
def test_what_is_written_is_read(rows: Rows) -> None:
    """Every table of prices survives being a file."""
    assert read(text_of(rows), WHERE) == rows


@given(tables, st.data())
def test_a_changed_byte_is_a_mistake_or_what_the_file_now_says(rows: Rows, data: st.DataObject) -> None:
    """Nothing is read that the file does not say, and nothing else goes wrong."""
    written = bytearray(text_of(rows))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))

    with contextlib.suppress(PriceError):
        assert read(bytes(written), WHERE) == naive(bytes(written))


@given(tables, st.data())
def test_a_file_that_is_cut_off_is_a_mistake_or_whole_rows(rows: Rows, data: st.DataObject) -> None:
    """Half of a price is never taken for a price."""
    written = text_of(rows)
    cut = written[: data.draw(st.integers(0, len(written) - 1))]

    if cut.endswith(b"\n") and cut.count(b"\n") > 1:
        assert list(read(cut, WHERE).items()) == list(rows.items())[: cut.count(b"\n") - 1]
    else:
        with pytest.raises(PriceError):
            read(cut, WHERE)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    """Whatever the bytes, the answer is prices or a told mistake."""
    for given_bytes in (data, HEADER.encode() + b"\n" + data):
        with contextlib.suppress(PriceError):
            read(given_bytes, WHERE)


def test_windows_line_ends_and_byte_order_mark_are_taken() -> None:
    """What a spreadsheet saves as UTF-8 is read."""
    data = b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n2023-11-01,BTC,USD,34000.5\r\n"

    assert read(data, WHERE) == {(USD, DAY): Decimal("34000.5")}


GOOD = "2023-11-01,BTC,USD,34000.5"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"^p\.csv:1: the first line is ''"),
        (b"day;price\n", r"p\.csv:1: the first line is 'day;price': it has to be date,asset,currency,price"),
        (f"{HEADER}\n".encode(), r"p\.csv:1: there is no price in it"),
        (HEADER.encode(), r"p\.csv:2: the last line has no end"),
        (f"{HEADER}\n{GOOD}\n2023-11-02,BTC,USD,340".encode(), r"p\.csv:3: the last line has no end"),
        (f"{HEADER}\n{GOOD}\n{GOOD}\n".encode(), r"p\.csv:3: 2023-11-01 has a price already, on line 2"),
        (f"{HEADER}\n{GOOD}\n\n".encode(), r"p\.csv:3: 1 fields"),
        (f"{HEADER}\n2023-11-01,BTC,USD,34,000\n".encode(), r"p\.csv:2: 5 fields: .*thousands separators"),
        (f"{HEADER}\n2023-02-29,BTC,USD,1\n".encode(), r"p\.csv:2: the date '2023-02-29' is no day"),
        (f"{HEADER}\n20231101,BTC,USD,1\n".encode(), r"p\.csv:2: the date '20231101' .*YYYY-MM-DD"),
        (f"{HEADER}\n2009-01-02,BTC,USD,1\n".encode(), r"p\.csv:2: .* before bitcoin's first day"),
        (f"{HEADER}\n2023-11-01,ETH,USD,1\n".encode(), r"p\.csv:2: there is no asset 'ETH': .*BTC"),
        (f"{HEADER}\n2023-11-01,BTC,UDS,1\n".encode(), r"p\.csv:2: there is no currency 'UDS'.*USD"),
        *(
            (f"{HEADER}\n{GOOD}\n2023-11-02,BTC,USD,{wrong}\n".encode(), r"p\.csv:3: the price '.*' is no positive")
            for wrong in ("0", "0.00", "-1", "nan", "NaN", "inf", "1e5", "", " 1", "1.", ".5", "٣", "9" * 50)
        ),
        (f"{HEADER}\n{GOOD}\n".encode() + b"2023-11-02,BTC,\xff,1\n", r"p\.csv:3: not UTF-8"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), r"p\.csv:1: not UTF-8"),
        (f"{HEADER}\nx\n{GOOD}\ny\n".encode(), r"p\.csv:2: 1 fields.*\(and 1 more\); nothing was imported"),
    ],
)
def test_a_mistake_is_told_with_its_line(data: bytes, words: str) -> None:
    """File, line, what is wrong and what would be right."""
    with pytest.raises(PriceError, match=words):
        read(data, WHERE)


def test_a_file_of_another_kind_is_not_told_line_by_line() -> None:
    """A file without one right line ends in a bounded number of mistakes."""
    with pytest.raises(PriceError) as told:
        read(f"{HEADER}\n".encode() + b"\n" * 100_000, WHERE)
    assert len(told.value.problems) == MOST_PROBLEMS


# the store -------------------------------------------------------------------------------------------------


def test_without_prices_there_is_nothing_and_no_folder(prices: Prices) -> None:
    """Nothing imported is a version too."""
    book = prices.book()
    days, values = book.arrays("BTC", "USD")

    assert (prices.version, book.pairs, book.currencies(), book.gaps(), prices.imports()) == (
        NO_VERSION,
        (),
        (),
        (),
        [],
    )
    assert (dict(book.daily("BTC", "USD")), days.shape, values.shape) == ({}, (0,), (0,))
    assert not prices.folder.exists()


def test_an_import_is_reported_and_read_back(prices: Prices, tmp_path: Path) -> None:
    """Days taken, days replaced, days that were known, and the gaps; sorted by day whatever the file's order."""
    first = file(tmp_path, "a.csv", "2023-11-04,BTC,USD,4", "2023-11-01,BTC,USD,1.50", "2023-11-01,BTC,JPY,225")
    second = file(tmp_path, "b.csv", "2023-11-04,BTC,USD,5", "2023-11-05,BTC,USD,6", "2023-11-01,BTC,USD,1.5")

    one, two = prices.add([first]), prices.add([second])

    gap = Gap("BTC", "USD", date(2023, 11, 2), date(2023, 11, 3))
    assert (one.taken, one.replaced, one.same, one.gaps) == (3, 0, 0, (gap,))
    assert (two.taken, two.replaced, two.same, two.gaps) == (1, 1, 1, (gap,))
    book = prices.book()
    assert book.currencies() == ("JPY", "USD")
    assert [(day.day, price) for day, price in book.daily("BTC", "USD").items()] == [
        (1, Decimal("1.5")),
        (4, Decimal(5)),
        (5, Decimal(6)),
    ]
    days, values = book.arrays("BTC", "USD")
    assert days.tolist() == [(day - date(1970, 1, 1)).days for day in book.daily("BTC", "USD")]
    assert (str(days.dtype), str(values.dtype), values.tolist()) == ("int64", "float64", [1.5, 5.0, 6.0])
    assert [(one.name, one.rows) for one in prices.imports()] == [("a.csv", 3), ("b.csv", 3)]
    assert (two.version, one.version == two.version) == (prices.version, False)


def test_what_changes_nothing_is_not_kept(prices: Prices, tmp_path: Path) -> None:
    """The same prices again, or a part of them in other spelling, leave journal and version as they are."""
    first = prices.add([file(tmp_path, "a.csv", "2023-11-01,BTC,USD,1.50", "2023-11-02,BTC,USD,2")])
    before = {path.name: path.read_bytes() for path in prices.folder.iterdir()}

    again = prices.add([tmp_path / "a.csv", file(tmp_path, "b.csv", "2023-11-01,BTC,USD,1.5")])

    assert (again.added, again.taken, again.replaced, again.same) == ((), 0, 0, 2)
    assert again.version == first.version
    assert {path.name: path.read_bytes() for path in prices.folder.iterdir()} == before


def test_the_newest_import_holds_even_where_it_came_before(prices: Prices, tmp_path: Path) -> None:
    """A correction that is taken back by the first file again is taken back."""
    first, second = file(tmp_path, "a.csv", "2023-11-01,BTC,USD,1"), file(tmp_path, "b.csv", "2023-11-01,BTC,USD,2")

    versions = [prices.add([path]).version for path in (first, second, first)]

    assert prices.book().daily("BTC", "USD") == {DAY: Decimal(1)}
    assert versions[0] == versions[2] != versions[1]


@given(st.lists(tables, min_size=1, max_size=3))
def test_the_same_prices_are_the_same_version(tmp_path_factory: pytest.TempPathFactory, parts: list[Rows]) -> None:
    """In one file or in several, in any order of rows: only days and prices count."""
    folder = tmp_path_factory.mktemp("prices")
    paths = [folder / f"{number}.csv" for number in range(len(parts) + 1)]
    whole = {key: price for part in parts for key, price in part.items()}
    for path, part in zip(paths, [*parts, dict(reversed(whole.items()))], strict=True):
        path.write_bytes(text_of(part))

    several = Prices(folder / "several").add(paths[:-1])
    at_once = Prices(folder / "one").add(paths[-1:])

    assert several.version == at_once.version
    assert several.gaps == at_once.gaps
    book = Prices(folder / "one").book()
    assert {(pair, day): price for pair in book.pairs for day, price in book.daily(*pair).items()} == whole


@given(st.sets(st.integers(0, 60), min_size=1))
def test_gaps_are_the_days_between_that_are_missing(tmp_path_factory: pytest.TempPathFactory, known: set[int]) -> None:
    """Gaps and known days together are every day from the first to the last."""
    folder = tmp_path_factory.mktemp("gaps")
    rows = {(USD, DAY + timedelta(days=n)): Decimal(1) for n in known}
    (folder / "a.csv").write_bytes(text_of(rows))

    gaps = Prices(folder).add([folder / "a.csv"]).gaps

    missing = [gap.first + timedelta(days=n) for gap in gaps for n in range((gap.last - gap.first).days + 1)]
    expected = [DAY + timedelta(days=n) for n in range(min(known), max(known)) if n not in known]
    assert missing == expected


def test_one_wrong_file_keeps_all_out(prices: Prices, tmp_path: Path) -> None:
    """All that are given, or none; every file's mistakes are told."""
    good, bad = file(tmp_path, "a.csv", GOOD), file(tmp_path, "b.csv", "x")

    with pytest.raises(PriceError) as told:
        prices.add([good, bad, tmp_path / "none.csv", tmp_path])

    assert [str(problem.path.name) for problem in told.value.problems] == ["b.csv", "none.csv", tmp_path.name]
    assert not prices.folder.exists()


def test_a_file_that_is_too_large_is_refused(prices: Prices, tmp_path: Path) -> None:
    """Nobody waits for a disk image to be read as prices."""
    with (tmp_path / "big.csv").open("wb") as big:
        big.truncate(MAX_BYTES + 1)

    with pytest.raises(PriceError, match="larger than"):
        prices.add([tmp_path / "big.csv"])


def test_a_full_disk_leaves_what_was_there(prices: Prices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is written last, so an import that fails has never been."""
    prices.add([file(tmp_path, "a.csv", GOOD)])
    before = prices.version
    real = os.fsync

    def full(fd: int) -> None:
        if "jsonl" in Path(f"/proc/self/fd/{fd}").readlink().name:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="no space left"):
        prices.add([file(tmp_path, "b.csv", "2023-11-02,BTC,USD,2")])
    assert Prices(prices.folder.parent).version == before


def test_damage_is_told(prices: Prices, tmp_path: Path) -> None:
    """A stored file that is not what was imported is never read as prices."""
    prices.add([file(tmp_path, "a.csv", GOOD)])
    (stored,) = prices.folder.glob("*.csv")
    journal = prices.folder / "imports.jsonl"

    stored.write_bytes(stored.read_bytes().replace(b"34", b"43"))
    with pytest.raises(DamagedError, match=r"a\.csv.* is damaged"):
        prices.book()
    stored.unlink()
    with pytest.raises(DamagedError, match="missing"):
        prices.book()
    for text in ("{", "{}", "1"):
        journal.write_text(text)
        with pytest.raises(DamagedError, match=r"imports\.jsonl"):
            prices.book()


def test_only_one_writes(prices: Prices, tmp_path: Path) -> None:
    """A second import beside a first is told to wait."""
    with locked(prices.folder / ".lock", "prices"), pytest.raises(BusyError):
        prices.add([file(tmp_path, "a.csv", GOOD)])


def test_the_file_of_a_world_is_taken(prices: Prices, tmp_path: Path) -> None:
    """What a world discloses is an input as it is."""
    write_prices(tmp_path / "prices.csv", 7, Days(datetime(2023, 11, 1, tzinfo=UTC), 10_800, 40))

    report = prices.add([tmp_path / "prices.csv"])

    assert report.gaps == ()
    assert prices.book().currencies() == ("JPY", "USD")


def test_currencies_are_codes() -> None:
    """Each once, three capital letters."""
    assert len(format_of._CODES.split()) == len(CURRENCIES) == 155
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)


# the command -----------------------------------------------------------------------------------------------


def tadoru(data: Path, *words: str | Path) -> tuple[int, str, str]:
    """Run one command in this process; exit code, output, errors."""
    arguments, out, errors = [str(word) for word in words], io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, {"TADORU_DATA": str(data)}),
        patch.object(sys, "argv", ["tadoru", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main()
    settings.cache_clear()
    return int(ended.value.code or 0), out.getvalue(), errors.getvalue()


def test_prices_in_prices_listed_and_on_record(tmp_path: Path) -> None:
    """Add says what was taken and what to run next, list shows it, and the import is a row of the audit chain."""
    path = file(tmp_path, "a.csv", GOOD, "2023-11-03,BTC,USD,35000")

    code, out, _ = tadoru(tmp_path, "prices", "add", path)
    assert code == Exit.OK
    assert "2 days were taken, 0 replaced" in out
    assert "no price of BTC in USD from 2023-11-02 to 2023-11-02" in out
    assert "next: tadoru index bitcoin" in out
    told = json.loads(tadoru(tmp_path, "prices", "add", path, "--json")[1])
    assert (told["taken"], told["same"], told["added"]) == (0, 2, [])

    listed = json.loads(tadoru(tmp_path, "prices", "list", "--json")[1])
    assert listed["version"] == told["version"]
    assert listed["items"] == [
        {"asset": "BTC", "currency": "USD", "days": 2, "first": "2023-11-01", "last": "2023-11-03",
         "gaps": [{"first": "2023-11-02", "last": "2023-11-02"}]}
    ]  # fmt: skip
    assert [one["name"] for one in listed["imports"]] == ["a.csv"]
    assert "BTC in USD: 2 days, 2023-11-01 to 2023-11-03" in tadoru(tmp_path, "prices", "list")[1]
    assert "1 rows" in tadoru(tmp_path, "audit", "verify")[1]


def test_a_wrong_price_file_is_code_3(tmp_path: Path) -> None:
    """One line on standard error, with file and line; nothing is stored."""
    code, out, errors = tadoru(tmp_path, "prices", "add", file(tmp_path, "a.csv", "2023-11-01,BTC,USD,-1"))

    assert (code, out) == (Exit.INPUT, "")
    assert "a.csv:2: the price '-1'" in errors
    assert not (tmp_path / "prices").exists()
