"""Entities under several ids, and relations between them: what an import takes, refuses and explains."""

from pathlib import Path
from typing import Any

import pytest

from store.labels import LabelError, Labels
from tests.test_labels import address, pack

HEADER = "title: Actors\ncreator: Someone\nlastmod: '2023-01-01'\nactors:\n"


def actors(path: Path, *entries: str) -> Path:
    """Write an actor pack; each entry is the id and more lines of it."""
    text = HEADER
    for entry in entries:
        name, *more = entry.split("\n")
        text += f"- id: {name}\n  label: {name.title()}\n  categories: [exchange]\n"
        text += "".join(f"  {line}\n" for line in more)
    path.write_text(text)
    return path


def owned(other: str, percent: str = "60", more: str = "") -> str:
    """One relation of an entry."""
    return f"relations:\n- {{kind: owned_by, entity: {other}, percent: {percent}, source: 'https://example.org'{more}}}"


def refused(labels: Labels, *paths: Path) -> str:
    """What an import that fails says."""
    with pytest.raises(LabelError) as caught:
        labels.add(paths)
    (problem,) = caught.value.problems
    checked = labels.check(paths)
    assert [str(one) for one in checked.problems] == [str(problem)]
    return str(problem)


def rows(table: Any, *names: str) -> list[tuple[Any, ...]]:
    """Some columns of a table."""
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def test_an_identifier_makes_two_descriptions_one_entity(tmp_path: Path) -> None:
    """The pack's garantex and the list's entry are one: its tags, its foremost category, its name and home."""
    labels = Labels(tmp_path)
    labels.add([
        actors(tmp_path / "list.yaml", "ofac_sdn-1\njurisdictions: [RU]"),
        pack(tmp_path / "tags.yaml", address(1), actor="ofac_sdn-1", category="sanction"),
        actors(tmp_path / "own.yaml", "garantex\nidentifiers: [ofac_sdn-1]\njurisdictions: [EE]"),
    ])  # fmt: skip
    found = labels.snapshot()
    assert rows(found.tags, "entity_id") == [("garantex",)]
    assert rows(found.entities, "entity_id", "name", "jurisdictions") == [("garantex", "Garantex", ["EE", "RU"])]
    assert rows(found.aliases, "alias", "kind", "entity_id") == [("ofac_sdn-1", "id", "garantex")]


def test_names_alone_make_nobody_one(tmp_path: Path) -> None:
    """An alias that is described as somebody of its own stays that somebody; an unknown one is the actor."""
    labels = Labels(tmp_path)
    labels.add([
        actors(tmp_path / "own.yaml", "big\naliases: [other, big_ex]", "other"),
        pack(tmp_path / "tags.yaml", address(1), actor="other"),
        pack(tmp_path / "more.yaml", address(2), actor="big_ex"),
    ])  # fmt: skip
    assert sorted(rows(labels.snapshot().tags, "entity_id")) == [("big",), ("other",)]


def test_relations_follow_identifiers_and_keep_their_source(tmp_path: Path) -> None:
    """Both ends go by the canonical id; percent, dates, file and document stay."""
    labels = Labels(tmp_path)
    labels.add([
        actors(tmp_path / "list.yaml", "ofac_sdn-1"),
        actors(
            tmp_path / "own.yaml",
            "garantex\nidentifiers: [ofac_sdn-1]",
            "front\n" + owned("ofac_sdn-1", "33.34", ", valid_from: 2024-01-02, valid_to: 2025-01-02"),
        ),
    ])  # fmt: skip
    (row,) = labels.snapshot().relations.to_pylist()
    assert (row["entity_id"], row["kind"], row["other_id"], str(row["percent"])) == (
        "front",
        "owned_by",
        "garantex",
        "33.34",
    )
    assert (str(row["valid_from"]), str(row["valid_to"])) == ("2024-01-02", "2025-01-02")
    assert (row["source_name"], row["source_uri"]) == ("Actors", "https://example.org")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("a\n" + owned("b", "101"), "own.yaml:9: percent must lie above 0 and be at most 100"),
        ("a\n" + owned("b", "0"), "own.yaml:9: percent must lie above 0"),
        ("a\n" + owned("b", "ten"), "own.yaml:9: percent must be a number of percent"),
        ("a\n" + owned("b", "33.333"), "own.yaml:9: percent has more than two decimals"),
        ("a\n" + owned("nobody"), "own.yaml:9: relation owned_by of 'a': no source defines 'nobody'"),
        ("a\n" + owned("a"), "own.yaml:9: relation owned_by of 'a': both ends are the same party"),
        ("a\n" + owned("b", "60", ", valid_from: 2024-01-02, valid_to: 2024-01-02"), "must come after valid_from"),
        ("a\nrelations:\n- {kind: owns, entity: b, source: x}", "own.yaml:9: 'owns' is no known kind"),
        ("a\nrelations:\n- {kind: owned_by, entity: b, percent: 60}", "own.yaml:9: the relation lacks source"),
        (
            "a\nrelations:\n- {kind: fronts_for, entity: b, percent: 60, source: x}",
            "percent says nothing of fronts_for",
        ),
        ("a\nrelations:\n- b", "own.yaml:9: a relation must have fields, not be 'b'"),
        ("a\nrelations: b", "own.yaml:8: relations must be a list"),
    ],
)
def test_a_mistake_in_a_relation_is_refused_with_its_line(tmp_path: Path, entry: str, expected: str) -> None:
    """Nothing is imported, and what is wrong is said where it stands."""
    labels = Labels(tmp_path)
    path = actors(tmp_path / "own.yaml", entry, "b")
    assert expected in refused(labels, path)
    assert labels.list() == []


def test_a_circle_of_owners_is_refused(tmp_path: Path) -> None:
    """Majorities can not run in a circle; the circle is shown."""
    path = actors(tmp_path / "own.yaml", "a\n" + owned("b"), "b\n" + owned("c"), "c\n" + owned("a"))
    assert "owned_by runs in a circle: " in refused(Labels(tmp_path), path)


def test_small_holdings_in_each_other_are_taken(tmp_path: Path) -> None:
    """They are lawful and common; and so is a reversal after a day."""
    labels = Labels(tmp_path)
    labels.add([actors(tmp_path / "one.yaml", "a\n" + owned("b", "10"), "b\n" + owned("a", "60"))])
    labels.add([
        actors(
            tmp_path / "two.yaml",
            "c\n" + owned("d", "60", ", valid_to: 2020-01-01"),
            "d\n" + owned("c", "60", ", valid_from: 2020-01-01"),
        )
    ])  # fmt: skip
    assert labels.snapshot().relations.num_rows == 4


def test_a_circle_with_what_is_in_force_is_refused(tmp_path: Path) -> None:
    """Over two imports too."""
    labels = Labels(tmp_path)
    labels.add([actors(tmp_path / "one.yaml", "a\nrelations:\n- {kind: fronts_for, entity: b, source: x}", "b")])
    two = actors(tmp_path / "two.yaml", "b\nrelations:\n- {kind: fronts_for, entity: a, source: x}")
    assert "fronts_for runs in a circle: " in refused(labels, two)


def test_owners_of_more_than_all_are_refused(tmp_path: Path) -> None:
    """On one day; one after the other they may."""
    entry = owned("b", "60") + "\n- {kind: owned_by, entity: c, percent: 60, source: x}"
    labels = Labels(tmp_path)
    assert "owners hold 120.00 percent of 'a'" in refused(
        labels, actors(tmp_path / "own.yaml", f"a\n{entry}", "b", "c")
    )


def test_an_identifier_of_two_is_refused(tmp_path: Path) -> None:
    """In one file and over two imports."""
    labels = Labels(tmp_path)
    both = actors(tmp_path / "both.yaml", "a\nidentifiers: [x-1]", "b\nidentifiers: [x-1]")
    assert "the identifier 'x-1' of 'b' is that of 'a' too" in refused(labels, both)
    labels.add([actors(tmp_path / "one.yaml", "a\nidentifiers: [x-1]")])
    two = actors(tmp_path / "two.yaml", "b\nidentifiers: [x-1]")
    assert "the identifier 'x-1' of 'b' is that of 'a' in a list that is in force" in refused(labels, two)


def test_an_unstated_share_is_noted(tmp_path: Path) -> None:
    """It is taken, and said that it counts for nothing."""
    path = actors(tmp_path / "own.yaml", "a\nrelations:\n- {kind: owned_by, entity: b, source: x}", "b")
    report = Labels(tmp_path).add([path])
    assert "no share counts" in str(report.notes[0])
