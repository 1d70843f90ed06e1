"""Deposit addresses: which of those that exchanges give to their customers are said to be what they are, and whose.

The figures without brackets are of exchanges, a listed one included, and the bars are on them; other services that
give out such addresses stand apart, by category. A claim counts for the category of the service that it names, and for
exchanges where it names none: it is said of an exchange. Addresses that nobody paid are not asked about.

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
from worlds.score.names import names
from worlds.truth.tables import Truth

METRICS: Final[Metrics] = {
    "deposits.paid[category]": ("deposit addresses of exchanges that were paid on chain", "count", ""),
    "deposits.called[category]": ("addresses said to be an exchange's deposit address", "count", ""),
    "deposits.precision[category]": ("of these, a deposit address of the service named", "share", "higher"),
    "deposits.precision_owner[category]": (
        "of these, an address of the service named, whatever its role", "share", "higher",
    ),
    "deposits.recall_paid[category]": (
        "of those paid on chain, said to be a deposit address of the right service", "share", "higher",
    ),
    "deposits.recall_any[category]": (
        "of those paid on chain, said to be one, of whichever service", "share", "higher",
    ),
    "deposits.recall_macro[category]": ("recall of those paid on chain, mean over services", "share", "higher"),
    "deposits.wrong_service[category]": (
        "of those said to be one that are, of another service than said", "share", "lower",
    ),
    "deposits.f1[category]": ("harmonic mean of precision and recall_paid", "share", "higher"),
}  # fmt: skip

EXCHANGE: Final = "exchange"
"""The category that the bars are on."""
# A claim that names nobody is a claim all the same, and right about nobody.
_UNNAMED: Final = "(nobody)"
_JUDGED: Final = f"""
WITH claim AS (
    SELECT script, first(coalesce(n.entity, nullif(d.entity, ''), '{_UNNAMED}') ORDER BY confidence DESC, d.entity)
           AS said
    FROM deposit d LEFT JOIN names n ON n.told = d.entity GROUP BY script
), paid AS (
    SELECT DISTINCT script, true AS paid FROM output
)
SELECT CASE WHEN a.role = 'deposit' THEN a.entity ELSE '' END AS true, coalesce(c.said, '') AS said,
       CASE WHEN a.role = 'deposit' THEN t.category ELSE '' END AS true_of,
       CASE WHEN c.said IS NULL THEN '' WHEN s.service THEN s.category ELSE '{EXCHANGE}' END AS said_of,
       coalesce(a.entity = c.said, false) AS "right", coalesce(p.paid, false) AS paid, count(*) AS n
FROM address a FULL JOIN claim c USING (script) LEFT JOIN paid p USING (script)
LEFT JOIN entity t ON t.entity = a.entity LEFT JOIN entity s ON s.entity = c.said
WHERE role = 'deposit' OR said IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""  # noqa: S608


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None throughout where nothing at all is called: there is no rule then."""
    tables = {name: getattr(truth, name) for name in ("address", "output", "entity")}
    judged = select(_JUDGED, deposit=findings.deposit, names=names(truth, findings), **tables)
    kinds = {*judged["true_of"].to_pylist(), *judged["said_of"].to_pylist()} - {"", EXCHANGE}
    scores: Scores = {}
    for kind in (EXCHANGE, *sorted(kinds)):
        told = bool(findings.deposit.num_rows)
        scores |= _figures("" if kind == EXCHANGE else f"[{kind}]", judged, kind, told=told)
    return scores


def _figures(name: str, judged: pa.Table, kind: str, *, told: bool) -> Scores:
    """Give the figures of the services of one category."""
    called, true = (judged.filter(pc.equal(judged[side], kind)) for side in ("said_of", "true_of"))
    paid = true.filter(true["paid"])
    scores: Scores = {f"deposits.paid{name}": _n(paid), f"deposits.called{name}": _n(called)}
    are = called.filter(pc.not_equal(called["true"], ""))
    right = _n(are.filter(are["right"]))
    precision = share(right, _n(called))
    recall = share(_n(paid.filter(paid["right"])), _n(paid))
    found = {
        "precision": precision,
        "precision_owner": share(_n(called.filter(called["right"])), _n(called)),
        "recall_paid": recall,
        "recall_any": share(_n(paid.filter(pc.not_equal(paid["said"], ""))), _n(paid)),
        "recall_macro": _macro(paid),
        "wrong_service": share(_n(are) - right, _n(are)),
        "f1": f1(precision, recall),
    }
    return scores | {f"deposits.{key}{name}": value if told else None for key, value in found.items()}


def _n(judged: pa.Table) -> float:
    return float(pc.sum(judged["n"]).as_py() or 0)


def _macro(paid: pa.Table) -> float | None:
    """Give the mean over services of how many of their deposit addresses were found."""
    true, said = (paid[name].to_pylist() for name in ("true", "said"))
    if not true:
        return None
    return float(
        recall_score(true, said, labels=sorted(set(true)), average="macro", sample_weight=paid["n"].to_numpy())
    )
