"""Arrays of a generation: a folder of .npy files that is written once and memory-mapped from then on.

What goes through a whole chain in order, or hops from one transaction to the next, wants arrays and not rows: a hop
is a memory access here and half a millisecond of planning there. Pages are read when they are first touched and
shared by all processes. Beside the arrays may lie small tables (Parquet) and facts (JSON).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from store.errors import DamagedError

FACTS: Final = "facts.json"
_NPY: Final = ".npy"


@dataclass(frozen=True, slots=True)
class Array:
    """One array: its name, the type of its elements, their unit and what they mean."""

    name: str
    dtype: np.dtype[Any]
    unit: str
    meaning: str


class Growing:
    """An array that is written piece by piece and never whole in memory; use as a context."""

    def __init__(self, folder: Path, name: str, dtype: npt.DTypeLike) -> None:
        """Begin an empty one-dimensional array."""
        self.dtype = np.dtype(dtype)
        self._n = 0
        self._file = (folder / (name + _NPY)).open("wb")
        self._header()

    def __len__(self) -> int:
        """Elements so far."""
        return self._n

    def append(self, piece: npt.NDArray[Any]) -> None:
        """Write some more elements."""
        self._file.write(np.ascontiguousarray(piece, self.dtype).data)
        self._n += len(piece)

    def close(self) -> None:
        """Say how long it has become."""
        with self._file:
            self._file.seek(0)
            self._header()

    def __enter__(self) -> Self:
        """Use as a context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _header(self) -> None:
        """Write the format's header; it is padded, so that the last one takes the room of the first."""
        descr = np.lib.format.dtype_to_descr(self.dtype)
        said = {"descr": descr, "fortran_order": False, "shape": (self._n,)}
        np.lib.format.write_array_header_1_0(self._file, said)


def save(folder: Path, **arrays: npt.NDArray[Any]) -> None:
    """Write whole arrays."""
    for name, array in arrays.items():
        with Growing(folder, name, array.dtype) as file:
            file.append(array)


def save_facts(folder: Path, facts: Mapping[str, object]) -> None:
    """Write what is to be known of the arrays."""
    (folder / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def save_table(folder: Path, name: str, rows: pa.Table) -> None:
    """Write a small table."""
    pq.write_table(rows, folder / f"{name}.parquet")


class Arrays(Mapping[str, npt.NDArray[Any]]):
    """A folder that is open. Arrays are mapped privately: a stray write is seen by nobody else.

    What does not read raises DamagedError.
    """

    def __init__(self, folder: Path) -> None:
        """Map every array of the folder."""
        self.folder = folder
        self._arrays = {path.stem: _mapped(path) for path in sorted(folder.glob(f"*{_NPY}"))}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return an array."""
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        """Names of the arrays."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """How many arrays."""
        return len(self._arrays)

    @property
    def facts(self) -> dict[str, Any]:
        """What is to be known of the arrays."""
        try:
            found: dict[str, Any] = json.loads((self.folder / FACTS).read_text())
        except (OSError, ValueError) as error:
            raise _damaged(self.folder / FACTS, error) from error
        return found

    def table(self, name: str) -> pa.Table:
        """Read a small table."""
        path = self.folder / f"{name}.parquet"
        try:
            return pq.read_table(path, partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error


def _mapped(path: Path) -> npt.NDArray[Any]:
    """Map an array; kernels are compiled for writable plain arrays only, so it is one (copy on write)."""
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
        # What is empty can not be mapped.
        return np.asarray(np.load(path, mmap_mode="c" if shape[0] else None))
    except (ValueError, TypeError, IndexError, EOFError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DamagedError:
    return DamagedError(f"{path} does not read ({error}); delete its folder and run `tadoru index` to rebuild it")
