"""One account's small workflows on the time-skipping server."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.steps import AccountFacts
from tests.workflows.conftest import ENDS_WITHIN
from tests.workflows.model_recall import ModelAccount
from tests.workflows.recording import record
from worker import EndingWorker
from workflows.account_check import CheckAccount
from workflows.notify import Notify
from workflows.quota import AccountQuota
from workflows.recall import RecallMassSend
from workflows.speed import AccountSpeed


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

    async def record(self, folder: Path, name: str) -> None:
        """Write the histories of what was started, for the replay test."""
        count: Counter[str] = Counter()
        handles = {}
        for kind, handle in self.started:
            count[kind] += 1
            handles[f"{kind}-{count[kind]}"] = handle
        await record(self.env.client, handles, folder, name)

    async def failure(self, handle: WorkflowHandle[Any, Any]) -> ApplicationError:
        """Why it failed."""
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        cause = caught.value.cause
        assert isinstance(cause, ApplicationError)
        assert cause.non_retryable
        return cause


@asynccontextmanager
async def bureau_in(env: WorkflowEnvironment, *more: Callable[..., Any], **facts: Any) -> AsyncIterator[Bureau]:
    """A worker for one account, with `more` activities, on a task queue of its own."""
    appid = f"wx{uuid.uuid4().hex[:16]}"
    account = ModelAccount(AccountFacts(name="demo", appid=appid, base_url="https://wechat.example", **facts), _now)
    queue = f"tests-{appid}"
    workflows = [RecallMassSend, AccountSpeed, AccountQuota, CheckAccount, Notify]
    at_work = {"task_queue": queue, "workflows": workflows, "activities": [*account.activities, *more]}
    async with EndingWorker(env.client, ends_within=ENDS_WITHIN, **at_work):
        yield Bureau(env, account, queue)


def _now() -> datetime:
    """The server's time, as an activity sees it."""
    return activity.info().started_time
