"""One transaction's mix: weighted vectors added up, then cut to the few rows that are kept.

The largest named parties stay; the others of a category are one row of that category; what is below the limit is
CUT, which is carried along like any other source. So nothing is lost, and shares sum to 1.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.passes.parts import CUT, HOP_UNIT, MOST_HOPS, UNRESOLVED, Ints, Parties, Rows

_CELL = np.dtype([("share", "f8"), ("mass", "f8"), ("least", "i8")])
FAR = 1 << 40


class Mix(NamedTuple):
    """Where a mix is added up: a cell per code, the codes touched, the best parties, the rows that come out.

    A cell that is not in use has share and mass 0 and FAR as its least hops. `cut` counts what was cut off:
    transactions, and satoshi of theirs; its third number means nothing.
    """

    cells: Rows
    touched: Ints
    best: Ints
    best_share: npt.NDArray[np.float64]
    rows: Rows
    drop: float
    cut: npt.NDArray[np.float64]


def mix(parties: Parties, drop: float, top: int, kind: np.dtype[np.void]) -> Mix:
    """Make an empty one."""
    n = len(parties.category)
    top = min(top, n - parties.n_categories)
    cells = np.zeros(n, _CELL)
    cells["least"] = FAR
    rows = np.zeros(top + parties.n_categories, kind)
    # One code more than can be touched: the last is written before it is known whether it counts.
    touched = np.zeros(n + 1, np.int32)
    return Mix(cells, touched, np.zeros(top, np.int32), np.zeros(top), rows, drop, np.zeros(3))


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


@lean_kernel
def _largest(blend: Mix, n: int, parties: Parties) -> int:
    """Fold all but the largest parties into their categories; the number of codes touched then."""
    best, shares, cells = blend.best, blend.best_share, blend.cells
    kept, most = 0, len(best)
    for i in range(n):
        code = blend.touched[i]
        share = cells[code].share
        if code < parties.n_categories:
            continue
        j = kept
        while j > 0 and (shares[j - 1] < share or (shares[j - 1] == share and best[j - 1] > code)):
            j -= 1
        loser = -1
        if share < blend.drop or j == most:
            loser = code
        elif kept == most:
            kept -= 1
            loser = best[kept]
        if loser >= 0:
            cell, into = cells[loser], cells[parties.category[loser]]
            blend.touched[n] = parties.category[loser]
            n += into.share == 0.0
            into.least = min(into.least, cell.least)
            into.share += cell.share
            into.mass += cell.mass
            cell.share, cell.mass, cell.least = 0.0, 0.0, FAR
        if loser != code:
            for m in range(kept, j, -1):
                best[m], shares[m] = best[m - 1], shares[m - 1]
            best[j], shares[j] = code, share
            kept += 1
    return n


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
    cells, touched = blend.cells, blend.touched
    whole, named, small = 0.0, 0, 0
    for i in range(n):
        share = cells[touched[i]].share
        whole += share
        party = touched[i] >= parties.n_categories
        named += party
        small += party & (share < blend.drop)
    if small > 0 or named > len(blend.best):
        n = _largest(blend, n, parties)
    k, cut, scale = 0, 0.0, 1.0 / whole
    for i in range(n):
        code = touched[i]
        cell = cells[code]
        if cell.share == 0.0 or code == CUT:
            continue
        if cell.share < blend.drop and code < parties.n_categories and code != UNRESOLVED:
            cut += cell.share
            cell.share, cell.mass, cell.least = 0.0, 0.0, FAR
        else:
            k = _put(blend, k, code, scale)
    if cut > 0.0:
        blend.cut[0] += 1
        blend.cut[1] += cut * value
        add(blend, 0, CUT, cut, (0, 0.0))
    return _put(blend, k, CUT, scale) if cells[CUT].share > 0.0 else k


@lean_step
def single(blend: Mix, code: int, hops: int) -> int:
    """The rows of a transaction whose coins are all of one code: one."""
    row = blend.rows[0]
    row.share, row.code, row.min_hops, row.mean_hops = 1.0, code, hops, hops * HOP_UNIT
    return 1
