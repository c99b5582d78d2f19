"""What a mass send says and to whom, in the forms that the endpoints want. Everything here is pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

CLIENTMSGID_MAX: Final = 32
"""Documented as 64 bytes; longer ones than 32 have been refused with 45067."""
OPENIDS_MIN: Final = 2
OPENIDS_MAX: Final = 10_000
ARTICLES_MAX: Final = 8


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article; what is None is left out.

    `media/uploadnews` wants the media_id of a temporary thumb (`media/upload`) as its `thumb_media_id`. `draft/add`
    wants that of a permanent material, and has no `show_cover_pic`. ValueError without thumb, title or content.
    """

    thumb_media_id: str
    author: str | None = None
    title: str
    content_source_url: str | None = None
    content: str
    digest: str | None = None
    show_cover_pic: bool | None = None
    need_open_comment: bool | None = None
    only_fans_can_comment: bool | None = None

    def __post_init__(self) -> None:
        for name in ("thumb_media_id", "title", "content"):
            if not getattr(self, name):
                raise ValueError(f"an article needs a {name}")

    def wire(self) -> dict[str, Any]:
        """WeChat's object for `media/uploadnews`. Flags are numbers there."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: int(value) if isinstance(value, bool) else value for name, value in fields.items()}


def news_body(articles: Sequence[Article]) -> dict[str, Any]:
    """The body of `media/uploadnews`.

    Raises:
        ValueError: not 1 to 8 articles.
    """
    if not 1 <= len(articles) <= ARTICLES_MAX:
        raise ValueError(f"a message has 1 to {ARTICLES_MAX} articles")
    return {"articles": [article.wire() for article in articles]}


def draft_body(articles: Sequence[Article]) -> dict[str, Any]:
    """The body of `draft/add`.

    Raises:
        ValueError: not 1 to 8 articles.
    """
    wires = news_body(articles)["articles"]
    unknown = "show_cover_pic"
    return {
        "articles": [{"article_type": "news", **{name: one[name] for name in one if name != unknown}} for one in wires]
    }


class SendallBody(dict[str, Any]):
    """The body of `mass/sendall`: to everybody, or to a tag."""

    __slots__ = ()


class SendBody(dict[str, Any]):
    """The body of `mass/send`: to a list of openids."""

    __slots__ = ()


class PreviewBody(dict[str, Any]):
    """The body of `mass/preview`: to one person. `sendall` and `send` refuse it, and `preview` refuses theirs."""

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
        return cls(is_to_all=True, tag_id=None)

    @classmethod
    def tag(cls, tag_id: int) -> "Filter":
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
    rest = _rest(content, clientmsgid, ignore_reprint=send_ignore_reprint)
    return SendallBody({"filter": filter.wire(), **content.wire(), **rest})


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
    rest = _rest(content, clientmsgid, ignore_reprint=send_ignore_reprint)
    return SendBody({"touser": list(touser), **content.wire(**content.send_fields), **rest})


def _rest(content: Content, clientmsgid: str, *, ignore_reprint: bool) -> dict[str, Any]:
    printable = clientmsgid.isascii() and clientmsgid.isprintable() and " " not in clientmsgid
    if not printable or not 1 <= len(clientmsgid) <= CLIENTMSGID_MAX:
        raise ValueError(f"a clientmsgid has 1 to {CLIENTMSGID_MAX} characters of printable ASCII")
    reprint = {"send_ignore_reprint": int(ignore_reprint)} if content.msgtype == "mpnews" else {}
    return {**reprint, "clientmsgid": clientmsgid}


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
