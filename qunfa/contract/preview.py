"""``PreviewMassSend``: the message as one to a hundred people see it. It can reach nobody else.

It is another request than a mass send's, with its own activity and its own endpoint, ``mass/preview``: there is no
audience in it that could be everybody.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from qunfa.contract.fields import AccountName, Flag, Key, Model, Openid, Stored
from qunfa.contract.message import (
    ImageMessage,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.parsing import parsed


class PreviewRecipient(Model):
    """One person who sees a preview: an openid or a WeChat id."""

    openid: Openid | None = None
    wxname: Annotated[str, Field(strict=True, min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _one_name(self) -> "PreviewRecipient":
        if (self.openid is None) == (self.wxname is None):
            msg = "must have either openid or wxname"
            raise ValueError(msg)
        return self

    @property
    def name(self) -> str:
        """The person as shown to operators."""
        return self.openid or f"WeChat id {self.wxname}"


class WxcardPreview(Model):
    """A card; ``card_ext`` is a JSON text with the signature that WeChat wants in previews only."""

    msgtype: Literal["wxcard"]
    card_id: Annotated[str, Field(strict=True, min_length=1, max_length=128)]
    card_ext: Annotated[str, Field(strict=True, max_length=2048)] | None = None


PreviewMessage = Annotated[
    TextMessage | MpnewsMessage | ImageMessage | VoiceMessage | MpvideoMessage | WxcardPreview,
    Field(discriminator="msgtype"),
]
Recipients = Annotated[tuple[PreviewRecipient, ...], Field(min_length=1, max_length=100)]


class PreviewRequest(Model):
    """The input of ``PreviewMassSend``. ``key`` names the preview: a used one may be used again, and previews again."""

    account: AccountName
    key: Key
    message: PreviewMessage
    to: Recipients
    fit_images: Flag = False


class Previewed(Stored):
    """What became of one recipient's preview: ``sent``, or WeChat's refusal, or why nothing was heard."""

    to: str
    sent: bool
    msg_id: int | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None


class PreviewResult(Stored):
    """The result of ``PreviewMassSend``: one row per recipient, in order."""

    account: str
    key: str
    previews: tuple[Previewed, ...]


def as_preview(message: Message) -> PreviewMessage:
    """The message of a mass send as it is previewed."""
    if isinstance(message, WxcardMessage):
        return WxcardPreview(msgtype="wxcard", card_id=message.card_id)
    return message


def parse_preview(raw: Any) -> PreviewRequest:
    """The request in ``raw``, a JSON object.

    Raises:
        InvalidRequestError: naming every wrong field.
    """
    return parsed(PreviewRequest, raw)
