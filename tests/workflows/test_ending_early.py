"""Abort, cancellation and `not_after`: how a send ends before its verdict, and when it may not."""

import uuid
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import CancelledError

from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import loses, says

pytestmark = pytest.mark.long


async def test_send_at_waits_and_then_submits(desk: Desk) -> None:
    """Nothing is submitted before `send_at`."""
    at = await desk.env.get_current_time() + timedelta(hours=10)
    handle = await desk.start(send_at=at.isoformat())
    status = await desk.until(handle, lambda status: status.phase == "scheduled")
    assert status.answers == ("pause", "reschedule", "abort")
    result = await handle.result()
    assert result.outcome == "sent"
    assert desk.wechat.tries[0].lease.not_before >= at


@pytest.mark.history
async def test_a_scheduled_send_is_aborted(desk: Desk) -> None:
    """Abort before the first try: aborted, nothing sent, and the ledger knows of no try."""
    at = await desk.env.get_current_time() + timedelta(hours=10)
    handle = await desk.start(send_at=at.isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered, result.jobs) == ("aborted", False, ())
    assert desk.wechat.tries == []


@pytest.mark.history
async def test_a_scheduled_send_is_cancelled(desk: Desk) -> None:
    """Temporal's cancellation before the first try ends as Cancelled."""
    at = await desk.env.get_current_time() + timedelta(hours=10)
    handle = await desk.start(send_at=at.isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert desk.wechat.tries == []


async def test_an_accepted_send_cannot_be_aborted(desk: Desk) -> None:
    """Abort is refused with the msg_id and the word recall."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await desk.update(handle, "abort")
    assert f"already accepted as msg_id {status.jobs[0].msg_id}" in str(caught.value.cause)
    assert "recall" in str(caught.value.cause)


@pytest.mark.parametrize("first", [pytest.param(loses, marks=pytest.mark.history), None])
async def test_a_cancellation_during_or_after_a_try_goes_on_to_the_verdict(desk: Desk, first: object) -> None:
    """It is noted in the story, and the send ends by WeChat's word."""
    desk.wechat.push_at_once = None
    desk.wechat.script = [loses] if first else []
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(desk.wechat.tries) and status.waiting_for is not None)
    await handle.cancel()
    status = await desk.until(handle, lambda status: any("cancellation" in line.what for line in status.history))
    assert status.phase != "done"
    desk.wechat.push_at_once = "send success"
    for msg_id in desk.wechat.accepted.values():
        await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"


async def test_a_cancellation_waits_until_nothing_can_be_delivered(desk: Desk) -> None:
    """A definite no while a cancellation stands: Cancelled, nothing sent."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start()
    await desk.asks(handle, "account_refused")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)


@pytest.mark.history
async def test_not_after_expires_before_submission(desk: Desk) -> None:
    """A send that is frozen past its `not_after` expires and submits nothing."""
    handle = await desk.start("other")
    await handle.result()
    await desk.freeze()
    not_after = await desk.env.get_current_time() + timedelta(hours=1)
    frozen = await desk.start(not_after=not_after.isoformat())
    result = await failure_of(frozen)
    assert (result.outcome, result.may_have_been_delivered) == ("expired", False)
    assert [step.key for step in desk.wechat.tries] == ["other"]


async def test_not_after_in_the_past_expires_at_once(desk: Desk) -> None:
    """Started too late: expired, and no lease was taken."""
    not_after = await desk.env.get_current_time() - timedelta(seconds=1)
    result = await failure_of(await desk.start(not_after=not_after.isoformat()))
    assert result.outcome == "expired"
    assert (await desk.ledger()).lease is None


async def test_quota_that_comes_back_too_late_expires_at_once(desk: Desk) -> None:
    """The next window is after `not_after`: the send need not wait to know."""
    desk.wechat.script = [says(45028)]
    not_after = await desk.env.get_current_time() + timedelta(minutes=1)
    result = await failure_of(await desk.start(uuid.uuid4().hex, not_after=not_after.isoformat()))
    assert result.outcome == "expired"
