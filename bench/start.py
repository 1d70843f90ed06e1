"""How long `tadoru --help` takes: the price of every command before it does anything."""

import subprocess
import sys
from pathlib import Path

from bench.measure import Measure, best_of

TADORU = str(Path(sys.executable).with_name("tadoru"))


def run() -> list[Measure]:
    """The start-up bar, best of ten."""
    seconds = best_of(10, lambda: subprocess.run([TADORU, "--help"], check=True, capture_output=True))
    return [Measure("tadoru --help", seconds, "s", bar="<= 0.4 s", met=seconds <= 0.4)]
