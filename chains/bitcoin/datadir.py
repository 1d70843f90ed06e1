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

from chains.bitcoin import consensus
from chains.bitcoin.decode import Records, Undo, check_values, decode, join_records
from chains.bitcoin.framing import Frame, Mask, RecordFile
from chains.bitcoin.headers import Chain, Stored, best_chain, coinbase_height
from chains.bitcoin.networks import NETWORKS, Network, network_named
from chains.bitcoin.undo import read_prevouts
from chains.bitcoin.undofiles import Files, UndoFiles, numbered, scan_undo
from chains.bitcoin.wire import HEADER_BYTES, scan
from chains.blocks import Blocks, Span, Tip
from chains.errors import FormatError, SourceError, VerificationError
from chains.planning import plan_by_size
from chains.sha256 import sha256d_bytes

log = logging.getLogger(__name__)

_FOLDERS = ("blocks", "regtest/blocks", "signet/blocks", "testnet4/blocks", "testnet3/blocks", ".")
_AHEAD = 1024  # blocks that a node stores at most before it connects the first of them


def blocks_folder(path: Path) -> Path:
    """The folder that holds `blk*.dat`: the path itself, or where Core puts it below a data directory.

    Raises
    ------
    SourceError
        No block files there.
    """
    for name in _FOLDERS:
        if numbered(path / name, "blk"):
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
    rivals: dict[int, int]  # height → how many blocks on the same parent lie before the chain's in its file
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
        files = numbered(folder, "blk")
        chosen = network_named(network) if network else _network_of(files, mask)
        found = _scan_headers(files, mask, chosen)
        chain = _choose(folder, mask, found, chosen, first_height)
        places = np.array([block.place for block in chain.blocks], np.int64).reshape(-1, 3)
        needed = {block.place[0] for block in (*chain.blocks, *chain.detached[:1])}
        undo = scan_undo(folder, mask, chosen, needed)
        if not undo and len(places) > 1:
            msg = f"{folder} has no rev*.dat files, which say what the blocks spend: copy them too"
            raise SourceError(msg)
        hashes = b"".join(block.block_hash for block in chain.blocks)
        rivals = _rivals(found, chain)
        source = cls(folder, chosen.name, chain.first_height, hashes, places, undo, rivals)
        source._refuse_holes(chain.detached)
        return source._without_unconnected(found)

    def _refuse_holes(self, detached: list[Stored]) -> None:
        """Blocks without a parent are waiting for it, unless the node has connected them: then a file is damaged."""
        if not detached:
            return
        block = detached[0]
        number, at, _size = block.place
        with self._undo_files() as files:
            connected = files.match(number, block.prev_hash) is not None
        if connected:
            msg = (
                f"block {block.block_hash[::-1].hex()} (byte {at} of {self.folder}/blk{number:05d}.dat) builds on "
                f"{block.prev_hash[::-1].hex()}, which is in no blk file: one is missing or damaged, or the node is "
                "still filling in the blocks below a snapshot; copy the files again, or wait for it"
            )
            raise SourceError(msg)
        log.warning("%d blocks whose parents are not there yet are left for later", len(detached))

    def _without_unconnected(self, found: list[Stored]) -> "DatadirSource":
        """Leave out the newest blocks that a running node has stored but not connected: no undo data yet."""
        n = self.n_blocks
        with self._undo_files() as files:
            while n > 1 and not self._is_connected(files, n - 1, found):
                n -= 1
                if self.n_blocks - n > _AHEAD:
                    number = int(self.places[n, 0])
                    msg = (
                        f"the {self.n_blocks - n} newest blocks in {self.folder} have no undo data, more than a node "
                        f"stores ahead: rev{number:05d}.dat or later ones are missing or damaged; copy them again"
                    )
                    raise SourceError(msg)
        if n < self.n_blocks:
            log.warning("%d newest blocks have no undo data yet and are left for later", self.n_blocks - n)
        return replace(self, hashes=self.hashes[: n * 32], places=self.places[:n])

    def _is_connected(self, files: UndoFiles, at: int, found: list[Stored]) -> bool:
        """Whether the node has written undo data for block `at` of the chain, be it damaged.

        What a file holds beside the records of blocks below is its own, or those of stale blocks.
        """
        number, height = int(self.places[at, 0]), self.first_height + at
        rest = files.count(number) - self._rank(height, number)
        if rest <= 0:
            return False
        if self._undo_record(files, height, 0) is not None:
            return True
        below = {self.hashes[i * 32 : i * 32 + 32]: i for i in range(at)}
        stale = {b.prev_hash for b in found if b.place[0] == number and b.block_hash not in below}
        for prev in stale:
            child = below.get(prev, at) + 1
            is_of_chain = child < at and int(self.places[child, 0]) == number
            rest -= len(files.matches(number, prev)) - is_of_chain
        return rest > 0

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
        with Files(self.folder, "blk", self._mask) as files:
            for (number, at, size), start in zip(places.tolist(), starts.tolist(), strict=True):
                files[number].read_into(buf[start : start + size], at)
        return Records(buf, starts, np.ascontiguousarray(sizes))

    def _read_undo(self, span: Span, places: np.ndarray) -> Undo:
        """The undo records of a span, each matched by its checksum."""
        cursors: dict[int, int] = {}
        parts = []
        with self._undo_files() as files:
            for height, number in zip(range(span.first, span.last + 1), places[:, 0].tolist(), strict=True):
                if height == 0:
                    parts.append(b"\x00")  # genesis spends nothing and has no record
                    continue
                guess = cursors.get(number)
                record = self._undo_record(files, height, self._rank(height, number) if guess is None else guess)
                if record is None:
                    msg = (
                        f"no undo record in {files[number].path} matches block {height} (checksum over the previous "
                        "hash): the file is damaged, belongs to another copy or is being written right now; copy blk "
                        "and rev files together, or run again"
                    )
                    raise VerificationError(msg)
                cursors[number] = record[0] + 1
                parts.append(record[1])
        return Undo(join_records(parts), compressed=True)

    def _undo_files(self) -> UndoFiles:
        return UndoFiles(self.folder, self._mask, self.undo_frames)

    def _undo_record(self, files: UndoFiles, height: int, guess: int) -> tuple[int, bytes] | None:
        """The undo record of a block: its place in its file and its bytes."""
        number, prev = int(self.places[height - self.first_height, 0]), self._prev_hash(height)
        if height not in self.rivals:
            return files.match(number, prev, guess)
        # A stale block on the same parent has a record with the same claim: what the block spends decides, and
        # among records that fit it alike the order of arrival, in which a node connects such blocks.
        fitting = [record for record in files.matches(number, prev) if self._fits(height, record[1])]
        return fitting[min(self.rivals[height], len(fitting) - 1)] if fitting else None

    def _fits(self, height: int, record: bytes) -> bool:
        """Whether an undo record has the coins that a block's transactions can have spent."""
        at = height - self.first_height
        blocks, undo = self._read_blocks(self.places[at : at + 1]), join_records([record])
        try:
            found = scan(*blocks)
            check_values(found, read_prevouts(*undo, found, compressed=True), (height, self.network))
        except VerificationError:
            return False
        return True

    def _prev_hash(self, height: int) -> bytes:
        """What the block at a height builds on."""
        if height > self.first_height:
            return self.block_hash(height - 1)
        number, at, _size = self.places[0].tolist()
        with RecordFile(self.folder / f"blk{number:05d}.dat", self._mask) as file:
            return file.read(at + 4, 32)

    def _rank(self, height: int, number: int) -> int:
        """How many blocks of the chain below `height` lie in file `number`, genesis left out."""
        below = self.places[: height - self.first_height, 0]
        return int((below == number).sum()) - (1 if self.first_height == 0 and number == self.places[0, 0] else 0)


def _rivals(found: list[Stored], chain: Chain) -> dict[int, int]:
    """Heights at which other blocks with the same parent lie in the same file → how many lie before."""
    families: dict[tuple[int, bytes], list[bytes]] = {}
    for block in found:
        families.setdefault((block.place[0], block.prev_hash), []).append(block.block_hash)
    rivals = {}
    for height, block in enumerate(chain.blocks, chain.first_height):
        family = families[block.place[0], block.prev_hash]
        if len(family) > 1:
            rivals[height] = family.index(block.block_hash)
    return rivals


def _network_of(files: dict[int, Path], mask: Mask) -> Network:
    """The network whose magic the first file starts with."""
    first = next(iter(files.values()))
    if first.stat().st_size < len(mask.key):
        msg = f"{first} is empty: copy it again"
        raise FormatError(msg)
    with RecordFile(first, mask) as file:
        magic, unwritten = file.read(0, 4), file.is_unwritten(0, 4)
    if unwritten:
        msg = f"{first} holds no blocks yet: let the node download some"
        raise SourceError(msg)
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
        with RecordFile(path, mask) as file:
            for frame in file.frames(network, 0):
                block = _header_of(file, frame, number)
                if block is not None:
                    found.setdefault(block.block_hash, block)
    if not found:
        msg = f"{next(iter(files.values())).parent} holds no blocks yet: let the node download some"
        raise SourceError(msg)
    return list(found.values())


def _header_of(file: RecordFile, frame: Frame, number: int) -> Stored | None:
    """One block's header; None for a record that the node is still writing."""
    if frame.size < HEADER_BYTES + 1:
        msg = f"{file.path} has a record of {frame.size} bytes at byte {frame.start}: too short for a block"
        raise FormatError(msg)
    header = file.read(frame.start, HEADER_BYTES)
    block_hash = sha256d_bytes(header)
    bits = int.from_bytes(header[72:76], "little")
    if int.from_bytes(block_hash, "little") <= consensus.target_of(bits):
        return Stored(block_hash, header[4:36], bits, (number, frame.start, frame.size))
    if file.is_unwritten(frame.start + frame.size - HEADER_BYTES, HEADER_BYTES):
        return None
    msg = (
        f"{file.path} has a block header at byte {frame.start} that does not meet its own proof-of-work target: "
        "the file is damaged; copy it again"
    )
    raise VerificationError(msg)


def _choose(folder: Path, mask: Mask, found: list[Stored], network: Network, first_height: int | None) -> Chain:
    """The best chain; where it does not start at genesis, its height from the caller or BIP 34."""

    def height_of(root: Stored) -> int | None:
        if first_height is not None:
            return first_height
        number, at, size = root.place
        with RecordFile(folder / f"blk{number:05d}.dat", mask) as file:
            return height_of_block(file.read(at, min(size, 256)))

    return best_chain(found, height_of, network.genesis_hash)


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
