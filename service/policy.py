"""Policies: a YAML document of ordered rules over what was found, and the decision they lead to.

A rule names what it looks at (kind, direction, category, entity, jurisdiction, list, basis, legal status)
and thresholds on it (confidence, hops, date, then value and share, which add up over what matches). Every
rule is evaluated; each that fires is a trigger with its expression, and the strictest action decides.
The rules of `policies/mandatory.yaml` run first and can not be turned off. Nothing here knows how a
finding came about, so indirect exposure and behaviours need no change of the language.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from heuristics.exposure.flows import PSEUDO, UNATTRIBUTED
from service.exits import BadInputError
from store.formats.taxonomy import CATEGORIES, did_you_mean

SATOSHI = Decimal(10) ** 8
MAX_BYTES = 65_536
MANDATORY = "mandatory"
KNOWN_CATEGORIES = frozenset({*CATEGORIES, *PSEUDO.values(), UNATTRIBUTED})

Kind = Literal["ownership", "direct", "indirect"]
Direction = Literal["received", "sent"]
LegalStatus = Literal["listed", "removed", "none"]
Basis = Literal["listed_address", "cluster_of_listed_address", "entity_attribution", "ownership_rule", "suspected"]
Action = Literal["review", "block"]
Verdict = Literal["allow", "review", "block", "indeterminate"]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Model(BaseModel):
    """A part of a policy: unknown fields are mistakes, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(Model):
    """A value in whole coins."""

    value: Annotated[Decimal, Field(ge=0, decimal_places=8, le=21_000_000)]
    currency: Literal["BTC"]


class Condition(Model):
    """What a rule looks at; a field that is left out lets everything pass."""

    kind: Kind
    direction: Direction | None = None
    category: Names | None = None
    entity: Names | None = None
    jurisdiction: Names | None = None
    list: Names | None = None
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)] | None = None
    legal_status: Annotated[tuple[LegalStatus, ...], Field(min_length=1)] | None = None
    after_designation: bool | None = None
    min_confidence: Share | None = None
    max_hops: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_value: Amount | None = None
    min_share: Share | None = None


class Rule(Model):
    """One rule: where its condition holds, its action is called for."""

    id: Annotated[str, Field(pattern=r"^R-[A-Z0-9-]{1,40}$")]
    reason: Annotated[str, Field(min_length=1, max_length=300)]
    when: Condition
    action: Action


class Policy(Model):
    """A named, versioned list of rules."""

    policy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    version: Annotated[int, Field(ge=1)]
    description: Annotated[str, Field(max_length=1000)] = ""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=500)]

    @property
    def name(self) -> str:
        """Name and version, as answers cite it."""
        return f"{self.policy}@{self.version}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a policy may judge: who owns the subject, or whom it dealt with."""

    kind: Kind
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
    hops: int = 0


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


def _fire(rule: Rule, policy: str, findings: Sequence[Finding]) -> Trigger | None:
    matched = [finding for finding in findings if _matches(rule.when, finding)]
    if not matched:
        return None
    value = Decimal(sum(finding.value for finding in matched)) / SATOSHI
    share = min(sum((finding.share for finding in matched), Decimal(0)), Decimal(1))
    confidence = Decimal(max(finding.confidence for finding in matched)) / 100
    when = rule.when
    measured = [
        ("value", value, when.min_value.value if when.min_value else None),
        ("share", share, when.min_share),
        ("confidence", confidence, when.min_confidence),
    ]
    bounds = [(name, seen, least) for name, seen, least in measured if least is not None]
    if any(seen < least for _, seen, least in bounds):
        return None
    metric, observed, threshold = bounds[0] if bounds else (when.kind, Decimal(len(matched)), Decimal(1))
    return Trigger(
        rule.id,
        policy,
        rule.reason,
        metric,
        f"{threshold:f}",
        f"{observed:f}",
        rule.action,
        _expression(when, bounds),
    )


def _matches(when: Condition, finding: Finding) -> bool:
    return (
        when.kind == finding.kind
        and (when.direction is None or when.direction == finding.direction)
        and (when.category is None or finding.category in when.category)
        and (when.entity is None or finding.entity in when.entity)
        and (when.jurisdiction is None or not set(when.jurisdiction).isdisjoint(finding.jurisdictions))
        and (when.list is None or not set(when.list).isdisjoint(finding.lists))
        and (when.basis is None or finding.basis in when.basis)
        and (when.legal_status is None or finding.legal_status in when.legal_status)
        and (when.after_designation is None or when.after_designation == finding.after_designation)
        and (when.max_hops is None or finding.hops <= when.max_hops)
        and (when.min_confidence is None or finding.confidence >= when.min_confidence * 100)
    )


def _expression(when: Condition, bounds: Sequence[tuple[str, Decimal, Decimal]]) -> str:
    terms = [f"kind = {when.kind}"]
    for name in ("direction", "category", "entity", "jurisdiction", "list", "basis", "legal_status"):
        wanted = getattr(when, name)
        if wanted is not None:
            terms.append(f"{name} = {wanted}" if isinstance(wanted, str) else f"{name} in {_set(wanted)}")
    if when.after_designation is not None:
        terms.append(f"after_designation = {str(when.after_designation).lower()}")
    if when.max_hops is not None:
        terms.append(f"hops <= {when.max_hops}")
    units = {"value": " BTC"}
    terms += [f"{name} {seen:f}{units.get(name, '')} >= {least:f}" for name, seen, least in bounds]
    return " and ".join(terms)


def _set(names: Sequence[str]) -> str:
    return "{" + ", ".join(names) + "}"


# loading ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def load(name: str) -> Policy:
    """Return a policy by the name of a shipped document, or by the path of a YAML file.

    Raises
    ------
    BadInputError
        If there is no such policy, or the document has a mistake; says the line.
    """
    if name.endswith((".yaml", ".yml")):
        try:
            return parse(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{name}: the policy can not be read: {error}", code="no_policy") from error
    if name not in shipped():
        raise BadInputError(
            f"there is no policy {name!r}; shipped are: {', '.join(sorted(shipped() - {MANDATORY}))}",
            code="unknown_policy",
            pointer="/policy",
        )
    file = resources.files("service") / "policies" / f"{name}.yaml"
    return parse(file.read_text(encoding="utf-8"), f"{name}.yaml")


@lru_cache(maxsize=1)
def shipped() -> frozenset[str]:
    """Names of the documents that come with the service, the mandatory rules among them."""
    files = (resources.files("service") / "policies").iterdir()
    return frozenset(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def parse(text: str, where: str) -> Policy:
    """Read a policy document; `where` names it in errors.

    Raises
    ------
    BadInputError
        With the line of the first mistake.
    """
    data, lines = _read_yaml(text, where)
    try:
        policy = Policy.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        line = _line(lines, first["loc"])
        raise _mistake(where, line, f"{path or 'document'}: {first['msg']}") from None
    _check_names(policy, lines, where)
    return policy


def _check_names(policy: Policy, lines: Mapping[tuple[Any, ...], int], where: str) -> None:
    """Refuse a rule id that is taken, and a category that nothing can have: its rule would never fire."""
    taken = set() if policy.policy == MANDATORY else {rule.id for rule in load(MANDATORY).rules}
    for number, rule in enumerate(policy.rules):
        if rule.id in taken:
            raise _mistake(where, _line(lines, ("rules", number, "id")), f"rule id {rule.id} is taken")
        taken.add(rule.id)
        for at, category in enumerate(rule.when.category or ()):
            if category not in KNOWN_CATEGORIES:
                line = _line(lines, ("rules", number, "when", "category", at))
                near = did_you_mean(category, KNOWN_CATEGORIES)
                raise _mistake(where, line, f"there is no category {category!r}{near}")


def _read_yaml(text: str, where: str) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """Return the document's value and the line (from 1) of every key and item by its path."""
    if len(text) > MAX_BYTES:
        raise _mistake(where, 1, f"the document is longer than {MAX_BYTES} characters")
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise _mistake(where, _line_of(event.start_mark), "aliases are not taken; write it out")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines: dict[tuple[Any, ...], int] = {}
        _walk(node, (), lines, where)
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.MarkedYAMLError as error:
        raise _mistake(where, _line_of(error.problem_mark), f"no YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _mistake(where, 1, f"no YAML: {error}") from None


def _line_of(mark: Any) -> int:
    return 1 if mark is None else int(mark.line) + 1


def _walk(node: Any, path: tuple[Any, ...], lines: dict[tuple[Any, ...], int], where: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, key.value)
            if below in lines:
                raise _mistake(where, key.start_mark.line + 1, f"the key {key.value!r} is there twice")
            lines[below] = key.start_mark.line + 1
            _walk(value, below, lines, where)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*path, number)] = value.start_mark.line + 1
            _walk(value, (*path, number), lines, where)


def _line(lines: Mapping[tuple[Any, ...], int], path: Sequence[Any]) -> int:
    for length in range(len(path), 0, -1):
        if tuple(path[:length]) in lines:
            return lines[tuple(path[:length])]
    return 1


def _mistake(where: str, line: int, what: str) -> BadInputError:
    return BadInputError(f"{where}, line {line}: {what}", code="policy_mistake", pointer="/policy")
