"""docs/exposure.md says what an answer says: its example through the wheel, and the limits of what is counted."""

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from heuristics.exposure.codes import PASSED_THROUGH
from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import FEE, HELD
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.wheel import DUST, INDIRECT, SENT, UNTOUCHED, Asked, Surroundings, wheel
from tests.histories import part
from tests.naive_provenance import In, Out, Tx
from tests.pencil import MINUS, NAMES, PAGE, SATOSHI, G, Line, W, agree, history, tables
from tests.test_docs_exposure import HISTORY, OF_G, OF_W, PASSES, SOURCES, parties

RECEIVED = "From|Kind|Hops|BTC|Satoshi|Share"
SENT_BY_G = "To|Hops|Share|BTC|Satoshi"
PLACES = 6


def _lines(who: int, to_w: int) -> list[tuple[int, int, float, int]]:
    """What a wallet received and sent by the page: code, flags, BTC, least hops; `to_w` is W's code going forward."""
    return _told(history(tables(PAGE)[HISTORY]), who, to_w)


def _told(txs: Sequence[Tx], who: int, to_w: int) -> list[tuple[int, int, float, int]]:
    """The same of any transactions."""
    whole = part(txs)
    asks, n = parties(to_w), len(whole.born)
    never = np.zeros(len(asks.category) + 1, np.int64)
    around = Surroundings(
        whole, Provenance(PASSES, n).run(whole), Destinations(asks, n).run(whole),
        asks.code, asks.code, np.arange(len(NAMES), dtype=np.int32), np.array([0, n], np.int64),
        never, never[:0], never[:0], np.array([np.nan]),
    )  # fmt: skip
    asked = Asked(who, -1, whole.spend_owner, whole.out_owner)
    found = wheel(around, asked, np.arange(n, dtype=np.int32))
    return sorted(
        (code, flags, round(value / SATOSHI, PLACES), hops)
        for code, flags, value, hops in found[["code", "flags", "value", "min_hops"]].tolist()
    )


def _exact(value: float) -> Fraction:
    return Fraction(str(value))


def test_wheel_of_the_asked_wallet_is_the_table() -> None:
    """What W received, by source and kind, is what an answer would say."""
    names = {code: name for name, code in SOURCES.items()}
    told = {(names[code], flags, hops): value for code, flags, value, hops in _lines(W, -1)}
    rows = [(row[0], INDIRECT * (row[1] == "indirect"), int(row[2])) for row in tables(PAGE)[RECEIVED][:-1]]
    assert sorted(rows) == sorted(told)
    lines: list[Line] = [(_exact(told[row]),) for row in rows]
    agree([row[3:4] for row in tables(PAGE)[RECEIVED][:-1]], lines)


def test_wheel_of_the_sender_is_the_table() -> None:
    """Where the coins went that G sent is what an answer would say."""
    told = {code: (hops, _exact(value)) for code, flags, value, hops in _lines(G, OF_W) if flags & SENT}
    assert len(told) == 3
    agree([[row[1], row[3]] for row in tables(PAGE)[SENT_BY_G][:-1]], [told[code] for code in (OF_W, HELD, FEE)])


def test_what_several_sign_is_the_sentence() -> None:
    """A got of B's input what he has more than his part; B sent what he has less to W and A."""
    (said,) = re.findall(r"Say A with 1 of K's BTC and B with 3 of G's .*", PAGE)
    a, b = NAMES.index("A"), NAMES.index("B")
    btc = SATOSHI
    txs = [
        Tx([In(None, 0, 3 * btc, G)], [Out(3 * btc, b, 2)]),
        Tx([In(None, 0, btc, NAMES.index("K"))], [Out(btc, a, 2)]),
        Tx(
            [In(1, 0, btc, a), In(0, 0, 3 * btc, b)],
            [Out(btc, W), Out(19 * btc // 10, a), Out(btc, b)],
        ),
    ]
    got = [line for line in _told(txs, a, -1) if not line[1] & SENT and line[3] > 1]
    assert got == [(OF_G, INDIRECT, 0.925, 2)]
    assert f"1.9 {MINUS} 0.975 = 0.925, all from B's input and so of G" in said
    sent = {code: value for code, flags, value, _ in _told(txs, b, OF_W) if flags & SENT}
    assert sent == {OF_W: round(1.925 / 2.9, PLACES), HELD: round(1.925 * 1.9 / 2.9, PLACES)}
    assert f"B sent 2.925 {MINUS} 1 = 1.925 to W and A, as 1 to 1.9" in said


def test_categories_that_pass_through_are_those_of_the_code() -> None:
    """The page's list of what trails go on behind is the code's."""
    line = next(line for line in PAGE.splitlines() if line.startswith("| pass through |"))
    assert set(re.findall(r"`(\w+)`", line)) == PASSED_THROUGH


def test_dust_is_that_of_the_code() -> None:
    """What counts as dust, and as unsolicited."""
    assert f"if it is {DUST:,} satoshi or less; or {UNTOUCHED:,} satoshi or less of which" in PAGE
