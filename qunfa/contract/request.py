"""What callers ask for: ``MassSend``, who receives it, and ``PreviewMassSend``. Each is one object that fails closed.

The audience of a mass send is a closed choice. Nothing here defaults to everybody.

A preview shows the message to one to a hundred people, and can reach nobody else. It has a request, an activity and an
endpoint of its own, ``mass/preview``. There is no audience in it that could be everybody.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from qunfa.contract.fields import AccountName, Duration, Flag, Key, Model, Name, Openid, SecondsOrMore, Stored, Time
from qunfa.contract.message import (
    ImageMessage,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.refusal import InvalidRequestError, parsed

OPENIDS_MIN: Final = 2
OPENIDS_MAX: Final = 10_000
"""WeChat's bounds for the list of ``mass/send`` (40130 below, 40032 above)."""


def _without_duplicates(openids: tuple[str, ...]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(openids))
    if not OPENIDS_MIN <= len(distinct) <= OPENIDS_MAX:
        msg = f"must hold 2 to 10,000 different openids, got {len(distinct)} (WeChat refuses fewer and more)"
        raise ValueError(msg)
    return distinct


class All(Model):
    """Every follower of the account."""

    kind: Literal["all"]


class TagExpectation(Model):
    """What the tag must look like right before submission; otherwise a person is asked."""

    name: Annotated[str, Field(strict=True, min_length=1, max_length=64)] | None = None
    max: Annotated[int, Field(strict=True, ge=1)] | None = None


class Tag(Model):
    """The followers under one tag of the account."""

    kind: Literal["tag"]
    tag_id: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
    expect: TagExpectation | None = None


class Openids(Model):
    """An explicit list; duplicates are removed, order is kept. WeChat allows it for verified service accounts only."""

    kind: Literal["openids"]
    openids: Annotated[tuple[Openid, ...], AfterValidator(_without_duplicates)]


class OpenidFile(Model):
    """A file with one openid a line."""

    kind: Literal["openid_file"]
    uri: Annotated[str, Field(strict=True, min_length=1, max_length=2048)]
    sha256: Annotated[str, Field(strict=True), StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


Audience = Annotated[All | Tag | Openids | OpenidFile, Field(discriminator="kind")]


def describe(audience: All | Tag | Openids | OpenidFile) -> str:
    """The audience in a few words for people."""
    match audience:
        case All():
            return "all followers"
        case Tag(tag_id=tag_id, expect=expect):
            return f"tag {tag_id}" + (f" ({expect.name})" if expect and expect.name else "")
        case Openids(openids=openids):
            return f"{len(openids):,} openids"
        case OpenidFile(uri=uri):
            return f"the openids in {uri}"


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


class Preview(Model):
    """Who sees the message before it is approved."""

    to: Recipients


class Approval(Model):
    """Whether a person must approve; it may tighten the account's policy, never loosen it."""

    required: Annotated[bool, Field(strict=True)]


class ResultTimes(Model):
    """How the verdict is awaited: the push first, then ``mass/get``."""

    push_timeout: SecondsOrMore = timedelta(minutes=45)
    poll_interval: SecondsOrMore = timedelta(minutes=1)
    give_up_after: SecondsOrMore = timedelta(hours=24)


class MassSendRequest(Model):
    """One logical mass send. ``key`` is the caller's idempotency key: never reuse it for other content."""

    account: AccountName
    key: Key
    audience: Audience
    message: Message
    send_ignore_reprint: Flag = False
    on_problem: Literal["wait", "fail"] = "wait"
    decision_timeout: Duration = timedelta(days=3)
    preview: Preview | None = None
    approval: Approval | None = None
    requested_by: Name | None = None
    send_at: Time | None = None
    not_after: Time | None = None
    fit_images: Annotated[bool, Field(strict=True)] = False
    result: ResultTimes = ResultTimes()

    @model_validator(mode="after")
    def _window(self) -> "MassSendRequest":
        if self.send_at and self.not_after and self.not_after <= self.send_at:
            msg = "not_after must be later than send_at"
            raise ValueError(msg)
        return self


def parse_request(raw: Any) -> MassSendRequest:
    """The request in ``raw``, a JSON object.

    Raises:
        InvalidRequestError: naming every wrong field, and what is not supported yet.
    """
    request = parsed(MassSendRequest, raw)
    if missing := _not_supported_yet(request):
        raise InvalidRequestError(missing)
    return request


def _not_supported_yet(request: MassSendRequest) -> list[str]:
    """What the contract describes and this version does not carry out; refused, since ignoring it would mislead."""
    found = {
        "audience.kind: openid_file is not supported yet": isinstance(request.audience, OpenidFile),
    }
    return [sentence for sentence, applies in found.items() if applies]
