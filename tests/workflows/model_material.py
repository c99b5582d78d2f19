"""A model of WeChat's media library and of the sources, behind the activities' names."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import for_a_day
from qunfa.contract import steps
from qunfa.contract.message import (
    ImageMessage,
    Inspection,
    Made,
    MediaSource,
    MpnewsMessage,
    Source,
    SourcedMessage,
    Uploaded,
    Use,
)
from qunfa.contract.request import Previewed
from qunfa.contract.steps import (
    CheckDraftStep,
    ConvertStep,
    DraftFinding,
    DraftStep,
    InspectStep,
    PreviewStep,
    UploadStep,
)

NEWS: Final[dict[str, Any]] = {
    "msgtype": "mpnews",
    "articles": [
        {"title": "t", "content": '<img src="file:/in-content.png">', "thumb": {"uri": "file:/cover.jpg"}},
        {"title": "u", "content": '<img src="file:/in-content.png">', "thumb": {"uri": "file:/cover.jpg"}},
    ],
}
VIDEO: Final = {"msgtype": "mpvideo", "media": {"uri": "file:/clip.mp4"}, "title": "clip"}
VOICE: Final = {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}}
USES: Final[dict[str, Use]] = {"voice": "voice", "mpvideo": "video", "image": "image", "mpnews": "cover"}


@dataclass
class ModelMaterial:
    """Whatever stands at a URI is known by the text in `files`; what WeChat has been given is kept in order."""

    now: Callable[[], datetime]
    files: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    size: int = 10
    calls: list[str] = field(default_factory=list)
    previews: list[str] = field(default_factory=list)
    previewed: list[Any] = field(default_factory=list)
    amid_a_preview: Callable[[], Awaitable[Any]] | None = None
    refusals: dict[str, list[ApplicationError]] = field(default_factory=dict)
    lost: list[tuple[str, ...]] = field(default_factory=list)
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    count: int = 0

    def content(self, uri: str) -> str:
        """SHA-256 of what stands at the URI; its own name where the test has set nothing."""
        return sha256(self.files.get(uri, uri).encode()).hexdigest()

    def _id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}"

    def _called(self, what: str) -> None:
        self.asked.append((what.split(maxsplit=1)[0], self.now()))
        if refusals := self.refusals.get(what.split(maxsplit=1)[0]):
            raise refusals.pop(0).with_traceback(None)  # one error may be raised often, and keeps each place
        self.calls.append(what)

    def refuse(self, call: str, *errors: ApplicationError) -> None:
        self.refusals[call] = list(errors)

    @activity.defn(name=steps.INSPECT)
    async def inspect(self, step: InspectStep) -> Inspection:
        """One source for each MEDIA of the message, and one for `file:/in-content.png` in articles."""
        self._called("inspect")
        sources = tuple(
            Source(place=place, uri=uri, use=use, sha256=self.content(uri), size=self.size)
            for place, uri, use in sources_of(step.message)
        )
        return Inspection(sources=sources, contents=said_by(articles_of(step.message)), problems=self.problems)

    @activity.defn(name=steps.UPLOAD)
    @for_a_day()
    async def upload(self, step: UploadStep) -> Uploaded:
        """Another id for each upload; a source with other content is refused."""
        source = step.source
        if self.content(source.uri) != source.sha256:
            raise ApplicationError(f"{source.place}: changed", type=steps.SOURCE_CHANGED, non_retryable=True)
        self._called(f"upload {source.use} {source.uri}")
        identity = self._id(source.use)
        given = {"url": f"https://mmbiz.qpic.cn/{identity}"} if source.use == "picture" else {"media_id": identity}
        return Uploaded(use=source.use, sha256=source.sha256, made_at=self.now(), **given)

    @activity.defn(name=steps.MAKE_DRAFT)
    @for_a_day()
    async def make_draft(self, step: DraftStep) -> Made:
        """A draft that says what was found; a picture in it is known by its source. Another one is refused."""
        pictures = all(picture.sha256 == self.content(picture.uri) for picture in step.pictures)
        if step.contents != said_by(step.articles) or not pictures:
            raise ApplicationError("an article: changed", type=steps.SOURCE_CHANGED, non_retryable=True)
        self._called(f"draft with {', '.join(step.covers)}")
        urls = tuple(picture.url for picture in step.pictures)
        return Made(media_id=self._id("draft"), made_at=self.now(), pictures=(urls,))

    @activity.defn(name=steps.CHECK_DRAFT)
    @for_a_day()
    async def check_draft(self, step: CheckDraftStep) -> DraftFinding:
        """All pictures are there, unless the test has lost some."""
        self._called(f"check {step.media_id}")
        return DraftFinding(lost=self.lost.pop(0) if self.lost else ())

    @activity.defn(name=steps.CONVERT_VIDEO)
    @for_a_day()
    async def convert_video(self, step: ConvertStep) -> Made:
        self._called(f"convert {step.media_id} {step.title}")
        return Made(media_id=self._id("converted"), made_at=self.now())

    @activity.defn(name=steps.PREVIEW)
    async def preview(self, step: PreviewStep) -> Previewed:
        """Everybody can be previewed to but the one named blocked; to those named away no call leaves."""
        if (step.to.openid or "").startswith("away"):
            return Previewed(to=step.to.name, sent=False, errmsg="no token")
        self.previews.append(step.to.name)
        self.previewed.append(step.message)
        if (amid := self.amid_a_preview) is not None:
            self.amid_a_preview = None
            await amid()
        if step.to.openid == "blocked":
            return Previewed(to=step.to.name, sent=False, errcode=43004, errmsg="require subscribe")
        return Previewed(to=step.to.name, sent=True, msg_id=1)

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """To be registered at a worker."""
        return [self.inspect, self.upload, self.make_draft, self.check_draft, self.convert_video, self.preview]


def articles_of(message: SourcedMessage) -> tuple[Any, ...]:
    return (message.articles or ()) if isinstance(message, MpnewsMessage) else ()


def said_by(articles: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(sha256(article.content.encode()).hexdigest() for article in articles)


def sources_of(message: SourcedMessage) -> list[tuple[str, str, Use]]:
    """Place, URI and use of all that has to be uploaded."""
    found: list[tuple[str, Any, Use]] = []
    if isinstance(message, MpnewsMessage):
        for number, article in enumerate(message.articles or ()):
            place = f"message.articles[{number}]"
            found.append((f"{place}.thumb", article.thumb, "cover"))
            if "file:/in-content.png" in article.content:
                found.append((f"{place}.content", MediaSource(uri="file:/in-content.png"), "picture"))
    elif isinstance(message, ImageMessage):
        found = [(f"message.images[{number}]", image, "image") for number, image in enumerate(message.images)]
    else:
        found = [("message.media", message.media, USES[message.msgtype])]
    return [(place, media.uri, use) for place, media, use in found if isinstance(media, MediaSource)]


def refused(errcode: int, about: str = "Uploading it") -> ApplicationError:
    details = {"errcode": errcode, "errmsg": f"says {errcode}", "rid": "1-2-3", "about": about}
    return ApplicationError("refused", details, type=steps.MATERIAL_REFUSED, non_retryable=True)


def busy() -> ApplicationError:
    """WeChat, or a source, cannot be asked for now; it is asked again in an hour."""
    return ApplicationError("busy", type=steps.WECHAT_UNAVAILABLE, next_retry_delay=timedelta(hours=1))
