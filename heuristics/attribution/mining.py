"""Pools and miners: who found each block, whom pools pay, and where those sell, as leads.

Nothing on the chain tells where machines stand or who hosts them: that is concluded from nothing here. Payouts say
that somebody mines; the country of the exchange at which he sells says where he sells.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from heuristics.attribution.conclusions import SURE_ENOUGH
from heuristics.attribution.ground import Ground
from heuristics.attribution.payouts import divided, holders, payouts
from heuristics.attribution.pools import CATEGORY, blocks, pool_wallets
from heuristics.exposure.codes import PASSED_THROUGH
from heuristics.rules.mining import (
    MINER_ACCOUNT,
    MINER_CASHES_OUT,
    MINER_PAYOUT,
    MINER_SHARED,
    POOL_PAYER,
    POOL_UNNAMED,
)

MINER: Final = "miner"
# Recurring (reference D4): three payouts in thirty days, and of the gaps between payouts at least half within a
# quarter of the median gap.
LEAST_PAYOUTS: Final = 3
WINDOW: Final = 30 * 24 * 3600  # seconds
NEAR: Final = 0.25
OF_GAPS: Final = 0.5
LEAST_SHARED: Final = 2
UNNAMED_RECIPIENTS: Final = 3
CASHED_OUT: Final = 0.8

_QUOTED: Final = ", ".join(f"'{name}'" for name in sorted(PASSED_THROUGH))
_SERVICES: Final = f"""
SELECT wallet, first(entity_id ORDER BY rank, entity_id) AS entity_id, first(category ORDER BY rank, category)
       AS category
FROM (SELECT cluster AS wallet, 0 AS rank, entity_id, category FROM attribution WHERE rank = 0 AND confidence >= $sure
      UNION ALL SELECT wallet, 1, entity_id, category FROM claim WHERE confidence >= $sure)
WHERE category NOT IN ({_QUOTED}) GROUP BY wallet ORDER BY wallet
"""  # noqa: S608
# Regularity is asked of an address: a wallet may be many people's by mistake, who were each paid once.
_REGULAR: Final = f"""
WITH payout AS (
    SELECT pool, number, tx_id, any_value(wallet) AS wallet, any_value(service) AS service, any_value(entity) AS entity,
           any_value(time) AS time, sum(value) AS value, any_value(payer) AS payer
    FROM paid GROUP BY pool, number, tx_id
), gap AS (
    SELECT *, time - lag(time) OVER line AS gap, time - lag(time, {LEAST_PAYOUTS - 1}) OVER line AS span
    FROM payout WINDOW line AS (PARTITION BY pool, number ORDER BY tx_id)
), usual AS (
    SELECT *, median(gap) OVER (PARTITION BY pool, number) AS usual FROM gap
), regular AS (
    SELECT pool, number, any_value(wallet) AS wallet, any_value(service) AS service, any_value(entity) AS entity,
           count(*) AS n, sum(value)::BIGINT AS value, min(tx_id) AS tx_id, first(payer ORDER BY tx_id) AS payer
    FROM usual GROUP BY pool, number
    HAVING count(*) >= {LEAST_PAYOUTS} AND min(span) <= {WINDOW}
       AND count(*) FILTER (abs(gap - usual) <= {NEAR} * usual) >= {OF_GAPS} * count(gap)
)
FROM regular QUALIFY entity IS NOT NULL OR count(*) OVER (PARTITION BY pool) >= {UNNAMED_RECIPIENTS}
"""  # noqa: S608
_MINERS: Final = f"""
WITH every AS (
    SELECT wallet, sum(n) AS n, sum(value) AS value, min(tx_id) AS tx_id,
           first(payer ORDER BY n DESC, payer) AS payer, bool_or(entity IS NOT NULL) AS named, {MINER_PAYOUT.id} AS rule
    FROM regular WHERE NOT service GROUP BY wallet
    UNION ALL BY NAME
    SELECT wallet, count(DISTINCT tx_id) AS n, sum(value) AS value, min(tx_id) AS tx_id, TRUE AS named,
           {MINER_SHARED.id} AS rule
    FROM divided WHERE NOT service GROUP BY wallet HAVING count(DISTINCT tx_id) >= {LEAST_SHARED}
)
SELECT wallet, NULL::VARCHAR AS entity_id, '{MINER}' AS category,
       (CASE WHEN NOT named OR n < 6 THEN 60 WHEN n < 12 THEN 70 ELSE {MINER_PAYOUT.confidence} END)::UTINYINT
       AS confidence, rule::UTINYINT AS rule, payer::INTEGER AS toward, tx_id, n::BIGINT AS n, value::BIGINT AS value
FROM every QUALIFY row_number() OVER (PARTITION BY wallet ORDER BY n DESC, rule) = 1 ORDER BY wallet
"""  # noqa: S608
# Wallets that act as pools: of a named one by where its coins come from, of one that nobody names by what it does.
_PAYERS: Final = f"""
SELECT payer AS wallet, min(entity) AS entity_id, '{CATEGORY}' AS category,
       (CASE WHEN bool_or(own) THEN {POOL_UNNAMED.confidence} ELSE {POOL_PAYER.confidence} END)::UTINYINT AS confidence,
       (CASE WHEN bool_or(own) THEN {POOL_UNNAMED.id} ELSE {POOL_PAYER.id} END)::UTINYINT AS rule,
       NULL::INTEGER AS toward, min(tx_id) AS tx_id, count(DISTINCT tx_id) AS n, sum(value)::BIGINT AS value
FROM paid WHERE payer >= 0 AND (NOT own OR entity IS NULL) AND pool IN (SELECT pool FROM regular)
GROUP BY payer HAVING count(DISTINCT tx_id) >= {LEAST_PAYOUTS} AND min(pool) = max(pool) ORDER BY payer
"""  # noqa: S608
_HOME: Final = "SELECT entity_id, unnest(jurisdictions) AS country FROM entity"
_ACCOUNTS: Final = f"""
WITH home AS ({_HOME}), account AS (
    SELECT number, any_value(wallet) AS wallet, sum(n)::BIGINT AS n, sum(value)::BIGINT AS value, min(tx_id) AS tx_id
    FROM regular WHERE service GROUP BY number
)
SELECT number, 'miner_account' AS kind, entity_id, country, {MINER_ACCOUNT.confidence}::UTINYINT AS confidence,
       {MINER_ACCOUNT.id}::UTINYINT AS rule, tx_id, n, value,
       (100 * value::HUGEINT // greatest(received, value))::UTINYINT AS share
FROM account JOIN services USING (wallet) JOIN base.address a USING (number) LEFT JOIN home USING (entity_id)
WHERE category <> '{CATEGORY}' ORDER BY ALL
"""  # noqa: S608
_SENT: Final = """
SELECT of.wallet, counterparty, value, n_tx, last_tx_id
FROM members of JOIN base.flow f ON f.cluster = of.number AND direction = 1 ORDER BY ALL
"""
_CASHES_OUT: Final = f"""
WITH home AS ({_HOME}), other AS (
    SELECT *, sum(value) OVER (PARTITION BY wallet) AS total FROM sent WHERE toward <> wallet
)
SELECT other.wallet AS number, 'miner_cashing_out' AS kind,
       first(entity_id ORDER BY value DESC, entity_id) AS entity_id,
       country, {MINER_CASHES_OUT.confidence}::UTINYINT AS confidence, {MINER_CASHES_OUT.id}::UTINYINT AS rule,
       max(last_tx_id) AS tx_id, sum(n_tx)::BIGINT AS n, sum(value)::BIGINT AS value,
       (100 * sum(value) // any_value(total))::UTINYINT AS share
FROM other JOIN services s ON s.wallet = other.toward JOIN home USING (entity_id)
WHERE s.category = 'exchange' GROUP BY other.wallet, country
HAVING sum(value) >= {CASHED_OUT} * any_value(total) ORDER BY ALL
"""  # noqa: S608


class Mined(NamedTuple):
    """Rows of the tables `pool_block`, `claim` and `lead` (store/schema.sql)."""

    pool_block: pa.Table
    claim: pa.Table
    lead: pa.Table


def conclude(ground: Ground) -> Mined:
    """Conclude who mined, who is paid for mining, and what is worth a look.

    The tables `attribution`, `tag`, `coinbase_tag`, `entity` and `claim` are read as they are so far: the addresses
    that services give to their customers should be in `claim`, else the accounts of miners there count as miners.
    """
    con = ground.con
    found = blocks(ground)
    wallets = pool_wallets(ground, found)
    con.execute(f"CREATE OR REPLACE TEMP TABLE services AS {_SERVICES}", {"sure": SURE_ENOUGH})
    held = holders(ground, found, wallets, con.sql("FROM services").to_arrow_table())
    con.register("paid", payouts(ground, found, held))
    con.register("divided", divided(ground, found, held))
    con.execute(f"CREATE OR REPLACE TEMP TABLE regular AS {_REGULAR}")
    miners = con.sql(_MINERS).to_arrow_table()
    payers = con.sql(_PAYERS).to_arrow_table()
    leads = [con.sql(_ACCOUNTS).to_arrow_table(), _cashing_out(ground, miners)]
    for name in ("paid", "divided"):
        con.unregister(name)
    for name in ("regular", "services"):
        con.execute(f"DROP TABLE {name}")
    claims = pa.concat_tables([wallets, payers.cast(wallets.schema), miners.cast(wallets.schema)])
    return Mined(found.rows, claims.sort_by([("wallet", "ascending"), ("rule", "ascending")]), pa.concat_tables(leads))


def _cashing_out(ground: Ground, miners: pa.Table) -> pa.Table:
    """Miners that sell nearly all they send in one country; those that sell where nobody knows give no lead."""
    con = ground.con
    of = np.zeros(len(ground.wallet), np.bool_)
    of[miners["wallet"].to_numpy()] = True
    number = np.flatnonzero(of[ground.wallet])
    con.register("members", pa.table({"number": number, "wallet": ground.wallet[number]}))
    sent = con.sql(_SENT).to_arrow_table()
    con.unregister("members")
    other = sent["counterparty"].to_numpy()
    toward = np.where(other >= 0, ground.wallet[other], other)
    con.register("sent", sent.append_column("toward", pa.array(toward)))
    rows = con.sql(_CASHES_OUT).to_arrow_table()
    con.unregister("sent")
    return rows
