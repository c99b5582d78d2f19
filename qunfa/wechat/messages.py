"""What a mass send says and to whom, in the forms that the endpoints want. Everything here is pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

ImageVia = Literal["images", "image"]
"""The object that holds the pictures: `images` (any number), or `image` (one, as of 2018)."""
CLIENTMSGID_MAX: Final = 32
"""Documented as 64 bytes; longer ones than 32 have been refused with 45067."""
OPENIDS_MIN: Final = 2
OPENIDS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Content:
    """A message: its `msgtype`, and the object that holds it under the name `branch` (mostly the msgtype again).

    `fields` are those that every endpoint takes, `send_fields` those that `mass/send` alone takes on top.
    """

    msgtype: str
    branch: str
    fields: Mapping[str, Any]
    send_fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def text(cls, content: str) -> "Content":
        """A text message."""
        _require(content, "a text message needs text")
        return cls("text", "text", {"content": content})

    @classmethod
    def mpnews(cls, media_id: str) -> "Content":
        """Articles, by the media_id of their draft (`draft/add`) or of `media/uploadnews`."""
        _require(media_id, "an mpnews message needs a media_id")
        return cls("mpnews", "mpnews", {"media_id": media_id})

    @classmethod
    def voice(cls, media_id: str) -> "Content":
        """A voice message."""
        _require(media_id, "a voice message needs a media_id")
        return cls("voice", "voice", {"media_id": media_id})

    @classmethod
    def image(
        cls,
        media_ids: Sequence[str],
        *,
        via: ImageVia = "images",
        recommend: str | None = None,
        need_open_comment: bool | None = None,
        only_fans_can_comment: bool | None = None,
    ) -> "Content":
        """Pictures; what is None is left out.

        Raises:
            ValueError: there is no picture, or one without media_id; or more than a single bare one by way of `image`.
        """
        if isinstance(media_ids, str) or not media_ids or not all(media_ids):
            raise ValueError("an image message needs a list of media_ids")
        flags = {"need_open_comment": need_open_comment, "only_fans_can_comment": only_fans_can_comment}
        more: dict[str, Any] = {} if recommend is None else {"recommend": recommend}
        more |= {name: int(value) for name, value in flags.items() if value is not None}
        if via == "images":
            return cls("image", "images", {"media_ids": list(media_ids), **more})
        if len(media_ids) > 1 or recommend or need_open_comment or only_fans_can_comment:
            raise ValueError("the old form of an image message has one picture, without recommendation or comments")
        return cls("image", "image", {"media_id": media_ids[0]})

    @classmethod
    def mpvideo(cls, media_id: str, *, title: str | None = None, description: str | None = None) -> "Content":
        """A video, by the media_id of `media/uploadvideo`; title and description are repeated to `mass/send` alone."""
        _require(media_id, "an mpvideo message needs a media_id")
        words = {"title": title, "description": description}
        return cls(
            "mpvideo",
            "mpvideo",
            {"media_id": media_id},
            {name: value for name, value in words.items() if value is not None},
        )

    @classmethod
    def wxcard(cls, card_id: str) -> "Content":
        """A card. WeChat refuses to mass send any (45113)."""
        _require(card_id, "a wxcard message needs a card_id")
        return cls("wxcard", "wxcard", {"card_id": card_id})

    def wire(self) -> dict[str, Any]:
        """The message's part of the body of `mass/sendall`."""
        return self._wire(self.branch, self.fields)

    def send_wire(self) -> dict[str, Any]:
        """The message's part of the body of `mass/send`."""
        return self._wire(self.branch, {**self.fields, **self.send_fields})

    def preview_wire(self, *, card_ext: str | None = None) -> dict[str, Any]:
        """The message's part of the body of `mass/preview`, which knows only the singular `image`.

        Raises:
            ValueError: there are several pictures, or a card_ext for something that is no card.
        """
        if card_ext is not None and self.msgtype != "wxcard":
            raise ValueError("only a card has a card_ext")
        if self.branch == "images":
            if len(self.fields["media_ids"]) > 1:
                raise ValueError("a preview shows one picture: preview each by itself")
            return self._wire("image", {"media_id": self.fields["media_ids"][0]})
        return self._wire(self.branch, {**self.fields, **({} if card_ext is None else {"card_ext": card_ext})})

    def _wire(self, branch: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {branch: dict(fields), "msgtype": self.msgtype}


def _require(value: str, sentence: str) -> None:
    if not value:
        raise ValueError(sentence)


class SendallBody(dict[str, Any]):
    """The body of `mass/sendall`: to everybody, or to a tag."""

    __slots__ = ()


class SendBody(dict[str, Any]):
    """The body of `mass/send`: to a list of openids."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Who receives a `sendall`: everybody, or the followers with one tag; made by one of the two methods only.

    There is no default and no third way: a tag that is missing is an error, and never "everybody".
    """

    is_to_all: bool
    tag_id: int | None

    def __post_init__(self) -> None:
        if self.is_to_all is True and self.tag_id is None:
            return
        if self.is_to_all is False and type(self.tag_id) is int and self.tag_id >= 0:
            return
        raise ValueError("a filter is either to all, without a tag_id, or by a tag_id that is a whole number from 0")

    @classmethod
    def everybody(cls) -> "Filter":
        """All followers of the account."""
        return cls(is_to_all=True, tag_id=None)

    @classmethod
    def tag(cls, tag_id: int) -> "Filter":
        """The followers with this tag."""
        return cls(is_to_all=False, tag_id=tag_id)

    def wire(self) -> dict[str, Any]:
        """WeChat's `filter` object; to all it has no `tag_id`."""
        return {"is_to_all": True} if self.is_to_all else {"is_to_all": False, "tag_id": self.tag_id}


def sendall_body(
    filter: Filter,  # noqa: A002  WeChat's own name
    content: Content,
    *,
    clientmsgid: str,
    send_ignore_reprint: bool = False,
) -> SendallBody:
    """The body of `mass/sendall`. `send_ignore_reprint` is written for mpnews only, where alone it has a meaning.

    Raises:
        ValueError: the clientmsgid is not 1 to 32 characters of printable ASCII.
    """
    message = content.wire()
    rest = _rest(message, clientmsgid, ignore_reprint=send_ignore_reprint)
    return SendallBody({"filter": filter.wire(), **message, **rest})


def send_body(
    touser: Sequence[str], content: Content, *, clientmsgid: str, send_ignore_reprint: bool = False
) -> SendBody:
    """The body of `mass/send`.

    Raises:
        ValueError: not 2 to 10,000 openids, all different and none empty, or a wrong clientmsgid.
    """
    if isinstance(touser, str) or not OPENIDS_MIN <= len(touser) <= OPENIDS_MAX:
        raise ValueError(f"mass/send takes a list of {OPENIDS_MIN} to {OPENIDS_MAX} openids")
    if not all(touser) or len(set(touser)) != len(touser):
        raise ValueError("mass/send takes each openid once, and no empty one")
    message = content.send_wire()
    rest = _rest(message, clientmsgid, ignore_reprint=send_ignore_reprint)
    return SendBody({"touser": list(touser), **message, **rest})


def _rest(message: Mapping[str, Any], clientmsgid: str, *, ignore_reprint: bool) -> dict[str, Any]:
    printable = clientmsgid.isascii() and clientmsgid.isprintable() and " " not in clientmsgid
    if not printable or not 1 <= len(clientmsgid) <= CLIENTMSGID_MAX:
        raise ValueError(f"a clientmsgid has 1 to {CLIENTMSGID_MAX} characters of printable ASCII")
    reprint = {"send_ignore_reprint": int(ignore_reprint)} if message["msgtype"] == "mpnews" else {}
    return {**reprint, "clientmsgid": clientmsgid}


class PreviewBody(dict[str, Any]):
    """The body of `mass/preview`: to one person. `sendall` and `send` refuse it, and `preview` refuses theirs."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Openid:
    """A follower, by openid. ValueError where it is not one."""

    openid: str

    def __post_init__(self) -> None:
        _single(self.openid, "an openid")

    def wire(self) -> dict[str, str]:
        """WeChat's field for it."""
        return {"touser": self.openid}

    def __str__(self) -> str:
        return f"openid {self.openid}"


@dataclass(frozen=True, slots=True)
class Wxname:
    """A follower, by the WeChat id that the person has chosen. ValueError where it is not one."""

    wxname: str

    def __post_init__(self) -> None:
        _single(self.wxname, "a WeChat id")

    def wire(self) -> dict[str, str]:
        """WeChat's field for it."""
        return {"towxname": self.wxname}

    def __str__(self) -> str:
        return f"WeChat id {self.wxname}"


def preview_body(to: Openid | Wxname, content: Content, *, card_ext: str | None = None) -> PreviewBody:
    """The body of `mass/preview`; `card_ext` is the JSON text with the signature that a card's preview wants.

    Raises:
        ValueError: there are several pictures, or a card_ext for something that is no card.
        TypeError: `to` is not one person.
    """
    if not isinstance(to, Openid | Wxname):
        raise TypeError("a preview goes to one Openid or Wxname")
    return PreviewBody({**to.wire(), **content.preview_wire(card_ext=card_ext)})


def _single(name: object, what: str) -> None:
    if not isinstance(name, str) or not name.isprintable() or name.split() != [name]:
        raise ValueError(f"a preview goes to one person: {what} is text without blanks")
