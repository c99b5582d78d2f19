"""The worker's looks at what has closed in Temporal: webhooks are told of it, and sends of an account that was lost."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.closed_runs import ClosedRuns, Due
from activities.pulse import Look, again_and_again
from qunfa.contract.grants import LedgerLost
from qunfa.contract.ids import ACCOUNT, MASS_SEND, NOTIFY, account_id, notify_id
from qunfa.contract.ledger import LIFE, LedgerView, Restored
from qunfa.contract.notice import Notice
from qunfa.contract.operators import Restore
from qunfa.settings import Settings
from qunfa.temporal.account import signal_account
from qunfa.temporal.connection import UnlessGone, is_gone
from qunfa.temporal.paused import OPEN, PausedError

EVERY: Final = timedelta(minutes=1)
QUEUES_EVERY: Final = timedelta(seconds=15)
"""How often is looked for accounts that were closed."""
BACK: Final = timedelta(days=3)
"""How far back the first look of a process goes."""
BEHIND: Final = timedelta(minutes=10)
"""How far Temporal's list may be behind what has happened."""
TOLD_OF: Final = frozenset({"terminated", "refused", "recall_failed"})
LOOKS_MAX: Final = 10
"""How often a run is looked at which this worker cannot read."""

LISTED_WITHIN: Final = timedelta(minutes=1)
"""How long after an account was closed its sends are looked for again: Temporal's list is a little behind."""
MARK_LOOKS: Final = 40
"""How often a worker asks a closed account for what it was told of a restore: for ten minutes or more."""
LATER_RUNS: Final = timedelta(minutes=5)
"""How much later a send may have been reset, or have continued as new, before it is told."""

_ODD: Final = (ApplicationError, KeyError, RuntimeError, ValueError)
"""What a run raises of which something cannot be read; pydantic's ValidationError is a ValueError."""
_RPC: Final = timedelta(seconds=10)
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.onlooker")


class Onlooker:
    """Has the webhooks of the configured accounts told of runs that have told nobody how they closed.

    A run that is terminated tells nobody. So each worker looks at Temporal's list now and then, and starts a ``Notify``
    for each webhook. Its workflow id is made of the run's: of all workers, and of all looks, one starts it. Each
    process begins with what has closed since three days ago, which is how long a notice is tried, too. From then on
    only the server's clock counts. A history is read only where a webhook has not been told yet.
    """

    def __init__(self, settings: Settings, client: Client, every: timedelta = EVERY) -> None:
        self._settings = settings
        self._client = client
        self._every = every
        self._runs = ClosedRuns(settings, client)
        self._from = datetime.now(UTC) - BACK
        self._done: dict[str, datetime] = {}
        self._unread: Counter[str] = Counter()

    @property
    def _wanted(self) -> bool:
        notices = (one for account in self._settings.accounts.values() for one in account.notices.values())
        return any(TOLD_OF.intersection(one.events) for one in notices)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Look | None]:
        """Look now and then for as long as the block lasts; not where no webhook wants to be told."""
        if not self._wanted:
            yield None
            return
        async with again_and_again(self.look, self._every, "onlooker") as look:
            yield look

    async def look(self) -> None:
        """Have told what is new in Temporal's list; what could not be told comes again with the next look."""
        newest, missed = self._from, False
        try:
            async for run in self._runs.since(self._from):
                newest = max(newest, (run.close_time or newest) - BEHIND)
                missed = not await self._tell_once(run) or missed
        except RPCError as error:
            _LOG.warning("Temporal does not list what has closed; it is asked again", status=error.status.name)
            return
        if not missed:
            self._from = newest
            self._done = {run_id: at for run_id, at in self._done.items() if at >= self._from}

    async def _tell_once(self, run: WorkflowExecution) -> bool:
        """Whether no other look is needed at the run."""
        if run.run_id in self._done:
            return True
        try:
            await self._tell(run)
        except _ODD as error:
            if not self._gives_up(run, error):
                return False
        except RPCError as error:
            if not is_gone(error):
                _LOG.warning(
                    "a closed run cannot be told of now; it is tried again",
                    workflow_id=run.id,
                    run_id=run.run_id,
                    status=error.status.name,
                )
                return False
        self._done[run.run_id] = run.close_time or self._from
        self._unread.pop(run.run_id, None)
        return True

    def _gives_up(self, run: WorkflowExecution, error: Exception) -> bool:
        """Whether the run that cannot be read has been looked at often enough: it must not hold up the others."""
        self._unread[run.run_id] += 1
        last = self._unread[run.run_id] >= LOOKS_MAX
        # The error's text may hold what could not be read.
        _LOG.error(
            "a closed run cannot be told of by this worker",
            workflow_id=run.id,
            run_id=run.run_id,
            error=type(error).__name__,
            tried_again=not last,
        )
        return last

    async def _tell(self, run: WorkflowExecution) -> None:
        due = await self._runs.due(run)
        names = await self._untold(due, run.id) if due else []
        notice = await self._runs.notice_of(run) if names else None
        if notice:
            for name in names:
                await self._start(name, notice)

    async def _untold(self, due: Due, workflow_id: str) -> list[str]:
        """The webhooks that want to be told, and are not yet."""
        account = self._settings.accounts.get(due.account)
        if account is None:
            _LOG.info(
                "a closed run is of an account that this worker does not have",
                account=due.account,
                workflow_id=workflow_id,
            )
            return []
        wanting = [name for name, webhook in account.notices.items() if due.type in webhook.events]
        return [name for name in wanting if not await self._is_told(notify_id(due.account, name, due.webhook_id))]

    async def _is_told(self, workflow_id: str) -> bool:
        with UnlessGone():
            await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC)
            return True
        return False

    async def _start(self, name: str, notice: Notice) -> None:
        data = notice.data
        told_as = ClosedRuns.webhook_id(notice)
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                NOTIFY,
                notice.told_to(name, told_as),
                id=notify_id(data.account, name, told_as),
                task_queue=self._settings.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{notice.type} of a workflow of {data.account}",
                rpc_timeout=_RPC,
            )


class LostQueues:
    """Has the sends of the configured accounts ask again where their account was closed.

    An ``Account`` never ends by itself. Where it is terminated or reset, the next one knows neither who waits for a
    turn nor whose jobs are whose. A send that waits would ask only after days, and a push would find nobody. So each
    worker looks at Temporal's list, and signals ``ledger_lost`` to the running sends of that account. It says when the
    account was closed: a send asks for its turn once, however many workers tell it. The first message starts the
    account. What the lost one was told of a restored database, the next one is told first: meanwhile no send is told.

    One that was deleted is in no list, and can be asked nothing. It is missed where another look has found it before.
    """

    def __init__(self, settings: Settings, client: Client, every: timedelta = QUEUES_EVERY) -> None:
        self._client = client
        self._task_queue = settings.task_queue
        self._every = every
        self._names: dict[str, list[str]] = {}
        for name, account in settings.accounts.items():
            self._names.setdefault(account_id(account.appid), []).append(name)
        self._from = datetime.now(UTC) - BACK
        self._done: set[str] = set()
        self._told: dict[str, set[str | None]] = {}
        self._unread: Counter[str] = Counter()
        self._ran: dict[str, tuple[str, datetime]] = {}

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Look]:
        """Look now and then for as long as the block lasts."""
        async with again_and_again(self.look, self._every, "lost queues") as look:
            yield look

    async def look(self) -> None:
        """Tell the sends of an account that was closed; who could not be told is told with the next look."""
        try:
            listed = await self._closed()
        except RPCError as error:
            _LOG.warning("Temporal does not list closed accounts; it is asked again", status=error.status.name)
            return
        closed = {run.run_id: run.close_time for run in listed if run.close_time}
        ours = [run for run in listed if run.id in self._names and run.run_id in closed]
        for run in ours:
            if run.run_id not in self._done:
                await self._try_to(self._tell(run, closed[run.run_id]), run.id)
        for workflow_id in self._names:
            await self._try_to(self._tell_if_deleted(workflow_id, ours), workflow_id)
        if closed:
            untold = (closed[run.run_id] for run in ours if run.run_id not in self._done)
            self._from = max(self._from, min([max(closed.values()), *untold]) - BEHIND)

    async def _closed(self) -> list[WorkflowExecution]:
        """Accounts that were closed since the looks began; a reset closes one, too."""
        query = (
            f'WorkflowType = "{ACCOUNT}" '
            'AND ExecutionStatus IN ("Failed", "Terminated", "TimedOut", "Canceled") '
            f'AND CloseTime >= "{self._from.isoformat()}"'
        )
        listed = [run async for run in self._client.list_workflows(query, rpc_timeout=_RPC)]
        ids = {run.run_id for run in listed}
        self._done &= ids
        self._told = {run_id: told for run_id, told in self._told.items() if run_id in ids}
        self._unread = Counter({run_id: looks for run_id, looks in self._unread.items() if run_id in ids})
        return listed

    async def _try_to(self, tell: Coroutine[Any, Any, None], workflow_id: str) -> None:
        """One account that cannot be told of holds up no other."""
        try:
            await tell
        except RPCError as error:
            _LOG.warning(
                "the sends of a closed account cannot be told now; it is tried again",
                workflow_id=workflow_id,
                status=error.status.name,
            )

    async def _tell_if_deleted(self, workflow_id: str, listed: list[WorkflowExecution]) -> None:
        """Tell the sends of an account that ran before, and is gone, or in whose place another one was begun.

        The list tells of one that was terminated. One that is being deleted may look so for a moment.
        """
        now, found, before = datetime.now(UTC), None, self._ran.get(workflow_id)
        with UnlessGone():
            found = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC)
        if found is not None and found.status is not WorkflowExecutionStatus.RUNNING:
            return
        begun = found.raw_info.first_run_id if found else None
        if before is not None and begun != before[0]:
            since = before[1] - LISTED_WITHIN
            was_told = any(run.id == workflow_id and run.close_time and run.close_time >= since for run in listed)
            if found is None or not was_told:
                await self._tell_sends(workflow_id, now, set())
        self._ran.pop(workflow_id, None)
        if begun is not None:
            self._ran[workflow_id] = (begun, now)

    async def _tell(self, run: WorkflowExecution, closed_at: datetime) -> None:
        if run.run_id not in self._told and not await self._tell_of_a_restore(run, closed_at):
            return
        await self._tell_sends(run.id, closed_at, self._told.setdefault(run.run_id, set()))
        if datetime.now(UTC) > closed_at + LISTED_WITHIN:
            self._done.add(run.run_id)

    async def _tell_sends(self, workflow_id: str, closed_at: datetime, told: set[str | None]) -> None:
        before = len(told)
        async for send in self._running(self._names[workflow_id], closed_at):
            if send.run_id in told:
                continue
            handle = self._client.get_workflow_handle(send.id, run_id=send.run_id)
            with UnlessGone():
                await handle.signal("ledger_lost", LedgerLost(at=closed_at), rpc_timeout=_RPC)
            told.add(send.run_id)
        if len(told) > before:
            sends = len(told) - before
            _LOG.warning("an account was closed; its sends make themselves known", workflow_id=workflow_id, sends=sends)

    async def _tell_of_a_restore(self, run: WorkflowExecution, closed_at: datetime) -> bool:
        """The next account doubts what the lost one would have doubted, unless a person has told it already.

        One that was reset may know of an earlier restore alone, be its snapshot older or newer. One that ran on
        another task queue is not asked: nobody may work there.
        False where that cannot be seen yet: it is seen to with the next look.
        """
        if run.task_queue != self._task_queue:
            return True
        try:
            restored = await self._restored(run.id, run.run_id)
            if restored is None or (restored.ended_at is not None and closed_at > restored.ended_at + LIFE):
                return True
            try:
                known = await self._restored(run.id, None)
            except PausedError:  # It grants nothing, and a signal reaches it.
                known = None
            if known is not None and known.at >= restored.at:
                return True
        except (WorkflowQueryFailedError, RPCError, *_ODD) as error:
            return self._gives_up(run, error)
        told = Restore(by=restored.by, reason=restored.reason, taken=restored.taken)
        await signal_account(self._client, self._task_queue, run.id, "restored", told, within=_RPC)
        _LOG.warning("an account was closed after a restore; the next one is frozen, and doubts", workflow_id=run.id)
        return True

    def _gives_up(self, run: WorkflowExecution, error: Exception) -> bool:
        """Whether the closed account has been asked often enough: its sends must not wait for ever."""
        self._unread[run.run_id] += 1
        last = self._unread[run.run_id] >= MARK_LOOKS or (isinstance(error, RPCError) and is_gone(error))
        # The error's text may hold what could not be read.
        (_LOG.error if last else _LOG.warning)(
            "a closed account cannot be read: was it told of a restored database?",
            workflow_id=run.id,
            run_id=run.run_id,
            error=type(error).__name__,
            tried_again=not last,
        )
        return last

    async def _restored(self, workflow_id: str, run_id: str | None) -> Restored | None:
        """What this run of an account was told; or the one that is open, if one is."""
        handle: WorkflowHandle[Any, Any] = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        open_only = None if run_id else QueryRejectCondition.NOT_OPEN
        try:
            view: LedgerView = await handle.query(
                "ledger", {"key": ""}, result_type=LedgerView, reject_condition=open_only, rpc_timeout=_RPC
            )
        except WorkflowQueryRejectedError:
            return None
        return view.restored

    def _running(self, names: list[str], closed_at: datetime) -> AsyncIterator[WorkflowExecution]:
        """Their sends, whatever they wait for; who has begun since has asked the next account, but for later runs."""
        listed = ", ".join(f'"{name}"' for name in names)
        query = (
            f'WorkflowType = "{MASS_SEND}" AND {OPEN} AND MassSendAccount IN ({listed}) '
            f'AND StartTime <= "{(closed_at + LATER_RUNS).isoformat()}"'
        )
        return self._client.list_workflows(query, rpc_timeout=_RPC)
