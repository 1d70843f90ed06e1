"""Which wallets are asked about: first those for which the answer matters, then anybody."""

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from chains.bitcoin.address import text_of
from worlds.ledger.blocks import NETWORK
from worlds.truth.query import asking

_SPARE = 3  # wallets considered for each that is wanted: some have no address with a text


class Sampled(NamedTuple):
    """A wallet, and one address of it."""

    wallet: str
    script: bytes


# Shells; businesses that only look like shells; whoever dealt with a listed party; everybody else.
_CANDIDATES = """
SELECT wallet, CASE WHEN entity IN (SELECT entity FROM shell) THEN 0
                    WHEN category NOT IN ('person', 'other') THEN 1
                    WHEN entity IN (
                        SELECT payer FROM payment JOIN party ON party.entity = payee WHERE listed_from IS NOT NULL
                        UNION SELECT payee FROM payment JOIN party ON party.entity = payer WHERE listed_from IS NOT NULL
                    ) THEN 2 ELSE 3 END AS class
FROM wallet JOIN party USING (entity)
WHERE NOT absorbs AND wallet IN (SELECT DISTINCT wallet FROM output) ORDER BY wallet
"""
_SCRIPTS = """
SELECT wallet, script, max(spent) AS spent FROM (
    SELECT wallet, script, 0 AS spent FROM output WHERE wallet IN (SELECT unnest($wallets))
    UNION ALL SELECT wallet, script, 1 FROM input WHERE wallet IN (SELECT unnest($wallets))
) GROUP BY wallet, script ORDER BY wallet, script
"""


def sample(folder: Path, seed: int, n: int = 200) -> list[Sampled]:
    """Choose up to `n` wallets of `WORLD/truth` that trails do not stop at, each with one address.

    All shells; then businesses that only look like shells and whoever dealt with a listed party, up to three
    quarters of `n`; then others. The address has a text, and was both paid and spent from where one was.
    """
    rng = random.Random(f"{seed}/sample")  # noqa: S311 -- repeatable on purpose
    with asking(folder) as truth:
        wanted = _ordered(truth, n, rng)[: n * _SPARE]
        scripts = _scripts(truth, wanted)
    found = [Sampled(wallet, rng.choice(scripts[wallet])) for wallet in wanted if scripts[wallet]]
    return found[:n]


def _ordered(truth: duckdb.DuckDBPyConnection, n: int, rng: random.Random) -> list[str]:
    classes: list[list[str]] = [[], [], [], []]
    for wallet, number in truth.execute(_CANDIDATES).fetchall():
        classes[number].append(wallet)
    for wallets in classes:
        rng.shuffle(wallets)
    shells, businesses, partners, others = classes
    first = [*shells, *businesses, *partners]
    head, tail = max(len(shells), n - n // 4), n // 4
    return [*first[:head], *others[:tail], *first[head:], *others[tail:]]


def _scripts(truth: duckdb.DuckDBPyConnection, wallets: Sequence[str]) -> dict[str, list[bytes]]:
    """Give the best addresses of each wallet: those with a text, and of these those spent from, if any."""
    kept: dict[str, dict[int, list[bytes]]] = defaultdict(lambda: {0: [], 1: []})
    for wallet, script, spent in truth.execute(_SCRIPTS, {"wallets": list(wallets)}).fetchall():
        if text_of(script, NETWORK) is not None:
            kept[wallet][spent].append(script)
    return {wallet: kept[wallet][1] or kept[wallet][0] for wallet in wallets}
