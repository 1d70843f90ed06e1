"""What follows from the lake alone: the base of an index generation, step by step."""

import json
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from heuristics import graph, rules
from heuristics.addresses import Addresses, check, described, number_all, quarantined
from heuristics.clusters import cospend, multiparty, samekey, unite
from heuristics.clusters.change import decide
from heuristics.exposure import pairs
from heuristics.facts import Bytes, Chunk, Facts, Longs, Report, Resolved, chunks, concatenated, resolve
from heuristics.histories import histories, moves
from heuristics.numbers import Numbers
from heuristics.rules.clusters import SAMEKEY
from store.manifest import SCHEMA_VERSION

Flags = npt.NDArray[np.bool_]
Rows = TypeVar("Rows", unite.Edges, multiparty.Verdicts)
# Rows that are sorted in memory at once, at about 60 bytes each; longer tables are built in parts.
ROWS_AT_ONCE: Final = 40_000_000


class Base:
    """One build of a base: the lake's facts on one side, the new database and the folder of coins on the other."""

    def __init__(
        self, facts: Facts, to: tuple[duckdb.DuckDBPyConnection, Path], report: Report, without: Collection[int] = ()
    ) -> None:
        """Take what is read, where it is written, who is told, and which rules are switched off."""
        self.facts = facts
        self.con, self.folder = to
        self.report = report
        self.without = without

    def fill(self) -> None:
        """Run every step."""
        for done, span in enumerate(self.facts.spans):
            self.report("lake", done, len(self.facts.spans))
            self.facts.lake.check_files(span)
        self.transactions()
        addresses = check(self.facts, number_all(self.facts, self.report), self.report)
        self.insert("quarantine", quarantined(self.facts, addresses))
        resolved = resolve(self.facts)
        self.meta(resolved)
        coins = graph.write(self.facts, addresses.numbers, resolved, self.folder, self.report)
        verdicts = self.verdicts(coins)
        found = self.clusters(addresses, resolved, verdicts)
        cluster = np.where(found.cluster >= 0, found.cluster, np.arange(len(found.cluster), dtype=np.int32))
        pooled = _pooled(verdicts, len(coins.looks))
        graph.conclude(self.folder, cluster, pooled)
        self.changes(coins, cluster, verdicts, addresses)
        self.flows(addresses, resolved, cluster, pooled)
        first, last = self.addresses(addresses, resolved, found)
        self.members(found.cluster, first, last)

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows, in their order, to a table of the new file."""
        self.con.register("rows", rows)
        columns = ", ".join(rows.column_names)
        self.con.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM rows")  # noqa: S608
        self.con.unregister("rows")

    def meta(self, resolved: Resolved) -> None:
        """Write what the file is built from, and how many spends the whole lake could not resolve."""
        unresolved = sum(self.facts.lake.manifest(span).unresolved for span in self.facts.spans)
        facts = {
            "schema_version": SCHEMA_VERSION,
            "chain": self.facts.lake.chain,
            "network": self.facts.lake.network,
            "first_height": self.facts.first_height,
            "height": self.facts.height,
            "block_hash": self.facts.lake.manifest(self.facts.spans[-1]).last_hash,
            "rules": json.dumps(rules.versions(self.without)),
            "unresolved": unresolved - len(resolved.tx_id),
        }
        values = [str(value) for value in facts.values()]
        self.insert("meta", pa.table({"key": list(facts), "value": values}))

    def transactions(self) -> None:
        """Copy blocks and transaction hashes."""
        block, tx = self.facts.sql("block"), self.facts.sql("tx")
        self.report("transactions", 0, 3)
        columns = "height, hash, time, n_tx, coinbase_script"
        self.con.execute(f"INSERT INTO block SELECT {columns} FROM {block} ORDER BY height")  # noqa: S608
        self.report("transactions", 1, 3)
        self.con.execute(f"INSERT INTO tx SELECT tx_id, txid FROM {tx}")  # noqa: S608
        self.report("transactions", 2, 3)
        self.con.execute(f"INSERT INTO tx_lookup SELECT tx_key, tx_id FROM {tx} ORDER BY tx_key, tx_id")  # noqa: S608
        self.report("transactions", 3, 3)

    def verdicts(self, coins: graph.Graph) -> multiparty.Verdicts:
        """Find and write the transactions of several parties."""
        self.report("verdicts", 0, 1)
        found = multiparty.verdicts(coins)
        found = _chosen(found, ~np.isin(found.rule, list(self.without)))
        rows: dict[str, Any] = found._asdict()
        self.insert("coinjoin", pa.table({"tx_id": coins.tx_id(rows.pop("t")), **rows}))
        self.report("verdicts", 1, 1)
        return found

    def clusters(self, addresses: Addresses, resolved: Resolved, verdicts: multiparty.Verdicts) -> unite.Trees:
        """Unite addresses that no verdict keeps apart; write the edges."""
        n, blocked = len(addresses.numbers.ids), addresses.blocked
        parents = unite.no_parents(n)
        first_seen = np.full(n, cospend.NEVER, np.int64)
        edges = [self.accept(parents, samekey.links(addresses.numbers, addresses.keys, addresses.owners, blocked))]
        keys, owners = [], []
        place = 0
        for chunk in chunks(self.facts, addresses.numbers, resolved, "clusters", self.report):
            cospend.note_first_seen(chunk, first_seen)
            vetoed = np.zeros(len(chunk.tx_id), np.bool_)
            here = slice(*np.searchsorted(verdicts.t, [place, place + len(vetoed)]))
            vetoed[verdicts.t[here] - place] = True
            place += len(vetoed)
            edges.append(self.accept(parents, cospend.links(chunk, vetoed, blocked, first_seen)))
            revealed = chunk.key_id != 0
            keys.append(chunk.key_id[revealed])
            owners.append(chunk.spend_number[revealed])
        # The rest of a revealed key's scripts were told by the scripts themselves.
        every = (
            np.concatenate([addresses.keys, *keys]),
            np.concatenate([addresses.owners, *owners]),
        )
        if any(len(some) for some in keys):
            edges.append(self.accept(parents, samekey.links(addresses.numbers, *every, blocked)))
        accepted = _dated(unite.joined(edges), first_seen)
        found = unite.trees(parents, accepted, first_seen)
        self.insert("cluster_edge", _edge_rows(found, accepted))
        return found

    def changes(
        self, coins: graph.Graph, cluster: Numbers, verdicts: multiparty.Verdicts, addresses: Addresses
    ) -> None:
        """Write which outputs are their payer's own."""
        self.report("change", 0, 1)
        several = np.zeros(len(coins.looks), np.bool_)
        several[verdicts.t] = True
        rows = decide.rows(coins, decide.changes(coins, cluster, several, addresses.blocked))
        self.insert("change", rows.filter(pa.array(~np.isin(rows["rule"].to_numpy(), list(self.without)))))
        self.report("change", 1, 1)

    def accept(self, parents: Numbers, edges: unite.Edges) -> unite.Edges:
        """Unite edges, but for those of rules that are switched off, and keep those that were needed."""
        return unite.accept(parents, _chosen(edges, ~np.isin(edges.rule, list(self.without))))

    def addresses(self, addresses: Addresses, resolved: Resolved, found: unite.Trees) -> tuple[Longs, Longs]:
        """Write addresses and their histories; first and last transaction of each address."""
        numbers = addresses.numbers
        firsts, lasts = [], []
        for start, end in self.parts(len(numbers.ids), ("spend", "output")):
            stream = chunks(self.facts, numbers, resolved, "histories", self.report)
            history, totals = histories((moves(chunk, start, end) for chunk in stream), start, end)
            self.insert("address_tx", pa.table(history._asdict()))
            del history
            kind, payload = described(self.facts, numbers, start, end)
            cluster = found.cluster[start:end]
            rows = {
                "address_id": numbers.ids[start:end],
                "number": np.arange(start, end, dtype=np.int32),
                "script_type": kind,
                "payload": payload,
                "cluster": pa.array(cluster, mask=cluster < 0),
            }
            self.insert("address", pa.table({**rows, **totals._asdict()}))
            firsts.append(totals.first_tx_id)
            lasts.append(totals.last_tx_id)
        return concatenated(firsts, np.int64), concatenated(lasts, np.int64)

    def flows(self, addresses: Addresses, resolved: Resolved, cluster: Numbers, pooled: Bytes) -> None:
        """Write the flows between clusters."""
        for start, end in self.parts(len(cluster), ("output", "output")):
            stream = _marked(chunks(self.facts, addresses.numbers, resolved, "flows", self.report), pooled)
            some = (pairs.sides(pairs.pairs(chunk, cluster, mixed), start, end) for chunk, mixed in stream)
            self.insert("flow", pa.table(pairs.flows(some, start, end)._asdict()))

    def members(self, cluster: Numbers, first: Longs, last: Longs) -> None:
        """Write clusters and their members."""
        self.report("members", 0, 1)
        number = np.flatnonzero(cluster >= 0).astype(np.int32)
        number = number[np.argsort(cluster[number], kind="stable")]
        of = cluster[number]
        self.insert("cluster_member", pa.table({"cluster": of, "number": number}))
        starts = np.flatnonzero(np.diff(of, prepend=-1)) if len(of) else np.zeros(0, np.int64)
        sizes = np.diff(np.append(starts, len(of)))
        rows = {
            "cluster": of[starts],
            "n_addresses": sizes.astype(np.int32),
            "first_tx_id": np.minimum.reduceat(first[number], starts) if len(of) else starts,
            "last_tx_id": np.maximum.reduceat(last[number], starts) if len(of) else starts,
        }
        self.insert("cluster", pa.table(rows))
        self.report("members", 1, 1)

    def parts(self, n: int, tables: tuple[str, str]) -> Iterator[tuple[int, int]]:
        """Cut the numbers 0 … n so that each part has about ROWS_AT_ONCE rows of the two tables."""
        rows = sum(self.facts.lake.manifest(span).rows[table] for span in self.facts.spans for table in tables)
        count = max(1, -(-rows // ROWS_AT_ONCE))
        bounds = [n * part // count for part in range(count + 1)]
        return pairwise(bounds)


def _chosen(rows: Rows, kept: Flags) -> Rows:
    """Some rows of a table of columns."""
    kind: Any = type(rows)
    found: Rows = kind(*(column[kept] for column in rows))
    return found


def _pooled(verdicts: multiparty.Verdicts, n_tx: int) -> Bytes:
    """What each transaction is to the trails of coins: nothing, SHARED or POOLED."""
    pooled = np.zeros(n_tx, np.uint8)
    # Nothing is mixed where what the signers pay each other shows.
    mixed = ~np.isin(verdicts.rule, [rule.id for rule in rules.SHOWS_WHO_PAYS])
    pooled[verdicts.t[mixed]] = graph.SHARED
    pooled[verdicts.t[mixed & (verdicts.confidence >= rules.POOLS_FUNDS)]] = graph.POOLED
    return pooled


def _marked(stream: Iterable[Chunk], pooled: Bytes) -> Iterator[tuple[Chunk, Flags]]:
    """Give each segment with which of its transactions pool funds."""
    place = 0
    for chunk in stream:
        end = place + len(chunk.tx_id)
        yield chunk, pooled[place:end] == graph.POOLED
        place = end


def _dated(edges: unite.Edges, first_seen: Longs) -> unite.Edges:
    """Give same-key edges the first transaction of the later of the two addresses."""
    later = np.maximum(first_seen[edges.a], first_seen[edges.b]) >> cospend.PLACE_BITS
    return edges._replace(tx_id=np.where(edges.rule == SAMEKEY.id, later, edges.tx_id))


def _edge_rows(found: unite.Trees, edges: unite.Edges) -> pa.Table:
    """The evidence tree, by address."""
    number = np.flatnonzero(found.edge >= 0)
    edge = found.edge[number]
    confidence = np.zeros(256, np.uint8)
    for rule in rules.RULES:
        confidence[rule.id] = rule.confidence
    rule_ids = edges.rule[edge]
    return pa.table(
        {
            "number": number.astype(np.int32),
            "parent": found.parent[number],
            "rule": rule_ids,
            "tx_id": edges.tx_id[edge],
            "confidence": confidence[rule_ids],
        }
    )
