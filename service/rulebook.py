"""The language of policies: what a YAML document may say, and reading one with the line of its mistakes.

`service/policy.py` says what rules mean. The documents that come with the service lie in `service/policies`.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from heuristics.attribution import behaviours
from heuristics.exposure.codes import ENDS
from service.exits import BadInputError
from store.formats.countries import CODES as COUNTRIES
from store.formats.prices import CURRENCIES
from store.formats.taxonomy import CATEGORIES, did_you_mean

MAX_BYTES = 65_536
MANDATORY = "mandatory"
COVERAGE: Final = "coverage"
BEHAVIOUR: Final = "behaviour"
DEALINGS: Final = frozenset({"direct", "indirect"})
KNOWN_CATEGORIES = frozenset({*CATEGORIES, *ENDS.values()})

Kind = Literal["ownership", "direct", "indirect"]
Looked = Literal["ownership", "direct", "indirect", "behaviour", "coverage"]
Direction = Literal["received", "sent"]
LegalStatus = Literal["listed", "removed", "none"]
Basis = Literal["listed_address", "cluster_of_listed_address", "entity_attribution", "ownership_rule", "suspected"]
Relation = Literal["listed", "owned_50", "successor_of", "operated_by", "nested_in", "fronts_for"]
Action = Literal["review", "block"]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Kinds = Annotated[tuple[Looked, ...], BeforeValidator(lambda said: [said] if isinstance(said, str) else said)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Model(BaseModel):
    """A part of a policy: unknown fields are mistakes, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(Model):
    """A value in whole coins."""

    value: Annotated[Decimal, Field(ge=0, decimal_places=8, le=21_000_000)]
    currency: Literal["BTC"]


class Money(Model):
    """An amount of money, at the prices of the days it was moved on."""

    value: Annotated[Decimal, Field(ge=0, decimal_places=8, le=10**15)]
    currency: str


class Condition(Model):
    """What a rule looks at; a field that is left out lets everything pass, but for `unsolicited`."""

    kind: Annotated[Kinds, Field(min_length=1)]
    direction: Direction | None = None
    category: Names | None = None
    entity: Names | None = None
    jurisdiction: Names | None = None
    list: Names | None = None
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)] | None = None
    legal_status: Annotated[tuple[LegalStatus, ...], Field(min_length=1)] | None = None
    relation: Annotated[tuple[Relation, ...], Field(min_length=1)] | None = None
    behaviour: Annotated[tuple[behaviours.Kind, ...], Field(min_length=1)] | None = None
    tier: Annotated[tuple[behaviours.Tier, ...], Field(min_length=1)] | None = None
    min_score: Share | None = None
    after_designation: bool | None = None
    min_confidence: Share | None = None
    unsolicited: bool = False
    max_hops: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_value: Amount | None = None
    min_share: Share | None = None
    min_fiat: Money | None = None
    history_incomplete: bool | None = None
    truncated: bool | None = None
    max_lists: Annotated[int, Field(ge=0)] | None = None
    min_unattributed_share: Share | None = None


OF_COVERAGE = frozenset({"history_incomplete", "truncated", "max_lists", "min_unattributed_share"})
OF_BEHAVIOUR = frozenset({"behaviour", "tier", "min_score"})
OF_PARTY = frozenset({"category", "entity", "jurisdiction", "list", "legal_status", "relation"})


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
    """Refuse a rule id that is taken, and a rule that would never fire."""
    taken = set() if policy.policy == MANDATORY else {rule.id for rule in load(MANDATORY).rules}
    for number, rule in enumerate(policy.rules):
        if rule.id in taken:
            raise _mistake(where, _line(lines, ("rules", number, "id")), f"rule id {rule.id} is taken")
        taken.add(rule.id)
        wrong = _senseless(rule.when)
        if wrong is not None:
            path, what = wrong
            raise _mistake(where, _line(lines, ("rules", number, "when", *path)), what)


def _senseless(when: Condition) -> tuple[tuple[str | int, ...], str] | None:
    """Say where a condition asks for what nothing can have, and what it asks for."""
    words: tuple[tuple[tuple[str, ...], Sequence[str], Collection[str]], ...] = (
        (("category",), when.category or (), KNOWN_CATEGORIES),
        (("jurisdiction",), when.jurisdiction or (), COUNTRIES),
        (("min_fiat", "currency"), [when.min_fiat.currency] if when.min_fiat else (), CURRENCIES),
    )
    for path, said_words, known in words:
        for at, word in enumerate(said_words):
            if word not in known:
                return (*path, at), f"there is no {path[-1]} {word!r}{did_you_mean(word, known)}"
    if len(when.kind) > 1 and not DEALINGS.issuperset(when.kind):
        return ("kind",), "only direct and indirect add up: write a rule of its own for any other kind"
    said = when.model_fields_set - {"kind"}
    of_others = _of_others(when, said)
    if of_others:
        name = min(of_others)
        return (name,), f"{name} says nothing about kind {', '.join(when.kind)}: the rule would never fire"
    if when.relation is not None and when.legal_status is not None:
        what = "relation looks for parties that a list does not name: legal_status says nothing beside it"
        return ("legal_status",), what
    if COVERAGE in when.kind and not said:
        return ("kind",), f"a rule of kind coverage needs one of {', '.join(sorted(OF_COVERAGE))}"
    return None


def _of_others(when: Condition, said: AbstractSet[str]) -> AbstractSet[str]:
    """Fields of a condition that only other kinds of finding have."""
    if COVERAGE in when.kind:
        return said - OF_COVERAGE
    if BEHAVIOUR in when.kind:
        return said - OF_BEHAVIOUR - OF_PARTY
    return said & (OF_COVERAGE | OF_BEHAVIOUR)


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
