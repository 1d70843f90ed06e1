"""Attribution: what tags say of addresses and clusters, how surely, on what basis, and where they disagree."""

from datetime import date
from pathlib import Path

import pytest

from heuristics import lookup
from heuristics.attribution.conclusions import Attribution, attributions, listings
from store.reader import Cursor, Listing
from tests.lakes import Claims, In, World, indexed, named, pay

LISTED = {"list_id": "ofac_sdn", "listed_from": date(2022, 4, 5), "category": "sanctioned_entity", "confidence": 100}


@pytest.fixture
def world() -> World:
    """A cluster a, b, c, in which b came first, and d alone."""
    world = World()
    b, a, c = world.mint(pay("b", 10)), world.mint(pay("a", 10), pay("a", 5)), world.mint(pay("c", 10))
    world.spend([In(a, 0), b], pay("x", 15))
    world.spend([In(a, 1), c], pay("x", 12))
    world.mint(pay("d", 10))
    return world


@pytest.fixture
def claims() -> Claims:
    """Two parties to claim things of."""
    claims = Claims()
    claims.entity("garantex", "sanctioned_entity", ["RU"])
    claims.entity("kraken", "exchange", ["US"])
    return claims


def who(cur: Cursor, name: str) -> list[Attribution]:
    """Ask who a named address is."""
    facts = lookup.address(cur, named(name).id)
    return attributions(cur, facts.cluster_id if facts else None, named(name).id)


def test_listed_address(tmp_path: Path, world: World, claims: Claims) -> None:
    """A listed address is itself listed, with its interval and source, without any edge."""
    claims.tag("a", "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        (found,) = who(reader.cursor(), "a")
    assert (found.entity_id, found.name, found.jurisdictions) == ("garantex", "Garantex", ("RU",))
    assert (found.basis, found.confidence, found.evidence) == ("listed_address", 100, ())
    assert found.listing == Listing("ofac_sdn", "garantex", date(2022, 4, 5), None)
    assert found.tags[0].source_name == "test"


def test_cluster_of_listed_address(tmp_path: Path, world: World, claims: Claims) -> None:
    """Another member is so by its cluster: confidence shrinks along the edges, which are shown."""
    claims.tag("b", "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        (near,), (far,) = who(cur, "a"), who(cur, "c")
        assert who(cur, "x") == who(cur, "d") == []
    assert (near.basis, near.confidence, len(near.evidence)) == ("cluster_of_listed_address", 99, 1)
    assert (far.basis, far.confidence, len(far.evidence)) == ("cluster_of_listed_address", 98, 2)
    assert far.evidence[0].from_address.address_id == named("c").id
    assert far.evidence[-1].to_address.address_id == named("b").id
    assert far.listing is not None


def test_listed_address_never_seen_on_chain(tmp_path: Path, world: World, claims: Claims) -> None:
    """A listing counts before the first transaction."""
    claims.tag("unseen", "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        assert lookup.address(cur, named("unseen").id) is None
        (found,) = who(cur, "unseen")
        assert found.basis == "listed_address"
        assert listings(cur, named("unseen").id) == (found.listing,)
        assert listings(cur, named("a").id) == ()


def test_removed_listing_is_kept_with_its_interval(tmp_path: Path, world: World, claims: Claims) -> None:
    """What was removed from a list is still said, with both dates, after what stands."""
    claims.tag("a", "garantex", **LISTED, listed_to=date(2024, 3, 1))
    claims.tag("b", "kraken", confidence=100)
    with indexed(world, tmp_path, claims) as reader:
        found = who(reader.cursor(), "a")
    assert [f.entity_id for f in found] == ["garantex", "kraken"]
    assert found[0].listing is not None
    assert found[0].listing.listed_to == date(2024, 3, 1)


def test_only_cluster_definers_name_the_cluster(tmp_path: Path, world: World, claims: Claims) -> None:
    """Other tags speak for their own address; alone, an address is its own cluster."""
    claims.tag("a", "kraken", cluster_definer=False)
    claims.tag("d", "kraken", cluster_definer=False)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        assert [f.basis for f in who(cur, "a")] == ["entity_attribution"]
        assert who(cur, "b") == []
        assert [f.entity_id for f in who(cur, "d")] == ["kraken"]
        assert cur.row("SELECT count(*) FROM attribution") == (1,)


def test_two_sure_entities_are_a_conflict(tmp_path: Path, world: World, claims: Claims) -> None:
    """Both are reported, the listed one first, marked as contradicting each other."""
    claims.tag("a", "kraken", confidence=90)
    claims.tag("b", "garantex", **LISTED | {"confidence": 50})
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        for name in ("a", "b", "c"):
            found = who(cur, name)
            assert [f.entity_id for f in found] == ["garantex", "kraken"]
            assert all(f.conflict for f in found)


def test_an_unsure_second_entity_is_no_conflict(tmp_path: Path, world: World, claims: Claims) -> None:
    """Below 50 a claim is shown, but contradicts nobody."""
    claims.tag("a", "kraken", confidence=90)
    claims.tag("b", "garantex", confidence=49)
    with indexed(world, tmp_path, claims) as reader:
        found = who(reader.cursor(), "c")
    assert [(f.entity_id, f.conflict) for f in found] == [("kraken", False), ("garantex", False)]


def test_agreeing_tags_are_counted_and_the_best_shown(tmp_path: Path, world: World, claims: Claims) -> None:
    """Several tags of one entity make one conclusion."""
    claims.tag("a", "kraken", confidence=20)
    claims.tag("a", "kraken", confidence=70)
    claims.tag("b", "kraken", confidence=60)
    with indexed(world, tmp_path, claims) as reader:
        (found,) = who(reader.cursor(), "c")
        (own,) = who(reader.cursor(), "a")
    assert (found.n_tags, found.tags[0].confidence, found.confidence) == (3, 70, 69)
    assert (own.n_tags, [tag.confidence for tag in own.tags]) == (2, [70, 20])


def test_a_tag_without_an_entity_is_a_category(tmp_path: Path, world: World, claims: Claims) -> None:
    """Where the source names nobody, the category is all that is said."""
    claims.tag("a", None, category="mixer")
    with indexed(world, tmp_path, claims) as reader:
        (found,) = who(reader.cursor(), "b")
    assert (found.entity_id, found.name, found.category) == (None, None, "mixer")


def test_tags_of_other_networks_and_chains_are_left_out(tmp_path: Path, world: World, claims: Claims) -> None:
    """The same script on another network is another address."""
    claims.tag("a", "kraken", network="main")
    claims.tag("b", "kraken", chain="ethereum", script=None)
    with indexed(world, tmp_path, claims) as reader:
        assert reader.cursor().row("SELECT count(*) FROM tag") == (0,)


def test_many_claims_keep_the_best(tmp_path: Path, world: World, claims: Claims) -> None:
    """A cluster that many entities are claimed for shows the best five, as a conflict."""
    for i in range(8):
        claims.tag("a", f"e{i}", confidence=60 + i)
    with indexed(world, tmp_path, claims) as reader:
        found = who(reader.cursor(), "c")
    assert [f.entity_id for f in found] == ["e7", "e6", "e5", "e4", "e3"]
    assert all(f.conflict for f in found)


def test_own_tag_does_not_hide_the_listing_of_its_cluster(tmp_path: Path, world: World, claims: Claims) -> None:
    """Where a plain tag names the same party as another member's listing, the listing is said, and first."""
    claims.tag("a", "garantex", confidence=100)
    claims.tag("b", "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        found = who(reader.cursor(), "a")
    assert [(f.basis, f.confidence, f.conflict) for f in found] == [
        ("cluster_of_listed_address", 99, False),
        ("entity_attribution", 100, False),
    ]
    assert len(found[0].evidence) == 1


def test_own_removal_does_not_hide_what_still_stands(tmp_path: Path, world: World, claims: Claims) -> None:
    """A party's address was taken off the list, another one of the same wallet was not: it counts as listed."""
    claims.tag("a", "garantex", **LISTED, listed_to=date(2024, 3, 1))
    claims.tag("b", "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        best, own = who(reader.cursor(), "a")
    assert best.listing is not None
    assert own.listing is not None
    assert (best.basis, best.listing.listed_to) == ("cluster_of_listed_address", None)
    assert (own.basis, own.listing.listed_to) == ("listed_address", date(2024, 3, 1))


def test_own_doubtful_tag_does_not_lower_the_clusters(tmp_path: Path, world: World, claims: Claims) -> None:
    """A weak claim on the address itself leaves a strong one on its cluster as strong as it is."""
    claims.tag("a", "garantex", confidence=10)
    claims.tag("b", "garantex", confidence=90)
    with indexed(world, tmp_path, claims) as reader:
        assert [f.confidence for f in who(reader.cursor(), "a")] == [89, 10]


def test_confidence_is_of_the_tag_that_is_shown(tmp_path: Path, world: World, claims: Claims) -> None:
    """The chain leads to the tag whose confidence it carries, not to a weaker one of the same party."""
    claims.tag("a", "garantex", **LISTED | {"confidence": 40})
    claims.tag("b", "garantex", confidence=100)
    with indexed(world, tmp_path, claims) as reader:
        (found,) = who(reader.cursor(), "c")
    assert (found.tags[0].confidence, found.confidence) == (40, 39)
    assert found.evidence[-1].to_address.address_id == named("a").id
