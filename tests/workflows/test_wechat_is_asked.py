"""WeChat is asked before a second submission, and before it is said that nothing was delivered: what it has to say."""

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import silent
from tests.workflows.test_no_taken_back import awaiting
from tests.workflows.test_problems import refused
from tests.workflows.test_unknown_is_not_no import code

pytestmark = pytest.mark.long

WAYS = ("abort", "cancel", "nobody decides", "on_problem")


async def ended_by(desk: Desk, way: str, status: str) -> tuple[WorkflowHandle[Any, Any], int]:
    """A send that somebody or something ends after a forged err(30001), while `mass/get` says `status`."""
    more = {"on_problem": "fail"} if way == "on_problem" else {"decision_timeout": "PT2H"}
    desk.wechat.push_at_once = None
    handle, msg_id = await awaiting(desk, "", "nobody", **more)
    desk.wechat.statuses[msg_id] = status
    await desk.wechat.push(msg_id, "err(30001)")
    if way in {"abort", "cancel"}:
        await desk.asks(handle, "originality_check_error")
    if way == "abort":
        await desk.update(handle, "abort")
    elif way == "cancel":
        await handle.cancel()
    return handle, msg_id


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("status", "outcome"), [("SEND_SUCCESS", "sent"), ("DELETE", "deleted")])
async def test_before_nothing_was_delivered_is_said_wechat_is_asked(
    desk: Desk, way: str, status: str, outcome: str
) -> None:
    """Whoever or whatever ends the send believes the forged no: `mass/get` knows better."""
    handle, _ = await ended_by(desk, way, status)
    result = await handle.result()
    assert (result.outcome, result.may_have_been_delivered) == (outcome, True)


@pytest.mark.parametrize("way", [pytest.param("abort", marks=pytest.mark.history), *WAYS[1:]])
async def test_no_end_is_a_no_while_wechat_still_sends(desk: Desk, way: str) -> None:
    """`mass/get` goes on saying SENDING: unknown, also when the key is started again, until the true push comes."""
    handle, msg_id = await ended_by(desk, way, "SENDING")
    ends = [await failure_of(handle), await failure_of(await desk.start())]
    assert [(end.outcome, end.may_have_been_delivered) for end in ends] == [("unknown", True)] * 2
    assert all(end.problem is None or "Use no new key" in end.problem.todo for end in ends)
    assert ends[1].problem is not None
    await desk.wechat.push(msg_id)
    assert (await (await desk.start()).result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


@pytest.mark.parametrize(("last", "outcome"), [("SEND_FAIL", "aborted"), ("SEND_SUCCESS", "sent"), ("push", "sent")])
async def test_an_end_waits_for_wechats_last_word(desk: Desk, last: str, outcome: str) -> None:
    """`mass/get` lags behind the push for a while: what it says then counts, and so does another push."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    desk.wechat.statuses[msg_id] = "SENDING"
    await desk.update(handle, "abort")
    status = await desk.until(
        handle, lambda status: bool(status.waiting_for and "last word" in status.waiting_for.reason)
    )
    assert status.answers == ()
    assert "li has aborted this send already" in await refused(desk, handle, "abort", by="wang")
    if last == "push":
        await desk.wechat.push(msg_id)
    else:
        desk.wechat.statuses[msg_id] = last
    if outcome == "sent":
        assert (await handle.result()).outcome == "sent"
    else:
        result = await failure_of(handle)
        assert (result.outcome, result.may_have_been_delivered) == (outcome, False)


async def test_a_key_failed_by_a_forged_push_can_be_sent_again(desk: Desk) -> None:
    """Nobody knew better when it ended; now `mass/get` does."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push", on_problem="fail")
    assert (await failure_of(handle)).outcome == "failed"
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].msg_id, len(desk.wechat.tries)) == ("sent", msg_id, 1)


@pytest.mark.parametrize("errcode", [pytest.param(89504, marks=pytest.mark.history), 89505, 45009, 48001])
async def test_a_retry_needs_a_no_of_wechat(desk: Desk, errcode: int) -> None:
    """That it does not say so is none: the administrator may be asked still, or the quota be used up."""
    handle, msg_id = await awaiting(desk, "err(40002)", "push")
    await desk.asks(handle, "admin_timeout")
    del desk.wechat.statuses[msg_id]
    desk.wechat.refuses_status = errcode
    assert str(errcode) in await refused(desk, handle, "retry")
    assert len(desk.wechat.tries) == 1
    desk.wechat.statuses[msg_id], desk.wechat.push_at_once = "SEND_FAIL", "send success"
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"


@pytest.mark.history
async def test_a_retry_asks_about_every_generation(desk: Desk) -> None:
    """The first no may have been the wrong one."""
    handle, first = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    await desk.update(handle, "retry")
    await desk.until(handle, lambda status: len(status.jobs) == 2 and status.phase == "needs_operator")
    desk.wechat.statuses[first] = "SENDING"
    assert f"SENDING of msg_id {first}" in await refused(desk, handle, "retry")
    desk.wechat.statuses[first] = "SEND_SUCCESS"
    assert "SEND_SUCCESS" in await refused(desk, handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 2


@pytest.mark.parametrize(
    ("said", "problem", "name", "payload"),
    [
        ("err(30001)", "originality_check_error", "retry", {}),
        (None, "unknown_outcome", "mark_sent", {"msg_id": 3_000_000_001}),
    ],
)
async def test_no_answer_is_carried_out_while_wechat_cannot_be_asked(
    desk: Desk, said: str | None, problem: str, name: str, payload: dict[str, Any]
) -> None:
    """It is refused with a sentence that says so, and nothing is changed."""
    desk.wechat.push_at_once = said
    desk.wechat.script = [] if said else [silent, *[code(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, problem)
    tries, desk.wechat.statuses_fail = len(desk.wechat.tries), True
    assert "could not be asked about msg_id" in await refused(desk, handle, name, **payload)
    status = await desk.status(handle)
    assert (status.phase, len(status.jobs), len(desk.wechat.tries)) == ("needs_operator", 1, tries)
