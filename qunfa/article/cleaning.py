"""An article without what WeChat would not run anyway: scripts, event handlers, foreign frames, forms.

What WeChat's editor makes stays: `mp-*` elements, `mpvoice`, `data-miniprogram-*`, `iframe class="video_iframe"`,
sections, links and inline styles. Hence a short list of what goes, and not one of what may stay.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from lxml import html

from qunfa.article import styles
from qunfa.article.document import Document, set_attribute
from qunfa.article.slots import is_placeholder
from qunfa.article.urls import normalised, parts

DROPPED: Final = frozenset(
    (
        "script", "noscript", "object", "embed", "applet", "base", "meta", "link", "title", "frame", "frameset",
        "input", "select", "textarea",
    )
)  # fmt: skip
"""Elements that go with all they hold."""
UNWRAPPED: Final = frozenset({"form", "button"})
"""Elements that go, while what they hold stays."""
FRAME_HOSTS: Final = frozenset({"v.qq.com", "mp.weixin.qq.com"})
"""Whose frames WeChat shows in an article."""

_ATTRIBUTES: Final = frozenset({"srcdoc", "srcset", "formaction", "ping"})
_SCRIPTS: Final = ("javascript:", "vbscript:", "data:text/html")
_PROSE: Final = frozenset({"alt", "title"})
_NAME_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`content` is clean; `removed` says what went: `<script> (2 times)`, `onclick of <p>`."""

    content: str
    removed: tuple[str, ...]


def cleaned(content: str) -> Cleaned:
    """The content without scripts and the like. Content that has none comes back as it was.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    document = Document(content)
    removed: Counter[str] = Counter()
    for element in list(document.elements()):
        tag = str(element.tag)
        if tag in DROPPED or (tag == "iframe" and not _shows_video(element)):
            removed[f"<{tag}>"] += 1
            element.drop_tree()
        elif tag in UNWRAPPED:
            removed[f"<{tag}>"] += 1
            element.drop_tag()
        else:
            removed.update(_clean_attributes(element))
    if not removed:
        return Cleaned(content, ())
    return Cleaned(str(document), tuple(_said(what, times) for what, times in removed.items()))


def _clean_attributes(element: html.HtmlElement) -> list[str]:
    """Removes what must not stay of an element's attributes, and names it."""
    gone = []
    for name, value in list(element.attrib.items()):
        if name == "style":
            style = styles.harmless(value, _is_script)
            if style == value:
                continue
            set_attribute(element, name, style)
        elif _must_go(name, value) or (name == "src" and is_placeholder(element)):
            del element.attrib[name]
        else:
            continue
        gone.append(f"{name[:_NAME_MAX]} of <{str(element.tag)[:_NAME_MAX]}>")
    return gone


def _must_go(name: str, value: str) -> bool:
    if name.startswith("on") or name in _ATTRIBUTES:
        return True
    return name not in _PROSE and any(_is_script(part) for part in value.split(";"))


def _is_script(url: str) -> bool:
    bare = "".join(character for character in url if character > " ").casefold()
    return bare.startswith(_SCRIPTS)


def _shows_video(frame: html.HtmlElement) -> bool:
    if "video_iframe" in frame.attrib.get("class", "").split():
        return True
    split = parts(normalised(frame.attrib.get("src", "") or frame.attrib.get("data-src", "")))
    return split is not None and split.hostname in FRAME_HOSTS


def _said(what: str, times: int) -> str:
    return what if times == 1 else f"{what} ({times} times)"
