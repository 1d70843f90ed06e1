"""New labels answer at once, over the exposure of the labels before; then exposure follows."""

from pathlib import Path
from typing import Any

import pytest

from heuristics.clusters.evidence import cluster_of
from heuristics.exposure import vectors
from heuristics.exposure.exposures import of_wallet
from heuristics.generation import Choice, build
from store.index import Index
from store.lake import Lake
from tests.lakes import Claims, World, named, pay


class Seen:
    """What answers while the exposure of new labels is being worked in."""

    def __init__(self, index: Index, patch: pytest.MonkeyPatch, *, fail: bool = False) -> None:
        self.index, self.fail, self.write = index, fail, vectors.write
        self.found: list[tuple[str, str, str | None, list[Any]]] = []
        patch.setattr(vectors, "write", self)

    def __call__(self, *given: Any) -> None:
        """Ask the live generation, then go on, or fail."""
        if self.index.current():
            self.found.append(ask(self.index))
        if self.fail:
            raise KeyboardInterrupt
        self.write(*given)


def ask(index: Index) -> tuple[str, str, str | None, list[Any]]:
    """Versions, whose address it is, and its exposure by entity."""
    live = index.current()
    assert live is not None
    with index.open() as reader:
        cur = reader.cursor()
        who = cur.row("SELECT entity_id FROM attribution ORDER BY ALL")
        exposed = [(e.direction, e.entity_id) for e in of_wallet(cur, cluster_of(cur, named("me").id))]
    return live.label_version, live.exposure_labels, who and who[0], exposed


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Somebody is paid by an exchange."""
    world = World()
    world.spend([world.mint(pay("service", 100))], pay("me", 90))
    return world.write(tmp_path)


def labelled(version: str, entity: str) -> Claims:
    """Labels that say whose the service is."""
    made = Claims(version)
    made.tag("service", entity, confidence=80)
    return made


def test_labels_answer_before_exposure_follows(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """New labels are live at once with the older exposure, which says so; then exposure follows."""
    index = Index(tmp_path)
    seen = Seen(index, monkeypatch)
    first = build(lake, labelled("1", "old"), index)
    assert seen.found == []
    second = build(lake, labelled("2", "new"), index)
    assert seen.found == [("2", "1", "new", [("received", "old")])]
    assert ask(index) == ("2", "2", "new", [("received", "new")])
    every = index.generations()
    assert [(g.label_version, g.exposure_labels) for g in every] == [("1", "1"), ("2", "1"), ("2", "1"), ("2", "2")]
    assert (every[0], every[3]) == (first, second)
    # Tags over what the rules concluded before, then the rules, each with the exposure of before.
    assert [one.files[2] == second.files[2] for one in every[1:3]] == [False, True]
    assert all(one.files[:2] == second.files[:2] and one.files[3] == first.files[3] for one in every[1:3])
    with index.open(first) as reader:
        assert reader.cursor().arrays["exposure"].facts["labels"] == "1"


def test_exposure_that_was_interrupted_follows_later(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, labels stay live over the oldest exposure, through further labels, until a build ends."""
    index = Index(tmp_path)
    build(lake, labelled("1", "one"), index)
    with monkeypatch.context() as patch:
        seen = Seen(index, patch, fail=True)
        for version, entity in (("2", "two"), ("2", "two"), ("3", "three")):
            with pytest.raises(KeyboardInterrupt):
                build(lake, labelled(version, entity), index)
            assert ask(index) == (version, "1", entity, [("received", "one")])
            index.verify()
        assert len(seen.found) == 3
    build(lake, labelled("3", "three"), index)
    assert ask(index) == ("3", "3", "three", [("received", "three")])
    index.prune(1)
    index.verify()
    assert not list(index.dir.glob("*.tmp*"))


def test_new_blocks_wait_for_their_exposure(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another base has other numbers: nothing of it answers before all of it is there."""
    index = Index(tmp_path)
    build(lake, labelled("1", "one"), index)
    world = World()
    world.spend([world.mint(pay("service", 100))], pay("me", 90))
    world.mint(pay("x", 1))
    longer = world.write(tmp_path / "longer")
    seen = Seen(index, monkeypatch)
    build(longer, labelled("2", "two"), index)
    assert seen.found == [("1", "1", "one", [("received", "one")])]
    assert ask(index) == ("2", "2", "two", [("received", "two")])


def test_older_labels_again_are_found_done(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going back to labels that were worked in before takes nothing but a rename."""
    index = Index(tmp_path)
    first = build(lake, labelled("1", "one"), index)
    build(lake, labelled("2", "two"), index)
    seen = Seen(index, monkeypatch)
    assert build(lake, labelled("1", "one"), index) == first
    assert seen.found == []
    assert ask(index) == ("1", "1", "one", [("received", "one")])


def test_a_missing_exposure_is_not_published(tmp_path: Path, lake: Lake) -> None:
    """Where the live exposure is gone, new labels wait for their own."""
    index = Index(tmp_path)
    first = build(lake, labelled("1", "one"), index)
    place = index.dir / first.files[3].name
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    build(lake, labelled("2", "two"), index)
    assert [g.id for g in index.generations() if "~" in g.id] == []
    assert ask(index) == ("2", "2", "two", [("received", "two")])


def test_beside_the_live_one(tmp_path: Path, lake: Lake) -> None:
    """A generation that is built beside the live one changes nothing of what answers."""
    index = Index(tmp_path)
    build(lake, labelled("2", "two"), index)
    aside = build(lake, labelled("1", "one"), index, Choice(live=False))
    assert ask(index) == ("2", "2", "two", [("received", "two")])
    assert [g.id for g in index.generations() if "~" in g.id] == []
    with index.open(aside) as reader:
        cur = reader.cursor()
        assert [e.entity_id for e in of_wallet(cur, cluster_of(cur, named("me").id))] == ["one"]
