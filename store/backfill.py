"""Source → lake: plan the missing heights, read spans in parallel, append; stop and resume at any instant."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from chains.blocks import Source, Span
from chains.errors import ReorgError, SourceError
from store import worker
from store.errors import StoreError
from store.lake import Lake, Manifest

log = logging.getLogger(__name__)

SEGMENT_BYTES = 32 * 1024 * 1024  # raw block bytes per segment: some 60,000 transactions, 300 MB while decoding

MAX_REORG = 1000  # blocks; deeper than any that a network survived, so a wrong source can not wipe a lake

Report = Callable[["Progress"], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill has come."""

    blocks_done: int
    blocks_total: int
    tx_done: int
    height: int


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """What a backfill did."""

    span: Span
    segments: int
    blocks: int
    tx: int
    unresolved: int
    already_there: int
    """Blocks of the span that the lake held before."""
    replaced: int
    """Blocks that were removed because the source's best chain no longer holds them."""


def backfill(
    source: Source, lake: Lake, span: Span | None = None, *, workers: int = 1, report: Report | None = None
) -> BackfillReport:
    """Bring the lake up to the source's best chain over `span` (by default everything it has).

    Raises
    ------
    ChainError
        The source is damaged, lies, or reorganised more than once while it was read.
    StoreError
        Another writer is at work, or the disk refuses. What was committed before stays.
    """
    if source.network != lake.network:
        msg = f"the source is network {source.network}, the lake {lake.network}: use another --data directory"
        raise StoreError(msg)
    if workers > 1 and source.workers_help:
        worker.prepare()
    with lake.writing():
        wanted = _wanted(source, span)
        replaced = _drop_stale(source, lake)
        missing = _missing(lake.spans(), wanted)
        plan = [part for gap in missing for part in source.plan(gap, SEGMENT_BYTES)]
        total = sum(part.last - part.first + 1 for part in plan)
        written = list(_track(_write_all(source, lake, plan, workers), total, report))
        _check_links(lake)
    return BackfillReport(
        span=wanted,
        segments=len(written),
        blocks=total,
        tx=sum(manifest.rows["tx"] for manifest in written),
        unresolved=sum(manifest.unresolved for manifest in written),
        already_there=wanted.last - wanted.first + 1 - sum(gap.last - gap.first + 1 for gap in missing),
        replaced=replaced,
    )


def _wanted(source: Source, span: Span | None) -> Span:
    """The heights asked for, within what the source has."""
    tip = source.tip().height
    if span is None:
        return Span(source.first_height, tip)
    if not source.first_height <= span.first <= span.last <= tip:
        msg = f"heights {span.first} to {span.last} were asked for; the source has {source.first_height} to {tip}"
        raise SourceError(msg)
    return span


def _drop_stale(source: Source, lake: Lake) -> int:
    """Truncate segments that the source's best chain no longer holds; the number of blocks removed.

    Looked at from the newest downwards until a segment agrees: a reorganisation replaces a tail.
    """
    fork = None
    for span in reversed(lake.spans()):
        agrees = _agrees(source, lake, span)
        if agrees:
            break
        if agrees is False:
            fork = span.first
    if fork is None:
        return 0
    _refuse_another_chain(source, lake, fork)
    removed = lake.truncate(fork)
    blocks = sum(span.last - span.first + 1 for span in removed)
    log.warning("the source's chain differs from height %d on: %d blocks removed from the lake", fork, blocks)
    return blocks


def _refuse_another_chain(source: Source, lake: Lake, fork: int) -> None:
    """Raise StoreError where so much differs that the source is no later state of the same chain."""
    spans = lake.spans()
    stale = next(span for span in spans if span.first >= fork)
    stored = lake.read("block", stale, ["hash"])["hash"].to_pylist()
    same = 0
    while same < len(stored) and _known_hash(source, stale.first + same) == stored[same]:
        same += 1
    depth = spans[-1].last - stale.first - same + 1
    if depth > MAX_REORG:
        msg = (
            f"the source's chain differs from the lake's from height {stale.first + same} on, {depth} blocks deep; a "
            f"reorganisation is at most {MAX_REORG}. It is another chain or a stale copy: use another --data directory"
        )
        raise StoreError(msg)


def _known_hash(source: Source, height: int) -> bytes | None:
    """Hash that the source has at a height; None where it has none, as loose blocks may."""
    try:
        return source.block_hash(height)
    except SourceError:
        return None


def _agrees(source: Source, lake: Lake, span: Span) -> bool | None:
    """Whether the source's chain holds a segment's last block that it can know of; None where it knows none."""
    height = min(span.last, source.tip().height)
    if height < max(span.first, source.first_height):
        return None
    known = _known_hash(source, height)
    if known is None:
        return None
    stored: bytes = lake.read("block", span, ["hash"])["hash"][height - span.first].as_py()
    return stored == known


def _missing(have: list[Span], wanted: Span) -> list[Span]:
    """Parts of `wanted` that no segment holds."""
    gaps, at = [], wanted.first
    for span in have:
        if span.first > wanted.last:
            break
        if span.first > at:
            gaps.append(Span(at, span.first - 1))
        at = max(at, span.last + 1)
    if at <= wanted.last:
        gaps.append(Span(at, wanted.last))
    return gaps


def _write_all(source: Source, lake: Lake, plan: list[Span], workers: int) -> Iterator[Manifest]:
    """Read and append every span, in this process or in several."""
    if workers > 1 and source.workers_help and len(plan) > 1:
        yield from _write_parallel(source, lake, plan, workers)
        return
    for part in plan:
        yield worker.write(source, lake, part)


def _write_parallel(source: Source, lake: Lake, plan: list[Span], workers: int) -> Iterator[Manifest]:
    """Spans to processes; the first failure stops what has not begun."""
    pool = ProcessPoolExecutor(workers, worker.context(), worker.start, (source, lake))
    try:
        for future in as_completed([pool.submit(worker.work, part) for part in plan]):
            yield future.result()
    except BrokenProcessPool as error:
        msg = "a worker process was killed (out of memory?): run again with fewer --workers; finished segments stay"
        raise StoreError(msg) from error
    finally:
        with suppress(OSError):
            pool.shutdown(wait=True, cancel_futures=True)


def _track(written: Iterator[Manifest], total: int, report: Report | None) -> Iterator[Manifest]:
    """Pass manifests on and say how far we are."""
    blocks = tx = 0
    for manifest in written:
        blocks += manifest.last - manifest.first + 1
        tx += manifest.rows["tx"]
        if report is not None:
            report(Progress(blocks, total, tx, manifest.last))
        yield manifest


def _check_links(lake: Lake) -> None:
    """Neighbouring segments link by hash; where the source reorganised in between, the upper part goes."""
    spans = lake.spans()
    for before, after in pairwise(spans):
        if before.last + 1 == after.first and lake.manifest(before).last_hash != lake.manifest(after).prev_hash:
            lake.truncate(after.first)
            msg = f"the source reorganised at height {after.first} while it was read: run again to read the new chain"
            raise ReorgError(msg)
