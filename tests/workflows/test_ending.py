"""Abort, cancellation and `not_after`: how a send ends before its verdict, whatever is under way, and when not."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from tests.workflows.conftest import Desk
from tests.workflows.failures import cancelled, failure_of
from tests.workflows.model import loses, says
from tests.workflows.model_material import VOICE, busy

pytestmark = pytest.mark.long

Handle = WorkflowHandle[Any, Any]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def begin(handle: Handle, way: str) -> None:
    """An operator's abort, Temporal's cancellation, or nothing, so that its time comes."""
    if way == "abort":
        await handle.execute_update("abort", {"by": "li", "reason": "a test"})
    elif way == "cancel":
        await handle.cancel()


async def ended(handle: Handle, way: str) -> None:
    """The send must have ended so, with nothing delivered."""
    if way == "cancel":
        await cancelled(handle)
        return
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted" if way == "abort" else "expired", False)
    assert all(job.msg_id is None for job in result.jobs)


# How a send comes to stand where something is under way for it, or is awaited


async def looked_at(desk: Desk, **more: Any) -> Handle:
    """Its sources cannot be read for now, and its key is not claimed."""
    desk.material.refuse("inspect", *[busy()] * 50)
    return await desk.start("looked-at", message=VOICE, **more)


async def made(desk: Desk, **more: Any) -> Handle:
    """WeChat does not take its material for now."""
    desk.material.refuse("upload", *[busy()] * 50)
    return await desk.start("made", message=VOICE, **more)


async def previewed(desk: Desk, **more: Any) -> Handle:
    """Its first preview has no leave for now."""

    async def wait(_step: Any) -> None:
        raise busy()

    desk.slow.before_preview = wait
    return await desk.start("previewed", preview={"to": [{"openid": "boss"}]}, **more)


async def tagged(desk: Desk, **more: Any) -> Handle:
    """WeChat does not tell of its tag."""
    desk.wechat.tags_fail = True
    return await desk.start("tagged", audience={"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}, **more)


async def without_room(desk: Desk, **more: Any) -> Handle:
    """The account's ledger is full."""
    desk.slow.says = "full"
    return await desk.start("without-room", **more)


STANDS = {
    "a look at the material": looked_at,
    "the upload of 1 file": made,
    "the preview to boss": previewed,
    "WeChat's answer about tag 2": tagged,
    "room in the account's ledger": without_room,
}


@pytest.mark.parametrize("way", ["abort", "cancel", "not_after"])
async def test_a_send_is_ended_whatever_is_under_way_for_it(desk: Desk, way: str, subtests: pytest.Subtests) -> None:
    """At once, or when its time comes; nothing is submitted, and no lease is held."""
    for reason, bring in STANDS.items():
        tomorrow = (await desk.env.get_current_time() + DAY).isoformat()
        with subtests.test(reason):
            handle = await bring(desk, **({"not_after": tomorrow} if way == "not_after" else {}))
            await desk.waits(handle, reason)
            before = await desk.env.get_current_time()
            await begin(handle, way)
            await ended(handle, way)
            closed = (await handle.describe()).close_time
            assert closed is not None
            assert way == "not_after" or closed - before < timedelta(minutes=1)
            assert desk.wechat.tries == []
            assert (await desk.ledger()).lease is None
        desk.material.refusals.clear()
        desk.slow.says, desk.slow.before_preview, desk.wechat.tags_fail = None, None, False


@pytest.mark.parametrize("way", ["abort", "cancel"])
@pytest.mark.parametrize("moment", ["before_wish", "after_wish"])
async def test_a_send_is_ended_while_the_ledger_is_asked(desk: Desk, moment: str, way: str) -> None:
    """The key is being claimed, or a lease is on its way: no try is made, and the lease comes back."""
    at = await desk.env.get_current_time() + timedelta(minutes=1)
    handles: list[Handle] = []
    started = asyncio.Event()

    async def intervene(_step: Any) -> None:
        setattr(desk.slow, moment, None)
        await started.wait()
        await begin(handles[0], way)

    setattr(desk.slow, moment, intervene)
    handles.append(await desk.start(send_at=at.isoformat()))
    started.set()
    await ended(handles[0], way)
    assert desk.wechat.tries == []
    assert (await desk.ledger()).lease is None


@pytest.mark.history
async def test_a_scheduled_send_is_aborted(desk: Desk) -> None:
    """Abort before the first try: aborted, nothing sent, and the ledger knows of no try."""
    handle = await desk.start(send_at=(await desk.env.get_current_time() + 10 * HOUR).isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await begin(handle, "abort")
    await ended(handle, "abort")
    assert desk.wechat.tries == []


@pytest.mark.history
async def test_a_scheduled_send_is_cancelled(desk: Desk) -> None:
    """Temporal's cancellation before the first try ends as Cancelled."""
    handle = await desk.start(send_at=(await desk.env.get_current_time() + 10 * HOUR).isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await begin(handle, "cancel")
    await ended(handle, "cancel")
    assert desk.wechat.tries == []


@pytest.mark.parametrize("way", [pytest.param("abort", marks=pytest.mark.history), "cancel"])
async def test_a_send_is_ended_while_another_one_holds_the_lease(desk: Desk, way: str) -> None:
    """It waits for its turn, or for an unfreeze: both waits end at once."""
    await (await desk.start("other")).result()
    await desk.freeze()
    handle = await desk.start()
    await desk.waits(handle, "frozen")
    await begin(handle, way)
    await ended(handle, way)
    assert [step.key for step in desk.wechat.tries] == ["other"]


@pytest.mark.history
async def test_not_after_expires_before_submission(desk: Desk) -> None:
    """A send that is frozen past its `not_after` expires and submits nothing."""
    await (await desk.start("other")).result()
    await desk.freeze()
    not_after = await desk.env.get_current_time() + HOUR
    await ended(await desk.start(not_after=not_after.isoformat()), "not_after")
    assert [step.key for step in desk.wechat.tries] == ["other"]


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


@pytest.mark.parametrize(
    "phase", [pytest.param("between tries", marks=pytest.mark.history), "asking mass/get", "awaiting the reason"]
)
async def test_what_may_have_been_delivered_goes_on(desk: Desk, phase: str) -> None:
    """Abort is refused and a cancellation noted, wherever the send stands after a try; then WeChat's word ends it."""
    desk.wechat.push_at_once = None
    desk.wechat.script = [loses, *[says(45028)] * 4] if phase == "between tries" else []
    handle = await desk.start()
    if phase == "awaiting the reason":
        desk.wechat.statuses[await desk.accepted(handle)] = "SEND_FAIL"
    reasons = {"between tries": "the next try", "asking mass/get": "asking mass/get as well"}
    await desk.waits(handle, reasons.get(phase, "the push that says why"))
    assert "recall it" in await desk.refused(handle, "abort")
    await handle.cancel()
    await desk.seen(handle, "cancellation noted")
    desk.wechat.push_at_once = "send success"
    [msg_id] = desk.wechat.accepted.values()
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.accepted) == 1


@pytest.mark.history
async def test_a_send_in_doubt_is_not_submitted_a_day_or_a_week_later(desk: Desk) -> None:
    """WeChat's memory of the clientmsgid is over, so a repeat could be a second delivery: a person is asked."""
    settled = await (await desk.start("settled")).result()
    for key in ("day", "week"):
        desk.wechat.script = [loses]
        handle = await desk.start(key)
        await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].state == "unknown"))
        await handle.terminate("killed")
    desk.wechat.script = []
    for key, days in (("day", 1), ("week", 6)):
        await desk.env.sleep(days * DAY)
        handle = await desk.start(key)
        status = await desk.asks(handle, "unknown_outcome")
        assert status.answers == ("retry", "mark_sent", "abort")
        await desk.update(handle, "abort")
        assert (await failure_of(handle)).may_have_been_delivered
    again = await (await desk.start("settled")).result()
    assert (again.outcome, again.jobs[0].msg_id) == ("sent", settled.jobs[0].msg_id)
    assert [step.key for step in desk.wechat.tries] == ["settled", "day", "week"]


@pytest.mark.parametrize(("tried", "outcome"), [(False, "failed"), (True, "unknown")])
async def test_a_key_that_a_lost_ledger_knows_otherwise_ends_the_send(desk: Desk, tried: bool, outcome: str) -> None:
    """Nothing more is submitted, and nobody is asked. A try that may have reached WeChat is not hidden by that."""
    tomorrow = (await desk.env.get_current_time() + DAY).isoformat()
    desk.wechat.script = [loses, *[says(45028)] * 100]
    handle = await desk.start(**({} if tried else {"send_at": tomorrow}))
    await desk.waits(handle, "the next try" if tried else "send_at")
    await desk.account.terminate("lost")
    tries, desk.slow.says = len(desk.wechat.tries), "reused"
    result = await failure_of(handle)
    assert (result.outcome, result.problem and result.problem.name) == (outcome, "key_reused")
    assert (result.may_have_been_delivered, len(desk.wechat.tries)) == (tried, tries)
