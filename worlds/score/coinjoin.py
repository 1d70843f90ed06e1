"""Transactions of several parties: which were recognised, by the right rule or another, and who was taken for one.

A transaction is of several parties where its kind is (MULTI_PARTY_KINDS) or where several holders of keys signed it.
It has one owner where one holder signed it, with one wallet or several.
"""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from heuristics import rules
from heuristics.rules import multiparty
from worlds.score import clusters
from worlds.score.findings import Findings
from worlds.score.measure import Metrics, Scores, confusion, rows, share
from worlds.truth.tables import COINJOIN_KINDS, MULTI_PARTY_KINDS, Truth

RIGHT: Final[dict[str, tuple[str, ...]]] = {
    # What a plain round of equal amounts is called does not tell whose program made it.
    "coinjoin": (multiparty.COINJOIN_SHAPE.name, multiparty.JOINMARKET.name),
    "joinmarket": (multiparty.JOINMARKET.name,),
    "wasabi1": (multiparty.WASABI1.name, multiparty.WASABI11.name),
    "wabisabi": (multiparty.WABISABI.name,),
    "whirlpool": (multiparty.WHIRLPOOL.name,),
    "whirlpool_first": (multiparty.WHIRLPOOL.name,),  # a pool's first mix: five newcomers, none that is remixed
    "swap": (multiparty.PSBT_SWAP.name,),
    "payjoin": (multiparty.PAYJOIN.name,),
    "dual_fund": (multiparty.DUAL_FUND.name,),
}
"""The rules that are right for a kind."""
# A verdict by the shape alone names no scheme: it is right of every CoinJoin, though a better rule is meant for it.
_NO_SCHEME: Final = tuple((kind, multiparty.COINJOIN_SHAPE.name) for kind in COINJOIN_KINDS)
BATCH_OUTPUTS: Final = 10
"""Outputs from which one owner's transaction counts as a batch, whatever it was meant to be."""
_POOLS: Final = rules.POOLS_FUNDS
_FLAGS: Final = {"": "said", "_absorbing": "absorbing"}  # how a score's name ends, and what it counts

METRICS: Final[Metrics] = {
    "coinjoin.transactions[kind]": ("transactions of several parties", "count", ""),
    "coinjoin.recall[kind]": ("of these, recognised by any rule", "share", "higher"),
    "coinjoin.recall_right_rule[kind]": ("of these, recognised by a rule meant for the kind", "share", "higher"),
    "coinjoin.recall_absorbing[kind]": (
        f"of these, recognised with confidence {_POOLS} or more, so that trails stop there", "share", "higher",
    ),
    "coinjoin.kept_apart[kind]": (
        "of those with inputs of two holders: recognised, or no cluster holds inputs of two holders",
        "share", "higher",
    ),
    "coinjoin.verdicts[rule]": ("transactions that the rule recognised", "count", ""),
    "coinjoin.precision[rule]": (
        "of these, of a kind that the rule is meant for; by the shape alone, any CoinJoin", "share", "higher",
    ),
    "coinjoin.precision_multi_party[rule]": ("of these, of several parties, whatever the kind", "share", "higher"),
    "coinjoin.all_recall": ("of all transactions of several parties, recognised by any rule", "share", "higher"),
    "coinjoin.all_precision": ("of transactions recognised by any rule, of several parties", "share", "higher"),
    "coinjoin.absorbing_recall": (f"of CoinJoins, recognised with confidence {_POOLS} or more", "share", "higher"),
    "coinjoin.absorbing_precision": (
        f"of transactions recognised with confidence {_POOLS} or more, CoinJoins", "share", "higher",
    ),
    "coinjoin.batches[kind]": (f"transactions of one owner with {BATCH_OUTPUTS} or more outputs", "count", ""),
    "coinjoin.false_on_batches[kind]": ("of these, recognised by any rule", "share", "lower"),
    "coinjoin.false_on_batches_absorbing[kind]": (f"of these, with confidence {_POOLS} or more", "share", "lower"),
    "coinjoin.single_owner": ("transactions of one owner, coinbases not counted", "count", ""),
    "coinjoin.false": ("of these, recognised by any rule", "share", "lower"),
    "coinjoin.false_absorbing": (f"of these, with confidence {_POOLS} or more", "share", "lower"),
    "coinjoin.false_by_kind[kind]": ("of transactions of one owner and this kind, recognised", "share", "lower"),
    "coinjoin.false_absorbing_by_kind[kind]": (
        f"of transactions of one owner and this kind, recognised with confidence {_POOLS} or more", "share", "lower",
    ),
}  # fmt: skip

_JUDGED: Final = f"""
WITH signer AS (
    SELECT txid, min(w.entity) <> max(w.entity) AS several
    FROM (SELECT txid, unnest(wallets) AS wallet FROM tx) s JOIN wallet w USING (wallet) GROUP BY txid
), verdict AS (
    SELECT txid, max(confidence) AS confidence FROM coinjoin GROUP BY txid
), right_one AS (
    SELECT DISTINCT c.txid FROM coinjoin c JOIN tx USING (txid) JOIN meant m
    ON m.kind = tx.kind AND m.rule = split_part(c.rule, '@', 1)
), wide AS (
    SELECT txid, count(*) AS outputs FROM output GROUP BY txid
), each AS (
    SELECT t.kind, coalesce(s.several, false) OR t.kind IN (FROM several_kind) AS several, v.txid IS NOT NULL AS said,
           coalesce(v.confidence, 0) AS confidence, r.txid IS NOT NULL AS by_right_rule, w.outputs
    FROM tx t LEFT JOIN signer s USING (txid) LEFT JOIN verdict v USING (txid) LEFT JOIN right_one r USING (txid)
    LEFT JOIN wide w USING (txid)
    WHERE t.kind <> 'coinbase'
)
SELECT kind, several, NOT several AND outputs >= {BATCH_OUTPUTS} AS batch, said,
       confidence >= {_POOLS} AS absorbing, by_right_rule, count(*) AS n
FROM each GROUP BY ALL ORDER BY ALL
"""  # noqa: S608
_RULES: Final = """
WITH signer AS (
    SELECT txid, min(w.entity) <> max(w.entity) AS several
    FROM (SELECT txid, unnest(wallets) AS wallet FROM tx SEMI JOIN coinjoin USING (txid)) s
    JOIN wallet w USING (wallet) GROUP BY txid
), verdict AS (
    SELECT DISTINCT txid, split_part(rule, '@', 1) AS rule FROM coinjoin
)
SELECT v.rule, count(*) AS n, count(*) FILTER ((t.kind, v.rule) IN (SELECT (kind, rule) FROM meant)) AS meant,
       count(*) FILTER (s.several OR t.kind IN (FROM several_kind)) AS several
FROM verdict v JOIN tx t USING (txid) LEFT JOIN signer s USING (txid) GROUP BY v.rule
"""


def score(truth: Truth, findings: Findings) -> Scores:
    """Every figure of this family; None for a kind that the world does not hold and a rule that never fired."""
    meant = [(kind, rule) for kind, meant in RIGHT.items() for rule in meant]
    tables = {
        "tx": truth.tx,
        "wallet": truth.wallet,
        "coinjoin": findings.coinjoin,
        "several_kind": pa.table({"kind": list(MULTI_PARTY_KINDS)}),
    }
    judged = rows(_JUDGED, output=truth.output, meant=_pairs(meant), **tables)
    by_rule = {row["rule"]: row for row in rows(_RULES, meant=_pairs([*meant, *_NO_SCHEME]), **tables)}
    scores = _kinds([row for row in judged if row["several"]]) | _rules(by_rule) | _overall(judged)
    return scores | _false([row for row in judged if not row["several"]]) | _apart(truth, findings)


def _pairs(pairs: Sequence[tuple[str, str]]) -> pa.Table:
    return pa.table({"kind": [kind for kind, _ in pairs], "rule": [rule for _, rule in pairs]})


Row = dict[str, Any]


def _count(judged: Sequence[Row], flag: str = "") -> int:
    """Give how many transactions the rows stand for, or those of them with a flag."""
    return sum(row["n"] for row in judged if not flag or row[flag])


def _kinds(judged: Sequence[Row]) -> Scores:
    """Give the figures of transactions of several parties, by kind."""
    scores: Scores = {}
    for kind in sorted({*MULTI_PARTY_KINDS, *(row["kind"] for row in judged)}):
        some = [row for row in judged if row["kind"] == kind]
        n = _count(some)
        scores[f"coinjoin.transactions[{kind}]"] = float(n)
        scores[f"coinjoin.recall[{kind}]"] = share(_count(some, "said"), n)
        scores[f"coinjoin.recall_absorbing[{kind}]"] = share(_count(some, "absorbing"), n)
        if kind in RIGHT:
            scores[f"coinjoin.recall_right_rule[{kind}]"] = share(_count(some, "by_right_rule"), n)
    return scores


def _rules(by_rule: dict[str, Row]) -> Scores:
    """Give the figures of each rule."""
    scores: Scores = {}
    for rule in sorted({*by_rule, *(rule for meant in RIGHT.values() for rule in meant)}):
        row = by_rule.get(rule, {"n": 0, "meant": 0, "several": 0})
        scores[f"coinjoin.verdicts[{rule}]"] = float(row["n"])
        scores[f"coinjoin.precision[{rule}]"] = share(row["meant"], row["n"])
        scores[f"coinjoin.precision_multi_party[{rule}]"] = share(row["several"], row["n"])
    return scores


def _overall(judged: Sequence[Row]) -> Scores:
    """Give the figures of all rules together: as a veto on co-spending, and as a place where trails stop."""
    n = [row["n"] for row in judged]
    veto = confusion([row["several"] for row in judged], [row["said"] for row in judged], n)
    mixes = [row["kind"] in COINJOIN_KINDS for row in judged]
    absorbing = confusion(mixes, [row["absorbing"] for row in judged], n)
    return {
        "coinjoin.all_recall": veto.recall,
        "coinjoin.all_precision": veto.precision,
        "coinjoin.absorbing_recall": absorbing.recall,
        "coinjoin.absorbing_precision": absorbing.precision,
    }


def _false(judged: Sequence[Row]) -> Scores:
    """Give the figures of transactions of one owner: who is taken for a CoinJoin."""
    batches = [row for row in judged if row["batch"]]
    scores: Scores = {"coinjoin.single_owner": float(_count(judged))}
    scores |= {f"coinjoin.false{end}": share(_count(judged, flag), _count(judged)) for end, flag in _FLAGS.items()}
    scores |= _batches("", batches)
    for kind in sorted({row["kind"] for row in batches}):
        scores |= _batches(f"[{kind}]", [row for row in batches if row["kind"] == kind])
    for kind in sorted({row["kind"] for row in judged}):
        some = [row for row in judged if row["kind"] == kind]
        scores[f"coinjoin.false_by_kind[{kind}]"] = share(_count(some, "said"), _count(some))
        scores[f"coinjoin.false_absorbing_by_kind[{kind}]"] = share(_count(some, "absorbing"), _count(some))
    return scores


def _batches(kind: str, some: Sequence[Row]) -> Scores:
    """Give the figures of wide transactions, of all or of one kind."""
    n = _count(some)
    shares = {f"coinjoin.false_on_batches{end}{kind}": share(_count(some, flag), n) for end, flag in _FLAGS.items()}
    return {f"coinjoin.batches{kind}": float(n), **shares}


def _apart(truth: Truth, findings: Findings) -> Scores:
    """Give how often the inputs of two holders were kept apart, by kind."""
    parties = clusters.parties_of(clusters.known_addresses(truth, findings), "holder")
    _, by_kind = clusters.joins(truth, findings, parties)
    scores: Scores = {f"coinjoin.kept_apart[{kind}]": None for kind in MULTI_PARTY_KINDS}
    for kind, found in by_kind.items():
        if found.several:
            scores[f"coinjoin.kept_apart[{kind}]"] = share(found.several - found.by_inputs, found.several)
    return scores
