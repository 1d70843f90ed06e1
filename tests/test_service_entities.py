"""Entities, their relations, and who is behind an address, by REST and command line."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chains.bitcoin.address import text_of_payload
from heuristics.rules.clusters import COSPEND
from service.api import who_models
from service.attribution import attribution
from service.live import ParsedOnce, Question, _ground
from service.settings import Settings
from store.index import Index
from store.labels import Labels
from store.lake import Lake
from store.reader import Reader
from tests.service_world import TestClient, World, client, copy_of, index

BITCOIN = "/v1/addresses/bitcoin"
RELATED = """title: Relations
creator: Someone
lastmod: '2020-01-01'
actors:
- id: taiga
  label: Taiga
  categories: [exchange]
  jurisdictions: [RU]
  identifiers: [ofac_sdn-90001]
  aliases: [Taiga Obmen]
- id: straits_bridge
  label: Straits Bridge Pte. Ltd.
  categories: [payment_processor]
  jurisdictions: [SG]
  relations:
  - {kind: owned_by, entity: holding, percent: 75.5, valid_from: 2019-01-01, source: 'https://example.org/register'}
- id: holding
  label: Holding
  categories: [organization]
  relations:
  - {kind: owned_by, entity: ofac_sdn-90001, percent: 50, source: 'https://example.org/leak'}
"""
TAGS = """title: Relations' tags
creator: Someone
lastmod: '2020-01-01'
currency: BTC
source: https://example.org
confidence: service_data
is_cluster_definer: true
tags:
- {address: %s, label: front, actor: straits_bridge}
- {address: %s, label: former, actor: hinode, valid_to: 2019-01-01}
- {address: %s, label: mistaken, actor: hinode, retracted: 2019-01-01}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The demo with what is related to its listed exchange, and a link that was cut and one that was refused."""
    folder = tmp_path_factory.mktemp("entities")
    copied = copy_of(folder / "data")
    (folder / "actors.yaml").write_text(RELATED)
    shell, bystander, never = (copied.case(name).address for name in ("shell", "bystander", "never seen"))
    (folder / "tags.yaml").write_text(TAGS % (shell, bystander, never))
    labels = Labels(copied.data)
    labels.add([folder / "actors.yaml", folder / "tags.yaml"], network="regtest")
    index(copied.data)
    return copied


@pytest.fixture(scope="module")
def api(told: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Start the application on it."""
    with client(told.data, tmp_path_factory.mktemp("records") / "records.sqlite") as talking:
        yield talking


def get(api: TestClient, path: str) -> Any:
    """Return the JSON of a GET that has to succeed."""
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_entity_goes_by_every_id_that_it_has(api: TestClient) -> None:
    """The list's id, an alias and its own id give one entity, with the list's category and dates."""
    found = [get(api, f"/v1/entities/{name}") for name in ("taiga", "ofac_sdn-90001", "Taiga Obmen")]
    for one in found:
        who_models.EntityAnswer.model_validate(one)
        assert (one["id"], one["name"], one["category"]) == ("taiga", "Taiga", "sanctioned_entity")
        assert one["identifiers"] == ["ofac_sdn-90001"]
        assert [row["list"] for row in one["listings"]] == ["ofac_sdn"]
    assert api.get("/v1/entities/nobody/relations").status_code == 404


def test_relations_are_told_from_both_ends_with_the_path_to_the_listed_party(api: TestClient) -> None:
    """The front is owned over a holding: each step with its share, dates and source."""
    front, holding = (get(api, f"/v1/entities/{name}/relations") for name in ("straits_bridge", "holding"))
    for one in (front, holding):
        who_models.RelationsAnswer.model_validate(one)
    assert [(row["kind"], row["percent"], row["other"]["id"]) for row in front["items"]] == [
        ("owned_by", "75.50", "holding")
    ]
    assert {row["entity"]["id"] for row in holding["items"]} == {"straits_bridge", "holding"}
    (tie,) = front["listed_by"]
    assert (tie["kinds"], tie["list"], tie["percent"]) == (["owned_50"], "ofac_sdn", "75.50")
    assert [row["source"]["uri"] for row in tie["path"]] == [
        "https://example.org/register",
        "https://example.org/leak",
    ]


@pytest.mark.parametrize("policy", ["sanctions-only", "balanced", "strict-jp"])
def test_what_a_listed_party_owns_is_blocked(api: TestClient, told: World, policy: str) -> None:
    """The front's unlisted address is blocked by the 50 percent rule, and the reason says by what."""
    asked = {"kind": "address", "address": told.case("shell").address, "policy": policy}
    answer = api.post("/v1/screenings", json=asked).json()
    assert answer["decision"] == "block"
    (trigger,) = [one for one in answer["triggers"] if one["rule_id"] == "R-REL-OWN-1"]
    assert "straits_bridge owned_50 ofac_sdn" in trigger["expression"]


def test_the_attribution_of_a_front_names_who_is_behind_it(api: TestClient, told: World) -> None:
    """The tag that says who it is, and how that party counts as listed."""
    found = get(api, f"{BITCOIN}/{told.case('shell').address}/attribution")
    who_models.AttributionAnswer.model_validate(found)
    assert found["attributions"][0]["entity"]["id"] == "straits_bridge"
    assert "front" in {tag["label"] for tag in found["tags"]}
    assert [tie["kinds"] for tie in found["listed_by"]] == [["owned_50"]]


@pytest.mark.parametrize(("case", "kind"), [("bystander", "ended_tag"), ("never seen", "retracted_tag")])
def test_what_ended_or_was_withdrawn_speaks_against(api: TestClient, told: World, case: str, kind: str) -> None:
    """It is shown with its dates and attributes nothing."""
    found = get(api, f"{BITCOIN}/{told.case(case).address}/attribution")
    assert found["attributions"] == []
    assert [tag["stands"] for tag in found["tags"]] == [False]
    assert [one["kind"] for one in found["against"]] == [kind]


def test_cuts_refusals_and_shared_custody_speak_against(told: World, tmp_path: Path) -> None:
    """A link that was cut and one that was refused are told with rule, transaction and both addresses."""
    data = tmp_path / "data"
    shutil.copytree(told.data, data, ignore=shutil.ignore_patterns("records.sqlite*"))
    generation, folder = Index(data).current(), Index(data).dir
    assert generation is not None
    base, overlay = (folder / one.name for one in generation.files if one.name.endswith(".duckdb"))
    with duckdb.connect(str(base), read_only=True) as con:
        edge = con.execute(
            "SELECT e.number, e.parent, e.tx_id, a.cluster, a.script_type, a.payload "
            "FROM cluster_edge e JOIN address a USING (number) LIMIT 1"
        ).fetchone()
    assert edge is not None
    number, other, tx_id, cluster, kind, payload = edge
    with duckdb.connect(str(overlay)) as con:
        link = [number, other, COSPEND.id, tx_id]
        con.execute("INSERT INTO cut VALUES (?, ?, -1, ?, ?, ?, ?, 91)", [cluster, cluster, *link])
        con.execute("INSERT INTO refusal VALUES (?, ?, ?, ?, 995, 'two_actors')", link)
        con.execute("INSERT INTO conflict VALUES (?, 'taiga', ?, TRUE)", [cluster, cluster])

    with Reader([folder / one.name for one in generation.files]) as reader:
        ground = _ground(generation, reader, Lake.open(data))
        question = Question(ground, ParsedOnce(reader.cursor()), None)
        found = attribution(question, Settings(data=data), text_of_payload(kind, payload, "regtest") or "")["against"]
    assert [one["kind"] for one in found] == ["shared_custody", "cut", "refused"]
    assert [one["confidence"] for one in found] == [None, "0.910", "0.995"]
    assert "two_actors" in found[2]["detail"]
    for one in found[1:]:
        who_models.Against.model_validate(one)
        assert one["address"]
        assert one["other_address"]


def command(told: World, *words: str) -> str:
    """What a command writes."""
    whole = [sys.executable, "-m", "service.cli", *words, "--data", str(told.data)]
    return subprocess.run(whole, capture_output=True, text=True, check=True).stdout


def test_the_command_line_tells_the_same(told: World) -> None:
    """`tadoru entity` and `tadoru attribution`, in lines and as JSON."""
    lines = command(told, "entity", "straits_bridge")
    assert "Straits Bridge Pte. Ltd. owned_by 75.50 percent Holding" in lines
    assert "counts as listed on ofac_sdn by owned_50 (75.50 percent together)" in lines
    who = json.loads(command(told, "attribution", told.case("shell").address, "--json"))
    assert who["attributions"][0]["entity"]["id"] == "straits_bridge"
    assert "against: Relations' tags says 'former'" in command(told, "attribution", told.case("bystander").address)
