"""One run of a mass send, read from its history: its facts, and how it ended.

| the history has | then |
|---|---|
| `submit` with an answer | the try has that answer |
| `submit` without one, or with one that is not ours (completed by hand) | the try is lost since then |
| facts that the run has taken over: of earlier runs, of the run that it continues, of the ledger | they are added |
| facts that it has told the ledger, or wished with | they are added |
| a push | it is WeChat's word, where a rule understands it |
| a result, also as the detail of a failure | it ended so, unless it submits after that |

What a newer version has added to a payload is left out, so that it is read too. Activities are our own. What they have
recorded is read, or nothing may be sent. A signal may come from anybody. One that is none of ours is passed over.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import (
    ActivityTaskScheduledEventAttributes,
    HistoryEvent,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from activities.attempts import passing
from qunfa.contract.facts import Ended, Known, Said, Try
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MASS_SEND
from qunfa.contract.refusal import Unreadable, is_whole
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import MASS_SEND_FAILED, Answer, JobFinished, MassSendResult
from qunfa.contract.steps import LEDGER_UNAVAILABLE, SUBMIT, TELL, WISH, AnyTry, TellStep, WishStep
from qunfa.rules.digest import content_digest
from qunfa.rules.material import needs_material
from qunfa.rules.memory import union
from qunfa.rules.verdict import judge, verdict_of_push
from qunfa.send.apply import STRANGERS_MAX

Read = TypeVar("Read")
ModelT = TypeVar("ModelT", bound=BaseModel)

_UNREADABLE = (KeyError, RuntimeError, ValueError)
"""What a converter raises: an unknown encoding, a codec's failure, JSON that is none or is no such model."""

_RPC: Final = timedelta(seconds=10)
_AT_ONCE: Final = 32
"""How many memories are added up at a time: a history may have thousands of signals."""
_LOSES: Final = frozenset(
    {
        "activity_task_failed_event_attributes",
        "activity_task_timed_out_event_attributes",
        "activity_task_canceled_event_attributes",
    }
)


class RecordedAccount(Stored):
    """Of an account as a run has pinned it."""

    appid: str | None = None
    base_url: str | None = None


class RecordedState(Stored):
    """Of what a run hands to the one that continues it."""

    digest: str | None = None
    known: Known = Known()
    pinned: RecordedAccount | None = None


class RecordedGrant(Stored):
    """Of the ledger's answer to a wish, or of the signal `granted`: what the ledger knew.

    A newer version may have another answer, or reason to wait. As a stranger's it would be passed over.
    """

    wish: str
    answer: str
    known: Known = Known()
    ended: Ended | None = None


class RecordedWished(Stored):
    """Of what `wish` has come to."""

    known: Known = Known()
    granted: RecordedGrant | None = None


async def decoded(converter: DataConverter, payload: Payload, model: type[Read]) -> Read:
    """The payload as `model`.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    try:
        value: Read | None = (await converter.decode([payload], [model]))[0]
    except _UNREADABLE as error:
        raise _unreadable(model, type(error).__name__) from None
    if value is None:
        raise _unreadable(model, "null")
    return value


async def answer_in(converter: DataConverter, result: list[Payload]) -> Answer | None:
    """What came of a try; `None` where that is no answer of ours: an operator has completed the activity by hand.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    given = await _value(converter, result, Answer)
    try:
        return Answer.model_validate(given)
    except ValidationError as error:
        if is_whole(Answer, given):
            raise _unreadable(Answer, type(error).__name__) from None
        return None


async def wished_in(converter: DataConverter, result: list[Payload]) -> RecordedWished | None:
    """What a wish came to; `None` where that is no object: an operator has completed the activity by hand.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    if not isinstance(await _value(converter, result, RecordedWished), dict):
        return None
    return await decoded(converter, result[0], RecordedWished)


async def signalled(converter: DataConverter, payloads: list[Payload], model: type[ModelT]) -> ModelT | None:
    """What a signal has brought; `None` where that is no `model`: a stranger has sent it."""
    try:
        values = await converter.decode(payloads[:1])
        return model.model_validate(values[0]) if values else None
    except _UNREADABLE:
        return None


async def _value(converter: DataConverter, result: list[Payload], model: type[Any]) -> Any:
    try:
        values = await converter.decode(result)
    except _UNREADABLE as error:
        raise _unreadable(model, type(error).__name__) from None
    value = values[0] if values else None
    if isinstance(value, Unreadable):
        raise _unreadable(model, value.why)
    return value


def _unreadable(model: type[Any], why: str) -> ApplicationError:
    return passing(
        LEDGER_UNAVAILABLE,
        f"a {model.__name__} in an earlier run's history cannot be read ({why}). Nothing may be sent before it is: run "
        "the worker version, and the payload codec, that wrote it.",
    )


class Remains(NamedTuple):
    """What one run has left. `digest` is `None` where it left nothing, and where its content cannot be told.

    `appid`, `base_url`: of the account that it has asked, as far as that is told. `has_begun`: it has begun a batch.
    `gave_up`: it told its account that it was aborted, and has tried nothing since.
    """

    digest: str | None
    known: Known
    ended: Ended | None = None
    appid: str | None = None
    has_begun: bool = False
    gave_up: bool = False
    base_url: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it has submitted something, or has begun a batch, which has tries of its own."""
        return self.known.was_submitted or self.has_begun


class RunHistory:
    """A history that is read event by event, so that a long one is never in memory as a whole."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._request: Payload | None = None
        self._digest: str | None = None
        self._account = RecordedAccount()
        self._has_begun = False
        self._memories: list[Known] = []
        self._ended: Ended | None = None
        self._told: Ended | None = None
        self._tries: dict[int, Try] = {}
        self._wishes: set[int] = set()
        self._seen_at = datetime.fromtimestamp(0, UTC)

    async def read(self, event: HistoryEvent) -> None:
        """Take in the next event.

        Raises:
            ApplicationError: `LedgerUnavailable`: it holds a payload that this worker cannot read.
        """
        self._seen_at = event.event_time.ToDatetime(tzinfo=UTC)
        match event.WhichOneof("attributes"):
            case "workflow_execution_started_event_attributes":
                await self._started(event.workflow_execution_started_event_attributes)
            case "workflow_execution_signaled_event_attributes":
                signal = event.workflow_execution_signaled_event_attributes
                await self._signalled(signal.signal_name, list(signal.input.payloads))
            case "activity_task_scheduled_event_attributes":
                await self._scheduled(event.event_id, event.activity_task_scheduled_event_attributes)
            case "activity_task_completed_event_attributes":
                completed = event.activity_task_completed_event_attributes
                await self._completed(completed.scheduled_event_id, list(completed.result.payloads))
            case "start_child_workflow_execution_initiated_event_attributes":
                child = event.start_child_workflow_execution_initiated_event_attributes
                self._has_begun = self._has_begun or child.workflow_type.name == MASS_SEND
            case str(ends) if ends in _LOSES:
                self._lost(getattr(event, ends).scheduled_event_id)
            case "workflow_execution_completed_event_attributes":
                for payload in event.workflow_execution_completed_event_attributes.result.payloads:
                    await self._resulted(payload)
            case "workflow_execution_failed_event_attributes":
                await self._failed(event.workflow_execution_failed_event_attributes.failure)
            case _:
                pass

    async def remains(self) -> Remains:
        """What the run has left; a try without an end in the history is lost since its last event."""
        for scheduled in list(self._tries):
            self._lost(scheduled)
        gave_up = self._told is not None and (self._told.outcome == "aborted" or self._told.found is not None)
        known, account = added_up(*self._memories), self._account
        left = Remains(self._digest, known, self._ended, account.appid, self._has_begun, gave_up, account.base_url)
        if left.digest is None and left.known.was_submitted:
            left = left._replace(digest=await self._digest_of_request())
        return left

    async def _started(self, started: WorkflowExecutionStartedEventAttributes) -> None:
        payloads = list(started.input.payloads)
        self._request = payloads[0] if payloads else None
        if started.continued_execution_run_id and len(payloads) > 1:
            state = await decoded(self._converter, payloads[1], RecordedState)
            self._digest = state.digest
            self._account = state.pinned or self._account
            self._learn(state.known)

    async def _signalled(self, name: str, payloads: list[Payload]) -> None:
        if name == "granted":
            self._granted(await signalled(self._converter, payloads, RecordedGrant))
        elif name == "job_finished":
            pushed = await signalled(self._converter, payloads, JobFinished)
            verdict = verdict_of_push(pushed) if pushed else None
            if pushed is not None and verdict is not None and judge(verdict) is not None:
                self._learn(Known(said=(Said(msg_id=pushed.msg_id, verdict=verdict, at=self._seen_at),)))

    async def _scheduled(self, event_id: int, scheduled: ActivityTaskScheduledEventAttributes) -> None:
        name = scheduled.activity_type.name
        if name not in {WISH, SUBMIT, TELL} or not scheduled.input.payloads:
            return
        payload = scheduled.input.payloads[0]
        if name == WISH:
            step = await decoded(self._converter, payload, WishStep)
            self._wishes.add(event_id)
            self._digest = step.wish.digest
            self._asked(step.appid)
            self._learn(step.wish.known)
        elif name == SUBMIT:
            tried = await decoded(self._converter, payload, AnyTry)
            self._tries[event_id] = tried.lease.tried()
            self._digest, self._account = tried.digest, RecordedAccount(**tried.account.model_dump())
            self._ended = self._told = None
        else:
            told = await decoded(self._converter, payload, TellStep)
            self._digest = told.report.digest
            self._asked(told.appid)
            self._learn(told.report.known)
            self._told = told.report.ended or self._told
            self._ended = told.report.ended or self._ended

    def _asked(self, appid: str) -> None:
        self._account = self._account.model_copy(update={"appid": appid})

    async def _completed(self, scheduled: int, result: list[Payload]) -> None:
        if scheduled in self._tries:
            answer = await answer_in(self._converter, result)
            if answer is None:
                self._lost(scheduled)
            else:
                self._end_try(scheduled, answer=answer)
        elif scheduled in self._wishes:
            wished = await wished_in(self._converter, result)
            if wished is not None:
                self._learn(wished.known)
                self._granted(wished.granted)

    def _granted(self, grant: RecordedGrant | None) -> None:
        if grant is not None:
            self._learn(grant.known)
            self._ended = grant.ended or self._ended

    def _lost(self, scheduled: int) -> None:
        if scheduled in self._tries:
            self._end_try(scheduled, lost_at=self._seen_at)

    def _end_try(self, scheduled: int, **how: Any) -> None:
        self._learn(Known(tries=(self._tries.pop(scheduled).model_copy(update=how),)))

    async def _failed(self, failure: Failure) -> None:
        info = failure.application_failure_info
        if info.type == MASS_SEND_FAILED and info.details.payloads:
            await self._resulted(info.details.payloads[0])

    async def _resulted(self, payload: Payload) -> None:
        result = await decoded(self._converter, payload, MassSendResult)
        if self._told is None or self._told.outcome != result.outcome:  # A result does not say who has ended it.
            self._ended = Ended(outcome=result.outcome, problem=result.problem.name if result.problem else None)

    def _learn(self, known: Known) -> None:
        self._memories.append(known)
        if len(self._memories) >= _AT_ONCE:
            self._memories = [added_up(*self._memories)]

    async def _digest_of_request(self) -> str | None:
        """The digest of the content that the run was started with; None where that is no request to this worker.

        None as well where the content stands at sources which a run reads before its first wish: it has made none.
        """
        if self._request is None:
            return None
        try:
            request = await decoded(self._converter, self._request, MassSendRequest)
        except ApplicationError:
            return None
        return None if needs_material(request.message) else content_digest(request)


def added_up(*memories: Known) -> Known:
    """What several memories know together, with no more words on jobs of others than a send keeps.

    Anybody may send a push, any number of them. One on a job of another may turn out to be on one of ours.
    """
    known = union(*memories)
    ours = {one.answer.msg_id for one in known.tries if one.answer} | {one.msg_id for one in known.decided}
    others = sorted((one for one in known.said if one.msg_id not in ours), key=lambda one: one.at)
    gone = others[:-STRANGERS_MAX]
    return known.model_copy(update={"said": tuple(one for one in known.said if one not in gone)}) if gone else known


async def start_of(run: WorkflowHandle[Any, Any]) -> WorkflowExecutionStartedEventAttributes:
    """How the run was started, by the first event of its history alone.

    Raises:
        RPCError: Temporal does not say, or does not keep it any more.
    """
    async for event in run.fetch_history_events(page_size=1, rpc_timeout=_RPC):
        return event.workflow_execution_started_event_attributes
    return WorkflowExecutionStartedEventAttributes()


async def input_in(converter: DataConverter, start: WorkflowExecutionStartedEventAttributes) -> Any:
    """What the run was started with, as JSON; None where there is nothing, or this worker cannot read it."""
    try:
        values = await converter.decode(list(start.input.payloads)[:1])
    except _UNREADABLE:
        return None
    return values[0] if values else None


async def request_in(
    converter: DataConverter, start: WorkflowExecutionStartedEventAttributes, whole: str
) -> MassSendRequest | None:
    """What the run was asked to send; `None` where that is no request, as a stranger's.

    Raises:
        ApplicationError: `LedgerUnavailable`: `whole` has begun it as its batch, and this worker cannot read it.
    """
    try:
        return MassSendRequest.model_validate(await input_in(converter, start))
    except ValidationError as error:
        if start.parent_workflow_execution.workflow_id != whole:
            return None
        raise _unreadable(MassSendRequest, type(error).__name__) from None


async def input_of(client: Client, workflow_id: str, run_id: str | None = None) -> Any:
    """What a run, by default the newest, was started with: see `input_in`.

    Raises:
        RPCError: Temporal does not say, or does not keep it any more.
    """
    run = client.get_workflow_handle(workflow_id, run_id=run_id)
    return await input_in(client.data_converter, await start_of(run))
