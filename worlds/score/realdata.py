"""The rules on real blocks: what fires on which, and which verdicts cannot be right.

Nobody knows who owns the coins of a real block, so this is no measure of precision. But some verdicts contradict what
is known: a mixing scheme cannot have been used before it was published, and a transaction that reveals fewer signing
keys than it has equal shares has fewer parties than the verdict says.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from chains.bitcoin.decode import decode_blocks
from chains.bitcoin.tables import Sighash
from heuristics import rules
from heuristics.facts import Facts
from heuristics.generation import build
from heuristics.rules import multiparty
from heuristics.rules.clusters import COSPEND
from store.index import Index
from store.labels import Labels
from store.lake import Lake
from worlds.score.realblocks import SOURCES, Run, Source

_BATCHES: Final = (702_861, 27)  # a height, and how many batch payouts the samples' own description counts there
_EARLY: Final = 100_000  # years before anybody mixed
BATCH_OUTPUTS: Final = 20
"""Outputs from which a transaction counts as a batch payout here."""
_SECRET: Final = bytes(range(16))  # the same ids on every machine
# First height at which a scheme can have been used (announcements; Dumplings, as of PETS 2026), and for a plain
# CoinJoin the day on which the idea was published (Maxwell, 28 January 2013).
SCHEME_FROM: Final = {
    multiparty.JOINMARKET.id: 336_861,
    multiparty.WASABI1.id: 530_500,
    multiparty.WASABI11.id: 530_500,
    multiparty.WHIRLPOOL.id: 570_000,
    multiparty.WABISABI.id: 741_213,
}
IDEA_FROM: Final = 1_359_331_200

_COUNTS = f"""
WITH said AS (
    SELECT tx_id, rule, greatest(participants, 2) AS parties FROM verdict
), signed AS (
    SELECT tx_id, count(DISTINCT key_id) + count(*) FILTER (key_id IS NULL) AS keys
    FROM {{spend}} SEMI JOIN said USING (tx_id) GROUP BY tx_id
), scheme AS (
    SELECT s.*, b.time, coalesce(f.height, 0) AS scheme_from
    FROM said s JOIN {{block}} b ON b.height = s.tx_id >> 20 LEFT JOIN first_use f USING (rule)
), own AS (
    SELECT DISTINCT o.tx_id FROM {{output}} o SEMI JOIN said USING (tx_id) JOIN {{spend}} i
    ON i.tx_id = o.tx_id AND i.address_id = o.address_id
)
SELECT (SELECT count(*) FROM {{tx}}) AS transactions,
       (SELECT count(*) FROM {{spend}}) AS spends,
       (SELECT count(*) FROM said) AS vetoed,
       (SELECT count(*) FROM scheme WHERE tx_id >> 20 < scheme_from OR rule = {multiparty.COINJOIN_SHAPE.id}
        AND time < {IDEA_FROM} AND {{mainnet}}) AS too_early,
       (SELECT count(*) FROM said JOIN signed USING (tx_id)
        WHERE keys < parties AND rule <> {multiparty.PSBT_SWAP.id}) AS too_few_keys,
       (SELECT count(*) FROM own) AS pay_themselves,
       (SELECT count(*) FROM {{tx}} WHERE n_out >= {BATCH_OUTPUTS} AND n_in > 0) AS batches,
       (SELECT count(*) FROM {{tx}} SEMI JOIN said USING (tx_id) WHERE n_out >= {BATCH_OUTPUTS}) AS batches_vetoed,
       (SELECT count(DISTINCT tx_id) FROM {{spend}} WHERE (sighash & {Sighash.SINGLE_ANYONECANPAY}) <> 0) AS offers,
       (SELECT count(*) FILTER (n_in = 1 AND n_out = 2) / nullif(count(*), 0) FROM {{tx}} WHERE n_in > 0)
           AS one_in_two_out
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class RealBlock:
    """What the rules say of one run of consecutive real blocks."""

    name: str
    network: str
    height: int
    blocks: int
    transactions: int
    spends: int
    unresolved: int
    """Spends whose coin is not known: each counts as another party's, so CoinJoin rules fire too often."""
    verdicts: dict[str, int]
    """By rule, e.g. `joinmarket@1`."""
    vetoed: int
    """Transactions with a verdict."""
    vetoed_unresolved: int | None
    """The same had no spend been resolved; None where that is how it was."""
    too_early: int
    """Verdicts (mainnet) from before the scheme was published: it cannot be what the rule calls it."""
    too_few_keys: int
    """Verdicts with fewer signing keys than equal shares: wrong, save where one party takes several shares."""
    pay_themselves: int
    """Verdicts on transactions that pay an address that they spend from: suspect."""
    batches: int
    """Transactions with 20 or more outputs, coinbases not counted."""
    batches_vetoed: int
    offers: int
    """Transactions with an input signed SINGLE|ANYONECANPAY."""
    cospend_edges: int
    """Co-spend links that brought something together."""
    largest_cluster: int
    """Addresses; 1 where nothing was joined."""
    one_in_two_out: float | None
    """Share of transactions with one input and two outputs."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as the report's JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known from outside, and what came out."""

    what: str
    expected: int
    found: int
    where: str = ""

    @property
    def holds(self) -> bool:
        """Whether it came out as it should."""
        return self.expected == self.found


def check_real(folder: Path, sources: Iterable[Source] = SOURCES) -> list[RealBlock]:
    """Run the pipeline over every run of real blocks below `folder`; nothing where there is no such folder."""
    if not folder.is_dir():
        return []
    return [judge(source.read(folder)) for source in sorted(sources, key=lambda one: (one.network, one.height))]


def judge(run: Run) -> RealBlock:
    """Index one run as the service would, and count; once more without what is known of its spends."""
    blocks, index, counts = _indexed(run)
    bare = _indexed(run._replace(spent=None))[2]["vetoed"] if run.spent else None
    names = sorted(rules.BY_ID[rule].label for rule in index.pop("rules"))
    return RealBlock(
        name=run.name,
        network=run.network,
        height=run.first_height,
        blocks=blocks,
        verdicts={name: names.count(name) for name in dict.fromkeys(names)},
        vetoed_unresolved=bare,
        **index,
        **counts,
    )


def _indexed(run: Run) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """How many blocks there are, what the index says of them, and what follows from it and the lake."""
    with tempfile.TemporaryDirectory(prefix="tadoru-real-") as folder:
        lake, index = Lake.create(Path(folder), "bitcoin", run.network, _SECRET), Index(Path(folder))
        lake.append(decode_blocks(run.blocks, run.spent, run.first_height, run.network, _SECRET))
        build(lake, Labels(Path(folder)), index)
        with index.open() as reader:
            cur = reader.cursor()
            verdicts = cur.rows("SELECT tx_id, rule, participants FROM coinjoin ORDER BY tx_id")
            (edges,) = cur.row("SELECT count(*) FROM cluster_edge WHERE rule = ?", [COSPEND.id])
            (largest,) = cur.row("SELECT coalesce(max(n_addresses), 1) FROM cluster")
            (unresolved,) = cur.row("SELECT value::BIGINT FROM meta WHERE key = 'unresolved'")
        said = {"rules": [rule for _, rule, _ in verdicts], "cospend_edges": edges, "largest_cluster": largest}
        counts = _counts(Facts.of(lake), verdicts, mainnet=run.network == "main")
    return len(run.blocks), said | {"unresolved": unresolved}, counts


def _counts(facts: Facts, verdicts: Sequence[tuple[int, int, int]], *, mainnet: bool) -> dict[str, Any]:
    """Count over the lake's own rows."""
    columns = [*zip(*verdicts, strict=True)] or [(), (), ()]
    said = pa.table([pa.array(c, pa.int64()) for c in columns], names=["tx_id", "rule", "participants"])
    first = SCHEME_FROM if mainnet else {}
    uses = pa.table([pa.array(list(c), pa.int64()) for c in (first, first.values())], names=["rule", "height"])
    with duckdb.connect() as con:
        con.register("verdict", said)
        con.register("first_use", uses)
        sql = _COUNTS.format(mainnet=mainnet, **{name: facts.sql(name) for name in ("block", "tx", "spend", "output")})
        (counted,) = con.sql(sql).to_arrow_table().to_pylist()
    return dict(counted)


def known_facts(found: Sequence[RealBlock]) -> list[Fact]:
    """What is known from outside, held against what was found; only of blocks that are there."""
    if not found:
        return []
    early = [block for block in found if block.network == "main" and block.height < _EARLY]
    known = [
        Fact(
            f"transactions of several parties in mainnet blocks below height {_EARLY:,}",
            0, sum(block.vetoed for block in early),
        ),
        _total("verdicts older than the scheme that they name", found, "too_early"),
        _total("verdicts with fewer signing keys than equal shares", found, "too_few_keys"),
    ]  # fmt: skip
    what = f"transactions with {BATCH_OUTPUTS} or more outputs in block {_BATCHES[0]}"
    return known + [Fact(what, _BATCHES[1], block.batches) for block in found if block.height == _BATCHES[0]]


def _total(what: str, found: Sequence[RealBlock], field: str) -> Fact:
    guilty = [block for block in found if getattr(block, field)]
    where = ", ".join(f"{block.height} ({getattr(block, field)})" for block in guilty)
    return Fact(what, 0, sum(getattr(block, field) for block in guilty), where)
