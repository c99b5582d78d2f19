"""The page of some articles: its pictures, as the workers read them, and what there is to say of it all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client

from qunfa import article as html
from qunfa.article.urls import normalised
from qunfa.cli.message import bytes_words, uri_words
from qunfa.cli.output import facts, unbroken
from qunfa.cli.workers import Question, answer_of, begin, unique
from qunfa.contract.checks import ASKED_MAX, ShownPicture, ShowPicturesResult, SourcesSeen
from qunfa.contract.fields import Stored
from qunfa.contract.ids import SHOW_PICTURES, pictures_id
from qunfa.contract.message import Article, MediaSource, NewsVia
from qunfa.language import N_, _
from qunfa.language.phrases import told

SHORT: Final = 16
"""Hex digits of a digest that people compare."""
_USES: Final = {"cover": N_("Cover"), "picture": N_("Picture")}


@dataclass(frozen=True, slots=True)
class Asked:
    """Articles of an account. `origin` says in words where they are from.

    `seen` is what the send has found at its sources, and `None` where no send has looked at them. `unseen` says why,
    and `of_a_send` whether there is one that will.
    """

    account: str
    key: str
    articles: tuple[Article, ...]
    origin: str
    seen: SourcesSeen | None = None
    unseen: str | None = None
    of_a_send: bool = True


class Look(Stored):
    """One picture of an article. `sha256` and `size` (bytes) are those of the file as it is now.

    `changed`: it is another file than the send has pinned. `unreadable`: the workers could not read it, and `why` says
    why not. `held`: WeChat has it already, and it is not fetched. Only one that is `shown` stands on the page.
    `smaller`: it is shown smaller than it is. `fitted`: Qunfa re-encodes it for WeChat, as `fit_images` allows.
    """

    picture: str
    use: Literal["cover", "picture"]
    state: Literal["shown", "changed", "unreadable", "held"]
    sha256: str | None = None
    size: int | None = None
    smaller: bool = False
    fitted: bool = False
    why: str | None = None

    @property
    def said(self) -> str:
        named = f"{_(_USES[self.use])} {self.picture}"
        match self.state:
            case "held":
                return _("{picture} is WeChat's own, and was not fetched.").format(picture=named)
            case "unreadable":
                return _("{picture} could not be read: {why}").format(picture=named, why=told(self.why or ""))
            case "changed":
                changed = _("{picture} is another file now than the send has pinned, so it is not shown.")
                return changed.format(picture=named)
        more = (_(", shown smaller") if self.smaller else "") + (_(", re-encoded for WeChat") if self.fitted else "")
        size, digest = bytes_words(self.size or 0), (self.sha256 or "")[:SHORT]
        shown = _("{picture}: {size}, SHA-256 {digest}{more}.")
        return shown.format(picture=named, size=size, digest=digest, more=more)


class ArticleLook(Stored):
    """An article on the page. `removed`: what was taken out. `links`: their texts, and where they lead.

    `boxes`: what WeChat alone can show, such as a video.
    """

    title: str
    removed: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    boxes: tuple[str, ...] = ()
    pictures: tuple[Look, ...] = ()


class ArticlePreview(Stored):
    """What was written: the `page`, and the `pictures` of it. `wrong`: what is not there as it would be sent.

    `digest` is of all that the send sends to whom; `None` where no send has looked at its sources.
    """

    account: str
    key: str
    page: str = ""
    pictures: tuple[str, ...] = ()
    digest: str | None = None
    articles: tuple[ArticleLook, ...] = ()
    wrong: tuple[str, ...] = ()


def render(found: ArticlePreview) -> RenderableType:
    """The files, what was taken out of the articles, and what is wrong."""
    wrong = [Text.assemble((line, "bold red")) for line in found.wrong]
    return Group(unbroken(found.page), *map(unbroken, found.pictures), facts(_rows(found)), *wrong)


def _rows(found: ArticlePreview) -> Iterator[tuple[str, str]]:
    if found.digest:
        yield _("digest of all this"), found.digest[:SHORT]
    for number, article in enumerate(found.articles, start=1):
        yield _("article {number}").format(number=number), article.title
        for removed in article.removed:
            yield _("taken out"), removed
        for words, url in article.links:
            yield _("link"), f"{url}: “{words}”" if words else url
        for box in article.boxes:
            yield _("only in WeChat"), box
        for number_of, look in enumerate(look for look in article.pictures if look.state in {"shown", "held"}):
            yield "" if number_of else _("pictures"), look.said


_URI_MAX: Final = 2_048


class Album:
    """All pictures of some articles, once they were read; `news_via` is of the account, where a worker has told it."""

    def __init__(self, asked: Asked, found: dict[str, ShownPicture], news_via: NewsVia | None = None) -> None:
        self._found = found
        self.news_via = news_via
        sources = asked.seen.sources if asked.seen else ()
        self._pinned = {source.uri: source.sha256 for source in sources}
        self._fitted = {source.uri for source in sources if source.fit}

    def cover(self, article: Article) -> tuple[str, Look]:
        """The `data:` URI of an article's cover, and what there is to say of it."""
        if not isinstance(article.thumb, MediaSource):
            held = Look(picture=article.thumb.media_id, use="cover", state="held")
            return html.missing(_("cover, which WeChat holds")), held
        return self._look(article.thumb.uri, "cover")

    def inside(self, article: Article) -> tuple[dict[str, str], list[Look]]:
        """The `data:` URIs of the pictures in an article's content, and what there is to say of them."""
        shown, looks = dict[str, str](), list[Look]()
        for url in html.wanted(article.content):
            if html.is_data(url):
                shown[url] = url
                continue
            shown[url], look = self._look(url, "picture")
            looks.append(look)
        return shown, looks

    def _look(self, uri: str, use: Literal["cover", "picture"]) -> tuple[str, Look]:
        named = uri_words(uri)
        if use == "picture" and html.is_wechats(uri):  # a cover is uploaded from wherever it stands
            return html.missing(_("{use} of WeChat's own").format(use=_(use))), Look(
                picture=named, use=use, state="held"
            )
        found = self._found.get(uri, ShownPicture(problem=_("its address is too long.")))
        known: dict[str, Any] = {"sha256": found.sha256, "size": found.size or None, "smaller": found.smaller}
        known["fitted"] = uri in self._fitted
        if self._pinned.get(uri, found.sha256) != found.sha256 and found.sha256 is not None:
            said = _("{use} has changed")
            return html.missing(said.format(use=_(use))), Look(picture=named, use=use, state="changed", **known)
        if found.data is None:
            return html.missing(_("{use} could not be read").format(use=_(use))), Look(
                picture=named, use=use, state="unreadable", why=found.problem, **known
            )
        return f"data:image/{found.kind};base64,{found.data}", Look(picture=named, use=use, state="shown", **known)


async def read(client: Client, asked: Asked, queue: str, *, quietly: bool) -> Album:
    """Have the workers read the pictures, a few with each question.

    Raises:
        Refused: No worker could.
        InvalidError: The account is not configured.
    """
    left = list(_sources(asked.articles))
    found: dict[str, ShownPicture] = {}
    news_via: NewsVia | None = None
    while left:
        about = {"account": asked.account, "pictures": [{"uri": uri} for uri in left[:ASKED_MAX]]}
        question = Question(SHOW_PICTURES, pictures_id(asked.account, unique()), about, "Pictures for a preview")
        answer = await answer_of(client, begin(client, question, ShowPicturesResult, queue), quietly=quietly)
        news_via = answer.news_via
        found.update(zip(left, answer.pictures, strict=False))
        del left[: len(answer.pictures)]
    return Album(asked, found, news_via)


def _sources(articles: Iterable[Article]) -> Iterable[str]:
    """What has to be read: each once."""
    covers = [article.thumb.uri for article in articles if isinstance(article.thumb, MediaSource)]
    inside = [url for article in articles for url in html.wanted(article.content) if not html.is_wechats(url)]
    return dict.fromkeys(uri for uri in (*covers, *inside) if len(uri) <= _URI_MAX and not html.is_data(uri))


def built(asked: Asked, album: Album, now: datetime) -> tuple[str, ArticlePreview]:
    """The whole page, and what there is to say of it; where it stands is not known yet."""
    shown, looks, wrong = list[html.ShownArticle](), list[ArticleLook](), list[str]()
    if asked.of_a_send and asked.seen is None:
        wrong.append(_unseen(asked))
    for number, article in enumerate(asked.articles):
        page_of, look = _article(article, album, alone=len(asked.articles) == 1)
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
    heading = html.Heading(f"{asked.account}/{asked.key}", tuple(_lines(asked, now)), told.wrong)
    return html.page(heading, shown), told


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


def _article(article: Article, album: Album, *, alone: bool) -> tuple[html.ShownArticle, ArticleLook]:
    cover, look = album.cover(article)
    pictures, inside = album.inside(article)
    content = html.on_a_phone(article.content, pictures)
    links = content.links
    if article.content_source_url:
        url = article.content_source_url
        links = (*links, ("阅读原文", normalised(url) or url))
    told = ArticleLook(
        title=article.title, removed=content.removed, links=links, boxes=content.boxes, pictures=(look, *inside)
    )
    shown = html.ShownArticle(
        title=article.title,
        author=article.author or "",
        digest=article.digest or html.beginning(article.content, _shown_of(album.news_via, alone=alone)),
        cover=cover,
        cover_inside=article.show_cover_pic and album.news_via == "uploadnews",
        content=content,
        below=("阅读原文",) if article.content_source_url else (),
        notes=tuple(_notes(article, told, content, album.news_via)),
    )
    return shown, told


def _shown_of(news_via: NewsVia | None, *, alone: bool) -> int:
    """How many characters of an article WeChat shows instead of a digest: of several in a draft none."""
    if news_via == "uploadnews":
        return 64
    return 54 if alone else 0


def _notes(article: Article, told: ArticleLook, content: html.OnAPhone, news_via: NewsVia | None) -> Iterator[str]:
    yield from (_("Taken out: {what}").format(what=what) for what in told.removed)
    if content.by_screen:
        yield _("How it looks depends on the screen: see it on a phone as well, with `qunfa preview`.")
    yield from (_("Link to {url}: “{words}”").format(words=words, url=url) for words, url in told.links)
    yield from (_("WeChat alone shows {box}").format(box=box) for box in content.boxes)
    if article.show_cover_pic and news_via != "uploadnews":
        yield _('show_cover_pic counts with news_via = "uploadnews" alone. WeChat\'s drafts do not know it.')
    if not article.digest:
        yield _("It has no digest. WeChat shows the first words of a single article.")
    if article.need_open_comment:
        yield _("Followers alone may comment.") if article.only_fans_can_comment else _("Readers may comment.")
    yield from (look.said for look in told.pictures)


def _wrong(asked: Asked, number: int, look: ArticleLook) -> Iterator[str]:
    """What is not on the page as it would be sent."""
    article = asked.articles[number]
    yield from (one.said for one in look.pictures if one.state in {"changed", "unreadable"})
    seen = asked.seen
    if seen is None:
        yield from map(told, html.problems(article.content, "its content"))
        return
    pinned = {one.uri: one.sha256 for one in seen.sources if one.use == "picture"}
    if seen.contents[number : number + 1] != (html.cleaned(article.content).digest(pinned),):
        yield _("This command takes other things out of it than the worker did: use the workers' version of qunfa.")
