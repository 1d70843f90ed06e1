"""The parsers again with every array access checked: no bytes make a kernel read or write elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "NUMBA_BOUNDSCHECK": "1",
    "NUMBA_CACHE_DIR": str(ROOT / ".cache" / "numba-boundscheck"),
    "PYTHONDONTWRITEBYTECODE": "1",
}
FILES = ("wire", "hashes", "script", "undo", "signatures", "decode", "verify")


@pytest.mark.timeout(600)
def test_no_kernel_leaves_its_arrays() -> None:
    """The parsers' own tests, fuzzing included, hold with bounds checked (compiled once, kept in .cache)."""
    files = [f"tests/test_{name}.py" for name in FILES]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
    command += ["-k", "mutated or arbitrary or cut or pieces or outside or come_back or told or payload"]
    run = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:]


def test_bounds_checking_is_on_where_it_is_asked_for() -> None:
    """An access beyond an array raises there, so that the test above shows something."""
    code = (
        "import numpy as np\n"
        "from chains.bitcoin.wire import read_u32\n"
        "try:\n    read_u32(np.zeros(3, np.uint8), 0)\n"
        "except IndexError:\n    print('caught')\n"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert run.stdout == "caught\n"
