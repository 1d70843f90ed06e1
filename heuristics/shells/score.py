"""The score: how likely a candidate is a front for one principal, from its signs, and what speaks against it.

A product of three, each 0 to 1: that it passes the principal's money on (`passes`), that the principal is what it is
there for (`principal`), and that the two act as one (`control`). Source: the method's D3 formula. Changed: the share
that a principal needs falls where control is shown, so that a front with a trade of its own counts; dwell has a third
step, so that a slow one does; far sides count from a handful on.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from heuristics.shells.payments import Longs
from heuristics.shells.signs import ALWAYS, DAY, Floats, Signs

Tiers = npt.NDArray[np.uint8]

LEAD, PROBABLE = 500, 800
"""Per mille from which a candidate is a lead, and with two families of control, probable."""
ATTRIBUTED: Final = 3
"""Tier of a front that a document gives; no figure does."""
_FAMILIES: Final = 2
_SHORT_LIFE: Final = 14 * DAY
_TAKE_OVER: Final = 4 * DAY
_MOSTLY: Final = 0.5
_TOGETHER: Final = 0.8  # its four parts mostly stand and fall together, so that their product is too small
_BOTH_WAYS, _NOT_ONE, _SHOWS = 0.1, 1.2, 0.25
_FEWEST: Final = 3  # payments in and out of whoever is one of several in turn


class Scores(NamedTuple):
    """One row per row of signs."""

    passes: Floats
    principal: Floats
    control: Floats
    score: Floats
    families: Longs
    """Bits: how the principal shows, one bit per family of CONTROLS."""


CONTROLS: Final = ("substitution", "diversity", "two_way", "rotation", "chain")


def scores(of: Signs, beside: Floats) -> Scores:
    """Score every row; `beside` is how likely a front the party at the other end is, weighed by value."""
    substitution = of.familiar / np.maximum(of.n_others, 1) * np.minimum(1, of.n_others / 4)
    substitution = np.maximum(substitution, 1 - 0.6 ** of.familiar.astype(np.float64))
    parts = (
        0.85 * np.minimum(1, 1.3 * substitution),
        0.6 * _logistic(1.5 * (of.others - 3)),
        0.4 * ((of.two_way > _BOTH_WAYS) & (of.others > _NOT_ONE)),
        0.7 * rotates(of),
        0.8 * beside,
    )
    control = 1 - np.prod([1 - p for p in parts], axis=0)
    passes = _logistic(8 * (of.held - 0.55)) * _logistic(10 * (of.through - 0.6))
    enough = 1 - np.exp(-np.minimum(of.n_in, of.n_out) / 2)
    principal = _logistic(14 * (of.share - 0.4 + 0.25 * control))
    shown = np.zeros(len(of.wallet), np.int64)
    for bit, part in enumerate(parts):
        shown |= (part > _SHOWS).astype(np.int64) << bit
    return Scores(passes, principal, control, (passes * principal * control * enough) ** _TOGETHER, shown)


def _logistic(x: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-x))
    return found


def tiers(of: Scores) -> Tiers:
    """0 below a lead, 1 lead, 2 probable; ATTRIBUTED needs a document."""
    families = sum((of.families >> bit) & 1 for bit in range(len(CONTROLS)))
    lead = of.score >= LEAD / 1000
    probable = (of.score >= PROBABLE / 1000) & (families >= _FAMILIES)
    return (lead.astype(np.uint8) + (lead & probable)).astype(np.uint8)


def rotates(of: Signs) -> Floats:
    """1 for whoever lives less than two weeks and begins as another of the principal's ends, or ends as one begins."""
    short = (of.end - of.start < _SHORT_LIFE) & (of.share > _MOSTLY) & (of.held > _MOSTLY)
    short &= np.minimum(of.n_in, of.n_out) >= _FEWEST
    counts = short & (of.window == ALWAYS)
    starts, ends = np.sort(of.start[counts]), np.sort(of.end[counts])
    own = (counts & (of.end - of.start <= _TAKE_OVER)).astype(np.int64)  # it is no sibling of itself
    near = (_within(starts, of.end) > own) | (_within(ends, of.start) > own)
    found: Floats = (short & near).astype(np.float64)
    return found


def _within(times: Longs, at: Longs) -> Longs:
    """How many of these times are within four days of each."""
    return np.searchsorted(times, at + _TAKE_OVER, "right") - np.searchsorted(times, at - _TAKE_OVER)
