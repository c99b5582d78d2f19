"""What callers ask for: ``MassSend``, who receives it, and ``PreviewMassSend``. Each is one object that fails closed.

The audience of a mass send is a closed choice. Nothing here defaults to everybody.

A preview shows the message to one to a hundred people, and can reach nobody else. It has a request, an activity and an
endpoint of its own, ``mass/preview``. There is no audience in it that could be everybody.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from qunfa.contract.audience import Audience, Group, Split, Version, is_long
from qunfa.contract.fields import (
    RULES,
    AccountName,
    Duration,
    Flag,
    Key,
    Model,
    Name,
    Openid,
    SecondsOrMore,
    Stored,
    Time,
    has,
    one_of,
)
from qunfa.contract.message import (
    ImageMessage,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.refusal import parsed


class PreviewRecipient(Model):
    """One person who sees a preview: an openid or a WeChat id."""

    openid: Openid | None = None
    """Of a follower; either this or `wxname`."""
    wxname: Annotated[str, Field(strict=True, min_length=1, max_length=64)] | None = None
    """A WeChat id; either this or `openid`."""

    model_config = ConfigDict(json_schema_extra={RULES: [one_of("openid", "wxname")]})

    @model_validator(mode="after")
    def _one_name(self) -> "PreviewRecipient":
        if (self.openid is None) == (self.wxname is None):
            raise ValueError("must have either openid or wxname")
        return self

    @property
    def name(self) -> str:
        """The person as shown to operators."""
        return self.openid or f"WeChat id {self.wxname}"


class WxcardPreview(Model):
    """A card; ``card_ext`` is a JSON text with the signature that WeChat wants in previews only."""

    msgtype: Literal["wxcard"]
    """A card."""
    card_id: Annotated[str, Field(strict=True, min_length=1, max_length=128)]
    """WeChat's id of the card."""
    card_ext: Annotated[str, Field(strict=True, max_length=2048)] | None = None
    """A JSON text with the signature that WeChat wants in previews only."""


PreviewMessage = Annotated[
    TextMessage | MpnewsMessage | ImageMessage | VoiceMessage | MpvideoMessage | WxcardPreview,
    Field(discriminator="msgtype"),
]

Recipients = Annotated[tuple[PreviewRecipient, ...], Field(min_length=1, max_length=100)]


class PreviewRequest(Model):
    """The input of ``PreviewMassSend``. ``key`` names the preview: a used one may be used again, and previews again."""

    account: AccountName
    """The account that shows it."""
    key: Key
    """The name of this preview."""
    message: PreviewMessage
    """What is shown."""
    to: Recipients
    """Who sees it: from 1 to 100 people."""
    fit_images: Flag = False
    """Whether pictures that are too big for WeChat may be re-encoded."""


class Previewed(Stored):
    """What became of one recipient's preview: ``sent``, or WeChat's refusal, or why nothing was heard."""

    to: str
    """The openid, or the WeChat id."""
    sent: bool
    """Whether WeChat took it."""
    perhaps: bool = False
    """Whether it may have been shown although no answer came."""
    without: tuple[str, ...] = ()
    """The fields of the message that WeChat's previews have no room for: it was shown without them."""
    msg_id: int | None = None
    """WeChat's id of the preview."""
    errcode: int | None = None
    """WeChat's code, where it refused."""
    errmsg: str | None = None
    """WeChat's words, or why nothing was heard."""
    rid: str | None = None
    """WeChat's id of the call, for its support."""

    @property
    def may_count(self) -> bool:
        """Whether WeChat may have counted it among those of the day: it has answered, or may have been called."""
        return self.sent or self.perhaps or self.errcode is not None


PREVIEW_FAILED: Final = "PreviewFailed"
"""Failure type of ``PreviewMassSend``: the material cannot be made. Its text says why; nothing was sent to anybody."""


class PreviewResult(Stored):
    """The result of ``PreviewMassSend``: one row per recipient, in order."""

    account: str
    """The account that showed it."""
    key: str
    """The name of the preview."""
    previews: tuple[Previewed, ...]
    """One row per recipient, in order."""


def as_preview(message: Message | PreviewMessage) -> PreviewMessage:
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
    """From 1 to 100 people."""


class Approval(Model):
    """Whether a person must approve; it may tighten the account's policy, never loosen it."""

    required: Annotated[bool, Field(strict=True)]
    """Whether somebody else than `requested_by` must approve the send."""


LONG_MAX_BYTES: Final = 1_000_000
"""Of the request of a send in batches. Where its run goes on as another, the rows of all batches share 2 MB with it."""


class ResultTimes(Model):
    """How the verdict is awaited: the push first, then ``mass/get``."""

    push_timeout: SecondsOrMore = timedelta(minutes=45)
    """How long WeChat's push is awaited before `mass/get` is asked as well."""
    poll_interval: SecondsOrMore = timedelta(minutes=1)
    """How often `mass/get` is asked at first; the spacing grows."""
    give_up_after: SecondsOrMore = timedelta(hours=24)
    """How long a verdict is awaited before a person is asked."""


_SPLIT: Final[dict[str, Any]] = {
    "if": has("split"),
    "then": {
        "required": ["message_b"],
        "properties": {
            "message_b": {"not": {"type": "null"}},
            "audience": {"not": has("kind", {"enum": ["all", "tag", "openids", "batch"]})},
        },
    },
    "else": {"properties": {"message_b": {"type": "null"}}},
}


class MassSendRequest(Model):
    """One logical mass send. ``key`` is the caller's idempotency key: never reuse it for other content."""

    account: AccountName
    """The name under which the workers know the WeChat account."""
    key: Key
    """The caller's idempotency key: one key is delivered once. Never use it again for other content."""
    audience: Audience
    """Who receives it. There is no default."""
    message: Message
    """What they receive; in a split test, what group a receives."""
    message_b: Message | None = None
    """In a split test, what group b receives."""
    split: Split | None = None
    """A split test of `message` and `message_b`. It needs an audience that is sent in batches."""
    send_ignore_reprint: Flag = False
    """Whether it is sent although WeChat judges it a reprint, where the original allows that."""
    on_problem: Literal["wait", "fail"] = "wait"
    """`wait`: a person is asked what to do. `fail`: the send ends with the problem."""
    decision_timeout: Duration = timedelta(days=3)
    """How long a person has to approve, or to decide about a problem."""
    preview: Preview | None = None
    """Who sees the message before it is approved and sent."""
    approval: Approval | None = None
    """Whether a person must approve; where the account's policy demands it, it cannot be waived."""
    requested_by: Name | None = None
    """The person or system that asks; an approver must be named otherwise."""
    send_at: Time | None = None
    """Not sent before this time, at most 366 days ahead. Without it, at once."""
    not_after: Time | None = None
    """Not submitted after this time, whatever delayed it: the send ends as `expired`."""
    fit_images: Annotated[bool, Field(strict=True)] = False
    """Whether pictures that are too big for WeChat may be re-encoded."""
    on_batch_problem: Literal["stop", "continue"] = "stop"
    """`stop`: a batch that fails stops those after it, and a person is asked. `continue`: the others go out."""
    result: ResultTimes = ResultTimes()
    """How the verdict is awaited."""

    model_config = ConfigDict(json_schema_extra={RULES: [_SPLIT]})

    @model_validator(mode="after")
    def _window(self) -> "MassSendRequest":
        if self.send_at and self.not_after and self.not_after <= self.send_at:
            raise ValueError("not_after must be later than send_at")
        return self

    @model_validator(mode="after")
    def _split_test(self) -> "MassSendRequest":
        if (self.split is None) != (self.message_b is None):
            raise ValueError("split and message_b go together: one of them is missing")
        if self.split is not None and not is_long(self.audience):
            kinds = "openid_file, tags, report or several"
            raise ValueError(f"split needs an audience that is sent in batches: {kinds}, not {self.audience.kind}")
        return self

    @model_validator(mode="after")
    def _leaves_room(self) -> "MassSendRequest":
        size = len(self.model_dump_json(exclude_unset=True).encode()) if is_long(self.audience) else 0
        if size > LONG_MAX_BYTES:
            most = f"{LONG_MAX_BYTES:,}"
            raise ValueError(
                f"the request has {size:,} bytes, and one that is sent in batches has {most} at most: put openids into "
                "a file"
            )
        return self

    @property
    def versions(self) -> tuple["MassSendRequest", ...]:
        """The request for each of its messages: itself, or that of a split test's group a and that of group b."""
        if self.message_b is None:
            return (self,)
        plain = {"message_b": None, "split": None}
        return self.model_copy(update=plain), self.model_copy(update={**plain, "message": self.message_b})

    def message_for(self, group: Group | None, winner: Version | None) -> Message:
        """What a group receives; ``None`` where there are no groups.

        Raises:
            ValueError: the rest has no message before a winner is chosen.
        """
        chosen = winner if group == "rest" else group
        if group == "rest" and winner is None:
            raise ValueError("no winner is chosen")
        return self.message_b if chosen == "b" and self.message_b is not None else self.message


def parse_request(raw: Any) -> MassSendRequest:
    """The request in ``raw``, a JSON object.

    Raises:
        InvalidRequestError: naming every wrong field.
    """
    return parsed(MassSendRequest, raw)


def with_articles(request: MassSendRequest) -> tuple[Version | None, ...]:
    """The groups whose message has articles to look at; of a send without a split test, `None` stands for its own."""
    groups: tuple[Version | None, ...] = (None,) if request.split is None else ("a", "b")
    return tuple(
        group
        for group, version in zip(groups, request.versions, strict=True)
        if isinstance(version.message, MpnewsMessage) and version.message.articles
    )


def look_at(request: MassSendRequest) -> str | None:
    """The command that shows the articles of a send; of a split test, one for each group."""
    shown = [
        f"qunfa article preview {request.account}/{request.key}{f' --group {group}' if group else ''}"
        for group in with_articles(request)
    ]
    return "; ".join(shown) or None
