"""What keeps WeChat from taking an article's content."""

from typing import Final

from lxml import html

from qunfa.article.cleaning import PLAYED, cleaned, shows_video
from qunfa.article.document import ArticleError, Document
from qunfa.article.pictures import pictures, replaced, urls_in
from qunfa.article.urls import DataUriError, data_of, is_data, is_drawing, is_picture, is_wechats, name_of, parts
from qunfa.printable import strange

CHARACTERS_MAX: Final = 19_999
"""`draft/add` takes fewer than 20,000 characters; more is 45002."""
BYTES_MAX: Final = 1024 * 1024 - 1
"""`draft/add` takes less than 1 MB."""
PICTURES_MAX: Final = 100
"""Different pictures to upload for one article: as many as anybody has needed, and few enough to be done in time."""

_WECHATS: Final = f"http://mmbiz.qpic.cn/mmbiz/{'x' * 88}/0"
"""As long as the shortest URL that `media/uploadimg` gives a picture: what fits with the real ones is not refused."""


def problems(content: str, place: str) -> list[str]:
    """All that is wrong with the content, one sentence each, beginning with its place in the request.

    `place` is such as `message.articles[2].content`. Ask before the pictures are uploaded, and again once their URLs
    are replaced: WeChat's may be longer. Content that is far too long is not parsed.
    """
    return [f"{place}: {said}" for said in _in(content)]


def problems_as_sent(content: str, place: str) -> list[str]:
    """The same of what WeChat gets once the content is cleaned, and its pictures are uploaded.

    Ask where `problems` finds none. Nothing is uploaded for it, so that WeChat's URLs are taken to be short.
    """
    try:
        clean = cleaned(content).content
        found = _in(replaced(clean, dict.fromkeys(pictures(clean), _WECHATS)))
    except ArticleError as error:
        found = [str(error)]
    return [f"{place}: cleaned, and with WeChat's longer URLs for its pictures, it {said}" for said in found]


def _in(content: str) -> list[str]:
    if found := _outside(content):
        return found
    try:
        return _inside(Document(content))
    except ArticleError as error:
        return [str(error)]


def _outside(content: str) -> list[str]:
    if len(content) > CHARACTERS_MAX:
        return [f"has {len(content):,} characters; WeChat takes fewer than {CHARACTERS_MAX + 1:,}"]
    found = []
    size = len(content.encode(errors="surrogatepass"))
    if size > BYTES_MAX:
        found.append(f"is {size:,} bytes of UTF-8; WeChat takes less than 1 MB")
    if codes := strange(content):
        found.append(f"holds characters that no text has ({codes}): was it read in the right encoding?")
    return found


def _inside(document: Document) -> list[str]:
    urls = list(dict.fromkeys(urls_in(document)))
    foreign = [url for url in urls if not is_wechats(url)]
    found = [problem for problem in map(_of_url, foreign) if problem]
    if len(foreign) > PICTURES_MAX:
        found.append(f"has {len(foreign)} different pictures to upload; at most {PICTURES_MAX} are taken")
    found += [problem for problem in map(_of_media, document.elements()) if problem]
    if not urls and not _shows_something(document):
        found.append("has neither text nor a picture")
    return found


def _of_media(element: html.HtmlElement) -> str | None:
    """Nobody uploads a video or a sound of an article: it plays from where it is, or not at all."""
    url = element.get("src")
    if element.tag not in PLAYED or url is None:
        return None
    split = parts(url)
    if split is not None and split.scheme in {"", "http", "https"} and split.hostname:
        return None
    return f"its <{element.tag}> has the address {name_of(url)}, which no phone can read; use an https: URL"


def _of_url(url: str) -> str | None:
    if is_data(url):
        return _of_data(url)
    split = parts(url)
    if split is None:
        return f"its picture {name_of(url)} has no readable URL"
    if not split.scheme or (split.scheme in {"http", "https"} and not split.hostname):
        return f"its picture {name_of(url)} has a relative URL; use a file: or https: URI"
    if not is_picture(url):
        return f"its picture {name_of(url)} can be read by nobody else; use a file: or https: URI"
    return None


def _of_data(url: str) -> str | None:
    if is_drawing(url):
        return f"its picture {name_of(url)} is a drawing (SVG); WeChat takes JPEG and PNG pictures"
    try:
        return None if data_of(url) else f"its picture {name_of(url)} is empty"
    except DataUriError as error:
        return f"its picture {name_of(url)} {error}"


def _shows_something(document: Document) -> bool:
    """Whether there is text, or an element that shows something by itself (a card, a voice, a video)."""
    if "".join(map(str, document.body.itertext())).strip():
        return True
    return any(
        str(element.tag).startswith("mp")
        or element.tag in {"svg", "video"}
        or (element.tag == "iframe" and shows_video(element))
        for element in document.elements()
    )
