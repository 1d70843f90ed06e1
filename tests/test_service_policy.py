"""Policies: what is shipped, what a document may say, and what no document can turn off."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.exits import BadInputError
from service.policy import (
    MANDATORY,
    Finding,
    Policy,
    decide,
    evaluate,
    load,
    parse,
    shipped,
)

LISTED = Finding("ownership", "sanctioned_entity", 100, basis="listed_address", legal_status="listed")
DEALT = Finding(
    "direct",
    "sanctioned_entity",
    100,
    legal_status="listed",
    direction="sent",
    after_designation=True,
    value=50_000,
    share=Decimal("0.25"),
    hops=1,
)
TEMPLATE = """\
policy: mine
version: 3
rules:
  - id: R-X-1
    reason: because
    when:
      kind: direct
      {condition}
    action: review
"""

findings = st.builds(
    Finding,
    kind=st.sampled_from(["ownership", "direct", "indirect"]),
    category=st.sampled_from(["sanctioned_entity", "exchange", "mixer", "unattributed"]),
    confidence=st.integers(0, 100),
    entity=st.sampled_from([None, "taiga"]),
    jurisdictions=st.sampled_from([(), ("RU",)]),
    lists=st.sampled_from([(), ("ofac_sdn",)]),
    legal_status=st.sampled_from(["listed", "removed", "none"]),
    basis=st.sampled_from([None, "listed_address", "cluster_of_listed_address", "entity_attribution"]),
    direction=st.sampled_from([None, "received", "sent"]),
    after_designation=st.booleans(),
    value=st.integers(0, 10**9),
    share=st.decimals(0, 1, places=4),
    hops=st.integers(0, 5),
)


def verdict(policy: Policy, *found: Finding, complete: bool = True) -> str:
    """Return the decision a policy comes to."""
    return decide(evaluate(policy, found), complete=complete)[0]


def with_condition(condition: str) -> Policy:
    """Return a policy of one review rule over direct exposure."""
    return parse(TEMPLATE.format(condition=condition), "mine.yaml")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_policy_loads(name: str) -> None:
    """The documents in the package are valid and name themselves."""
    assert load(name).policy == name


def test_sanctions_only_decides_as_it_says() -> None:
    """Listed and owned: block. Suspected or dealt after the designation: review. Anything else: allow."""
    policy = load("sanctions-only")

    assert verdict(policy, LISTED) == "block"
    assert verdict(policy, replace(LISTED, basis="cluster_of_listed_address", confidence=1)) == "block"
    assert verdict(policy, replace(LISTED, basis="entity_attribution", legal_status="none")) == "block"
    suspicion = replace(LISTED, basis="entity_attribution", legal_status="none", confidence=40)
    assert verdict(policy, suspicion) == "review"
    assert verdict(policy, DEALT) == "review"
    assert verdict(policy, replace(DEALT, after_designation=False)) == "allow"
    assert verdict(policy, replace(DEALT, value=9_999)) == "allow"
    assert verdict(policy, replace(DEALT, category="exchange")) == "allow"
    assert verdict(policy) == "allow"


def test_a_removed_listing_does_not_block() -> None:
    """Lists have removals: what was listed once is shown, not blocked."""
    policy = load("sanctions-only")

    for basis in ("listed_address", "cluster_of_listed_address", "entity_attribution"):
        assert verdict(policy, replace(LISTED, basis=basis, legal_status="removed")) == "allow"
    assert verdict(policy, replace(DEALT, legal_status="removed")) == "allow"


def test_no_policy_turns_the_mandatory_rules_off() -> None:
    """A policy that only looks at gambling still blocks what a listed party owns."""
    policy = with_condition("category: [gambling]")

    triggers = evaluate(policy, [LISTED])

    assert decide(triggers, complete=True) == ("block", "R-LIST-1")
    assert triggers[0].policy == "mandatory@1"


@given(st.lists(findings, max_size=6), findings)
def test_more_data_never_turns_a_block_into_anything_else(found: list[Finding], more: Finding) -> None:
    """A block stands, whatever else becomes known."""
    policy = load("sanctions-only")

    if verdict(policy, *found) == "block":
        assert verdict(policy, *found, more) == "block"


@given(st.lists(findings, max_size=6))
def test_an_incomplete_answer_decides_nothing_but_a_block(found: list[Finding]) -> None:
    """While something is unknown the only decisions are indeterminate and block."""
    policy = load("sanctions-only")

    decision = verdict(policy, *found, complete=False)

    assert decision == ("block" if verdict(policy, *found) == "block" else "indeterminate")


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        ("direction: sent", True),
        ("direction: received", False),
        ("category: [mixer, sanctioned_entity]", True),
        ("entity: [taiga]", True),
        ("entity: [hinode]", False),
        ("jurisdiction: [RU, BY]", True),
        ('jurisdiction: ["NO"]', False),
        ("list: [ofac_sdn]", True),
        ("list: [eu]", False),
        ("legal_status: [removed]", False),
        ("max_hops: 1", True),
        ("min_share: 0.25", True),
        ("min_share: 0.2501", False),
        ("min_confidence: 1", True),
        ('min_value: {value: "0.0005", currency: BTC}', True),
        ('min_value: {value: "0.00050001", currency: BTC}', False),
    ],
)
def test_each_condition_selects(condition: str, fires: bool) -> None:
    """Every field of a condition is looked at, with its bound included."""
    finding = replace(DEALT, entity="taiga", jurisdictions=("RU",), lists=("ofac_sdn",))

    assert verdict(with_condition(condition), finding) == ("review" if fires else "allow")


def test_values_and_shares_add_up_over_what_matches() -> None:
    """Two payments below a threshold are one above it; what does not match does not count."""
    policy = with_condition('min_value: {value: "0.001", currency: BTC}\n      category: [mixer]')
    part = replace(DEALT, category="mixer")

    assert verdict(policy, part, part) == "review"
    assert verdict(policy, part, DEALT) == "allow"


def test_a_trigger_shows_the_expression_it_evaluated() -> None:
    """Threshold and observed value stand in the trigger, and in words."""
    policy = with_condition('min_value: {value: "0.0001", currency: BTC}')

    (trigger,) = evaluate(policy, [DEALT])

    assert (trigger.metric, trigger.threshold, trigger.observed) == ("value", "0.0001", "0.0005")
    assert trigger.expression == "kind = direct and value 0.0005 BTC >= 0.0001"
    assert trigger.policy == "mine@3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEMPLATE.format(condition="colour: red"), r"mine.yaml, line 8: rules.0.when.colour"),
        (TEMPLATE.format(condition="category: [exchnage]"), r"line 8: there is no category 'exchnage'; did you"),
        (TEMPLATE.format(condition="jurisdiction: [NO]"), r"line 8: .*valid string"),
        (TEMPLATE.format(condition="min_share: 1.5"), r"line 8: .*less than or equal to 1"),
        (TEMPLATE.format(condition="min_share: .nan"), r"line 8"),
        (TEMPLATE.format(condition="category: []"), r"line 8"),
        (TEMPLATE.format(condition="kind: owned"), r"line 8: the key 'kind' is there twice"),
        (TEMPLATE.format(condition="direction: up").replace("R-X-1", "R-LIST-1"), r"line 8"),
        (TEMPLATE.format(condition="max_hops: 2").replace("R-X-1", "R-LIST-1"), r"line 4: rule id R-LIST-1"),
        (TEMPLATE.format(condition="max_hops: 2").replace("review", "allow"), r"line 9: .*'review' or 'block'"),
        (TEMPLATE.format(condition="max_hops: 2").replace("version: 3\n", ""), r"line 1: version: Field required"),
        ("a: &x 1\nb: *x\n", "line 2: aliases"),
        ("a: [1\nb: 2", "line 2: no YAML"),
        ("\tx: 1", "line 1: no YAML"),
        ("!!python/object:os.system x", "no YAML"),
        ("", "line 1"),
        ("- 1", "line 1"),
        ("x" * 70_000, "longer than"),
        ("[" * 5_000, "no YAML"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, words: str) -> None:
    """The author is told where to look and what is wrong."""
    with pytest.raises(BadInputError, match=words):
        parse(text, "mine.yaml")


@given(st.text(max_size=200))
def test_no_document_crashes_the_reader(text: str) -> None:
    """Whatever the text, the answer is a policy or a told mistake."""
    with pytest.raises(BadInputError):
        parse(text, "x.yaml")


def test_an_unknown_policy_is_told_with_the_known_ones() -> None:
    """The mandatory rules are no policy to choose."""
    with pytest.raises(BadInputError, match="sanctions-only"):
        load("strict-nothing")
    assert MANDATORY in shipped()
