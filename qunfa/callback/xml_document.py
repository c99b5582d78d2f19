"""A push in XML, read once from its start to its end.

Expat keeps nothing of one document for the next. (libxml2 keeps every name that it has ever seen in a thread, so
strangers who send new ones could fill the memory.)
"""

import re
from typing import Any, Final
from xml.parsers import expat

from qunfa.callback.malformed import DEPTH_MAX, ELEMENTS_MAX, NAME_MAX, EventError, HostileError
from qunfa.callback.usual_xml import read_usual

NESTING_MAX: Final = 256
"""A document that is deeper is refused."""
_START_OF_ELEMENT: Final = re.compile(r"<[A-Za-z_:\x80-\U0010ffff]")
_ENCODINGS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class XmlDocument:
    """A push in XML: texts by their place, in order."""

    def __init__(self, text: str) -> None:
        """Reads the document.

        Raises:
            EventError: It is not well-formed, or has more elements than any push.
            HostileError: It carries a DOCTYPE, or declares another encoding than UTF-8.
        """
        usual = read_usual(text)
        self._texts = read_any(text) if usual is None else usual

    def first(self, name: str) -> str:
        """The text of the topmost element of this name."""
        return self._texts.get(name, "")

    def texts(self) -> dict[str, str]:
        """Everything that is not blank, by its place."""
        return {place: text for place, text in self._texts.items() if text}


def read_any(text: str) -> dict[str, str]:
    """The texts of a document by their place, in order, the root's place being empty; raises as `XmlDocument` does."""
    doctype = text.find("<!DOCTYPE")
    if doctype >= 0 and not _START_OF_ELEMENT.search(text, 0, doctype):
        _refuse_doctype()
    reader = _Reader()
    parser = expat.ParserCreate()  # of a text, whose encoding no declaration can change
    parser.buffer_text = True
    parser.XmlDeclHandler = _check_encoding
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        parser.Parse(text, True)  # noqa: FBT003 - takes no keyword
    except expat.ExpatError as error:
        raise EventError(f"not well-formed XML (line {error.lineno})") from None
    return {place: "".join(pieces).strip() for place, pieces in reader.found}


class _Reader:
    """Notes place and text of each element, the root's place being empty."""

    def __init__(self) -> None:
        self.found: list[tuple[str, list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self._seen: dict[str, int] = {}
        self._elements = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._elements += 1
        depth = len(self._open)
        if self._elements > ELEMENTS_MAX + 1:
            raise EventError(f"more than {ELEMENTS_MAX} elements")
        if depth >= NESTING_MAX:
            raise EventError(f"more than {NESTING_MAX} elements within each other")
        element: tuple[str, list[str]] = (self._place(name[:NAME_MAX]) if 0 < depth <= DEPTH_MAX else "", [])
        if depth <= DEPTH_MAX:
            self.found.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)

    def _place(self, name: str) -> str:
        """Where an element stands; the second of its name there is `name[2]`."""
        above = self._open[-1][0]
        here = f"{above}/{name}" if above else name
        count = self._seen[here] = self._seen.get(here, 0) + 1
        return here if count == 1 else f"{here}[{count}]"


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.casefold() not in _ENCODINGS:
        raise HostileError("the XML declares another encoding than UTF-8")


def _refuse_doctype(*_: Any) -> None:
    raise HostileError("a DOCTYPE is refused")
