"""All checks, side by side: none waits for another but for what it needs, and none hides another."""

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.cli.connection import temporal_client
from qunfa.cli.doctor.account import ask_workers
from qunfa.cli.doctor.callback import check_callback
from qunfa.cli.doctor.plan import Plan
from qunfa.cli.doctor.temporal import (
    look_at_attributes,
    look_at_own_workflow,
    look_at_retention,
    look_at_tasks,
    look_at_version,
    look_at_workers,
)
from qunfa.cli.errors import explain
from qunfa.contract.checks import CheckName, Finding
from qunfa.rules.doctor import clock_found, skipped, temporal_failed, temporal_found
from qunfa.rules.doctor_account import not_asked, not_at_wechat
from qunfa.temporal.connection import TemporalError

_NO_TEMPORAL: Final = "Temporal has to answer first"
_NO_WORKER: Final = "a worker has to poll the task queue first"
_NO_APPID: Final = "neither this configuration nor a worker says which appid it has"
_NO_TIME: Final = "nothing tells Temporal's time: that is seen when a worker is asked about an account"

Told = Callable[[Finding], None]


class _Asked(NamedTuple):
    """By how many seconds this machine is ahead of Temporal, why WeChat cannot be asked more, and the appid."""

    ahead: float | None
    unable: str | None
    appid: str | None


class Examination:
    """One run of all checks; `told` hears of each finding as it is made."""

    def __init__(self, plan: Plan, told: Told) -> None:
        self._plan = plan
        self._told = told
        self._findings: dict[tuple[str | None, CheckName], Finding] = {}

    async def carried_out(self) -> tuple[Finding, ...]:
        """The findings, one for each check of the plan."""
        self._make([self._plan.configuration])
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(self._connected())
            looking = group.create_task(self._workers(connecting))
            group.create_task(self._look("temporal_version", connecting, look_at_version))
            group.create_task(self._look("retention", connecting, look_at_retention))
            group.create_task(self._look("search_attributes", connecting, look_at_attributes))
            group.create_task(self._look("workflow_tasks", connecting, look_at_tasks))
            asking = {
                account: group.create_task(self._account(account, connecting, looking))
                for account in self._plan.accounts
            }
            group.create_task(self._clock(asking.values()))
            for account, asked in asking.items():
                group.create_task(self._own_workflow(account, connecting, asked))
                group.create_task(self._callback(account, connecting, asked))
        return tuple(self._findings[account, name] for account, name in self._plan.checks)

    def _make(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._findings[finding.account, finding.name] = finding
            self._told(finding)

    async def _connected(self) -> Client | str:
        """The client, or why there is none, for those that need it."""
        try:
            client = await temporal_client()
        except TemporalError as error:
            self._make([temporal_failed(str(error))])
            return _NO_TEMPORAL
        self._make([temporal_found(client.service_client.config.target_host, client.namespace)])
        return client

    async def _look(
        self,
        name: CheckName,
        connecting: Awaitable[Client | str],
        look: Callable[[Client], Awaitable[Finding]],
        account: str | None = None,
    ) -> Finding:
        client = await connecting
        if isinstance(client, str):
            finding = skipped(name, client)
        else:
            try:
                finding = await look(client)
            except (TemporalError, RPCError) as error:
                finding = Finding(name=name, state="failed", said=" ".join(explain(error).lines))
        self._make([finding.model_copy(update={"account": account})])
        return finding

    async def _workers(self, connecting: Awaitable[Client | str]) -> str | None:
        """Why no worker can be asked; None where one can."""
        found = await self._look("workers", connecting, lambda client: look_at_workers(client, self._plan.queue))
        return {"failed": _NO_WORKER, "skipped": found.said}.get(found.state)

    async def _account(
        self, account: str, connecting: Awaitable[Client | str], looking: Awaitable[str | None]
    ) -> _Asked:
        client, worker = await connecting, await looking
        if isinstance(client, str) or worker is not None:
            why = worker or str(client)
            self._make(not_asked(account, why))
            return _Asked(None, why, self._appid(account))
        answer = await ask_workers(client, self._plan.queue, account, self._appid(account))
        self._make(answer.findings)
        return _Asked(answer.ahead, not_at_wechat(answer.findings), answer.appid or self._appid(account))

    def _appid(self, account: str) -> str | None:
        configured = self._plan.configured(account)
        return configured.appid if configured else None

    async def _own_workflow(self, account: str, connecting: Awaitable[Client | str], asking: Awaitable[_Asked]) -> None:
        ahead, _, appid = await asking

        async def look(client: Client) -> Finding:
            if appid is None:
                return skipped("own_workflow", _NO_APPID)
            now = datetime.now(UTC) - timedelta(seconds=ahead or 0.0)
            return await look_at_own_workflow(client, self._plan.queue, account, appid, now)

        await self._look("own_workflow", connecting, look, account)

    async def _clock(self, asking: Iterable[Awaitable[_Asked]]) -> None:
        readings = [asked.ahead for asked in await asyncio.gather(*asking) if asked.ahead is not None]
        self._make([clock_found(min(readings, key=abs)) if readings else skipped("clock", _NO_TIME)])

    async def _callback(self, account: str, connecting: Awaitable[Client | str], asked: Task[_Asked]) -> None:
        self._make([await check_callback(self._plan, account, await connecting, asked)])
