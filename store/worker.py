"""One span at a time: what a backfill does in this process, or in worker processes.

Workers are forked from a server process that has the kernels loaded already (`store.preload`), so that they
start at once and inherit no threads.
"""

import multiprocessing
import os
import threading
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import IO

from chains.blocks import Source, Span
from store.lake import Lake, Manifest
from store.resolve import resolve

_job: tuple[Source, Lake]  # set once per worker process, so that spans travel and sources do not
_presence: IO[bytes]  # tells the next writer that this process has not ended yet


def context() -> BaseContext:
    """How worker processes are started."""
    return multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Start the server that workers are forked from; it loads the kernels while this process goes on."""
    multiprocessing.set_forkserver_preload(["store.preload"])
    forkserver.ensure_running()


def start(source: Source, lake: Lake) -> None:
    """Remember what this worker process works on; end with the process that started it, however that ends."""
    global _job, _presence  # noqa: PLW0603
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _presence = lake.join_writers()
    _job = (source, lake)


def _end_with(parent: BaseProcess) -> None:
    """Wait for the parent to end, and end too: a queue that nobody fills any more would be waited on for ever."""
    parent.join()
    os._exit(1)


def work(span: Span) -> Manifest:
    """Read and append one span in a worker process."""
    return write(*_job, span)


def write(source: Source, lake: Lake, span: Span) -> Manifest:
    """Read and append one span; what the source left unresolved is looked up in the lake."""
    blocks = source.read(span, lake.secret)
    if blocks.unresolved:
        blocks = resolve(lake, blocks)
    return lake.append(blocks)
