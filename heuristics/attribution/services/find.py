"""All service rules over one build: deposit addresses, hubs, shared custody, roles, nested and unnamed services."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from heuristics.attribution.ground import Ground
from heuristics.attribution.services.custodians import Omnibus, Shared, omnibus, take_apart
from heuristics.attribution.services.deposits import Deposits, Kinds, Named, deposits, hubs, kinds, picked, spread
from heuristics.attribution.services.habits import Activity, Ints, activity, coins_of
from heuristics.attribution.services.nested import nested
from heuristics.attribution.services.owners import SURE_ENOUGH, Owners, owners
from heuristics.attribution.services.roles import ROLES, Figures, Roles, roles
from heuristics.attribution.services.rows import (
    CLAIM,
    CUSTODY,
    NESTED,
    NOWHERE,
    OMNIBUS,
    ROLE,
    names,
    percent,
    rows,
    shown,
    who,
)
from heuristics.attribution.services.unnamed import CATEGORY, Services, services
from heuristics.graph import Graph
from heuristics.rules.rule import Rule
from heuristics.rules.services import (
    DEPOSIT_ONCE,
    DEPOSIT_SHARED,
    DEPOSIT_SWEEPS,
    NESTED_SERVICE,
    SHARED_CUSTODY,
    SWEEP_HUB,
    UNNAMED_SERVICE,
)

_TWICE: Final = 75  # percent: two sweeps (rule D)
_THRICE: Final = 3


class Found(NamedTuple):
    """Rows for the tables of the same names (store/schema.sql)."""

    claim: pa.Table
    custody: pa.Table
    omnibus: pa.Table
    role: pa.Table
    nested: pa.Table


class _Seen(NamedTuple):
    """What the rows of all rules are made of."""

    graph: Graph
    known: Owners
    found: Activity
    kind: Kinds
    named: Named


def find(ground: Ground) -> Found:
    """Apply every service rule to one build; linear in transactions but for one sort of who pays whom."""
    coins, wallet = coins_of(ground.graph, ground.times), np.asarray(ground.wallet)
    size = np.bincount(wallet, minlength=len(wallet)).astype(np.int32)
    found = activity(coins, wallet)
    known = owners(ground.con, wallet)
    kind = kinds(found)
    named = spread(known, found, kind)
    seen = _Seen(ground.graph, known, found, kind, named)
    mine = deposits(found, kind, named)
    several = omnibus(coins, wallet, found)
    shared = take_apart(coins, wallet, found, known, several.wallet)
    claim = [_deposits(seen, mine), _hubs(seen), _nameless(seen, services(found, kind, named, size))]
    role, told = roles(found, kind, named, mine)
    return Found(
        pa.concat_tables(claim),
        _custody(seen, shared),
        _omnibus(seen, several, shared),
        _roles(seen, role, told),
        _nested(seen, mine, size),
    )


def _deposits(seen: _Seen, mine: Deposits) -> pa.Table:
    """Deposit wallets, by how many sweeps show them."""
    tables = []
    for rule, some in ((DEPOSIT_ONCE, mine.n == 1), (DEPOSIT_SWEEPS, mine.n > 1)):
        one = picked(mine, some)
        most = np.where((one.n < _THRICE) & (rule is DEPOSIT_SWEEPS), _TWICE, rule.confidence)
        columns = {"wallet": one.wallet, "place": one.place, "n": one.n, "value": one.value}
        columns |= who(seen.known, one.owner) | shown(rule, percent(most, one.doubt), one.toward)
        tables.append(rows(CLAIM, seen.graph, columns))
    return pa.concat_tables(tables)


def _hubs(seen: _Seen) -> pa.Table:
    """Wallets that are an exchange's because its deposits are swept into them."""
    one = hubs(seen.found, seen.kind, seen.known, seen.named)
    columns = {"wallet": one.wallet, "place": one.place, "n": one.n, "value": one.value}
    columns |= who(seen.known, one.owner) | shown(SWEEP_HUB, percent(SWEEP_HUB.confidence, one.doubt), one.toward)
    return rows(CLAIM, seen.graph, columns)


def _nameless(seen: _Seen, one: Services) -> pa.Table:
    """Services without a name; `toward` is the group that they are of."""
    h, none = seen.found.habits, pa.nulls(len(one.wallet), pa.string())
    columns = {"wallet": one.wallet, "place": h.last[one.wallet], "n": one.n, "value": h.received[one.wallet]}
    columns |= {"entity_id": none, "category": [CATEGORY] * len(one.wallet)}
    return rows(CLAIM, seen.graph, columns | shown(UNNAMED_SERVICE, _sure(UNNAMED_SERVICE, len(one.wallet)), one.group))


def _custody(seen: _Seen, one: Shared) -> pa.Table:
    """Addresses of omnibus wallets, one by one; those without a sweep of their own are shown by their first payment."""
    place = np.where(one.place >= 0, one.place, seen.found.habits.first[one.wallet])
    doubt = np.power(1 - SURE_ENOUGH / 100, one.votes.astype(np.float64))
    columns = {"number": one.number, "wallet": one.wallet, "place": place, "n": one.votes, "value": one.value}
    columns |= who(seen.known, one.owner) | shown(DEPOSIT_SHARED, percent(DEPOSIT_SHARED.confidence, doubt), one.toward)
    return rows(CUSTODY, seen.graph, columns)


def _omnibus(seen: _Seen, several: Omnibus, shared: Shared) -> pa.Table:
    """Omnibus wallets, one row per exchange that was told in them."""
    pair, n = np.unique(np.stack([shared.wallet, shared.owner]), axis=1, return_counts=True)
    at = np.searchsorted(several.wallet, pair[0])
    columns = {"wallet": pair[0], "place": several.place[at], "n": several.solved[at], "addresses": n}
    columns |= who(seen.known, pair[1]) | shown(SHARED_CUSTODY, _sure(SHARED_CUSTODY, len(n)), np.full(len(n), NOWHERE))
    value = np.zeros(len(n), np.int64)
    np.add.at(value, np.searchsorted(_key(pair), _key(np.stack([shared.wallet, shared.owner]))), shared.value)
    return rows(OMNIBUS, seen.graph, columns | {"value": value})


def _key(pair: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    key: npt.NDArray[np.int64] = (pair[0].astype(np.int64) << 32) | pair[1]
    return key


def _roles(seen: _Seen, one: Roles, told: Figures) -> pa.Table:
    """Roles with the figures that tell them."""
    columns = {"wallet": one.wallet, "toward": one.toward, "place": seen.found.habits.last[one.wallet]}
    columns |= {"role": pa.array(ROLES).take(pa.array(one.role)), "entity_id": names(seen.known, one.owner)}
    columns |= {name: column[one.wallet] for name, column in told._asdict().items()}
    return rows(ROLE, seen.graph, columns | {"batches": seen.found.habits.batches[one.wallet]})


def _nested(seen: _Seen, mine: Deposits, size: Ints) -> pa.Table:
    """Accounts that look like a service's own: leads."""
    one = nested(seen.found, mine, seen.named, size)
    columns = {"wallet": mine.wallet[one.row], "place": mine.place[one.row], "n": mine.n[one.row]}
    columns |= {"value": mine.value[one.row], "host_id": names(seen.known, mine.owner[one.row])}
    columns |= {"senders": one.senders, "like_id": names(seen.known, one.like), "overlap": one.overlap}
    sure = _sure(NESTED_SERVICE, len(one.row))
    return rows(NESTED, seen.graph, columns | shown(NESTED_SERVICE, sure, mine.toward[one.row]))


def _sure(rule: Rule, n: int) -> npt.NDArray[np.uint8]:
    """The rule's own confidence, `n` times."""
    return np.full(n, np.uint8(rule.confidence))
