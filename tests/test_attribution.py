"""Attribution: what tags say of addresses and clusters, how surely, on what basis, and where they disagree."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from coincurve import PrivateKey

from chains.bitcoin.tables import ScriptType
from heuristics import lookup
from heuristics.attribution.conclusions import Attribution, Identity, attributions, listings
from heuristics.clusters.evidence import cluster_of
from heuristics.exposure.exposures import of_wallet
from store.reader import Cursor, Listing
from tests.lakes import Claims, In, Script, World, indexed, key_hash, named, nested, p2pk, p2pkh, p2wpkh, pay

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


def who(cur: Cursor, of: str | Script) -> list[Attribution]:
    """Ask who a named address or a script is."""
    script = named(of) if isinstance(of, str) else of
    facts = lookup.address(cur, script.id)
    return attributions(cur, facts.cluster_id if facts else None, script.id)


KEY, OTHER = (PrivateKey(bytes([n]) * 32).public_key for n in (1, 2))
COMPRESSED, WHOLE = KEY.format(), KEY.format(compressed=False)
FORMS = {"p2pkh": p2pkh(COMPRESSED), "p2wpkh": p2wpkh(COMPRESSED), "nested": nested(COMPRESSED)}
FORMS |= {"p2pk": p2pk(COMPRESSED)}
WHOLE_P2PK = Script(b"\x41" + WHOLE + b"\xac", ScriptType.P2PK_UNCOMPRESSED, COMPRESSED)
SHOWING = ("p2pkh", "p2wpkh", "p2pk")


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


def check_identity(found: list[Attribution], asked: Script, listed: Script) -> None:
    """One conclusion: listed by the key alone, without a transaction, naming both scripts."""
    (one,) = found
    (step,) = one.evidence
    assert (one.entity_id, one.basis, one.confidence, one.n_tags) == ("garantex", "ownership_rule", 100, 1)
    assert one.listing == Listing("ofac_sdn", "garantex", date(2022, 4, 5), None)
    assert isinstance(step, Identity)
    assert (step.rule, step.confidence, step.txid) == ("samekey@1", 100, None)
    ends = step.from_address, step.to_address
    assert [(end.script_type, end.payload) for end in ends] == [(s.kind, s.payload) for s in (asked, listed)]
    assert [end.address_id for end in ends] == [asked.id, listed.id]


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("listed", SHOWING)
def test_a_listed_keys_other_scripts_are_its_owners(
    tmp_path: Path, world: World, claims: Claims, listed: str, seen: bool
) -> None:
    """A listed script was never seen: every other script of its key is the party's, seen on chain or not."""
    # A hash does not tell its key: a P2PK script that nobody has seen stays unknown.
    others = {name: script for name, script in FORMS.items() if name != listed and (seen or name != "p2pk")}
    for script in others.values() if seen else ():
        world.mint(pay(script, 10))
    claims.tag(FORMS[listed], "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        for script in others.values():
            check_identity(who(cur, script), script, FORMS[listed])
            assert listings(cur, script.id) == listings(cur, FORMS[listed].id) != ()
        assert who(cur, p2wpkh(OTHER.format())) == who(cur, nested(OTHER.format())) == []


def test_a_script_never_seen_of_a_key_that_was(tmp_path: Path, world: World, claims: Claims) -> None:
    """The listed script was seen, and so was its P2WPKH twin: its cluster tells that one, once, the key the rest."""
    world.mint(pay(FORMS["p2pkh"], 10))
    world.mint(pay(FORMS["p2wpkh"], 10))
    claims.tag(FORMS["p2pkh"], "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        assert [f.basis for f in who(cur, FORMS["p2wpkh"])] == ["cluster_of_listed_address"]
        check_identity(who(cur, FORMS["nested"]), FORMS["nested"], FORMS["p2pkh"])


def test_a_key_without_compression_is_the_same_key(tmp_path: Path, world: World, claims: Claims) -> None:
    """A P2PK script tells the hashes of both forms of its key, whichever form it shows."""
    hashed = p2pkh(WHOLE)
    claims.tag(WHOLE_P2PK, "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        for script in (hashed, *(FORMS[name] for name in ("p2pkh", "p2wpkh", "nested"))):
            check_identity(who(reader.cursor(), script), script, replace(WHOLE_P2PK, kind=ScriptType.P2PK))


def test_a_key_that_was_paid_directly_tells_its_hash(tmp_path: Path, world: World, claims: Claims) -> None:
    """The uncompressed key's P2PKH script is listed, its P2PK script was paid: the key ties all its scripts."""
    hashed = p2pkh(WHOLE)
    world.mint(pay(WHOLE_P2PK, 10))
    claims.tag(hashed, "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        check_identity(who(cur, FORMS["p2wpkh"]), FORMS["p2wpkh"], hashed)
        (found,) = who(cur, WHOLE_P2PK)
    assert (found.basis, found.evidence[-1].to_address.payload) == ("ownership_rule", key_hash(WHOLE))


def test_a_plain_tag_speaks_for_the_keys_other_scripts(tmp_path: Path, world: World, claims: Claims) -> None:
    """What is no listing reaches them likewise, with its confidence, and counts once per tag."""
    world.mint(pay(FORMS["p2wpkh"], 10))
    world.mint(pay(FORMS["nested"], 10))
    claims.tag(FORMS["p2pkh"], "kraken", confidence=60)
    claims.tag(FORMS["p2pkh"], "kraken", confidence=20)
    with indexed(world, tmp_path, claims) as reader:
        for name in ("p2wpkh", "nested"):
            (found,) = who(reader.cursor(), FORMS[name])
            assert (found.basis, found.confidence, found.n_tags) == ("ownership_rule", 60, 2)
            assert (found.listing, len(found.evidence)) == (None, 1)


def test_the_cluster_of_a_listed_keys_script_is_listed(tmp_path: Path, world: World, claims: Claims) -> None:
    """An address that spent together with another script of a listed key: the edges, then the identity."""
    one, two = world.mint(pay(FORMS["p2wpkh"], 10)), world.mint(pay("e", 10))
    world.spend([one, two], pay("x", 15))
    claims.tag(FORMS["p2pkh"], "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        (found,) = who(cur, "e")
        assert len(who(cur, FORMS["p2wpkh"])) == 1
        exposed = of_wallet(cur, cluster_of(cur, named("x").id))
        (dealt,) = (one for one in exposed if one.direction == "received" and one.listing)
    assert (found.basis, found.confidence) == ("cluster_of_listed_address", 99)
    assert [step.rule for step in found.evidence] == ["cospend@1", "samekey@1"]
    assert found.evidence[-1].to_address.address_id == FORMS["p2pkh"].id
    assert (dealt.entity_id, dealt.value) == ("garantex", 15)


def test_own_tag_comes_before_the_keys(tmp_path: Path, world: World, claims: Claims) -> None:
    """Two scripts of a key that are both listed are each listed themselves, once."""
    claims.tag(FORMS["p2pkh"], "garantex", **LISTED)
    claims.tag(FORMS["p2wpkh"], "garantex", **LISTED)
    with indexed(world, tmp_path, claims) as reader:
        cur = reader.cursor()
        assert [f.basis for f in who(cur, FORMS["p2wpkh"])] == ["listed_address"]
        (found,) = who(cur, FORMS["nested"])
        assert (found.basis, found.n_tags) == ("ownership_rule", 2)
        assert cur.known.inherited[FORMS["p2pkh"].id] == frozenset()


def test_a_tag_that_may_not_name_its_cluster_still_names_its_key(tmp_path: Path, world: World, claims: Claims) -> None:
    """The other script of the key is seen and in the same cluster: the key says it, as the cluster may not."""
    world.mint(pay(FORMS["p2pkh"], 10))
    world.mint(pay(FORMS["p2wpkh"], 10))
    claims.tag(FORMS["p2pkh"], "garantex", **LISTED, cluster_definer=False)
    with indexed(world, tmp_path, claims) as reader:
        found = who(reader.cursor(), FORMS["p2wpkh"])
    assert [f.basis for f in found] == ["ownership_rule"]
