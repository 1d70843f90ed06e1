"""Mining: whether the pool that is named for a block mined it, and whether those called miners are.

The pool of a block is whose wallet its coinbase pays. Of miners, the addresses are asked about at which they are paid
by pools; who is called a miner and is none counts by every address that is called so.
"""

from typing import Final

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, rows, share
from worlds.truth.tables import Truth

METRICS: Final[Metrics] = {
    "mining.blocks": ("blocks, their pool known to the truth", "count", ""),
    "mining.named[rule]": ("of these, a pool is named", "count", ""),
    "mining.precision[rule]": ("of the blocks for which a pool is named, the right one", "share", "higher"),
    "mining.coverage": ("of all blocks, the right pool named", "share", "higher"),
    "mining.paid": ("addresses at which pools pay miners", "count", ""),
    "mining.called[rule]": ("addresses said to be a miner's", "count", ""),
    "mining.miner_precision[rule]": ("of the addresses said to be a miner's, a miner's", "share", "higher"),
    "mining.miner_recall": ("of the addresses at which pools pay miners, said to be a miner's", "share", "higher"),
}
_BLOCKS: Final = """
WITH mined AS (
    SELECT txid, max_by(w.entity, o.value) AS entity
    FROM tx JOIN output o USING (txid) JOIN wallet w ON w.wallet = o.wallet WHERE kind = 'coinbase' GROUP BY txid
)
SELECT coalesce(basis, '') AS rule, coalesce(p.entity = m.entity, false) AS "right", count(*) AS n
FROM mined m LEFT JOIN pool_block p USING (txid) GROUP BY ALL ORDER BY ALL
"""
_MINERS: Final = """
WITH paid AS (
    SELECT DISTINCT script FROM output
), asked AS (
    SELECT script, e.category = 'miner' AS mines, e.category = 'miner' AND a.role = 'payout' AS payout
    FROM address a JOIN entity e USING (entity) SEMI JOIN paid USING (script)
)
SELECT coalesce(basis, '') AS rule, coalesce(mines, false) AS mines, coalesce(payout, false) AS payout, count(*) AS n
FROM asked FULL JOIN miner USING (script) WHERE payout OR basis IS NOT NULL GROUP BY ALL ORDER BY ALL
"""


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None where nothing at all is said of what it asks about."""
    return _of_blocks(truth, findings) | _of_miners(truth, findings)


def _of_blocks(truth: Truth, findings: Findings) -> Scores:
    tables = {name: getattr(truth, name) for name in ("tx", "output", "wallet")}
    found = rows(_BLOCKS, pool_block=findings.pool_block, **tables)
    told = bool(findings.pool_block.num_rows)
    every, right = sum(row["n"] for row in found), sum(row["n"] for row in found if row["right"])
    scores: Scores = {"mining.blocks": every, "mining.coverage": share(right, every) if told else None}
    for rule in ("", *sorted({row["rule"] for row in found} - {""})):
        named = [row for row in found if row["rule"] and rule in {"", row["rule"]}]
        n, good = sum(row["n"] for row in named), sum(row["n"] for row in named if row["right"])
        bracket = f"[{rule}]" if rule else ""
        scores |= {f"mining.named{bracket}": n, f"mining.precision{bracket}": share(good, n)}
    return scores


def _of_miners(truth: Truth, findings: Findings) -> Scores:
    tables = {name: getattr(truth, name) for name in ("address", "entity", "output")}
    found = rows(_MINERS, miner=findings.miner, **tables)
    paid = [row for row in found if row["payout"]]
    n, seen = sum(row["n"] for row in paid), sum(row["n"] for row in paid if row["rule"])
    recall = share(seen, n) if findings.miner.num_rows else None
    scores: Scores = {"mining.paid": n, "mining.miner_recall": recall}
    for rule in ("", *sorted({row["rule"] for row in found} - {""})):
        called = [row for row in found if row["rule"] and rule in {"", row["rule"]}]
        n, good = sum(row["n"] for row in called), sum(row["n"] for row in called if row["mines"])
        bracket = f"[{rule}]" if rule else ""
        scores |= {f"mining.called{bracket}": n, f"mining.miner_precision{bracket}": share(good, n)}
    return scores
