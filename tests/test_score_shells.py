"""Shell scores: ranking, leads, whom it takes for a shell, and detection delay."""

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worlds.score import shells
from worlds.score.findings import Findings
from worlds.score.measure import base
from worlds.truth.tables import SCHEMAS

RANKED = Findings.of().shell.schema
DAY = 144
TXID = bytes(32)


def world(kinds: dict[str, str], true: dict[str, tuple[str, str, int]], outputs: Any = ()) -> Any:
    """A truth: wallets with their owner's category, and shells with type, principal and first height.

    `outputs` are (wallet, height, value, whether it is change).
    """
    rows: dict[str, list[list[Any]]] = {
        "wallet": [[w, w, ""] for w in kinds],
        "entity": [[w, w, kind, "", False, None] for w, kind in kinds.items()],
        "address": [[f"{w}/{i}".encode(), w, w, role] for w in kinds for i, role in enumerate(("receive", "change"))],
        "shell": [[w, w, kind, principal, start, None] for w, (kind, principal, start) in true.items()],
        "matrix": [[w, f"{w}/0".encode(), "received", "intent", "", "mined", 1, 1.0] for w in kinds if w not in true],
        "tx": [[bytes([i]) * 32, h, "pay", [], ""] for i, (_, h, _, _) in enumerate(outputs)],
        "output": [[bytes([i]) * 32, 0, b"", v, w, change] for i, (w, _, v, change) in enumerate(outputs)],
    }
    return SimpleNamespace(**{name: table(SCHEMAS[name], lines) for name, lines in rows.items()})


def table(schema: pa.Schema, lines: list[list[Any]]) -> pa.Table:
    """A table of rows."""
    return pa.Table.from_pylist([dict(zip(schema.names, line, strict=True)) for line in lines], schema=schema)


def said(*ranked: tuple[str, float, str]) -> Findings:
    """Findings: (wallet/number of its address, score, principal)."""
    rows = [[name.encode(), score, who] for name, score, who in ranked]
    return Findings.of(shell=table(RANKED, rows))


KINDS = {"front": "shell", "second": "shell", "desk": "exchange", "alice": "person", "bob": "person"}
TRUE = {"front": ("static", "r", 100), "second": ("chain", "r", 100)}


def test_who_was_not_ranked_counts_as_ranked_last() -> None:
    """One shell first, one never ranked among three: average precision is (1/1 + 2/5) / 2."""
    scores = shells.score(world(KINDS, TRUE), said(("front/0", 0.9, "r")))
    assert scores["shells.candidates"] == 5
    assert scores["shells.base_rate"] == pytest.approx(0.4)
    assert scores["shells.pr_auc"] == pytest.approx((1 + 2 / 5) / 2)


def test_a_wallet_has_its_best_address_score() -> None:
    """Several addresses of a wallet are one candidate, with the best of their scores and that one's principal."""
    scores = shells.score(world(KINDS, TRUE), said(("front/0", 0.2, "x"), ("front/1", 0.8, "r"), ("desk/0", 0.5, "r")))
    assert scores["shells.candidates"] == 5
    assert scores["shells.precision"] == pytest.approx(0.5)
    assert scores["shells.principal"] == 1


def test_recall_is_told_by_type() -> None:
    """Types weigh the same in the macro recall, however many shells each has."""
    kinds = KINDS | {f"day{i}": "shell" for i in range(4)}
    true = TRUE | {f"day{i}": ("rotating", "r", 100) for i in range(4)}
    ranked = said(*((f"day{i}/0", 0.9, "r") for i in range(4)), ("second/0", 0.49, "r"))
    scores = shells.score(world(kinds, true), ranked)
    assert scores["shells.recall"] == pytest.approx(4 / 6)
    assert [scores[f"shells.recall[{t}]"] for t in ("rotating", "static", "chain")] == [1, 0, 0]
    assert scores["shells.macro_recall"] == pytest.approx(1 / 3)


def test_false_leads_are_told_by_kind() -> None:
    """Who is wrongly taken for a shell is told by the party's category and the roles of its addresses."""
    scores = shells.score(world(KINDS, TRUE), said(("desk/0", 0.7, "r"), ("alice/0", 0.6, "r"), ("bob/0", 0.1, "r")))
    assert scores["shells.false_leads"] == 2
    assert (scores["shells.false_leads[exchange]"], scores["shells.false_leads[person]"]) == (1, 1)
    assert scores["shells.false_lead_rate[person]"] == pytest.approx(0.5)
    assert scores["shells.false_leads[receive]"] == 2
    assert scores["shells.principal"] is None


def test_the_right_principal_is_one_that_it_fronts_for() -> None:
    """A hit with another party's name is a hit with the wrong principal."""
    scores = shells.score(world(KINDS, TRUE), said(("front/0", 0.9, "r"), ("second/0", 0.9, "q")))
    assert scores["shells.principal"] == pytest.approx(0.5)


def test_no_ranking_is_no_score() -> None:
    """Without a rule there are counts of the truth and nothing else; without shells there is no figure either."""
    silent = shells.score(world(KINDS, TRUE), said())
    told = {name for name, value in silent.items() if value is not None}
    assert told == {"shells.candidates", "shells.true", "shells.base_rate"}
    empty = shells.score(world({"alice": "person"}, {}), said(("alice/0", 0.9, "r")))
    assert empty["shells.pr_auc"] is None
    assert empty["shells.macro_recall"] is None
    assert empty["shells.precision"] == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=5), st.integers(1, 6))
def test_precision_at_k_is_the_mean_over_all_orders_of_ties(rows: list[tuple[bool, int]], k: int) -> None:
    """The expected precision is that of every order in which the ties can stand."""
    shell, ranks = np.array([s for s, _ in rows]), np.array([r for _, r in rows], np.float64)
    orders = [o for o in permutations(rows) if [r for _, r in o] == sorted((r for _, r in o), reverse=True)]
    slow = np.mean([sum(s for s, _ in order[:k]) / k for order in orders]) if k <= len(rows) else None
    assert shells.precision_at(shell, ranks, k) == (None if slow is None else pytest.approx(slow))


def test_delay_runs_to_the_first_checkpoint_that_finds_it() -> None:
    """Days and value run from the shell's first block to the checkpoint; the shell never found counts apart."""
    outputs = [
        ("front", 99, 5 * 10**8, False),
        ("front", 100, 10**8, False),
        ("front", 100 + 3 * DAY, 2 * 10**8, False),
        ("front", 100 + DAY, 7 * 10**8, True),
        ("front", 101 + 3 * DAY, 9 * 10**8, False),
        ("second", 200, 10**8, False),
    ]
    checkpoints = [
        (50, said(("front/0", 0.9, "r"))),
        (100 + DAY, said(("front/0", 0.4, "r"), ("alice/0", 0.9, "r"))),
        (100 + 3 * DAY, said(("front/1", 0.5, "r"))),
        (100 + 9 * DAY, said(("front/0", 0.9, "r"))),
    ]
    scores = shells.delay(world(KINDS, TRUE, outputs), checkpoints, 600)
    assert scores["shells.delay_days"] == pytest.approx(3)
    assert scores["shells.delay_value"] == pytest.approx(3)
    assert scores["shells.checkpoint_days"] == pytest.approx((50 / DAY + 9) / 3)
    assert scores["shells.never_found"] == pytest.approx(0.5)


def test_no_ranking_has_no_delay() -> None:
    """Where no checkpoint ranked anybody, nothing was missed either: there is no rule yet."""
    scores = shells.delay(world(KINDS, TRUE), [(500, said())], 600)
    assert set(scores.values()) == {None}


def test_every_figure_is_described() -> None:
    """The report finds a meaning for each figure by its name before the bracket."""
    told = shells.score(world(KINDS, TRUE), said(("front/0", 0.9, "r")))
    names = [*told, *shells.delay(world(KINDS, TRUE), [], 600)]
    assert set(map(base, names)) == set(map(base, shells.METRICS))
