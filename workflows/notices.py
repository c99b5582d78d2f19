"""Starting ``Notify``: an abandoned child, so that nothing of a notice holds up or fails who sends it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import NOTIFY, notify_id
    from qunfa.contract.notice import Notice, NotifyRequest, WantedNotice
    from qunfa.markdown import plain
    from qunfa.rules.notices import webhook_id

_STARTING_MAX: Final = timedelta(seconds=10)
"""How long the end of a workflow waits for Temporal to have started its last notices: a moment, as a rule."""


class Notices:
    """The notices of one workflow. ``say`` is told what did not reach its receiver."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._starting = 0
        self._tasks: list[asyncio.Task[None]] = []

    def tell(self, wanted: tuple[WantedNotice, ...], notice: Notice, event: str) -> None:
        """Have ``notice`` told to those of the account's webhooks that want it; this returns at once.

        ``event`` tells it from the other events of this workflow, and is the same when a replay or a reset run comes
        to it again: what was told once is not told again, as long as Temporal keeps the workflow that has told it.
        """
        names = [one.name for one in wanted if notice.type in one.events]
        if not names:
            return
        info = workflow.info()
        told_as = webhook_id(info.workflow_id, info.first_execution_run_id, event)
        for name in names:
            request = NotifyRequest(
                account=notice.data.account,
                name=name,
                webhook_id=told_as,
                workflow_id=info.workflow_id,
                run_id=info.run_id,
                notice=notice,
            )
            self._starting += 1
            self._tasks.append(asyncio.create_task(self._told(request, str(notice.type))))

    async def started(self) -> None:
        """Until Temporal has started them: it need not be waited for, but a server may want that of a parent."""
        if self._starting:
            try:
                await workflow.wait_condition(lambda: not self._starting, timeout=_STARTING_MAX)
            except TimeoutError:
                workflow.logger.warning("a notice was still being started when its workflow ended")

    async def _told(self, request: NotifyRequest, what: str) -> None:
        try:
            child = await self._child(request, what)
        except WorkflowAlreadyStartedError:
            return
        finally:
            self._starting -= 1
        try:
            await child
        except ChildWorkflowError:
            self._say(f'the notice {what} did not reach "{request.name}": see {child.id}')

    async def _child(self, request: NotifyRequest, what: str) -> "workflow.ChildWorkflowHandle[Any, Any]":
        return await workflow.start_child_workflow(
            NOTIFY,
            request,
            id=notify_id(request.account, request.name, request.webhook_id),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=ParentClosePolicy.ABANDON,
            cancellation_type=ChildWorkflowCancellationType.ABANDON,
            static_summary=plain(f"{what} of {request.workflow_id}"),
        )
