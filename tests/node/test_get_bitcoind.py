"""Getting a node for the tests: where there is none to be had, the reason is one clear sentence."""

from pathlib import Path

import pytest

from tests.node.harness import in_ci
from tests.tools.get_bitcoind import NodeUnavailable, install


def test_without_the_package_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without apt and dpkg is told so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeUnavailable, match=r"no apt-get, dpkg.* here"):
        install(tmp_path / "prefix")


def test_with_an_unreachable_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing package tool is quoted."""
    for name in ("dpkg", "dpkg-deb"):
        (tmp_path / name).symlink_to("/bin/true")
    apt = tmp_path / "apt-get"
    apt.write_text('#!/bin/sh\necho "E: Could not resolve it" >&2\nexit 100\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeUnavailable, match=r"failed: E: Could not resolve it|no Debian archive keyring"):
        install(tmp_path / "prefix")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("", False), ("false", False)])
def test_in_ci_a_missing_node_fails(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipping is for laptops."""
    monkeypatch.setenv("CI", value)
    assert in_ci() is expected
