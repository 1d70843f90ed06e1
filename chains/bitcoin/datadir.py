"""Source 1: the block files of a Bitcoin Core data directory, beside a running node or as a copy.

Opening scans the headers of all `blk*.dat`, whatever their order, and picks the best chain by work. Each block
is read together with its undo record from the `rev*.dat` of the same number, found by its checksum over the
previous block's hash, so nothing has to be looked up elsewhere.
"""

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from chains.bitcoin.decode import Records, Undo, decode, join_records
from chains.bitcoin.framing import CHECKSUM_BYTES, Mask, RecordFile
from chains.bitcoin.headers import Chain, Stored, best_chain, coinbase_height
from chains.bitcoin.networks import NETWORKS, Network
from chains.bitcoin.wire import HEADER_BYTES
from chains.blocks import Blocks, Span, Tip
from chains.errors import FormatError, SourceError, VerificationError
from chains.planning import plan_by_size
from chains.sha256 import sha256d_bytes

log = logging.getLogger(__name__)

_FOLDERS = ("blocks", "regtest/blocks", "signet/blocks", "testnet4/blocks", "testnet3/blocks", ".")
_NO_FRAMES = np.empty((0, 2), np.int64)
_NEARBY = 16  # stale blocks shift undo records by a few places


def blocks_folder(path: Path) -> Path:
    """The folder that holds `blk*.dat`: the path itself, or where Core puts it below a data directory.

    Raises
    ------
    SourceError
        No block files there.
    """
    for name in _FOLDERS:
        if next((path / name).glob("blk*.dat"), None) is not None:
            return path / name
    looked = ", ".join(str(path / name) for name in _FOLDERS)
    msg = f"no blk*.dat files found; looked in {looked}. Point --from at a Bitcoin Core data directory"
    raise SourceError(msg)


@dataclass(frozen=True)
class DatadirSource:
    """The best chain in a folder of block files. Small, and can be pickled for workers."""

    folder: Path
    network: str
    first_height: int
    hashes: bytes  # 32 bytes per block, internal order
    places: np.ndarray  # int64 (n_blocks, 3): file number, first byte, size
    undo_frames: dict[int, np.ndarray]  # file number → int64 (n_records, 2): first byte, size
    workers_help: bool = True

    @classmethod
    def open(cls, path: Path, network: str | None = None, first_height: int | None = None) -> "DatadirSource":
        """Scan the headers and choose the chain.

        Parameters
        ----------
        path : Path
            A Core data directory, one of its network folders, or its `blocks` folder.
        network : str, optional
            Expected network; by default what the first file says.
        first_height : int, optional
            Height of the oldest block where it is not genesis and does not say so itself (BIP 34).

        Raises
        ------
        SourceError, FormatError
            Naming the file, the byte and what to do.
        """
        folder = blocks_folder(path)
        mask = Mask.of(folder)
        files = _numbered(folder, "blk")
        chosen = NETWORKS[network] if network else _network_of(files, mask)
        found = _scan_headers(files, mask, chosen)
        chain = _choose(folder, mask, found, chosen, first_height)
        places = np.array([block.place for block in chain.blocks], np.int64).reshape(-1, 3)
        undo = _scan_undo(folder, mask, chosen, {int(number) for number in places[:, 0]})
        hashes = b"".join(block.block_hash for block in chain.blocks)
        return cls(folder, chosen.name, chain.first_height, hashes, places, undo).without_unconnected()

    def without_unconnected(self) -> "DatadirSource":
        """Leave out the newest blocks that a running node has stored but not connected: no undo data yet."""
        files = _Files(self.folder, "rev", self._mask)
        n = self.n_blocks
        while n > 1:
            number = int(self.places[n - 1, 0])
            frames = self.undo_frames.get(number, _NO_FRAMES)
            height = self.first_height + n - 1
            guess = self._rank(height, number)
            if len(frames) > guess or _matches(files, number, frames, self.block_hash(height - 1), guess):
                break
            n -= 1
        files.close()
        if n < self.n_blocks:
            if not self.undo_frames:
                msg = f"{self.folder} has no rev*.dat files, which say what the blocks spend: copy them too"
                raise SourceError(msg)
            log.warning("%d newest blocks have no undo data yet and are left for later", self.n_blocks - n)
        return replace(self, hashes=self.hashes[: n * 32], places=self.places[:n])

    @property
    def n_blocks(self) -> int:
        """Blocks of the chain."""
        return len(self.places)

    def tip(self) -> Tip:
        """The last block that can be read."""
        height = self.first_height + self.n_blocks - 1
        return Tip(height, self.block_hash(height)[::-1].hex())

    def block_hash(self, height: int) -> bytes:
        """Hash at a height; raises SourceError outside of the chain."""
        at = height - self.first_height
        if not 0 <= at < self.n_blocks:
            last = self.first_height + self.n_blocks - 1
            msg = f"{self.folder} holds heights {self.first_height} to {last}; height {height} is not among them"
            raise SourceError(msg)
        return self.hashes[at * 32 : at * 32 + 32]

    def plan(self, span: Span, target_bytes: int) -> list[Span]:
        """Cut a span into runs of about `target_bytes`."""
        self.block_hash(span.first), self.block_hash(span.last)
        sizes = self.places[span.first - self.first_height : span.last - self.first_height + 1, 2]
        return plan_by_size(span.first, sizes, target_bytes)

    def read(self, span: Span, secret: bytes) -> Blocks:
        """Read, verify and decode one span with its undo data."""
        places = self.places[span.first - self.first_height : span.last - self.first_height + 1]
        records = self._read_blocks(places)
        undo = self._read_undo(span, places)
        try:
            return decode(records, undo, (span.first, self.network), secret)
        except (FormatError, VerificationError) as error:
            files = ", ".join(sorted({f"blk{number:05d}.dat" for number in places[:, 0].tolist()}))
            msg = f"heights {span.first} to {span.last} from {files} in {self.folder}: {error}"
            raise type(error)(msg) from error

    @cached_property
    def _mask(self) -> Mask:
        return Mask.of(self.folder)

    def _read_blocks(self, places: np.ndarray) -> Records:
        """The raw blocks at `places` in one buffer."""
        sizes = places[:, 2]
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)[:-1]))
        buf = np.empty(int(sizes.sum()), np.uint8)
        files = _Files(self.folder, "blk", self._mask)
        for (number, at, size), start in zip(places.tolist(), starts.tolist(), strict=True):
            files[number].read_into(buf[start : start + size], at)
        files.close()
        return Records(buf, starts, np.ascontiguousarray(sizes))

    def _read_undo(self, span: Span, places: np.ndarray) -> Undo:
        """The undo records of a span, each matched by its checksum."""
        files = _Files(self.folder, "rev", self._mask)
        cursors: dict[int, int] = {}
        parts = []
        for height, number in zip(range(span.first, span.last + 1), places[:, 0].tolist(), strict=True):
            if height == 0:
                parts.append(b"\x00")  # genesis spends nothing and has no record
                continue
            guess = cursors.get(number)
            if guess is None:
                guess = self._rank(height, number)
            frames = self.undo_frames.get(number, _NO_FRAMES)
            prev = self.block_hash(height - 1) if height > self.first_height else self._first_prev()
            found = match_undo(files, number, frames, prev, guess)
            if found is None:
                msg = (
                    f"no undo record in {self.folder}/rev{number:05d}.dat matches block {height} (checksum over the "
                    "previous hash): the file is damaged, belongs to another copy or is being written right now; "
                    "copy blk and rev files together, or run again"
                )
                raise VerificationError(msg)
            cursors[number] = found[0] + 1
            parts.append(found[1])
        files.close()
        return Undo(join_records(parts), compressed=True)

    def _first_prev(self) -> bytes:
        """What the oldest block builds on."""
        number, at, _size = self.places[0].tolist()
        file = RecordFile(self.folder / f"blk{number:05d}.dat", self._mask)
        prev = file.read(at + 4, 32)
        file.close()
        return prev

    def _rank(self, height: int, number: int) -> int:
        """How many blocks of the chain below `height` lie in file `number`, genesis left out."""
        below = self.places[: height - self.first_height, 0]
        return int((below == number).sum()) - (1 if self.first_height == 0 and number == self.places[0, 0] else 0)


class _Files(dict[int, RecordFile]):
    """Open record files by number."""

    def __init__(self, folder: Path, kind: str, mask: Mask) -> None:
        super().__init__()
        self._folder, self._kind, self._mask = folder, kind, mask

    def __missing__(self, number: int) -> RecordFile:
        path = self._folder / f"{self._kind}{number:05d}.dat"
        if not path.exists() and self._kind == "rev":
            msg = f"{path} is missing: it says what the blocks spend. Copy it beside {path.name.replace('rev', 'blk')}"
            raise SourceError(msg)
        self[number] = RecordFile(path, self._mask)
        return self[number]

    def close(self) -> None:
        for file in self.values():
            file.close()


def _matches(files: "_Files", number: int, frames: np.ndarray, prev_hash: bytes, guess: int) -> bool:
    """Whether one of the last few records before `guess` fits `prev_hash`."""
    near = frames[max(0, guess - _NEARBY) :]
    return len(near) > 0 and match_undo(files, number, near, prev_hash, len(near)) is not None


def match_undo(
    files: "_Files", number: int, frames: np.ndarray, prev_hash: bytes, guess: int
) -> tuple[int, bytes] | None:
    """The undo record whose checksum fits `prev_hash`: its place in the file and its bytes.

    Records lie in the order the blocks were connected, so `guess` is nearly always right; the search goes
    outwards from it because stale blocks shift the order.
    """
    file = files[number]
    for step in range(2 * len(frames) + 1):
        i = guess + (step + 1) // 2 * (1 if step % 2 else -1)
        if 0 <= i < len(frames):
            start, size = frames[i].tolist()
            data = file.read(start, size + CHECKSUM_BYTES)
            if sha256d_bytes(prev_hash + data[:size]) == data[size:]:
                return i, data[:size]
    return None


def _numbered(folder: Path, kind: str) -> dict[int, Path]:
    """Files of one kind by number."""
    return {int(path.stem[3:]): path for path in sorted(folder.glob(f"{kind}[0-9]*.dat"))}


def _network_of(files: dict[int, Path], mask: Mask) -> Network:
    """The network whose magic the first file starts with."""
    first = next(iter(files.values()))
    if first.stat().st_size < len(mask.key):
        msg = f"{first} is empty or cut off: copy it again"
        raise FormatError(msg)
    file = RecordFile(first, mask)
    magic = file.read(0, 4)
    file.close()
    for network in NETWORKS.values():
        if network.magic == magic:
            return network
    msg = (
        f"{first} starts with {magic.hex()}, the magic of no Bitcoin network: "
        "not a block file, or xor.dat is missing or wrong"
    )
    raise FormatError(msg)


def _scan_headers(files: dict[int, Path], mask: Mask, network: Network) -> list[Stored]:
    """Every distinct block in every file, in file order."""
    found: dict[bytes, Stored] = {}
    for number, path in files.items():
        file = RecordFile(path, mask)
        for frame in file.frames(network, 0):
            if frame.size < HEADER_BYTES + 1:
                msg = f"{path} has a record of {frame.size} bytes at byte {frame.start}: too short for a block"
                raise FormatError(msg)
            header = file.read(frame.start, HEADER_BYTES)
            block_hash = sha256d_bytes(header)
            bits = int.from_bytes(header[72:76], "little")
            place = (number, frame.start, frame.size)
            found.setdefault(block_hash, Stored(block_hash, header[4:36], bits, place))
        file.close()
    if not found:
        msg = f"{next(iter(files.values())).parent} holds no blocks yet: let the node download some"
        raise SourceError(msg)
    return list(found.values())


def _choose(folder: Path, mask: Mask, found: list[Stored], network: Network, first_height: int | None) -> Chain:
    """The best chain; where it does not start at genesis, its height from BIP 34 or the caller."""
    known = {block.block_hash for block in found}
    root = next(block for block in found if block.prev_hash not in known)
    if first_height is None and root.block_hash != network.genesis_hash:
        number, at, size = root.place
        file = RecordFile(folder / f"blk{number:05d}.dat", mask)
        first_height = height_of_block(file.read(at, min(size, 256)))
        file.close()
    return best_chain(found, first_height, network.genesis_hash)


def height_of_block(raw: bytes) -> int | None:
    """The height a raw block claims in its coinbase (BIP 34), None where it does not."""
    if int.from_bytes(raw[:4], "little") < 2:
        return None
    count_bytes = {253: 3, 254: 5}.get(raw[HEADER_BYTES], 1)
    at = HEADER_BYTES + count_bytes + 4
    if raw[at : at + 2] == b"\x00\x01":
        at += 2
    size = raw[at + 37]
    return coinbase_height(raw[at + 38 : at + 38 + size])


def _scan_undo(folder: Path, mask: Mask, network: Network, numbers: set[int]) -> dict[int, np.ndarray]:
    """Where the undo records lie in each needed file."""
    paths = _numbered(folder, "rev")
    frames: dict[int, np.ndarray] = {}
    for number in sorted(numbers & paths.keys()):
        file = RecordFile(paths[number], mask)
        listed = file.frames(network, CHECKSUM_BYTES)
        frames[number] = np.array([(f.start, f.size) for f in listed], np.int64).reshape(-1, 2)
        file.close()
    return frames
