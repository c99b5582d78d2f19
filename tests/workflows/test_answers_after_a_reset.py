"""A reset run learns from the ledger what it has forgotten, and what is answered or ended meanwhile is no mistake."""

import asyncio
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import SearchAttributeKey

from tests.looking import PATIENCE, until
from tests.workflows import resets
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import says

pytestmark = pytest.mark.long

OUTCOME = SearchAttributeKey.for_keyword("MassSendOutcome")


async def abort(desk: Desk, handle: WorkflowHandle[Any, Any]) -> None:
    """Abort, as soon as no other answer is being carried out."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await desk.update(handle, "abort")
            except WorkflowUpdateFailedError as refused:
                assert "another answer" in str(refused.cause)  # noqa: PT017  any other refusal is a mistake
            else:
                return


@pytest.mark.history
async def test_a_retry_that_is_applied_again_opens_no_other_generation(real_desk: Desk) -> None:
    """Retried, failed once more, and reset to before the retry: it was no answer to the second failure."""
    desk = real_desk
    desk.wechat.push_at_once = "send fail"
    started = await desk.start()
    await desk.asks(started, "send_failed")
    await desk.update(started, "retry")
    await desk.until(started, lambda status: len(status.jobs) == 2 and status.phase == "needs_operator")
    run = desk.first_run(started)
    accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    [answered] = [event.event_id async for event in run.fetch_history_events() if event.event_type == accepted]
    before = max(point for point in await resets.points(run) if point < answered)
    reset: list[WorkflowHandle[Any, Any]] = []
    known = asyncio.Event()

    async def once_the_ledger_has_told() -> None:
        await known.wait()
        await until(lambda: desk.status(reset[0]), lambda status: len(status.jobs) == 2)

    desk.wechat.before_status = once_the_ledger_has_told
    reset.append(await resets.reset(desk.env.client, run, before))
    desk.started.append(reset[0])
    known.set()
    await desk.until(reset[0], lambda status: len(status.jobs) == 2 and status.phase == "needs_operator")
    assert await resets.applied_again(reset[0]) == 1
    await abort(desk, reset[0])
    assert (await failure_of(reset[0])).outcome == "aborted"
    assert len(desk.wechat.tries) == 2


@pytest.mark.history
async def test_a_reset_of_the_end_learns_what_became_of_the_key(real_desk: Desk) -> None:
    """Aborted, and sent by a later run: no run says any more that nothing was delivered, nor shows it."""
    desk = real_desk
    desk.wechat.script = [says(48001)]
    started = await desk.start()
    await desk.asks(started, "account_refused")
    await desk.update(started, "abort")
    assert (await failure_of(started)).outcome == "aborted"
    assert (await (await desk.start()).result()).outcome == "sent"
    run = desk.first_run(started)
    assert await shown_outcome(run) == "aborted"
    for point in reversed((await resets.points(run))[-3:]):
        for reapply in resets.Reapply:
            reset = await resets.reset(desk.env.client, run, point, reapply)
            desk.started.append(reset)
            result = await reset.result()
            assert (result.outcome, result.may_have_been_delivered) == ("sent", True)
            assert await shown_outcome(reset) == "sent"
    assert len(desk.wechat.tries) == 2


async def shown_outcome(handle: WorkflowHandle[Any, Any]) -> str | None:
    """What the search attribute says of how a run ended."""
    return (await handle.describe()).typed_search_attributes.get(OUTCOME)


@pytest.mark.parametrize("point", [0, pytest.param(1, marks=pytest.mark.history)])
async def test_an_abort_before_a_reset_run_has_caught_up_is_too_late(real_desk: Desk, point: int) -> None:
    """The message was accepted: the abort changes nothing, and the push is awaited."""
    desk = real_desk
    desk.wechat.push_at_once = None
    started = await desk.start()
    msg_id, run = await desk.accepted(started), desk.first_run(started)
    reset: list[WorkflowHandle[Any, Any]] = []
    known, aborted = asyncio.Event(), asyncio.Event()

    async def abort_first(_step: Any) -> None:
        await known.wait()
        if not aborted.is_set():
            await desk.update(reset[0], "abort")
            aborted.set()

    desk.slow.before_wish = abort_first
    reset.append(await resets.reset(desk.env.client, run, (await resets.points(run))[point], resets.Reapply.NONE))
    desk.started.append(reset[0])
    known.set()
    await desk.until(reset[0], lambda status: aborted.is_set() and status.phase in {"awaiting_result", "done"})
    await desk.wechat.push(msg_id)
    result = await reset[0].result()
    assert (result.outcome, len(desk.wechat.tries)) == ("sent", 1)
