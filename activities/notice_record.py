"""What a workflow of ours has asked to be told: read from its own history, and from nobody else's word.

Who may start workflows could have Qunfa sign whatever it likes, if a notice were what its starter says. So the request
only names a workflow, and what is told is what that workflow's code has recorded, on this worker's task queue.
"""

from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol

from pydantic import ValidationError
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.closed_runs import ClosedRuns
from activities.failures import notice_refused, notice_undelivered
from qunfa.contract.ids import (
    ACCOUNT,
    ACCOUNT_NOTICES,
    MASS_SEND,
    NOTIFY,
    RECALL_MASS_SEND,
    account_of,
    notify_id,
    parse_account_id,
    parse_mass_send_id,
)
from qunfa.contract.notice import DELIVER_NOTICE, NOTICE_REFUSED, Notice, NotifyRequest

_RPC: Final = timedelta(seconds=5)
_GONE: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT})
_PREFIXES: Final = {RECALL_MASS_SEND: "recall", ACCOUNT_NOTICES: "notices"}
"""Who may ask beside `MassSend` and `Account`, and how their ids begin."""


class NoticeRecord(Protocol):
    """Where it stands what is to be told."""

    async def asked(self, request: NotifyRequest, appid: str) -> Notice:
        """The notice that the named workflow has asked for.

        Raises:
            ApplicationError: `NoticeRefused`, not retried; `NoticeUndelivered`, retried.
        """


class RecordedNotices:
    """The histories that Temporal keeps."""

    def __init__(self, client: Client, closed: ClosedRuns) -> None:
        self._client = client
        self._closed_runs = closed

    async def asked(self, request: NotifyRequest, appid: str) -> Notice:
        """The notice that the named workflow has asked for, or that its close gives rise to.

        Raises:
            ApplicationError: `NoticeRefused`, not retried. `NoticeUndelivered`, retried: Temporal could not be asked.
        """
        try:
            return await self._recorded(request, appid)
        except ApplicationError as refused:
            notice = await self._of_close(request) if refused.type == NOTICE_REFUSED else None
            if notice is None:
                raise
        return notice

    async def _of_close(self, request: NotifyRequest) -> Notice | None:
        """What is told of a run on this task queue that has closed, and cannot have asked for it."""
        handle = self._client.get_workflow_handle(request.workflow_id, run_id=request.run_id)
        try:
            run = await handle.describe(rpc_timeout=_RPC)
            notice = await self._closed_runs.notice_of(run) if run.task_queue == activity.info().task_queue else None
        except RPCError as error:
            if error.status in _GONE:
                return None
            raise notice_undelivered(
                f"{request.workflow_id} could not be read: Temporal answered {error.status.name}."
            ) from None
        if notice is None or notice.data.account != request.account:
            return None
        return notice if ClosedRuns.webhook_id(notice) == request.webhook_id else None

    async def _recorded(self, request: NotifyRequest, appid: str) -> Notice:
        """The notice that the named workflow has asked for, `appid` being that of the account.

        Raises:
            ApplicationError: `NoticeRefused`, not retried: there is no such workflow, it is none of this account, or it
                has not asked for this. `NoticeUndelivered`, retried: Temporal could not be asked.
        """
        who = f"{request.workflow_id} (run {request.run_id})"
        handle = self._client.get_workflow_handle(request.workflow_id, run_id=request.run_id)
        sender = False
        try:
            async for event in handle.fetch_history_events(rpc_timeout=_RPC):
                sender = sender or _is_ours(event, request, appid)
                if not sender:
                    raise notice_refused(f"{who} is no workflow of this account on this task queue that tells notices.")
                if found := await self._asked_in(event, request):
                    return found
        except RPCError as error:
            if error.status in _GONE:
                raise notice_refused(f"{who} does not exist, or Temporal does not keep it any more.") from None
            raise notice_undelivered(f"{who} could not be read: Temporal answered {error.status.name}.") from None
        raise notice_refused(f"{who} has not asked for {request.webhook_id}.")

    async def _asked_in(self, event: HistoryEvent, request: NotifyRequest) -> Notice | None:
        for payload in _inputs(event, request):
            read = await self._read(payload, request)
            if read.notice and _names(read) == _names(request) and read.notice.data.account == request.account:
                return read.notice
        return None

    async def _read(self, payload: Payload, request: NotifyRequest) -> NotifyRequest:
        try:
            [raw] = await self._client.data_converter.decode([payload], [Any])
            return NotifyRequest.model_validate(raw)
        except (ValidationError, KeyError, RuntimeError, ValueError) as error:
            raise notice_undelivered(
                f"what {request.workflow_id} has asked for cannot be read here ({type(error).__name__}). A worker of "
                "the version that wrote it can, with its payload codec."
            ) from None


class _Names(NamedTuple):
    account: str
    name: str
    webhook_id: str


def _names(request: NotifyRequest) -> _Names:
    return _Names(request.account, request.name, request.webhook_id)


def _is_ours(event: HistoryEvent, request: NotifyRequest, appid: str) -> bool:
    """Whether the history that begins so is of a workflow that may ask, carried on by workers like this one."""
    if not event.HasField("workflow_execution_started_event_attributes"):
        return False
    started = event.workflow_execution_started_event_attributes
    kind = started.workflow_type.name
    if started.task_queue.name != activity.info().task_queue:
        return False
    if kind == ACCOUNT:
        return parse_account_id(request.workflow_id) == appid
    if kind == MASS_SEND:
        send = parse_mass_send_id(request.workflow_id)
        return send is not None and send.account == request.account
    return kind in _PREFIXES and account_of(_PREFIXES[kind], request.workflow_id) == request.account


def _inputs(event: HistoryEvent, request: NotifyRequest) -> list[Payload]:
    """What the event gives to `Notify`, or to its activity."""
    if event.HasField("start_child_workflow_execution_initiated_event_attributes"):
        child = event.start_child_workflow_execution_initiated_event_attributes
        wanted = notify_id(*_names(request))
        return (
            list(child.input.payloads[:1]) if (child.workflow_type.name, child.workflow_id) == (NOTIFY, wanted) else []
        )
    if event.HasField("activity_task_scheduled_event_attributes"):
        scheduled = event.activity_task_scheduled_event_attributes
        return list(scheduled.input.payloads[:1]) if scheduled.activity_type.name == DELIVER_NOTICE else []
    return []
