"""A lake as it was at an earlier height: the same segments by hard links, the one that goes on beyond it cut."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from chains.blocks import POSITION_BITS, Blocks, Span
from store.errors import NotHeldError, disk_error
from store.lake import Lake


def earlier(lake: Lake, height: int, data_dir: Path) -> Lake:
    """Make a lake in another data directory of the same file system that ends at a height.

    Raises
    ------
    NotHeldError
        The lake does not hold that height without a gap.
    StoreError
        The disk is full or read-only.
    """
    whole = lake.contiguous()
    if whole is None or not whole.first <= height <= whole.last:
        holds = "nothing" if whole is None else f"heights {whole.first} to {whole.last}"
        raise NotHeldError(f"height {height} is not in the lake {lake.root}, which holds {holds} without a gap")
    try:
        root = data_dir / "lake" / lake.chain
        root.mkdir(parents=True)
        for name in ("lake.json", "secret"):
            shutil.copy2(lake.root / name, root / name)
        cut = Lake.open(data_dir, lake.chain)
        for span in lake.spans():
            if whole.first <= span.first and span.last <= height:
                _link(lake, span, root)
    except OSError as error:
        raise disk_error(f"linking segments of {lake.root} into {data_dir}", error) from error
    for span in lake.spans():
        if span.first <= height < span.last:
            cut.append(_cut(lake, span, height))
    return cut


def _link(lake: Lake, span: Span, root: Path) -> None:
    """Give a segment's files a second name."""
    for path in [*(lake.path(table.name, span) for table in lake.tables), lake.manifest_path(span)]:
        there = root / path.relative_to(lake.root)
        there.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, there)


def _cut(lake: Lake, span: Span, height: int) -> Blocks:
    """Read the blocks of a segment up to a height."""
    end = (height + 1) << POSITION_BITS
    tables = {table.name: lake.read(table.name, span) for table in lake.tables}
    kept = {name: _until(rows, end, height) for name, rows in tables.items()}
    used = pa.chunked_array([*kept["output"]["address_id"].chunks, *kept["spend"]["address_id"].chunks])
    kept["address"] = tables["address"].filter(pc.is_in(tables["address"]["address_id"], used.unique()))
    hashes = kept["block"]["hash"].to_pylist()
    manifest = lake.manifest(span)
    return Blocks(
        Span(span.first, height),
        bytes.fromhex(manifest.prev_hash)[::-1],
        hashes[-1],
        kept,
        kept["spend"]["value"].null_count,
    )


def _until(rows: pa.Table, end: int, height: int) -> pa.Table:
    """The rows of a table that belong to blocks up to a height."""
    if "tx_id" in rows.column_names:
        return rows.filter(pc.less(rows["tx_id"], end))
    return rows.filter(pc.less_equal(rows["height"], height)) if "height" in rows.column_names else rows
