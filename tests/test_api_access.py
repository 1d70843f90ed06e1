"""Who may ask: loopback while no key exists, then keys with scopes and expiry; limits; what is recorded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.api.guard import Callers
from service.desk import Desk
from store.audit import timestamp
from store.records import Key, new_id
from tests.service_world import TestClient, client, world

STATUS = "/v1/status"


def desk_of(api: TestClient) -> Desk:
    """Return what the application answers with."""
    desk: Desk = api.app.state.desk  # type: ignore[attr-defined]  # starlette's application
    return desk


def add_key(api: TestClient, *scopes: str, expires: str | None = None) -> tuple[str, dict[str, str]]:
    """Create a key; returns its id and the header that carries it."""
    key = Key(new_id("key"), "test", scopes, timestamp(), expires, None)
    desk_of(api).records.add_key(key, f"tdr_{key.id}")
    forget(api)
    return key.id, {"Authorization": f"Bearer tdr_{key.id}"}


def forget(api: TestClient) -> None:
    """Have the application look keys up again at once, instead of after a second."""
    app: Any = api.app
    app.state.callers = Callers(desk_of(api).records, desk_of(api).settings.rate_limit)


def post(api: TestClient, headers: dict[str, str]) -> Any:
    """Post a screening."""
    body = {"kind": "address", "address": world().case("listed").address}
    return api.post("/v1/screenings", json=body, headers=headers)


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {"host": "[::1]:8337"}, 200),
        ("127.0.0.1", {"host": "localhost"}, 200),
        ("192.0.2.7", {}, 401),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, 401),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7"}, 401),
        ("127.0.0.1", {"host": "evil.example"}, 401),
        ("not-an-ip", {}, 401),
    ],
)
def test_without_keys_only_this_machine_is_answered(
    tmp_path: Path, peer: str, headers: dict[str, str], status: int
) -> None:
    """Other machines, proxied requests and rebound names are refused; health is open to all."""
    with client(world().data, tmp_path / "records.sqlite") as api:
        other = TestClient(api.app, base_url="http://127.0.0.1", client=(peer, 1))

        answer = other.get(STATUS, headers=headers)

        assert answer.status_code == status
        assert ("www-authenticate" in answer.headers) is (status == 401)
        assert other.get("/healthz", headers=headers).status_code == 200


def test_once_a_key_exists_everyone_brings_one(tmp_path: Path) -> None:
    """No key, a wrong one, an expired one, a revoked one: 401. A good one works from anywhere."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    with client(world().data, tmp_path / "records.sqlite") as api:
        key_id, good = add_key(api, "read")
        _, expired = add_key(api, "read", expires=past)
        far = TestClient(api.app, base_url="http://tadoru.example", client=("192.0.2.7", 1))

        assert far.get(STATUS, headers=good).status_code == 200
        for headers in ({}, expired, {"Authorization": "Bearer tdr_wrong"}, {"Authorization": "Basic eDp5"}):
            assert api.get(STATUS, headers=headers).status_code == 401
        desk_of(api).records.revoke_key(key_id)
        forget(api)
        assert far.get(STATUS, headers=good).status_code == 401
        assert api.get(STATUS).status_code == 401, "revoking the last key does not open the door again"


def test_scopes_divide_what_a_key_may_do(tmp_path: Path) -> None:
    """Screening and reading are different rights; admin has both."""
    with client(world().data, tmp_path / "records.sqlite") as api:
        _, screen = add_key(api, "screen")
        _, read = add_key(api, "read")
        _, admin = add_key(api, "admin")

        assert post(api, screen).status_code == 200
        assert api.get("/v1/screenings", headers=screen).status_code == 200
        refused = post(api, read)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope")
        assert api.get(STATUS, headers=screen).status_code == 403
        assert api.get(STATUS, headers=read).status_code == 200
        assert post(api, admin).status_code == 200
        assert api.get(STATUS, headers=admin).status_code == 200


def test_attempts_and_idempotency_belong_to_the_caller(tmp_path: Path) -> None:
    """Two callers may use the same ids; the record names who asked."""
    body = {"kind": "address", "address": world().case("listed").address, "attempt_id": "wd-1"}
    with client(world().data, tmp_path / "records.sqlite") as api:
        (_, one), (_, two) = add_key(api, "screen"), add_key(api, "screen")
        answers = [
            api.post("/v1/screenings", json=body, headers={**who, "Idempotency-Key": "k"}) for who in (one, two, one)
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert answers[0].json()["id"] == answers[2].json()["id"] != answers[1].json()["id"]


def test_screenings_key_uses_and_keys_are_one_whole_chain(tmp_path: Path) -> None:
    """Key creation, the first use on a day and every screening stand in the audit chain, which is whole."""
    with client(world().data, tmp_path / "records.sqlite") as api:
        _, good = add_key(api, "screen")
        for _ in range(3):
            assert post(api, good).status_code == 200

        chain = desk_of(api).records.verify_chain()

        assert (chain.rows, chain.screenings) == (1 + 1 + 3, 3)


def test_too_many_requests_are_told_to_wait(tmp_path: Path) -> None:
    """Over the limit: 429 with Retry-After; every answer says what is left."""
    with client(world().data, tmp_path / "records.sqlite", rate_limit=5) as api:
        answers = [api.get(STATUS) for _ in range(25)]

        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["code"] == "rate_limited"
        assert answers[0].headers["ratelimit-policy"] == '"second";q=5;w=1'
        assert answers[0].headers["ratelimit"] == '"second";r=4;t=1'
