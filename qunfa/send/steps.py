"""What a send may do next: an effect, or none, until a time. Steps hold times that follow from facts, and never now.

Two equal steps are one: what is under way for a step goes on for as long as the plan is the same.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from qunfa.contract.facts import Ended
from qunfa.contract.grants import Lease, Turn
from qunfa.contract.operators import Held, Phase
from qunfa.contract.result import Outcome, Problem
from qunfa.send.state import Purpose


@dataclass(frozen=True, slots=True)
class Pin:
    """Read the account's configuration."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Look at the sources of the message, and take its digest."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find out what the key has done, for a send that ends before its content is known."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Make a wish: for a ``turn``, or for what the ledger knows."""

    purpose: Purpose
    turn: Turn | None = None
    whose: int | None = None


@dataclass(frozen=True, slots=True)
class SendWish:
    """Tell the account of the wish, after a look at the earlier runs where there was none.

    ``ends``: the send ends, and does not wait for ever until Temporal can tell of those.
    """

    wish: str
    search: bool
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Make:
    """Make the material: uploads, a draft, a converted video, all of them fresh until then."""

    until: datetime = field(compare=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """Preview to the recipient of this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Show:
    """Write down what will go out to whom, for the person who approves; ``told``: what follows from the key's facts."""

    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LookAtTag:
    """See whether the tag is what the request expects."""


@dataclass(frozen=True, slots=True)
class Submit:
    """The one HTTP call of the lease. It is never cancelled."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Return a lease that is not used; it takes no time, and the account is told by a :class:`Report`."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the ledger what it lacks, and the end where there is one."""

    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask ``mass/get`` until it has a verdict, or ``until`` has come."""

    msg_id: int
    until: datetime


@dataclass(frozen=True, slots=True)
class AskWechat:
    """Ask ``mass/get`` once."""

    msg_id: int


@dataclass(frozen=True, slots=True)
class Put:
    """Put the problem to a person; it takes no time."""

    problem: str
    generation: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Open the next generation under a ``clientmsgid`` of its own; it takes no time."""

    generation: int
    opens: str


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Have the material made anew, which WeChat no longer knows; it takes no time."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Refuse a person's answer that cannot be checked, since the account is silent; it takes no time."""

    update: str


Effect = (
    Pin | Inspect | LookUp | Wish | SendWish | Make | Preview | Show | LookAtTag | Submit | GiveBack | Report | Poll
    | AskWechat | Put | Renew | Rebuild | Drop
)  # fmt: skip


EffectT = TypeVar("EffectT")


@dataclass(frozen=True, slots=True)
class AnyStep(Generic[EffectT]):
    """One step of any send, in batches or not: what is shown, what is done, and what is waited for until when at most.

    ``look_at``: when the plan is looked at again before that. ``ends``: before the end. ``awaits_answer``: to the open
    wish, which keeps its place. ``held``: what holds the send back that is no problem of its own; it is found by this
    as by a problem.
    """

    phase: Phase
    effect: EffectT | None = None
    why: str = ""
    until: datetime | None = None
    problem: Problem | None = None
    ends: bool = False
    awaits_answer: bool = False
    held: Held | None = None
    look_at: datetime | None = None

    @property
    def wakes_at(self) -> datetime | None:
        """When the send goes on if nothing happens."""
        return self.look_at or self.until


@dataclass(frozen=True, slots=True)
class Step(AnyStep[Effect]):
    """One step of a send that is not in batches."""


@dataclass(frozen=True, slots=True)
class End:
    """The send is over. ``refused``: its request cannot be carried out, with a sentence for each reason."""

    outcome: Outcome
    problem: Problem | None = None
    refused: tuple[str, ...] = ()
