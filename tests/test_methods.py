"""FIFO, poison and the bounds for any method: agreement with the twin and with each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.methods import Pieces, bounds, fifo, poison
from heuristics.exposure.passes.parts import COINJOIN, CUT, MINED, UNRESOLVED
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from store.errors import DamagedError
from tests import naive_provenance
from tests.histories import CATEGORY, CODE, HISTORIES, PARTIES, history, part, vectors
from tests.naive_provenance import In, Out, Tx

MARKS = st.lists(st.booleans(), min_size=len(CATEGORY), max_size=len(CATEGORY))


def of_output(pieces: Pieces, o: int) -> dict[int, int]:
    """Satoshi by code."""
    some = slice(pieces.start[o], pieces.start[o] + pieces.size[o])
    found: dict[int, int] = {}
    for code, value in zip(pieces.code[some].tolist(), pieces.value[some].tolist(), strict=True):
        found[code] = found.get(code, 0) + value
    return found


@given(HISTORIES)
def test_fifo_is_that_of_the_definition(txs: list[Tx]) -> None:
    """Every output consists of the satoshi that came in at its place in the line, whole outputs of them."""
    pieces = fifo(part(txs), PARTIES)
    twin = [one for outs in naive_provenance.fifo(txs, CODE) for one in outs]
    outs = [o for tx in txs for o in tx.outs]
    for o, true in enumerate(twin):
        mine = of_output(pieces, o)
        assert mine == {code: sum(v for c, v in true if c == code) for code, _ in true}
        assert sum(mine.values()) == outs[o].value


@given(HISTORIES, st.integers(1, 4))
def test_fifo_is_bounded(txs: list[Tx], most: int) -> None:
    """Where coins are in too many pieces the rest is CUT; no satoshi is lost."""
    pieces = fifo(part(txs), PARTIES, most)
    outs = [o for tx in txs for o in tx.outs]
    assert [sum(of_output(pieces, o).values()) for o in range(len(outs))] == [o.value for o in outs]
    assert pieces.size.max() <= most


@given(HISTORIES)
def test_poison_reaches_what_haircut_has_a_share_of(txs: list[Tx]) -> None:
    """Poison marks exactly the categories that have any share of a transaction's coins."""
    reached = poison(part(txs), PARTIES).tolist()
    told = naive_provenance.provenance(txs, CODE)
    assert reached == [sum(1 << c for c in {CATEGORY[code] for code in vector}) for vector in told]


@given(HISTORIES, MARKS)
def test_every_method_lies_within_the_bounds(txs: list[Tx], marks: list[bool]) -> None:
    """L <= haircut <= U and L <= FIFO <= U, for each output and whatever is asked about."""
    whole = part(txs)
    found = bounds(whole, PARTIES, np.array(marks))
    pieces = fifo(whole, PARTIES)
    told = vectors(Provenance(PARTIES, len(txs), Cut(drop=0.0, top=99, exact=True)).run(whole))
    of = [t for t, tx in enumerate(txs) for _ in tx.outs]
    for o, value in enumerate(whole.out_value.tolist()):
        low, high = int(found.least[o]), int(found.most[o])
        haircut = value * sum(share for code, (share, _, _) in told[of[o]].items() if marks[code])
        assert 0 <= low <= high <= value
        assert low - 1e-9 * value <= haircut <= high + 1e-9 * value
        assert low <= sum(v for code, v in of_output(pieces, o).items() if marks[code]) <= high


def test_fees_come_last_and_order_counts() -> None:
    """Of ten mined and ten from before the history, the first output gets the first input's."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5), In(None, 0, 10, 6)], [Out(12, 7), Out(5, 8)])]
    pieces = fifo(part(txs), PARTIES)
    assert of_output(pieces, 1) == {MINED: 10, UNRESOLVED: 2}
    assert of_output(pieces, 2) == {UNRESOLVED: 5}
    marks = np.arange(len(CATEGORY)) == MINED
    assert bounds(part(txs), PARTIES, marks).least.tolist() == [10, 2, 0]
    assert bounds(part(txs), PARTIES, marks).most.tolist() == [10, 10, 5]


@pytest.mark.parametrize(("column", "value"), [("vout", 1), ("vout", -1), ("origin", 1), ("origin", 2)])
def test_spends_of_nothing_are_refused(column: str, value: int) -> None:
    """An output that can not be spent here gives an error, never a crash."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5)], [Out(10, 6)])]
    bad = part(txs)
    getattr(bad, column)[0] = value
    with pytest.raises(DamagedError):
        fifo(bad, PARTIES)
    with pytest.raises(DamagedError):
        bounds(bad, PARTIES, np.zeros(len(CATEGORY), np.bool_))
    if column == "origin":
        with pytest.raises(DamagedError):
            poison(bad, PARTIES)


def test_poison_has_64_bits() -> None:
    """More categories than bits are refused; a CoinJoin poisons with its own name only."""
    n = 65
    wide = PARTIES._replace(category=np.arange(n, dtype=np.int32), n_categories=n)
    with pytest.raises(DamagedError, match="at most 64"):
        poison(part(history(1, 5)), wide)
    joined = Tx([In(None, 0, 10, 0)], [Out(10, 7)], coinjoin=True)
    assert poison(part([joined]), PARTIES).tolist() == [1 << COINJOIN]
    assert CUT != COINJOIN
