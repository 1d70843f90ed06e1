"""What pools write into the coinbases of their blocks: known tags are found, new ones are learned.

A tag is text that anybody may write, so it never says more than its rule allows (heuristics.rules.POOL_TAG).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

import numpy as np

from chains.kernels import kernel
from heuristics.facts import Bytes, Longs
from heuristics.graph import Ints

_BYTES: Final = 256
# A text as pools sign with: between slashes, printable, neither a word of three letters nor a sentence.
_TEXT: Final = re.compile(rb"(?=(/[ -.0-~]{4,40}/))")
# A text is a pool's own if it stands in five blocks that pay that pool, if hardly any block that pays another pool
# has it, and if blocks that pay no known pool are not most of those that have it: signals like /NYA/ are many pools'.
LEAST_BLOCKS: Final = 5
OF_NAMED: Final = 0.95
OF_ALL: Final = 1 / 3


class Texts(NamedTuple):
    """Byte strings end to end: text i is `data[start[i]:start[i + 1]]`."""

    data: Bytes
    start: Longs

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Self:
        """Put them end to end."""
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        return cls(np.frombuffer(b"".join(texts), np.uint8).copy(), np.concatenate([[0], np.cumsum(sizes)]))


class Tags(NamedTuple):
    """Tags by their first byte b: those from `first[b]` up to `first[b + 1]`; `pool` is each one's code."""

    texts: Texts
    pool: Ints
    first: Longs

    @classmethod
    def of(cls, tags: Iterable[tuple[bytes, int]]) -> Self:
        """Sort tags, none of them empty, with the codes of their pools."""
        known = sorted(set(tags))
        first = np.searchsorted([tag[0] for tag, _ in known], np.arange(_BYTES + 1))
        return cls(Texts.of([tag for tag, _ in known]), np.array([pool for _, pool in known], np.int32), first)

    def text(self, number: int) -> bytes:
        """Give a tag by its number."""
        return self.texts.data[self.texts.start[number] : self.texts.start[number + 1]].tobytes()


class Found(NamedTuple):
    """Per script: the number of the tag that speaks, and of the tag of another pool that contradicts it; else -1.

    The longest tag speaks, of equally long ones the first in the script: nobody's tag is part of another one by
    chance. A shorter tag inside the one that speaks (/ViaBTC/ in /ViaBTC/TATMAS Pool/) contradicts nothing. Where the
    other one is as long, nothing tells which is right.
    """

    tag: Ints
    other: Ints


@kernel
def _stands(script: Bytes, at: int, tag: Bytes) -> bool:
    """Whether a tag stands at a place of a script."""
    if at + len(tag) > len(script):
        return False
    for i in range(len(tag)):  # noqa: SIM110 -- numba knows no all()
        if script[at + i] != tag[i]:
            return False
    return True


@kernel
def _best(script: Bytes, tags: Tags, beside: tuple[int, int, int]) -> tuple[int, int]:
    """The longest tag and its place, the earliest of equally long ones; -1 where there is none.

    `beside` (tag, place, end): only of other pools than that tag's, and not within its place unless as long.
    """
    texts = tags.texts
    best, place, longest = -1, -1, 0
    rival, rival_at, rival_end = beside
    for at in range(len(script)):
        for k in range(tags.first[script[at]], tags.first[script[at] + 1]):
            size = texts.start[k + 1] - texts.start[k]
            if size <= longest or not _stands(script, at, texts.data[texts.start[k] : texts.start[k + 1]]):
                continue
            if rival >= 0:
                inside = at >= rival_at and at + size <= rival_end and size < rival_end - rival_at
                if inside or tags.pool[k] == tags.pool[rival]:
                    continue
            best, place, longest = k, at, size
    return best, place


@kernel
def _find(scripts: Texts, tags: Tags, tag: Ints, other: Ints) -> None:
    start = tags.texts.start
    for i in range(len(tag)):
        script = scripts.data[scripts.start[i] : scripts.start[i + 1]]
        tag[i], place = _best(script, tags, (-1, -1, -1))
        if tag[i] >= 0:
            end = place + start[tag[i] + 1] - start[tag[i]]
            other[i], _ = _best(script, tags, (tag[i], place, end))


def find(scripts: Texts, tags: Tags) -> Found:
    """Find the tags of every script."""
    n = len(scripts.start) - 1
    found = Found(np.full(n, -1, np.int32), np.full(n, -1, np.int32))
    if len(tags.pool):
        _find(scripts, tags, *found)
    return found


def learn(scripts: Sequence[bytes], pool: Ints) -> dict[bytes, int]:
    """Learn texts that only one pool writes, from blocks whose payout address names the pool.

    Parameters
    ----------
    scripts
        Coinbase scripts of all blocks.
    pool
        Per block: the code of the pool that its address names, -1 where it names none.

    Returns
    -------
    dict[bytes, int]
        Each text with its pool's code.
    """
    seen: defaultdict[bytes, Counter[int]] = defaultdict(Counter)
    for script, code in zip(scripts, pool.tolist(), strict=True):
        for text in set(_TEXT.findall(script)):
            seen[text][code] += 1
    learned = {}
    for text, blocks in seen.items():
        named = Counter({code: n for code, n in blocks.items() if code >= 0})
        [(code, n)] = named.most_common(1) or [(-1, 0)]
        if n >= LEAST_BLOCKS and n >= OF_NAMED * named.total() and n >= OF_ALL * blocks.total():
            learned[text] = code
    return learned
