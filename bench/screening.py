"""Screening over HTTP: latency at a fixed rate, then as fast as it goes; and an exact list hit in process.

`python -m bench.screening DATA [--workers N]`. The server is `tadoru serve` on 127.0.0.1; the client is a
process of its own with several keep-alive connections. At the fixed rate requests leave on schedule, whether
or not the ones before are answered, and a latency counts from the moment the request was due. Two thirds of
the addresses are drawn from the index at random, the rest are new to it; one in fifty is tagged or listed.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bench.measure import Measure, best_of
from chains.bitcoin.address import script_of, text_of_payload
from chains.ids import address_id
from heuristics.attribution import conclusions
from heuristics.generation import build
from store.index import Index
from store.labels import Labels
from store.lake import Lake

RATE = 100  # requests per second at the fixed rate
FIXED_S = 20
OPEN_CONNECTIONS = 8
CLOSED_REQUESTS = 6_000
CLOSED_S = 20
CLOSED_CONNECTIONS = 8
SAMPLE = 20_000
KNOWN_SHARE = 2 / 3
SEED = 1
TADORU = [sys.executable, "-m", "service.cli"]
START_S = 300  # kernels are compiled at the first start
WARM_UP = 500
HITS = 1000  # list hits in a row, of which the mean is taken


def addresses(data: Path) -> list[str]:
    """Draw the addresses to screen."""
    rng = random.Random(SEED)  # noqa: S311 a sample, not a secret
    index = Index(data)
    generation = index.current()
    network = generation.network if generation else "main"
    with index.open() as reader:
        cursor = reader.cursor()
        rows = cursor.rows(
            f"SELECT script_type, payload FROM address USING SAMPLE reservoir({int(SAMPLE * KNOWN_SHARE)} ROWS) "  # noqa: S608
            f"REPEATABLE ({SEED})"
        )
        tagged = cursor.rows(
            "SELECT script_type, payload FROM address WHERE number IN (SELECT number FROM tag) LIMIT ?",
            [SAMPLE // 50],
        )
    known = [text_of_payload(kind, payload, network) for kind, payload in [*rows, *tagged]]
    found = [text for text in known if text is not None]
    unseen = [text_of_payload(5, rng.randbytes(20), network) or "" for _ in range(SAMPLE - len(found))]
    chosen = found + unseen
    rng.shuffle(chosen)
    return chosen


@contextmanager
def server(data: Path, workers: int, cores: str | None = None) -> Iterator[tuple[int, int]]:
    """Run `tadoru serve`, on these cores if named; yields its port and process group; ends it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    pinned = [] if cores is None else ["taskset", "-c", cores]
    options = ["--data", str(data), "--port", str(port), "--workers", str(workers)]
    with tempfile.TemporaryDirectory() as scratch, Path(scratch, "log").open("w") as log:
        environment = {**os.environ, "TADORU_RECORDS_URL": f"sqlite:///{scratch}/records.sqlite"}
        process = subprocess.Popen(
            [*pinned, *TADORU, "serve", *options],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(port, process)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if b" 200 " in connection.recv(100):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    msg = f"`tadoru serve` did not get ready within {START_S} s (exit code {process.poll()}); is there an index?"
    raise RuntimeError(msg)


# the client: a process of its own, so that it takes no time from the server's interpreter -------------------


class Client:
    """A bare HTTP/1.1 client over a few keep-alive connections."""

    def __init__(self, port: int, texts: list[str]) -> None:
        self._port = port
        self._texts = texts
        self._next = 0
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def connect(self, connections: int) -> None:
        """Open the connections."""
        for _ in range(connections):
            self._idle.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))

    async def screen(self) -> None:
        """Post one screening and read the answer; raises unless it is a 200."""
        text = self._texts[self._next % len(self._texts)]
        self._next += 1
        body = json.dumps({"kind": "withdrawal_attempt", "address": text, "direction": "outbound"}).encode()
        head = (
            "POST /v1/screenings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        async with self._connection() as (reader, writer):
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            told = await reader.readexactly(length)
        if b" 200 " not in answer[:20]:
            raise RuntimeError(told.decode())

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        connection = await self._idle.get()
        try:
            yield connection
        finally:
            self._idle.put_nowait(connection)


async def fixed_rate(client: Client, rate: int, seconds: float) -> list[float]:
    """Send on schedule; the latencies in seconds, each from when its request was due."""
    latencies: list[float] = []
    start = time.perf_counter() + 0.1

    async def one(due: float) -> None:
        await client.screen()
        latencies.append(time.perf_counter() - due)

    tasks = []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return latencies


async def closed_loop(client: Client, connections: int, count: int, seconds: float) -> tuple[int, float]:
    """Keep every connection busy; how many were answered, in how many seconds."""
    start, left, done = time.perf_counter(), count, 0

    async def one() -> None:
        nonlocal left, done
        while left > 0 and time.perf_counter() - start < seconds:
            left -= 1
            await client.screen()
            done += 1

    await asyncio.gather(*(one() for _ in range(connections)))
    return done, time.perf_counter() - start


async def client_main(port: int, texts: list[str]) -> dict[str, object]:
    """Warm up, then measure both ways."""
    client = Client(port, texts)
    await client.connect(max(OPEN_CONNECTIONS, CLOSED_CONNECTIONS))
    await closed_loop(client, OPEN_CONNECTIONS, WARM_UP, 10)
    latencies = await fixed_rate(client, RATE, FIXED_S)
    done, seconds = await closed_loop(client, CLOSED_CONNECTIONS, CLOSED_REQUESTS, CLOSED_S)
    return {"latencies": latencies, "done": done, "seconds": seconds}


def measure(data: Path, workers: int, cores: str | None, client_cores: str | None) -> dict[str, float]:
    """Run one server against one client; p50 and p99 in ms at the fixed rate, and requests/s at full speed."""
    pinned = [] if client_cores is None else ["taskset", "-c", client_cores]
    with server(data, workers, cores) as (port, group):
        before = cpu_seconds(group)
        command = [*pinned, sys.executable, "-m", "bench.screening", str(data), "--client", str(port)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=START_S + FIXED_S + CLOSED_S)
        spent = cpu_seconds(group) - before
    told = json.loads(ran.stdout)
    latencies = sorted(told["latencies"])
    return {
        "p50": 1000 * latencies[len(latencies) // 2],
        "p99": 1000 * latencies[int(len(latencies) * 0.99)],
        "rate": told["done"] / told["seconds"],
        "per_cpu_second": (told["done"] + len(latencies) + WARM_UP) / spent,
    }


def cpu_seconds(group: int) -> float:
    """Processor time of every process of a group so far."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended while we looked
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def list_hit(data: Path) -> float:
    """Milliseconds from an address's text to its listings, in process, once the generation is open."""
    index = Index(data)
    generation = index.current()
    if generation is None:
        msg = f"no index in {data}"
        raise RuntimeError(msg)
    secret = Lake.open(data).secret
    with index.open(generation) as reader:
        cursor = reader.cursor()
        row = cursor.row(
            "SELECT script_type, payload FROM address WHERE address_id IN "
            "(SELECT address_id FROM tag WHERE list_id IS NOT NULL) LIMIT 1"
        )
        text = text_of_payload(row[0], row[1], generation.network) or ""

        def hit() -> None:
            script = script_of(text, generation.network)
            if not conclusions.listings(cursor, address_id(script, secret)):
                msg = f"{text} is listed, but was not found"
                raise RuntimeError(msg)

        def hits() -> None:
            for _ in range(HITS):
                hit()

        hits()
        return 1000 * best_of(5, hits) / HITS


def run(data: Path) -> list[Measure]:
    """The screening bars, on an index of 10⁶ transactions or more; the client shares the second core."""
    if Index(data).current() is None:
        build(Lake.open(data), Labels(data), Index(data))
    both = measure(data, workers=2, cores=None, client_cores=None)
    one = measure(data, workers=1, cores="0", client_cores="1")
    hit = list_hit(data)
    at = f"at {RATE}/s"
    return [
        Measure(f"screening p50 {at}", both["p50"], "ms", bar="<= 10 ms", met=both["p50"] <= 10),
        Measure(f"screening p99 {at}", both["p99"], "ms", bar="<= 50 ms", met=both["p99"] <= 50),
        Measure("screening, two workers and the client", both["rate"], "requests/s"),
        Measure("screening, one core", one["rate"], "requests/s", bar=">= 250", met=one["rate"] >= 250),
        Measure("screening, per second of processor time", one["per_cpu_second"], "requests/s"),
        Measure("list hit in process", hit, "ms", bar="<= 1 ms", met=hit <= 1),
    ]


def main() -> None:
    """Measure one data directory, or be the client."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--client", type=int, help="be the client of this port (used by the bench itself)")
    args = parser.parse_args()
    if args.client:
        print(json.dumps(asyncio.run(client_main(args.client, addresses(args.data)))))
        return
    for one in run(args.data):
        print(one.line(), flush=True)


if __name__ == "__main__":
    main()
