"""What the key of a request stands for, as far as the request itself says it.

| counts | does not count |
|---|---|
| the audience: its kind, the tag, the *set* of openids | the order of openids, what is expected of the tag |
| the message, and in a split test the second one and the shares | all other fields |

What stands at a URI counts, and not the URI; but only workers read it.
"""

from typing import Any, Final, NamedTuple

from qunfa.contract.audience import Audience, Several
from qunfa.contract.message import PICTURE
from qunfa.contract.request import MassSendRequest

CONTENT: Final = ("audience", "message", "message_b", "split")
"""The fields of a request that its key stands for."""

NOT_COUNTED: Final = ("material", "started_at", "appid", "base_url", "retried")
"""What a batch has of its whole, beside whom it goes to."""


class Differing(NamedTuple):
    """In what two requests differ."""

    fields: tuple[str, ...]
    """The fields of the content that differ; none where both send the same to the same."""
    in_uris: bool
    """Whether they may be the same all the same: nothing but URIs differs, and the same may stand there."""


def counted(audience: Audience) -> dict[str, Any]:
    """The audience, with what counts alone."""
    counts = audience.model_dump(exclude={"expect", *NOT_COUNTED})
    parts = (*counts["of"], *counts["minus"]) if isinstance(audience, Several) else (counts,)
    for part in parts:
        if part["kind"] == "openids":
            part["openids"] = sorted(part["openids"])
    return counts


def differing(one: MassSendRequest, other: MassSendRequest) -> Differing:
    """In what the content of a request differs from that of another one."""
    ours, theirs = _content(one), _content(other)
    fields = tuple(name for name in CONTENT if ours[name] != theirs[name])
    return Differing(fields, bool(fields) and all(_may_be(ours[name], theirs[name], name) for name in fields))


def _content(request: MassSendRequest) -> dict[str, Any]:
    return {**request.model_dump(include=set(CONTENT)), "audience": counted(request.audience)}


def _may_be(ours: Any, theirs: Any, place: str) -> bool:
    """Whether both may be the same, once somebody reads what stands at their URIs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_may_be(ours[key], theirs[key], f"{place}.{key}") for key in ours)
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        pairs = zip(ours, theirs, strict=False)
        return len(ours) == len(theirs) and all(_may_be(one, two, place) for one, two in pairs)
    if place.endswith(".uri") or (place.endswith(".sha256") and None in {ours, theirs}):
        return True
    if place.endswith(".articles.content"):
        return PICTURE.sub("", ours) == PICTURE.sub("", theirs)
    return bool(ours == theirs)
