"""What can go wrong where things lie."""

import errno

from chains.errors import TadoruError


class StoreError(TadoruError):
    """Something about the data directory: missing, of another kind, not writable."""


class DamagedError(StoreError):
    """Stored bytes are not what was written."""


class BusyError(StoreError):
    """Another process is writing here."""


class NotHeldError(StoreError):
    """A height or version was asked for that is not here."""


class DiskError(StoreError):
    """The disk is full or read-only."""


def disk_error(action: str, error: OSError) -> StoreError:
    """Say which of the usual reasons kept a file from being written."""
    # Arrow passes the system's error on as text.
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return DiskError(
            f"{action}: no space left on the disk; what was there before is untouched, free some and run again"
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return DiskError(f"{action}: not writable ({error.strerror}); check the owner and mount of the data directory")
    return StoreError(f"{action}: {error.strerror or error}")
