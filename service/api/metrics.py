"""Prometheus metrics that add up over several worker processes.

With PROMETHEUS_MULTIPROC_DIR set (`tadoru serve` does) every process counts in files of that directory and
any of them answers for all. No metric carries an address.
"""

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from service.api.metrics_dir import MULTIPROC

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REGISTRY = CollectorRegistry()
REQUESTS = Counter("tadoru_requests_total", "Requests answered.", ("method", "route", "status"), registry=REGISTRY)
LATENCY = Histogram(
    "tadoru_request_seconds",
    "Time from the request's first byte to the answer's last.",
    ("route",),
    buckets=BUCKETS,
    registry=REGISTRY,
)
DECISIONS = Counter("tadoru_screenings_total", "Screenings recorded.", ("decision", "policy"), registry=REGISTRY)
HEIGHT = Gauge(
    "tadoru_indexed_height",
    "Height of the generation that answers.",
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
LAG = Gauge(
    "tadoru_lag_seconds",
    "Seconds between the newest indexed block's header time and now.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)


def exposition() -> bytes:
    """Return the metrics of this process, or of all that share the directory."""
    if not os.environ.get(MULTIPROC):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    return generate_latest(registry)
