"""`tadoru serve` as it runs: several processes, hot swap under load, one audit chain, a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from store.labels import Labels
from store.manifest import INTERIM
from store.records import Records
from tests.service_world import copy_of, index

PACK = """\
title: Later tags
creator: test
is_cluster_definer: true
currency: BTC
lastmod: 2025-04-01
confidence: ownership
source: https://example.org/test
tags:
  - address: {address}
    label: a market
    category: sanction
"""


def free_port() -> int:
    """Return a port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(url: str, body: dict[str, Any] | None = None, key: str = "") -> tuple[int, Any]:
    """Return status and JSON of one request over a connection of its own."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())  # noqa: S310
    request.add_header("Content-Type", "application/json")
    if key:
        request.add_header("Idempotency-Key", key)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 our own server on loopback
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@contextmanager
def serving(data: Path, workers: int, log: Path) -> Iterator[str]:
    """Run `tadoru serve` and wait until it answers; it has ended when the block has."""
    port = free_port()
    options = ["--data", str(data), "--port", str(port), "--workers", str(workers)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TADORU_")}
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve", *options], stderr=out, stdout=out, env=environment
        )
        try:
            _wait(f"http://127.0.0.1:{port}/healthz", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            if call(url)[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    msg = f"the server did not come up (exit code {server.poll()})"
    raise AssertionError(msg)


def test_two_workers_swap_generations_under_load(tmp_path: Path) -> None:
    """While screenings run, a label is added and published: no request fails, and soon every worker blocks."""
    place = copy_of(tmp_path / "data")
    address = place.case("bystander").address
    body = {"kind": "address", "address": address, "timeout_ms": 10_000}  # a busy machine is not the subject
    seen: list[tuple[int, str, str]] = []
    stop = threading.Event()

    with serving(place.data, 2, tmp_path / "log") as url:

        def ask() -> None:
            while not stop.is_set():
                status, told = call(f"{url}/v1/screenings", body)
                seen.append((status, told.get("decision", told.get("code")), told["as_of"]["generation"]))

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        time.sleep(0.5)
        pack = tmp_path / "pack.yaml"
        pack.write_text(PACK.format(address=address), encoding="utf-8")
        Labels(place.data).add([pack], network="regtest")
        published = index(place.data).id
        until = time.monotonic() + 30
        while time.monotonic() < until and any(row[2] != published for row in seen[-20:]):
            time.sleep(0.2)
        stop.set()
        for asker in askers:
            asker.join()
        metrics = urllib.request.urlopen(f"{url}/metrics", timeout=30).read().decode()  # noqa: S310

    assert {row[0] for row in seen} == {200}
    # The label blocks as soon as it is published; exposure follows in a generation of its own.
    assert {row[1] for row in seen if row[2] == published or INTERIM in row[2]} == {"block"}
    assert {row[1] for row in seen if row[2] != published and INTERIM not in row[2]} == {"allow"}
    assert all(row[2] == published for row in seen[-20:])
    counted = sum(
        float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if line.startswith("tadoru_screenings_total{")
    )
    assert counted == len(seen), "the metrics add up over the workers"
    records = Records(f"sqlite:///{place.data / 'records.sqlite'}")
    assert records.verify_chain().screenings == len(seen)
    records.close()


def test_workers_agree_on_attempts_and_idempotency(tmp_path: Path) -> None:
    """Of many simultaneous requests with one attempt id or one key, over two processes, one decision is filed."""
    place = copy_of(tmp_path / "data")
    body = {"kind": "withdrawal_attempt", "address": place.case("shell").address}
    answers: dict[str, list[tuple[int, Any]]] = {"attempt": [], "key": []}

    with serving(place.data, 2, tmp_path / "log") as url:

        def ask() -> None:
            answers["attempt"].append(call(f"{url}/v1/screenings", {**body, "attempt_id": "wd-1"}))
            answers["key"].append(call(f"{url}/v1/screenings", body, key="once"))

        askers = [threading.Thread(target=ask) for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()

    attempts = [status for status, _ in answers["attempt"]]
    assert sorted(attempts) == [200] + [409] * 7
    assert {status for status, _ in answers["key"]} <= {200, 409}
    assert len({told["id"] for status, told in answers["key"] if status == 200}) == 1
    assert {told["code"] for status, told in answers["key"] if status == 409} <= {"in_flight"}


def test_serve_without_an_index_answers_503_until_there_is_one(tmp_path: Path) -> None:
    """The server comes up, says what is missing, and answers as soon as something is published."""
    place = copy_of(tmp_path / "data")
    (place.data / "index").rename(tmp_path / "later")

    with serving(place.data, 1, tmp_path / "log") as url:
        assert call(f"{url}/readyz")[0] == 503
        status, problem = call(f"{url}/v1/lists")
        assert (status, problem["code"]) == (503, "index_not_ready")
        (tmp_path / "later").rename(place.data / "index")
        until = time.monotonic() + 20
        while time.monotonic() < until and call(f"{url}/readyz")[0] != 200:
            time.sleep(0.1)
        assert call(f"{url}/v1/lists")[0] == 200

    log = (tmp_path / "log").read_text()
    assert "no index in" in log
    assert "only clients on this machine" in log
    assert place.case("listed").address not in log
