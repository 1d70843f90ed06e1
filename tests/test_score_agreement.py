"""Two implementations of one definition: the oracle, from the truth's tables, and the product, from blocks and labels.

They share no code, neither the graph nor the pass nor the wheel. Who owns what is given away, and nobody mixes in a way
that no rule recognises; then every wallet's shares have to be the same.
"""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from worlds.agents import ROSTER
from worlds.score import blind
from worlds.score.blind import Given
from worlds.score.exposure import errors
from worlds.score.findings import Findings
from worlds.settings import Settings, drawn
from worlds.simulate import simulate
from worlds.truth.owners import name_everybody
from worlds.truth.tables import COINJOIN_KINDS, DIRECTIONS, Truth

SAME = 1e-3
MIXERS = ("wasabi1", "wabisabi", "whirlpool", "joinmarket", "mixed-shell")
# Transactions that several parties sign, and keys that one party holds for another: clusters alone get them wrong.
JOINT = ("payjoin", "channels", "market", "custodian", "nested-shell")
OTHERS = tuple(kind for kind in ROSTER if kind not in {*MIXERS, *JOINT, "crowd"} and not kind.startswith("contrary"))
KINDS = {"one owner each": OTHERS, "joint": (*OTHERS, *JOINT), "mixed": ("wabisabi", "static-shell", "darknet")}


def compared(folder: Path, agents: tuple[str, ...]) -> tuple[Truth, Findings]:
    """A world of such parties, and what the pipeline says of it with everybody's wallets named."""
    world = folder / "world"
    simulate(world, drawn(Settings(6, 260, people=30, signed=False, agents=agents)))
    labels = name_everybody(world / "truth", folder / "owners")
    given = Given(world / "node", labels, world / "disclosed" / "wallets.csv", folder / "work")
    return Truth.read(world / "truth"), blind.run(given)


@pytest.mark.parametrize("kind", KINDS)
def test_the_product_agrees_with_the_oracle(tmp_path: Path, kind: str) -> None:
    """Where owners are known and every CoinJoin is recognised, no wallet's shares differ by more than 0.001.

    Of wallets that take part in a CoinJoin nothing is said here.
    """
    truth, found = compared(tmp_path, KINDS[kind])
    pooled = truth.tx.filter(pc.is_in(truth.tx["kind"].cast(pa.string()), value_set=pa.array(COINJOIN_KINDS)))
    assert bool(len(pooled)) == (kind == "mixed")
    assert set(pooled["txid"].to_pylist()) <= set(found.coinjoin["txid"].to_pylist())
    signers = {wallet for signed in pooled["wallets"].to_pylist() for wallet in signed}
    asked = pa.array([wallet not in signers for wallet in truth.matrix["wallet"].to_pylist()])
    compared_by = errors(replace(truth, matrix=truth.matrix.filter(asked)), found)
    for direction in DIRECTIONS:
        one = compared_by["convention", "told", direction]
        assert len(one.error) > 10
        assert one.entity_error.max() <= SAME, direction
