"""Signs: what each candidate does for one principal, over windows of time; one row per candidate and window."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from heuristics.shells.lots import Lots
from heuristics.shells.payments import Flags, Ints, Longs, Payments
from heuristics.shells.reach import Reach

Floats = npt.NDArray[np.float64]
DAY: Final = 86_400
STEP: Final = 30 * DAY
"""Seconds from one window to the next; a window is two of them, and one is all the time."""
_SHORT, _LONG, _LONGEST = 2 * DAY, 10 * DAY, 30 * DAY
ALWAYS: Final = -1
_TRACE: Final = 0.02  # of all that passes through a wallet


class Seen(NamedTuple):
    """What is looked at: payments and lots of candidates, and what one principal has to do with them."""

    pay: Payments
    lots: Lots
    time: Longs
    """Per payment: seconds since 1970."""
    reach: Reach
    familiar: Flags
    """Per payment: its payee or payer dealt with the principal directly before it hid."""
    counterparty: Longs
    """Per payment: whom it goes to, an address's number."""
    party: Ints
    """Per wallet: rank of the party that is known to hold it; -1 nobody."""


class Signs(NamedTuple):
    """One row per candidate and window, each at least two payments in and two out."""

    wallet: Ints
    window: Ints
    """Number of the window; -1: all the time."""
    value: Floats
    """Satoshi that pass through."""
    share: Floats
    """Of that, with exactly one end at the principal."""
    held: Floats
    """How soon those lots go on: 1 within two days, 0.7 within ten, 0.2 within thirty."""
    through: Floats
    """The smaller of what comes and goes, by the larger."""
    two_way: Floats
    """The smaller of what goes from the principal and to it, by the larger."""
    others: Floats
    """Effective number of parties at the other end: exp of the entropy of value."""
    familiar: Ints
    """Different ones among them that dealt with the principal directly before."""
    n_others: Ints
    n_in: Ints
    n_out: Ints
    start: Longs
    """Time of the first lot's payment in."""
    end: Longs
    """Time of the last lot's payment out."""
    n_paid: Ints
    """Different addresses of others that the principal's money goes to."""
    patron: Ints
    """Known party that sends most of what comes from others for the principal; -1 none."""
    patron_share: Floats
    """Its share of that."""


def signs(seen: Seen, least: int) -> Signs:
    """Signs of every candidate that has lots, with `least` payments in and out in the window."""
    lots, reach = seen.lots, seen.reach
    touched = _dealt(lots, reach)
    rows = np.flatnonzero(np.isin(lots.wallet, touched))
    time = seen.time[lots.go[rows]]
    key, which, keys = _windows(lots.wallet[rows], time)
    rows = rows[which]
    n = len(keys)
    come, go, value = lots.come[rows], lots.go[rows], lots.value[rows].astype(np.float64)
    source, goal = (np.clip(s, 0, 1).astype(np.float64) for s in (reach.source[come], reach.goal[go]))
    out, back = value * source * (1 - goal), value * goal * (1 - source)
    dwell = seen.time[go] - seen.time[come]
    soon = 0.3 * (dwell <= _SHORT) + 0.5 * (dwell <= _LONG) + 0.2 * (dwell <= _LONGEST)
    whole, away, home = (_sum(key, x, n) for x in (value, out, back))
    ours = away + home
    far = np.concatenate([seen.counterparty[go], -2 - seen.pay.payer[come].astype(np.int64)])
    others = _others(np.concatenate([key, key]), far, np.concatenate([out, back]), n)
    known = np.concatenate([seen.familiar[go] & (out > 0), seen.familiar[come] & (back > 0)])
    familiar = _different(np.concatenate([key, key])[known], far[known], n)
    n_in, n_out = _different(key, come, n), _different(key, go, n)
    payer = seen.pay.payer[come]
    patron, patron_share = _patron(key, np.where(payer >= 0, seen.party[payer], -1), back, n)
    came, went = _turnover(seen, touched, keys)
    start, end = np.full(n, np.iinfo(np.int64).max), np.zeros(n, np.int64)
    np.minimum.at(start, key, seen.time[come])
    np.maximum.at(end, key, seen.time[go])
    found = Signs(
        wallet=(keys >> 32).astype(np.int32),
        window=((keys & 0xFFFF_FFFF) - 1).astype(np.int32),
        value=whole,
        share=_ratio(ours, whole),
        held=_ratio(_sum(key, (out + back) * soon, n), ours),
        through=_ratio(np.minimum(came, went), np.maximum(came, went)),
        two_way=_ratio(np.minimum(away, home), np.maximum(away, home)),
        others=others[0],
        familiar=familiar.astype(np.int32),
        n_others=others[1].astype(np.int32),
        n_in=n_in.astype(np.int32),
        n_out=n_out.astype(np.int32),
        start=start,
        end=end,
        n_paid=_different(key[out > 0], far[: len(key)][out > 0], n).astype(np.int32),
        patron=patron,
        patron_share=patron_share,
    )
    kept = (n_in >= least) & (n_out >= least) & (ours > 0)
    return Signs._make(column[kept] for column in found)


def _dealt(lots: Lots, reach: Reach) -> Ints:
    """Wallets of which what the principal has to do with is not next to nothing; most that it reaches are not."""
    n = int(lots.wallet.max(initial=-1)) + 1
    ours = np.abs(reach.source[lots.come] - reach.goal[lots.go]) * lots.value
    part, whole = (np.bincount(lots.wallet, weights=x, minlength=n) for x in (ours, lots.value))
    return np.flatnonzero((part > 0) & (part >= _TRACE * whole)).astype(np.int32)


def _windows(wallet: Ints, time: Longs) -> tuple[Longs, Longs, Longs]:
    """Put each row into its two windows and into all time: rank of the key and row, one per pair; the keys."""
    window = time // STEP
    n = len(wallet)
    number = np.concatenate([window, window - 1, np.full(n, ALWAYS)]) + 1
    key = (np.tile(wallet.astype(np.int64), 3) << 32) | number
    keys, rank = np.unique(key, return_inverse=True)
    return rank, np.tile(np.arange(n), 3), keys


def _sum(key: Longs, value: Floats, n: int) -> Floats:
    return np.bincount(key, weights=value, minlength=n).astype(np.float64)


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros(len(a)), where=b > 0)


def _pairs(key: Longs, other: Ints | Longs) -> tuple[Longs, Longs]:
    """Ranks of pairs, and the key of each different pair."""
    order = np.lexsort((other, key))
    new = np.ones(len(key), np.bool_)
    new[1:] = (np.diff(key[order]) != 0) | (np.diff(other[order]) != 0)
    rank = np.empty(len(key), np.int64)
    rank[order] = np.cumsum(new) - 1
    return rank, key[order][new]


def _different(key: Longs, other: Ints | Longs, n: int) -> Longs:
    """How many different others each key has."""
    return np.bincount(_pairs(key, other)[1], minlength=n)


def _others(key: Longs, far: Longs, value: Floats, n: int) -> tuple[Floats, Longs]:
    """Effective number of others by value, and how many there are."""
    dealt = value > 0
    rank, own = _pairs(key[dealt], far[dealt])
    each = np.bincount(rank, weights=value[dealt], minlength=len(own))
    share = each / np.bincount(own, weights=each, minlength=n)[own]
    entropy = np.bincount(own, weights=-share * np.log(share), minlength=n)
    return np.exp(entropy), np.bincount(own, minlength=n)


def _patron(key: Longs, party: Ints, value: Floats, n: int) -> tuple[Ints, Floats]:
    """The party with most of the value by key, and its share; -1 and 0 where none is known."""
    dealt = value > 0
    rank, own = _pairs(key[dealt], party[dealt])
    each = np.bincount(rank, weights=value[dealt], minlength=len(own))
    which = np.full(len(own), -1, np.int32)
    which[rank] = party[dealt]
    order = np.lexsort((each, own))
    best = np.full(n, -1, np.int32)
    best[own[order]] = which[order]
    most = np.zeros(n)
    most[own[order]] = each[order]
    whole = _sum(own, each.astype(np.float64), n)
    return best, np.where(best >= 0, _ratio(most, whole), 0.0)


def _turnover(seen: Seen, wallets: Ints, keys: Longs) -> tuple[Floats, Floats]:
    """What came and what went, by key."""
    sums = []
    for own in (seen.pay.payee, seen.pay.payer):
        rows = np.flatnonzero(np.isin(own, wallets))
        rank, which, there = _windows(own[rows], seen.time[rows])
        value = np.bincount(rank, weights=seen.pay.value[rows][which], minlength=len(there))
        at = np.searchsorted(there, keys)
        at[at == len(there)] = 0
        sums.append(np.where(there[at] == keys, value[at], 0.0) if len(there) else np.zeros(len(keys)))
    return sums[0], sums[1]
