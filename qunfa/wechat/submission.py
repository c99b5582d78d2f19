"""The wire form of a mass send, from plain values. Everything here is pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qunfa.wechat.content import Content

__all__ = ["Content", "Filter", "SendBody", "SendallBody", "send_body", "sendall_body"]

CLIENTMSGID_MAX: Final = 32
"""Documented as 64 bytes; longer ones than 32 have been refused with 45067."""
OPENIDS_MIN: Final = 2
OPENIDS_MAX: Final = 10_000


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
