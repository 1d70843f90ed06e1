"""XML as lists use it: one record at a time with its line, and no document type at all.

Expat, as the standard library has it, is enough and safe here. A document type declaration is refused where it
begins, so that no entity can be declared: that is all that the usual hardened parsers add. Records are
released as they are read, so that a list of 100 MB needs little memory; and lines are exact, where libxml2
counts elements' lines only up to 65,535.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from xml.parsers import expat

from store.formats.problems import LabelError, only

_SLICE = 1 << 20  # bytes fed at a time
_MAX_DEPTH = 100
_HEAD = 1 << 16


class Element:
    """One element: its name without namespace, its attributes, text, children and line (counted from 1)."""

    __slots__ = ("attributes", "children", "line", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.text = ""
        self.children: list[Element] = []

    def get(self, name: str) -> str:
        """Give an attribute, empty where there is none."""
        return self.attributes.get(name, "").strip()

    def all(self, *path: str) -> Iterator["Element"]:
        """Walk the elements at a path below this one."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.name == path[0]:
                yield from child.all(*path[1:])

    def first(self, *path: str) -> "Element | None":
        """Give the first element at a path."""
        return next(self.all(*path), None)

    def said(self, *path: str) -> str:
        """Give the text of the first element at a path, empty where there is none."""
        found = self.first(*path)
        return found.text.strip() if found else ""

    def texts(self, *path: str) -> list[str]:
        """Give the texts of all elements at a path that have one."""
        return [text for one in self.all(*path) if (text := one.text.strip())]

    def anywhere(self, name: str) -> Iterator["Element"]:
        """Walk the elements of a name at any depth below this one, in document order."""
        waiting = [iter(self.children)]
        while waiting:
            child = next(waiting[-1], None)
            if child is None:
                waiting.pop()
                continue
            if child.name == name:
                yield child
            waiting.append(iter(child.children))


def root_of(head: bytes) -> Element | None:
    """Give the root element of a document's beginning, without its content; None where it is no XML."""
    reader = _Reader(Path(), frozenset())
    try:
        reader.feed(head[:_HEAD], final=False)
    except (LabelError, expat.ExpatError):
        return reader.root
    return reader.root


def records(data: bytes, path: Path, names: AbstractSet[str]) -> Iterator[Element]:
    """Walk the elements of some names, each whole, in document order; one within another belongs to the other.

    Parameters
    ----------
    data : bytes
        The document.
    path : Path
        The file's name, for messages.
    names : AbstractSet[str]
        Local names.

    Raises
    ------
    LabelError
        Where it is not well-formed to its end, declares a document type, or is nested without measure.
    """
    reader = _Reader(path, names)
    try:
        for start in range(0, len(data), _SLICE):
            reader.feed(data[start : start + _SLICE], final=False)
            yield from reader.taken()
        reader.feed(b"", final=True)
        yield from reader.taken()
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise only(path, f"this is not whole XML: {reason}; fetch the file again", error.lineno) from None
    except (UnicodeError, LookupError, ValueError) as error:
        raise only(path, f"this is not XML that can be read: {error}; fetch the file again") from None


class _Reader:
    """Expat's callbacks; keeps only what lies within a wanted element."""

    def __init__(self, path: Path, names: AbstractSet[str]) -> None:
        self.path = path
        self.names = names
        self.root: Element | None = None
        self.open: list[Element] = []  # of the record that is being read
        self.depth = 0
        self.done: list[Element] = []
        self.words: list[str] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, data: bytes, *, final: bool) -> None:
        self.parser.Parse(data, final)

    def taken(self) -> list[Element]:
        done, self.done = self.done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise only(self.path, f"nested more than {_MAX_DEPTH} deep; no list is", self.parser.CurrentLineNumber)
        local = name.rpartition(" ")[2]
        if self.root is None:
            self.root = Element(local, {**attributes, "xmlns": name.rpartition(" ")[0]}, self.parser.CurrentLineNumber)
        if not self.open and local not in self.names:
            return
        element = Element(local, attributes, self.parser.CurrentLineNumber)
        if self.open:
            self._close_text()
            self.open[-1].children.append(element)
        self.open.append(element)

    def _end(self, _: str) -> None:
        self.depth -= 1
        if not self.open:
            return
        self._close_text()
        element = self.open.pop()
        if not self.open:
            self.done.append(element)

    def _characters(self, text: str) -> None:
        if self.open:
            self.words.append(text)

    def _close_text(self) -> None:
        if self.words:
            self.open[-1].text += "".join(self.words)
            self.words.clear()

    def _doctype(self, *_: object) -> None:
        message = (
            "the file declares a document type, which no publisher's list does and which can hide a bomb; "
            "fetch the list again from its publisher"
        )
        raise only(self.path, message, self.parser.CurrentLineNumber)
