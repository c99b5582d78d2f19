"""A send that goes on in a new run forgets nothing."""

import pytest
from temporalio.client import WorkflowUpdateFailedError

from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import loses, says, silent


async def test_an_unknown_try_stays_unknown_in_the_next_run(short_desk: Desk) -> None:
    """Two silent tries, one whose answer is lost, then refusals: one clientmsgid in every run, one delivery."""
    desk = short_desk
    desk.wechat.script = [silent, silent, loses, says(45028), says(48001)]
    handle = await desk.start()
    result = await handle.result()
    assert (result.outcome, result.jobs[0].deduplicated) == ("sent", True)
    assert {step.clientmsgid for step in desk.wechat.tries} == {result.jobs[0].clientmsgid}
    assert len(desk.wechat.accepted) == 1
    assert (await handle.describe()).run_id != handle.first_execution_run_id
    assert (await desk.status(handle)).history[0].what.startswith("try 1:")


async def test_a_problem_is_answered_in_the_next_run(short_desk: Desk) -> None:
    """Refused at WeChat's pace until the run is a new one, then for good: the operator's answers work there."""
    desk = short_desk
    desk.wechat.script = [*[says(45011)] * 4, says(48001)]
    handle = await desk.start()
    await desk.asks(handle, "account_refused")
    with pytest.raises(WorkflowUpdateFailedError):
        await desk.update(handle, "mark_sent", msg_id=1)
    await desk.update(handle, "abort")
    result = await failure_of(desk.env.client.get_workflow_handle(handle.id))
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)


async def test_a_cancellation_of_an_earlier_run_ends_a_later_one_with_a_result(short_desk: Desk) -> None:
    """Noted while a try was unknown; runs later WeChat says no: aborted with the result, as nothing was delivered."""
    desk = short_desk
    desk.wechat.push_at_once = "err(30001)"
    desk.wechat.script = [silent] * 5
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].state == "unknown"))
    await handle.cancel()
    await desk.until(handle, lambda status: status.phase == "done")
    result = await failure_of(desk.env.client.get_workflow_handle(handle.id))
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)
    assert len(desk.wechat.accepted) == 1
