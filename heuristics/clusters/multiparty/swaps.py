"""PSBT swaps: an input signed SINGLE|ANYONECANPAY is offered for others to complete, as marketplaces do.

Source: BIP 174 and the sighash rules; typical of Ordinals and Runes trades. Several parties then pay together.
"""

import numpy as np

from chains.bitcoin.tables import Sighash
from chains.kernels import kernel
from heuristics.facts import Longs
from heuristics.graph import Graph

OFFERED = Sighash.SINGLE_ANYONECANPAY


@kernel
def swaps(graph: Graph) -> Longs:
    """Transactions with at least two input addresses, and an input that was signed as an offer."""
    out = np.empty(len(graph.in_start) - 1, np.int64)
    n = 0
    for t in range(len(out)):
        first, last = graph.in_start[t], graph.in_start[t + 1]
        offered, parties = False, False
        for i in range(first, last):
            offered |= (graph.sighash[i] & OFFERED) != 0
            parties |= graph.spend_number[i] != graph.spend_number[first]
        if offered and parties:
            out[n] = t
            n += 1
    return out[:n].copy()
