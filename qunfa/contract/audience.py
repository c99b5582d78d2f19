"""Who receives a mass send: a closed choice. Nothing here defaults to everybody."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from qunfa.contract.fields import Model, Openid

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
