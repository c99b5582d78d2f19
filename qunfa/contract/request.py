"""The input of ``MassSend``: one object that fails closed."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from qunfa.contract.audience import Audience, OpenidFile
from qunfa.contract.fields import AccountName, Duration, Flag, Key, Model, Name, Openid, SecondsOrMore, Time
from qunfa.contract.message import Message, TextMessage
from qunfa.contract.sentences import sentences


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


class Preview(Model):
    """Who sees the message before it is approved."""

    to: Annotated[tuple[PreviewRecipient, ...], Field(min_length=1, max_length=100)]


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


class InvalidRequestError(Exception):
    """A request that cannot be carried out as it stands; ``problems`` has one sentence per wrong field."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The request was refused and nothing was sent: " + "; ".join(problems) + ".")
        self.problems = problems


def parse_request(raw: Any) -> MassSendRequest:
    """The request in ``raw``, a JSON object.

    Raises:
        InvalidRequestError: naming every wrong field, and what is not supported yet.
    """
    if not isinstance(raw, dict):
        raise InvalidRequestError(["the input must be one JSON object"])
    try:
        request = MassSendRequest.model_validate(raw)
    except ValidationError as error:
        raise InvalidRequestError(sentences(error)) from None
    if missing := _not_supported_yet(request):
        raise InvalidRequestError(missing)
    return request


def _not_supported_yet(request: MassSendRequest) -> list[str]:
    """What the contract describes and this version does not carry out; refused, since ignoring it would mislead."""
    found = {
        f"message.msgtype: {request.message.msgtype} is not supported yet": not isinstance(
            request.message, TextMessage
        ),
        "audience.kind: openid_file is not supported yet": isinstance(request.audience, OpenidFile),
        "preview: is not supported yet": request.preview is not None,
        "approval.required: approval is not supported yet": bool(request.approval and request.approval.required),
        "fit_images: is not supported yet": request.fit_images,
    }
    return [sentence for sentence, applies in found.items() if applies]
