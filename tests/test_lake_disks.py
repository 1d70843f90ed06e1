"""The lake on disks that refuse: full, limited, read-only; nothing half is left, and what was there stays."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chains.blocks import Span
from store.errors import DiskError, StoreError
from store.files import TEMPORARY
from store.lake import Lake
from tests.datadirs import contents
from tests.disks import read_only, tiny, without_permission
from tests.test_lake import SPANS, blocks, full, lake
from tests.twins import SECRET

__all__ = ["full", "lake"]


def test_a_full_disk(tmp_path: Path) -> None:
    """Said as such; what was there stays, nothing half is left, and with room again it goes on."""
    with tiny(tmp_path / "small", 160) as folder:
        lake = Lake.create(folder, "bitcoin", "regtest", SECRET)
        lake.append(blocks(0, 9))
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(_free(folder) - 8192))
        before = contents(lake.root)
        with pytest.raises(DiskError, match=r"segment 000000010-000000110 .*no space left on the disk; what was there"):
            lake.append(blocks(10, 110))
        with lake.writing():
            assert contents(lake.root) == before
        assert not list(folder.rglob(f"*{TEMPORARY}"))
        ballast.unlink()
        lake.append(blocks(10, 20))
        assert lake.contiguous() == Span(0, 20)


def _free(folder: Path) -> int:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 100, 3000])
def test_a_disk_that_refuses_at_any_point(lake: Lake, size: int) -> None:
    """Whatever file is refused, the segment is not there afterwards, and can be written later."""
    lake.append(blocks(0, 9))
    before = contents(lake.root)
    with limited(size), pytest.raises(StoreError, match="segment 000000010-000000110"):
        lake.append(blocks(10, 110))
    with lake.writing():
        assert contents(lake.root) == before
    lake.append(blocks(10, 110))
    lake.check_files(Span(10, 110))


def test_a_read_only_disk(tmp_path: Path) -> None:
    """Writing says so; reading goes on."""
    with tiny(tmp_path / "small", 512) as folder:
        lake = Lake.create(folder, "bitcoin", "regtest", SECRET)
        lake.append(blocks(0, 9))
        with read_only(folder):
            assert_only_reads(folder, Lake.open(folder))


def test_a_folder_without_permission(full: Lake) -> None:
    """The same by permissions."""
    folder = full.root.parents[1]
    with without_permission(folder):
        assert_only_reads(folder, Lake.open(folder))


def assert_only_reads(folder: Path, lake: Lake) -> None:
    """Each way to write is refused with the reason; each way to read works."""
    span = lake.spans()[0]
    assert lake.read("block", span).num_rows == span.last - span.first + 1
    for write in (
        lambda: lake.append(blocks(50, 55)),
        lambda: lake.truncate(0),
        lambda: Lake.create(folder / "elsewhere", "bitcoin", "regtest"),
        lambda: lake.writing().__enter__(),
    ):
        with pytest.raises(DiskError, match=r"not writable .*check the owner and mount"):
            write()
    lake.check_files(span)


def test_files_can_be_read_by_others(full: Lake) -> None:
    """Plain Parquet with the registry's columns: no schema of our own is needed to read it."""
    table = pq.read_table(full.path("output", SPANS[0]), partitioning=None)
    assert isinstance(table, pa.Table)
    assert table.schema.field("value").type == pa.int64()
    assert pq.ParquetFile(full.path("tx", SPANS[0])).metadata.row_group(0).column(0).compression == "ZSTD"
