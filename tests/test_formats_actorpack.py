"""GraphSense actor packs: parties, what they are and where they are at home."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from store.formats import LabelError, Published, gather, read
from store.formats.taxonomy import CATEGORIES

GRAPHSENSE = Path(__file__).resolve().parents[2] / "shared/data/labels/graphsense"
PACK = """title: Actors
creator: Someone
lastmod: '2023-02-17'
actors:
- id: bigex
  uri: bigex.example
  label: BigEx
  categories: [organization, exchange]
  jurisdictions: [SG, JP, SG]
  context: {legal_name: BigEx Pte, twitter_handle: bigex}
- id: market
  uri: x.onion
  label: Market
  categories: [market, dark_web]
"""


def reading(tmp_path: Path, text: str) -> Published:
    path = tmp_path / "actors.yaml"
    path.write_text(text)
    [given_list], _, _ = gather([path])
    return read(given_list, "main")


def test_actors_become_parties(tmp_path: Path) -> None:
    published = reading(tmp_path, PACK)
    rows: list[dict[str, Any]] = published.entities.to_pylist()
    assert [(r["entity_id"], r["name"], r["category"], r["jurisdictions"]) for r in rows] == [
        ("bigex", "BigEx", "exchange", ["SG", "JP"]),
        ("market", "Market", "darknet_market", []),
    ]
    assert str(published.dated) == "2023-02-17"
    assert published.tags.num_rows == 0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[SG, JP, SG]", "[SG, XX]", "actors.yaml:9: 'XX' is no country code for jurisdictions"),
        ("[SG, JP, SG]", "SG", "actors.yaml:9: jurisdictions must be a list"),
        ("[SG, JP, SG]", "[NO]", "actors.yaml:9: jurisdictions must be text, but YAML reads False as bool"),
        ("[market, dark_web]", "[bazaar]", "actors.yaml:14: 'bazaar' is no known concept"),
        ("id: market", "id: bigex", "actors.yaml:11: the actor 'bigex' is repeated (first on line 5)"),
        ("  uri: x.onion", "  url: x.onion", "actors.yaml:12: unknown field 'url' in the actor; did you mean 'uri'"),
        ("  label: Market\n", "", "actors.yaml:11: the actor lacks label"),
        ("id: market", "id: 7", "actors.yaml:11: id must be text"),
        ("creator: Someone\n", "", "actors.yaml:1: the header lacks creator"),
    ],
)
def test_a_mistake_gives_one_error_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(LabelError) as caught:
        reading(tmp_path, PACK.replace(old, new))
    [problem] = caught.value.problems
    assert expected in str(problem)


@pytest.mark.skipif(not GRAPHSENSE.is_dir(), reason=f"no GraphSense actor pack at {GRAPHSENSE}")
def test_the_published_actor_pack_is_read_whole() -> None:
    [given_list], _, _ = gather([GRAPHSENSE / "actors"])
    rows = read(given_list, "main").entities.to_pylist()
    expected = yaml.load(given_list.path.read_bytes(), yaml.CSafeLoader)["actors"]
    assert [r["entity_id"] for r in rows] == [a["id"] for a in expected]
    assert [r["jurisdictions"] for r in rows] == [a.get("jurisdictions") or [] for a in expected]
    assert {r["category"] for r in rows} <= set(CATEGORIES)
    by_id = {r["entity_id"]: r["category"] for r in rows}
    assert (by_id["hydramarket"], by_id["chatex"], by_id["tornado"]) == ("darknet_market", "sanctioned_entity", "mixer")
