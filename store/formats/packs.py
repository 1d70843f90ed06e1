"""What tag packs and actor packs have in common: a header, a list of items, fields checked by a table."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from store.formats import yamldoc
from store.formats.fields import Check, FieldError
from store.formats.problems import Problem, only
from store.formats.taxonomy import did_you_mean


class Pack:
    """One YAML pack in hand, with the mistakes found so far.

    Parameters
    ----------
    document
        What `yamldoc.load` gave.
    path
        The file, for messages.
    kind, items_key
        What to call it, and the key of its list: tags or actors.
    """

    def __init__(self, document: Any, path: Path, kind: str, items_key: str) -> None:
        if not isinstance(document, yamldoc.Mapping):
            raise only(path, f"this is no {kind}: at the top must stand title, creator and {items_key}", 1)
        self.path = path
        self.kind = kind
        self.items_key = items_key
        self.document = document
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []

    def problem(self, line: int | None, message: str) -> None:
        """Record a mistake."""
        self.problems.append(Problem(self.path, line, message))

    def note(self, line: int | None, message: str) -> None:
        """Record what was taken but is worth knowing."""
        self.notes.append(Problem(self.path, line, message))

    def header(self, checks: dict[str, Check]) -> dict[str, Any]:
        """Check the header's fields; the list of items is left out."""
        fields = self.fields(self.document, checks | {self.items_key: _anything}, "header")
        fields.pop(self.items_key, None)
        for name in ("title", "creator"):
            if name not in self.document:
                self.problem(1, f"the header lacks {name}; add it")
        return fields

    def items(self) -> Iterator[tuple[yamldoc.Mapping, int]]:
        """Walk the list of items with their lines; what is no mapping is recorded as a mistake."""
        items = self.document.get(self.items_key)
        if not isinstance(items, yamldoc.Sequence) or not items:
            line = self.document.lines.get(self.items_key, 1)
            self.problem(line, f"{self.items_key} must be a list with at least one entry")
            return
        for item, line in zip(items, items.lines, strict=True):
            if isinstance(item, yamldoc.Mapping):
                yield item, line
            else:
                self.problem(line, f"an entry of {self.items_key} must have fields, not be {item!r}")

    def fields(self, values: yamldoc.Mapping, checks: Mapping[str, Check], where: str) -> dict[str, Any]:
        """Check each field by its own rule; mistakes are recorded and left out."""
        good: dict[str, Any] = {}
        for name, value in values.items():
            check = checks.get(name)
            if check is None:
                known = ", ".join(checks)
                hint = did_you_mean(str(name), checks)
                self.problem(values.lines[name], f"unknown field {name!r} in the {where}{hint}; known: {known}")
                continue
            try:
                good[name] = check(name, value)
            except FieldError as wrong:
                self.problem(values.lines[name], str(wrong))
        return good


def _anything(_: str, value: Any) -> Any:
    return value
