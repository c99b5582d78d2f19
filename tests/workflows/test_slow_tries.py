"""A try without an answer, then one that was accepted and failed: the first may still be carried out."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.result import Answer
from qunfa.contract.steps import SubmitStep
from tests.workflows import resets
from tests.workflows.conftest import Desk, running, scaled_facts
from tests.workflows.failures import failure_of
from tests.workflows.model import ModelWechat, accepts, loses, silent
from tests.workflows.test_problems import refused

pytestmark = pytest.mark.long

NO = "err(30001)"
PROBLEM = "originality_check_error"


async def failed(desk: Desk, *script: Any, **more: Any) -> WorkflowHandle[Any, Any]:
    """A send whose tries go as scripted, and whose job was accepted, and failed."""
    desk.wechat.script = [*script]
    desk.wechat.push_at_once = NO
    handle = await desk.start(**more)
    await desk.asks(handle, PROBLEM)
    desk.wechat.script = desk.wechat.script or [delivers]
    return handle


def delivers(wechat: ModelWechat, step: SubmitStep) -> Answer:
    """Accept, or say that it was accepted before, and push its success."""
    wechat.push_at_once = "send success"
    return accepts(wechat, step)


@pytest.mark.history
async def test_where_wechat_keeps_the_clientmsgid_a_retry_gets_another(desk: Desk) -> None:
    """45065 with the job that failed: nothing comes through under that id, so the retry goes on under its own."""
    handle = await failed(desk, silent, accepts, accepts, delivers)
    await desk.update(handle, "retry")
    result = await handle.result()
    assert (result.outcome, [job.state for job in result.jobs]) == ("sent", ["failed", "refused", "sent"])
    first, second, third, last = [step.clientmsgid for step in desk.wechat.tries]
    assert first == second == third != last


@pytest.mark.history
async def test_where_wechat_frees_the_clientmsgid_a_retry_takes_it(desk: Desk) -> None:
    """The retry blocks the id for the slow try."""
    handle = await failed(desk, silent, accepts)
    desk.wechat.accepted.clear()
    await desk.update(handle, "retry")
    result = await handle.result()
    assert (result.outcome, [job.state for job in result.jobs]) == ("sent", ["failed", "sent"])
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1


async def test_a_slow_try_that_came_through_is_found_by_the_retry(desk: Desk) -> None:
    """45065 with a msg_id that nobody knows: that is the delivery, and there is no other."""
    handle = await failed(desk, silent, accepts)
    ((clientmsgid, msg_id),) = desk.wechat.accepted.items()
    desk.wechat.accepted[clientmsgid] = msg_id + 7
    await desk.wechat.push(msg_id + 7)
    await desk.update(handle, "retry")
    result = await handle.result()
    assert (result.outcome, [job.msg_id for job in result.jobs]) == ("sent", [msg_id, msg_id + 7])
    assert (result.jobs[1].deduplicated, len(desk.wechat.tries)) == (True, 3)
    assert not (await desk.ledger()).kept


@pytest.mark.parametrize("way", [pytest.param("abort", marks=pytest.mark.history), "nobody decides", "on_problem"])
async def test_an_end_while_a_try_may_come_through_is_unknown(desk: Desk, way: str) -> None:
    """However it ends, nobody says that nothing can be delivered; so does the same key again, which sends nothing."""
    if way == "on_problem":
        desk.wechat.script, desk.wechat.push_at_once = [silent, accepts], NO
        handle = await desk.start(on_problem="fail")
    else:
        handle = await failed(desk, silent, accepts, decision_timeout="PT2H")
    if way == "abort":
        status = await desk.status(handle)
        assert status.problem is not None
        assert "it may still be carried out" in status.problem.sentence
        await desk.update(handle, "abort")
    ends = [await failure_of(handle), await failure_of(await desk.start())]
    assert [(end.outcome, end.may_have_been_delivered) for end in ends] == [("unknown", True)] * 2
    advice = [end.problem.todo for end in ends if end.problem]
    assert all("Use no new key" in todo or "Look into WeChat's console" in todo for todo in advice), advice
    assert len(advice) == 2 or way == "abort"
    assert len(desk.wechat.tries) == 2


async def test_a_retry_a_day_later_asks_before_it_submits(desk: Desk) -> None:
    """WeChat may have carried the slow try out, and forgotten it: the same id could be taken again."""
    handle = await failed(desk, silent, accepts)
    await desk.env.sleep(timedelta(hours=25))
    await desk.update(handle, "retry")
    status = await desk.asks(handle, "unknown_outcome")
    assert status.problem is not None
    assert "cannot double" not in status.problem.sentence
    assert len(desk.wechat.tries) == 2
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)


async def test_a_reset_of_a_send_that_ended_submits_nothing(real_env: WorkflowEnvironment) -> None:
    """At whichever point, and while the leases of its tries are still good: the ledger is asked first."""
    facts = scaled_facts()
    patient = facts.timing.model_copy(update={"http_timeout": timedelta(seconds=30)})
    async with running(real_env, facts.model_copy(update={"timing": patient})) as desk:
        started = await failed(desk, silent, accepts)
        await desk.update(started, "abort")
        ends = [await failure_of(started)]
        first = real_env.client.get_workflow_handle(started.id, run_id=started.first_execution_run_id)
        for point in reversed(await resets.points(first)):
            handle = await resets.reset(real_env.client, first, point, resets.Reapply.NONE)
            await desk.until(handle, lambda status: status.phase in {"needs_operator", "done"})
            with contextlib.suppress(WorkflowUpdateFailedError, RPCError):  # it has just ended by itself
                await desk.update(handle, "abort")
            ends.append(await failure_of(handle))
        assert len(desk.wechat.tries) == 2
    assert {(end.outcome, end.may_have_been_delivered) for end in ends} == {("unknown", True)}


async def test_a_try_whose_answer_was_lost_is_none_that_may_come_through(desk: Desk) -> None:
    """45065 says which try was accepted: no other is left, so an abort is an abort."""
    handle = await failed(desk, loses, accepts)
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered, result.jobs[0].deduplicated) == ("aborted", False, True)


async def test_a_retry_under_the_same_clientmsgid_waits_for_wechats_no(desk: Desk) -> None:
    """As every second submission is: `mass/get` must not say that the first is on its way."""
    handle = await failed(desk, silent, accepts)
    (msg_id,) = desk.wechat.accepted.values()
    desk.wechat.statuses[msg_id] = "SENDING"
    assert "SENDING" in await refused(desk, handle, "retry")
    assert len(desk.wechat.tries) == 2
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"
