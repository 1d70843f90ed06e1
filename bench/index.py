"""Index build from a lake, its size, and the union against scipy: `python -m bench.index DATA [--out FILE]`."""

import argparse
import json
import resource
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from heuristics import generation
from heuristics.addresses import check, number_all
from heuristics.clusters import cospend, unite
from heuristics.facts import NOTHING_RESOLVED, Facts, chunks
from store.formats.claims import ENTITY_SCHEMA
from store.index import Index
from store.labels import LabelSnapshot
from store.lake import Lake
from store.snapshot import LIST_SCHEMA, SNAPSHOT_SCHEMA


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


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure_build(data: Path, lake: Lake) -> dict[str, float]:
    """Build time, time per step, size and memory of one index from nothing."""
    shutil.rmtree(data / "index", ignore_errors=True)
    steps: dict[str, float] = {}
    last = ("start", time.perf_counter())

    def report(step: str, done: int, total: int) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[last[0]] = steps.get(last[0], 0.0) + now - last[1]
        last = (step if done < total else f"{step}, after", now)

    labels = SomeLabels(lake, 1000)
    index = Index(data)
    seconds = timed(lambda: generation.build(lake, labels, index, report=report))
    n_tx = sum(lake.manifest(span).rows["tx"] for span in lake.spans())
    current = index.current()
    size = sum(entry.size for entry in current.files) if current else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for step, spent in sorted(steps.items(), key=lambda item: -item[1]):
        print(f"    {step:24} {spent:7.1f} s")
    return {
        "transactions": n_tx,
        "index_build_s": seconds,
        "index_bytes_per_tx": size / n_tx,
        "index_peak_bytes": peak,
    }


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


def measure_union(lake: Lake) -> dict[str, float]:
    """Union-find against scipy on the same co-spend edges."""
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
    edges = unite.joined(parts)
    unite.accept(unite.no_parents(2), unite.joined([parts[0]])._replace(a=parts[0].a[:0], b=parts[0].b[:0]))
    ours = min(timed(lambda: unite.accept(unite.no_parents(n), edges)) for _ in range(3))

    def scipy_union() -> None:
        graph = coo_array((np.ones(len(edges.a), np.int8), (edges.a, edges.b)), shape=(n, n))
        connected_components(graph, directed=False)

    theirs = min(timed(scipy_union) for _ in range(3))
    return {"union_edges": len(edges.a), "union_s": ours, "scipy_s": theirs, "union_ratio": theirs / ours}


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="data directory with a lake; its index is built anew")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--tables", action="store_true", help="print bytes per table and column")
    args = parser.parse_args()
    lake = Lake.open(args.data)
    figures = measure_build(args.data, lake)
    if args.tables:
        measure_tables(args.data, figures["transactions"])
    figures |= measure_union(lake)
    for name, value in figures.items():
        print(f"{name:24} {value:18,.3f}")
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
