"""Queries that wait for a worker, and are taken before the workflow task that brings what has happened meanwhile."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import UpdateRef
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from qunfa.contract.operators import Status
from qunfa.temporal.whole_tasks import WholeTasks
from tests.looking import until
from tests.workflows.conftest import scaled_facts, staffed
from tests.workflows.refusals import Activate, Passing
from tests.workflows.test_refused_updates import comes, is_admitted, replays

pytestmark = pytest.mark.long

Handle = WorkflowHandle[Any, Any]
Queries = asyncio.Future[list[Status | BaseException]]
Makes = Callable[..., WorkflowRunner]
SCHEDULED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
ENDED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
STARTED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
COMING: Final = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, SCHEDULED, STARTED}
QUERIES: Final = 1
ROUNDS: Final = 40
"""One of the queries is taken before the task in about every second round."""


@pytest.mark.parametrize("forgets", [True, False], ids=["forgotten", "forgotten too late"])
async def test_no_query_brings_a_send_the_end_of_an_answer_before_its_task(
    real_env: WorkflowEnvironment, forgets: bool
) -> None:
    """`mass/get` fails while no worker has the send: its task brings that and another retry, which is refused."""
    for _ in range(ROUNDS):
        early: list[int] = []
        runner = partial(Watching, early=early) if forgets else partial(too_busy, early=early)
        handle, (retry, again) = await retried_in_the_task_of_a_refusal(real_env, runner)
        assert "could not be asked" in refusal_of(retry)
        assert "another answer is being carried out" in refusal_of(again)
        await replays(real_env.client, handle)
        if early:
            return
    raise AssertionError("no query came before its workflow task")


async def test_temporals_own_runner_lets_a_query_do_so(real_env: WorkflowEnvironment) -> None:
    """The check can fail: the other retry is accepted after what comes after it in a replay."""
    for _ in range(ROUNDS):
        handle, (_, again) = await retried_in_the_task_of_a_refusal(real_env, lambda **_: SandboxedWorkflowRunner())
        if "could not be asked" in refusal_of(again):
            with pytest.raises(RuntimeError):
                await replays(real_env.client, handle)
            return
    raise AssertionError("no query came before its workflow task")


def refusal_of(answer: Status | BaseException) -> str:
    assert isinstance(answer, WorkflowUpdateFailedError)
    return str(answer.cause)


@dataclass(frozen=True, kw_only=True)
class Watching(WholeTasks):
    """As the product's, and tells which queries have brought a run further than its last task."""

    early: list[int]

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return Passing(super().create_instance(det), Watch(self.early).pass_on)


def too_busy(*, early: list[int], **_: Any) -> Watching:
    """Of a worker that has not forgotten a run when its task comes."""
    return Watching(forget=lambda _run_id: None, early=early)


class Watch:
    """More events, and no other workflow task."""

    def __init__(self, early: list[int]) -> None:
        self._early = early
        self._last: WorkflowActivation | None = None

    def pass_on(self, activate: Activate, act: WorkflowActivation) -> WorkflowActivationCompletion:
        if not any(job.HasField("query_workflow") or job.HasField("remove_from_cache") for job in act.jobs):
            last, self._last = self._last, act
            if last and last.timestamp == act.timestamp and last.history_length < act.history_length:
                self._early.append(act.history_length)
        return activate(act)


async def retried_in_the_task_of_a_refusal(
    env: WorkflowEnvironment, runner: Makes
) -> tuple[Handle, list[Status | BaseException]]:
    """A send whose retry is refused in the task that brings another one; how the two were answered."""
    desk, worker = staffed(env, scaled_facts(http_timeout=timedelta(hours=1)))
    begun, over = asyncio.Event(), asyncio.Event()
    tasks_only = {"activities": [desk.wechat.resolve_account], "no_remote_activities": True}

    async def mass_get() -> None:
        begun.set()
        await over.wait()

    async with worker(workflows=[]):
        async with worker(**tasks_only, max_cached_workflows=0):
            desk.wechat.push_at_once = "err(30001)"
            handle = await desk.start(desk.wechat.facts.appid)
            await desk.asks(handle, "originality_check_error")
            await until(handle.fetch_history, is_at_rest)  # a query of the test may be ahead of the task, too
            desk.wechat.before_status, desk.wechat.statuses_fail = mass_get, True
            retry = asyncio.ensure_future(desk.update(handle, "retry"))
            await begun.wait()
        queries = await asking(handle)
        over.set()
        assert await comes(handle, ENDED, SCHEDULED)
        again = asyncio.ensure_future(
            handle.execute_update("retry", {"by": "li", "reason": "looked"}, id="again", result_type=Status)
        )
        send = WorkflowExecution(workflow_id=handle.id)
        await is_admitted(env.client, UpdateRef(workflow_execution=send, update_id="again"))
        async with worker(**tasks_only, runner=runner):
            answers: list[Status | BaseException] = await asyncio.gather(retry, again, return_exceptions=True)
            await queries
    return handle, answers


def is_at_rest(history: WorkflowHistory) -> bool:
    """Whether no workflow task is to come or under way."""
    return history.events[-1].event_type not in COMING


async def asking(handle: Handle) -> Queries:
    """Queries that Temporal has: they wait for a worker. It may lose one of them."""
    asked = [handle.query("status", result_type=Status, rpc_timeout=timedelta(seconds=10)) for _ in range(QUERIES)]
    queries = asyncio.gather(*asked, return_exceptions=True)
    await handle.describe()
    return queries
