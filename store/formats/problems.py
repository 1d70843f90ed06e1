"""What is wrong in a published list, said so that its author can mend it: file, line, reason, remedy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chains.errors import TadoruError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake or remark; `line` counts from 1, None where it concerns the whole file."""

    path: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        """Render as editors and compilers do: file:line: message."""
        where = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows of a file came to the same end; all counts of a file add up to its rows."""

    path: Path
    rows: int
    unit: str
    """What a row is: entries, rows, elements, tags."""
    outcome: str
    """What became of them, after the unit: `name addresses`, `name no address`."""
    lines: tuple[int, ...]
    """Where the first of them stand."""

    def __str__(self) -> str:
        """Render on one line, with the first places."""
        more = ", ..." if self.rows > len(self.lines) else ""
        places = f" (line {', '.join(map(str, self.lines))}{more})" if self.lines else ""
        return f"{self.path}: {self.rows:,} {self.unit} {self.outcome}{places}"


class Tally:
    """Counts the rows of one file by what became of them."""

    _PLACES = 5

    def __init__(self, path: Path, unit: str) -> None:
        self._path = path
        self._unit = unit
        self._rows: dict[str, int] = {}
        self._lines: dict[str, list[int]] = {}

    def add(self, outcome: str, line: int | None = None, rows: int = 1) -> None:
        """Count rows under what became of them; the line only where somebody may want to look."""
        self._rows[outcome] = self._rows.get(outcome, 0) + rows
        places = self._lines.setdefault(outcome, [])
        if line is not None and len(places) < self._PLACES:
            places.append(line)

    def counts(self) -> tuple[Count, ...]:
        """Give the counts, in the order in which the outcomes were first met."""
        return tuple(
            Count(self._path, rows, self._unit, outcome, tuple(self._lines[outcome]))
            for outcome, rows in self._rows.items()
        )


class LabelError(TadoruError):
    """A published list can not be imported as it is; `problems` has every mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        rest = f" (and {more} more; `tadoru labels check` names them all)" if more else ""
        super().__init__(f"{self.problems[0]}{rest}; nothing was imported")


class PriceError(TadoruError):
    """Price files can not be imported as they are; `problems` has every mistake found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        rest = f" (and {more} more)" if more else ""
        super().__init__(f"{self.problems[0]}{rest}; nothing was imported")


def only(path: Path, message: str, line: int | None = None) -> LabelError:
    """Make an error of one problem."""
    return LabelError([Problem(path, line, message)])
