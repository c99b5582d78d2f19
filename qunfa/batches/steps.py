"""What a send in batches may do next, and what can happen to it.

A batch under way is no effect: it is begun, and its end is a message like any other. So answers can be passed on to it
meanwhile.
"""

from dataclasses import dataclass

from qunfa.batches.state import Content, PassedOn, Passing
from qunfa.contract.batches import AudiencePlan, BatchRow, BatchSaid, WasSent
from qunfa.contract.ledger import SendsCounted
from qunfa.contract.message import Material
from qunfa.send.events import Cancelled, Finished, Obstructed, Pinned, Refused, Shown, Updated, WasPreviewed, WasReset
from qunfa.send.steps import AnyStep, End, Inspect, Pin, Show

__all__ = [
    "Cancelled", "End", "Finished", "Inspect", "Obstructed", "Pin", "Pinned", "Refused", "Show", "Shown", "Updated",
    "WasPreviewed", "WasReset",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Join:
    """Have the account's ledger know the key for this content."""


@dataclass(frozen=True, slots=True)
class PlanAudience:
    """Resolve the audience, and put its plan into the store."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Preview to the recipient of this number, after the material was made; each of a split test's messages."""

    number: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin this batch; it takes no time."""

    number: int


@dataclass(frozen=True, slots=True)
class PassOn:
    """Give the batch under way a person's answer."""

    passing: Passing


@dataclass(frozen=True, slots=True)
class Put:
    """Ask a person about this batch, or something else that a question is about; it takes no time."""

    about: int


@dataclass(frozen=True, slots=True)
class LookBack:
    """Find out whether an earlier run has begun this batch, and how it has ended."""

    number: int


@dataclass(frozen=True, slots=True)
class WriteReport:
    """Write the report of so many batches."""

    rows: int


Effect = Pin | Inspect | Join | PlanAudience | Preview | Show | Begin | PassOn | Put | LookBack | WriteReport


@dataclass(frozen=True, slots=True)
class Step(AnyStep[Effect]):
    """One step of a send in batches."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """The content is known by its digest, and so is each of its messages."""

    digest: str
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """The ledger knows the key for this content. ``counted``: the account's sends of this day and month."""

    counted: SendsCounted | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """The audience was resolved."""

    plan: AudiencePlan


@dataclass(frozen=True, slots=True)
class Kept:
    """A part of the material was made, to preview the message of this number."""

    version: int
    material: Material


@dataclass(frozen=True, slots=True)
class Ended:
    """A batch has ended."""

    row: BatchRow


@dataclass(frozen=True, slots=True)
class WasPassed:
    """What the batch has said to a person's answer: nothing where it was taken, else why it does not fit."""

    id: str
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class WasRefused:
    """The batch has refused an answer that ends the whole, for this reason; it is given that again."""

    name: PassedOn
    why: str


@dataclass(frozen=True, slots=True)
class LookedBack:
    """How a batch has ended that an earlier run had begun; ``None`` where nobody has begun it."""

    number: int
    row: BatchRow | None = None


@dataclass(frozen=True, slots=True)
class Unheard:
    """The ledger has not told in time whether an earlier run has submitted this batch, or any after it."""

    number: int


@dataclass(frozen=True, slots=True)
class Reported:
    """The report has so many rows, and stands at ``uri``; none where it could not be written, or there is no plan.

    ``sent``: how many of the openids it calls sent, maybe by an earlier run. ``told``: the rows that only it has.
    """

    rows: int
    uri: str | None = None
    sent: WasSent | None = None
    told: tuple[BatchRow, ...] = ()


Event = (
    Refused | Pinned | Inspected | Joined | Planned | Kept | Obstructed | WasPreviewed | Shown | Begin
    | BatchSaid | Ended | WasPassed | WasRefused | Put | LookedBack | Unheard | Reported | Finished | Updated
    | Cancelled | WasReset
)  # fmt: skip
"""What a batch says is an event as it is, and so is an effect that takes no time."""


def at_once(effect: Effect | None) -> Event | None:
    """The effect as its own event, where it takes no time; else ``None``."""
    return effect if isinstance(effect, Begin | Put) else None
