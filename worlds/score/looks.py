"""How the transactions of a chain look: counts by version, nSequence, locktime, shape, order, script type and fee."""

from typing import Final

from chains.bitcoin.tables import ScriptType
from heuristics.facts import Facts

_FINAL: Final = 0xFFFF_FFFF
_SECONDS_FROM: Final = 500_000_000  # a locktime from here on is a time
_ROUND: Final = 1_000  # satoshi of which a round fee is a multiple
_SCRIPTS: Final = [kind.name.lower() for kind in ScriptType]
# Coinbases are left out, and outputs that nobody can spend are of no script type.
_LOOKS: Final = f"""
WITH plain AS (
    SELECT tx_id, version, locktime, n_in, n_out, fee, tx_id >> 20 AS height FROM {{tx}} WHERE n_in > 0
), signal AS (
    SELECT tx_id, CASE WHEN count(DISTINCT sequence) > 1 THEN 'mixed' WHEN min(sequence) < {_FINAL - 2} THEN 'other'
                       ELSE printf('%x', min(sequence)) END AS value
    FROM {{spend}} GROUP BY tx_id
), made AS (
    SELECT tx_id, list(value ORDER BY vout) AS amounts,
           count(DISTINCT script_type) FILTER (script_type <> {ScriptType.OP_RETURN.value}) AS kinds,
           min(script_type) FILTER (script_type <> {ScriptType.OP_RETURN.value}) AS kind
    FROM {{output}} GROUP BY tx_id
), own AS (
    SELECT DISTINCT o.tx_id FROM {{output}} o JOIN {{spend}} s ON s.tx_id = o.tx_id AND s.address_id = o.address_id
), look AS (
    SELECT 'version' AS feature, CASE WHEN version IN (1, 2) THEN version::VARCHAR ELSE 'other' END AS value FROM plain
    UNION ALL SELECT 'nSequence', value FROM signal SEMI JOIN plain USING (tx_id)
    UNION ALL SELECT 'locktime', CASE WHEN locktime = 0 THEN '0' WHEN locktime = height - 1 THEN 'tip'
        WHEN locktime < {_SECONDS_FROM} AND locktime < height THEN 'earlier height' ELSE 'other' END FROM plain
    UNION ALL SELECT 'shape', n_in || '-' || n_out FROM plain
    UNION ALL SELECT 'outputs', CASE WHEN n_out = 1 THEN 'single' WHEN amounts = list_sort(amounts) THEN 'by value'
        ELSE 'unsorted' END FROM plain JOIN made USING (tx_id)
    UNION ALL SELECT 'script', CASE WHEN kinds > 1 THEN 'mixed' ELSE ({_SCRIPTS})[kind + 1] END
        FROM plain JOIN made USING (tx_id) WHERE kinds > 0
    UNION ALL SELECT 'fee', CASE WHEN fee % {_ROUND} = 0 THEN 'round' ELSE 'not round' END
        FROM plain WHERE fee IS NOT NULL
    UNION ALL SELECT 'reuse', CASE WHEN own.tx_id IS NULL THEN 'none' ELSE 'pays an address it spends from' END
        FROM plain LEFT JOIN own USING (tx_id)
)
SELECT feature, value AS kind, count(*) AS n FROM look GROUP BY ALL
"""  # noqa: S608


def looks(facts: Facts) -> str:
    """Give the question that counts every feature's kinds over the lake's transactions."""
    return _LOOKS.format(**{name: facts.sql(name) for name in ("tx", "spend", "output")})
