"""Paths, traces, evidence and mixtures on the demo world: what they say holds on the chain; bad input is refused."""

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from heuristics.exposure.coins import coins_of
from heuristics.exposure.paths import paths as best_paths
from heuristics.lookup import txids_of
from service.answers import displayed
from service.api import reads, trail_models
from service.exits import Exit
from store.index import Index
from tests.service_world import TestClient, World, client, copy_of, world
from tests.test_api import NEVER, expect, get, screen
from tests.test_cli import failed, tadoru, told

LISTED_ENTITY = "ofac_sdn-90001"
NO_TX = "00" * 32
ROUNDING = Decimal("0.000001")  # of the four-byte shares that are stored


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Start the application on the demo world."""
    with client(world().data, tmp_path_factory.mktemp("records") / "records.sqlite") as talking:
        yield talking


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a copy of the demo world for the command line."""
    return copy_of(tmp_path_factory.mktemp("trails") / "data")


def of(name: str) -> str:
    """Return the reads of one address of the story."""
    return f"/v1/addresses/bitcoin/{world().case(name).address}"


def amount(money: dict[str, str]) -> Decimal:
    """Return an amount in coins."""
    return Decimal(money["value"])


def declared(answer: Any, model: type[BaseModel]) -> Any:
    """Check that an answer is what is declared, and return it."""
    assert json.loads(model.model_validate(answer).model_dump_json()) == answer
    return answer


def added(amounts: Iterable[Decimal]) -> Decimal:
    """Add up."""
    return sum(amounts, Decimal(0))


def outputs(api: TestClient, txid: str) -> list[dict[str, Any]]:
    """Return the outputs of a transaction, as the chain has them."""
    found: list[dict[str, Any]] = get(api, f"/v1/transactions/bitcoin/{txid}")["outputs"]
    return found


# Paths ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["listed", "same key", "shell", "former counterparty", "mixer", "never seen"])
@pytest.mark.parametrize("to", ["sanctioned_entity", "exchange", "mined", "held", "fee", "coinjoin", LISTED_ENTITY])
@pytest.mark.parametrize("direction", ["received", "sent"])
def test_paths_lead_from_the_wallet_to_what_was_sought(api: TestClient, name: str, to: str, direction: str) -> None:
    """Each coin of a path is on the chain as it is told, each leads to the next, and the end is what was asked for."""
    found = declared(get(api, of(name) + "/paths", to=to, direction=direction), trail_models.PathsAnswer)

    values = [amount(path["value"]) for path in found["paths"]]
    assert values == sorted(values, reverse=True)
    assert len({path["id"] for path in found["paths"]}) == len(values)
    assert added(Decimal(path["share"]) for path in found["paths"]) <= 1
    for path in found["paths"]:
        assert to in (path["ends_at"]["category"], (path["ends_at"]["entity"] or {}).get("id"))
        assert re.fullmatch("pth_[0-9a-f]{32}", path["id"])
        assert path["end_txid"] in (path["steps"][-1]["txid"], path["steps"][-1]["spent_in"])
        for near, far in zip(path["steps"], path["steps"][1:], strict=False):
            assert (near["txid"] == far["spent_in"]) if direction == "received" else (near["spent_in"] == far["txid"])
            assert amount(far["haircut"]) <= amount(near["haircut"]) * (1 + ROUNDING)
        for step in path["steps"][:3]:
            paid = outputs(api, step["txid"])[step["vout"]]
            assert (paid["address"], paid["value"]) == (step["address"], step["value"])


def test_there_is_a_path_wherever_there_is_exposure(api: TestClient) -> None:
    """Of all that a wallet received of somebody, the best paths carry something, and never more."""
    found = 0
    for case in world().story.screenings:
        address = f"/v1/addresses/bitcoin/{case.address}"
        for one in get(api, address + "/exposure")["exposures"]:
            if one["kind"] == "ownership" or not one["entity"] or one["passes_through"]:
                continue
            paths = get(api, address + "/paths", to=one["entity"]["id"], direction=one["direction"], limit=50)["paths"]
            found += len(paths)
            assert paths, (case.name, one)
    assert found > 20


def test_a_path_has_the_same_id_in_another_generation(api: TestClient, place: World) -> None:
    """The id is of the coins, not of their places, so that a later question can name it again."""
    query = {"to": "exchange", "limit": "3"}
    one = get(api, of("listed") + "/paths", **query)["paths"]

    again = told(
        tadoru("paths", world().case("listed").address, "--to", "exchange", "--limit", "3", "--json", data=place.data)
    )

    assert one
    assert [path["id"] for path in again["paths"]] == [path["id"] for path in one]
    assert again["paths"] == one


def test_paths_are_those_of_the_search(api: TestClient) -> None:
    """What is written is what the search found, with places as transaction ids."""
    address = world().case("shell").address
    written = get(api, f"/v1/addresses/bitcoin/{address}/paths", to="sanctioned_entity")["paths"]
    with Index(world().data).open() as reader:
        cursor = reader.cursor()
        coins = coins_of(cursor)
        number = _number_of(api, address, cursor)
        found = best_paths(coins, number, coins.goal(category="sanctioned_entity"), "received").paths
        ids = [coins.tx_id_of(step.maker) for path in found for step in path.steps]
        txids = [displayed(txids_of(cursor, [one])[one]) for one in ids]

    assert [step["txid"] for path in written for step in path["steps"]] == txids
    assert [round(path.value) for path in found] == [int(amount(path["value"]) * 10**8) for path in written]


def _number_of(api: TestClient, address: str, cursor: Any) -> int:
    """Return the number of an address, as the graph has it in a transaction of his."""
    txid = get(api, f"/v1/addresses/bitcoin/{address}/transactions", limit=1)["items"][0]["txid"]
    coins = coins_of(cursor)
    row = cursor.row("SELECT tx_id FROM tx WHERE txid = ?", [bytes.fromhex(txid)[::-1]])
    place = coins.place_of(row[0])
    one = get(api, f"/v1/transactions/bitcoin/{txid}")
    for end in one["outputs"]:
        if end["address"] == address:
            return int(coins.out_number[coins.whole.out_start[place] + end["position"]])
    position = next(end["position"] for end in one["inputs"] if end["address"] == address)
    return int(coins.spend_number[coins.whole.in_start[place] + position])


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"to": "exchang"}, 422, "unknown_party"),
        ({"to": "x" * 300}, 400, "invalid_parameter"),
        ({"to": ""}, 400, "invalid_parameter"),
        ({}, 400, "invalid_parameter"),
        ({"to": "exchange", "direction": "sideways"}, 400, "invalid_parameter"),
        ({"to": "exchange", "limit": "0"}, 400, "invalid_parameter"),
        ({"to": "exchange", "limit": "51"}, 400, "invalid_parameter"),
        ({"to": "exchange", "depth": "3"}, 400, "invalid_parameter"),
    ],
)
def test_paths_refuse_what_means_nothing(api: TestClient, query: dict[str, str], status: int, code: str) -> None:
    """A party that is none, a direction, a limit, an unknown parameter: a problem that says which."""
    expect(api.get(of("listed") + "/paths", params=query), status, code)


def test_a_misspelt_party_is_told_what_was_meant(api: TestClient, place: World) -> None:
    """Over categories and entities alike; the command line ends with the exit code of input."""
    category = expect(api.get(of("listed") + "/paths", params={"to": "exchang"}), 422, "unknown_party")
    entity = expect(api.get(of("listed") + "/paths", params={"to": "hinod"}), 422, "unknown_party")

    assert "did you mean 'exchange'" in category["detail"]
    assert "'hinode'" in entity["detail"]
    assert entity["errors"][0]["pointer"] == "to"
    address = world().case("listed").address
    failed(tadoru("paths", address, "--to", "mixxer", data=place.data), Exit.INPUT, "did you mean 'mixer'")
    failed(tadoru("paths", address, "--to", "mixer", "--direction", "up", data=place.data), Exit.INPUT, "no direction")
    failed(tadoru("paths", "bcrt1nonsense", "--to", "mixer", data=place.data), Exit.INPUT, "bcrt1nonsense")


# Traces -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["haircut", "fifo", "poison"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_trace_accounts_for_the_whole_output(api: TestClient, method: str, direction: str) -> None:
    """Ends and what was cut off add up to it, but for poison, which tells what can be reached."""
    for txid in (*world().story.coinjoins[:2], _spent(api)):
        every: tuple[dict[str, str], ...] = ({}, {"max_tx": "2"}, {"max_hops": "1"}, {"min_value": "0.01"})
        for limits in every:
            found = declared(
                get(
                    api,
                    f"/v1/transactions/bitcoin/{txid}/outputs/0/trace",
                    method=method,
                    direction=direction,
                    **limits,
                ),
                trail_models.TraceAnswer,
            )
            whole = amount(found["subject"]["value"])
            ended = added(amount(end["value"]) for end in found["ends"])
            cut = added(amount(end["value"]) for end in found["cut_off"])
            assert found["visited"] == len(found["visits"]) <= int(limits.get("max_tx", "1000"))
            assert found["coverage"]["truncated"] is bool(found["cut_off"])
            if method == "poison":
                assert found["at_most"] is True
                assert {end["share"] for end in found["ends"]} <= {None}
            else:
                assert abs(ended + cut - whole) <= Decimal("0.000001") * (1 + len(found["ends"]))
            assert all(end["limit"] in limits for end in found["cut_off"])


def _spent(api: TestClient) -> str:
    """Return a transaction that many others follow: the oldest of the listed party's."""
    items = get(api, of("listed") + "/transactions", limit=500)["items"]
    return str(items[-1]["txid"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{NO_TX}/outputs/0/trace", 404, "not_found"),
        ("zz/outputs/0/trace", 422, "invalid_txid"),
        ("{txid}/outputs/999/trace", 404, "not_found"),
        ("{txid}/outputs/-1/trace", 400, "invalid_parameter"),
        ("{txid}/outputs/x/trace", 400, "invalid_parameter"),
        ("{txid}/outputs/0/trace?method=lifo", 400, "invalid_parameter"),
        ("{txid}/outputs/0/trace?direction=up", 400, "invalid_parameter"),
        ("{txid}/outputs/0/trace?max_tx=0", 400, "invalid_parameter"),
        ("{txid}/outputs/0/trace?max_tx=1000000", 400, "invalid_parameter"),
        ("{txid}/outputs/0/trace?max_hops=-1", 400, "invalid_parameter"),
        ("{txid}/outputs/0/trace?min_value=1e3", 400, "invalid_parameter"),
        ("{txid}/outputs/0/trace?colour=red", 400, "invalid_parameter"),
    ],
)
def test_a_trace_refuses_what_means_nothing(api: TestClient, path: str, status: int, code: str) -> None:
    """An output that is none, a method, a direction or a limit that is none."""
    expect(api.get("/v1/transactions/bitcoin/" + path.format(txid=world().story.coinjoins[0])), status, code)


def test_the_command_line_traces_and_refuses(place: World) -> None:
    """A table that can be read; an exit code and one line for what is no output."""
    coin = f"{world().story.coinjoins[0]}:0"

    done = tadoru("trace", coin, "--method", "fifo", "--direction", "backward", data=place.data)

    assert done.returncode == Exit.OK, done.stderr
    assert coin in done.stdout
    assert "transactions" in done.stdout.splitlines()[-1]
    trail_models.TraceAnswer.model_validate(told(tadoru("trace", coin, "--json", data=place.data)))
    failed(tadoru("trace", f"{NO_TX}:0", data=place.data), Exit.NO, "is not in the index")
    failed(tadoru("trace", coin + "99", data=place.data), Exit.NO, "its outputs are 0 to")
    for words, options in {
        "is no output": ["abc"],
        "is no transaction id": ["abc:0"],
        "is no method": [coin, "--method", "lifo"],
        "is no direction": [coin, "--direction", "up"],
        "is no amount": [coin, "--min-value", "much"],
    }.items():
        failed(tadoru("trace", *options, data=place.data), Exit.INPUT, words)


# Exposure by method -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fifo", "poison"])
@pytest.mark.parametrize("name", ["listed", "shell", "former counterparty", "mixer", "never seen"])
def test_exposure_by_another_method_is_of_the_same_coins(api: TestClient, method: str, name: str) -> None:
    """By FIFO the shares of a direction sum to 1; poison reaches whatever the others name, and no share is above 1."""
    found = declared(get(api, of(name) + "/exposure", method=method), trail_models.MethodExposureAnswer)
    haircut = get(api, of(name) + "/exposure")["exposures"]

    for direction in ("received", "sent"):
        rows = [one for one in found["exposures"] if one["direction"] == direction]
        stored = [
            one
            for one in haircut
            if one["direction"] == direction and one["kind"] != "ownership" and not one["passes_through"]
        ]
        assert bool(rows) == bool(stored)
        if rows and method == "fifo":
            assert abs(added(Decimal(one["share"]) for one in rows) - 1) < Decimal("0.0001")
            total = added(amount(one["value"]) for one in stored)
            assert abs(added(amount(one["value"]) for one in rows) - total) < Decimal("0.0001")
        if method == "poison":
            named = {one["entity"]["id"] for one in stored if one["entity"]}
            assert named <= {one["entity"]["id"] for one in rows if one["entity"]}


def test_what_came_directly_is_the_same_by_every_method(api: TestClient) -> None:
    """A wallet whose payers are all known received the same of each, however coins are mixed further back."""
    haircut = get(api, of("former counterparty") + "/exposure")["exposures"]
    fifo = get(api, of("former counterparty") + "/exposure", method="fifo")["exposures"]
    parties = {
        one["entity"]["id"]
        for one in haircut
        if one["direction"] == "received" and one["entity"] and one["kind"] == "direct" and not one["passes_through"]
    }
    for party in parties:
        direct = added(
            amount(one["value"])
            for one in haircut
            if one["direction"] == "received" and one["kind"] == "direct" and (one["entity"] or {}).get("id") == party
        )
        by_fifo = added(
            amount(one["value"])
            for one in fifo
            if one["direction"] == "received" and (one["entity"] or {}).get("id") == party
        )
        assert by_fifo >= direct * Decimal("0.5")


def test_an_interval_holds_the_share_that_haircut_tells(api: TestClient) -> None:
    """Bounds are told where they are narrow; else it is said that the figure depends on the method."""
    seen = 0
    for case in world().story.screenings:
        path = f"/v1/addresses/bitcoin/{case.address}/exposure"
        found = declared(get(api, path, interval="true"), trail_models.BoundedExposureAnswer)
        rows = found["exposures"]
        for one in rows:
            known = one["category"] not in ("unattributed", "unresolved")
            asked = one["direction"] == "received" and one["kind"] == "indirect" and known
            assert (one["method_dependent"] is not None) is asked
            if one["interval"]:
                seen += 1
                low, high = Decimal(one["interval"]["low"]), Decimal(one["interval"]["high"])
                same = [
                    Decimal(other["share"])
                    for other in rows
                    if (other["entity"], other["category"], other["direction"])
                    == (one["entity"], one["category"], "received")
                    and other["kind"] != "ownership"
                    and not other["passes_through"]
                ]
                assert low - Decimal("0.0001") <= added(same) <= high + Decimal("0.0001")
                assert high - low <= Decimal("0.300002")
                assert one["method_dependent"] is False
        plain = get(api, path)["exposures"]
        assert [{k: v for k, v in one.items() if k not in ("interval", "method_dependent")} for one in rows] == plain
    assert seen


def test_an_exposure_refuses_what_means_nothing(api: TestClient, place: World) -> None:
    """A method that is none; bounds beside a method that has none."""
    expect(api.get(of("listed") + "/exposure", params={"method": "lifo"}), 400, "invalid_parameter")
    asked = {"method": "fifo", "interval": "true"}
    expect(api.get(of("listed") + "/exposure", params=asked), 422, "no_interval")
    address = world().case("listed").address
    failed(tadoru("exposure", address, "--method", "lifo", data=place.data), Exit.INPUT, "is no method")
    for options in (["--method", "fifo"], ["--method", "poison"], ["--interval"]):
        done = tadoru("exposure", address, *options, data=place.data)
        assert done.returncode == Exit.OK, done.stderr
        assert len(done.stdout.splitlines()) > 2


# Evidence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["listed", "cluster of listed", "shell", "former counterparty", "mixer", "never seen"])
def test_evidence_is_one_graph_around_the_subject(api: TestClient, name: str) -> None:
    """Edges join nodes that are there, nodes are there once, coins are on the chain, and all hangs together."""
    case = world().case(name)
    filed = screen(api, case.address, policy="balanced").json()

    found = declared(get(api, f"/v1/screenings/{filed['id']}/evidence"), trail_models.EvidenceAnswer)

    ids = [node["id"] for node in found["nodes"]]
    assert len(set(ids)) == len(ids)
    assert [node["address"] for node in found["nodes"] if node["subject"]] == [case.address]
    joined = {ids[0]}
    for _ in ids:
        for edge in found["edges"]:
            assert {edge["from_node"], edge["to_node"]} <= set(ids)
            if joined & {edge["from_node"], edge["to_node"]}:
                joined |= {edge["from_node"], edge["to_node"]}
    assert joined == set(ids)
    named = {path["id"] for one in found["exposures"] for path in one["paths"]}
    assert {path for edge in found["edges"] for path in edge["paths"]} == named
    for edge in found["edges"]:
        if edge["type"] == "coin":
            txid, vout = edge["coin"].split(":")
            assert outputs(api, txid)[int(vout)]["value"] == edge["value"]
            assert amount(edge["haircut"]) <= amount(edge["value"]) + Decimal("0.00000001")
    assert found["as_of"] == {**filed["as_of"], "generation": found["as_of"]["generation"]}


def test_evidence_shows_what_the_rules_matched(api: TestClient) -> None:
    """Where a rule on dealings fired, the graph is of these; ownership is shown by the edges that prove it."""
    wanted = {"shell": "sanctioned_entity", "cluster of listed": None}
    for name, category in wanted.items():
        filed = screen(api, world().case(name).address, policy="balanced").json()
        found = get(api, f"/v1/screenings/{filed['id']}/evidence")
        kinds = {edge["type"] for edge in found["edges"]}
        assert "attribution" in kinds or not filed["attributions"]
        if category is None:
            assert "ownership" in kinds
        else:
            assert found["chosen_by"] == "triggers"
            assert category in {one["category"] for one in found["exposures"]}
            assert kinds >= {"coin", "end", "member"}


def test_a_screening_names_the_paths_behind_what_made_a_rule_fire(api: TestClient) -> None:
    """Rows that a rule fired on have the ids of paths that the evidence and the subject's paths tell; others none."""
    named = 0
    for name in ("shell", "former counterparty", "mixer"):
        filed = screen(api, world().case(name).address, policy="balanced").json()
        found = get(api, f"/v1/screenings/{filed['id']}/evidence")
        shown = {
            (one["direction"], one["category"], (one["entity"] or {}).get("id")): [path["id"] for path in one["paths"]]
            for one in found["exposures"]
            if found["chosen_by"] == "triggers"
        }
        for row in filed["exposures"]:
            key = row["direction"], row["category"], (row["entity"] or {}).get("id")
            assert row["path_ids"] == ([] if row["kind"] == "ownership" else shown.get(key, row["path_ids"]))
            if row["path_ids"]:
                named += 1
                to = (row["entity"] or {}).get("id") or row["category"]
                again = get(api, of(name) + "/paths", to=to, direction=row["direction"])
                assert set(row["path_ids"]) <= {path["id"] for path in again["paths"]}
        assert any(row["path_ids"] for row in filed["exposures"]) == bool(shown)
    assert named


def test_evidence_of_what_is_not_there(api: TestClient, place: World, tmp_path: Path) -> None:
    """No such screening: 404. A generation that is gone: 404 with the command that builds it."""
    expect(api.get("/v1/screenings/scr_none/evidence"), 404, "not_found")
    failed(tadoru("evidence", "scr_none", data=place.data), Exit.NO, "there is no screening")

    records = tmp_path / "records.sqlite"
    with client(world().data, records) as talking:
        filed = screen(talking, world().case("shell").address).json()
    other = copy_of(tmp_path / "other")
    for path in (other.data / "index" / "bitcoin").glob("*.json"):
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps({**manifest, "height": manifest["height"] - 1}))
    with client(other.data, records) as talking:
        problem = expect(talking.get(f"/v1/screenings/{filed['id']}/evidence"), 404, "no_generation")
    assert "tadoru index bitcoin --height" in problem["detail"]


def test_the_command_line_shows_evidence(place: World) -> None:
    """Lines for people, the same document as the API's for programs."""
    screened = told(tadoru("screen", world().case("shell").address, "--json", data=place.data), Exit.NO)

    done = tadoru("evidence", screened["id"], data=place.data)
    document = told(tadoru("evidence", screened["id"], "--json", data=place.data))

    assert done.returncode == Exit.OK, done.stderr
    assert "nodes" in done.stdout
    trail_models.EvidenceAnswer.model_validate(document)


# Transactions -----------------------------------------------------------------------------------------------


def test_a_transaction_says_where_its_coins_come_from_and_go(api: TestClient, place: World) -> None:
    """Shares sum to 1 each way; a CoinJoin tells besides what went into it; the command line prints the same."""
    for txid in (*world().story.coinjoins, _spent(api)):
        found = declared(get(api, f"/v1/transactions/bitcoin/{txid}"), reads.TransactionAnswer)
        for side in ("sources", "destinations"):
            assert abs(added(Decimal(one["share"]) for one in found[side]) - 1) < Decimal("0.0001")
        if found["see_through"] is not None:
            assert {one["category"] for one in found["sources"]} == {"coinjoin"}
            assert abs(added(Decimal(one["share"]) for one in found["see_through"]) - 1) < Decimal("0.0001")
        done = tadoru("tx", txid, data=place.data)
        assert done.returncode == Exit.OK, done.stderr
        assert "  from " in done.stdout
        assert "  to " in done.stdout


def test_an_unseen_address_has_no_paths(api: TestClient) -> None:
    """It is an answer, not an error."""
    found = get(api, f"/v1/addresses/bitcoin/{NEVER}/paths", to="exchange")

    assert (found["paths"], found["subject"]["seen_on_chain"], found["truncated"]) == ([], False, False)
