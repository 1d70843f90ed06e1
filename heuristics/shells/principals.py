"""Principals' own wallets: which wallets that no list names are probably a listed party's.

A list gives a few addresses, and from that day on the party uses others. What gives those away, seen from wallets
that are the party's already (`own`), in rounds until nothing is added:

- it moves whole coins, without change, from own wallets to fresh addresses: any such move after the listing, earlier
  ones where the coin is then spent by a program that looks the same;
- it collects: whole coins go from deposit addresses to one that collects many, or come to own wallets from wallets
  that do nothing else;
- it deals with the same counterparties: wallets that look like its own and were filled by moves of whole coins pay
  those private wallets that own wallets pay.

What is found is taken for the party's in scores of shells alone. It is no attribution, and is never shown as one.
Fails on: a party that sends its coins through an exchange or a CoinJoin, or that changes its program as it moves.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.graph import Graph
from heuristics.shells.payments import Flags, Ints, Longs, Payments
from heuristics.shells.trails import alike, habit, root_of

_ROUNDS: Final = 30
_MOST_OWN: Final = 100_000
"""Wallets of one party: what spreads further is not followed."""
_COMMON: Final = 0.1  # of a party's transactions: habits that it has
_SHARED, _SURE = 0.03, 0.6  # of what a wallet pays: to counterparties of the party, with one of them in common or two
_FILLED: Final = 0.8  # of what a wallet gets: by moves, or from the party and its counterparties
_KNOWN: Final = 0.3  # of what a wallet pays: to parties that are known


class Facts(NamedTuple):
    """What is asked of payments between two wallets, one row each, and of wallets."""

    place: Ints
    payer: Ints
    payee: Ints
    value: Longs
    move: Flags
    """Whether it is the only output of its transaction."""
    fresh: Flags
    """Whether it is the first payment to its address."""
    collects: Flags
    """Whether its address is paid more than once."""
    alike: Flags
    """Whether the coin is spent by a transaction that looks like the one that made it."""
    habit: Ints
    """How its transaction looks."""
    free: Flags
    """Per wallet: nobody is known to hold it."""
    received: Longs
    """Per wallet: satoshi from others, whoever they are."""
    first: Ints
    """Per wallet: habit of its payments; -1 where they differ."""


def facts(graph: Graph, pay: Payments, joint: Flags, party: Ints) -> Facts:
    """Gather them; `joint` by transaction, `party` by wallet."""
    known = np.flatnonzero((pay.payer >= 0) & (pay.payee >= 0) & ~joint[pay.place])
    place, row = pay.place[known], pay.row[known]
    number = graph.out_number[row]
    received = np.bincount(graph.out_number[graph.out_number >= 0], minlength=len(party))
    first = np.full(len(party), len(graph.out_number), np.int64)
    np.minimum.at(first, number, row)
    same = np.zeros(len(known), np.bool_)
    _alike(graph, place, row, joint, same)
    looks = habit(graph)[place]
    payer = pay.payer[known]
    into = pay.payee >= 0
    return Facts(
        place=place,
        payer=payer,
        payee=pay.payee[known],
        value=pay.value[known],
        move=np.diff(graph.out_start)[place] == 1,
        fresh=first[number] == row,
        collects=received[number] > 1,
        alike=same,
        habit=looks,
        free=party < 0,
        received=_sums(pay.payee[into], pay.value[into], len(party)),
        first=_only(payer, looks, len(party)),
    )


@kernel
def _alike(graph: Graph, place: Ints, row: Longs, joint: Flags, to: Flags) -> None:
    for i in range(len(place)):
        spender = graph.spent_by[row[i]]
        to[i] = spender >= 0 and not joint[spender] and alike(graph, place[i], spender)


def _sums(where: Ints, value: npt.NDArray[np.int64], n: int) -> Longs:
    """Sum of values by wallet; shape (n,)."""
    return np.bincount(where, weights=value, minlength=n).astype(np.int64)


def _only(wallet: Ints, looks: Ints, n: int) -> Ints:
    """The habit of each wallet's payments; -1 where they differ, or there are none."""
    least, most = np.full(n, np.iinfo(np.int32).max, np.int32), np.full(n, -1, np.int32)
    np.minimum.at(least, wallet, looks)
    np.maximum.at(most, wallet, looks)
    return np.where(least == most, most, -1)


def own_wallets(of: Facts, named: Flags, since: int) -> Flags:
    """Every wallet that is probably one party's.

    Parameters
    ----------
    named : Flags, shape (numbers,)
        By wallet: those that are the party's for sure.
    since
        Place from which the party had reason to hide.
    """
    own = named.copy()
    later = of.place >= since
    for _ in range(_ROUNDS):
        n = own.sum()
        _moved(of, own, later)
        _collected(of, own, later)
        own |= _likewise(of, own, later)
        if own.sum() == n:
            break
        if own.sum() > named.sum() + _MOST_OWN:
            return named
    return own


def _moved(of: Facts, own: Flags, later: Flags) -> None:
    """Follow whole coins that own wallets move, and back those that come by such moves of the same program."""
    out = own[of.payer] & of.move & ((of.fresh & (later | of.alike)) | (of.collects & of.alike))
    into = own[of.payee] & of.move & of.alike
    for found in (of.payee[out], of.payer[into]):
        own[found[of.free[found]]] = True


def _collected(of: Facts, own: Flags, later: Flags) -> None:
    """Add wallets that do nothing but move coins to own ones, and those that do so to two of them at least."""
    n = len(own)
    into = of.move & own[of.payee]
    payments = np.bincount(of.payer, minlength=n)
    only = (payments > 0) & (np.bincount(of.payer[into], minlength=n) == payments)
    into &= later
    whole, part = _sums(of.payer[later], of.value[later], n), _sums(of.payer[into], of.value[into], n)
    several = (_partners(of.payer[into], of.payee[into], n) > 1) & (part >= _FILLED * whole)
    own |= (only | several) & of.free


def _partners(one: Ints, other: Ints, n: int) -> Longs:
    """How many different others each has; shape (n,)."""
    pairs = np.unique(one.astype(np.int64) << 32 | other)
    return np.bincount(pairs >> 32, minlength=n)


def _likewise(of: Facts, own: Flags, later: Flags) -> Flags:
    """Chains of wallets that look like own ones, live on moves, and deal with the same private counterparties."""
    n = len(own)
    mine = own[of.payer] & later
    share = np.bincount(of.habit[mine]) / max(mine.sum(), 1)
    habits = np.flatnonzero(share >= _COMMON)
    private = _private(of, own, later)
    able = of.free & ~own & ~private & np.isin(of.first, habits)
    chain = _chains(of, able, later)
    pays = later & able[of.payer] & ~of.move
    met = later & private[of.payer] & able[of.payee]
    deals = pays & private[of.payee]
    who = chain[of.payer]
    whole = _sums(who[pays], of.value[pays], n)
    to_them = pays & (private | own)[of.payee]
    part = _sums(who[to_them], of.value[to_them], n)
    outside = pays & ~of.free[of.payee]
    known = _sums(who[outside], of.value[outside], n)
    comes = able[of.payee] & ((of.move & of.free[of.payer]) | (own | private)[of.payer])
    spends = np.zeros(n, np.bool_)
    spends[of.payer[pays]] = True
    gets = np.bincount(chain, weights=np.where(spends, of.received, 0), minlength=n)
    filled = comes & spends[of.payee]
    into = chain[of.payee]
    common = _partners(np.concatenate([who[deals], into[met]]), np.concatenate([of.payee[deals], of.payer[met]]), n)
    sure = (common > 1) & (part >= _SURE * whole)
    filled_so = _sums(into[filled], of.value[filled], n) >= _FILLED * gets
    moved_on = np.bincount(chain[able], minlength=n) > 1
    likely = (common > 0) & (part >= _SHARED * whole) & (known <= _KNOWN * whole) & filled_so & moved_on
    chosen = (np.bincount(who[deals], minlength=n) > 0) & (sure | likely)
    return able & chosen[chain]


def _private(of: Facts, own: Flags, later: Flags) -> Flags:
    """Wallets that nobody knows, that own ones pay since they hide and did not before, and that pay others."""
    n = len(own)
    mine = own[of.payer]
    paid, before = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    paid[of.payee[mine & later & ~of.move]] = True
    before[of.payee[mine & ~later]] = True
    pays = np.zeros(n, np.bool_)
    pays[of.payer[~of.move]] = True
    return paid & ~before & pays & of.free & ~own


def _chains(of: Facts, able: Flags, later: Flags) -> Ints:
    """First wallet of each chain: wallets between which whole coins were moved on."""
    root = np.arange(len(able), dtype=np.int32)
    links = later & of.move & of.fresh & of.alike & able[of.payer] & able[of.payee]
    _link(of.payer[links], of.payee[links], root)
    return root


@kernel
def _link(a: Ints, b: Ints, root: Ints) -> None:
    for i in range(len(a)):
        x, y = root_of(root, a[i]), root_of(root, b[i])
        root[max(x, y)] = min(x, y)
    for x in range(len(root)):
        root[x] = root_of(root, x)
