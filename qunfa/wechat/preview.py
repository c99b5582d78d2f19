"""The wire form of a preview, which reaches one person, and can never be a mass send. Everything here is pure."""

from dataclasses import dataclass
from typing import Any

from qunfa.wechat.content import Content


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
