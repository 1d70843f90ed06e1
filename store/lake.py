"""The lake: facts as immutable Parquet segments of consecutive blocks, append-only.

    DIR/lake/<chain>/lake.json                     network and schema version
    DIR/lake/<chain>/secret                        16 bytes, hex: the key of every id (mode 600)
    DIR/lake/<chain>/<table>/<first>-<last>.parquet
    DIR/lake/<chain>/segment/<first>-<last>.json   written last: without it the segment does not exist

A segment's manifest holds the SHA-256 and row count of its files and the hashes it links to. Segments never
overlap; gaps are allowed (last month first, the rest at night).
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from chains.blocks import Blocks, Span, Table
from chains.ids import SECRET_BYTES, key_of
from store.errors import DamagedError, StoreError, disk_error
from store.files import (
    TEMPORARY,
    locked,
    present,
    publish,
    sha256_file,
    sync_folder,
    wait_alone,
    write_atomically,
)
from store.registry import CHAINS

SCHEMA_VERSION = 1
_ROW_GROUP_ROWS = 1 << 18
_SEGMENT = "segment"
# Small and repetitive columns are worth a dictionary; hashes, ids and values are not.
_DICTIONARY = ("script_type", "sequence", "sighash", "witness_kind", "version", "n_in", "n_out", "bits", "locktime")
_DELTA = ("tx_id", "height", "time")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one segment consists of; the commit record."""

    first: int
    last: int
    prev_hash: str
    last_hash: str
    unresolved: int
    rows: Mapping[str, int]
    sha256: Mapping[str, str]

    @property
    def span(self) -> Span:
        """Heights of the segment."""
        return Span(self.first, self.last)


class Lake:
    """One chain's lake in a data directory."""

    def __init__(self, root: Path, chain: str, network: str, secret: bytes) -> None:
        self.root = root
        self.chain = chain
        self.network = network
        self.secret = secret
        self.tables: tuple[Table, ...] = CHAINS[chain]

    @classmethod
    def open(cls, data_dir: Path, chain: str = "bitcoin") -> "Lake":
        """Open an existing lake; raises StoreError where there is none or it is of another version."""
        root = data_dir / "lake" / chain
        path = root / "lake.json"
        if not path.exists():
            msg = f"no {chain} lake in {data_dir}: run `tadoru backfill {chain} --from …` first, or set --data"
            raise StoreError(msg)
        try:
            facts = json.loads(path.read_text())
            version, network = facts["schema_version"], facts["network"]
            secret = bytes.fromhex((root / "secret").read_text())
            key_of(secret)
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{path} or the secret beside it is unreadable ({error}): restore them from a backup"
            raise DamagedError(msg) from error
        if version != SCHEMA_VERSION:
            msg = f"{path} has schema version {version}, this software {SCHEMA_VERSION}: backfill into a new one"
            raise StoreError(msg)
        return cls(root, chain, network, secret)

    @classmethod
    def create(cls, data_dir: Path, chain: str, network: str, secret: bytes | None = None) -> "Lake":
        """Open the lake, or make an empty one; raises StoreError where it is of another network."""
        root = data_dir / "lake" / chain
        if not (root / "lake.json").exists():
            with locked(root / "LOCK", f"the {chain} lake"):
                _found(root, chain, network, secret or secrets.token_bytes(SECRET_BYTES))
        lake = cls.open(data_dir, chain)
        if lake.network != network:
            msg = f"the lake in {data_dir} holds network {lake.network}, the source is {network}: use another --data"
            raise StoreError(msg)
        return lake

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; leftovers of a killed one are cleared away first."""
        with locked(self.root / "LOCK", f"the {self.chain} lake"):
            wait_alone(self.root / "WORKERS", f"the {self.chain} lake")
            try:
                self._sweep()
            except OSError as error:
                raise disk_error(f"clearing leftovers away from {self.root}", error) from error
            yield

    def join_writers(self) -> IO[bytes]:
        """Write as a helper of the process that is `writing`, until the returned file is closed or this one ends."""
        return present(self.root / "WORKERS")

    def spans(self) -> list[Span]:
        """Committed segments in order; raises DamagedError where two overlap."""
        spans = sorted(_span_of(path) for path in (self.root / _SEGMENT).glob("*.json"))
        for before, after in pairwise(spans):
            if after.first <= before.last:
                msg = f"lake segments {before.name} and {after.name} overlap in {self.root}: remove one and run verify"
                raise DamagedError(msg)
        return spans

    def contiguous(self) -> Span | None:
        """The gap-free run of heights that ends at the highest; None for an empty lake."""
        spans = self.spans()
        if not spans:
            return None
        first = spans[-1].first
        for span in reversed(spans[:-1]):
            if span.last + 1 != first:
                break
            first = span.first
        return Span(first, spans[-1].last)

    def manifest_path(self, span: Span) -> Path:
        """The file of a segment's commit record: the segment exists once it does."""
        return self.root / _SEGMENT / f"{span.name}.json"

    def manifest(self, span: Span) -> Manifest:
        """The commit record of a segment; raises DamagedError where it does not read."""
        path = self.manifest_path(span)
        tables = {table.name for table in self.tables}
        try:
            manifest = Manifest(**json.loads(path.read_bytes()))
            if manifest.span != span or set(manifest.rows) != tables or set(manifest.sha256) != tables:
                raise ValueError("it is not about this segment and these tables")  # noqa: TRY301
        except (OSError, ValueError, TypeError) as error:
            msg = f"{path} is unreadable ({error}): remove it and backfill heights {span.first} to {span.last} again"
            raise DamagedError(msg) from error
        return manifest

    def path(self, table: str, span: Span) -> Path:
        """The file of one table's segment."""
        return self.root / table / f"{span.name}.parquet"

    def paths(self, table: str, spans: Sequence[Span] | None = None) -> list[Path]:
        """The files of a table, in chain order; all segments by default."""
        return [self.path(table, span) for span in (self.spans() if spans is None else spans)]

    def read(self, table: str, span: Span, columns: list[str] | None = None) -> pa.Table:
        """One table's segment as Arrow; raises DamagedError where it does not read."""
        path = self.path(table, span)
        try:
            return pq.read_table(path, columns=columns, partitioning=None, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            msg = f"{path} is unreadable ({error}): {self._repair(span)}"
            raise DamagedError(msg) from error

    def append(self, blocks: Blocks) -> Manifest:
        """Write one segment; it exists once its manifest does. Safe from several processes at once.

        Raises
        ------
        StoreError
            The disk is full or read-only, or some of the heights are there already; nothing was added.
        """
        span = blocks.span
        for there in self.spans():
            if there.first <= span.last and span.first <= there.last:
                msg = f"{self.root} holds heights of {span.name} already (segment {there.name}): truncate it first"
                raise StoreError(msg)
        rows, sums = {}, {}
        try:
            for table in self.tables:
                path = self.path(table.name, span)
                path.parent.mkdir(parents=True, exist_ok=True)
                sums[table.name] = _publish_table(blocks.tables[table.name], table, path)
                rows[table.name] = blocks.tables[table.name].num_rows
            hashes = blocks.prev_hash[::-1].hex(), blocks.last_hash[::-1].hex()
            manifest = Manifest(*span, *hashes, blocks.unresolved, rows, sums)
            write_atomically(self.manifest_path(span), json.dumps(asdict(manifest)).encode())
        except OSError as error:
            raise disk_error(f"writing segment {span.name} to {self.root}", error) from error
        return manifest

    def truncate(self, height: int) -> list[Span]:
        """Remove every segment that holds `height` or more; the removed spans, highest first."""
        removed = [span for span in reversed(self.spans()) if span.last >= height]
        try:
            for span in removed:
                self.manifest_path(span).unlink()
            if removed:
                sync_folder(self.root / _SEGMENT)
                self._sweep()
        except OSError as error:
            raise disk_error(f"removing segments from {self.root}", error) from error
        return removed

    def check_files(self, span: Span) -> None:
        """Hold a segment's files against their SHA-256; raises DamagedError naming the file."""
        manifest = self.manifest(span)
        for table in self.tables:
            path = self.path(table.name, span)
            if not path.exists():
                msg = f"{path} is missing: {self._repair(span)}"
                raise DamagedError(msg)
            if sha256_file(path) != manifest.sha256[table.name]:
                msg = f"{path} is not what was written (SHA-256 differs): {self._repair(span)}"
                raise DamagedError(msg)

    def _repair(self, span: Span) -> str:
        marker = self.manifest_path(span)
        return f"remove {marker} and backfill heights {span.first} to {span.last} again"

    def _sweep(self) -> None:
        """Remove temporary files, and table files without a manifest."""
        committed = {span.name for span in self.spans()}
        for leftover in self.root.glob(f"*/*{TEMPORARY}"):
            leftover.unlink()
        for table in self.tables:
            for path in (self.root / table.name).glob("*.parquet"):
                if path.stem not in committed:
                    path.unlink()


def _found(root: Path, chain: str, network: str, secret: bytes) -> None:
    """Write what makes a folder a lake, unless another process just did."""
    if not (root / "lake.json").exists():
        write_atomically(root / "secret", secret.hex().encode(), mode=0o600)
        facts = {"schema_version": SCHEMA_VERSION, "chain": chain, "network": network}
        write_atomically(root / "lake.json", json.dumps(facts, indent=2).encode())


def _span_of(path: Path) -> Span:
    """The span that a manifest is named for."""
    first, dash, last = path.stem.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        msg = f"{path} is no manifest of a segment: it does not belong here, remove it"
        raise DamagedError(msg)
    return Span(int(first), int(last))


def _publish_table(rows: pa.Table, table: Table, path: Path) -> str:
    """Write one Parquet file whole or not at all; its SHA-256."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        _write_table(rows, table, temporary)
        digest = sha256_file(temporary)
        publish(temporary, path)
    except OSError:
        # A partial file would keep a full disk full.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return digest


def _write_table(rows: pa.Table, table: Table, path: Path) -> None:
    """Write one Parquet file with page checksums."""
    names = [column.name for column in table.columns]
    dictionary = [name for name in names if name in _DICTIONARY]
    delta = {name: "DELTA_BINARY_PACKED" for name in names if name in _DELTA or (name,) == table.sorted_by}
    pq.write_table(
        rows,
        path,
        compression="zstd",
        row_group_size=_ROW_GROUP_ROWS,
        use_dictionary=dictionary,
        column_encoding=delta,
        write_statistics=["tx_id"] if "tx_id" in names else [table.sorted_by[0]],
        write_page_checksum=True,
        store_schema=False,
    )
