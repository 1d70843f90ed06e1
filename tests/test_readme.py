"""The README's shell blocks do what they say, run word for word on the demo's world."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from worlds.demo import DemoStory, build_demo

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(?:<!-- blocks: ([^\n]*) -->\n)?```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLE = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
BY_CI, HERE = "run by .ci/run", "run by tests/test_readme.py, on the demo's world"
APART = "run by tests/test_readme.py, in a world of its own"


class Block(NamedTuple):
    """One shell block and who runs it."""

    who: str
    script: str


BLOCKS = [Block(match[1] or "", match[2]) for match in BLOCK.finditer(TEXT)]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> DemoStory:
    """The demo's world on disk."""
    return build_demo(tmp_path_factory.mktemp("world"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _adapted(script: str, story: DemoStory, data: Path, port: int) -> str:
    """Put this machine's places where the README has a reader's; everything else stays."""
    innocent = next(each.address for each in story.screenings if each.name == "bystander")
    prices = story.datadir.parent / "prices.csv"
    prices.write_text("date,asset,currency,price\n2025-02-01,BTC,USD,100000.00\n", encoding="ascii")
    places = {
        "$PWD/.venv/bin": str(Path(sys.executable).parent),
        "/srv/tadoru": str(data),
        "~/.bitcoin": str(story.datadir),
        "sdn.csv tags.yaml": " ".join(map(str, story.labels)),
        "prices.csv": str(prices),
        EXAMPLE: innocent,
        "8337": str(port),
    }
    for reader, here in places.items():
        script = script.replace(reader, here)
    return script


def _run(script: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TADORU_")}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_every_block_says_who_runs_it() -> None:
    """Each shell block of the README is marked with what runs it."""
    assert [block.who for block in BLOCKS if block.who not in {BY_CI, HERE, APART}] == []
    assert {block.who for block in BLOCKS} == {BY_CI, HERE, APART}


def test_ci_runs_its_blocks() -> None:
    """The commands of the blocks for .ci/run are run by it, by name or through `make check`."""
    run, makefile = (ROOT / ".ci" / "run").read_text(), (ROOT / "Makefile").read_text()
    check = re.search(r"^check: (.*) ##", makefile, re.MULTILINE)
    assert check is not None
    through_check = {"check", *check[1].split()}
    if re.search(r"^coverage:.*\n\t\$\(MAKE\) test ", makefile, re.MULTILINE):
        through_check.add("test")
    directly = set(re.findall(r"^make ([a-z-]+)", run, re.MULTILINE))

    assert "check" in directly
    for block in BLOCKS:
        if block.who == BY_CI:
            assert set(re.findall(r"^make ([a-z-]+)", block.script, re.MULTILINE)) <= directly | through_check


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README asks the service with curl")
def test_blocks_do_what_they_say(story: DemoStory, tmp_path: Path) -> None:
    """The commands for a node's chain run one after the other, in one shell, to a decision by command line and HTTP."""
    port = _free_port()
    script = "\n".join(block.script for block in BLOCKS if block.who == HERE)
    script = "set -euo pipefail -o monitor\n" + _adapted(script, story, tmp_path / "data", port)
    # A machine that runs tests is busy: the answer is what is tested here, not its speed.
    done = _run(script, tmp_path, TADORU_PORT=str(port), TADORU_TIMEOUT_MS="10000")

    assert done.returncode == 0, done.stderr[-3000:]
    assert '"decision":"allow"' in done.stdout.replace('": "', '":"')


def test_a_newcomer_gets_the_table_of_accuracy(tmp_path: Path) -> None:
    """The commands of the accuracy paragraph, word for word but for smaller figures, print and write the table."""
    script = "set -euo pipefail\n" + "\n".join(block.script for block in BLOCKS if block.who == APART)
    places = {
        "$PWD/.venv/bin": str(Path(sys.executable).parent),
        "/srv/tadoru-simulated": str(tmp_path / "data"),
        "/srv/world": str(tmp_path / "world"),
        "--blocks 420 --people 90": "--blocks 200 --people 30",
    }
    for reader, here in places.items():
        assert reader in script
        script = script.replace(reader, here)
    done = _run(script, tmp_path)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "T0 clusters" in done.stdout
    assert (tmp_path / "world" / "accuracy" / "accuracy.md").read_text(encoding="utf-8").startswith("# Accuracy")
