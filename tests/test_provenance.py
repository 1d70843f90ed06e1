"""The forward and the backward pass: agreement with their twins, and what has to hold of any history."""

from collections import defaultdict
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import COINJOIN, CUT, MINED, UNRESOLVED, Part, Parties, stored_kind
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from store.errors import DamagedError
from tests.histories import (
    CATEGORY,
    CODE,
    HISTORIES,
    N_CATEGORIES,
    PARTIES,
    RESOLVED,
    assert_same,
    history,
    part,
    vectors,
)
from tests.naive_provenance import In, Out, Tx, destinations, inputs, provenance, trimmer

UNCUT = Cut(drop=0.0, top=1000, exact=True)
Told = list[dict[int, tuple[float, int, int]]]


def sources(txs: list[Tx], cut: Cut = UNCUT) -> Told:
    """What the forward pass tells."""
    return vectors(Provenance(PARTIES, len(txs), cut).run(part(txs)))


def ends(txs: list[Tx], cut: Cut = UNCUT) -> Told:
    """What the backward pass tells."""
    return vectors(Destinations(PARTIES, len(txs), cut).run(part(txs)))


@given(HISTORIES)
def test_sources_are_those_of_the_definition(txs: list[Tx]) -> None:
    """Uncut, the forward pass agrees with fractions in plain Python."""
    assert_same(sources(txs), provenance(txs, CODE))


@given(HISTORIES)
def test_destinations_are_those_of_the_definition(txs: list[Tx]) -> None:
    """Uncut, the backward pass agrees with fractions in plain Python."""
    assert_same(ends(txs), destinations(txs, CODE))


@given(HISTORIES, st.integers(0, 3), st.sampled_from((0.0, 0.01, 0.2)))
def test_cutting_is_that_of_the_definition(txs: list[Tx], top: int, drop: float) -> None:
    """The largest parties stay by name, the others by category, what is too small is counted as cut."""
    trim = trimmer(CATEGORY, N_CATEGORIES, Fraction(drop), top)
    cut = Cut(drop, top, exact=True)
    assert_same(sources(txs, cut), provenance(txs, CODE, trim))
    assert_same(ends(txs, cut), destinations(txs, CODE, trim))


def test_of_equal_parties_the_first_stays_whatever_its_code() -> None:
    """Where two parties have the same share and one can stay, it is the one whose coin stands first."""
    for owners in ((0, 1), (1, 0)):
        spends = [In(None, 0, 50, owner) for owner in owners]
        told = sources([Tx(spends, [Out(100, 7)])], Cut(0.0, 1, exact=True))[0]
        assert CODE[owners[0]] in told
        assert CODE[owners[1]] not in told


@given(HISTORIES, st.integers(0, 3))
def test_shares_sum_to_one(txs: list[Tx], top: int) -> None:
    """As stored and cut, the shares of every transaction sum to 1 within 1e-6, and none is negative."""
    for told in (sources(txs, Cut(0.01, top)), ends(txs, Cut(0.01, top))):
        for vector in told:
            assert abs(sum(share for share, _, _ in vector.values()) - 1) < 1e-6
            assert all(share > 0 for share, _, _ in vector.values())


@given(HISTORIES)
def test_what_is_cut_is_counted(txs: list[Tx]) -> None:
    """The satoshi that a pass says it cut are those whose source is CUT where nobody passes them on."""
    run = Provenance(PARTIES, len(txs), Cut(0.05, 1, exact=True))
    told = vectors(run.run(part(txs)))
    fresh = 0.0
    n = 0
    for t, tx in enumerate(txs):
        if tx.born is None and tx.worth:
            carried = sum(
                (i.value or 0) * told[i.tx][CUT][0]
                for i in tx.ins
                if i.tx is not None and i.owner not in CODE and CUT in told[i.tx]
            )
            lost = told[t].get(CUT, (0.0,))[0] * tx.worth - carried
            fresh += lost
            n += lost > tx.worth * 1e-9
    assert run.cut_off[0] == n
    assert run.cut_off[1] == pytest.approx(fresh, rel=1e-6, abs=1e-3)


@given(RESOLVED | HISTORIES)
def test_both_passes_carry_the_same_value(txs: list[Tx]) -> None:
    """From any party to any other the forward and the backward pass agree to 1e-9, with nothing cut."""
    arrived, sent = reached(txs, sources(txs)), left(txs, ends(txs))
    total = sum(tx.paid for tx in txs) or 1
    for source in (MINED, COINJOIN, *CODE.values()):
        for sink in (COINJOIN, *CODE.values()):
            assert abs(arrived[source, sink] - sent[source, sink]) <= 1e-9 * total


def reached(txs: list[Tx], told: Told) -> dict[tuple[int, int], float]:
    """Value by source and sink, where it arrives: outputs to parties, inputs of CoinJoins."""
    found: dict[tuple[int, int], float] = defaultdict(float)
    for t, tx in enumerate(txs):
        arriving = [(o.value, told[t], CODE[o.owner]) for o in tx.outs if o.owner in CODE]
        arriving += [(i.value or 0, _of(i.owner, i.tx, told), COINJOIN) for i in tx.ins if tx.coinjoin]
        for value, vector, sink in arriving:
            for code, row in vector.items():
                found[code, sink] += row[0] * value
    return found


def left(txs: list[Tx], told: Told) -> dict[tuple[int, int], float]:
    """Value by source and sink, where it sets out: inputs from parties, outputs of coinbases and CoinJoins."""
    found: dict[tuple[int, int], float] = defaultdict(float)
    for t, tx in enumerate(txs):
        leaving = [(i.value or 0, told[t], CODE[i.owner]) for i in tx.ins if i.owner in CODE]
        leaving += [(o.value, _of(o.owner, o.spent_by, told), tx.born) for o in tx.outs if tx.born is not None]
        for value, vector, source in leaving:
            for code, row in vector.items():
                found[source, code] += row[0] * value
    return found


def _of(owner: int | None, tx: int | None, told: Told) -> dict[int, tuple[float, int, int]]:
    """The vector of a coin: its owner's where that is a party, else the neighbour's."""
    return {CODE[owner]: (1.0, 0, 0)} if owner in CODE else {} if tx is None else told[tx]


def _shuffled(outs: list[Out], seed: int) -> list[Out]:
    return Random(seed).sample(outs, len(outs))  # noqa: S311 -- an order, no secret


@given(HISTORIES, st.integers(0, 1000))
def test_output_order_does_not_matter(txs: list[Tx], seed: int) -> None:
    """A wallet's order of outputs changes nothing that haircut says."""
    shuffled = [Tx(tx.ins, _shuffled(tx.outs, seed + t), tx.coinjoin) for t, tx in enumerate(txs)]
    assert sources(shuffled) == sources(txs)
    for one, other in zip(ends(shuffled), ends(txs), strict=True):
        assert one.keys() == other.keys()
        for code, (share, least, mean) in one.items():
            assert share == pytest.approx(other[code][0], abs=1e-12)
            assert least == other[code][1]
            assert abs(mean - other[code][2]) <= len(txs)


@given(HISTORIES, st.data())
def test_two_halves_are_one_run(txs: list[Tx], data: st.DataObject) -> None:
    """Wherever a history is divided, both passes give the same rows, bit for bit."""
    middle = data.draw(st.integers(0, len(txs)))
    first, second = part(txs, 0, middle), part(txs, middle)
    for cut in (Cut(), UNCUT):
        forth = Provenance(PARTIES, len(txs), cut)
        assert vectors(forth.run(first)) + vectors(forth.run(second)) == sources(txs, cut)
        back = Destinations(PARTIES, len(txs), cut)
        later = vectors(back.run(second))
        assert vectors(back.run(first)) + later == ends(txs, cut)


@given(HISTORIES)
def test_a_coinjoin_can_be_seen_through(txs: list[Tx]) -> None:
    """On demand the mix that went into a CoinJoin comes beside its vector, which stays `coinjoin`."""
    run = Provenance(PARTIES, len(txs), UNCUT._replace(see_through=True))
    told, through = (vectors(shares) for shares in run.see_through(part(txs)))
    assert told == sources(txs)
    twin = provenance(txs, CODE)
    mixes = [inputs(txs, tx, twin, CODE, dict) if tx.coinjoin and tx.worth else {} for tx in txs]
    assert_same(through, mixes)


@given(HISTORIES)
def test_only_what_will_be_asked_for_is_kept(txs: list[Tx]) -> None:
    """When a pass ends nothing is kept, and never more than was live at once."""
    forth, back = Provenance(PARTIES, len(txs)), Destinations(PARTIES, len(txs))
    forth.run(part(txs))
    back.run(part(txs))
    for run in (forth, back):
        assert not run.kept.slot.any()
        assert run.kept.counts[3] == 0
    last = {
        t: max((o.spent_by for o in tx.outs if o.spent_by is not None and o.owner not in CODE), default=-1)
        for t, tx in enumerate(txs)
    }
    assert forth.most_live <= max(sum(t <= now <= end for t, end in last.items()) for now in last) + 1


def test_room_grows_as_it_is_needed() -> None:
    """Thousands of live transactions and of rows need no room set apart beforehand."""
    n = 6000
    coins = [Tx([], [Out(100 + k, 5 + k % 7)]) for k in range(n)]
    for k, coin in enumerate(coins):
        coin.outs[0].spent_by = n + k
    spends = [Tx([In(k, 0, 100 + k, 5 + k % 7)], [Out(100 + k, 11)]) for k in range(n)]
    run = Provenance(PARTIES, 2 * n)
    told = vectors(run.run(part([*coins, *spends])))
    assert run.most_live == n
    assert told[n:] == [{MINED: (1.0, 1, 64)}] * n
    assert set(ends([*coins, *spends])[0]) == {4}


def test_thousands_of_inputs_from_thousands_of_parties() -> None:
    """A transaction with more parties than are told apart keeps the largest; the rest is one row by category."""
    n = 5000
    parties = Parties(np.arange(7, 7 + n, dtype=np.int32), np.array([*range(7), *[6] * n], np.int32), n_categories=7)
    spends = np.arange(1, n + 1, dtype=np.int64)
    one = Part(
        0, np.array([0, n]), np.array([0, 1]),
        np.full(n, -1, np.int32), np.zeros(n, np.int32), spends, np.arange(n, dtype=np.int32),
        np.array([-1], np.int32), np.array([spends.sum()]), np.array([-1], np.int32), np.array([-1], np.int32),
    )  # fmt: skip
    rows = vectors(Provenance(parties, 1).run(one))[0]
    assert set(rows) == {6, *range(7 + n - 8, 7 + n)}
    assert rows[6][0] == pytest.approx(1 - spends[-8:].sum() / spends.sum(), abs=1e-6)


def test_hops_end_at_what_two_bytes_hold() -> None:
    """Hops beyond what is stored stay at the end of the scale."""
    n = 1100
    txs = [Tx([], [Out(10, 5, 1)])]
    txs += [Tx([In(t, 0, 10, 5 + t % 2)], [Out(10, 5 + (t + 1) % 2, t + 2)]) for t in range(n)]
    txs[-1].outs[0].spent_by = None
    told = sources(txs)
    assert told[-1][MINED][1:] == (n, 65_535)


def test_codes_take_as_many_bytes_as_they_need() -> None:
    """A row has ten bytes up to 65,536 codes and twelve beyond; either way it says the same."""
    txs = [Tx([], [Out(40, 5, 1)]), Tx([In(0, 0, 40, 5), In(None, 0, 60, 0)], [Out(100, 6)])]
    category = np.array(CATEGORY, np.int32)
    found = []
    for n, size in ((65_536, 10), (65_537, 12)):
        more = Parties(PARTIES.code, np.append(category, np.full(n - len(category), 6, np.int32)), N_CATEGORIES)
        rows = Provenance(more, len(txs)).run(part(txs)).rows
        assert rows.dtype == stored_kind(n)
        assert rows.dtype.itemsize == size
        found.append(rows.tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("column", "at", "value"),
    [
        ("origin", 1, 0),
        ("origin", 1, 2),
        ("origin", 1, 99),
        ("spent_by", 1, 1),
        ("spent_by", 1, -9),
        ("spend_owner", 1, 12),
        ("out_owner", 1, 99),
        ("born", 1, 77),
        ("in_start", 1, 3),
        ("out_start", 3, 4),
    ],
)
@pytest.mark.parametrize("kind", [Provenance, Destinations])
def test_columns_that_do_not_fit_are_refused(
    kind: type[Provenance | Destinations], column: str, at: int, value: int
) -> None:
    """What names a transaction, owner or code that can not be gives an error, never a crash."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5)], [Out(10, 6, 2)]), Tx([In(1, 0, 10, 6)], [Out(9, 7)])]
    bad = part(txs)
    getattr(bad, column)[at] = value
    if (kind, column, value) in CONSISTENT:
        kind(PARTIES, 3).run(bad)
        return
    with pytest.raises(DamagedError):
        kind(PARTIES, 3).run(bad)


# What one pass can not see, the other does.
CONSISTENT = {
    (Provenance, "spent_by", 1),
    (Destinations, "origin", 0),
    (Destinations, "origin", 2),
}


def test_parts_have_to_follow_each_other() -> None:
    """A part that was left out is noticed, in both directions; so is a party without a category."""
    txs = history(1, 9)
    with pytest.raises(DamagedError, match="do not follow"):
        Provenance(PARTIES, 9).run(part(txs, 3))
    with pytest.raises(DamagedError, match="do not follow"):
        Destinations(PARTIES, 9).run(part(txs, 0, 3))
    wrong = PARTIES._replace(category=PARTIES.category + 1)
    with pytest.raises(DamagedError, match="does not exist"):
        Provenance(wrong, 9)


def test_nothing_at_all() -> None:
    """A history without transactions has no shares; one without value has no source."""
    assert sources([]) == []
    assert sources([Tx([In(None, 0, 0, 7)], [Out(0, 8)])]) == [{UNRESOLVED: (1.0, 0, 0)}]
