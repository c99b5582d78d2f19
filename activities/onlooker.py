"""The worker's look at what has closed in Temporal without telling it: each such run is told to webhooks once.

A run that is terminated tells nobody. So each worker looks at Temporal's list now and then, and starts a ``Notify`` for
each webhook, whose workflow id is made of the run's: of all workers, and of all looks, one starts it. Each process
begins with what has closed since three days ago, which is how long a notice is tried, too.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger
from temporalio.client import Client, WorkflowExecution
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.closed_runs import ClosedRuns
from qunfa.contract.ids import NOTIFY, notify_id
from qunfa.contract.notice import Notice, NotifyRequest
from qunfa.settings import Settings

EVERY: Final = timedelta(minutes=1)
BACK: Final = timedelta(days=3)
"""How far back the first look of a process goes."""
BEHIND: Final = timedelta(minutes=10)
"""How far Temporal's list may be behind what has happened."""
TOLD_OF: Final = frozenset({"terminated", "refused", "recall_failed"})

_RPC: Final = timedelta(seconds=10)
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.onlooker")


class Onlooker:
    """Has the webhooks of the configured accounts told of runs that have told nobody how they closed."""

    def __init__(self, settings: Settings, client: Client, every: timedelta = EVERY) -> None:
        self._settings = settings
        self._client = client
        self._every = every
        self._runs = ClosedRuns(settings, client)
        self._from = datetime.now(UTC) - BACK
        self._done: dict[str, datetime] = {}

    @property
    def _wanted(self) -> bool:
        notices = (one for account in self._settings.accounts.values() for one in account.notices.values())
        return any(TOLD_OF.intersection(one.events) for one in notices)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look now and then for as long as the block lasts; not where no webhook wants to be told."""
        if not self._wanted:
            yield
            return
        looks = asyncio.create_task(self._look_again_and_again(), name="onlooker")
        looks.add_done_callback(_log_end)
        try:
            yield
        finally:
            looks.cancel()
            await asyncio.wait({looks})

    async def look(self) -> None:
        """Have told what is new in Temporal's list; what could not be told comes again with the next look."""
        began, missed = datetime.now(UTC), False
        try:
            async for run in self._runs.since(self._from):
                missed = not await self._tell_once(run) or missed
        except RPCError as error:
            _LOG.warning("Temporal does not list what has closed; it is asked again", status=error.status.name)
            return
        if not missed:
            self._from = began - BEHIND
            self._done = {run_id: at for run_id, at in self._done.items() if at >= self._from}

    async def _look_again_and_again(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every.total_seconds())

    async def _tell_once(self, run: WorkflowExecution) -> bool:
        """Whether no other look is needed at the run."""
        if run.run_id in self._done:
            return True
        try:
            notice = await self._runs.notice_of(run)
            if notice:
                await self._tell(notice)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                _LOG.warning(
                    "a closed run cannot be told of now; it is tried again",
                    workflow_id=run.id,
                    run_id=run.run_id,
                    status=error.status.name,
                )
                return False
        self._done[run.run_id] = run.close_time or datetime.now(UTC)
        return True

    async def _tell(self, notice: Notice) -> None:
        account = self._settings.accounts.get(notice.data.account)
        if account is None:
            _LOG.info(
                "a closed run is of an account that this worker does not have",
                account=notice.data.account,
                workflow_id=notice.data.workflow_id,
            )
            return
        for name, webhook in account.notices.items():
            if notice.type in webhook.events:
                await self._start(name, notice)

    async def _start(self, name: str, notice: Notice) -> None:
        data = notice.data
        told_as = ClosedRuns.webhook_id(notice)
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                NOTIFY,
                NotifyRequest(
                    account=data.account,
                    name=name,
                    webhook_id=told_as,
                    workflow_id=data.workflow_id,
                    run_id=data.run_id,
                    notice=notice,
                ),
                id=notify_id(data.account, name, told_as),
                task_queue=self._settings.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{notice.type} of a workflow of {data.account}",
                rpc_timeout=_RPC,
            )


def _log_end(looks: asyncio.Task[None]) -> None:
    """A mistake here stops no worker, but must be seen."""
    if not looks.cancelled() and (error := looks.exception()):
        _LOG.error("this worker tells no closed runs any more; restart it, and report this", exc_info=error)
