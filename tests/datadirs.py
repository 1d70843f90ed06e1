"""Data directories in any order and state: blocks of a small regtest chain laid out by hand, and faults put in."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

from chains.bitcoin.networks import NETWORKS
from tests.realdata import datadir
from worlds.ledger.blocks import Block
from worlds.ledger.datadir import obfuscated
from worlds.ledger.undo import undo_checksum
from worlds.wallet import BTC
from worlds.words import World

KEY = bytes.fromhex("8f3a10c755e2d96b")
BLOCK_TAIL, UNDO_TAIL = 4096, 512
COMMON = 112  # heights below are the same in every branch


@cache
def tale(branch: str = "a", length: int = 8) -> tuple[Block, ...]:
    """A chain from genesis on with spends in its last blocks; branches differ from height COMMON on.

    At height COMMON branches `a` and `b` spend different numbers of coins, `a` and `c` the same number of
    different coins.
    """
    world = World(11, datetime(2026, 1, 1, tzinfo=UTC))
    pool, alice = world.wallet("pool"), world.wallet("alice")
    world.mine(pool, COMMON - 3)
    world.batch(pool, [(alice.receive(), 3 * BTC), (alice.receive(), 4 * BTC)])
    world.mine(pool, 2)
    for n in range(length):
        if branch == "c" and n == 0:
            world.spend(alice, alice.spendable(world.chain.height)[-1:], alice.receive())
        else:
            world.batch(pool, [(alice.receive(), BTC + n)] * (1 if branch == "a" else 2))
        if branch == "b":
            world.pay(alice, pool.receive(), BTC)
        if n % 2:
            world.sweep(alice, pool.receive())
        world.mine(pool, tag=branch.encode() * 4)
    return tuple(world.blocks)


def undo_of(block: Block) -> bytes | None:
    """A block's undo record with its checksum, None for genesis."""
    return None if block.undo is None else block.undo + undo_checksum(block.prev_hash, block.undo)


@dataclass
class FilePair:
    """What goes into one `blk` and `rev` file: payloads; None for a file that is not there."""

    blocks: list[bytes]
    undo: list[bytes] | None

    @classmethod
    def of(cls, blocks: Sequence[Block], connected: Sequence[Block] | None = None) -> "FilePair":
        """Blocks in order of arrival; undo records of those connected, in order of connection."""
        records = [undo_of(block) for block in (blocks if connected is None else connected)]
        return cls([block.raw for block in blocks], [record for record in records if record is not None])


@dataclass(frozen=True)
class Layout:
    """How files are written."""

    key: bytes = KEY
    magic: bytes = NETWORKS["regtest"].magic
    tail: bool = True


def write(folder: Path, pairs: Sequence[FilePair | None], layout: Layout | None = None) -> Path:
    """Write `folder/blocks`; a missing pair leaves its number out."""
    layout = layout or Layout()
    blocks = folder / "blocks"
    blocks.mkdir(parents=True)
    if any(layout.key):
        (blocks / "xor.dat").write_bytes(layout.key)
    key = np.frombuffer(layout.key, np.uint8)
    for number, pair in enumerate(pairs):
        if pair is None:
            continue
        tail = layout.tail and number == len(pairs) - 1
        for kind, payloads, trailer, room in (
            ("blk", pair.blocks, 0, BLOCK_TAIL),
            ("rev", pair.undo, 32, UNDO_TAIL),
        ):
            if payloads is not None:
                frames = (layout.magic + struct.pack("<I", len(p) - trailer) + p for p in payloads)
                data = obfuscated(b"".join(frames), key, 0)
                (blocks / f"{kind}{number:05d}.dat").write_bytes(data + bytes(room if tail else 0))
    return folder


def straight(folder: Path, branch: str = "a") -> Path:
    """The whole chain in one pair of files, in order."""
    return write(folder, [FilePair.of(tale(branch))])


def used(path: Path) -> int:
    """Bytes of a file before its tail of zeros."""
    return len(path.read_bytes().rstrip(b"\0"))


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Turn one bit of a file around."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def frame_starts(path: Path, key: bytes, trailer: int) -> list[int]:
    """Where the records of a file begin."""
    data = path.read_bytes()
    size_used = len(data.rstrip(b"\0"))
    plain = obfuscated(data, np.frombuffer(key, np.uint8), 0)
    starts, pos = [], 0
    while pos < size_used:
        starts.append(pos)
        pos += 8 + int(struct.unpack_from("<I", plain, pos + 4)[0]) + trailer
    return starts


def sample(into: Path, name: str = "core_regtest_0-206") -> Path:
    """One of Core's own data directories."""
    return datadir(name, into)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder and its hash, locks left out."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in ("LOCK", "WORKERS"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
