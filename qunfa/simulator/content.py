"""Materials: what an account keeps, and until when. Messages: what they say, as calls name it and followers get it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from qunfa.simulator.config import AccountConfig
from qunfa.simulator.errors import Refusal
from qunfa.simulator.uploads import Upload

Kind = Literal["image", "voice", "video", "thumb", "mass_video", "news", "draft"]
_ID_BYTES = 48
_PICTURE_BYTES = 30
_BRANCH = {"mpnews": "mpnews", "voice": "voice", "image": "image", "mpvideo": "mpvideo", "video": "mpvideo"}
_KINDS: dict[str, tuple[Kind, ...]] = {
    "mpnews": ("draft", "news"),
    "voice": ("voice",),
    "image": ("image",),
    "mpvideo": ("mass_video",),
}
_DEFAULT_RECOMMEND = "分享图片"


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


@dataclass(frozen=True)
class Message:
    """A message that passed the checks of form.

    Attributes:
        msgtype: WeChat's name of its type.
        branch: the branch object.
        media_ids: the material it refers to.
    """

    msgtype: str
    branch: dict[str, object]
    media_ids: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The same for the same words and ids, 16 hex digits."""
        return _digest([self.msgtype, self.branch])

    def text(self, name: str) -> str:
        """A text of the branch object; empty if it has none of that name."""
        value = self.branch.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Content:
    """What followers get.

    Attributes:
        msgtype: WeChat's name of its type.
        text: of a text message.
        articles: of mpnews, as they were when the send was accepted.
        media: the pictures, the voice or the video.
        title, description: of a video.
        recommend: the words above pictures.
        need_open_comment, only_fans_can_comment: of pictures; articles have their own.
        card_id, card_ext: of a card.
        source: the draft or news that the articles are from.
    """

    msgtype: str
    text: str | None = None
    articles: tuple[Article, ...] = ()
    media: tuple[Material, ...] = ()
    title: str = ""
    description: str = ""
    recommend: str = ""
    need_open_comment: int = 0
    only_fans_can_comment: int = 0
    card_id: str = ""
    card_ext: str = ""
    source: Material | None = None

    @property
    def digest(self) -> str:
        """The same for what is the same to a follower, whatever ids and URLs it had; 16 hex digits."""
        if self.msgtype == "text":
            return _digest([self.msgtype, {"content": self.text}])
        said = [self.title, self.description, self.recommend, self.need_open_comment, self.only_fans_can_comment]
        shown = [[article.fingerprint() for article in self.articles], [media.sha256 for media in self.media]]
        return _digest([self.msgtype, *said, self.card_id, *shown])


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def parse_message(body: dict[str, object], config: AccountConfig, unknown_type: int, *, plural: bool = True) -> Message:
    """The message of a call.

    Args:
        body: the request.
        config: of the account.
        unknown_type: the code of an unknown msgtype: 45162 for mass/send, 40008 elsewhere.
        plural: whether an image message may have `images`; a preview has only `image`.

    Raises:
        Refusal: `unknown_type`, 44004, 45002 (text), 41006 (media), 41026, 40215, 40193, 40194, 88000 (images),
            45113, 41011 (cards).
    """
    msgtype = body.get("msgtype")
    if msgtype == "text":
        return _text(body, config)
    if msgtype == "wxcard":
        return _card(body, config)
    if msgtype == "image" and plural and isinstance(body.get("images"), dict):
        return _images(body, config)
    if not isinstance(msgtype, str) or msgtype not in _BRANCH:
        raise Refusal(unknown_type)
    branch = _branch(body, _BRANCH[msgtype])
    media_id = branch.get("media_id")
    if not isinstance(media_id, str) or not media_id:
        raise Refusal(41006)
    return Message(_BRANCH[msgtype], branch, (media_id,))


def resolve(message: Message, library: Library, now: float) -> Content:
    """Look the material of a message up: what followers will get.

    Raises:
        Refusal: 40007, one is not there, dead or of another kind.
    """
    if message.msgtype == "text":
        return Content("text", text=message.text("content"))
    if message.msgtype == "wxcard":
        return Content("wxcard", card_id=message.text("card_id"), card_ext=message.text("card_ext"))
    found = tuple(library.find(media_id, now, *_KINDS[message.msgtype]) for media_id in message.media_ids)
    if message.msgtype == "mpnews":
        return Content("mpnews", articles=found[0].articles, source=found[0])
    if message.msgtype == "mpvideo":
        title, description = message.text("title"), message.text("description")
        return Content(
            "mpvideo", media=found, title=title or found[0].title, description=description or found[0].description
        )
    return Content(
        message.msgtype,
        media=found,
        recommend=message.text("recommend") or (_DEFAULT_RECOMMEND if "media_ids" in message.branch else ""),
        need_open_comment=flag(message.branch, "need_open_comment"),
        only_fans_can_comment=flag(message.branch, "only_fans_can_comment"),
    )


def _branch(body: dict[str, object], name: str) -> dict[str, object]:
    branch = body.get(name)
    return branch if isinstance(branch, dict) else {}


def flag(given: dict[str, object], name: str) -> int:
    """1 if a field says so as a number, a text or a truth value; else 0."""
    return int(str(given.get(name, 0)) in {"1", "True"})


def _text(body: dict[str, object], config: AccountConfig) -> Message:
    branch = _branch(body, "text")
    text = branch.get("content")
    if not isinstance(text, str) or not text:
        raise Refusal(44004)
    if len(text.encode()) > config.limits.text_bytes:
        raise Refusal(45002)
    return Message("text", branch)


def _card(body: dict[str, object], config: AccountConfig) -> Message:
    if not config.cards:
        raise Refusal(45113)
    branch = _branch(body, "wxcard")
    if not isinstance(branch.get("card_id"), str) or not branch["card_id"]:
        raise Refusal(41011)
    return Message("wxcard", branch)


def _images(body: dict[str, object], config: AccountConfig) -> Message:
    branch = _branch(body, "images")
    media_ids, recommend = branch.get("media_ids"), branch.get("recommend") or ""
    if not isinstance(media_ids, list) or not media_ids:
        raise Refusal(41026)
    if len(media_ids) > config.limits.images:
        raise Refusal(40215)
    if not isinstance(recommend, str):
        raise Refusal(40194)
    if len(recommend) > config.limits.recommend:
        raise Refusal(40193)
    if flag(branch, "need_open_comment") and not config.comments:
        raise Refusal(88000)
    return Message("image", branch, tuple(map(str, media_ids)))
