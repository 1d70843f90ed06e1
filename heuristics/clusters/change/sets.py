"""Candidate sets: per output, whether one heuristic can not rule it out as change. Sets combine with & | &~.

`only` keeps what is its transaction's single candidate, `first_of` falls back from one set to another (both in
`view`). Where a heuristic has nothing to compare, it rules nothing out. Outputs that nobody can spend are in no set.

Sources: BlockSci `change_address` (Kalodner et al. 2020); GraphSense; the fingerprints of Möser and Narayanan 2022.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics import fingerprints
from heuristics.clusters.change.view import MIXED, Flags, View
from heuristics.facts import Bytes, Longs
from heuristics.graph import Ints

FEE_TOLERANCE: Final = 0.01
"""Fee rates that differ by no more are the same: sizes vary with the signatures."""
_PAIR: Final = 2


def address_type(seen: View) -> Flags:
    """Outputs of the inputs' script kind; all of them where the inputs are of several kinds."""
    kind = seen.kind[seen.place]
    kept: Flags = seen.open & ((kind == MIXED) | (seen.graph.out_kind == kind))
    return kept


def optimal_change(seen: View) -> Flags:
    """Outputs smaller than every input: were they the payment, an input would have been left out.

    With one input, or one of unknown value, this rules nothing out.
    """
    telling = (np.diff(seen.graph.in_start) >= _PAIR) & (seen.least >= 0)
    least = np.where(telling, seen.least, np.iinfo(np.int64).max)
    kept: Flags = seen.open & (seen.graph.out_value < least[seen.place])
    return kept


def power_of_ten(seen: View, digits: int) -> Flags:
    """Outputs whose value is no multiple of 10 ** digits satoshi: people pay round amounts, change is what is left."""
    kept: Flags = seen.open & (seen.graph.out_value % 10**digits != 0)
    return kept


def address_reuse(seen: View) -> Flags:
    """Outputs to an address that the transaction spends from."""
    graph = seen.graph
    lengths = graph.in_start, graph.out_start
    return seen.open & _back(lengths, graph.spend_number, graph.out_number, np.full(len(seen.first), -1, np.int32))


@kernel
def _back(starts: tuple[Longs, Longs], spent: Ints, paid: Ints, mark: Ints) -> Flags:
    """Outputs to an address among the inputs; `mark` is room to note, per address, who last spent from it."""
    in_start, out_start = starts
    kept = np.zeros(len(paid), np.bool_)
    for t in range(len(in_start) - 1):
        for i in range(in_start[t], in_start[t + 1]):
            if spent[i] >= 0:
                mark[spent[i]] = t
        for o in range(out_start[t], out_start[t + 1]):
            kept[o] = paid[o] >= 0 and mark[paid[o]] == t
    return kept


def own_cluster(seen: View) -> Flags:
    """Outputs to an address that co-spending puts with the inputs."""
    payer = seen.payer[seen.place]
    kept: Flags = seen.open & (payer >= 0) & (seen.cluster[seen.graph.out_number] == payer)
    return kept


def client_change(seen: View) -> Flags:
    """Outputs to an address first seen here and never paid again, but by forced dust: change addresses are used once.

    Recipients' addresses are fresh too, so this tells something only where the others are not.
    """
    number = seen.graph.out_number
    begins = (seen.graph.in_start + seen.graph.out_start)[seen.place]
    kept: Flags = seen.open & (seen.first[number] >= begins) & (seen.last[number] <= seen.place)
    return kept


def _alike(seen: View, classes: Bytes) -> Flags:
    """Outputs that are unspent, or whose spender is of this transaction's class; MIXED rules nothing out.

    What several parties sign looks like one program, and whose coins it spends nobody knows: nothing either.
    """
    own, spent_by = classes[seen.place], seen.graph.spent_by
    other = classes[spent_by]
    nothing = (spent_by < 0) | seen.several[spent_by] | (own == MIXED) | (other == MIXED)
    kept: Flags = seen.open & (nothing | (own == other))
    return kept


def version(seen: View) -> Flags:
    """Outputs that are unspent, or whose spender has this transaction's version."""
    return _alike(seen, versions(seen))


def versions(seen: View) -> Bytes:
    """Version of every transaction; 0 stands for unusual ones."""
    return (seen.graph.looks & fingerprints.VERSION_BITS).astype(np.uint8)


def locktime(seen: View) -> Flags:
    """Outputs that are unspent, or whose spender uses nLockTime as this transaction does: not, a height, or a time."""
    return _alike(seen, locktimes(seen))


def locktimes(seen: View) -> Bytes:
    """How every transaction uses nLockTime.

    Whether the height is that of the tip tells how long a transaction waited, not which program made it.
    """
    kinds = (seen.graph.looks >> fingerprints.LOCKTIME_FROM) & fingerprints.LOCKTIME_BITS
    return np.where(kinds == fingerprints.EARLIER, fingerprints.TIP, kinds).astype(np.uint8)


def sequence(seen: View) -> Flags:
    """Outputs that are unspent, or whose spender has this transaction's nSequence."""
    return _alike(seen, sequences(seen))


def sequences(seen: View) -> Bytes:
    """Class of the nSequence of every transaction's inputs; MIXED where they have several."""
    kinds = (seen.graph.looks >> fingerprints.SEQUENCE_FROM) & fingerprints.SEQUENCE_BITS
    return np.where(kinds == fingerprints.MIXED, MIXED, kinds).astype(np.uint8)


def script_type(seen: View) -> Flags:
    """Outputs that are unspent, or spent with coins of the script kind that this transaction spends."""
    return _alike(seen, seen.kind)


def peeling_chain(seen: View) -> Flags:
    """In one-input, two-output transactions: outputs that are unspent or spent by another such; all elsewhere."""
    peels = (np.diff(seen.graph.in_start) == 1) & (np.diff(seen.graph.out_start) == _PAIR)
    spent_by = seen.graph.spent_by
    kept: Flags = seen.open & (~peels[seen.place] | (spent_by < 0) | peels[spent_by])
    return kept


def fixed_fee(seen: View) -> Flags:
    """Outputs that are unspent, or whose spender pays this transaction's fee rate, as far as both are known."""
    rates, spent_by = _fee_rates(seen), seen.graph.spent_by
    own, other = rates[seen.place], rates[spent_by]
    nothing = (spent_by < 0) | np.isnan(own) | np.isnan(other)
    kept: Flags = seen.open & (nothing | (np.abs(own - other) <= FEE_TOLERANCE * own))
    return kept


def _fee_rates(seen: View) -> npt.NDArray[np.float64]:
    """Satoshi per weight unit of every transaction; nan where that is unknown."""
    graph = seen.graph
    fee = _sums(graph.spend_value, graph.in_start) - _sums(graph.out_value, graph.out_start)
    return np.where(seen.least >= 0, fee / graph.weight, np.nan)


def _sums(values: Longs, starts: Longs) -> Longs:
    """Sum of the values of each transaction."""
    upto = np.concatenate([[0], np.cumsum(values)])
    sums: Longs = upto[starts[1:]] - upto[starts[:-1]]
    return sums
