"""Approval, pause and another time: what holds a send back, and who lets it go."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from qunfa.contract.operators import Status
from qunfa.contract.steps import AudienceFinding, WishStep
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of, refusal_of
from tests.workflows.model_material import VIDEO, busy

pytestmark = pytest.mark.long

APPROVAL = {"approval": {"required": True}, "requested_by": "crm"}


async def waits_for_approval(desk: Desk, **more: Any) -> tuple[WorkflowHandle[Any, Any], Status]:
    """A send that somebody has to approve."""
    handle = await desk.start(**{**APPROVAL, **more})
    return handle, await desk.until(handle, lambda status: status.phase == "awaiting_approval")


@pytest.mark.history
async def test_nothing_is_submitted_before_somebody_else_approves(desk: Desk) -> None:
    """Whoever asked for it may not, whatever the case of the name; who approved is kept and shown."""
    desk.wechat.tags[2] = AudienceFinding(found=True, name="VIP", count=1234)
    handle, status = await waits_for_approval(desk, audience={"kind": "tag", "tag_id": 2})
    assert status.answers == ("approve", "reject", "pause", "reschedule", "abort")
    assert status.approval.shows[:2] == ("text: 你好", 'to tag 2 "VIP": 1,234 followers')
    assert await desk.refused(handle, "approve", by="CRM ") == (
        "CRM has asked for this send, and somebody else has to approve it"
    )
    assert desk.wechat.tries == []
    status = await desk.update(handle, "approve")
    assert (status.approval.by, status.history[-1].what, status.history[-1].reason) == ("li", "approved", "looked")
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


@pytest.mark.history
async def test_a_rejected_send_ends_as_rejected(desk: Desk) -> None:
    """Even by who has asked for it; nothing was submitted, and its key is free."""
    handle, _ = await waits_for_approval(desk)
    await desk.update(handle, "reject", by="crm", reason="wrong text")
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


async def test_an_account_may_demand_approval_of_sends_to_all_only(desk: Desk) -> None:
    """A tag goes out without, all followers do not; a request cannot loosen that."""
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"approval": "all"})
    loose = await desk.start("loose", approval={"required": False}, requested_by="crm")
    assert "approval.required: must not be false" in await refusal_of(loose)
    tag = await desk.start("tag", audience={"kind": "tag", "tag_id": 2})
    assert (await tag.result()).outcome == "sent"
    everybody = await desk.start("all", requested_by="crm")
    await desk.until(everybody, lambda status: status.phase == "awaiting_approval")
    assert [step.key for step in desk.wechat.tries] == ["tag"]


@pytest.mark.history
async def test_preview_approval_and_send_time_come_in_this_order(desk: Desk) -> None:
    """The preview is out before the approval, and the time is waited for after it."""
    at = await desk.env.get_current_time() + timedelta(hours=20)
    handle, status = await waits_for_approval(desk, preview={"to": [{"openid": "boss"}]}, send_at=at.isoformat())
    assert desk.material.previews == ["boss"]
    assert [one.sent for one in status.previews] == [True]
    await desk.update(handle, "approve")
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
    await desk.update(handle, "pause", reason="look again")
    status = await desk.until(handle, lambda status: status.phase == "paused")
    assert (status.paused_by, status.answers) == ("li", ("resume", "reschedule", "abort"))
    await desk.env.sleep(timedelta(hours=5))
    assert desk.wechat.tries == []
    assert "paused by li already" in await desk.refused(handle, "pause", by="wang")
    await desk.update(handle, "resume", by="wang")
    assert (await handle.result()).outcome == "sent"
    told = [(line.what, line.by) for line in (await desk.status(handle)).history]
    assert ("paused", "li") in told
    assert ("resumed", "wang") in told


@pytest.mark.history
async def test_a_rescheduled_send_goes_out_at_its_new_time(desk: Desk) -> None:
    """Earlier, later, also while paused; a time in the past means now."""
    now = await desk.env.get_current_time()
    handle = await desk.start(send_at=(now + timedelta(days=2)).isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    later = now + timedelta(days=3)
    status = await desk.update(handle, "reschedule", send_at=later.isoformat())
    assert status.send_at == later
    await desk.update(handle, "pause")
    await desk.until(handle, lambda status: status.phase == "paused")
    await desk.update(handle, "reschedule", send_at=(now - timedelta(days=1)).isoformat())
    await desk.update(handle, "resume")
    assert (await handle.result()).outcome == "sent"
    assert desk.wechat.tries[0].lease.not_before < now + timedelta(days=1)


@pytest.mark.history
async def test_another_time_counts_while_the_lease_is_on_its_way(desk: Desk) -> None:
    """Rescheduled in the moment in which it was to go out: the lease is given back, and it goes out at the new time."""
    now = await desk.env.get_current_time()
    later = now + timedelta(days=3)

    async def reschedule(step: WishStep) -> None:
        if step.wish.turn is None:
            return
        desk.slow.after_wish = None
        answer = await desk.update(handle, "reschedule", send_at=later.isoformat())
        assert answer.send_at == later

    desk.slow.after_wish = reschedule
    handle = await desk.start(send_at=(now + timedelta(hours=1)).isoformat())
    result = await handle.result()
    assert (result.outcome, len(desk.wechat.tries)) == ("sent", 1)
    assert desk.wechat.tries[0].lease.not_before >= later


@pytest.mark.parametrize("planned", [timedelta(0), timedelta(days=2)], ids=["at once", "in two days"])
async def test_another_time_counts_while_material_is_uploaded(desk: Desk, planned: timedelta) -> None:
    """Later or earlier than the time that it had when the upload began."""
    now = await desk.env.get_current_time()
    wanted = now + (timedelta(days=3) if not planned else timedelta(0))
    desk.material.refuse("upload", busy())
    handle = await desk.start(message=VIDEO, **({"send_at": (now + planned).isoformat()} if planned else {}))
    await desk.waits(handle, "upload")
    await desk.update(handle, "reschedule", send_at=wanted.isoformat())
    result = await handle.result()
    assert (result.outcome, len(desk.wechat.tries)) == ("sent", 1)
    assert wanted <= desk.wechat.tries[0].lease.not_before < wanted + timedelta(days=1)


async def test_approval_against_abort_has_one_winner(real_desk: Desk) -> None:
    """Whichever comes second is refused, and the send ends as the first one said."""
    handle, _ = await waits_for_approval(real_desk)
    answers = await asyncio.gather(
        real_desk.update(handle, "approve"),
        real_desk.update(handle, "abort", by="wang"),
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
