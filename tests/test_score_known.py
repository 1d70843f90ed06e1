"""Labels as of a day: what was published later is not there yet."""

from datetime import date
from pathlib import Path

import pytest

from store.labels import Labels
from worlds.claims import Actor, Listed, Tag, write_actor_pack, write_sdn, write_tag_pack
from worlds.score.known import labels_known_by

ADDRESSES = ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "12c6DSiU4Rq3P4ZxziKxzrL5LmMBrzjrJX")
DAYS = (date(2024, 3, 1), date(2024, 6, 1))
LAST = date(2024, 12, 31)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Two tags of different days, their actor, two vintages of a list."""
    folder = tmp_path / "disclosed"
    folder.mkdir()
    tags = [
        Tag(a, f"label {n}", "venue", "exchange", on) for n, (a, on) in enumerate(zip(ADDRESSES, DAYS, strict=True))
    ]
    write_tag_pack(folder / "tags.yaml", "Tags", tags, LAST)
    write_actor_pack(folder / "actors.yaml", [Actor("venue", "Venue", ("JP",), ("exchange",))], LAST)
    for vintage in DAYS:
        write_sdn(folder / f"sdn-{vintage}", [Listed(9, "X", True, ("CYBER2",), (), ())])  # noqa: FBT003
    (folder / "wallets.csv").write_text("address\n")
    return folder


@pytest.mark.parametrize(
    ("day", "tags", "lists"),
    [(date(2024, 2, 29), 0, 0), (DAYS[0], 1, 1), (date(2024, 5, 31), 1, 1), (DAYS[1], 2, 2), (LAST, 2, 2)],
)
def test_what_is_known_by_a_day(labels: Path, tmp_path: Path, day: date, tags: int, lists: int) -> None:
    """Tags by their own date and vintages by theirs; a pack without tags is none; it can be imported as a whole."""
    known = labels_known_by(day, labels, tmp_path / "known")
    pack = known / "tags.yaml"
    assert pack.exists() is bool(tags)
    text = pack.read_text(encoding="utf-8") if tags else ""
    assert [address in text for address in ADDRESSES] == [n < tags for n in range(2)]
    assert len(list(known.glob("sdn-*"))) == lists
    assert not (known / "wallets.csv").exists()
    imported = Labels(tmp_path / "work")
    imported.add(sorted(known.iterdir()), network="main")


def test_all_of_it_is_the_same_bytes(labels: Path, tmp_path: Path) -> None:
    """On the last day nothing is missing, and nothing is written otherwise."""
    known = labels_known_by(LAST, labels, tmp_path / "known")
    for name in ("tags.yaml", "actors.yaml", f"sdn-{DAYS[0]}/sdn.csv"):
        assert (known / name).read_bytes() == (labels / name).read_bytes()


def test_a_pack_is_never_dated_later_than_the_day(labels: Path, tmp_path: Path) -> None:
    """Its own date would tell that the world goes on."""
    known = labels_known_by(DAYS[0], labels, tmp_path / "known")
    assert f"lastmod: {DAYS[0]}" in (known / "tags.yaml").read_text().partition("tags:")[0]
    assert str(LAST) not in (known / "actors.yaml").read_text()
