"""SHA-256 and RIPEMD-160 inside kernels, from the OpenSSL library that Python itself uses.

OpenSSL picks the processor's SHA instructions; the functions are called by address, so a kernel hashes a
transaction in place without passing through Python. Their low-level names are deprecated in OpenSSL 3 but
part of its stable ABI; a Python built without a shared libcrypto is refused at import with a clear error.
"""

import _hashlib
import ctypes
import hashlib
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types

from chains.errors import TadoruError
from chains.kernels import kernel

_CONTEXT_BYTES = 256  # sizeof(SHA256_CTX) is 112, sizeof(RIPEMD160_CTX) 96; the rest is slack


def _register(names: tuple[str, ...]) -> None:
    """Make OpenSSL's functions known to compiled kernels by their names."""
    library = ctypes.CDLL(_hashlib.__file__)
    for name in names:
        try:
            function = getattr(library, name)
        except AttributeError as error:
            msg = (
                f"this Python's OpenSSL offers no {name}: kernels hash with it. "
                "Use a CPython that is linked to a shared libcrypto (python.org, Debian, the Docker image)."
            )
            raise TadoruError(msg) from error
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


_register(
    (
        "SHA256_Init",
        "SHA256_Update",
        "SHA256_Final",
        "RIPEMD160_Init",
        "RIPEMD160_Update",
        "RIPEMD160_Final",
    )
)


def _external(name: str, signature: Any) -> Any:
    """A C function as kernels call it."""
    return types.ExternalFunction(name, signature)


_init_type = types.int32(types.uintp)
_update_type = types.int32(types.uintp, types.uintp, types.uintp)
_final_type = types.int32(types.uintp, types.uintp)
_sha256_init = _external("SHA256_Init", _init_type)
_sha256_update = _external("SHA256_Update", _update_type)
_sha256_final = _external("SHA256_Final", _final_type)
_ripemd160_init = _external("RIPEMD160_Init", _init_type)
_ripemd160_update = _external("RIPEMD160_Update", _update_type)
_ripemd160_final = _external("RIPEMD160_Final", _final_type)


@kernel
def new_context() -> np.ndarray:
    """Scratch for one hash at a time: make it once per kernel call, not once per hash."""
    return np.zeros(_CONTEXT_BYTES, dtype=np.uint8)


@kernel
def sha256_begin(context: np.ndarray) -> None:
    """Start a hash over pieces."""
    _sha256_init(context.ctypes.data)


@kernel
def sha256_feed(context: np.ndarray, buf: np.ndarray, start: int, length: int) -> None:
    """Add `buf[start:start + length]`; the caller has checked the bounds."""
    _sha256_update(context.ctypes.data, buf.ctypes.data + np.uintp(start), np.uintp(length))


@kernel
def sha256_end(context: np.ndarray, out: np.ndarray, out_start: int) -> None:
    """Write the 32-byte digest to `out[out_start:]`."""
    _sha256_final(out.ctypes.data + np.uintp(out_start), context.ctypes.data)


@kernel
def sha256d_end(context: np.ndarray, out: np.ndarray, out_start: int) -> None:
    """Finish a double SHA-256: the digest of the digest, written to `out[out_start:]`."""
    sha256_end(context, out, out_start)
    sha256_begin(context)
    sha256_feed(context, out, out_start, 32)
    sha256_end(context, out, out_start)


@kernel
def sha256d(context: np.ndarray, buf: np.ndarray, start: int, length: int, out: np.ndarray, out_start: int) -> None:
    """Double SHA-256 of `buf[start:start + length]` into `out[out_start:out_start + 32]`."""
    sha256_begin(context)
    sha256_feed(context, buf, start, length)
    sha256d_end(context, out, out_start)


@kernel
def hash160(context: np.ndarray, buf: np.ndarray, start: int, length: int, out: np.ndarray) -> None:
    """RIPEMD-160 of SHA-256 into `out[:20]`; `out` has room for 32 bytes."""
    sha256_begin(context)
    sha256_feed(context, buf, start, length)
    sha256_end(context, out, 0)
    _ripemd160_init(context.ctypes.data)
    _ripemd160_update(context.ctypes.data, out.ctypes.data, np.uintp(32))
    _ripemd160_final(out.ctypes.data, context.ctypes.data)


def sha256d_bytes(data: bytes) -> bytes:
    """Double SHA-256 outside of kernels: headers, checksums."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()
