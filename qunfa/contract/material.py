"""Material: what a message is made of, what was found at its sources, and what WeChat gave back for it.

A *source* is one file that a message needs at one place, for one ``use``:

| use | for | WeChat's endpoint | lives |
|---|---|---|---|
| ``image`` | an image message | ``media/upload`` | 3 days |
| ``voice`` | a voice message | ``media/upload`` | 3 days |
| ``video`` | an mpvideo message, before its conversion | ``media/upload`` | 3 days |
| ``thumb`` | an article's cover where news go by ``uploadnews`` | ``media/upload`` | 3 days |
| ``cover`` | an article's cover where news go by ``draft/add`` | ``material/add_material`` | for good |
| ``picture`` | a picture in an article's content | ``media/uploadimg`` | for good |
"""

from typing import Annotated, Literal

from pydantic import Field

from qunfa.contract.fields import Moment, Stored

Use = Literal["image", "voice", "video", "thumb", "cover", "picture"]
NewsVia = Literal["draft", "uploadnews"]
ImageVia = Literal["images", "image"]
Digest = Annotated[str, Field(min_length=64, max_length=64)]
"""SHA-256, 64 hex digits."""


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
    """All that a send knows of its material. ``rebuilt``: WeChat found it dead once, and it was made anew."""

    sources: tuple[Source, ...] = ()
    contents: tuple[Digest, ...] = ()
    uploads: tuple[Uploaded, ...] = ()
    made: Made | None = None
    rebuilt: bool = False
