"""Policies: what is shipped, what a document may say, and what no document can turn off."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.attribution import behaviours
from service.exits import BadInputError
from service.policy import Coverage, Finding, Tied, covered, decide, evaluate
from service.rulebook import (
    KNOWN_CATEGORIES,
    MANDATORY,
    Basis,
    Condition,
    LegalStatus,
    Policy,
    Relation,
    Rule,
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
    category=st.sampled_from(sorted(KNOWN_CATEGORIES)),
    confidence=st.integers(0, 100),
    entity=st.sampled_from([None, "taiga"]),
    jurisdictions=st.sampled_from([(), ("RU",)]),
    lists=st.sampled_from([(), ("ofac_sdn",)]),
    legal_status=st.sampled_from(["listed", "removed", "none"]),
    basis=st.sampled_from([None, *get_args(Basis)]),
    direction=st.sampled_from([None, "received", "sent"]),
    after_designation=st.booleans(),
    value=st.integers(0, 10**9),
    share=st.decimals(0, 1, places=4),
    hops=st.integers(0, 5),
    unsolicited=st.booleans(),
    fiat=st.none() | st.decimals(0, 10**6, places=2),
    fiat_currency=st.sampled_from(["USD", "JPY"]),
    passes_through=st.booleans(),
    ties=st.lists(
        st.builds(
            Tied, st.sampled_from(["ofac_sdn", "eu"]), st.frozensets(st.sampled_from(get_args(Relation)), min_size=1)
        ),
        max_size=2,
    ),
)
suspicions = st.builds(
    Finding,
    kind=st.just("behaviour"),
    category=st.sampled_from(["unattributed", "exchange", "sanctioned_entity"]),
    confidence=st.just(50),
    legal_status=st.sampled_from(get_args(LegalStatus)),
    behaviour=st.sampled_from(get_args(behaviours.Kind)),
    tier=st.sampled_from(get_args(behaviours.Tier)),
    score=st.decimals(0, 1, places=3),
)
findings |= suspicions
findings |= st.builds(
    covered,
    st.builds(
        Coverage,
        lists=st.integers(0, 2),
        history_incomplete=st.booleans(),
        truncated=st.booleans(),
        unattributed_share=st.none() | st.decimals(0, 1, places=4),
    ),
)


CHOICES = sorted(shipped() - {MANDATORY})
RULES = [(name, rule) for name in sorted(shipped()) for rule in load(name).rules]


def verdict(policy: Policy, *found: Finding, complete: bool = True) -> str:
    """Return the decision a policy comes to."""
    return decide(evaluate(policy, found), complete=complete)[0]


def with_condition(condition: str) -> Policy:
    """Return a policy of one review rule over direct exposure."""
    return parse(TEMPLATE.format(condition=condition), "mine.yaml")


@pytest.mark.parametrize(
    ("legal_status", "after", "fires"),
    [("listed", True, ["R-DIR-1"]), ("listed", False, []), ("none", False, ["R-DIR-2"]), ("removed", False, [])],
)
def test_dealings_with_the_sanctioned_count_from_their_day_on(
    legal_status: LegalStatus, after: bool, fires: list[str]
) -> None:
    """With a date of designation only what came after it; of whom a source calls sanctioned without a list, all."""
    dealt = replace(DEALT, legal_status=legal_status, after_designation=after)
    assert [one.rule_id for one in evaluate(load("sanctions-only"), [dealt])] == fires


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
    assert triggers[0].policy == "mandatory@2"


@given(st.sampled_from(CHOICES), st.lists(findings, max_size=6), findings)
def test_more_data_never_turns_a_block_into_anything_else(name: str, found: list[Finding], more: Finding) -> None:
    """A block stands, whatever else becomes known."""
    policy = load(name)

    if verdict(policy, *found) == "block":
        assert verdict(policy, *found, more) == "block"


@given(st.sampled_from(CHOICES), st.lists(findings, max_size=6))
def test_an_incomplete_answer_decides_nothing_but_a_block(name: str, found: list[Finding]) -> None:
    """While something is unknown the only decisions are indeterminate and block."""
    policy = load(name)

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
        ("unsolicited: false", True),
        ("unsolicited: true", False),
        ("min_fiat: {value: 100, currency: USD}", True),
        ('min_fiat: {value: "100.01", currency: USD}', False),
        ('min_value: {value: "0.0005", currency: BTC}', True),
        ('min_value: {value: "0.00050001", currency: BTC}', False),
    ],
)
def test_each_condition_selects(condition: str, fires: bool) -> None:
    """Every field of a condition is looked at, with its bound included."""
    finding = replace(DEALT, entity="taiga", jurisdictions=("RU",), lists=("ofac_sdn",))
    finding = replace(finding, fiat=Decimal(100), fiat_currency="USD")

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
    assert trigger.expression == "kind = direct and value 0.0005 BTC >= 0.0001 (seen: share 0.25, hops 1)"
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
        (
            TEMPLATE.format(condition="min_fiat: {value: 1, currency: YEN}"),
            r"line 8: there is no currency 'YEN'; did you",
        ),
        (TEMPLATE.format(condition="min_fiat: {value: -1, currency: JPY}"), r"line 8: .*greater than or equal to 0"),
        (TEMPLATE.format(condition="min_value: {value: 1, currency: BTG}"), r"line 8: rules.0.when.min_value.currency"),
        (TEMPLATE.format(condition="jurisdiction: [RU, RUS]"), r"line 8: there is no jurisdiction 'RUS'"),
        (TEMPLATE.format(condition="max_lists: 0"), r"line 8: max_lists says nothing about kind direct"),
        (TEMPLATE.format(condition="truncated: true"), r"line 8: truncated says nothing about kind direct"),
        (TEMPLATE.replace("direct", "coverage").format(condition="min_share: 1"), r"line 8: min_share says nothing"),
        (TEMPLATE.replace("direct", "coverage").format(condition="tier: [lead]"), r"line 8: tier says nothing"),
        (TEMPLATE.replace("direct", "behaviour").format(condition="min_share: 1"), r"line 8: min_share says nothing"),
        (TEMPLATE.replace("direct", "behaviour").format(condition="behaviour: [passing]"), r"line 8: .*'pass_through'"),
        (TEMPLATE.replace("direct", "[direct, behaviour]").format(condition="max_hops: 2"), r"line 7: only direct and"),
        (TEMPLATE.format(condition="behaviour: [pass_through]"), r"line 8: behaviour says nothing about kind direct"),
        (TEMPLATE.format(condition="min_score: 0.5"), r"line 8: min_score says nothing about kind direct"),
        (TEMPLATE.replace("direct", "coverage").replace("      {condition}\n", ""), r"line 7: .* needs one of"),
        (TEMPLATE.replace("direct", "[direct, ownership]").format(condition="max_hops: 2"), r"line 7: only direct and"),
        (TEMPLATE.replace("direct", "[direct, shell]").format(condition="max_hops: 2"), r"line 7: .*'indirect'"),
        (TEMPLATE.replace("direct", "[]").format(condition="max_hops: 2"), r"line 7: rules.0.when.kind"),
        (TEMPLATE.replace("direct", "{{a: b}}").format(condition="max_hops: 2"), r"line 7: rules.0.when.kind"),
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


# every rule of every shipped policy ------------------------------------------------------------------------


def made_for(when: Condition) -> Finding:
    """Return the least that a condition asks for."""
    if "coverage" in when.kind:
        return covered(
            Coverage(
                lists=1 if when.max_lists is None else when.max_lists,
                history_incomplete=bool(when.history_incomplete),
                truncated=bool(when.truncated),
                unattributed_share=when.min_unattributed_share,
            )
        )
    return Finding(
        kind=when.kind[0],
        category=when.category[0] if when.category else "exchange",
        confidence=0 if when.min_confidence is None else int(when.min_confidence * 100),
        entity=when.entity[0] if when.entity else None,
        jurisdictions=when.jurisdiction[:1] if when.jurisdiction else (),
        lists=when.list[:1] if when.list else (),
        legal_status=when.legal_status[0] if when.legal_status else "none",
        basis=when.basis[0] if when.basis else None,
        direction=when.direction,
        after_designation=bool(when.after_designation),
        value=int(when.min_value.value * 10**8) if when.min_value else 1,
        share=when.min_share or Decimal(0),
        hops=when.max_hops or 0,
        unsolicited=when.unsolicited,
        fiat=when.min_fiat.value if when.min_fiat else None,
        fiat_currency=when.min_fiat.currency if when.min_fiat else None,
        ties=(Tied("ofac_sdn", frozenset(when.relation)),) if when.relation else (),
        behaviour=when.behaviour[0] if when.behaviour else None,
        tier=when.tier[0] if when.tier else None,
        score=when.min_score or Decimal(0),
    )


def other_words(when: Condition) -> Iterator[dict[str, Any]]:
    """Give fields of findings that are none of what a condition names, one at a time."""
    yield {"kind": "indirect" if when.kind == ("direct",) else "ownership" if "direct" in when.kind else "direct"}
    yield {"unsolicited": not when.unsolicited}
    named: dict[str, tuple[Any, set[Any]]] = {
        "direction": ({when.direction}, {None, "received", "sent"}),
        "category": (when.category, set(KNOWN_CATEGORIES)),
        "jurisdictions": (when.jurisdiction and {(one,) for one in when.jurisdiction}, {(), ("SG",), ("SG", "UA")}),
        "basis": (when.basis, {None, *get_args(Basis)}),
        "legal_status": (when.legal_status, set(get_args(LegalStatus))),
        "after_designation": ({when.after_designation}, {False, True}),
        "behaviour": (when.behaviour, {None, *get_args(behaviours.Kind)}),
        "tier": (when.tier, {None, *get_args(behaviours.Tier)}),
    }
    for field, (wanted, all_of_them) in named.items():
        if wanted not in (None, {None}):
            yield from ({field: one} for one in all_of_them - set(wanted))


def just_below(when: Condition, made: Finding) -> Iterator[Finding]:
    """Change one thing at a time so that the condition no longer holds, by as little as can be."""
    yield from (replace(made, **field) for field in other_words(when))
    step = Decimal("0.000001")
    less: dict[str, dict[str, Any]] = {
        "min_confidence": {"confidence": made.confidence - 1},
        "max_hops": {"hops": made.hops + 1},
        "min_value": {"value": made.value - 1},
        "min_share": {"share": made.share - step},
        "min_score": {"score": made.score - step},
        "min_fiat": {"fiat": None if made.fiat is None else made.fiat - step},
        "relation": {"ties": (Tied("ofac_sdn", frozenset({*(when.relation or ()), "of_no_rule"})),)},
    }
    yield from (replace(made, **field) for name, field in less.items() if getattr(when, name) is not None)
    known = made.coverage
    if known is not None and when.max_lists is not None:
        yield replace(made, coverage=replace(known, lists=known.lists + 1))
    if known is not None and when.history_incomplete is not None:
        yield replace(made, coverage=replace(known, history_incomplete=not known.history_incomplete))


def fired(name: str, rule: Rule, *found: Finding) -> bool:
    """Whether a rule of a policy is among the triggers."""
    return rule.id in {trigger.rule_id for trigger in evaluate(load(name), found)}


@pytest.mark.parametrize(("name", "rule"), RULES, ids=[f"{name}-{rule.id}" for name, rule in RULES])
def test_every_rule_fires_at_its_thresholds_and_not_below(name: str, rule: Rule) -> None:
    """The least a rule asks for is enough, in every word of it; one step less of anything is not."""
    when, made = rule.when, made_for(rule.when)

    assert fired(name, rule, made)
    for each in when.category or ():
        assert fired(name, rule, replace(made, category=each))
    for each in when.kind:
        assert fired(name, rule, replace(made, kind=each))
    for each in when.tier or ():
        assert fired(name, rule, replace(made, tier=each))
    for each in when.jurisdiction or ():
        assert fired(name, rule, replace(made, jurisdictions=("SG", each)))
    for less in just_below(when, made):
        assert not fired(name, rule, less), less


@pytest.mark.parametrize(("name", "rule"), RULES, ids=[f"{name}-{rule.id}" for name, rule in RULES])
def test_every_rule_says_what_it_saw(name: str, rule: Rule) -> None:
    """Thresholds and what was observed stand in the expression, of dealings share, value and hops always."""
    (trigger,) = [one for one in evaluate(load(name), [made_for(rule.when)]) if one.rule_id == rule.id]

    words = {
        "direct": ("value ", "share ", "hops "),
        "coverage": (trigger.metric,),
        "ownership": ("kind = ownership",),
        "behaviour": ("kind = behaviour", "seen: pass_through"),
    }
    for word in words[rule.when.kind[0]]:
        assert word in trigger.expression
    assert trigger.threshold
    assert trigger.observed


@pytest.mark.parametrize("name", CHOICES)
def test_rules_are_few_and_each_says_why(name: str) -> None:
    """A policy can be read in one sitting, and no two rules give the same reason."""
    rules = load(name).rules

    assert len(rules) <= 24
    assert len({rule.reason for rule in rules}) == len(rules)


@pytest.mark.parametrize("name", ["balanced", "strict-jp"])
def test_nobody_unknown_is_held(name: str) -> None:
    """A wallet of which nothing bad is known passes, whole chain and lists given; without either it is held."""
    policy, known = load(name), Coverage(lists=1, unattributed_share=Decimal(1))
    plain = replace(DEALT, category="unattributed", legal_status="none", share=Decimal(1), value=10**12)

    assert verdict(policy, plain, covered(known)) == "allow"
    assert verdict(policy, replace(plain, category="exchange"), covered(known)) == "allow"
    assert verdict(policy, plain, covered(replace(known, lists=0))) == "review"
    assert verdict(policy, plain, covered(replace(known, history_incomplete=True))) == "review"


@pytest.mark.parametrize("name", CHOICES)
def test_dust_is_left_out(name: str) -> None:
    """What was sent to a wallet without its doing decides nothing about it."""
    dust = replace(DEALT, direction="received", unsolicited=True, share=Decimal(1), value=10**12)

    assert verdict(load(name), dust, replace(dust, kind="indirect")) == "allow"
    assert verdict(load(name), replace(dust, unsolicited=False)) != "allow"


def test_strict_jp_decides_as_it_says() -> None:
    """A match blocks, a suspicion holds, Russia and Belarus are named, shells hold."""
    policy = load("strict-jp")
    owned = Finding("ownership", "exchange", 90, basis="entity_attribution")

    assert verdict(policy, owned) == "allow"
    assert verdict(policy, replace(owned, category="sanctioned_entity")) == "block"
    assert verdict(policy, replace(owned, category="sanctioned_entity", confidence=49)) == "review"
    assert verdict(policy, replace(owned, category="sanctioned_entity", basis="suspected")) == "review"
    assert [verdict(policy, replace(owned, jurisdictions=(one,))) for one in ("RU", "BY", "SG")] == [
        "review",
        "review",
        "allow",
    ]
    assert verdict(policy, replace(owned, category="shell", confidence=5)) == "review"


@given(st.lists(findings, max_size=5))
def test_strict_jp_is_never_milder_than_balanced(found: list[Finding]) -> None:
    """What balanced holds or blocks, strict-jp holds or blocks."""
    milder = ["allow", "review", "block"]

    balanced, strict = (milder.index(verdict(load(name), *found)) for name in ("balanced", "strict-jp"))

    assert strict >= balanced


# suspicions ------------------------------------------------------------------------------------------------

FRONT = Finding(
    "behaviour",
    "exchange",
    62,
    entity="garantex",
    lists=("ofac_sdn",),
    legal_status="listed",
    behaviour="pass_through",
    tier="lead",
    score=Decimal("0.620"),
)


def test_fronts_hold_as_the_policies_say() -> None:
    """A lead to a listed party's front holds in strict-jp alone, a probable one in balanced too."""
    probable = replace(FRONT, tier="probable", score=Decimal("0.9"))
    unlisted = replace(probable, lists=(), legal_status="none")

    found = {name: [verdict(load(name), one) for one in (FRONT, probable, unlisted)] for name in CHOICES}

    assert found == {
        "balanced": ["allow", "review", "review"],
        "sanctions-only": ["allow", "allow", "allow"],
        "strict-jp": ["review", "review", "review"],
    }
    assert verdict(load("strict-jp"), replace(FRONT, legal_status="none")) == "allow"
    assert verdict(load("strict-jp"), replace(FRONT, legal_status="removed")) == "allow"


@given(st.lists(suspicions, max_size=5))
def test_no_shipped_policy_blocks_on_a_suspicion(found: list[Finding]) -> None:
    """However sure a suspicion is, a person decides; the mandatory rules look at none."""
    assert "behaviour" not in {kind for rule in load(MANDATORY).rules for kind in rule.when.kind}
    for name in CHOICES:
        assert verdict(load(name), *found) in {"allow", "review"}


def test_a_rule_about_suspicions_says_which_and_of_whom() -> None:
    """Its bound, kind, tier and party stand in the expression; a score below the bound does not count."""
    text = TEMPLATE.replace("direct", "behaviour").format(condition="behaviour: [pass_through]\n      min_score: 0.5")
    policy = parse(text, "mine.yaml")
    (trigger,) = evaluate(policy, [FRONT, replace(FRONT, score=Decimal("0.499")), DEALT])

    assert (trigger.metric, trigger.threshold, trigger.observed) == ("score", "0.5", "0.620")
    expected = (
        "kind = behaviour and behaviour in {pass_through} and score 0.620 >= 0.5 "
        "(seen: pass_through lead 0.620 of garantex)"
    )
    assert trigger.expression == expected
    assert evaluate(policy, [replace(FRONT, behaviour="miner_account")]) == []


# adding up -------------------------------------------------------------------------------------------------


def test_kinds_add_up() -> None:
    """A rule of both kinds adds direct and indirect; one of a single kind doesn't; order does not matter."""
    both = parse(TEMPLATE.replace("direct", "[direct, indirect]").format(condition="min_share: 0.5"), "mine.yaml")
    far = replace(DEALT, kind="indirect", hops=3)

    (trigger,) = evaluate(both, [far, DEALT])

    assert (trigger.metric, trigger.observed) == ("share", "0.50")
    expected = "kind in {direct, indirect} and share 0.50 >= 0.5 (seen: value 0.001 BTC, hops 1)"
    assert trigger.expression == expected
    assert verdict(both, DEALT) == verdict(both, far) == "allow"
    assert verdict(with_condition("min_share: 0.5"), DEALT, far) == "allow"


def test_what_is_passed_through_is_not_counted_twice() -> None:
    """The value of a labelled person stands among direct rows and again behind it: the larger of both counts."""
    both = TEMPLATE.replace("direct", "[direct, indirect]")
    person = replace(DEALT, passes_through=True, share=Decimal("0.3"), value=300)
    behind = replace(DEALT, kind="indirect", share=Decimal("0.2"), value=200)
    direct = replace(DEALT, share=Decimal("0.4"), value=400)

    def observed(*found: Finding) -> str:
        (trigger,) = evaluate(parse(both.format(condition="min_share: 0"), "mine.yaml"), found)
        return trigger.observed

    assert observed(person, behind) == "0.3"
    assert observed(person, behind, behind) == "0.4"
    assert observed(person, behind, direct) == "0.7"
    assert observed(person) == "0.3"
    value = parse(both.format(condition='min_value: {value: "0.00000301", currency: BTC}'), "mine.yaml")
    assert verdict(value, person, behind) == "allow"


@given(st.lists(findings, min_size=1, max_size=6), findings)
def test_sums_only_grow(found: list[Finding], more: Finding) -> None:
    """One more finding never takes a trigger away."""
    for name in CHOICES:
        before = {trigger.rule_id for trigger in evaluate(load(name), found)}
        assert before <= {trigger.rule_id for trigger in evaluate(load(name), [*found, more])}


def test_shares_of_different_directions_are_not_parts_of_one_whole() -> None:
    """Values add up over both directions; of the shares the higher counts."""
    policy = with_condition("min_share: 0")
    paid = replace(DEALT, direction="received", share=Decimal("0.4"))

    (trigger,) = evaluate(policy, [DEALT, paid])

    assert trigger.observed == "0.4"
    assert trigger.expression.endswith("(seen: value 0.001 BTC, hops 1)")


# money -----------------------------------------------------------------------------------------------------

PRICED = replace(DEALT, fiat=Decimal("100.50"), fiat_currency="USD")
FIAT = with_condition("min_fiat: {value: 201, currency: USD}")


def test_money_adds_up() -> None:
    """Two amounts at their days' prices are one above a threshold."""
    (trigger,) = evaluate(FIAT, [PRICED, PRICED])

    assert (trigger.metric, trigger.threshold, trigger.observed) == ("fiat", "201", "201.00")
    expected = "kind = direct and fiat 201.00 USD >= 201 (seen: value 0.001 BTC, share 0.50, hops 1)"
    assert trigger.expression == expected
    assert verdict(FIAT, PRICED) == "allow"


@pytest.mark.parametrize("unpriced", [replace(PRICED, fiat=None), replace(PRICED, fiat_currency="JPY")])
def test_an_amount_without_a_price_reaches_any_bound(unpriced: Finding) -> None:
    """What can not be judged is not let pass, and the expression says so."""
    (trigger,) = evaluate(FIAT, [PRICED, unpriced])

    assert trigger.observed == "100.50"
    assert "fiat 100.50 USD >= 201; fiat unknown (no price) counts as reached" in trigger.expression


def test_a_price_that_would_change_nothing_is_not_missed() -> None:
    """Where the known part is enough, or the unpriced one is of no value, nothing is said of it."""
    enough = evaluate(FIAT, [PRICED, PRICED, replace(PRICED, fiat=None)])

    assert "unknown" not in enough[0].expression
    assert verdict(FIAT, PRICED, replace(PRICED, fiat=None, value=0)) == "allow"
    two = with_condition("min_fiat: {value: 201, currency: USD}\n      min_share: 0.9")
    assert verdict(two, replace(PRICED, fiat=None)) == "allow"


def test_rules_look_at_dust_only_where_they_ask_for_it() -> None:
    """`unsolicited: true` is a rule about dust and nothing else."""
    policy, dust = with_condition("unsolicited: true"), replace(DEALT, unsolicited=True)

    assert verdict(policy, DEALT) == "allow"
    assert evaluate(policy, [DEALT, dust])[0].expression.startswith("kind = direct and unsolicited = true (seen: value")
    assert verdict(with_condition("direction: sent"), dust) == "allow"


def test_without_any_list_nothing_is_allowed() -> None:
    """Whatever the policy: where no sanctions list is imported nobody could be found, so a person has to decide."""
    policy = with_condition("category: [gambling]")

    assert decide(evaluate(policy, [covered(Coverage(0))]), complete=True) == ("review", "R-NOLIST-1")
    assert decide(evaluate(policy, [covered(Coverage(1))]), complete=True)[0] == "allow"


@pytest.mark.parametrize(
    ("condition", "holds", "fails", "expression"),
    [
        ("max_lists: 0", Coverage(0), Coverage(1), "lists 0 <= 0"),
        ("truncated: true", Coverage(1, truncated=True), Coverage(1), "truncated 1 >= 1"),
        ("history_incomplete: true", Coverage(1, history_incomplete=True), Coverage(1), "history_incomplete 1 >= 1"),
        (
            "min_unattributed_share: 0.9",
            Coverage(1, unattributed_share=Decimal("0.9")),
            Coverage(1, unattributed_share=Decimal("0.89")),
            "unattributed_share 0.9 >= 0.9",
        ),
        ("min_unattributed_share: 0.9", Coverage(1, unattributed_share=Decimal(1)), Coverage(1), "share 1 >= 0.9"),
    ],
)
def test_coverage_can_be_judged(condition: str, holds: Coverage, fails: Coverage, expression: str) -> None:
    """How much an answer rests on is something a rule may look at."""
    policy = parse(TEMPLATE.replace("direct", "coverage").format(condition=condition), "mine.yaml")

    (trigger,) = [one for one in evaluate(policy, [covered(holds)]) if one.policy == policy.name]

    assert trigger.expression.startswith("kind = coverage and ")
    assert trigger.expression.endswith(expression)
    assert verdict(policy, covered(fails)) == verdict(policy, DEALT) == "allow"


def owned_by(*kinds: str, list_id: str = "ofac_sdn") -> Finding:
    """An address of a party that is tied to a list."""
    return Finding("ownership", "exchange", 90, basis="entity_attribution", ties=(Tied(list_id, frozenset(kinds)),))


@pytest.mark.parametrize("name", CHOICES)
def test_what_listed_parties_own_by_half_is_blocked(name: str) -> None:
    """Half or more in listed hands counts as listed, and so does an unlisted address of a listed party."""
    assert verdict(load(name), owned_by("owned_50")) == "block"
    assert verdict(load(name), owned_by("listed")) == "block"
    assert verdict(load(name), replace(owned_by("owned_50"), confidence=49)) != "block"


@pytest.mark.parametrize("name", ["balanced", "strict-jp"])
@pytest.mark.parametrize("kind", ["successor_of", "operated_by", "nested_in", "fronts_for"])
def test_successors_and_fronts_of_listed_parties_are_held(name: str, kind: str) -> None:
    """They are no listed parties by law, alone or behind an owner."""
    assert verdict(load(name), owned_by(kind)) == "review"
    assert verdict(load(name), owned_by("owned_50", kind)) == "review"


def test_a_policy_chooses_which_relations_count() -> None:
    """A tie counts only if the rule names every kind on its way, and the list at its end where it names lists."""
    policy = parse(
        TEMPLATE.replace("kind: direct", "kind: ownership").format(
            condition="relation: [successor_of, owned_50]\n      list: [ofac_sdn]"
        ),
        "mine.yaml",
    )
    (rule,) = policy.rules

    def matched(*kinds: str, list_id: str = "ofac_sdn") -> bool:
        fired_by = {one.rule_id for one in evaluate(policy, [owned_by(*kinds, list_id=list_id)])}
        return rule.id in fired_by

    assert matched("successor_of")
    assert matched("successor_of", "owned_50")
    assert not matched("successor_of", "fronts_for")
    assert not matched("listed")
    assert not matched("successor_of", list_id="eu_fsf")
    (trigger,) = evaluate(policy, [owned_by("successor_of")])
    assert "relation in {successor_of, owned_50}" in trigger.expression
    assert "successor_of ofac_sdn" in trigger.expression


def test_relation_and_legal_status_do_not_go_together() -> None:
    """A rule about relations looks for parties that no list names: legal_status is refused beside it, with its line."""
    text = TEMPLATE.format(condition="relation: [owned_50]\n      legal_status: [listed]")
    with pytest.raises(BadInputError, match=r"mine.yaml, line 9: .*legal_status says nothing beside it"):
        parse(text, "mine.yaml")


def test_a_rule_may_name_an_entity_by_any_of_its_ids() -> None:
    """What another source calls the party is as good as its own id."""
    policy = parse(TEMPLATE.format(condition="entity: [ofac_sdn-1]"), "mine.yaml")
    known = replace(DEALT, category="exchange", legal_status="none", entity="garantex")
    assert not evaluate(policy, [known])
    assert evaluate(policy, [replace(known, aliases=["ofac_sdn-1"])])
