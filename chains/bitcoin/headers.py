"""Block headers → the best chain: by accumulated work, whatever order the blocks arrived in."""

from typing import NamedTuple

from chains.bitcoin import consensus
from chains.errors import SourceError

BIP34_VERSION = 2
NULL_HASH = bytes(32)


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


def coinbase_height(script: bytes) -> int | None:
    """The height that a coinbase script starts with (BIP 34), or None where it has none."""
    if not script:
        return None
    size = script[0]
    if 0x51 <= size <= 0x60:  # OP_1 … OP_16, as regtest chains start
        return size - 0x50
    if size > 5 or size == 0 or len(script) < 1 + size:
        return None
    return int.from_bytes(script[1 : 1 + size], "little", signed=True)


def best_chain(found: list[Stored], first_height: int | None, genesis: bytes) -> Chain:
    """The chain with most work among `found`; of two with equal work, the one whose tip came first.

    `first_height` is the height of the oldest block where that is not genesis (a pruned or partial
    source); None where it is not known, which is an error only if it is needed.

    Raises
    ------
    SourceError
        No block can be placed.
    """
    children: dict[bytes, list[int]] = {}
    known = {block.block_hash for block in found}
    for i, block in enumerate(found):
        children.setdefault(block.prev_hash, []).append(i)
    roots = [i for i, block in enumerate(found) if block.prev_hash not in known]
    tip, parents = _heaviest(found, children, roots)
    path = []
    at: int | None = tip
    while at is not None:
        path.append(found[at])
        at = parents[at]
    path.reverse()
    if path[0].block_hash == genesis:
        return Chain(0, path)
    if first_height is None:
        msg = (
            f"the oldest block found, {path[0].block_hash[::-1].hex()}, is not genesis and its height is not known: "
            "give the blocks before it too, or say its height (--start)"
        )
        raise SourceError(msg)
    return Chain(first_height, path)


def _heaviest(
    found: list[Stored], children: dict[bytes, list[int]], roots: list[int]
) -> tuple[int, dict[int, int | None]]:
    """Index of the tip with most work below any root, and every visited block's parent index."""
    parents: dict[int, int | None] = dict.fromkeys(roots)
    queue = [(root, consensus.work_of(found[root].bits)) for root in roots]
    best = (-1, 0)
    tip = roots[0]
    for i, work in queue:
        if (work, -i) > best:
            best, tip = (work, -i), i
        for child in children.get(found[i].block_hash, ()):
            if child not in parents:
                parents[child] = i
                queue.append((child, work + consensus.work_of(found[child].bits)))
    return tip, parents
