"""The REST surface: every answer is what OpenAPI declares, every error is a problem that says what to do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from chains.bitcoin.address import text_of_payload
from service.api import method_models, models, reads, status_models, who_models
from service.live import Question
from store.index import Index
from tests.service_world import TestClient, client, world

NEVER = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Start the application on the demo world."""
    with client(world().data, tmp_path_factory.mktemp("records") / "records.sqlite") as talking:
        yield talking


@pytest.fixture(scope="module")
def listed() -> str:
    """Return an address that is listed."""
    return world().case("listed").address


@pytest.fixture(scope="module")
def owned() -> str:
    """Return an address of the listed party that is not listed."""
    return world().case("cluster of listed").address


def get(api: TestClient, path: str, **query: Any) -> Any:
    """Return the JSON of a GET that has to succeed."""
    answer = api.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def expect(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this problem, complete and valid, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    status_models.Problem.model_validate(problem)
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["retryable"] is ("retry-after" in answer.headers)
    return problem


def screen(api: TestClient, address: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    """Post a screening."""
    return api.post("/v1/screenings", json={"kind": "address", "address": address, **fields}, headers=headers)


def busiest() -> str:
    """Return the clustered address with the longest history."""
    with Index(world().data).open() as reader:
        row = reader.cursor().row(
            "SELECT script_type, payload FROM address WHERE cluster IS NOT NULL AND script_type = 5 "
            "ORDER BY n_received + n_sent DESC, address_id LIMIT 1"
        )
    return str(text_of_payload(row[0], row[1], "regtest"))


A = "/v1/addresses/bitcoin/{owned}"
READS: list[tuple[str, type[BaseModel]]] = [
    (A, reads.AddressAnswer),
    (A + "/exposure", reads.ExposureAnswer),
    (A + "/exposure?scope=address", reads.ExposureAnswer),
    (A + "/exposure?scope=cluster&height={height}", reads.ExposureAnswer),
    (A + "/attribution", who_models.AttributionAnswer),
    (A + "/attribution?height={height}", who_models.AttributionAnswer),
    (A + "/counterparties", reads.CounterpartyPage),
    (A + "/transactions", reads.AddressTransactionPage),
    (A + "/cluster", reads.ClusterAnswer),
    (A + "/why?other={listed}", reads.WhyAnswer),
    (A + "/why?other={never}", reads.WhyAnswer),
    ("/v1/addresses/bitcoin/{never}", reads.AddressAnswer),
    ("/v1/addresses/bitcoin/{never}/exposure", reads.ExposureAnswer),
    ("/v1/addresses/bitcoin/{never}/attribution", who_models.AttributionAnswer),
    ("/v1/addresses/bitcoin/{never}/counterparties", reads.CounterpartyPage),
    ("/v1/addresses/bitcoin/{never}/transactions", reads.AddressTransactionPage),
    ("/v1/addresses/bitcoin/{never}/cluster", reads.ClusterAnswer),
    ("/v1/addresses/bitcoin/{coinjoined}", reads.AddressAnswer),
    ("/v1/addresses/bitcoin/{coinjoined}/counterparties", reads.CounterpartyPage),
    ("/v1/clusters/bitcoin/{owned}", reads.ClusterAnswer),
    ("/v1/clusters/bitcoin/{owned}/addresses", reads.MemberPage),
    ("/v1/clusters/bitcoin/{never}/addresses", reads.MemberPage),
    ("/v1/transactions/bitcoin/{coinjoin}", reads.TransactionAnswer),
    ("/v1/entities/hinode", who_models.EntityAnswer),
    ("/v1/entities/ofac_sdn-90001", who_models.EntityAnswer),
    ("/v1/search?q=taiga", reads.SearchAnswer),
    ("/v1/search?q={owned}", reads.SearchAnswer),
    ("/v1/search?q={coinjoin}", reads.SearchAnswer),
    ("/v1/lists", reads.ListsAnswer),
    ("/v1/sanctions", reads.SanctionsPage),
    ("/v1/sanctions?status=sanctioned", reads.SanctionsPage),
    ("/v1/sanctions?status=removed", reads.SanctionsPage),
    ("/v1/categories", reads.CategoriesAnswer),
    ("/v1/methods", method_models.MethodsAnswer),
    ("/v1/status", status_models.StatusAnswer),
    ("/v1/selftest", status_models.SelfTest),
    ("/v1/screenings", models.ScreeningPage),
    ("/healthz", status_models.Health),
    ("/readyz", status_models.Health),
]


@pytest.mark.parametrize(("path", "model"), READS)
def test_every_answer_is_what_is_declared(api: TestClient, path: str, model: type[BaseModel]) -> None:
    """Answers are built as plain dicts; this holds them to the models that OpenAPI shows."""
    story = world().story
    told = get(
        api,
        path.format(
            owned=world().case("cluster of listed").address,
            listed=world().case("listed").address,
            never=NEVER,
            coinjoined=world().case("mixer").address,
            coinjoin=story.coinjoins[0],
            height=story.tip_height,
        ),
    )

    assert json.loads(model.model_validate(told).model_dump_json()) == told


@pytest.mark.parametrize("name", ["listed", "same key", "shell", "mixer", "never seen"])
def test_a_screening_is_what_is_declared_and_is_kept(api: TestClient, name: str) -> None:
    """POST answers with the declared fields, and GET returns the same bytes later."""
    case = world().case(name)
    amount = {"value": "0.75", "currency": "BTC"}

    answer = screen(
        api,
        case.address,
        kind="withdrawal_attempt",
        asset="BTC",
        chain="bitcoin",
        amount=amount,
        direction="outbound",
        customer_ref="c-7",
        policy="sanctions-only",
        timeout_ms=5000,
    )

    told = answer.json()
    assert answer.status_code == 200
    assert models.Screening.model_validate(told).model_dump(mode="json") == told
    assert (told["decision"], told["amount"], told["customer_ref"]) == (case.expected, amount, "c-7")
    assert api.get(told["links"]["self"]).content == answer.content
    assert api.get(told["links"]["subject"]).status_code == 200


def test_an_address_that_was_never_seen_is_an_answer(api: TestClient) -> None:
    """A vendor's 404 has been read as passed: ours is a 200 that says seen_on_chain false."""
    told = get(api, f"/v1/addresses/bitcoin/{NEVER}")

    assert told["subject"]["seen_on_chain"] is False
    assert told["cluster_size"] == 0
    assert told["received"] == {"value": "0.00000000", "currency": "BTC"}


def test_why_names_the_chain_of_transactions(api: TestClient, owned: str, listed: str) -> None:
    """The steps lead from the one address to the other; a stranger is not together, and that is an answer."""
    told = get(api, f"/v1/addresses/bitcoin/{owned}/why", other=listed)
    stranger = get(api, f"/v1/addresses/bitcoin/{owned}/why", other=NEVER)

    assert told["together"] is True
    assert told["steps"][0]["from_address"] == owned
    assert told["steps"][-1]["to_address"] == listed
    for before, after in zip(told["steps"], told["steps"][1:], strict=False):
        assert before["to_address"] == after["from_address"]
    assert (stranger["together"], stranger["steps"]) == (False, [])


def test_a_transaction_balances(api: TestClient) -> None:
    """Inputs less outputs are the fee; a CoinJoin is named as one."""
    told = get(api, f"/v1/transactions/bitcoin/{world().story.coinjoins[0]}")

    def total(side: str) -> int:
        return sum(int(end["value"]["value"].replace(".", "")) for end in told[side])

    assert total("inputs") - total("outputs") == int(told["fee"]["value"].replace(".", ""))
    assert told["coinjoin"] is not None


def test_a_cluster_is_named_by_any_member(api: TestClient, owned: str, listed: str) -> None:
    """Merges retire ids, so every member's address leads to the same cluster."""
    one, other = (get(api, f"/v1/clusters/bitcoin/{address}") for address in (owned, listed))
    members = get(api, f"/v1/clusters/bitcoin/{owned}/addresses", limit=500)

    assert one["id"] == other["id"]
    assert len(members["items"]) == one["size"] == other["size"]
    assert {owned, listed} <= {item["address"] for item in members["items"]}


def test_search_finds_by_beginning_and_by_exact_text(api: TestClient, listed: str) -> None:
    """Entities and labels by how they begin, addresses and transactions exactly."""
    party = get(api, "/v1/search", q="straits")["items"]
    address = get(api, "/v1/search", q=listed)["items"]
    txid = world().story.coinjoins[0]
    transaction = get(api, "/v1/search", q=txid.upper())["items"]

    assert party[0]["type"] == "entity"
    assert {hit["type"] for hit in address} == {"address", "label"}
    assert transaction[0]["id"] == txid
    assert get(api, "/v1/search", q="no such thing") == {"items": []}
    for hit in [*party, *address, *transaction]:
        assert api.get(hit["link"]).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/addresses/bitcoin/{busy}/transactions",
        "/v1/addresses/bitcoin/{busy}/counterparties",
        "/v1/clusters/bitcoin/{busy}/addresses",
        "/v1/sanctions",
        "/v1/screenings",
    ],
)
def test_pages_follow_one_another(api: TestClient, listed: str, path: str) -> None:
    """Walking in steps of two gives what one large page gives: nothing twice, nothing left out."""
    for _ in range(5):
        screen(api, listed)
    path = path.format(busy=busiest())
    whole = get(api, path, limit=500)["items"]

    walked, cursor = [], None
    for _ in range(len(whole) + 1):
        page = get(api, path, limit=2, **({"cursor": cursor} if cursor else {}))
        walked += page["items"]
        cursor = page["next_cursor"]
        if cursor is None or len(walked) > 60:
            break

    assert len(whole) >= 4
    assert walked == whole[: len(walked)]
    assert cursor is None or len(walked) > 60


def test_screenings_are_listed_by_what_is_asked(api: TestClient, listed: str) -> None:
    """Filters narrow the list; the newest comes first."""
    screen(api, NEVER, attempt_id="wd-list", customer_ref="c-list")

    assert get(api, "/v1/screenings", attempt_id="wd-list")["items"][0]["subject"]["canonical"] == NEVER
    assert get(api, "/v1/screenings", customer_ref="c-list", decision="block")["items"] == []
    assert {one["decision"] for one in get(api, "/v1/screenings", address=listed)["items"]} <= {"block"}


def test_an_attempt_id_is_used_once(api: TestClient, listed: str) -> None:
    """The second use is a conflict that names the first screening."""
    first = screen(api, listed, attempt_id="wd-once").json()

    problem = expect(screen(api, NEVER, attempt_id="wd-once"), 409, "attempt_exists")

    assert first["id"] in problem["detail"]


def test_an_idempotency_key_gives_the_stored_answer(api: TestClient, listed: str) -> None:
    """Same key and body: the same bytes, marked as replayed. Another body: refused."""
    key = {"Idempotency-Key": "6f1c"}
    first = screen(api, listed, headers=key, attempt_id="wd-idem")
    again = screen(api, listed, headers=key, attempt_id="wd-idem")

    assert again.content == first.content
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    expect(screen(api, NEVER, headers=key), 422, "idempotency_key_reused")


def test_a_refused_request_frees_its_idempotency_key(api: TestClient, listed: str) -> None:
    """A typing mistake does not burn the key."""
    key = {"Idempotency-Key": "typo"}

    expect(screen(api, "bcrt1nonsense", headers=key), 422, "invalid_address")

    assert screen(api, listed, headers=key).status_code == 200


def test_a_request_in_flight_is_a_conflict(api: TestClient, listed: str) -> None:
    """While the first request with a key is being answered the second is told to come back."""
    desk = api.app.state.desk  # type: ignore[attr-defined]  # starlette's application
    desk.records.claim("local", "busy", "00")

    answer = screen(api, listed, headers={"Idempotency-Key": "busy"})

    expect(answer, 409, "in_flight")
    assert answer.headers["retry-after"] == "1"


BAD_BODIES: list[tuple[Any, str]] = [
    ({}, "/kind"),
    ({"kind": "address"}, "/address"),
    ({"kind": "nft", "address": NEVER}, "/kind"),
    ({"kind": "address", "address": NEVER, "colour": "red"}, "/colour"),
    ({"kind": "address", "address": 7}, "/address"),
    ({"kind": "address", "address": ""}, "/address"),
    ({"kind": "address", "address": "x" * 200}, "/address"),
    ({"kind": "address", "address": NEVER, "asset": "USDT"}, "/asset"),
    ({"kind": "address", "address": NEVER, "amount": {"value": 0.75, "currency": "BTC"}}, "/amount/value"),
    ({"kind": "address", "address": NEVER, "amount": {"value": "1e3", "currency": "BTC"}}, "/amount/value"),
    ({"kind": "address", "address": NEVER, "amount": {"value": "1"}}, "/amount/currency"),
    ({"kind": "address", "address": NEVER, "direction": "sideways"}, "/direction"),
    ({"kind": "address", "address": NEVER, "timeout_ms": 0}, "/timeout_ms"),
    ({"kind": "address", "address": NEVER, "timeout_ms": "1000 "}, "/timeout_ms"),
    ({"kind": "address", "address": NEVER, "attempt_id": "\x00"}, "/attempt_id"),
    ({"kind": "address", "address": NEVER, "policy": "../../etc/passwd"}, "/policy"),
    ([], ""),
    ("text", ""),
    (None, ""),
]


@pytest.mark.parametrize(("body", "pointer"), BAD_BODIES)
def test_a_body_that_does_not_fit_names_the_field(api: TestClient, body: Any, pointer: str) -> None:
    """422 with a pointer for each field that is wrong, and nothing is filed."""
    before = get(api, "/v1/screenings", limit=1)["items"]

    headers = {"content-type": "application/json"}
    answer = api.post("/v1/screenings", content=json.dumps(body), headers=headers)

    problem = expect(answer, 422, "invalid_body")
    assert pointer in [fault["pointer"] for fault in problem["errors"]]
    assert get(api, "/v1/screenings", limit=1)["items"] == before


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"policy": "no-such-policy"}, "unknown_policy", "/policy"),
        ({"policy": "mandatory"}, "unknown_policy", "/policy"),
        ({"chain": "eip155:1"}, "unsupported_chain", "/chain"),
        ({"chain": "bip122:000000000019d6689c085ae165831e93"}, "unsupported_chain", "/chain"),
    ],
)
def test_what_can_not_be_answered_here_says_so(
    api: TestClient, fields: dict[str, Any], code: str, pointer: str
) -> None:
    """Well-formed, but of another chain or policy: 422 with the field."""
    problem = expect(screen(api, NEVER, **fields), 422, code)

    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {"content-type": "application/json"}, 400, "invalid_json"),
        (b"\xff\xfe", {"content-type": "application/json"}, 400, "invalid_json"),
        (b"", {"content-type": "application/json"}, 422, "invalid_body"),
        (b"{}", {"content-type": "text/plain"}, 415, "media_type"),
        (b"{}", {}, 415, "media_type"),
        (b" " * 70_000, {"content-type": "application/json"}, 413, "too_large"),
        (b'{"kind":"address"}', {"content-type": "application/json", "idempotency-key": "a b"}, 422, "invalid_body"),
    ],
)
def test_what_is_no_json_is_refused(
    api: TestClient, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """Truncated, mistyped or oversized bodies are told apart."""
    expect(api.post("/v1/screenings", content=content, headers=headers), status, code)


def test_a_body_without_a_length_is_counted(api: TestClient) -> None:
    """A body that arrives in pieces is held to the same limit."""
    answer = api.post(
        "/v1/screenings", content=(b" " * 1000 for _ in range(100)), headers={"content-type": "application/json"}
    )

    expect(answer, 413, "too_large")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/nothing", 404, "no_such_path"),
        ("/v1/screenings/scr_none", 404, "not_found"),
        ("/v1/entities/nobody", 404, "not_found"),
        ("/v1/transactions/bitcoin/" + "00" * 32, 404, "not_found"),
        ("/v1/transactions/bitcoin/xyz", 422, "invalid_txid"),
        ("/v1/transactions/ethereum/" + "00" * 32, 422, "unsupported_chain"),
        ("/v1/addresses/bitcoin/nonsense", 422, "invalid_address"),
        ("/v1/addresses/bitcoin/nonsense/transactions", 422, "invalid_address"),
        ("/v1/addresses/bitcoin/nonsense/counterparties", 422, "invalid_address"),
        ("/v1/addresses/bitcoin/nonsense/cluster", 422, "invalid_address"),
        ("/v1/addresses/bitcoin/1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", 422, "invalid_address"),
        (f"/v1/addresses/ethereum/{NEVER}", 422, "unsupported_chain"),
        (f"/v1/addresses/bitcoin/{NEVER}?page=2", 400, "invalid_parameter"),
        (f"/v1/addresses/bitcoin/{NEVER}/why", 400, "invalid_parameter"),
        (f"/v1/addresses/bitcoin/{NEVER}/why?other=nonsense", 422, "invalid_address"),
        (f"/v1/addresses/bitcoin/{NEVER}/transactions?limit=0", 400, "invalid_parameter"),
        (f"/v1/addresses/bitcoin/{NEVER}/transactions?limit=501", 400, "invalid_parameter"),
        (f"/v1/addresses/bitcoin/{NEVER}/transactions?cursor=!", 400, "invalid_cursor"),
        (f"/v1/addresses/bitcoin/{NEVER}/counterparties?cursor=MQ", 400, "invalid_cursor"),
        # a place in another generation: its rows are numbered otherwise
        (f"/v1/addresses/bitcoin/{NEVER}/counterparties?cursor=MS4wLjAuMA", 400, "invalid_cursor"),
        (f"/v1/clusters/bitcoin/{NEVER}/addresses?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", 400, "invalid_cursor"),
        ("/v1/search", 400, "invalid_parameter"),
        ("/v1/search?q=a", 400, "invalid_parameter"),
        ("/v1/search?q=aa&q=bb", 400, "invalid_parameter"),
        ("/v1/sanctions?status=maybe", 400, "invalid_parameter"),
        ("/v1/screenings?decision=maybe", 400, "invalid_parameter"),
        ("/v1/screenings?colour=red", 400, "invalid_parameter"),
        ("/v1/lists?x=1", 400, "invalid_parameter"),
        ("/healthz?x=1", 400, "invalid_parameter"),
    ],
)
def test_bad_input_to_each_read_is_a_problem(api: TestClient, path: str, status: int, code: str) -> None:
    """Wrong paths, parameters, cursors, chains and addresses each get their own code."""
    expect(api.get(path), status, code)


def test_the_wrong_method_is_told_with_the_right_ones(api: TestClient) -> None:
    """405 with Allow, as problem+json like everything else."""
    answer = api.delete("/v1/lists")

    expect(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_a_defect_is_a_problem_without_its_entrails(
    api: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is a 500 with the request id; the traceback goes to the log alone."""

    def broken(*_: object) -> None:
        msg = "entrails"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr("service.catalogue.lists", broken)
    problem = expect(api.get("/v1/lists"), 500, "internal")

    assert "entrails" not in json.dumps(problem)
    assert problem["request_id"] in caplog.text


def test_a_read_that_takes_too_long_is_told_to_come_back(
    tmp_path: Path, owned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that is cut off at the deadline is a 503 that can be retried, not a defect."""

    def slow(question: Question, *_: object) -> None:
        question.cursor.rows("SELECT count(*) FROM range(1000000000000) t(a), range(1000) u(b) WHERE a % 7 = b")

    monkeypatch.setattr("service.reading.counterparties", slow)

    with client(world().data, tmp_path / "records.sqlite", timeout_ms=200) as api:
        expect(api.get(f"/v1/addresses/bitcoin/{owned}/counterparties"), 503, "timeout")


def test_a_request_id_is_taken_or_given(api: TestClient) -> None:
    """A sane X-Request-Id comes back; anything else is replaced."""
    assert api.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert api.get("/healthz", headers={"X-Request-Id": "a b"}).headers["x-request-id"].startswith("req_")


def test_metrics_count_by_route_and_carry_no_address(api: TestClient, listed: str) -> None:
    """Prometheus text, labelled by the route's template."""
    api.get(f"/v1/addresses/bitcoin/{listed}")

    answer = api.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert 'route="/v1/addresses/{chain}/{address}",status="200"' in answer.text
    assert "tadoru_indexed_height" in answer.text
    assert listed not in answer.text


def test_openapi_is_there_without_login_and_names_the_problems(api: TestClient) -> None:
    """3.1, every operation with its problems, and no page that loads scripts from elsewhere."""
    document = get(api, "/openapi.json")

    assert document["openapi"].startswith("3.1")
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "application/problem+json" in operation["responses"]["422"]["content"]
            assert operation["operationId"]
            assert operation["description"]
    expect(api.get("/docs"), 404, "no_such_path")


def test_without_an_index_every_question_is_503(tmp_path: Path) -> None:
    """Alive but not ready: healthz and status answer, everything else says what to run."""
    with client(tmp_path / "data", tmp_path / "records.sqlite") as api:
        assert get(api, "/healthz") == {"status": "ok"}
        assert get(api, "/v1/status")["ready"] is False
        for answer in (
            api.get("/readyz"),
            screen(api, NEVER),
            api.get(f"/v1/addresses/bitcoin/{NEVER}"),
            api.get("/v1/lists"),
        ):
            problem = expect(answer, 503, "index_not_ready")
            assert "tadoru index bitcoin" in problem["detail"]
            assert answer.headers["retry-after"] == "30"


def test_beyond_max_lag_screenings_are_503_and_reads_say_stale(tmp_path: Path, listed: str) -> None:
    """An index that has fallen behind decides nothing, and shows it."""
    with client(world().data, tmp_path / "records.sqlite", max_lag=60) as api:
        expect(screen(api, listed), 503, "index_not_ready")
        assert get(api, f"/v1/addresses/bitcoin/{listed}")["coverage"]["stale"] is True
        assert get(api, "/v1/status")["chains"][0]["stale"] is True
