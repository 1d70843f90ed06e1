"""`tadoru evaluate`: the whole way from a world on disk to a table of figures, and what it says of bad input."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from service.commands import evaluate
from service.commands.evaluate import Places
from service.exits import Exit, exit_of
from store.errors import DamagedError
from tests.test_cli import apart, failed, told
from worlds.score.bars import BARS
from worlds.score.evaluate import FAMILIES_OF, Measured, Task, checkpoints, score
from worlds.score.families import FAMILIES
from worlds.score.findings import Findings
from worlds.score.measure import base
from worlds.score.report import LABELS, Report
from worlds.score.suites import SUITES, Gate
from worlds.settings import Settings, drawn
from worlds.simulate import simulate
from worlds.truth.tables import SCHEMAS, Truth

METRICS = {base(name) for family in FAMILIES for name in family.METRICS}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world."""
    folder = tmp_path_factory.mktemp("evaluate") / "w"
    simulate(folder, drawn(Settings(5, 170, people=24, signed=False)))
    return folder


@pytest.fixture(scope="module")
def done(world: Path) -> Any:
    """What a first evaluation answered; its report lies beside the world in `out`, its work in `work`."""
    place = world.parent
    return told(apart("evaluate", world, "--out", place / "out", "--work", place / "work", "--json"))


def report(world: Path, name: str = "out") -> dict[str, Any]:
    """A written report, but for what tells when and with what it was made."""
    content: dict[str, Any] = json.loads((world.parent / name / "accuracy.json").read_text())
    for one in content["results"]:
        del one["date"], one["commit"]
    return content


@pytest.mark.usefixtures("done")
def test_a_world_evaluated_again_gives_the_same_figures(world: Path) -> None:
    """With what is there already, as text: the same report, and a table that fits a terminal."""
    place = world.parent
    again = apart("evaluate", world, "--out", place / "again", "--work", place / "work", "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    assert report(world, "again") == report(world)
    assert "T0 clusters" in again.stdout
    assert again.stdout.splitlines()[-1].endswith("accuracy.json")
    assert max(map(len, again.stdout.splitlines()[:-1])) <= 80


def test_the_answer_has_every_bar_and_every_family(done: Any, world: Path) -> None:
    """One row for each bar; figures of each family with either labels; no figure without a meaning; no gate."""
    assert [row["what"] for row in done["headline"]] == [bar.what for bar in BARS]
    (result,) = done["results"]
    assert result["seeds"] == [5]
    assert result["settings"] == {"flavour": "tune", "blocks": 170, "people": 24}
    assert done["broken"] == []
    for labels in LABELS:
        names = {base(name) for name in result["figures"][labels]}
        assert names <= METRICS
        assert {name.split(".")[0] for name in names} >= {f.__name__.rpartition(".")[2] for f in FAMILIES_OF[labels]}
    text = (world.parent / "out" / "accuracy.md").read_text()
    assert all(bar.what in text for bar in BARS)
    assert Report.from_json((world.parent / "out" / "accuracy.json").read_text()).results[0].suite == "worlds"


def test_labels_make_a_difference_where_they_should_and_nowhere_else(done: Any) -> None:
    """Perfect labels name more; what follows from the blocks alone is the same with either."""
    disclosed, perfect, owners = (done["results"][0]["figures"][labels] for labels in LABELS)
    for name, summary in disclosed.items():
        if name.startswith(("clusters.", "coinjoin.", "change.")):
            assert perfect[name] == summary, name
    assert perfect["attribution.coverage"]["mean"] > disclosed["attribution.coverage"]["mean"]
    assert perfect["attribution.wrong"]["mean"] == 0
    errors = [figures["exposure.mean_error[convention]"]["mean"] for figures in (disclosed, perfect, owners)]
    assert errors == sorted(errors, reverse=True)
    assert owners["exposure.max_error[convention,no CoinJoin]"]["mean"] < 1e-3


def test_figures_are_within_their_bounds(done: Any) -> None:
    """Shares lie between 0 and 1, counts are not negative; of one world there is no spread."""
    shares = {base(n) for f in FAMILIES for n, row in f.METRICS.items() if row[1] == "share"}
    for labels in LABELS:
        for name, summary in done["results"][0]["figures"][labels].items():
            assert summary["n"] == 1
            assert summary["sd"] is None
            assert summary["mean"] >= 0, name
            assert base(name) not in shares or summary["mean"] <= 1 + 1e-9, name


def test_checkpoints_lie_between_the_designation_and_the_end(world: Path) -> None:
    """In rising order, none of them the last block, which is asked about anyway."""
    known = json.loads((world / "truth" / "world.json").read_text())
    heights = checkpoints(known)
    assert known["t0"] < heights[0] < heights[1] < heights[2] < known["settings"]["blocks"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], Exit.USAGE, r"name worlds .* or suites \(--suite\), one or the other"),
        (["WORLD", "--suite", "check"], Exit.USAGE, "one or the other"),
        (
            ["--suite", "hidden"],
            Exit.USAGE,
            "--suite: no such suite hidden; there are tune, check, held-out, contrary and all",
        ),
        (["nowhere"], Exit.INPUT, "nowhere holds no simulated world"),
        (["EMPTY"], Exit.INPUT, "holds no simulated world"),
        (["WORLD", "EMPTY"], Exit.INPUT, "holds no simulated world"),
        (["WORLD", "--workers", "0"], Exit.USAGE, "--workers"),
        (["WORLD", "--out", "FILE"], Exit.INPUT, "file"),
        (["WORLD", "--work", "FILE"], Exit.INPUT, "file"),
        (["WORLD", "--out", "/proc/out"], Exit.INPUT, "/proc/out"),
        (["WORLD", "--against", "FILE"], Exit.FAILED, "no report of an evaluation"),
        (["WORLD", "--against", "nowhere"], Exit.INPUT, "nowhere"),
    ],
)
def test_what_can_not_be_evaluated_is_refused_at_once(
    world: Path, tmp_path: Path, arguments: list[str], code: Exit, words: str
) -> None:
    """One clear line before any work is done, whatever is wrong, a place that can not be written included."""
    (tmp_path / "file").write_text("not a report")
    (tmp_path / "empty").mkdir()
    places = {"WORLD": world, "EMPTY": tmp_path / "empty", "FILE": tmp_path / "file"}
    # Nothing that takes a second is started: the pipeline alone would take ten.
    failed(apart("evaluate", *(places.get(one, one) for one in arguments), data=tmp_path), code, words)
    assert not (tmp_path / "empty" / "truth").exists()


@pytest.fixture
def truth(world: Path, tmp_path: Path) -> Path:
    """A copy of a world's truth to damage."""
    shutil.copytree(world / "truth", tmp_path / "truth")
    return tmp_path / "truth"


@pytest.mark.parametrize("table", ["tx", "output", "matrix"])
@pytest.mark.parametrize("damage", ["cut", "junk", "flipped", "empty", "other columns", "folder"])
def test_a_damaged_truth_is_named(truth: Path, table: str, damage: str) -> None:
    """The table that can not be read and what to do, not a defect of Tadoru; nor a figure made of it."""
    path = truth / f"{table}.parquet"
    whole = path.read_bytes()
    middle = len(whole) // 2
    match damage:
        case "cut":
            path.write_bytes(whole[:middle])
        case "junk":
            path.write_text("junk")
        case "flipped":
            path.write_bytes(whole[:4] + bytes(b ^ 255 for b in whole[4:middle]) + whole[middle:])
        case "empty":
            path.write_bytes(b"")
        case "other columns":
            rows = pq.read_table(path)
            pq.write_table(rows.drop_columns([rows.schema.names[0]]), path)
        case "folder":
            path.unlink()
            path.mkdir()
    with pytest.raises((DamagedError, FileNotFoundError), match=rf"{table}\.parquet .*: make the world again") as said:
        Truth.read(truth)
    assert exit_of(said.value) in {Exit.DAMAGED, Exit.INPUT}


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_a_missing_table_is_named(truth: Path, table: str) -> None:
    """Whichever it is."""
    (truth / f"{table}.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=rf"{table}\.parquet is missing: make the world again"):
        Truth.read(truth)


def test_a_world_without_spends_can_be_scored(tmp_path: Path) -> None:
    """Pools alone: there is nothing to find, and that is said without a fault."""
    simulate(tmp_path, drawn(Settings(1, 130, people=20, signed=False, agents=("pool",))))
    scores = score(Truth.read(tmp_path / "truth"), Findings.of())
    assert scores["coinjoin.single_owner"] == 0
    assert scores["coinjoin.all_recall"] is None


def test_a_suite_is_held_to_its_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mean over its worlds decides: a gate that is not kept is named, the answer is NO, the report written.

    A score that no world has fails its gate. Worlds lie in --work by suite and seed.
    """
    kept, lost = "clusters.pairwise_precision[holder]", "shells.lost"
    asked: list[Task] = []

    def measure(tasks: Sequence[Task], *_: object) -> list[Measured]:
        asked.extend(tasks)
        return [Measured({}, {labels: {kept: n / 2, lost: None} for labels in LABELS}) for n, _ in enumerate(tasks)]

    gates = (Gate(kept, "disclosed", at_least=0.25), Gate(kept, "perfect", at_most=0.2), Gate(lost, "perfect", 0.5))
    monkeypatch.setitem(SUITES, "check", replace(SUITES["check"], seeds=range(101, 103), gates=gates))
    monkeypatch.setattr(evaluate, "measure_all", measure)

    answer = evaluate.run([], ["check"], Places(tmp_path / "out", tmp_path / "work"), 1, as_json=True)

    assert answer is Exit.NO
    assert json.loads(capsys.readouterr().out)["broken"] == [
        f"check: {kept} (perfect labels) is 0.25, its gate is at most 0.2",
        f"check: {lost} (perfect labels) is None, its gate is at least 0.5",
    ]
    assert [task.world for task in asked] == [tmp_path / "work" / f"check-{seed}" / "world" for seed in (101, 102)]
    assert [task.settings and task.settings.seed for task in asked] == [101, 102]
    assert all(task.keep for task in asked)
    (result,) = Report.from_json((tmp_path / "out" / "accuracy.json").read_text()).results
    assert result.seeds == (101, 102)
