"""Omnibus wallets that two exchanges share: seen, reported, and taken apart address by address where amounts tell.

A custodian's sweep spends deposits of both exchanges and pays each its own. Co-spending shows the custodian then, and
no tag may name the whole wallet ("shared custody", heuristics.md B3). But amounts are conserved (`sums`). Addresses
that belong together through several sweeps take the name that their tags, and the wallets paid, agree on.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.attribution.services.habits import Activity, Coins
from heuristics.attribution.services.owners import NOBODY, Owners
from heuristics.attribution.services.sums import NOT_ASKED, OWN, SOLVED, Links, Terms, solve
from heuristics.clusters.unite import no_parents, root, unite

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CHARGE: Final = 0.005  # of what a custodian passes on: the most that it keeps
SERVED: Final = frozenset({"exchange"})
FEWEST: Final = 5  # sweeps that tell a custodian by their amounts
_COMES_OUT: Final = 0.8  # of a custodian's sweeps: those whose amounts can be shared out
_MARGIN: Final = 1.25  # on the largest charge seen where there is one way only
_ROUNDS: Final = 4
_MAJORITY: Final = 0.75  # of the votes for an address's party
_CERTAIN: Final = 2  # votes from which on a name helps to tell others


class Omnibus(NamedTuple):
    """Wallets that behave like a custodian's: sweeps, how many of them come out, and the last one's place."""

    wallet: Ints
    sweeps: Longs
    solved: Longs
    place: Ints


class Shared(NamedTuple):
    """Addresses of omnibus wallets that were told apart: whose (code), the votes for it, and what shows it."""

    number: Ints
    wallet: Ints
    owner: Ints
    toward: Ints
    place: Ints
    votes: Longs
    value: Longs


def omnibus(coins: Coins, wallet: Ints, found: Activity) -> Omnibus:
    """Find wallets of which nearly all joint sweeps come out: amounts of one owner's payments do that by chance."""
    n_in, n_out = np.diff(coins.in_start), np.diff(coins.out_start)
    h = found.habits
    often = (h.spends >= FEWEST) & (h.batches == 0)
    who = np.maximum(found.payer, 0)
    places = np.flatnonzero((found.payer >= 0) & often[who] & (n_in > 1) & (n_out > 1))
    _, how = solve(coins, wallet, places, _terms(len(wallet)))
    asked = how != NOT_ASKED
    sweeps = np.bincount(found.payer[places[asked]], minlength=len(wallet))
    solved = np.bincount(found.payer[places[how == SOLVED]], minlength=len(wallet))
    one = np.flatnonzero((sweeps >= FEWEST) & (solved >= _COMES_OUT * sweeps)).astype(np.int32)
    return Omnibus(one, sweeps[one], solved[one], found.habits.last[one])


def take_apart(coins: Coins, wallet: Ints, found: Activity, known: Owners, at: Ints) -> Shared:
    """Tell the addresses of omnibus wallets (`at`) apart by whose they are, as far as amounts and names tell."""
    places = np.flatnonzero(np.isin(found.payer, at))
    terms = _terms(len(wallet))
    votes = _given(wallet, known, at, _own(coins, wallet, found, at))
    links, _ = solve(coins, wallet, places, terms)
    for _ in range(_ROUNDS):
        name, strength = _names(len(wallet), votes, links)
        certain = np.where(strength >= _CERTAIN, name, NOBODY).astype(np.int32)
        certain[certain == len(known.entity)] = OWN
        if np.array_equal(certain, terms.name):
            break
        charge = np.where(terms.worst > 0, np.minimum(CHARGE, _MARGIN * terms.worst), CHARGE)
        least = np.where(terms.worst > 0, terms.lowest / _MARGIN, 0)
        terms = _terms(len(wallet))._replace(name=certain, least=least, charge=charge)
        links, _ = solve(coins, wallet, places, terms)
    name, strength = _names(len(wallet), votes, links)
    inside = np.isin(wallet, at) & (name >= 0)
    number = np.flatnonzero(inside).astype(np.int32)
    number = number[np.append(known.of_category(SERVED), False)[name[number]]]
    number = number[_serves_two(wallet[number], name[number])]
    return _rows(number, wallet, (name, strength), links)


def _serves_two(who: Ints, name: Ints) -> Flags:
    """Whether the wallet of each row has addresses of two parties or more: else it is no custodian of several."""
    pair = np.unique(np.stack([who, name]), axis=1)
    wallets, n = np.unique(pair[0], return_counts=True)
    return np.isin(who, wallets[n > 1])


def _terms(n: int) -> Terms:
    """Before anything is known."""
    return Terms(np.full(n, np.int32(NOBODY)), np.zeros(n), np.full(n, CHARGE), np.ones(n), np.zeros(n))


def _own(coins: Coins, wallet: Ints, found: Activity, at: Ints) -> Ints:
    """Addresses of omnibus wallets that nobody else ever paid: what lies there is the custodian's own."""
    inside = np.isin(wallet, at)
    paid = np.flatnonzero((coins.out_number >= 0) & inside[coins.out_number])
    number = coins.out_number[paid]
    payer = found.payer[np.searchsorted(coins.out_start, paid, "right") - 1]
    outside = number[payer != wallet[number]]
    return np.setdiff1d(number, outside).astype(np.int32)


def _given(wallet: Ints, known: Owners, at: Ints, own: Ints) -> tuple[Ints, Ints]:
    """Votes by address: tags and own money within omnibus wallets, and owners of all other wallets, at their roots."""
    inside = np.isin(wallet[known.tagged], at) & ~np.isin(known.tagged, own)
    roots = np.flatnonzero((known.owner >= 0) & ~np.isin(np.arange(len(wallet)), at)).astype(np.int32)
    number = np.concatenate([known.tagged[inside], roots, np.repeat(own, _CERTAIN)])
    custodian = np.full(_CERTAIN * len(own), np.int32(len(known.entity)))
    return number, np.concatenate([known.said[inside], known.owner[roots], custodian])


def _names(n: int, votes: tuple[Ints, Ints], links: Links) -> tuple[Ints, Ints]:
    """Per address: whom the votes of all that belong with it agree on, and how many do."""
    parents = no_parents(n)
    unite(parents, links.a, links.b, np.zeros(len(links.a), np.bool_))
    _flatten(parents)
    number, said = votes
    pair, count = np.unique(np.stack([parents[number], said]), axis=1, return_counts=True)
    whole = np.bincount(pair[0], weights=count, minlength=n)
    most = count >= _MAJORITY * whole[pair[0]]
    name, strength = np.full(n, np.int32(NOBODY)), np.zeros(n, np.int32)
    name[pair[0][most]] = pair[1][most]
    strength[pair[0][most]] = count[most]
    return name[parents], strength[parents]


@kernel
def _flatten(parents: Ints) -> None:
    for i in range(len(parents)):
        parents[i] = root(parents, np.int64(i))


def _rows(number: Ints, wallet: Ints, named: tuple[Ints, Ints], links: Links) -> Shared:
    """One row per address that has a name, with the last sweep that tells where it belongs."""
    name, strength = named
    n = len(wallet)
    toward, place, value = np.full(n, np.int32(-1)), np.full(n, np.int32(-1)), np.zeros(n, np.int64)
    toward[links.a], place[links.a] = links.to, links.place
    np.add.at(value, links.a, links.value)
    told = toward[number], place[number], strength[number].astype(np.int64), value[number]
    return Shared(number, wallet[number], name[number], *told)
