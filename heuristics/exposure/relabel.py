"""New labels over stored vectors: what follows from them is computed again, and nothing else.

A vector is a function of the transaction's inputs and of the vectors of their origins, as they are stored. So the
transactions that spend a coin whose owner has another code now, and those that spend their coins, and so on up to
the next boundary, are all that can change; run again over what is stored of the others, they come out bit for bit
as in a run over everything. A party whose category changes gets a new code. The same goes for new blocks.
"""

import numpy as np
import numpy.typing as npt

from chains.kernels import lean_kernel
from heuristics.exposure.passes.parts import (
    NOBODY,
    Ints,
    Longs,
    Part,
    Parties,
    Shares,
    check,
    check_parties,
    code_of,
    spent,
)
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance

_Flags = npt.NDArray[np.bool_]


def relabelled(whole: Part, stored: Shares, parties: tuple[Parties, Parties], cut: Cut) -> tuple[Longs, Shares]:
    """Compute what new labels change.

    Parameters
    ----------
    whole
        The history.
    stored
        Its sources under the old labels, as `cut` has them.
    parties
        Old and new ones; what code a party has, and its category, must be the same in both.
    cut
        As it was when `stored` was computed.

    Returns
    -------
    tuple[Longs, Shares]
        Places of the transactions that may change, and their sources under the new labels. Raises DamagedError for
        columns that do not fit.
    """
    before, after = parties
    for one in parties:
        check_parties(one)
        check(whole, one, len(whole.born))
    changed = np.zeros(len(whole.born), np.bool_)
    _mark(whole, before, after, changed)
    return np.flatnonzero(changed), again(whole, stored, after, changed, cut)


def again(whole: Part, stored: Shares, parties: Parties, changed: _Flags, cut: Cut) -> Shares:
    """Run the marked transactions again, on what is stored of the others (the marked ones' rows are not read)."""
    ins, outs = (np.repeat(changed, np.diff(start)) for start in (whole.in_start, whole.out_start))
    origin, owner = whole.origin[ins], whole.spend_owner[ins]
    asks = (origin >= 0) & ((owner < 0) | (parties.code[owner] < 0))
    known, asked = np.unique(origin[asks & ~changed[origin]], return_counts=True)
    number = np.full(len(changed), -1, np.int32)
    number[known] = np.arange(len(known))
    number[changed] = len(known) + np.arange(np.count_nonzero(changed))
    spender = whole.spent_by[outs]
    part = Part(
        len(known),
        _starts(np.diff(whole.in_start)[changed]),
        _starts(np.diff(whole.out_start)[changed]),
        np.where(asks, number[origin], -1).astype(np.int32),
        whole.vout[ins],
        whole.spend_value[ins],
        owner,
        np.where((spender >= 0) & changed[spender], number[spender], -1).astype(np.int32),
        whole.out_value[outs],
        whole.out_owner[outs],
        whole.born[changed],
    )
    run = Provenance(parties, len(known) + len(part.born), cut._replace(see_through=False))
    payers = np.full(len(known), NOBODY, np.int32)
    _payers(whole, known, payers)
    run.put_back(_taken(stored, known), asked.astype(np.int32), payers)
    return run.run(part)


def _taken(stored: Shares, places: Ints) -> Shares:
    """The vectors of some places."""
    counts = np.diff(stored.start)[places]
    start = _starts(counts)
    at = np.repeat(stored.start[places] - start[:-1], counts) + np.arange(start[-1])
    return Shares(start, stored.rows[at])


def _starts(counts: Longs) -> Longs:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


@lean_kernel
def _mark(part: Part, before: Parties, after: Parties, changed: _Flags) -> None:
    """Mark what spends a coin whose owner has another code now, or a coin of a marked transaction."""
    for t in range(len(part.born)):
        if part.born[t] >= 0:
            continue
        for i in range(part.in_start[t], part.in_start[t + 1]):
            owner, place = part.spend_owner[i], part.origin[i]
            code = code_of(after, owner)
            if code != code_of(before, owner) or (code < 0 and 0 <= place < t and changed[place]):
                changed[t] = True
                break


@lean_kernel
def _payers(part: Part, places: Ints, payers: Ints) -> None:
    """The one cluster that pays each of some transactions, as the forward pass sees it."""
    for k in range(len(places)):
        if part.born[places[k]] < 0:
            payers[k] = spent(part, places[k])[2]
