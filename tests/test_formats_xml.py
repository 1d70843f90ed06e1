"""The lists that come as XML: OFAC's three, the EU's, the United Kingdom's; invented parties, the true layouts."""

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.formats import LabelError, Published, gather, read
from tests.publishers import ADVANCED, ENHANCED, ETHER, EU, OFSI, SDN_XML, TRON, UKSL, A, B

ALL = {
    "SDN.XML": SDN_XML,
    "SDN_ADVANCED.XML": ADVANCED,
    "sdn_enhanced.xml": ENHANCED,
    "eu.xml": EU,
    "uk.xml": UKSL,
    "ofsi-2024-05-29.xml": OFSI,
}
DAY = date(2024, 5, 29)


def reading(folder: Path, name: str, content: str | bytes, dated: date | None = None) -> Published:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    [found], problems, _ = gather([path])
    assert not problems
    return read(found, "main", dated)


def refusal(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found, problems, _ = gather([path])
    if not problems:
        with pytest.raises(LabelError) as caught:
            read(found[0], "main")
        problems = list(caught.value.problems)
    return str(problems[0])


def said(published: Published) -> list[tuple[Any, ...]]:
    names = ("chain", "address", "entity_id", "label", "listed_from", "list_id", "category", "confidence")
    return [tuple(row[name] for name in names) for row in published.tags.to_pylist()]


def counted(published: Published) -> dict[str, int]:
    return {f"{one.unit} {one.outcome}": one.rows for one in published.counts}


@pytest.mark.parametrize("name", ["SDN.XML", "SDN_ADVANCED.XML", "sdn_enhanced.xml"])
def test_all_of_ofacs_formats_say_the_same_of_a_party(tmp_path: Path, name: str) -> None:
    """One list, one number per party, one label; the day of listing where the format says it."""
    published = reading(tmp_path, name, ALL[name])
    since = DAY if name == "SDN.XML" else date(2018, 11, 28)
    assert said(published)[0] == (
        "bitcoin", A, "ofac_sdn-12", "DOE, Jon (CYBER2, DPRK4)", since, "ofac_sdn", "sanctioned_entity", 100
    )  # fmt: skip
    [party] = published.entities.to_pylist()
    assert (party["name"], party["jurisdictions"][0], published.dated) == ("DOE, Jon", "RU", DAY)
    assert not published.skipped


def test_the_ticker_is_not_the_network(tmp_path: Path) -> None:
    """A Tron address under XBT is said; a token's ticker names no chain, so nothing is to be said."""
    published = reading(tmp_path, "SDN.XML", SDN_XML)
    assert [row[:2] for row in said(published)[1:]] == [("tron", TRON), ("ethereum", ETHER)]
    [note] = published.notes
    assert (note.line, "listed under XBT, but its form is of tron" in note.message) == (10, True)


def test_parties_of_other_lists_are_counted_not_taken(tmp_path: Path) -> None:
    for name in ("SDN_ADVANCED.XML", "sdn_enhanced.xml"):
        counts = counted(reading(tmp_path, name, ALL[name]))
        unit = (name[:5] == "SDN_A" and "parties") or "entries"
        assert counts == {
            f"{unit} name addresses": 1,
            f"{unit} name no address": 1,
            f"{unit} are of other lists than the SDN list": 1,
        }


def test_the_consolidated_list_is_not_taken_for_the_sdn_list(tmp_path: Path) -> None:
    """It would end every listing."""
    assert "OFAC's consolidated list of other sanctions" in refusal(tmp_path, "CONSOLIDATED.XML", SDN_XML)
    only_others = ENHANCED.replace(">SDN List<", ">Consolidated List<")
    assert "no entry is of the SDN list" in refusal(tmp_path, "cons_enhanced.xml", only_others)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("SDN.XML", "<Record_Count>2<", "<Record_Count>3<", "says that it has 3 entries, but holds 2"),
        ("SDN.XML", "<uid>7</uid>", "", "SDN.XML:4: an entry without a number"),
        ("SDN.XML", f" {A} ", "", "SDN.XML:9: entry 12: an address without text"),
        ("SDN.XML", "Address - XBT", "Address XBT", "SDN.XML:9: entry 12: 'Digital Currency Address XBT' is not"),
        ("SDN_ADVANCED.XML", f">{A}<", "><", "entry 12: an address without text"),
        ("SDN_ADVANCED.XML", 'FixedRef="12"', 'FixedRef=""', "a party without a number"),
        ("sdn_enhanced.xml", f"<value>{A}</value>", "", "entry 12: an address without text"),
        ("sdn_enhanced.xml", 'entity id="12"', "entity", "an entity without a number"),
        ("eu.xml", "sanctionEntity", "somethingElse", "the list has no entries"),
        ("eu.xml", "fsd/export", "other/export", "unknown format: an export, but not of"),
        ("uk.xml", "Designations", "Whatever", "unknown format: its root element is 'Whatever'"),
        ("uk.xml", "Designation>", "Other>", "the list has no entries"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    assert message in refusal(tmp_path, name, ALL[name].replace(old, new))


def test_the_eu_list_names_addresses_in_running_text(tmp_path: Path) -> None:
    """In remarks and in numbers of papers; what only looks like an address is said with its line."""
    published = reading(tmp_path, "eu.xml", EU)
    label, since = "Coins OOO (RUS)", date(2023, 12, 18)
    assert said(published) == [
        ("bitcoin", A, "eu_fsf-41", label, since, "eu_fsf", "sanctioned_entity", 100),
        ("ethereum", ETHER, "eu_fsf-41", label, since, "eu_fsf", "sanctioned_entity", 100),
    ]
    [left] = published.skipped
    assert (left.line, "its checksum is wrong" in left.message) == (4, True)
    assert counted(published) == {"entries name addresses": 1, "entries name no address": 1}
    assert published.entities["jurisdictions"].to_pylist() == [["RU"]]


def test_the_uk_sanctions_list(tmp_path: Path) -> None:
    """What stands in the statement of reasons alone may be of others: said, not taken."""
    published = reading(tmp_path, "uk.xml", UKSL)
    assert said(published) == [
        ("bitcoin", A, "uk_sanctions_list-CYB0001", "Jon DOE (Cyber)", date(2023, 2, 9), "uk_sanctions_list",
         "sanctioned_entity", 100)
    ]  # fmt: skip
    [left] = published.skipped
    assert f"{B} stands in the statement of reasons" in left.message
    assert published.dated == DAY


def test_ofsis_list_has_a_row_per_name(tmp_path: Path) -> None:
    """The rows of a party repeat what is said of it: one claim, under the primary name, of the day in the name."""
    published = reading(tmp_path, "ofsi-2024-05-29.xml", OFSI)
    [row] = said(published)
    assert row[:5] == ("bitcoin", A, "uk_ofsi-150", "Jon DOE (Cyber)", date(2023, 2, 9))
    assert counted(published) == {"rows name addresses": 2, "rows name no address": 1}


@pytest.mark.parametrize("name", ["uk.csv", "ConList.csv"])
def test_the_uk_lists_as_csv(tmp_path: Path, name: str) -> None:
    uksl = (
        "Report Date: 29-May-2024\n"
        "Last Updated,Unique ID,Name 6,Name 1,Name type,Regime Name,Date Designated,Other Information,Address Country\n"
        f'01/05/2024,CYB0001,DOUGH,,Alias,Cyber,09/02/2023,"Wallets:\n{A}",Russia\n'
        f"01/05/2024,CYB0001,DOE,Jon,Primary Name,Cyber,09/02/2023,,\n"
    )
    ofsi = (
        "Last Updated,29/05/2024\n"
        "Name 6,Name 1,Country,Other Information,Group Type,Alias Type,Regime,Listed On,Last Updated,Group ID\n"
        f"DOE,Jon,Russia,XBT {A},Individual,Primary name,Cyber,09/02/2023,10/02/2023,CYB0001\n"
        "DOUGH,,,,Individual,AKA,Cyber,09/02/2023,10/02/2023,CYB0001\n"
    )
    published = reading(tmp_path, name, uksl if name == "uk.csv" else ofsi)
    [row] = said(published)
    assert row[1:5] == (A, f"{published.list_id}-CYB0001", "Jon DOE (Cyber)", date(2023, 2, 9))
    assert (published.dated, sum(counted(published).values())) == (DAY, 2)


def test_what_the_list_says_of_its_day_wins_and_is_said(tmp_path: Path) -> None:
    published = reading(tmp_path, "eu.xml", EU, dated=date(2020, 1, 1))
    assert published.dated == DAY
    assert "as the list itself says, not 2020-01-01" in published.notes[0].message


@pytest.mark.parametrize("name", ALL)
def test_a_document_type_is_refused_wherever_it_hides(tmp_path: Path, name: str) -> None:
    """No entity can be declared, so none can expand to gigabytes or read a file."""
    head, root, rest = ALL[name].partition("\n")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    message = refusal(tmp_path, name, f"{head}{root}{bomb}{rest}")
    assert "declares a document type" in message or "unknown format" in message


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject) -> None:
    """Cut off, bytes changed or put in anywhere: a list or a LabelError, never a crash; and never half a list."""
    whole = ALL[name].encode()
    place = data.draw(st.integers(0, len(whole)))
    change = data.draw(st.sampled_from([b"", b"\x00", b"<", b"&a;", b"\xff\xfe", b"]]>", b"<a>", b"</"]))
    cut = data.draw(st.integers(place, len(whole)))
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(whole[:place] + change + whole[cut:])
    found, problems, _ = gather([path])
    assert bool(found) != bool(problems)
    for one in found:
        with suppress(LabelError):
            read(one, "main")


@pytest.mark.parametrize("name", ALL)
def test_a_list_cut_short_never_passes(tmp_path: Path, name: str) -> None:
    """What is missing would count as taken off the list."""
    for size in range(200, len(ALL[name]) - 2, 97):
        assert refusal(tmp_path, name, ALL[name][:size])


def test_nesting_without_measure_is_refused(tmp_path: Path) -> None:
    deep = "<sdnList>" + "<sdnEntry>" * 5000 + "</sdnEntry>" * 5000 + "</sdnList>"
    assert "nested more than 100 deep" in refusal(tmp_path, "SDN.XML", deep)
