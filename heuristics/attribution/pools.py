"""Which pool mined a block, by what it wrote there and by whom it paid; and which other wallets are that pool's.

A coinbase pays an address: who holds it has the reward, whatever the block says of its miner. The tag is text that
anybody may write; where it agrees with the address it takes away most of the doubt, alone it stays a claim.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chains.kernels import kernel
from heuristics.attribution.coinbase_tags import Found, Tags, Texts, find, learn
from heuristics.attribution.conclusions import SURE_ENOUGH
from heuristics.attribution.ground import Ground
from heuristics.facts import Bytes, Longs
from heuristics.graph import Graph, Ints
from heuristics.rules.mining import POOL_ADDRESS, POOL_AGREED, POOL_TAG, POOL_TEXT, POOL_WALLET

CATEGORY: Final = "mining_pool"
# Address and tag name different pools: one of them is wrong, more often the text.
DISPUTED: Final = 60
# A coinbase that pays so many divides the reward among miners itself (P2Pool, Eligius, Ocean).
SHARED_AMONG: Final = 10
LEAST_COINBASES: Final = 2
OF_TAGGED: Final = 0.9
_IS_POOL: Final = f"category = '{CATEGORY}' OR entity_id IN (SELECT entity_id FROM coinbase_tag)"  # noqa: S608
# By wallet, then by address where an address is claimed itself, which says more than its wallet does.
_WALLETS: Final = f"""
SELECT cluster AS number, entity_id, confidence FROM attribution
WHERE rank = 0 AND NOT conflict AND entity_id IS NOT NULL AND confidence >= $sure AND ({_IS_POOL}) ORDER BY number
"""  # noqa: S608
_ADDRESSES: Final = f"""
SELECT number, min(entity_id) AS entity_id, max(confidence) AS confidence FROM tag
WHERE stands AND number IS NOT NULL AND entity_id IS NOT NULL AND confidence >= $sure AND ({_IS_POOL})
GROUP BY number HAVING min(entity_id) = max(entity_id) ORDER BY number
"""  # noqa: S608
_CLAIMS: Final = f"""
WITH mined AS (
    SELECT wallet, entity_id, count(*) AS n, sum(value)::BIGINT AS value, min(tx_id) AS tx_id,
           min(number) AS toward, max(rule) FILTER (rule <> {POOL_TEXT.id}) AS named
    FROM told WHERE entity_id IS NOT NULL AND rule <> {POOL_ADDRESS.id} GROUP BY ALL
), every AS (
    SELECT wallet, count(*) AS n FROM told GROUP BY wallet
), said AS (
    SELECT cluster AS wallet, entity_id, confidence FROM attribution WHERE rank = 0
)
SELECT m.wallet, m.entity_id, '{CATEGORY}' AS category,
       CASE WHEN s.entity_id = m.entity_id THEN 100 - (100 - s.confidence) // 10
            WHEN m.named IS NULL THEN {POOL_TEXT.confidence}
            ELSE least({POOL_WALLET.confidence}, 50 + 2 * m.n) END::UTINYINT AS confidence,
       {POOL_WALLET.id}::UTINYINT AS rule, m.toward, m.tx_id, m.n, m.value
FROM mined m JOIN every e USING (wallet) LEFT JOIN said s ON s.wallet = m.wallet
WHERE m.n >= {LEAST_COINBASES} AND m.n >= {OF_TAGGED} * e.n
  AND (s.entity_id IS NULL OR s.entity_id = m.entity_id OR s.confidence < $sure)
ORDER BY m.wallet
"""  # noqa: S608

POOL_BLOCK_SCHEMA: Final = pa.schema(
    {
        "height": pa.int32(),
        "entity_id": pa.string(),
        "confidence": pa.uint8(),
        "rule": pa.uint8(),
        "tag": pa.binary(),
        "number": pa.int32(),
        "against": pa.list_(pa.string()),
    }
)


class Pools(NamedTuple):
    """Pools by code, and per address: the code of the pool that it is said to be of, -1 none, and the percent."""

    entities: list[str]
    of: Ints
    confidence: Bytes

    def entity(self, code: int) -> str | None:
        """Give a pool by its code; None for -1."""
        return self.entities[code] if code >= 0 else None


class Rewards(NamedTuple):
    """Per block, what its coinbase pays.

    `n_paid` outputs with a value; the address that gets most (`main`, -1 none) and how much; of the addresses of
    pools the one that gets most (`named`, -1 none), and one of another pool (`rival`, -1 none).
    """

    n_paid: Ints
    main: Ints
    value: Longs
    named: Ints
    rival: Ints


def pools(ground: Ground) -> Pools:
    """Collect who is known as a pool, by wallets and by single addresses."""
    con = ground.con
    entities = [name for (name,) in con.execute("SELECT DISTINCT entity_id FROM coinbase_tag ORDER BY 1").fetchall()]
    by_wallet = con.sql(_WALLETS, params={"sure": SURE_ENOUGH}).to_arrow_table()
    by_address = con.sql(_ADDRESSES, params={"sure": SURE_ENOUGH}).to_arrow_table()
    named = [*by_wallet["entity_id"].to_pylist(), *by_address["entity_id"].to_pylist()]
    entities += sorted(set(named) - set(entities))
    code = {name: n for n, name in enumerate(entities)}
    of, confidence = np.full(len(ground.wallet), -1, np.int32), np.zeros(len(ground.wallet), np.uint8)
    _note(by_wallet, code, (of, confidence))
    found = Pools(entities, of[ground.wallet], confidence[ground.wallet])
    _note(by_address, code, (found.of, found.confidence))
    return found


def _note(rows: pa.Table, code: dict[str, int], to: tuple[Ints, Bytes]) -> None:
    number = rows["number"].to_numpy()
    to[0][number] = [code[name] for name in rows["entity_id"].to_pylist()]
    to[1][number] = rows["confidence"].to_numpy()


@kernel
def _rewards(coins: Graph, of: Ints, found: Rewards) -> None:
    for b in range(len(coins.block_start) - 1):
        t = coins.block_start[b]
        if coins.in_start[t] < coins.in_start[t + 1]:
            continue  # no coinbase
        best = 0
        for o in range(coins.out_start[t], coins.out_start[t + 1]):
            value, number = coins.out_value[o], coins.out_number[o]
            if value <= 0:
                continue
            found.n_paid[b] += 1
            if number < 0:
                continue
            if value > found.value[b]:
                found.main[b], found.value[b] = number, value
            if of[number] >= 0 and value > best:
                found.named[b], best = number, value
        for o in range(coins.out_start[t], coins.out_start[t + 1]):
            number = coins.out_number[o]
            if coins.out_value[o] > 0 and number >= 0 and of[number] >= 0 and of[number] != of[found.named[b]]:
                found.rival[b] = number


def rewards(coins: Graph, of: Ints) -> Rewards:
    """Read what every coinbase pays; `of` is per address the code of its pool, -1 for none."""
    n = len(coins.block_start) - 1
    none = [np.full(n, -1, np.int32) for _ in range(3)]
    found = Rewards(np.zeros(n, np.int32), none[0], np.zeros(n, np.int64), none[1], none[2])
    _rewards(coins, of, found)
    return found


class Verdicts(NamedTuple):
    """Per block: the pool's code (-1 none), percent, rule (0 none), and what was found to conclude it from."""

    pool: Ints
    confidence: Bytes
    rule: Bytes
    by_address: Ints
    by_tag: Ints
    against: Ints
    """Pool of the tag that contradicts the tag, -1 none."""


def judge(by_address: Ints, confidence: Bytes, by_tag: tuple[Ints, Ints], tied: npt.NDArray[np.bool_]) -> Verdicts:
    """Conclude the pool of each block from codes of pools, -1 where nothing is said.

    Parameters
    ----------
    by_address, confidence
        Pool of the address that is paid, and how surely it is that pool's, in percent.
    by_tag
        Pool of the tag that speaks, and of one that contradicts it.
    tied
        Whether nothing tells which of these two is right.
    """
    tag, against = by_tag
    # The address settles what the tags leave open.
    swap = tied & (by_address >= 0) & (against == by_address)
    tag, against = np.where(swap, against, tag), np.where(swap, tag, against)
    has_address, has_tag = by_address >= 0, (tag >= 0) & ~(tied & (by_address != tag))
    agreed = has_address & has_tag & (by_address == tag)
    apart = has_address & has_tag & ~agreed
    sure = confidence.astype(np.int64)
    cases = [agreed, apart, has_address, has_tag]
    percent = [100 - (100 - sure) // 10, np.minimum(sure, DISPUTED), np.minimum(sure, POOL_ADDRESS.confidence)]
    percent.append(np.full(len(sure), POOL_TAG.confidence))
    rule = [POOL_AGREED.id, POOL_ADDRESS.id, POOL_ADDRESS.id, POOL_TAG.id]
    return Verdicts(
        np.where(has_address, by_address, np.where(has_tag, tag, -1)).astype(np.int32),
        np.select(cases, percent, 0).astype(np.uint8),
        np.select(cases, rule, np.where(tag >= 0, POOL_TAG.id, 0)).astype(np.uint8),
        by_address,
        tag.astype(np.int32),
        against.astype(np.int32),
    )


class Blocks(NamedTuple):
    """The pool of every block: the rows of `pool_block`, and per block code of the pool and rule."""

    rows: pa.Table
    pools: Pools
    rewards: Rewards
    pool: Ints
    rule: Bytes


def blocks(ground: Ground) -> Blocks:
    """Conclude which pool mined each block.

    The rows have POOL_BLOCK_SCHEMA, sorted by height; blocks of which nothing tells have none.
    """
    known = pools(ground)
    paid = rewards(ground.graph, known.of)
    rows = ground.con.sql("SELECT coinbase_script FROM base.block ORDER BY height").to_arrow_table()
    scripts: list[bytes] = rows["coinbase_script"].to_pylist()
    laid = Texts.of(scripts)
    code = {name: n for n, name in enumerate(known.entities)}
    listed = ground.con.execute("SELECT tag, entity_id FROM coinbase_tag").fetchall()
    tags = Tags.of((tag, code[name]) for tag, name in listed)
    found = find(laid, tags)
    named = paid.named >= 0
    by_address = np.where(named, known.of[paid.named], -1).astype(np.int32)
    sure = np.where(named, known.confidence[paid.named], 0).astype(np.uint8)
    told = judge(by_address, sure, (_pool(tags, found.tag), _pool(tags, found.other)), _tied(tags, found))
    learned = Tags.of(learn(scripts, by_address).items())
    texts = find(laid, learned)
    # A text was learned from addresses: it says something only where neither address nor tag does.
    only = (told.rule == 0) & (texts.tag >= 0) & (texts.other < 0)
    pool = np.where(only, _pool(learned, texts.tag), told.pool).astype(np.int32)
    told.confidence[only], told.rule[only] = POOL_TEXT.confidence, POOL_TEXT.id
    at = np.flatnonzero(told.rule)
    rows = {
        "height": (ground.graph.first_height[0] + at).astype(np.int32),
        "entity_id": [known.entity(p) for p in pool[at].tolist()],
        "confidence": told.confidence[at],
        "rule": told.rule[at],
        "tag": [_text(tags, found.tag[b]) or _text(learned, texts.tag[b] if only[b] else -1) for b in at.tolist()],
        "number": pa.array(paid.named[at], mask=~named[at]),
        "against": [_against(known, paid, told, (b, int(pool[b]))) for b in at.tolist()],
    }
    return Blocks(pa.table(rows, schema=POOL_BLOCK_SCHEMA), known, paid, pool, told.rule)


def _pool(tags: Tags, number: Ints) -> Ints:
    """Pools of tags by number; -1 for none."""
    return np.append(tags.pool, np.int32(-1))[number]


def _tied(tags: Tags, found: Found) -> npt.NDArray[np.bool_]:
    size = np.append(np.diff(tags.texts.start), 0)
    tied: npt.NDArray[np.bool_] = (found.other >= 0) & (size[found.tag] == size[found.other])
    return tied


def _text(tags: Tags, number: int) -> bytes | None:
    return tags.text(number) if number >= 0 else None


def _against(known: Pools, paid: Rewards, told: Verdicts, block: tuple[int, int]) -> list[str]:
    """Other pools that something in a block names."""
    b, pool = block
    said = {told.by_address[b], told.by_tag[b], told.against[b]}
    if paid.rival[b] >= 0:
        said.add(known.of[paid.rival[b]])
    return sorted(known.entities[one] for one in said if one not in (-1, pool))


def pool_wallets(ground: Ground, found: Blocks) -> pa.Table:
    """Conclude which wallets that coinbases pay are a pool's: rows of `claim`, sorted by wallet.

    A wallet that is attributed to somebody else is left alone, and so are the miners among whom a coinbase is shared.
    """
    coins, paid = ground.graph, found.rewards
    at = np.flatnonzero((paid.main >= 0) & (paid.n_paid < SHARED_AMONG))
    told: dict[str, Any] = {
        "wallet": ground.wallet[paid.main[at]],
        "number": paid.main[at],
        "entity_id": pa.array([found.pools.entity(p) for p in found.pool[at].tolist()], pa.string()),
        "rule": found.rule[at],
        "tx_id": coins.tx_id(coins.block_start[at]),
        "value": paid.value[at],
    }
    ground.con.register("told", pa.table(told))
    rows = ground.con.sql(_CLAIMS, params={"sure": SURE_ENOUGH}).to_arrow_table()
    ground.con.unregister("told")
    return rows
