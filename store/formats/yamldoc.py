"""YAML as label packs use it: values with their lines, duplicate keys refused, as fast as libyaml's events.

PyYAML's loader builds a node and then an object for everything, drops the lines and lets the last of two
equal keys win. This composes the objects from libyaml's event stream directly, with PyYAML's own rules for
what a plain scalar means, and remembers where everything stood.
"""

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.nodes import ScalarNode

from store.formats.problems import LabelError, Problem, only

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_SCALAR_TAGS = frozenset(_TAG + kind for kind in ("null", "bool", "int", "float", "binary", "timestamp", "str"))
_RESOLVERS: dict[str | None, list[tuple[str, Any]]] = yaml.SafeLoader.yaml_implicit_resolvers
_MAX_DEPTH = 100


class Mapping(dict[Any, Any]):
    """A mapping that knows its line and its keys' lines, counted from 1."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[Any, int] = {}


class Sequence(list[Any]):
    """A sequence that knows its line and its items' lines, counted from 1."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


class _Bad(Exception):  # noqa: N818 - never leaves this module
    """Why a value is refused."""


_NOTHING = object()


def load(data: bytes, path: Path) -> Any:
    """Read the one document of a YAML file.

    Parameters
    ----------
    data : bytes
        The file's content, UTF-8.
    path : Path
        The file's name, for messages.

    Returns
    -------
    Any
        What `yaml.safe_load` returns, but with `Mapping` for dict and `Sequence` for list.

    Raises
    ------
    LabelError
        Where it is not YAML, not UTF-8, empty, or repeats a key; all repeated keys are named.
    """
    if not data.strip():
        raise only(path, "the file is empty; a tag pack has a title, a creator and tags")
    composer = _Composer(path)
    try:
        return composer.document(_events(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise only(path, "the file is not UTF-8 text; save it as UTF-8", line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"this is not YAML: {error.problem}; mend the line or quote its text"
        raise only(path, message, mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise only(path, f"this is not YAML: {getattr(error, 'reason', error)}") from None


def _events(text: str) -> Iterator[Any]:
    return yaml.parse(text, Loader=yaml.CSafeLoader)


class _Composer:
    """Builds one document from events, without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.anchors: dict[str, Any] = {}
        self.constructor = SafeConstructor()

    def document(self, events: Iterator[Any]) -> Any:
        root: Any = _NOTHING
        container: Any = None
        key: Any = _NOTHING
        outer: list[tuple[Any, Any]] = []  # containers around this one, each with its pending key
        documents = 0
        for event in events:
            kind = type(event)
            if kind is ScalarEvent:
                value, line = self.scalar(event), event.start_mark.line + 1
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                outer.append((container, key))
                container, key = self.opened(event, kind, len(outer)), _NOTHING
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value, line = container, container.line
                container, key = outer.pop()
            elif kind is AliasEvent:
                value, line = self.aliased(event), event.start_mark.line + 1
            else:
                documents += kind is DocumentStartEvent
                continue
            if type(container) is Sequence:
                container.append(value)
                container.lines.append(line)
            elif container is None:
                root = value
            elif key is _NOTHING:
                key = value
                self.keyed(container, key, line)
            else:
                container[key] = value
                key = _NOTHING
        return self.finished(root, documents)

    def finished(self, root: Any, documents: int) -> Any:
        if documents != 1:
            raise only(self.path, f"the file holds {documents} YAML documents; it must hold one")
        if self.problems:
            raise LabelError(self.problems)
        return root

    def opened(self, event: Any, kind: type, depth: int) -> Mapping | Sequence:
        line = event.start_mark.line + 1
        if depth > _MAX_DEPTH:
            raise only(self.path, f"nested more than {_MAX_DEPTH} deep; no label pack needs that", line)
        if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
            self.problem(line, f"the YAML tag {event.tag} is not supported; remove it")
        made = Mapping(line) if kind is MappingStartEvent else Sequence(line)
        if event.anchor is not None:
            self.anchors[event.anchor] = made
        return made

    def aliased(self, event: Any) -> Any:
        line = event.start_mark.line + 1
        if event.anchor not in self.anchors:
            raise only(self.path, f"*{event.anchor} refers to no anchor; write the value out", line)
        return self.anchors[event.anchor]

    def keyed(self, container: Mapping, key: Any, line: int) -> None:
        if not isinstance(key, Hashable):
            raise only(self.path, "a key must be a word, not a list or mapping", line)
        if key in container:
            first = container.lines[key]
            self.problem(line, f"the key {key!r} is repeated (first on line {first}); remove one")
        container.lines[key] = line

    def scalar(self, event: Any) -> Any:
        tag = event.tag
        value = event.value
        if tag is None or tag == "!":
            if event.implicit[0]:
                for resolved, pattern in _RESOLVERS.get(value[:1], ()):
                    if pattern.match(value):
                        value = self.constructed(resolved, event)
                        break
        else:
            value = self.constructed(tag, event)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        return value

    def constructed(self, tag: str, event: Any) -> Any:
        """Make a value of a tag's type by PyYAML's own rules."""
        if tag == _TAG + "value":
            return event.value
        line = event.start_mark.line + 1
        if tag == _MERGE:
            raise only(self.path, "merge keys (<<) are not supported; write the fields out", line)
        if tag not in _SCALAR_TAGS:
            raise only(self.path, f"the YAML tag {tag} is not supported; remove it", line)
        try:
            node = ScalarNode(tag, event.value)
            return SafeConstructor.yaml_constructors[tag](self.constructor, node)
        except (ValueError, KeyError, IndexError, OverflowError, ConstructorError):
            kind = tag.removeprefix(_TAG).replace("timestamp", "date")
            self.problem(line, f"{event.value!r} looks like a {kind} but is none; correct or quote it")
            return None

    def problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.path, line, message))
