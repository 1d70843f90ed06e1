"""Facts to the next index generation, step by step: a base from the lake, labels over it, exposure over both."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import numpy as np
import pyarrow as pa

from heuristics import rules
from heuristics.addresses import Addresses, check, described, number_all, quarantined
from heuristics.attribution import tags
from heuristics.clusters import coinjoin, cospend, samekey, unite
from heuristics.exposure import graph, pairs, vectors
from heuristics.exposure.codes import conclusions, from_table
from heuristics.facts import Chunk, Facts, Longs, Report, Resolved, chunks, concatenated, resolve
from heuristics.histories import histories, moves
from heuristics.numbers import Numbers
from store.arrays import Arrays
from store.index import COINS, DATABASE, EXPOSURE, Index
from store.labels import LabelSnapshot
from store.lake import Lake
from store.manifest import INTERIM, SCHEMA_VERSION, AsOf, Generation

# Rows that are sorted in memory at once, at about 60 bytes each; longer tables are built in parts.
ROWS_AT_ONCE: Final = 40_000_000


class Claims(Protocol):
    """What the build asks of the labels: store.labels.Labels, or claims made up for a test."""

    def snapshot(self) -> LabelSnapshot:
        """Return the newest version."""


def build(
    lake: Lake,
    labels: Claims,
    index: Index,
    *,
    prices: vectors.Prices = vectors.NO_PRICES,
    live: bool = True,
    report: Report = lambda *_: None,
) -> Generation:
    """Build and publish the next generation.

    New labels are live before exposure follows them: until it does, answers say as of which labels it is.

    Parameters
    ----------
    lake
        Its latest gap-free run of segments is indexed.
    labels
        Their newest version is laid over it.
    index
        Where to publish. What was built before from the same lake, rules and labels is used again.
    prices
        What a coin cost; without them, answers give no fiat.
    live
        Whether it is to answer from now on; else it lies beside the live one, to be asked by name.
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
        _write_base(facts, index, base, report)
        snapshot = labels.snapshot()
        overlay = f"{base}-{snapshot.version}-{tags.OVERLAY_VERSION}"
        as_of = AsOf(
            height=facts.height,
            block_hash=lake.manifest(facts.spans[-1]).last_hash,
            label_version=snapshot.version,
            network=lake.network,
            first_height=facts.first_height,
            exposure_labels=snapshot.version,
            prices=prices.version,
        )
        if not index.has(overlay + DATABASE):
            report("labels", 0, 1)
            _write_labels(lake, snapshot, index, (base, overlay))
            report("labels", 1, 1)
        exposed = f"{overlay}-{prices.version}-{vectors.VERSION}"
        files = [base + DATABASE, base + COINS, overlay + DATABASE]
        if not index.has(exposed + EXPOSURE):
            if live:
                _publish_labels(index, files, as_of)
            _write_exposure(index, files, (exposed, as_of), prices, report)
        return index.publish(exposed, [*files, exposed + EXPOSURE], as_of, live=live)


def _write_base(facts: Facts, index: Index, base: str, report: Report) -> None:
    """Write what follows from the lake alone, unless it is there."""
    if index.has(base + DATABASE) and index.has(base + COINS):
        return
    with index.folder(base + COINS) as folder:
        index.write(base + DATABASE, "base", lambda con: Base(facts, (con, folder), report).fill())


def _write_labels(lake: Lake, snapshot: LabelSnapshot, index: Index, names: tuple[str, str]) -> None:
    """Write the claims over a base."""
    base, overlay = names
    place = index.dir / (base + DATABASE)
    index.write(overlay + DATABASE, "labels", lambda con: tags.fill(con, place, snapshot, lake.network, lake.secret))


def _publish_labels(index: Index, files: list[str], as_of: AsOf) -> None:
    """Let new labels answer at once, with the exposure of the labels before, where the base is the same."""
    live = index.readable()
    exposure = next((entry.name for entry in live.files if entry.name.endswith(EXPOSURE)), None) if live else None
    if live and exposure and index.has(exposure) and live.files[0].name == files[0]:
        older = replace(as_of, exposure_labels=live.exposure_labels, prices=live.prices)
        index.publish(f"{files[-1].removesuffix(DATABASE)}{INTERIM}{live.exposure_labels}", [*files, exposure], older)


def _write_exposure(
    index: Index, files: list[str], to: tuple[str, AsOf], prices: vectors.Prices, report: Report
) -> None:
    """Write where the coins came from and went, as the labels see it."""
    base, coins, overlay = (index.dir / name for name in files)
    exposed, as_of = to
    arrays = Arrays(coins)
    with duckdb.connect(str(base), read_only=True) as con:
        times = con.execute("SELECT time FROM block ORDER BY height").fetchnumpy()["time"]
        before = _earlier(index, as_of, con)
    with duckdb.connect(str(overlay), read_only=True) as con:
        codes = from_table(before[1].table("source")) if before else ()
        found = conclusions(con, arrays["cluster"], codes)
    earlier = vectors.earlier(*before) if before else None
    ground = vectors.Ground(arrays, found, np.asarray(times), prices, earlier)
    facts: dict[str, str | int] = {
        "labels": as_of.exposure_labels,
        "prices": as_of.prices,
        "base": base.name,
        "version": vectors.VERSION,
    }
    with index.folder(exposed + EXPOSURE) as folder:
        vectors.write(ground, folder, facts, report)


def fingerprint(facts: Facts) -> str:
    """What a base file follows from, in 12 hex digits: segments, secret, rules and schema."""
    segments = [dict(facts.lake.manifest(span).sha256) for span in facts.spans]
    origin = [segments, facts.lake.secret.hex(), facts.lake.network, rules.versions(), SCHEMA_VERSION]
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:12]


def _earlier(index: Index, as_of: AsOf, con: duckdb.DuckDBPyConnection) -> tuple[Arrays, Arrays] | None:
    """The live generation's coins and exposure, where they are of the beginning of the same history."""
    live = index.readable()
    if live is None or (live.network, live.first_height) != (as_of.network, as_of.first_height):
        return None
    same = con.execute("SELECT hash FROM block WHERE height = ?", [live.height]).fetchone()
    folders = {Path(entry.name).suffix: index.dir / entry.name for entry in live.files}
    if same is None or same[0] != bytes.fromhex(live.block_hash)[::-1] or not all(map(Path.exists, folders.values())):
        return None
    coins, exposed = Arrays(folders[COINS]), Arrays(folders[EXPOSURE])
    return (coins, exposed) if exposed.facts["version"] == vectors.VERSION else None


class Base:
    """One build of a base: the lake's facts on one side, the new database and the folder of coins on the other."""

    def __init__(self, facts: Facts, to: tuple[duckdb.DuckDBPyConnection, Path], report: Report) -> None:
        """Take what is read, where it is written and who is told."""
        self.facts = facts
        self.con, self.folder = to
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
        found, shared, pooled = self.clusters(addresses, resolved)
        cluster = np.where(found.cluster >= 0, found.cluster, np.arange(len(found.cluster), dtype=np.int32))
        clustered = graph.Clustered(addresses.numbers, cluster, shared, pooled)
        graph.write(self.facts, clustered, resolved, self.folder, self.report)
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

    def clusters(self, addresses: Addresses, resolved: Resolved) -> tuple[unite.Trees, Longs, Longs]:
        """Unite addresses; write verdicts and edges.

        Returns the clusters, which transactions look like CoinJoins, and which of these pool funds.
        """
        n = len(addresses.numbers.ids)
        parents = unite.no_parents(n)
        first_seen = np.full(n, cospend.NEVER, np.int64)
        told = samekey.links(addresses.numbers, addresses.keys, addresses.owners, addresses.blocked)
        edges = [unite.accept(parents, told)]
        keys, owners, shared, pooled = [], [], [], []
        for chunk in chunks(self.facts, addresses.numbers, resolved, "clusters", self.report):
            cospend.note_first_seen(chunk, first_seen)
            verdicts = coinjoin.verdicts(chunk)
            self.insert("coinjoin", _verdict_rows(chunk, verdicts))
            # Nothing is mixed in a swap: what its signers pay each other shows.
            shared.append(chunk.tx_id[verdicts.t[verdicts.rule != rules.PSBT_SWAP.id]])
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
        return found, concatenated(shared, np.int64), concatenated(pooled, np.int64)

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
