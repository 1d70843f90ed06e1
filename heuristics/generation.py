"""Facts to the next index generation, step by step: a base file from the lake, a labels file over it."""

import hashlib
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, Protocol

import duckdb
import numpy as np
import pyarrow as pa

from heuristics import rules
from heuristics.addresses import Addresses, check, described, number_all, quarantined
from heuristics.attribution import tags
from heuristics.clusters import coinjoin, cospend, samekey, unite
from heuristics.exposure import pairs
from heuristics.facts import Chunk, Facts, Longs, Report, Resolved, chunks, concatenated, resolve
from heuristics.histories import histories, moves
from heuristics.numbers import Numbers
from store.index import SCHEMA_VERSION, AsOf, Generation, Index
from store.labels import LabelSnapshot
from store.lake import Lake

# Rows that are sorted in memory at once, at about 60 bytes each; longer tables are built in parts.
ROWS_AT_ONCE: Final = 40_000_000
# A cluster with more flows than this has its totals stored.
BUSY: Final = 1000
_TOTALS: Final = """
INSERT INTO flow_total
SELECT cluster, direction, least(counterparty, 0), sum(value)::BIGINT, sum(n_tx)::BIGINT, min(first_tx_id),
       max(last_tx_id)
FROM flow SEMI JOIN (SELECT cluster FROM flow GROUP BY cluster HAVING count(*) > $busy) busy USING (cluster)
GROUP BY ALL ORDER BY ALL
"""


class Claims(Protocol):
    """What the build asks of the labels: store.labels.Labels, or claims made up for a test."""

    def snapshot(self) -> LabelSnapshot:
        """Return the newest version."""


def build(lake: Lake, labels: Claims, index: Index, *, report: Report = lambda *_: None) -> Generation:
    """Build and publish the next generation.

    Parameters
    ----------
    lake
        Its latest gap-free run of segments is indexed.
    labels
        Their newest version is laid over it.
    index
        Where to publish. The base file is used again where lake and rules are the same as before.
    report
        Called with the step's name, what is done and what there is to do.

    Raises
    ------
    StoreError
        The lake is empty or damaged, another build is running, or the disk is full or read-only. The live
        generation stays as it was.
    """
    with index.building():
        facts = Facts.of(lake)
        base = f"{facts.height:09d}-{fingerprint(facts)}"
        if not index.has(f"{base}.duckdb"):
            index.write(f"{base}.duckdb", "base", lambda con: Base(facts, con, report).fill())
        snapshot = labels.snapshot()
        overlay = f"{base}-{snapshot.version}-{tags.OVERLAY_VERSION}"
        if not index.has(f"{overlay}.duckdb"):
            place = index.dir / f"{base}.duckdb"
            report("labels", 0, 1)
            index.write(
                f"{overlay}.duckdb", "labels", lambda con: tags.fill(con, place, snapshot, lake.network, lake.secret)
            )
            report("labels", 1, 1)
        as_of = AsOf(
            height=facts.height,
            block_hash=lake.manifest(facts.spans[-1]).last_hash,
            label_version=snapshot.version,
            network=lake.network,
            first_height=facts.first_height,
        )
        return index.publish(overlay, [f"{base}.duckdb", f"{overlay}.duckdb"], as_of)


def fingerprint(facts: Facts) -> str:
    """What a base file follows from, in 12 hex digits: segments, secret, rules and schema."""
    segments = [dict(facts.lake.manifest(span).sha256) for span in facts.spans]
    origin = [segments, facts.lake.secret.hex(), facts.lake.network, rules.versions(), SCHEMA_VERSION]
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:12]


class Base:
    """One build of a base file: the lake's facts on one side, the new database on the other."""

    def __init__(self, facts: Facts, con: duckdb.DuckDBPyConnection, report: Report) -> None:
        """Take what is read, where it is written and who is told."""
        self.facts = facts
        self.con = con
        self.report = report

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
        found, pooled = self.clusters(addresses, resolved)
        own = np.arange(len(found.cluster), dtype=np.int32)
        self.flows(addresses, resolved, np.where(found.cluster >= 0, found.cluster, own), pooled)
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
            "rules": json.dumps(rules.versions()),
            "unresolved": unresolved - len(resolved.tx_id),
        }
        values = [str(value) for value in facts.values()]
        self.insert("meta", pa.table({"key": list(facts), "value": values}))

    def transactions(self) -> None:
        """Copy blocks and transaction hashes."""
        block, tx = self.facts.sql("block"), self.facts.sql("tx")
        self.report("transactions", 0, 3)
        self.con.execute(f"INSERT INTO block SELECT height, hash, time, n_tx FROM {block} ORDER BY height")  # noqa: S608
        self.report("transactions", 1, 3)
        self.con.execute(f"INSERT INTO tx SELECT tx_id, txid FROM {tx}")  # noqa: S608
        self.report("transactions", 2, 3)
        self.con.execute(f"INSERT INTO tx_lookup SELECT tx_key, tx_id FROM {tx} ORDER BY tx_key, tx_id")  # noqa: S608
        self.report("transactions", 3, 3)

    def clusters(self, addresses: Addresses, resolved: Resolved) -> tuple[unite.Trees, Longs]:
        """Unite addresses; write verdicts and edges. Returns the clusters and which transactions pool funds."""
        n = len(addresses.numbers.ids)
        parents = unite.no_parents(n)
        first_seen = np.full(n, cospend.NEVER, np.int64)
        told = samekey.links(addresses.numbers, addresses.keys, addresses.owners, addresses.blocked)
        edges = [unite.accept(parents, told)]
        keys, owners, pooled = [], [], []
        for chunk in chunks(self.facts, addresses.numbers, resolved, "clusters", self.report):
            cospend.note_first_seen(chunk, first_seen)
            verdicts = coinjoin.verdicts(chunk)
            self.insert("coinjoin", _verdict_rows(chunk, verdicts))
            pooled.append(chunk.tx_id[verdicts.t[verdicts.confidence >= rules.POOLS_FUNDS]])
            vetoed = np.zeros(len(chunk.tx_id), np.bool_)
            vetoed[verdicts.t] = True
            edges.append(unite.accept(parents, cospend.links(chunk, vetoed, addresses.blocked, first_seen)))
            revealed = chunk.key_id != 0
            keys.append(chunk.key_id[revealed])
            owners.append(chunk.spend_number[revealed])
        # The rest of a revealed key's scripts were told by the scripts themselves.
        every = (
            np.concatenate([addresses.keys, *keys]),
            np.concatenate([addresses.owners, *owners]),
        )
        if any(len(some) for some in keys):
            edges.append(unite.accept(parents, samekey.links(addresses.numbers, *every, addresses.blocked)))
        accepted = _dated(unite.joined(edges), first_seen)
        found = unite.trees(parents, accepted, first_seen)
        self.insert("cluster_edge", _edge_rows(found, accepted))
        return found, concatenated(pooled, np.int64)

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

    def flows(self, addresses: Addresses, resolved: Resolved, cluster: Numbers, pooled: Longs) -> None:
        """Write the flows between clusters."""
        for start, end in self.parts(len(cluster), ("output", "output")):
            stream = chunks(self.facts, addresses.numbers, resolved, "flows", self.report)
            some = (
                pairs.sides(pairs.pairs(chunk, cluster, np.isin(chunk.tx_id, pooled)), start, end) for chunk in stream
            )
            self.insert("flow", pa.table(pairs.flows(some, start, end)._asdict()))
        self.con.execute(_TOTALS, {"busy": BUSY})

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


def _verdict_rows(chunk: Chunk, verdicts: coinjoin.Verdicts) -> pa.Table:
    rows: dict[str, Any] = verdicts._asdict()
    return pa.table({"tx_id": chunk.tx_id[rows.pop("t")], **rows})


def _dated(edges: unite.Edges, first_seen: Longs) -> unite.Edges:
    """Give same-key edges the first transaction of the later of the two addresses."""
    later = np.maximum(first_seen[edges.a], first_seen[edges.b]) >> cospend.PLACE_BITS
    return edges._replace(tx_id=np.where(edges.rule == rules.SAMEKEY.id, later, edges.tx_id))


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
