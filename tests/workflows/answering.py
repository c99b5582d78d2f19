"""One account's small workflows on the time-skipping server."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.steps import AccountFacts
from tests.looking import until
from tests.workflows.conftest import ENDS_WITHIN
from tests.workflows.model_recall import ModelAccount
from tests.workflows.recording import record
from worker import EndingWorker
from workflows.checks import CheckAccount, CheckCallback
from workflows.notify import Notify
from workflows.recall import RecallMassSend

_HEARTBEATS_APART = timedelta(milliseconds=100)
WORKFLOWS = [RecallMassSend, CheckAccount, CheckCallback, Notify]


@dataclass
class Bureau:
    """An account, and the means to ask about it."""

    env: WorkflowEnvironment
    account: ModelAccount
    queue: str
    started: list[tuple[str, WorkflowHandle[Any, Any]]] = field(default_factory=list)

    async def start(self, kind: str, raw: Any, workflow_id: str, result_type: type[Any]) -> WorkflowHandle[Any, Any]:
        """Start a workflow."""
        handle: WorkflowHandle[Any, Any] = await self.env.client.start_workflow(
            kind, raw, id=workflow_id, task_queue=self.queue, result_type=result_type
        )
        self.started.append((kind, handle))
        return handle

    async def asked_to_cancel(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Until the workflow has asked its activity to end."""

        def have(events: list[HistoryEvent]) -> bool:
            return any(event.activity_task_cancel_requested_event_attributes.scheduled_event_id for event in events)

        await self._until(handle, have)

    async def answered(self, handle: WorkflowHandle[Any, Any], kind: str, times: int) -> None:
        """Until so many activities of a kind have completed, whether or not their workflow knows."""

        def have(events: list[HistoryEvent]) -> bool:
            named = {event.event_id: event.activity_task_scheduled_event_attributes.activity_type for event in events}
            ended = [event.activity_task_completed_event_attributes.scheduled_event_id for event in events]
            return times == sum(named[number].name == kind for number in ended if number)

        await self._until(handle, have)

    async def _until(self, handle: WorkflowHandle[Any, Any], have: Callable[[list[HistoryEvent]], bool]) -> None:
        async def look() -> list[HistoryEvent]:
            return [event async for event in handle.fetch_history_events()]

        await until(look, have)

    async def record(self, folder: Path, name: str) -> None:
        """Write the histories of what was started, for the replay test."""
        count: Counter[str] = Counter()
        handles = {}
        for kind, handle in self.started:
            count[kind] += 1
            handles[f"{kind}-{count[kind]}"] = handle
        await record(self.env.client, handles, folder, name)


@asynccontextmanager
async def bureau_in(env: WorkflowEnvironment, *more: Callable[..., Any], **facts: Any) -> AsyncIterator[Bureau]:
    """A worker for one account, with `more` activities, on a task queue of its own."""
    bureau = _bureau(env, facts)
    activities = [*bureau.account.activities, *more]
    async with _at_work(bureau, workflows=WORKFLOWS, activities=activities):
        yield bureau


@asynccontextmanager
async def bureau_apart(env: WorkflowEnvironment) -> AsyncIterator[tuple[Bureau, Callable[[], EndingWorker]]]:
    """A worker for the account's activities, and on demand one for its workflows: what happens without it waits."""
    bureau = _bureau(env, {})
    async with _at_work(bureau, activities=bureau.account.activities):
        local = {"activities": [bureau.account.resolve_account], "no_remote_activities": True}
        yield bureau, lambda: _at_work(bureau, workflows=WORKFLOWS, max_cached_workflows=0, **local)


def _bureau(env: WorkflowEnvironment, facts: dict[str, Any]) -> Bureau:
    appid = f"wx{uuid.uuid4().hex[:16]}"
    account = ModelAccount(AccountFacts(name="demo", appid=appid, base_url="https://wechat.example", **facts), _now)
    return Bureau(env, account, f"tests-{appid}")


def _at_work(bureau: Bureau, **options: Any) -> EndingWorker:
    return EndingWorker(
        bureau.env.client,
        ends_within=ENDS_WITHIN,
        task_queue=bureau.queue,
        max_heartbeat_throttle_interval=_HEARTBEATS_APART,
        **options,
    )


def _now() -> datetime:
    """The server's time, as an activity sees it."""
    return activity.info().started_time
