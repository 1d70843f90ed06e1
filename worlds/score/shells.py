"""Shell entities: how well the ranking finds them, whom it takes for one, and how late it does.

The unit is a wallet: the best score among its addresses. Candidates are the sampled wallets, the shells and every
wallet that was ranked; who was not ranked has the score 0. A shell that was never paid is not on the chain and none.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, rows, share
from worlds.score.names import names
from worlds.truth.tables import Truth

LEAD: Final = 0.5
"""Score from which a candidate is a lead."""
TOP: Final = (10, 50)
_DAY: Final = 86_400
_BTC: Final = 100_000_000

METRICS: Final[Metrics] = {
    "shells.candidates": ("wallets that could be taken for a shell", "count", ""),
    "shells.true": ("of these, shells", "count", ""),
    "shells.base_rate": ("share of shells: the precision of a ranking by chance", "share", ""),
    "shells.pr_auc": ("average precision of the ranking", "share", "higher"),
    "shells.precision_at[k]": ("shells among the first k, ties in random order", "share", "higher"),
    "shells.precision": (f"shells among the wallets that score {LEAD} or more", "share", "higher"),
    "shells.recall[type]": (f"shells that score {LEAD} or more", "share", "higher"),
    "shells.macro_recall": ("mean over the types of shell of the recall", "share", "higher"),
    "shells.principal": ("of the shells found, the right principal named", "share", "higher"),
    "shells.false_leads[kind]": (f"others that score {LEAD} or more, by category or role", "count", "lower"),
    "shells.false_lead_rate[kind]": ("the same as a share of their kind", "share", "lower"),
    "shells.delay_days": (
        "from a shell's first day to the first checkpoint with a lead, mean over those found", "days", "lower",
    ),
    "shells.delay_value": ("received by the shell until then, mean over those found", "BTC", "lower"),
    "shells.checkpoint_days": (
        "from one checkpoint to the next, which is as finely as the delay is known, mean", "days", "",
    ),
    "shells.never_found": ("shells that no checkpoint found", "share", "lower"),
}  # fmt: skip

_RANKING = """
WITH named AS (
    SELECT coalesce(a.wallet, hex(s.script)) AS wallet, s.score, coalesce(n.entity, s.principal) AS principal
    FROM ranked s LEFT JOIN (SELECT DISTINCT script, wallet FROM address) a USING (script)
    LEFT JOIN names n ON n.told = s.principal
), best AS (
    SELECT wallet, max(score) AS score, arg_max(principal, score) AS principal FROM named GROUP BY wallet
), true_shell AS (
    SELECT wallet, list(DISTINCT type ORDER BY type) AS types, list(DISTINCT principal) AS principals
    FROM shell SEMI JOIN address USING (wallet) GROUP BY wallet
), candidate AS (
    SELECT DISTINCT wallet FROM matrix UNION SELECT wallet FROM best UNION SELECT wallet FROM true_shell
), kind AS (
    SELECT w.wallet, any_value(e.category) AS category, list(DISTINCT a.role ORDER BY a.role) AS roles
    FROM wallet w JOIN entity e USING (entity) LEFT JOIN address a ON a.wallet = w.wallet GROUP BY w.wallet
)
SELECT c.wallet, coalesce(b.score, 0)::DOUBLE AS score, coalesce(b.principal, '') AS principal, s.types, s.principals,
       coalesce(k.category, 'unknown') AS category, coalesce(k.roles, []) AS roles
FROM candidate c LEFT JOIN best b USING (wallet) LEFT JOIN true_shell s USING (wallet) LEFT JOIN kind k USING (wallet)
ORDER BY c.wallet
"""
_SHELLS = """
SELECT wallet, min(from_height) AS start FROM shell SEMI JOIN address USING (wallet) GROUP BY wallet ORDER BY wallet
"""
_RECEIVED = """
SELECT o.wallet, t.height, sum(o.value)::BIGINT AS value
FROM output o JOIN (SELECT DISTINCT wallet FROM shell) s USING (wallet) JOIN tx t USING (txid)
WHERE NOT o.is_change GROUP BY o.wallet, t.height
"""
_LEADS = f"""
SELECT DISTINCT a.wallet FROM ranked s JOIN address a USING (script) WHERE s.score >= {LEAD}
"""  # noqa: S608


class Candidate(NamedTuple):
    """A wallet that could be taken for a shell; `types` and `principals` are None where it is none."""

    wallet: str
    score: float
    principal: str
    types: list[str] | None
    principals: list[str] | None
    category: str
    roles: list[str]


def candidates(truth: Truth, findings: Findings) -> list[Candidate]:
    """Every candidate, by name."""
    tables = {name: getattr(truth, name) for name in ("address", "shell", "matrix", "wallet", "entity")}
    told = {"ranked": findings.shell, "names": names(truth, findings)}
    return [Candidate(**row) for row in rows(_RANKING, **told, **tables)]


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None where nothing was ranked, or where there is no shell."""
    found = candidates(truth, findings)
    shell = np.array([c.types is not None for c in found], np.bool_)
    ranks = np.array([c.score for c in found], np.float64)
    n, n_true = len(found), int(shell.sum())
    scores: Scores = {"shells.candidates": n, "shells.true": n_true, "shells.base_rate": share(n_true, n)}
    if findings.shell.num_rows == 0:
        return scores | dict.fromkeys(_judged(found), None)
    defined = 0 < n_true < n
    scores["shells.pr_auc"] = float(average_precision_score(shell, ranks)) if defined else None
    for name, k in (("true", n_true), *((str(k), k) for k in TOP)):
        scores[f"shells.precision_at[{name}]"] = precision_at(shell, ranks, k) if n_true else None
    return scores | _leads(found) | _false_leads(found)


def precision_at(shell: npt.NDArray[np.bool_], ranks: npt.NDArray[np.float64], k: int) -> float | None:
    """Share of shells among the `k` best, as expected where ties stand in random order; None beyond the last."""
    if not 0 < k <= len(ranks):
        return None
    last = np.sort(ranks)[-k]
    above, level = ranks > last, ranks == last
    return float(shell[above].sum() + shell[level].mean() * (k - above.sum())) / k


def _judged(found: Sequence[Candidate]) -> list[str]:
    """Names of the figures that need a ranking."""
    names = ["shells.pr_auc", *(f"shells.precision_at[{k}]" for k in ("true", *TOP))]
    return names + list(_leads(found))


def _leads(found: Sequence[Candidate]) -> Scores:
    """What the threshold gives: precision, recall by type, and whether the principal is right."""
    leads = [c for c in found if c.score >= LEAD]
    hits = [c for c in leads if c.types is not None]
    by_type: defaultdict[str, list[bool]] = defaultdict(list)
    for c in found:
        for one in c.types or ():
            by_type[one].append(c.score >= LEAD)
    recall = {name: share(sum(flags), len(flags)) for name, flags in sorted(by_type.items())}
    return {
        "shells.precision": share(len(hits), len(leads)),
        "shells.recall": share(len(hits), sum(c.types is not None for c in found)),
        **{f"shells.recall[{name}]": value for name, value in recall.items()},
        "shells.macro_recall": share(sum(value or 0 for value in recall.values()), len(recall)),
        "shells.principal": share(sum(c.principal in (c.principals or ()) for c in hits), len(hits)),
    }


def _false_leads(found: Sequence[Candidate]) -> Scores:
    """Who is taken for a shell: by the party's category, and by what the wallet's addresses are there for."""
    others = [c for c in found if c.types is None]
    kinds = Counter(kind for c in others for kind in (c.category, *c.roles))
    wrong = Counter(kind for c in others if c.score >= LEAD for kind in (c.category, *c.roles))
    scores: Scores = {"shells.false_leads": sum(c.score >= LEAD for c in others)}
    for kind, n in sorted(kinds.items()):
        scores |= {f"shells.false_leads[{kind}]": wrong[kind], f"shells.false_lead_rate[{kind}]": wrong[kind] / n}
    return scores


def delay(truth: Truth, checkpoints: Sequence[tuple[int, Findings]], interval: float) -> Scores:
    """How late each shell is found.

    Parameters
    ----------
    truth
        The whole world's.
    checkpoints
        Heights, rising, and what was said with the chain up to each.
    interval
        Seconds between blocks.

    Returns
    -------
    Scores
        None throughout where no checkpoint ranks anybody, or where there is no shell. A lead from before the shell
        began counts from its first checkpoint on.
    """
    starts = {str(row["wallet"]): int(row["start"]) for row in rows(_SHELLS, shell=truth.shell, address=truth.address)}
    ranked = any(findings.shell.num_rows for _, findings in checkpoints)
    first: dict[str, int] = {}
    for height, findings in checkpoints:
        for row in rows(_LEADS, ranked=findings.shell, address=truth.address):
            if starts.get(row["wallet"], height + 1) <= height:
                first.setdefault(row["wallet"], height)
    through = dict.fromkeys(first, 0)
    for row in rows(_RECEIVED, output=truth.output, shell=truth.shell, tx=truth.tx):
        wallet = row["wallet"]
        if wallet in first and starts[wallet] <= row["height"] <= first[wallet]:
            through[wallet] += row["value"]
    heights = [height for height, _ in checkpoints]
    apart = share((heights[-1] - heights[0]) * interval / _DAY, len(heights) - 1) if heights else None
    days = sum(height - starts[wallet] for wallet, height in first.items()) * interval / _DAY
    return {
        "shells.delay_days": share(days, len(first)),
        "shells.delay_value": share(sum(through.values()) / _BTC, len(first)),
        "shells.checkpoint_days": apart if ranked and starts else None,
        "shells.never_found": share(len(starts) - len(first), len(starts)) if ranked else None,
    }
