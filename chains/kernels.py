"""The one place for numba flags: every hot loop is compiled in one of two ways.

Kernels take arrays and plain numbers, check their bounds and know nothing of files or settings; they release the
GIL. They are compiled at first use and cached below `__pycache__` of their package, in `~/.cache/tadoru` where that
is read-only, or in NUMBA_CACHE_DIR. numba notices when a kernel's own file changes, but not when one that it calls
does, and would then run old code; so the cache's folder is named after the content of all files that take part.
"""

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

P = ParamSpec("P")
R = TypeVar("R")

_HERE = Path(__file__).parent
# _nrt is no public name; without it lean kernels are right all the same, and three times as slow.
_LEAN: Final[dict[str, Any]] = {"nogil": True, "boundscheck": False, "_nrt": False}
_MARK = b"chains.kernels import"
_CHOSEN: str = config.CACHE_DIR  # type: ignore[attr-defined]  # NUMBA_CACHE_DIR, as numba has read it


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a hot loop to machine code."""
    config.CACHE_DIR = _cache_folder(_package_of(function))  # type: ignore[attr-defined]  # made at run time
    return njit(cache=True, nogil=True, boundscheck=False)(function)


def lean_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a hot loop that makes no arrays, and calls none that does.

    numba counts who holds an array, by atomic operations, wherever one is taken out of a tuple or handed on; in
    loops that hand several arrays on per step that is two thirds of their time. What makes nothing needs no count.
    """
    config.CACHE_DIR = _cache_folder(_package_of(function))  # type: ignore[attr-defined]  # made at run time
    options = {**_LEAN, "cache": True}
    return cast("Callable[P, R]", njit(**options)(function))


def lean_step(function: Callable[P, R]) -> Callable[P, R]:
    """Make a step of a lean kernel, copied into it: handing twenty arrays on costs more than most steps do."""
    options = {**_LEAN, "inline": "always"}
    return cast("Callable[P, R]", njit(**options)(function))


def _package_of(function: Callable[..., object]) -> Path:
    """Folder of the top-level package that a function is defined in."""
    depth = function.__module__.count(".")
    return Path(function.__code__.co_filename).parents[max(depth - 1, 0)]


@cache
def _cache_folder(package: Path) -> str:
    """Where the kernels of a package are cached: they call each other and those of this package."""
    digest = sha256()
    for folder in sorted({_HERE, package}):
        for path in sorted(folder.rglob("*.py")):
            text = path.read_bytes()
            if _MARK in text or path == Path(__file__):
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + text)
    own = package / "__pycache__" if os.access(package, os.W_OK) else Path.home() / ".cache" / "tadoru" / package.name
    return str(Path(_CHOSEN or own) / f"kernels-{digest.hexdigest()[:16]}")


@kernel
def i64(x: Any) -> int:
    """A number of any width as a signed 64-bit one.

    Bytes and other unsigned numbers pass through here before arithmetic, because numba turns a mix of signed and
    unsigned 64-bit numbers into floats.
    """
    return np.int64(x)  # type: ignore[return-value]  # an int to whoever reads it, eight bytes to the machine


def _fetch(_context: Any, array: Any, _index: Any) -> Any:
    """Say to numba what `fetch` is: it has no word for it, LLVM has."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, args[0]).data  # type: ignore[no-untyped-call]
        at = builder.bitcast(builder.gep(data, [args[1]]), cgutils.voidptr_t)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        name = "llvm.prefetch.p0"
        prefetch = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        # To be read (0), kept as near as can be (3), data (1).
        builder.call(prefetch, [at, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


# Ask for an element of an array in a lean loop: it will be in the processor's cache soon, and nobody waits for it.
# The element is not read, so an index outside of the array does no harm.
fetch = cast("Callable[[npt.NDArray[Any], int], None]", intrinsic(_fetch))
