"""What a mass send says: WeChat's six message types, with WeChat's own field names."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from qunfa.contract.fields import Flag, MediaId, Model, Text

TEXT_MAX_BYTES: Final = 2048
"""The longest text WeChat has been seen to take, in UTF-8 bytes; more is 45002."""


def _fits_wechat(value: str) -> str:
    size = len(value.encode())
    if size > TEXT_MAX_BYTES:
        msg = f"is {size:,} bytes of UTF-8; WeChat takes at most {TEXT_MAX_BYTES:,}"
        raise ValueError(msg)
    return value


def _short(maximum: int) -> StringConstraints:
    return StringConstraints(max_length=maximum)


class MediaSource(Model):
    """Material that Qunfa uploads."""

    uri: Annotated[str, Field(strict=True, min_length=1, max_length=2048)]


class MediaUploaded(Model):
    """Material that WeChat already holds."""

    media_id: MediaId


def _media_kind(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "media_id" if "media_id" in keys else "uri"


Media = Annotated[
    Annotated[MediaSource, Tag("uri")] | Annotated[MediaUploaded, Tag("media_id")], Discriminator(_media_kind)
]


class TextMessage(Model):
    """Plain text."""

    msgtype: Literal["text"]
    content: Annotated[Text, AfterValidator(_fits_wechat)]


class Article(Model):
    """One article of an mpnews message."""

    title: Annotated[Text, _short(64)]
    author: Annotated[str, Field(strict=True), _short(16)] | None = None
    digest: Annotated[str, Field(strict=True), _short(120)] | None = None
    content: Annotated[Text, _short(19_999)]
    content_source_url: Annotated[str, Field(strict=True), _short(1024)] | None = None
    thumb: Media
    show_cover_pic: Flag = False
    need_open_comment: Flag = False
    only_fans_can_comment: Flag = False


class MpnewsMessage(Model):
    """Articles, either to be made from ``articles`` or standing in the draft ``media_id``."""

    msgtype: Literal["mpnews"]
    articles: Annotated[tuple[Article, ...], Field(min_length=1, max_length=8)] | None = None
    media_id: MediaId | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "MpnewsMessage":
        if (self.articles is None) == (self.media_id is None):
            msg = "must have either articles or media_id"
            raise ValueError(msg)
        return self


class ImageMessage(Model):
    """One or several pictures."""

    msgtype: Literal["image"]
    images: Annotated[tuple[Media, ...], Field(min_length=1, max_length=20)]
    recommend: Annotated[str, Field(strict=True), _short(1000)] | None = None
    need_open_comment: Flag = False
    only_fans_can_comment: Flag = False


class VoiceMessage(Model):
    """A voice recording."""

    msgtype: Literal["voice"]
    media: Media


class MpvideoMessage(Model):
    """A video: ``media`` is uploaded, then converted; the converted id is what is sent."""

    msgtype: Literal["mpvideo"]
    media: Media
    title: Annotated[Text, _short(64)]
    description: Annotated[str, Field(strict=True), _short(500)] = ""


class WxcardMessage(Model):
    """A card."""

    msgtype: Literal["wxcard"]
    card_id: Annotated[str, Field(strict=True, min_length=1, max_length=128)]


Message = Annotated[
    TextMessage | MpnewsMessage | ImageMessage | VoiceMessage | MpvideoMessage | WxcardMessage,
    Field(discriminator="msgtype"),
]

SourcedMessage = Annotated[
    MpnewsMessage | ImageMessage | VoiceMessage | MpvideoMessage,
    Field(discriminator="msgtype"),
]
"""The messages that may have something to be uploaded, or made, before they can be sent."""
