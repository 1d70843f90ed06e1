"""Records: asked again they give the same, asked anew they name the earlier, exported they carry their hashes."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest

from heuristics import generation as building
from service import replay, report, screening
from service.answers import Json
from service.api import models, record_models
from service.desk import Desk, desk_for_once
from service.exits import BadInputError, Exit, NotFoundError
from service.report_page import tag
from service.settings import Settings
from store.errors import StoreError
from store.index import Index
from store.labels import Labels
from store.manifest import NoIndexError
from store.prices import Prices
from store.records import Decision
from tests.service_world import TestClient, World, client, copy_of, index, world
from tests.test_api import expect
from tests.test_api_access import add_key, desk_of
from tests.test_cli import failed, tadoru, told
from tests.test_service_screening import add_tags

NAMES = ("listed", "former counterparty", "bystander", "never seen")
VOID = {"meta", "br"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open the demo world with records of its own."""
    with opened(world().data, tmp_path) as found:
        yield found


def opened(data: Path, folder: Path) -> Any:
    """Open a data directory with records of its own in a folder."""
    settings = Settings(data=data, records_url=f"sqlite:///{folder / 'records.sqlite'}", timeout_ms=10_000)
    return desk_for_once(settings)


def screened(desk: Desk, name: str, **fields: Any) -> Json:
    """Screen an address of the story."""
    asked = screening.Request(world().case(name).address, **fields)
    return screening.screen(desk, asked, desk.policy("balanced")).answer


def refiled(desk: Desk, answer: Json, **changes: Any) -> str:
    """File an answer of its own with some parts changed, as if the software of then had said so."""
    changed = {**answer, "id": "scr_changed", **changes}
    fields = {name: changed[name] for name in ("id", "created_at", "kind", "decision", "status", "policy")}
    decision = Decision(
        **fields,
        caller="cli",
        chain=changed["subject"]["chain"],
        address=changed["subject"]["canonical"],
        generation=changed["as_of"]["generation"],
        result_sha256=changed["result_sha256"],
        body=orjson.dumps(changed),
    )
    desk.records.file(decision)
    return decision.id


# replay ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_record_replays_to_the_same_hash_and_is_audited(desk: Desk, name: str) -> None:
    """The same generation gives the same answer; that it was asked again stands in the audit chain."""
    answer = screened(desk, name, attempt_id="a", customer_ref="c", amount={"value": "1", "currency": "BTC"})
    rows = desk.records.verify_chain().rows

    outcome = replay.replay(desk, answer["id"])

    record_models.Replay.model_validate(outcome)
    assert outcome["same"] is True
    assert outcome["differences"] == []
    assert outcome["recorded_sha256"] == outcome["replayed_sha256"] == answer["result_sha256"]
    assert desk.records.verify_chain().rows == rows + 1
    assert len(desk.records.decisions(10)) == 1


def test_what_comes_out_otherwise_is_named(desk: Desk) -> None:
    """A record that says something else than the data is different, and in what; so is one with only the hash kept."""
    answer = screened(desk, "listed")
    changed = refiled(desk, answer, decision="allow", exposures=[])

    outcome = replay.replay(desk, changed)

    assert outcome["same"] is False
    assert outcome["differences"] == ["decision", "exposures"]


def test_an_index_that_is_too_old_for_screening_replays(desk: Desk) -> None:
    """`max_lag` keeps old data from deciding about payments, not from being replayed."""
    answer = screened(desk, "listed")
    strict = replace(desk, settings=desk.settings.model_copy(update={"max_lag": 60}))

    assert replay.replay(strict, answer["id"])["same"] is True


def test_another_version_of_the_policy_is_refused(desk: Desk) -> None:
    """A replay is by the rules of then; with other rules it would say nothing."""
    answer = screened(desk, "listed")
    desk.policies["balanced"] = desk.policies["balanced"].model_copy(update={"version": 99})

    with pytest.raises(BadInputError, match="balanced@3, here is balanced@99"):
        replay.replay(desk, answer["id"])
    assert replay.rescreen(desk, answer["id"]).answer["policy"] == "balanced@99"


def test_a_record_of_older_software_is_told_apart(desk: Desk) -> None:
    """A record that does not say what its exposure was as of can not be compared; one without a newer field differs."""
    answer = screened(desk, "listed")
    as_of = {name: value for name, value in answer["as_of"].items() if name != "exposure_labels"}
    old = refiled(desk, answer, as_of=as_of)
    with pytest.raises(NoIndexError, match="did not say"):
        replay.replay(desk, old)

    method = {name: value for name, value in answer.items() if name != "method"}
    refiled(desk, {**method}, id="scr_2")
    assert replay.replay(desk, "scr_2")["differences"] == ["method"]


def test_a_record_replays_after_its_generation_was_pruned_and_built_again(tmp_path: Path) -> None:
    """Newer labels, newer prices, a prune: the command that the error names brings back what gives the same hash."""
    place = copy_of(tmp_path / "data")
    prices(place, "2025-01-01", 100)
    told(tadoru("index", "bitcoin", "--json", data=place.data))
    before = Index(place.data).current()
    assert before is not None
    with opened(place.data, tmp_path) as desk:
        answers = [screened(desk, name) for name in NAMES]

    prices(place, "2025-01-01", 300)
    path = place.data / "pack.yaml"
    add_tags(place, place.case("bystander").address, "maybe", "sanction", "heuristic")
    path.unlink()
    told(tadoru("index", "bitcoin", "--prune", "--json", data=place.data, TADORU_KEEP_GENERATIONS="1"))
    assert before not in Index(place.data).generations()

    with opened(place.data, tmp_path) as desk:
        now = [screened(desk, name) for name in NAMES]
        assert all(one["result_sha256"] != then["result_sha256"] for one, then in zip(now, answers, strict=True))
        with pytest.raises(NoIndexError) as missing:
            replay.replay(desk, answers[0]["id"])
    command = str(missing.value).split("`")[1].split()
    assert command[:3] == ["tadoru", "index", "bitcoin"]

    built = told(tadoru(*command[1:], "--json", data=place.data))
    told(tadoru("index", "prune", "--keep", "1", "--json", data=place.data))

    assert built["label_version"] == before.label_version
    with opened(place.data, tmp_path) as desk:
        for answer in [*answers, *now]:
            outcome = replay.replay(desk, answer["id"])
            assert outcome["same"], outcome
            assert outcome["replayed_sha256"] == answer["result_sha256"]


def prices(place: World, first: str, price: int) -> None:
    """Import one price for every day of the story's time."""
    path = place.data / "prices.csv"
    year = first[:4]
    days = [f"{year}-{month:02}-{day:02},BTC,USD,{price}" for month in range(1, 13) for day in range(1, 29)]
    path.write_text("date,asset,currency,price\n" + "\n".join(days) + "\n", encoding="utf-8")
    Prices(place.data).add([path])
    path.unlink()


def test_what_was_answered_while_labels_were_worked_in_replays_while_it_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New labels with the exposure of the labels before: replayed from that generation, and told when it is gone."""
    place = copy_of(tmp_path / "data")
    earlier = Labels(place.data).version()

    def stopped(*_: object) -> None:
        msg = "power cut"
        raise StoreError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(building, "_write_exposure", stopped)
        with pytest.raises(StoreError, match="power cut"):
            add_tags(place, place.case("bystander").address, "surely", "sanction", "ownership")
    with opened(place.data, tmp_path) as desk:
        answer = screened(desk, "bystander")
        assert answer["as_of"]["exposure_labels"] == earlier != answer["as_of"]["labels"]
        assert answer["decision"] == "block"
        assert replay.replay(desk, answer["id"])["same"] is True

    index(place.data)
    with opened(place.data, tmp_path) as desk:
        assert replay.replay(desk, answer["id"])["same"] is True
    told(tadoru("index", "prune", "--keep", "1", "--json", data=place.data))
    with (
        opened(place.data, tmp_path) as desk,
        pytest.raises(NoIndexError, match=r"were being worked in.*not built again"),
    ):
        replay.replay(desk, answer["id"])


def test_the_command_replays_and_its_exit_code_says_so(tmp_path: Path) -> None:
    """Same: 0; different: 1; its generation not here: 7; no such record: 1."""
    place = copy_of(tmp_path / "data")
    (answer,) = [told(tadoru("screen", place.case("bystander").address, "--json", data=place.data))]
    assert told(tadoru("replay", answer["id"], "--json", data=place.data))["same"] is True
    assert "the same" in tadoru("replay", answer["id"], data=place.data).stdout
    with desk_for_once(Settings(data=place.data)) as desk:
        changed = refiled(desk, answer, decision="block")
        gone = refiled(desk, answer, id="scr_gone", as_of={**answer["as_of"], "height": 7})
    different = tadoru("replay", changed, data=place.data)
    assert (different.returncode, "DIFFERENT in decision" in different.stdout) == (Exit.NO, True)
    failed(tadoru("replay", gone, data=place.data), Exit.NO_INDEX, "tadoru index bitcoin --height 7 --labels")
    failed(tadoru("replay", "scr_none", data=place.data), Exit.NO, "no screening 'scr_none'")
    told(tadoru("audit", "verify", "--json", data=place.data))


# rescreen --------------------------------------------------------------------------------------------------


def test_a_rescreening_is_a_record_of_its_own_that_names_the_earlier(desk: Desk) -> None:
    """The same is asked of the live generation; both records stand, and the attempt stays with the first."""
    answer = screened(desk, "listed", attempt_id="wd-1", customer_ref="c-1", kind="withdrawal_attempt")

    again = replay.rescreen(desk, answer["id"]).answer

    models.Screening.model_validate(again)
    assert again["id"] != answer["id"]
    assert again["links"]["earlier"] == answer["links"]["self"]
    assert answer["links"]["earlier"] is None
    assert (again["attempt_id"], again["customer_ref"], again["kind"]) == (None, "c-1", "withdrawal_attempt")
    assert again["result_sha256"] == answer["result_sha256"]
    assert desk.records.verify_chain().screenings == 2
    assert json.loads(desk.records.decision(answer["id"]) or b"") == answer
    with pytest.raises(NotFoundError, match="scr_none"):
        replay.rescreen(desk, "scr_none")


# the API ---------------------------------------------------------------------------------------------------


@pytest.fixture
def api(tmp_path: Path) -> Iterator[TestClient]:
    """Start the application on the demo world."""
    with client(world().data, tmp_path / "records.sqlite") as talking:
        yield talking


def post(api: TestClient, name: str = "former counterparty") -> Json:
    """Screen an address of the story over HTTP."""
    answer: Json = api.post("/v1/screenings", json={"kind": "address", "address": world().case(name).address}).json()
    return answer


def test_over_http_a_record_is_replayed_rescreened_and_exported(api: TestClient) -> None:
    """With an empty JSON body, or without one; unknown ids are 404."""
    own = post(api)["links"]["self"]

    bodies: tuple[dict[str, Any], ...] = ({}, {"json": {}})
    for body in bodies:
        outcome = api.post(f"{own}/replay", **body)
        assert outcome.status_code == 200, outcome.text
        assert record_models.Replay.model_validate(outcome.json()).same is True
        models.Screening.model_validate(api.post(f"{own}/rescreen", **body).json())
    assert len(api.get("/v1/screenings").json()["items"]) == 3
    record_models.Report.model_validate(api.get(f"{own}/report").json())
    for method, way in (("POST", "replay"), ("POST", "rescreen"), ("GET", "report")):
        expect(api.request(method, f"/v1/screenings/scr_none/{way}"), 404, "not_found")
    expect(api.post(f"{own}/replay", json={"x": 1}), 422, "invalid_body")
    expect(api.get(f"{own}/report", params={"format": "pdf"}), 400, "invalid_parameter")


def test_a_page_of_another_site_can_not_post_without_asking(api: TestClient) -> None:
    """A request with an Origin has to be JSON even without a body, so that a browser asks us first."""
    own = post(api)["links"]["self"]

    expect(api.post(f"{own}/rescreen", headers={"Origin": "https://evil.example"}), 415, "media_type")
    expect(api.post(f"{own}/rescreen", content=b"x", headers={"Content-Type": "text/plain"}), 415, "media_type")


def test_a_rescreening_with_an_idempotency_key_is_filed_once(api: TestClient) -> None:
    """The same key gives the stored answer; another screening under it is refused."""
    first, second = post(api), post(api)
    key = {"Idempotency-Key": "again-1"}

    one = api.post(f"{first['links']['self']}/rescreen", headers=key)
    two = api.post(f"{first['links']['self']}/rescreen", headers=key)

    assert (one.json()["id"], two.headers["idempotent-replayed"]) == (two.json()["id"], "true")
    expect(api.post(f"{second['links']['self']}/rescreen", headers=key), 422, "idempotency_key_reused")


def test_over_http_a_missing_generation_is_404_and_another_policy_422(api: TestClient) -> None:
    """Both say what to do."""
    desk, answer = desk_of(api), post(api)
    gone = refiled(desk, answer, id="scr_gone", as_of={**answer["as_of"], "height": 7})
    other = refiled(desk, answer, id="scr_other", policy="sanctions-only@99")

    problem = expect(api.post(f"/v1/screenings/{gone}/replay"), 404, "no_generation")
    assert "tadoru index bitcoin --height 7" in problem["detail"]
    expect(api.post(f"/v1/screenings/{other}/replay"), 422, "other_policy")


def test_who_audits_replays_and_reads_but_decides_nothing(api: TestClient) -> None:
    """Scope `audit` opens records, replays and reports; only `screen` makes new decisions."""
    _, screen = add_key(api, "screen")
    _, audit = add_key(api, "audit")
    _, read = add_key(api, "read")
    body = {"kind": "address", "address": world().case("listed").address}
    own = api.post("/v1/screenings", json=body, headers=screen).json()["links"]["self"]

    for headers in (screen, audit):
        assert api.post(f"{own}/replay", headers=headers).status_code == 200
        assert api.get(f"{own}/report", headers=headers).status_code == 200
    expect(api.post(f"{own}/rescreen", headers=audit), 403, "scope")
    expect(api.post("/v1/screenings", json=body, headers=audit), 403, "scope")
    assert "screen or audit" in expect(api.post(f"{own}/replay", headers=read), 403, "scope")["detail"]


# reports ---------------------------------------------------------------------------------------------------


def nasty(answer: Json) -> Json:
    """Give a record in which every label, name and source tries to be something else than text."""
    bad = '=HYPERLINK("http://evil.example","<script>alert(1)</script>")&"\'</td>'
    text = json.loads(json.dumps(answer))
    for one in text["attributions"]:
        one["entity"] = {"id": bad, "name": bad, "jurisdictions": [bad]}
        one["evidence"]["label"] = bad
        one["sources"] = [{"name": bad, "published": None, "sha256": bad, "uri": "javascript:alert(1)"}]
    for one in text["exposures"]:
        one["entity"] = {"id": "@x", "name": bad, "jurisdictions": ["+1"]}
        one["jurisdictions"] = ["+1"]
        one["category"] = "-2"
        one["fiat"] = {"value": "1.00", "currency": "USD"}
    for one in text["triggers"]:
        one["expression"] = one["reason"] = bad
    text["customer_ref"] = bad
    return dict(text)


def test_the_json_export_carries_the_record_and_the_hash_of_each_part(desk: Desk) -> None:
    """The record verbatim, and a manifest whose hashes are those of its bytes, of the CSV and of the audit chain."""
    answer = screened(desk, "former counterparty")
    body = desk.records.decision(answer["id"])
    assert body is not None

    both = json.loads(report.report(body, "json").body)

    record_models.Report.model_validate(both)
    written = json.dumps(both["record"], separators=(",", ":"), ensure_ascii=False).encode()
    assert written == body
    hashes = {part["name"]: (part["sha256"], part["bytes"]) for part in both["manifest"]["parts"]}
    rows = report.report(body, "csv").body
    assert hashes["record.json"] == (hashlib.sha256(written).hexdigest(), len(body))
    assert hashes["exposures.csv"] == (hashlib.sha256(rows).hexdigest(), len(rows))
    assert both["manifest"]["result_sha256"] == answer["result_sha256"]


def test_the_csv_export_has_a_row_for_every_exposure(desk: Desk) -> None:
    """All values of the record, one exposure a row, the same bytes each time."""
    answer = screened(desk, "former counterparty")
    body = desk.records.decision(answer["id"]) or b""

    rows = list(csv.DictReader(io.StringIO(report.report(body, "csv").body.decode())))

    assert len(rows) == len(answer["exposures"]) > 0
    for row, one in zip(rows, answer["exposures"], strict=True):
        assert (row["screening"], row["value"], row["share"]) == (answer["id"], one["value"]["value"], one["share"])
        assert (row["entity"], row["list"]) == (
            one["entity"]["name"] if one["entity"] else "",
            one["legal_status"]["list"] if one["legal_status"] else "",
        )
        assert row["passes_through"] == str(one["passes_through"]).lower()
        assert None not in row
    assert report.report(body, "csv").body == report.report(body, "csv").body


def test_no_cell_is_a_formula(desk: Desk) -> None:
    """Whatever a label is called, a spreadsheet shows it as text."""
    answer = nasty(screened(desk, "listed"))
    rows = list(csv.reader(io.StringIO(report.exposures_csv(answer).decode())))

    cells = [cell for row in rows for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert {"'@x", "'+1", "'-2"} <= set(cells)
    assert not any(cell.lstrip().startswith(report.FORMULA) for cell in cells)


class Reader(HTMLParser):
    """Reads a page: its elements, their attributes, its text; and whether every element is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.names.add(name)
        self.attributes += attributes
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        """Close it."""
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def read(page: bytes) -> Reader:
    """Read a whole page."""
    reader = Reader()
    reader.feed(page.decode())
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("name", ["listed", "former counterparty", "bystander", "never seen"])
def test_the_page_tells_everything_and_loads_nothing(desk: Desk, name: str) -> None:
    """Decision, reasons, sources, exposures, coverage, as-of and hashes; no script, no resource, no link."""
    answer = screened(desk, name, customer_ref="c-7")
    body = desk.records.decision(answer["id"]) or b""

    page = read(report.report(body, "html").body)

    assert page.names.isdisjoint({"script", "img", "link", "iframe", "a", "object", "form"})
    assert {key for key, _ in page.attributes} <= {"class", "lang", "charset", "http-equiv", "content"}
    wanted = [answer["decision"].upper(), answer["decision_reason"], answer["policy"], answer["id"], "c-7"]
    wanted += [answer["subject"]["canonical"], answer["as_of"]["block_hash"], answer["as_of"]["labels"]]
    wanted += [answer["result_sha256"], hashlib.sha256(body).hexdigest(), "haircut"]
    wanted += [part for one in answer["triggers"] for part in (one["rule_id"], one["reason"], one["expression"])]
    wanted += [source["sha256"] for one in answer["attributions"] for source in one["sources"]]
    wanted += [edge["txid"] for one in answer["attributions"] for edge in one["evidence"]["edges"]]
    for one in answer["exposures"]:
        wanted += [one["share"], one["value"]["value"], one["category"], one["first_at"][:10]]
    assert [text for text in wanted if text and text not in page.text] == []


def test_the_page_escapes_what_others_wrote(desk: Desk) -> None:
    """Labels, names and sources are text, whatever is in them."""
    answer = nasty(screened(desk, "listed"))

    page = read(report.report(orjson.dumps(answer), "html").body)

    assert "script" not in page.names
    assert "<script>alert(1)</script>" in page.text
    assert tag("p", "<b>", tag("i", "&"), kind='"x') == '<p class="&quot;x">&lt;b&gt;<i>&amp;</i></p>'


def test_over_http_each_format_has_its_type_and_name(api: TestClient) -> None:
    """Rows are saved under the screening's name; the page may load nothing, by its own header."""
    answer = post(api)
    own, name = answer["links"]["report"], answer["id"]

    rows, page = (api.get(own, params={"format": form}) for form in ("csv", "html"))

    assert rows.headers["content-type"] == "text/csv; charset=utf-8"
    assert rows.headers["content-disposition"] == f'attachment; filename="{name}-exposures.csv"'
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["x-content-type-options"] == "nosniff"
    read(page.content)


def test_the_command_writes_each_format(tmp_path: Path) -> None:
    """To standard output or to a file; what is no format, no record or no place is said."""
    place = copy_of(tmp_path / "data")
    answer = told(tadoru("screen", place.case("bystander").address, "--json", data=place.data))
    name = answer["id"]
    page = tmp_path / "page.html"

    assert told(tadoru("report", name, data=place.data))["record"] == answer
    assert tadoru("report", name, "--format", "csv", data=place.data).stdout.startswith("screening,direction,kind")
    written = told(tadoru("report", name, "--format", "html", "--out", page, "--json", data=place.data))
    assert written == {"written": str(page), "bytes": page.stat().st_size}
    read(page.read_bytes())
    failed(tadoru("report", name, "--format", "pdf", data=place.data), Exit.USAGE, "json, csv, html")
    failed(tadoru("report", "scr_none", data=place.data), Exit.NO, "no screening 'scr_none'")


# what policies judge ---------------------------------------------------------------------------------------


def test_policies_are_told_everything_that_is_known(desk: Desk) -> None:
    """Dust, money and parties that are passed through reach the rules, and so does how much the answer rests on."""
    with desk.live.ask() as question:
        found = screening.look_up(question, world().case("former counterparty").address)
        dust = replace(found.exposures[-1], unsolicited=True, passes_through=True, kind="direct", currency="USD")
        found.exposures.append(dust)
        *_, last, coverage = screening.findings(found, question.ground)

    assert (last.unsolicited, last.passes_through, last.fiat, last.fiat_currency) == (True, True, dust.fiat, "USD")
    known = coverage.coverage
    assert known is not None
    assert (known.lists, known.history_incomplete, known.truncated) == (1, False, False)
    assert known.unattributed_share is not None


def test_without_a_list_a_policy_says_so(tmp_path: Path) -> None:
    """With no sanctions list imported, nothing was looked up: `balanced` has a person look."""
    data = tmp_path / "data"
    story = world().story
    told(tadoru("backfill", "bitcoin", "--from", story.datadir, "--json", data=data))
    index(data)
    with opened(data, tmp_path) as desk:
        answer = screened(desk, "bystander")

    assert (answer["decision"], answer["decision_reason"]) == ("review", "R-NOLIST-1")
