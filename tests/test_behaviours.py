"""Suspicions: what rules say of a wallet beside who it is, in screenings, reads, reports, policies and replays."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chains.bitcoin.address import script_of
from chains.ids import address_id
from heuristics.attribution.behaviours import DOUBTS, SIGNALS, behaviours
from heuristics.overlay import Beneath, Overlay
from heuristics.rules.mining import MINER_ACCOUNT, MINER_CASHES_OUT
from heuristics.rules.services import NESTED_SERVICE, SHARED_CUSTODY
from heuristics.shells.against import DOUBTS as ALL_DOUBTS
from heuristics.shells.score import CONTROLS
from service import screening
from service.api import models, who_models
from service.live import Live
from store.index import Index
from store.labels import Labels
from store.lake import Lake
from store.manifest import AsOf
from store.reader import Cursor
from tests.service_world import TestClient, World, client, copy_of

LISTED = "ofac_sdn-90001"
HOUR = 3600


@dataclass(frozen=True)
class Told:
    """A copy of the demo in which rules suspect something of a bystander's wallet, by rows written by hand."""

    place: World
    address: str
    txids: list[str]
    """Of the two transactions of its only lot, in displayed form."""


def address(told: World) -> str:
    """Somebody of whom nothing is known."""
    return told.case("bystander").address


def write(place: World, *, tier: int = 2, principal: str = LISTED, leads: bool = True) -> list[str]:
    """Write that a bystander's wallet may be a front, and more; the txids of the lot's two payments."""
    generation, folder = Index(place.data).current(), Index(place.data).dir
    assert generation is not None
    base, overlay = (str(folder / one.name) for one in generation.files if one.name.endswith(".duckdb"))
    key = address_id(script_of(address(place), "regtest"), Lake.open(place.data).secret)
    with duckdb.connect(base, read_only=True) as con:
        found = con.execute("SELECT number, coalesce(cluster, number) FROM address WHERE address_id = ?", [key])
        ((number, cluster),) = found.fetchall()
        # The front is a trail of wallets that goes by another number than the wallet's.
        ((other,),) = con.execute("SELECT max(number) FROM address").fetchall()
        txs = con.execute("SELECT tx_id, txid FROM tx ORDER BY tx_id DESC LIMIT 2").fetchall()
    (go, go_id), (come, come_id) = txs
    with duckdb.connect(overlay) as con:
        row = (other, 910, tier, principal, other, HOUR, 9 * HOUR, 990, 950, 970, 7 * 10**8, 3, 4)
        insert(con, "shell", *row, list(CONTROLS[:2]), ["one_way"])
        insert(con, "shell_wallet", cluster, other)
        insert(con, "shell_lot", other, come, go, 2 * 10**8, 60, True)
        if leads:
            insert(con, "nested", cluster, "hinode", 61, "taiga", 0.25, 40, NESTED_SERVICE.id, other, come, 9, 10**8)
            lead = (come, 12, 5 * 10**7, 80)
            insert(con, "lead", number, "miner_account", "hinode", "JP", 50, MINER_ACCOUNT.id, *lead)
            insert(con, "lead", cluster, "miner_cashing_out", "hinode", "JP", 40, MINER_CASHES_OUT.id, *lead)
            insert(con, "role", cluster, "hot", "hinode", None, come, 1, 1, 0, 0, 0, 0, 0)
            insert(con, "omnibus", cluster, "taiga", "exchange", 3, 80, SHARED_CUSTODY.id, come, 4, 10**8)
    publish(place)
    return [bytes(one)[::-1].hex() for one in (come_id, go_id)]


def insert(con: duckdb.DuckDBPyConnection, table: str, *row: Any) -> None:
    """Write one row."""
    con.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 a test's own words


def publish(place: World) -> None:
    """Tell the manifest how large the files are now."""
    live = Index(place.data).current()
    assert live is not None
    facts = {one.name: getattr(live, one.name) for one in fields(AsOf)}
    Index(place.data).publish(live.id, [one.name for one in live.files], AsOf(**facts))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Suspect somebody of everything."""
    place = copy_of(tmp_path_factory.mktemp("suspected") / "data")
    return Told(place, address(place), write(place))


@pytest.fixture(scope="module")
def api(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Start the application on it."""
    with client(told.place.data, tmp_path_factory.mktemp("records") / "records.sqlite") as talking:
        yield talking


def screened(api: TestClient, told: Told, policy: str, **more: Any) -> Any:
    """Screen the suspected address."""
    asked = {"kind": "address", "address": told.address, "policy": policy, **more}
    return api.post("/v1/screenings", json=asked).json()


def test_a_front_is_told_with_what_speaks_for_and_against_it(api: TestClient, told: Told) -> None:
    """Whom it may stand for and that he is listed, the score, reasons in words, and the lots with transactions."""
    answer = screened(api, told, "sanctions-only")
    models.Screening.model_validate(answer)
    one = next(one for one in answer["behaviours"] if one["id"] == "pass_through")

    assert (one["tier"], one["score"], one["rule"]) == ("probable", "0.910", "shell_front@1")
    assert (one["fronts_for"]["id"], one["at"]) == (LISTED, None)
    assert one["legal_status"]["list"] == "ofac_sdn"
    assert one["for"][-2:] == [SIGNALS[name] for name in CONTROLS[:2]]
    assert "(0.990)" in one["for"][0]
    assert one["against"] == [DOUBTS["one_way"]]
    assert (one["value"]["value"], one["transactions"]) == ("7.00000000", 7)
    assert (one["first_at"], one["last_at"]) == ("1970-01-01T01:00:00Z", "1970-01-01T09:00:00Z")
    (lot,) = one["lots"]
    assert [lot["paid_in"], lot["paid_out"]] == told.txids
    assert (lot["value"]["value"], lot["dwell_s"], lot["away"]) == ("2.00000000", 60, True)


def test_a_suspicion_is_no_attribution(api: TestClient, told: Told) -> None:
    """Nobody is named as the holder, and sanctions-only, which asks for matches, lets it pass."""
    answer = screened(api, told, "sanctions-only")
    assert answer["attributions"] == []
    assert answer["decision"] == "allow"


@pytest.mark.parametrize(("policy", "rules"), [("balanced", {"R-SHELL-1"}), ("strict-jp", {"R-SHELL-3", "R-SHELL-4"})])
def test_a_probable_front_of_a_listed_party_is_held(api: TestClient, told: Told, policy: str, rules: set[str]) -> None:
    """A person decides; the trigger says what was seen of whom."""
    answer = screened(api, told, policy)
    assert answer["decision"] == "review"
    fired = {one["rule_id"]: one["expression"] for one in answer["triggers"]}
    assert {name for name in fired if name.startswith("R-SHELL")} == rules
    assert f"pass_through probable 0.910 of {LISTED}" in fired[min(rules)]


def test_leads_are_told_with_the_service_and_how_their_rule_fails(api: TestClient, told: Told) -> None:
    """Accounts at a service and miners: where, how sure, by which transaction; the likeliest suspicion first."""
    found = screened(api, told, "sanctions-only")["behaviours"]
    assert [one["id"] for one in found] == ["pass_through", "miner_account", "miner_cashing_out", "nested_service"]
    for one in found[1:]:
        assert (one["tier"], one["at"]["id"], one["fronts_for"]) == ("lead", "hinode", None)
        assert one["txid"] == told.txids[0]
        assert one["for"]
        assert one["against"]
    assert [one["score"] for one in found[1:]] == ["0.500", "0.400", "0.400"]
    assert "61 wallets pay this one account" in found[3]["for"][0]
    assert "overlap 0.25" in found[3]["for"][1]
    assert "80 percent" in found[1]["for"][0]
    assert "exchanges of JP" in found[2]["for"][0]


def test_the_attribution_tells_them_beside_who_it_is(api: TestClient, told: Told) -> None:
    """With the wallet's role and whose customers' money lies there, which are no suspicions."""
    found = api.get(f"/v1/addresses/bitcoin/{told.address}/attribution").json()
    who_models.AttributionAnswer.model_validate(found)
    assert len(found["behaviours"]) == 4
    assert (found["wallet_role"]["role"], found["wallet_role"]["entity"]["id"]) == ("hot", "hinode")
    (shared,) = found["shared_custody"]
    assert (shared["basis"], shared["entity"]["id"], shared["confidence"]) == ("omnibus_wallet", "taiga", "0.80")


def test_nothing_is_suspected_of_others(api: TestClient, told: Told) -> None:
    """Of a mixer and of an address never seen on chain there is nothing to tell."""
    for name in ("mixer", "never seen"):
        found = api.get(f"/v1/addresses/bitcoin/{told.place.case(name).address}/attribution").json()
        assert (found["behaviours"], found["wallet_role"], found["shared_custody"]) == ([], None, [])


def test_a_replay_gives_the_same_and_a_changed_suspicion_another(api: TestClient, told: Told) -> None:
    """Behaviours are part of what the hash is over."""
    answer = screened(api, told, "balanced")
    replayed = api.post(f"/v1/screenings/{answer['id']}/replay").json()
    assert (replayed["same"], replayed["differences"]) == (True, [])
    weaker = [{**answer["behaviours"][0], "score": "0.909"}, *answer["behaviours"][1:]]
    assert screening.fingerprint({**answer, "behaviours": weaker}) != answer["result_sha256"]


def test_the_report_prints_them(api: TestClient, told: Told) -> None:
    """Whom the wallet may stand for, reasons on both sides, and the lots."""
    answer = screened(api, told, "balanced")
    page = api.get(f"/v1/screenings/{answer['id']}/report", params={"format": "html"}).text
    for said in ("Suspicions", SIGNALS["substitution"], DOUBTS["one_way"], *told.txids, "0.910 by shell_front@1"):
        assert said in page


def test_the_command_line_tells_them(told: Told) -> None:
    """`tadoru screen` and `tadoru attribution` in lines."""
    for verb in ("screen", "attribution"):
        whole = [sys.executable, "-m", "service.cli", verb, told.address, "--data", str(told.place.data)]
        lines = subprocess.run(whole, capture_output=True, text=True, check=True).stdout
        assert "may be a front for" in lines
        assert f"against: {DOUBTS['one_way']}" in lines
        assert "may be the account of a service at" in lines
    assert "its wallet is a hot wallet of" in lines


@contextmanager
def question(place: World) -> Iterator[Any]:
    """Ask the live generation."""
    live = Live(place.data)
    live.start()
    try:
        with live.ask() as asked:
            yield asked
    finally:
        live.stop()


@pytest.mark.parametrize("tier", [0, 1, 3])
def test_what_is_below_a_lead_is_not_told(tmp_path: Path, tier: int) -> None:
    """A front that a document gives is `attributed`; a score that is not even a lead is no suspicion."""
    place = copy_of(tmp_path / "data")
    write(place, tier=tier, leads=False)
    with question(place) as asked:
        found = screening.look_up(asked, address(place)).behaviours
    assert [one.tier for one in found] == {0: [], 1: ["lead"], 3: ["attributed"]}[tier]


def test_a_listed_address_without_a_party_has_no_name(tmp_path: Path) -> None:
    """What the table calls it is no entity, so nobody is named in the answer."""
    place = copy_of(tmp_path / "data")
    write(place, principal="sanctioned_entity 7", leads=False)
    with question(place) as asked:
        (one,) = screening.look_up(asked, address(place)).behaviours
    assert one.entity_id is None


def test_every_sign_and_doubt_has_words() -> None:
    """Whatever the rule writes can be told."""
    assert set(SIGNALS) == set(CONTROLS)
    assert set(DOUBTS) == set(ALL_DOUBTS)


def test_most_addresses_cost_no_look_up(told: Told) -> None:
    """Suspected wallets are known in memory: of anybody else no table is asked."""
    with question(told.place) as asked:
        found = screening.look_up(asked, told.place.case("mixer").address)  # which learns its wallet
        assert found.facts is not None
        assert behaviours(Silent(asked.cursor.connection, asked.cursor.shared), found.facts) == []


def test_suspicions_stand_until_the_rules_have_gone_over_new_labels(told: Told) -> None:
    """What answers in between keeps all that rules concluded: nobody is let go because a list came in."""
    live, index = Index(told.place.data).current(), Index(told.place.data)
    assert live is not None
    base, coins, before, *_ = (index.dir / one.name for one in live.files)
    lake = Lake.open(told.place.data)
    overlay = Beneath(base, coins, lake.network, lake.secret)
    snapshot = Labels(told.place.data).snapshot()
    index.write(
        "between.duckdb", "labels", lambda con: Overlay(con, overlay, lambda *_: None).interim(snapshot, before)
    )
    tables = ("shell", "shell_wallet", "shell_lot", "nested", "lead", "role", "omnibus", "custody", "claim")
    rows = []
    for path in (before, index.dir / "between.duckdb"):
        with duckdb.connect(str(path), read_only=True) as con:
            rows.append({name: con.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in tables})
    assert rows[0] == rows[1]
    assert all(rows[1][name] for name in ("shell", "shell_lot", "nested", "lead", "role", "omnibus"))


class Silent(Cursor):
    """A cursor that may not be asked."""

    def execute(self, sql: str, params: Any = ()) -> Any:
        """Refuse."""
        raise AssertionError(f"{sql} of {params}")

    row = rows = execute
