"""Compiled loops: never older than the code they were compiled from."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from chains.kernels import fetch, lean_kernel

CHAINS = Path(__file__).resolve().parents[1] / "chains"

CALLEE = """from chains.kernels import kernel

@kernel
def answer(x):
    return x + {number}
"""
CALLER = """from chains.kernels import kernel
from pack.callee import answer

@kernel
def ask(x):
    return answer(x)
"""


def ask(folder: Path) -> int:
    """What the caller says in a fresh process."""
    code = "from pack.caller import ask; print(ask(1))"
    paths = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(CHAINS.parent)!r}]; "
    done = subprocess.run([sys.executable, "-c", paths + code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_kernel_is_compiled_anew_when_one_that_it_calls_changes(tmp_path: Path) -> None:
    """A cached loop is not used once the file of a loop that it calls has changed."""
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "caller.py").write_text(CALLER)
    (package / "callee.py").write_text(CALLEE.format(number=1))
    before = ask(tmp_path)
    (package / "callee.py").write_text(CALLEE.format(number=2))

    assert (before, ask(tmp_path)) == (2, 3)


def test_a_kernel_that_did_not_change_is_not_compiled_again(tmp_path: Path) -> None:
    """The second process finds what the first has compiled."""
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "caller.py").write_text(CALLER)
    (package / "callee.py").write_text(CALLEE.format(number=1))
    ask(tmp_path)
    first = sorted(package.rglob("*.nbc"))
    ask(tmp_path)

    assert first
    assert sorted(package.rglob("*.nbc")) == first


@lean_kernel
def _summed(values: npt.NDArray[np.int64], ahead: int) -> int:
    total = 0
    for i in range(len(values)):
        fetch(values, i + ahead)
        total += values[i]
    return total


@pytest.mark.parametrize("ahead", [0, 64, 1 << 40, -(1 << 40)])
def test_fetching_ahead_changes_nothing(ahead: int) -> None:
    """What is asked for beforehand is not read: results stay, and a place outside of the array does no harm."""
    assert _summed(np.arange(1000), ahead) == 499_500
