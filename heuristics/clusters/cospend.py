"""Co-spend (T0): the inputs of one transaction are under one control, unless a veto says otherwise.

Source: Nakamoto 2008, section 10; Meiklejohn et al. 2013. Each transaction ties its inputs to the address
among them that was seen first, so that chains of evidence stay short.
"""

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.clusters.unite import Edges
from heuristics.facts import Chunk
from heuristics.numbers import Numbers
from heuristics.rules.clusters import COSPEND

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
NEVER = (1 << 63) - 1
# Spends stand before outputs in the order of first appearance; a block has far fewer of either.
OUTPUTS_FROM = 1 << 19
PLACE_BITS = 20


@kernel
def note_first_seen(chunk: Chunk, first_seen: Longs) -> None:
    """Lower `first_seen` (transaction << 20 | place in it) to where this segment first names an address."""
    for t in range(len(chunk.tx_id)):
        base = chunk.tx_id[t] << PLACE_BITS
        for i in range(chunk.in_start[t], chunk.in_start[t + 1]):
            x = chunk.spend_number[i]
            place = min(i - chunk.in_start[t], OUTPUTS_FROM - 1)
            if x >= 0 and base + place < first_seen[x]:
                first_seen[x] = base + place
        for o in range(chunk.out_start[t], chunk.out_start[t + 1]):
            x = chunk.out_number[o]
            place = OUTPUTS_FROM + min(o - chunk.out_start[t], OUTPUTS_FROM - 1)
            if x >= 0 and base + place < first_seen[x]:
                first_seen[x] = base + place


@kernel
def _links(chunk: Chunk, vetoed: Flags, blocked: Flags, first_seen: Longs, out: tuple[Numbers, Numbers, Longs]) -> int:
    """Write one link per further input address of every transaction that no veto stops; how many."""
    a, b, tx_id = out
    n = 0
    for t in range(len(chunk.tx_id)):
        if vetoed[t]:
            continue
        oldest = np.int32(-1)
        for i in range(chunk.in_start[t], chunk.in_start[t + 1]):
            x = chunk.spend_number[i]
            if x >= 0 and not blocked[x] and (oldest < 0 or first_seen[x] < first_seen[oldest]):
                oldest = x
        for i in range(chunk.in_start[t], chunk.in_start[t + 1]):
            x = chunk.spend_number[i]
            if x >= 0 and x != oldest and not blocked[x]:
                a[n], b[n], tx_id[n] = oldest, x, chunk.tx_id[t]
                n += 1
    return n


def links(chunk: Chunk, vetoed: Flags, blocked: Flags, first_seen: Longs) -> Edges:
    """Co-spend links of a segment.

    Parameters
    ----------
    chunk
        The segment.
    vetoed
        Per transaction: not one party's.
    blocked
        Per address: its id is shared by two scripts, so nothing may be concluded from it.
    first_seen
        Per address, up to and including this segment; smaller is earlier.
    """
    n = len(chunk.spend_number)
    out = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int64)
    count = _links(chunk, vetoed, blocked, first_seen, out)
    rule = np.full(count, COSPEND.id, np.uint8)
    return Edges(out[0][:count], out[1][:count], rule, out[2][:count])
