"""Vintages of any list: what is gone is removed, what the list says of its own days counts, nothing is backdated."""

import json
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.address import text_of
from store.labels import LabelError, Labels
from tests.publishers import ADVANCED, SDN_XML, A

START = date(2024, 1, 1)
Row = tuple[int, date | None, date | None]  # address number, listed from, listed to
Stay = tuple[int, date, date | None]
MAP = """
title: Ours
source: https://example.org
columns: {address: wallet, listed_from: since, listed_to: until}
always: {label: listed, category: sanctioned_entity, currency: BTC}
list: ours
"""


def address(number: int) -> str:
    return str(text_of(b"\xa9\x14" + number.to_bytes(20, "big") + b"\x87", "main"))


NUMBERS = {address(n): n for n in range(3)}


def vintage(folder: Path, day: date, rows: set[Row]) -> Path:
    """Write one vintage as a CSV file; one address is always listed, as a file needs a row."""
    folder.mkdir(exist_ok=True)
    lines = [f"{address(n)},{since or ''},{until or ''}" for n, since, until in sorted(rows, key=str)]
    path = folder / f"{day}.csv"
    path.write_text("\n".join(["wallet,since,until", *lines, f"{address(99)},,"]) + "\n")
    (folder / f"{day}.map.yaml").write_text(MAP)
    return path


def stays(labels: Labels) -> set[Stay]:
    rows = labels.snapshot().tags.to_pylist()
    return {(NUMBERS[r["address"]], r["listed_from"], r["listed_to"]) for r in rows if r["address"] in NUMBERS}


def by_hand(vintages: dict[date, set[Row]]) -> set[Stay]:
    """Walk through the vintages, one address and one kind of stay at a time."""
    days = sorted(vintages)
    open_stays: set[Stay] = set()
    ended: set[Stay] = set()
    for number in NUMBERS.values():
        kinds = {(since, True) for rows in vintages.values() for n, since, until in rows if n == number and until}
        starts = {(since or day) for day, rows in vintages.items() for n, since, until in rows if n == number and until}
        for start in [None, *sorted(starts | {since for since, _ in kinds if since})]:
            run: list[tuple[date, list[tuple[date, date | None]]]] = []
            for place, day in enumerate([*days, None]):
                here = [
                    (since or day, until)
                    for n, since, until in (vintages[day] if day else ())
                    if day and n == number and (until is None if start is None else until and (since or day) == start)
                ]
                if here and day:
                    run.append((day, here))
                elif run:
                    first = days.index(run[0][0])
                    before = days[first - 1] if first else None
                    said = min(since for _, rows in run for since, _ in rows)
                    since = run[0][0] if start is None and before and said <= before else said
                    ends = [end for end in (run[-1][1][0][1], day) if end]
                    (open_stays if start is None else ended).add((number, since, min(ends, default=None)))
                    run = []
                assert place <= len(days)
    told = {(number, since) for number, since, _ in ended}
    return ended | {stay for stay in open_stays if stay[:2] not in told}


def at(number: int) -> date:
    return START + timedelta(number)


SINCE = st.one_of(st.none(), st.integers(-5, 12).map(at))
ROWS = st.dictionaries(
    st.tuples(st.integers(0, 2), SINCE), st.one_of(st.none(), st.integers(13, 20).map(at)), max_size=4
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.integers(0, 10).map(at), ROWS, min_size=1, max_size=4))
def test_stays_agree_with_a_walk_through_the_vintages(
    drawn: dict[date, dict[tuple[int, date | None], date | None]],
) -> None:
    """In whatever order the vintages are imported, each at most once open per address."""
    vintages = {
        day: {(n, since, until) for (n, since), until in rows.items() if until or (n, since) == min(
            (key for key, end in rows.items() if end is None and key[0] == n), key=str)}
        for day, rows in drawn.items()
        # A stay that begins once and ends twice contradicts itself: whichever end is told is as good.
        if len({(n, since or day) for n, since in rows}) == len(rows)
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        labels = Labels(Path(place) / "data")
        for day in sorted(vintages, key=lambda day: hash(day.isoformat()[-1])):
            labels.add([vintage(Path(place) / "lists", day, vintages[day])], dated=day)
        assert stays(labels) == by_hand(vintages)


def test_a_list_that_names_its_days_is_believed_but_not_against_what_is_held(tmp_path: Path) -> None:
    """Listed since before our first vintage: the list's word. Added later to an older entry: the day we saw it."""
    labels = Labels(tmp_path / "data")
    labels.add([vintage(tmp_path / "a", at(10), {(0, at(-100), None)})], dated=at(10))
    labels.add(
        [vintage(tmp_path / "b", at(20), {(0, at(-100), None), (1, at(-100), None), (2, at(15), None)})], dated=at(20)
    )
    labels.add([vintage(tmp_path / "c", at(30), {(1, at(-100), None)})], dated=at(30))
    assert stays(labels) == {(0, at(-100), at(30)), (1, at(20), None), (2, at(15), at(30))}


def test_what_a_newer_vintage_adds_and_ends_is_said(tmp_path: Path) -> None:
    labels = Labels(tmp_path / "data")
    labels.add([vintage(tmp_path / "a", at(10), {(0, None, None), (1, None, None)})], dated=at(10))
    [note] = labels.add([vintage(tmp_path / "b", at(20), {(2, None, None)})], dated=at(20)).notes
    assert f"against the list of {at(10)}, 1 addresses are new on it, 2 are gone" in note.message


def test_a_later_word_on_a_stays_end_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    labels = Labels(tmp_path / "data")
    labels.add([vintage(tmp_path / "a", at(10), {(0, at(1), None)})], dated=at(10))
    assert stays(labels) == {(0, at(1), None)}
    labels.add([vintage(tmp_path / "b", at(20), {(0, at(1), at(14))})], dated=at(20))
    assert stays(labels) == {(0, at(1), at(14))}


def test_formats_of_one_list_are_vintages_of_one_list(tmp_path: Path) -> None:
    """SDN.XML of one day and SDN_ADVANCED.XML of another name the same party: one listing, from its own day."""
    (tmp_path / "SDN.XML").write_text(SDN_XML)
    (tmp_path / "SDN_ADVANCED.XML").write_text(
        ADVANCED.replace("<Year>2024</Year><Month>5</Month>", "<Year>2024</Year><Month>6</Month>")
    )
    labels = Labels(tmp_path / "data")
    labels.add([tmp_path / "SDN.XML", tmp_path / "SDN_ADVANCED.XML"])
    rows = {row["address"]: row for row in labels.snapshot().tags.to_pylist()}
    assert (rows[A]["listed_from"], rows[A]["listed_to"]) == (date(2018, 11, 28), None)
    gone = [row["listed_to"] for address, row in rows.items() if address != A]
    assert gone == [date(2024, 6, 29)] * 2


def test_an_older_list_of_any_of_ofacs_formats_under_a_newer_date_is_refused(tmp_path: Path) -> None:
    """Entry numbers only grow: it would end every listing made since."""
    labels = Labels(tmp_path / "data")
    (tmp_path / "SDN_ADVANCED.XML").write_text(ADVANCED)
    labels.add([tmp_path / "SDN_ADVANCED.XML"])
    (tmp_path / "SDN.XML").write_text(SDN_XML.replace("05/29/2024", "06/01/2024"))
    with pytest.raises(LabelError, match="has higher entry numbers: this is the older of the two"):
        labels.add([tmp_path / "SDN.XML"])


def test_datasets_of_one_export_are_imports_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "entities.ftm.json"
    wallet = {"id": "w", "schema": "CryptoWallet", "datasets": ["us_x", "il_y"], "properties": {"publicKey": [A]}}
    path.write_text(json.dumps(wallet))
    labels = Labels(tmp_path / "data")
    report = labels.add([path], dated=START)
    assert [one.list_id for one in report.added] == ["opensanctions_il_y", "opensanctions_us_x"]
    assert len({one.id for one in report.added}) == 2
    assert labels.add([path], dated=START).added == ()


def test_the_report_counts_every_row(tmp_path: Path) -> None:
    """`check` says the same without importing; both say which files of a folder are no lists."""
    folder = tmp_path / "lists"
    vintage(folder, START, {(0, None, None)})
    (folder / "LICENSE").write_text("free")
    checked = Labels(tmp_path / "data").check([folder], dated=START)
    assert not (tmp_path / "data").exists()
    report = Labels(tmp_path / "data").add([folder], dated=START)
    assert report.counts == checked.counts
    assert [str(one).partition(": ")[2] for one in report.counts] == ["2 rows become tags"]
    assert [one.path.name for one in report.skipped] == [f"{START}.map.yaml", "LICENSE"]
