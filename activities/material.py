"""Material at WeChat: files are uploaded, articles become drafts, videos are converted. And pictures to look at."""

import asyncio
import html as escaping
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from temporalio import activity

from activities.accounts import Accounts, Answer, Method
from activities.attempts import for_a_day, heartbeats, lasting, passing
from activities.sources import Reader, content_place, unreadable_here
from qunfa import article as html
from qunfa.contract import steps
from qunfa.contract.checks import ANSWER_BYTES, READ_PICTURES, ReadPicturesStep, ShownPicture, ShowPicturesResult
from qunfa.contract.message import Made, Uploaded
from qunfa.media.facts import HEAD_BYTES, Format, Kind, sniff
from qunfa.media.fitting import CannotFitError, Use, check
from qunfa.media.sources import Fetched
from qunfa.media.spool import SourceRefused, SourceUnavailable
from qunfa.wechat import OfficialAccount, Token, UploadFile, article_wire

_CONTENT_TYPES: Final = {
    Format.JPEG: "image/jpeg",
    Format.PNG: "image/png",
    Format.GIF: "image/gif",
    Format.BMP: "image/bmp",
    Format.MP3: "audio/mpeg",
    Format.AMR: "audio/amr",
    Format.MP4: "video/mp4",
}
_SECONDS: Final = 30
"""After so long an answer holds what it has; the rest is asked for again."""


class Material:
    """Makes what a message is made of. Nothing here reaches a follower, so that everything may be repeated.

    What is made has Temporal's time: by the clock of a worker that is ahead an old draft would look like a new one.
    """

    def __init__(self, accounts: Accounts, reader: Reader) -> None:
        self._accounts = accounts
        self._reader = reader

    @activity.defn(name=steps.UPLOAD)
    @for_a_day()
    async def upload(self, step: steps.UploadStep) -> Uploaded:
        """Upload one file, if it still is what it was; heartbeats tell how many bytes have been written."""
        self._accounts.pinned(step.account)
        source = step.source
        async with heartbeats() as beat:
            try:
                with self._reader.place():
                    async with self._reader.copy(source.uri) as copy:
                        if copy.sha256 != source.sha256:
                            raise lasting(steps.SOURCE_CHANGED, f"{source.named} has other content now.")
                        return await self._uploaded(step, copy, beat.tell)
            except SourceRefused as refused:
                raise lasting(steps.SOURCE_REFUSED, f"{source.place}: {refused}") from None
            except SourceUnavailable as unavailable:
                raise passing(steps.SOURCE_UNAVAILABLE, f"{source.place}: {unavailable}") from None
            except OSError as error:
                raise passing(steps.SOURCE_UNAVAILABLE, f"{source.place}: {unreadable_here(error)}") from None

    @activity.defn(name=steps.MAKE_DRAFT)
    @for_a_day()
    @heartbeats()
    async def make_draft(self, step: steps.DraftStep) -> Made:
        """Make one draft, or one uploadnews, of the articles with WeChat's URLs for their pictures."""
        self._accounts.pinned(step.account)
        urls = {picture.uri: picture.url for picture in step.pictures}
        contents = [html.replaced(clean.content, urls) for clean in _as_looked_at(step)]
        self._fits(step.account.name, contents)
        articles = [article_wire(*one) for one in zip(step.articles, contents, step.covers, strict=True)]

        def make(api: OfficialAccount, token: Token) -> Coroutine[Any, Any, str]:
            return api.draft_add(token, articles) if step.news_via == "draft" else api.uploadnews(token, articles)

        media_id = await self._ask(step.account, "Making the draft", make)
        return Made(
            media_id=media_id,
            made_at=activity.info().started_time,
            pictures=tuple(html.lost(content, "") for content in contents),  # nothing is kept: that is all of them
        )

    @activity.defn(name=steps.CHECK_DRAFT)
    @for_a_day()
    @heartbeats()
    async def check_draft(self, step: steps.CheckDraftStep) -> steps.DraftFinding:
        """The pictures that WeChat has dropped from the draft."""
        what = "Looking at the draft"
        stored = await self._ask(step.account, what, lambda api, token: api.draft_get(token, step.media_id))
        lost: list[str] = []
        for number, urls in enumerate(step.pictures):
            wanted = "".join(f'<img src="{escaping.escape(url)}">' for url in urls)
            try:
                missing = html.lost(wanted, stored[number] if number < len(stored) else "")
            except html.ArticleError as error:  # WeChat may add to what it was given
                said = f"article {number + 1}, as WeChat gives it back, cannot be looked at: it {error}"
                raise lasting(steps.MATERIAL_REFUSED, f"account {step.account.name}: {said}") from None
            lost.extend(f"article {number + 1}: {url}" for url in missing)
        return steps.DraftFinding(lost=tuple(lost))

    @activity.defn(name=steps.CONVERT_VIDEO)
    @for_a_day()
    @heartbeats()
    async def convert_video(self, step: steps.ConvertStep) -> Made:
        """Convert an uploaded video: the id that comes back is the one that can be sent."""
        media_id = await self._ask(
            step.account,
            "Converting the video",
            lambda api, token: api.uploadvideo(token, step.media_id, step.title, step.description),
        )
        return Made(media_id=media_id, made_at=activity.info().started_time)

    async def _uploaded(self, step: steps.UploadStep, copy: Fetched, tell: Callable[[str], None]) -> Uploaded:
        source = step.source
        if not source.fit:
            return await self._upload(step, copy, tell)
        try:
            async with self._reader.fitted(copy, Use(source.use)) as smaller:
                return await self._upload(step, smaller, tell)
        except CannotFitError as cannot:
            raise lasting(steps.SOURCE_REFUSED, f"{source.named}: fit_images cannot help: {cannot}") from None

    async def _upload(self, step: steps.UploadStep, copy: Fetched, tell: Callable[[str], None]) -> Uploaded:
        source = step.source
        file = UploadFile(copy.path, copy.name, await asyncio.to_thread(_content_type, copy.path), copy.size)

        def progress(written: int) -> None:
            tell(f"{written} of {copy.size} bytes")

        async def put(api: OfficialAccount, token: Token) -> dict[str, str]:
            match source.use:
                case "picture":
                    return {"url": await api.uploadimg(token, file, progress=progress)}
                case "cover":
                    return {"media_id": await api.add_material(token, file, progress=progress)}
                case kind:
                    return {"media_id": await api.upload(token, kind, file, progress=progress)}

        made_at = activity.info().started_time
        given = await self._ask(step.account, f"Uploading {source.named}", put)
        return Uploaded.model_validate({"use": source.use, "sha256": source.sha256, "made_at": made_at, **given})

    async def _ask(self, account: steps.Pinned, about: str, method: Method[Answer]) -> Answer:
        return await self._accounts.answer(account, about, steps.MATERIAL_REFUSED, method)

    @staticmethod
    def _fits(account: str, contents: list[str]) -> None:
        """WeChat's URLs may be longer than those that they replace; and a picture without one would vanish silently."""
        problems = [
            problem
            for number, content in enumerate(contents)
            for problem in (
                *html.problems(content, content_place(number)),
                *(
                    f"{content_place(number)}: its picture {html.name_of(url)} was not uploaded"
                    for url in _left(content)
                ),
            )
        ]
        if problems:
            raise lasting(steps.MATERIAL_REFUSED, f"account {account}: {'; '.join(problems)}")


def _as_looked_at(step: steps.DraftStep) -> list[html.Cleaned]:
    """The articles, cleaned, if they say what was found when they were looked at."""
    cleaned = [html.cleaned(article.content) for article in step.articles]
    pictures = {picture.uri: picture.sha256 for picture in step.pictures if picture.sha256}
    for number, (clean, found) in enumerate(zip(cleaned, step.contents, strict=False)):  # 0.2.0 told none
        if clean.digest(pictures) != found:
            raise lasting(
                steps.SOURCE_CHANGED,
                f"{content_place(number)} is cleaned otherwise by this version of Qunfa."
                f" Run the version that has looked at it.",
            )
    return cleaned


def _left(content: str) -> tuple[str, ...]:
    try:
        return html.pictures(content)
    except html.ArticleError:  # which is a problem by itself
        return ()


def _content_type(path: Path) -> str:
    with path.open("rb") as file:
        return _CONTENT_TYPES[sniff(file.read(HEAD_BYTES))]


class Pictures:
    """Reads pictures, and makes big ones smaller. It changes nothing."""

    def __init__(self, accounts: Accounts, reader: Reader) -> None:
        self._accounts = accounts
        self._reader = reader

    @activity.defn(name=READ_PICTURES)
    @heartbeats()
    async def read_pictures(self, step: ReadPicturesStep) -> ShowPicturesResult:
        """As many of the pictures as one answer holds; one that cannot be shown says why."""
        self._accounts.pinned(step.account)
        found: list[ShownPicture] = []
        room, until = ANSWER_BYTES, time.monotonic() + _SECONDS
        with self._reader.place():
            for uri in step.uris:
                if found and time.monotonic() > until:
                    break
                shown = await self._read(uri)
                room -= len(shown.data or "")
                if found and room < 0:
                    break
                found.append(shown)
        return ShowPicturesResult(pictures=tuple(found))

    async def _read(self, uri: str) -> ShownPicture:
        try:
            async with self._reader.copy(uri) as copy:
                return await self._shown(copy)
        except (SourceRefused, SourceUnavailable) as error:
            return ShownPicture(problem=str(error))
        except OSError as error:
            why = error.strerror or type(error).__name__
            return ShownPicture(problem=f"the worker cannot look at it now ({why}).")

    async def _shown(self, copy: Fetched) -> ShownPicture:
        known = ShownPicture(sha256=copy.sha256, size=copy.size)
        facts = await self._reader.facts(copy)
        if facts.kind is not Kind.PICTURE:
            return known.model_copy(update={"problem": "It is no picture."})
        if not check(facts, Use.SHOWN, ""):
            return known.model_copy(update=await asyncio.to_thread(_told, copy.path))
        try:
            async with self._reader.fitted(copy, Use.SHOWN) as smaller:
                return known.model_copy(update={**await asyncio.to_thread(_told, smaller.path), "smaller": True})
        except CannotFitError as cannot:
            return known.model_copy(update={"problem": f"It cannot be made small enough to be shown: {cannot}."})


def _told(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    return {"kind": sniff(content[:HEAD_BYTES]).value, "data": b64encode(content).decode()}
