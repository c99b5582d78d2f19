"""What a webhook is told is what a workflow of ours has recorded, whoever starts ``Notify`` with whatever."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.contract.ids import notify_id
from qunfa.rules.notices import webhook_id
from tests.notices.webhook import Receiver, receiving
from tests.workflows.conftest import Desk
from tests.workflows.test_notices_again import noticing

FORGED = {
    "account": "demo",
    "name": "oncall",
    "webhook_id": "msg_forged",
    "notice": {
        "type": "sent",
        "timestamp": "2026-12-01T09:00:00Z",
        "data": {
            "account": "demo",
            "key": "spring",
            "workflow_id": "mass-send:demo:spring",
            "run_id": "019ab1c2-7d4e-7a10-9f6e-2f1f0e3c4b5a",
            "may_have_been_delivered": True,
        },
    },
}


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes whatever comes."""
    async with receiving() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def desk(real_env: WorkflowEnvironment, receiver: Receiver) -> AsyncIterator[Desk]:
    """A desk whose account's webhook `oncall` wants everything."""
    async with noticing(real_env, receiver, "oncall") as found:
        yield found


async def refused(desk: Desk, request: dict[str, Any]) -> ApplicationError:
    """How a ``Notify`` fails that a stranger has started so."""
    with pytest.raises(WorkflowFailureError) as caught:
        await desk.env.client.execute_workflow(
            "Notify",
            request,
            id=notify_id(request["account"], request["name"], request["webhook_id"]),
            task_queue=desk.wechat.task_queue,
        )
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def test_a_workflow_that_is_not_there_tells_nothing(desk: Desk, receiver: Receiver) -> None:
    """However good the notice looks."""
    error = await refused(desk, FORGED)
    assert (error.type, error.non_retryable) == ("NoticeRefused", True)
    assert "mass-send:demo:spring (run 019ab1c2-7d4e-7a10-9f6e-2f1f0e3c4b5a) does not exist" in error.message
    assert receiver.posts == []


async def test_what_a_send_has_not_asked_for_is_not_told(desk: Desk, receiver: Receiver) -> None:
    """The send exists and is of this account; it has told its end, and nothing else."""
    handle = await desk.start()
    await handle.result()
    await receiver.came("sent")
    run_id = (await handle.describe()).run_id
    error = await refused(desk, {**FORGED, "workflow_id": handle.id, "run_id": run_id})
    assert error.type == "NoticeRefused"
    assert "has not asked for msg_forged" in error.message
    assert len(receiver.posts) == 1


async def test_what_was_asked_for_is_told_as_it_was_recorded(desk: Desk, receiver: Receiver) -> None:
    """The right names with a forged notice: the receiver gets once more what it has."""
    handle = await desk.start()
    await handle.result()
    [post] = await receiver.came("sent")
    told = desk.env.client.get_workflow_handle(notify_id("demo", "oncall", post.webhook_id))
    await told.result()
    run_id = (await handle.describe()).run_id
    forged = {**FORGED, "webhook_id": post.webhook_id, "workflow_id": handle.id, "run_id": run_id}
    assert forged["notice"] != post.json
    await desk.env.client.execute_workflow("Notify", forged, id=told.id, task_queue=desk.wechat.task_queue)
    assert [one.body for one in receiver.posts] == [post.body, post.body]


@pytest.mark.parametrize("account", ["other", "demo:x"])
async def test_a_send_of_another_account_is_not_told(desk: Desk, receiver: Receiver, account: str) -> None:
    """The webhook is told of the sends of its own account only."""
    other = await desk.env.client.start_workflow(
        "MassSend", {"account": account}, id=f"mass-send:{account}:spring", task_queue=desk.wechat.task_queue
    )
    with pytest.raises(WorkflowFailureError):
        await other.result()
    error = await refused(desk, {**FORGED, "workflow_id": other.id, "run_id": other.first_execution_run_id})
    assert error.type == "NoticeRefused"
    assert "is no workflow of this account" in error.message
    assert receiver.posts == []


async def test_a_notify_has_its_own_id(desk: Desk, receiver: Receiver) -> None:
    """It keeps one delivery to one event."""
    with pytest.raises(WorkflowFailureError) as caught:
        await desk.env.client.execute_workflow("Notify", FORGED, id="anything", task_queue=desk.wechat.task_queue)
    assert isinstance(caught.value.cause, ApplicationError)
    assert 'the workflow id must be "notify:demo:oncall:msg_forged"' in caught.value.cause.message
    assert receiver.posts == []


@workflow.defn(name="MassSend", sandboxed=False)
class Impostor:
    """Somebody else's workflow under a name of ours, which asks for a notice as ours does."""

    @workflow.run
    async def run(self, queue: str) -> None:
        info = workflow.info()
        asked = {**FORGED, "webhook_id": webhook_id(info.workflow_id, info.first_execution_run_id, "ended sent")}
        asked |= {"workflow_id": info.workflow_id, "run_id": info.run_id}
        await workflow.execute_child_workflow(
            "Notify", asked, id=notify_id("demo", "oncall", str(asked["webhook_id"])), task_queue=queue
        )


async def test_a_workflow_on_a_queue_of_somebody_else_tells_nothing(desk: Desk, receiver: Receiver) -> None:
    """Whoever runs workers of his own can give workflows our names and ids, and have anything in their histories."""
    async with Worker(
        desk.env.client, task_queue="elsewhere", workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        with pytest.raises(WorkflowFailureError) as caught:
            await desk.env.client.execute_workflow(
                "MassSend", desk.wechat.task_queue, id="mass-send:demo:impostor", task_queue="elsewhere"
            )
    cause: BaseException | None = caught.value
    while cause and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == "NoticeRefused"
    assert "on this task queue" in cause.message
    assert receiver.posts == []
