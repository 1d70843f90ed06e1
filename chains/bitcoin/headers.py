"""Block headers → the best chain: by accumulated work, whatever order the blocks arrived in."""

from collections.abc import Callable
from typing import NamedTuple

from chains.bitcoin import consensus
from chains.errors import SourceError


class Stored(NamedTuple):
    """One block as found in a source; `place` is whatever the source needs to read it again."""

    block_hash: bytes
    prev_hash: bytes
    bits: int
    place: tuple[int, int, int]


class Chain(NamedTuple):
    """The best chain in order, from `first_height` on."""

    first_height: int
    blocks: list[Stored]
    detached: list[Stored]
    """The heaviest run of blocks beside a chain from genesis whose oldest block has no parent among those found."""


def coinbase_height(script: bytes) -> int | None:
    """The height that a coinbase script starts with (BIP 34), or None where it has none."""
    if not script:
        return None
    size = script[0]
    if 0x51 <= size <= 0x60:  # OP_1 … OP_16, as regtest chains start
        return size - 0x50
    if not 1 <= size <= 4 or len(script) < 1 + size:
        return None
    height = int.from_bytes(script[1 : 1 + size], "little", signed=True)
    return height if height >= 0 else None


def best_chain(found: list[Stored], height_of: Callable[[Stored], int | None], genesis: bytes) -> Chain:
    """The chain with most work among `found`; of two with equal work, the one whose tip came first.

    It starts at genesis where that is among `found`. Where it is not (a pruned or partial source), `height_of`
    tells the height of the oldest block, or None where it is not known.

    Raises
    ------
    SourceError
        The height of the oldest block is not known.
    """
    known = {block.block_hash for block in found}
    children: dict[bytes, list[int]] = {}
    for i, block in enumerate(found):
        children.setdefault(block.prev_hash, []).append(i)
    roots = [i for i, block in enumerate(found) if block.prev_hash not in known]
    from_genesis = [i for i in roots if found[i].block_hash == genesis]
    if from_genesis:
        others = [i for i in roots if i not in from_genesis]
        detached = _heaviest(found, children, others) if others else []
        return Chain(0, _heaviest(found, children, from_genesis), detached)
    path = _heaviest(found, children, roots)
    first_height = height_of(path[0])
    if first_height is None:
        msg = (
            f"the oldest block found, {path[0].block_hash[::-1].hex()}, is not genesis and its height is not known: "
            "give the blocks before it too, or say its height (--start)"
        )
        raise SourceError(msg)
    return Chain(first_height, path, [])


def _heaviest(found: list[Stored], children: dict[bytes, list[int]], roots: list[int]) -> list[Stored]:
    """The path from one of the roots to the tip with most work, oldest block first."""
    parents: dict[int, int | None] = dict.fromkeys(roots)
    queue = [(root, consensus.work_of(found[root].bits)) for root in roots]
    best, tip = (-1, 0), roots[0]
    for i, work in queue:
        if (work, -i) > best:
            best, tip = (work, -i), i
        for child in children.get(found[i].block_hash, ()):
            if child not in parents:
                parents[child] = i
                queue.append((child, work + consensus.work_of(found[child].bits)))
    path = []
    at: int | None = tip
    while at is not None:
        path.append(found[at])
        at = parents[at]
    path.reverse()
    return path
