"""The one contract of every chain: a run of consecutive, verified blocks as Arrow tables.

A chain package offers a table registry (`tuple[Table, ...]`) and sources. A source names its network and
tip, plans a range of heights into spans of similar size, and reads one span at a time; reading keeps no
state, so spans can be read in any order, by any process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import pyarrow as pa

# Position in block takes the low 20 bits of a tx_id; a block of 4 M weight units holds < 2**17 transactions.
POSITION_BITS = 20


@dataclass(frozen=True, slots=True)
class Column:
    """One stored column: its name, width, unit and meaning, written once and for all tables."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One lake table: its columns in order and the columns its rows are sorted by."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    sorted_by: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])


class Span(NamedTuple):
    """Consecutive heights, both ends included."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """The name of the lake segment that holds this span."""
        return f"{self.first:09d}-{self.last:09d}"


@dataclass(frozen=True, slots=True)
class Tip:
    """The best block a source knows of; the hash in the chain's usual text form."""

    height: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Blocks:
    """A run of consecutive verified blocks, one Arrow table per name in the chain's registry."""

    span: Span
    prev_hash: bytes
    last_hash: bytes
    tables: Mapping[str, pa.Table]
    unresolved: int = 0
    """Spends whose origin the source did not carry (value and address_id are null)."""

    @property
    def n_tx(self) -> int:
        """Number of transactions."""
        return int(self.tables["tx"].num_rows)


class Source(Protocol):
    """Where blocks come from. Implementations can be pickled, so that workers read spans in parallel."""

    @property
    def network(self) -> str:
        """Name of the network: `main`, `test`, `testnet4`, `signet`, `regtest`."""

    @property
    def workers_help(self) -> bool:
        """Whether reading spans in several processes is faster (files) or not (one node)."""

    @property
    def first_height(self) -> int:
        """The lowest height that can be read: 0 unless the source is pruned or partial."""

    def tip(self) -> Tip:
        """The best block now; raises SourceError if there is none."""

    def block_hash(self, height: int) -> bytes:
        """Hash of the best chain's block at a height, as stored; raises SourceError beyond the tip."""

    def plan(self, span: Span, target_bytes: int) -> list[Span]:
        """Cut a span greedily into runs of about `target_bytes` of raw blocks, deterministically."""

    def read(self, span: Span, secret: bytes) -> Blocks:
        """Read and verify one span; `secret` (16 bytes) keys the address and transaction ids."""
