"""Sends and recalls that have closed, and could not tell a webhook so themselves.

| the run | its notice |
|---|---|
| was terminated, or its time was over | ``terminated`` |
| failed as ``InvalidRequest`` | ``refused`` |
| failed as ``RecallFailed`` | ``recall_failed`` |
| failed as ``MassSendFailed`` | none: it has told its end |
| failed otherwise | ``terminated`` |
| was closed because it was reset | none: it goes on in another run |
"""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import ApplicationFailureInfo
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
)
from temporalio.exceptions import ApplicationError

from activities.earlier_runs import VisibleRuns, quoted
from activities.ledger import ledger_view
from activities.run_history import RunHistory, decoded, input_in, start_of
from qunfa.contract import ids
from qunfa.contract.batches import batch_key
from qunfa.contract.facts import Known
from qunfa.contract.ledger import LedgerView
from qunfa.contract.notice import Notice, NoticeData, NoticeType
from qunfa.contract.recall import RECALL_FAILED, RecallRequest, RecallResult
from qunfa.contract.refusal import InvalidRequestError, parsed
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import INVALID_REQUEST, MASS_SEND_FAILED
from qunfa.rules.memory import is_under_way, union
from qunfa.rules.notices import Closed, told_of_close, type_of_close, webhook_id
from qunfa.rules.outcome import tell_of_doubt
from qunfa.rules.terms import KEY_MAX
from qunfa.send.doubt import jobs_of, leaves_doubt
from qunfa.settings import Settings

_RPC: Final = timedelta(seconds=10)
_RESETTER: Final = "history-resetter"
"""Who terminates the current run where any run of its id is reset. Only the one that was reset names its successor."""
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.closed_runs")

ModelT = TypeVar("ModelT", bound=BaseModel)


class _Found(NamedTuple):
    """A run: its input, where that is JSON, and the facts in its history, where this worker can read that.

    ``doubt``: whether its close tells of something that may have been delivered; None where it tells nothing of that.
    """

    run: WorkflowExecution
    account: str
    raw: Any
    known: Known | None
    doubt: bool | None


class Due(NamedTuple):
    """Whose webhooks may have to be told of a run, as what, and under which id."""

    account: str
    type: NoticeType
    webhook_id: str


class ClosedRuns:
    """The closed runs on the task queue that the configuration names.

    Raises:
        RPCError: of all methods: Temporal does not say.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._earlier = VisibleRuns(client)

    def since(self, moment: datetime) -> AsyncIterator[WorkflowExecution]:
        """Those that have ended badly since then, as Temporal lists them."""
        queue = quoted(self._settings.task_queue)
        query = (
            f'WorkflowType IN ("{ids.MASS_SEND}", "{ids.MASS_SEND_IN_BATCHES}", "{ids.RECALL_MASS_SEND}") '
            f"AND TaskQueue = {queue} "
            'AND ExecutionStatus IN ("Failed", "Terminated", "TimedOut") '
            f'AND CloseTime >= "{moment.isoformat()}"'
        )
        return self._client.list_workflows(query, rpc_timeout=_RPC)

    async def due(self, run: WorkflowExecution) -> Due | None:
        """What is known of the run's notice without its history; None where there is none. No reset is looked for."""
        closed = _closed(run, await self._last_event(run), None)
        if closed is None:
            return None
        start = await start_of(self._handle(run))
        account = _account(await self._raw(start), run)
        kind = type_of_close(closed)
        return Due(account, kind, webhook_id(run.id, run.run_id, kind)) if account else None

    async def notice_of(self, run: WorkflowExecution) -> Notice | None:
        """What is to be told of the run, listed or described; None where there is nothing to tell, or nobody."""
        last = await self._last_event(run)
        result = await self._recall_result(_failure(last))
        closed = _closed(run, last, result)
        if closed is None or await self._was_reset(run):
            return None
        found = await self._found(run, await self._doubt(run, closed, _failure(last)))
        if found is None:
            return None
        send = run.workflow_type in {ids.MASS_SEND, ids.MASS_SEND_IN_BATCHES}
        data = await self._of_send(found) if send else _of_recall(found, result)
        request = _input(MassSendRequest, found.raw) if send else None
        problem = told_of_close(closed, request, recall=not send, in_doubt=data.may_have_been_delivered)
        data = data.model_copy(update={"problem": problem})
        return Notice(type=type_of_close(closed), timestamp=run.close_time or run.start_time, data=data)

    @staticmethod
    def webhook_id(notice: Notice) -> str:
        """The id of the notice that this run gives rise to: of each run there is one."""
        return webhook_id(notice.data.workflow_id, notice.data.run_id, notice.type)

    def _handle(self, run: WorkflowExecution) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(run.id, run_id=run.run_id)

    async def _last_event(self, run: WorkflowExecution) -> HistoryEvent:
        """It is read alone: most runs that have failed are sends that have told their end."""
        last = WorkflowHistoryEventFilterType.CLOSE_EVENT
        async for event in self._handle(run).fetch_history_events(event_filter_type=last, rpc_timeout=_RPC):
            return event
        return HistoryEvent()

    async def _raw(self, start: WorkflowExecutionStartedEventAttributes) -> Any:
        """What it was started with; or what a refused run with a cron schedule has handed on without its request."""
        raw = await input_in(self._client.data_converter, start)
        handed_on = WorkflowExecutionStartedEventAttributes(input=Payloads(payloads=start.input.payloads[1:]))
        return await input_in(self._client.data_converter, handed_on) if raw is None else raw

    async def _recall_result(self, failure: ApplicationFailureInfo) -> RecallResult | None:
        if failure.type != RECALL_FAILED or not failure.details.payloads:
            return None
        try:
            return await decoded(self._client.data_converter, failure.details.payloads[0], RecallResult)
        except ApplicationError:
            return None

    async def _was_reset(self, run: WorkflowExecution) -> bool:
        described = (await self._handle(run).describe(rpc_timeout=_RPC)).raw_description
        return bool(described.workflow_extended_info.reset_run_id)

    async def _doubt(self, run: WorkflowExecution, closed: Closed, failure: ApplicationFailureInfo) -> bool | None:
        """A refused send has looked for earlier runs, and says what it found. A list that is cut off is in doubt."""
        if closed != "invalid_request":
            return True if run.workflow_type == ids.MASS_SEND_IN_BATCHES else None
        try:
            reasons = [await decoded(self._client.data_converter, one, list[str]) for one in failure.details.payloads]
        except ApplicationError:
            return True
        return not reasons or tell_of_doubt(reasons[0])

    async def _found(self, run: WorkflowExecution, doubt: bool | None) -> _Found | None:  # noqa: FBT001  see _Found
        history = RunHistory(self._client.data_converter)
        raw, known = None, None
        try:
            async for event in self._handle(run).fetch_history_events(rpc_timeout=_RPC):
                if event.HasField("workflow_execution_started_event_attributes"):
                    started = event.workflow_execution_started_event_attributes
                    raw = await self._raw(started)
                await history.read(event)
            known = (await history.remains()).known
        except ApplicationError as unreadable:
            _LOG.warning("a closed run cannot be read", workflow_id=run.id, run_id=run.run_id, why=unreadable.message)
        account = _account(raw, run)
        return _Found(run, account, raw, known, doubt) if account else None

    async def _of_send(self, found: _Found) -> NoticeData:
        """With what the account's ledger knows of the key, which may be more than the run knew."""
        request = _input(MassSendRequest, found.raw)
        by_id = ids.parse_mass_send_id(found.run.id)
        key = _text(found.raw, "key", ids.KEY_PATTERN) or (by_id.key if by_id else None)
        elsewhere, is_all = await self._known(found, key) if key else (Known(), True)
        known = union(found.known or Known(), elsewhere)
        jobs = jobs_of(known, key or "")
        others_under_way = any(is_under_way(one) and one.holder != found.run.run_id for one in known.tries)
        unclear = found.known is None or not is_all or others_under_way or found.doubt is True
        unclear = unclear or (key is not None and await self._has_begun_batches(found, key))
        return NoticeData(
            account=found.account,
            key=key,
            workflow_id=found.run.id,
            run_id=found.run.run_id,
            msgtype=request.message.msgtype if request else None,
            requested_by=request.requested_by if request else None,
            may_have_been_delivered=unclear or leaves_doubt(known, jobs),
            msg_ids=tuple(job.msg_id for job in jobs if job.msg_id is not None),
        )

    async def _has_begun_batches(self, found: _Found, key: str) -> bool:
        """Whether a list under the key may have begun to be sent: the ledger knows of each batch by the batch's key."""
        if len(key) > KEY_MAX:
            return False
        known, is_all = await self._known(found, batch_key(key, 1))
        return not is_all or known.was_submitted

    async def _known(self, found: _Found, key: str) -> tuple[Known, bool]:
        """By the ledger, and by earlier runs where it may know less than these, and the run has not looked for them.

        And whether that is all: not where nobody can be asked, or a restored database may have forgotten something.
        """
        configured = self._settings.accounts.get(found.account)
        if configured is None:
            return Known(), False
        sends = ids.mass_send_id(found.account, key)
        try:
            view = await self._view(configured.appid, key, found.run.start_time)
            record = next((one for one in view.records if one.key == key), None) if view else None
            known = (record.known if record else None) or Known()
            if found.doubt is None and (record is None or record.unsearched):
                asking = found.run.run_id if found.run.id == sends else ""
                earlier = await self._earlier.find(sends, asking, None)
                known = union(known, earlier.known)
                view = await self._view(configured.appid, key, earlier.began(found.run.start_time))
        except ApplicationError as unavailable:
            _LOG.warning("a closed run is told of in doubt", account=found.account, key=key, why=unavailable.message)
            return Known(), False
        return known, not (view and view.hides_more)

    async def _view(self, appid: str, key: str, began: datetime | None) -> LedgerView | None:
        began_at = began and began.isoformat()
        return await ledger_view(self._client, appid, {"key": key, "started_at": began_at})


def _failure(last: HistoryEvent) -> ApplicationFailureInfo:
    return last.workflow_execution_failed_event_attributes.failure.application_failure_info


def _closed(run: WorkflowExecution, last: HistoryEvent, result: RecallResult | None) -> Closed | None:
    """How the run has closed; None where it has told that itself, or goes on in another run."""
    failure = _failure(last)
    if run.workflow_type not in {ids.MASS_SEND, ids.MASS_SEND_IN_BATCHES, ids.RECALL_MASS_SEND}:
        return None
    if run.status == WorkflowExecutionStatus.TERMINATED:
        gave_way = last.workflow_execution_terminated_event_attributes.identity == _RESETTER
        return None if gave_way else "terminated"
    if run.status == WorkflowExecutionStatus.TIMED_OUT:
        return "timed_out"
    if run.status != WorkflowExecutionStatus.FAILED or failure.type == MASS_SEND_FAILED:
        return None
    if failure.type == INVALID_REQUEST:
        return "invalid_request"
    if failure.type == RECALL_FAILED:
        return "not_recalled" if result and result.outcome == "not_recalled" else "recall_unknown"
    return "no_result"


def _of_recall(found: _Found, result: RecallResult | None) -> NoticeData:
    request = _input(RecallRequest, found.raw)
    msg_id = result.msg_id if result else request.msg_id if request else None
    return NoticeData(
        account=found.account,
        key=result.key if result else _text(found.raw, "key", ids.KEY_PATTERN),
        workflow_id=found.run.id,
        run_id=found.run.run_id,
        msgtype=result.msgtype if result else None,
        requested_by=request.by if request else None,
        outcome=result.outcome if result else None,
        may_have_been_delivered=True,
        msg_ids=() if msg_id is None else (msg_id,),
        article_idx=result.article_idx if result else request.article_idx if request else None,
        verified=False if result else None,
    )


def _account(raw: Any, run: WorkflowExecution) -> str | None:
    """As the input has it, or else the workflow id."""
    account = _text(raw, "account", ids.ACCOUNT_NAME_PATTERN)
    account = account or ids.account_of("mass-send", run.id) or ids.account_of("recall", run.id)
    if account is None:
        _LOG.warning("nobody is told of a closed run: it names no account", workflow_id=run.id, run_id=run.run_id)
    return account


def _text(raw: Any, name: str, pattern: str) -> str | None:
    """A field of an input that need not be right otherwise."""
    value = raw.get(name) if isinstance(raw, dict) else None
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else None


def _input(model: type[ModelT], raw: Any) -> ModelT | None:
    try:
        return parsed(model, raw)
    except InvalidRequestError:
        return None
