"""Who is known: whose each wallet is by labels and claims, and who is listed, so that it has reason to hide."""

from datetime import UTC, datetime, time
from typing import Any, NamedTuple

import numpy as np

from heuristics.attribution.ground import Ground
from heuristics.shells.payments import Flags, Ints

_ATTRIBUTED = """
SELECT cluster, coalesce(entity_id, category || ' ' || cluster) AS party, list_id IS NOT NULL AS listed, listed_from
FROM attribution WHERE rank = 0 ORDER BY cluster
"""


_DOCUMENTED = "SELECT DISTINCT entity_id FROM relation WHERE kind = 'fronts_for'"


class Principal(NamedTuple):
    """A party whose payments may be rerouted."""

    name: str
    """Entity id."""
    wallets: Ints
    """Those that are known to be its own."""
    since: int
    """Place of the first transaction since it had reason to hide."""


class Known(NamedTuple):
    """Whose is what."""

    party: Ints
    """Per wallet: rank of the party in `names`; -1 nobody's."""
    names: list[str]
    principals: list[Principal]
    documented: Ints
    """Wallets of parties that a document says front for somebody: they are scored like anybody's."""


def known(ground: Ground) -> Known:
    """Read the first conclusions of the label build, from tags and claims."""
    tagged = ground.con.sql(_ATTRIBUTED).fetchall()
    fronts = {name for (name,) in ground.con.sql(_DOCUMENTED).fetchall()}
    rows = [(ground.wallet[cluster], name) for cluster, name, _, _ in tagged if name not in fronts]
    documented = [ground.wallet[cluster] for cluster, name, _, _ in tagged if name in fronts]
    names = sorted({name for _, name in rows})
    rank = {name: i for i, name in enumerate(names)}
    party = np.full(len(ground.wallet), -1, np.int32)
    for wallet, name in rows:
        party[wallet] = rank[name]
    return Known(party, names, _principals(ground, tagged), np.array(documented, np.int32))


def _principals(ground: Ground, tagged: list[tuple[Any, ...]]) -> list[Principal]:
    """Listed parties by name, each from its first listing on, with all wallets that are concluded to be theirs."""
    days: dict[str, list[Any]] = {}
    for _, name, on_list, since in tagged:
        if on_list:
            days.setdefault(name, []).extend([since] if since is not None else [])
    found = []
    for name, since in sorted(days.items()):
        own = np.unique([ground.wallet[cluster] for cluster, one, _, _ in tagged if one == name]).astype(np.int32)
        found.append(Principal(name, own, _place(ground, min(since)) if since else 0))
    return found


def _place(ground: Ground, day: Any) -> int:
    """The first place of a day: everything later is."""
    seconds = datetime.combine(day, time(), UTC).timestamp()
    block = int(np.searchsorted(ground.times, seconds))
    return int(ground.graph.block_start[block])


def flags(wallets: Ints, n: int) -> Flags:
    """Whether each of `n` wallets is one of these."""
    found = np.zeros(n, np.bool_)
    found[wallets] = True
    return found
