"""The page of some articles, and what there is to say of it."""

from collections.abc import Iterator
from datetime import datetime

from qunfa.article import (
    Heading,
    OnAPhone,
    ShownArticle,
    beginning,
    cleaned,
    on_a_phone,
    page,
    problems,
)
from qunfa.cli.article.asked import Asked
from qunfa.cli.article.looks import Album
from qunfa.cli.article.told import SHORT, ArticleLook, ArticlePreview
from qunfa.contract.message import Article
from qunfa.language import _
from qunfa.language.phrases import told as in_words


def built(asked: Asked, album: Album, now: datetime) -> tuple[str, ArticlePreview]:
    """The whole page, and what there is to say of it; where it stands is not known yet."""
    shown, looks, wrong = list[ShownArticle](), list[ArticleLook](), list[str]()
    if asked.of_a_send and asked.seen is None:
        wrong.append(_unseen(asked))
    for number, article in enumerate(asked.articles):
        page_of, look = _article(article, album)
        shown.append(page_of)
        looks.append(look)
        wrong += [
            _("Article {number}: {said}").format(number=number + 1, said=one) for one in _wrong(asked, number, look)
        ]
    told = ArticlePreview(
        account=asked.account,
        key=asked.key,
        digest=asked.seen.digest if asked.seen else None,
        articles=tuple(looks),
        wrong=tuple(wrong),
    )
    heading = Heading(f"{asked.account}/{asked.key}", tuple(_lines(asked, now)), told.wrong)
    return page(heading, shown), told


def _lines(asked: Asked, now: datetime) -> Iterator[str]:
    where = _("Articles of {origin}, account {account}, as of {time} in Shanghai.")
    yield where.format(origin=asked.origin, account=asked.account, time=f"{now:%Y-%m-%d %H:%M:%S}")
    if asked.seen is None and not asked.of_a_send:
        yield _unseen(asked)
    elif asked.seen is not None:
        pinned = _("This is what the send has pinned. Digest of all this: {digest}.")
        yield pinned.format(digest=(asked.seen.digest or "")[:SHORT])


def _unseen(asked: Asked) -> str:
    return _("Pictures are as they are now, because {why}.").format(why=asked.unseen)


def _article(article: Article, album: Album) -> tuple[ShownArticle, ArticleLook]:
    cover, look = album.cover(article)
    pictures, inside = album.inside(article)
    content = on_a_phone(article.content, pictures)
    links = content.links
    if article.content_source_url:
        links = (*links, ("阅读原文", article.content_source_url))
    told = ArticleLook(
        title=article.title,
        removed=content.removed,
        links=links,
        boxes=content.boxes,
        pictures=(look, *inside),
    )
    shown = ShownArticle(
        title=article.title,
        author=article.author or "",
        digest=article.digest or beginning(article.content),
        cover=cover,
        cover_inside=article.show_cover_pic,
        content=content,
        below=("阅读原文",) if article.content_source_url else (),
        notes=tuple(_notes(article, told, content)),
    )
    return shown, told


def _notes(article: Article, told: ArticleLook, content: OnAPhone) -> Iterator[str]:
    yield from (_("Taken out: {what}").format(what=what) for what in told.removed)
    yield from (_("Link “{words}” leads to {url}").format(words=words, url=url) for words, url in told.links)
    yield from (_("WeChat alone shows {box}").format(box=box) for box in content.boxes)
    if not article.digest:
        yield _("It has no digest. WeChat shows the first words of a single article.")
    if article.need_open_comment:
        yield _("Followers alone may comment.") if article.only_fans_can_comment else _("Readers may comment.")
    yield from (look.said for look in told.pictures)


def _wrong(asked: Asked, number: int, look: ArticleLook) -> Iterator[str]:
    """What is not on the page as it would be sent."""
    article = asked.articles[number]
    yield from (one.said for one in look.pictures if one.state in {"changed", "unreadable"})
    if asked.seen is None:
        yield from map(in_words, problems(article.content, "its content"))
    elif number >= len(asked.seen.contents) or _digest(article, asked) != asked.seen.contents[number]:
        yield _("This command takes other things out of it than the worker did: use the workers' version of qunfa.")


def _digest(article: Article, asked: Asked) -> str:
    sources = asked.seen.sources if asked.seen else ()
    names = {source.uri: f"sha256:{source.sha256}" for source in sources if source.use == "picture"}
    return cleaned(article.content).digest(names)
