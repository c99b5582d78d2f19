"""What a mass message says: as its call names it, and as followers get it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

from qunfa.simulator.config import AccountConfig
from qunfa.simulator.errors import Refusal
from qunfa.simulator.materials import Article, Kind, Library, Material

_BRANCH = {"mpnews": "mpnews", "voice": "voice", "image": "image", "mpvideo": "mpvideo", "video": "mpvideo"}
_KINDS: dict[str, tuple[Kind, ...]] = {
    "mpnews": ("draft", "news"),
    "voice": ("voice",),
    "image": ("image",),
    "mpvideo": ("mass_video",),
}
_DEFAULT_RECOMMEND = "分享图片"


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
