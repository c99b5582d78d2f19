"""What the API answers, as far as mass sends need it. Unknown fields are ignored: WeChat adds some now and then."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic import TypeAdapter as Adapter

MSG_ID_MAX: Final = 2**63 - 1
JOB_STATES: Final = frozenset({"SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"})
"""The states of a job that WeChat's page names."""


def _whole(value: Any) -> Any:
    """Numbers may come as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _clean(value: Any) -> Any:
    """JSON may carry lone surrogates, which no UTF-8 can."""
    return value.encode("utf-8", errors="replace").decode("utf-8") if isinstance(value, str) else value


def _job_state(text: str) -> str:
    """A known state as WeChat's page spells it. Another word stays as it is."""
    known = text.strip().upper()
    return known if known in JOB_STATES else text


Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
MsgId = Annotated[Whole, Field(ge=1, le=MSG_ID_MAX)]
Text = Annotated[str, BeforeValidator(_clean)]
OptionalText = Annotated[str, BeforeValidator(lambda value: _clean(value) if isinstance(value, str) else "")]

_MSG_ID: Final = Adapter[int](MsgId)


def known_msg_id(value: object) -> int | None:
    """The msg_id that an answer carries; None where it has none, or one that cannot be."""
    try:
        return _MSG_ID.validate_python(value)
    except ValidationError:
        return None


OptionalMsgId = Annotated[int | None, BeforeValidator(known_msg_id)]


class FrozenAnswer(BaseModel):
    """An answer, or a part of one. Its errors do not quote what came in."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Submitted(FrozenAnswer):
    """WeChat has accepted the job `msg_id`. `msg_data_id` names the message's data."""

    msg_id: MsgId
    msg_data_id: OptionalMsgId = None


class JobStatus(FrozenAnswer):
    """The state of the job `msg_id`."""

    msg_id: MsgId
    msg_status: Annotated[Text, Field(min_length=1), AfterValidator(_job_state)]


class Tag(FrozenAnswer):
    """A tag of followers; `count` is how many have it, as of some time ago."""

    id: Whole
    name: Text
    count: Whole


class Tags(FrozenAnswer):
    """All tags of the account."""

    tags: tuple[Tag, ...]


class Followers(FrozenAnswer):
    """The first page of an account's followers, of which only their number is read."""

    total: Whole


class OpenidPage(FrozenAnswer):
    """Some openids of a list, and after which of them it goes on: empty where nothing more comes."""

    openids: tuple[Text, ...] = ()
    next_openid: OptionalText = ""

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, answer: Any) -> Any:
        """`{"count": 2, "data": {"openid": […]}, "next_openid": "…"}` on the wire. At the end `data` may be missing."""
        if "count" not in answer:
            raise ValueError("the answer has no count")
        data = answer.get("data") or {}
        openids = (data.get("openid") if isinstance(data, Mapping) else None) or ()
        if isinstance(openids, str) or len(openids) != _whole(answer["count"]):
            raise ValueError("the answer has not as many openids as it counts")
        return {"openids": openids, "next_openid": answer.get("next_openid")}


class RateLimit(FrozenAnswer):
    """So many calls in so many seconds."""

    call_count: Whole
    refresh_second: Whole


class Quota(FrozenAnswer):
    """How often one API may be called, and was. It does not say how many mass sends are left."""

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


class Made(FrozenAnswer):
    """What was uploaded or made. Of a thumb the id stands in `thumb_media_id`."""

    media_id: Annotated[Text, Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _thumb(cls, answer: Any) -> Any:
        return {"media_id": answer.get("media_id") or answer.get("thumb_media_id")}


class Picture(FrozenAnswer):
    """A picture for an article's content."""

    url: Annotated[Text, Field(pattern=r"^https?://\S+$")]


class DraftedArticle(FrozenAnswer):
    """What WeChat has kept of an article."""

    content: Text


class Draft(FrozenAnswer):
    """A draft: its articles in order."""

    news_item: Annotated[tuple[DraftedArticle, ...], Field(min_length=1)]


class Previewed(FrozenAnswer):
    """A preview is out. `msg_id` is there at times; `mass/get` does not know it."""

    msg_id: OptionalMsgId = None


class Speed(FrozenAnswer):
    """How fast the account's mass sends go: `speed` from 0, the fastest, to 4; `realspeed` in 10,000 a minute."""

    speed: Whole
    realspeed: Whole


class CallbackDns(FrozenAnswer):
    """An address that WeChat finds for the callback's host."""

    ip: Text
    real_operator: OptionalText = ""


class CallbackPing(FrozenAnswer):
    """How that address answers; `package_loss` and `time` as WeChat writes them (`0%`, `23.079ms`)."""

    ip: Text
    from_operator: OptionalText = ""
    package_loss: OptionalText = ""
    time: OptionalText = ""


class CallbackCheck(FrozenAnswer):
    """What WeChat sees of the callback's host. One of the two may be missing."""

    dns: tuple[CallbackDns, ...] = ()
    ping: tuple[CallbackPing, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, answer: Any) -> Any:
        if not answer.keys() & {"dns", "ping"}:
            raise ValueError("the answer has neither dns nor ping")
        return answer


def done(answer: Mapping[str, Any]) -> None:
    """Read an answer that only says that it is done: its errcode is 0 here.

    Raises:
        ValueError: it has no errcode.
    """
    if "errcode" not in answer:
        raise ValueError("the answer has no errcode")
