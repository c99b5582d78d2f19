"""The pictures of an article: which there are, other URLs for them, and which of them WeChat lost."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin

from lxml import html

from qunfa.article import styles
from qunfa.article.document import ArticleError, Document, set_attribute
from qunfa.article.urls import is_data, is_wechats, normalised, parts

_ATTRIBUTES: Final = {
    "src": "img", "data-src": "img", "href": "image", "xlink:href": "image",
    "poster": "", "background": "", "style": "",
}  # fmt: skip
"""By attribute: the element on which it names a picture, all where there is none."""
_DECLARED: Final = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_DECLARED_WITHIN: Final = 1024
"""Bytes of an HTML file in which its encoding has to be declared."""
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def urls_in(document: Document) -> Iterator[str]:
    """The normalised URL of every picture, in order and as often as it stands there; empty ones are left out."""
    for element in document.elements():
        for url in _of(element):
            if clean := normalised(url):
                yield clean


def _replace(document: Document, replacement: Callable[[str], str | None]) -> bool:
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
        if name in _ATTRIBUTES and _ATTRIBUTES[name] in {"", element.tag}
    }


def decoded(data: bytes) -> str:
    """The text of an HTML file: by its byte order mark, as UTF-8, or as one of China's encodings.

    Raises:
        ArticleError: It is in none of them, or says so.
    """
    declared = _DECLARED.search(data[:_DECLARED_WITHIN])
    others = declared is not None and not declared[1].lower().startswith((b"utf", b"gb"))
    for mark, encoding in (*_MARKS, (b"", "utf-8"), *(() if others else ((b"", "gb18030"),))):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    raise ArticleError("is in no encoding that is known here; save it as UTF-8")


def local_pictures(content: str, base: Path) -> str:
    """The inside of an HTML file's body, with `file:` URIs for the pictures beside it in the folder `base`.

    Relative URLs of pictures become absolute ones: of files below `base` (or wherever `..` leads), or below a
    `<base href>` that names a server. What has a scheme or a host is left alone.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    document = Document(content, whole=True)
    server = _server(document)
    _replace(document, lambda url: _absolute(url, base, server))
    return str(document)


def _server(document: Document) -> str | None:
    for element in document.root.iter("base"):
        href = str(element.attrib.get("href", "")).strip()
        split = parts(href)
        if split is not None and split.scheme in {"http", "https"}:
            return href
    return None


def _absolute(url: str, base: Path, server: str | None) -> str | None:
    split = parts(url)
    if split is None or split.scheme or split.netloc or not split.path:
        return None
    if server is not None:
        return str(urljoin(server, url))
    path = unquote(split.path.replace("\\", "/"))
    if "\0" in path:
        return None
    return Path(os.path.normpath(base.absolute() / path)).as_uri()


def pictures(content: str) -> tuple[str, ...]:
    """The URLs that have to be uploaded: each once, in the order of first use, without those that WeChat keeps.

    They are read from `img` (`src`, `data-src`), SVG's `image`, `poster`, `background` and every `url(…)` in a `style`
    attribute, and normalised: entities decoded, `https:` before `//`, blanks around them removed, blanks and Chinese in
    them percent-encoded. A picture in the text itself (`data:`) is listed as the URI that it is; `data_of` gives its
    bytes, `name_of` a short name.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    return tuple(dict.fromkeys(url for url in urls_in(Document(content)) if not is_wechats(url)))


def replaced(content: str, urls: Mapping[str, str]) -> str:
    """The content with other URLs for its pictures, each wherever and however it is written.

    The keys are those that `pictures` gave. Content in which nothing changes comes back as it was.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    document = Document(content)
    return str(document) if _replace(document, urls.get) else content


def lost(content: str, stored: str) -> tuple[str, ...]:
    """The pictures of `content` that are missing in what `draft/get` returned, each once, as `content` has them.

    WeChat may return another scheme, host, size or query, and `data-src` for `src`: a picture is known by the middle of
    its path. Pictures that are not WeChat's are lost in any case.

    Raises:
        ArticleError: One of the two is too long or nested too deeply.
    """
    kept = {_identity(url) for url in urls_in(Document(stored)) if is_wechats(url)}
    wanted = dict.fromkeys(urls_in(Document(content)))
    return tuple(url for url in wanted if not is_wechats(url) or _identity(url) not in kept)


def _identity(url: str) -> tuple[str, ...]:
    """What stays the same: the path, without folder (`mmbiz_png`, `sz_mmbiz_png`) and size (`640`) around it."""
    split = parts(url)
    segments = [segment for segment in (split.path if split else "").split("/") if segment]
    if len(segments) > 1 and segments[-1].isdigit():
        del segments[-1]
    if len(segments) > 1 and segments[0].removeprefix("sz_").startswith("mmbiz"):
        del segments[0]
    return tuple(segments)
