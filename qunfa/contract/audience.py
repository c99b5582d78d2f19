"""Who receives a mass send: a closed choice. Nothing here defaults to everybody.

| kind | who | WeChat's jobs |
|---|---|---|
| ``all`` | every follower | one ``mass/sendall`` |
| ``tag`` | the followers under one tag | one ``mass/sendall`` |
| ``openids`` | 2 to 10,000 that are listed | one ``mass/send`` |
| ``openid_file`` | those in a file, up to millions | one ``mass/send`` for each batch |
| ``tags`` | by several tags | the same |
| ``report`` | those whom an earlier send in batches did not reach | the same |
| ``several`` | the sum of these, less others | the same |
| ``batch`` | one batch of a send in batches; Qunfa alone starts such a send | one ``mass/send`` |
"""

from typing import Annotated, Any, Final, Literal, TypeGuard

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from qunfa.contract.fields import RULES, Key, Model, Moment, Openid, Says, Uri, has
from qunfa.contract.message import Material
from qunfa.printable import shown_uri
from qunfa.states import ReportState

OPENIDS_MIN: Final = 2
OPENIDS_MAX: Final = 10_000
"""WeChat's bounds for the list of ``mass/send`` (40130 below, 40032 above)."""
TAGS_MAX: Final = 100
PARTS_MAX: Final = 20


def _without_duplicates(openids: tuple[str, ...]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(openids))
    if not OPENIDS_MIN <= len(distinct) <= OPENIDS_MAX:
        raise ValueError(
            f"must hold 2 to 10,000 different openids, got {len(distinct)} (WeChat refuses fewer and more)"
        )
    return distinct


TagId = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Sha256 = Annotated[str, Field(strict=True), StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TagIds = Annotated[tuple[TagId, ...], Field(max_length=TAGS_MAX)]


class All(Model):
    """Every follower of the account."""

    kind: Literal["all"]
    """Every follower: nothing but this word means so."""


class TagExpectation(Model):
    """What the tag must look like right before submission; otherwise a person is asked."""

    name: Annotated[str, Field(strict=True, min_length=1, max_length=64)] | None = None
    """The tag's name."""
    max: Annotated[int, Field(strict=True, ge=1)] | None = None
    """The most followers that it may have."""


class Tag(Model):
    """The followers under one tag of the account."""

    kind: Literal["tag"]
    """The followers under one tag."""
    tag_id: TagId
    """WeChat's id of the tag."""
    expect: TagExpectation | None = None
    """What the tag must look like before each submission; without it, it is not looked at.

    It is refused in a sum of audiences.
    """


class Openids(Model):
    """An explicit list; duplicates are removed, order is kept. WeChat allows it for verified service accounts only."""

    kind: Literal["openids"]
    """The followers that are listed."""
    openids: Annotated[tuple[Openid, ...], AfterValidator(_without_duplicates), Says({"minItems": OPENIDS_MIN})]
    """From 2 to 10,000 different ones."""


class OpenidFile(Model):
    """A file of openids: text with one a line, CSV or Parquet; plain, or compressed by gzip or zstd."""

    kind: Literal["openid_file"]
    """The followers in a file."""
    uri: Uri
    """Where the file is: `file:`, `https:` or `s3:`. Workers read it, where their `[media]` allows."""
    sha256: Sha256 | None = None
    """The SHA-256 of the file as it stands there, in hexadecimal digits; a file with another one is refused."""
    column: Annotated[str, Field(strict=True, min_length=1, max_length=128)] | None = None
    """The column of a CSV or Parquet file that has the openids. Text with one openid a line has none."""
    on_bad_line: Literal["refuse", "drop"] = "refuse"
    """`refuse`: one line that is no openid refuses the file. `drop`: such lines are left out, and counted."""


_SOME: Final[dict[str, Any]] = {"not": {"type": "array", "maxItems": 0}}
_NOTHING_EXPECTED: Final[dict[str, Any]] = {"not": {"type": "array", "contains": has("expect")}}


class Tags(Model):
    """The followers under several tags, as WeChat lists them when the send is planned."""

    kind: Literal["tags"]
    """The followers by several tags."""
    any: TagIds = ()
    """They have at least one of these; empty asks for none."""
    all: TagIds = ()
    """They have all of these."""
    none: TagIds = ()
    """They have none of these."""

    model_config = ConfigDict(json_schema_extra={RULES: [{"if": has("any", _SOME), "else": has("all", _SOME)}]})

    @model_validator(mode="after")
    def _somebody(self) -> "Tags":
        if not self.any and not self.all:
            raise ValueError("must name a tag in any or all: none alone says nothing of who receives it")
        return self


class Unreached(Model):
    """The followers whom an earlier send in batches did not reach, by its report."""

    kind: Literal["report"]
    """The followers in the report of an earlier send in batches."""
    key: Key
    """The key of that send, which has ended, of the same account."""
    states: Annotated[tuple[Literal["not_submitted", "failed"], ...], Field(min_length=1)] = ("not_submitted",)
    """`not_submitted`: never tried. `failed`: WeChat has said that nothing of their batch was delivered."""


Part = Annotated[All | Tag | Openids | OpenidFile | Tags | Unreached, Field(discriminator="kind")]


class Several(Model):
    """The sum of some audiences, less others."""

    kind: Literal["several"]
    """The sum of some audiences, less others."""
    of: Annotated[tuple[Part, ...], Field(min_length=1, max_length=PARTS_MAX)]
    """Who receives it: everybody in one of these."""
    minus: Annotated[tuple[Part, ...], Field(max_length=PARTS_MAX)] = ()
    """Except everybody in one of these."""

    model_config = ConfigDict(
        json_schema_extra={RULES: [{"properties": {"of": _NOTHING_EXPECTED, "minus": _NOTHING_EXPECTED}}]}
    )

    @model_validator(mode="after")
    def _nothing_expected(self) -> "Several":
        if any(isinstance(part, Tag) and part.expect for part in (*self.of, *self.minus)):
            raise ValueError("must hold tags without expect: a tag is looked at only where it is the whole audience")
        return self


class Batch(Model):
    """One batch of a send in batches. Qunfa alone starts such a send: it is refused from anybody else."""

    kind: Literal["batch"]
    """One batch of a send in batches."""
    key: Key
    """The key of the send in batches."""
    plan: Sha256
    """The digest of its plan, which has the digest of each batch."""
    number: Annotated[int, Field(strict=True, ge=1)]
    """Its number, from 1."""
    of: Annotated[int, Field(strict=True, ge=1)]
    """How many batches the plan has."""
    openids: Annotated[int, Field(strict=True, ge=OPENIDS_MIN, le=OPENIDS_MAX)]
    """How many openids it has."""
    material: SkipJsonSchema[Material | None] = None
    """What the send in batches has found at the sources of the message: each batch sends that, or asks."""
    started_at: SkipJsonSchema[Moment | None] = None
    """When the send in batches was started; or its audience planned, where that was earlier."""
    appid: SkipJsonSchema[Annotated[str, Field(strict=True)] | None] = None
    """The account that the send in batches has pinned, whatever its name stands for by now."""
    base_url: SkipJsonSchema[Annotated[str, Field(strict=True)] | None] = None
    """Where WeChat was for it: so no batch of a rehearsal goes to real followers."""
    retried: SkipJsonSchema[bool] = False
    """Whether a person has had it begun once more. Else it stays ended where somebody has aborted it before."""


Share = Annotated[int, Field(strict=True, ge=1, le=99)]
Version = Literal["a", "b"]
"""One of the two messages of a split test."""
Group = Literal["a", "b", "rest"]
"""Who gets which: groups `a` and `b` their own message, the rest the one that a person chooses."""


class Split(Model):
    """A split test: two small groups get a message each, and the rest gets the one that a person chooses then.

    Who is in which group follows from the openid and the key of the send. So it is the same whoever plans it.
    """

    a: Share
    """The share of group a, in percent: it gets `message`."""
    b: Share
    """The share of group b, in percent: it gets `message_b`."""
    rest: Literal["winner"] = "winner"
    """The rest gets the message that a person chooses, once both groups were sent."""

    @model_validator(mode="after")
    def _no_more_than_all(self) -> "Split":
        if self.a + self.b > 100:  # noqa: PLR2004  percent
            raise ValueError(f"a and b must not be more than 100 together, got {self.a + self.b}")
        return self


Long = OpenidFile | Tags | Unreached | Several
"""Audiences that are resolved into batches."""
AnyAudience = All | Tag | Openids | OpenidFile | Tags | Unreached | Several | Batch
Audience = Annotated[AnyAudience, Field(discriminator="kind")]


def is_long(audience: AnyAudience) -> TypeGuard[Long]:
    """Whether the audience is resolved into batches, each of which is a send of its own."""
    return isinstance(audience, OpenidFile | Tags | Unreached | Several)


def states_of(report: Unreached, *, is_left_out: bool) -> tuple[ReportState, ...]:
    """Whose people are meant. A part of ``minus`` also leaves out whom the report calls `unknown`."""
    return (*report.states, "unknown") if is_left_out else report.states


def describe(audience: AnyAudience, *, is_left_out: bool = False) -> str:
    """The audience in a few words for people; ``is_left_out``: it is a part of ``minus``."""
    match audience:
        case All():
            return "all followers"
        case Tag(tag_id=tag_id, expect=expect):
            return f"tag {tag_id}" + (f" ({expect.name})" if expect and expect.name else "")
        case Openids(openids=openids):
            return f"{len(openids):,} openids"
        case OpenidFile(uri=uri):
            return f"the openids in {shown_uri(uri)}"
        case Tags():
            return f"followers with {_tagged(audience)}"
        case Unreached(key=key):
            return f"those of {key} that are {' or '.join(states_of(audience, is_left_out=is_left_out))}"
        case Several(of=of, minus=minus):
            sum_ = " and ".join(describe(one) for one in of)
            less = " and ".join(describe(one, is_left_out=True) for one in minus)
            return sum_ + (f", without {less}" if minus else "")
        case Batch():
            return f"batch {audience.number:,} of {audience.of:,} of {audience.key}: {audience.openids:,} openids"


def _tagged(audience: Tags) -> str:
    chosen = (("any", audience.any), ("all", audience.all), ("none", audience.none))
    return ", ".join(f"{how} of tags {', '.join(map(str, tags))}" for how, tags in chosen if tags)
