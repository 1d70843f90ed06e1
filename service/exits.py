"""What the command's exit codes mean, and which error leads to which; written once, used by every verb."""

import errno
from enum import IntEnum
from typing import Self

from chains.errors import TadoruError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})


class Exit(IntEnum):
    """The exit code of `tadoru`; each member's meaning is what the help prints."""

    OK = 0, "done; for a screening: every decision is allow"
    NO = 1, "the answer is no: a decision other than allow, not together, no such transaction, key or self-test"
    USAGE = 2, "the command line or a TADORU_ setting is wrong"
    INPUT = 3, "what was given can not be used: an address, a label file, a policy"
    SOURCE = 4, "the source can not be read: files, node, network, pruned range"
    DAMAGED = 5, "bytes contradict their own hash: block files, lake, index, records"
    BUSY = 6, "another process holds the lock; nothing was changed"
    NO_INDEX = 7, "there is no lake or no index to answer from yet"
    DISK = 8, "the disk is full, read-only, or failed"
    FAILED = 9, "anything else that Tadoru knows of; the message says what"
    INTERNAL = 70, "a defect of Tadoru itself; please report it"
    INTERRUPTED = 130, "stopped by Ctrl-C; what was committed stays"

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make a member that carries its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class NotReadyError(TadoruError):
    """There is no lake, no index generation, or none young enough to answer from."""


class BadInputError(TadoruError):
    """Something the caller gave can not be used; `pointer` names the field where there is one."""

    def __init__(self, detail: str, *, code: str = "bad_input", pointer: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.pointer = pointer


class NotFoundError(TadoruError):
    """A resource id that does not exist (never an address: an unseen address is an answer)."""


class UsageError(TadoruError):
    """A combination of options or settings that means nothing."""


# By name, because the modules that define them are heavy and most commands never load them; first match wins.
CODES: tuple[tuple[str, Exit], ...] = (
    ("UsageError", Exit.USAGE),
    ("UnknownRuleError", Exit.USAGE),
    ("AddressError", Exit.INPUT),
    ("LabelError", Exit.INPUT),
    ("PriceError", Exit.INPUT),
    ("BadInputError", Exit.INPUT),
    ("AskedError", Exit.INPUT),
    ("NoWorldError", Exit.INPUT),
    ("NotHeldError", Exit.INPUT),
    ("NotFoundError", Exit.NO),
    ("NotReadyError", Exit.NO_INDEX),
    ("NoIndexError", Exit.NO_INDEX),
    ("BusyError", Exit.BUSY),
    ("DiskError", Exit.DISK),
    ("DamagedError", Exit.DAMAGED),
    ("IndexFormatError", Exit.DAMAGED),
    ("VerificationError", Exit.DAMAGED),
    ("FormatError", Exit.DAMAGED),
    ("SourceError", Exit.SOURCE),
)


def exit_of(error: BaseException) -> Exit:
    """Return the exit code that an error leads to."""
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(error, OSError):
        return Exit.DISK if error.errno in NO_SPACE else Exit.INPUT
    names = {kind.__name__ for kind in type(error).__mro__}
    for name, code in CODES:
        if name in names:
            return code
    return Exit.FAILED if isinstance(error, TadoruError) else Exit.INTERNAL
