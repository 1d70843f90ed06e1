"""What a service's wallet is there for: hot, cold, deposit; and the figures that tell (heuristics.md B2)."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from heuristics.attribution.services.deposits import MOSTLY, Deposits, Kinds, Named
from heuristics.attribution.services.habits import Activity

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

NO_ROLE: Final = -1
DEPOSIT, HOT, COLD = "deposit", "hot", "cold"
ROLES: Final = (DEPOSIT, HOT, COLD)
HOT_HOURS: Final = 24.0  # a hot wallet's money stays less, on average
COLD_HOURS: Final = 30 * 24.0  # a cold wallet's stays longer
BUSY: Final = 100  # counterparties of a wallet that is hot for what it does alone
_LEAST: Final = 1e-300  # so that nothing has a logarithm
_FROM_HUB: Final = 0.5  # of what a cold wallet receives: the rest it had before


class Figures(NamedTuple):
    """Per wallet: distinct counterparties, their entropy by value (nats), mean hours that money stays, round sums."""

    payers: npt.NDArray[np.int64]
    payees: npt.NDArray[np.int64]
    entropy_in: Floats
    entropy_out: Floats
    hours: Floats
    rounded: Floats


class Roles(NamedTuple):
    """Wallets with a role (its index in ROLES), whose they are (code, NOBODY) and the hub that they deal with (-1)."""

    wallet: Ints
    role: npt.NDArray[np.int8]
    owner: Ints
    toward: Ints


def figures(found: Activity) -> Figures:
    """Work out the features of B2 for every wallet."""
    h, edges, n = found.habits, found.edges, len(found.habits.spends)
    return Figures(
        np.bincount(edges.payee, minlength=n),
        np.bincount(edges.payer, minlength=n),
        _entropy(edges.payee, edges.value, n),
        _entropy(edges.payer, edges.value, n),
        h.waited / np.maximum(1, h.spent),
        h.rounded / np.maximum(1, h.paid),
    )


def _entropy(who: Ints, value: npt.NDArray[np.int64], n: int) -> Floats:
    """Entropy of how a wallet's money is spread over its counterparties."""
    whole = np.bincount(who, weights=value, minlength=n)
    share = value / np.maximum(1, whole[who])
    spread = np.bincount(who, weights=-share * np.log(np.maximum(share, _LEAST)), minlength=n)
    return spread.astype(np.float64)


def roles(found: Activity, kind: Kinds, named: Named, mine: Deposits) -> tuple[Roles, Figures]:
    """Tell deposit wallets, the hubs that they sweep into, busy wallets of a known party, and cold wallets."""
    h, told = found.habits, figures(found)
    role = np.full(len(named.owner), np.int8(NO_ROLE))
    owner, toward = named.owner.copy(), np.full(len(role), np.int32(-1))
    busy = (told.payers + told.payees >= BUSY) & (told.hours < HOT_HOURS)
    hot = (named.owner >= 0) & ~kind.collector & (kind.hub | busy) & (h.spends > 0)
    role[hot] = ROLES.index(HOT)
    cold, hub = _cold(found, named, hot, told)
    role[cold], toward[cold], owner[cold] = ROLES.index(COLD), hub, named.owner[hub]
    role[mine.wallet], owner[mine.wallet], toward[mine.wallet] = ROLES.index(DEPOSIT), mine.owner, mine.toward
    wallet = np.flatnonzero(role != NO_ROLE).astype(np.int32)
    return Roles(wallet, role[wallet], owner[wallet], toward[wallet]), told


def _cold(found: Activity, named: Named, hot: Flags, told: Figures) -> tuple[Ints, Ints]:
    """Wallets whose money comes from the hot wallets of one party, waits for long and goes back; and one of those."""
    h, edges, n = found.habits, found.edges, len(hot)
    out, back = np.flatnonzero(hot[edges.payee]), np.flatnonzero(hot[edges.payer])
    sent = np.bincount(edges.payer[out], weights=edges.value[out], minlength=n)
    got = np.bincount(edges.payee[back], weights=edges.value[back], minlength=n)
    hub, least, most = (np.full(n, np.int32(-1)) for _ in range(3))
    hub[edges.payer[out]] = edges.payee[out]
    least[:] = len(named.owner)
    np.minimum.at(least, edges.payer[out], named.owner[edges.payee[out]])
    np.maximum.at(most, edges.payer[out], named.owner[edges.payee[out]])
    cold = ~hot & (sent > 0) & (sent >= MOSTLY * h.sent) & (got >= _FROM_HUB * h.received)
    cold &= (least == most) & (told.hours >= COLD_HOURS)
    who = np.flatnonzero(cold).astype(np.int32)
    return who, hub[who]
