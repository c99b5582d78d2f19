"""An article with nothing in it but what is allowed: what WeChat shows, and its editor makes.

The result is written anew from what may stay, so it never depends on how a browser reads what was there. It has no
comment, and no element in which text is anything else than text (`style`, `script`, `xmp`, a frame's inside). So every
parser reads the same elements in it, within a drawing and outside.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from lxml import etree, html

from qunfa.article import allowed, styles
from qunfa.article.document import Document, set_attribute
from qunfa.article.slots import is_placeholder
from qunfa.article.urls import is_frame, is_link, is_picture

_SCRIPTS: Final = ("javascript:", "vbscript:", "data:text/html")
_VERBATIM: Final = frozenset({"listing", "plaintext", "xmp"})
_NAME_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What may stay. `removed` says what went: `<script> (2 times)`, `onclick of <p>`.

    `said` is for recognising the article: the content as it was written where nothing went, `content` otherwise.
    """

    content: str
    removed: tuple[str, ...]
    said: str


def cleaned(content: str) -> Cleaned:
    """The content without scripts and the like, and without comments.

    Raises:
        ArticleError: The content is too long, nested too deeply, or has too many elements or attributes.
    """
    document = Document(content)
    copy = _Copy()
    walk = etree.iterwalk(document.body, events=("start", "end", "comment", "pi"))
    for event, node in walk:
        if event == "start" and not copy.begin(node):
            walk.skip_subtree()
        elif event == "end":
            copy.end(node)
        elif event in {"comment", "pi"}:
            copy.text(node.tail)
    document.body = copy.body
    written = str(document)
    removed = tuple(_said(what, times) for what, times in copy.removed.items())
    return Cleaned(written, removed, written if removed else content)


class _Copy:
    """The allowed part of a body, built while that is walked through."""

    def __init__(self) -> None:
        self.body: html.HtmlElement = html.HTMLParser(encoding="utf-8").makeelement("body")
        self.removed: Counter[str] = Counter()
        self._open = [self.body]
        self._kept: list[bool] = []
        self._last: html.HtmlElement | None = None
        self._text: list[str] = []

    def begin(self, element: html.HtmlElement) -> bool:
        """Take an element over, or not; false where what it holds is to be passed over."""
        if not self._kept:  # the body itself
            self._kept.append(False)
            self.text(element.text)
            return True
        tag = str(element.tag)
        name = "pre" if tag in _VERBATIM else tag
        dropped = tag in allowed.DROPPED or (tag == "iframe" and not shows_video(element))
        kept = not dropped and allowed.is_allowed(name)
        self._kept.append(kept)
        if not kept:
            self.removed[f"<{tag[:_NAME_MAX]}>"] += 1
        else:
            self._flush()
            self._open.append(etree.SubElement(self._open[-1], name))
            self._last = None
            self._take_attributes(element)
        if dropped or tag == "iframe":
            return False
        self.text(element.text)
        return True

    def end(self, element: html.HtmlElement) -> None:
        """An element ends, also one that was not taken over."""
        if self._kept.pop():
            self._flush()
            self._last = self._open.pop()
        if self._kept:
            self.text(element.tail)
        else:
            self._flush()

    def text(self, text: str | None) -> None:
        """Text comes, in pieces where something between them went."""
        if text:
            self._text.append(text)

    def _flush(self) -> None:
        text = "".join(self._text) or None
        self._text.clear()
        if self._last is None:
            self._open[-1].text = text
        else:
            self._last.tail = text

    def _take_attributes(self, element: html.HtmlElement) -> None:
        tag = str(element.tag)
        for name, value in element.attrib.items():
            kept = _kept(element, tag, name, value)
            if kept is not None:
                set_attribute(self._open[-1], name, kept)
            if kept != value:
                self.removed[f"{name[:_NAME_MAX]} of <{tag[:_NAME_MAX]}>"] += 1


def _kept(element: html.HtmlElement, tag: str, name: str, value: str) -> str | None:
    """What stays of an attribute's value."""
    if not allowed.takes(tag, name) or (name == "src" and is_placeholder(element)):
        return None
    if name == "style":
        return styles.allowed(value, is_picture)
    return value if _may_say(tag, name, value) else None


def _may_say(tag: str, name: str, value: str) -> bool:
    if name in allowed.PROSE:
        return True
    if name == "attributename":
        return allowed.may_be_animated(value)
    if allowed.is_reference(tag, name):
        return value.strip().startswith("#")
    if name in allowed.URLS and tag != "iframe":
        return is_picture(value) if allowed.is_picture_slot(tag, name) else is_link(value)
    if allowed.is_drawing(tag) and not name.startswith("data-"):
        return styles.is_local(value)
    return not any(_is_script(part) for part in value.split(";"))


def _is_script(url: str) -> bool:
    bare = "".join(character for character in url if character > " ").casefold()
    return bare.startswith(_SCRIPTS)


def shows_video(frame: html.HtmlElement) -> bool:
    """Whether a frame is Tencent's in every place where its address may stand; a video may be named by its id alone."""
    named = [frame.attrib[name] for name in ("src", "data-src") if frame.attrib.get(name, "").strip()]
    return all(map(is_frame, named)) and bool(named or frame.attrib.get("vid") or frame.attrib.get("data-mpvid"))


def _said(what: str, times: int) -> str:
    return what if times == 1 else f"{what} ({times} times)"
