"""The labels file: claims laid over the base, and what follows from them for clusters and their flows.

A tag speaks for the address that it names. It names the whole cluster only where its source says that it may,
or where the address is alone. Two entities claimed with confidence of 50 or more in one cluster are a
conflict, and both are kept. What was removed from a list stays, with its dates.
"""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from chains.ids import address_id
from heuristics.attribution.conclusions import SURE_ENOUGH
from store.index import SCHEMA_VERSION
from store.labels import LabelSnapshot

_TAGS = """
INSERT INTO tag
SELECT t.address_id, a.number, coalesce(a.cluster, a.number), t.tag_id, t.address, t.entity_id, t.label, t.category,
       t.confidence, t.cluster_definer, t.list_id, t.listed_from, t.listed_to, t.source_name, t.source_sha256,
       t.source_date, t.source_uri
FROM tags t LEFT JOIN base.address a USING (address_id)
ORDER BY t.address_id, t.tag_id
"""
# Best first: listed now, listed once, then by confidence; the tag id makes it the same every time.
_ATTRIBUTIONS = """
INSERT INTO attribution
WITH speaking AS (
    SELECT t.*, coalesce(t.entity_id, chr(0) || t.category) AS party,
           CASE WHEN t.list_id IS NULL THEN 2 WHEN t.listed_to IS NULL THEN 0 ELSE 1 END AS standing
    FROM tag t LEFT JOIN base.cluster c ON c.cluster = t.cluster
    WHERE t.cluster IS NOT NULL AND (t.cluster_definer OR c.cluster IS NULL)
), best AS (
    SELECT *, count(*) OVER party_tags AS n_tags, max(confidence) OVER party_tags AS surest
    FROM speaking
    WINDOW party_tags AS (PARTITION BY cluster, party)
    QUALIFY row_number() OVER (PARTITION BY cluster, party ORDER BY standing, confidence DESC, tag_id) = 1
), judged AS (
    SELECT *, count(*) FILTER (entity_id IS NOT NULL AND surest >= $sure) OVER (PARTITION BY cluster) > 1 AS conflict
    FROM best
)
SELECT cluster,
       row_number() OVER (
           PARTITION BY cluster ORDER BY standing, confidence DESC, n_tags DESC, entity_id NULLS LAST, category
       ) - 1 AS rank,
       entity_id, category, confidence, tag_id, number, address_id, n_tags, list_id, listed_from, listed_to, conflict
FROM judged
ORDER BY cluster, rank
"""
# The listing shown is one that stands, else the earliest; dealings are held against every listing of the
# cluster they were with, as overlaps() in exposure.flows does.
_EXPOSURE = """
INSERT INTO exposure
WITH dealt AS (
    FROM base.flow SEMI JOIN (SELECT DISTINCT cluster FROM base.flow_total) busy USING (cluster)
    WHERE counterparty >= 0
), day AS (
    SELECT height, DATE '1970-01-01' + (time // 86400)::INTEGER AS day FROM base.block
), listed AS (
    SELECT DISTINCT cluster, coalesce(listed_from, DATE '0001-01-01') AS since,
           coalesce(listed_to, DATE '9999-12-31') AS until
    FROM tag SEMI JOIN (FROM attribution WHERE rank = 0 AND list_id IS NOT NULL) a USING (cluster)
    WHERE list_id IS NOT NULL
), within AS (
    SELECT DISTINCT f.cluster, f.direction, f.counterparty
    FROM dealt f JOIN listed l ON l.cluster = f.counterparty
    JOIN day first ON first.height = f.first_tx_id >> 20 JOIN day last ON last.height = f.last_tx_id >> 20
    WHERE last.day >= l.since AND first.day < l.until
), summed AS (
    SELECT f.cluster, f.direction, a.entity_id, coalesce(a.category, 'unattributed') AS category,
           coalesce(max(a.confidence), 0) AS confidence, sum(f.value)::BIGINT AS value, sum(f.n_tx)::BIGINT AS n_tx,
           min(f.first_tx_id) AS first_tx_id, max(f.last_tx_id) AS last_tx_id,
           arg_min(
               {'list_id': a.list_id, 'since': a.listed_from, 'until': a.listed_to},
               (a.listed_to IS NOT NULL, coalesce(a.listed_from, DATE '0001-01-01'), a.list_id)
           ) FILTER (a.list_id IS NOT NULL) AS listing,
           bool_or(w.cluster IS NOT NULL) AS after_designation
    FROM dealt f
    LEFT JOIN attribution a ON a.cluster = f.counterparty AND a.rank = 0
    LEFT JOIN within w ON (w.cluster, w.direction, w.counterparty) = (f.cluster, f.direction, f.counterparty)
    GROUP BY ALL
)
SELECT cluster, direction, entity_id, category, confidence, value, n_tx, first_tx_id, last_tx_id, listing.list_id,
       listing.since, listing.until, after_designation
FROM summed
ORDER BY cluster, direction, category, entity_id
"""


def fill(con: duckdb.DuckDBPyConnection, base: Path, snapshot: LabelSnapshot, network: str, secret: bytes) -> None:
    """Fill a labels file.

    Parameters
    ----------
    con
        Connection to the new file.
    base
        The base file that the labels are laid over.
    snapshot
        The label version.
    network, secret
        The lake's: tags of other networks and chains are left out.
    """
    place = str(base).replace("'", "''")
    con.execute(f"ATTACH '{place}' AS base (READ_ONLY)")
    facts = {"schema_version": str(SCHEMA_VERSION), "label_version": snapshot.version, "base": base.name}
    con.register("facts", pa.table({"key": list(facts), "value": list(facts.values())}))
    con.execute("INSERT INTO label_meta FROM facts")
    con.register("entities", snapshot.entities)
    con.execute(
        "INSERT INTO entity SELECT entity_id, name, category, jurisdictions, source_sha256 "
        "FROM entities ORDER BY entity_id"
    )
    con.register("lists", snapshot.lists)
    con.execute("INSERT INTO list SELECT list_id, name, date, sha256, entries FROM lists ORDER BY list_id")
    con.register("tags", _with_ids(snapshot.tags, network, secret))
    con.execute(_TAGS)
    con.execute(_ATTRIBUTIONS, {"sure": SURE_ENOUGH})
    con.execute(_EXPOSURE)
    con.execute("DETACH base")


def _with_ids(tags: pa.Table, network: str, secret: bytes) -> pa.Table:
    """Tags of this chain and network, with the address id of their scripts."""
    mine = pa.array(
        [
            chain == "bitcoin" and of == network and script is not None
            for chain, of, script in zip(
                *(tags[name].to_pylist() for name in ("chain", "network", "script")), strict=True
            )
        ],
        pa.bool_(),
    )
    tags = tags.filter(mine)
    ids: Any = np.fromiter((address_id(script, secret) for script in tags["script"].to_pylist()), np.int64, len(tags))
    return tags.append_column("address_id", pa.array(ids))
