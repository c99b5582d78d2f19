"""A reset run remembers less than the ledger does: whatever point it is reset to, nothing is delivered twice."""

import uuid
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from qunfa.contract import MassSendResult
from tests.workflows.conftest import Desk
from tests.workflows.model import loses, says


async def reset(desk: Desk, handle: WorkflowHandle[Any, Any], event_id: int) -> WorkflowHandle[Any, Any]:
    """Reset the first run to a completed workflow task."""
    request = ResetWorkflowExecutionRequest(
        namespace=desk.env.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.first_execution_run_id or ""),
        reason="a test",
        workflow_task_finish_event_id=event_id,
        request_id=str(uuid.uuid4()),
    )
    answer = await desk.env.client.workflow_service.reset_workflow_execution(request)
    return desk.env.client.get_workflow_handle(handle.id, run_id=answer.run_id, result_type=MassSendResult)


async def points(desk: Desk, handle: WorkflowHandle[Any, Any]) -> list[int]:
    """Every point of the first run to which it can be reset."""
    first = desk.env.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return [event.event_id for event in (await first.fetch_history()).events if event.event_type == done]


async def ending(handle: WorkflowHandle[Any, Any]) -> MassSendResult:
    """The result of a run that completes."""
    result: MassSendResult = await handle.result()
    return result


@pytest.mark.parametrize("script", [[], [loses]], ids=["accepted", "lost"])
async def test_a_delivered_send_reset_to_any_point_ends_the_same(real_desk: Desk, script: list[Any]) -> None:
    """The same msg_id, one delivery."""
    desk = real_desk
    desk.wechat.script = list(script)
    handle = await desk.start()
    first = await handle.result()
    tries = len(desk.wechat.tries)
    for event_id in await points(desk, handle):
        again = await ending(await reset(desk, handle, event_id))
        assert (again.outcome, again.jobs[-1].msg_id) == ("sent", first.jobs[-1].msg_id), event_id
    assert len(desk.wechat.accepted) == 1
    assert {step.clientmsgid for step in desk.wechat.tries} == {first.jobs[0].clientmsgid}
    assert len(desk.wechat.tries) >= tries


async def test_a_second_generation_reset_to_any_point_is_not_submitted_a_third_time(real_desk: Desk) -> None:
    """err(30001), retry, sent: a reset run finds the second generation in the ledger; the old retry does no harm."""
    desk = real_desk
    desk.wechat.push_at_once = "err(30001)"
    handle = await desk.start()
    await desk.asks(handle, "originality_check_error")
    desk.wechat.push_at_once = "send success"
    await desk.update(handle, "retry")
    await handle.result()
    for event_id in await points(desk, handle):
        again = await ending(await reset(desk, handle, event_id))
        assert again.outcome == "sent", event_id
    assert len(desk.wechat.accepted) == 2


async def test_a_bad_end_of_a_reset_run_asks_the_ledger_first(real_desk: Desk) -> None:
    """Refused for good, retried, sent; reset to before the retry with on_problem "fail": it is sent, not failed."""
    desk = real_desk
    desk.wechat.script = [says(48001)]
    handle = await desk.start()
    await desk.asks(handle, "account_refused")
    await desk.update(handle, "retry")
    await handle.result()
    for event_id in await points(desk, handle):
        run = await reset(desk, handle, event_id)
        again = await ending(run)
        assert (again.outcome, again.may_have_been_delivered) == ("sent", True), event_id
    assert len(desk.wechat.accepted) == 1
