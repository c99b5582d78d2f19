"""A list hears what became of each of its batches, also where a run or a record of one is gone."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.batches import batch_key
from qunfa.temporal.connection import UnlessGone
from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.model import accepts, says
from tests.workflows.test_in_batches import FILE, batch, failed, sent_to, terminated_in_its_first_batch

pytestmark = pytest.mark.long


async def delete(desk: Desk, handle: WorkflowHandle[Any, Any]) -> None:
    """Temporal forgets all runs of the id."""
    client = desk.env.client
    which = WorkflowExecution(workflow_id=handle.id)
    deleted = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=which)

    async def gone() -> bool:
        try:
            with UnlessGone():
                await client.workflow_service.delete_workflow_execution(deleted)
        except RPCError as error:  # a busy server may drop the call; it is made again until the list has none
            if error.status is not RPCStatusCode.CANCELLED:
                raise
        return not [run async for run in client.list_workflows(f'WorkflowId = "{handle.id}"')]

    await until(gone, bool)


async def forget(desk: Desk, number: int, key: str) -> None:
    """The ledger forgets the batch."""
    asked = {"by": "li", "reason": "by mistake", "key": batch_key(key, number)}
    await desk.account.execute_update("forget", asked)


@pytest.mark.parametrize("by", ["Temporal", "the ledger"])
async def test_a_batch_nobody_knows_hides_none_after_it(real_desk: Desk, by: str) -> None:
    """The second was delivered, as one of the two still knows. The first is in doubt, and not called new."""
    desk, key = real_desk, f"hole-{by[:3]}"
    desk.wechat.push_at_once, desk.wechat.script = None, [says(40003), accepts]
    first = await desk.start(key, audience=FILE, on_problem="fail", on_batch_problem="continue")
    await until(lambda: sent_to(desk), [1, 2].__eq__)
    await first.terminate("by mistake")
    [msg_id] = desk.wechat.accepted.values()
    await desk.wechat.push(msg_id)
    assert (await batch(desk, 2, key).result())["outcome"] == "sent"
    await delete(desk, batch(desk, 1, key))
    await forget(desk, 1, key)
    await (forget(desk, 2, key) if by == "Temporal" else delete(desk, batch(desk, 2, key)))
    too_late = await desk.env.get_current_time() - timedelta(hours=1)
    late = await failed(await desk.start(key, audience=FILE, not_after=too_late))
    assert (late.outcome, desk.store.reports[-1].fresh) == ("unknown", None)
    again = await desk.start(key, audience=FILE, approval={"required": True}, requested_by="wang")
    await desk.waits(again, "approval")
    await desk.update(again, "abort")
    result = await again.result()
    assert (result.outcome, [job.state for job in result.jobs]) == ("partly_sent", ["unknown", "sent"])
    assert desk.store.reports[-1].fresh == 3


async def test_the_ledger_tells_the_job_of_a_terminated_batch(real_desk: Desk) -> None:
    """WeChat has accepted it, and who looks it up there needs its msg_id."""
    desk, key = real_desk, "which-job"
    await terminated_in_its_first_batch(desk, key)
    await batch(desk, 1, key).terminate("by mistake")
    too_late = await desk.env.get_current_time() - timedelta(hours=1)
    result = await failed(await desk.start(key, audience=FILE, not_after=too_late))
    [msg_id] = desk.wechat.accepted.values()
    assert (result.outcome, result.jobs[0].msg_id) == ("unknown", msg_id)
    assert "terminated" in str(result.problem)
