"""What the key of a request stands for, as far as the request itself says it.

The table of :mod:`qunfa.rules.digest` tells what counts. What stands at a URI counts, too; only workers read that.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from qunfa.contract.audience import Audience
from qunfa.contract.message import PICTURE
from qunfa.contract.request import MassSendRequest

CONTENT: Final = ("audience", "message", "message_b", "split")
"""The fields of a request that its key stands for."""

NOT_COUNTED: Final = ("material", "started_at", "appid", "base_url", "retried")
"""What a batch has of its whole, beside whom it goes to."""

_PARTS: Final = ("audience.of", "audience.minus")


class Differing(NamedTuple):
    """In what two requests differ."""

    fields: tuple[str, ...]
    """The fields of the content that differ; none where both send the same to the same."""
    in_uris: bool
    """Whether they may be the same all the same: nothing but URIs differs, and the same may stand there."""


def counted(audience: Audience) -> dict[str, Any]:
    """The audience, with what counts alone."""
    return in_order(audience.model_dump(exclude={"expect", *NOT_COUNTED}))


def in_order(audience: dict[str, Any]) -> dict[str, Any]:
    """An audience as an object, whose lists are sets: each is in one order, with nothing in it twice."""
    return {name: _as_set(value) if isinstance(value, list | tuple) else value for name, value in audience.items()}


def _as_set(values: Sequence[Any]) -> list[Any]:
    if not all(isinstance(one, dict) for one in values):
        return sorted(set(values))
    parts = {json.dumps(one, sort_keys=True): one for one in map(in_order, values)}
    return [parts[text] for text in sorted(parts)]


def differing(one: MassSendRequest, other: MassSendRequest) -> Differing:
    ours, theirs = _content(one), _content(other)
    fields = tuple(name for name in CONTENT if ours[name] != theirs[name])
    return Differing(fields, bool(fields) and all(_may_be(ours[name], theirs[name], name) for name in fields))


def _content(request: MassSendRequest) -> dict[str, Any]:
    return {**request.model_dump(include=set(CONTENT)), "audience": counted(request.audience)}


def _may_be(ours: Any, theirs: Any, place: str) -> bool:
    """Whether both may be the same, once somebody reads what stands at their URIs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_may_be(ours[key], theirs[key], f"{place}.{key}") for key in ours)
    if isinstance(ours, list) and place in _PARTS:
        beside = [(one, theirs) for one in ours] + [(one, ours) for one in theirs]
        return all(any(_may_be(one, two, place) for two in others) for one, others in beside)
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        pairs = zip(ours, theirs, strict=False)
        return len(ours) == len(theirs) and all(_may_be(one, two, place) for one, two in pairs)
    if place.endswith(".uri") or (place.endswith(".sha256") and None in {ours, theirs}):
        return True
    if place.endswith(".articles.content"):
        return PICTURE.sub("", ours) == PICTURE.sub("", theirs)
    return bool(ours == theirs)
