"""How likely an output is change, given the families that vote for it and the era of its transaction.

One logistic regression per era, fitted by `python -m worlds.fit` on simulated worlds of the suite `tune` (seeds 1 to
8): the outputs that at least one family votes for and that no veto stops, truth being what the payer meant. What an era
had not yet is left out of its fit: before SegWit all scripts are bare or P2SH, before Taproot none is P2TR.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from chains.bitcoin.tables import ScriptType
from heuristics.clusters.change.votes import COSPENT, SELF
from heuristics.facts import Bytes
from heuristics.graph import Graph

Shares = npt.NDArray[np.float64]
PRE_SEGWIT, SEGWIT, TAPROOT = range(3)
MOST: Final = 0.999
"""No number of votes is certainty."""
COSPENT_SHARE: Final = 0.99
"""What T0 puts together is as sure as T0."""
LOG_ODDS: Final = (
    (2.27, 3.29, 5.17, 4.86, 0.23),
    (3.41, 2.69, 5.23, 4.90, 0.21),
    (3.48, 2.57, 5.23, 4.90, 0.21),
)
"""Per era: what type, amount, freshness, spender and position add. Without any, change and payment are as likely."""


def eras(graph: Graph) -> Bytes:
    """Era of every transaction, by what was ever spent in its block or before."""
    era = np.zeros(len(graph.looks), np.uint8)
    for kinds in ((ScriptType.P2WPKH, ScriptType.P2WSH, ScriptType.P2TR), (ScriptType.P2TR,)):
        era[_first_spent(graph, kinds) :] += 1
    return era


def _first_spent(graph: Graph, kinds: tuple[ScriptType, ...]) -> int:
    """First place of the block in which a coin of these kinds is first spent; the end where none ever is."""
    spent = np.isin(graph.spend_kind, kinds)
    if not spent.any():
        return len(graph.looks)
    place = np.searchsorted(graph.in_start, spent.argmax(), "right") - 1
    return int(graph.block_start[np.searchsorted(graph.block_start, place, "right") - 1])


def probability(era: Bytes, families: Bytes) -> Shares:
    """Probability of being change, 0 to 1, of outputs with these votes."""
    table = np.array(LOG_ODDS)
    odds = np.zeros(len(families))
    for bit in range(table.shape[1]):
        odds += np.where(families & (1 << bit), table[era, bit], 0.0)
    p: Shares = np.minimum(1 / (1 + np.exp(-odds)), MOST)
    p[(families & COSPENT) != 0] = COSPENT_SHARE
    p[(families & SELF) != 0] = 1.0
    return p
