"""What follows from the labels: the second part of an index generation, step by step."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from heuristics.attribution import conflicts, mining, ranking, tags
from heuristics.attribution.conclusions import SURE_ENOUGH
from heuristics.attribution.ground import Ground
from heuristics.attribution.services import find as services
from heuristics.clusters import wallets
from heuristics.clusters.change import decide
from heuristics.clusters.change.view import Flags, view
from heuristics.clusters.links import apart_of, links_of
from heuristics.facts import Report
from heuristics.graph import Graph, Ints
from heuristics.numbers import Numbers
from heuristics.shells.build import shells
from store.arrays import Arrays
from store.labels import LabelSnapshot

# Of each cluster: who surely holds it. Where two are claimed nobody does.
_ACTORS: Final = """
SELECT cluster, entity_id FROM attribution
WHERE rank = 0 AND entity_id IS NOT NULL AND confidence >= $sure AND NOT conflict ORDER BY cluster
"""
_BLOCKED: Final = "SELECT number FROM base.address SEMI JOIN base.quarantine USING (address_id)"
# What only rules conclude: until they have gone over new labels, that of the labels before stands.
_CONCLUDED: Final = (
    "wallet",
    "wallet_edge",
    "refusal",
    "cut",
    "conflict",
    "claim",
    "custody",
    "omnibus",
    "role",
    "nested",
    "pool_block",
    "lead",
    "shell",
    "shell_wallet",
    "shell_lot",
)


@dataclass(frozen=True, slots=True)
class Beneath:
    """What labels are laid over: the base's file and its coins, and what tags of this chain are told by."""

    base: Path
    coins: Path
    network: str
    secret: bytes


class Overlay:
    """One build of a labels file."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, beneath: Beneath, report: Report, without: Collection[int] = ()
    ) -> None:
        """Take where it is written, what it is laid over, who is told, and which rules are switched off."""
        self.con, self.beneath, self.report, self.without = con, beneath, report, without

    def fill(self, snapshot: LabelSnapshot) -> None:
        """Run every step."""
        self.tags(snapshot)
        arrays = Arrays(self.beneath.coins)
        graph = Graph.of(arrays)
        ranking.rank(self.con)
        self.wallets(graph, arrays["cluster"])
        ranking.rank(self.con)
        ground = self.ground(graph, arrays)
        self.conclude("services", services.find(ground)._asdict())
        ranking.rank(self.con)
        self.conclude("mining", mining.conclude(ground)._asdict())
        ranking.rank(self.con)
        # Wallets follow where a rule's claim and a tag, or two claims, name two.
        if conflicts.resolve(self.con):
            ranking.rank(self.con)
            ground = self.ground(graph, arrays)
        self.conclude("shells", shells(ground)._asdict())
        self.con.execute("DETACH base")

    def interim(self, snapshot: LabelSnapshot, before: Path) -> None:
        """Lay new tags over what the rules concluded of the labels before, in the file named."""
        self.tags(snapshot)
        self.con.execute(f"ATTACH '{_quoted(before)}' AS before (READ_ONLY)")
        for table in _CONCLUDED:
            self.con.execute(f"INSERT INTO {table} FROM before.{table}")
        self.con.execute("DETACH before")
        ranking.rank(self.con)
        self.con.execute("DETACH base")

    def tags(self, snapshot: LabelSnapshot) -> None:
        """Write what sources say."""
        self.report("labels", 0, 1)
        self.con.execute(f"ATTACH '{_quoted(self.beneath.base)}' AS base (READ_ONLY)")
        tags.fill(self.con, self.beneath.base.name, snapshot, (self.beneath.network, self.beneath.secret))
        self.report("labels", 1, 1)

    def wallets(self, graph: Graph, cluster: Numbers) -> None:
        """Join clusters by change, unless something speaks against it."""
        self.report("wallets", 0, 1)
        blocked = np.zeros(len(cluster), np.bool_)
        blocked[self.con.sql(_BLOCKED).fetchnumpy()["number"]] = True
        seen = view(graph, cluster, self.several(graph), blocked)
        changes = decide.from_rows(graph, self.con.sql("FROM base.change").to_arrow_table())
        links = links_of(graph, changes)
        found = wallets.wallets(seen, links, apart_of(graph, cluster, changes), self.actors(len(cluster)))
        rows = {
            "wallet": wallets.wallet_rows(found),
            "wallet_edge": wallets.edge_rows(seen, links, found),
            "refusal": wallets.refusal_rows(seen, links, found),
        }
        self.conclude("wallets", rows)

    def several(self, graph: Graph) -> Flags:
        """Per transaction: whether several parties sign it, or may."""
        several = np.zeros(len(graph.looks), np.bool_)
        several[graph.place(self.con.sql("SELECT tx_id FROM base.coinjoin").fetchnumpy()["tx_id"])] = True
        return several

    def actors(self, n: int) -> Ints:
        """Per address number, at the cluster's own: code of the entity that surely holds it, -1 none."""
        found = self.con.execute(_ACTORS, {"sure": SURE_ENOUGH}).fetchnumpy()
        actor = np.full(n, -1, np.int32)
        _, actor[found["cluster"]] = np.unique(found["entity_id"].astype(str), return_inverse=True)
        return actor

    def ground(self, graph: Graph, arrays: Arrays) -> Ground:
        """What the rules see that conclude who is who."""
        times = self.con.sql("SELECT time FROM base.block ORDER BY height").fetchnumpy()["time"]
        wallet = wallet_of(self.con, arrays["cluster"])
        return Ground(self.con, graph, arrays["pooled"], self.several(graph), wallet, np.asarray(times))

    def conclude(self, step: str, found: Mapping[str, pa.Table]) -> None:
        """Write what rules found, but for rules that are switched off: rows by the name of their table."""
        for table, rows in found.items():
            if "rule" in rows.column_names and self.without:
                rows = rows.filter(pa.array(~np.isin(rows["rule"].to_numpy(), list(self.without))))  # noqa: PLW2901
            self.con.register("rows", rows)
            columns = ", ".join(rows.column_names)
            self.con.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM rows")  # noqa: S608
            self.con.unregister("rows")
        self.report(step, 1, 1)


def wallet_of(con: duckdb.DuckDBPyConnection, cluster: Numbers) -> Numbers:
    """Per address number its wallet, as a labels file has it over these clusters."""
    joined = con.sql("SELECT cluster, wallet FROM wallet").fetchnumpy()
    wallet = np.arange(len(cluster), dtype=np.int32)
    wallet[joined["cluster"]] = joined["wallet"]
    return wallet[cluster]


def _quoted(path: Path) -> str:
    """A path to stand between quotes in SQL."""
    return str(path).replace("'", "''")
