"""The materials of an account: what was uploaded, converted or drafted, under which id, and until when."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from qunfa.simulator.errors import Refusal
from qunfa.simulator.uploads import Upload

Kind = Literal["image", "voice", "video", "thumb", "mass_video", "news", "draft"]
_ID_BYTES = 48
_PICTURE_BYTES = 30


@dataclass(eq=False)
class Material:
    """Something that has a media_id.

    Attributes:
        kind: `mass_video` is a converted video, `news` what media/uploadnews made.
        permanent: from material/add_material, or a draft.
        created_at, expires_at: seconds since the epoch of the simulator's clock; `expires_at` None: never.
        upload: the file; of a converted video the one it was made from.
        url: of a permanent image.
        title, description: of a video.
        articles: of a draft or news.
        ended: why it is dead though its time was not over: `sent`, or `expired` by order.
    """

    media_id: str
    kind: Kind
    permanent: bool
    created_at: float
    expires_at: float | None = None
    upload: Upload | None = None
    url: str | None = None
    title: str = ""
    description: str = ""
    articles: tuple[Article, ...] = ()
    ended: Literal["sent", "expired"] | None = None

    @property
    def sha256(self) -> str:
        """Of the file's bytes; empty if it has none."""
        return self.upload.sha256 if self.upload is not None else ""

    def alive(self, now: float) -> bool:
        """Whether its id can be used."""
        return self.ended is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True)
class Picture:
    """A picture in an article; `upload` is None if WeChat has the URL, but not from here."""

    url: str
    upload: Upload | None = None

    @property
    def sha256(self) -> str:
        """Of the file's bytes; empty if they are not known."""
        return self.upload.sha256 if self.upload is not None else ""


@dataclass(frozen=True)
class Article:
    """An article as followers get it.

    Attributes:
        content: the HTML that is left.
        thumb: the cover.
        pictures: those in the content, in order, as often as they stand there.
        dropped: URLs of the pictures that were filtered out of what was given.
    """

    title: str
    author: str
    digest: str
    content: str
    content_source_url: str
    thumb: Material
    show_cover_pic: int
    need_open_comment: int
    only_fans_can_comment: int
    pictures: tuple[Picture, ...]
    dropped: tuple[str, ...]

    def fingerprint(self) -> list[object]:
        """What makes it the same article: pictures count by their bytes, not by their URLs."""
        content = self.content
        for picture in self.pictures:
            if picture.sha256:
                content = content.replace(picture.url.replace("&", "&amp;"), picture.sha256)
                content = content.replace(picture.url, picture.sha256)
        return [
            *(self.title, self.author, self.digest, content, self.content_source_url, self.thumb.sha256),
            *(self.show_cover_pic, self.need_open_comment, self.only_fans_can_comment),
        ]


@dataclass
class Library:
    """Everything an account has uploaded, dead or alive, in order; `lifetime` in seconds."""

    lifetime: float
    pictures: dict[str, Upload] = field(default_factory=dict)
    _materials: dict[str, Material] = field(default_factory=dict)

    def add(self, material: Material) -> Material:
        """Enter a material."""
        self._materials[material.media_id] = material
        return material

    def temporary(self, kind: Kind, now: float, **more: object) -> Material:
        """A new material that lives for `lifetime`; `more` are its other fields."""
        return self._new(kind, now, now + self.lifetime, permanent=False, **more)

    def permanent(self, kind: Kind, now: float, **more: object) -> Material:
        """A new material that lives for ever, or until it is sent if it is a draft."""
        return self._new(kind, now, None, permanent=True, **more)

    def _new(self, kind: Kind, now: float, expires_at: float | None, *, permanent: bool, **more: object) -> Material:
        material = Material(secrets.token_urlsafe(_ID_BYTES), kind, permanent, now, expires_at)
        for name, value in more.items():
            setattr(material, name, value)
        return self.add(material)

    def add_picture(self, upload: Upload) -> str:
        """Store a picture for articles and return its URL, another one each time."""
        url = f"http://mmbiz.qpic.cn/mmbiz_{upload.format}/{secrets.token_urlsafe(_PICTURE_BYTES)}/0?from=appmsg"
        self.pictures[url] = upload
        return url

    def picture(self, url: str) -> Picture:
        """The picture behind one of WeChat's URLs."""
        known = self.pictures.get(url) or self.pictures.get(url.replace("https:", "http:", 1))
        return Picture(url, known)

    def find(self, media_id: object, now: float, *kinds: Kind) -> Material:
        """The material of that id, if it can be used and is of one of those kinds.

        Raises:
            Refusal: 41006 there is no id, 40007 there is no such material.
        """
        if not isinstance(media_id, str) or not media_id:
            raise Refusal(41006)
        material = self._materials.get(media_id)
        if material is None or material.kind not in kinds or not material.alive(now):
            raise Refusal(40007)
        return material

    def get(self, media_id: str) -> Material | None:
        """The material of that id, dead or alive."""
        return self._materials.get(media_id)

    def stored(self, now: float) -> int:
        """How much permanent material can be used: images and drafts."""
        return sum(material.permanent and material.alive(now) for material in self)

    def __iter__(self) -> Iterator[Material]:
        return iter(self._materials.values())

    def __len__(self) -> int:
        return len(self._materials)
