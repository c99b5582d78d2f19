"""The worker's look at accounts whose workflow was closed: its sends are told, and make themselves known again.

An ``Account`` never ends by itself. Where it is terminated or reset, the next one knows neither who waits for a turn
nor whose jobs are whose. A send that waits would ask only after days, and a push would find nobody. So each worker
looks at Temporal's list, and signals ``ledger_lost`` to the running sends of that account. It says when the account was
closed: a send asks for its turn once, however many workers tell it. The first message starts the account.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from activities.earlier_runs import quoted
from activities.onlooker import BEHIND, again_and_again
from qunfa.contract.grants import LedgerLost
from qunfa.contract.ids import ACCOUNT, MASS_SEND, account_id
from qunfa.settings import Settings

EVERY: Final = timedelta(seconds=15)
BACK: Final = timedelta(days=3)
"""How far back the first look of a process goes."""
LISTED_WITHIN: Final = timedelta(minutes=1)
"""How long after an account was closed its sends are looked for again: Temporal's list is a little behind."""
LATER_RUNS: Final = timedelta(minutes=5)
"""How much later a send may have been reset, or have continued as new, before it is told."""

_RPC: Final = timedelta(seconds=10)
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.lost_queues")


class LostQueues:
    """Has the sends of the configured accounts ask again where their account was closed."""

    def __init__(self, settings: Settings, client: Client, every: timedelta = EVERY) -> None:
        self._client = client
        self._queue = quoted(settings.task_queue)
        self._every = every
        self._names: dict[str, list[str]] = {}
        for name, account in settings.accounts.items():
            self._names.setdefault(account_id(account.appid), []).append(name)
        self._from = datetime.now(UTC) - BACK
        self._done: set[str] = set()
        self._told: dict[str, set[str | None]] = {}

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look now and then for as long as the block lasts."""
        async with again_and_again(self.look, self._every, "lost queues"):
            yield

    async def look(self) -> None:
        """Tell the sends of an account that was closed; who could not be told is told with the next look."""
        try:
            for run in await self._closed():
                if run.run_id not in self._done and run.close_time:
                    await self._tell(run, run.close_time)
        except RPCError as error:
            _LOG.warning("Temporal does not list closed accounts; it is asked again", status=error.status.name)

    async def _closed(self) -> list[WorkflowExecution]:
        """Accounts that were closed since the looks began; a reset closes one, too."""
        query = (
            f'WorkflowType = "{ACCOUNT}" AND TaskQueue = {self._queue} '
            'AND ExecutionStatus IN ("Failed", "Terminated", "TimedOut", "Canceled") '
            f'AND CloseTime >= "{self._from.isoformat()}"'
        )
        listed = [run async for run in self._client.list_workflows(query, rpc_timeout=_RPC)]
        newest = max((run.close_time for run in listed if run.close_time), default=self._from)
        self._from = max(self._from, newest - BEHIND)
        ids = {run.run_id for run in listed}
        self._done &= ids
        self._told = {run_id: told for run_id, told in self._told.items() if run_id in ids}
        return [run for run in listed if run.id in self._names]

    async def _tell(self, run: WorkflowExecution, closed_at: datetime) -> None:
        told = self._told.setdefault(run.run_id, set())
        before = len(told)
        async for send in self._running(self._names[run.id], closed_at):
            if send.run_id in told:
                continue
            handle = self._client.get_workflow_handle(send.id, run_id=send.run_id)
            try:
                await handle.signal("ledger_lost", LedgerLost(at=closed_at), rpc_timeout=_RPC)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
            told.add(send.run_id)
        if len(told) > before:
            sends = len(told) - before
            _LOG.warning("an account was closed; its sends make themselves known", workflow_id=run.id, sends=sends)
        if datetime.now(UTC) > closed_at + LISTED_WITHIN:
            self._done.add(run.run_id)

    def _running(self, names: list[str], closed_at: datetime) -> AsyncIterator[WorkflowExecution]:
        """Their sends, whatever they wait for; who has begun since has asked the next account, but for later runs."""
        listed = ", ".join(f'"{name}"' for name in names)
        query = (
            f'WorkflowType = "{MASS_SEND}" AND ExecutionStatus = "Running" AND MassSendAccount IN ({listed}) '
            f'AND StartTime <= "{(closed_at + LATER_RUNS).isoformat()}"'
        )
        return self._client.list_workflows(query, rpc_timeout=_RPC)
