"""Lists of mining pools: payout addresses as claims, coinbase tags beside them, both published forms."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.bitcoin.address import script_of
from store.formats import LabelError, Published, gather, read
from store.formats.claims import SourceFile
from store.formats.mining_pools import entity_of
from store.formats.mining_pools import read as read_pools
from store.labels import Labels

POOLS = Path(__file__).resolve().parents[2] / "shared/data/labels/mining_pools"
MAIN = "1PzVut5X6Nx7Mv4JHHKPtVM9Jr9LJ4Rbry"
TEST = "tb1q548z58kqvwyjqwy8vc2ntmg33d7s2wyfv7ukq4"
WRONG = "1PzVut5X6Nx7Mv4JHHKPtVM9Jr9LJ4Rbrz"
NEW = [
    {"id": 1, "name": "BlockFills", "addresses": [MAIN], "tags": ["/BlockfillsPool/"], "link": "https://a.example"},
    {"id": 2, "name": "Ant Pool", "addresses": [TEST], "tags": ["🐟", "Mined by Ant"], "link": ""},
]
OLD = {
    "coinbase_tags": {"/BlockfillsPool/": {"name": "BlockFills", "link": "https://a.example"}},
    "payout_addresses": {MAIN: {"name": "BlockFills", "link": "https://a.example"}},
}


def reading(tmp_path: Path, document: Any, network: str = "main") -> Published:
    """Read a list as users give it."""
    path = tmp_path / "pools.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document, indent=1, ensure_ascii=False))
    [given_list], problems, _ = gather([path])
    assert not problems
    return read(given_list, network)


def test_payout_addresses_become_tags(tmp_path: Path) -> None:
    """A payout address is a claim of its pool, which may name the cluster; the pool is a party."""
    published = reading(tmp_path, NEW)
    tag, other = published.tags.to_pylist()
    assert (tag["address"], tag["entity_id"], tag["category"]) == (MAIN, "blockfills", "mining_pool")
    assert (tag["label"], tag["confidence"], tag["cluster_definer"]) == ("BlockFills", 90, True)
    assert (tag["script"], tag["source_uri"]) == (script_of(MAIN, "main"), "https://a.example")
    assert other["source_uri"] == "https://github.com/bitcoin-data/mining-pools"
    assert [(e["entity_id"], e["name"], e["category"]) for e in published.entities.to_pylist()] == [
        ("blockfills", "BlockFills", "mining_pool"),
        ("antpoolcom", "Ant Pool", "mining_pool"),
    ]


def test_coinbase_tags_are_kept_as_bytes(tmp_path: Path) -> None:
    """A coinbase tag is no claim about an address: it is kept as the bytes that stand in a coinbase."""
    marks = reading(tmp_path, NEW).coinbase_tags.to_pylist()
    assert [(m["tag"], m["entity_id"]) for m in marks] == [
        (b"/BlockfillsPool/", "blockfills"),
        ("🐟".encode(), "antpoolcom"),
        (b"Mined by Ant", "antpoolcom"),
    ]


def test_both_forms_say_the_same(tmp_path: Path) -> None:
    """The older form gives the same claims, parties and coinbase tags as the newer one."""
    old, new = reading(tmp_path, OLD), reading(tmp_path, NEW[:1])
    for table in ("tags", "entities", "coinbase_tags"):
        rows = [getattr(one, table).drop_columns(["source_sha256"]) for one in (old, new)]
        assert rows[0].equals(rows[1]), table


def test_an_address_of_a_test_network_is_claimed_there(tmp_path: Path) -> None:
    """The form of an address decides its network; that it is another one is said with its line."""
    published = reading(tmp_path, NEW)
    assert published.tags["network"].to_pylist() == ["main", "test"]
    (note,) = published.notes
    assert (note.line, "of the test network: claimed there" in note.message) == (17, True)


def test_pools_that_actor_packs_know_have_their_id() -> None:
    """One pool has one id, whichever list names it; a namesake that is no pool is kept apart."""
    named = {"AntPool": "antpoolcom", "F2Pool": "f2pool", "BTC.com": "btccom", "Helix": "helixpool", "八宝池": "八宝池"}
    assert {name: entity_of(name) for name in named} == named


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([{**NEW[0], "addresses": [WRONG]}], "pools.json:6: "),
        ([{**NEW[0], "name": ""}], "pools.json:1: pool 1 must have a name"),
        ([{**NEW[0], "name": "!?"}], "pool 1 must have a name"),
        ([{**NEW[0], "tags": "x"}], "tags of 'BlockFills' must be a list of texts"),
        ([{**NEW[0], "addresses": [7]}], "addresses of 'BlockFills' must be a list of texts"),
        ([{**NEW[0], "link": 7}], "and a text as link if any"),
        ([], "the list has no pools"),
        ({"pools": []}, "this is no list of mining pools"),
        ({**OLD, "coinbase_tags": []}, "coinbase_tags must be an object"),
        ({**OLD, "coinbase_tags": {"": {"name": "x"}}}, "coinbase_tags has an empty text"),
        ({**OLD, "payout_addresses": {MAIN: "BlockFills"}}, "must have a name"),
        ('{"coinbase_tags": ', "pools.json:1: this is no JSON"),
        ("[" * 100_000, "the JSON is nested too deep"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, document: Any, expected: str) -> None:
    """What is wrong is said with file, line and remedy, and nothing is imported."""
    with pytest.raises(LabelError) as caught:
        reading(tmp_path, document)
    assert expected in str(caught.value.problems[0])


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file that is not UTF-8 is refused with the reason."""
    (tmp_path / "pools.json").write_bytes(b'[{"name": "\xff"}]')
    [given_list], *_ = gather([tmp_path / "pools.json"])
    with pytest.raises(LabelError, match="not UTF-8"):
        read(given_list, "main")


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """A tag that random bytes would hold, and what repeats, are left out with the reason; a shared tag is noted."""
    pools = [{**NEW[0], "tags": ["abc", "/x pool/", "/x pool/"], "addresses": [MAIN, MAIN]}]
    published = reading(tmp_path, [*pools, {**NEW[1], "tags": ["/x pool/"], "addresses": []}])
    said = [one.message for one in published.skipped]
    assert len(said) == 3
    assert "repeats the claim of line" in said[0]
    assert "has 3 bytes: tags of 4 to 100 bytes are used" in said[1]
    assert "repeats line" in said[2]
    assert "is of antpoolcom and of blockfills: it names neither" in published.notes[0].message


def test_a_key_that_stands_twice_is_said(tmp_path: Path) -> None:
    """JSON would drop the first of two equal keys silently: it is said instead."""
    pool = '{"name": "A"}'
    text = f'{{"payout_addresses": {{}}, "coinbase_tags": {{"/aaaa/": {pool}, "/aaaa/": {{"name": "B"}}}}}}'
    published = reading(tmp_path, text)
    assert published.coinbase_tags["entity_id"].to_pylist() == ["b"]
    assert "stands in coinbase_tags more than once: the last one counts" in published.skipped[0].message


def test_snapshot_has_the_tags_in_force(tmp_path: Path) -> None:
    """Coinbase tags are part of a label version, and leave it when their list is ended."""
    path = tmp_path / "pools.json"
    path.write_text(json.dumps(NEW))
    labels = Labels(tmp_path)
    report = labels.add([path])
    assert labels.snapshot().coinbase_tags.num_rows == 3
    labels.remove(report.added[0].id, "a test")
    assert labels.snapshot().coinbase_tags.num_rows == 0
    assert labels.snapshot(report.version).coinbase_tags.num_rows == 3


@pytest.mark.skipif(not POOLS.exists(), reason=f"{POOLS} is not here")
@pytest.mark.parametrize(
    ("name", "pools", "addresses", "tags"), [("pools-v2.json", 166, 217, 197), ("pools.json", 137, 183, 151)]
)
def test_published_lists_import_whole(name: str, pools: int, addresses: int, tags: int) -> None:
    """Every row of the published lists is taken; the seven addresses of test networks are claimed there."""
    [given_list], problems, _ = gather([POOLS / name])
    published = read(given_list, "main")
    assert not problems
    assert not published.skipped
    assert (published.entities.num_rows, published.tags.num_rows, published.coinbase_tags.num_rows) == (
        pools,
        addresses,
        tags,
    )
    of_test = [row for row in published.tags.to_pylist() if row["network"] != "main"]
    assert len(published.notes) == len(of_test) == (7 if name == "pools-v2.json" else 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.one_of(JSON, st.lists(st.fixed_dictionaries({"name": JSON, "addresses": JSON, "tags": JSON, "link": JSON}))))
def test_any_json_is_read_or_refused(document: Any) -> None:
    """Whatever JSON a file holds, it is read or refused with a reason."""
    file = SourceFile(Path("pools.json"), "pools", json.dumps(document).encode(), "00")
    with suppress(LabelError):
        read_pools(file, "main")
