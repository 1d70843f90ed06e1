"""How the command line speaks: answers on stdout, everything else on stderr, progress only on a terminal."""

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import orjson

SHOW_AFTER_S = 1.0


class Console:
    """Where a verb writes: JSON (one document per line) or text."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def answer(self, value: Any, text: Iterable[str]) -> None:
        """Write an answer: `value` as one line of JSON, or the lines of `text`."""
        if self.as_json:
            sys.stdout.write(orjson.dumps(value, default=str).decode() + "\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in text)
        sys.stdout.flush()

    def note(self, line: str) -> None:
        """Write a remark, which is no part of the answer."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class Progress:
    """A bar with rate and time left on standard error, from the second second on; silent without a terminal."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._started = time.monotonic()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._interrupted = False

    def interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """Hear a Ctrl-C. Where it falls into the compiler of kernels it is lost: then the next report raises it."""
        self._interrupted = True
        raise KeyboardInterrupt

    def heed(self) -> None:
        """Raise KeyboardInterrupt where a Ctrl-C came to nothing."""
        if self._interrupted:
            raise KeyboardInterrupt

    def report(self, step: str, done: int, total: int) -> None:
        """Say how far a step is; raises KeyboardInterrupt where a Ctrl-C came to nothing."""
        self.heed()
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            if time.monotonic() - self._started < SHOW_AFTER_S:
                return
            self._bar = _bar(self._unit)
            self._bar.start()
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(step, total=total)
        self._bar.update(self._tasks[step], completed=done, total=max(total, 1))

    def close(self) -> None:
        """Leave the last state standing."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(unit: str) -> Iterator[Progress]:
    """Show progress while the block runs; `unit` is what is counted."""
    shown = Progress(unit)
    heard = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, shown.interrupt) if heard else None
    try:
        yield shown
        shown.heed()
    finally:
        if heard:
            signal.signal(signal.SIGINT, before)
        shown.close()


def _bar(unit: str) -> Any:
    from rich.console import Console as RichConsole  # noqa: PLC0415 only where there is something to show
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    class Rate(TextColumn):
        """Units per second."""

        def __init__(self) -> None:
            super().__init__("")

        def render(self, task: Any) -> Any:
            """Write the rate of one step."""
            from rich.text import Text  # noqa: PLC0415

            speed = task.finished_speed or task.speed or 0
            return Text(f"{speed:,.0f} {unit}/s")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    return RichProgress(*columns, console=RichConsole(stderr=True))
