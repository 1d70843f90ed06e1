"""Exposure: how far the shares that were told lie from the true ones, and which wallets were cleared or held wrongly.

Two truths are scored apart: by convention (stop at services, haircut, true clusters) and by intent (who really
paid whom). What the pipeline leaves open counts as `unattributed`. So does, on both sides, every party that is
neither a service nor listed: no label file ever names it. By intent a party's wallets all have the same truth; of
those, the first by name is asked about.

By convention, wallets of which a CoinJoin is part of the story are told from all others: what is wrong about these
is not that a CoinJoin was not recognised, or was taken for another transaction.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, rows, share
from worlds.score.names import names
from worlds.truth.tables import COINJOIN_KINDS, DIRECTIONS, TRUTHS, Truth

THRESHOLDS: Final = (0.01, 0.10, 0.25)
LISTED: Final = "sanctioned_entity"
# Shares are sums of many small ones: one that is at the threshold must not fall below it by rounding.
_ROUNDING: Final = 1e-9
_PER: Final = 1_000
_PARTED: Final = "convention"  # the truth whose wallets are parted by CoinJoins: it alone knows them

METRICS: Final[Metrics] = {
    "exposure.wallets[truth]": (
        "wallets and directions that the truth knows; by intent one wallet of a party", "count", "",
    ),
    "exposure.mean_error[truth]": ("half the sum of the differences of shares by category, mean", "share", "lower"),
    "exposure.p95_error[truth]": ("the same, 95th percentile", "share", "lower"),
    "exposure.max_error[truth]": ("the same, the worst wallet", "share", "lower"),
    "exposure.weighted_error[truth]": ("the same, mean weighted by value", "share", "lower"),
    "exposure.mean_entity_error[truth]": ("the same by entity, mean", "share", "lower"),
    "exposure.max_entity_error[truth]": ("the same by entity, the worst wallet", "share", "lower"),
    "exposure.mean_gap": ("distance between the two truths, mean", "share", ""),
    "exposure.max_gap": ("distance between the two truths, the widest", "share", ""),
    "exposure.listed[truth,threshold]": ("wallets whose true listed share reaches the threshold", "count", ""),
    "exposure.false_clear[truth,threshold]": ("of these, told to be below it", "share", "lower"),
    "exposure.false_alarm[truth,threshold]": (
        "of 1,000 wallets, told to reach it with no listed share in truth", "per 1,000", "lower",
    ),
    "exposure.over_alarm[truth,threshold]": (
        "of 1,000 wallets, told to reach it with a true share above 0 but below it", "per 1,000", "lower",
    ),
    "ownership.asked": ("wallets asked about", "count", ""),
    "ownership.listed": ("of these, a listed party's own", "count", ""),
    "ownership.recall": ("of a listed party's own wallets, said to be so", "share", "higher"),
    "ownership.false": ("of 1,000 wallets of others, said to be a listed party's", "per 1,000", "lower"),
}  # fmt: skip

_CATEGORY = """CASE WHEN category IN ('person', 'other', '') THEN 'unattributed'
                    WHEN category = 'held' THEN 'unspent' ELSE category END"""
# One row per part of a wallet's shares: of either truth, as told, and what was not told at all.
_ERRORS = f"""
WITH hidden AS (
    SELECT entity FROM entity WHERE NOT service AND listed_from IS NULL
), first_wallet AS (
    SELECT min(m.wallet) AS wallet FROM matrix m LEFT JOIN wallet w ON w.wallet = m.wallet
    GROUP BY coalesce(w.entity, m.wallet)
), counted AS (
    FROM matrix WHERE truth <> 'intent' OR wallet IN (FROM first_wallet)
), truth_rows AS (
    SELECT truth AS source, wallet, script, direction,
           CASE WHEN entity IN (FROM hidden) THEN 'unattributed' ELSE {_CATEGORY} END AS category,
           coalesce(entity, '') AS entity, share
    FROM counted
), asked AS (
    SELECT DISTINCT wallet, script, direction FROM truth_rows
), told AS (
    SELECT a.wallet, a.direction, CASE WHEN coalesce(n.entity, e.entity) IN (FROM hidden) THEN 'unattributed'
                                       ELSE coalesce({_CATEGORY}, 'unattributed') END AS category,
           coalesce(n.entity, e.entity, '') AS entity, coalesce(e.share, 0) AS share
    FROM asked a LEFT JOIN exposure e ON e.script = a.script AND e.direction = a.direction
    LEFT JOIN names n ON n.told = e.entity
), side AS (
    SELECT source, wallet, direction, category, entity, share FROM truth_rows
    UNION ALL SELECT 'told', * FROM told
    UNION ALL SELECT 'told', wallet, direction, 'unattributed', '', greatest(1 - sum(share), 0)
    FROM told GROUP BY wallet, direction
), known AS (
    SELECT truth AS source, wallet, direction, sum(value) AS value FROM counted GROUP BY ALL
), pair(mine, other) AS (
    VALUES ('convention', 'told'), ('intent', 'told'), ('intent', 'convention')
), mixing AS (
    SELECT wallet, direction FROM matrix WHERE truth = 'convention'
    GROUP BY ALL HAVING wallet IN (SELECT unnest(wallets) FROM coinjoin) OR bool_or(category = 'coinjoin')
), difference AS (
    SELECT mine, other, wallet, direction, category,
           CASE WHEN category = 'unattributed' THEN '' ELSE entity END AS party,
           sum(CASE WHEN source = mine THEN share ELSE -share END) AS d,
           sum(share) FILTER (category = '{LISTED}' AND source = mine) AS listed,
           sum(share) FILTER (category = '{LISTED}' AND source = other) AS said
    FROM pair JOIN side ON source IN (mine, other) GROUP BY ALL
), by_category AS (
    SELECT mine, other, wallet, direction, abs(sum(d)) AS d, sum(abs(d)) AS by_party,
           coalesce(sum(listed), 0) AS listed, coalesce(sum(said), 0) AS said
    FROM difference GROUP BY mine, other, wallet, direction, category
)
SELECT mine, other, b.direction, b.wallet, sum(d) / 2 AS error, sum(by_party) / 2 AS entity_error,
       sum(listed) AS listed, sum(said) AS said, any_value(k.value) AS value,
       (b.wallet, b.direction) IN (SELECT (wallet, direction) FROM mixing) AS mixes
FROM by_category b JOIN known k ON k.source = mine AND k.wallet = b.wallet AND k.direction = b.direction
LEFT JOIN known o ON o.source = other AND o.wallet = b.wallet AND o.direction = b.direction
WHERE other = 'told' OR o.value IS NOT NULL
GROUP BY mine, other, b.direction, b.wallet ORDER BY mine, other, b.direction, b.wallet
"""  # noqa: S608
_OWNERS = """
WITH asked AS (
    SELECT DISTINCT script FROM matrix UNION SELECT DISTINCT script FROM ownership
), own AS (
    SELECT a.script, bool_or(coalesce(e.listed_from, h.listed_from) IS NOT NULL) AS listed
    FROM address a LEFT JOIN wallet w USING (wallet) LEFT JOIN entity e ON e.entity = a.entity
    LEFT JOIN entity h ON h.entity = w.entity GROUP BY a.script
), told AS (
    SELECT script, bool_or(listed) AS listed FROM ownership GROUP BY script
)
SELECT coalesce(own.listed, false) AS own, coalesce(told.listed, false) AS said, count(*) AS n
FROM asked LEFT JOIN own USING (script) LEFT JOIN told USING (script) GROUP BY ALL
"""


class Errors(NamedTuple):
    """Wallets and directions of one comparison: one row each."""

    error: npt.NDArray[np.float64]
    entity_error: npt.NDArray[np.float64]
    listed: npt.NDArray[np.float64]
    said: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    mixes: npt.NDArray[np.float64]
    """1 where the wallet takes part in a CoinJoin, or where by convention some of it came from or went to one."""

    def only(self, rows: npt.NDArray[np.bool_]) -> "Errors":
        """Some of them."""
        return Errors(*(column[rows] for column in self))


def errors(truth: Truth, findings: Findings) -> dict[tuple[str, str, str], Errors]:
    """Distances by wallet, per (truth, what it is held against, direction).

    A wallet that the findings do not mention was told to be unattributed as a whole.
    """
    found: defaultdict[tuple[str, str, str], list[tuple[float, ...]]] = defaultdict(list)
    pooled = pc.is_in(truth.tx["kind"].cast(pa.string()), value_set=pa.array(COINJOIN_KINDS))
    coinjoin = truth.tx.select(["wallets"]).filter(pooled)
    tables = {"matrix": truth.matrix, "wallet": truth.wallet, "entity": truth.entity, "coinjoin": coinjoin}
    for row in rows(_ERRORS, exposure=findings.exposure, names=names(truth, findings), **tables):
        found[row["mine"], row["other"], row["direction"]].append(tuple(float(row[name]) for name in Errors._fields))
    return {key: Errors(*np.array(lines).T) for key, lines in found.items()}


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None where the truth has no wallet to measure it on."""
    found = errors(truth, findings)
    told = findings.exposure.num_rows > 0
    scores: Scores = {}
    for name in TRUTHS:
        parts = {direction: found.get((name, "told", direction)) for direction in DIRECTIONS}
        every = _together(parts.values())
        scores |= _figures(name, every, told=told)
        for direction, part in parts.items():
            scores |= _figures(f"{name},{direction}", part or _NOTHING, told=told)
        if name == _PARTED:
            scores |= _figures(f"{name},CoinJoin", every.only(every.mixes > 0), told=told)
            scores |= _figures(f"{name},no CoinJoin", every.only(every.mixes == 0), told=told)
    gap = _together(found.get(("intent", "convention", direction)) for direction in DIRECTIONS).error
    scores |= {"exposure.mean_gap": _mean(gap), "exposure.max_gap": _most(gap)}
    return scores | _ownership(truth, findings)


def _figures(name: str, e: Errors, *, told: bool) -> Scores:
    """The figures of one truth, or of one direction of it."""
    n = len(e.error)
    scores: Scores = {
        f"exposure.wallets[{name}]": n,
        f"exposure.mean_error[{name}]": _mean(e.error),
        f"exposure.p95_error[{name}]": float(np.percentile(e.error, 95)) if n else None,
        f"exposure.max_error[{name}]": _most(e.error),
        f"exposure.weighted_error[{name}]": float(np.average(e.error, weights=e.value)) if e.value.sum() > 0 else None,
        f"exposure.mean_entity_error[{name}]": _mean(e.entity_error),
        f"exposure.max_entity_error[{name}]": _most(e.entity_error),
    }
    for threshold in THRESHOLDS:
        scores |= _alarms(f"{name},{threshold:.0%}", e, threshold - _ROUNDING)
    if not told:
        scores = {key: value if key.startswith(_COUNTS) else None for key, value in scores.items()}
    return scores


def _alarms(name: str, e: Errors, threshold: float) -> Scores:
    """Wrong decisions at one threshold."""
    listed, said = e.listed >= threshold, e.said >= threshold
    clean = e.listed <= _ROUNDING
    return {
        f"exposure.listed[{name}]": int(listed.sum()),
        f"exposure.false_clear[{name}]": _mean(~said[listed]),
        f"exposure.false_alarm[{name}]": _per_thousand(said & clean),
        f"exposure.over_alarm[{name}]": _per_thousand(said & ~clean & ~listed),
    }


def _ownership(truth: Truth, findings: Findings) -> Scores:
    """Whether the listed party's own wallets were told from those of others."""
    tables = {name: getattr(truth, name) for name in ("matrix", "address", "wallet", "entity")}
    count = {(r["own"], r["said"]): r["n"] for r in rows(_OWNERS, ownership=findings.ownership, **tables)}
    own, others = (sum(count.get((listed, said), 0) for said in (True, False)) for listed in (True, False))
    told = findings.ownership.num_rows > 0
    return {
        "ownership.asked": own + others,
        "ownership.listed": own,
        "ownership.recall": share(count.get((True, True)), own) if told else None,
        "ownership.false": share(_PER * count.get((False, True), 0), others) if told else None,
    }


def _together(parts: Iterable[Errors | None]) -> Errors:
    """Several lots as one."""
    some = [part for part in parts if part is not None]
    return Errors(*(np.concatenate(columns) for columns in zip(*some, strict=True))) if some else _NOTHING


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _most(values: npt.NDArray[Any]) -> float | None:
    return float(values.max()) if len(values) else None


def _per_thousand(flags: npt.NDArray[np.bool_]) -> float | None:
    return _PER * float(flags.mean()) if len(flags) else None


_COUNTS: Final = ("exposure.wallets", "exposure.listed")
_NOTHING: Final = Errors(*np.zeros((len(Errors._fields), 0)))
