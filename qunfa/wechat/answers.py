"""What the API answers, as far as mass sends need it. Unknown fields are ignored: WeChat adds some now and then."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

MSG_ID_MAX: Final = 2**63 - 1


def _whole(value: Any) -> Any:
    """Numbers may come as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _clean(value: Any) -> Any:
    """JSON may carry lone surrogates, which no UTF-8 can."""
    return value.encode("utf-8", errors="replace").decode("utf-8") if isinstance(value, str) else value


Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
MsgId = Annotated[Whole, Field(ge=1, le=MSG_ID_MAX)]
Text = Annotated[str, BeforeValidator(_clean)]

_MSG_ID: Final = TypeAdapter[int](MsgId)


def known_msg_id(value: object) -> int | None:
    """The msg_id that an answer carries, or None where it has none that can be one."""
    try:
        return _MSG_ID.validate_python(value)
    except ValidationError:
        return None


class FrozenAnswer(BaseModel):
    """An answer, or a part of one. Its errors do not quote what came in."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Submitted(FrozenAnswer):
    """WeChat has accepted the job `msg_id`, which says nothing of its delivery; `msg_data_id` is the message data's."""

    msg_id: MsgId
    msg_data_id: Annotated[int | None, BeforeValidator(known_msg_id)] = None


class MsgStatus(StrEnum):
    """The states of a job that `mass/get` tells."""

    SENDING = "SENDING"
    SEND_SUCCESS = "SEND_SUCCESS"
    SEND_FAIL = "SEND_FAIL"
    DELETE = "DELETE"


class JobStatus(FrozenAnswer):
    """The state of job `msg_id`; `text` is WeChat's own word, and `msg_status` None where that is not a known one."""

    msg_id: MsgId
    text: Text = Field(alias="msg_status", min_length=1)

    @property
    def msg_status(self) -> MsgStatus | None:
        """The state, or None for a word that is not known here."""
        return MsgStatus.__members__.get(self.text.strip().upper())


class Tag(FrozenAnswer):
    """A tag of followers; `count` is how many have it, as of some time ago."""

    id: Whole
    name: Text
    count: Whole


class Tags(FrozenAnswer):
    """All tags of the account."""

    tags: tuple[Tag, ...]


class RateLimit(FrozenAnswer):
    """So many calls in so many seconds."""

    call_count: Whole
    refresh_second: Whole


class Quota(FrozenAnswer):
    """How often one API may be called, and was. It says nothing of how many mass sends are left."""

    daily_limit: Whole
    used: Whole
    remain: Whole
    rate_limit: RateLimit | None = None

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, answer: Any) -> Any:
        """`{"quota": {…}, "rate_limit": {…}}` on the wire, one object here."""
        if isinstance(answer, Mapping) and isinstance(answer.get("quota"), Mapping):
            return {**answer["quota"], "rate_limit": answer.get("rate_limit") or None}
        return answer
