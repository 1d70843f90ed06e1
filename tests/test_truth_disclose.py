"""What a user would know of a world: in form, in amount, in time, and without the secrets."""

import csv
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow.compute as pc
import pytest

from chains.bitcoin.address import script_of, text_of
from store.formats import Published, gather, read
from store.labels import Labels
from tests.truth_stories import CUSTODIAN, CUSTOMER, LISTED, PARTIES, Out, Story
from worlds.claims import COMMENT_LIMIT, Listed, Tag, write_sdn, write_tag_pack
from worlds.prices import daily
from worlds.settings import Settings
from worlds.truth.disclose import disclose
from worlds.truth.matrices import write_matrices
from worlds.truth.owners import name_everybody
from worlds.truth.query import asking
from worlds.truth.tables import read_table

DESIGNATED = datetime.fromtimestamp(LISTED, UTC).date()  # 2023-11-14
START = datetime(2023, 11, 1, tzinfo=UTC)
BLOCKS = 240  # thirty days
SETTINGS = Settings(seed=4, blocks=BLOCKS, labelled=0.2, mislabelled=0.015)
BARE = b"\x21\x02" + bytes(32) + b"\xac"


def told(addresses: int = 60) -> Story:
    """Everyone is paid at many addresses through all of the world; the front is a shell of the listed party."""
    story = Story(payments=[("taiga", "alice", 5)], shells=["front"])
    for n in range(addresses):
        height = 1 + n * (BLOCKS - 1) // addresses
        outs = [story.out(f"{party[0]}-1", 1000, role=("deposit", "hot", "receive")[n % 3]) for party in PARTIES]
        outs.append(story.out(CUSTODIAN, 1000, CUSTOMER, "deposit"))
        outs.append(Out("hinode-1", 1000, BARE[:2] + n.to_bytes(32, "big") + BARE[-1:], "hinode", "reward"))
        story.tx("coinbase", [], outs, height)
    return story


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    told().write(folder / "truth")
    write_matrices(folder / "truth", SETTINGS.seed)
    assert disclose(folder, SETTINGS, START) == folder / "disclosed"
    return folder


def published(folder: Path) -> dict[str, Published]:
    """Read a folder of labels as `tadoru labels add` does, by the names of its files and folders."""
    places = [path for path in folder.iterdir() if path.is_dir() or path.suffix == ".yaml"]
    lists, problems, _ = gather(places)
    assert not problems
    return {one.path.parent.name if one.members else one.path.name: read(one, "regtest") for one in lists}


def owners(world: Path) -> dict[str, str]:
    """Who owns the business of each address."""
    with asking(world / "truth") as tables:
        rows = tables.execute("SELECT script, owner FROM owned").fetchall()
    return {text: owner for script, owner in rows if (text := text_of(script, "regtest")) is not None}


@pytest.mark.parametrize("folder", ["disclosed", "truth/labels"])
def test_all_of_it_passes_the_import_without_a_note(world: Path, tmp_path: Path, folder: str) -> None:
    """`tadoru labels add` takes packs and lists as they are, and has nothing to remark."""
    places = [p for p in (world / folder).iterdir() if p.is_dir() or p.suffix == ".yaml"]
    assert len(places) == 4
    report = Labels(tmp_path).add(places, network="regtest")
    assert not report.notes
    assert not report.skipped
    assert report.tags > 0


def test_tags_name_the_share_of_services_addresses_that_was_drawn(tmp_path: Path) -> None:
    """About `labelled` of the addresses that have a text, and only those of services; about `mislabelled` wrongly."""
    told(400).write(tmp_path / "truth")
    write_matrices(tmp_path / "truth", 1)
    disclose(tmp_path, Settings(seed=2, blocks=BLOCKS, labelled=0.25, mislabelled=0.02), START)
    tags = published(tmp_path / "disclosed")["tags.yaml"].tags.to_pylist()
    whose = owners(tmp_path)
    services = {"hinode", "kura", "pool"}
    assert {whose[tag["address"]] for tag in tags} == services
    n = Counter(whose.values())
    # A service of which only deposit addresses are tagged has fewer that could be.
    assert 0.25 * sum(n[one] for one in services) * 0.3 < len(tags) <= 0.25 * sum(n[one] for one in services) + 3
    wrong = [tag for tag in tags if tag["entity_id"] != whose[tag["address"]]]
    assert 0 < len(wrong) < 0.06 * len(tags)
    assert {tag["entity_id"] for tag in wrong} <= services


def test_some_services_are_known_by_deposit_addresses_alone(tmp_path: Path) -> None:
    """Over many worlds some services are, and others are not."""
    seen = set()
    for seed in range(20):
        folder = tmp_path / str(seed)
        told(20).write(folder / "truth")
        write_matrices(folder / "truth", seed)
        disclose(folder, Settings(seed=seed, blocks=BLOCKS, labelled=0.3), START)
        with asking(folder / "truth") as tables:
            roles = dict(tables.execute("SELECT script, role FROM address").fetchall())
        tags = published(folder / "disclosed")["tags.yaml"].tags.to_pylist()
        kinds = {roles[script_of(tag["address"], "regtest")] for tag in tags if tag["label"] == "Pool"}
        if len(kinds) > 0:
            seen.add(kinds == {"deposit"})
    assert seen == {True, False}


def test_a_label_is_the_partys_name_and_nothing_else(world: Path) -> None:
    """Neither a tag of a user nor a perfect one says what an address is there for."""
    for folder in ("disclosed", "truth/labels"):
        packs = published(world / folder)
        names = {one["entity_id"]: one["name"] for one in packs["actors.yaml"].entities.to_pylist()}
        assert all(tag["label"] == names[tag["entity_id"]] for tag in packs["tags.yaml"].tags.to_pylist())


def test_a_tag_is_not_older_than_its_address(world: Path) -> None:
    """Tags come with a delay: after the first payment to the address, and before the world ends."""
    with asking(world / "truth") as tables:
        rows = tables.execute("SELECT script, min(height) FROM output JOIN tx USING (txid) GROUP BY ALL").fetchall()
    first = dict(rows)
    tags = published(world / "disclosed")["tags.yaml"].tags.to_pylist()
    delays = [
        tag["source_date"] - (START + timedelta(hours=3 * (first[script_of(tag["address"], "regtest")] - 1))).date()
        for tag in tags
    ]
    assert min(delays) >= timedelta()
    assert max(delays) > timedelta(3)
    assert max(tag["source_date"] for tag in tags) <= date(2023, 11, 30)


def test_shells_and_listed_parties_stand_in_no_pack(world: Path) -> None:
    """Nobody tells the user who the shell is; the listed party is known by the list alone."""
    for folder in ("disclosed", "truth/labels"):
        packs = published(world / folder)
        named = {tag["entity_id"] for tag in packs["tags.yaml"].tags.to_pylist()}
        named |= {one["entity_id"] for one in packs["actors.yaml"].entities.to_pylist()}
        assert named == {"hinode", "kura", "pool"}
    text = (world / "disclosed" / "tags.yaml").read_text() + (world / "disclosed" / "actors.yaml").read_text()
    assert "shell" not in text
    assert "Front" not in text


def test_actors_have_their_category_and_home(world: Path) -> None:
    """The packs' words for categories lead back to ours, and jurisdictions are said where they are known."""
    actors = published(world / "disclosed")["actors.yaml"].entities.to_pylist()
    found = {one["entity_id"]: (one["category"], one["jurisdictions"]) for one in actors}
    assert found == {
        "hinode": ("exchange", ["JP"]),
        "kura": ("wallet_service", ["JP"]),
        "pool": ("mining_pool", []),
    }


def test_the_list_names_its_party_from_the_day_of_its_designation(world: Path) -> None:
    """The older vintage does not, the newer one does, by one to three addresses that were in use by then."""
    lists = published(world / "disclosed")
    before, after = f"sdn-{DESIGNATED - timedelta(7)}", f"sdn-{DESIGNATED}"
    assert lists[before].tags.num_rows == 0
    tags = lists[after].tags.to_pylist()
    assert 1 <= len(tags) <= 3
    whose = owners(world)
    assert {whose[tag["address"]] for tag in tags} == {"taiga"}
    assert {tag["category"] for tag in tags} == {"sanctioned_entity"}
    assert lists[after].entities["jurisdictions"].to_pylist() == [["RU"]]
    scripts = {script_of(tag["address"], "regtest") for tag in tags}
    with asking(world / "truth") as tables:
        heights = dict(tables.execute("SELECT script, height FROM output JOIN tx USING (txid)").fetchall())
    assert all((START + timedelta(hours=3 * (heights[s] - 1))).date() < DESIGNATED for s in scripts)


def test_perfect_labels_are_complete_and_right(world: Path) -> None:
    """Every address with a text: of a service in the tag pack, of the listed party in the list."""
    lists = published(world / "truth" / "labels")
    whose = owners(world)
    tags = {tag["address"]: tag["entity_id"] for tag in lists["tags.yaml"].tags.to_pylist()}
    assert tags == {address: one for address, one in whose.items() if one in ("hinode", "kura", "pool")}
    assert set(lists["tags.yaml"].tags["confidence"].to_pylist()) == {100}
    listed = lists[f"sdn-{DESIGNATED}"].tags["address"].to_pylist()
    assert sorted(listed) == sorted(address for address, one in whose.items() if one == "taiga")
    assert pc.all(lists["tags.yaml"].tags["cluster_definer"]).as_py()


def test_withdrawals_are_those_of_the_matrix_and_some_of_the_listed_partys_own(world: Path) -> None:
    """One address a line, each once; who it is can not be told from the order."""
    with (world / "disclosed" / "wallets.csv").open() as file:
        rows = [row["address"] for row in csv.DictReader(file)]
    asked = {text_of(script, "regtest") for script in read_table(world / "truth", "matrix")["script"].to_pylist()}
    whose = owners(world)
    own = [row for row in rows if whose[row] == "taiga"]
    assert set(rows) - set(own) == asked
    assert len(own) == 20
    assert len(set(rows)) == len(rows)
    assert rows != sorted(rows)


def test_prices_cover_every_day_in_dollars_and_yen(world: Path) -> None:
    """One row a day and currency, from the first block's day to the last's, as the world itself uses them."""
    with (world / "disclosed" / "prices.csv").open() as file:
        rows = list(csv.DictReader(file))
    dollars = [(row["date"], float(row["price"])) for row in rows if row["currency"] == "USD"]
    assert [row[0] for row in dollars] == [f"2023-11-{day:02}" for day in range(1, 31)]
    assert [row[1] for row in dollars] == daily(SETTINGS.seed, 30)
    yen = [float(row["price"]) for row in rows if row["currency"] == "JPY"]
    assert yen == pytest.approx([row[1] * 150 for row in dollars], abs=1)
    assert {row["asset"] for row in rows} == {"BTC"}


def test_the_same_seed_discloses_the_same_bytes(world: Path, tmp_path: Path) -> None:
    """Another seed discloses other tags."""

    def all_of(seed: int) -> dict[str, bytes]:
        folder = tmp_path / str(seed)
        told().write(folder / "truth")
        write_matrices(folder / "truth", SETTINGS.seed)
        disclose(folder, Settings(seed=seed, blocks=BLOCKS, labelled=0.2, mislabelled=0.015), START)
        return {
            str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*.*"))
            if p.suffix in (".yaml", ".csv")
        }

    again, other = all_of(SETTINGS.seed), all_of(99)
    assert len(again) == 22
    assert {name: (world / name).read_bytes() for name in again} == again
    assert other["disclosed/tags.yaml"] != again["disclosed/tags.yaml"]
    assert other["disclosed/prices.csv"] != again["disclosed/prices.csv"]


def empty(_: Story) -> None:
    """A world of nobody."""


def only_people(story: Story) -> None:
    story.tx("coinbase", [], [story.out("alice-1", 5)], 1)


@pytest.mark.parametrize("fill", [empty, only_people])
def test_a_world_without_services_on_chain_discloses_no_tags(tmp_path: Path, fill: Callable[[Story], None]) -> None:
    """There is no tag pack then, as one without tags is refused; the rest can be imported."""
    story = Story()
    fill(story)
    story.write(tmp_path / "truth")
    write_matrices(tmp_path / "truth", 1)
    disclose(tmp_path, SETTINGS, START)
    assert not (tmp_path / "disclosed" / "tags.yaml").exists()
    assert sorted(published(tmp_path / "disclosed")) == [
        "actors.yaml",
        f"sdn-{DESIGNATED - timedelta(7)}",
        f"sdn-{DESIGNATED}",
    ]


def test_words_that_yaml_reads_otherwise_stay_words(tmp_path: Path) -> None:
    """A label like `no`, `1e5` or one with quotes and colons comes back as it was."""
    labels = ["no", "1e5", "2024-01-01", 'says "x": {y}', "- dash", "日本", "null", "a # b"]
    tags = [Tag(str(text_of(b"\x00\x14" + bytes([n]) * 20, "regtest")), label, "yes", "exchange")
            for n, label in enumerate(labels)]  # fmt: skip
    write_tag_pack(tmp_path / "tags.yaml", "T", tags, date(2024, 1, 1))
    found = published(tmp_path)["tags.yaml"].tags
    assert found["label"].to_pylist() == labels
    assert set(found["entity_id"].to_pylist()) == {"yes"}


def test_a_party_with_thousands_of_listed_addresses_can_be_read_back(tmp_path: Path) -> None:
    """Its remarks run over several rows of the comments file, none longer than a CSV reader takes."""
    rng = Random(1)  # noqa: S311 -- repeatable
    addresses = tuple(str(text_of(b"\x00\x14" + rng.randbytes(20), "regtest")) for _ in range(5_000))
    path = write_sdn(tmp_path / "sdn-2024-01-01", [Listed(1, "X", False, ("CYBER2",), ("Note",), addresses)])  # noqa: FBT003
    rows = (path.parent / "sdn_comments.csv").read_bytes().splitlines()
    assert len(rows) > 3
    assert max(map(len, rows)) < COMMENT_LIMIT + 20
    assert tuple(published(tmp_path)["sdn-2024-01-01"].tags["address"].to_pylist()) == addresses


def test_everybody_can_be_named(world: Path, tmp_path: Path) -> None:
    """The perfect labels with every other wallet beside them: an actor each, all of its addresses, a person."""
    folder = name_everybody(world / "truth", tmp_path / "new" / "owners")
    perfect = {path.relative_to(world / "truth" / "labels") for path in (world / "truth" / "labels").rglob("*")}
    assert perfect < {path.relative_to(folder) for path in folder.rglob("*")}
    with asking(world / "truth") as tables:
        rows = tables.execute("SELECT script, wallet, owner FROM owned").fetchall()
    services = {party[0] for party in PARTIES if party[3] or party[4]}
    expected = {
        text: f"wallet: {wallet}"
        for script, wallet, owner in rows
        if owner not in services and (text := text_of(script, "regtest")) is not None
    }
    found = published(folder)
    tags = found["wallet-tags.yaml"].tags.to_pylist()
    assert {tag["address"]: tag["entity_id"] for tag in tags} == expected
    assert {tag["category"] for tag in tags} == {"person"}
    assert {tag["confidence"] for tag in tags} == {100}
    assert not {one["entity_id"] for one in found["wallet-actors.yaml"].entities.to_pylist()} & {p[0] for p in PARTIES}
    assert name_everybody(world / "truth", folder) == folder


def test_a_world_of_services_alone_has_nobody_else_to_name(tmp_path: Path) -> None:
    """Then the labels are the perfect ones and no empty pack lies beside them."""
    story = Story()
    story.tx("coinbase", [], [story.out("hinode-1", 1000)])
    story.write(tmp_path / "truth")
    write_matrices(tmp_path / "truth", SETTINGS.seed)
    disclose(tmp_path, SETTINGS, START)
    folder = name_everybody(tmp_path / "truth", tmp_path / "owners")
    assert not list(folder.glob("wallet-*"))
