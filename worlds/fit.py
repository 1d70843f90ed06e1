"""Fits the probabilities of change on simulated worlds, and says how right every candidate set is by itself.

`python -m worlds.fit WORLD…`: every folder holds `world` (with its truth) and `data` (its lake, indexed). Use worlds
of the suite `tune` alone. What is printed goes into heuristics.clusters.change.calibration by hand.

Judged are outputs that at least one family of evidence votes for and that no veto stops. Truth is what the payer
meant; its payments to itself other than change are left out. Each wallet program is left out once in turn: the last
figures say how a table that never saw a program does on its transactions.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.linear_model import LogisticRegression

from chains.bitcoin.tables import ScriptType
from chains.errors import TadoruError
from heuristics.clusters.change import calibration, decide, sets, votes
from heuristics.clusters.change.view import Flags, View, only, view
from heuristics.facts import Bytes
from heuristics.graph import Graph
from store.arrays import Arrays
from store.index import COINS, DATABASE, Index
from worlds.score.measure import select
from worlds.truth.tables import read_table

SETS: Final[dict[str, Callable[[View], Flags]]] = {
    "address_type": sets.address_type,
    "optimal_change": sets.optimal_change,
    "power_of_ten(3)": lambda seen: sets.power_of_ten(seen, 3),
    "power_of_ten(5)": lambda seen: sets.power_of_ten(seen, 5),
    "client_change": sets.client_change,
    "version": sets.version,
    "locktime": sets.locktime,
    "sequence": sets.sequence,
    "script_type": sets.script_type,
    "same_program": votes.same_program,
    "fixed_fee": sets.fixed_fee,
    "peeling_chain": sets.peeling_chain,
}
_BEFORE_SEGWIT: Final = (
    ScriptType.P2PK, ScriptType.P2PK_UNCOMPRESSED, ScriptType.P2PKH, ScriptType.P2SH, ScriptType.MULTISIG,
    ScriptType.OP_RETURN, ScriptType.OTHER,
)  # fmt: skip
_FAMILIES: Final = 5
# Per output in chain order: 1 change, 0 a payment, -1 neither, or of several signers; and who signed.
_TRUTH: Final = """
WITH single AS (
    SELECT txid, program, list_distinct(wallets)[1] AS signer FROM tx WHERE len(list_distinct(wallets)) = 1
)
SELECT p.tx_id, o.vout, s.program,
       CASE WHEN o.is_change THEN 1 WHEN w.entity = payer.entity THEN -1 ELSE 0 END AS change
FROM output o JOIN single s USING (txid) JOIN place p USING (txid) JOIN wallet w ON w.wallet = o.wallet
JOIN wallet payer ON payer.wallet = s.signer
"""


class Sample(NamedTuple):
    """Judged outputs: families that vote, whether it is change, the earliest era it could be of, and the program."""

    families: Bytes
    change: Flags
    since: Bytes
    program: npt.NDArray[np.object_]


class _World(NamedTuple):
    """An indexed world, and what each output is."""

    seen: View
    label: npt.NDArray[np.int8]
    program: npt.NDArray[np.object_]


def read(folder: Path) -> _World:
    """Read one world; raises TadoruError where it is not indexed, FileNotFoundError where it has no truth."""
    index = Index(folder / "data")
    live = index.current()
    if live is None:
        raise TadoruError(f"{folder / 'data'} holds no index: run tadoru index bitcoin there first")
    names = [entry.name for entry in live.files]
    arrays = Arrays(index.dir / next(name for name in names if name.endswith(COINS)))
    with duckdb.connect(str(index.dir / next(n for n in names if n.endswith(DATABASE))), read_only=True) as con:
        place = con.sql("SELECT tx_id, txid FROM tx").to_arrow_table()
        joint = con.sql("SELECT DISTINCT tx_id FROM coinjoin").fetchnumpy()["tx_id"]
    graph = Graph.of(arrays)
    several = np.zeros(len(graph.looks), np.bool_)
    several[graph.place(np.asarray(joint, np.int64))] = True
    seen = view(graph, arrays["cluster"], several, np.zeros(len(arrays["cluster"]), np.bool_))
    truth = {name: read_table(folder / "world" / "truth", name) for name in ("tx", "output", "wallet")}
    return _World(seen, *_labels(graph, select(_TRUTH, place=place, **truth)))


def _labels(graph: Graph, told: pa.Table) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.object_]]:
    """Label and program of every output."""
    row = graph.out_start[graph.place(np.asarray(told["tx_id"], np.int64))] + np.asarray(told["vout"], np.int64)
    label = np.full(len(graph.out_value), -1, np.int8)
    label[row] = np.asarray(told["change"])
    program = np.full(len(graph.out_value), "", np.object_)
    program[row] = np.array(told["program"].to_pylist(), np.object_)
    return label, program


def sample(world: _World) -> Sample:
    """Outputs to judge by."""
    seen = world.seen
    found, may = votes.votes(seen), votes.not_ruled_out(seen)
    own = decide.own(seen)
    found[votes.position(seen, own.place, own.row)] |= votes.POSITION
    chosen = decide.candidates(seen, found, may)
    rows = chosen.row[world.label[chosen.row] >= 0]
    since = _since(seen.graph)[np.searchsorted(seen.graph.out_start, rows, "right") - 1]
    return Sample(found[rows], world.label[rows] == 1, since, world.program[rows])


def _since(graph: Graph) -> Bytes:
    """Earliest era in which each transaction could stand, by the script kinds that it spends and pays."""
    since = np.zeros(len(graph.looks), np.uint8)
    for kinds, start in ((graph.spend_kind, graph.in_start), (graph.out_kind, graph.out_start)):
        era = np.where(np.isin(kinds, _BEFORE_SEGWIT), calibration.PRE_SEGWIT, calibration.SEGWIT)
        era = np.where(kinds == ScriptType.P2TR, calibration.TAPROOT, era).astype(np.uint8)
        place = np.searchsorted(start, np.arange(len(kinds)), "right") - 1
        np.maximum.at(since, place, era)
    return since


def joined(parts: Sequence[Sample]) -> Sample:
    """All samples as one."""
    return Sample(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def fit(found: Sample, era: int) -> tuple[float, ...]:
    """What each family adds to the log-odds in one era; without any, an output is as likely change as not."""
    chosen = found.since <= era
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=1_000)
    model.fit(_bits(found.families[chosen]), found.change[chosen])
    return tuple(round(float(value), 2) for value in model.coef_[0])


def _bits(families: Bytes) -> npt.NDArray[np.float64]:
    return np.stack([(families >> bit) & 1 for bit in range(_FAMILIES)], axis=1).astype(np.float64)


def left_out(found: Sample) -> Iterator[tuple[str, int, int, int]]:
    """Per program: its judged outputs, those that a table without it calls change, and those of them that are none."""
    for program in sorted(set(found.program.tolist())):
        its = found.program == program
        table = np.array(fit(Sample(*(column[~its] for column in found)), calibration.TAPROOT))
        odds = _bits(found.families[its]) @ table
        enough = np.bitwise_count(found.families[its]) >= decide.FAMILIES_NEEDED
        called = enough & (1 / (1 + np.exp(-odds)) >= decide.LEAST_PROBABILITY / 1_000)
        yield program, int(its.sum()), int(called.sum()), int((called & ~found.change[its]).sum())


def alone(worlds: Sequence[_World]) -> Iterator[tuple[str, int, int]]:
    """Per candidate set: outputs that it alone leaves in their transaction, change and payments."""
    for name, candidates in SETS.items():
        right = wrong = 0
        for seen, label, _ in worlds:
            chosen = only(seen.graph.out_start, candidates(seen))
            right, wrong = right + int((label[chosen] == 1).sum()), wrong + int((label[chosen] == 0).sum())
        yield name, right, wrong


def report(folders: Sequence[Path]) -> str:
    """Everything that is fitted and found, as text."""
    worlds = [read(folder) for folder in folders]
    found = joined([sample(world) for world in worlds])
    lines = [f"{len(found.change)} outputs of {len(worlds)} worlds; families: {', '.join(votes.FAMILIES.values())}"]
    lines += ["log-odds per era (type, amount, freshness, spender, position):"]
    lines += [f"    {fit(found, era)}," for era in range(calibration.TAPROOT + 1)]
    lines += ["families: change, payments"]
    for mask in np.unique(found.families).tolist():
        change = found.change[found.families == mask]
        names = [name for bit, name in votes.FAMILIES.items() if mask & bit]
        lines.append(f"    {' + '.join(names)}: {change.sum()}, {(~change).sum()}")
    lines += ["set by itself: change, payments", *(f"    {name}: {a}, {b}" for name, a, b in alone(worlds))]
    lines += ["program left out: judged, called, wrong", *(f"    {p}: {n}, {c}, {w}" for p, n, c, w in left_out(found))]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report; what goes wrong is said on standard error, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m worlds.fit", description=__doc__)
    parser.add_argument("worlds", nargs="+", type=Path)
    try:
        sys.stdout.write(report(parser.parse_args(arguments).worlds) + "\n")
    except (TadoruError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
