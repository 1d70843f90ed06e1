"""Block and undo files laid out as Bitcoin Core lays them out, so that any reader of a datadir can be tested.

`blk*.dat` holds magic, size, block; `rev*.dat` magic, size, undo record, 32-byte checksum. Both are written
through an 8-byte XOR key by file offset and grown in steps of zeros, of which only the last file keeps some.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from worlds.ledger.blocks import Block
from worlds.ledger.undo import undo_checksum

REGTEST_MAGIC = bytes.fromhex("fabfb5da")
MAX_FILE = 128 << 20
BLOCK_CHUNK = 16 << 20
UNDO_CHUNK = 1 << 20
_FRAME = 8  # magic and size


class _Numbered:
    """The files of one kind: written in order, obfuscated, pre-allocated."""

    def __init__(self, folder: Path, kind: str, chunk: int, key: bytes) -> None:
        self._folder, self._kind, self._chunk = folder, kind, chunk
        self._key = np.frombuffer(key, dtype=np.uint8)
        self._file: IO[bytes] | None = None
        self.size = 0

    def open(self, number: int) -> None:
        """Finish the file before, which drops its tail of zeros, and start the next."""
        self.close(tail=False)
        # Stays open from one block to the next, so no `with` here: DatadirWriter closes it on its own exit.
        self._file = (self._folder / f"{self._kind}{number:05d}.dat").open("wb")
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append plain bytes, obfuscated on their way."""
        if self._file is None:
            msg = "the file is closed"
            raise ValueError(msg)
        self._file.write(obfuscated(data, self._key, self.size))
        self.size += len(data)

    def close(self, *, tail: bool) -> None:
        """Close the file; with `tail`, leave the zeros that Core pre-allocates."""
        if self._file is None:
            return
        if tail:
            self._file.truncate(-(-self.size // self._chunk) * self._chunk)
        self._file.close()
        self._file = None


class DatadirWriter:
    """Writes `DIR/blocks`; use as a context manager, and `add` as the sink of a chain that is written as it grows.

    Parameters
    ----------
    folder
        The datadir; `blocks/` is created in it and must not exist yet.
    key
        8 bytes for `xor.dat`; zeros leave the files in the clear.
    max_file
        Bytes after which the next block goes to a new file.
    """

    def __init__(self, folder: Path, *, key: bytes = bytes(8), max_file: int = MAX_FILE) -> None:
        self.blocks = folder / "blocks"
        self.blocks.mkdir(parents=True)
        (self.blocks / "xor.dat").write_bytes(key)
        self._max_file = max_file
        self._number = 0
        self._blk = _Numbered(self.blocks, "blk", BLOCK_CHUNK, key)
        self._rev = _Numbered(self.blocks, "rev", UNDO_CHUNK, key)
        self._open()

    def __enter__(self) -> Self:
        """Give the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both files, with their pre-allocated tails."""
        self._blk.close(tail=True)
        self._rev.close(tail=True)

    def add(self, block: Block) -> None:
        """Append one block and its undo record."""
        self.room_for(len(block.raw) + _FRAME)
        self._blk.write(framed(block.raw))
        if block.undo is not None:
            self._rev.write(framed(block.undo) + undo_checksum(block.prev_hash, block.undo))

    def room_for(self, size: int) -> None:
        """Go on to the next pair of files if `size` more bytes would overfill this one."""
        if self._blk.size + size >= self._max_file:
            self._number += 1
            self._open()

    def _open(self) -> None:
        self._blk.open(self._number)
        self._rev.open(self._number)


def framed(record: bytes) -> bytes:
    """Put the network's magic and the size before a record."""
    return REGTEST_MAGIC + len(record).to_bytes(4, "little") + record


def obfuscated(data: bytes, key: np.ndarray, offset: int) -> bytes:
    """XOR `data` with the 8-byte key as it falls at this file offset."""
    if not key.any():
        return data
    word = np.roll(key, -(offset % len(key))).view(np.uint64)
    padded = np.zeros(-(-len(data) // 8), dtype=np.uint64)
    padded.view(np.uint8)[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    return (padded ^ word).tobytes()[: len(data)]


def xor_key(seed: int) -> bytes:
    """Key of a seed for `xor.dat`, 8 bytes."""
    return hashlib.sha256(f"{seed}/xor".encode()).digest()[:8]


def write_datadir(folder: Path, blocks: Iterable[Block], *, seed: int, max_file: int = MAX_FILE) -> Path:
    """Write a whole chain, obfuscated with a key of this seed; gives the datadir."""
    with DatadirWriter(folder, key=xor_key(seed), max_file=max_file) as writer:
        for block in blocks:
            writer.add(block)
    return folder
