"""Deposit addresses (rule D), with the operating wallets of exchanges worked out on the way (heuristics.md B1, B2).

A *collector* only ever sweeps: everything that comes in moves on, whole, at least twice, and soon. Collectors are
deposit addresses, and wallets of deposit addresses that are swept together. A *hub* is what they sweep into: the hot
wallet. Customers pay collectors, collectors pay hubs, and hubs are paid by hardly anybody else: so a customer who
sends all that he has to his deposit address is none, for what he pays is a collector.

Tags name a few of either kind. They spread from collectors to hubs and from hubs to collectors till nothing changes;
a wallet that is claimed for two is claimed for none.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.attribution.services.habits import Activity, Edges, Habits, chosen, total
from heuristics.attribution.services.owners import DISPUTED, NOBODY, Owners

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CUSTODIAL: Final = frozenset({"exchange", "gambling", "sanctioned_entity"})
FEWEST_SWEEPS: Final = 2
MOSTLY: Final = 0.9  # of value (rule D)
_MAJORITY: Final = 0.66  # of the tags that say whose a hub is: some are wrong
# One collector names a hub only if it is a busy one, for somebody who withdrew twice and moved on looks like a
# collector that is tagged; and not if it is listed: no list says that its party is a service, it may be a customer.
_VOTES: Final = 2
_LISTED: Final = frozenset({"sanctioned_entity"})
_BUSY_SWEEPS: Final = 3
_BUSY_PAYERS: Final = 3
_KNOWN: Final = 0.3  # of what a collector sweeps into hubs, those that are known by name
_INTERNAL: Final = 0.5  # of what a wallet receives from where it pays: it is no customer's then, but cold
_BY_COLLECTORS: Final = 0.4  # of the payments to a hub
_ROUNDS: Final = 12
# A hub is sure if so many collectors sweep into it, and next to nobody else pays it: who sweeps into it once is one.
_SURE_HUB: Final = 3
_SURE_SHARE: Final = 0.8  # of the payments to it


class Kinds(NamedTuple):
    """Per wallet: whether it is a collector, whether it swept once and did nothing else, whether it can be a hub."""

    collector: Flags
    once: Flags
    hub: Flags


class Named(NamedTuple):
    """Per wallet: whose it is (code, NOBODY, DISPUTED), and the chance that all tags behind that are wrong.

    `busy`: collectors that many pay.
    """

    owner: Ints
    doubt: Floats
    busy: Flags


def kinds(found: Activity) -> Kinds:
    """Tell collectors and what can be a hub by how they behave alone."""
    h, edges = found.habits, found.edges
    n = len(h.spends)
    mover = _sweeps_only(h)
    mover &= ~_returns(found, mover)
    collector = mover & (h.sweeps >= FEWEST_SWEEPS)
    by_collectors = total(edges.payee, edges.sweeps * collector[edges.payer], n)
    hub = ~collector & (by_collectors > 0) & (by_collectors >= _BY_COLLECTORS * total(edges.payee, edges.n, n))
    return Kinds(collector, mover & (h.sweeps == 1), hub)


def _sweeps_only(h: Habits) -> Flags:
    """Whether a wallet moves all on within a week, and never does anything else."""
    alone = (h.joint == 0) & (h.rewards == 0) & (h.kept == 0)
    moves = (h.spends > 0) & (h.sweeps == h.spends) & (h.prompt >= MOSTLY * h.spent)
    return np.asarray(alone & moves, np.bool_)


def _returns(found: Activity, mover: Flags) -> Flags:
    """Whether most of what a mover receives comes from where it pays: cold wallets, and change that wanders."""
    edges, n = found.edges, len(mover)
    start = np.concatenate([[0], np.cumsum(np.bincount(edges.payer, minlength=n))])
    back = _back(edges, start, mover)
    return np.asarray(back >= np.maximum(1, _INTERNAL * found.habits.received), np.bool_)


@kernel
def _back(edges: Edges, start: Longs, mover: Flags) -> Longs:
    """What each mover receives from wallets that it pays; `start` has each payer's first pair."""
    out = np.zeros(len(mover), np.int64)
    for e in range(len(edges.payer)):
        one, other = edges.payee[e], edges.payer[e]
        if mover[one]:
            for i in range(start[one], start[one + 1]):
                if edges.payee[i] == other:
                    out[one] += edges.value[e]
    return out


def spread(known: Owners, found: Activity, kind: Kinds) -> Named:
    """Work out whose collectors and hubs are, from the tags of either, to a fixed point."""
    edges = found.edges
    sweep = kind.collector[edges.payer] & kind.hub[edges.payee] & (edges.sweeps > 0)
    rows = chosen(edges, sweep)
    allowed = known.of_category(CUSTODIAL)
    owner = known.owner.copy()
    owner[(owner >= 0) & ~np.append(allowed, False)[owner]] = DISPUTED
    payers = np.bincount(edges.payee, minlength=len(owner))
    busy = (found.habits.sweeps >= _BUSY_SWEEPS) & (payers >= _BUSY_PAYERS)
    state = Named(owner, known.doubt.copy(), np.asarray(busy, np.bool_))
    for _ in range(_ROUNDS):
        before = state.owner.copy()
        _name_hubs(rows, known, state)
        _name_collectors(rows, known, state)
        if np.array_equal(before, state.owner):
            break
    return state


def _name_hubs(rows: Edges, known: Owners, state: Named) -> None:
    """Give each hub without tags to whom most of the named collectors belong that pay it."""
    said = state.owner[rows.payer]
    ok = (said >= 0) & (known.owner[rows.payee] == NOBODY)
    hub, owner, votes = _votes(rows.payee[ok], said[ok], np.ones(int(ok.sum()), np.int64))
    whole = total(hub, votes, len(state.owner))
    state.owner[hub] = DISPUTED
    most = votes >= _MAJORITY * whole[hub]
    busy = np.zeros(len(state.owner), np.bool_)
    busy[rows.payee[ok & state.busy[rows.payer]]] = True
    few = most & (votes < _VOTES) & (~busy[hub] | known.of_category(_LISTED)[owner])
    state.owner[hub[few]] = NOBODY
    most &= ~few
    state.owner[hub[most]] = owner[most]
    tagged = ok & (known.owner[rows.payer] >= 0) & (state.owner[rows.payee] == said)
    logs = np.bincount(rows.payee[tagged], np.log(known.doubt[rows.payer[tagged]]), len(state.owner))
    fresh = hub[most]
    least = np.full(len(state.owner), 1.0)
    np.minimum.at(least, rows.payee[ok], state.doubt[rows.payer[ok]])
    state.doubt[fresh] = np.where(logs[fresh] < 0, np.exp(logs[fresh]), least[fresh])


def _name_collectors(rows: Edges, known: Owners, state: Named) -> None:
    """Give each collector to whose hubs it pays, where that is one party; where its own tags differ, to nobody."""
    to = state.owner[rows.payee]
    named = to >= 0
    who, owner, value = _votes(rows.payer[named], to[named], rows.value[named])
    in_all = total(who, value, len(state.owner))
    swept = total(rows.payer, rows.value, len(state.owner))
    most = (value >= MOSTLY * in_all[who]) & (value >= _KNOWN * swept[who])
    agrees = (known.owner[who] == NOBODY) | (known.owner[who] == owner)
    state.owner[who[~most | ~agrees]] = DISPUTED
    state.owner[who[most & agrees]] = owner[most & agrees]
    least = np.full(len(state.owner), 1.0)
    np.minimum.at(least, rows.payer[named], state.doubt[rows.payee[named]])
    fresh = who[most & agrees]
    state.doubt[fresh] = np.minimum(least[fresh], known.doubt[fresh])


class Deposits(NamedTuple):
    """Wallets of deposit addresses: whose (code), sweeps and satoshi that show it, the hub and the last such sweep.

    `doubt` is the chance that the tags behind it are all wrong.
    """

    wallet: Ints
    owner: Ints
    doubt: Floats
    toward: Ints
    place: Ints
    n: Longs
    value: Longs


def picked(rows: Deposits, some: Flags) -> Deposits:
    """Some of the rows."""
    return Deposits(*(column[some] for column in rows))  # type: ignore[arg-type]  # each of its own type, in order


def deposits(found: Activity, kind: Kinds, named: Named) -> Deposits:
    """List collectors that pay one exchange's hubs, and wallets that swept once into a hub that is sure."""
    h, n = found.habits, len(named.owner)
    edges = chosen(found.edges, np.flatnonzero(kind.hub[found.edges.payee]))
    once = kind.once & (named.owner == NOBODY)
    paid, whose = named.owner[edges.payee], named.owner[edges.payer]
    agree = kind.collector[edges.payer] & (whose == paid) & (edges.sweeps > 0)
    movers = kind.collector[edges.payer] | kind.once[edges.payer]
    sure = kind.hub & (np.bincount(edges.payee[agree], minlength=n) >= _SURE_HUB)
    sure &= total(edges.payee, edges.sweeps * movers, n) >= _SURE_SHARE * total(edges.payee, edges.n, n)
    fits = np.where(once[edges.payer], sure[edges.payee], kind.collector[edges.payer] & (whose == paid))
    rows = chosen(edges, fits & (paid >= 0))
    owner, place, toward = (np.full(n, np.int32(NOBODY)) for _ in range(3))
    owner[rows.payer], place[rows.payer], toward[rows.payer] = named.owner[rows.payee], rows.place, rows.payee
    doubt = np.ones(n)
    np.minimum.at(doubt, rows.payer, named.doubt[rows.payee])
    # A collector whose own tags say whose it is, is theirs, wherever it sweeps to.
    own = kind.collector & (named.owner >= 0) & (owner == NOBODY)
    owner[own], doubt[own], place[own] = named.owner[own], named.doubt[own], h.last[own]
    who = np.flatnonzero((owner >= 0) & _from_outside(found, named, owner)).astype(np.int32)
    counts = h.sweeps[who].astype(np.int64)
    return Deposits(who, owner[who], doubt[who], toward[who], place[who], counts, h.swept[who])


def _from_outside(found: Activity, named: Named, owner: Ints) -> Flags:
    """Whether anybody but the exchange itself pays a wallet: else it is internal."""
    edges = chosen(found.edges, np.flatnonzero(owner[found.edges.payee] >= 0))
    own = named.owner[edges.payer] == owner[edges.payee]
    return np.asarray(found.habits.received > total(edges.payee[own], edges.value[own], len(owner)), np.bool_)


def hubs(found: Activity, kind: Kinds, known: Owners, named: Named) -> Deposits:
    """List wallets that collectors of one party sweep into and that no tag names; `toward` is none."""
    ok = (named.owner >= 0) & kind.hub & (known.owner == NOBODY)
    edges = chosen(found.edges, np.flatnonzero(ok[found.edges.payee]))
    rows = kind.collector[edges.payer] & (named.owner[edges.payer] == named.owner[edges.payee])
    place = np.full(len(ok), np.int32(NOBODY))
    place[edges.payee[rows]] = edges.place[rows]
    n, value = (total(edges.payee[rows], column[rows], len(ok)) for column in (edges.sweeps, edges.swept))
    who = np.flatnonzero(ok & (place >= 0)).astype(np.int32)
    nowhere = np.full(len(who), np.int32(NOBODY))
    return Deposits(who, named.owner[who], named.doubt[who], nowhere, place[who], n[who], value[who])


def _votes(who: Ints, what: Ints, weight: Longs) -> tuple[Ints, Ints, Longs]:
    """Sum weights by pair."""
    pair, row = np.unique(_pairs(who, what), return_inverse=True)
    summed = np.zeros(len(pair), np.int64)
    np.add.at(summed, row, weight)
    return (pair >> 32).astype(np.int32), (pair & 0xFFFFFFFF).astype(np.int32), summed


def _pairs(a: Ints, b: Ints) -> Longs:
    return (a.astype(np.int64) << 32) | b
