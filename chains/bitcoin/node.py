"""Source 2: a running node, over REST in binary where it is offered, else over JSON-RPC.

Blocks are asked for by their hashes in the best chain of the moment, several at a time, and verified like
those of any other source. While one span is decoded the next one of the plan is already being fetched.
"""

import logging
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from chains.bitcoin.decode import decode_blocks
from chains.bitcoin.login import Login, parse_url
from chains.bitcoin.networks import MAIN, NETWORKS
from chains.bitcoin.node_blocks import BlockReader, MissingBlockError, RawBlock, Way, probe
from chains.bitcoin.rpc import Limits, NodeClient, RpcError
from chains.blocks import Blocks, Span, Tip
from chains.errors import ChainError, FormatError, NodeError, ReorgError, SourceError, VerificationError
from chains.planning import plan_by_size

HASH_BYTES = 32
OUT_OF_RANGE = -8
PREV_HASH = slice(4, 36)
# Block sizes are estimated from the node's running count of transactions at every 64th height: two calls for
# 64 blocks, and anchored heights so that a restart plans the same.
SAMPLE_STEP = 64
BYTES_PER_TX = 560  # mainnet: 0.7 TB of blocks, 1.25 G transactions
BYTES_PER_BLOCK = 100
FULL_BLOCK_TX = 2_500
MAX_TX = 1 << 17
DEEPEST_FORK = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node says about itself."""

    tip: Tip
    headers: int
    initial_download: bool
    first_height: int
    """Oldest block that it still has; above 0 it is pruned."""


class _Fetch(NamedTuple):
    """A span on its way."""

    span: Span
    hashes: list[bytes]
    blocks: list["Future[RawBlock]"]

    def cancel(self) -> None:
        for block in self.blocks:
            block.cancel()


class NodeSource:
    """The best chain of a running node.

    Nothing is asked before it is needed. Can be pickled (with its login), although several processes do not
    help with one node. Close it, or use it in a `with` block, to end its connections at once.

    Parameters
    ----------
    url : str
        `http://user:password@host:port`, or without a login; the port defaults to the network's.
    login : (str, str) or Path, optional
        User and password, or a cookie file or the datadir that has it; goes before a login in the URL.
    network : str, optional
        The network expected, usually the lake's; by default whichever the node is on.
    limits : Limits
        Time-outs, attempts, connections.
    way : Way, optional
        How to read blocks; by default the best way that the node offers.
    """

    workers_help = False

    def __init__(
        self,
        url: str,
        login: Login = None,
        *,
        network: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        way: Way | None = None,
    ) -> None:
        self._arguments: tuple[Any, ...] = (url, login, network, limits, way)
        endpoint, in_url = parse_url(url, NETWORKS[network].rpc_port if network else MAIN.rpc_port)
        self._client = NodeClient(endpoint, login or in_url, limits, network)
        self._threads = ThreadPoolExecutor(limits.connections, thread_name_prefix="node")
        self._closer = weakref.finalize(self, self._threads.shutdown, wait=False, cancel_futures=True)
        self._next: dict[Span, Span] = {}
        self._ahead: dict[Span, _Fetch] = {}
        self._last_read: dict[int, bytes] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle how it was made, not its connections."""
        return _remake, self._arguments

    def __str__(self) -> str:
        """Name the node: its URL without a login."""
        return str(self._client.endpoint)

    def __enter__(self) -> Self:
        """Use until the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End threads and connections; a closed source can not be read."""
        for fetch in self._ahead.values():
            fetch.cancel()
        self._ahead.clear()
        self._client.close()
        self._closer.detach()
        self._threads.shutdown(wait=True, cancel_futures=True)

    @cached_property
    def network(self) -> str:
        """The node's network, told by its genesis block.

        Raises
        ------
        SourceError
            It is not the one expected, or not one of Bitcoin's.
        """
        genesis = self._hashes(Span(0, 0))[0]
        found = next((net.name for net in NETWORKS.values() if net.genesis_hash == genesis), None)
        expected = self._arguments[2]
        if found is None:
            raise SourceError(f"{self} is on no network of Bitcoin that is known here: genesis {genesis[::-1].hex()}")
        if expected not in {None, found}:
            raise SourceError(
                f"{self} is on network {found}, but {expected} is wanted: give another node or another --data"
            )
        return found

    def status(self) -> NodeStatus:
        """Ask what the node says about itself now; raises NodeError."""
        said = self._client.call("getblockchaininfo")
        try:
            return NodeStatus(
                Tip(int(said["blocks"]), str(said["bestblockhash"])),
                int(said["headers"]),
                bool(said.get("initialblockdownload", False)),
                int(said.get("pruneheight", 0)) if said.get("pruned") else 0,
            )
        except (KeyError, TypeError, ValueError) as err:
            raise NodeError(f"{self} answered getblockchaininfo without {err}: is that a Bitcoin node?") from None

    def remarks(self) -> list[str]:
        """Say how this node is read and what it lacks."""
        status, said = self.status(), [str(self._reader.way)]
        if status.initial_download:
            said.append(
                f"the node is still catching up ({status.tip.height} of {status.headers} blocks): run again later"
            )
        if status.first_height:
            said.append(f"the node is pruned: its oldest block is {status.first_height}")
        return said

    def tip(self) -> Tip:
        """Return the best block now; raises SourceError or NodeError."""
        _ = self.network
        return self.status().tip

    @property
    def first_height(self) -> int:
        """Oldest block that the node has: 0 unless it is pruned."""
        return self.status().first_height

    def block_hash(self, height: int) -> bytes:
        """Hash (internal order) at a height of the best chain now; raises SourceError above the tip."""
        return self._hashes(Span(height, height))[0]

    def plan(self, span: Span, target_bytes: int) -> list[Span]:
        """Cut a span into runs of about `target_bytes`, estimated from the numbers of transactions."""
        _ = self.network
        self._check_held(span)
        spans = plan_by_size(span.first, self._sizes(span), target_bytes)
        self._next.update(pairwise(spans))
        return spans

    def read(self, span: Span, secret: bytes) -> Blocks:
        """Read and verify one span.

        Raises
        ------
        SourceError
            Blocks that the node does not have (yet, or any more); a wrong network.
        NodeError
            It did not answer, or refused.
        ReorgError
            The best chain changed meanwhile.
        VerificationError
            It sent something else than these blocks.
        """
        fetch = self._ahead.pop(span, None) or self._start(span)
        blocks = self._collect(fetch)
        self._check_links(fetch, blocks)
        self._start_ahead(span)
        prevouts = [block.prevouts for block in blocks if block.prevouts is not None]
        try:
            return decode_blocks(
                [block.raw for block in blocks],
                prevouts if len(prevouts) == len(blocks) else None,
                span.first,
                self.network,
                secret,
            )
        except (FormatError, VerificationError) as err:
            raise VerificationError(f"heights {span.first} to {span.last} from {self}: {err}") from err

    @cached_property
    def _reader(self) -> BlockReader:
        return BlockReader(self._client, self._arguments[4] or probe(self._client))

    def _hashes(self, span: Span) -> list[bytes]:
        """Hashes of a span in the best chain now, internal order."""
        try:
            heights = range(span.first, span.last + 1)
            return [_hash(text) for text in self._client.many("getblockhash", [(height,) for height in heights])]
        except RpcError as err:
            if err.code != OUT_OF_RANGE:
                raise
            raise SourceError(self._beyond(span)) from None
        except (TypeError, ValueError):
            raise NodeError(f"{self} answered getblockhash with something else than hashes") from None

    def _beyond(self, span: Span) -> str:
        status = self.status()
        why = f"; it is still catching up with {status.headers} headers" if status.initial_download else ""
        return f"{self} has blocks up to {status.tip.height}, but {span.first} to {span.last} are wanted{why}"

    def _check_held(self, span: Span) -> None:
        """Refuse a span that the node has not got, or has pruned."""
        status = self.status()
        if not 0 <= span.first <= span.last <= status.tip.height:
            raise SourceError(self._beyond(span))
        if span.first < status.first_height:
            raise SourceError(
                f"{self} is pruned: its oldest block is {status.first_height}, but {span.first} to {span.last} are "
                f"wanted; use --start {status.first_height}, or give a node or datadir that has them all"
            )

    def _sizes(self, span: Span) -> np.ndarray:
        """Estimated bytes of each block of a span, int64 (n_blocks,)."""
        begin = max(span.first - 1, 0) // SAMPLE_STEP * SAMPLE_STEP
        full = max(span.last // SAMPLE_STEP * SAMPLE_STEP, begin)
        heights = [*range(begin, full, SAMPLE_STEP), *range(full, span.last + 1)]
        counts = self._tx_counts(heights)
        wanted = np.arange(span.first - 1, span.last + 1)
        if begin == 0:
            heights, counts = [-1, *heights], [0, *counts]
        n_tx = np.diff(np.rint(np.interp(wanted, heights, counts))).clip(1, MAX_TX)
        return n_tx.astype(np.int64) * BYTES_PER_TX + BYTES_PER_BLOCK

    def _tx_counts(self, heights: Sequence[int]) -> list[int]:
        """Transactions up to each of some heights."""
        hashes = self._client.many("getblockhash", [(height,) for height in heights])
        try:
            said = self._client.many("getchaintxstats", [(0, block_hash) for block_hash in hashes])
            return [min(int(each["txcount"]), MAX_TX * height) for height, each in zip(heights, said, strict=True)]
        except (RpcError, KeyError, TypeError, ValueError):
            _log.warning("%s does not count transactions: every block is planned as a full one", self)
            return [height * FULL_BLOCK_TX for height in heights]

    def _start(self, span: Span) -> _Fetch:
        """Ask for the blocks of a span, without waiting for them."""
        _ = self.network
        self._check_held(span)
        hashes, reader = self._hashes(span), self._reader
        return _Fetch(span, hashes, [self._threads.submit(reader.fetch, each) for each in hashes])

    def _start_ahead(self, span: Span) -> None:
        """Ask for what the plan has after this span; only one span is ever kept ahead."""
        for stale in self._ahead.values():
            stale.cancel()
        self._ahead.clear()
        following = self._next.get(span)
        if following is None:
            return
        try:
            self._ahead[following] = self._start(following)
        except ChainError as err:  # it will be said when that span is read
            _log.debug("not ahead of %s: %s", span.name, err)

    def _collect(self, fetch: _Fetch) -> list[RawBlock]:
        try:
            return [block.result() for block in fetch.blocks]
        except MissingBlockError as err:
            fetch.cancel()
            self._check_held(fetch.span)
            self._check_best(fetch)
            raise NodeError(f"{err}; its data is incomplete: restart it with -reindex, or give another node") from None
        except BaseException:
            fetch.cancel()
            raise

    def _check_links(self, fetch: _Fetch, blocks: Sequence[RawBlock]) -> None:
        """Tell a reorganisation since the span before or during this one from a node that lies."""
        first, last = fetch.span
        before = self._last_read.get(first - 1)
        if before is not None and blocks[0].raw[PREV_HASH] != before:
            raise ReorgError(self._reorganised(self._fork_below(before), fetch.span))
        links = zip(fetch.hashes, (block.raw[PREV_HASH] for block in blocks[1:]), strict=False)
        linked = all(below == prev for below, prev in links)
        if not linked or self._hashes_or_none(Span(last, last)) != fetch.hashes[-1:]:
            self._check_best(fetch)
        if not linked:
            raise VerificationError(f"{self} named blocks for {first} to {last} that do not follow each other")
        self._last_read = {last: fetch.hashes[-1]}

    def _check_best(self, fetch: _Fetch) -> None:
        """Raise ReorgError unless every block of a span is in the best chain now."""
        first, last = fetch.span
        now = self._hashes_or_none(Span(first, min(last, self.status().tip.height))) or []
        if now == fetch.hashes:
            return
        pairs = zip(fetch.hashes, now, strict=False)
        common = [height for height, (was, found) in enumerate(pairs, first) if was == found]
        fork = common[-1] if common else self._fork_below(fetch.hashes[0])
        raise ReorgError(self._reorganised(fork, fetch.span))

    def _hashes_or_none(self, span: Span) -> list[bytes] | None:
        """Hashes of a span (none for an empty one), or None where the best chain does not reach so far now."""
        try:
            return self._hashes(span)
        except NodeError:
            raise
        except SourceError:
            return None

    def _reorganised(self, fork: int, span: Span) -> str:
        return (
            f"the best chain of {self} changed above height {fork} before {span.first} to {span.last} were read: "
            "run again, what was read above it is replaced"
        )

    def _fork_below(self, stale: bytes) -> int:
        """Height where a stale block's branch left the best chain."""
        name = stale[::-1].hex()
        for _ in range(DEEPEST_FORK):
            header = self._client.call("getblockheader", name)
            try:
                if header["confirmations"] >= 0:
                    return int(header["height"])
                name = header["previousblockhash"]
            except (KeyError, TypeError, ValueError) as err:
                raise NodeError(f"{self} answered getblockheader without {err}: is that a Bitcoin node?") from None
        raise NodeError(f"{self} shows no fork within {DEEPEST_FORK} blocks below {stale[::-1].hex()}: start afresh")


def _hash(text: str) -> bytes:
    """Read a hash as displayed into internal order; raises ValueError or TypeError."""
    value = bytes.fromhex(text)
    if len(value) != HASH_BYTES:
        raise ValueError(text)
    return value[::-1]


def _remake(url: str, login: Login, network: str | None, limits: Limits, way: Way | None) -> NodeSource:
    return NodeSource(url, login, network=network, limits=limits, way=way)
