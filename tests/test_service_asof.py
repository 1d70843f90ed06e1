"""As of: answers of an earlier height and of earlier labels, of one address alone, and added up."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics import lookup
from heuristics.exposure import exposures
from service import reading, screening
from service.answers import MILLION, Json
from service.api import reads
from service.desk import Desk, desk_for_once
from service.exits import Exit
from service.settings import Settings
from service.totals import millionths
from store.index import Index
from store.labels import Labels
from store.manifest import Generation, NoIndexError
from tests.service_world import TestClient, World, client, copy_of, world
from tests.test_api import NEVER, busiest, expect, get
from tests.test_cli import failed, tadoru, told
from tests.test_service_screening import add_tags

WAYS = ("", "/exposure", "/attribution", "/counterparties")


@dataclass(frozen=True)
class Then:
    """A data directory with a generation of then beside the live one."""

    place: World
    height: int
    labels: str


@pytest.fixture(scope="module")
def then(tmp_path_factory: pytest.TempPathFactory) -> Then:
    """Add a label to a copy of the world, then build the generation of fewer blocks and the labels before."""
    place = copy_of(tmp_path_factory.mktemp("asof") / "data")
    labels, height = Labels(place.data).version(), place.story.tip_height - 5
    add_tags(place, place.case("bystander").address, "maybe", "sanction", "heuristic")
    told(tadoru("index", "bitcoin", "--height", str(height), "--labels", labels, "--json", data=place.data))
    return Then(place, height, labels)


@pytest.fixture(scope="module")
def api(then: Then, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Start the application on it."""
    with client(then.place.data, tmp_path_factory.mktemp("records") / "records.sqlite") as talking:
        yield talking


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open the demo world."""
    settings = Settings(data=world().data, records_url=f"sqlite:///{tmp_path / 'records.sqlite'}")
    with desk_for_once(settings) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS)
def test_a_read_answers_as_of_a_height_and_labels(api: TestClient, then: Then, way: str) -> None:
    """With `height` and `labels` the generation of then answers, without them the live one."""
    path = f"/v1/addresses/bitcoin/{then.place.case('bystander').address}{way}"
    of_then = get(api, path, height=then.height, labels=then.labels)
    now = get(api, path)

    if way == "/counterparties":
        assert len(of_then["items"]) <= len(now["items"])
        return
    assert (of_then["as_of"]["height"], of_then["as_of"]["labels"]) == (then.height, then.labels)
    assert (now["as_of"]["height"], now["as_of"]["labels"]) != (then.height, then.labels)
    assert of_then["coverage"]["indexed_height"] == then.height
    if way == "/attribution":
        assert [one["category"] for one in now["attributions"]] == ["sanctioned_entity"]
        assert of_then["attributions"] == []


def test_clusters_and_their_evidence_answer_as_of_a_height(api: TestClient, then: Then) -> None:
    """A cluster, its members and the chain of edges between two of them, as they were; now they may be others."""
    address, other = (then.place.case(name).address for name in ("listed", "cluster of listed"))
    for way, more in (
        (f"/v1/addresses/bitcoin/{address}/cluster", {}),
        (f"/v1/clusters/bitcoin/{address}", {}),
        (f"/v1/addresses/bitcoin/{address}/why", {"other": other}),
    ):
        of_then = get(api, way, height=then.height, labels=then.labels, **more)["as_of"]
        now = get(api, way, **more)["as_of"]
        assert (of_then["height"], of_then["labels"]) == (then.height, then.labels)
        assert (now["height"], now["labels"]) != (then.height, then.labels)
    members = f"/v1/clusters/bitcoin/{address}/addresses"
    assert 0 < len(get(api, members, height=then.height)["items"]) <= len(get(api, members)["items"])


def test_why_answers_as_of_on_the_command_line(then: Then) -> None:
    """`tadoru why` takes --height and --labels, and says what is not built."""
    pair = [then.place.case(name).address for name in ("listed", "cluster of listed")]
    asked = ("why", *pair, "--height", str(then.height), "--labels", then.labels, "--json")
    answer = told(tadoru(*asked, data=then.place.data))
    assert (answer["as_of"]["height"], answer["together"]) == (then.height, True)
    failed(tadoru("why", *pair, "--height", "7", data=then.place.data), Exit.NO_INDEX, "bitcoin --height 7` builds")


def test_one_of_both_is_enough_and_the_live_one_is_meant_first(api: TestClient, then: Then) -> None:
    """A height alone, or labels alone, name the generation that fits; the live one where it does."""
    path = f"/v1/addresses/bitcoin/{NEVER}/exposure"
    tip = then.place.story.tip_height
    live = get(api, path)["as_of"]

    assert get(api, path, height=then.height)["as_of"]["labels"] == then.labels
    # the world's own generation, of all blocks and the labels before, is there too: it is older, so not meant
    assert get(api, path, labels=then.labels)["as_of"]["labels"] == then.labels
    assert get(api, path, height=tip)["as_of"]["generation"] == live["generation"]
    assert get(api, path, labels=live["labels"])["as_of"]["generation"] == live["generation"]


def test_what_was_not_built_is_404_with_the_command_that_builds_it(api: TestClient) -> None:
    """No silent answer of another height: the problem says what to run."""
    path = f"/v1/addresses/bitcoin/{NEVER}/exposure"
    problem = expect(api.get(path, params={"height": 7}), 404, "no_generation")

    assert "tadoru index bitcoin --height 7" in problem["detail"]
    words = expect(api.get(path, params={"height": 7, "labels": "2020.01.01-00000000"}), 404, "no_generation")
    assert "--height 7 --labels 2020.01.01-00000000" in words["detail"]
    expect(api.get(path, params={"height": -1}), 400, "invalid_parameter")
    for labels in ("", "$(reboot)"):  # it would stand in a command that is to be copied
        expect(api.get(path, params={"labels": labels}), 400, "invalid_parameter")


def test_the_command_line_answers_as_of_too(then: Then) -> None:
    """`tadoru exposure` takes --height, --labels and --scope, and says what is not built."""
    address = then.place.case("former counterparty").address
    asked = ("exposure", address, "--height", str(then.height), "--labels", then.labels, "--json")
    answer = told(tadoru(*asked, data=then.place.data))

    reads.ExposureAnswer.model_validate(answer)
    assert answer["as_of"]["height"] == then.height
    failed(
        tadoru("exposure", address, "--height", "7", data=then.place.data), Exit.NO_INDEX, "bitcoin --height 7` builds"
    )
    failed(tadoru("exposure", address, "--scope", "x", data=then.place.data), Exit.USAGE, "cluster, address")
    alone = told(tadoru("exposure", address, "--scope", "address", "--json", data=then.place.data))
    assert alone["scope"] == "address"
    assert "received in all" in tadoru("exposure", address, data=then.place.data).stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--height", "99999999"), Exit.INPUT, "height 99999999 is not in the lake"),
        (("--labels", "2020.01.01-00000000"), Exit.INPUT, "never had the label version"),
        (("--height", "7", "--prices", "USD-000000000000"), Exit.INPUT, "never held prices"),
        (("--height", "7", "--prune"), Exit.USAGE, "--prune goes with the newest"),
    ],
)
def test_what_can_not_be_built_is_said(then: Then, words: tuple[str, ...], code: Exit, said: str) -> None:
    """A height or version that never was is input that can not be used; nothing is left behind."""
    before = sorted(Index(then.place.data).dir.iterdir())

    failed(tadoru("index", "bitcoin", *words, data=then.place.data), code, said)

    assert sorted(Index(then.place.data).dir.iterdir()) == before
    assert not (then.place.data / "earlier.tmp").exists()


def test_earlier_generations_stay_until_they_are_dropped(tmp_path: Path) -> None:
    """A prune leaves them alone and does not count them; `--earlier` removes them, and never the live one."""
    place = copy_of(tmp_path / "data")
    index = Index(place.data)
    live = index.current()
    built = told(tadoru("index", "bitcoin", "--height", "40", "--json", data=place.data))
    told(tadoru("index", "bitcoin", "--height", str(place.story.tip_height), "--json", data=place.data))
    assert live is not None
    assert index.current() == live
    assert index.kept() == sorted([built["id"], live.id])

    assert told(tadoru("index", "prune", "--keep", "1", "--json", data=place.data)) == {"pruned": []}
    assert index.find(40, None).id == built["id"]
    assert told(tadoru("index", "prune", "--earlier", "--json", data=place.data)) == {"pruned": [built["id"]]}
    assert [one.id for one in index.generations()] == [live.id]
    assert index.kept() == []
    assert {path.name for path in index.dir.glob("*.coins")} == {
        entry.name for entry in live.files if "coins" in entry.name
    }
    with pytest.raises(NoIndexError, match="--height 40"):
        index.find(40, None)
    index.open().close()


def test_more_generations_than_stay_open_are_asked_in_turn(then: Then) -> None:
    """The live one is not opened twice, others come and go, and each answers as of itself."""
    with desk_for_once(Settings(data=then.place.data)) as desk:
        known = desk.live.index.generations()
        assert len(known) >= 3
        for one in [*known, *known]:
            with desk.live.ask(5, one) as question, desk.live.ask(None, one) as second:
                assert question.ground is second.ground
                assert question.ground.generation == one
        with desk.live.ask() as live, desk.live.ask(None, live.ground.generation) as again:
            assert live.ground is again.ground


def asked(desk: Desk, address: str, scope: str) -> Json:
    """Ask for the exposure of an address."""
    with desk.live.ask() as question:
        return reading.exposure(question, desk.settings, address, scope)  # type: ignore[arg-type]


def dealt(answer: Json, direction: str) -> Decimal:
    """Add up what an answer tells of one direction."""
    return sum(
        (
            Decimal(one["value"]["value"])
            for one in answer["exposures"]
            if one["direction"] == direction and one["kind"] != "ownership" and not one["passes_through"]
        ),
        Decimal(0),
    )


@pytest.mark.parametrize("name", ["listed", "cluster of listed", "former counterparty", "mixer", "shell", "never seen"])
def test_one_address_has_at_most_what_its_wallet_has(desk: Desk, name: str) -> None:
    """Scope `address` tells coins of that address alone, and its shares are of what it received and sent itself."""
    wallet, alone = (asked(desk, world().case(name).address, scope) for scope in ("cluster", "address"))

    reads.ExposureAnswer.model_validate(alone)
    for direction in ("received", "sent"):
        assert dealt(alone, direction) <= dealt(wallet, direction) + Decimal("0.000001")
        with desk.live.ask() as question:
            facts = lookup.address(
                question.cursor, screening.locate(world().case(name).address, question.ground).address_id
            )
        most = 0 if facts is None else getattr(facts, direction)
        assert dealt(alone, direction) <= Decimal(most) / 10**8 + Decimal("0.000001")


def test_an_address_with_too_many_transactions_is_bounded_and_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound the newest transactions are told, and coverage says that something was left out."""
    assert asked(desk, busiest(), "address")["coverage"]["truncated"] is False
    with desk.live.ask() as question:
        found = screening.look_up(question, busiest(), "address")
        assert found.facts is not None
        some, more = exposures.of_address(question.cursor, found.facts, 1)
        every, none = exposures.of_address(question.cursor, found.facts)
    assert (more, none) == (True, False)
    assert max(one.last_tx_id for one in some) == max(one.last_tx_id for one in every)
    assert {one.first_tx_id for one in some} == {one.last_tx_id for one in some}

    bounded = exposures.of_address
    monkeypatch.setattr(exposures, "of_address", lambda cursor, facts: bounded(cursor, facts, 1))
    assert asked(desk, busiest(), "address")["coverage"]["truncated"] is True


@pytest.mark.parametrize("scope", ["cluster", "address"])
@pytest.mark.parametrize("case", world().story.screenings, ids=lambda case: case.name)
def test_totals_of_a_direction_sum_to_one(desk: Desk, case: object, scope: str) -> None:
    """By category and by jurisdiction, shares sum to 1 and values to all that was received, or sent."""
    answer = asked(desk, case.address, scope)  # type: ignore[attr-defined]  # a Screening of the story

    for by in ("by_category", "by_jurisdiction"):
        for direction in ("received", "sent"):
            rows = [one for one in answer["totals"][by] if one["direction"] == direction]
            assert sum(Decimal(one["value"]["value"]) for one in rows) == dealt(answer, direction)
            if rows:
                assert abs(sum((Decimal(one["share"]) for one in rows), Decimal(-1))) <= Decimal("0.00001")
    assert len({(o["direction"], o["kind"], o["category"]) for o in answer["totals"]["by_category"]}) == len(
        answer["totals"]["by_category"]
    )


@given(st.lists(st.integers(0, 21 * 10**14), max_size=40))
def test_a_million_is_shared_out_whole(values: list[int]) -> None:
    """Shares are within a millionth of the exact ones and sum to a million, or are all 0 of nothing."""
    shares = millionths(values)

    assert sum(shares) == (MILLION if sum(values) else 0)
    for value, share in zip(values, shares, strict=True):
        assert abs(share * sum(values) - value * MILLION) < max(sum(values), 1)


def test_find_prefers_what_follows_its_labels(tmp_path: Path) -> None:
    """Of a finished generation and one whose exposure is of older labels, the finished one is meant."""
    place = copy_of(tmp_path / "data")
    index = Index(place.data)
    live = index.current()
    assert live is not None
    stale = Generation(
        **{name: getattr(live, name) for name in Generation.__slots__} | {"id": "x", "exposure_labels": "y"}
    )
    (index.dir / "x.json").write_text(stale.to_json())
    index.current_path.unlink()

    assert index.find(live.height, live.label_version) == live
