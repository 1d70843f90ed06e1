"""Fetch one block and what it spends from a node, by the best way that the node offers."""

import logging
from enum import Enum
from typing import Any, NamedTuple

from chains.bitcoin.rpc import NodeClient, RpcError
from chains.bitcoin.verbose import COINBASE_ONLY, carries_prevouts, spent_outputs
from chains.errors import FormatError, NodeError, VerificationError
from chains.sha256 import sha256d_bytes

HEADER_BYTES = 80
OK, BAD_REQUEST = 200, 400
_log = logging.getLogger(__name__)


class Prevouts(Enum):
    """Where the outputs that a block spends come from."""

    REST = "REST spenttxouts"
    JSON = "getblock verbosity 3"
    NONE = "nowhere: spends stay unresolved"


class Way(NamedTuple):
    """How blocks are read from a node."""

    rest_blocks: bool
    prevouts: Prevouts

    def __str__(self) -> str:
        """In words."""
        return f"blocks from {'REST' if self.rest_blocks else 'getblock 0'}, prevouts from {self.prevouts.value}"


class RawBlock(NamedTuple):
    """A block as it is on the wire, and what it spends as REST `spenttxouts` gives it (None: not known)."""

    raw: bytes
    prevouts: bytes | None


class MissingBlockError(NodeError):
    """The node knows of a block but can not give it, or does not know it."""


def probe(client: NodeClient) -> Way:
    """Find out what the node offers: a REST path that exists calls a malformed hash a bad request."""
    blocks = client.get("/rest/block/00.bin").status == BAD_REQUEST
    spent = blocks and client.get("/rest/spenttxouts/00.bin").status == BAD_REQUEST
    return Way(blocks, Prevouts.REST if spent else Prevouts.JSON)


class BlockReader:
    """Reads blocks by hash; safe to use from several threads."""

    def __init__(self, client: NodeClient, way: Way) -> None:
        self.way = way
        self._client = client
        self._prevouts_seen = False

    def fetch(self, block_hash: bytes) -> RawBlock:
        """Fetch the block with this hash (internal order) and what it spends.

        Raises
        ------
        MissingBlockError
            The node can not give it.
        VerificationError
            It gave another block, or prevouts that can not be read.
        NodeError
            It did not answer.
        """
        name = block_hash[::-1].hex()
        raw = self._rest("block", name) if self.way.rest_blocks else self._raw_by_json(name)
        if len(raw) <= HEADER_BYTES or sha256d_bytes(raw[:HEADER_BYTES]) != block_hash:
            raise VerificationError(
                f"{self._client.endpoint} was asked for block {name} and sent another: do not trust this node"
            )
        # The first byte after the header counts the transactions; a lone coinbase spends nothing.
        return RawBlock(raw, COINBASE_ONLY if raw[HEADER_BYTES] == 1 else self._prevouts(name))

    def _prevouts(self, name: str) -> bytes | None:
        if self.way.prevouts is Prevouts.REST:
            return self._rest("spenttxouts", name)
        return self._prevouts_by_json(name) if self.way.prevouts is Prevouts.JSON else None

    def _rest(self, what: str, name: str) -> bytes:
        answer = self._client.get(f"/rest/{what}/{name}.bin")
        if answer.status != OK:
            said = answer.body[:200].decode("utf-8", "replace").strip()
            raise MissingBlockError(f"{self._client.endpoint}: HTTP {answer.status} to {what} {name}: {said}")
        return answer.body

    def _raw_by_json(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self._getblock(name, 0))
        except (ValueError, TypeError):
            raise VerificationError(f"{self._client.endpoint} sent block {name} as something not hexadecimal") from None

    def _prevouts_by_json(self, name: str) -> bytes | None:
        block = self._getblock(name, 3)
        try:
            if carries_prevouts(block):
                self._prevouts_seen = True
                return spent_outputs(block)
        except (FormatError, KeyError, TypeError, AttributeError) as err:
            raise VerificationError(
                f"{self._client.endpoint} sent block {name} with prevouts that can not be read: {err}"
            ) from None
        if self._prevouts_seen:
            raise NodeError(
                f"{self._client.endpoint} left out what block {name} spends: its undo data is gone; restart it "
                "with -reindex, or give another node"
            )
        _log.warning("%s does not say what blocks spend: spends are resolved from the lake", self._client.endpoint)
        self.way = self.way._replace(prevouts=Prevouts.NONE)
        return None

    def _getblock(self, name: str, verbosity: int) -> Any:
        try:
            return self._client.call("getblock", name, verbosity, exact=True)
        except RpcError as err:
            raise MissingBlockError(str(err)) from err
