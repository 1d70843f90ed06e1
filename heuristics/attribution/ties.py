"""Who counts as listed by relation, since when and until when: the 50 percent rule, successors, operators, fronts.

A party is tied to a list by ownership (`owned_50`) on a day on which parties that are on that list, or that are
themselves tied to it in this way, hold half of it or more together (OFAC, Revised Guidance on Entities Owned by Persons
Whose Property and Interests in Property Are Blocked, 13 August 2014). Every list is added up by itself. The other
relations tie wherever the other end is listed or tied. A tie names every kind that it needs, so that a policy can say
which kinds count: it is found for the smallest sets of kinds that carry it.

Of several sources that give one owner different shares on one day the largest counts.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from store.formats.relations import OWNED_BY

OWNED_50: Final = "owned_50"
ITSELF: Final = "listed"
HALF: Final = Decimal(50)
_RELATIONS: Final = "SELECT relation_id, entity_id, kind, other_id, percent, valid_from, valid_to FROM relation"
_LISTINGS: Final = (
    "SELECT DISTINCT entity_id, list_id, listed_from, listed_to FROM tags "
    "WHERE entity_id IS NOT NULL AND list_id IS NOT NULL ORDER BY ALL"
)
_SCHEMA: Final = pa.schema(
    {
        "entity_id": pa.string(),
        "list_id": pa.string(),
        "kinds": pa.list_(pa.string()),
        "tied_from": pa.date32(),
        "tied_to": pa.date32(),
        "percent": pa.decimal128(5, 2),
        "path": pa.list_(pa.int32()),
    }
)


class Span(NamedTuple):
    """Days from the first up to, and without, the second."""

    start: date
    end: date


Spans = tuple[Span, ...]


class Related(NamedTuple):
    """One relation; a missing date bounds nothing."""

    relation_id: int
    entity_id: str
    kind: str
    other_id: str
    percent: Decimal | None
    valid_from: date | None
    valid_to: date | None

    @property
    def span(self) -> Span:
        """The days on which it holds."""
        return Span(self.valid_from or date.min, self.valid_to or date.max)

    @property
    def tier(self) -> str:
        """What a policy calls it."""
        return OWNED_50 if self.kind == OWNED_BY else self.kind


class Listed(NamedTuple):
    """A party on a list; a missing date bounds nothing."""

    entity_id: str
    list_id: str
    listed_from: date | None
    listed_to: date | None

    @property
    def span(self) -> Span:
        """The days on which it is listed."""
        return Span(self.listed_from or date.min, self.listed_to or date.max)


class Tie(NamedTuple):
    """An interval in which a party counts as listed by relations of these kinds; `percent` and `path` as it begins."""

    entity_id: str
    list_id: str
    kinds: tuple[str, ...]
    tied_from: date | None
    tied_to: date | None
    percent: Decimal | None
    path: tuple[int, ...]


def fill(con: duckdb.DuckDBPyConnection) -> None:
    """Fill `tie` from `relation` and the listings among the registered `tags` (those of other chains too)."""
    related = [Related(*row) for row in con.execute(_RELATIONS).fetchall()]
    listed = [Listed(*row) for row in con.execute(_LISTINGS).fetchall()]
    con.register("found_ties", pa.Table.from_pylist([one._asdict() for one in ties(related, listed)], _SCHEMA))
    con.execute("INSERT INTO tie SELECT * FROM found_ties ORDER BY entity_id, list_id, kinds, tied_from")
    con.unregister("found_ties")


def ties(related: Sequence[Related], listed: Sequence[Listed]) -> list[Tie]:
    """Find every tie to every list.

    Parameters
    ----------
    related : Sequence[Related]
        What sources say of two parties.
    listed : Sequence[Listed]
        Who is, or was, on a list.

    Returns
    -------
    list[Tie]
        By list, then by the number of kinds. A listed party is tied by itself (kind `listed`): this says of its
        unlisted addresses since when they are those of a listed party.
    """
    found = []
    for list_id in sorted({one.list_id for one in listed}):
        seeds: dict[str, Spans] = {}
        for one in listed:
            if one.list_id == list_id:
                seeds[one.entity_id] = union([*seeds.get(one.entity_id, ()), one.span])
        found += _of_list(related, seeds, list_id)
    return found


def _of_list(related: Sequence[Related], seeds: Mapping[str, Spans], list_id: str) -> list[Tie]:
    """Ties to one list, whose parties `seeds` are."""
    found = [_tie(entity, list_id, (ITSELF,), span, (None, ())) for entity in sorted(seeds) for span in seeds[entity]]
    graph = _Graph(_near(related, seeds), seeds)
    before: dict[frozenset[str], Mapping[str, Spans]] = {}
    for size in range(1, len(graph.tiers) + 1):
        for kinds in map(frozenset, combinations(sorted(graph.tiers), size)):
            state = before[kinds] = graph.blocked(kinds)
            for entity in sorted(state):
                less = [span for other in before if other < kinds for span in before[other].get(entity, ())]
                found += [
                    _tie(entity, list_id, tuple(sorted(kinds)), span, graph.explain(entity, kinds, span.start))
                    for span in minus(state[entity], union([*less, *seeds.get(entity, ())]))
                ]
    return found


def _tie(
    entity: str, list_id: str, kinds: tuple[str, ...], span: Span, why: tuple[Decimal | None, tuple[int, ...]]
) -> Tie:
    start, end = (None if day in (date.min, date.max) else day for day in span)
    return Tie(entity, list_id, kinds, start, end, *why)


def _near(related: Sequence[Related], seeds: Iterable[str]) -> list[Related]:
    """Those relations over which something can be tied to the listed parties: few of many."""
    by_other: dict[str, list[Related]] = defaultdict(list)
    for one in related:
        by_other[one.other_id].append(one)
    seen, ahead, found = set(seeds), deque(seeds), []
    while ahead:
        for one in by_other.pop(ahead.popleft(), ()):
            found.append(one)
            if one.entity_id not in seen:
                seen.add(one.entity_id)
                ahead.append(one.entity_id)
    return sorted(found)


class _Graph:
    """Relations around the parties of one list."""

    def __init__(self, related: Sequence[Related], seeds: Mapping[str, Spans]) -> None:
        self.seeds = seeds
        self.tiers = {one.tier for one in related}
        self._of: dict[str, list[Related]] = defaultdict(list)
        self._toward: dict[str, set[str]] = defaultdict(set)
        for one in related:
            self._of[one.entity_id].append(one)
            self._toward[one.other_id].add(one.entity_id)

    def blocked(self, kinds: frozenset[str]) -> dict[str, Spans]:
        """When each party counts as listed by relations of these kinds: the least fixed point, seeds included."""
        state: dict[str, Spans] = dict(self.seeds)
        ahead = deque(sorted({one for seed in self.seeds for one in self._toward[seed]}))
        while ahead:
            entity = ahead.popleft()
            now = union([*self.seeds.get(entity, ()), *self._by_relation(entity, kinds, state)])
            if now != state.get(entity, ()):
                state[entity] = now
                ahead.extend(sorted(self._toward[entity]))
        return state

    def _by_relation(self, entity: str, kinds: frozenset[str], state: Mapping[str, Spans]) -> list[Span]:
        """When a party is tied, given when the others are."""
        found, shares = [], []
        for one in self._of[entity]:
            if one.tier not in kinds:
                continue
            spans = [both for span in state.get(one.other_id, ()) if (both := _overlap(one.span, span))]
            if one.kind != OWNED_BY:
                found += spans
            elif one.percent is not None:
                shares += [(span, one.other_id, one.percent) for span in spans]
        bounds = sorted({day for span, _, _ in shares for day in span})
        for start, end in pairwise(bounds):
            if _held((owner, share) for span, owner, share in shares if span.start <= start < span.end) >= HALF:
                found.append(Span(start, end))
        return found

    def explain(self, entity: str, kinds: frozenset[str], day: date) -> tuple[Decimal | None, tuple[int, ...]]:
        """What blocked owners hold together on a day, and the relations that tie a party then, nearest first."""
        layer = self._layers(entity, kinds, day)
        steps: list[int] = []
        percent: Decimal | None = None
        ahead, seen = deque([entity]), {entity}
        while ahead:
            at = ahead.popleft()
            counting = [one for one in self._of[at] if self._counts(one, kinds, day, layer)]
            below = [one for one in counting if layer[one.other_id] < layer[at]]
            owners = [one for one in below if one.kind == OWNED_BY]
            held = _held((one.other_id, one.percent or Decimal(0)) for one in owners)
            if at == entity and held >= HALF:
                percent = held
            used = owners if held >= HALF else [one for one in below if one.kind != OWNED_BY][:1]
            for one in used:
                steps.append(one.relation_id)
                if one.other_id not in seen and layer[one.other_id]:
                    seen.add(one.other_id)
                    ahead.append(one.other_id)
        return percent, tuple(steps)

    def _counts(self, one: Related, kinds: frozenset[str], day: date, layer: Mapping[str, int]) -> bool:
        return one.tier in kinds and one.other_id in layer and one.span.start <= day < one.span.end

    def _layers(self, goal: str, kinds: frozenset[str], day: date) -> dict[str, int]:
        """In which round each party is tied on a day, the listed ones in round 0; until the goal is."""
        layer = {seed: 0 for seed, spans in self.seeds.items() if any(span.start <= day < span.end for span in spans)}
        round_ = 0
        fresh = set(layer)
        while fresh and goal not in layer:
            round_ += 1
            asked = sorted({one for at in fresh for one in self._toward[at]} - layer.keys())
            fresh = {entity for entity in asked if self._tied(entity, kinds, day, layer)}
            layer |= dict.fromkeys(fresh, round_)
        return layer

    def _tied(self, entity: str, kinds: frozenset[str], day: date, layer: Mapping[str, int]) -> bool:
        counting = [one for one in self._of[entity] if self._counts(one, kinds, day, layer)]
        if any(one.kind != OWNED_BY for one in counting):
            return True
        return _held((one.other_id, one.percent or Decimal(0)) for one in counting) >= HALF


def _held(shares: Iterable[tuple[str, Decimal]]) -> Decimal:
    """Add owners' shares up; of several shares of one owner the largest counts."""
    largest: dict[str, Decimal] = {}
    for owner, share in shares:
        largest[owner] = max(share, largest.get(owner, share))
    return min(sum(largest.values(), Decimal(0)), Decimal(100))


def union(spans: Iterable[Span]) -> Spans:
    """The same days in disjoint spans, earliest first."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def minus(spans: Spans, less: Spans) -> list[Span]:
    """Days of `spans` that are not in `less`; both disjoint and in order."""
    found = []
    for span in spans:
        start = span.start
        for other in less:
            if other.end <= start or other.start >= span.end:
                continue
            if other.start > start:
                found.append(Span(start, other.start))
            start = max(start, other.end)
        if start < span.end:
            found.append(Span(start, span.end))
    return found


def _overlap(a: Span, b: Span) -> Span | None:
    both = Span(max(a.start, b.start), min(a.end, b.end))
    return both if both.start < both.end else None
