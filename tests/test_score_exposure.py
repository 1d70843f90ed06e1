"""Exposure scores: distances between shares, wrong decisions at a threshold, and whose wallet it is."""

from collections import defaultdict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worlds.score import exposure
from worlds.score.findings import Findings
from worlds.score.measure import base
from worlds.truth.tables import DIRECTIONS, SCHEMAS, TRUTHS

Part = tuple[str, str, float]
"""Entity, category, share."""


def true(wallet: str, parts: list[Part], direction: str = "received", truth: str = "convention") -> list[Any]:
    """Rows of the truth about one wallet, worth 100 satoshi."""
    return [[wallet, wallet.encode(), direction, truth, e, c, round(100 * s), s] for e, c, s in parts]


def told(wallet: str, parts: list[Part], direction: str = "received") -> list[Any]:
    """Rows of what was said about one wallet."""
    return [[wallet.encode(), direction, e, c, s, round(100 * s)] for e, c, s in parts]


def table(schema: pa.Schema, rows: list[Any]) -> pa.Table:
    """A table of rows."""
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def world(
    matrix: list[Any],
    owners: Sequence[tuple[str, str, str, int | None]] = (),
    txs: Sequence[tuple[str, Sequence[str]]] = (),
) -> Any:
    """A truth: a matrix, transactions by kind and signers, and per wallet who holds its keys and so on.

    Namely whose business it serves, and since when that is listed.
    """
    addresses = [[w.encode(), w, of, "receive"] for w, _, of, _ in owners]
    holders = {holder for _, holder, of, _ in owners if holder != of}
    served = {of: listed for _, _, of, listed in owners}
    entities = [[of, of, "person", "", False, listed] for of, listed in served.items()]
    entities += [[holder, holder, "person", "", False, None] for holder in sorted(holders)]
    return SimpleNamespace(
        matrix=table(SCHEMAS["matrix"], matrix),
        address=table(SCHEMAS["address"], addresses),
        wallet=table(SCHEMAS["wallet"], [[w, holder, ""] for w, holder, _, _ in owners]),
        entity=table(SCHEMAS["entity"], entities),
        tx=table(SCHEMAS["tx"], [[bytes(32), 1, kind, list(signed), ""] for kind, signed in txs]),
    )


def said(rows: list[Any], owned: list[Any] | None = None, listed: list[Any] | None = None) -> Findings:
    """Findings about exposure, ownership and listed addresses."""
    silent = Findings.of()
    return Findings.of(
        exposure=table(silent.exposure.schema, rows),
        ownership=table(silent.ownership.schema, owned or []),
        attribution=table(silent.attribution.schema, listed or []),
    )


def test_error_is_half_the_sum_of_differences() -> None:
    """Half mined was told to be an exchange's, a tenth of the rest the wrong exchange's: 0.5 by category."""
    matrix = true("w", [("", "mined", 0.5), ("a", "exchange", 0.4), ("b", "exchange", 0.1)])
    scores = exposure.score(world(matrix), said(told("w", [("a", "exchange", 0.9), ("b", "exchange", 0.1)])))
    assert scores["exposure.mean_error[convention]"] == pytest.approx(0.5)
    assert scores["exposure.mean_entity_error[convention]"] == pytest.approx(0.5)
    other = exposure.score(world(matrix), said(told("w", [("", "mined", 0.5), ("b", "exchange", 0.5)])))
    assert other["exposure.mean_error[convention]"] == pytest.approx(0)
    assert other["exposure.mean_entity_error[convention]"] == pytest.approx(0.4)


def test_what_is_not_told_is_unattributed() -> None:
    """Shares that do not add up to 1 leave the rest open, and a wallet without an answer is open as a whole."""
    matrix = [
        *true("w", [("a", "exchange", 0.6), ("", "unattributed", 0.4)]),
        *true("v", [("a", "exchange", 0.25), ("", "unattributed", 0.75)]),
    ]
    scores = exposure.score(world(matrix), said(told("w", [("a", "exchange", 0.6)])))
    assert scores["exposure.max_error[convention]"] == pytest.approx(0.25)
    assert scores["exposure.mean_error[convention]"] == pytest.approx(0.125)
    assert scores["exposure.wallets[convention]"] == 2


def test_private_persons_and_coins_held_have_one_name() -> None:
    """Nobody can name a private person: in both tables that is unattributed; `held` is what is unspent."""
    matrix = true("w", [("p", "person", 0.7), ("", "unspent", 0.3)], "sent", "intent")
    scores = exposure.score(world(matrix), said(told("w", [("", "unattributed", 0.7), ("", "held", 0.3)], "sent")))
    assert scores["exposure.max_entity_error[intent,sent]"] == pytest.approx(0)


def test_parties_that_no_label_can_name_are_unattributed() -> None:
    """Whatever its category: a shop that is no service is nobody's share, in the truth and where it is told."""
    owners = [("w", "alice", "alice", None), ("v", "shop", "shop", None)]
    matrix = [row for t in TRUTHS for row in true("w", [("shop", "marketplace", 0.7), ("", "mined", 0.3)], truth=t)]
    scores = exposure.score(world(matrix, owners), said(told("w", [("", "mined", 0.3)])))
    named = exposure.score(world(matrix, owners), said(told("w", [("", "mined", 0.3), ("shop", "other_kind", 0.7)])))
    for truth in TRUTHS:
        assert scores[f"exposure.max_entity_error[{truth}]"] == pytest.approx(0)
        assert named[f"exposure.max_entity_error[{truth}]"] == pytest.approx(0)


def test_a_party_counts_once_by_intent() -> None:
    """Its wallets have one truth by intent: one of them is asked about. By convention each wallet has its own."""
    owners = [("w1", "alice", "alice", None), ("w2", "alice", "alice", None), ("b", "bob", "bob", None)]
    matrix = [row for w, *_ in owners for t in TRUTHS for row in true(w, [("a", "exchange", 1.0)], truth=t)]
    scores = exposure.score(world(matrix, owners), said(told("w1", [("a", "exchange", 1.0)])))
    assert scores["exposure.wallets[convention]"] == 3
    assert scores["exposure.wallets[intent]"] == 2
    assert scores["exposure.mean_error[intent]"] == pytest.approx(0.5)


def test_truths_and_directions_stand_apart() -> None:
    """Each truth and direction has its own figures, and so has the distance between the truths."""
    matrix = [
        *true("w", [("a", "exchange", 1.0)]),
        *true("w", [("r", "sanctioned_entity", 1.0)], truth="intent"),
        *true("w", [("", "unspent", 1.0)], "sent"),
    ]
    findings = said([*told("w", [("a", "exchange", 1.0)]), *told("w", [("", "fee", 1.0)], "sent")])
    scores = exposure.score(world(matrix), findings)
    assert scores["exposure.mean_error[convention,received]"] == pytest.approx(0)
    assert scores["exposure.mean_error[convention,sent]"] == pytest.approx(1)
    assert scores["exposure.mean_error[convention]"] == pytest.approx(0.5)
    assert scores["exposure.mean_error[intent]"] == pytest.approx(1)
    assert scores["exposure.mean_error[intent,sent]"] is None
    assert scores["exposure.mean_gap"] == pytest.approx(1)


def test_wallets_that_coinjoins_have_to_do_with_stand_apart() -> None:
    """By what they sign, or by a share from or to a CoinJoin in that direction; of all others nothing is due to one."""
    matrix = [
        *true("joins", [("a", "exchange", 1.0)]),
        *true("paid by one", [("", "coinjoin", 0.5), ("a", "exchange", 0.5)]),
        *true("paid by one", [("a", "exchange", 1.0)], "sent"),
        *true("neither", [("a", "exchange", 1.0)]),
    ]
    told_all = [row for w in ("joins", "paid by one") for row in told(w, [("", "held", 1.0)])]
    found = said(
        [*told_all, *told("neither", [("a", "exchange", 1.0)]), *told("paid by one", [("a", "exchange", 0.7)], "sent")]
    )
    scores = exposure.score(world(matrix, txs=[("joinmarket", ["joins"]), ("payjoin", ["neither"])]), found)
    assert scores["exposure.wallets[convention,CoinJoin]"] == 2
    assert scores["exposure.mean_error[convention,CoinJoin]"] == pytest.approx(1)
    assert scores["exposure.wallets[convention,no CoinJoin]"] == 2
    assert scores["exposure.mean_error[convention,no CoinJoin]"] == pytest.approx(0.15)
    assert scores["exposure.max_error[convention,no CoinJoin]"] == pytest.approx(0.3)


def test_weighted_error_follows_the_value() -> None:
    """A wallet worth three times as much weighs three times as much."""
    small, large = true("w", [("a", "exchange", 1.0)]), true("v", [("", "mined", 1.0)])
    for row in large:
        row[6] = 300
    scores = exposure.score(world(small + large), said(told("w", [("a", "exchange", 1.0)])))
    assert scores["exposure.weighted_error[convention]"] == pytest.approx(0.75)


def test_wrong_decisions_at_a_threshold() -> None:
    """A listed share told too low clears falsely; one told where there is none, or less, alarms falsely."""
    shares = {"cleared": (0.2, 0.05), "held": (0.10, 0.10), "clean": (0.0, 0.3), "little": (0.05, 0.15)}
    listed = "sanctioned_entity"
    matrix = [r for w, (t, _) in shares.items() for r in true(w, [("r", listed, t), ("", "mined", 1 - t)])]
    rows = [r for w, (_, p) in shares.items() for r in told(w, [("r", listed, p), ("", "mined", 1 - p)])]
    scores = exposure.score(world(matrix), said(rows))
    assert scores["exposure.listed[convention,10%]"] == 2
    assert scores["exposure.false_clear[convention,10%]"] == pytest.approx(0.5)
    assert scores["exposure.false_alarm[convention,10%]"] == pytest.approx(250)
    assert scores["exposure.over_alarm[convention,10%]"] == pytest.approx(250)
    assert scores["exposure.false_clear[convention,1%]"] == pytest.approx(0)
    assert scores["exposure.false_clear[convention,25%]"] is None


def test_a_share_summed_to_the_threshold_reaches_it() -> None:
    """Ten parts of 0.01 are 10 %, whatever floating point makes of them."""
    parts = [(f"r{i}", "sanctioned_entity", 0.01) for i in range(10)]
    scores = exposure.score(world(true("w", [*parts, ("", "mined", 0.9)])), said(told("w", parts)))
    assert scores["exposure.listed[convention,10%]"] == 1
    assert scores["exposure.false_clear[convention,10%]"] == 0


def test_ownership_is_by_keys_and_by_business() -> None:
    """A listed party's own wallets are those whose keys it holds and those that others hold for it."""
    owners = [
        ("own", "r", "r", 1_600_000_000),
        ("custody", "bank", "r", 1_600_000_000),
        ("alice", "alice", "alice", None),
        ("bob", "bob", "bob", None),
    ]
    matrix = [row for w, *_ in owners for row in true(w, [("", "mined", 1.0)])]
    findings = said(told("own", [("", "mined", 1.0)]), [[b"own", True, "listed_address"], [b"bob", True, "suspected"]])
    scores = exposure.score(world(matrix, owners), findings)
    assert (scores["ownership.asked"], scores["ownership.listed"]) == (4, 2)
    assert scores["ownership.recall"] == pytest.approx(0.5)
    assert scores["ownership.false"] == pytest.approx(500)


def test_a_list_names_parties_by_its_own_numbers() -> None:
    """A list's entry is the party whose addresses it gives: told by that number, the right party is told."""
    matrix = true("w", [("r", "sanctioned_entity", 1.0)])
    owners = [("w", "alice", "alice", None), ("own", "r", "r", 1_600_000_000)]
    exposed = told("w", [("ofac_sdn-7", "sanctioned_entity", 1.0)])
    for listed, error in (([[b"own", "ofac_sdn-7", "sanctioned_entity", 100, "listed_address"]], 0), ([], 1)):
        scores = exposure.score(world(matrix, owners), said(exposed, listed=listed))
        assert scores["exposure.mean_entity_error[convention]"] == pytest.approx(error)


def test_nothing_told_is_no_score() -> None:
    """Where there is no finding at all there is no rule yet, and no figure; the counts of the truth stay."""
    scores = exposure.score(world(true("w", [("", "mined", 1.0)]), [("w", "r", "r", 1)]), said([]))
    assert {value for name, value in scores.items() if not name.startswith(("exposure.wallets", "exposure.list"))} == {
        None, 1,
    }  # fmt: skip
    assert scores["exposure.wallets[convention]"] == 1
    assert scores["ownership.recall"] is None


def test_every_figure_is_described() -> None:
    """The report finds a meaning for each figure by its name before the bracket."""
    scores = exposure.score(world([]), said([]))
    assert set(map(base, scores)) == set(map(base, exposure.METRICS))


SHARES = st.dictionaries(
    st.sampled_from([("a", "exchange"), ("b", "exchange"), ("", "mined"), ("r", "sanctioned_entity"), ("", "fee")]),
    st.integers(1, 1000),
    min_size=1,
)
WALLETS = st.dictionaries(
    st.tuples(st.sampled_from("uvw"), st.sampled_from(DIRECTIONS)), st.tuples(SHARES, SHARES), min_size=1
)


def parts_of(weights: dict[tuple[str, str], int]) -> list[Part]:
    """Shares in proportion to weights."""
    return [(e, c, weight / sum(weights.values())) for (e, c), weight in weights.items()]


def slow_distance(mine: list[Part], other: list[Part]) -> float:
    """Total variation distance by category, part by part."""
    difference: defaultdict[str, float] = defaultdict(float)
    for sign, parts in ((1, mine), (-1, other)):
        for _, category, share in parts:
            difference[category] += sign * share
    return sum(map(abs, difference.values())) / 2


@settings(max_examples=25)
@given(WALLETS)
def test_errors_agree_with_a_slow_count(wallets: dict[tuple[str, str], tuple[Any, Any]]) -> None:
    """Mean and maximum are those of a plain loop over the wallets."""
    matrix = [row for (w, d), (mine, _) in wallets.items() for row in true(w, parts_of(mine), d)]
    rows = [row for (w, d), (_, other) in wallets.items() for row in told(w, parts_of(other), d)]
    expected = [slow_distance(parts_of(mine), parts_of(other)) for mine, other in wallets.values()]
    scores = exposure.score(world(matrix), said(rows))
    assert scores["exposure.mean_error[convention]"] == pytest.approx(sum(expected) / len(expected))
    assert scores["exposure.max_error[convention]"] == pytest.approx(max(expected))
