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
