"""A real Bitcoin node on regtest, started on 127.0.0.1 and ended by itself, whatever the test does."""

import base64
import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

USER, PASSWORD = "tadoru", "not a secret, 100 % local/@"
START_LIMIT_S = 20.0
# Without these a node listens on every interface and looks for peers, seeds and routers.
ALONE = (
    "-listen=0",
    "-dnsseed=0",
    "-fixedseeds=0",
    "-discover=0",
    "-natpmp=0",
    "-connect=0",
)
PLAIN = (
    "-regtest",
    "-server=1",
    "-rest=1",
    "-rpcbind=127.0.0.1",
    "-rpcallowip=127.0.0.1",
    "-printtoconsole=0",
    "-dbcache=16",
    "-disablewallet=1",
)
PASSWORD_LOGIN = (f"-rpcuser={USER}", f"-rpcpassword={PASSWORD}")


class RpcFailure(Exception):  # noqa: N818 - what the node said, as the tests see it
    """The node's own error object."""


def free_port() -> int:
    """Return a port that nothing on 127.0.0.1 listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RegtestNode:
    """One running node. `options` are added to the command line; without a login it writes a cookie."""

    binary: Path
    datadir: Path
    options: Sequence[str] = PASSWORD_LOGIN
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _ids: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        """Where it answers, without a login."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def login(self) -> tuple[str, str]:
        """The password login, or what the cookie says now."""
        if any(option.startswith("-rpcpassword") for option in self.options):
            return USER, PASSWORD
        user, _, password = self.cookie.read_text().partition(":")
        return user, password

    @property
    def cookie(self) -> Path:
        """The cookie file of a node without a password."""
        return self.datadir / "regtest" / ".cookie"

    @property
    def blocks(self) -> Path:
        """The folder of block files."""
        return self.datadir / "regtest" / "blocks"

    def start(self) -> None:
        """Start and wait until it answers."""
        self.datadir.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            self.binary,
            f"-datadir={self.datadir}",
            f"-rpcport={self.port}",
            *ALONE,
            *PLAIN,
            *self.options,
        ]
        with (self.datadir / "stderr.txt").open("wb") as stderr:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the node did not start: {(self.datadir / 'stderr.txt').read_text()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.rpc("getblockcount")
        except (OSError, RpcFailure, ValueError):
            return False
        return True

    def stop(self) -> None:
        """End the process, by force if it does not go."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self, *more_options: str) -> None:
        """Stop and start on the same port and datadir, with further options."""
        self.stop()
        self.options = (*self.options, *more_options)
        self.start()

    def rpc(self, method: str, *params: Any) -> Any:
        """Call the node directly, not through the code under test."""
        token = base64.b64encode(":".join(self.login).encode()).decode()
        body = json.dumps({"id": next(self._ids), "method": method, "params": params})
        link = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request("POST", "/", body, {"Authorization": f"Basic {token}"})
            answer = json.loads(link.getresponse().read(), parse_float=str)
        finally:
            link.close()
        if answer["error"]:
            raise RpcFailure(answer["error"]["message"])
        return answer["result"]

    def mine(self, count: int, address: str) -> list[str]:
        """Mine to an address and return the new blocks' hashes."""
        hashes: list[str] = self.rpc("generatetoaddress", count, address)
        return hashes


@contextmanager
def running(binary: Path, datadir: Path, *options: str) -> Iterator[RegtestNode]:
    """Run a node with a password login for the length of a `with` block."""
    with running_with(binary, datadir, (*PASSWORD_LOGIN, *options)) as node:
        yield node


@contextmanager
def running_with(binary: Path, datadir: Path, options: Sequence[str]) -> Iterator[RegtestNode]:
    """Run a node with exactly these options (without a login: cookie) for the length of a `with` block."""
    node = RegtestNode(binary, datadir, options)
    try:
        node.start()
        yield node
    finally:
        node.stop()


def in_ci() -> bool:
    """Whether a missing node is a failure, not a reason to skip."""
    return os.environ.get("CI", "").lower() in {"1", "true"}
