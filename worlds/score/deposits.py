"""Deposit addresses: which of those that services give to their customers are said to be what they are, and whose.

An address is said to be a service's deposit address once: by the surest claim. Two precisions are told apart, for an
exchange's hot wallet that is called its deposit address is a wrong answer to one question and a right one to another:
`precision_owner` asks whether the address is that service's at all, `precision` whether it is its deposit address.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import recall_score

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, f1, select, share
from worlds.truth.tables import Truth

METRICS: Final[Metrics] = {
    "deposits.issued": ("deposit addresses that services gave out", "count", ""),
    "deposits.paid": ("of these, paid on chain", "count", ""),
    "deposits.called": ("addresses said to be a deposit address", "count", ""),
    "deposits.precision": ("of these, a deposit address of the service named", "share", "higher"),
    "deposits.precision_owner": ("of these, an address of the service named, whatever its role", "share", "higher"),
    "deposits.recall": ("of those given out, said to be a deposit address of the right service", "share", "higher"),
    "deposits.recall_paid": ("of those paid on chain, the same", "share", "higher"),
    "deposits.recall_any": ("of those paid on chain, said to be one, of whichever service", "share", "higher"),
    "deposits.recall_macro": ("recall of those paid on chain, mean over services", "share", "higher"),
    "deposits.wrong_service": ("of those said to be one that are, of another service than said", "share", "lower"),
    "deposits.f1": ("harmonic mean of precision and recall_paid", "share", "higher"),
}

# A claim that names nobody is a claim all the same, and right about nobody.
_UNNAMED: Final = "(nobody)"
_JUDGED: Final = f"""
WITH claim AS (
    SELECT script, first(coalesce(nullif(entity, ''), '{_UNNAMED}') ORDER BY confidence DESC, entity) AS said
    FROM deposit GROUP BY script
), paid AS (
    SELECT DISTINCT script, true AS paid FROM output
)
SELECT CASE WHEN a.role = 'deposit' THEN a.entity ELSE '' END AS true, coalesce(c.said, '') AS said,
       coalesce(a.entity = c.said, false) AS "right", coalesce(p.paid, false) AS paid, count(*) AS n
FROM address a FULL JOIN claim c USING (script) LEFT JOIN paid p USING (script)
WHERE role = 'deposit' OR said IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""  # noqa: S608


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None throughout where nothing at all is called: there is no rule then."""
    judged = select(_JUDGED, address=truth.address, output=truth.output, deposit=findings.deposit)
    true, called = (pc.not_equal(judged[name], "") for name in ("true", "said"))
    right, paid, both = (pc.and_(true, other) for other in (judged["right"], judged["paid"], called))
    counts: Scores = {"deposits.issued": _n(judged, true), "deposits.paid": _n(judged, paid)}
    counts["deposits.called"] = _n(judged, called)
    if not findings.deposit.num_rows:
        return dict.fromkeys(METRICS) | counts
    precision = share(_n(judged, right), _n(judged, called))
    recall_paid = share(_n(judged, pc.and_(paid, right)), _n(judged, paid))
    return counts | {
        "deposits.precision": precision,
        "deposits.precision_owner": share(_n(judged, judged["right"]), _n(judged, called)),
        "deposits.recall": share(_n(judged, right), _n(judged, true)),
        "deposits.recall_paid": recall_paid,
        "deposits.recall_any": share(_n(judged, pc.and_(paid, called)), _n(judged, paid)),
        "deposits.recall_macro": _macro(judged.filter(paid)),
        "deposits.wrong_service": share(_n(judged, both) - _n(judged, right), _n(judged, both)),
        "deposits.f1": f1(precision, recall_paid),
    }


def _n(judged: pa.Table, chosen: pa.ChunkedArray) -> float:
    return float(pc.sum(judged["n"].filter(chosen)).as_py() or 0)


def _macro(paid: pa.Table) -> float | None:
    """Give the mean over services of how many of their deposit addresses were found."""
    true, said = (paid[name].to_pylist() for name in ("true", "said"))
    if not true:
        return None
    return float(
        recall_score(true, said, labels=sorted(set(true)), average="macro", sample_weight=paid["n"].to_numpy())
    )
