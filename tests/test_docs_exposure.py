"""docs/exposure.md says what the kernels say: its example is run from its own table, and every figure compared."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from heuristics import rules
from heuristics.attribution.conclusions import SURE_ENOUGH
from heuristics.exposure.destinations import Destinations
from heuristics.exposure.methods import bounds, fifo, poison
from heuristics.exposure.passes.parts import FEE, HELD, MINED, N_ENDS, Part, Parties, Shares
from heuristics.exposure.passes.run import DROP, TOP, Cut
from heuristics.exposure.provenance import Provenance
from store.formats.taxonomy import CATEGORIES
from tests.histories import part
from tests.naive_provenance import Tx
from tests.pencil import (
    END,
    MINUS,
    NAMES,
    OVER,
    PAGE,
    SATOSHI,
    START,
    TIMES,
    G,
    Line,
    Rows,
    W,
    agree,
    figure,
    history,
    tables,
    text,
)

LINES = 130
EXACT = Cut(exact=True)

# After the ends come the categories of G, K and W, then G, K and W themselves.
N_CATEGORIES = N_ENDS + 3
LISTED, EXCHANGE, ASKED = range(N_ENDS, N_CATEGORIES)
OF_G, OF_K, OF_W = range(N_CATEGORIES, N_CATEGORIES + 3)
SOURCES = {"G": OF_G, "K": OF_K, "mined": MINED}
BITS = {"G": LISTED, "K": EXCHANGE, "mined": MINED}

Vector = dict[int, tuple[Fraction, int]]  # share and least hops by code


def parties(w: int) -> Parties:
    """G and K absorb; W has a code only where one asks what goes to it."""
    category = np.array([*range(N_CATEGORIES), LISTED, EXCHANGE, ASKED], np.int32)
    return Parties(np.array([OF_G, OF_K, -1, -1, w], np.int32), category, N_CATEGORIES)


PASSES, ASKS = parties(-1), parties(OF_W)


def vectors(shares: Shares) -> list[Vector]:
    """Shares of each transaction, to nine places."""
    return [
        {code: (Fraction(str(round(share, 9))), hops) for share, code, hops, _ in shares.rows[start:end].tolist()}
        for start, end in zip(shares.start[:-1], shares.start[1:], strict=True)
    ]


class Example:
    """What the kernels say of the page's transactions; amounts in BTC."""

    def __init__(self, txs: list[Tx]) -> None:
        """Run both passes."""
        self.txs, self.part = txs, part(txs)
        self.sources = vectors(Provenance(PASSES, len(txs), EXACT).run(self.part))
        self.gone = vectors(Destinations(PASSES, len(txs), EXACT).run(self.part))
        self.gone_to_w = vectors(Destinations(ASKS, len(txs), EXACT).run(self.part))
        self.outs = [(t, o) for t, tx in enumerate(txs) for o in tx.outs]
        self.pays_w = [(t, o, Fraction(out.value, SATOSHI)) for o, (t, out) in enumerate(self.outs) if out.owner == W]
        self.total = whole(value for *_, value in self.pays_w)
        assert not any(one.owner == W for tx in txs for one in tx.ins)

    def output(self, t: int, name: str) -> int:
        """The row of what transaction t pays to somebody."""
        (o,) = [o for o, (at, out) in enumerate(self.outs) if (at, out.owner) == (t, NAMES.index(name))]
        return o

    def received(self) -> dict[tuple[int, int], Fraction]:
        """BTC that W received, by code and hops."""
        found: dict[tuple[int, int], Fraction] = {}
        for t, _, value in self.pays_w:
            for code, (share, hops) in self.sources[t].items():
                found[code, hops + 1] = found.get((code, hops + 1), Fraction(0)) + value * share
        return found

    def mixed(self, code: int) -> Fraction:
        """BTC of a code that W received, by haircut."""
        return whole(value for (one, _), value in self.received().items() if one == code)

    def fifo(self, o: int, code: int, history: Part | None = None) -> Fraction:
        """BTC of a code in an output."""
        told = fifo(history or self.part, PASSES)
        some = slice(told.start[o], told.start[o] + told.size[o])
        return Fraction(int(told.value[some][told.code[some] == code].sum()), SATOSHI)

    def turned(self, places: Sequence[int]) -> Part:
        """The same payments, the inputs of some transactions in reverse order."""
        return part(
            [Tx(tx.ins[::-1] if t in places else tx.ins, tx.outs, tx.coinjoin) for t, tx in enumerate(self.txs)]
        )

    def bounds(self, o: int, code: int) -> tuple[Fraction, Fraction]:
        """Least and most of a code in an output, BTC."""
        marks = np.arange(len(PASSES.category)) == code
        told = bounds(self.part, PASSES, marks)
        return Fraction(int(told.least[o]), SATOSHI), Fraction(int(told.most[o]), SATOSHI)

    def poisoned(self, category: int) -> Fraction:
        """BTC paid to W by transactions that a category reaches."""
        reached = poison(self.part, PASSES).tolist()
        return whole(value for t, _, value in self.pays_w if reached[t] >> category & 1)

    def through(self, t: int) -> tuple[Fraction, Fraction]:
        """Least and most of G in all that a transaction spends, BTC."""
        low = high = Fraction(0)
        for one in self.txs[t].ins:
            own = Fraction((one.value or 0) * (one.owner == G), SATOSHI)
            found = (own, own)
            if one.tx is not None:
                found = self.bounds(self.output(one.tx, NAMES[one.owner or 0]), OF_G)
            low, high = low + found[0], high + found[1]
        return low, high


@cache
def example(rows: tuple[tuple[str, ...], ...]) -> Example:
    """Run the kernels over the page's transactions, once."""
    return Example(history([list(row) for row in rows]))


def whole(values: Iterable[Fraction]) -> Fraction:
    """Add up."""
    return sum(values, Fraction(0))


def _forward(case: Example, rows: Rows) -> None:
    agree(
        rows,
        [
            (t + 1, *(vector.get(code, (Fraction(0), 0))[0] for code in SOURCES.values()))
            for t, vector in enumerate(case.sources)
        ],
    )
    assert all(set(vector) <= set(SOURCES.values()) for vector in case.sources)


def _received(case: Example, rows: Rows) -> None:
    names = {code: name for name, code in SOURCES.items()}
    told = sorted(case.received().items(), key=lambda one: (list(SOURCES.values()).index(one[0][0]), one[0][1]))
    lines: list[Line] = [
        (names[code], "direct" if hops == 1 else "indirect", hops, value, value * SATOSHI, value / case.total)
        for (code, hops), value in told
    ]
    agree(rows, [*lines, ("all", "", "", case.total, case.total * SATOSHI, 1)])
    for (name, _, _, btc, _, share), line in zip(rows, [*lines, None], strict=True):
        paid = figure(btc.split(f" {TIMES} ")[0]) if line else None
        assert paid is None or paid in {value for *_, value in case.pays_w}, name
        assert share.split(" = ")[0].endswith(f" {OVER} {text(case.total)}") or line is None


def _sent(case: Example, rows: Rows) -> None:
    first = case.gone_to_w[0]
    out = Fraction(case.txs[0].ins[0].value or 0, SATOSHI)
    ends = (("W, held", OF_W), ("A and B, held as change", HELD), ("fee", FEE))
    lines: list[Line] = [
        (name, first[code][1], first[code][0], out * first[code][0], out * first[code][0] * SATOSHI)
        for name, code in ends
    ]
    agree(rows, [*lines, ("all", "", sum(share for share, _ in first.values()), out, out * SATOSHI)])
    assert set(first) == {code for _, code in ends}
    assert case.gone[0] == {HELD: (first[OF_W][0] + first[HELD][0], first[HELD][1]), FEE: first[FEE]}
    assert out * first[OF_W][0] == case.mixed(OF_G)


def _fifo(case: Example, rows: Rows) -> None:
    merged = [(t, out) for t, out in case.outs if len(case.txs[t].ins) > 1]
    lines: list[Line] = []
    for t, out in merged:
        o = case.output(t, NAMES[out.owner or 0])
        name = f"{NAMES[out.owner or 0]} {text(Fraction(out.value, SATOSHI))}"
        lines.append((t + 1, name, *(case.fifo(o, code) for code in SOURCES.values())))
    agree(rows, lines)
    # The fee: what the outputs leave of each input, all of it G's.
    for t in {t for t, _ in merged}:
        own = whole(case.fifo(o, OF_G) for o, (at, _) in enumerate(case.outs) if at == t)
        fee = Fraction(sum(one.value or 0 for one in case.txs[t].ins) - case.txs[t].paid, SATOSHI)
        before = [case.fifo(case.output(i.tx, NAMES[i.owner or 0]), OF_G) for i in case.txs[t].ins if i.tx is not None]
        assert whole(before) - own == fee


def _turned(case: Example, rows: Rows) -> None:
    merged = [t for t, tx in enumerate(case.txs) if len(tx.ins) > 1]
    ways = [(), *((t,) for t in merged), tuple(merged)]
    told = [whole(case.fifo(o, OF_G, case.turned(way)) for _, o, _ in case.pays_w) for way in ways]
    agree(
        rows,
        [(" and ".join(str(t + 1) for t in way) or "none", value) for way, value in zip(ways, told, strict=True)],
    )


def _interval(case: Example, rows: Rows) -> None:
    lines: list[Line] = []
    for t, name in ((3, "B"), (4, "W")):
        o = case.output(t, name)
        value = Fraction(case.outs[o][1].value, SATOSHI)
        worth = Fraction(sum(one.value or 0 for one in case.txs[t].ins), SATOSHI)
        low, high = case.through(t)
        least, most = case.bounds(o, OF_G)
        lines.append(
            (
                t + 1,
                f"{name} {text(value)}",
                f"{text(value)} {MINUS} ({text(worth)} {MINUS} {text(low)}) = {text(least)}",
                f"min({text(value)}, {text(high)}) = {text(most)}",
            )
        )
        assert (least, most) == (value - (worth - low), min(value, high))
    agree(rows, lines)


def _answers(case: Example, rows: Rows) -> None:
    limits = [[whole(case.bounds(o, c)[i] for _, o, _ in case.pays_w) for c in SOURCES.values()] for i in (0, 1)]
    told = {
        "haircut": [case.mixed(code) for code in SOURCES.values()],
        "fifo": [whole(case.fifo(o, code) for _, o, _ in case.pays_w) for code in SOURCES.values()],
        "poison": [case.poisoned(category) for category in BITS.values()],
        "interval, least": limits[0],
        "interval, most": limits[1],
    }
    agree(rows, [(name, *some, some[0] / case.total) for name, some in told.items()])
    assert whole(told["haircut"]) == whole(told["fifo"]) == case.total
    assert limits[0][0] > 0


CHECKS: Mapping[str, Callable[[Example, Rows], None]] = {
    "#|G|K|mined": _forward,
    "From|Kind|Hops|BTC|Satoshi|Share": _received,
    "To|Hops|Share|BTC|Satoshi": _sent,
    "#|Output|of G|of K|mined": _fifo,
    "Inputs turned round in|of G in W, BTC": _turned,
    "#|Output|Least|Most": _interval,
    "Method|of G|of K|mined|Share of G": _answers,
}
HISTORY = "#|Inputs, in order|Outputs, in order|Fee"


def check(page: str, only: str | None = None) -> None:
    """Compare every table of the example with the kernels, and the one figure of its prose."""
    found = tables(page)
    case = example(tuple(map(tuple, found.pop(HISTORY))))
    assert set(found) == set(CHECKS)
    for head, rows in found.items():
        if only in (None, head):
            CHECKS[head](case, rows)
    asked = re.findall(r"^### .*, of (\S+) BTC$", page, re.MULTILINE)
    assert [figure(total) for total in asked] == [case.total]


@pytest.mark.parametrize("head", CHECKS)
def test_table_is_what_the_kernels_say(head: str) -> None:
    """Every figure of the example is that of the kernels, run over the example's own transactions."""
    check(PAGE, head)


def test_no_figure_can_change_unnoticed() -> None:
    """Whichever figure of the example is changed, alone, the page is refused."""
    first, last = PAGE.index(START), PAGE.index(END)
    spots = [m.end() - 1 for m in re.finditer(r"\d[\d,.]*(?<=\d)", PAGE) if first < m.start() < last]
    unnoticed = []
    for at in spots:
        changed = f"{PAGE[:at]}{(int(PAGE[at]) + 1) % 10}{PAGE[at + 1 :]}"
        try:
            check(changed)
        except AssertionError:
            continue
        unnoticed.append(PAGE[PAGE.rindex("\n", 0, at) + 1 : at + 1])
    assert len(spots) > 150
    assert unnoticed == []


def test_the_example_has_five_transactions_and_fits_a_page() -> None:
    """Five transactions, and no more lines than a page."""
    assert len(tables(PAGE)[HISTORY]) == 5
    assert len(PAGE.splitlines()) <= LINES


def test_methods_differ_visibly() -> None:
    """Haircut, FIFO, poison and the most that is possible: no two say the same of G."""
    case = example(tuple(map(tuple, tables(PAGE)[HISTORY])))
    lined = whole(case.fifo(o, OF_G) for _, o, _ in case.pays_w)
    most = whole(case.bounds(o, OF_G)[1] for _, o, _ in case.pays_w)
    assert lined < case.mixed(OF_G) < most < case.poisoned(LISTED)


def test_every_category_absorbs_or_passes_through() -> None:
    """The page's two lists of categories are all there are, each once."""
    absorb, through = (
        re.findall(r"`(\w+)`", next(line for line in PAGE.splitlines() if line.startswith(f"| {word} |")))
        for word in ("absorb", "pass through")
    )
    assert sorted(absorb + through) == sorted(CATEGORIES)


def test_limits_are_those_of_the_code() -> None:
    """How many parties are told apart, what is cut off, and how sure a CoinJoin, or an attribution, has to be."""
    assert TOP == 8
    assert "the eight largest parties" in PAGE
    assert PAGE.count(f"below {DROP:.4f}") == 2
    assert PAGE.count(f"{SURE_ENOUGH} % confidence") == 2
    assert f"(a verdict of {rules.POOLS_FUNDS} % confidence or more)" in PAGE
