"""Screening: the story's decisions, what they rest on, and that the same question gives the same bytes."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from chains.bitcoin.address import script_of, text_of_payload
from chains.errors import AddressError
from heuristics.attribution.forms import others, shown
from service import reading, screening
from service.answers import Json, in_force
from service.api import models
from service.desk import Desk, desk_for_once
from service.exits import BadInputError, NotReadyError
from service.live import Live
from service.rulebook import load
from service.settings import Settings
from store.files import remove
from store.index import Index
from store.labels import Labels
from store.reader import Listing
from store.record_tables import AttemptExistsError
from tests.service_world import World, copy_of, index, world

CASES = ("listed", "listed, over the line", "cluster of listed", "same key", "shell", "former counterparty",
         "mixer", "bystander", "never seen")  # fmt: skip
TAG_PACK = """\
title: Test tags
creator: test
is_cluster_definer: true
currency: BTC
lastmod: 2025-03-01
confidence: {confidence}
source: https://example.org/test
tags:
  - address: {address}
    label: {label}
    category: {category}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open the demo world with records of its own."""
    records = f"sqlite:///{tmp_path / 'records.sqlite'}"
    settings = Settings(data=world().data, records_url=records, timeout_ms=10_000)
    with desk_for_once(settings) as opened:
        yield opened


def screen(desk: Desk, address: str, **fields: object) -> Json:
    """Screen an address under the shipped policy."""
    asked = screening.Request(address, **fields)  # type: ignore[arg-type]  # a test passes what it likes
    told: Json = json.loads(screening.screen(desk, asked, load("sanctions-only")).body)
    return told


def add_tags(place: World, address: str, label: str, category: str, confidence: str = "service_data") -> None:
    """Import a tag pack of one tag and publish."""
    path = place.data / "pack.yaml"
    path.write_text(
        TAG_PACK.format(address=address, label=label, category=category, confidence=confidence), encoding="utf-8"
    )
    Labels(place.data).add([path], network="regtest")
    index(place.data)


@pytest.mark.parametrize("name", CASES)
def test_the_story_is_decided_as_it_should_be(desk: Desk, name: str) -> None:
    """Every withdrawal of the demo gets the decision, the basis and the presence on chain that the story says."""
    case = world().case(name)

    told = screen(desk, case.address)

    assert told["decision"] == case.expected
    assert told["status"] == "complete"
    assert told["subject"]["seen_on_chain"] is case.seen_on_chain
    bases = {one["basis"] for one in told["attributions"] if one["legal_status"]}
    assert bases == ({case.basis} if case.basis else set())


def test_the_record_is_what_was_told(desk: Desk) -> None:
    """The filed answer is byte for byte the one that was returned, and the audit chain knows it."""
    asked = screening.Request(world().case("listed").address, attempt_id="wd-1", customer_ref="c-7")

    body = screening.screen(desk, asked, load("sanctions-only"), caller="key_1").body

    told = json.loads(body)
    assert desk.records.decision(told["id"]) == body
    assert (told["attempt_id"], told["customer_ref"]) == ("wd-1", "c-7")
    assert desk.records.verify_chain().screenings == 1
    with pytest.raises(AttemptExistsError, match=told["id"]):
        screening.screen(desk, asked, load("sanctions-only"), caller="key_1")
    assert len(desk.records.decisions(10)) == 1


def test_the_same_question_gives_the_same_hash(desk: Desk) -> None:
    """Clock, caller and spelling do not matter; what is asked does."""
    address = world().case("same key").address

    first = screen(desk, address)
    second = screen(desk, address.upper(), attempt_id="x", customer_ref="y")

    assert first["id"] != second["id"]
    assert first["result_sha256"] == second["result_sha256"]
    assert second["subject"]["submitted"] == address.upper()
    assert second["subject"]["canonical"] == address
    assert first["result_sha256"] != screen(desk, address, direction="outbound")["result_sha256"]
    assert first["result_sha256"] != screen(desk, world().case("listed").address)["result_sha256"]


def test_a_generation_built_again_gives_the_same_hash(desk: Desk, tmp_path: Path) -> None:
    """An index built anew elsewhere from the same lake and labels answers with the same hash."""
    address = world().case("cluster of listed").address
    elsewhere = copy_of(tmp_path / "data")
    for path in Index(elsewhere.data).dir.iterdir():
        remove(path)
    index(elsewhere.data)

    with desk_for_once(Settings(data=elsewhere.data, timeout_ms=10_000)) as other:
        assert screen(other, address)["result_sha256"] == screen(desk, address)["result_sha256"]


def test_ownership_comes_with_its_evidence(desk: Desk) -> None:
    """An unlisted address of a listed party's cluster names list, source, and the transactions in between."""
    told = screen(desk, world().case("same key").address)
    (owner,) = [one for one in told["attributions"] if one["legal_status"]]

    assert owner["legal_status"] == {
        "list": "ofac_sdn",
        "listed_from": world().story.designated_on.isoformat(),
        "listed_to": None,
    }
    assert owner["evidence"]["tagged_address"] == world().case("listed").address
    chain = owner["evidence"]["edges"]
    assert chain[0]["rule"].startswith("samekey@")
    assert chain[0]["from_address"] == told["subject"]["canonical"]
    assert chain[-1]["to_address"] == world().case("listed").address
    assert all(len(edge["txid"]) == 64 for edge in chain)
    assert owner["sources"][0]["name"].startswith("OFAC")
    assert {one["direction"] for one in told["exposures"] if one["kind"] == "ownership"} <= {"received", "sent"}
    assert told["triggers"][0]["rule_id"] == "R-OWN-1"
    assert told["decision_reason"] == "R-OWN-1"


def test_shares_of_each_direction_sum_to_one(desk: Desk) -> None:
    """Nothing is dropped: direct and indirect dealings and what nobody explains make up the whole."""
    told = screen(desk, world().case("former counterparty").address)

    for direction in ("received", "sent"):
        rows = [one for one in told["exposures"] if one["kind"] != "ownership" and one["direction"] == direction]
        rows = [one for one in rows if not one["passes_through"]]
        assert abs(sum(float(one["share"]) for one in rows) - 1) < 1e-5


def test_a_removed_listing_is_shown_and_allowed(tmp_path: Path) -> None:
    """When a newer vintage drops an address, the interval is closed, the decision opens, and both dates stay."""
    place = copy_of(tmp_path / "data")
    newer = place.data / "sdn-2025-03-01"
    newer.mkdir()
    dropped = f"; Digital Currency Address - XBT {place.case('listed').address}".encode()
    for path in place.story.labels[-1].parent.iterdir():
        (newer / path.name).write_bytes(path.read_bytes().replace(dropped, b""))
    Labels(place.data).add([newer / "sdn.csv"], network="regtest")
    index(place.data)

    with desk_for_once(Settings(data=place.data, timeout_ms=10_000)) as desk:
        listed = screen(desk, place.case("listed").address)
        cluster = screen(desk, place.case("cluster of listed").address)
        still = screen(desk, place.case("listed, over the line").address)

    for told in (listed, cluster):
        (was,) = [one["legal_status"] for one in told["attributions"] if one["legal_status"]]
        assert was["listed_to"] == "2025-03-01"
        assert was["listed_from"] == place.story.designated_on.isoformat()
        assert told["decision"] == "allow"
    assert still["decision"] == "block"


def test_a_removed_address_of_a_party_that_is_still_listed_blocks(tmp_path: Path) -> None:
    """A list exchanges one address of a party for another: the first is still under the listed party's control."""
    place = copy_of(tmp_path / "data")
    newer = place.data / "sdn-2025-03-01"
    newer.mkdir()
    before, after = (place.case(name).address.encode() for name in ("listed", "cluster of listed"))
    for path in place.story.labels[-1].parent.iterdir():
        (newer / path.name).write_bytes(path.read_bytes().replace(before, after))
    Labels(place.data).add([newer / "sdn.csv"], network="regtest")
    index(place.data)

    with desk_for_once(Settings(data=place.data, timeout_ms=10_000)) as desk:
        told = screen(desk, place.case("listed").address)

    assert told["decision"] == "block"


def test_a_listing_stands_until_a_removal_that_lies_ahead(desk: Desk) -> None:
    """A removal dated after the labels has not happened yet."""
    with desk.live.ask() as question:
        ground = question.ground
        listing = Listing("x", None, date(2020, 1, 1), None)

        assert in_force(listing, ground)
        assert in_force(replace(listing, listed_to=date(2999, 1, 1)), ground)
        assert not in_force(replace(listing, listed_to=ground.labels_date), ground)


def test_a_tag_of_a_sanctioned_party_blocks_by_its_confidence(tmp_path: Path) -> None:
    """An attribution that is no listing blocks when it is more than a suspicion, and is held otherwise."""
    place = copy_of(tmp_path / "data")
    address = place.case("bystander").address

    add_tags(place, address, "maybe", "sanction", "heuristic")
    with desk_for_once(Settings(data=place.data, timeout_ms=10_000)) as desk:
        suspicion = screen(desk, address)
    add_tags(place, address, "surely", "sanction", "ownership")
    with desk_for_once(Settings(data=place.data, timeout_ms=10_000)) as desk:
        sure = screen(desk, address)

    assert (suspicion["decision"], suspicion["decision_reason"]) == ("review", "R-SUS-1")
    assert (sure["decision"], sure["decision_reason"]) == ("block", "R-ENT-1")
    assert suspicion["as_of"]["labels"] != sure["as_of"]["labels"]
    assert suspicion["as_of"]["block_hash"] == sure["as_of"]["block_hash"]


def unseen_twins() -> list[str]:
    """Give the listed address's key in the other spellings that the story never uses."""
    form = shown(script_of(world().case("listed").address, "regtest"))
    assert form is not None
    spelled = [text_of_payload(*one, "regtest") for one in others(form)]
    told = {case.address for case in world().story.screenings}
    return [text for text in spelled if text is not None and text not in told]


def test_a_listed_key_blocks_in_a_form_that_was_never_seen(desk: Desk) -> None:
    """No transaction names the form that is asked about: its key is listed, which the answer says without one."""
    listed = world().case("listed").address
    twins = unseen_twins()
    assert twins
    for twin in twins:
        told = screen(desk, twin)
        (owner,) = models.Screening.model_validate(told).attributions
        (edge,) = owner.evidence.edges
        assert (told["decision"], told["decision_reason"], told["status"]) == ("block", "R-OWN-1", "complete")
        assert told["subject"]["seen_on_chain"] is False
        assert (owner.basis, owner.confidence, owner.evidence.tagged_address) == ("ownership_rule", "1.00", listed)
        assert (edge.rule, edge.txid, edge.from_address, edge.to_address) == ("samekey@1", None, twin, listed)


def test_a_listed_key_blocks_even_past_the_deadline(desk: Desk) -> None:
    """What follows from a listing by the key alone is in memory, with its own basis."""
    with desk.live.ask(timeout_s=0) as question:
        time.sleep(0.001)
        asked = screening.Request(unseen_twins()[0])
        told = screening.judge(question, desk.settings, asked, load("sanctions-only"))
        listing = question.cursor.known.listings[screening.locate(asked.address, question.ground).address_id]

    assert (told["status"], told["decision"], told["decision_reason"]) == ("partial", "block", "R-OWN-1")
    assert [one["basis"] for one in told["attributions"]] == ["ownership_rule"]
    assert [one.list_id for one in listing] == ["ofac_sdn"]


def test_past_the_deadline_the_answer_is_partial(desk: Desk) -> None:
    """Out of time: indeterminate, unless what is listed has been seen already, which blocks all the same."""
    policy = load("sanctions-only")

    def judged(name: str) -> Json:
        with desk.live.ask(timeout_s=0) as question:
            time.sleep(0.001)
            asked = screening.Request(world().case(name).address)
            return screening.judge(question, desk.settings, asked, policy)

    bystander, listed = judged("bystander"), judged("listed")

    assert (bystander["status"], bystander["decision"]) == ("partial", "indeterminate")
    assert bystander["coverage"]["truncated"] is True
    assert (listed["status"], listed["decision"]) == ("partial", "block")


def test_a_statement_past_the_deadline_is_cut_off() -> None:
    """A question that would run for minutes is interrupted, and its cursor is not given to the next one."""
    live = Live(world().data)
    live.start()
    try:
        started = time.monotonic()
        with pytest.raises(duckdb.InterruptException), live.ask(timeout_s=0.1) as question:
            question.cursor.rows("SELECT count(*) FROM range(1000000000000) t(a), range(1000) u(b) WHERE a % 7 = b")
        assert time.monotonic() - started < 20
        with live.ask(timeout_s=5) as question:
            assert question.cursor.row("SELECT 1") == (1,)
    finally:
        live.stop()


def test_a_listed_address_is_known_without_any_look_up(desk: Desk) -> None:
    """What the lists say is in memory: an interrupted screening of a listed address still blocks."""
    with desk.live.ask() as question:
        found = screening.locate(world().case("listed").address, question.ground)
        listed = question.cursor.known.listings[found.address_id]

        assert [one.list_id for one in listed] == ["ofac_sdn"]


def test_colliding_ids_make_the_answer_partial(desk: Desk) -> None:
    """When two scripts share an id nothing said of it is certain: indeterminate."""
    address = world().case("bystander").address
    with desk.live.ask() as question:
        found = screening.locate(address, question.ground)
        question.ground.quarantined = frozenset({found.address_id})
        told = screening.judge(question, desk.settings, screening.Request(address), load("sanctions-only"))

    assert (told["status"], told["decision"]) == ("partial", "indeterminate")


def test_an_index_beyond_max_lag_is_refused(desk: Desk) -> None:
    """The demo's blocks are old: with a limit on the lag no screening is answered, and reads say stale."""
    settings = desk.settings.model_copy(update={"max_lag": 60})
    with desk.live.ask() as question:
        with pytest.raises(NotReadyError, match="max_lag"):
            screening.judge(
                question, settings, screening.Request(world().case("listed").address), load("sanctions-only")
            )
        told = reading.address(question, settings, world().case("listed").address)

    assert told["coverage"]["stale"] is True


def test_without_an_index_nothing_is_decided(tmp_path: Path) -> None:
    """No index is no allow."""
    with desk_for_once(Settings(data=tmp_path)) as desk, pytest.raises(NotReadyError, match="tadoru backfill"):
        screen(desk, world().case("bystander").address)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "main"),
        ("0x8589427373D6D84E98730D7795D8f6f8731FDA16", "thereum"),
        ("bcrt1qqnmucn9ln9nwt7jhl6en5jwkq0s4uwkne2w3e6", "bcrt1q"),
        ("", "is no address"),
        ("x" * 500, "is no address"),
    ],
)
def test_what_is_no_address_here_is_told(desk: Desk, address: str, words: str) -> None:
    """Another network, another chain, a bad checksum: refused, and nothing is filed."""
    with pytest.raises(AddressError, match=words):
        screen(desk, address)
    assert desk.records.decisions(1) == []


def test_another_chain_is_refused(desk: Desk) -> None:
    """Only the chain that is indexed is answered for, by its CAIP-2 id or its alias."""
    address = world().case("listed").address
    with desk.live.ask() as question:
        caip2 = question.ground.network.caip2

    assert screen(desk, address, chain=caip2)["decision"] == "block"
    with pytest.raises(BadInputError, match="eip155:1"):
        screen(desk, address, chain="eip155:1")
