"""Summaries over worlds, the report as JSON and as a page, and the bars."""

import json
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_score_realdata import BLOCK
from worlds.score import bars
from worlds.score.bars import Bar, headline, number, rough, shown
from worlds.score.families import FAMILIES
from worlds.score.measure import Scores, base
from worlds.score.page import MEANINGS, markdown_table, to_markdown
from worlds.score.report import Report, ReportError, Result, differences, rounded
from worlds.score.sections import SECTIONS, Section
from worlds.score.summary import COUNTED, Summary, summarise, wilson

WORLDS: list[Scores] = [
    {"exposure.listed[convention,10%]": 8.0, "exposure.false_clear[convention,10%]": 0.25, "shells.pr_auc": None},
    {"exposure.listed[convention,10%]": 2.0, "exposure.false_clear[convention,10%]": 0.0, "shells.pr_auc": 0.5},
]


def result(suite: str = "held-out", disclosed: Any = None, perfect: Any = None) -> Result:
    """One suite of two worlds."""
    figures = {"disclosed": summarise(disclosed or WORLDS), "perfect": summarise(perfect or WORLDS)}
    return Result(suite, (1, 2, 3, 7), {"blocks": 420}, "abc1234", "2026-11-20", {"cospend": "1"}, figures)


def one(**scores: float) -> list[dict[str, float | None]]:
    """A suite's single world; `__` stands for the dot."""
    return [{name.replace("__", "."): value for name, value in scores.items()}]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1))
def test_summary_is_over_the_worlds_that_have_a_figure(values: list[float | None]) -> None:
    """Mean, spread, least and most are those of the defined figures; without any there is no summary."""
    found = summarise([{"x": value} for value in values]).get("x")
    defined = [value for value in values if value is not None]
    if not defined:
        assert found is None
        return
    assert found is not None
    assert (found.n, found.least, found.most) == (len(defined), min(defined), max(defined))
    assert found.mean == pytest.approx(mean(defined))
    assert found.sd == (pytest.approx(stdev(defined), abs=1e-9) if len(defined) > 1 else None)


def test_rates_are_pooled_where_cases_are_counted() -> None:
    """Two of eight and none of two are two of ten, whatever the mean of the rates is."""
    found = summarise(WORLDS)["exposure.false_clear[convention,10%]"]
    assert found.mean == pytest.approx(0.125)
    assert found.cases == 10
    assert [found.pooled, found.low, found.high] == pytest.approx([0.2, 0.0567, 0.5098], abs=1e-4)
    assert summarise(WORLDS)["shells.pr_auc"].pooled is None


def test_wilson_agrees_with_the_formula() -> None:
    """Wilson 1927, by hand: none of 300 still allows for 1.26 per cent."""
    low, high = wilson(0, 300)
    assert low == 0
    assert high == pytest.approx(1.959964**2 / (300 + 1.959964**2))


def test_pooled_scores_exist() -> None:
    """Every rate that is pooled, and every count, is a score of some family."""
    assert {*COUNTED, *COUNTED.values()} <= set(MEANINGS)


def test_json_is_the_same_bytes_whatever_the_order() -> None:
    """Keys are in order and figures have six digits, so that equal content is equal text; it is read back whole."""
    report = Report((result(),), (BLOCK,))
    text = report.to_json()
    shuffled = replace(result(), figures=dict(reversed(result().figures.items())))
    assert Report((shuffled,), (BLOCK,)).to_json() == text
    assert Report.from_json(text).to_json() == text
    assert Report.from_json(text).real == (BLOCK,)
    assert json.loads(text)["results"][0]["figures"]["disclosed"]["shells.pr_auc"] == {
        "n": 1,
        "mean": 0.5,
        "least": 0.5,
        "most": 0.5,
    }


def test_figures_are_rounded() -> None:
    """Six digits, no negative zero, in every depth; what is no number is not written at all."""
    assert rounded({"a": [0.12345678, -1e-9], "b": 1}) == {"a": [0.123457, 0.0], "b": 1}
    assert str(rounded(-1e-9)) == "0.0"
    with pytest.raises(ValueError, match="not JSON compliant"):
        Report((result(disclosed=one(x=float("nan"))),)).to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 0}', '{"schema": 1, "results": [{}], "real": []}'])
def test_anything_else_is_refused(text: str) -> None:
    """A file that is no report, or another version's, is refused with what to do."""
    with pytest.raises(ReportError, match="evaluate again"):
        Report.from_json(text)


def changed(**fields: Any) -> Report:
    """The report with a summary of one score that differs in some fields."""
    one = result()
    disclosed = dict(one.figures["disclosed"])
    disclosed["shells.pr_auc"] = replace(disclosed["shells.pr_auc"], **fields)
    return Report((replace(one, figures=one.figures | {"disclosed": disclosed}),))


@pytest.mark.parametrize("field", ["n", "mean", "sd", "least", "most"])
def test_any_change_of_a_figure_is_a_difference(field: str) -> None:
    """Worlds, mean, spread and extremes alike; the last line says what to do."""
    lines = differences(changed(**{field: 7}), Report((result(),)))
    assert [line.partition(" is ")[0] for line in lines[:-1]] == [
        f"held-out: shells.pr_auc (disclosed labels): {field}"
    ]
    assert "`make accuracy`" in lines[-1]
    assert differences(changed(mean=0.5000005), Report((result(),))) == []


def test_what_is_published_of_neither_or_one() -> None:
    """A suite or score that is not published is a difference; a suite that was not run is none."""
    both = Report((result(), result("tune")))
    assert differences(Report((result(),)), both) == []
    assert differences(both, Report((result(),)))[0] == "tune: the published report does not have this suite"
    more = result(disclosed=[*WORLDS, {"a.b": 1.0}])
    assert differences(Report((more,)), Report((result(),)))[0] == (
        "held-out: a.b (disclosed labels) is 1, published is undefined"
    )


def test_a_bar_is_met_or_not_yet() -> None:
    """The mean decides, or the worst world where every world has to; no case is none."""
    spread = Summary(2, 0.5, 0.1, 0.4, 0.6)
    assert Bar("", "x", at_least=0.5).verdict(spread) == bars.MET
    assert Bar("", "x", at_least=0.51).verdict(spread) == bars.NOT_YET
    assert Bar("", "x", at_least=0.5, in_every_world=True).verdict(spread) == bars.NOT_YET
    assert Bar("", "x", at_most=0.6, in_every_world=True).verdict(spread) == bars.MET
    assert Bar("", "x", at_most=0.6).verdict(None) == bars.NOTHING_THERE


def test_headline_is_judged_on_the_held_out_suite() -> None:
    """With the labels that the bar names, on `held-out` where it was run, else on the first suite."""
    good, bad = one(a__b=1.0), one(a__b=0.0)
    bar = Bar("thing", "a.b", at_least=0.5, labels="perfect")
    suites = [result("tune", good, good), result("held-out", good, bad)]
    assert headline(suites, [bar]) == [("thing", "≥ 0.5, perfect labels", "1", "0", "-", "not yet")]
    assert headline(suites[:1], [bar])[0].verdict == "met"
    assert headline([]) == []


def test_bars_are_of_scores_that_exist() -> None:
    """Every bar is on a score of some family."""
    assert {base(bar.score) for bar in bars.BARS} <= set(MEANINGS)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1"), (0.99999, "> 0.9999"), (0.00001, "< 0.0001"), (0.12345, "0.1235"), (12345.6, "12,346")],
)
def test_a_figure_that_is_nearly_whole_is_not_shown_as_such(value: float, text: str) -> None:
    """Nearly 1 is not 1, and nearly 0 is not 0."""
    assert number(value) == text


def test_a_narrow_table_has_rough_figures() -> None:
    """Three decimals at most, and still nothing that is only nearly 0 or 1."""
    values = {0.93951: "0.94", 0.9999: "> 0.999", 0.00001: "< 0.001", 30.15: "30.1", 12345.6: "12,346", 1.0: "1"}
    assert {value: rough(Summary(1, value, None, value, value)) for value in values} == values
    assert rough(Summary(2, 0.5, 0.1, 0.4, 0.6)) == "0.5 ± 0.1"


def test_spread_and_missing_worlds_are_shown() -> None:
    """A mean stands with its deviation, and with its worlds where some have no figure."""
    assert shown(Summary(2, 0.5, 0.1, 0.4, 0.6), 3) == "0.5 ± 0.1 (n = 2)"
    assert shown(Summary(1, 0.5, None, 0.5, 0.5), 1) == "0.5"
    assert shown(None) == "-"


def test_page_says_where_the_figures_come_from() -> None:
    """The page names commit, date, seeds, settings and versions, and shows the verdicts and intervals."""
    page = to_markdown(Report((result(),), (BLOCK,)))
    assert "| held-out | 4 | 1 to 3, 7 | blocks 420 | 2026-11-20 | abc1234 | cospend 1 |" in page
    row = next(line for line in page.splitlines() if line.startswith("| Exposure: cleared falsely"))
    assert row.endswith("| ≤ 0.01, perfect labels | 0.125 ± 0.1768 | 0.125 ± 0.1768 | - | not yet |")
    assert "(perfect labels): 2 of 10 (20 %), 0.06 to 0.51" in page
    assert "joinmarket@1" in page


def test_page_has_a_row_per_part_and_suite() -> None:
    """Parts stand in rows, convention and intent side by side; labels that give the same share a row."""
    told = {f"exposure.mean_error[{part}]": 0.25 for part in ("convention", "intent", "convention,sent")}
    other = told | {"exposure.mean_error[intent]": 0.5}
    page = to_markdown(Report((result("contrary", [told] * 4, [other] * 4),)))
    rows = [line for line in page.splitlines() if line.startswith("| contrary |")]
    assert any(row.startswith("| contrary | disclosed | all | 0.25 ± 0 | 0.25 ± 0 |") for row in rows)
    assert any(row.startswith("| contrary | perfect | all | 0.25 ± 0 | 0.5 ± 0 |") for row in rows)
    assert any(row.startswith("| contrary | either | sent | 0.25 ± 0 | - |") for row in rows)


def test_page_leaves_out_what_never_happens() -> None:
    """Kinds that are never taken for a shell have no row; parts of suites that decide nothing have none either."""
    told: Scores = {"shells.false_leads[person]": 2.0, "shells.false_leads[exchange]": 0.0}
    page = to_markdown(Report((result("check", [told], [told]), result("held-out", [told], [told]))))
    assert [line[:29] for line in page.splitlines() if "either" in line] == ["| held-out | either | person "]


def test_page_without_anything_says_so() -> None:
    """Without results or real blocks the page claims nothing."""
    page = to_markdown(Report(()))
    assert "Nothing was evaluated." in page
    assert "The sample blocks were not there" in page


def test_every_score_in_the_page_exists() -> None:
    """Every pattern of the page is of scores that some family has, and every family has a place in the page."""
    names = [p for s in SECTIONS for p in (s.patterns if isinstance(s, Section) else s.scores)]
    for name in names:
        known = base(name).rstrip("*")
        assert any(other == known or ("*" in base(name) and other.startswith(known)) for other in MEANINGS), name
    assert {name.partition(".")[0] for name in MEANINGS} == {name.partition(".")[0] for name in names}
    assert len(MEANINGS) == sum(len(family.METRICS) for family in FAMILIES)


def test_cells_cannot_break_a_table() -> None:
    """A bar or a line end in a value stays inside its cell."""
    assert markdown_table(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y z |"
