"""What has to be made before a message can be sent, in which order, and how long it lives.

| the message | needs, in this order |
|---|---|
| text, wxcard, mpnews by ``media_id`` | nothing |
| image, voice by ``uri`` | :class:`Upload` of each file |
| mpvideo | :class:`Upload` of the video, :class:`Convert` |
| mpnews with ``articles`` | :class:`Upload` of covers and pictures, :class:`MakeDraft`, drafts :class:`CheckDraft` |

Then it is :class:`Ready`: the message with the ids that WeChat knows. Temporary ids die after three days. Those older
than two and a half are made again, unless something was submitted with them that may have been accepted: then not
before they have died. What was made of an id in the request is made again only then, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeGuard

from qunfa.contract.message import (
    Article,
    ImageMessage,
    Inspection,
    Made,
    Material,
    Media,
    MediaSource,
    MediaUploaded,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    NewsVia,
    Source,
    SourcedMessage,
    Uploaded,
    Use,
    VoiceMessage,
)
from qunfa.contract.request import PreviewMessage
from qunfa.contract.result import Job
from qunfa.contract.steps import PictureOf
from qunfa.rules.problems import DEAD

FRESH: Final = timedelta(days=2, hours=12)
"""How old a temporary id may be when it is submitted first."""
LIFETIME: Final = timedelta(days=3)
"""WeChat lets a temporary id die then."""
YOUNG: Final = timedelta(minutes=10)
"""A draft that is older may have died since somebody has sent it: it lies in WeChat's console, for all to see."""
_GONE: Final = frozenset({DEAD, 46001})
"""After these a retry makes the material anew; after others it submits the same, which WeChat may have reviewed."""
_LASTING: Final = frozenset[Use]({"cover", "picture"})


@dataclass(frozen=True, slots=True)
class Upload:
    """These files, each once, whatever the order."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class MakeDraft:
    """One draft of the articles, with these thumb media_ids, and these pictures' URIs replaced by WeChat's URLs.

    ``contents`` is what each article is to say.
    """

    articles: tuple[Article, ...]
    covers: tuple[str, ...]
    pictures: tuple[PictureOf, ...]
    contents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckDraft:
    """Whether WeChat has kept the draft's pictures."""

    made: Made


@dataclass(frozen=True, slots=True)
class Convert:
    """The uploaded video, into one that can be sent."""

    media_id: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing is missing: this is what is submitted."""

    message: Message | PreviewMessage


Work = Upload | MakeDraft | CheckDraft | Convert | Ready


def needs_material(message: Message | PreviewMessage) -> TypeGuard[SourcedMessage]:
    """Whether anything has to be made before the message can be sent."""
    match message:
        case MpnewsMessage(articles=articles):
            return articles is not None
        case ImageMessage(images=images):
            return any(isinstance(image, MediaSource) for image in images)
        case VoiceMessage(media=media):
            return isinstance(media, MediaSource)
        case MpvideoMessage():
            return True
        case _:
            return False


def found(inspection: Inspection, news_via: NewsVia | None = None) -> Material:
    """What a send knows once its sources were looked at."""
    return Material(sources=inspection.sources, contents=inspection.contents, news_via=news_via)


def next_work(
    message: Message | PreviewMessage, material: Material, news_via: NewsVia, now: datetime, fresh: timedelta = FRESH
) -> Work:
    """What comes next. Total: after each work is done it names the next, until the message is ready.

    ``fresh``: how old a temporary id may be.
    """
    if missing := outstanding(material, now, fresh):
        return Upload(missing)
    match message:
        case MpnewsMessage(articles=tuple() as articles):
            since = now - _may_be_old([one.thumb for one in articles], fresh)
            return _news(message, articles, material, news_via, None if news_via == "draft" else since)
        case MpvideoMessage(media=media):
            made = _made(material, now - _may_be_old([media], fresh))
            if made is None:
                return Convert(_id_of(media, "message.media", material))
            return Ready(message.model_copy(update={"media": MediaUploaded(media_id=made.media_id)}))
        case VoiceMessage(media=media):
            return Ready(message.model_copy(update={"media": _uploaded(media, "message.media", material)}))
        case ImageMessage(images=images):
            uploaded = tuple(
                _uploaded(image, f"message.images[{number}]", material) for number, image in enumerate(images)
            )
            return Ready(message.model_copy(update={"images": uploaded}))
        case _:
            return Ready(message)


def outstanding(material: Material, now: datetime, fresh: timedelta = FRESH) -> tuple[Source, ...]:
    """The sources of which WeChat has nothing that is fresh, each upload once however often it is used."""
    there = {one.identity for one in material.uploads if one.use in _LASTING or now - one.made_at < fresh}
    missing = {source.identity: source for source in material.sources if source.identity not in there}
    return tuple(missing.values())


def with_upload(material: Material, upload: Uploaded) -> Material:
    """The material with an upload in place of an earlier one of the same file.

    What was made is made again, of this. Times do not tell which came first: workers' clocks differ.
    """
    others = tuple(one for one in material.uploads if one.identity != upload.identity)
    return material.model_copy(update={"uploads": (*others, upload), "made": None})


def is_rebuildable(jobs: Sequence[Job], message: Message, material: Material | None, news_via: NewsVia) -> bool:
    """Whether WeChat has found the material dead (40007), and it may be made anew for the newest of the generations.

    Once, and only where nothing of any generation can have been accepted: a draft dies with its own successful send,
    so that a dead one speaks against whoever has confirmed that an earlier generation was not delivered. It also speaks
    for a send by hand, unless it is :data:`YOUNG`.
    """
    if material is None or material.rebuilt or not needs_material(message):
        return False
    answer = jobs[-1].answer
    if answer is None or answer.kind != "refused" or answer.errcode != DEAD:
        return False
    if is_draft(message, news_via) and (material.made is None or has_lain(material.made, answer.at)):
        return False
    return not any(job.ever_unknown or job.msg_id is not None or job.verdict is not None for job in jobs)


def is_draft(message: Message | PreviewMessage, news_via: NewsVia) -> bool:
    """Whether what is made of the message lies in WeChat's console."""
    return isinstance(message, MpnewsMessage) and message.articles is not None and news_via == "draft"


def has_lain(made: Made, at: datetime) -> bool:
    """Whether a draft has lain in WeChat's console for so long that somebody may have sent it by hand."""
    return at - made.made_at >= YOUNG


def rebuilding(material: Material) -> Material:
    """The material of which only the pictures in articles are left, which never die."""
    kept = tuple(upload for upload in material.uploads if upload.use == "picture")
    return material.model_copy(update={"uploads": kept, "made": None, "rebuilt": True})


def renewed(material: Material, problem: str, errcode: int | None) -> Material:
    """The material without what a retry after this problem makes anew."""
    if problem == "media_refused" and errcode in _GONE:
        return rebuilding(material)
    return material.model_copy(update={"made": None}) if problem == "pictures_lost" else material


def for_batches(material: Material) -> Material:
    """The material with which each batch of a list begins: of all that was made for a preview, the covers alone.

    They never die, and a draft dies with the delivery of one batch. Pictures do not either, but hundreds of their URLs
    would be too much beside the rows of all batches.
    """
    covers = tuple(upload for upload in material.uploads if upload.use == "cover")
    return material.model_copy(update={"uploads": covers, "made": None, "rebuilt": False})


def _news(
    message: MpnewsMessage, articles: tuple[Article, ...], material: Material, news_via: NewsVia, since: datetime | None
) -> Work:
    made = _made(material, since)
    if made is None:
        covers = tuple(
            _id_of(article.thumb, f"message.articles[{number}].thumb", material)
            for number, article in enumerate(articles)
        )
        return MakeDraft(articles, covers, _pictures(material), material.contents)
    if news_via == "draft" and not made.verified:
        return CheckDraft(made)
    return Ready(message.model_copy(update={"articles": None, "media_id": made.media_id}))


def _may_be_old(of: Sequence[Media], fresh: timedelta) -> timedelta:
    """How old may be what was made of these. A given id may be dead before it, and nothing is made of it again."""
    return LIFETIME if any(isinstance(one, MediaUploaded) for one in of) else fresh


def _made(material: Material, since: datetime | None) -> Made | None:
    """What was made since then, or ever."""
    made = material.made
    return made if made is not None and (since is None or made.made_at > since) else None


def _pictures(material: Material) -> tuple[PictureOf, ...]:
    urls = {upload.identity: upload.url for upload in material.uploads if upload.url is not None}
    sources = {source.uri: source for source in material.sources if source.use == "picture"}
    return tuple(PictureOf(uri=uri, url=urls[source.identity], sha256=source.sha256) for uri, source in sources.items())


def _uploaded(media: Media, place: str, material: Material) -> MediaUploaded:
    return MediaUploaded(media_id=_id_of(media, place, material))


def _id_of(media: Media, place: str, material: Material) -> str:
    if isinstance(media, MediaUploaded):
        return media.media_id
    source = next((one for one in material.sources if one.place == place), None)
    upload = next((one for one in material.uploads if source and one.identity == source.identity), None)
    if upload is None or upload.media_id is None:
        msg = f"{place} has no media_id, although nothing is outstanding"
        raise ValueError(msg)
    return upload.media_id
