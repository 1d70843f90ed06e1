"""Who an address is by its wallet and by rules: over change links, and through a claim's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pytest

from heuristics import lookup
from heuristics.attribution.conclusions import Attribution, attributions
from heuristics.attribution.ranking import rank
from heuristics.clusters.change.votes import AMOUNT, TYPE
from heuristics.clusters.evidence import NotTogetherError, why
from heuristics.generation import build
from heuristics.rules.change import CHANGE
from heuristics.rules.clusters import COSPEND
from heuristics.rules.multiparty import JOINMARKET
from store.index import Index
from store.reader import Cursor, Reader
from tests.lakes import Claims, In, Tx, World, named, pay
from worlds.score.attributed import first_conclusions

# Any rule of another tier will do as claim.
LINK, CLAIM = CHANGE, JOINMARKET


class Told:
    """A world of clusters {a, b} and {c, d}, e alone, and hot wallet {h, g}; a pays c, e pays h."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World()
        self.claims = Claims()
        for party in ("kraken", "garantex"):
            self.claims.entity(party)
        mint = self.world.mint
        one, two = mint(pay("a", 10), pay("a", 5)), mint(pay("b", 10))
        self.world.spend([In(one, 0), two], pay("x", 15))
        self.change = self.world.spend([In(one, 1)], pay("c", 4))
        self.world.spend([self.change, mint(pay("d", 3))], pay("x", 6))
        hot = mint(pay("h", 10), pay("h", 1)), mint(pay("g", 10))
        self.world.spend([In(hot[0], 0), hot[1]], pay("x", 18))
        self.sweep = self.world.spend([mint(pay("e", 7))], pay("h", 7))

    @contextmanager
    def opened(self, *, linked: bool = False, claim: tuple[str | None, int] | None = None) -> Iterator[Reader]:
        """Build, lay wallets and claims over it by hand, conclude again and open."""
        lake, index = self.world.write(self.folder), Index(self.folder)
        generation = build(lake, self.claims, index)
        base, overlay = (index.dir / f.name for f in generation.files if f.name.endswith(".duckdb"))
        with duckdb.connect(str(base)) as con:
            con.execute("INSERT INTO change VALUES (?, 0, 900, ?, ?)", [self.change.id, TYPE | AMOUNT, LINK.id])
            numbers = dict(con.execute("SELECT address_id, number FROM address").fetchall())
            of = dict(con.execute("SELECT number, coalesce(cluster, number) FROM address").fetchall())
        self.number = {name: numbers[named(name).id] for name in "abcdeghx"}
        self.cluster = {name: of[number] for name, number in self.number.items()}
        with duckdb.connect(str(overlay)) as con:
            con.execute(f"ATTACH '{base}' AS base (READ_ONLY)")
            if linked:
                a, c = self.cluster["a"], self.cluster["c"]
                con.executemany("INSERT INTO wallet VALUES (?, ?)", [[a, a], [c, a]])
                row = [c, a, self.number["c"], self.number["a"], LINK.id, self.change.id, 90]
                con.execute("INSERT INTO wallet_edge VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if claim is not None:
                entity, percent = claim
                row = [self.cluster["e"], entity, "exchange", percent, CLAIM.id, self.number["h"], self.sweep.id, 1, 7]
                con.execute("INSERT INTO claim VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            rank(con)
        with Reader([index.dir / file.name for file in generation.files]) as reader:
            yield reader


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """The world, with nobody named yet."""
    return Told(tmp_path)


def who(cur: Cursor, name: str) -> list[Attribution]:
    """Ask who a named address is."""
    facts = lookup.address(cur, named(name).id)
    assert facts is not None
    return attributions(cur, facts.cluster_id, facts.address_id)


def steps(found: Attribution) -> list[tuple[str, int | None]]:
    """Rule and transaction of each step."""
    return [(step.rule, step.tx_id) for step in found.evidence]


def test_why_leads_over_a_change_link(told: Told) -> None:
    """Between b and d: a's cluster, the change link with its confidence, c's cluster."""
    with told.opened(linked=True) as reader:
        chain = why(reader.cursor(), named("b").id, named("d").id)
    assert [step.rule for step in chain] == [COSPEND.label, LINK.label, COSPEND.label]
    assert [step.confidence for step in chain] == [99, 90, 99]
    ends = [(step.from_address.address_id, step.to_address.address_id) for step in chain]
    assert ends == [(named(one).id, named(two).id) for one, two in ("ba", "ac", "cd")]
    assert chain[1].tx_id == told.change.id
    assert [step.families for step in chain] == [(), ("type", "amount"), ()]


def test_without_the_link_nothing_ties_them(told: Told) -> None:
    """Clusters of different wallets are not together."""
    with told.opened() as reader, pytest.raises(NotTogetherError, match="different clusters and wallets"):
        why(reader.cursor(), named("b").id, named("d").id)


def test_a_tag_reaches_the_wallet_over_the_link(told: Told) -> None:
    """Confidence multiplies over cospend, change link and cospend; the way back is as long."""
    told.claims.tag("b", "kraken", confidence=80)
    with told.opened(linked=True) as reader:
        cur = reader.cursor()
        (far,) = who(cur, "d")
        (near,) = who(cur, "a")
        assert who(cur, "e") == []
    assert (far.entity_id, far.basis, far.confidence) == ("kraken", "entity_attribution", 80 * 99 * 90 * 99 // 100**3)
    assert len(far.evidence) == 3
    assert (near.confidence, len(near.evidence)) == (79, 1)


def test_a_listing_over_a_change_link_is_told_and_is_no_ownership(told: Told) -> None:
    """Listed in one cluster: there it is ownership, in the wallet's other one a conclusion with the listing."""
    told.claims.tag("b", "garantex", list_id="ofac_sdn", category="sanctioned_entity", confidence=100)
    with told.opened(linked=True) as reader:
        cur = reader.cursor()
        (near,), (far,) = who(cur, "a"), who(cur, "c")
    assert near.basis == "cluster_of_listed_address"
    assert far.basis == "entity_attribution"
    assert far.listing is not None


def test_a_tag_of_an_address_alone_does_not_name_a_wallet(told: Told) -> None:
    """Who may not speak for others does not, once change links give it others."""
    told.claims.tag("a", "kraken", cluster_definer=False)
    with told.opened(linked=True) as reader:
        cur = reader.cursor()
        assert [one.entity_id for one in who(cur, "a")] == ["kraken"]
        assert who(cur, "c") == []


def test_a_claim_leads_through_its_transaction_to_the_tag(told: Told) -> None:
    """A deposit address: the sweep, then the hot wallet's own edges, to the tagged address; no surer than the tag."""
    told.claims.tag("g", "kraken", confidence=70)
    with told.opened(claim=("kraken", 90)) as reader:
        (found,) = who(reader.cursor(), "e")
    assert (found.entity_id, found.basis, found.rule) == ("kraken", "ownership_rule", CLAIM.label)
    assert steps(found)[0] == (CLAIM.label, told.sweep.id)
    assert found.evidence[0].from_address.address_id == named("e").id
    assert found.evidence[0].to_address.address_id == named("h").id
    assert found.evidence[-1].to_address.address_id == named("g").id
    assert (found.confidence, found.tags[0].confidence, found.listing) == (70, 70, None)


def test_a_claim_of_a_service_that_nobody_names(told: Told) -> None:
    """There is no tag to lead to: the evidence is the claim's transaction."""
    with told.opened(claim=(None, 60)) as reader:
        (found,) = who(reader.cursor(), "e")
    assert (found.entity_id, found.category, found.confidence, found.tags) == (None, "exchange", 60, ())
    assert steps(found) == [(CLAIM.label, told.sweep.id)]


def test_a_name_comes_before_a_service_without_one(told: Told) -> None:
    """However unsure the tag."""
    told.claims.tag("e", "kraken", confidence=20)
    with told.opened(claim=(None, 60)) as reader:
        found = who(reader.cursor(), "e")
    assert [one.entity_id for one in found] == ["kraken", None]


def test_a_tag_that_ended_or_was_withdrawn_says_nothing_of_now(told: Told) -> None:
    """They are kept; only what stands attributes."""
    told.claims.tag("e", "kraken", valid_to=date(2001, 1, 1))
    told.claims.tag("h", "kraken", retracted=date(2001, 1, 1))
    told.claims.tag("x", "kraken", valid_from=date(2001, 1, 1), valid_to=date(9000, 1, 1))
    with told.opened() as reader:
        cur = reader.cursor()
        assert who(cur, "e") == who(cur, "h") == who(cur, "g") == []
        assert [one.entity_id for one in who(cur, "x")] == ["kraken"]
        assert cur.row("SELECT count(*), count(*) FILTER (stands) FROM tag") == (3, 1)


def test_the_whole_table_says_what_the_service_says(told: Told) -> None:
    """For every address: the first conclusion, over change links and claims too."""
    told.claims.tag("b", "garantex", list_id="ofac_sdn", category="sanctioned_entity", confidence=100)
    told.claims.tag("g", "kraken", confidence=70)
    told.claims.tag("d", "kraken", confidence=55)
    with told.opened(linked=True, claim=("kraken", 65)) as reader:
        cur = reader.cursor()
        n = cur.row("SELECT count(*) FROM address")[0]
        con = cur.execute("SELECT 1").cursor()
        told_at_once = {row["number"]: row for row in first_conclusions(con, n).to_pylist()}
        for name, number in told.number.items():
            found = who(cur, name)
            row = told_at_once.get(number)
            assert (row is None) == (not found), name
            if row is not None:
                best = found[0]
                said = (row["entity"], row["category"], row["confidence"], row["basis"], row["listed"])
                mine = best.listing is not None
                assert said == (best.entity_id or "", best.category, best.confidence, best.basis, mine), name


def test_the_transaction_is_that_of_the_claim(told: Told) -> None:
    """The claim's member is the one that is in its transaction."""
    assert isinstance(told.sweep, Tx)
    with told.opened(claim=("kraken", 90)) as reader:
        row = reader.cursor().row("SELECT number, toward, tx_id, rule FROM attribution")
    assert row == (told.number["e"], told.number["h"], told.sweep.id, CLAIM.id)
