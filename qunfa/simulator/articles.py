"""Articles: the checks of draft/add and media/uploadnews, and what is stored of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qunfa.simulator.config import AccountConfig
from qunfa.simulator.errors import Refusal
from qunfa.simulator.limits import ArticleLimits
from qunfa.simulator.materials import Library, Material, Picture
from qunfa.simulator.richtext import RichText, clean, is_own_picture


@dataclass(frozen=True)
class Article:
    """An article as followers get it.

    Attributes:
        content: the HTML that is left.
        thumb: the cover.
        pictures: those in the content, in order, as often as they stand there.
        dropped: URLs of the pictures that were filtered out of what was given.
    """

    title: str
    author: str
    digest: str
    content: str
    content_source_url: str
    thumb: Material
    show_cover_pic: int
    need_open_comment: int
    only_fans_can_comment: int
    pictures: tuple[Picture, ...]
    dropped: tuple[str, ...]

    def fingerprint(self) -> list[object]:
        """What makes it the same article: pictures count by their bytes, not by their URLs."""
        content = self.content
        for picture in self.pictures:
            if picture.sha256:
                content = content.replace(picture.url.replace("&", "&amp;"), picture.sha256)
                content = content.replace(picture.url, picture.sha256)
        return [
            *(self.title, self.author, self.digest, content, self.content_source_url, self.thumb.sha256),
            *(self.show_cover_pic, self.need_open_comment, self.only_fans_can_comment),
        ]


@dataclass(frozen=True)
class ArticleRules:
    """What an endpoint wants of articles.

    Attributes:
        thumb: finds the cover by its id, or refuses it.
        default_digest: characters of the text that make a missing digest.
        lose: how many of WeChat's own pictures get lost.
    """

    config: AccountConfig
    library: Library
    thumb: Callable[[object], Material]
    default_digest: int
    lose: int = 0


def parse_articles(body: dict[str, object], rules: ArticleRules) -> tuple[Article, ...]:
    """The articles of a request.

    Raises:
        Refusal: 44003 none, 45008 too many, 40035 one is no object or a picture message, and per article 40227, 45003
            (title), 40192 (author), 45004 (digest), 45005 (source), 44004, 45002 (content), 41006, 40007 (thumb),
            88000 (comments).
    """
    given = body.get("articles")
    if not isinstance(given, list) or not given:
        raise Refusal(44003)
    if len(given) > rules.config.limits.articles.count:
        raise Refusal(45008)
    lose, articles = rules.lose, []
    for each in given:
        if not isinstance(each, dict) or each.get("article_type", "news") != "news":
            raise Refusal(40035)
        article = _article(each, rules, lose=lose, alone=len(given) == 1)
        lose -= sum(map(is_own_picture, article.dropped))
        articles.append(article)
    return tuple(articles)


def _article(given: dict[str, object], rules: ArticleRules, *, lose: int, alone: bool) -> Article:
    _check_lengths(given, rules.config.limits.articles)
    content = clean(_text(given, "content"), lose=max(0, lose))
    comments = _flag(given, "need_open_comment")
    if comments and not rules.config.comments:
        raise Refusal(88000)
    return Article(
        title=_text(given, "title"),
        author=_text(given, "author"),
        digest=_text(given, "digest") or _default_digest(content, rules.default_digest, alone=alone),
        content=content.html,
        content_source_url=_text(given, "content_source_url"),
        thumb=rules.thumb(given.get("thumb_media_id")),
        show_cover_pic=_flag(given, "show_cover_pic"),
        need_open_comment=comments,
        only_fans_can_comment=_flag(given, "only_fans_can_comment"),
        pictures=tuple(rules.library.picture(url) for url in content.pictures),
        dropped=content.dropped,
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
        (len(content) >= limits.content or len(content.encode()) >= limits.content_bytes, 45002),
    ]
    for is_wrong, errcode in wrong:
        if is_wrong:
            raise Refusal(errcode)


def _text(given: dict[str, object], name: str) -> str:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(40035)
    return value or ""


def _flag(given: dict[str, object], name: str) -> int:
    return int(str(given.get(name, 0)) in {"1", "True"})


def _default_digest(content: RichText, characters: int, *, alone: bool) -> str:
    """Only a message of one article has a digest of its own accord."""
    return content.text[:characters] if alone else ""
