"""docs/exposure.md says what an answer says: its example through the wheel, and the limits of what is counted."""

import re
from fractions import Fraction

import numpy as np

from heuristics.exposure.codes import PASSED_THROUGH
from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import FEE, HELD
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.wheel import DUST, INDIRECT, SENT, UNTOUCHED, Asked, Surroundings, wheel
from tests.histories import part
from tests.pencil import NAMES, PAGE, SATOSHI, G, Line, W, agree, history, tables
from tests.test_docs_exposure import HISTORY, OF_W, PASSES, SOURCES, parties

RECEIVED = "From|Kind|Hops|BTC|Satoshi|Share"
SENT_BY_G = "To|Hops|Share|BTC|Satoshi"
PLACES = 6


def _lines(who: int, to_w: int) -> list[tuple[int, int, float, int]]:
    """What a wallet received and sent: code, flags, BTC, least hops; `to_w` is W's code going forward."""
    whole = part(history(tables(PAGE)[HISTORY]))
    asks, n = parties(to_w), len(whole.born)
    never = np.zeros(len(asks.category) + 1, np.int64)
    around = Surroundings(
        whole, np.zeros(n, np.uint8), Provenance(PASSES, n).run(whole), Destinations(asks, n).run(whole),
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


def test_categories_that_pass_through_are_those_of_the_code() -> None:
    """The page's list of what trails go on behind is the code's."""
    line = next(line for line in PAGE.splitlines() if line.startswith("| pass through |"))
    assert set(re.findall(r"`(\w+)`", line)) == PASSED_THROUGH


def test_dust_is_that_of_the_code() -> None:
    """What counts as dust, and as unsolicited."""
    assert f"if it is {DUST:,} satoshi or less; or {UNTOUCHED:,} satoshi or less of which" in PAGE
