"""One database of an index while it is written: its tables, its settings, and what its errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from store.errors import DiskError, StoreError, disk_error
from store.files import TEMPORARY

DDL_FILE: Final = Path(__file__).with_name("schema.sql")
LABELS_MARK: Final = "-- labels ---"
# Larger than the library's default buffers need not be: sorted runs spill to disk beside the file.
WRITER_MEMORY: Final = "6GB"


def ddl(part: str) -> str:
    """Take from schema.sql what creates the tables of `part`: `base` or `labels`."""
    base, labels = DDL_FILE.read_text().split(LABELS_MARK)
    return base if part == "base" else "-- " + labels


@contextmanager
def write_errors(where: Path) -> Iterator[None]:
    """Turn what an operating system or DuckDB says about a write that failed into what to do about it."""
    action = f"writing the index in {where}"
    try:
        yield
    except OSError as error:
        raise disk_error(action, error) from error
    except duckdb.Error as error:
        text = str(error)
        if "No space left" in text or "ermission denied" in text or "Read-only" in text:
            raise DiskError(f"{action}: {text}; the live generation is untouched") from error
        raise StoreError(f"{action}: {text}") from error


def writer_config(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    """Settings of a connection that writes a database into a folder."""
    return {
        "memory_limit": WRITER_MEMORY,
        "temp_directory": str(folder / f"spill{TEMPORARY}"),
        "python_enable_replacements": False,
    }
