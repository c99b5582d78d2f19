"""The runs of a send and of its account: started, looked at, and lost."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from qunfa.contract import MASS_SEND, MassSendResult, account_id, mass_send_id
from qunfa.contract.ledger import LedgerView
from qunfa.contract.operators import Status
from tests.workflows.in_flight import InFlight
from tests.workflows.scripts import Script
from tests.workflows.truth import TrueWechat

KEY: Final = "spring"
RIVAL: Final = "rival"
_ANSWER_WITHIN: Final = timedelta(seconds=8)
_ASKED_MAX: Final = 4
_NO_ANSWER: Final = frozenset({RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED})
"""What a call ends with when its time is over."""
_STILL: Final = timedelta(seconds=20)
_MOMENT: Final = timedelta(milliseconds=200)
_SKIPPED_TIMES: Final = {"push_timeout": "PT5M", "poll_interval": "PT1M", "give_up_after": "PT1H"}
_REAL_TIMES: Final = {"push_timeout": "PT1S", "poll_interval": "PT1S", "give_up_after": "PT3S"}


class Runs:
    """All runs of the send ``KEY``, of its rival and of their account; ``ids`` are their run ids, oldest first."""

    def __init__(self, env: WorkflowEnvironment, wechat: TrueWechat, script: Script) -> None:
        self.env, self.client, self.wechat, self._script = env, env.client, wechat, script
        self.ids: dict[str, list[str]] = {}
        self.in_flight = InFlight()
        self.on_end: list[Callable[[], Awaitable[None]]] = []
        self.on_loss: list[Callable[[], None]] = []

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The current run of the send."""
        workflow_id = mass_send_id(self.wechat.facts.name, KEY)
        return self.client.get_workflow_handle(workflow_id, result_type=MassSendResult)

    @property
    def account(self) -> WorkflowHandle[Any, Any]:
        """The current run of the account."""
        return self.client.get_workflow_handle(account_id(self.wechat.facts.appid))

    async def status(self) -> Status:
        """The status of the send."""
        status: Status = await _asked(self.handle, "status", Status)
        return status

    async def ledger(self) -> LedgerView:
        """What the account knows."""
        view: LedgerView = await _asked(self.account, "ledger", LedgerView)
        return view

    async def start(self, key: str) -> None:
        """Start a send; the same again where it was started before, and nothing where it is under way."""
        name = self.wechat.facts.name
        request: dict[str, Any] = {
            "account": name,
            "key": key,
            "audience": {"kind": "all"},
            "message": {"msgtype": "text", "content": "你好"},
            "result": _SKIPPED_TIMES if self.env.supports_time_skipping else _REAL_TIMES,
        }
        if key == KEY:
            request |= {"on_problem": self._script.on_problem, "decision_timeout": "P1D"}
            if self._script.held:
                request |= {"approval": {"required": True}, "requested_by": "crm"}
            if self._script.not_after:
                request["not_after"] = (await self.wechat.clock() + self._script.not_after).isoformat()
        queue = self.wechat.task_queue
        try:
            handle = await self.client.start_workflow(MASS_SEND, request, id=mass_send_id(name, key), task_queue=queue)
        except WorkflowAlreadyStartedError:
            return
        self.ids.setdefault(handle.id, []).append(handle.first_execution_run_id or "")

    async def open(self) -> bool:
        """Whether the send is under way."""
        return await self.is_open(self.handle)

    async def is_open(self, handle: WorkflowHandle[Any, Any]) -> bool:
        """Whether this workflow is under way."""
        try:
            return (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return False

    async def ended(self) -> None:
        """Look at how the current run has ended."""
        for look in self.on_end:
            await look()

    async def restart(self) -> None:
        """The send is terminated, or over, and started again."""
        if await self._terminated(self.handle):
            self._lost()
        else:
            await self.ended()
        await self.start(KEY)

    async def lose_the_ledger(self) -> None:
        """The account is terminated; the next message starts a new one."""
        if not await self.is_open(self.account):
            return
        run_id = (await self.account.describe()).run_id
        # Its task is over when it answers: the time-skipping server stands still where one is left behind.
        await self.ledger()
        if await self._terminated(self.account):
            self.ids.setdefault(self.account.id, []).append(run_id)

    async def reset(self, pick: int) -> None:
        """The current run of the send goes back to one of its points."""
        run = self.client.get_workflow_handle(self.handle.id, run_id=(await self.handle.describe()).run_id)
        done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        points = [event.event_id for event in (await run.fetch_history()).events if event.event_type == done]
        if not points:
            return
        if not await self.open():
            await self.ended()
        self._lost()
        request = ResetWorkflowExecutionRequest(
            namespace=self.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.run_id or ""),
            reason="a test",
            workflow_task_finish_event_id=points[pick % len(points)],
            request_id=str(uuid.uuid4()),
        )
        answer = await self.client.workflow_service.reset_workflow_execution(request)
        self.ids[run.id].append(answer.run_id)

    async def _terminated(self, handle: WorkflowHandle[Any, Any]) -> bool:
        try:
            await handle.terminate("lost")
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    def _lost(self) -> None:
        for forget in self.on_loss:
            forget()

    # Time

    async def skip(self, span: timedelta) -> None:
        """Let time pass; on the real server it passes by itself.

        Raises:
            StandsStillError: the time-skipping server does not let it pass, while the send is open.
        """
        if not self.env.supports_time_skipping:
            with contextlib.suppress(TimeoutError, WorkflowFailureError):
                async with asyncio.timeout(_MOMENT.total_seconds()):
                    await self.handle.result()
            return
        began = await self.wechat.clock()
        try:
            async with asyncio.timeout(_STILL.total_seconds()):
                await self.env.sleep(span)
        except (RPCError, TimeoutError):
            if await self.open() and await self.wechat.clock() - began < 2 * _STILL:
                raise StandsStillError from None


class StandsStillError(Exception):
    """The time-skipping server lets no time pass any more: it has lost count of what is under way in it."""


async def _asked(handle: WorkflowHandle[Any, Any], query: str, answer: type[Any]) -> Any:
    """The answer to a query; Temporal gives none to one that waits for a run while that is reset, so it is asked again.

    Raises:
        RPCError: Temporal refuses, or answers none of several.
    """
    asked = 0
    while True:
        asked += 1
        try:
            return await handle.query(query, result_type=answer, rpc_timeout=_ANSWER_WITHIN)
        except RPCError as error:
            if error.status not in _NO_ANSWER or asked == _ASKED_MAX:
                raise
