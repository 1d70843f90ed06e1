"""Records in Bitcoin Core's block and undo files: magic, size, bytes; XOR-ed; with a pre-allocated tail.

`blk*.dat` holds blocks in order of arrival, stale ones too; `rev*.dat` holds undo records, each followed by a
checksum. Since Core 28 both are XOR-ed by file offset with the 8 bytes of `xor.dat`; the pre-allocated tail is
raw zeros on disk, so after the XOR it reads as the key.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from chains.bitcoin.networks import NETWORKS, Network
from chains.errors import FormatError, SourceError

FRAME_BYTES = 8  # magic and size
CHECKSUM_BYTES = 32
MAX_RECORD = 32 * 1024 * 1024  # Core refuses larger messages
XOR_BYTES = 8
_TILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Mask:
    """The XOR key of a blocks directory (eight zeros where there is none)."""

    key: bytes

    @classmethod
    def of(cls, folder: Path) -> "Mask":
        """Read `xor.dat`; raises FormatError where it has the wrong length, SourceError where it can not be read."""
        path = folder / "xor.dat"
        try:
            key = path.read_bytes() if path.exists() else bytes(XOR_BYTES)
        except OSError as error:
            msg = f"can not read {path}: {error.strerror}"
            raise SourceError(msg) from error
        if len(key) != XOR_BYTES:
            msg = f"{path} has {len(key)} bytes, not {XOR_BYTES}: copy it again from the node"
            raise FormatError(msg)
        return cls(key)

    def apply(self, data: np.ndarray, offset: int) -> None:
        """XOR `data`, which was read at a file offset, in place."""
        if not any(self.key):
            return
        shift, size = offset % XOR_BYTES, min(len(data), _TILE_BYTES)  # most reads are headers
        tile = np.frombuffer((self.key * (size // XOR_BYTES + 2))[shift : shift + size], np.uint8)
        for at in range(0, len(data), _TILE_BYTES):
            part = data[at : at + _TILE_BYTES]
            np.bitwise_xor(part, tile[: len(part)], out=part)


@dataclass(frozen=True, slots=True)
class Frame:
    """One record: where its payload lies."""

    start: int
    size: int


class RecordFile:
    """One `blk` or `rev` file, opened for reading."""

    def __init__(self, path: Path, mask: Mask) -> None:
        self.path = path
        self._mask = mask
        try:
            self._fd = os.open(path, os.O_RDONLY)
        except OSError as error:
            msg = f"can not read {path}: {error.strerror}"
            raise SourceError(msg) from error
        self.size = os.fstat(self._fd).st_size

    def __enter__(self) -> Self:
        """Give the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)

    def read_into(self, out: np.ndarray, start: int) -> None:
        """Fill `out` with the bytes from `start` on; raises FormatError where the file ends before."""
        view, done = memoryview(out.data), 0
        while done < len(out):
            n = os.preadv(self._fd, [view[done:]], start + done)
            if n == 0:
                msg = f"{self.path} ends at byte {start + done}, in the middle of a record that starts at {start}"
                raise FormatError(msg)
            done += n
        self._mask.apply(out, start)

    def read(self, start: int, size: int) -> bytes:
        """Bytes `start` to `start + size`."""
        out = np.empty(size, np.uint8)
        self.read_into(out, start)
        return out.tobytes()

    def is_unwritten(self, start: int, size: int) -> bool:
        """Whether a place holds nothing but pre-allocated zeros (raw on disk, before the XOR)."""
        return not os.pread(self._fd, size, start).strip(b"\0")

    def _check_tail(self, start: int) -> None:
        """Behind the first pre-allocated zeros there may be nothing else."""
        for at in range(start, self.size, _TILE_BYTES):
            # Looked at twice, because a node may have gone on to write at `start`.
            if not self.is_unwritten(at, _TILE_BYTES) and self.is_unwritten(start, FRAME_BYTES):
                msg = f"{self.path} holds zeros at byte {start} and data behind them: damaged; copy it again"
                raise FormatError(msg)

    def frames(self, network: Network, trailer: int) -> list[Frame]:
        """Every record of the file, in order.

        Parameters
        ----------
        network : Network
            Whose magic the records must carry.
        trailer : int
            Bytes after each payload (the checksum of undo records).

        Raises
        ------
        FormatError
            The file is empty, holds garbage or is cut off.
        SourceError
            The file belongs to another network.
        """
        if self.size == 0:
            msg = f"{self.path} is empty: copy it again, or remove it if the node has no such file"
            raise FormatError(msg)
        frames, pos = [], 0
        while pos < self.size and not self.is_unwritten(pos, FRAME_BYTES):
            if pos + FRAME_BYTES > self.size:
                msg = f"{self.path} ends in the middle of a record at byte {pos}: copy it again"
                raise FormatError(msg)
            head = self.read(pos, FRAME_BYTES)
            size = int.from_bytes(head[4:], "little")
            if head[:4] != network.magic:
                self._refuse(head[:4], pos, network)
            if size > MAX_RECORD:
                msg = f"{self.path} has a record of {size} bytes at byte {pos}; the limit is {MAX_RECORD}: damaged"
                raise FormatError(msg)
            after = pos + FRAME_BYTES + size + trailer
            if after > self.size:
                # A node extends a file before it writes into it, so even a growing one never ends like this.
                msg = f"{self.path} ends in the middle of the record at byte {pos}: copy it again"
                raise FormatError(msg)
            frames.append(Frame(pos + FRAME_BYTES, size))
            pos = after
        self._check_tail(pos)
        return frames

    def _refuse(self, magic: bytes, pos: int, network: Network) -> None:
        """Say what stands where a record should start."""
        for other in NETWORKS.values():
            if other.magic == magic:
                msg = f"{self.path} holds blocks of network {other.name}, not {network.name} (byte {pos})"
                raise SourceError(msg)
        msg = (
            f"{self.path} has garbage at byte {pos} (no record magic): the file or xor.dat is damaged or foreign; "
            "copy it again"
        )
        raise FormatError(msg)
