"""Who owns, succeeds, operates, hides in or fronts for whom: what actor packs say of two parties, checked.

A relation holds from its first day until the day on which it is over. Shares are percents with two decimals, never
floats: what several owners hold is added up and held against a bound.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from store.formats import fields
from store.formats.fields import FieldError
from store.formats.problems import Problem
from store.formats.taxonomy import did_you_mean

OWNED_BY: Final = "owned_by"
ID: Final = "id"  # of an alias: what another source calls the party; these are one entity
NAME: Final = "name"  # of an alias: only for whoever searches, and for tags that name nobody else
KINDS: Final[Mapping[str, str]] = {
    OWNED_BY: "the other holds a share of it",
    "successor_of": "it carries on the business of the other",
    "operated_by": "the other runs it",
    "nested_in": "it does its business through accounts at the other",
    "fronts_for": "payments of the other run through it",
}
WHOLE: Final = Decimal(100)
_CENT: Final = Decimal("0.01")
_MAJORITY: Final = Decimal(50)

RELATION_SCHEMA: Final = pa.schema(
    [
        pa.field("entity_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # KINDS
        pa.field("other_id", pa.string(), nullable=False),
        pa.field("percent", pa.decimal128(5, 2)),  # of owned_by; null: not said
        pa.field("valid_from", pa.date32()),  # first day; null: since ever
        pa.field("valid_to", pa.date32()),  # first day on which it is over; null: it lasts
        pa.field("source_name", pa.string(), nullable=False),
        pa.field("source_sha256", pa.string(), nullable=False),
        pa.field("source_date", pa.date32()),
        pa.field("source_uri", pa.string()),
        pa.field("line", pa.int32(), nullable=False),  # of the file
    ]
)
ALIAS_SCHEMA: Final = pa.schema(
    [
        pa.field("alias", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # id or name
        pa.field("entity_id", pa.string(), nullable=False),
        pa.field("source_sha256", pa.string(), nullable=False),
    ]
)


class Relation(NamedTuple):
    """One relation as a pack says it; a missing date bounds nothing."""

    entity_id: str
    kind: str
    other_id: str
    percent: Decimal | None
    valid_from: date | None
    valid_to: date | None
    source_uri: str | None
    source_date: date | None
    line: int


def no_relations() -> pa.Table:
    """Nothing said: for lists that speak of no relations."""
    return RELATION_SCHEMA.empty_table()


def no_aliases() -> pa.Table:
    """Nothing said: for lists that give no other names."""
    return ALIAS_SCHEMA.empty_table()


def relation_table(relations: Sequence[Relation], name: str, sha256: str) -> pa.Table:
    """Give relations as `RELATION_SCHEMA`."""
    rows = [one._asdict() | {"source_name": name, "source_sha256": sha256} for one in relations]
    return pa.Table.from_pylist(rows, RELATION_SCHEMA)


def alias_table(rows: Sequence[Mapping[str, str]]) -> pa.Table:
    """Give aliases as `ALIAS_SCHEMA`."""
    return pa.Table.from_pylist([dict(row) for row in rows], ALIAS_SCHEMA)


def percent(name: str, value: Any) -> Decimal:
    """A share in percent, above 0 and up to 100, with at most two decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FieldError(f"{name} must be a number of percent like 50 or 33.34, not {value!r}")
    try:
        share = Decimal(str(value).strip())
    except InvalidOperation:
        raise FieldError(f"{name} must be a number of percent like 50 or 33.34, not {value!r}") from None
    if not share.is_finite() or not 0 < share <= WHOLE:
        raise FieldError(f"{name} must lie above 0 and be at most 100 percent, not {value!r}")
    if share != share.quantize(_CENT):
        raise FieldError(f"{name} has more than two decimals: {value!r}; round it down")
    return share.quantize(_CENT)


def kind(name: str, value: Any) -> str:
    """A kind of relation."""
    word = fields.text(name, value)
    if word not in KINDS:
        raise FieldError(f"{word!r} is no known {name}{did_you_mean(word, KINDS)}; say one of: {', '.join(KINDS)}")
    return word


def problems(said: Sequence[Relation], path: Path, held: Sequence[Relation] = ()) -> list[Problem]:
    """Find what cannot be true of relations together with those already held: circles, and owners of more than all.

    Parameters
    ----------
    said : Sequence[Relation]
        What one file says, under the ids that are in use.
    path : Path
        The file.
    held : Sequence[Relation]
        What is in force already, under the same ids.
    """
    selves = [one for one in said if one.entity_id == one.other_id]
    found = [_problem(path, one, "both ends are the same party; name another, or remove it") for one in selves]
    if found:
        return found
    return [*_circles(said, path, held), *_too_much(said, path)]


def undefined(said: Iterable[Relation], known: Collection[str], path: Path) -> list[Problem]:
    """Find ends of relations that no source defines."""
    return [
        _problem(path, one, f"no source defines {end!r}{did_you_mean(end, known)}; describe it in an actor pack, or "
                 "import the list that names it first or together with this one")
        for one in said
        for end in (one.entity_id, one.other_id)
        if end not in known
    ]  # fmt: skip


def _circles(said: Sequence[Relation], path: Path, held: Sequence[Relation]) -> Iterator[Problem]:
    """Find circles that stand on some day; small holdings in each other are lawful and common, majorities are not."""
    mine = set(said)
    for which in KINDS:
        edges = [one for one in (*held, *said) if one.kind == which and _binds(one)]
        # Few relations stand in any circle, so that the days are only looked at where there is one at all.
        if _circle(edges) is None:
            continue
        for day in sorted({one.valid_from or date.min for one in edges}):
            standing = [one for one in edges if stands(one, day)]
            around = _circle(standing)
            if around is None:
                continue
            names = " -> ".join(around)
            steps = set(pairwise(around))
            last = max((one for one in standing if one in mine and (one.entity_id, one.other_id) in steps),
                       key=lambda one: one.line, default=None)  # fmt: skip
            if last is not None:
                since = f" on {day}" if day > date.min else ""
                yield _problem(path, last, f"{which} runs in a circle{since}: {names}; correct or date one of them")
                break


def _binds(one: Relation) -> bool:
    return one.kind != OWNED_BY or (one.percent is not None and one.percent >= _MAJORITY)


def _circle(edges: Iterable[Relation]) -> list[str] | None:
    """Entities around a circle, the first again at the end; None where there is none."""
    graph: dict[str, set[str]] = defaultdict(set)
    for one in edges:
        graph[one.entity_id].add(one.other_id)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # graphlib has each one's other end stand before it.
        around: list[str] = error.args[1]
        return around[::-1]
    return None


def _too_much(said: Sequence[Relation], path: Path) -> Iterator[Problem]:
    """Find parties of which one file's owners hold more than all on some day."""
    owned: dict[str, list[Relation]] = defaultdict(list)
    for one in said:
        if one.kind == OWNED_BY and one.percent is not None:
            owned[one.entity_id].append(one)
    for entity_id, shares in owned.items():
        for day in sorted({one.valid_from or date.min for one in shares}):
            standing = [one for one in shares if stands(one, day)]
            total = sum((one.percent or Decimal(0) for one in standing), Decimal(0))
            if total > WHOLE:
                since = f" on {day}" if day > date.min else ""
                message = f"owners hold {total} percent of {entity_id!r}{since}; correct or date the shares"
                yield _problem(path, standing[-1], message)
                break


def stands(one: Relation, day: date) -> bool:
    """Whether a relation holds on a day."""
    return (one.valid_from or date.min) <= day < (one.valid_to or date.max)


def _problem(path: Path, one: Relation, message: str) -> Problem:
    return Problem(path, one.line, f"relation {one.kind} of {one.entity_id!r}: {message}")
