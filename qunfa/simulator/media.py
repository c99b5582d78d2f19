"""media/…, material/… and draft/…: which files are good for what, and articles, their checks and what is left of them.

Of an article's HTML scripts go, and so does every picture that is not WeChat's own. Nobody is told.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from html import escape, unescape
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urlsplit

from qunfa.simulator.accounts import Account
from qunfa.simulator.config import ArticleLimits
from qunfa.simulator.content import Article, Material, flag
from qunfa.simulator.errors import Refusal
from qunfa.simulator.uploads import Format, Upload
from qunfa.simulator.world import Answer, Call, World

FileKind = Literal["image", "voice", "video", "thumb"]
_TOO_BIG: dict[FileKind, int] = {"image": 40009, "voice": 40010, "video": 40011, "thumb": 40012}
_TEMPORARY: dict[FileKind, set[Format]] = {
    "image": {"png", "jpg", "gif"},
    "voice": {"amr", "mp3"},
    "video": {"mp4"},
    "thumb": {"jpg"},
}
_PERMANENT: dict[FileKind, set[Format]] = {"image": {"png", "jpg", "gif", "bmp"}}
_OF_ARTICLES: set[Format] = {"png", "jpg"}
_DIGEST_OF_DRAFT = 54
_DIGEST_OF_NEWS = 64
_PICTURE_HOSTS = frozenset({"mmbiz.qpic.cn", "mmbiz.qlogo.cn"})
_CSS_URL = re.compile(r"""url\(\s*(?P<quote>["']?)(?P<url>.*?)(?P=quote)\s*\)""", re.IGNORECASE)
_PICTURE_SOURCE = re.compile(r"(?P<start><img\b[^>]*?\s)src=", re.IGNORECASE)
_PICTURE_ATTRIBUTES = {"img": ("src", "data-src"), "image": ("href", "xlink:href"), "*": ("poster", "background")}
_LINKS = frozenset({"href", "src", "action"})
_GONE = "\0"


async def upload(world: World, call: Call) -> Answer:
    """media/upload."""
    kind, file = _file(call, _TEMPORARY)
    material = call.owner.library.temporary(kind, world.clock.now(), upload=file)
    world.maybe_dies_early(call, material)
    name = "thumb_media_id" if kind == "thumb" else "media_id"
    return {"type": kind, name: material.media_id, "created_at": int(material.created_at)}


async def upload_picture(_world: World, call: Call) -> Answer:
    """media/uploadimg: a picture for articles, of which only the URL is known afterwards."""
    file = call.upload()
    if file.size >= call.owner.config.limits.media.article_image:
        raise Refusal(40009)
    if file.format not in _OF_ARTICLES:
        raise Refusal(40005)
    return {"url": call.owner.library.add_picture(file)}


async def convert(world: World, call: Call) -> Answer:
    """media/uploadvideo: makes of a video one that can be sent."""
    body, now, library = call.json(), world.clock.now(), call.owner.library
    video = library.find(body.get("media_id"), now, "video")
    title, description = (str(body.get(name) or "") for name in ("title", "description"))
    converted = library.temporary("mass_video", now, upload=video.upload, title=title, description=description)
    world.maybe_dies_early(call, converted)
    return {"type": "video", "media_id": converted.media_id, "created_at": int(converted.created_at)}


async def add_material(world: World, call: Call) -> Answer:
    """material/add_material."""
    _, file = _file(call, _PERMANENT)
    library, now = call.owner.library, world.clock.now()
    if library.stored(now) >= call.owner.config.limits.media.images_stored:
        raise Refusal(45074)
    url = library.add_picture(file)
    material = library.permanent("image", now, upload=file, url=url)
    world.maybe_dies_early(call, material)
    return {"media_id": material.media_id, "url": url}


def _file(call: Call, formats: dict[FileKind, set[Format]]) -> tuple[FileKind, Upload]:
    """The `type` of a call, and its file, if it is good for that.

    Raises:
        Refusal: 40004 there is no such type; 40009, 40010, 40011, 40012 the file is too big, 40005 of the wrong format,
            45007 too long; and what `Call.upload` raises.
    """
    kind = call.query.get("type")
    if kind not in formats:
        raise Refusal(40004)
    file, limits = call.upload(), call.owner.config.limits.media
    if file.size > getattr(limits, kind):
        raise Refusal(_TOO_BIG[kind])
    if file.format not in formats[kind]:
        raise Refusal(40005)
    if kind == "voice" and round(file.seconds or 0) > limits.voice_seconds:  # encoders add some milliseconds
        raise Refusal(45007)
    return kind, file


async def add_draft(world: World, call: Call) -> Answer:
    """draft/add."""
    articles = _articles(world, call, permanent=True, default_digest=_DIGEST_OF_DRAFT)
    draft = call.owner.library.permanent("draft", world.clock.now(), articles=articles)
    world.maybe_dies_early(call, draft)
    return {"media_id": draft.media_id}


async def upload_news(world: World, call: Call) -> Answer:
    """media/uploadnews."""
    articles = _articles(world, call, permanent=False, default_digest=_DIGEST_OF_NEWS)
    news = call.owner.library.temporary("news", world.clock.now(), articles=articles)
    world.maybe_dies_early(call, news)
    return {"type": "news", "media_id": news.media_id, "created_at": int(news.created_at)}


async def get_draft(world: World, call: Call) -> Answer:
    """draft/get."""
    draft = call.owner.library.find(call.json().get("media_id"), world.clock.now(), "draft")
    made = int(draft.created_at)
    data_src = call.owner.config.draft_pictures == "data-src"
    items = [_item(article, data_src=data_src) for article in draft.articles]
    return {"news_item": items, "create_time": made, "update_time": made}


def _item(article: Article, *, data_src: bool) -> Answer:
    return {
        "article_type": "news",
        "title": article.title,
        "author": article.author,
        "digest": article.digest,
        "content": _PICTURE_SOURCE.sub(r"\g<start>data-src=", article.content) if data_src else article.content,
        "content_source_url": article.content_source_url,
        "thumb_media_id": article.thumb.media_id,
        "thumb_url": article.thumb.url or f"http://mmbiz.qpic.cn/sz_mmbiz_jpg/{article.thumb.media_id}/0?wx_fmt=jpeg",
        "show_cover_pic": article.show_cover_pic,
        "need_open_comment": article.need_open_comment,
        "only_fans_can_comment": article.only_fans_can_comment,
        "url": f"http://mp.weixin.qq.com/s?__biz=MzA&tempkey={secrets.token_urlsafe(16)}#rd",
    }


@dataclass(frozen=True)
class _Rules:
    """What an endpoint wants of articles: covers that are permanent or not, and how long a default digest is."""

    account: Account
    now: float
    permanent: bool
    default_digest: int

    def thumb(self, media_id: object) -> Material:
        found = self.account.library.find(media_id, self.now, "thumb", "image")
        if found.permanent is not self.permanent:
            raise Refusal(40007)
        return found


def _articles(world: World, call: Call, *, permanent: bool, default_digest: int) -> tuple[Article, ...]:
    """The articles of a request.

    Raises:
        Refusal: 44003 none, 45008 too many, 40035 one is no object or a picture message. Of each article 40227, 45003
            (title), 40192 (author), 45004 (digest), 45005 (source), 44004, 45002 (content), 41006, 40007 (thumb),
            88000 (comments).
    """
    given = call.json().get("articles")
    if not isinstance(given, list) or not given:
        raise Refusal(44003)
    if len(given) > call.owner.config.limits.articles.count:
        raise Refusal(45008)
    # A draft has a digest of its own accord only if it is of one article.
    has_digest = len(given) == 1 or not permanent
    rules = _Rules(call.owner, world.clock.now(), permanent, default_digest if has_digest else 0)
    articles = [_article(each, rules) for each in given]
    illustrated = next((place for place, article in enumerate(articles) if article.pictures), None)
    if illustrated is not None and world.take_fault(call, "articles") is not None:
        articles[illustrated] = _article(given[illustrated], rules, lose=True)
    return tuple(articles)


def _article(given: object, rules: _Rules, *, lose: bool = False) -> Article:
    if not isinstance(given, dict) or given.get("article_type", "news") != "news":
        raise Refusal(40035)
    config, library = rules.account.config, rules.account.library
    _check_lengths(given, config.limits.articles)
    content = _Cleaner(_text(given, "content"), lose=lose)
    comments = flag(given, "need_open_comment")
    if comments and not config.comments:
        raise Refusal(88000)
    return Article(
        title=_text(given, "title"),
        author=_text(given, "author"),
        digest=_text(given, "digest") or " ".join("".join(content.text).split())[: rules.default_digest],
        content="".join(content.html),
        content_source_url=_text(given, "content_source_url"),
        thumb=rules.thumb(given.get("thumb_media_id")),
        show_cover_pic=flag(given, "show_cover_pic"),
        need_open_comment=comments,
        only_fans_can_comment=flag(given, "only_fans_can_comment"),
        pictures=tuple(library.picture(url) for url in content.pictures),
        dropped=tuple(content.dropped),
    )


def _check_lengths(given: dict[str, object], limits: ArticleLimits) -> None:
    title, content = _text(given, "title"), _text(given, "content")
    wrong = [
        (not title.strip(), 40227),
        (len(title) > limits.title, 45003),
        (len(_text(given, "author")) > limits.author, 40192),
        (len(_text(given, "digest")) > limits.digest, 45004),
        (len(_text(given, "content_source_url").encode()) > limits.source_url_bytes, 45005),
        (not content, 44004),
        (len(content) >= limits.content, 45002),
    ]
    for is_wrong, errcode in wrong:
        if is_wrong:
            raise Refusal(errcode)


def _text(given: dict[str, object], name: str) -> str:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(40035)
    return value or ""


def _is_own_picture(url: str) -> bool:
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme in {"http", "https", ""} and parts.hostname in _PICTURE_HOSTS


class _Cleaner(HTMLParser):
    """Writes down what it reads, unchanged where nothing has to go.

    `text` is without tags. `pictures` are the URLs that stay, as often as they stand there, `dropped` the others. With
    `lose` the first of WeChat's own is dropped, too.
    """

    def __init__(self, html: str, *, lose: bool) -> None:
        super().__init__(convert_charrefs=False)
        self.html: list[str] = []
        self.text: list[str] = []
        self.pictures: list[str] = []
        self.dropped: list[str] = []
        self._lose = lose
        self._in_script = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag, attrs, ">")
        self._in_script = self._in_script or tag == "script"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
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

    def _tag(self, tag: str, attrs: list[tuple[str, str | None]], end: str) -> None:
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
        is_own = _is_own_picture(url)
        if self._lose or not is_own:
            self._lose = self._lose and not is_own
            self.dropped.append(url)
            return False
        self.pictures.append(url)
        return True


def _is_harmless(name: str, value: str | None) -> bool:
    if name.startswith("on"):
        return False
    return not (name in _LINKS and (value or "").strip().lower().startswith("javascript:"))


def _attribute(named: tuple[str, str | None]) -> str:
    name, value = named
    return f" {name}" if value is None else f' {name}="{escape(value)}"'
