"""The one place for numba flags: every hot loop is compiled the same way.

Kernels take arrays and plain numbers, check their bounds and know nothing of files or settings. They are
compiled once and cached beside their module (or in NUMBA_CACHE_DIR), and release the GIL.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a hot loop to machine code."""
    return njit(cache=True, nogil=True, boundscheck=False)(function)


@kernel
def i64(x: Any) -> int:
    """A number of any width as a signed 64-bit one.

    Bytes and other unsigned numbers pass through here before arithmetic, because numba turns a mix of signed and
    unsigned 64-bit numbers into floats.
    """
    return np.int64(x)  # type: ignore[return-value]  # an int to whoever reads it, eight bytes to the machine
