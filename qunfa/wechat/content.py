"""What a mass send says, in the forms that the endpoints want: they differ in small things. Everything here is pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ImageVia = Literal["images", "image"]
"""The object that holds the pictures: `images` (any number), or `image` (one, as of 2018)."""


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
