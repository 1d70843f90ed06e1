"""Who counts as listed by relation: the 50 percent rule over owners, steps and days, and the other kinds."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.attribution.ties import Listed, Related, Span, Tie, minus, ties, union

DAY = date(2022, 1, 1)


def day(n: int) -> date:
    """The n-th day."""
    return DAY + timedelta(days=n)


class Told:
    """Relations as they are told, numbered."""

    def __init__(self) -> None:
        self.related: list[Related] = []
        self.listed: list[Listed] = []

    def owns(self, other: str, entity: str, percent: str, *days: date | None) -> "Told":
        """Say that one holds a share of another."""
        return self.relation(entity, "owned_by", other, Decimal(percent), *days)

    def relation(
        self, entity: str, kind: str, other: str, percent: Decimal | None = None, *days: date | None
    ) -> "Told":
        """Say one relation."""
        first, last = (*days, None, None)[:2]
        self.related.append(Related(len(self.related), entity, kind, other, percent, first, last))
        return self

    def lists(self, entity: str, *days: date | None, list_id: str = "ofac_sdn") -> "Told":
        """Say that one is on a list."""
        first, last = (*days, None, None)[:2]
        self.listed.append(Listed(entity, list_id, first, last))
        return self

    def of(self, entity: str) -> list[Tie]:
        """Ties of one party."""
        return [one for one in ties(self.related, self.listed) if one.entity_id == entity]


@pytest.mark.parametrize(("percent", "tied"), [("49.99", False), ("50", True), ("100", True)])
def test_half_of_a_party_is_enough(percent: str, tied: bool) -> None:
    """50 percent in one listed hand ties, a hundredth less does not."""
    found = Told().lists("bad").owns("bad", "firm", percent).of("firm")
    assert bool(found) == tied
    if found:
        assert (found[0].kinds, found[0].percent, found[0].path) == (("owned_50",), Decimal(percent), (0,))


def test_shares_of_listed_owners_add_up() -> None:
    """OFAC's example: two blocked owners of 25 percent each; an unlisted one counts for nothing."""
    told = Told().lists("x").lists("y").owns("x", "firm", "25").owns("y", "firm", "25").owns("other", "firm", "50")
    (found,) = told.of("firm")
    assert (found.percent, set(found.path)) == (Decimal(50), {0, 1})


def test_a_chain_counts_by_majority_and_not_by_product() -> None:
    """X owns 50 of A, A owns 50 of B: B is blocked, though X's part in it is a quarter (OFAC, question 401)."""
    (found,) = Told().lists("x").owns("x", "a", "50").owns("a", "b", "50").of("b")
    assert (found.kinds, found.path) == (("owned_50",), (1, 0))


def test_a_broken_chain_does_not_count() -> None:
    """X owns 25 of A, A owns all of B: A is not blocked, and so neither is B."""
    assert not Told().lists("x").owns("x", "a", "25").owns("a", "b", "100").of("b")


def test_every_list_is_added_up_by_itself() -> None:
    """A quarter in the hands of a party on one list and a quarter on another are half on none."""
    told = Told().lists("x").lists("y", list_id="eu").owns("x", "firm", "25").owns("y", "firm", "25")
    assert not told.of("firm")


def test_two_sources_of_one_share_are_not_added() -> None:
    """The same owner named twice holds the larger share, once."""
    assert not Told().lists("x").owns("x", "firm", "30").owns("x", "firm", "25").of("firm")


def test_a_tie_lasts_as_long_as_listing_and_ownership() -> None:
    """It begins with the later and ends with the earlier, and comes back with a second holding."""
    told = Told().lists("x", day(10), day(50)).owns("x", "firm", "60", day(5), day(20)).owns("x", "firm", "60", day(30))
    assert [(one.tied_from, one.tied_to) for one in told.of("firm")] == [(day(10), day(20)), (day(30), day(50))]


def test_an_unstated_share_counts_for_nothing() -> None:
    """Owned by a listed party, by how much nobody says: shown as a relation, tied to nothing."""
    assert not Told().lists("x").relation("firm", "owned_by", "x").of("firm")


@pytest.mark.parametrize("kind", ["successor_of", "operated_by", "nested_in", "fronts_for"])
def test_other_kinds_tie_and_are_named(kind: str) -> None:
    """Each is a kind of its own; behind an owner both are named."""
    told = Told().lists("x").relation("a", kind, "x").owns("a", "b", "80")
    assert told.of("a")[0].kinds == (kind,)
    assert told.of("b")[0].kinds == tuple(sorted((kind, "owned_50")))


def test_the_fewest_kinds_that_carry_it_are_named() -> None:
    """A party that is both owned and a successor is tied by either, and not by both together."""
    told = Told().lists("x").owns("x", "a", "50").relation("a", "successor_of", "x")
    assert sorted(one.kinds for one in told.of("a")) == [("owned_50",), ("successor_of",)]


def test_the_listed_party_is_tied_by_itself() -> None:
    """Since when its unlisted addresses are those of a listed party."""
    (found,) = Told().lists("x", day(3), day(9)).of("x")
    assert (found.kinds, found.tied_from, found.tied_to, found.path) == (("listed",), day(3), day(9), ())


def test_a_delisted_party_may_still_be_owned() -> None:
    """Its own listing ends, its owner's does not."""
    told = Told().lists("x").lists("firm", day(1), day(5)).owns("x", "firm", "50", day(0))
    assert [(one.kinds, one.tied_from, one.tied_to) for one in told.of("firm")] == [
        (("listed",), day(1), day(5)),
        (("owned_50",), day(0), day(1)),
        (("owned_50",), day(5), None),
    ]


def test_parties_that_hold_each_other_are_not_blocked_by_that() -> None:
    """A circle of shares without a listed owner ties nobody; with one, both, and the path has no circle."""
    told = Told().owns("a", "b", "60").owns("b", "a", "40").lists("x")
    assert not told.of("a")
    assert not told.of("b")
    told.owns("x", "a", "50")
    assert told.of("a")[0].path == (2,)
    assert told.of("b")[0].path == (0, 2)


def slowly(related: Sequence[Related], listed: Sequence[Listed], at: date, allowed: frozenset[str]) -> set[str]:
    """Who is listed or tied on a day by relations of some kinds: asked again until nobody is added."""
    blocked = {one.entity_id for one in listed if one.span.start <= at < one.span.end}
    while True:
        added = set()
        standing = [one for one in related if one.span.start <= at < one.span.end and one.other_id in blocked]
        for entity in {one.entity_id for one in standing} - blocked:
            mine = [one for one in standing if one.entity_id == entity and one.tier in allowed]
            owners = {one.other_id for one in mine if one.kind == "owned_by"}
            held = sum(
                max(one.percent or Decimal(0) for one in mine if one.other_id == owner and one.kind == "owned_by")
                for owner in owners
            )
            if held >= 50 or any(one.kind != "owned_by" for one in mine):
                added.add(entity)
        if not added:
            return blocked
        blocked |= added


PARTIES = st.sampled_from("abcdef")
DAYS = st.integers(0, 6)


@st.composite
def _relations(draw: st.DrawFn) -> list[Related]:
    found = []
    for number in range(draw(st.integers(0, 10))):
        kind = draw(st.sampled_from(["owned_by", "owned_by", "successor_of", "fronts_for"]))
        one, other = draw(PARTIES), draw(PARTIES)
        percent = Decimal(draw(st.sampled_from([25, 30, 50, 60, 100]))) if kind == "owned_by" else None
        first, length = draw(DAYS), draw(st.integers(1, 6))
        if one != other:
            found.append(Related(number, one, kind, other, percent, day(first), day(first + length)))
    return found


LISTINGS = st.builds(
    lambda who, first, n: Listed(who, "l", day(first), day(first + n)), PARTIES, DAYS, st.integers(1, 6)
)


@given(_relations(), st.lists(LISTINGS, max_size=2))
def test_ties_are_those_of_the_definition(related: list[Related], listed: list[Listed]) -> None:
    """On every day and for every choice of kinds by the definition; the path holds on the first day."""
    found = ties(related, listed)
    choices = (["owned_50"], ["successor_of"], ["owned_50", "successor_of"], ["owned_50", "successor_of", "fronts_for"])
    for allowed in map(frozenset, choices):
        for at in map(day, range(13)):
            holding = [one for one in found if (one.tied_from or DAY) <= at < (one.tied_to or day(99))]
            tied = {one.entity_id for one in holding if set(one.kinds) <= allowed | {"listed"}}
            assert tied == slowly(related, listed, at, allowed), (at, allowed)
    by_id = {one.relation_id: one for one in related}
    for one in found:
        start = one.tied_from or DAY
        steps = [by_id[at] for at in one.path]
        assert all(step.span.start <= start < step.span.end for step in steps)
        assert bool(steps) == (one.kinds != ("listed",))


@given(st.lists(st.tuples(DAYS, st.integers(1, 5))), st.lists(st.tuples(DAYS, st.integers(1, 5))))
def test_spans_are_sets_of_days(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """Union and difference hold the days that they should."""

    def spans(given_: list[tuple[int, int]]) -> list[Span]:
        return [Span(day(first), day(first + n)) for first, n in given_]

    def days(given_: Sequence[Span]) -> set[date]:
        return {at for at in map(day, range(20)) if any(one.start <= at < one.end for one in given_)}

    one, other = union(spans(some)), union(spans(others))
    assert days(one) == days(spans(some))
    assert all(a.end < b.start for a, b in pairwise(one))
    assert days(minus(one, other)) == days(one) - days(other)
