"""Which party a list's entry is: lists name parties by their own numbers, the truth by its own ids."""

import pyarrow as pa

from heuristics.attribution.conclusions import LISTED
from worlds.score.findings import Findings
from worlds.score.measure import select
from worlds.truth.tables import Truth

_NAMES = f"""
WITH entry AS (
    SELECT f.entity AS told, a.entity, count(*) AS n FROM attribution f JOIN address a USING (script)
    WHERE f.basis = '{LISTED}' AND f.entity <> '' AND f.entity NOT IN (SELECT entity FROM entity) GROUP BY ALL
)
SELECT told, entity FROM entry QUALIFY row_number() OVER (PARTITION BY told ORDER BY n DESC, entity) = 1 ORDER BY told
"""  # noqa: S608


def names(truth: Truth, findings: Findings) -> pa.Table:
    """Ids that only the findings know (`told`) with the world's id of that party (`entity`).

    An id is the party's whose addresses the list gives under it.
    """
    return select(_NAMES, attribution=findings.attribution, address=truth.address, entity=truth.entity)
