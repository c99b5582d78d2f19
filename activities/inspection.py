"""The look at a message's material before anything is done with it: every source is read, hashed and checked."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from temporalio import activity

from activities.configuration import pinned
from activities.failures import source_unavailable
from activities.heartbeat import heartbeats
from activities.needs import Need, content_place, needs_of
from activities.reading import Copy, Reader, unreadable_here
from qunfa import article as html
from qunfa.contract.material import Inspection, Source
from qunfa.contract.message import Article, MpnewsMessage, SourcedMessage
from qunfa.contract.steps import INSPECT, InspectStep
from qunfa.media import SourceRefused, SourceUnavailable
from qunfa.media.checks import check
from qunfa.media.fitting import CannotFitError
from qunfa.media.limits import Use
from qunfa.settings import Settings

AT_ONCE: Final = 4
_FITTING: Final = frozenset({"mpnews", "image"})
"""The messages of which `fit_images` re-encodes pictures."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """One need, and what stands at its source, or is wrong with it, or kept it from being read for now."""

    source: Source | None = None
    problems: tuple[str, ...] = ()
    unavailable: str | None = None


class MaterialInspection:
    """Looks at material. It changes nothing, neither here nor at WeChat."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings = settings
        self._reader = reader

    @activity.defn(name=INSPECT)
    @heartbeats()
    async def inspect(self, step: InspectStep) -> Inspection:
        """All sources of the message, and all that is wrong with them, each with its place.

        Where something is wrong for good, what cannot be read for now is told along with it, and not waited for.

        Raises:
            ApplicationError: `AccountChanged`, not retried; `SourceUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        articles = _articles(step.message)
        fit = step.fit_images and step.message.msgtype in _FITTING
        findings = await self._look_at(needs_of(step.message, step.news_via), fit=fit)
        problems = (*_content_problems(articles), *(problem for finding in findings for problem in finding.problems))
        unavailable = tuple(finding.unavailable for finding in findings if finding.unavailable)
        sources = tuple(finding.source for finding in findings if finding.source)
        if problems:
            return Inspection(sources=sources, problems=(*problems, *unavailable))
        if unavailable:
            raise source_unavailable(unavailable[0])
        return Inspection(sources=sources, contents=_contents(articles, sources), removed=_removed(articles))

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

    async def _judged(self, need: Need, copy: Copy, *, fit: bool) -> _Finding:
        use = Use(need.use)
        facts = await self._reader.facts(copy)
        source = Source(
            place=need.place, uri=need.uri, use=need.use, sha256=copy.sha256, size=copy.size, kind=facts.format.value
        )
        problems = check(facts, use, need.place)
        if not problems:
            return _Finding(source)
        if not fit:
            return _Finding(problems=tuple(problems))
        try:
            async with self._reader.fitted(copy, use):
                return _Finding(source.model_copy(update={"fit": True}))
        except CannotFitError as cannot:
            return _Finding(problems=(*problems, f"{need.place}: fit_images cannot help: {cannot}"))


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
    return tuple(
        problem
        for number, article in enumerate(articles)
        for problem in html.problems(article.content, content_place(number))
    )


def _contents(articles: tuple[Article, ...], sources: tuple[Source, ...]) -> tuple[str, ...]:
    """What each article says, wherever its pictures stand: it is the same content while their bytes are."""
    names = {source.uri: f"sha256:{source.sha256}" for source in sources if source.use == "picture"}
    said = (html.replaced(html.cleaned(article.content).said, names) for article in articles)
    return tuple(sha256(content.encode()).hexdigest() for content in said)


def _removed(articles: tuple[Article, ...]) -> tuple[str, ...]:
    return tuple(
        f"{content_place(number)}: {what}"
        for number, article in enumerate(articles)
        for what in html.cleaned(article.content).removed
    )
