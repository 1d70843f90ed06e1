"""A wallet's coins that traces begin with: together they are what its exposure counts, by haircut to the satoshi."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.passes.parts import MINED
from heuristics.exposure.trace import Asked
from heuristics.exposure.wallet_coins import received, sent, told_by
from heuristics.exposure.wheel import PASSES, SENT
from tests.histories import CODE
from tests.naive_provenance import In, Out, Tx
from tests.test_paths import OWN, SMALL, coins

WAYS = {"received": (received, "backward", 0), "sent": (sent, "forward", SENT)}


@given(SMALL, st.sampled_from(sorted({int(own) for own in OWN})), st.sampled_from(sorted(WAYS)))
def test_a_trace_of_them_by_haircut_is_the_exposure(txs: list[Tx], wallet: int, direction: str) -> None:
    """Sources and destinations are those of the wheel, to a satoshi for each coin; hops too."""
    of, (gather, way, side) = coins(txs), WAYS[direction]
    told = told_by(of, gather(of, wallet), Asked("haircut", way))
    lines = of.lines(wallet)
    lines = lines[lines["flags"] & (SENT | PASSES) == side]
    true: dict[int, float] = defaultdict(float)
    hops: dict[int, int] = {}
    for code, value, least in lines[["code", "value", "min_hops"]].tolist():
        true[code] += value
        hops[code] = min(hops.get(code, least), least)
    slack = 2 + sum(len(tx.ins) + len(tx.outs) for tx in txs)
    for code in set(true) | set(told):
        assert told.get(code, (0.0, 0))[0] == pytest.approx(true[code], rel=1e-9, abs=slack)
        if true[code] > slack:
            assert told[code][1] == hops[code]


def test_what_a_signer_has_more_begins_with_the_others_coins() -> None:
    """Half of what was gained is of the party that paid half; the signer's own coin is none of it, by any method."""
    txs = [
        Tx([], [Out(100, 10, 1), Out(100, 0, 1), Out(100, 6, 1)]),
        Tx([In(0, 0, 100, 10), In(0, 1, 100, 0), In(0, 2, 100, 6)], [Out(300, 10)]),
    ]
    of = coins(txs)
    held = received(of, 10)
    assert (held.seeds.row.tolist(), held.seeds.value.tolist(), held.ended) == ([0, 2], [100, 100], {CODE[0]: 100})
    for method in ("haircut", "fifo", "poison"):
        told = told_by(of, held, Asked(method, "backward"))
        assert told == {MINED: (200.0, 1), CODE[0]: (100.0, 1)}
