"""A push's body, in XML or JSON, as its texts.

Each text stands under its place, such as `ResultList/item[2]/ArticleIdx`: the second `item` is `item[2]`. Texts are in
the order of the body, and blank ones are left out.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

ELEMENTS_MAX: Final = 4096
"""A document with more elements is refused: a mass send of 8 articles has about a hundred."""
DEPTH_MAX: Final = 16
"""Deeper elements are left out."""
NESTING_MAX: Final = 256
"""A deeper document is refused."""
NAME_MAX: Final = 64
_INT_BITS_MAX: Final = 64
_START_OF_ELEMENT: Final = re.compile(r"<[A-Za-z_:\x80-\U0010ffff]")
_ENCODINGS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class EventError(Exception):
    """The body cannot be read as a push. The message says why and quotes nothing of it."""


class EncryptedError(EventError):
    """The body is still encrypted, so it may be a result."""


class HostileError(EventError):
    """The body holds what WeChat never sends and what can harm other readers."""


def read_document(body: bytes | str | Mapping[str, Any]) -> dict[str, str]:
    """The texts of a body by their place.

    Raises:
        EventError: The body is neither well-formed XML nor a JSON object, or is too large.
        HostileError: It carries a DOCTYPE, or is not UTF-8.
    """
    texts = _Texts()
    if not isinstance(body, bytes | str):
        texts.add_tree(_without_root(body))
        return texts.found
    try:
        text = (body.decode() if isinstance(body, bytes) else _clean(body)).removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        raise HostileError("the body is not UTF-8") from None
    if text.startswith("{"):
        texts.add_tree(_without_root(_parse_json(text)))
    else:
        texts.add_root(_parse_xml(text))
    return texts.found


class _Texts:
    """Collects texts by their place, within the limits."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._seen: dict[str, int] = {}
        self._elements = 0

    def add_root(self, root: Element) -> None:
        """Adds an XML document. The root's own place is empty."""
        if text := _text(root).strip():
            self.found[""] = text
        self._add_elements(root, "", 1)

    def _add_elements(self, parent: Element, above: str, depth: int) -> None:
        if depth > NESTING_MAX:
            raise EventError(f"more than {NESTING_MAX} elements within each other")
        for element in parent:
            inner = len(element)
            place = self._add(above, element.tag, _text(element) if inner else element.text or "", depth)
            if inner:
                self._add_elements(element, place, depth + 1)

    def add_tree(self, tree: object, above: str = "", depth: int = 1) -> None:
        """Adds what JSON has in an object or a list. A list is what XML writes as an element several times."""
        for name, value in _inner(tree) if depth <= DEPTH_MAX else ():
            place = self._add(above, _clean(str(name)), _scalar(value), depth)
            self.add_tree(value, place, depth + 1)

    def _add(self, above: str, name: str, text: str, depth: int) -> str:
        """Adds one text and returns its place."""
        self._elements += 1
        if self._elements > ELEMENTS_MAX:
            raise EventError(f"more than {ELEMENTS_MAX} elements")
        if depth > DEPTH_MAX:
            return above
        name = name[:NAME_MAX]
        place = f"{above}/{name}" if above else name
        if place in self._seen:
            self._seen[place] = count = self._seen[place] + 1
            place = f"{place}[{count}]"
        else:
            self._seen[place] = 1
        if text := text.strip():
            self.found[place] = text
        return place


def _parse_xml(text: str) -> Element:
    """The tree of a document. Expat keeps nothing of it; libxml2 would keep each new name for ever.

    Expat hands everything to a builder in C. Handlers in Python would take twice as long.
    """
    doctype = text.find("<!DOCTYPE")
    if doctype >= 0 and not _START_OF_ELEMENT.search(text, 0, doctype):
        _refuse_doctype()
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.XmlDeclHandler = _check_encoding
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text, True)  # noqa: FBT003 - takes no keyword
    except expat.ExpatError as error:
        raise EventError(f"not well-formed XML (line {error.lineno})") from None
    return builder.close()


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.casefold() not in _ENCODINGS:
        raise HostileError("the XML declares another encoding than UTF-8")


def _refuse_doctype(*_: Any) -> None:
    raise HostileError("a DOCTYPE is refused")


def _text(element: Element) -> str:
    """An element's own text, without that of the elements in it."""
    return "".join([element.text or "", *(inner.tail or "" for inner in element)])


def _parse_json(text: str) -> dict[str, Any]:
    """Numbers stay texts, so no number is too large to read. Of two equal names the first one counts."""
    try:
        tree: dict[str, Any] = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_first_wins
        )
    except (ValueError, RecursionError):
        raise EventError("not well-formed JSON") from None
    return tree


def _refuse(_: str) -> None:
    raise ValueError


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in pairs:
        tree.setdefault(name, value)
    return tree


def _without_root(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """Some frameworks keep the root element `xml` as an object around the rest."""
    root = tree.get("xml") if len(tree) == 1 else None
    return root if isinstance(root, Mapping) else tree


def _inner(value: object) -> Iterator[tuple[object, object]]:
    """What stands in an object or a list, with the names that XML would give it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from ((name, one) for one in (inner if isinstance(inner, list | tuple) else (inner,)))
    elif isinstance(value, list | tuple):
        yield from (("item", one) for one in value)


def _scalar(value: object) -> str:
    """A value as the text that XML would have; empty for null, and for an object or a list."""
    match value:
        case None | Mapping() | list() | tuple():
            return ""
        case bool():
            return str(int(value))
        case int():
            return str(value) if value.bit_length() <= _INT_BITS_MAX else ""
        case str():
            return _clean(value)
    return repr(value)


def _clean(text: str) -> str:
    """The text without halves of surrogate pairs. JSON can spell them, but no history can keep them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
