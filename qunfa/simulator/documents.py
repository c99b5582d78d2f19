"""The two forms in which an account gets its pushes: XML as WeChat writes it, and the same tree in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

Value = str | int | Mapping[str, "Value"] | Sequence["Value"]
"""Text, a number, named parts, or a list of items."""
Fields = Mapping[str, Value]
Format = Literal["xml", "json"]
JsonLists = Literal["objects", "items", "single"]


def write(fields: Fields, form: Format, lists: JsonLists = "objects") -> str:
    """A body. `lists` says how JSON has a list: see `AccountConfig`'s callback."""
    return f"<xml>{_elements(fields)}</xml>" if form == "xml" else json.dumps(_plain(fields, lists), ensure_ascii=False)


def _elements(fields: Fields) -> str:
    return "".join(f"<{name}>{_content(value)}</{name}>" for name, value in fields.items())


def _content(value: Value) -> str:
    match value:
        case str():
            return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"
        case int():
            return str(value)
        case Mapping():
            return _elements(value)
    return "".join(f"<item>{_content(item)}</item>" for item in value)


def _plain(value: Value, lists: JsonLists) -> object:
    if isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(part, lists) for name, part in value.items()}
    items = [_plain(item, lists) for item in value]
    if lists == "items":
        return [{"item": item} for item in items]
    return items[0] if lists == "single" and len(items) == 1 else items
