"""Cluster scores: agreement with three truths, collapse, and the transactions that joined two parties."""

import time
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.truths import Story, said
from worlds.score import clusters, findings
from worlds.score.clusters import Codes, Weights, bcubed, pairwise, weighted_pairwise
from worlds.score.findings import Findings
from worlds.score.measure import Scores, base
from worlds.truth.tables import SCHEMAS, Truth

ITEMS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 10**9)), min_size=1, max_size=30)
BASES = {base(name) for name in clusters.METRICS}


def codes(*values: int) -> Codes:
    """Numbers of classes or clusters."""
    return np.array(values, np.int64)


def slow_pairs(classes: Codes, groups: Codes, weights: Weights) -> tuple[float | None, float | None]:
    """Pairwise precision and recall by their definition: pair by pair."""
    both = in_group = in_class = 0
    for i, j in combinations(range(len(classes)), 2):
        weight = int(weights[i]) * int(weights[j])
        both += weight * bool(classes[i] == classes[j] and groups[i] == groups[j])
        in_group += weight * bool(groups[i] == groups[j])
        in_class += weight * bool(classes[i] == classes[j])
    return both / in_group if in_group else None, both / in_class if in_class else None


def slow_bcubed(classes: Codes, groups: Codes, weights: Weights) -> tuple[float | None, float | None]:
    """B-cubed precision and recall by their definition: item by item."""
    whole = sum(weights)
    if not whole:
        return None, None
    precision = recall = 0.0
    items = range(len(classes))
    for i in items:
        both = sum(weights[j] for j in items if classes[i] == classes[j] and groups[i] == groups[j])
        in_group = sum(weights[j] for j in items if groups[i] == groups[j])
        in_class = sum(weights[j] for j in items if classes[i] == classes[j])
        precision += weights[i] * both / in_group if in_group else 0
        recall += weights[i] * both / in_class if in_class else 0
    return precision / whole, recall / whole


@given(ITEMS)
def test_agreement_is_what_its_definition_says(items: list[tuple[int, int, int]]) -> None:
    """Pairs and B-cubed, by address and by value, are what counting pair by pair and item by item gives."""
    classes, groups = codes(*(c for c, _, _ in items)), codes(*(g for _, g, _ in items))
    weights, ones = np.array([w for _, _, w in items], np.float64), np.ones(len(items))
    assert pairwise(classes, groups) == slow_pairs(classes, groups, ones)
    assert weighted_pairwise(classes, groups, ones) == slow_pairs(classes, groups, ones)
    assert weighted_pairwise(classes, groups, weights) == pytest.approx(slow_pairs(classes, groups, weights))
    assert bcubed(classes, groups, weights) == pytest.approx(slow_bcubed(classes, groups, weights))
    assert bcubed(classes, groups, ones) == pytest.approx(slow_bcubed(classes, groups, ones))


def test_agreement_by_hand() -> None:
    """Of a, a, a, b in clusters {a a b} and {a}: one pair of three in cluster is right, one of three in truth found."""
    classes, groups, values = codes(0, 0, 0, 1), codes(0, 0, 1, 0), np.array([3.0, 2.0, 5.0, 1.0])
    assert pairwise(classes, groups) == (1 / 3, 1 / 3)
    # Pairs weigh 3*2; in the cluster 3*2 + 3*1 + 2*1, in truth 3*2 + 3*5 + 2*5.
    assert weighted_pairwise(classes, groups, values) == (6 / 11, 6 / 31)
    # Items: 2/3, 2/3, 1, 1/3 of their cluster; 2/3, 2/3, 1/3, 1 of their party.
    assert bcubed(classes, groups, np.ones(4)) == pytest.approx((8 / 12, 8 / 12))
    # By value: cluster of 6 holds 5 and 1, cluster of 5 is right; a has 10, found 5 and 5.
    assert bcubed(classes, groups, values) == pytest.approx(((25 / 6 + 1 / 6 + 5) / 11, (25 / 10 + 25 / 10 + 1) / 11))


def test_a_whale_does_not_drown_the_pairs_of_the_small() -> None:
    """Pairs among small values count to the last satoshi beside a value of all coins there are."""
    classes, groups = codes(0, 1, 1, 2), codes(0, 1, 1, 1)
    values = np.array([21e14, 546, 546, 546])
    assert weighted_pairwise(classes, groups, values) == (1 / 3, 1.0)


def test_no_pair_no_figure() -> None:
    """Where no cluster and no party has two addresses, there is no precision and no recall of pairs."""
    alone = codes(0, 1, 2)
    assert pairwise(alone, alone) == (None, None)
    assert weighted_pairwise(alone, alone, np.ones(3)) == (None, None)
    assert bcubed(alone, alone, np.zeros(3)) == (None, None)


def test_pairs_of_ten_million_addresses_do_not_overflow() -> None:
    """All addresses in one cluster are 5e13 pairs, counted exactly."""
    n = 10**7
    half = np.repeat(codes(0, 1), n // 2)
    precision, recall = pairwise(half, np.zeros(n, np.int64))
    assert precision == pytest.approx((n / 2 - 1) / (n - 1), rel=1e-12)
    assert recall == 1.0


def scored(story: Story, found: Findings) -> Scores:
    """The scores, each of which METRICS knows."""
    scores = clusters.score(story.truth(), found)
    assert {base(name) for name in scores} <= BASES
    assert all(value is None or isinstance(value, float) for value in scores.values())
    return scores


def test_three_truths_differ() -> None:
    """A custodian's one wallet for two exchanges is one wallet and one holder, but two entities."""
    story = Story()
    story.entity("a", "exchange", service=True)
    story.entity("b", "exchange", service=True)
    story.address("vault.hot/1", entity="a")
    story.address("vault.hot/2", entity="b")
    story.address("vault.cold/1", entity="b")
    story.fund("vault.hot/1", "vault.hot/2", "vault.cold/1")
    scores = scored(story, said(["vault.hot/1 vault.hot/2 vault.cold/1"]))
    names = ("wallet", "holder", "entity")
    assert [scores[f"clusters.pairwise_precision[{level}]"] for level in names] == [1 / 3, 1.0, 1 / 3]
    assert [scores[f"clusters.joined_clusters[{level}]"] for level in names] == [1.0, 0.0, 1.0]
    assert [scores[f"clusters.joined_addresses[{level}]"] for level in names] == [3.0, 0.0, 3.0]


def test_only_paid_addresses_are_scored_and_each_has_a_cluster() -> None:
    """An address that was never paid is not scored; one that no cluster has is alone."""
    story = Story()
    story.address("alice/unused")
    story.fund("alice/1", "alice/2", "bob/1")
    story.fund("alice/1", value=700)
    scores = scored(story, said(["alice/1 alice/unused", "stranger"]))
    assert (scores["clusters.addresses"], scores["clusters.unclustered"]) == (3.0, 2.0)
    assert scores["clusters.pairwise_precision[wallet]"] is None
    assert scores["clusters.pairwise_recall[wallet]"] == 0.0
    # alice has 900 of 1000 received: 800 and 100 apart.
    assert scores["clusters.bcubed_recall_by_value[wallet]"] == pytest.approx(
        (800**2 / 900 + 100**2 / 900 + 100) / 1000
    )


def test_perfect_clusters_score_one() -> None:
    """Clusters that are the wallets score 1 everywhere."""
    story = Story()
    story.fund("alice/1", "alice/2", "bob/1", "bob/2")
    scores = scored(story, said(["alice/1 alice/2", "bob/1 bob/2"]))
    agreement = {name: value for name, value in scores.items() if name.endswith("]")}
    assert {v for n, v in agreement.items() if "joined" not in n and "unexplained" not in n} == {1.0}
    assert {v for n, v in agreement.items() if "joined" in n or "unexplained" in n} == {0.0}


def test_nothing_to_score() -> None:
    """An empty world has no figures but counts of nothing."""
    scores = scored(Story(), said())
    assert {value for value in scores.values() if value is not None} == {0.0}
    assert scores["clusters.pairwise_precision[wallet]"] is None
    assert scores["clusters.largest_without_service"] is None
    assert scores["clusters.adjusted_rand[wallet]"] is None


def test_coverage_per_service() -> None:
    """A service's coverage is its share in its best cluster, by addresses and by value; others there are foreign."""
    story = Story()
    story.entity("kraken", "exchange", service=True)
    story.entity("pool", "mining_pool", service=True)
    story.fund("kraken/1", "kraken/2", "kraken/3", "pool/1", "alice/1")
    story.fund("kraken/3", value=900)
    scores = scored(story, said(["kraken/1 kraken/2 alice/1", "kraken/3", "pool/1"]))
    assert scores["clusters.service_coverage_by_category[exchange]"] == 2 / 3
    assert scores["clusters.service_coverage_by_category[mining_pool]"] == 1.0
    assert scores["clusters.service_coverage"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["clusters.service_coverage_by_value"] == pytest.approx((1000 / 1200 + 1) / 2)
    assert scores["clusters.service_foreign"] == pytest.approx((1 / 3 + 0) / 2)


def test_collapse_looks_past_services() -> None:
    """The largest cluster is that of people, even where a service's or its custodian's is larger."""
    story = Story()
    story.entity("kraken", "exchange", service=True)
    story.fund("kraken/1", "kraken/2", "kraken/3", "alice/1", "bob/1", "carol/1")
    story.fund("carol/1", value=300)
    scores = scored(story, said(["kraken/1 kraken/2 kraken/3", "alice/1 bob/1", "carol/1"]))
    assert scores["clusters.largest_without_service"] == 2 / 6
    assert scores["clusters.largest_without_service_by_value"] == 400 / 900
    everyone = "kraken/1 kraken/2 kraken/3 alice/1 bob/1 carol/1"
    assert scored(story, said([everyone]))["clusters.largest_without_service"] == 0.0


def test_wrong_joins_by_kind() -> None:
    """A transaction counts where inputs of two wallets are in one cluster and it was not recognised."""
    story = Story()
    story.fund("a/1", "a/2", "b/1", "c/1", "d/1", "e/1", "f/1")
    story.tx("joined", "a/1 b/1", [("a/2", 150)], kind="payjoin")
    story.tx("apart", "a/1 c/1", [("c/1", 150)], kind="payjoin")
    story.tx("recognised", "a/2 b/1", [("b/1", 150)], kind="coinjoin")
    story.tx("honest", "a/1 a/2", [("f/1", 150)], kind="pay")
    verdicts = {"recognised": ("coinjoin_shape@1", 40)}
    scores = scored(story, said(["a/1 a/2 b/1", "c/1", "d/1 e/1", "f/1"], verdicts))
    joins = {name: value for name, value in scores.items() if name.startswith("clusters.two_wallet")}
    assert joins == {
        "clusters.two_wallet_transactions[coinjoin]": 1.0,
        "clusters.two_wallet_joins[coinjoin]": 0.0,
        "clusters.two_wallet_transactions[payjoin]": 2.0,
        "clusters.two_wallet_joins[payjoin]": 1.0,
    }
    # That d and e are one cluster is no transaction's doing.
    assert scores["clusters.joined_clusters[wallet]"] == 2.0
    assert scores["clusters.unexplained_clusters[wallet]"] == 1.0


def test_two_wallets_of_one_holder_are_no_two_actors() -> None:
    """A hot and a cold wallet spent together join two wallets, but one holder and one entity."""
    story = Story()
    story.fund("kraken.hot/1", "kraken.cold/1")
    story.tx("both", "kraken.hot/1 kraken.cold/1", [("alice/1", 150)], kind="batch")
    scores = scored(story, said(["kraken.hot/1 kraken.cold/1", "alice/1"]))
    assert scores["clusters.two_wallet_joins[batch]"] == 1.0
    assert "clusters.two_holder_joins[batch]" not in scores
    assert scores["clusters.joined_clusters[holder]"] == 0.0


def test_wrong_change_joins_by_kind() -> None:
    """Another party's output that is called change and stands with an input is the reason of that cluster."""
    story = Story()
    story.fund("a/1", "a/2")
    story.tx("wrong", "a/1", [("b/1", 50), ("a/3", 40, True)])
    story.tx("right", "a/2", [("b/2", 50), ("a/4", 40, True)])
    groups = ["a/1 b/1", "a/2 a/4", "b/2", "a/3"]
    change = {("wrong", 0): 99, ("right", 1): 99}
    scores = scored(story, said(groups, change=change))
    assert scores["clusters.two_wallet_change_joins[pay]"] == 1.0
    assert scores["clusters.unexplained_clusters[wallet]"] == 0.0
    # What T0 itself says of change has joined nothing.
    told = scored(story, said(groups, change=change, basis="t0_same_cluster"))
    assert "clusters.two_wallet_change_joins[pay]" not in told
    assert told["clusters.unexplained_clusters[wallet]"] == 1.0


def test_refused_merges_are_counted() -> None:
    """Every row of the table of refusals is one."""
    story = Story()
    story.fund("a/1")
    found = said(["a/1"])
    schema = found.refusal.schema
    row = dict(zip(schema.names, (b"a", b"b", "x@1", ""), strict=True))
    refusal = pa.Table.from_pylist([row, row], schema=schema)
    again = Findings.of(cluster=found.cluster, refusal=refusal)
    assert scored(story, again)["clusters.refused_merges"] == 2.0


def crowd(n: int) -> tuple[Truth, Findings]:
    """A random world of n addresses, n / 10 wallets, and a transaction for every two addresses, half of one signer."""
    rng = np.random.default_rng(1)
    scripts = _scripts(rng, n)
    owner = rng.integers(0, n // 10, n)
    owner[1::4] = owner[::4]
    names = pa.array([f"w{i}" for i in range(n // 10)])
    wallet = pa.DictionaryArray.from_arrays(pa.array(owner, pa.int32()), names)
    txids = _scripts(rng, n // 2, 32)
    both = pa.array(np.repeat(np.arange(n // 2), 2))
    kinds = pa.array(["pay", "sweep"]).take(pa.array(rng.integers(0, 2, n // 2)))
    signers = pa.ListArray.from_arrays(pa.array(np.arange(0, n + 1, 2), pa.int32()), wallet.cast(pa.string()))
    rows = {
        "entity": {"entity": names},
        "wallet": {"wallet": names, "entity": names, "program": pa.repeat("core", len(names))},
        "address": {"script": scripts, "wallet": wallet, "entity": wallet},
        "tx": {"txid": txids, "kind": kinds, "wallets": signers, "program": pa.repeat("core", n // 2)},
        "input": {"txid": txids.take(both), "script": scripts, "wallet": wallet},
        "output": {
            "txid": txids.take(both), "script": scripts, "wallet": wallet, "value": pa.array(rng.integers(1, 10**9, n)),
            "vout": pa.array(np.tile([0, 1], n // 2), pa.int32()), "is_change": pa.array(rng.integers(0, 2, n) == 1),
        },
    }  # fmt: skip
    truth = Truth(**{name: _filled(SCHEMAS[name], rows.get(name, {})) for name in SCHEMAS})
    cluster = np.where(rng.random(n) < 0.9, owner, rng.integers(0, n // 10, n))
    schemas = {table.name: table.schema for table in findings.TABLES}
    found = {name: schema.empty_table() for name, schema in schemas.items()}
    return truth, Findings(**found | {"cluster": pa.table({"script": scripts, "cluster": cluster})})


def _scripts(rng: np.random.Generator, n: int, size: int = 22) -> pa.Array:
    data = pa.py_buffer(rng.bytes(size * n))
    return pa.Array.from_buffers(pa.binary(size), n, [None, data]).cast(pa.binary())


def _filled(schema: pa.Schema, columns: dict[str, pa.Array]) -> pa.Table:
    n = max((len(column) for column in columns.values()), default=0)
    return pa.table({f.name: columns.get(f.name, pa.nulls(n, f.type)) for f in schema})


@pytest.mark.soak
def test_a_million_addresses_take_seconds() -> None:
    """A world of a million addresses is scored in two minutes at most, on a busy machine too."""
    truth, found = crowd(10**6)
    start = time.monotonic()
    scores = clusters.score(truth, found)
    assert time.monotonic() - start < 120
    assert 0.8 < (scores["clusters.pairwise_recall[wallet]"] or 0) < 0.83
