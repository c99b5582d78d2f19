"""A send in batches: its plan, its activities, and its report.

| where | what |
|---|---|
| ``[store]`` | the snapshot (all openids), the plan with each batch's place and digest, the report |
| a history | the :class:`AudiencePlan`, and one row for each batch: no openid |

The snapshot is sorted and has each openid once. So the same audience has the same plan, wherever it is made.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from qunfa import states
from qunfa.contract.audience import OPENIDS_MAX, OPENIDS_MIN, Audience, Group, Long, Openids, Split, Tag, Version
from qunfa.contract.fields import Moment, Stored
from qunfa.contract.ledger import LIFE
from qunfa.contract.operators import Held
from qunfa.contract.result import COMPLETES, Counts, JobStateName, Outcome, Problem
from qunfa.contract.steps import Pinned

PLAN_AUDIENCE: Final = "plan_audience"
ANSWER_BATCH: Final = "answer_batch"
FOLLOW_BATCH: Final = "follow_batch"
LOOK_BACK: Final = "look_back"
WRITE_REPORT: Final = "write_report"
BATCH_PROBLEM: Final = "batch_problem"
"""The signal of a batch to the send that it is of: it needs a person, or is held back, or no longer is."""
OF_LIST: Final = "list:"
"""Begins the id of each update that a batch gets from the send that it is of, and not from a person."""

BATCHES_MAX: Final = 3_000
"""Of one send: the rows of its batches stand in one payload, of which Temporal takes 2 MB."""

AUDIENCE_INVALID: Final = "AudienceInvalid"
"""Failure type: nobody can be sent to by this audience. First detail: a list of sentences, with the lines at fault."""
STORE_UNAVAILABLE: Final = "StoreUnavailable"
"""Failure type, retried by Temporal: ``[store]`` could not be used for now."""
PLAN_LOST: Final = "PlanLost"
"""Failure type: the store has no such plan, or not as it was made."""
PLAN_MISSING: Final = "PlanMissing"
"""Failure type: the store has no plan, and a restored database may have forgotten batches of an earlier one."""
PLAN_REUSED: Final = "PlanReused"
"""Failure type: the store has a plan of this key for another audience, message or WeChat."""

ReportState = states.ReportState
_REPORTED: Final[dict[JobStateName, ReportState]] = {
    "new": "not_submitted",
    "accepted": "accepted",
    "failed": "failed",
    "refused": "failed",
}
_BY_OUTCOME: Final[dict[Outcome, JobStateName]] = {
    "sent": "sent",
    "partly_sent": "sent",
    "sent_nobody": "sent_nobody",
    "deleted": "deleted",
}
WasSent = Literal["perhaps", "part", "all"]
"""How many of the openids of a report were sent to: maybe some, some, or all."""
REPORT_COLUMNS: Final = ("openid", "batch", "msg_id", "state", "received", "batch_size", "group")
"""The columns of a report. ``received``: how many of the batch got it, by WeChat's count; WeChat does not say who.
``group``: of a split test, else empty."""


class PlannedPart(Stored):
    """One part of an audience, as it was found."""

    what: str
    """The part in words."""
    openids: int
    """How many different openids it has."""
    dropped: int = 0
    """How many lines were left out, since they are no openids."""
    is_excluded: bool = False
    """Whether nobody of it gets the message: it is a part of `minus`. Plans from before do not say."""


class PlannedGroup(Stored):
    """One group of a split test. Its batches follow those of the group before it."""

    name: Group
    """`a`, `b`, or `rest`."""
    openids: int
    """How many different openids it has."""
    batches: int
    """In how many batches they are sent."""


class AudiencePlan(Stored):
    """Whom a send in batches goes to, and in how many batches."""

    digest: str
    """SHA-256 of the plan in the store, which has the digest of each batch."""
    openids: int
    """How many different openids it has."""
    batches: int
    """How many batches that makes."""
    duplicates: int = 0
    """How many were named more than once, and are sent to once."""
    dropped: int = 0
    """How many lines were left out, since they are no openids. Parts of `minus` count their own."""
    taken_at: Moment
    """When it was taken: who follows later, or gets a tag later, is not in it."""
    parts: tuple[PlannedPart, ...] = ()
    """The parts of the audience, in order."""
    reached_before: tuple[int, ...] = ()
    """How many of them had 0, 1, 2, 3, 4 or more sends in batches this month, by the reports in the store."""
    groups: tuple[PlannedGroup, ...] = ()
    """The groups of a split test, in the order in which they are sent; empty without one."""
    is_sent_in_part: bool = False
    """Whether an earlier run has ended, and nothing more is sent: batches were, or another key may have the rest."""
    is_from_before: bool = False
    """Whether an earlier run has planned it, and may have sent batches of it."""
    winner: Version | None = None
    """Which message the rest of a split test got in an earlier run; nobody is asked again."""

    def is_forgotten(self, now: datetime) -> bool:
        """Whether Temporal and the ledger may have forgotten what was sent of it."""
        return now - self.taken_at >= LIFE

    def is_doubted(self, at: datetime) -> bool:
        """Whether an earlier run may have sent batches of it that are left, and nobody remembers at that time."""
        return self.is_from_before and not self.is_sent_in_part and self.is_forgotten(at)

    def size(self, number: int) -> int:
        """How many openids batch ``number`` has, from 1."""
        for group in self.groups:
            if number <= group.batches:
                return _size(group.openids, group.batches, number)
            number -= group.batches
        return _size(self.openids, self.batches, number)

    def group_of(self, number: int) -> Group | None:
        """The group of a split test that batch ``number`` belongs to, from 1; ``None`` without one."""
        for group in self.groups:
            if number <= group.batches:
                return group.name
            number -= group.batches
        return None


def batches_of(openids: int) -> int:
    """How many batches so many openids make: as few as WeChat allows.

    Raises:
        ValueError: they are fewer than WeChat takes in one job.
    """
    if openids < OPENIDS_MIN:
        raise ValueError(f"WeChat takes at least {OPENIDS_MIN} openids, and there are {openids}")
    return -(-openids // OPENIDS_MAX)


def bounds(openids: int, batches: int, number: int) -> tuple[int, int]:
    """Where batch ``number`` (from 1) begins and ends in the snapshot. Sizes differ by one at most: none is of one."""
    return openids * (number - 1) // batches, openids * number // batches


def _size(openids: int, batches: int, number: int) -> int:
    first, end = bounds(openids, batches, number)
    return end - first


def batch_key(key: str, number: int) -> str:
    """The key of a batch: a ``MassSend`` of its own."""
    return f"{key}.{number}"


class PlanStep(Stored):
    """Input of ``plan_audience`` → :class:`AudiencePlan`: the audience is resolved, and its plan is put in the store.

    ``content``: the digest of the message. Who comes again with the same key, audience, split and content gets the same
    plan.
    ``keep`` is false where somebody only looks: nothing is left in the store.
    ``started_at``: when the send was. ``is_unbegun``: a person says that no batch of the key was ever begun.
    ``versions``: the digest of the content with each of its messages.
    ``is_sent_once``: WeChat lets a message of it die with its first delivery, so that more than one batch is refused.
    """

    account: Pinned
    key: str
    audience: Annotated[Long | Tag | Openids, Field(discriminator="kind")]
    content: str
    split: Split | None = None
    keep: bool = True
    started_at: Moment | None = None
    is_unbegun: bool = False
    versions: tuple[str, ...] = ()
    is_sent_once: bool = False


class AnswerBatchStep(Stored):
    """Input of ``answer_batch`` → the ``Status`` of the batch: an update that a person has sent to the whole send.

    ``holder``: the run that a person has sent it to, and that alone gives it; ``None`` where nobody awaits the answer.
    """

    workflow_id: str
    update: Literal["retry", "mark_sent", "abort", "pause", "resume", "reschedule"]
    answer: dict[str, Any]
    holder: str | None = None


class FollowBatchStep(Stored):
    """Input of ``follow_batch`` → :class:`BatchRow`, and of ``look_back`` → :class:`BatchFound`.

    It asks how batch ``number`` of ``plan`` has ended, which another run has started. ``plan`` is ``None`` where the
    audience is not planned yet. ``abort``: what the batch is told where it is still under way. ``content``: the digest
    of what it is to send; ``None`` where any message is meant.
    """

    workflow_id: str
    number: int
    plan: str | None = None
    content: str | None = None
    abort: dict[str, Any] | None = None


class BatchSaid(Stored):
    """Payload of ``batch_problem``: what batch ``number`` asks a person, or holds it back; nothing where it goes on.

    ``opens``: it waits for the account's ``send_hours``, which begin then; or, held by its quota, for more of that.
    ``paused_by``: who had paused it by its list, before it was followed.
    """

    number: int
    problem: Problem | None = None
    answers: tuple[str, ...] = ()
    held: Held | None = None
    paused_by: str | None = None
    opens: datetime | None = None


class EarlierJob(Stored):
    """A job of a batch that WeChat has accepted, beside the one that its row is of.

    ``status``: WeChat's words. ``clientmsgid``: where it is that of a generation before.
    """

    generation: int
    msg_id: int
    msg_data_id: int | None = None
    state: JobStateName
    clientmsgid: str | None = None
    status: str | None = None


class BatchRow(Stored):
    """How a batch has ended. What is not told of it takes no room: a payload has thousands of rows.

    ``job``: what became of its newest job that was delivered or may be, else that was submitted; ``new`` where none
    was; nothing in rows of before. Of that job are ``generation``, ``msg_id``, ``msg_data_id``, ``status`` (WeChat's
    words), and ``clientmsgid`` where it is that of a generation before. ``earlier``: its others that WeChat accepted.
    ``is_vouched``: for something that was submitted, a person alone says that it was not delivered.
    ``is_doubted``: nobody knows whether it was begun: Temporal and the ledger forget, or the ledger is silent.
    ``for_good``: its verdicts are WeChat's no's alone, so that its key fails the same way when it is started again.
    """

    number: int
    outcome: Outcome
    may_have_been_delivered: bool
    job: JobStateName | None = None
    generation: int = 0
    msg_id: int | None = None
    msg_data_id: int | None = None
    clientmsgid: str | None = None
    status: str | None = None
    earlier: tuple[EarlierJob, ...] = ()
    counts: Counts | None = None
    problem: str | None = None
    is_vouched: bool = False
    is_doubted: bool = False
    for_good: bool = False

    @property
    def job_state(self) -> JobStateName:
        """What became of its newest job; in rows of before by the outcome."""
        if self.job is not None:
            return self.job
        if self.may_have_been_delivered and self.outcome not in COMPLETES:
            return "accepted" if self.msg_id is not None else "unknown"
        return _BY_OUTCOME.get(self.outcome, "failed" if self.outcome == "failed" else "new")

    @property
    def state(self) -> ReportState:
        """What a report says of its openids: that nothing was submitted for them, or WeChat's no, only where it is so.

        Whom a report calls ``failed`` or ``not_submitted``, another send may go to.
        """
        if self.outcome in COMPLETES:
            return "sent"
        said = _REPORTED.get(self.job_state, "unknown")
        in_doubt = self.may_have_been_delivered or self.is_vouched
        return "unknown" if in_doubt and said != "accepted" else said

    @property
    def in_doubt(self) -> "BatchRow":
        """The same where a restored database may have forgotten what was submitted since: no denial stands then."""
        doubt = {"outcome": "unknown", "may_have_been_delivered": True, "is_doubted": True, "for_good": False}
        knows = self.msg_id is not None or self.outcome != "unknown"
        return self if self.is_vouched or (self.may_have_been_delivered and knows) else self.model_copy(update=doubt)

    @model_serializer(mode="wrap")
    def _sparse(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields, told = type(self).model_fields, handler(self)
        return {name: value for name, value in told.items() if getattr(self, name) != fields[name].default}


class BatchFound(Stored):
    """What Temporal knows of a batch: how it has ended; nothing where nobody has begun it.

    ``forgotten``: Temporal tells no run of it, and may have forgotten one. ``is_hidden``: the newest run of its id is
    none of it. ``is_reused``: it is of another message or audience under the same key.
    """

    row: BatchRow | None = None
    forgotten: bool = False
    is_hidden: bool = False
    is_reused: bool = False


def doubted(number: int) -> BatchRow:
    """The row of a batch of which nobody knows whether an earlier run had begun it."""
    return BatchRow(number=number, outcome="unknown", may_have_been_delivered=True, is_doubted=True)


def merged(before: Iterable[BatchRow], rows: Iterable[BatchRow], fresh: int | None = None) -> dict[int, BatchRow]:
    """By number: what was told before of a batch, or is now. That it was sent stays, and so do its counts.

    A mere doubt takes the place of nothing that may have been delivered, nor of a msg_id. Nobody has begun the batches
    from ``fresh`` on, as is known now: doubts of before about them are over.
    """
    told = {row.number: row for row in before if fresh is None or row.number < fresh or not row.is_doubted}
    for row in rows:
        earlier = told.get(row.number)
        if earlier is None or not _stays(earlier, row):
            told[row.number] = row
        elif row.state == "sent":
            told[row.number] = row.model_copy(update={"counts": row.counts or earlier.counts})
    return told


def _stays(earlier: BatchRow, row: BatchRow) -> bool:
    """Whether what was told before of a batch stands against what is told now."""
    has_lost = row.outcome == "unknown" and row.msg_id is None and not row.earlier and earlier.msg_id is not None
    return earlier.state == "sent" or (earlier.may_have_been_delivered and (row.is_doubted or has_lost))


class ReportStep(Stored):
    """Input of ``write_report`` → :class:`Reported`. Batches without a row were not submitted.

    ``plan``: by its digest; empty where the run ends before it knows the plan that stands in the store. That is its own
    where it is for the same ``audience``, ``split`` and ``content``, as far as that is known: see :class:`PlanStep`.
    ``audience``: for that alone, since it shares the 2 MB of a payload with the rows.
    ``started_at``: when the send was. ``fresh``: nobody has begun the batches from this one on. Where ``plan`` is empty
    and this is not known, all batches after the rows are in doubt.
    """

    account: Pinned
    key: str
    plan: str
    rows: tuple[BatchRow, ...]
    audience: Audience | None = None
    content: str = ""
    split: Split | None = None
    fresh: int | None = None
    started_at: Moment | None = None


class Reported(Stored):
    """The report as it stands in the store: gzipped CSV with :data:`REPORT_COLUMNS`."""

    uri: str
    """Where it is; empty where there is no plan, and so no report."""
    sha256: str
    """Of the file as it stands there."""
    states: dict[ReportState, int]
    """How many openids are in which state."""
    rows: tuple[BatchRow, ...] = ()
    """Those of its batches that the step has told otherwise, or not at all."""

    @property
    def was_sent(self) -> WasSent | None:
        """How many of the openids it calls sent; `None` where it knows of no delivery that the step has not told."""
        if self.states.get("sent"):
            return "all" if len(self.states) == 1 else "part"
        return "perhaps" if any(row.may_have_been_delivered for row in self.rows) else None

    at: datetime
    """When it was written."""
