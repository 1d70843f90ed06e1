"""Attribution scores: right, wrong, and honestly unknown."""

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from worlds.score import attribution
from worlds.score.findings import Findings
from worlds.score.measure import base
from worlds.truth.tables import SCHEMAS

PARTIES = {"bourse": ("exchange", True, None), "vault": ("wallet_service", True, None)} | {
    "r": ("exchange", True, 1_600_000_000), "alice": ("person", False, None), "front": ("shell", False, None),
}  # fmt: skip


def table(schema: pa.Schema, rows: list[list[Any]]) -> pa.Table:
    """A table of rows."""
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def world(addresses: dict[str, tuple[str, str]], unseen: tuple[str, ...] = ()) -> Any:
    """A truth: per address who holds the keys and whose business it serves; `unseen` were never paid."""
    rows: dict[str, list[list[Any]]] = {
        "entity": [[e, e, kind, "", service, listed] for e, (kind, service, listed) in PARTIES.items()],
        "wallet": [[e, e, ""] for e in PARTIES],
        "address": [[a.encode(), holder, party, "receive"] for a, (holder, party) in addresses.items()],
        "output": [[bytes(32), i, a.encode(), 1, "", False] for i, a in enumerate(addresses) if a not in unseen],
    }
    return SimpleNamespace(**{name: table(SCHEMAS[name], lines) for name, lines in rows.items()})


def said(*told: tuple[str, str, str, str]) -> Findings:
    """Conclusions: address, entity, category, basis."""
    rows = [[a.encode(), entity, category, 50, basis] for a, entity, category, basis in told]
    return Findings.of(attribution=table(Findings.of().attribution.schema, rows))


ADDRESSES = {
    "b1": ("bourse", "bourse"), "b2": ("bourse", "bourse"), "b3": ("vault", "bourse"), "b4": ("bourse", "bourse"),
    "r1": ("r", "r"), "a1": ("alice", "alice"), "a2": ("alice", "alice"), "f1": ("front", "front"),
}  # fmt: skip


def test_right_wrong_and_holder_are_told_by_basis() -> None:
    """Of what is attributed, each share by its basis; a custodian is neither the right party nor a wrong one."""
    scores = attribution.score(
        world(ADDRESSES),
        said(
            ("b1", "bourse", "exchange", "entity_attribution"),
            ("b2", "r", "exchange", "entity_attribution"),
            ("b3", "vault", "wallet_service", "entity_attribution"),
            ("a1", "bourse", "exchange", "ownership_rule"),
        ),
    )
    kinds = ("right", "holder", "wrong")
    assert [scores[f"attribution.{kind}"] for kind in kinds] == [0.25, 0.25, 0.5]
    by_basis = [scores[f"attribution.{kind}[entity_attribution]"] for kind in kinds]
    assert by_basis == [pytest.approx(1 / 3)] * 3
    assert scores["attribution.wrong[ownership_rule]"] == 1
    assert scores["attribution.named"] == 4
    assert scores["attribution.attributed"] == pytest.approx(0.5)


def test_coverage_is_of_public_parties() -> None:
    """Of a service's addresses, those with its name; the custodian's name is not that."""
    told = [("b1", "bourse", "exchange", "x"), ("b3", "vault", "wallet_service", "x"), ("b4", "r", "exchange", "x")]
    scores = attribution.score(world(ADDRESSES), said(*told))
    assert scores["attribution.coverage"] == pytest.approx(1 / 5)
    assert scores["attribution.coverage[exchange]"] == pytest.approx(1 / 5)
    assert scores["attribution.misnamed[exchange]"] == pytest.approx(1 / 5)


def test_the_unknown_should_stay_unknown() -> None:
    """Of private parties' addresses those left open are right, unless a label names them: those do not count."""
    told = [("a1", "bourse", "exchange", "x"), ("f1", "front", "shell", "x")]
    scores = attribution.score(world(ADDRESSES), said(*told))
    assert scores["attribution.unknown_kept"] == pytest.approx(0.5)
    assert scores["attribution.unknown_kept[person]"] == pytest.approx(0.5)
    assert scores["attribution.unknown_kept[shell]"] is None


def test_a_category_alone_can_be_right() -> None:
    """A conclusion without a party is judged by its category; a listed party's is `sanctioned_entity`."""
    told = [("b1", "", "exchange", "x"), ("b2", "", "mixer", "x"), ("r1", "", "sanctioned_entity", "x")]
    scores = attribution.score(world(ADDRESSES), said(*told))
    assert scores["attribution.right"] == pytest.approx(2 / 3)


def test_a_list_names_parties_by_its_own_numbers() -> None:
    """A list's entry is the party whose addresses the list gives, in the rest of its cluster too."""
    told = [
        ("r1", "ofac_sdn-7", "sanctioned_entity", "listed_address"),
        ("a1", "ofac_sdn-7", "sanctioned_entity", "cluster_of_listed_address"),
    ]
    scores = attribution.score(world(ADDRESSES), said(*told))
    assert scores["attribution.right[listed_address]"] == 1
    assert scores["attribution.wrong[cluster_of_listed_address]"] == 1


def test_only_addresses_on_chain_count() -> None:
    """An address that was never paid is not there to be attributed."""
    scores = attribution.score(world(ADDRESSES, unseen=("b1", "b2")), said(("b3", "bourse", "exchange", "x")))
    assert scores["attribution.addresses"] == 6
    assert scores["attribution.coverage[exchange]"] == pytest.approx(1 / 3)


def test_nothing_told_is_no_score() -> None:
    """Where nobody is attributed there is no figure, not even that the unknown stayed unknown."""
    scores = attribution.score(world(ADDRESSES), said())
    assert {name: value for name, value in scores.items() if value} == {"attribution.addresses": 8}


def test_every_figure_is_described() -> None:
    """The report finds a meaning for each figure by its name before the bracket."""
    scores = attribution.score(world(ADDRESSES), said(("b1", "bourse", "exchange", "x")))
    assert set(map(base, scores)) == set(map(base, attribution.METRICS))
