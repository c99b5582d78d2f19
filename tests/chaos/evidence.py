"""What the judge looks at: WeChat's own jobs and deliveries, and what Temporal has kept of every run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from math import inf
from typing import Final, Literal

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError

from qunfa.contract import INVALID_REQUEST, MASS_SEND_FAILED, MassSendResult, account_id
from qunfa.contract.ledger import LedgerView
from qunfa.contract.steps import WISH
from qunfa.simulator.accounts import Followers
from qunfa.simulator.jobs import Job
from qunfa.simulator.mass import is_success
from qunfa.simulator.plans import Counts
from tests.chaos import words
from tests.chaos.stage import RPC

RunState = Literal[
    "running", "completed", "failed", "refused", "cancelled", "terminated", "continued", "broken", "forgotten"
]
"""`forgotten`: a restored database does not know it, and its caller has not seen it end."""
_STATES: Final[dict[WorkflowExecutionStatus, RunState]] = {
    WorkflowExecutionStatus.RUNNING: "running",
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.CONTINUED_AS_NEW: "continued",
}


@dataclass(frozen=True)
class Accepted:
    """A job that WeChat has accepted.

    `received` are the followers who got it, None if nobody did; `yes` is whether WeChat says that it was sent. Times in
    seconds since the epoch.
    """

    msg_id: int
    clientmsgid: str | None
    accepted_at: float
    finished_at: float | None
    yes: bool
    counts: Counts
    received: Followers | frozenset[int] | None = None

    @property
    def finished(self) -> bool:
        """Whether WeChat has a verdict on it."""
        return self.finished_at is not None

    @property
    def delivered(self) -> bool:
        """Whether it is out, be it to nobody who wants it."""
        return self.yes or bool(self.received)

    @classmethod
    def of(cls, job: Job) -> "Accepted":
        """The job as WeChat's ledger has it."""
        return cls(
            msg_id=job.msg_id,
            clientmsgid=job.clientmsgid,
            accepted_at=job.accepted_at,
            finished_at=job.finished_at,
            yes=job.status is not None and is_success(job.status),
            counts=job.counts,
            received=job.received,
        )


@dataclass(frozen=True)
class Run:
    """One run of a `MassSend`; `text` is what it was started to send. Times in seconds since the epoch.

    `unread`: it has not looked at its content, and so cannot say whether this is what its key has sent before.
    `goes_on`: it began with what an earlier run had heard, by a reset or as that continued as new.
    """

    run_id: str
    text: str
    started_at: float
    closed_at: float | None
    state: RunState
    result: MassSendResult | None = None
    unread: bool = False
    goes_on: bool = False


@dataclass(frozen=True)
class SendSeen:
    """One send: what WeChat did, and what its runs said, in the order of their starts.

    `lapses`: from when until when Temporal has forgotten what happened.
    """

    account: str
    key: str
    text: str
    jobs: tuple[Accepted, ...] = ()
    runs: tuple[Run, ...] = ()
    ledger_lost: bool = False
    lapses: tuple[tuple[float, float], ...] = ()

    @property
    def tried(self) -> bool:
        """Whether anything of it may have been submitted, as its own runs say."""
        rows = [row for run in self.own if run.result for row in run.result.jobs]
        return bool(self.jobs) or any(row.state != "new" for row in rows)

    @property
    def own(self) -> list[Run]:
        """The runs that were to send this, and no other content."""
        return [run for run in self.runs if run.text == self.text]

    @property
    def end(self) -> str:
        """The last word on it: an outcome, or the state of a run without one."""
        if not self.own:
            return "never_started"
        last = self.own[-1]
        return last.result.outcome if last.result else last.state

    @property
    def memorable(self) -> list[Accepted]:
        """The jobs whose msg_id can be known.

        A WeChat that forgets the clientmsgid of a job that it failed takes the repetition of a lost try for a new job,
        and nothing ever tells about the first one, which nobody received. And a call that was slow on its way, carried
        out when a later one had been accepted and had failed, is found by a retry alone: where its send has ended as
        unknown instead, nobody can know of it. So it is where it was carried out after that end, as a batch's may be
        that nobody starts again. Of such a batch, nobody may be told of a job that failed. Its list may end it before a
        person has answered what a restore has put in doubt. What a restored database has forgotten, a person finds in
        the console.
        """
        newest = {job.clientmsgid: job for job in self.jobs}
        told = [job for job in self.jobs if job.delivered or newest[job.clientmsgid] is job]
        last = self.own[-1].result if self.own else None
        known = {row.msg_id for row in last.jobs} if last else set()
        doubtful = last is None or last.outcome == "unknown"
        # A list may be sent in part, and say of one batch alone that nobody knows.
        unknown = {row.clientmsgid for row in last.jobs if row.state == "unknown"} if last else set()
        told = [
            job
            for job in told
            if job.msg_id in known
            or not self.is_forgotten(job)
            or (job.delivered and not doubtful and job.clientmsgid not in unknown)
        ]
        if last is None or last.outcome != "unknown":
            return told
        ended = self.own[-1].closed_at or inf
        is_over = "." in self.key
        late = [
            job
            for job in told
            if job.accepted_at > ended
            or self._follows_a_failure(job)
            or (is_over and (not job.delivered or self._was_doubted(job, ended)))
        ]
        return [job for job in told if job.msg_id in known or job not in late]

    def is_forgotten(self, job: Accepted) -> bool:
        """Whether Temporal has forgotten that it was accepted: a person finds what was delivered, and no failure."""
        return any(began <= job.accepted_at <= ended for began, ended in self.lapses)

    def _was_doubted(self, job: Accepted, ended: float) -> bool:
        """Whether a restore came between its acceptance and the end: then a person is asked, and no later try."""
        return any(job.accepted_at <= restored <= ended for _, restored in self.lapses)

    def _follows_a_failure(self, job: Accepted) -> bool:
        """Whether another one had been accepted under its clientmsgid before, and was not delivered."""
        same = [other for other in self.jobs if other.clientmsgid == job.clientmsgid]
        return any(other.accepted_at < job.accepted_at and not other.delivered for other in same)


@dataclass(frozen=True)
class BookSeen:
    """An account's ledger; None where its workflow does not run or does not answer.

    `lost_at`: when it was lost the last time, or a part of it. Seconds since the epoch.
    """

    account: str
    view: LedgerView | None
    lost_at: float = 0.0


@dataclass(frozen=True)
class Listed:
    """A run as Temporal lists it."""

    workflow_id: str
    run_id: str
    started_at: float
    closed_at: float | None
    status: WorkflowExecutionStatus


async def listed(client: Client) -> list[Listed]:
    """Every run that Temporal knows, the oldest first."""
    found = [
        Listed(
            run.id,
            run.run_id,
            run.start_time.timestamp(),
            run.close_time.timestamp() if run.close_time else None,
            run.status or WorkflowExecutionStatus.RUNNING,
        )
        async for run in client.list_workflows()
    ]
    return sorted(found, key=lambda run: run.started_at)


async def history_of(client: Client, run: Listed) -> list[HistoryEvent]:
    """The run's history."""
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    return [event async for event in handle.fetch_history_events()]


def run_of(run: Listed, events: Sequence[HistoryEvent]) -> Run:
    """What a run of a `MassSend` was started for and how it ended, by its history."""
    request = json.loads(events[0].workflow_execution_started_event_attributes.input.payloads[0].data)
    state: RunState = _STATES.get(run.status, "broken")
    result: MassSendResult | None = None
    last = events[-1]
    if last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
        payload = last.workflow_execution_completed_event_attributes.result.payloads[0]
        result = MassSendResult.model_validate_json(payload.data)
    elif last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        info = last.workflow_execution_failed_event_attributes.failure.application_failure_info
        if info.type == MASS_SEND_FAILED and info.details.payloads:
            state, result = "failed", MassSendResult.model_validate_json(info.details.payloads[0].data)
        elif info.type == INVALID_REQUEST:
            state = "refused"
    text = words.of_message(request["message"])
    closed_at = last.event_time.ToDatetime(tzinfo=UTC).timestamp() if run.closed_at is not None else None
    begun = {event.activity_task_scheduled_event_attributes.activity_type.name for event in events}
    is_reset = any(event.workflow_task_failed_event_attributes.base_run_id for event in events)
    continues = bool(events[0].workflow_execution_started_event_attributes.continued_execution_run_id)
    goes_on = is_reset or continues
    return Run(run.run_id, text, run.started_at, closed_at, state, result, unread=WISH not in begun, goes_on=goes_on)


def seen_of(failure: WorkflowFailureError) -> tuple[RunState, MassSendResult | None]:
    """How a run has ended that did not complete."""
    match failure.cause:
        case ApplicationError(type=kind, details=[dict() as result, *_]) if kind == MASS_SEND_FAILED:
            return "failed", MassSendResult.model_validate(result)
        case ApplicationError(type=kind) if kind == INVALID_REQUEST:
            return "refused", None
        case CancelledError():
            return "cancelled", None
        case TerminatedError():
            return "terminated", None
        case _:
            return "broken", None


async def book_of(client: Client, account: str, appid: str, lost_at: float) -> BookSeen:
    """The account's ledger as its workflow tells it."""
    try:
        handle = client.get_workflow_handle(account_id(appid))
        view: LedgerView = await handle.query("ledger", result_type=LedgerView, rpc_timeout=3 * RPC)
    except RPCError:
        return BookSeen(account, None)
    return BookSeen(account, view, lost_at)
