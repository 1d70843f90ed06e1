"""Locking scripts of many addresses at once, from type and payload as the index stores them."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chains.bitcoin.address import script_of_payload

_SIZES: Final = 1 << 32
_PROBE: Final = b"\xff"  # no script has it before or behind a payload


def scripts_of(kinds: npt.NDArray[np.uint8], payloads: pa.Array) -> pa.Array:
    """Give back each locking script, as `chains.bitcoin.address.script_of_payload` does for one.

    What stands before and behind a payload depends on its type and size alone, so it is asked once for each.
    """
    sizes = np.asarray(pc.binary_length(payloads), np.int64)
    shapes, which = np.unique(kinds.astype(np.int64) * _SIZES + sizes, return_inverse=True)
    around = [_around(*divmod(int(shape), _SIZES)) for shape in shapes]
    heads, tails = (pa.array([one[side] for one in around], pa.binary()) for side in (0, 1))
    whole: Any = pc.binary_join_element_wise(heads.take(pa.array(which)), payloads, tails.take(pa.array(which)), b"")
    return whole


def _around(kind: int, size: int) -> tuple[bytes, bytes]:
    """What stands before and behind a payload of this size."""
    script = script_of_payload(kind, _PROBE * size)
    start = script.find(_PROBE * size)
    return script[:start], script[start + size :]
