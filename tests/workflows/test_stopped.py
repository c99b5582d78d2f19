"""A person's word that comes in one workflow task with the end of an activity: nothing more is begun after it."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import UpdateRef
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.batches import Batches
from qunfa.contract.batches import ANSWER_BATCH, AnswerBatchStep
from qunfa.contract.operators import Status
from qunfa.contract.result import UPDATE_REFUSED
from tests.looking import PATIENCE, until
from tests.workflows.conftest import Desk, scaled_facts, staffed
from tests.workflows.model import says
from tests.workflows.test_in_batches import FILE, failed, sent_to
from tests.workflows.test_refused_updates import is_admitted, last_events, replays

pytestmark = pytest.mark.long

Handle = WorkflowHandle[Any, Any]
SCHEDULED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
COMPLETED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
PREVIEWED: Final = {"preview": {"to": [{"openid": "boss"}]}}


class Gate:
    """Where an activity waits, once it has come."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def passed(self, *_: Any) -> None:
        self.reached.set()
        await self.opened.wait()


class RefusesOnce(Batches):
    """A batch does not take what it is given until the gate is open."""

    def __init__(self, gate: Gate, client: Client) -> None:
        super().__init__(client)
        self._gate = gate

    @activity.defn(name=ANSWER_BATCH)
    async def answer_batch(self, step: AnswerBatchStep) -> Status:
        if self._gate.opened.is_set():
            return await super().answer_batch(step)
        await self._gate.passed()
        raise ApplicationError("it is ending", type=UPDATE_REFUSED, non_retryable=True)


def without_activities(desk: Desk) -> dict[str, Any]:
    """What makes a worker that carries out workflow tasks alone."""
    return {"activities": [desk.wechat.resolve_account], "no_remote_activities": True}


async def in_one_task(desk: Desk, handle: Handle, gate: Gate, end: EventType.ValueType) -> asyncio.Task[Status]:
    """An `abort` that its workflow task brings with the end of the activity at the gate; no worker has the send."""
    gate.opened.set()
    await until(partial(last_events, handle, 2), lambda last: last == [end, SCHEDULED])
    update = handle.execute_update("abort", {"by": "li", "reason": "looked"}, id="abort", result_type=Status)
    aborting = asyncio.create_task(update)
    send = WorkflowExecution(workflow_id=handle.id)
    await is_admitted(desk.env.client, UpdateRef(workflow_execution=send, update_id="abort"))
    return aborting


@pytest.mark.parametrize("audience", [{"kind": "all"}, FILE], ids=["send", "list"])
async def test_nothing_is_previewed_after_an_abort(real_env: WorkflowEnvironment, audience: dict[str, Any]) -> None:
    """One of today's previews was just taken for it."""
    desk, worker = staffed(real_env, scaled_facts())
    gate = Gate()
    desk.slow.after_preview = gate.passed
    async with worker(workflows=[]):
        async with worker(**without_activities(desk)):
            handle = await desk.start("stopped", audience=audience, **PREVIEWED)
            await gate.reached.wait()
        aborting = await in_one_task(desk, handle, gate, COMPLETED)
        async with worker(**without_activities(desk)):
            await aborting
            assert ((await failed(handle)).outcome, desk.material.previews) == ("aborted", [])
    await replays(real_env.client, handle)


async def test_a_list_gives_its_batch_a_later_abort_at_once(
    real_env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its batch has just refused an earlier one, which would be given again after a while; here after a day."""
    gate = Gate()
    monkeypatch.setattr("workflows.batch_effects._AGAIN", timedelta(days=1))
    monkeypatch.setattr("tests.workflows.model_store.Batches", partial(RefusesOnce, gate))
    desk, worker = staffed(real_env, scaled_facts())
    desk.wechat.script = [says(40003)]
    async with worker(workflows=[]):
        async with worker(**without_activities(desk)):
            handle = await desk.start("stopped", audience=FILE)
            await desk.asks(handle, "audience_refused")
            await desk.update(handle, "abort")
            await gate.reached.wait()
        aborting = await in_one_task(desk, handle, gate, FAILED)
        async with worker(**without_activities(desk)), asyncio.timeout(PATIENCE):
            await aborting
            assert ((await failed(handle)).outcome, await sent_to(desk)) == ("aborted", [1])
    await replays(real_env.client, handle)
