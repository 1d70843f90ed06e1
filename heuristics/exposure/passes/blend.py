"""One transaction's mix: weighted vectors added up, then cut to the few rows that are kept.

The largest named parties stay; the others of a category are one row of that category; what is below the limit is
CUT, which is carried along like any other source. So nothing is lost, and shares sum to 1.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import lean_step
from heuristics.exposure.passes.parts import CUT, HOP_UNIT, MOST_HOPS, UNRESOLVED, Ints, Parties, Rows

_CELL = np.dtype([("share", "f8"), ("mass", "f8"), ("least", "i8")])
FAR = 1 << 40
# Parties that are compared with each other at once, besides those that stay.
_GROUP = 24
Doubles = npt.NDArray[np.float64]


class Mix(NamedTuple):
    """Where a mix is added up: a cell per code, the codes touched, the best parties, the rows that come out.

    A cell that is not in use has share and mass 0 and FAR as its least hops. `names` are the parties among those
    touched, with their `shares`; `behind` says of each how many others are larger, `losers` are those that are too
    small to stay. `cut` counts what was cut off: transactions, and satoshi of theirs; its third number means nothing.
    """

    cells: Rows
    touched: Ints
    names: Ints
    shares: Doubles
    behind: Ints
    losers: Ints
    rows: Rows
    drop: float
    top: int
    cut: Doubles


def mix(parties: Parties, drop: float, top: int, kind: np.dtype[np.void]) -> Mix:
    """Make an empty one."""
    n = len(parties.category)
    top = min(top, n - parties.n_categories)
    cells = np.zeros(n, _CELL)
    cells["least"] = FAR
    rows = np.zeros(top + parties.n_categories, kind)
    # One code more than can be touched: the last is written before it is known whether it counts.
    touched, names, behind, losers = (np.zeros(n + 1, np.int32) for _ in range(4))
    return Mix(cells, touched, names, np.zeros(n + 1), behind, losers, rows, drop, top, np.zeros(3))


@lean_step
def add(blend: Mix, n: int, code: int, share: float, hops: tuple[int, float]) -> int:
    """Add a share of one code, with its least hops and its mean hops in HOP_UNITs; the number of codes touched then."""
    if not share > 0.0:
        return n
    cell = blend.cells[code]
    blend.touched[n] = code
    n += cell.share == 0.0
    cell.least = min(cell.least, hops[0])
    cell.share += share
    cell.mass += share * hops[1]
    return n


@lean_step
def add_rows(blend: Mix, n: int, rows: Rows, weight: float, step: int) -> int:
    """Add a vector with a weight, `step` hops further away; the number of codes touched then."""
    if not weight > 0.0:
        return n
    for i in range(len(rows)):
        row = rows[i]
        code = row.code
        share = weight * row.share
        cell = blend.cells[code]
        # No branches: which codes were seen before can not be foretold.
        blend.touched[n] = code
        n += cell.share == 0.0
        cell.least = min(cell.least, row.min_hops + step)
        cell.share += share
        cell.mass += share * float(row.mean_hops + step * HOP_UNIT)
    return n


@lean_step
def _largest(blend: Mix, m: int) -> tuple[int, int]:
    """Divide parties into the largest, which come to the front of `names`, and `losers`; how many of each.

    Each is compared with each, a group of a few at a time: that costs a quarter of sorting them, which has to guess
    at every step. Of equal parties those that were touched first are larger: codes are numbered as labels come, and
    what is kept must not depend on that.
    """
    names, shares, behind = blend.names, blend.shares, blend.behind
    kept, lost, first = 0, 0, 0
    while first < m:
        last = min(first + blend.top + _GROUP, m)
        size = kept + last - first
        for i in range(first, last):
            names[kept + i - first], shares[kept + i - first] = names[i], shares[i]
        for i in range(size):
            share, larger = shares[i], 0
            for j in range(size):
                larger += (shares[j] > share) | ((shares[j] == share) & (j < i))
            behind[i] = larger
        kept = 0
        for i in range(size):
            code = names[i]
            loses = (behind[i] >= blend.top) | (shares[i] < blend.drop)
            blend.losers[lost] = code
            names[kept], shares[kept] = code, shares[i]
            lost += loses
            kept += not loses
        first = last
    return kept, lost


@lean_step
def _fold(blend: Mix, n: int, code: int, category: int) -> int:
    """Add a party's cell to that of its category; the number of categories touched then."""
    cell, into = blend.cells[code], blend.cells[category]
    blend.touched[n] = category
    n += into.share == 0.0
    into.least = min(into.least, cell.least)
    into.share += cell.share
    into.mass += cell.mass
    cell.share, cell.mass, cell.least = 0.0, 0.0, FAR
    return n


@lean_step
def _cut(blend: Mix, n: int, value: float) -> int:
    """Make CUT of the categories that are too small; the number of those that stay."""
    kept, cut = 0, 0.0
    for i in range(n):
        code = blend.touched[i]
        cell = blend.cells[code]
        blend.touched[kept] = code
        if cell.share < blend.drop and code != UNRESOLVED:
            cut += cell.share
            cell.share, cell.mass, cell.least = 0.0, 0.0, FAR
        else:
            kept += 1
    if cut > 0.0:
        blend.cut[0] += 1
        blend.cut[1] += cut * value
        into = blend.cells[CUT]
        into.least = 0
        into.share += cut
    return kept


@lean_step
def _put(blend: Mix, k: int, code: int, scale: float) -> int:
    """Take a code's cell as the next row; the number of rows then."""
    row, cell = blend.rows[k], blend.cells[code]
    row.share = cell.share * scale
    row.code = code
    row.min_hops = min(cell.least, MOST_HOPS)
    row.mean_hops = min(int(cell.mass / cell.share + 0.5), MOST_HOPS)
    cell.share, cell.mass, cell.least = 0.0, 0.0, FAR
    return k + 1


@lean_step
def settle(blend: Mix, n: int, parties: Parties, value: float) -> int:
    """Turn what was added up into rows, of a transaction of so many satoshi; how many rows."""
    cells, touched, names = blend.cells, blend.touched, blend.names
    whole, kept, m, small = 0.0, 0, 0, 0
    # No branches here either: parties to `names`, categories to the front of `touched`, but CUT, which comes last.
    for i in range(n):
        code = touched[i]
        share = cells[code].share
        party = code >= parties.n_categories
        whole += share
        names[m], blend.shares[m] = code, share
        m += party
        touched[kept] = code
        kept += (not party) & (code != CUT)
        small += (share < blend.drop) & (code > CUT)
    if m > blend.top or small > 0:
        m, lost = _largest(blend, m)
        for i in range(lost):
            kept = _fold(blend, kept, blend.losers[i], parties.category[blend.losers[i]])
    if small > 0:
        kept = _cut(blend, kept, value)
    k, scale = 0, 1.0 / whole
    for i in range(kept):
        k = _put(blend, k, touched[i], scale)
    for i in range(m):
        k = _put(blend, k, names[i], scale)
    return _put(blend, k, CUT, scale) if cells[CUT].share > 0.0 else k


@lean_step
def single(blend: Mix, code: int, hops: int) -> int:
    """The rows of a transaction whose coins are all of one code: one."""
    row = blend.rows[0]
    row.share, row.code, row.min_hops, row.mean_hops = 1.0, code, hops, hops * HOP_UNIT
    return 1
