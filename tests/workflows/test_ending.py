"""Abort, cancellation and `not_after`: how a send ends before its verdict, whatever is under way, and when not."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from qunfa.contract.steps import LEDGER_UNAVAILABLE
from tests.looking import PATIENCE, until
from tests.workflows.conftest import Desk
from tests.workflows.failures import cancelled, failure_of
from tests.workflows.model_material import VOICE, busy

pytestmark = pytest.mark.long

Handle = WorkflowHandle[Any, Any]
BUSY = timedelta(hours=1)
"""For so long what is under way is left alone; the server may leap for half of it."""


async def begin(handle: Handle, way: str) -> None:
    """An operator's abort, Temporal's cancellation, or nothing, so that its time comes."""
    if way == "abort":
        await handle.execute_update("abort", {"by": "li", "reason": "a test"})
    elif way == "cancel":
        await handle.cancel()


async def ended(handle: Handle, way: str) -> None:
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
    desk.material.refuse("upload", *[busy()] * 50)
    return await desk.start("made", message=VOICE, **more)


async def previewed(desk: Desk, **more: Any) -> Handle:

    async def wait(_step: Any) -> None:
        raise busy()

    desk.slow.before_preview = wait
    return await desk.start("previewed", preview={"to": [{"openid": "boss"}]}, **more)


async def tagged(desk: Desk, **more: Any) -> Handle:
    desk.wechat.tags_fail = True
    return await desk.start("tagged", audience={"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}, **more)


async def without_room(desk: Desk, **more: Any) -> Handle:
    desk.slow.says = "full"
    return await desk.start("without-room", **more)


STANDS = {
    "a look at the material": looked_at,
    "the upload of 1 file(s) to WeChat, 0 done: a.mp3": made,
    "the preview to boss": previewed,
    "WeChat's answer about tag 2": tagged,
    "room in the account's ledger": without_room,
}


async def joins(desk: Desk, **more: Any) -> Handle:
    """It is in batches, and its account is silent from the beginning."""
    asked = asyncio.Event()

    async def note(_step: Any) -> None:
        asked.set()

    desk.slow.says, desk.slow.before_wish = "nothing", note
    handle = await desk.start("joins", audience={"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}, **more)
    await asyncio.wait_for(asked.wait(), PATIENCE)
    # The time-skipping server forgets a workflow that cancels an activity in the moment in which that completes.
    await until(handle.describe, lambda run: not run.raw_description.pending_activities)
    return handle


async def silent(_step: Any) -> None:
    raise ApplicationError("no answer", type=LEDGER_UNAVAILABLE)


async def searches(desk: Desk) -> Handle:
    """Temporal does not tell of earlier runs, so that it does not even ask its account."""
    desk.slow.before_wish = silent
    handle = await desk.start("searches")
    await desk.waits(handle, "the account's ledger")
    return handle


async def planned(desk: Desk) -> Handle:
    """It has joined, and Temporal does not tell any more as it is to end."""
    handle = await desk.start("planned", send_at=(await desk.env.get_current_time() + timedelta(days=1)).isoformat())
    await desk.until(handle, lambda status: status.phase == "scheduled")
    desk.slow.before_wish = silent
    return handle


@pytest.mark.parametrize("stands", [looked_at, joins, searches, planned])
async def test_an_end_waits_minutes_for_what_its_key_has_done(desk: Desk, stands: Callable[..., Any]) -> None:
    """The account stays silent, which alone knows: a send whose content is unknown is in doubt then, as is a list."""
    desk.slow.before_look = silent
    handle = await stands(desk)
    await begin(handle, "abort")
    began = await desk.env.get_current_time()
    result = await failure_of(handle, follow_runs=True)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)
    closed = (await handle.describe()).close_time
    assert closed is not None
    assert timedelta(minutes=5) < closed - began < BUSY, "the server may have leapt on since"


@pytest.mark.parametrize("way", ["abort", "cancel", "not_after"])
async def test_a_send_is_ended_whatever_is_under_way_for_it(desk: Desk, way: str, subtests: pytest.Subtests) -> None:
    """At once, or when its time comes; nothing is submitted, and no lease is held."""
    for reason, bring in STANDS.items():
        later = (await desk.env.get_current_time() + timedelta(hours=3)).isoformat()
        with subtests.test(reason):
            handle = await bring(desk, **({"not_after": later} if way == "not_after" else {}))
            await desk.waits(handle, reason)
            before = await desk.env.get_current_time()
            await begin(handle, way)
            await ended(handle, way)
            closed = (await handle.describe()).close_time
            assert closed is not None
            assert way == "not_after" or closed - before < BUSY
            assert desk.wechat.tries == []
            assert (await desk.ledger()).lease is None
        desk.material.refusals.clear()
        desk.slow.says, desk.slow.before_preview, desk.wechat.tags_fail = None, None, False
