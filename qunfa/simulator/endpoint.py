"""What an endpoint of the API is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qunfa.simulator.calls import Call
from qunfa.simulator.limits import QuotaName
from qunfa.simulator.plans import Stage

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
        stages: when faults can strike that are only for some endpoints: `upload` where it takes a file, `articles`
            where it takes articles, `lifetime` where it makes a media_id.
        media_type: of the answer's header. It is JSON whatever the header says.
    """

    path: str
    verb: Literal["GET", "POST"]
    handle: Callable[[World, Call], Awaitable[Answer]]
    quota: QuotaName
    with_token: bool = True
    late_quota: bool = False
    stages: tuple[Stage, ...] = ()
    media_type: str = "application/json; encoding=utf-8"

    @property
    def takes_file(self) -> bool:
        """Whether its body is a multipart form with a file."""
        return "upload" in self.stages

    def has(self, stage: Stage) -> bool:
        """Whether faults of that stage can strike here."""
        return stage in self.stages or stage in {"before", "after"}
