"""Source 3: loose raw blocks, a file or a folder of them.

A file is one raw block, blocks framed as in `blk*.dat` (magic and size), or hexadecimal text with a block a
line. Such blocks carry no spent outputs, so their spends are resolved against the lake where it holds the origin
and counted as unresolved where not. Heights come from genesis, from the coinbase (BIP 34) or from the caller.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chains.bitcoin.datadir import height_of_block
from chains.bitcoin.decode import decode_blocks
from chains.bitcoin.framing import FRAME_BYTES
from chains.bitcoin.headers import Stored, best_chain
from chains.bitcoin.networks import NETWORKS, Network, network_named
from chains.bitcoin.wire import HEADER_BYTES, scan
from chains.blocks import Blocks, Span, Tip
from chains.errors import FormatError, SourceError
from chains.planning import plan_by_size
from chains.sha256 import sha256d_bytes

_HEX = frozenset(b"0123456789abcdefABCDEF\r\n \t")


@dataclass(frozen=True)
class RawSource:
    """Raw blocks by height; runs of heights need not touch."""

    path: Path
    network: str
    blocks: dict[int, bytes]
    hashes: dict[int, bytes]
    workers_help: bool = False

    @classmethod
    def open(cls, path: Path, network: str | None = None, first_height: int | None = None) -> "RawSource":
        """Read every block below `path` and place it in the chain.

        Raises
        ------
        SourceError, FormatError
            Nothing there, garbage, blocks whose height can not be known, or of another network.
        """
        raw: dict[bytes, bytes] = {}
        chosen = network_named(network) if network else None
        for file in _files(path):
            said, blocks = _blocks_in(file)
            if said is not None and chosen not in (None, said):
                msg = f"{file} holds blocks of network {said.name}, not {chosen.name}"
                raise SourceError(msg)
            chosen = chosen or said
            raw |= {sha256d_bytes(block[:HEADER_BYTES]): block for block in blocks}
        if not raw:
            msg = f"{path} holds no raw blocks"
            raise SourceError(msg)
        chosen = chosen or _network_of(raw)
        placed = _place(raw, chosen, first_height)
        heights = sorted(placed)
        return cls(path, chosen.name, {h: raw[placed[h]] for h in heights}, {h: placed[h] for h in heights})

    @property
    def first_height(self) -> int:
        """Height of the lowest block."""
        return min(self.blocks)

    def tip(self) -> Tip:
        """The highest block."""
        height = max(self.blocks)
        return Tip(height, self.hashes[height][::-1].hex())

    def block_hash(self, height: int) -> bytes:
        """Hash at a height; raises SourceError where no block was given for it."""
        if height not in self.hashes:
            msg = f"{self.path} holds no block of height {height}"
            raise SourceError(msg)
        return self.hashes[height]

    def plan(self, span: Span, target_bytes: int) -> list[Span]:
        """Runs of heights that are there, about `target_bytes` each."""
        heights = [h for h in self.blocks if span.first <= h <= span.last]
        breaks = [i for i in range(1, len(heights)) if heights[i] != heights[i - 1] + 1]
        spans = []
        for start, end in zip([0, *breaks], [*breaks, len(heights)], strict=True):
            sizes = np.array([len(self.blocks[h]) for h in heights[start:end]], np.int64)
            if len(sizes):
                spans += plan_by_size(heights[start], sizes, target_bytes)
        return spans

    def read(self, span: Span, secret: bytes) -> Blocks:
        """Decode and verify one span; spends stay unresolved."""
        raw = [self.blocks[height] for height in range(span.first, span.last + 1)]
        return decode_blocks(raw, None, span.first, self.network, secret)


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder by name."""
    if path.is_dir():
        return sorted(child for child in path.iterdir() if child.is_file())
    if not path.exists():
        msg = f"{path} does not exist"
        raise SourceError(msg)
    return [path]


def _blocks_in(path: Path) -> tuple[Network | None, list[bytes]]:
    """Every raw block of one file, and the network where it says it; raises FormatError where it is something else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"can not read {path}: {error.strerror}"
        raise SourceError(msg) from error
    network = next((n for n in NETWORKS.values() if data.startswith(n.magic)), None)
    if data and _HEX.issuperset(data[:4096]):
        try:
            parts = [bytes.fromhex(line) for line in data.decode("ascii").split()]
        except (UnicodeDecodeError, ValueError) as error:
            msg = f"{path} starts as hexadecimal text but is not: {error}"
            raise FormatError(msg) from error
    elif network is not None:
        parts = _framed(path, data)
    else:
        parts = [data]
    for number, part in enumerate(parts):
        _check_block(path, number, part)
    return network, parts


def _framed(path: Path, data: bytes) -> list[bytes]:
    """Blocks with magic and size before each, as in a `blk` file without XOR."""
    magic, parts, pos = data[:4], [], 0
    while any(data[pos : pos + FRAME_BYTES]):
        size = int.from_bytes(data[pos + 4 : pos + FRAME_BYTES], "little")
        if data[pos : pos + 4] != magic or pos + FRAME_BYTES + size > len(data):
            msg = f"{path} is cut off or damaged at byte {pos}: copy it again"
            raise FormatError(msg)
        parts.append(data[pos + FRAME_BYTES : pos + FRAME_BYTES + size])
        pos += FRAME_BYTES + size
    return parts


def _check_block(path: Path, number: int, raw: bytes) -> None:
    """Refuse what is no block at all, naming the file."""
    try:
        scan(np.frombuffer(raw, np.uint8), np.zeros(1, np.int64), np.array([len(raw)], np.int64))
    except FormatError as error:
        msg = f"{path}, block number {number}: not a raw block, or cut off: {error}"
        raise FormatError(msg) from error


def _network_of(raw: dict[bytes, bytes]) -> Network:
    """The network whose genesis is among or right below the blocks; main otherwise."""
    for network in NETWORKS.values():
        if any(network.genesis_hash in (h, block[4:36]) for h, block in raw.items()):
            return network
    return NETWORKS["main"]


def _place(raw: dict[bytes, bytes], network: Network, first_height: int | None) -> dict[int, bytes]:
    """Height → block hash. Runs of linked blocks are placed one by one, the one with most blocks first."""
    stored = {h: Stored(h, b[4:36], int.from_bytes(b[72:76], "little"), (0, 0, 0)) for h, b in raw.items()}
    told: list[bytes] = []

    def height_of(root: Stored) -> int | None:
        if root.prev_hash == network.genesis_hash:
            return 1
        height = height_of_block(raw[root.block_hash])
        if height is not None or first_height is None:
            return height
        told.append(root.block_hash)
        if len(told) > 1:
            one, other = (block_hash[::-1].hex() for block_hash in told)
            msg = f"neither {one} nor {other} says its height, nor builds on the other: give one of them at a time"
            raise SourceError(msg)
        return first_height

    placed: dict[int, bytes] = {}
    for run in sorted(_linked(stored), key=len, reverse=True):
        chain = best_chain(run, height_of, network.genesis_hash)
        for height, block in enumerate(chain.blocks, chain.first_height):
            placed.setdefault(height, block.block_hash)
    return dict(sorted(placed.items()))


def _linked(stored: dict[bytes, Stored]) -> list[list[Stored]]:
    """Blocks grouped by the oldest ancestor that is among them."""
    roots: dict[bytes, bytes] = {}

    def root_of(block_hash: bytes) -> bytes:
        path = []
        while block_hash not in roots and stored[block_hash].prev_hash in stored:
            path.append(block_hash)
            block_hash = stored[block_hash].prev_hash
        root = roots.get(block_hash, block_hash)
        roots.update(dict.fromkeys([*path, block_hash], root))
        return root

    groups: dict[bytes, list[Stored]] = {}
    for block_hash, block in stored.items():
        groups.setdefault(root_of(block_hash), []).append(block)
    return list(groups.values())
