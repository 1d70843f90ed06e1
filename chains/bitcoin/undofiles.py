"""Numbered block and undo files, and which undo record belongs to which block: the one whose checksum fits."""

import re
from pathlib import Path
from typing import Self

import numpy as np

from chains.bitcoin.framing import CHECKSUM_BYTES, Mask, RecordFile
from chains.bitcoin.networks import Network
from chains.errors import SourceError
from chains.sha256 import sha256d_bytes

NO_FRAMES = np.empty((0, 2), np.int64)


def numbered(folder: Path, kind: str) -> dict[int, Path]:
    """Files of one kind (`blk` or `rev`) by number."""
    named = ((re.fullmatch(rf"{kind}([0-9]{{5,}})\.dat", path.name), path) for path in folder.glob(f"{kind}*.dat"))
    return dict(sorted((int(match[1]), path) for match, path in named if match))


class Files(dict[int, RecordFile]):
    """Open record files by number; a context that closes them."""

    def __init__(self, folder: Path, kind: str, mask: Mask) -> None:
        super().__init__()
        self._folder, self._kind, self._mask = folder, kind, mask

    def __enter__(self) -> Self:
        """Give the files themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        for file in self.values():
            file.close()

    def __missing__(self, number: int) -> RecordFile:
        """Open a file when it is first asked for."""
        path = self._folder / f"{self._kind}{number:05d}.dat"
        if not path.exists() and self._kind == "rev":
            msg = f"{path} is missing: it says what the blocks spend. Copy it beside {path.name.replace('rev', 'blk')}"
            raise SourceError(msg)
        self[number] = RecordFile(path, self._mask)
        return self[number]


class UndoFiles(Files):
    """The undo files of a folder; a record is known by its checksum over the previous block's hash.

    Parameters
    ----------
    folder, mask
        Where they lie, and their XOR key.
    frames : dict
        File number to int64 (n_records, 2): first byte and size of each record, see `scan_undo`.
    """

    def __init__(self, folder: Path, mask: Mask, frames: dict[int, np.ndarray]) -> None:
        super().__init__(folder, "rev", mask)
        self._frames = frames

    def count(self, number: int) -> int:
        """Records in a file."""
        return len(self._frames.get(number, NO_FRAMES))

    def match(self, number: int, prev_hash: bytes, guess: int = 0) -> tuple[int, bytes] | None:
        """The record whose checksum fits `prev_hash`: its place in the file and its bytes.

        Records lie in the order the blocks were connected, so `guess` is nearly always right; the search goes
        outwards from it because stale blocks shift the order.
        """
        n = self.count(number)
        for step in range(2 * n + 1):
            i = guess + (step + 1) // 2 * (1 if step % 2 else -1)
            if 0 <= i < n and (record := self._fitting(number, i, prev_hash)) is not None:
                return i, record
        return None

    def matches(self, number: int, prev_hash: bytes) -> list[tuple[int, bytes]]:
        """Every such record: blocks that build on the same one can not be told apart by checksum."""
        records = ((i, self._fitting(number, i, prev_hash)) for i in range(self.count(number)))
        return [(i, record) for i, record in records if record is not None]

    def _fitting(self, number: int, i: int, prev_hash: bytes) -> bytes | None:
        """Record `i` of a file if its checksum fits."""
        start, size = self._frames[number][i].tolist()
        data = self[number].read(start, size + CHECKSUM_BYTES)
        return data[:size] if sha256d_bytes(prev_hash + data[:size]) == data[size:] else None


def scan_undo(folder: Path, mask: Mask, network: Network, numbers: set[int]) -> dict[int, np.ndarray]:
    """Where the undo records lie in each needed file: int64 (n_records, 2), first byte and size."""
    paths = numbered(folder, "rev")
    frames: dict[int, np.ndarray] = {}
    for number in sorted(numbers & paths.keys()):
        with RecordFile(paths[number], mask) as file:
            listed = file.frames(network, CHECKSUM_BYTES)
        frames[number] = np.array([(f.start, f.size) for f in listed], np.int64).reshape(-1, 2)
    return frames
