"""What a mass send says and to whom, in the forms that the endpoints want. Everything here is pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from qunfa.contract.audience import All, Openids, Tag
from qunfa.contract.message import Article
from qunfa.wechat.errors import SEND, SENDALL

CLIENTMSGID_MAX: Final = 32
"""Documented as 64 bytes; longer ones than 32 have been refused with 45067."""
_OF_AN_ARTICLE: Final = (
    *("thumb_media_id", "author", "title", "content_source_url", "content", "digest"),
    *("show_cover_pic", "need_open_comment", "only_fans_can_comment"),
)
"""In the order of WeChat's page."""


@dataclass(frozen=True, slots=True)
class Content:
    """A message: its `msgtype`, and the object that holds it under the name `branch` (mostly the msgtype again).

    `fields` are those that every endpoint takes. `send_fields` go to `mass/send` on top.
    """

    msgtype: str
    branch: str
    fields: Mapping[str, Any]
    send_fields: Mapping[str, Any] = field(default_factory=dict)

    def wire(self, **more: Any) -> dict[str, Any]:
        """The message's part of a body, with `more` in its object."""
        return {self.branch: {**self.fields, **more}, "msgtype": self.msgtype}

    def preview_wire(self, card_ext: str | None) -> dict[str, Any]:
        """The message's part of the body of `mass/preview`, which knows only the singular `image`.

        Raises:
            ValueError: there are several pictures, or a card_ext for something that is no card.
        """
        if card_ext is not None and self.msgtype != "wxcard":
            raise ValueError("only a card has a card_ext")
        if self.branch == "images":
            media_id, *others = self.fields["media_ids"]
            if others:
                raise ValueError("a preview shows one picture: preview each by itself")
            return {"image": {"media_id": media_id}, "msgtype": "image"}
        return self.wire() if card_ext is None else self.wire(card_ext=card_ext)


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
    audience: All | Tag | Openids, content: Content, *, clientmsgid: str, send_ignore_reprint: bool = False
) -> MassBody:
    """The body of `mass/sendall`, or of `mass/send`. Whoever is none of the three is an error, and never "everybody".

    `send_ignore_reprint` is written for mpnews only, where alone it has a meaning.

    Raises:
        ValueError: the clientmsgid is not 1 to 32 characters of printable ASCII.
    """
    printable = clientmsgid.isascii() and clientmsgid.isprintable() and " " not in clientmsgid
    if not printable or not 1 <= len(clientmsgid) <= CLIENTMSGID_MAX:
        raise ValueError(f"a clientmsgid has 1 to {CLIENTMSGID_MAX} characters of printable ASCII")
    reprint = {"send_ignore_reprint": int(send_ignore_reprint)} if content.msgtype == "mpnews" else {}
    rest = {**reprint, "clientmsgid": clientmsgid}
    match audience:
        case All():
            return MassBody(SENDALL, {"filter": {"is_to_all": True}, **content.wire(), **rest})
        case Tag(tag_id=tag_id):
            return MassBody(SENDALL, {"filter": {"is_to_all": False, "tag_id": tag_id}, **content.wire(), **rest})
        case Openids(openids=openids):
            return MassBody(SEND, {"touser": list(openids), **content.wire(**content.send_fields), **rest})
        case _:
            assert_never(audience)


def preview_body(
    content: Content, *, touser: str | None = None, towxname: str | None = None, card_ext: str | None = None
) -> PreviewBody:
    """The body of `mass/preview` to one person: by openid (`touser`) or by WeChat id (`towxname`).

    `card_ext` is the JSON text with the signature that a card's preview wants.

    Raises:
        ValueError: not one person; several pictures; or a card_ext for something that is no card.
    """
    named = [(name, to) for name, to in (("touser", touser), ("towxname", towxname)) if to is not None]
    if len(named) != 1 or not all(to.isprintable() and to.split() == [to] for _, to in named):
        raise ValueError("a preview goes to one person, by an openid or a WeChat id without blanks")
    return PreviewBody({**dict(named), **content.preview_wire(card_ext)})
