"""New labels and new blocks over stored vectors, against a run over everything: the same rows, bit for bit."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.delta import merge
from heuristics.exposure.delta.changes import History
from heuristics.exposure.delta.merge import Delta, merged, n_merged
from heuristics.exposure.delta.relabel import destinations_delta, sources_delta, through
from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import COINJOIN, MINED, N_ENDS, Part, Parties, Shares
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from store.errors import DamagedError, StoreError
from tests.histories import CODE, HISTORIES, N_CATEGORIES, OWNERS, PARTIES, history, part, vectors
from tests.naive_provenance import In, Out, Tx

EXACT = Cut(0.0, 99, exact=True)
CUTS = st.sampled_from((Cut(), Cut(0.01, 1), EXACT))
NEW_CODE, POOL = 12, 13  # of category 8; of category 6
CODES = st.sampled_from((-1, -1, -1, 6, 7, 9, 10, 11, NEW_CODE))
CATEGORY = np.concatenate([PARTIES.category, np.array([8, 6], np.int32)])


class Ask(Protocol):
    """What differs between two states, where no more than a share of all is computed."""

    def __call__(
        self, before: History, after: History, stored: Shares, cut: Cut, *, dearer: float = ...
    ) -> Delta | None:
        """Compute it."""


class Way(NamedTuple):
    """One of the two passes: over everything, and over what changed."""

    kind: type[Provenance | Destinations]
    delta: Ask

    def full(self, state: History, cut: Cut) -> Shares:
        """Everything at once."""
        return self.kind(state.parties, len(state.whole.born), cut).run(state.whole)

    def changed(self, states: tuple[History, History], stored: Shares, cut: Cut) -> Delta:
        """What changed, however much that is."""
        delta = self.delta(*states, stored, cut, dearer=1.0)
        assert delta is not None
        return delta


FORWARD = Way(Provenance, sources_delta)
BACKWARD = Way(Destinations, destinations_delta)
WAYS = st.sampled_from((FORWARD, BACKWARD))


def same(some: Shares, others: Shares) -> None:
    """The same rows in the same order, to the last bit."""
    assert some.start.tolist() == others.start.tolist()
    assert some.rows.dtype == others.rows.dtype
    assert some.rows.tobytes() == others.rows.tobytes()


def laid(stored: Shares, delta: Delta, n_tx: int) -> Shares:
    """All that `merged` gives, as one."""
    found = list(merged(stored, delta, n_tx))
    counts = np.concatenate([np.zeros(1, np.int64), *(np.diff(shares.start) for shares in found)])
    rows = np.concatenate([np.empty(0, stored.rows.dtype), *(shares.rows for shares in found)])
    assert len(rows) == n_merged(stored, delta, n_tx)
    return Shares(np.cumsum(counts), rows)


def follows(way: Way, before: History, after: History, cut: Cut) -> Delta:
    """A delta, after it was compared with a run over everything: it has what differs, and all that is new."""
    stored, true = way.full(before, cut), way.full(after, cut)
    delta = way.changed((before, after), stored, cut)
    same(laid(stored, delta, len(after.whole.born)), true)
    old, new = vectors(stored), vectors(true)
    differ = [t for t, vector in enumerate(new) if t >= len(old) or list(old[t].items()) != list(vector.items())]
    assert delta.places.tolist() == differ
    return delta


def clustered(whole: Part, number: Sequence[int]) -> Part:
    """Owners as their clusters."""
    numbers = np.array([*number, -1], np.int32)
    return whole._replace(spend_owner=numbers[whole.spend_owner], out_owner=numbers[whole.out_owner])


def cut_off(whole: Part, n: int) -> Part:
    """The history as it was when it had n transactions."""
    i, o = whole.in_start[n], whole.out_start[n]
    spent_by = np.where(whole.spent_by[:o] < n, whole.spent_by[:o], -1).astype(np.int32)
    return Part(
        0, whole.in_start[: n + 1], whole.out_start[: n + 1],
        whole.origin[:i], whole.vout[:i], whole.spend_value[:i], whole.spend_owner[:i],
        spent_by, whole.out_value[:o], whole.out_owner[:o], whole.born[:n],
    )  # fmt: skip


@st.composite
def owned(draw: st.DrawFn, base: Sequence[int], codes: Sequence[int] | None) -> tuple[list[int], Parties]:
    """Clusters that keep those of `base` together, numbered at random, with drawn codes, or with codes by address."""
    join = draw(st.lists(st.integers(0, 2 * OWNERS), min_size=OWNERS, max_size=OWNERS))
    group = list(base)
    for address, other in enumerate(join):
        if other < OWNERS:
            group = [group[other] if one == group[address] else one for one in group]
    order = draw(st.permutations(range(OWNERS)))
    number = [order[one] for one in group]
    code = draw(st.lists(CODES, min_size=OWNERS, max_size=OWNERS))
    if codes is not None:
        code = [-1] * OWNERS
        for address, cluster in enumerate(number):
            code[cluster] = max(code[cluster], codes[address])
    return number, Parties(np.array(code, np.int32), CATEGORY, N_CATEGORIES)


@st.composite
def born(draw: st.DrawFn, whole: Part) -> Part:
    """Other CoinJoins, and coinbases of a pool."""
    other = draw(st.lists(st.integers(0, 5), min_size=len(whole.born), max_size=len(whole.born)))
    codes = whole.born.copy()
    for t, way in enumerate(other):
        if way == 0 and whole.in_start[t] == whole.in_start[t + 1]:
            codes[t] = POOL if codes[t] == MINED else MINED
        elif way == 0:
            codes[t] = -1 if codes[t] == COINJOIN else COINJOIN
    return whole._replace(born=codes)


@st.composite
def generations(draw: st.DrawFn) -> tuple[History, History]:
    """Two states: blocks are appended, clusters merge and are numbered anew, labels and CoinJoins change, or not."""
    whole = part(draw(HISTORIES))
    apart = list(range(OWNERS))
    number, old = draw(owned(apart, draw(st.sampled_from((None, [CODE.get(a, -1) for a in apart])))))
    codes = [int(old.code[cluster]) for cluster in number]
    number_now, new = draw(owned(number, codes if draw(st.booleans()) else None))
    after = draw(st.sampled_from((whole, draw(born(whole)))))
    n = draw(st.integers(0, len(whole.born)))
    before = clustered(cut_off(whole, n), number)
    return History(before, old), History(clustered(after, number_now), new)


@given(generations(), WAYS, CUTS)
def test_what_changed_between_two_generations_is_a_full_rerun(
    states: tuple[History, History], way: Way, cut: Cut
) -> None:
    """New blocks, merged and renumbered clusters, other labels and CoinJoins: what is laid over is a run over all."""
    follows(way, *states, cut)


@given(HISTORIES, st.lists(CODES, min_size=OWNERS, max_size=OWNERS), WAYS, CUTS)
def test_new_labels_as_a_delta_are_a_full_rerun(txs: list[Tx], labels: list[int], way: Way, cut: Cut) -> None:
    """Labels added, removed, and of another category, which is another code."""
    after = Parties(np.array(labels, np.int32), CATEGORY, N_CATEGORIES)
    follows(way, History(part(txs), PARTIES), History(part(txs), after), cut)


@given(HISTORIES, st.permutations(range(OWNERS)), WAYS, CUTS)
def test_an_unchanged_world_has_no_delta(txs: list[Tx], order: list[int], way: Way, cut: Cut) -> None:
    """Where owners are only numbered anew, no transaction is computed again."""
    code = np.empty(OWNERS, np.int32)
    code[order] = PARTIES.code
    before = History(part(txs), PARTIES)
    after = History(clustered(before.whole, order), PARTIES._replace(code=code))
    delta = way.delta(before, after, way.full(before, cut), cut, dearer=0.0)
    assert delta is not None
    assert len(delta.places) == len(delta.shares.rows) == 0


@given(HISTORIES, CUTS, st.data())
def test_new_blocks_alone_leave_old_sources_alone(txs: list[Tx], cut: Cut, data: st.DataObject) -> None:
    """Without a change of owners only the appended transactions have new sources."""
    n = data.draw(st.integers(0, len(txs)))
    after = History(part(txs), PARTIES)
    before = History(cut_off(after.whole, n), PARTIES)
    assert follows(FORWARD, before, after, cut).places.tolist() == list(range(n, len(txs)))
    follows(BACKWARD, before, after, cut)


@given(generations(), WAYS, CUTS, st.data())
def test_undone_blocks_are_cut_off_and_others_appended(
    states: tuple[History, History], way: Way, cut: Cut, data: st.DataObject
) -> None:
    """Where the last blocks were undone, what is left of the state before is compared, whoever spends it now."""
    before, after = states
    n = data.draw(st.integers(0, len(before.whole.born)))
    stored = way.full(before, cut)
    left = cut_off(before.whole, n)._replace(spent_by=before.whole.spent_by[: before.whole.out_start[n]])
    kept = Shares(stored.start[: n + 1], stored.rows[: stored.start[n]])
    delta = way.changed((History(left, before.parties), after), kept, cut)
    same(laid(kept, delta, len(after.whole.born)), way.full(after, cut))


@given(generations(), WAYS, st.integers(1, 5))
def test_a_delta_is_merged_in_stretches(states: tuple[History, History], way: Way, size: int) -> None:
    """However many transactions are merged at once: the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "_STRETCH", size)
        follows(way, *states, Cut())


@given(generations(), WAYS, CUTS, st.floats(0, 1))
def test_a_delta_that_costs_too_much_is_not_made(
    states: tuple[History, History], way: Way, cut: Cut, dearer: float
) -> None:
    """Where more has to be computed than is allowed there is no answer; else it is the same one."""
    stored = way.full(states[0], cut)
    delta, true = way.delta(*states, stored, cut, dearer=dearer), way.changed(states, stored, cut)
    allowed = int(dearer * len(states[1].whole.born))
    assert delta is not None or allowed < len(states[1].whole.born)
    if delta is not None:
        assert len(delta.places) <= allowed
        assert delta.places.tolist() == true.places.tolist()
        same(delta.shares, true.shares)


@given(HISTORIES, CUTS, st.data())
def test_what_went_into_a_coinjoin_follows_from_stored_sources(txs: list[Tx], cut: Cut, data: st.DataObject) -> None:
    """Any CoinJoins can be seen through later, as a run over everything sees through them."""
    state = History(part(txs), PARTIES)
    sources, true = Provenance(PARTIES, len(txs), cut._replace(see_through=True)).see_through(state.whole)
    places = sorted(data.draw(st.sets(st.integers(0, len(txs) - 1))))
    told = through(state, sources, np.array(places, np.int64), cut)
    assert vectors(told) == [vectors(true)[place] for place in places]


@given(HISTORIES, st.integers(5, OWNERS - 1), WAYS)
def test_a_new_boundary_gains_what_others_lose(txs: list[Tx], owner: int, way: Way) -> None:
    """Uncut, what one new boundary has of a transaction is what the others had of it, and nobody else gains."""
    code = PARTIES.code.copy()
    code[owner] = NEW_CODE
    parties = PARTIES._replace(category=CATEGORY)
    before, after = (History(part(txs), parties._replace(code=c)) for c in (PARTIES.code, code))
    cut = Cut(0.0, 1000, exact=True)
    old, new = (vectors(way.full(state, cut)) for state in (before, after))
    follows(way, before, after, cut)
    for was, now in zip(old, new, strict=True):
        lost = [was.get(c, (0.0,))[0] - now.get(c, (0.0,))[0] for c in {*was, *now} - {NEW_CODE}]
        assert min(lost, default=0.0) > -1e-12
        assert now.get(NEW_CODE, (0.0,))[0] == pytest.approx(sum(lost), abs=1e-12)


@given(HISTORIES, st.sets(st.integers(5, OWNERS - 1)), WAYS)
def test_shares_of_several_new_boundaries_add_up(txs: list[Tx], owners: set[int], way: Way) -> None:
    """Uncut, who else is told apart among boundaries changes no sum: one code for all of them is their sum."""
    category = np.array([*range(N_CATEGORIES), 6, 6, 7, *[8] * (OWNERS + 1)], np.int32)
    one, each = PARTIES.code.copy(), PARTIES.code.copy()
    for owner in owners:
        one[owner], each[owner] = NEW_CODE, NEW_CODE + 1 + owner
    before, after = (History(part(txs), Parties(code, category, N_CATEGORIES)) for code in (one, each))
    cut = Cut(0.0, 1000, exact=True)
    old, new = (vectors(way.full(state, cut)) for state in (before, after))
    follows(way, before, after, cut)
    for was, now in zip(old, new, strict=True):
        parts = sum(row[0] for code, row in now.items() if code > NEW_CODE)
        assert was.get(NEW_CODE, (0.0,))[0] == pytest.approx(parts, abs=1e-12)
        assert all(now[code][0] == pytest.approx(was[code][0], abs=1e-12) for code in was if code != NEW_CODE)


@pytest.mark.parametrize("way", [FORWARD, BACKWARD])
def test_a_label_on_half_of_the_chain(way: Way) -> None:
    """Where half of all transactions change it is still a run over everything, which is cheaper."""
    whole = part(history(5, 3000))
    nobody, one = np.full(OWNERS, -1, np.int32), np.full(OWNERS, -1, np.int32)
    one[5] = NEW_CODE
    before, after = (History(whole, Parties(code, CATEGORY, N_CATEGORIES)) for code in (nobody, one))
    delta = follows(way, before, after, Cut())
    assert len(delta.places) > 1300
    assert way.delta(before, after, way.full(before, Cut()), Cut()) is None


@pytest.mark.parametrize("way", [FORWARD, BACKWARD])
def test_thousands_of_inputs_and_neighbours(way: Way) -> None:
    """A transaction of thousands of inputs asks for thousands of stored vectors, and is asked for by thousands."""
    n = 9000
    coins = [Tx([], [Out(100 + k, 5 + k % 7, n)]) for k in range(n)]
    hub = Tx([In(k, 0, 100 + k, 5 + k % 7) for k in range(n)], [Out(100 + k, 5 + k % 7, n + 1 + k) for k in range(n)])
    ends = [Tx([In(n, k, 100 + k, 5 + k % 7)], [Out(100 + k, 11 - k % 7)]) for k in range(n)]
    whole = part([*coins, hub, *ends])
    code = PARTIES.code.copy()
    code[6] = NEW_CODE
    delta = follows(way, History(whole, PARTIES), History(whole, Parties(code, CATEGORY, N_CATEGORIES)), Cut())
    assert n in delta.places


def test_the_hop_of_a_payment_to_oneself_counts_where_clusters_merge() -> None:
    """Two clusters become one: what was paid from one to the other is no hop any more, on either side."""
    txs = [Tx([], [Out(9, 5, 1)]), Tx([In(0, 0, 9, 5)], [Out(9, 6, 2)]), Tx([In(1, 0, 9, 6)], [Out(9, 7)])]
    before = History(part(txs), PARTIES)
    after = History(clustered(before.whole, [*range(6), 5, *range(7, OWNERS)]), PARTIES)
    assert follows(FORWARD, before, after, EXACT).places.tolist() == [2]
    assert follows(BACKWARD, before, after, EXACT).places.tolist() == [0, 1]


def test_states_that_can_not_be_compared_are_refused() -> None:
    """Another past, codes that mean something else, columns that do not fit, or a delta that leaves gaps: an error."""
    txs = history(3, 20)
    state = History(part(txs), PARTIES)
    other = History(part([Tx([], [*txs[0].outs, Out(1, 5)]), *txs[1:]]), PARTIES)
    shorter = History(cut_off(state.whole, 10), PARTIES)
    meaning = PARTIES.category.copy()
    meaning[9] = N_ENDS + 1
    for way in (FORWARD, BACKWARD):
        stored, few = way.full(state, Cut()), way.full(shorter, Cut())
        with pytest.raises(StoreError, match="not as many inputs and outputs"):
            way.delta(state, other, stored, Cut())
        with pytest.raises(StoreError, match="not the first"):
            way.delta(state, shorter, stored, Cut())
        with pytest.raises(StoreError, match="not mean the same"):
            way.delta(state, History(state.whole, PARTIES._replace(category=meaning)), stored, Cut())
        with pytest.raises(StoreError, match="another width"):
            way.delta(state, state, stored, EXACT)
        with pytest.raises(DamagedError, match="do not fit"):
            way.delta(state, History(state.whole._replace(origin=state.whole.origin[1:]), PARTIES), stored, Cut())
        with pytest.raises(DamagedError, match="10 vectors are stored of 20"):
            way.delta(state, state, few, Cut())
        with pytest.raises(StoreError, match="10 are stored"):
            list(merged(few, way.changed((shorter, shorter), few, Cut()), 20))


@pytest.mark.parametrize("way", [FORWARD, BACKWARD])
@pytest.mark.parametrize("place", [1, 2])
def test_a_neighbour_that_can_not_be_is_noticed(way: Way, place: int) -> None:
    """A transaction that spends its own or a later output, and one that pays an earlier one, give an error."""
    txs = [Tx([], [Out(10, 5, 1)]), Tx([In(0, 0, 10, 5)], [Out(10, 6, 2)]), Tx([In(1, 0, 10, 6)], [Out(9, 7)])]
    before = History(cut_off(part(txs), 1), PARTIES)
    stored = way.full(before, Cut())
    bad = part(txs)
    bad.origin[0], bad.spent_by[1] = place, 2 - place
    with pytest.raises(DamagedError, match="transaction 1"):
        way.delta(before, History(bad, PARTIES), stored, Cut(), dearer=1.0)
