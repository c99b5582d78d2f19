"""What a mass send says and to whom, in the forms that the endpoints want. Everything here is pure."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from qunfa.contract.audience import All, Openids, Tag
from qunfa.contract.message import (
    Article,
    ImageMessage,
    ImageVia,
    MediaUploaded,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.request import PreviewMessage, PreviewRecipient, WxcardPreview
from qunfa.wechat.errors import SEND, SENDALL

CLIENTMSGID_MAX: Final = 32
"""Documented as 64 bytes; longer ones than 32 have been refused with 45067."""
_OF_AN_ARTICLE: Final = (
    *("thumb_media_id", "author", "title", "content_source_url", "content", "digest"),
    *("show_cover_pic", "need_open_comment", "only_fans_can_comment"),
)
"""In the order of WeChat's page."""


class UnmadeError(ValueError):
    """The message still has material that must be made first."""


def content_of(message: Message | PreviewMessage, image_via: ImageVia) -> dict[str, Any]:
    """The message's part of a body: its `msgtype`, and the object that mostly has that name.

    Raises:
        UnmadeError: it has material that WeChat does not hold yet.
        ValueError: it cannot be put in WeChat's form.
    """
    match message:
        case TextMessage(content=content):
            return {"text": {"content": content}, "msgtype": "text"}
        case (
            MpnewsMessage(media_id=str() as media_id)
            | VoiceMessage(media=MediaUploaded(media_id=media_id))
            | MpvideoMessage(media=MediaUploaded(media_id=media_id))
        ):
            return {message.msgtype: {"media_id": media_id}, "msgtype": message.msgtype}
        case WxcardMessage(card_id=card_id) | WxcardPreview(card_id=card_id):
            return {"wxcard": {"card_id": card_id}, "msgtype": "wxcard"}
        case ImageMessage():
            media_ids = [image.media_id for image in message.images if isinstance(image, MediaUploaded)]
            if len(media_ids) == len(message.images):
                return {**_pictures(message, media_ids, image_via), "msgtype": "image"}
    raise UnmadeError(f"this {message.msgtype} message still has material to be made")


def _pictures(message: ImageMessage, media_ids: list[str], via: ImageVia) -> dict[str, Any]:
    words = {} if message.recommend is None else {"recommend": message.recommend}
    comments = {name: int(getattr(message, name)) for name in ("need_open_comment", "only_fans_can_comment")}
    if via == "images":
        return {"images": {"media_ids": media_ids, **words, **comments}}
    if len(media_ids) > 1 or any((words | comments).values()):
        raise ValueError("the old form of an image message has one picture, without recommendation or comments")
    return {"image": {"media_id": media_ids[0]}}


def article_wire(article: Article, content: str, thumb_media_id: str) -> dict[str, Any]:
    """WeChat's object of an article, with what WeChat knows of its pictures and its thumb; what is None is left out.

    `media/uploadnews` wants the media_id of a temporary thumb (`media/upload`) there, `draft/add` that of a permanent
    material. Flags are numbers.
    """
    said = {**article.model_dump(), "content": content, "thumb_media_id": thumb_media_id}
    known = {name: said[name] for name in _OF_AN_ARTICLE if said[name] is not None}
    return {name: int(value) if isinstance(value, bool) else value for name, value in known.items()}


class MassBody(dict[str, Any]):
    """The body of a mass send, for its own `endpoint` alone: everybody or a tag, or a list of openids."""

    __slots__ = ("endpoint",)

    def __init__(self, endpoint: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.endpoint: Final = endpoint


class PreviewBody(dict[str, Any]):
    """The body of `mass/preview`: to one person. `submit` refuses it, and `preview` refuses any other."""

    __slots__ = ()


def mass_body(
    audience: All | Tag | Openids,
    message: Message,
    *,
    clientmsgid: str,
    send_ignore_reprint: bool = False,
    image_via: ImageVia = "images",
) -> MassBody:
    """The body of `mass/sendall`, or of `mass/send`. Whoever is none of the three is an error, and never "everybody".

    `send_ignore_reprint` is written for mpnews only, where alone it has a meaning. To openids, videos have words.

    Raises:
        UnmadeError: as `content_of`.
        ValueError: as `content_of`; or the clientmsgid is not 1 to 32 characters of printable ASCII.
    """
    content = content_of(message, image_via)
    printable = clientmsgid.isascii() and clientmsgid.isprintable() and " " not in clientmsgid
    if not printable or not 1 <= len(clientmsgid) <= CLIENTMSGID_MAX:
        raise ValueError(f"a clientmsgid has 1 to {CLIENTMSGID_MAX} characters of printable ASCII")
    reprint = {"send_ignore_reprint": int(send_ignore_reprint)} if message.msgtype == "mpnews" else {}
    rest = {**reprint, "clientmsgid": clientmsgid}
    match audience:
        case All():
            return MassBody(SENDALL, {"filter": {"is_to_all": True}, **content, **rest})
        case Tag(tag_id=tag_id):
            return MassBody(SENDALL, {"filter": {"is_to_all": False, "tag_id": tag_id}, **content, **rest})
        case Openids(openids=openids):
            if isinstance(message, MpvideoMessage):
                content["mpvideo"] |= {"title": message.title, "description": message.description}
            return MassBody(SEND, {"touser": list(openids), **content, **rest})
        case _:
            assert_never(audience)


def preview_body(to: PreviewRecipient, message: PreviewMessage, *, image_via: ImageVia = "images") -> PreviewBody:
    """The body of `mass/preview` to one person. It knows only the singular `image`.

    Raises:
        UnmadeError: as `content_of`.
        ValueError: as `content_of`; or there are several pictures; or the person has blanks in the name.
    """
    content = content_of(message, image_via)
    if "images" in content:
        media_id, *others = content["images"]["media_ids"]
        if others:
            raise ValueError("a preview shows one picture: preview each by itself")
        content = {"image": {"media_id": media_id}, "msgtype": "image"}
    if isinstance(message, WxcardPreview) and message.card_ext is not None:
        content["wxcard"]["card_ext"] = message.card_ext
    kind, person = ("touser", to.openid) if to.openid is not None else ("towxname", to.wxname or "")
    if not (person.isprintable() and person.split() == [person]):
        raise ValueError("a preview goes to one person, by an openid or a WeChat id without blanks")
    return PreviewBody({kind: person, **content})
