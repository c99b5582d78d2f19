"""Abort and cancellation in every phase of a send: it ends at once, unless it may have been delivered."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.operators import Phase, Status
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import loses, says
from tests.workflows.model_material import busy
from tests.workflows.test_holding import APPROVAL
from tests.workflows.test_material import VOICE
from tests.workflows.test_second_life import abort, aborted, cancel, cancelled

pytestmark = pytest.mark.long

Handle = WorkflowHandle[Any, Any]
Follows = Callable[[Desk, Handle], Awaitable[None]]


# How a send comes to stand there


async def looked_at(desk: Desk, key: str) -> Handle:
    """Its sources cannot be read for now, and its key is not claimed."""
    desk.material.refuse("inspect", *[busy()] * 50)
    return await desk.start(key, message=VOICE)


async def without_room(desk: Desk, key: str) -> Handle:
    """The account's ledger is full."""
    desk.slow.says = "full"
    return await desk.start(key)


async def made(desk: Desk, key: str) -> Handle:
    """WeChat does not take its material for now."""
    desk.material.refuse("upload", *[busy()] * 50)
    return await desk.start(key, message=VOICE)


async def previewed(desk: Desk, key: str) -> Handle:
    """Its first preview has no leave for now."""

    async def wait(_step: Any) -> None:
        raise busy()

    desk.slow.before_preview = wait
    return await desk.start(key, preview={"to": [{"openid": "boss"}]})


async def unapproved(desk: Desk, key: str) -> Handle:
    """Somebody has to approve it."""
    return await desk.start(key, **APPROVAL)


async def paused(desk: Desk, key: str) -> Handle:
    """An operator has held it back."""
    handle = await unapproved(desk, key)
    await desk.until(handle, lambda status: status.phase == "awaiting_approval")
    await desk.update(handle, "pause")
    return handle


async def early(desk: Desk, key: str) -> Handle:
    """Its time is tomorrow."""
    tomorrow = await desk.env.get_current_time() + timedelta(days=1)
    return await desk.start(key, send_at=tomorrow.isoformat())


async def frozen(desk: Desk, key: str) -> Handle:
    """The account is frozen."""
    await desk.freeze()
    return await desk.start(key)


async def without_quota(desk: Desk, key: str) -> Handle:
    """WeChat has refused it for today."""
    desk.wechat.script = [says(45028)] * 100
    return await desk.start(key)


async def in_doubt(desk: Desk, key: str) -> Handle:
    """Its first try was accepted, and the answer lost; WeChat says nothing of use since."""
    desk.wechat.script = [loses, *[says(45028)] * 100]
    desk.wechat.push_at_once = None
    return await desk.start(key)


async def accepted(desk: Desk, key: str) -> Handle:
    """Its job was accepted, and no push comes."""
    desk.wechat.push_at_once = None
    return await desk.start(key)


async def refused(desk: Desk, key: str) -> Handle:
    """WeChat has refused it for good."""
    desk.wechat.script = [says(48001)]
    return await desk.start(key)


async def silent(desk: Desk, key: str) -> Handle:
    """No verdict came in time."""
    desk.wechat.push_at_once = None
    return await desk.start(key, result={"push_timeout": 60, "give_up_after": 3600})


async def sent(desk: Desk, key: str) -> Handle:
    """It has its verdict."""
    handle = await desk.start(key)
    await handle.result()
    return handle


# What follows


async def ends_as_aborted(desk: Desk, handle: Handle) -> None:
    """Nothing was delivered."""
    async with at_once(desk, handle):
        await abort(handle)
        await aborted(handle)


async def ends_as_cancelled(desk: Desk, handle: Handle) -> None:
    """As Temporal says it."""
    async with at_once(desk, handle):
        await cancel(handle)
        await cancelled(handle)


async def ends_as_unknown(desk: Desk, handle: Handle) -> None:
    """Whoever aborts it is not told that nothing was delivered."""
    async with at_once(desk, handle):
        await abort(handle)
        result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)


@asynccontextmanager
async def at_once(desk: Desk, handle: Handle) -> AsyncIterator[None]:
    """The send has to be over before any of its own times comes, and without a further try."""
    before, tries = await desk.env.get_current_time(), len(desk.wechat.tries)
    yield
    closed = (await handle.describe()).close_time
    assert closed is not None
    assert closed - before < timedelta(minutes=1)
    assert len(desk.wechat.tries) == tries


async def abort_is_refused(desk: Desk, handle: Handle) -> None:
    """It can only be recalled."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await abort(handle)
    assert "recall it" in str(caught.value.cause)
    await goes_on(desk, handle)


async def cancellation_is_noted(desk: Desk, handle: Handle) -> None:
    """It takes no effect while WeChat may say yes."""
    phase = (await desk.status(handle)).phase
    await cancel(handle)
    await desk.seen(handle, "cancellation noted")
    assert (await desk.until(handle, _waits)).phase == phase
    await goes_on(desk, handle)


async def goes_on(desk: Desk, handle: Handle) -> None:
    """To WeChat's verdict."""
    desk.wechat.script, desk.wechat.push_at_once = [], "send success"
    await desk.wechat.push(list(desk.wechat.accepted.values())[-1])
    assert (await handle.result()).outcome == "sent"


async def abort_comes_too_late(_desk: Desk, handle: Handle) -> None:
    """There is nothing left to end."""
    with pytest.raises(RPCError) as caught:
        await abort(handle)
    assert caught.value.status == RPCStatusCode.NOT_FOUND
    assert (await handle.result()).outcome == "sent"


async def cancellation_comes_too_late(_desk: Desk, handle: Handle) -> None:
    """There is nothing left to end, which this server does not even say."""
    await cancel(handle)
    assert (await handle.result()).outcome == "sent"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a send stands: what brings it there, what it waits for, and what follows from an abort and a cancel."""

    phase: Phase
    bring: Callable[[Desk, str], Awaitable[Handle]]
    reason: str
    abort: Follows = ends_as_aborted
    cancel: Follows = ends_as_cancelled

    def is_reached(self, status: Status) -> bool:
        """Whether the send stands there."""
        reason = status.waiting_for.reason if status.waiting_for else ""
        return status.phase == self.phase and _waits(status) and self.reason in reason


STANDS = (
    Stand("preparing", looked_at, "a look at the material"),
    Stand("submitting", without_room, "room in the account's ledger"),
    Stand("preparing", made, "the upload of 1 file"),
    Stand("previewing", previewed, "the preview to boss"),
    Stand("awaiting_approval", unapproved, "approval"),
    Stand("paused", paused, "resume: paused by li"),
    Stand("scheduled", early, "send_at"),
    Stand("submitting", frozen, "frozen by li"),
    Stand("submitting", without_quota, "the next quota window"),
    Stand("submitting", in_doubt, "the next try", abort_is_refused, cancellation_is_noted),
    Stand("awaiting_result", accepted, "WeChat's push", abort_is_refused, cancellation_is_noted),
    Stand("needs_operator", refused, "an operator's answer"),
    Stand("needs_operator", silent, "an operator's answer", ends_as_unknown, cancellation_is_noted),
    Stand("done", sent, "", abort_comes_too_late, cancellation_comes_too_late),
)


def test_every_phase_is_in_the_table() -> None:
    """A new phase fails this until somebody has said what an abort and a cancellation do in it."""
    assert {stand.phase for stand in STANDS} == set(get_args(Phase))


@pytest.mark.parametrize("way", ["abort", "cancel"])
async def test_a_send_ends_in_each_phase_unless_it_may_have_been_delivered(
    desk: Desk, way: str, subtests: pytest.Subtests
) -> None:
    """At once, with nothing submitted and no lease held; else it goes on to its verdict, and is delivered once."""
    for stand in STANDS:
        key = stand.bring.__name__
        with subtests.test(phase=stand.phase, key=key):
            handle = await stand.bring(desk, key)
            await desk.until(handle, stand.is_reached)
            delivered = len(desk.wechat.accepted)
            follows: Follows = getattr(stand, way)
            await follows(desk, handle)
            assert len(desk.wechat.accepted) == delivered
            assert (await desk.ledger()).lease is None
        await put_right(desk)


def _waits(status: Status) -> bool:
    return status.waiting_for is not None or status.phase == "done"


async def put_right(desk: Desk) -> None:
    """The account, its WeChat and its ledger, as the next send is to find them."""
    desk.wechat.script, desk.wechat.push_at_once = [], "send success"
    desk.material.refusals.clear()
    desk.slow.says = desk.slow.before_preview = None
    if (await desk.ledger()).frozen:
        await desk.unfreeze()
