"""The runs of a send and of its account: started, looked at, and lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract import MassSendResult, account_id, mass_send_id
from qunfa.contract.status import Status
from tests.workflows.conftest import Desk
from tests.workflows.in_flight import InFlight
from tests.workflows.scripts import Script
from tests.workflows.test_reset import points, reset
from tests.workflows.truth import TrueWechat

KEY: Final = "spring"
RIVAL: Final = "rival"
_STILL: Final = timedelta(seconds=8)
_SKIPPED_TIMES: Final = {"push_timeout": "PT5M", "poll_interval": "PT1M", "give_up_after": "PT1H"}
_REAL_TIMES: Final = {"push_timeout": "PT1S", "poll_interval": "PT1S", "give_up_after": "PT3S"}


class Runs:
    """All runs of the send ``KEY``, of its rival and of their account; ``ids`` are their run ids, oldest first."""

    def __init__(self, desk: Desk, wechat: TrueWechat, script: Script) -> None:
        self.desk, self.wechat, self._script = desk, wechat, script
        self.ids: dict[str, list[str]] = {}
        self.in_flight = InFlight()
        self.on_end: list[Callable[[], Awaitable[None]]] = []
        self.on_loss: list[Callable[[], None]] = []

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The current run of the send."""
        workflow_id = mass_send_id(self.wechat.facts.name, KEY)
        return self.desk.env.client.get_workflow_handle(workflow_id, result_type=MassSendResult)

    @property
    def account(self) -> WorkflowHandle[Any, Any]:
        """The current run of the account."""
        return self.desk.env.client.get_workflow_handle(account_id(self.wechat.facts.appid))

    async def status(self) -> Status:
        """The status of the send."""
        return await self.desk.status(self.handle)

    async def start(self, key: str) -> None:
        """Start a send; the same again where it was started before, and nothing where it is under way."""
        more: dict[str, Any] = {"result": _SKIPPED_TIMES if self.desk.env.supports_time_skipping else _REAL_TIMES}
        if key == KEY:
            more |= {"on_problem": self._script.on_problem, "decision_timeout": "P1D"}
            if self._script.not_after:
                more["not_after"] = (await self.wechat.clock() + self._script.not_after).isoformat()
        name = self.wechat.facts.name
        try:
            request = {**self.desk.request(key, **more), "account": name}
            handle = await self.desk.start_raw(request, mass_send_id(name, key))
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
        await self.desk.ledger()
        if await self._terminated(self.account):
            self.ids.setdefault(self.account.id, []).append(run_id)

    async def reset(self, pick: int) -> None:
        """The current run of the send goes back to one of its points."""
        run_id = (await self.handle.describe()).run_id
        client = self.desk.env.client
        run = client.get_workflow_handle(self.handle.id, run_id=run_id, first_execution_run_id=run_id)
        found = await points(self.desk, run)
        if not found:
            return
        if not await self.open():
            await self.ended()
        self._lost()
        again = await reset(self.desk, run, found[pick % len(found)])
        self.ids[run.id].append(again.run_id or "")

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
        if not self.desk.env.supports_time_skipping:
            return
        began = await self.wechat.clock()
        try:
            async with asyncio.timeout(_STILL.total_seconds()):
                await self.desk.env.sleep(span)
        except (RPCError, TimeoutError):
            if await self.open() and await self.wechat.clock() - began < 2 * _STILL:
                raise StandsStillError from None


class StandsStillError(Exception):
    """The time-skipping server lets no time pass any more: it has lost count of what is under way in it."""
