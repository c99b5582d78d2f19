"""What a mass send says, and the material that it is made of.

A message is of one of WeChat's six types, with WeChat's own field names. A *source* is one file that it needs at one
place, for one ``use``:

| use | for | WeChat's endpoint | lives |
|---|---|---|---|
| ``image`` | an image message | ``media/upload`` | 3 days |
| ``voice`` | a voice message | ``media/upload`` | 3 days |
| ``video`` | an mpvideo message, before its conversion | ``media/upload`` | 3 days |
| ``thumb`` | an article's cover where news go by ``uploadnews`` | ``media/upload`` | 3 days |
| ``cover`` | an article's cover where news go by ``draft/add`` | ``material/add_material`` | for good |
| ``picture`` | a picture in an article's content | ``media/uploadimg`` | for good |
"""

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from qunfa.contract.fields import (
    RULES,
    Flag,
    MediaId,
    Model,
    Moment,
    Says,
    Stored,
    Text,
    Uri,
    Words,
    one_of,
    without_userinfo,
)
from qunfa.printable import printable

TEXT_MAX_BYTES: Final = 20_000
"""Of a text, in UTF-8. It is a bound of ours: WeChat names none, and may refuse less (45002)."""

URL_MAX_BYTES: Final = 1024
"""The longest URL of an article's original, in UTF-8 bytes; more is 45005."""

Use = Literal["image", "voice", "video", "thumb", "cover", "picture"]
NewsVia = Literal["draft", "uploadnews"]
ImageVia = Literal["images", "image"]
Digest = Annotated[str, Field(min_length=64, max_length=64)]
"""SHA-256, 64 hex digits."""


PICTURE: Final = re.compile(
    r"""\bsrc\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)|url\(\s*("[^"]*"|'[^']*'|["']?[^"'<>)]*)""", re.IGNORECASE
)
"""Where an article's HTML has the URI of a picture, or of something like it.

No match depends on a closing parenthesis: who looks for one that is missing looks through the rest each time.
"""


def _pictures_without_userinfo(content: str) -> str:
    for found in PICTURE.finditer(content):
        without_userinfo((found[1] or found[2]).strip("\"' \t\r\n"))
    return content


def _bytes(most: int) -> AfterValidator:
    def check(value: str) -> str:
        size = len(value.encode())
        if size > most:
            raise ValueError(f"is {size:,} bytes of UTF-8; at most {most:,} are taken")
        return value

    return AfterValidator(check)


def _short(maximum: int) -> StringConstraints:
    return StringConstraints(max_length=maximum)


class MediaSource(Model):
    """Material that Qunfa uploads."""

    uri: Uri
    """A `file:`, `https:` or `s3:` URI that the workers may read."""


class MediaUploaded(Model):
    """Material that WeChat already holds."""

    media_id: MediaId
    """WeChat's id of the material."""


def _media_kind(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "media_id" if "media_id" in keys else "uri"


Media = Annotated[
    Annotated[MediaSource, Tag("uri")] | Annotated[MediaUploaded, Tag("media_id")], Discriminator(_media_kind)
]


class TextMessage(Model):
    """Plain text."""

    msgtype: Literal["text"]
    """A text."""
    content: Annotated[Text, _bytes(TEXT_MAX_BYTES), Says({"maxLength": TEXT_MAX_BYTES})]
    """The text, of at most 20,000 bytes in UTF-8. WeChat names no limit, and may refuse more than 2,048 (45002)."""


class Article(Model):
    """One article of an mpnews message."""

    title: Annotated[Text, _short(64)]
    """The title."""
    author: Annotated[Words, _short(16)] | None = None
    """The author."""
    digest: Annotated[Words, _short(120)] | None = None
    """The summary that is shown below the title of a single article."""
    content: Annotated[Text, _short(19_999), AfterValidator(_pictures_without_userinfo)]
    """The HTML; pictures in it may have `file:` and `https:` URIs."""
    content_source_url: Annotated[Words, _bytes(URL_MAX_BYTES), Says({"maxLength": URL_MAX_BYTES})] | None = None
    """Where "read the original" leads, in at most 1,024 bytes of UTF-8."""
    thumb: Media
    """The cover."""
    show_cover_pic: Flag = False
    """Whether the cover stands in the article, too. It counts with `news_via = "uploadnews"` alone."""
    need_open_comment: Flag = False
    """Whether readers may comment."""
    only_fans_can_comment: Flag = False
    """Whether followers alone may comment."""


class MpnewsMessage(Model):
    """Articles, either to be made from ``articles`` or standing in the draft ``media_id``."""

    msgtype: Literal["mpnews"]
    """One or several articles."""
    articles: Annotated[tuple[Article, ...], Field(min_length=1, max_length=8)] | None = None
    """The articles, of which a draft is made; either this or `media_id`."""
    media_id: MediaId | None = None
    """A draft that WeChat holds; either this or `articles`."""

    model_config = ConfigDict(json_schema_extra={RULES: [one_of("articles", "media_id")]})

    @model_validator(mode="after")
    def _one_origin(self) -> "MpnewsMessage":
        if (self.articles is None) == (self.media_id is None):
            raise ValueError("must have either articles or media_id")
        return self


class ImageMessage(Model):
    """One or several pictures."""

    msgtype: Literal["image"]
    """One or several pictures."""
    images: Annotated[tuple[Media, ...], Field(min_length=1, max_length=20)]
    """The pictures, from 1 to 20."""
    recommend: Annotated[Words, _short(1000)] | None = None
    """The text beside them."""
    need_open_comment: Flag = False
    """Whether readers may comment."""
    only_fans_can_comment: Flag = False
    """Whether followers alone may comment."""


class VoiceMessage(Model):
    """A voice recording."""

    msgtype: Literal["voice"]
    """A voice recording."""
    media: Media
    """The recording."""


class MpvideoMessage(Model):
    """A video: ``media`` is uploaded, then converted; the converted id is what is sent."""

    msgtype: Literal["mpvideo"]
    """A video."""
    media: Media
    """The video."""
    title: Annotated[Text, _short(64)]
    """The title."""
    description: Annotated[Words, _short(500)] = ""
    """The text below it."""


class WxcardMessage(Model):
    """A card."""

    msgtype: Literal["wxcard"]
    """A card."""
    card_id: Annotated[str, Field(strict=True, min_length=1, max_length=128)]
    """WeChat's id of the card."""


Message = Annotated[
    TextMessage | MpnewsMessage | ImageMessage | VoiceMessage | MpvideoMessage | WxcardMessage,
    Field(discriminator="msgtype"),
]

SourcedMessage = Annotated[MpnewsMessage | ImageMessage | VoiceMessage | MpvideoMessage, Field(discriminator="msgtype")]
"""The messages that may have something to be uploaded, or made, before they can be sent."""


_FILE: Final = re.compile(r"(?:file:|[a-z0-9]+://[^/?#]*+)(?:[^?#]*/)([^/?#]+)", re.IGNORECASE)


class Source(Stored):
    """A file as it was found: ``sha256`` and ``size`` (bytes) are of the source itself, before any fitting.

    ``place`` is the path of the field that names it, ``message.articles[2].thumb``; pictures in an article's content
    all have that content's place. ``kind`` is the format by content. ``fit`` means that WeChat refuses the file as it
    stands, and that it is re-encoded before it is uploaded.
    """

    place: str
    uri: str
    use: Use
    sha256: Digest
    size: int
    kind: str = ""
    fit: bool = False

    @property
    def file(self) -> str:
        """What it is called: the last part of its path, with no host and no query, or the place that names it."""
        found = _FILE.match(self.uri)
        return unquote(found[1]) if found else self.place

    @property
    def named(self) -> str:
        """Its place, and of a picture in an article, whose place is that of all, the file as well."""
        is_one_of_many = self.use == "picture" and self.file != self.place
        return f"{self.place} ({printable(self.file)})" if is_one_of_many else self.place

    @property
    def identity(self) -> tuple[Use, str]:
        """What makes two sources one upload."""
        return self.use, self.sha256


class Inspection(Stored):
    """What all sources of a message were when they were looked at; ``problems`` has a sentence for each that is wrong.

    ``contents`` has one SHA-256 per article, of its content with every picture's URL replaced by that picture's
    SHA-256: what the article says, wherever its pictures stand. ``removed`` tells what WeChat would not show (scripts,
    event handlers) and was taken out.
    """

    sources: tuple[Source, ...] = ()
    contents: tuple[Digest, ...] = ()
    problems: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Uploaded(Stored):
    """What WeChat gave back for a source: a media_id, or the URL of a picture; ``made_at`` as the worker saw it."""

    use: Use
    sha256: Digest
    media_id: str | None = None
    url: str | None = None
    made_at: Moment

    @property
    def identity(self) -> tuple[Use, str]:
        """Of which source it is."""
        return self.use, self.sha256


class Made(Stored):
    """The one id that is sent, where it is made from what was uploaded: a draft, or a converted video.

    ``pictures`` has, per article, the URLs of WeChat's own that its content holds.
    """

    media_id: str
    made_at: Moment
    pictures: tuple[tuple[str, ...], ...] = ()
    verified: bool = False


class Material(Stored):
    """All that a send knows of its material. ``rebuilt``: WeChat found it dead once, and it was made anew.

    ``news_via``: the way for which its sources were looked at. A cover is another kind of file on the other way.
    """

    sources: tuple[Source, ...] = ()
    contents: tuple[Digest, ...] = ()
    uploads: tuple[Uploaded, ...] = ()
    made: Made | None = None
    rebuilt: bool = False
    news_via: NewsVia | None = None
