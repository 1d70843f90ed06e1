"""New labels and new blocks over stored vectors, against a run over everything."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.passes.parts import Parties, Shares
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.relabel import again, relabelled
from tests.histories import HISTORIES, OWNERS, PARTIES, part, vectors
from tests.naive_provenance import Tx

CUTS = st.sampled_from((Cut(), Cut(0.01, 1), Cut(0.0, 99, exact=True)))
LABELS = st.lists(st.sampled_from((-1, -1, -1, 6, 7, 9, 10, 11)), min_size=OWNERS, max_size=OWNERS)


def run(txs: list[Tx], parties: Parties, cut: Cut) -> Shares:
    """Everything at once."""
    return Provenance(parties, len(txs), cut).run(part(txs))


@given(HISTORIES, LABELS, CUTS)
def test_new_labels_as_a_delta_are_a_full_rerun(txs: list[Tx], labels: list[int], cut: Cut) -> None:
    """Labels added, removed and changed: the rows laid over the stored ones are those of a full run, bit for bit."""
    after = PARTIES._replace(code=np.array(labels, np.int32))
    stored = run(txs, PARTIES, cut)
    places, shares = relabelled(part(txs), stored, (PARTIES, after), cut)
    laid = vectors(stored)
    for place, vector in zip(places.tolist(), vectors(shares), strict=True):
        laid[place] = vector
    assert laid == vectors(run(txs, after, cut))


@given(HISTORIES, CUTS)
def test_the_same_labels_change_nothing(txs: list[Tx], cut: Cut) -> None:
    """Without a new label no transaction is looked at again."""
    places, shares = relabelled(part(txs), run(txs, PARTIES, cut), (PARTIES, PARTIES), cut)
    assert len(places) == len(shares.rows) == 0


@given(HISTORIES, CUTS, st.data())
def test_new_blocks_over_stored_rows_are_a_full_run(txs: list[Tx], cut: Cut, data: st.DataObject) -> None:
    """Blocks appended later read the rows they need from what is stored, and give what one run gives."""
    height = data.draw(st.integers(0, len(txs)))
    stored = run(txs, PARTIES, cut)
    end = stored.start[height]
    before = Shares(np.minimum(stored.start, end), stored.rows[:end])
    fresh = np.arange(len(txs)) >= height
    assert vectors(again(part(txs), before, PARTIES, fresh, cut)) == vectors(stored)[height:]


def test_thousands_of_stored_vectors_find_room() -> None:
    """What is put back needs no room set apart beforehand."""
    n = 9000
    kept = Provenance(PARTIES, n)
    rows = np.zeros(n * 3, kept.kind)
    rows["code"], rows["share"] = np.tile([1, 2, 6], n), np.tile([0.5, 0.25, 0.25], n)
    ones = np.ones(n, np.int32)
    kept.put_back(Shares(np.arange(0, 3 * n + 1, 3), rows), ones, ones)
    assert kept.most_live == n
    assert kept.next == n
