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
    places = {
        "$PWD/.venv/bin": str(Path(sys.executable).parent),
        "/srv/tadoru": str(data),
        "~/.bitcoin": str(story.datadir),
        "sdn.csv tags.yaml": " ".join(map(str, story.labels)),
        EXAMPLE: innocent,
        "8337": str(port),
    }
    for reader, here in places.items():
        script = script.replace(reader, here)
    return script


def test_every_block_says_who_runs_it() -> None:
    """Each shell block of the README is marked with what runs it."""
    assert [block.who for block in BLOCKS if block.who not in {BY_CI, HERE}] == []
    assert {block.who for block in BLOCKS} == {BY_CI, HERE}


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
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TADORU_")}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        # A machine that runs tests is busy: the answer is what is tested here, not its speed.
        env={**environment, "TADORU_PORT": str(port), "TADORU_TIMEOUT_MS": "10000"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert '"decision":"allow"' in done.stdout.replace('": "', '":"')
