"""An evaluation as a page of Markdown: the bars first, then one table per family, then the real blocks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from heuristics import rules
from heuristics.accuracy import JUDGED_ON, decides
from worlds.score import rates
from worlds.score.bars import BARS, LABELS_SHOWN, NOTHING, headline, judged, number, shown
from worlds.score.families import FAMILIES
from worlds.score.measure import Metrics, base
from worlds.score.realdata import IDEA_FROM, SCHEME_FROM, RealBlock, known_facts
from worlds.score.report import LABELS, Report, Result
from worlds.score.sections import SECTIONS, Breakdown, Section

MEANINGS: Final[Metrics] = {base(name): row for family in FAMILIES for name, row in family.METRICS.items()}
_NEAR: Final = 0.015  # shares this near to 0 or 1 are shown with more digits
SECOND: Final = "contrary"  # the suite whose parts are told beside those of the suite that decides
BASE_RATES: Final = (
    "Of all transactions but coinbases. The real chain's are of 105,546 transactions drawn evenly from all years "
    "(decluster's survey). That a round fee is a multiple of 1,000 satoshi, the tip the block before, and a script "
    "type that of the outputs is our reading of it. The worlds' wallet programs were set by the same survey: that "
    "they are alike here is no evidence that they are in what it does not tell."
)
SUITE_NAMES: Final = {"contrary": "contrary (every rule wrong)"}


def to_markdown(report: Report) -> str:
    """Write the page."""
    parts = ["# Accuracy", _introduction(report.results), *_bars(report.results), *_runs(report.results)]
    for section in SECTIONS:
        table = _section(report.results, section) if isinstance(section, Section) else _parts(report.results, section)
        if table:
            parts += [f"## {section.title}", *filter(None, [section.note]), table]
    return "\n\n".join([*parts, *_rates(report.results), "## Real blocks", *_real(report.real)]) + "\n"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Give a table; nothing is left of what would break a cell."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(str(c).split()).replace("|", "\\|") for c in row) + " |" for row in lines
    )


def _introduction(results: Sequence[Result]) -> str:
    if not results:
        return "Nothing was evaluated."
    names = [one.suite for one in results]
    text = (
        "Every figure here comes from worlds whose truth is known: the pipeline reads their blocks and labels in a "
        "process of its own and never sees the truth. A figure is the mean over the suite's worlds ± its standard "
        "deviation; `-` stands where there is nothing to measure or no rule yet. The worlds are simulated: they hold "
        "the habits that we know of, so a figure here is not the error rate on the real chain. *Disclosed* labels are "
        "what a user would have, *perfect* ones name every address of services and listed parties and are right; "
        "*owners*: perfect labels that name everybody else's wallets too, for exposure alone. "
    )
    if JUDGED_ON in names:
        text += f"`{JUDGED_ON}` decides: no threshold was chosen on it. "
    else:
        text += f"`{JUDGED_ON}`, which is to decide, was not run: `{decides(names)}` stands in. "
    told = [name for name in names if name in {decides(names), SECOND}]
    if len(told) < len(names):
        text += f"Parts are told of {' and '.join(f'`{name}`' for name in told)}. "
    return text + "`accuracy.json` has every figure of the suites under *Runs*, by world count, mean and spread."


def _bars(results: Sequence[Result]) -> list[str]:
    suite = judged(results)
    if suite is None:
        return []
    rows = headline(results)
    heads = ["What", "Bar", *(LABELS_SHOWN[labels].capitalize() for labels in LABELS), "Verdict"]
    text = [f"## Bars, on the suite `{suite.suite}`", markdown_table(heads, rows)]
    rates = [_pooled(suite, bar.what, bar.labels, bar.score) for bar in BARS]
    if any(rates):
        text.append(
            "Rates over all worlds together, with Wilson's interval at 95 %. It takes the cases as independent, which "
            "those of one world are not: the true interval is wider.\n\n" + "\n".join(filter(None, rates))
        )
    return text


def _pooled(suite: Result, what: str, labels: str, name: str) -> str:
    found = suite.figure(labels, name)
    if found is None or found.pooled is None or found.low is None or found.high is None or found.cases is None:
        return ""
    return (
        f"- {what} ({LABELS_SHOWN[labels]}): {round(found.pooled * found.cases):,} of {found.cases:,} "
        f"({_percent(found.pooled)}), {_bound(found.low)} to {_bound(found.high)}"
    )


def _percent(share: float) -> str:
    """Whole percent, finer near the ends."""
    return f"{share:.0%}".replace("%", " %") if _middling(share) else f"{number(100 * share)} %"


def _bound(share: float) -> str:
    return f"{share:.2f}" if _middling(share) else number(share)


def _middling(share: float) -> bool:
    return _NEAR <= share <= 1 - _NEAR


def _runs(results: Sequence[Result]) -> list[str]:
    rows = [
        (
            one.suite,
            len(one.seeds),
            _ranges(one.seeds),
            _pairs(one.settings),
            one.date,
            one.commit,
            _pairs(one.versions),
        )
        for one in results
    ]
    return ["## Runs", markdown_table(["Suite", "Worlds", "Seeds", "Settings", "Date", "Commit", "Versions"], rows)]


def _ranges(seeds: Sequence[int]) -> str:
    """Seeds as text, runs of them by their ends."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _pairs(content: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(content.items()))


def _columns(results: Sequence[Result]) -> list[tuple[Result, str]]:
    return [(one, labels) for one in results for labels in LABELS if labels in one.figures]


def _section(results: Sequence[Result], section: Section) -> str:
    """Rows are scores; nothing where no suite has any of them."""
    columns = _columns(results)
    have = {name for one, labels in columns for name in one.figures[labels]}
    names = [name for pattern in section.patterns for name in sorted(have) if _matches(pattern, name) is not None]
    columns = [(one, labels) for one, labels in columns if any(name in one.figures[labels] for name in names)]
    rows = [
        [f"`{name}`", _meaning(name), *(shown(one.figure(labels, name), len(one.seeds)) for one, labels in columns)]
        for name in dict.fromkeys(names)
    ]
    heads = ["Score", "Meaning", *(f"{SUITE_NAMES.get(one.suite, one.suite)}, {labels}" for one, labels in columns)]
    return markdown_table(heads, rows) if rows else ""


def _rates(results: Sequence[Result]) -> list[str]:
    """How often each value of a feature is seen on the real chain and in each suite; labels make no difference."""
    shares: list[tuple[str, str, float | None]] = [
        (f, v, s) for f, values in rates.REAL.items() for v, s in values.items()
    ]
    shares += [(feature, value, None) for feature, values in rates.UNKNOWN.items() for value in values]
    rows = [
        (
            f,
            v,
            NOTHING if real is None else number(real),
            *(shown(one.figure(LABELS[0], _rate(f, v))) for one in results),
        )
        for f, v, real in shares
        if any(one.figure(LABELS[0], _rate(f, v)) for one in results)
    ]
    heads = ["Feature", "Value", "Real chain", *(one.suite for one in results)]
    return ["## Base rates", BASE_RATES, markdown_table(heads, rows)] if rows else []


def _rate(feature: str, value: str) -> str:
    return f"rates.share[{feature}: {value}]"


def _parts(results: Sequence[Result], section: Breakdown) -> str:
    """Rows are suites, labels and parts; of labels that make no difference one row is enough."""
    rows = []
    for one in results:
        if one is not judged(results) and one.suite != SECOND:
            continue
        for part in sorted({part for figures in one.figures.values() for part in _found(figures, section)}):
            for labels, line in _lines(one, section, part).items():
                rows.append([one.suite, labels, part.strip(",") or "all", *line])
    heads = ["Suite", "Labels", "Part", *section.scores.values()]
    return markdown_table(heads, rows) if rows else ""


def _lines(one: Result, section: Breakdown, part: str) -> dict[str, list[str]]:
    """The cells of one part, by labels."""
    names = [re.sub(r"[*+]", lambda _: part, name) for name in section.scores]
    told: list[str] = [labels for labels in LABELS if any(name in one.figures.get(labels, {}) for name in names)]
    found = {labels: [one.figure(labels, name) for name in names] for labels in told}
    if section.silent and not any(summary and summary.most for line in found.values() for summary in line):
        return {}
    lines = {labels: [shown(summary, len(one.seeds)) for summary in line] for labels, line in found.items()}
    same = len(told) > 1 and len({tuple(line) for line in lines.values()}) == 1
    return {"either": lines[told[0]]} if same else lines


def _found(names: Iterable[str], section: Breakdown) -> set[str]:
    """The parts that a breakdown's scores are told of."""
    parts = {_matches(pattern, name) for pattern in section.scores for name in names}
    return {part for part in parts if part is not None}


def _matches(pattern: str, name: str) -> str | None:
    """What `*` or `+` stands for in a name; None where the name is another one."""
    written = re.escape(pattern).replace(r"\*", "(.*)").replace(r"\+", "([^,]*)")
    found = re.fullmatch(written, name)
    return None if found is None else "".join(found.groups())


def _meaning(name: str) -> str:
    meaning, unit, _ = MEANINGS.get(base(name), ("", "share", ""))
    return meaning if unit in {"share", "count", "1"} else f"{meaning} ({unit})"


def _real(blocks: Sequence[RealBlock]) -> list[str]:
    """Verdicts on real blocks, and what is known from outside."""
    if not blocks:
        return ["The sample blocks were not there when this was measured."]
    heads = [
        "Block", "Transactions", "Spends (unresolved)", "Verdicts", "Share with a verdict", "Verdicts, spends unknown",
        "Older than the scheme", "Fewer keys than shares", "Pay themselves", "Batches (with a verdict)", "PSBT offers",
        "Co-spend edges", "Largest cluster", "1 in, 2 out",
    ]  # fmt: skip
    facts = [
        f"- {'holds' if fact.holds else '**does not hold**'}: {fact.what}: {fact.expected} expected, {fact.found} found"
        + (f", in {fact.where}" if fact.where else "")
        for fact in known_facts(blocks)
    ]
    starts = ", ".join(f"{rules.BY_ID[rule].name} {height}" for rule, height in SCHEME_FROM.items())
    idea = datetime.fromtimestamp(IDEA_FROM, UTC)
    said = (
        "Nobody knows who owns the coins of a real block; some verdicts contradict what is known all the same. Spends "
        "whose coin is not known each count as another party's, so that more verdicts come of it. A scheme's first "
        f"height is as Dumplings has it ({starts}); the idea of a CoinJoin was published on {idea:%-d %B %Y}."
    )
    return [
        said,
        markdown_table(heads, map(_real_row, blocks)),
        "Known from outside:",
        "\n".join(facts),
    ]


def _real_row(block: RealBlock) -> list[object]:
    name = f"{block.height} to {block.height + block.blocks - 1}" if block.blocks > 1 else str(block.height)
    verdicts = ", ".join(f"{count} {rule}" for rule, count in sorted(block.verdicts.items()))
    return [
        name if block.network == "main" else f"{block.network} {name}",
        block.transactions,
        f"{block.spends} ({block.unresolved})",
        verdicts or NOTHING,
        number(block.vetoed / block.transactions),
        NOTHING if block.vetoed_unresolved is None else block.vetoed_unresolved,
        block.too_early,
        block.too_few_keys,
        block.pay_themselves,
        f"{block.batches} ({block.batches_vetoed})",
        block.offers,
        block.cospend_edges,
        block.largest_cluster,
        NOTHING if block.one_in_two_out is None else number(block.one_in_two_out),
    ]
