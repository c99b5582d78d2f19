"""What an endpoint of the API is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qunfa.simulator.calls import Call
from qunfa.simulator.config import QuotaName

if TYPE_CHECKING:
    from qunfa.simulator.world import World


Answer = dict[str, object]


@dataclass(frozen=True)
class Endpoint:
    """One path of the API.

    Attributes:
        path: below the host.
        verb: the only one it takes; another is answered with 43001 or 43002.
        handle: carries out a call and returns the answer's JSON object, or raises `Refusal`.
        quota: name of the daily quota; endpoints may share one.
        with_token: whether calls carry an access token.
        late_quota: whether the handler itself checks the quota, after its other checks.
        media_type: of the answer's header. It is JSON whatever the header says.
    """

    path: str
    verb: Literal["GET", "POST"]
    handle: Callable[[World, Call], Awaitable[Answer]]
    quota: QuotaName
    with_token: bool = True
    late_quota: bool = False
    media_type: str = "application/json; encoding=utf-8"
