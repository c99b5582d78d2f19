"""A push's body as texts by their place, whether it came as XML or as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from qunfa.callback.malformed import DEPTH_MAX, ELEMENTS_MAX, NAME_MAX, EventError, HostileError
from qunfa.callback.xml_document import XmlDocument

_INT_BITS_MAX: Final = 64


class Document(Protocol):
    """What a push says. Where an element stands twice, the first one counts."""

    def first(self, name: str) -> str:
        """The text of the topmost element of this name, without blanks around it; empty where there is none."""

    def texts(self) -> dict[str, str]:
        """Everything that is not blank, by its place (`ResultList/item[2]/ArticleIdx`) and in order.

        Raises:
            EventError: There are more elements than any push has.
        """


def read_document(body: bytes) -> Document:
    """The body of a push, or what was encrypted in one.

    Raises:
        EventError: It is neither well-formed XML nor a JSON object.
        HostileError: It carries a DOCTYPE, or is not UTF-8.
    """
    try:
        text = body.decode().removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        raise HostileError("the body is not UTF-8") from None
    return JsonDocument(_parse_json(text)) if text.startswith("{") else XmlDocument(text)


class JsonDocument:
    """A push in JSON, or one that somebody has parsed already."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        only = tree.get("xml") if len(tree) == 1 else None
        self._tree = only if isinstance(only, Mapping) else tree

    def first(self, name: str) -> str:
        """The text of the topmost element of this name."""
        value = self._tree.get(name)
        while isinstance(value, list | tuple):
            value = value[0] if value else None
        return (_scalar(value) or "").strip()

    def texts(self) -> dict[str, str]:
        """Everything that is not blank, by its place."""
        return dict(_bounded(self._below(self._tree, (), Counter())))

    def _below(
        self, value: object, place: tuple[str, ...], seen: Counter[tuple[str, ...]]
    ) -> Iterator[tuple[str, str]]:
        """A list is what XML writes as an element several times."""
        yield "/".join(place), _scalar(value) or ""
        for name, inner in _inner(value) if len(place) < DEPTH_MAX else ():
            yield from self._below(inner, _numbered(place, name, seen), seen)


def _inner(value: object) -> Iterator[tuple[object, object]]:
    """What stands in an object or a list, with the names that it would have in XML."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from ((name, one) for one in (inner if isinstance(inner, list | tuple) else (inner,)))
    elif isinstance(value, list | tuple):
        yield from (("item", one) for one in value)


def _numbered(place: tuple[str, ...], name: object, seen: Counter[tuple[str, ...]]) -> tuple[str, ...]:
    here = (*place, _clean(str(name))[:NAME_MAX])
    seen[here] += 1
    return here if seen[here] == 1 else (*place, f"{here[-1]}[{seen[here]}]")


def _bounded(leaves: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for count, (place, text) in enumerate(leaves):
        if count > ELEMENTS_MAX:
            raise EventError(f"more than {ELEMENTS_MAX} elements")
        if text := text.strip():
            yield place, text


def _scalar(value: object) -> str | None:
    """A text as XML would have it; None for what has others in it."""
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case int():
            return str(value) if value.bit_length() <= _INT_BITS_MAX else ""
        case str():
            return _clean(value)
        case Mapping() | list() | tuple():
            return None
    return repr(value)


def _clean(text: str) -> str:
    """JSON can spell half a surrogate pair; no history can keep it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _parse_json(text: str) -> dict[str, Any]:
    """Numbers stay texts: no reader of them has to be feared."""
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
