"""Services that nobody has named: they are told by behaviour, so that an unlabelled exchange is no tunnel.

The shape of an exchange is a group of collectors and hubs: collectors are paid by many, hubs pay many, and each hub
is paid by collectors. A wallet that many pay, and that pays many in batches, is a service too. A person, or a front,
has few counterparties, and is nobody's batch payer; a front that forwards all to one place is a collector at most.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from heuristics.attribution.services.deposits import Kinds, Named
from heuristics.attribution.services.habits import Activity
from heuristics.attribution.services.owners import NOBODY
from heuristics.clusters.unite import no_parents, unite

Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

CATEGORY: Final = "service"
ACCOUNTS: Final = 5  # deposit addresses of a group
CUSTOMERS: Final = 20  # distinct wallets that pay its collectors, and as many that its hubs pay
SWEEPS: Final = 5
MANY: Final = 50  # distinct wallets that pay a wallet, and as many that it pays
BATCHES: Final = 3


class Services(NamedTuple):
    """Wallets of services without a name, the group (its smallest wallet) and the sweeps or batches that show it."""

    wallet: Ints
    group: Ints
    n: Ints


def services(found: Activity, kind: Kinds, named: Named, size: Ints) -> Services:
    """Find groups with an exchange's shape, and wallets of many counterparties both ways; `size`: addresses each."""
    h, edges, n = found.habits, found.edges, len(size)
    free = named.owner == NOBODY
    ties = kind.collector[edges.payer] & kind.hub[edges.payee] & (edges.sweeps > 0)
    ties &= free[edges.payer] & free[edges.payee]
    parents = no_parents(n)
    unite(parents, edges.payer[ties], edges.payee[ties], np.zeros(int(ties.sum()), np.bool_))
    while not np.array_equal(up := parents[parents], parents):
        parents = up
    member = np.zeros(n, np.bool_)
    member[edges.payer[ties]] = member[edges.payee[ties]] = True
    sweeps = np.bincount(parents[edges.payee[ties]], weights=edges.sweeps[ties], minlength=n)
    accounts = _count(parents, size * (kind.collector & member))
    customers = _counterparties(parents, edges.payee, edges.payer, kind.collector & member)
    paid = _counterparties(parents, edges.payer, edges.payee, kind.hub & member)
    shape = (accounts >= ACCOUNTS) & (sweeps >= SWEEPS) & (customers >= CUSTOMERS) & (paid >= CUSTOMERS)
    in_group = member & shape[parents]
    payers = np.bincount(edges.payee, minlength=n)
    payees = np.bincount(edges.payer, minlength=n)
    alone = free & ~in_group & (payers >= MANY) & (payees >= MANY) & (h.batches >= BATCHES)
    wallet = np.flatnonzero(in_group | alone).astype(np.int32)
    shown = np.where(in_group, sweeps[parents], h.batches).astype(np.int32)
    group = np.where(in_group, parents, np.arange(n)).astype(np.int32)
    return Services(wallet, group[wallet], shown[wallet])


def _count(group: Ints, weight: Ints) -> npt.NDArray[np.float64]:
    return np.bincount(group, weights=weight, minlength=len(group)).astype(np.float64)


def _counterparties(group: Ints, own: Ints, other: Ints, inside: Flags) -> npt.NDArray[np.int64]:
    """Distinct wallets outside of a group on the other side of its members' payments."""
    rows = inside[own] & (group[own] != group[other])
    pairs = np.unique((group[own[rows]].astype(np.int64) << 32) | other[rows])
    return np.bincount(pairs >> 32, minlength=len(group))
