"""The sources of a message: which it needs, what stands at each, and whether WeChat would take it.

A source is copied to a file on this machine, for as long as it is needed. Every source is read, hashed and checked
before anything is done with the message.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from temporalio import activity

from activities.accounts import Accounts
from activities.attempts import Places, heartbeats, passing
from qunfa import article as html
from qunfa.article.problems import PICTURES_MAX
from qunfa.contract.message import (
    Article,
    ImageMessage,
    Inspection,
    Media,
    MediaSource,
    MpnewsMessage,
    MpvideoMessage,
    NewsVia,
    Source,
    SourcedMessage,
    Use,
    VoiceMessage,
)
from qunfa.contract.steps import INSPECT, SOURCE_UNAVAILABLE, InspectStep
from qunfa.media.darkroom import Darkroom
from qunfa.media.facts import MediaFacts
from qunfa.media.fitting import CannotFitError, check, is_doubtful
from qunfa.media.fitting import Use as MediaUse
from qunfa.media.sources import Fetched, Sources
from qunfa.media.spool import Scratch, SourceRefused, SourceUnavailable

AT_ONCE: Final = 4
_FITTING: Final = frozenset({"mpnews", "image"})
"""The messages of which `fit_images` re-encodes pictures."""


@dataclass(frozen=True, slots=True)
class Need:
    """One source: the file at `uri`, for `use`, as named at `place`."""

    place: str
    uri: str
    use: Use


def needs_of(message: SourcedMessage, news_via: NewsVia) -> tuple[Need, ...]:
    """All sources of a message, in the order of its fields; what WeChat holds already is none.

    What an article's own problems speak of is left out: URLs that lead nowhere, pictures that are too many, and all
    pictures of a content that cannot be read.
    """
    match message:
        case MpnewsMessage(articles=articles):
            cover: Use = "cover" if news_via == "draft" else "thumb"
            return tuple(
                need for number, article in enumerate(articles or ()) for need in _of_article(article, number, cover)
            )
        case ImageMessage(images=images):
            return tuple(
                need
                for number, image in enumerate(images)
                for need in _of_media(image, f"message.images[{number}]", "image")
            )
        case VoiceMessage(media=media):
            return _of_media(media, "message.media", "voice")
        case MpvideoMessage(media=media):
            return _of_media(media, "message.media", "video")


def content_place(number: int) -> str:
    """The place of an article's content, and of all pictures in it."""
    return f"message.articles[{number}].content"


def _of_article(article: Article, number: int, cover: Use) -> tuple[Need, ...]:
    place = content_place(number)
    return (
        *_of_media(article.thumb, f"message.articles[{number}].thumb", cover),
        *(Need(place, uri, "picture") for uri in _pictures(article.content)),
    )


def _pictures(content: str) -> tuple[str, ...]:
    try:
        found = html.pictures(html.cleaned(content).content)
    except html.ArticleError:
        return ()
    return tuple(uri for uri in found[:PICTURES_MAX] if not html.problems(f'<img src="{escape(uri)}">', ""))


def _of_media(media: Media, place: str, use: Use) -> tuple[Need, ...]:
    return (Need(place, media.uri, use),) if isinstance(media, MediaSource) else ()


class Reader:
    """Reads sources, those that a policy allows and those that carry their content in themselves (`data:`)."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._darkroom = Darkroom()
        self._places = Places()

    def place(self) -> AbstractContextManager[None]:
        """A place for who reads sources, which may hang, or has pictures made smaller: the darkroom has a queue.

        Raises:
            ApplicationError: there is none now. Temporal comes again.
        """
        return self._places.one(SOURCE_UNAVAILABLE, "this worker looks at too many files; it is tried again.")

    @asynccontextmanager
    async def copy(self, uri: str) -> AsyncIterator[Fetched]:
        """The content of the source, until the context ends.

        Raises:
            SourceRefused: it may not be read, or is not there.
            SourceUnavailable: it could not be read for now.
        """
        async with _of_data(uri) if html.is_data(uri) else self._sources.fetch(uri) as copy:
            yield copy

    async def facts(self, copy: Fetched) -> MediaFacts:
        """What the copy is, by its content.

        Raises:
            OSError: it cannot be looked at here and now.
        """
        return await self._darkroom.inspect(copy.path)

    @asynccontextmanager
    async def fitted(self, copy: Fetched, use: MediaUse) -> AsyncIterator[Fetched]:
        """The copy, re-encoded so that WeChat takes it.

        Raises:
            CannotFitError: it cannot be made to fit.
            OSError: it cannot be re-encoded here and now.
        """
        with Scratch("fitted") as folder:
            made = await self._darkroom.fit(copy.path, use, folder)
            yield Fetched(made.path, made.size, made.sha256, Path(copy.name).stem)


@asynccontextmanager
async def _of_data(uri: str) -> AsyncIterator[Fetched]:
    name = html.name_of(uri)
    try:
        content = html.data_of(uri)
    except html.DataUriError as error:
        raise SourceRefused(name, f"{error}.") from None
    with Scratch("source") as folder:
        path = folder / "source"
        await asyncio.to_thread(path.write_bytes, content)
        yield Fetched(path=path, size=len(content), sha256=sha256(content).hexdigest(), name=name)


def unreadable_here(error: OSError) -> str:
    """What to say where this worker's own disk or system is in the way."""
    return f"this worker cannot look at it now ({error.strerror or type(error).__name__}); it is tried again."


@dataclass(frozen=True, slots=True)
class _Finding:
    """What came of one need: its source, what is wrong with that, or why it cannot be read now."""

    source: Source | None = None
    problems: tuple[str, ...] = ()
    unavailable: str | None = None


class MaterialInspection:
    """Looks at material. It changes nothing, neither here nor at WeChat."""

    def __init__(self, accounts: Accounts, reader: Reader) -> None:
        self._accounts = accounts
        self._reader = reader

    @activity.defn(name=INSPECT)
    @heartbeats()
    async def inspect(self, step: InspectStep) -> Inspection:
        """All sources of the message, and all that is wrong with them, each with its place.

        Where something is wrong for good, that is told at once, along with what cannot be read for now.
        """
        self._accounts.pinned(step.account)
        articles = _articles(step.message)
        fit = step.fit_images and step.message.msgtype in _FITTING
        with self._reader.place():
            findings = await self._look_at(needs_of(step.message, step.news_via), fit=fit)
        problems = (*_content_problems(articles), *(problem for finding in findings for problem in finding.problems))
        unavailable = tuple(finding.unavailable for finding in findings if finding.unavailable)
        sources = tuple(finding.source for finding in findings if finding.source)
        if problems:
            return Inspection(sources=sources, problems=(*problems, *unavailable))
        if unavailable:
            raise passing(SOURCE_UNAVAILABLE, unavailable[0])
        return Inspection(
            sources=sources, contents=_contents(articles, sources), removed=_removed(articles, step.news_via)
        )

    async def _look_at(self, needs: Iterable[Need], *, fit: bool) -> list[_Finding]:
        """A few at a time; a source that is needed several times is read once for each use."""
        gate = asyncio.Semaphore(AT_ONCE)
        distinct = {(need.uri, need.use): need for need in needs}

        async def look(need: Need) -> _Finding:
            async with gate:
                return await self._find(need, fit=fit)

        async with asyncio.TaskGroup() as group:
            tasks = {key: group.create_task(look(need)) for key, need in distinct.items()}
        found = {key: task.result() for key, task in tasks.items()}
        return [_at(found[need.uri, need.use], need, distinct[need.uri, need.use]) for need in needs]

    async def _find(self, need: Need, *, fit: bool) -> _Finding:
        try:
            async with self._reader.copy(need.uri) as copy:
                return await self._judged(need, copy, fit=fit)
        except SourceRefused as refused:
            return _Finding(problems=(f"{need.place}: {refused}",))
        except SourceUnavailable as unavailable:
            return _Finding(unavailable=f"{need.place}: {unavailable}")
        except OSError as error:
            return _Finding(unavailable=f"{need.place}: {unreadable_here(error)}")

    async def _judged(self, need: Need, copy: Fetched, *, fit: bool) -> _Finding:
        use = MediaUse(need.use)
        facts = await self._reader.facts(copy)
        source = Source(
            place=need.place, uri=need.uri, use=need.use, sha256=copy.sha256, size=copy.size, kind=facts.format.value
        )
        problems = check(facts, use, source.named)
        if not problems and not (fit and is_doubtful(facts, use)):
            return _Finding(source)
        if not fit:
            return _Finding(problems=tuple(problems))
        try:
            async with self._reader.fitted(copy, use):
                return _Finding(source.model_copy(update={"fit": True}))
        except CannotFitError as cannot:
            if not problems:
                return _Finding(source)
            return _Finding(problems=(*problems, f"{source.named}: fit_images cannot help: {cannot}"))


def _at(finding: _Finding, need: Need, looked_at: Need) -> _Finding:
    """What was found, said of another place where the same source is needed."""
    if need == looked_at:
        return finding
    source = finding.source.model_copy(update={"place": need.place}) if finding.source else None
    problems = tuple(problem.replace(looked_at.place, need.place, 1) for problem in finding.problems)
    return _Finding(source, problems, finding.unavailable)


def _articles(message: SourcedMessage) -> tuple[Article, ...]:
    return (message.articles or ()) if isinstance(message, MpnewsMessage) else ()


def _content_problems(articles: tuple[Article, ...]) -> tuple[str, ...]:
    found = []
    for number, article in enumerate(articles):
        content, place = article.content, content_place(number)
        found += html.problems(content, place) or html.problems_as_sent(content, place)
    return tuple(found)


def _contents(articles: tuple[Article, ...], sources: tuple[Source, ...]) -> tuple[str, ...]:
    """What each article says, wherever its pictures stand: it is the same content while their bytes are."""
    pictures = {source.uri: source.sha256 for source in sources if source.use == "picture"}
    return tuple(html.cleaned(article.content).digest(pictures) for article in articles)


def _removed(articles: tuple[Article, ...], news_via: NewsVia) -> tuple[str, ...]:
    contents = (
        f"{content_place(number)}: {what}"
        for number, article in enumerate(articles)
        for what in html.cleaned(article.content).removed
    )
    flags = (
        f"message.articles[{number}]: show_cover_pic, which WeChat's drafts do not know"
        for number, article in enumerate(articles)
        if article.show_cover_pic and news_via == "draft"
    )
    return (*contents, *flags)
