"""Who every wallet is: what its tags say and what rules claim, best first.

Two entities claimed with confidence of 50 or more in one wallet are a conflict, and both are kept. A claim is a rule's
(a deposit address, a pool, a service that nobody names): it is no surer than what is known of the wallet that it
reaches, and it says nothing of a listing, which is a matter of addresses.
"""

from typing import Final

import duckdb

from heuristics.attribution.conclusions import SURE_ENOUGH
from store.formats.taxonomy import CATEGORIES

# Every standing tag as its address and as the other scripts of its key say it.
_SPOKEN: Final = """
CREATE OR REPLACE TEMP VIEW spoken AS
SELECT *, address_id AS named_id FROM tag WHERE stands
UNION ALL
SELECT t.* REPLACE (k.address_id AS address_id, k.number AS number, k.cluster AS cluster), k.named_id
FROM same_key k JOIN tag t USING (tag_id) WHERE t.stands
"""
# Who is in the claims' transactions: a small part of all histories, so that nothing large is joined after it.
_TOUCHED: Final = """
CREATE OR REPLACE TEMP TABLE touched AS
SELECT tx_id, number FROM base.address_tx WHERE tx_id IN (SELECT tx_id FROM claim)
"""
_HOLDERS: Final = """
CREATE OR REPLACE TEMP TABLE holder AS
SELECT a.number, a.address_id, coalesce(w.wallet, a.cluster, a.number) AS wallet
FROM base.address a LEFT JOIN wallet w ON w.cluster = coalesce(a.cluster, a.number)
WHERE a.number IN (SELECT number FROM touched UNION SELECT wallet FROM claim UNION SELECT toward FROM claim)
"""
# Claims with a member of the wallet that is in the transaction, and with the wallet that they reach.
_CLAIMED: Final = """
CREATE OR REPLACE TEMP TABLE claimed AS
WITH member AS (
    SELECT h.wallet, t.tx_id, min(t.number) AS number
    FROM touched t JOIN holder h USING (number)
    GROUP BY ALL
)
SELECT c.*, coalesce(m.number, c.wallet) AS number, a.address_id, t.wallet AS reached
FROM claim c
LEFT JOIN member m ON m.wallet = c.wallet AND m.tx_id = c.tx_id
JOIN holder a ON a.number = coalesce(m.number, c.wallet)
LEFT JOIN holder t ON t.number = c.toward
"""
# Best first: listed now, listed once, then by confidence; the last terms make it the same every time.
_ATTRIBUTIONS: Final = """
INSERT INTO attribution
WITH speaking AS (
    SELECT t.* REPLACE (coalesce(w.wallet, t.cluster) AS cluster),
           coalesce(t.entity_id, chr(0) || t.category) AS party,
           CASE WHEN t.list_id IS NULL THEN 2 WHEN t.listed_to IS NULL THEN 0 ELSE 1 END AS standing
    FROM spoken t
    LEFT JOIN base.cluster c ON c.cluster = t.cluster
    LEFT JOIN wallet w ON w.cluster = t.cluster
    WHERE t.cluster IS NOT NULL AND (t.cluster_definer OR (c.cluster IS NULL AND w.cluster IS NULL))
), tagged AS (
    SELECT cluster, party, standing, entity_id, category, confidence, tag_id, number, address_id, named_id, list_id,
           listed_from, listed_to, 0 AS rule, NULL::INTEGER AS toward, NULL::BIGINT AS tx_id,
           count(DISTINCT tag_id) OVER party_tags AS n_tags, max(confidence) OVER party_tags AS surest
    FROM speaking
    WINDOW party_tags AS (PARTITION BY cluster, party)
    QUALIFY row_number() OVER (PARTITION BY cluster, party ORDER BY standing, confidence DESC, tag_id, number) = 1
), ruled AS (
    SELECT c.wallet AS cluster, c.entity_id,
           CASE WHEN list_position($order, e.category) < list_position($order, c.category) THEN e.category
                ELSE c.category END AS category,
           least(c.confidence, coalesce(t.surest, 100)) AS confidence, c.number, c.address_id, c.rule, c.toward,
           c.tx_id, c.n
    FROM claimed c
    LEFT JOIN entity e ON e.entity_id = c.entity_id
    LEFT JOIN tagged t ON t.cluster = c.reached AND t.entity_id = c.entity_id AND c.reached <> c.wallet
), every AS (
    FROM tagged
    UNION ALL BY NAME
    SELECT * EXCLUDE (n), coalesce(entity_id, chr(0) || category) AS party, 2 AS standing, confidence AS surest,
           0 AS n_tags
    FROM ruled
    QUALIFY row_number() OVER (PARTITION BY cluster, party ORDER BY confidence DESC, n DESC, rule, tx_id) = 1
), best AS (
    SELECT * REPLACE (max(surest) OVER agreeing AS surest, max(n_tags) OVER agreeing AS n_tags),
           rule <> 0 AND entity_id IS NULL AS nameless
    FROM every
    WINDOW agreeing AS (PARTITION BY cluster, party)
    QUALIFY row_number() OVER (PARTITION BY cluster, party ORDER BY standing, confidence DESC, rule) = 1
), judged AS (
    SELECT *, count(*) FILTER (entity_id IS NOT NULL AND surest >= $sure) OVER (PARTITION BY cluster) > 1 AS conflict
    FROM best
)
SELECT cluster,
       row_number() OVER (
           PARTITION BY cluster
           ORDER BY standing, nameless, confidence DESC, n_tags DESC, entity_id NULLS LAST, category
       ) - 1 AS rank,
       entity_id, category, confidence, tag_id, number, address_id, named_id, n_tags, list_id, listed_from, listed_to,
       conflict, rule, toward, tx_id
FROM judged
ORDER BY cluster, rank
"""


def rank(con: duckdb.DuckDBPyConnection) -> None:
    """Fill `attribution` anew from the tables tag, same_key, wallet, claim and entity.

    To be asked for again whenever wallets or claims have changed. The temporary `spoken` and `claimed` stay.

    Parameters
    ----------
    con
        Connection to a labels file, with its base attached as `base`.
    """
    con.execute("DELETE FROM attribution")
    con.execute(_SPOKEN)
    for step in (_TOUCHED, _HOLDERS, _CLAIMED):
        con.execute(step)
    con.execute(_ATTRIBUTIONS, {"sure": SURE_ENOUGH, "order": list(CATEGORIES)})
