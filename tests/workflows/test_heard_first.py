"""What comes in one workflow task with signals, or with the end of a batch: the run hears of it before it acts."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import UpdateRef
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails

from activities.batches import Batches
from qunfa.contract.batches import ANSWER_BATCH, AnswerBatchStep
from qunfa.contract.ids import MASS_SEND_IN_BATCHES
from qunfa.contract.operators import Status
from qunfa.temporal.whole_tasks import WholeTasks
from tests.looking import until
from tests.temporal import is_there
from tests.workflows.conftest import BRIEF, scaled_facts, staffed
from tests.workflows.model import says
from tests.workflows.refusals import Activate, Passing
from tests.workflows.test_in_batches import FILE, batch, failed, sent_to
from tests.workflows.test_refused_updates import is_admitted, replays
from tests.workflows.test_stopped import Gate, without_activities
from workflows.account import Account
from workflows.mass_send import MassSend
from workflows.notify import Notify

pytestmark = pytest.mark.long

Handle = WorkflowHandle[Any, Any]
CANCELED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
SIGNALED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
ANSWERED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
REFUSED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
BATCH_SENT: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED


async def has_come(handle: Handle, *kinds: EventType.ValueType) -> None:
    """Until such events have come since the run has last done something."""

    async def newest() -> set[EventType.ValueType]:
        events = [event.event_type for event in (await handle.fetch_history()).events]
        done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return set(events[len(events) - events[::-1].index(done) :])

    await until(newest, lambda came: came >= set(kinds))


async def status_of(handle: Handle) -> WorkflowExecutionStatus | None:
    return (await handle.describe()).status


async def test_a_send_cancelled_before_its_turn_goes_to_nobody(real_env: WorkflowEnvironment) -> None:
    """Its account grants it a turn after that, while no worker has the send."""
    desk, worker = staffed(real_env, scaled_facts(http_timeout=timedelta(seconds=60)))
    desk.task_timeout = BRIEF
    tasks = without_activities(desk)
    async with worker(workflows=[]):
        async with worker(**tasks):
            await desk.wechat.push(1)
            await desk.freeze()
            handle = await desk.start("cancelled-first")
            await desk.waits(handle, "frozen")
        await handle.cancel(reason="wrong text")
        async with worker(**tasks, workflows=[Account]):
            await desk.account.execute_update("unfreeze", {"by": "li"})
            await has_come(handle, CANCELED, SIGNALED)
        async with worker(**tasks):
            await until(partial(status_of, handle), lambda status: status is not WorkflowExecutionStatus.RUNNING)
    assert (await status_of(handle), desk.wechat.tries) == (WorkflowExecutionStatus.CANCELED, [])
    await replays(real_env.client, handle)


async def test_a_cancellation_is_heard_by_a_run_that_goes_on(
    real_env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals make its history too long, so that it is to go on as another run, which would not know."""
    desk, worker = staffed(real_env, scaled_facts())
    desk.task_timeout = BRIEF
    async with worker():
        handle = await desk.start("cancelled-long", send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
        await desk.waits(handle, "send_at")
    monkeypatch.setattr("workflows.waiting.HISTORY_MAX", (await handle.describe()).history_length + 5)
    for _ in range(10):
        await handle.signal("job_finished", {"msg_id": 77, "status": "send success"})
    await handle.cancel(reason="wrong text")
    async with worker():
        assert ((await failed(handle)).outcome, desk.wechat.tries) == ("aborted", [])
    for run in (desk.first_run(handle), real_env.client.get_workflow_handle(handle.id)):
        await replays(real_env.client, run)


class Late(Batches):
    """What a batch answers is not heard until the gate is open."""

    def __init__(self, gate: Gate, client: Client) -> None:
        super().__init__(client)
        self._gate = gate

    @activity.defn(name=ANSWER_BATCH)
    async def answer_batch(self, step: AnswerBatchStep) -> Status:
        await self._gate.passed()
        return await super().answer_batch(step)


async def test_a_list_hears_that_its_batch_took_an_answer(
    real_env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was retried, and has ended as well by now: who retried it is not told that it was too late."""
    gate = Gate()
    monkeypatch.setattr("tests.workflows.model_store.Batches", partial(Late, gate))
    desk, worker = staffed(real_env, scaled_facts())
    desk.task_timeout = BRIEF
    desk.wechat.script = [says(40003)]
    tasks = without_activities(desk)
    async with worker(workflows=[]):
        async with worker(**tasks):
            handle = await desk.start("answered-and-ended", audience=FILE)
            await desk.asks(handle, "audience_refused")
            retry = asyncio.create_task(desk.update(handle, "retry"))
            await gate.reached.wait()
        async with worker(**tasks, workflows=[MassSend, Account, Notify]):
            gate.opened.set()
            await has_come(real_env.client.get_workflow_handle(handle.id), ANSWERED, BATCH_SENT)
        async with worker(**tasks):
            await retry
            assert ((await handle.result()).outcome, await sent_to(desk)) == ("sent", [1, 1, 2, 3])
            said = [(line.what, line.by) for line in (await desk.status(handle)).history]
            assert ("retry of the batch", "li") in said
    await replays(real_env.client, handle)


async def test_an_abort_that_a_batch_refused_as_it_ended_ends_the_rest(
    real_env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another has retried the batch by its own key, and WeChat had accepted it by then."""
    gate = Gate()
    monkeypatch.setattr("tests.workflows.model_store.Batches", partial(Late, gate))
    desk, worker = staffed(real_env, scaled_facts())
    desk.task_timeout = BRIEF
    desk.wechat.script, desk.wechat.push_at_once = [says(40003)], None
    tasks = without_activities(desk)
    async with worker(workflows=[]):
        async with worker(**tasks):
            handle = await desk.start("refused-and-ended", audience=FILE)
            await desk.asks(handle, "audience_refused")
            abort = asyncio.create_task(desk.update(handle, "abort", confirm_not_delivered=True))
            await gate.reached.wait()
        run = real_env.client.get_workflow_handle(handle.id)
        async with worker(**tasks, workflows=[MassSend, Account, Notify]):
            retried = batch(desk, 1, "refused-and-ended")
            await desk.update(retried, "retry")
            msg_id = await desk.accepted(retried)
            gate.opened.set()
            await has_come(run, REFUSED)
            await desk.wechat.push(msg_id)
            await has_come(run, REFUSED, BATCH_SENT)
        async with worker(**tasks):
            await abort
            assert ((await handle.result()).outcome, await sent_to(desk)) == ("partly_sent", [1, 1])
    await replays(real_env.client, handle)


async def test_a_list_cancelled_before_its_approval_begins_no_batch(real_env: WorkflowEnvironment) -> None:
    """One workflow task brings both: the approval is taken, and nothing follows from it."""
    desk, worker = staffed(real_env, scaled_facts())
    desk.task_timeout = BRIEF
    async with worker():
        handle = await desk.start("cancelled-list", audience=FILE, approval={"required": True}, requested_by="wang")
        await desk.waits(handle, "approval")
    run = real_env.client.get_workflow_handle(handle.id)
    await run.cancel(reason="wrong text")
    approving = asyncio.create_task(run.execute_update("approve", {"by": "li"}, id="approve"))
    update = UpdateRef(workflow_execution=WorkflowExecution(workflow_id=handle.id), update_id="approve")
    await is_admitted(real_env.client, update)
    async with worker():
        await approving
        await until(partial(status_of, run), lambda status: status is not WorkflowExecutionStatus.RUNNING)
    assert await status_of(run) is WorkflowExecutionStatus.CANCELED
    assert not await is_there(real_env.client, batch(desk, 1, "cancelled-list").id)
    await replays(real_env.client, run)


async def test_a_list_cancelled_as_its_next_run_begins_sends_no_more(
    real_env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker has the new run yet, and its batch hears of nothing until it is out."""
    monkeypatch.setattr("workflows.waiting.HISTORY_MAX", 20)
    monkeypatch.setattr("tests.workflows.model_store.Batches", partial(Late, Gate()))
    desk, worker = staffed(real_env, scaled_facts())
    desk.task_timeout = BRIEF
    went = asyncio.Event()
    loop = asyncio.get_running_loop()

    def cancelled(activate: Activate, task: WorkflowActivation) -> WorkflowActivationCompletion:
        """A task that began before the cancellation does not bring it, and ends after it."""
        kinds = {job.WhichOneof("variant") for job in task.jobs}
        if "initialize_workflow" in kinds and "cancel_workflow" not in kinds:
            loop.call_soon_threadsafe(went.set)
            msg = "no worker has this run"
            raise RuntimeError(msg)
        return activate(task)

    class Away(WholeTasks):
        """As of a worker that has no such run before it is cancelled."""

        def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
            run = super().create_instance(det)
            is_next = det.info.workflow_type == MASS_SEND_IN_BATCHES and desk.wechat.tries
            return Passing(run, cancelled) if is_next else run

    async with worker(runner=Away):
        handle = await desk.start("cancelled-between", audience=FILE)
        run = real_env.client.get_workflow_handle(handle.id)
        await went.wait()
        await run.cancel(reason="wrong text")
        await until(partial(status_of, run), lambda status: status is not WorkflowExecutionStatus.RUNNING)
    assert await sent_to(desk) == [1]
    assert not await is_there(real_env.client, batch(desk, 2, "cancelled-between").id)
    await replays(real_env.client, run)
