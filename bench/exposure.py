"""Exposure and paths over HTTP: latency of one request after the other, of wallets of every size.

`python -m bench.exposure DATA`. The server is `tadoru serve` with one worker on 127.0.0.1. Half of the wallets asked
about are drawn among all, half are the largest: exchanges, with up to a seventh of all transactions. Paths are asked
for from each of these to the categories that its exposure names; and from those wallets that are furthest away from
somebody, to the category of whom: paths of up to a thousand transactions.
"""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

from bench.index import SomeLabels
from bench.measure import Measure
from bench.screening import server
from chains.bitcoin.address import text_of_payload
from heuristics.exposure.coins import coins_of
from heuristics.generation import build
from heuristics.lookup import parties
from store.formats.taxonomy import CATEGORIES
from store.index import Index
from store.lake import Lake

SEED = 1
WALLETS = 400  # drawn, and as many of the largest
LABELS = 20_000  # addresses that are labelled, where the data has no index yet
GOALS = 2  # paths asked for per wallet and direction
FAR = 50  # wallets that are furthest away
CHAIN = "/v1/addresses/bitcoin"


class Asked(NamedTuple):
    """What is asked about: addresses of drawn and of large wallets."""

    drawn: list[str]
    large: list[str]


def wallets(data: Path) -> Asked:
    """Choose the wallets; each goes by the address of its first member."""
    rng = random.Random(SEED)  # noqa: S311 a sample, not a secret
    index = Index(data)
    generation = index.current()
    with index.open() as reader:
        cur = reader.cursor()
        sizes = np.diff(coins_of(cur).touch_start)
        order = np.argsort(-sizes)
        active = int(np.count_nonzero(sizes))
        chosen = [rng.choice(order[:active].tolist()) for _ in range(WALLETS)], order[:WALLETS].tolist()
        named = [[parties(cur, [number]).get(number) for number in some] for some in chosen]
    network = generation.network if generation else "main"
    texts = [[text_of_payload(p.script_type, p.payload, network) for p in some if p is not None] for some in named]
    return Asked(*([text for text in some if text is not None] for some in texts))


def far(data: Path) -> list[tuple[str, str]]:
    """Wallets furthest away from somebody, by an address that was paid, and the category of whom."""
    index = Index(data)
    generation = index.current()
    with index.open() as reader:
        cur = reader.cursor()
        coins = coins_of(cur)
        start, rows = coins.around.sources
        furthest = np.argsort(-rows["min_hops"].astype(np.int64), kind="stable")[: 100 * FAR]
        asked: dict[int, str] = {}
        for row in furthest.tolist():
            place = int(np.searchsorted(start, row, "right")) - 1
            number = int(coins.out_number[coins.whole.out_start[place]])
            if number >= 0:
                asked.setdefault(number, coins.codes[int(rows["code"][row])].category)
        named = parties(cur, list(asked)[:FAR])
    network = generation.network if generation else "main"
    texts = [(text_of_payload(p.script_type, p.payload, network), asked[number]) for number, p in named.items()]
    return [(text, category) for text, category in texts if text is not None and category in CATEGORIES]


def timed(client: httpx.Client, url: str, params: dict[str, str | int] | None = None) -> tuple[float, Any]:
    """Ask once: milliseconds, and the answer."""
    start = time.perf_counter()
    answer = client.get(url, params=params)
    taken = 1000 * (time.perf_counter() - start)
    answer.raise_for_status()
    return taken, answer.json()


def goals(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Directions and categories that an exposure names, the largest first."""
    for direction in ("received", "sent"):
        rows = [
            row["category"] for row in told["exposures"] if (row["direction"], row["kind"]) == (direction, "indirect")
        ]
        yield from ((direction, category) for category in list(dict.fromkeys(rows))[:GOALS])


def latencies(client: httpx.Client, addresses: Sequence[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of every exposure and of every search for paths."""
    exposures, paths = [], []
    for text in addresses:
        taken, told = timed(client, f"{CHAIN}/{text}/exposure")
        exposures.append(taken)
        for direction, category in goals(told):
            asked: dict[str, str | int] = {"to": category, "direction": direction, "limit": 5}
            paths.append(timed(client, f"{CHAIN}/{text}/paths", asked)[0])
    return exposures, paths


def long_paths(client: httpx.Client, asked: Sequence[tuple[str, str]]) -> Iterator[Measure]:
    """Paths as long as there are."""
    taken, steps = [], [0]
    for text, category in asked:
        milliseconds, told = timed(client, f"{CHAIN}/{text}/paths", {"to": category, "limit": 5})
        taken.append(milliseconds)
        steps += [len(path["steps"]) for path in told["paths"]]
    if taken:
        p50, p99 = np.percentile(taken, [50, 99])
        yield Measure("steps of the longest path", float(max(steps)), "steps")
        yield Measure("top-5 long paths over HTTP, p50", float(p50), "ms")
        yield Measure("top-5 long paths over HTTP, p99", float(p99), "ms", bar="<= 300 ms", met=bool(p99 <= 300))


def measures(name: str, taken: tuple[list[float], list[float]]) -> Iterator[Measure]:
    """The bars of some wallets."""
    for what, some, bar in zip(("exposure", "top-5 paths"), taken, (50, 300), strict=True):
        p50, p99 = np.percentile(some, [50, 99])
        yield Measure(f"{what} of {name} over HTTP, p50", float(p50), "ms")
        yield Measure(f"{what} of {name} over HTTP, p99", float(p99), "ms", bar=f"<= {bar} ms", met=bool(p99 <= bar))


def run(data: Path) -> Iterator[Measure]:
    """All bars."""
    if Index(data).current() is None:
        lake = Lake.open(data)
        build(lake, SomeLabels(lake, LABELS), Index(data))
    asked = wallets(data)
    with server(data, workers=1) as (port, _), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        latencies(client, asked.drawn[:20])
        yield from measures("drawn wallets", latencies(client, asked.drawn))
        yield from measures("the largest wallets", latencies(client, asked.large))
        yield from long_paths(client, far(data))


if __name__ == "__main__":
    for one in run(Path(sys.argv[1])):
        print(one.line(), flush=True)
