"""Nested services: somebody who runs a service of its own from an account at an exchange, as SUEX did (D2).

What gives it away on chain is its deposit address: a customer is paid by few, a nested service by many who have
nothing to do with each other, or by the customers of a service that is known. A lead, for withdrawals stand in the
host's books.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from heuristics.attribution.services.deposits import Deposits, Named
from heuristics.attribution.services.habits import Activity

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

MOST_ADDRESSES: Final = 5  # of one account's deposit wallet
SENDERS: Final = 50  # distinct wallets that pay one account
FEW_SENDERS: Final = 10  # that pay it and a known service alike
OVERLAP: Final = 0.2  # Jaccard: of the senders of both together, those of both
NO_OTHER: Final = -1


class Nested(NamedTuple):
    """Accounts that look like a service's: row of `Deposits`, senders, the known service most alike (code), overlap."""

    row: Ints
    senders: Ints
    like: Ints
    overlap: Floats


def nested(found: Activity, mine: Deposits, named: Named, size: Ints) -> Nested:
    """Find accounts with too many senders for one customer; `size` has the addresses per wallet."""
    edges = found.edges
    row_of = np.full(len(size), np.int32(-1))
    row_of[mine.wallet] = np.arange(len(mine.wallet), dtype=np.int32)
    row_of[size > MOST_ADDRESSES] = -1
    to = row_of[edges.payee]
    senders = np.bincount(to[to >= 0], minlength=len(mine.wallet)).astype(np.int32)
    asked = np.flatnonzero(senders >= FEW_SENDERS).astype(np.int32)
    like, overlap = _most_alike(found, named, mine, (asked, to))
    many = (senders[asked] >= SENDERS) | (overlap >= OVERLAP)
    return Nested(asked[many], senders[asked][many], like[many], overlap[many])


def _most_alike(found: Activity, named: Named, mine: Deposits, accounts: tuple[Ints, Ints]) -> tuple[Ints, Floats]:
    """Per account asked about: which other party has most of its senders, and the overlap."""
    asked, to = accounts
    edges, n = found.edges, len(named.owner)
    paid = named.owner[edges.payee]
    n_parties = int(max(paid.max(initial=-1), mine.owner.max(initial=-1))) + 1
    if not len(asked) or not n_parties:
        return np.full(len(asked), np.int32(NO_OTHER)), np.zeros(len(asked))
    place = np.full(len(mine.wallet), -1)
    place[asked] = np.arange(len(asked))
    one = np.flatnonzero((to >= 0) & (place[to] >= 0))
    a = _sets(place[to[one]], edges.payer[one], (len(asked), n))
    rows = np.flatnonzero(paid >= 0)
    b = _sets(paid[rows], edges.payer[rows], (n_parties, n))
    both = (a @ b.T).toarray()
    union = a.sum(1)[:, None] + b.sum(1)[None, :] - both
    share = both / np.maximum(1, union)
    share[np.arange(len(asked)), mine.owner[asked]] = 0  # the host's own customers
    like = share.argmax(1).astype(np.int32)
    overlap = share[np.arange(len(asked)), like]
    return np.where(overlap > 0, like, NO_OTHER).astype(np.int32), overlap


def _sets(who: npt.NDArray[np.integer], payer: Ints, shape: tuple[int, int]) -> sparse.csr_array:
    """Who is paid by whom, as ones."""
    found = sparse.csr_array((np.ones(len(who)), (who, payer)), shape)
    found.data[:] = 1
    return found
