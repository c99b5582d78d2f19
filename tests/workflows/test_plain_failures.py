"""What Temporal keeps of a failure, as its UI shows it: our refusals are a sentence, and errors have their stack."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType, UpdateWorkflowExecutionLifecycleStage
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionRequest
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from qunfa.contract import INVALID_REQUEST, MASS_SEND, mass_send_id
from qunfa.contract.result import UPDATE_REFUSED
from qunfa.temporal.payloads import data_converter
from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.failures import refusal_of

COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
ENDED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
STUCK: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
DONE: Final = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED


@workflow.defn(sandboxed=False)
class Broken:
    """Has a bug."""

    @workflow.run
    async def run(self) -> None:
        raise ValueError("a bug")


async def event_of(handle: WorkflowHandle[Any, Any], kind: EventType.ValueType) -> HistoryEvent:
    """The first event of this kind, once there is one."""

    async def found() -> list[HistoryEvent]:
        return [event async for event in handle.fetch_history_events() if event.event_type == kind]

    return (await until(found, bool))[0]


async def outcome_of(client: Client, handle: WorkflowHandle[Any, Any], name: str, raw: Any) -> Failure:
    """How an update failed, as the server tells the UI."""
    request = UpdateWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        wait_policy=WaitPolicy(lifecycle_stage=DONE),
        request=Request(
            meta=Meta(update_id="told", identity="tests"),
            input=Input(name=name, args=Payloads(payloads=await client.data_converter.encode([raw]))),
        ),
    )
    return (await client.workflow_service.update_workflow_execution(request)).outcome.failure


def told(failure: Failure) -> tuple[str, str]:
    return failure.application_failure_info.type, failure.stack_trace


async def test_a_refused_update_is_a_sentence_in_temporal(real_desk: Desk) -> None:
    """Its outcome has no stack: it is in no history, and the UI shows what the server answers."""
    handle = await real_desk.start(send_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    await real_desk.until(handle, lambda status: status.phase == "scheduled")
    failure = await outcome_of(real_desk.env.client, handle, "resume", {"by": "li"})
    assert told(failure) == (UPDATE_REFUSED, "")
    assert failure.message == await real_desk.refused(handle, "resume")


async def test_a_refused_request_is_a_sentence_in_its_history(real_desk: Desk) -> None:
    """Both the end of the run, and the update that was accepted before and waits for it."""
    client, raw = real_desk.env.client, real_desk.request(color="red")
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        MASS_SEND,
        raw,
        id=mass_send_id("demo", "spring"),
        task_queue=real_desk.wechat.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    with pytest.raises(WorkflowUpdateFailedError):
        await client.execute_update_with_start_workflow("accepted", start_workflow_operation=start)
    handle = await start.workflow_handle()
    said = await refusal_of(handle)
    ended = (await event_of(handle, ENDED)).workflow_execution_failed_event_attributes.failure
    updated = (await event_of(handle, COMPLETED)).workflow_execution_update_completed_event_attributes
    assert (told(ended), ended.message) == ((INVALID_REQUEST, ""), said)
    assert told(updated.outcome.failure) == (INVALID_REQUEST, "")
    assert "color: is not a field of this object" in said


@pytest.fixture
async def broken(real_env: WorkflowEnvironment) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    async with Worker(real_env.client, task_queue="broken", workflows=[Broken]):
        handle = await real_env.client.start_workflow(Broken.run, id="broken", task_queue="broken")
        yield handle
        await handle.terminate("the test is over")


async def test_a_bug_keeps_its_stack_in_its_history(broken: WorkflowHandle[Any, Any]) -> None:
    """The stack is all that there is to find it by."""
    failure = (await event_of(broken, STUCK)).workflow_task_failed_event_attributes.failure
    assert failure.message == "a bug"
    assert "test_plain_failures.py" in failure.stack_trace


async def test_the_cause_of_a_refusal_keeps_its_stack() -> None:
    """Each error is judged by itself: what a refusal was made of may be a bug."""
    failure = Failure()
    try:
        try:
            raise KeyError("a bug")
        except KeyError as bug:
            raise ApplicationError("refused", type=UPDATE_REFUSED) from bug
    except ApplicationError as refused:
        await data_converter.encode_failure(refused, failure)
    assert (told(failure), failure.message) == ((UPDATE_REFUSED, ""), "refused")
    assert "test_plain_failures.py" in failure.cause.stack_trace


async def test_a_bug_keeps_its_stack_on_its_way() -> None:
    """A workflow fails with what an activity did, which Temporal has made such an error of."""
    bug, failure = Failure(), Failure()
    try:
        raise KeyError("a bug")
    except KeyError as error:
        await data_converter.encode_failure(error, bug)
    await data_converter.encode_failure(await data_converter.decode_failure(bug), failure)
    assert failure == bug
    assert "test_plain_failures.py" in bug.stack_trace
