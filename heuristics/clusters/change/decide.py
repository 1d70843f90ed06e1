"""Which outputs are change: at least two families of evidence, exactly one candidate, no veto.

Vetoes: the transaction is, or may be, of several parties, or looks like a Stonewall; another output has a vote too;
another output is worth the same; the spender is of several parties, or looks different from this transaction.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from chains.kernels import kernel
from heuristics.clusters.change import calibration, sets, votes
from heuristics.clusters.change.view import Flags, View, first_of, only, view
from heuristics.facts import Bytes, Longs, plain
from heuristics.graph import Graph, Ints
from heuristics.rules.change import CHANGE, CHANGE_COSPENT, CHANGE_SELF

FAMILIES_NEEDED: Final = 2
LEAST_PROBABILITY: Final = 990
"""Per mille."""
LEAST_OUTPUTS, MOST_OUTPUTS = 2, 10
"""Outputs that somebody can spend: with one there is nothing to tell, with more it is a batch."""
STONEWALL_OUTPUTS: Final = (3, 4)
STONEWALL_LEAST: Final = 5_000
_PER_MILLE: Final = 1_000


class Changes(NamedTuple):
    """Outputs that are their payer's own, in chain order: place of the transaction, row and position of the output.

    `per_mille` is the probability, `families` the bits of heuristics.clusters.change.votes.
    """

    place: Longs
    row: Longs
    vout: Ints
    per_mille: Ints
    families: Bytes


class Candidates(NamedTuple):
    """Outputs that alone of their transaction have votes, and that no veto stops: place, row and families."""

    place: Longs
    row: Longs
    families: Bytes


def changes(graph: Graph, cluster: Ints, several: Flags, blocked: Flags) -> Changes:
    """Find the change of every transaction that shows it.

    Parameters
    ----------
    graph
        The coin graph.
    cluster
        T0 cluster of each address number.
    several
        Per transaction: several parties sign it, or may.
    blocked
        Per address: its id is shared by two scripts, so nothing may be concluded from it.
    """
    seen = view(graph, cluster, several, blocked)
    sure, found = own(seen), votes.votes(seen)
    may = votes.not_ruled_out(seen)
    era = calibration.eras(graph)
    decided = _joined(sure, _likely(candidates(seen, found, may), era))
    # Habits show once some transactions of a cluster are decided; they may then decide others.
    found[votes.position(seen, decided.place, decided.row)] |= votes.POSITION
    more = _likely(candidates(seen, found, may), era)
    new = ~np.isin(more.place, decided.place)
    decided = _joined(decided, _some(more, new))
    share = calibration.probability(era[decided.place], decided.families)
    vout = (decided.row - graph.out_start[decided.place]).astype(np.int32)
    per_mille = np.floor(share * _PER_MILLE).astype(np.int32)
    return Changes(decided.place, decided.row, vout, per_mille, decided.families)


def rows(graph: Graph, found: Changes) -> pa.Table:
    """Rows of the table `change`, in chain order."""
    back, together = found.families & votes.SELF, found.families & votes.COSPENT
    rule = np.where(back, CHANGE_SELF.id, np.where(together, CHANGE_COSPENT.id, CHANGE.id))
    return pa.table(
        {
            "tx_id": graph.tx_id(found.place),
            "vout": found.vout,
            "probability": found.per_mille.astype(np.uint16),
            "families": found.families,
            "rule": rule.astype(np.uint8),
        }
    )


def from_rows(graph: Graph, table: pa.Table) -> Changes:
    """Changes as they were before they became rows."""
    place, vout = graph.place(plain(table["tx_id"])), plain(table["vout"])
    families, per_mille = plain(table["families"]), plain(table["probability"]).astype(np.int32)
    return Changes(place, graph.out_start[place] + vout, vout, per_mille, families)


def own(seen: View) -> Candidates:
    """Outputs back to an address of the inputs, and single outputs to another address of their T0 cluster."""
    back = sets.address_reuse(seen)
    one = only(seen.graph.out_start, sets.own_cluster(seen))
    known = ~seen.several & (_open_outputs(seen) >= LEAST_OUTPUTS)
    rows = np.flatnonzero(first_of(seen.graph.out_start, back, one) & known[seen.place])
    families = np.where(back[rows], votes.SELF, votes.COSPENT).astype(np.uint8)
    return Candidates(seen.place[rows].astype(np.int64), rows, families)


def candidates(seen: View, found: Bytes, may: Flags) -> Candidates:
    """Outputs with votes that nothing speaks against, of transactions that show no change of their own cluster.

    Parameters
    ----------
    seen
        The history.
    found
        Per output: families that vote for it.
    may
        Per output: its spender does not rule it out.
    """
    graph, n = seen.graph, _open_outputs(seen)
    mine = np.zeros(len(n), np.bool_)
    mine[seen.place[sets.own_cluster(seen) | sets.address_reuse(seen)]] = True
    judged = ~seen.several & (seen.payer >= 0) & ~mine & (n >= LEAST_OUTPUTS) & (n <= MOST_OUTPUTS)
    judged &= ~_stonewalls(graph.out_start, graph.out_value)
    joint = (graph.spent_by >= 0) & seen.several[graph.spent_by]
    rows = np.flatnonzero(only(graph.out_start, seen.open & (found != 0)) & may & ~joint & judged[seen.place])
    rows = rows[~_twins(graph.out_start, graph.out_value, seen.place[rows], rows)]
    return Candidates(seen.place[rows].astype(np.int64), rows, found[rows])


def _open_outputs(seen: View) -> Longs:
    """Per transaction: outputs that somebody can spend."""
    return np.bincount(seen.place[seen.open], minlength=len(seen.payer))


@kernel
def _twins(out_start: Longs, value: Longs, place: Ints, rows: Longs) -> Flags:
    """Whether each of some outputs has another one of its transaction beside it that is worth the same."""
    kept = np.zeros(len(rows), np.bool_)
    for k in range(len(rows)):
        for o in range(out_start[place[k]], out_start[place[k] + 1]):
            kept[k] |= o != rows[k] and value[o] == value[rows[k]]
    return kept


@kernel
def _stonewalls(out_start: Longs, value: Longs) -> Flags:
    """Whether exactly two of three or four outputs are equal: a payment that is dressed as a CoinJoin, or one."""
    kept = np.zeros(len(out_start) - 1, np.bool_)
    for t in range(len(kept)):
        start, end = out_start[t], out_start[t + 1]
        if not STONEWALL_OUTPUTS[0] <= end - start <= STONEWALL_OUTPUTS[1]:
            continue
        pairs = 0
        for a in range(start, end):
            for b in range(start, a):
                pairs += value[a] == value[b] and value[a] >= STONEWALL_LEAST
        kept[t] = pairs == 1
    return kept


def _likely(found: Candidates, era: Bytes) -> Candidates:
    """Keep what has votes of enough families, and is likely enough."""
    share = calibration.probability(era[found.place], found.families)
    n = np.bitwise_count(found.families)
    kept = (n >= FAMILIES_NEEDED) & (np.floor(share * _PER_MILLE) >= LEAST_PROBABILITY)
    return _some(found, kept)


def _some(found: Candidates, kept: Flags) -> Candidates:
    return Candidates(found.place[kept], found.row[kept], found.families[kept])


def _joined(a: Candidates, b: Candidates) -> Candidates:
    """Both, in chain order."""
    whole = Candidates(
        np.concatenate([a.place, b.place]), np.concatenate([a.row, b.row]), np.concatenate([a.families, b.families])
    )
    order = np.argsort(whole.row)
    return Candidates(whole.place[order], whole.row[order], whole.families[order])
