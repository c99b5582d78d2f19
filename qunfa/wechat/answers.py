"""What the API answers, as far as mass sends need it. Unknown fields are ignored: WeChat adds some now and then."""

from collections.abc import Mapping
from datetime import UTC, datetime
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
_SECONDS: Final = TypeAdapter[int](Annotated[Whole, Field(ge=1)])


def known_msg_id(value: object) -> int | None:
    """The msg_id that an answer carries, or None where it has none that can be one."""
    try:
        return _MSG_ID.validate_python(value)
    except ValidationError:
        return None


def _moment(value: object) -> datetime | None:
    """WeChat's whole seconds since 1970 as a time; None where they are none, which takes nothing from the rest."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromtimestamp(_SECONDS.validate_python(value), UTC)
    except (ValidationError, OverflowError, OSError, ValueError):
        return None


def _text(value: object) -> str:
    """Text, or none where WeChat has null or something else."""
    return _clean(value) if isinstance(value, str) else ""


Moment = Annotated[datetime | None, BeforeValidator(_moment)]
MediaId = Annotated[Text, Field(min_length=1)]
OptionalText = Annotated[str, BeforeValidator(_text)]


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


class Followers(FrozenAnswer):
    """The first page of an account's followers, of which only their number is read."""

    total: Whole


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


class Uploaded(FrozenAnswer):
    """Temporary material: its media_id, which lives for three days from `created_at` (None where it is missing)."""

    media_id: MediaId
    created_at: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _thumb(cls, answer: Any) -> Any:
        """A thumb's id stands in `thumb_media_id`."""
        return _media_id(answer)


class Material(FrozenAnswer):
    """Permanent material; `url` is there for images only."""

    media_id: MediaId
    url: Annotated[Text | None, BeforeValidator(lambda value: value or None)] = None

    @model_validator(mode="before")
    @classmethod
    def _thumb(cls, answer: Any) -> Any:
        """As for `Uploaded`."""
        return _media_id(answer)


class Picture(FrozenAnswer):
    """A picture for an article's content."""

    url: Annotated[Text, Field(pattern=r"^https?://\S+$")]


class DraftAdded(FrozenAnswer):
    """A draft that was made."""

    media_id: MediaId


class DraftedArticle(FrozenAnswer):
    """An article as it stands in its draft: `content` is what WeChat has left of it, `url` a preview's link."""

    title: Text
    content: Text
    author: OptionalText = ""
    digest: OptionalText = ""
    content_source_url: OptionalText = ""
    thumb_media_id: OptionalText = ""
    thumb_url: OptionalText = ""
    url: OptionalText = ""


class Draft(FrozenAnswer):
    """A draft: its articles in order."""

    articles: tuple[DraftedArticle, ...] = Field(alias="news_item", min_length=1)
    create_time: Moment = None
    update_time: Moment = None


class Previewed(FrozenAnswer):
    """A preview is out; `msg_id` is there at times, and is no job's that `mass/get` would know."""

    msg_id: Annotated[int | None, BeforeValidator(known_msg_id)] = None


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
    """What WeChat sees of the callback's host."""

    dns: tuple[CallbackDns, ...] = ()
    ping: tuple[CallbackPing, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, answer: Any) -> Any:
        """One of the two may be missing, where only the other was asked for."""
        if isinstance(answer, Mapping) and not answer.keys() & {"dns", "ping"}:
            raise ValueError("the answer has neither dns nor ping")
        return answer


class Addresses(FrozenAnswer):
    """Addresses, some of them as networks (`a.b.c.d/26`)."""

    ip_list: tuple[Text, ...]


def done(answer: Mapping[str, Any]) -> None:
    """Read an answer that says nothing but that it is done.

    Raises:
        ValueError: it does not say so; an errcode that is there is 0 here.
    """
    if "errcode" not in answer:
        raise ValueError("the answer has no errcode")


def _media_id(answer: Any) -> Any:
    if isinstance(answer, Mapping) and not answer.get("media_id"):
        return {**answer, "media_id": answer.get("thumb_media_id")}
    return answer
