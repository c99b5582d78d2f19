"""Field types that several contract models share, and the model they all derive from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WithJsonSchema,
    model_serializer,
)

from qunfa.contract.ids import ACCOUNT_NAME_PATTERN, KEY_PATTERN
from qunfa.printable import has_userinfo, strange


class Model(BaseModel):
    """Frozen, and closed: a field that is not declared is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Stored(BaseModel):
    """Frozen, and open: what Qunfa itself wrote into a history, perhaps by a newer version."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Entire(Stored):
    """What a worker carries out only where it knows each of its fields: one of a newer version may say whom to spare.

    A field that has its default is not written, in all that it has. So an older worker can read the rest. No default
    may change.
    """

    model_config = ConfigDict(extra="forbid")

    @model_serializer(mode="wrap")
    def _without_defaults(self, whole: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        if info.exclude_defaults:
            told: dict[str, Any] = whole(self)
            return told
        options: dict[str, Any] = {"mode": info.mode, "include": info.include, "exclude": info.exclude}
        return self.model_dump(**options, exclude_defaults=True)


READS: Final = 1
"""What this version can read of what is :class:`Carried`: one more with each field that no older worker may lose."""


class NewerError(Exception):
    """What was read is of a version that knows more than this one, which would lose that by writing it anew."""


def _read_here(number: int) -> int:
    """As it is written anew. No ValueError: what cannot be read counts in some places as a stranger's."""
    if number > READS:
        raise NewerError("this was written by a newer version, and would lose something here")
    return READS


class Carried(Stored):
    """What a worker reads, and writes anew: for the next run of a workflow, or into the store; and a plan in the store.

    An older worker would leave out a field that it does not know, and the next one would miss it. ``reads`` says who
    may read: with a higher number than its own :data:`READS`, a worker raises :exc:`NewerError`. So the workflow task
    fails, or the store counts as unavailable, until a newer worker comes. What has no number counts as 1.
    """

    reads: Annotated[int, AfterValidator(_read_here)] = READS


MSG_ID_MAX: Final = 2**63 - 1
NUMBER_MAX: Final = 10**6
GENERATIONS_MAX: Final = 100
"""How often a key is submitted: a ``clientmsgid`` has two digits for it."""
HOUR: Final = timedelta(hours=1)
YEAR: Final = timedelta(days=366)
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TO: Final = datetime(3000, 1, 1, tzinfo=UTC)


_RFC_3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?.*")


def _only_rfc_3339(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError("must be an RFC 3339 time with an offset, such as 2026-12-01T09:00:00+08:00")


def _within_reach(value: datetime) -> datetime:
    """Python's times end in year 9999: at the edge, the next day or another offset is an error."""
    if EARLIEST <= value < _TO:
        return value
    raise ValueError("must lie between the years 1970 and 3000")


def _only_duration(value: Any) -> Any:
    if isinstance(value, str | timedelta | int | float) and not isinstance(value, bool):
        return value
    raise ValueError("must be an ISO 8601 duration such as PT45M, or a number of seconds")


def _only_flag(value: Any) -> Any:
    if value is True or value is False or (isinstance(value, int) and value in {0, 1}):
        return bool(value)
    raise ValueError("must be true or false (1 or 0)")


def _longer(least: timedelta, said: str) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if least <= value <= YEAR:
            return value
        raise ValueError(f"must be {said} and at most a year")

    return AfterValidator(check)


def _not_blank(value: str) -> str:
    if value.strip():
        return value
    raise ValueError("must not be blank")


def _unicode(value: str) -> str:
    """JSON can spell half a surrogate pair; no protocol can carry it."""
    if value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value):
        return value
    raise ValueError("is not valid Unicode text")


def _readable(value: str) -> str:
    if codes := strange(value):
        raise ValueError(f"holds characters that no text has ({codes}): was it read in the right encoding?")
    return value


def _no_whitespace(value: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError(f"must not hold white space or control characters: {value[:80]!r}")
    return value


def without_userinfo(value: str) -> str:
    """The URI; raises ValueError where it carries a user name or a password."""
    if has_userinfo(value):
        raise ValueError("carries a user name or password. Use a URI without: it is recorded")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Says:
    """What the JSON Schema says of a value that a validator checks, which pydantic does not see.

    It is compared by identity: Python 3.11 and 3.12 hash the parts of a union, and a mapping has no hash.
    """

    more: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core_schema), **self.more}


RULES: Final = "x-rules"
"""In a model's schema: schemas of what its fields say of each other."""
_THERE: Final = {"not": {"type": "null"}}


def has(field: str, value: Mapping[str, Any] = _THERE) -> dict[str, Any]:
    """The schema of an object that has the field, and it is no null, or as ``value`` says."""
    return {"type": "object", "properties": {field: dict(value)}, "required": [field]}


def one_of(first: str, second: str) -> dict[str, Any]:
    """The schema of an object that has one of both fields."""
    there = {"required": [second], "properties": {second: _THERE}}
    return {**without(second, first), "else": there}


def without(field: str, other: str) -> dict[str, Any]:
    """The schema of an object that does not have the field, if it has the other one."""
    return {"if": has(other), "then": {"properties": {field: {"type": "null"}}}}


_NO_TEXT: Final = r"\x00-\x08\x0b\x0e-\x1f"
_WORDS: Final = rf"^[^{_NO_TEXT}]*$"
_TEXT: Final = rf"^[^{_NO_TEXT}]*[^{_NO_TEXT}\s][^{_NO_TEXT}]*$"
_NOT_BLANK: Final = Says({"minLength": 1, "pattern": r"\S"})
_OPENID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,128}$"

_FLAG_SCHEMA: Final = {"anyOf": [{"type": "boolean"}, {"type": "integer", "enum": [0, 1]}]}


def _duration(least: Mapping[str, int]) -> WithJsonSchema:
    seconds = {"type": "number", **least, "maximum": YEAR.total_seconds()}
    said = "ISO 8601 (PT45M) or seconds"
    return WithJsonSchema({"anyOf": [{"type": "string", "format": "duration"}, seconds], "description": said})


AccountName = Annotated[str, Field(strict=True), StringConstraints(pattern=ACCOUNT_NAME_PATTERN)]
"""The name under which the workers know an account."""
Key = Annotated[str, Field(strict=True), StringConstraints(pattern=KEY_PATTERN)]
"""A caller's idempotency key."""
Words = Annotated[
    str, Field(strict=True), AfterValidator(_unicode), AfterValidator(_readable), Says({"pattern": _WORDS})
]
"""What WeChat shows to people; it may be empty."""
Text = Annotated[Words, AfterValidator(_not_blank), Says({"minLength": 1, "pattern": _TEXT})]
Flag = Annotated[bool, BeforeValidator(_only_flag), WithJsonSchema(_FLAG_SCHEMA)]
"""``true``/``false``, or WeChat's 1/0."""
Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
"""A time with an offset, of which every rule can reckon."""
Time = Annotated[Moment, BeforeValidator(_only_rfc_3339)]
"""An RFC 3339 time with an offset."""
Duration = Annotated[
    timedelta,
    BeforeValidator(_only_duration),
    _longer(timedelta.resolution, "longer than nothing"),
    _duration({"exclusiveMinimum": 0}),
]
SecondsOrMore = Annotated[Duration, _longer(timedelta(seconds=1), "at least a second"), _duration({"minimum": 1})]
Openid = Annotated[
    str,
    Field(strict=True),
    AfterValidator(_no_whitespace),
    StringConstraints(pattern=_OPENID_PATTERN),
    Says({"pattern": _OPENID_PATTERN}),
]
Uri = Annotated[str, Field(strict=True, min_length=1, max_length=2048), AfterValidator(without_userinfo)]
MediaId = Annotated[
    str,
    Field(strict=True),
    StringConstraints(min_length=1, max_length=256),
    AfterValidator(_no_whitespace),
    Says({"pattern": r"^\S+$"}),
]
MsgId = Annotated[int, Field(strict=True, ge=1, le=MSG_ID_MAX)]
"""WeChat's 64-bit id of a mass-send job."""
Id64 = Annotated[int, Field(ge=-MSG_ID_MAX, le=MSG_ID_MAX)]
"""An id as WeChat gave it, in what is stored: of 64 bits, so that any number of them can be reckoned with."""
Generation = Annotated[int, Field(ge=0, lt=GENERATIONS_MAX)]
Number = Annotated[int, Field(ge=1, le=NUMBER_MAX)]
"""Of a try, or of a wish."""
Name = Annotated[str, Field(strict=True), StringConstraints(max_length=128), AfterValidator(_not_blank), _NOT_BLANK]
"""A person or system, as it calls itself."""
REASON_MAX: Final = 1000
"""Characters of a reason."""
Reason = Annotated[
    str, Field(strict=True), StringConstraints(max_length=REASON_MAX), AfterValidator(_not_blank), _NOT_BLANK
]
