"""The table of rules: what each claims, how surely, on whose word, how it fails, and how often it did.

A new heuristic is one file, one row here and one test; each module of this package is a part of the table. Every
stored edge, verdict and claim names its rule by `id`; a changed rule gets a new version, and an index built with other
versions is built anew.
"""

from collections.abc import Collection
from typing import Final

from chains.errors import TadoruError
from heuristics.rules import change, clusters, mining, multiparty, services, shells
from heuristics.rules.multiparty import DUAL_FUND, PAYJOIN, PSBT_SWAP, SPLICE, STONEWALL
from heuristics.rules.rule import Rule

# Below this confidence a multi-party verdict only keeps inputs apart; from it on flows end in the CoinJoin.
POOLS_FUNDS: Final = 60
RULES: Final[tuple[Rule, ...]] = (
    *clusters.ROWS, *multiparty.ROWS, *change.ROWS, *services.ROWS, *mining.ROWS, *shells.ROWS,
)  # fmt: skip
# Several parties sign, but nothing is mixed: what they pay each other shows.
SHOWS_WHO_PAYS: Final = (STONEWALL, PSBT_SWAP, PAYJOIN, DUAL_FUND, SPLICE)
BY_ID: Final[dict[int, Rule]] = {rule.id: rule for rule in RULES}


class UnknownRuleError(TadoruError):
    """A rule to be switched off that no row of the table names."""


def versions(without: Collection[int] = ()) -> dict[str, int]:
    """Name to version of every rule but those switched off: what an index was built with."""
    return {rule.name: rule.version for rule in RULES if rule.id not in without}


def ids(names: Collection[str]) -> frozenset[int]:
    """Ids of rules by their names; raises UnknownRuleError, naming those that there are."""
    known = {rule.name: rule.id for rule in RULES}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise UnknownRuleError(f"no rule is called {', '.join(unknown)}; there are {', '.join(known)}")
    return frozenset(known[name] for name in names)
