"""Base rates: how like the real chain the transactions look."""

from typing import Any

import pytest

from tests.truths import Story, said
from worlds.score import rates
from worlds.score.findings import Findings
from worlds.score.measure import base


def counted(**features: dict[str, int]) -> Findings:
    """Findings with these counts."""
    schema = said().rates.schema
    rows: list[Any] = [
        {"feature": f, "kind": value, "n": n} for f, values in features.items() for value, n in values.items()
    ]
    return Findings.of(rates=said().rates.from_pylist(rows, schema=schema))


def test_shares_and_distance() -> None:
    """Half version 1, half 2: 0.127 from the real chain; a value that its survey does not tell is among the rest."""
    scores = rates.score(Story().truth(), counted(version={"1": 50, "2": 50}, shape={"9-9": 3, "1-2": 1}))
    assert scores["rates.share[version: 1]"] == 0.5
    assert scores["rates.distance[version]"] == pytest.approx(0.127)
    assert scores["rates.share[shape: other]"] == 0.75
    assert scores["rates.share[shape: 1-1]"] == 0
    assert {base(name) for name in scores} <= {base(name) for name in rates.METRICS}


def test_without_transactions_there_is_no_rate() -> None:
    """Nothing was counted, nothing is told."""
    assert set(rates.score(Story().truth(), said()).values()) == {None}


@pytest.mark.parametrize("feature", rates.REAL)
def test_the_real_chains_shares_are_whole(feature: str) -> None:
    """They sum to 1, what the survey leaves included."""
    assert sum(rates.REAL[feature].values()) == pytest.approx(1)
