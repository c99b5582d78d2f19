"""An article's content as a phone shows it: cleaned, with nothing in it that leads elsewhere or is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote

from lxml import html

from qunfa.article.cleaning import cleaned
from qunfa.article.document import Document, set_attribute
from qunfa.article.pictures import replaced, urls_in
from qunfa.article.urls import normalised

DIGEST_MAX: Final = 54
"""Characters of the text that WeChat shows where an article has no digest."""
_LED: Final = ("href", "xlink:href", "target")
_BOXES: Final = frozenset({"audio", "iframe", "video"})
_UNSEEN: Final = "mp-style-type"
"""A mark of WeChat's editor, which shows nothing."""
_BOX: Final = "display:block;margin:8px 0;padding:16px;border:1px dashed #999;color:#666;text-align:center;"


@dataclass(frozen=True, slots=True)
class OnAPhone:
    """A content as it is shown: `html`; `removed`, as of `cleaned`; `links`, each as its text and where it leads.

    `boxes` names what WeChat alone can show, such as a video. A box stands in its place.
    """

    html: str
    removed: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    boxes: tuple[str, ...]


def wanted(content: str) -> tuple[str, ...]:
    """The normalised URL of every picture that readers will see, WeChat's own among them, each once.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    return tuple(dict.fromkeys(urls_in(_prepared(content)[0])))


def on_a_phone(content: str, pictures: Mapping[str, str]) -> OnAPhone:
    """The content with the `data:` URIs of its pictures; one that is not in `pictures` is shown as missing.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    document, removed = _prepared(content)
    links = [link for element in document.elements() if element.tag == "a" for link in _unlinked(element)]
    boxes = [_boxed(element) for element in [one for one in document.elements() if _is_box(one)]]
    urls = dict.fromkeys(urls_in(document))
    shown = {url: pictures.get(url) or missing("picture") for url in urls}
    return OnAPhone(replaced(str(document), shown), removed, tuple(links), tuple(boxes))


def missing(what: str) -> str:
    """The `data:` URI of a grey field with these words."""
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="272"><rect width="640" height="272" fill="#ddd"/>'
        f'<text x="320" y="146" font-size="28" text-anchor="middle" fill="#555">{escape(what)}</text></svg>'
    )
    return f"data:image/svg+xml,{quote(drawn)}"


def beginning(content: str) -> str:
    """The words that WeChat shows for an article without a digest.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    return " ".join("".join(map(str, _prepared(content)[0].body.itertext())).split())[:DIGEST_MAX]


def _prepared(content: str) -> tuple[Document, tuple[str, ...]]:
    """The cleaned content, with the pictures that WeChat's page loads by itself in their places."""
    clean = cleaned(content)
    document = Document(clean.content)
    for element in document.elements():
        lazy = element.attrib.pop("data-src", None) if element.tag == "img" else None
        if lazy is not None and normalised(str(lazy)):
            set_attribute(element, "src", str(lazy))
    return document, clean.removed


def _unlinked(element: html.HtmlElement) -> list[tuple[str, str]]:
    """Where the link led; it does not any more."""
    led = [str(element.attrib[name]) for name in _LED[:2] if element.attrib.get(name)]
    for name in _LED:
        element.attrib.pop(name, None)
    words = " ".join("".join(map(str, element.itertext())).split())
    return [(words, url) for url in led]


def _is_box(element: html.HtmlElement) -> bool:
    """Whether it is something that WeChat alone shows, and stands in nothing else that is."""
    inner = any(above.tag in _BOXES or _is_wechats(str(above.tag)) for above in element.iterancestors())
    return not inner and (element.tag in _BOXES or _is_wechats(str(element.tag)))


def _is_wechats(tag: str) -> bool:
    return tag.startswith("mp") and tag not in {_UNSEEN, "mpath"}


def _boxed(element: html.HtmlElement) -> str:
    """Makes a box of what only WeChat can show; what that is."""
    named = next((element.attrib[name] for name in ("src", "data-src", "data-title") if element.attrib.get(name)), "")
    what = f"<{element.tag}> {str(named)[:80]}".strip()
    for inner in list(element):
        element.remove(inner)
    element.attrib.clear()
    element.tag = "span"
    set_attribute(element, "style", _BOX)
    element.text = f"WeChat shows this: {what}"
    return what
