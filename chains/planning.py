"""Cutting a range of heights into spans: greedy and deterministic, so that a restart plans the same."""

import numpy as np

from chains.blocks import Span


def plan_by_size(first: int, sizes: np.ndarray, target_bytes: int) -> list[Span]:
    """Runs of consecutive blocks, each as long as fits in `target_bytes` (at least one block).

    Parameters
    ----------
    first : int
        Height of the first block.
    sizes : int64 (n_blocks,)
        Bytes of each block.
    """
    ends = np.cumsum(sizes)
    spans, at, done = [], 0, 0
    while at < len(sizes):
        upto = max(int(np.searchsorted(ends, done + target_bytes, "right")), at + 1)
        spans.append(Span(first + at, first + upto - 1))
        done, at = int(ends[upto - 1]), upto
    return spans
