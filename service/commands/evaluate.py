"""`tadoru evaluate`: the pipeline, run blind over worlds, scored against their truth."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Console as Terminal
from rich.table import Table

from service.console import Console, progress
from service.exits import BadInputError, Exit, UsageError
from service.version import software
from worlds.score.bars import NOTHING, headline, judged, judgements, rough
from worlds.score.evaluate import measure_all
from worlds.score.page import to_markdown
from worlds.score.realdata import check_real
from worlds.score.report import Report, ReportError, Result, differences
from worlds.score.results import OWN, broken, of_own, of_suite, own_tasks, suite_tasks
from worlds.score.suites import SUITES, Suite

ALL = "all"
_WIDTH = 80
_MARKS = {"disclosed": "", "perfect": " *", "owners": " **"}


@dataclass(frozen=True, slots=True)
class Places:
    """What to read beside worlds, where to write, and where to work."""

    out: Path | None
    """Folder for accuracy.json and accuracy.md; None to print only."""
    work: Path | None
    """Kept, and used again; None for a temporary folder."""
    against: Path | None = None
    """An earlier accuracy.json, whose figures are to come out again."""
    real: Path | None = None
    """Folder of real blocks to report the rules' verdicts on; None for no such part."""


def run(worlds: Sequence[Path], names: Sequence[str], places: Places, workers: int, *, as_json: bool) -> Exit:
    """Evaluate worlds or suites; NO where a gate is not kept, or where published figures do not come out again."""
    suites = _chosen(names)
    if bool(worlds) == bool(suites):
        raise UsageError("name worlds (folders of tadoru simulate) or suites (--suite), one or the other")
    published = None if places.against is None else _published(places.against)
    if places.real is not None and not places.real.is_dir():
        raise BadInputError(f"--real {places.real}: there is no such folder")
    if places.out is not None:
        places.out.mkdir(parents=True, exist_ok=True)  # before hours of work, not after
    results = _measured(worlds, suites, places, workers)
    report = Report(tuple(results), tuple(check_real(places.real)) if places.real else ())
    if places.out is not None:
        (places.out / "accuracy.json").write_text(report.to_json(), encoding="utf-8")
        (places.out / "accuracy.md").write_text(to_markdown(report), encoding="utf-8")
    wrong = [line for suite, result in zip(suites, results, strict=False) for line in broken(suite, result)]
    wrong += [] if published is None else differences(report, published)
    _tell(report, wrong, places, as_json=as_json)
    return Exit.NO if wrong else Exit.OK


def _chosen(names: Sequence[str]) -> list[Suite]:
    unknown = [name for name in names if name not in SUITES and name != ALL]
    if unknown:
        raise UsageError(f"--suite: no such suite {', '.join(unknown)}; there are {', '.join(SUITES)} and {ALL}")
    return [suite for suite in SUITES.values() if suite.name in names or ALL in names]


def _published(path: Path) -> Report:
    """Read an earlier report; what is wrong with it is said with the option and the path."""
    try:
        return Report.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"--against {path}: {error.strerror or error}") from error
    except (ReportError, UnicodeDecodeError) as error:
        raise ReportError(f"--against {path}: {error}") from error


def _measured(worlds: Sequence[Path], suites: Sequence[Suite], places: Places, workers: int) -> list[Result]:
    """Give the result of the worlds, or of each suite, one after the other."""
    results = []
    with _workplace(places.work) as work, progress("worlds") as shown:
        if worlds:
            measured = measure_all(own_tasks(worlds, work), workers, partial(shown.report, OWN))
            results.append(of_own(measured, software()))
        for suite in suites:
            tasks = suite_tasks(suite, work, keep=places.work is not None)
            measured = measure_all(tasks, workers, partial(shown.report, suite.name))
            results.append(of_suite(suite, measured, software()))
    return results


@contextmanager
def _workplace(work: Path | None) -> Iterator[Path]:
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        yield work
    else:
        with tempfile.TemporaryDirectory(prefix="tadoru-evaluate-") as folder:
            yield Path(folder)


def _tell(report: Report, wrong: Sequence[str], places: Places, *, as_json: bool) -> None:
    console = Console(as_json=as_json)
    if not as_json:
        _show(report.results)
    written = [f"every figure: {places.out / 'accuracy.md'}, {places.out / 'accuracy.json'}"] if places.out else []
    content = {
        "results": [asdict(one) for one in report.results],
        "headline": [row._asdict() for row in headline(report.results)],
        "broken": list(wrong),
    }
    console.answer(content, [*written, *wrong])


def _show(results: Sequence[Result]) -> None:
    """Print every bar on the suite that decides, in as few columns as a narrow terminal has."""
    suite = judged(results)
    if suite is None:
        return
    n = len(suite.seeds)
    named = "the worlds named" if suite.suite == OWN else f"the suite {suite.suite}"
    title = f"Bars, on {named}: {n} world{'s' if n > 1 else ''}"
    caption = (
        "Mean ± standard deviation, with disclosed labels and with perfect ones. * judged with perfect labels, ** with "
        "such as name everybody's wallet too, which then is the figure on the right; the others with disclosed ones. "
        "each: in every world."
    )
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("What")
    for head in ("Bar", "Disclosed", "Perfect", "Verdict"):
        table.add_column(head, no_wrap=True)
    for row in judgements(results):
        bar = row.bar
        limit = bar.limit + (" each" if bar.in_every_world else "") + _MARKS[bar.labels]
        best = row.owners if bar.labels == "owners" else row.perfect
        figures = [NOTHING if one is None else rough(one) for one in (row.disclosed, best)]
        table.add_row(bar.what, limit, *figures, row.verdict)
    Terminal(width=None if Terminal().is_terminal else _WIDTH).print(table)
