"""The input of ``MassSend``: one object that fails closed."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from qunfa.contract.audience import Audience, OpenidFile
from qunfa.contract.fields import AccountName, Duration, Flag, Key, Model, Name, SecondsOrMore, Time
from qunfa.contract.message import Message
from qunfa.contract.parsing import parsed
from qunfa.contract.preview import Recipients
from qunfa.contract.refusal import InvalidRequestError


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
