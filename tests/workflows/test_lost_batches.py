"""A list hears what became of each of its batches, also where a run or a record of one is gone."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.batches import batch_key
from qunfa.contract.ids import MASS_SEND_IN_BATCHES
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


async def test_a_batch_nobody_knows_hides_none_after_it(real_desk: Desk) -> None:
    """Others were delivered, as the ledger alone knows of one, and Temporal of another. The first is in doubt."""
    desk, key = real_desk, "hole"
    desk.store.batches, desk.store.openids = 4, 40
    desk.wechat.push_at_once, desk.wechat.script = None, [says(40003), accepts, accepts]
    first = await desk.start(key, audience=FILE, on_problem="fail", on_batch_problem="continue")
    for number in (2, 3):
        await until(lambda: sent_to(desk), [*range(1, number + 1)].__eq__)
        if number == 3:
            await first.terminate("by mistake")
        *_, msg_id = desk.wechat.accepted.values()
        await desk.wechat.push(msg_id)
        assert (await batch(desk, number, key).result())["outcome"] == "sent"
    for number in (1, 2):
        await delete(desk, batch(desk, number, key))
    for number in (1, 3):
        await forget(desk, number, key)
    too_late = await desk.env.get_current_time() - timedelta(hours=1)
    late = await failed(await desk.start(key, audience=FILE, not_after=too_late))
    assert (late.outcome, desk.store.reports[-1].fresh) == ("unknown", None)
    again = await desk.start(key, audience=FILE, approval={"required": True}, requested_by="wang")
    await desk.waits(again, "approval")
    await desk.update(again, "abort")
    result = await again.result()
    assert (result.outcome, [job.state for job in result.jobs]) == ("partly_sent", ["unknown", "sent", "sent"])
    assert desk.store.reports[-1].fresh == 4


async def test_the_ledger_tells_of_a_terminated_batch(real_desk: Desk) -> None:
    """WeChat has accepted it, and who looks it up there needs its msg_id. Its yes comes after the end of its run."""
    desk, key = real_desk, "which-job"
    await terminated_in_its_first_batch(desk, key)
    await batch(desk, 1, key).terminate("by mistake")
    too_late = await desk.env.get_current_time() - timedelta(hours=1)
    late = await failed(await desk.start(key, audience=FILE, not_after=too_late))
    [msg_id] = desk.wechat.accepted.values()
    assert (late.outcome, late.jobs[0].msg_id) == ("unknown", msg_id)
    assert "terminated" in str(late.problem)
    await desk.freeze("wrong price")
    await desk.wechat.push(msg_id)
    again = await desk.start(key, audience=FILE)
    await until(again.describe, lambda seen: seen.workflow_type == MASS_SEND_IN_BATCHES)
    await desk.update(again, "abort")
    assert (await again.result()).outcome == "partly_sent"
    assert (desk.store.reports[-1].rows[0].state, await sent_to(desk)) == ("sent", [1])
