"""One run of a mass send, read from its history: what it submitted, what came of it, and how it ended.

| the history has | then |
|---|---|
| `submit` with an answer | the job is as after that try |
| `submit` without one, or with one that is not ours (completed by hand) | unknown since the try was scheduled |
| jobs that the run has taken over, from the ledger or from the run before | merged |
| a job that the run has told the ledger | the job is as it says |
| a result, also as the detail of a failure | its msg_ids and verdicts are merged |
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from activities.recorded import (
    RecordedClaim,
    RecordedState,
    RecordedTell,
    RecordedTry,
    answer_in,
    decoded,
    memory_in,
)
from qunfa.contract.job import Job, Verdict
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import MASS_SEND_FAILED, JobResult, MassSendResult, Outcome
from qunfa.contract.steps import CLAIM, RESERVE, SUBMIT, TELL
from qunfa.rules.course import Jobs, merge, with_job
from qunfa.rules.digest import content_digest
from qunfa.rules.material import needs_material
from qunfa.rules.submission import after_try, begin_try, lost_try

_LONG_AGO: Final = timedelta(hours=24)
"""As long as WeChat remembers a clientmsgid: an unknown try of which no history tells the time counts as older."""
_RPC: Final = timedelta(seconds=10)
_DECIDED: Final = frozenset({"sent", "sent_nobody", "deleted", "failed"})


class Remains(NamedTuple):
    """What one run has left: no jobs where it submitted nothing, and no digest where its content cannot be told."""

    run_id: str
    digest: str | None
    jobs: Jobs
    ended_as: Outcome | None = None
    problem: str | None = None


class RunHistory:
    """A history that is read event by event, so that a long one is never in memory as a whole."""

    def __init__(self, converter: DataConverter, run_id: str) -> None:
        self._converter = converter
        self._run_id = run_id
        self._request: Payload | None = None
        self._digest: str | None = None
        self._jobs: Jobs = ()
        self._end: tuple[Outcome | None, str | None] = (None, None)
        self._tries: dict[int, tuple[RecordedTry, datetime]] = {}
        self._memories: set[int] = set()
        self._began_at = self._seen_at = datetime.fromtimestamp(0, UTC)

    async def read(self, event: HistoryEvent) -> None:
        """Take in the next event.

        Raises:
            ApplicationError: `LedgerUnavailable`: it holds a payload that this worker cannot read.
        """
        self._seen_at = event.event_time.ToDatetime(tzinfo=UTC)
        match event.WhichOneof("attributes"):
            case "workflow_execution_started_event_attributes":
                await self._started(event)
            case "activity_task_scheduled_event_attributes":
                await self._scheduled(event)
            case "activity_task_completed_event_attributes":
                completed = event.activity_task_completed_event_attributes
                await self._completed(completed.scheduled_event_id, list(completed.result.payloads))
            case "activity_task_failed_event_attributes":
                self._lost(event.activity_task_failed_event_attributes.scheduled_event_id)
            case "activity_task_timed_out_event_attributes":
                self._lost(event.activity_task_timed_out_event_attributes.scheduled_event_id)
            case "activity_task_canceled_event_attributes":
                self._lost(event.activity_task_canceled_event_attributes.scheduled_event_id)
            case "workflow_execution_completed_event_attributes":
                for payload in event.workflow_execution_completed_event_attributes.result.payloads:
                    self._ended(await decoded(self._converter, payload, MassSendResult))
            case "workflow_execution_failed_event_attributes":
                await self._failed(event.workflow_execution_failed_event_attributes.failure)
            case _:
                pass

    async def remains(self) -> Remains:
        """What the run has left; a try whose answer was not in the history is unknown."""
        for scheduled in list(self._tries):
            self._lost(scheduled)
        if self._digest is None and self._jobs:
            self._digest = await self._digest_of_request()
        return Remains(self._run_id, self._digest, self._jobs, *self._end)

    async def _started(self, event: HistoryEvent) -> None:
        started = event.workflow_execution_started_event_attributes
        self._began_at = self._seen_at
        payloads = list(started.input.payloads)
        self._request = payloads[0] if payloads else None
        if started.continued_execution_run_id and len(payloads) > 1:
            state = await decoded(self._converter, payloads[1], RecordedState)
            self._digest, self._jobs = state.digest, state.jobs

    async def _scheduled(self, event: HistoryEvent) -> None:
        scheduled = event.activity_task_scheduled_event_attributes
        name = scheduled.activity_type.name
        if name not in {CLAIM, RESERVE, SUBMIT, TELL} or not scheduled.input.payloads:
            return
        payload = scheduled.input.payloads[0]
        if name == SUBMIT:
            step = await decoded(self._converter, payload, RecordedTry)
            self._tries[event.event_id] = step, self._seen_at
            self._digest, self._end = step.digest, (None, None)
        elif name == TELL:
            note = (await decoded(self._converter, payload, RecordedTell)).note
            self._digest = note.digest
            self._jobs = with_job(self._jobs, note.job) if note.job else self._jobs
            self._end = (note.ended_as, note.problem) if note.ended_as else self._end
        else:
            self._memories.add(event.event_id)
            if name == CLAIM:
                self._digest = (await decoded(self._converter, payload, RecordedClaim)).claim.digest

    async def _completed(self, scheduled: int, result: list[Payload]) -> None:
        if scheduled in self._tries:
            answer = await answer_in(self._converter, result)
            if answer is None:
                self._lost(scheduled)
                return
            step, began_at = self._tries.pop(scheduled)
            self._jobs = with_job(self._jobs, after_try(self._trying(step), step.attempt, answer, began_at))
        elif scheduled in self._memories:
            memory = await memory_in(self._converter, result)
            if memory and memory.record is not None and memory.record.digest == self._digest:
                self._jobs = merge(self._jobs, memory.record.jobs)
                self._end = memory.record.ended_as, memory.record.problem

    def _lost(self, scheduled: int) -> None:
        if scheduled in self._tries:
            step, began_at = self._tries.pop(scheduled)
            detail = f"run {self._run_id} ended, or lost its worker, before the answer came"
            self._jobs = with_job(
                self._jobs, lost_try(self._trying(step), step.attempt, self._seen_at, began_at, detail)
            )

    def _trying(self, step: RecordedTry) -> Job:
        known = _known(self._jobs, step.index, step.generation)
        new = Job(index=step.index, generation=step.generation, clientmsgid=step.clientmsgid)
        return begin_try(known or new, step.attempt)

    async def _failed(self, failure: Failure) -> None:
        info = failure.application_failure_info
        if info.type == MASS_SEND_FAILED and info.details.payloads:
            self._ended(await decoded(self._converter, info.details.payloads[0], MassSendResult))

    def _ended(self, result: MassSendResult) -> None:
        for row in result.jobs:
            known = _known(self._jobs, row.index, row.generation)
            self._jobs = merge(self._jobs, (self._reported(row, known),))
        self._end = result.outcome, result.problem.name if result.problem else None

    def _reported(self, row: JobResult, known: Job | None) -> Job:
        news = row.state == "unknown" and not (known and known.ever_unknown)
        return Job(
            index=row.index,
            generation=row.generation,
            clientmsgid=row.clientmsgid,
            attempts=0 if row.state == "new" else 1,
            ever_unknown=news,
            window_started_at=self._began_at - _LONG_AGO if news else None,
            msg_id=row.msg_id,
            msg_data_id=row.msg_data_id,
            deduplicated=row.deduplicated,
            verdict=_verdict(row),
        )

    async def _digest_of_request(self) -> str | None:
        """The digest of the content that the run was started with; None where that is no request to this worker.

        None as well where the content stands at sources which a run reads before it claims its key: it has not done so.
        """
        if self._request is None:
            return None
        try:
            request = await decoded(self._converter, self._request, MassSendRequest)
        except ApplicationError:
            return None
        return None if needs_material(request.message) else content_digest(request)


async def start_of(run: WorkflowHandle[Any, Any]) -> WorkflowExecutionStartedEventAttributes:
    """How the run was started, by the first event of its history alone.

    Raises:
        RPCError: Temporal does not say, or does not keep it any more.
    """
    async for event in run.fetch_history_events(page_size=1, rpc_timeout=_RPC):
        return event.workflow_execution_started_event_attributes
    return WorkflowExecutionStartedEventAttributes()


def _known(jobs: Jobs, index: int, generation: int) -> Job | None:
    return next((job for job in jobs if (job.index, job.generation) == (index, generation)), None)


def _verdict(row: JobResult) -> Verdict | None:
    if row.state not in _DECIDED or row.status is None:
        return None
    return Verdict(
        status=row.status,
        observed_by=row.observed_by or "ledger",
        counts=row.counts,
        check_state=row.check_state,
        articles=row.articles,
    )
