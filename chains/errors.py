"""What can be wrong with a chain's data: one root, then leaves by who has to act.

Every message says what was attempted, on which object, at which limit, and what to do.
"""


class TadoruError(Exception):
    """Root of everything Tadoru raises on purpose; the command line and the API turn it into words."""


class ChainError(TadoruError):
    """The chain's data can not be used as it is."""


class FormatError(ChainError):
    """Bytes that do not parse: truncated, foreign or garbage."""


class VerificationError(ChainError):
    """Bytes that parse but contradict their own hash, proof of work, undo data or neighbours."""


class SourceError(ChainError):
    """A source can not be read: files missing, another network, a pruned range."""


class NodeError(SourceError):
    """A node did not answer, refused, or answered nonsense after every retry."""


class ReorgError(SourceError):
    """The source's best chain no longer contains a block that was read before."""


class AddressError(ChainError, ValueError):
    """Text that is no address of the chain in question: bad checksum, other network, other chain."""
