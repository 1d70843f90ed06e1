"""`tadoru serve`: uvicorn workers over read-only generations."""

import logging
import os
import shutil
import tempfile
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from service.api.metrics_dir import MULTIPROC
from service.commands.common import chosen
from service.console import Console
from service.live import Live
from service.rulebook import load
from service.settings import Settings
from store.index import Index
from store.records import Records

APP = "service.api.app:app"


def run(host: str | None, port: int | None, workers: int | None, data: Path | None) -> None:
    """Serve until stopped."""
    settings = chosen(data, host=host, port=port, workers=workers)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s %(message)s")
    load(settings.policy)  # a mistake in the policy has to stop the start, not the first request
    _announce(settings, Console(as_json=False))
    if settings.workers > 1:
        _compile_once(settings)
    counters = tempfile.mkdtemp(prefix="tadoru-metrics-")
    os.environ[MULTIPROC] = counters
    settings.export()
    try:
        uvicorn.run(
            APP,
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop="uvloop",
            http="httptools",
            log_level=settings.log_level,
            access_log=False,  # addresses and customers' references are nobody's business
            proxy_headers=False,  # who asks is told by a key, not by a header
            server_header=False,
        )
    finally:
        shutil.rmtree(counters, ignore_errors=True)


def _compile_once(settings: Settings) -> None:
    """Have all kernels in their cache: workers would compile them at the same time, each for itself."""
    live = Live(settings.data)
    live.look()
    live.warm_up()
    live.stop()


def _announce(settings: Settings, console: Console) -> None:
    """Say what is about to be served, and to whom."""
    with closing(Records(settings.records)) as records:
        keys = len(records.keys())
    generation = Index(settings.data).current()
    if generation is None:
        console.note(f"no index in {settings.data} yet: answering 503 until `tadoru index bitcoin` publishes one")
    else:
        console.note(f"serving generation {generation.id} ({generation.network}, height {generation.height})")
    if not keys:
        console.note("no key is configured: only clients on this machine are answered (`tadoru keys create`)")
        if not _is_loopback(settings.host):
            console.note(f"bound to {settings.host}, but until a key exists others are refused (401)")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
