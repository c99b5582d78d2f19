"""What can happen to a send. Each is one fact, and :func:`qunfa.send.apply.apply` takes it in.

A signal's payload is an event as it is, and so is an effect that takes no time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from qunfa.contract.facts import Ended, Known
from qunfa.contract.grants import Granted, Lease, LedgerLost, Turn
from qunfa.contract.message import Material, Message
from qunfa.contract.operators import Abort, Approve, Choose, MarkSent, Pause, Reject, Reschedule, Resume, Retry
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer, JobFinished, Outcome, Problem
from qunfa.contract.steps import AccountFacts, JobStatus
from qunfa.send.state import Purpose, SendState
from qunfa.send.steps import Drop, Effect, GiveBack, Put, Rebuild, Renew, Submit, Wish

Answering = Abort | Approve | Choose | MarkSent | Pause | Reject | Reschedule | Resume | Retry
"""What a person sends as an update."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request cannot be carried out, for these reasons; nothing of it was submitted."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pinned:
    """The account's configuration was read."""

    facts: AccountFacts


@dataclass(frozen=True, slots=True)
class Inspected:
    """The content is known by its digest; ``material`` where something has to be made."""

    digest: str
    material: Material | None = None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What the key has done, for a send that ends before its content is known; or ``why`` that is not known in time.

    ``first_batch``: of a request that is refused, what the list has done that may have had its key.
    """

    known: Known
    why: str | None = None
    first_batch: Known | None = None


@dataclass(frozen=True, slots=True)
class Wishing:
    """A wish has got its id, and takes the place of the one before."""

    wish: str
    purpose: Purpose
    turn: Turn | None = None
    whose: int | None = None


@dataclass(frozen=True, slots=True)
class WishSent:
    """The account was told of the wish. ``searched``: earlier runs were looked for, and have left ``known``.

    ``came_up_at``: when the first of them was started.
    """

    wish: str
    known: Known = field(default_factory=Known)
    searched: bool = False
    came_up_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A part of the material was made."""

    material: Material


@dataclass(frozen=True, slots=True)
class Made:
    """The message is ready: WeChat has all of it."""

    message: Message


@dataclass(frozen=True, slots=True)
class Obstructed:
    """Something stands against submitting that is no word of WeChat's on a try."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class WasPreviewed:
    """What became of one recipient's preview."""

    done: Previewed

    @property
    def said(self) -> str:
        """As the story tells it."""
        if self.done.sent:
            without = f": shown without {', '.join(self.done.without)}" if self.done.without else ""
            return f"previewed to {self.done.to}{without}"
        if self.done.perhaps:
            return f"perhaps previewed to {self.done.to}: {self.done.errmsg}"
        return f"no preview to {self.done.to}: {self.done.errmsg}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be approved, in lines."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagSeen:
    """The tag is what the request expects."""


@dataclass(frozen=True, slots=True)
class Began:
    """The lease is being used from now on."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the try under way."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody will hear of the try under way any more; ``how`` it was lost."""

    how: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The ledger was told what it lacked, and the end where there was one."""

    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """What ``mass/get`` said in the end; ``None`` where it had no verdict in time. ``detail``: why, in words."""

    msg_id: int
    status: str | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class WechatSaid:
    """What ``mass/get`` said when it was asked once; ``None`` where it could not be asked."""

    msg_id: int
    said: JobStatus | None


@dataclass(frozen=True, slots=True)
class Updated:
    """A person's answer; ``id`` is the update's."""

    id: str
    answer: Answering


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Temporal was asked to cancel the run."""

    reason: str


@dataclass(frozen=True, slots=True)
class Continued:
    """The run goes on as another one: what the account says to the one before is not heard."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The send has come to its end."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class WasReset:
    """The run was reset: the ledger may know more than is left of its history."""


@dataclass(frozen=True, slots=True)
class TimeCame:
    """What was waited for did not come in time."""


Event = (
    Refused | Pinned | Inspected | LookedUp | Wishing | WishSent | Granted | JobFinished | Kept | Made | Obstructed
    | WasPreviewed | Shown | TagSeen | Began | Answered | Lost | GiveBack | Reported | Polled | WechatSaid | Put | Renew
    | Rebuild | Updated | Cancelled | WasReset | LedgerLost | Drop | Continued | Finished | TimeCame
)  # fmt: skip


def at_once(effect: Effect | None, state: SendState, new_id: Callable[[], str]) -> Event | None:
    """The event of an effect that takes no time; ``None`` for one that does. ``new_id`` names a wish."""
    match effect:
        case Wish(purpose, turn, whose):
            return Wishing(new_id(), purpose, turn, whose)
        case Submit(lease) if state.trying is None:
            return Began(lease)
        case Put() | Renew() | Rebuild() | GiveBack() | Drop():
            return effect
        case _:
            return None
