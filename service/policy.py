"""Policies: a YAML document of ordered rules over what was found, and the decision they lead to.

A rule names what it looks at (kind, direction, category, entity, jurisdiction, list, basis, legal status, relation)
and thresholds on it (confidence, hops, date, then value, share and money, which add up over what matches). Every
rule is evaluated; each that fires is a trigger with its expression, and the strictest action decides.
The rules of `policies/mandatory.yaml` run first and can not be turned off. Nothing here knows how a
finding came about. What adds up:

- values and money over both directions; shares within one direction, of which the higher counts, because a share
  of what came in and one of what went out are not parts of one whole;
- `kind: [direct, indirect]` over both kinds. A labelled party that the trail passes through stands among the
  direct rows, and what lies behind it among the indirect ones: only the larger of the two counts;
- an amount of money of which a part has no price is taken to reach any bound.

`relation` names the kinds of relation by which a party counts as listed: it matches a finding whose party is tied to a
list by these kinds and no other, by itself (`listed`) or through others, on the day that the labels are of. Of
dealings those match that went on while the tie held; `list` is then the list at the end of the tie.

A finding of kind `behaviour` is what a rule suspects of the subject's wallet (`behaviour`, `tier`, `min_score`). Who
and where, legal status and relations are then those of the party that the suspicion is about: of a front, of whoever
it would stand for.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from heuristics.attribution import behaviours
from heuristics.exposure.codes import UNATTRIBUTED
from service.rulebook import (
    BEHAVIOUR,
    COVERAGE,
    DEALINGS,
    MANDATORY,
    Action,
    Condition,
    Direction,
    LegalStatus,
    Looked,
    Money,
    Policy,
    Rule,
    load,
)

SATOSHI: Final = Decimal(10) ** 8
_WORDS: Final = (
    "direction",
    "category",
    "entity",
    "jurisdiction",
    "list",
    "basis",
    "legal_status",
    "relation",
    "behaviour",
    "tier",
)
_MOST: Final = frozenset({"hops", "lists"})  # metrics whose limit is an upper one
Verdict = Literal["allow", "review", "block", "indeterminate"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much an answer rests on; what a rule of kind `coverage` looks at."""

    lists: int
    """Legal lists in force: 0 means that nobody could have been found to be listed."""
    history_incomplete: bool = False
    """Blocks before the first that is indexed are not known."""
    truncated: bool = False
    """Something was cut off for want of time or room."""
    unattributed_share: Decimal | None = None
    """Of all value, what nothing explains; none where there was no value."""


class Tied(NamedTuple):
    """One way in which a finding's party counts as listed: the list at its end, and every kind of relation on it."""

    list: str
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a policy may judge: who owns the subject, whom it dealt with, what it may be, how much is known."""

    kind: Looked
    category: str
    confidence: int
    """Percent."""
    entity: str | None = None
    jurisdictions: Sequence[str] = ()
    lists: Sequence[str] = ()
    legal_status: LegalStatus = "none"
    basis: str | None = None
    direction: Direction | None = None
    after_designation: bool = False
    value: int = 0
    """Satoshi."""
    share: Decimal = Decimal(0)
    """Of all that went in this direction."""
    hops: int = 0
    """The fewest on any way."""
    unsolicited: bool = False
    """Sent to the subject without its doing, like dust; no rule looks at it unless it says so."""
    fiat: Decimal | None = None
    """The value at the prices of its days; none where a day has no price."""
    fiat_currency: str | None = None
    passes_through: bool = False
    """Of kind direct: the party is no service, so indirect findings count what lies behind it again."""
    coverage: Coverage | None = None
    """Of kind coverage."""
    ties: Sequence[Tied] = ()
    """How the party counts as listed by relation."""
    aliases: Sequence[str] = ()
    """Other ids of the entity: a rule may name it by any."""
    behaviour: behaviours.Kind | None = None
    """Of kind behaviour: what is suspected. The party is the one that the suspicion is about."""
    tier: behaviours.Tier | None = None
    score: Decimal = Decimal(0)
    """Of kind behaviour, from 0 to 1."""


def covered(coverage: Coverage) -> Finding:
    """Return how much is known as a finding."""
    return Finding(COVERAGE, UNATTRIBUTED, 0, coverage=coverage)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A rule that fired, and on what."""

    rule_id: str
    policy: str
    reason: str
    metric: str
    threshold: str
    observed: str
    action: Action
    expression: str


def evaluate(policy: Policy, findings: Sequence[Finding]) -> list[Trigger]:
    """Return the triggers of the mandatory rules, then of the policy's, in their order."""
    both = (load(MANDATORY), policy) if policy.policy != MANDATORY else (policy,)
    fired = (_fire(rule, each.name, findings) for each in both for rule in each.rules)
    return [trigger for trigger in fired if trigger is not None]


def decide(triggers: Iterable[Trigger], *, complete: bool) -> tuple[Verdict, str]:
    """Return the decision and the id of the rule it rests on, or why there is none.

    A block stands whatever else is missing; short of that, an incomplete answer decides nothing.
    """
    by_action: dict[str, str] = {}
    for trigger in triggers:
        by_action.setdefault(trigger.action, trigger.rule_id)
    if "block" in by_action:
        return "block", by_action["block"]
    if not complete:
        return "indeterminate", "incomplete"
    if "review" in by_action:
        return "review", by_action["review"]
    return "allow", "no_rule_fired"


class _Bound(NamedTuple):
    """One threshold, and what was seen of it."""

    metric: str
    seen: Decimal
    limit: Decimal
    unit: str = ""
    reached: bool = False
    note: str = ""

    def __str__(self) -> str:
        sign = "<=" if self.metric in _MOST else ">="
        return f"{self.metric} {self.seen:f}{self.unit} {sign} {self.limit:f}{self.note}"


def _fire(rule: Rule, policy: str, findings: Sequence[Finding]) -> Trigger | None:
    matched = [finding for finding in findings if matches(rule.when, finding)]
    if not matched:
        return None
    if COVERAGE in rule.when.kind:
        held = [_of_coverage(rule.when, finding.coverage) for finding in matched if finding.coverage is not None]
    else:
        held = [_bounds(rule.when, matched)]
    bounds = next((these for these in held if all(bound.reached for bound in these)), None)
    if bounds is None:
        return None
    count = _Bound("+".join(rule.when.kind), Decimal(len(matched)), Decimal(1))
    shown = next((one for one in bounds if one.metric != "hops"), count)
    return Trigger(
        rule.id,
        policy,
        rule.reason,
        shown.metric,
        f"{shown.limit:f}",
        f"{shown.seen:f}",
        rule.action,
        _expression(rule.when, bounds, [*_ways(rule.when, matched), *_suspected(matched), *_seen(matched, bounds)]),
    )


def matches(when: Condition, finding: Finding) -> bool:
    """Whether a rule looks at a finding; its thresholds on sums are held against all of these together."""
    return (
        finding.kind in when.kind
        and when.unsolicited == finding.unsolicited
        and (when.direction is None or when.direction == finding.direction)
        and (when.category is None or finding.category in when.category)
        and (when.entity is None or not {finding.entity, *finding.aliases}.isdisjoint(when.entity))
        and (when.jurisdiction is None or not set(when.jurisdiction).isdisjoint(finding.jurisdictions))
        and (when.relation is not None or when.list is None or not set(when.list).isdisjoint(finding.lists))
        and (when.relation is None or bool(_tied(when, finding)))
        and (when.basis is None or finding.basis in when.basis)
        and (when.legal_status is None or finding.legal_status in when.legal_status)
        and (when.behaviour is None or finding.behaviour in when.behaviour)
        and (when.tier is None or finding.tier in when.tier)
        and (when.min_score is None or finding.score >= when.min_score)
        and (when.after_designation is None or when.after_designation == finding.after_designation)
        and (when.max_hops is None or finding.hops <= when.max_hops)
        and (when.min_confidence is None or finding.confidence >= when.min_confidence * 100)
    )


def _tied(when: Condition, finding: Finding) -> list[Tied]:
    """Ties of a finding's party that a rule about relations looks at."""
    allowed = frozenset(when.relation or ())
    return [tie for tie in finding.ties if tie.kinds <= allowed and (when.list is None or tie.list in when.list)]


def _bounds(when: Condition, matched: Sequence[Finding]) -> list[_Bound]:
    """Hold what was found against a rule's thresholds; those of single findings are reached, or none had matched."""
    bounds = []
    if when.min_value is not None:
        value = sum(_per_direction(matched, lambda one: Decimal(one.value))) / SATOSHI
        bounds.append(_Bound("value", value, when.min_value.value, " BTC", value >= when.min_value.value))
    if when.min_share is not None:
        share = _share(matched)
        bounds.append(_Bound("share", share, when.min_share, reached=share >= when.min_share))
    if when.min_fiat is not None:
        bounds.append(_money(when.min_fiat, matched))
    if when.min_confidence is not None:
        best = Decimal(max(finding.confidence for finding in matched)) / 100
        bounds.append(_Bound("confidence", best, when.min_confidence, reached=True))
    if when.min_score is not None:
        top = max(finding.score for finding in matched)
        bounds.append(_Bound("score", top, when.min_score, reached=True))
    if when.max_hops is not None:
        fewest = Decimal(min(finding.hops for finding in matched))
        bounds.append(_Bound("hops", fewest, Decimal(when.max_hops), reached=True))
    return bounds


def _money(least: Money, matched: Sequence[Finding]) -> _Bound:
    """Add money up; where a price is missing or of another currency the bound can't be judged, so it is reached."""

    def known(one: Finding) -> bool:
        return one.value == 0 or (one.fiat is not None and one.fiat_currency == least.currency)

    seen = sum(_per_direction(matched, lambda one: one.fiat or Decimal(0) if known(one) else Decimal(0)), Decimal(0))
    unknown = seen < least.value and not all(known(one) for one in matched)
    note = "; fiat unknown (no price) counts as reached" if unknown else ""
    return _Bound("fiat", seen, least.value, f" {least.currency}", unknown or seen >= least.value, note)


def _share(matched: Sequence[Finding]) -> Decimal:
    return min(max(_per_direction(matched, lambda one: one.share)), Decimal(1))


def _per_direction(matched: Sequence[Finding], amount: Callable[[Finding], Decimal]) -> list[Decimal]:
    """Add up what matched in each direction, without counting anything twice.

    What a direct party that is passed through brought may stand among the indirect rows again. Direct rows alone
    count nothing twice, and neither do all others: whichever is more is a lower bound, and never less than either.
    """
    sums = []
    for direction in {finding.direction for finding in matched}:
        these = [finding for finding in matched if finding.direction == direction]
        near = sum((amount(one) for one in these if one.kind != "indirect"), Decimal(0))
        past = sum((amount(one) for one in these if not one.passes_through), Decimal(0))
        sums.append(max(near, past))
    return sums


def _of_coverage(when: Condition, known: Coverage) -> list[_Bound]:
    """Hold how much is known against a rule's thresholds."""
    bounds = []
    for name in ("history_incomplete", "truncated"):
        wanted, seen = getattr(when, name), Decimal(getattr(known, name))
        if wanted is not None:
            bounds.append(_Bound(name, seen, Decimal(wanted), reached=seen == wanted))
    if when.max_lists is not None:
        seen, most = Decimal(known.lists), Decimal(when.max_lists)
        bounds.append(_Bound("lists", seen, most, reached=seen <= most))
    if when.min_unattributed_share is not None:
        seen, least = known.unattributed_share or Decimal(0), when.min_unattributed_share
        bounds.append(_Bound("unattributed_share", seen, least, reached=seen >= least))
    return bounds


def _expression(when: Condition, bounds: Sequence[_Bound], seen: Sequence[str]) -> str:
    terms = [f"kind = {when.kind[0]}" if len(when.kind) == 1 else f"kind in {_set(when.kind)}"]
    for name in _WORDS:
        wanted = getattr(when, name)
        if wanted is not None:
            terms.append(f"{name} = {wanted}" if isinstance(wanted, str) else f"{name} in {_set(wanted)}")
    if when.after_designation is not None:
        terms.append(f"after_designation = {str(when.after_designation).lower()}")
    if when.unsolicited:
        terms.append("unsolicited = true")
    said = " and ".join([*terms, *map(str, bounds)])
    return f"{said} (seen: {', '.join(seen)})" if seen else said


def _ways(when: Condition, matched: Sequence[Finding]) -> list[str]:
    """Say who counts as listed by what, where a rule is about relations."""
    if when.relation is None:
        return []
    told = {
        f"{one.entity} {'+'.join(sorted(tie.kinds))} {tie.list}": None for one in matched for tie in _tied(when, one)
    }
    return list(told)


def _suspected(matched: Sequence[Finding]) -> list[str]:
    """Say what is suspected, how surely, and about whom."""
    return [
        f"{one.behaviour} {one.tier} {one.score:f} of {one.entity or 'nobody who is named'}"
        for one in matched
        if one.kind == BEHAVIOUR
    ]


def _seen(matched: Sequence[Finding], bounds: Sequence[_Bound]) -> list[str]:
    """Say value, share and fewest hops of dealings, where no threshold says them."""
    if not any(finding.kind in DEALINGS for finding in matched):
        return []
    value = sum(_per_direction(matched, lambda one: Decimal(one.value))) / SATOSHI
    measured = {"value": f"{value:f} BTC", "share": f"{_share(matched):f}", "hops": f"{min(f.hops for f in matched)}"}
    bound = {one.metric for one in bounds}
    return [f"{name} {text}" for name, text in measured.items() if name not in bound]


def _set(names: Sequence[str]) -> str:
    return "{" + ", ".join(names) + "}"
