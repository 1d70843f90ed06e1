"""Spends whose source carried no spent outputs: look them up among the lake's own outputs."""

import duckdb

from chains.blocks import Blocks, Span
from store.lake import Lake

_SPENT = """
WITH source AS (
    SELECT tx_id, tx_key FROM tx WHERE tx_key IN (SELECT prev_tx_key FROM own_spend)
), origin AS (
    SELECT source.tx_key, output.vout, output.value, output.script_type, output.address_id
    FROM source JOIN output USING (tx_id)
    -- Two early pairs of coinbases share a txid: the later one replaced the other.
    QUALIFY row_number() OVER (PARTITION BY source.tx_key, output.vout ORDER BY source.tx_id DESC) = 1
)
SELECT own_spend.* REPLACE (
    origin.value AS value,
    coalesce(origin.script_type, 0) AS script_type,
    origin.address_id AS address_id
)
FROM own_spend
LEFT JOIN origin ON origin.tx_key = own_spend.prev_tx_key AND origin.vout = own_spend.prev_vout
ORDER BY own_spend.tx_id, own_spend.vin
"""
_FEES = """
WITH spent AS (
    SELECT tx_id, sum(value) AS value, count(*) = count(value) AS whole
    FROM resolved_spend GROUP BY tx_id
), created AS (
    SELECT tx_id, sum(value) AS value FROM own_output GROUP BY tx_id
)
SELECT own_tx.* REPLACE (
    CASE WHEN own_tx.n_in = 0 THEN 0 WHEN spent.whole THEN (spent.value - created.value)::BIGINT END AS fee
)
FROM own_tx LEFT JOIN spent USING (tx_id) LEFT JOIN created USING (tx_id)
ORDER BY own_tx.tx_id
"""


def resolve(lake: Lake, blocks: Blocks) -> Blocks:
    """The same blocks with every spend filled in whose origin is in the lake below, or in the blocks.

    What lies before the lake's history stays unresolved and is counted.
    """
    below = [span for span in lake.spans() if span.last < blocks.span.first]
    con = duckdb.connect()
    con.execute("SET python_enable_replacements = false")
    for name in ("tx", "output", "spend"):
        con.register(f"own_{name}", blocks.tables[name])
    for name in ("tx", "output"):
        con.execute(_all_of(lake, name, below))
    spend = con.sql(_SPENT).to_arrow_table().cast(blocks.tables["spend"].schema)
    con.register("resolved_spend", spend)
    tx = con.sql(_FEES).to_arrow_table().cast(blocks.tables["tx"].schema)
    con.close()
    tables = {**blocks.tables, "spend": spend, "tx": tx}
    return Blocks(blocks.span, blocks.prev_hash, blocks.last_hash, tables, spend["value"].null_count)


def _all_of(lake: Lake, name: str, below: list[Span]) -> str:
    """SQL for a view over a table's segments below and the rows of the blocks themselves."""
    paths = [str(path).replace("'", "''") for path in lake.paths(name, below)]
    stored = "".join(f"SELECT * FROM read_parquet('{path}') UNION ALL " for path in paths)  # noqa: S608
    # A view takes no bound values; the paths are our own and escaped.
    return f"CREATE VIEW {name} AS {stored}SELECT * FROM own_{name}"  # noqa: S608
