"""What people see from outside: a send's page and search attributes, and the notices of sends and recalls.

A notice is told by ``Notify``. That is an abandoned child, so that nothing of a notice holds up or fails who sends it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate, WorkflowIDReusePolicy
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import NOTIFY, notify_id
    from qunfa.contract.notice import Notice, NoticeData, NoticeType, NotifyRequest, WantedNotice
    from qunfa.contract.operators import Status
    from qunfa.contract.recall import RecallResult
    from qunfa.contract.request import MassSendRequest, look_at
    from qunfa.contract.result import MassSendResult
    from qunfa.markdown import plain
    from qunfa.rules.notices import notice_problem, webhook_id
    from qunfa.send.show import Searchable
    from workflows.pages import send_page

_STARTING_MAX: Final = timedelta(seconds=10)
"""How long the end of a workflow waits for Temporal to have started its last notices: a moment, as a rule."""

_KEYS: Final[dict[str, SearchAttributeKey[Any]]] = {
    "account": SearchAttributeKey.for_keyword("MassSendAccount"),
    "phase": SearchAttributeKey.for_keyword("MassSendPhase"),
    "msgtype": SearchAttributeKey.for_keyword("MassSendMsgType"),
    "problem": SearchAttributeKey.for_keyword("MassSendProblem"),
    "msg_ids": SearchAttributeKey.for_keyword_list("MassSendMsgId"),
    "outcome": SearchAttributeKey.for_keyword("MassSendOutcome"),
    "progress": SearchAttributeKey.for_keyword("MassSendProgress"),
}


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
            self._starting += 1
            self._tasks.append(asyncio.create_task(self._told(notice.told_to(name, told_as), str(notice.type))))

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


def recall_notice(result: RecallResult) -> Notice:
    """That the pages are gone."""
    info = workflow.info()
    data = NoticeData(
        account=result.account,
        key=result.key,
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        msgtype=result.msgtype,
        requested_by=result.by,
        outcome="recalled",
        may_have_been_delivered=True,
        msg_ids=() if result.msg_id is None else (result.msg_id,),
        article_idx=result.article_idx,
        verified=result.verified,
    )
    return Notice(type="recalled", timestamp=workflow.now(), data=data)


class Board:
    """The page, the search attributes and the notices that are being started.

    A run that continues another one begins with the search attributes of that.
    """

    def __init__(self, notices: Notices) -> None:
        self.notices = notices

    def show(
        self, request: MassSendRequest | None, status: Status, found_by: Searchable, ended: MassSendResult | None
    ) -> None:
        """Bring the workflow's page and search attributes up to date."""
        workflow.set_current_details(send_page(request, status, ended))
        wanted: dict[str, object] = {name: getattr(found_by, name) or None for name in _KEYS}
        wanted["msg_ids"] = list(found_by.msg_ids) or None
        shown = workflow.info().typed_search_attributes
        changed = {name: value for name, value in wanted.items() if value != shown.get(_KEYS[name])}
        if not changed:
            return
        updates: list[SearchAttributeUpdate[Any]] = [
            _KEYS[name].value_unset() if value is None else _KEYS[name].value_set(value)
            for name, value in changed.items()
        ]
        workflow.upsert_search_attributes(updates)

    def tell(  # noqa: PLR0913  what a notice is made of
        self,
        wants: tuple[WantedNotice, ...],
        request: MassSendRequest,
        status: Status,
        *,
        what: NoticeType,
        event: str,
        in_doubt: bool,
        answer_by: datetime | None = None,
        result: MassSendResult | None = None,
    ) -> None:
        """Have the account's webhooks told. ``event`` tells this one from the others of the send."""
        if not wants:
            return
        jobs = result.jobs if result else status.jobs
        data = NoticeData(
            account=request.account,
            key=request.key,
            workflow_id=workflow.info().workflow_id,
            run_id=workflow.info().run_id,
            msgtype=request.message.msgtype,
            requested_by=request.requested_by,
            phase=status.phase,
            outcome=result.outcome if result else None,
            may_have_been_delivered=in_doubt,
            problem=notice_problem(status.problem, in_doubt=in_doubt) if status.problem else None,
            answers=status.answers,
            answer_by=answer_by,
            msg_ids=tuple(job.msg_id for job in jobs if job.msg_id is not None),
            totals=result.totals if result else None,
            look_at=look_at(request) if what == "awaiting_approval" else None,
        )
        self.notices.tell(wants, Notice(type=what, timestamp=workflow.now(), data=data), event)
