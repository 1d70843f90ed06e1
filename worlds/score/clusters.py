"""Clusters: how well they agree with who holds the keys, how far they collapse, and what joined two parties.

Three partitions are the truth, each scored apart: `wallet` (one set of keys), `holder` (the party that holds them)
and `entity` (whose business the address serves; a custodian's clients are several entities of one holder).
Scored are the addresses that were paid on chain. One that no cluster has counts as a cluster of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from sklearn.metrics import adjusted_rand_score, homogeneity_completeness_v_measure
from sklearn.metrics.cluster import pair_confusion_matrix

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, f1, known, rows, select, share
from worlds.truth.tables import Truth

LEVELS: Final = ("wallet", "holder", "entity")

METRICS: Final[Metrics] = {
    "clusters.addresses": ("addresses scored: of the world's parties, paid on chain", "count", ""),
    "clusters.unclustered": ("of these, in no cluster: each counts as one of its own", "count", "lower"),
    "clusters.pairwise_precision[level]": ("of pairs in one cluster, of one party in truth", "share", "higher"),
    "clusters.pairwise_recall[level]": ("of pairs of one party in truth, in one cluster", "share", "higher"),
    "clusters.pairwise_f1[level]": ("harmonic mean of the two", "share", "higher"),
    "clusters.pairwise_precision_by_value[level]": (
        "pairwise precision, a pair counted by the product of the values received", "share", "higher",
    ),
    "clusters.pairwise_recall_by_value[level]": ("pairwise recall, counted the same way", "share", "higher"),
    "clusters.pairwise_f1_by_value[level]": ("harmonic mean of the two", "share", "higher"),
    "clusters.bcubed_precision[level]": (
        "of an address's cluster, its own party's; mean over addresses", "share", "higher",
    ),
    "clusters.bcubed_recall[level]": ("of an address's party, in its cluster; mean over addresses", "share", "higher"),
    "clusters.bcubed_f1[level]": ("harmonic mean of the two", "share", "higher"),
    "clusters.bcubed_precision_by_value[level]": (
        "B-cubed precision, an address counted by the value it received", "share", "higher",
    ),
    "clusters.bcubed_recall_by_value[level]": ("B-cubed recall, counted the same way", "share", "higher"),
    "clusters.bcubed_f1_by_value[level]": ("harmonic mean of the two", "share", "higher"),
    "clusters.adjusted_rand[level]": ("Rand index adjusted for chance", "1", "higher"),
    "clusters.homogeneity[level]": ("how far each cluster is one party's, by entropy", "1", "higher"),
    "clusters.completeness[level]": ("how far each party is one cluster, by entropy", "1", "higher"),
    "clusters.v_measure[level]": ("harmonic mean of the two", "1", "higher"),
    "clusters.service_coverage": (
        "of a service's addresses, in the cluster that holds most of them; mean over services", "share", "higher",
    ),
    "clusters.service_coverage_by_category[category]": ("the same over services of one category", "share", "higher"),
    "clusters.service_coverage_by_value": (
        "of the value that a service received, in the cluster that holds most of it; mean over services",
        "share", "higher",
    ),
    "clusters.service_foreign": (
        "of the addresses in the cluster that holds most of a service's, others'; mean over services",
        "share", "lower",
    ),
    "clusters.largest_without_service": (
        "of all addresses, in the largest cluster without an address of a service", "share", "lower",
    ),
    "clusters.largest_without_service_by_value": (
        "of all value received, in the cluster that received most of those without an address of a service",
        "share", "lower",
    ),
    "clusters.joined_clusters[level]": ("clusters with addresses of two or more parties", "count", "lower"),
    "clusters.joined_addresses[level]": ("addresses in such clusters", "count", "lower"),
    "clusters.unexplained_clusters[level]": (
        "such clusters that none of the joins counted below accounts for", "count", "lower",
    ),
    "clusters.two_wallet_transactions[kind]": ("transactions with inputs of two or more wallets", "count", ""),
    "clusters.two_holder_transactions[kind]": ("the same of two or more holders", "count", ""),
    "clusters.two_entity_transactions[kind]": ("the same of two or more entities", "count", ""),
    "clusters.two_wallet_joins[kind]": (
        "of these, not recognised, with inputs of two wallets in one cluster", "count", "lower",
    ),
    "clusters.two_holder_joins[kind]": ("the same with inputs of two holders", "count", "lower"),
    "clusters.two_entity_joins[kind]": ("the same with inputs of two entities", "count", "lower"),
    "clusters.two_wallet_change_joins[kind]": (
        "transactions with another wallet's output called change (by more than T0), in one cluster with an input",
        "count", "lower",
    ),
    "clusters.two_holder_change_joins[kind]": ("the same with another holder's output", "count", "lower"),
    "clusters.two_entity_change_joins[kind]": ("the same with another entity's output", "count", "lower"),
    "clusters.refused_merges": ("merges that were refused", "count", ""),
}  # fmt: skip

_ADDRESSES = """
WITH paid AS (SELECT script, sum(value) AS value FROM output GROUP BY script)
SELECT a.script, coalesce(c.cluster, -1 - row_number() OVER ())::BIGINT AS cluster, c.cluster IS NULL AS alone,
       a.wallet, w.entity AS holder, a.entity, coalesce(e.service, false) AS served,
       served OR coalesce(h.service, false) AS service, coalesce(e.category, '') AS category, p.value::DOUBLE AS value
FROM address a JOIN paid p USING (script) JOIN wallet w ON w.wallet = a.wallet
LEFT JOIN entity e ON e.entity = a.entity LEFT JOIN entity h ON h.entity = w.entity
LEFT JOIN cluster c ON c.script = a.script ORDER BY a.script
"""
_SERVICES = """
WITH cell AS (
    SELECT category, entity, cluster, count(*) AS n, sum(value) AS value FROM address WHERE served GROUP BY ALL
), size AS (
    SELECT cluster, count(*) AS n FROM address GROUP BY cluster
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY entity ORDER BY n DESC, cluster) AS rank FROM cell
)
SELECT category, sum(r.n) FILTER (rank = 1) / sum(r.n) AS coverage, max(value) / nullif(sum(value), 0) AS by_value,
       1 - sum(r.n / s.n) FILTER (rank = 1) AS others
FROM ranked r JOIN size s USING (cluster) GROUP BY category, entity ORDER BY category, entity
"""
_COLLAPSE = """
WITH each AS (
    SELECT count(*) AS n, sum(value) AS value, bool_or(service) AS service FROM address GROUP BY cluster
)
SELECT max(n) FILTER (NOT service) / sum(n) AS by_address,
       max(value) FILTER (NOT service) / nullif(sum(value), 0) AS by_value
FROM each
"""
# What is called change because T0 has it in the payer's cluster has joined nothing itself.
_CALLED = "SELECT DISTINCT txid, vout FROM change WHERE NOT starts_with(basis, 't0')"
# Where a transaction was recognised its inputs were kept apart: what joins them all the same is another's doing.
_JOINED = """
WITH part AS (
    SELECT txid, script, false AS called FROM input ANTI JOIN coinjoin USING (txid)
    UNION ALL SELECT txid, script, true FROM output SEMI JOIN change USING (txid, vout)
)
SELECT txid, cluster, coalesce(min(party) FILTER (NOT called) <> max(party) FILTER (NOT called), false) AS by_inputs
FROM part JOIN address USING (script)
GROUP BY txid, cluster HAVING min(party) <> max(party) AND NOT bool_and(called)
"""
_BY_KIND = """
WITH several AS (
    SELECT txid FROM input JOIN address USING (script) GROUP BY txid HAVING min(party) <> max(party)
), wrong AS (
    SELECT txid, bool_or(by_inputs) AS by_inputs, bool_or(NOT by_inputs) AS by_change FROM joined GROUP BY txid
), called AS (
    SELECT DISTINCT txid FROM change
)
SELECT kind, count(s.txid) AS several, count(*) FILTER (by_inputs) AS by_inputs, count(c.txid) AS called,
       count(*) FILTER (by_change) AS by_change
FROM tx LEFT JOIN several s USING (txid) LEFT JOIN called c USING (txid) LEFT JOIN wrong USING (txid)
WHERE s.txid IS NOT NULL OR c.txid IS NOT NULL GROUP BY kind ORDER BY kind
"""
_MIXED = """
WITH mixed AS (
    SELECT cluster, count(*) AS n FROM address GROUP BY cluster HAVING min(party) <> max(party)
)
SELECT count(*) AS clusters, coalesce(sum(n), 0)::BIGINT AS addresses,
       count(*) FILTER (cluster NOT IN (SELECT cluster FROM joined)) AS unexplained
FROM mixed
"""

Codes = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]
PrecisionRecall = tuple[float | None, float | None]


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None where there is no pair, no service or no address to measure it on."""
    addresses = known_addresses(truth, findings)
    scores: Scores = {
        "clusters.addresses": float(addresses.num_rows),
        "clusters.unclustered": float(pc.sum(addresses["alone"]).as_py() or 0),
        "clusters.refused_merges": float(findings.refusal.num_rows),
    }
    scores |= _services(addresses) | _collapse(addresses)
    for level in LEVELS:
        scores |= {f"clusters.{name}[{level}]": value for name, value in _agreement(addresses, level).items()}
        scores |= _reasons(truth, findings, addresses, level)
    return scores


def known_addresses(truth: Truth, findings: Findings) -> pa.Table:
    """The addresses that are scored: script, cluster, wallet, holder, entity, and the value each received."""
    return select(
        _ADDRESSES, address=truth.address, output=truth.output, wallet=truth.wallet, entity=truth.entity,
        cluster=findings.cluster,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Joins:
    """Of one kind of transaction: how many have inputs of two parties, and how many of these joined two.

    A transaction that was recognised has joined nobody. `called` are those with an output that is called change by
    more than T0, `by_change` those of them where one of another party lies in one cluster with an input.
    """

    several: int
    by_inputs: int
    called: int
    by_change: int


def joins(truth: Truth, findings: Findings, parties: pa.Table) -> tuple[pa.Table, dict[str, Joins]]:
    """Joins of two parties: every (txid, cluster) that holds one, and how many by kind of transaction.

    `parties` has for each script its `cluster` and the `party` that it must not leave.
    """
    change = select(_CALLED, change=findings.change)
    said = {"coinjoin": findings.coinjoin, "change": change}
    joined = select(_JOINED, input=truth.input, output=truth.output, address=parties, **said)
    found = rows(_BY_KIND, input=truth.input, tx=truth.tx, address=parties, joined=joined, change=change)
    return joined, {row.pop("kind"): Joins(**row) for row in found}


def parties_of(addresses: pa.Table, level: str) -> pa.Table:
    """Script, cluster and party of the addresses, for one of LEVELS."""
    return addresses.select(["script", "cluster", level]).rename_columns(["script", "cluster", "party"])


def pairwise(classes: Codes, clusters: Codes) -> PrecisionRecall:
    """Precision and recall of the pairs in one cluster; None where there is no such pair."""
    if not len(classes):
        return None, None
    (_, false), (missed, true) = pair_confusion_matrix(classes, clusters)
    return share(true, true + false), share(true, true + missed)


def weighted_pairwise(classes: Codes, clusters: Codes, weights: Weights) -> PrecisionRecall:
    """Precision and recall of the pairs in one cluster, a pair counted by the product of its two weights."""
    if not len(classes):
        return None, None
    cells, squares = _cells(classes, clusters, weights), _cells(classes, clusters, weights**2)
    together = _pairs(cells.data, squares.data)
    said = _pairs(_sums(clusters, weights), _sums(clusters, weights**2))
    true = _pairs(_sums(classes, weights), _sums(classes, weights**2))
    return share(together, said), share(together, true)


def bcubed(classes: Codes, clusters: Codes, weights: Weights) -> PrecisionRecall:
    """B-cubed precision and recall (Bagga and Baldwin 1998), items counted by weight; an item is its own companion."""
    if not len(classes):
        return None, None
    cells = _cells(classes, clusters, weights)
    in_class, in_cluster = (
        _sums(codes, weights)[place] for codes, place in zip((classes, clusters), cells.coords, strict=True)
    )
    square, whole = cells.data**2, float(weights.sum())
    precision, recall = (
        float(np.divide(square, total, out=np.zeros_like(square), where=total > 0).sum())
        for total in (in_cluster, in_class)
    )
    return share(precision, whole), share(recall, whole)


def _cells(classes: Codes, clusters: Codes, weights: Weights) -> coo_array[Any, Any]:
    """Sum of the weights in each pair of class and cluster that occurs: the contingency matrix, with weights."""
    cells = coo_array((weights, (classes, clusters)))
    cells.sum_duplicates()
    return cells


def _sums(codes: Codes, weights: Weights) -> Weights:
    return np.bincount(codes, weights).astype(np.float64)


def _pairs(sums: Weights, squares: Weights) -> float:
    """Sum of the products of all pairs within each cell, twice: the square of the sum less the sum of the squares."""
    # Cell by cell, so that a cell of one item is exactly nothing.
    return float(np.maximum(sums**2 - squares, 0).sum())


def _agreement(addresses: pa.Table, level: str) -> Scores:
    """Give the figures of clusters against one partition of the addresses."""
    classes, clusters = _codes(addresses[level]), _codes(addresses["cluster"])
    value = addresses["value"].to_numpy()
    found = {
        "pairwise": pairwise(classes, clusters),
        "bcubed": bcubed(classes, clusters, np.ones(len(classes))),
        "pairwise_by_value": weighted_pairwise(classes, clusters, value),
        "bcubed_by_value": bcubed(classes, clusters, value),
    }
    scores: Scores = {}
    for name, (precision, recall) in found.items():
        measure, _, weight = name.partition("_")
        ending = f"_{weight}" if weight else ""
        scores |= {f"{measure}_precision{ending}": precision, f"{measure}_recall{ending}": recall}
        scores[f"{measure}_f1{ending}"] = f1(precision, recall)
    names = ("adjusted_rand", "homogeneity", "completeness", "v_measure")
    if len(classes) <= 1:
        return scores | dict.fromkeys(names)
    entropies = homogeneity_completeness_v_measure(classes, clusters)
    return scores | dict(zip(names, map(known, (adjusted_rand_score(classes, clusters), *entropies)), strict=True))


def _codes(column: pa.ChunkedArray) -> Codes:
    """Number the values of a column from 0, in order of appearance."""
    coded = pc.dictionary_encode(column.combine_chunks())
    return np.asarray(coded.indices, np.int64)


def _services(addresses: pa.Table) -> Scores:
    """Give how much of each service its best cluster holds, and how much of others'."""
    found = rows(_SERVICES, address=addresses)
    scores: Scores = {
        "clusters.service_coverage": _mean(found, "coverage"),
        "clusters.service_coverage_by_value": _mean(found, "by_value"),
        "clusters.service_foreign": _mean(found, "others"),
    }
    for category in sorted({row["category"] for row in found}):
        some = [row for row in found if row["category"] == category]
        scores[f"clusters.service_coverage_by_category[{category}]"] = _mean(some, "coverage")
    return scores


def _mean(found: Sequence[dict[str, Any]], column: str) -> float | None:
    values = [row[column] for row in found if row[column] is not None]
    return fmean(values) if values else None


def _collapse(addresses: pa.Table) -> Scores:
    """Give the shares of the largest clusters that hold no service; 0 where every cluster holds one."""
    (found,) = rows(_COLLAPSE, address=addresses)
    empty = None if not addresses.num_rows else 0.0
    return {
        "clusters.largest_without_service": found["by_address"] or empty,
        "clusters.largest_without_service_by_value": found["by_value"] or empty,
    }


def _reasons(truth: Truth, findings: Findings, addresses: pa.Table, level: str) -> Scores:
    """Give the clusters of two parties, and the transactions that joined them, by kind."""
    parties = parties_of(addresses, level)
    joined, by_kind = joins(truth, findings, parties)
    (mixed,) = rows(_MIXED, address=parties, joined=joined)
    scores: Scores = {
        f"clusters.joined_clusters[{level}]": float(mixed["clusters"]),
        f"clusters.joined_addresses[{level}]": float(mixed["addresses"]),
        f"clusters.unexplained_clusters[{level}]": float(mixed["unexplained"]),
    }
    for kind, found in by_kind.items():
        if found.several:
            scores[f"clusters.two_{level}_transactions[{kind}]"] = float(found.several)
            scores[f"clusters.two_{level}_joins[{kind}]"] = float(found.by_inputs)
        if found.called:
            scores[f"clusters.two_{level}_change_joins[{kind}]"] = float(found.by_change)
    return scores
