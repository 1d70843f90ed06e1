"""Change: which outputs are the payer's own, found and missed, against two labels that are not the same thing.

Scored are transactions that one wallet signs, with two or more outputs that somebody can spend.

`intent` is what the payer did: an output is change where truth says so, a payment where it is another party's. What
else a party pays itself (to another wallet, to a cold store) is neither, and is left out.

`cospend` is the label that studies of the real chain have to use (Möser and Narayanan 2022): change is the only output
whose address the inputs of single-signer transactions link to the payer's, at the end of the history; all other
outputs count as payments. Transactions without such an output, with several, or with change to an address that they
spend from, have no label. It flatters rules that look at co-spending themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import average_precision_score, roc_curve

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, confusion, select, share
from worlds.truth.tables import Truth

LABELS: Final = ("intent", "cospend")
THRESHOLDS: Final = (50, 99)
"""Confidence, in percent, from which a statement counts."""
FALSE_RATES: Final = (0.001, 0.01)
_AT: Final = "label,confidence,part"

METRICS: Final[Metrics] = {
    "change.transactions[label,part]": ("transactions that the label judges; part: program=… or kind=…", "count", ""),
    f"change.tpr[{_AT}]": ("of change outputs, called change", "share", "higher"),
    f"change.fpr[{_AT}]": ("of payment outputs, called change", "share", "lower"),
    f"change.precision[{_AT}]": ("of outputs called change, change", "share", "higher"),
    f"change.coverage[{_AT}]": ("of transactions, those with an output called change", "share", "higher"),
    f"change.false_without_change[{_AT}]": (
        "of transactions without change, those with a payment called change", "share", "lower",
    ),
    "change.average_precision[label]": ("average precision of the ranking by confidence", "share", "higher"),
    "change.tpr_at_fpr[label,rate]": (
        "of change outputs, called change at the confidence that keeps the false positive rate at this or below",
        "share", "higher",
    ),
}  # fmt: skip

# A transaction's payer is the party that holds its one signer's keys.
_OUTPUTS = """
WITH single AS (
    SELECT txid, kind, program, list_distinct(wallets) AS signers FROM tx
    WHERE kind <> 'coinbase' AND len(list_distinct(wallets)) = 1
), scope AS (
    SELECT s.txid, s.kind, s.program, w.entity AS payer FROM single s JOIN wallet w ON w.wallet = signers[1]
), said AS (
    SELECT txid, vout, max(confidence) AS confidence FROM change GROUP BY txid, vout
), back AS (
    SELECT DISTINCT txid, script, true AS back FROM input
), payer_component AS (
    SELECT txid, min(component) AS component FROM input JOIN component USING (script) GROUP BY txid
), spendable AS (
    SELECT s.txid, s.kind, s.program, coalesce(said.confidence, 0) AS confidence, o.is_change,
           w.entity = s.payer AS own, coalesce(c.component = p.component, false) AS linked,
           coalesce(b.back, false) AS back
    FROM scope s JOIN output o USING (txid) JOIN wallet w ON w.wallet = o.wallet
    LEFT JOIN said ON said.txid = o.txid AND said.vout = o.vout
    LEFT JOIN back b ON b.txid = o.txid AND b.script = o.script
    LEFT JOIN component c ON c.script = o.script LEFT JOIN payer_component p ON p.txid = o.txid
), judged AS (
    SELECT *, count(*) OVER one AS n, count(*) FILTER (linked) OVER one = 1 AND NOT bool_or(back) OVER one AS labelled
    FROM spendable WINDOW one AS (PARTITION BY txid)
)
SELECT txid, kind, program, confidence, CASE WHEN is_change THEN true WHEN NOT own THEN false END AS intent,
       CASE WHEN labelled THEN linked END AS cospend
FROM judged WHERE n >= 2
"""
_SPENT = """
WITH linking AS (
    SELECT DISTINCT i.txid, i.script FROM input i JOIN tx USING (txid) WHERE len(list_distinct(wallets)) = 1
), numbered AS (
    SELECT script, row_number() OVER (ORDER BY script) - 1 AS number FROM (SELECT DISTINCT script FROM linking)
)
SELECT script, number, min(number) OVER (PARTITION BY txid) AS first FROM linking JOIN numbered USING (script)
ORDER BY number, first
"""
_COUNTS = """
SELECT kind, program, confidence, {label} AS change, count(*) AS n FROM output WHERE {label} IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""
_TRANSACTIONS = """
WITH each AS (
    SELECT kind, program, max(confidence) AS said, coalesce(bool_or({label}), false) AS change,
           coalesce(max(confidence) FILTER (NOT {label}), 0) AS wrong, count({label}) AS judged
    FROM output GROUP BY txid, kind, program
)
SELECT kind, program, said, change, wrong, count(*) AS n FROM each WHERE judged > 0 GROUP BY ALL ORDER BY ALL
"""
_NO_PROGRAM: Final = "none"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each combination of columns occurs, by one label."""

    outputs: pa.Table
    """kind, program, confidence, change (truth), n."""
    transactions: pa.Table
    """kind, program, said (highest confidence), change (has one), wrong (highest confidence of a payment), n."""


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None throughout where nothing at all is called change: there is no rule then."""
    outputs = judged_outputs(truth, findings)
    scores: Scores = {}
    for label in LABELS:
        tally = Tally(
            select(_COUNTS.format(label=label), output=outputs),
            select(_TRANSACTIONS.format(label=label), output=outputs),
        )
        for part, in_outputs, in_transactions in _parts(tally):
            chosen = Tally(tally.outputs.filter(in_outputs), tally.transactions.filter(in_transactions))
            scores[f"change.transactions[{label}{part}]"] = float(np.sum(chosen.transactions["n"].to_numpy()))
            for threshold in THRESHOLDS:
                figures = _figures(chosen, threshold)
                scores |= {f"change.{name}[{label},{threshold}{part}]": value for name, value in figures.items()}
        scores |= _ranking(tally.outputs, label)
    rule = findings.change.num_rows > 0
    return scores if rule else {k: v if k.startswith("change.transactions") else None for k, v in scores.items()}


def judged_outputs(truth: Truth, findings: Findings) -> pa.Table:
    """The spendable outputs in scope: txid, kind, program, confidence (0: nothing said), and what each label says."""
    return select(
        _OUTPUTS, tx=truth.tx, wallet=truth.wallet, input=truth.input, output=truth.output, change=findings.change,
        component=cospend_components(truth),
    )  # fmt: skip


def cospend_components(truth: Truth) -> pa.Table:
    """Script and component of every address that a single signer has spent from: what is spent together is one."""
    spent = select(_SPENT, input=truth.input, tx=truth.tx)
    numbers, first = (spent[name].to_numpy() for name in ("number", "first"))
    _, rows = np.unique(numbers, return_index=True)
    links = coo_array((np.ones(len(numbers), np.int8), (numbers, first)), shape=(len(rows), len(rows)))
    _, component = connected_components(links, directed=False)
    return pa.table({"script": spent["script"].take(pa.array(rows)), "component": component})


def _parts(tally: Tally) -> Iterator[tuple[str, Mask, Mask]]:
    """Give the whole, each program and each kind: the ending of the name, and which rows of the tally are meant."""
    yield "", np.ones(len(tally.outputs), np.bool_), np.ones(len(tally.transactions), np.bool_)
    for column in ("program", "kind"):
        outputs, transactions = (
            np.asarray(table[column].to_pylist(), np.object_) for table in (tally.outputs, tally.transactions)
        )
        for value in sorted(set(transactions.tolist())):
            yield f",{column}={value or _NO_PROGRAM}", outputs == value, transactions == value


def _figures(tally: Tally, threshold: int) -> Scores:
    """Give the figures of one part at one confidence."""
    outputs, transactions = tally.outputs, tally.transactions
    n, said, change, wrong = (transactions[name].to_numpy() for name in ("n", "said", "change", "wrong"))
    called = confusion(outputs["change"], pc.greater_equal(outputs["confidence"], threshold), outputs["n"])
    return {
        "tpr": called.recall,
        "fpr": called.false_rate,
        "precision": called.precision,
        "coverage": share(n[said >= threshold].sum(), n.sum()),
        "false_without_change": share(n[~change & (wrong >= threshold)].sum(), n[~change].sum()),
    }


def _ranking(outputs: pa.Table, label: str) -> Scores:
    """Give what the order of confidences is worth; None where there is change only, or none."""
    change, confidence, n = (outputs[name].to_numpy() for name in ("change", "confidence", "n"))
    names = [f"change.tpr_at_fpr[{label},{rate:g}]" for rate in FALSE_RATES]
    if len(set(change.tolist())) < len((False, True)):
        return dict.fromkeys([f"change.average_precision[{label}]", *names])
    fpr, tpr, _ = roc_curve(change, confidence, sample_weight=n, drop_intermediate=False)
    scores: Scores = {name: float(tpr[fpr <= rate].max()) for name, rate in zip(names, FALSE_RATES, strict=True)}
    average = average_precision_score(change, confidence, sample_weight=n)
    return scores | {f"change.average_precision[{label}]": float(average)}
