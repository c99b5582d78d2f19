"""The places in an article where a picture's URL can stand."""

from collections.abc import Callable, Iterator
from typing import Final

from lxml import html

from qunfa.article import styles
from qunfa.article.document import Document, set_attribute
from qunfa.article.urls import is_data, normalised

# By attribute: the elements on which it names a picture (None: on all).
_ATTRIBUTES: Final[dict[str, frozenset[str] | None]] = {
    "src": frozenset({"img"}),
    "data-src": frozenset({"img"}),
    "poster": None,
    "background": None,
    "href": frozenset({"image"}),
    "xlink:href": frozenset({"image"}),
}


def found(document: Document) -> Iterator[str]:
    """The normalised URL of every picture, in order and as often as it stands there; empty ones are left out."""
    for element in document.elements():
        for url in _of(element):
            if clean := normalised(url):
                yield clean


def replace(document: Document, replacement: Callable[[str], str | None]) -> bool:
    """Puts other URLs in the places whose normalised URL `replacement` knows; whether there were any."""
    changed = False
    for element in document.elements():
        for name, value in _values(element).items():
            if name == "style":
                new = styles.with_urls(value, lambda url: replacement(normalised(url)))
            else:
                new = replacement(normalised(value)) or value
            if new != value:
                set_attribute(element, name, new)
                changed = True
    return changed


def is_placeholder(element: html.HtmlElement) -> bool:
    """Whether the `src` of a picture only holds the place until `data-src` is loaded."""
    lazy = normalised(element.attrib.get("data-src", ""))
    return element.tag == "img" and bool(lazy) and is_data(normalised(element.attrib.get("src", "")))


def _of(element: html.HtmlElement) -> Iterator[str]:
    for name, value in _values(element).items():
        if name == "style":
            yield from styles.urls(value)
        elif name != "src" or not is_placeholder(element):
            yield value


def _values(element: html.HtmlElement) -> dict[str, str]:
    """The attributes of an element that can hold a picture's URL."""
    return {
        name: value
        for name, value in element.attrib.items()
        if name == "style" or (name in _ATTRIBUTES and _belongs(name, str(element.tag)))
    }


def _belongs(name: str, tag: str) -> bool:
    tags = _ATTRIBUTES[name]
    return tags is None or tag in tags
