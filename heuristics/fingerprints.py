"""How a transaction looks, whatever it pays: what a wallet program does the same way every time, as a bit field.

Source: wallet-fingerprinting (A. Chow) and decluster's survey of 105,546 transactions for which values are common.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from heuristics.facts import Longs

Looks = npt.NDArray[np.uint32]
# Bits 0-1: version 1 or 2, 0 any other. Bits 2-3: nLockTime. Bits 4-6: nSequence.
VERSION_BITS: Final = 0b11
LOCKTIME_FROM, LOCKTIME_BITS = 2, 0b11
SEQUENCE_FROM, SEQUENCE_BITS = 4, 0b111
# nLockTime: none; the height of the block before; an earlier height; a time, or a height not reached.
ZERO, TIP, EARLIER, LATER = range(4)
# nSequence: all final; all one less (no replacement); all two less (replaceable); all another value; several values.
FINAL, NO_RBF, RBF, OTHER, MIXED = range(5)
_FINAL: Final = 0xFFFF_FFFF
_SECONDS_FROM: Final = 500_000_000  # an nLockTime from here on is a time
_LATEST_VERSION: Final = 2


@kernel
def _sequences(in_start: Longs, sequence: npt.NDArray[np.uint32]) -> Looks:
    """Class of the nSequence of every transaction's inputs; FINAL where it has none."""
    out = np.zeros(len(in_start) - 1, np.uint32)
    for t in range(len(out)):
        first, last = in_start[t], in_start[t + 1]
        if first == last:
            continue
        below = int(_FINAL - np.int64(sequence[first]))
        kind = min(OTHER, below)
        for i in range(first + 1, last):
            if sequence[i] != sequence[first]:
                kind = MIXED
        out[t] = kind
    return out


def looks(
    version: npt.NDArray[np.int32], locktime: npt.NDArray[np.uint32], height: Longs, in_start: Longs,
    sequence: npt.NDArray[np.uint32],
) -> Looks:  # fmt: skip
    """Bit fields of transactions in blocks of these heights; nSequence stands by spend, the rest by transaction."""
    known = np.where((version >= 1) & (version <= _LATEST_VERSION), version, 0).astype(np.uint32)
    before = locktime.astype(np.int64)
    lock = np.full(len(known), LATER, np.uint32)
    lock[before < np.minimum(height, _SECONDS_FROM)] = EARLIER
    lock[before == height - 1] = TIP
    lock[before == 0] = ZERO
    bits = known | (lock << LOCKTIME_FROM) | (_sequences(in_start, sequence) << SEQUENCE_FROM)
    return bits.astype(np.uint32)
