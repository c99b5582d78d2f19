"""Approval, pause and another time: what holds a send back, and who lets it go."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from qunfa.contract.operators import Status
from qunfa.contract.steps import AudienceFinding
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of, refusal_of
from tests.workflows.model import says, silent

pytestmark = pytest.mark.long

APPROVAL = {"approval": {"required": True}, "requested_by": "crm"}


async def waits_for_approval(desk: Desk, **more: Any) -> tuple[WorkflowHandle[Any, Any], Status]:
    """A send that somebody has to approve."""
    handle = await desk.start(**{**APPROVAL, **more})
    return handle, await desk.until(handle, lambda status: status.phase == "awaiting_approval")


async def refused(desk: Desk, handle: WorkflowHandle[Any, Any], name: str, **payload: Any) -> str:
    """Why an update does not fit."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update(name, {"by": "li", **payload})
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause.message


async def update(handle: WorkflowHandle[Any, Any], name: str, **payload: Any) -> Status:
    """The status after an update."""
    status: Status = await handle.execute_update(name, {"by": "li", **payload}, result_type=Status)
    return status


@pytest.mark.history
async def test_nothing_is_submitted_before_somebody_else_approves(desk: Desk) -> None:
    """Whoever asked for it may not, whatever the case of the name; who approved is kept and shown."""
    desk.wechat.tags[2] = AudienceFinding(found=True, name="VIP", count=1234)
    handle, status = await waits_for_approval(desk, audience={"kind": "tag", "tag_id": 2})
    assert status.answers == ("approve", "reject", "pause", "reschedule", "abort")
    assert status.approval.shows[:2] == ("text: 你好", 'to tag 2 "VIP": 1,234 followers')
    assert await refused(desk, handle, "approve", by="CRM ") == (
        "CRM has asked for this send, and somebody else has to approve it"
    )
    assert desk.wechat.tries == []
    status = await update(handle, "approve", reason="looks good")
    assert (status.approval.by, status.history[-1].what, status.history[-1].reason) == ("li", "approved", "looks good")
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


@pytest.mark.history
async def test_a_rejected_send_ends_as_rejected(desk: Desk) -> None:
    """Even by who has asked for it; nothing was submitted, and its key is free."""
    handle, _ = await waits_for_approval(desk)
    await update(handle, "reject", by="crm", reason="wrong text")
    failure = await failure_of(handle)
    assert (failure.outcome, failure.may_have_been_delivered) == ("rejected", False)
    again = await desk.start()
    assert (await again.result()).outcome == "sent"


@pytest.mark.history
async def test_a_missing_approval_expires(desk: Desk) -> None:
    """After decision_timeout, or when not_after comes, whichever is first."""
    handle, _ = await waits_for_approval(desk, decision_timeout="PT2H")
    assert (await failure_of(handle)).outcome == "expired"
    soon = await desk.env.get_current_time() + timedelta(hours=1)
    handle, _ = await waits_for_approval(desk, not_after=soon.isoformat())
    assert (await failure_of(handle)).outcome == "expired"
    assert desk.wechat.tries == []


@pytest.mark.parametrize(
    ("policy", "more", "problem"),
    [
        ("all", {"approval": {"required": False}, "requested_by": "crm"}, "approval.required: must not be false"),
        ("always", {}, "requested_by: must be set where approval is needed"),
        ("never", {"approval": {"required": True}}, "requested_by: must be set where approval is needed"),
    ],
)
async def test_a_request_cannot_loosen_the_accounts_policy(
    desk: Desk, policy: str, more: dict[str, Any], problem: str
) -> None:
    """It is refused before anything happens."""
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"approval": policy})
    assert problem in await refusal_of(await desk.start(**more))
    assert desk.wechat.tries == []


async def test_an_account_may_demand_approval_of_sends_to_all_only(desk: Desk) -> None:
    """A tag goes out without, all followers do not."""
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"approval": "all"})
    tag = await desk.start("tag", audience={"kind": "tag", "tag_id": 2})
    assert (await tag.result()).outcome == "sent"
    everybody = await desk.start("all", requested_by="crm")
    await desk.until(everybody, lambda status: status.phase == "awaiting_approval")
    await update(everybody, "approve")
    assert (await everybody.result()).outcome == "sent"


@pytest.mark.history
async def test_preview_approval_and_send_time_come_in_this_order(desk: Desk) -> None:
    """The preview is out before the approval, and the time is waited for after it."""
    at = await desk.env.get_current_time() + timedelta(hours=20)
    handle, status = await waits_for_approval(desk, preview={"to": [{"openid": "boss"}]}, send_at=at.isoformat())
    assert desk.material.previews == ["boss"]
    assert [one.sent for one in status.previews] == [True]
    await update(handle, "approve")
    status = await desk.until(handle, lambda status: status.phase == "scheduled")
    assert status.waiting_for is not None
    assert status.waiting_for.until == at
    assert (await handle.result()).outcome == "sent"
    assert desk.wechat.tries[0].lease.not_before >= at


@pytest.mark.history
async def test_a_paused_send_waits_for_its_resume(desk: Desk) -> None:
    """Its time may come and go meanwhile; it goes on where it stood, and who did it is shown."""
    at = await desk.env.get_current_time() + timedelta(hours=2)
    handle = await desk.start(send_at=at.isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await update(handle, "pause", reason="look again")
    status = await desk.until(handle, lambda status: status.phase == "paused")
    assert (status.paused_by, status.answers) == ("li", ("resume", "reschedule", "abort"))
    await desk.env.sleep(timedelta(hours=5))
    assert desk.wechat.tries == []
    assert "paused by li already" in await refused(desk, handle, "pause", by="wang")
    await update(handle, "resume", by="wang")
    assert (await handle.result()).outcome == "sent"
    told = [(line.what, line.by) for line in (await desk.status(handle)).history]
    assert ("paused", "li") in told
    assert ("resumed", "wang") in told


async def test_a_pause_holds_between_two_tries(desk: Desk) -> None:
    """A definite no is repeated only after the resume."""
    desk.wechat.script = [says(45011)]
    handle = await desk.start()
    await desk.seen(handle, "try 1: WeChat answered 45011")
    await desk.until(handle, lambda status: bool(status.waiting_for and "the next try" in status.waiting_for.reason))
    await update(handle, "pause")
    await desk.until(handle, lambda status: status.phase == "paused")
    await desk.env.sleep(timedelta(hours=1))
    assert len(desk.wechat.tries) == 1
    await update(handle, "resume")
    assert (await handle.result()).outcome == "sent"


async def test_a_send_may_be_approved_while_it_is_paused(desk: Desk) -> None:
    """The approval stands; it goes out when it is resumed."""
    handle, _ = await waits_for_approval(desk)
    await update(handle, "pause")
    await desk.until(handle, lambda status: status.phase == "paused")
    status = await update(handle, "approve")
    assert (status.phase, status.approval.by) == ("paused", "li")
    await desk.env.sleep(timedelta(hours=1))
    assert desk.wechat.tries == []
    await update(handle, "resume")
    assert (await handle.result()).outcome == "sent"


@pytest.mark.history
async def test_a_rescheduled_send_goes_out_at_its_new_time(desk: Desk) -> None:
    """Earlier, later, also while paused; a time in the past means now."""
    now = await desk.env.get_current_time()
    handle = await desk.start(send_at=(now + timedelta(days=2)).isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    later = now + timedelta(days=3)
    status = await update(handle, "reschedule", send_at=later.isoformat())
    assert status.send_at == later
    await update(handle, "pause")
    await desk.until(handle, lambda status: status.phase == "paused")
    await update(handle, "reschedule", send_at=(now - timedelta(days=1)).isoformat())
    await update(handle, "resume")
    assert (await handle.result()).outcome == "sent"
    assert desk.wechat.tries[0].lease.not_before < now + timedelta(days=1)


async def test_a_time_that_makes_no_sense_is_refused(desk: Desk) -> None:
    """More than a year ahead, or not before not_after."""
    now = await desk.env.get_current_time()
    far = (now + timedelta(days=400)).isoformat()
    assert "send_at: must be at most 366 days ahead" in await refusal_of(await desk.start("far", send_at=far))
    end = now + timedelta(days=3)
    handle = await desk.start(send_at=(now + timedelta(days=2)).isoformat(), not_after=end.isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    assert "must be earlier than not_after" in await refused(desk, handle, "reschedule", send_at=end.isoformat())
    assert "366 days ahead" in await refused(desk, handle, "reschedule", send_at=far)


@pytest.mark.parametrize("name", ["pause", "reschedule"])
async def test_what_is_out_cannot_be_held_back(desk: Desk, name: str) -> None:
    """Neither an accepted send nor one that may have been accepted."""
    at = (await desk.env.get_current_time()).isoformat()
    payload = {"send_at": at} if name == "reschedule" else {}
    desk.wechat.push_at_once = None
    accepted = await desk.start("accepted")
    await desk.until(accepted, lambda status: status.phase == "awaiting_result")
    sentence = await refused(desk, accepted, name, **payload)
    assert sentence.startswith("already accepted as msg_id")
    assert "can only be recalled" in sentence
    desk.wechat.script = [silent, silent]
    unknown = await desk.start("unknown")
    await desk.seen(unknown, "it may have been accepted")
    assert "a try may have reached WeChat" in await refused(desk, unknown, name, **payload)


async def test_what_asks_for_nothing_is_refused(desk: Desk) -> None:
    """Approve and reject without approval, resume without a pause, pause while a person is asked."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start()
    await desk.asks(handle, "account_refused")
    assert "needs no approval" in await refused(desk, handle, "approve")
    assert "needs no approval" in await refused(desk, handle, "reject")
    assert "is not paused" in await refused(desk, handle, "resume")
    assert "asks a person already" in await refused(desk, handle, "pause")


async def test_approval_against_abort_has_one_winner(real_desk: Desk) -> None:
    """Whichever comes second is refused, and the send ends as the first one said."""
    handle, _ = await waits_for_approval(real_desk)
    answers = await asyncio.gather(
        update(handle, "approve", by="li"),
        handle.execute_update("abort", {"by": "wang", "reason": "no"}, result_type=Status),
        return_exceptions=True,
    )
    ended = (await real_desk.until(handle, lambda status: status.phase == "done")).history[-1].what
    winners = [answer for answer in answers if isinstance(answer, Status)]
    if ended == "ended as sent":
        assert len(winners) == 1
        assert len(real_desk.wechat.tries) == 1
    else:
        assert ended == "ended as aborted"
        assert real_desk.wechat.tries == []
