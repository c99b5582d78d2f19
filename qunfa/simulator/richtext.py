"""What WeChat makes of an article's HTML: scripts go, and so does every picture that is not its own. Silently."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import urlsplit

PICTURE_HOSTS = frozenset({"mmbiz.qpic.cn", "mmbiz.qlogo.cn"})
_CSS_URL = re.compile(r"""url\(\s*(?P<quote>["']?)(?P<url>.*?)(?P=quote)\s*\)""", re.IGNORECASE)
_PICTURE_SOURCE = re.compile(r"(?P<start><img\b[^>]*?\s)src=", re.IGNORECASE)
_PICTURE_ATTRIBUTES = {"img": ("src", "data-src"), "*": ("poster", "background")}
_LINKS = frozenset({"href", "src", "action"})

Attributes = list[tuple[str, str | None]]


@dataclass(frozen=True)
class RichText:
    """An article's content as it is stored.

    Attributes:
        html: what is left.
        text: its text without tags, in one line.
        pictures: URLs of the pictures that are left, in order, as often as they stand there.
        dropped: URLs of the pictures that were filtered out.
    """

    html: str
    text: str
    pictures: tuple[str, ...]
    dropped: tuple[str, ...]


def is_own_picture(url: str) -> bool:
    """Whether a picture's URL is one of WeChat's."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme in {"http", "https", ""} and parts.hostname in PICTURE_HOSTS


def clean(html: str, *, lose: int = 0) -> RichText:
    """Filter an article's content.

    Args:
        html: as it was given.
        lose: so many of WeChat's own pictures are lost as well, the first ones.
    """
    cleaner = _Cleaner(lose)
    cleaner.feed(html)
    cleaner.close()
    text = " ".join("".join(cleaner.text).split())
    return RichText("".join(cleaner.html), text, tuple(cleaner.pictures), tuple(cleaner.dropped))


def with_data_src(html: str) -> str:
    """The content with `data-src` for the `src` of its pictures, as WeChat may give it back."""
    return _PICTURE_SOURCE.sub(r"\g<start>data-src=", html)


class _Cleaner(HTMLParser):
    """Writes down what it reads, unchanged wherever nothing has to go."""

    def __init__(self, lose: int) -> None:
        super().__init__(convert_charrefs=False)
        self.html: list[str] = []
        self.text: list[str] = []
        self.pictures: list[str] = []
        self.dropped: list[str] = []
        self._lose = lose
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self._tag(tag, attrs, ">")
        self._in_script = self._in_script or tag == "script"

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self._tag(tag, attrs, "/>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False
        else:
            self._write(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._write(data, data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};", unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};", unescape(f"&#{name};"))

    def handle_comment(self, data: str) -> None:
        self._write(f"<!--{data}-->")

    def _write(self, html: str, text: str = "") -> None:
        if not self._in_script:
            self.html.append(html)
            self.text.append(text)

    def _tag(self, tag: str, attrs: Attributes, end: str) -> None:
        if tag == "script":
            return
        kept = [(name, self._value(tag, name, value)) for name, value in attrs if _is_harmless(name, value)]
        kept = [(name, value) for name, value in kept if value != _GONE]
        names = {name for name, _ in kept}
        if tag == "img" and not names.intersection(_PICTURE_ATTRIBUTES["img"]):
            return
        same = kept == attrs
        self._write((same and self.get_starttag_text()) or f"<{tag}{''.join(map(_attribute, kept))}{end}")

    def _value(self, tag: str, name: str, value: str | None) -> str | None:
        if name in _PICTURE_ATTRIBUTES.get(tag, ()) or name in _PICTURE_ATTRIBUTES["*"]:
            return value if value is not None and self._stays(value) else _GONE
        if name == "style" and value is not None:
            return _CSS_URL.sub(lambda found: found[0] if self._stays(found["url"]) else "none", value)
        return value

    def _stays(self, url: str) -> bool:
        if not is_own_picture(url) or self._lose > 0:
            self._lose -= is_own_picture(url)
            self.dropped.append(url)
            return False
        self.pictures.append(url)
        return True


_GONE = "\0"


def _is_harmless(name: str, value: str | None) -> bool:
    if name.startswith("on"):
        return False
    return not (name in _LINKS and (value or "").strip().lower().startswith("javascript:"))


def _attribute(named: tuple[str, str | None]) -> str:
    name, value = named
    return f" {name}" if value is None else f' {name}="{escape(value)}"'
