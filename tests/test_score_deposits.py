"""Deposit address scores: called what they are, and whose."""

from dataclasses import replace

import pyarrow as pa
import pytest

from tests.truths import Story, said
from worlds.score import deposits
from worlds.score.findings import Findings
from worlds.score.measure import Scores, base


def exchanges() -> Story:
    """Two exchanges: kraken with four deposit addresses, one never paid, and a hot one; bitso with two."""
    story = Story()
    for name in ("kraken", "bitso"):
        story.entity(name, "exchange", service=True)
    for address in ("kraken/1", "kraken/2", "kraken/3", "kraken/unpaid", "bitso/1", "bitso/2"):
        story.address(address, role="deposit")
    story.address("kraken/hot", role="hot")
    story.fund("kraken/1", "kraken/2", "kraken/3", "bitso/1", "bitso/2", "kraken/hot", "alice/1")
    return story


def scored(story: Story, found: Findings) -> Scores:
    """The scores, whose names are those of METRICS."""
    scores = deposits.score(story.truth(), found)
    assert {base(name) for name in scores} == {base(name) for name in deposits.METRICS}
    return scores


def test_by_hand() -> None:
    """A hot wallet called a deposit address is the right service's, a customer's own address is nobody's."""
    calls = [
        ("kraken/1", "kraken", 75),
        ("kraken/2", "kraken", 75),
        ("kraken/hot", "kraken", 75),
        ("bitso/1", "kraken", 75),
        ("alice/1", "bitso", 75),
    ]
    assert scored(exchanges(), said(deposit=calls)) == {
        "deposits.paid": 5.0,
        "deposits.called": 5.0,
        "deposits.precision": 2 / 5,
        "deposits.precision_owner": 3 / 5,
        "deposits.recall_paid": 2 / 5,
        "deposits.recall_any": 3 / 5,
        "deposits.recall_macro": pytest.approx((2 / 3 + 0) / 2),
        "deposits.wrong_service": 1 / 3,
        "deposits.f1": pytest.approx(2 / 5),
    }


def test_the_surest_claim_counts() -> None:
    """An address that two services are said to own is called once, by the surer claim."""
    calls = [("kraken/1", "bitso", 50), ("kraken/1", "kraken", 90), ("bitso/1", "kraken", 90), ("bitso/1", "bitso", 50)]
    scores = scored(exchanges(), said(deposit=calls))
    assert scores["deposits.called"] == 2.0
    assert scores["deposits.precision"] == 1 / 2


def test_a_custodians_address_serves_its_client() -> None:
    """A deposit address that a custodian holds is the exchange's whose customers pay there."""
    story = exchanges()
    story.address("vault/1", role="deposit", entity="bitso")
    story.fund("vault/1")
    assert scored(story, said(deposit=[("vault/1", "bitso", 75)]))["deposits.precision"] == 1.0
    assert scored(story, said(deposit=[("vault/1", "vault", 75)]))["deposits.precision_owner"] == 0.0


def test_a_claim_that_names_nobody_is_right_about_nobody() -> None:
    """So is one about an address that the world does not know."""
    scores = scored(exchanges(), said(deposit=[("kraken/1", "", 75), ("stranger", "kraken", 75)]))
    assert scores["deposits.called"] == 2.0
    assert scores["deposits.precision"] == 0.0
    assert scores["deposits.precision_owner"] == 0.0
    assert scores["deposits.recall_any"] == 1 / 5


def test_no_rule_no_figures() -> None:
    """Where nothing is called a deposit address, only the truth is counted."""
    scores = scored(exchanges(), said())
    assert {name: value for name, value in scores.items() if value is not None} == {
        "deposits.paid": 5.0,
        "deposits.called": 0.0,
    }


def test_no_deposit_addresses() -> None:
    """Where no service gave out an address there is no recall, and every claim is wrong."""
    story = Story()
    story.fund("alice/1")
    scores = scored(story, said(deposit=[("alice/1", "kraken", 75)]))
    assert scores["deposits.precision"] == 0.0
    assert scores["deposits.recall_paid"] is None
    assert scores["deposits.recall_macro"] is None
    assert scores["deposits.f1"] is None


def test_other_services_stand_apart() -> None:
    """A payment processor's deposit addresses are no exchange's: neither recall nor precision of exchanges has them."""
    story = exchanges()
    story.entity("till", "payment_processor", service=True)
    story.address("till/1", role="deposit")
    story.address("till/2", role="deposit")
    story.fund("till/1", "till/2")
    calls = [("kraken/1", "kraken", 75), ("till/1", "till", 75), ("till/2", "kraken", 75)]
    scores = scored(story, said(deposit=calls))
    assert scores["deposits.paid"] == 5.0
    assert scores["deposits.precision"] == 1 / 2
    assert scores["deposits.recall_paid"] == 1 / 5
    assert scores["deposits.paid[payment_processor]"] == 2.0
    assert scores["deposits.called[payment_processor]"] == 1.0
    assert scores["deposits.precision[payment_processor]"] == 1.0
    assert scores["deposits.recall_paid[payment_processor]"] == 1 / 2
    assert scores["deposits.recall_any[payment_processor]"] == 1.0


def test_a_listed_exchange_is_an_exchange() -> None:
    """Named by its number on the list, it is the party whose addresses the list gives."""
    found = said(deposit=[("kraken/1", "ofac_sdn-7", 75)])
    row = (b"kraken/1", "ofac_sdn-7", "sanctioned_entity", 100, "listed_address")
    schema = found.attribution.schema
    listed = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True))], schema=schema)
    scores = scored(exchanges(), replace(found, attribution=listed))
    assert scores["deposits.precision"] == 1.0
    assert scores["deposits.recall_paid"] == 1 / 5
