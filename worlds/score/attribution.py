"""Attribution: whether who is named is named rightly, and whether the unknown stays unknown.

An address has a true party (whose business it serves) and a true holder (who has the keys): at a custodian they
differ. Public parties are services and listed parties; of the others nobody outside could know.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, rows, share
from worlds.score.names import names
from worlds.truth.tables import Truth

METRICS: Final[Metrics] = {
    "attribution.addresses": ("addresses paid on chain", "count", ""),
    "attribution.attributed": ("of these, attributed to somebody or to a category", "share", ""),
    "attribution.right[basis]": ("of the addresses attributed, the right party, or its category", "share", "higher"),
    "attribution.holder[basis]": ("of these, the party that holds the keys for another one", "share", ""),
    "attribution.wrong[basis]": ("of these, another party or category", "share", "lower"),
    "attribution.named[basis]": ("addresses attributed on this basis", "count", ""),
    "attribution.coverage[category]": ("of the addresses of public parties, the right party named", "share", "higher"),
    "attribution.misnamed[category]": ("of the addresses of public parties, another one named", "share", "lower"),
    "attribution.unknown_kept[category]": (
        "of the addresses of parties that are not public and that no label names, left open", "share", "higher",
    ),
}  # fmt: skip

# One row per address on chain; several conclusions about one address do not occur.
_OUTCOMES = """
WITH seen AS (
    SELECT DISTINCT script FROM output
), told AS (
    SELECT f.script, coalesce(n.entity, f.entity) AS entity, category, basis
    FROM attribution f LEFT JOIN names n ON n.told = f.entity
)
SELECT e.category, e.service OR e.listed_from IS NOT NULL AS public, coalesce(t.basis, '') AS basis,
       CASE WHEN t.script IS NULL THEN 'open'
            WHEN t.entity = a.entity THEN 'right'
            WHEN t.entity = w.entity THEN 'holder'
            WHEN t.entity = '' AND t.category IN (e.category, h.category) THEN 'right'
            WHEN t.entity = '' AND t.category = 'sanctioned_entity'
                 AND coalesce(e.listed_from, h.listed_from) IS NOT NULL THEN 'right'
            ELSE 'wrong' END AS outcome, count(*) AS n
FROM address a SEMI JOIN seen USING (script)
JOIN entity e ON e.entity = a.entity JOIN wallet w ON w.wallet = a.wallet JOIN entity h ON h.entity = w.entity
LEFT JOIN told t ON t.script = a.script
GROUP BY ALL ORDER BY ALL
"""


class Outcome(NamedTuple):
    """How many addresses of one kind of party had one outcome: open, right, holder or wrong."""

    category: str
    public: bool
    basis: str
    outcome: str
    n: int


def outcomes(truth: Truth, findings: Findings) -> list[Outcome]:
    """Count every address that was paid on chain."""
    tables = {name: getattr(truth, name) for name in ("address", "wallet", "entity", "output")}
    told = {"attribution": findings.attribution, "names": names(truth, findings)}
    return [Outcome(**row) for row in rows(_OUTCOMES, **tables, **told)]


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None where nobody is attributed, or where nobody is of a kind."""
    found = outcomes(truth, findings)
    scores: Scores = {"attribution.addresses": sum(o.n for o in found)}
    if findings.attribution.num_rows == 0:
        found = []
    named = [o for o in found if o.outcome != "open"]
    scores["attribution.attributed"] = share(sum(o.n for o in named), sum(o.n for o in found))
    scores |= _split(named, lambda o: o.basis, _by_basis)
    scores |= _split([o for o in found if o.public], lambda o: o.category, _of_public)
    return scores | _split([o for o in found if not o.public], lambda o: o.category, _of_private)


def _split(
    found: list[Outcome], key: Callable[[Outcome], str], figures: Callable[[str, list[Outcome]], Scores]
) -> Scores:
    """Figures of all, and of each kind apart."""
    scores = figures("", found)
    for kind in sorted({key(o) for o in found}):
        scores |= figures(f"[{kind}]", [o for o in found if key(o) == kind])
    return scores


def _count(found: Iterable[Outcome]) -> Counter[str]:
    count: Counter[str] = Counter()
    for o in found:
        count[o.outcome] += o.n
    return count


def _by_basis(kind: str, found: list[Outcome]) -> Scores:
    count = _count(found)
    shares = {f"attribution.{o}{kind}": share(count[o], count.total()) for o in ("right", "holder", "wrong")}
    return {f"attribution.named{kind}": count.total(), **shares}


def _of_public(kind: str, found: list[Outcome]) -> Scores:
    count = _count(found)
    return {
        f"attribution.coverage{kind}": share(count["right"], count.total()),
        f"attribution.misnamed{kind}": share(count["wrong"], count.total()),
    }


def _of_private(kind: str, found: list[Outcome]) -> Scores:
    """What a label rightly names was no secret: such addresses do not count."""
    count = _count(found)
    return {f"attribution.unknown_kept{kind}": share(count["open"], count["open"] + count["wrong"] + count["holder"])}
