"""What WeChat and the ledger are asked before a second submission, and before a bad end is told."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from qunfa.contract.result import Answer
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import accepts, dies, silent

pytestmark = pytest.mark.long

NO = "err(30001)"
PROBLEM = "originality_check_error"


async def failed(desk: Desk, said: str = NO, problem: str = PROBLEM) -> tuple[WorkflowHandle[Any, Any], int]:
    """A send whose job a push has called failed, and which asks a person; its msg_id."""
    desk.wechat.push_at_once = said
    handle = await desk.start()
    msg_id = (await desk.asks(handle, problem)).jobs[0].msg_id
    assert msg_id is not None
    return handle, msg_id


@pytest.mark.history
@pytest.mark.parametrize("way", ["abort", "on_problem"])
async def test_no_end_is_a_no_while_wechat_still_sends(desk: Desk, way: str) -> None:
    """`mass/get` goes on saying SENDING: unknown, also when the key is started again, until the true push comes."""
    desk.wechat.push_at_once = None
    handle = await desk.start(**({"on_problem": "fail"} if way == "on_problem" else {}))
    msg_id = await desk.accepted(handle)
    desk.wechat.statuses[msg_id] = "SENDING"
    await desk.wechat.push(msg_id, NO)
    if way == "abort":
        await desk.asks(handle, PROBLEM)
        await desk.update(handle, "abort")
    ends = [await failure_of(handle), await failure_of(await desk.start())]
    assert [(end.outcome, end.may_have_been_delivered) for end in ends] == [("unknown", True)] * 2
    assert all(end.problem is None or "Use no new key" in end.problem.todo for end in ends)
    assert ends[1].problem is not None
    await desk.wechat.push(msg_id)
    assert (await (await desk.start()).result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


@pytest.mark.history
async def test_a_retry_needs_a_no_of_wechat(desk: Desk) -> None:
    """That it does not say so is none: the administrator may be asked still. Nor is that it cannot be asked."""
    handle, msg_id = await failed(desk, "err(40002)", "admin_timeout")
    del desk.wechat.statuses[msg_id]
    desk.wechat.refuses_status = 89504
    assert "89504" in await desk.refused(handle, "retry")
    desk.wechat.statuses_fail = True
    assert "could not be asked about msg_id" in await desk.refused(handle, "retry")
    assert len(desk.wechat.tries) == 1
    desk.wechat.statuses_fail = False
    desk.wechat.statuses[msg_id], desk.wechat.push_at_once = "SEND_FAIL", "send success"
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"


@pytest.mark.history
async def test_a_retry_asks_about_every_generation(desk: Desk) -> None:
    """The first no may have been the wrong one."""
    handle, first = await failed(desk)
    await desk.update(handle, "retry")
    await desk.until(handle, lambda status: len(status.jobs) == 2 and status.phase == "needs_operator")
    desk.wechat.statuses[first] = "SENDING"
    assert f"SENDING of msg_id {first}" in await desk.refused(handle, "retry")
    desk.wechat.statuses[first] = "SEND_SUCCESS"
    assert "SEND_SUCCESS" in await desk.refused(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 2


@pytest.mark.history
async def test_a_yes_of_mass_get_ends_the_send_that_was_to_be_retried(desk: Desk) -> None:
    """The retry is refused, and what WeChat said on the way is not forgotten: the send is sent."""
    handle, msg_id = await failed(desk)
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    assert "SEND_SUCCESS" in await desk.refused(handle, "retry")
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, len(desk.wechat.tries)) == ("sent", "poll", 1)
    assert (await desk.ledger()).records[0].ended_as == "sent"


@pytest.mark.history
async def test_an_end_while_a_try_may_come_through_is_unknown(desk: Desk) -> None:
    """Nobody says that nothing can be delivered; so does the same key again, which is to ask nobody."""
    desk.wechat.script = [silent, accepts]
    handle, _ = await failed(desk)
    problem = (await desk.status(handle)).problem
    assert problem is not None
    assert "may still carry it out" in problem.sentence
    await desk.update(handle, "abort")
    ends = [await failure_of(handle), await failure_of(await desk.start(on_problem="fail"))]
    assert [(end.outcome, end.may_have_been_delivered) for end in ends] == [("unknown", True)] * 2
    assert ends[1].problem is not None
    assert "Look into WeChat's console" in ends[1].problem.todo
    assert len(desk.wechat.tries) == 2


async def lost_and_told(desk: Desk, **more: Any) -> tuple[WorkflowHandle[Any, Any], int]:
    """A send that asks about its first try, of whose acceptance only the ledger has heard meanwhile; its msg_id."""
    desk.wechat.script = [dies, *[silent] * 60]
    not_after = await desk.env.get_current_time() + timedelta(minutes=30)
    handle = await desk.start(not_after=not_after.isoformat(), **more)
    await desk.asks(handle, "unknown_outcome")
    step = desk.wechat.tries[0]
    msg_id = desk.wechat.accept(step)
    await desk.wechat.tell(step, Answer(kind="accepted", at=step.lease.not_before, msg_id=msg_id))
    return handle, msg_id


@pytest.mark.history
async def test_a_push_on_a_job_that_only_the_ledger_knows_ends_the_question(desk: Desk) -> None:
    """The worker of an accepted try told the ledger, and was lost; nobody need look for it in WeChat's console."""
    handle, msg_id = await lost_and_told(desk)
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].msg_id) == ("sent", msg_id)


@pytest.mark.history
async def test_before_an_unknown_end_the_ledger_is_asked(desk: Desk) -> None:
    """It has heard of the acceptance, and no push has come: the send goes on to its verdict."""
    handle, msg_id = await lost_and_told(desk, decision_timeout="PT2H")
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "poll")
