"""Index build from a lake, its size, and the union against scipy: `python -m bench.index DATA [--tables]`."""

import shutil
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bench.measure import Finished, Measure, best_of, run_command
from heuristics import generation
from heuristics.addresses import check, number_all
from heuristics.clusters import cospend, unite
from heuristics.facts import NOTHING_RESOLVED, Facts, chunks
from store.formats.claims import ENTITY_SCHEMA
from store.index import Index
from store.labels import LabelSnapshot
from store.lake import Lake
from store.snapshot import LIST_SCHEMA, SNAPSHOT_SCHEMA

SMALL = 1_000_000  # transactions up to which the short bar holds


class SomeLabels:
    """Tags on `n` addresses of the lake, a tenth of them listed."""

    def __init__(self, lake: Lake, n: int) -> None:
        rows = lake.read("address", lake.spans()[0], ["address_id", "script_type", "payload"])
        self.rows = rows.filter(pa.compute.equal(rows["script_type"], 5)).slice(0, n).to_pylist()
        self.network = lake.network

    def snapshot(self, version: str | None = None) -> LabelSnapshot:
        """Everything, as one version."""
        tags = [self._tag(i, b"\x00\x14" + row["payload"]) for i, row in enumerate(self.rows)]
        entities = [
            {"entity_id": f"e{i}", "name": f"E{i}", "category": "exchange", "jurisdictions": [], "source_sha256": "0"}
            for i in range(100)
        ]
        return LabelSnapshot(
            version or "bench",
            pa.Table.from_pylist(tags, schema=SNAPSHOT_SCHEMA),
            pa.Table.from_pylist(entities, schema=ENTITY_SCHEMA),
            pa.Table.from_pylist([], schema=LIST_SCHEMA),
        )

    def _tag(self, i: int, script: bytes) -> dict[str, object]:
        listed = i % 10 == 0
        return {
            "tag_id": i,
            "chain": "bitcoin",
            "network": self.network,
            "address": f"a{i}",
            "script": script,
            "entity_id": f"e{i % 100}",
            "label": "",
            "category": "sanctioned_entity" if listed else "exchange",
            "confidence": 60,
            "cluster_definer": True,
            "list_id": "ofac_sdn" if listed else None,
            "listed_from": date(2022, 1, 1) if listed else None,
            "source_name": "bench",
            "source_sha256": "0",
        }


def build(data: Path) -> Finished:
    """Build an index from nothing, with some labels, in a process of its own."""
    shutil.rmtree(data / "index", ignore_errors=True)
    return run_command([sys.executable, "-m", "bench.index", str(data)])


def build_here(data: Path) -> None:
    """Build the index and print what each step took."""
    steps: dict[str, float] = {}
    last = ("start", time.perf_counter())

    def report(step: str, done: int, total: int) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[last[0]] = steps.get(last[0], 0.0) + now - last[1]
        last = (step if done < total else f"{step}, after", now)

    lake = Lake.open(data)
    generation.build(lake, SomeLabels(lake, 1000), Index(data), report=report)
    for step, spent in sorted(steps.items(), key=lambda item: -item[1]):
        print(f"    {step:24} {spent:7.1f} s")


def measure_tables(data: Path, n_tx: float) -> None:
    """Print what each table takes, by its blocks."""
    with Index(data).open() as reader:
        cur = reader.cursor()
        for database, table in cur.rows("SELECT database_name, table_name FROM duckdb_tables() ORDER BY ALL"):
            rows = cur.rows(
                "SELECT column_name, count(DISTINCT block_id) FROM pragma_storage_info(?) "
                "WHERE persistent GROUP BY 1 ORDER BY 2 DESC",
                [f"{database}.{table}"],
            )
            count = cur.row(f'SELECT count(*) FROM {database}."{table}"')[0]  # noqa: S608
            text = " ".join(f"{name}:{blocks * 262144 / n_tx:.1f}" for name, blocks in rows)
            print(f"    {table:16} {count / n_tx:6.2f} rows/tx  {text}")


def edges_of(lake: Lake) -> tuple[int, unite.Edges]:
    """Number of addresses of a lake, and its co-spend links without any veto."""
    facts = Facts.of(lake)

    def quiet(*_: object) -> None:
        return

    numbers = number_all(facts, quiet)
    addresses = check(facts, numbers, quiet)
    n = len(numbers.ids)
    first_seen = np.full(n, cospend.NEVER, np.int64)
    parts = []
    for chunk in chunks(facts, numbers, NOTHING_RESOLVED, "edges", quiet):
        cospend.note_first_seen(chunk, first_seen)
        nothing = np.zeros(len(chunk.tx_id), np.bool_)
        parts.append(cospend.links(chunk, nothing, addresses.blocked, first_seen))
    return n, unite.joined(parts)


def union(lake: Lake, n_tx: int) -> Measure:
    """Union-find against scipy on the same co-spend links."""
    n, edges = edges_of(lake)

    def scipy_union() -> None:
        graph = coo_array((np.ones(len(edges.a), np.int8), (edges.a, edges.b)), shape=(n, n))
        connected_components(graph, directed=False)

    unite.accept(unite.no_parents(n), edges)
    ours = best_of(3, lambda: unite.accept(unite.no_parents(n), edges))
    ratio = best_of(3, scipy_union) / ours
    return Measure(
        f"T0 union, {n_tx:,} tx",
        len(edges.a) / ours,
        "edges/s",
        "scipy connected_components",
        ratio,
        ">= 1 x",
        ratio >= 1,
    )


def run(data: Path, n_tx: int) -> list[Measure]:
    """The index bars on a lake of `n_tx` transactions."""
    built = build(data)
    current = Index(data).current()
    size = sum(entry.size for entry in current.files) / n_tx if current else 0.0
    limit = 60 if n_tx <= SMALL else 720
    name = f"index build, {n_tx:,} tx"
    measures = [
        Measure(name, built.seconds, "s", bar=f"<= {limit} s", met=built.seconds <= limit),
        Measure(f"{name}, peak", built.peak_bytes / 1e9, "GB", bar="<= 12 GB", met=built.peak_bytes <= 12e9),
        Measure(f"index, {n_tx:,} tx", size, "bytes/tx", bar="<= 300", met=size <= 300),
    ]
    return [*measures, union(Lake.open(data), n_tx)]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    build_here(place)
    if "--tables" in sys.argv:
        measure_tables(place, sum(Lake.open(place).manifest(span).rows["tx"] for span in Lake.open(place).spans()))
