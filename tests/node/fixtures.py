"""Fixtures around a real node; a `conftest.py` that wants them imports them by name."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.node.harness import PASSWORD_LOGIN, RegtestNode, in_ci, running, running_with
from tests.node.varied import grow
from tests.tools.get_bitcoind import NodeUnavailable, install

StartNode = Callable[..., RegtestNode]


@pytest.fixture(scope="session")
def bitcoind() -> Path:
    """Return a node's program; skips where there is none to be had, fails if that happens in CI."""
    try:
        return install()
    except NodeUnavailable as reason:
        if in_ci():
            pytest.fail(f"no Bitcoin node: {reason}")
        pytest.skip(f"no Bitcoin node: {reason}")


@pytest.fixture(scope="session")
def varied_node(bitcoind: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegtestNode]:
    """Run a node with 300 varied blocks in many small XOR-ed files (`.blocks`); tests only read from it."""
    with running(bitcoind, tmp_path_factory.mktemp("varied"), "-fastprune") as node:
        grow(node, 300)
        yield node


@pytest.fixture
def start_node(bitcoind: Path, tmp_path: Path) -> Iterator[StartNode]:
    """Start nodes that end with the test: `start_node(*options, cookie=False)`."""
    with ExitStack() as stack:

        def start(*options: str, cookie: bool = False) -> RegtestNode:
            every: Sequence[str] = options if cookie else (*PASSWORD_LOGIN, *options)
            return stack.enter_context(running_with(bitcoind, tmp_path / "node", every))

        yield start
