"""What people have said to a list before it was reset: Temporal applies it again before it tells of the reset."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from qunfa.contract.batches import FOLLOW_BATCH
from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.model import says
from tests.workflows.resets import points, reset
from tests.workflows.test_batches_again import UPDATED, newest
from tests.workflows.test_in_batches import FILE, batch, failed, sent_to
from tests.workflows.test_refused_updates import replays

pytestmark = pytest.mark.long
RUNNING = WorkflowExecutionStatus.RUNNING
BEGUN = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED


async def test_a_reset_list_gives_no_answer_twice(real_desk: Desk) -> None:
    """Temporal applies it again, wherever the list is reset to. Its batch has taken it, and asks anew by now."""
    desk = real_desk
    desk.wechat.script = [says(40003), says(40003)]
    handle = await desk.start("answered", audience=FILE)
    await desk.asks(handle, "audience_refused")
    await desk.update(handle, "retry")
    await until(lambda: sent_to(desk), lambda numbers: numbers == [1, 1])
    await desk.asks(batch(desk, 1, "answered"), "audience_refused")
    run = await newest(desk, handle.id)
    begun = [event.event_id async for event in run.fetch_history_events() if event.event_type == BEGUN]
    for point in [point for point in await points(run) if point > begun[0]]:
        again = await reset(desk.env.client, run, point)
        await until(partial(pending, again), {FOLLOW_BATCH}.__eq__)
        await desk.asks(again, "audience_refused")
        assert await sent_to(desk) == [1, 1]
        await replays(desk.env.client, again)
    await desk.update(again, "abort")
    assert (await failed(again)).outcome == "aborted"
    assert await sent_to(desk) == [1, 1]


async def test_an_old_retry_sends_no_batch_that_was_aborted(real_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own key, after that retry: the list asks about it again, and only another retry sends it."""
    desk, one = real_desk, batch(real_desk, 1, "old-retry")
    monkeypatch.setattr("qunfa.batches.answers._LATELY", timedelta(0))
    desk.wechat.script = [says(40003), says(40003)]
    handle = await desk.start("old-retry", audience=FILE)
    for again in (True, False):
        await desk.asks(handle, "audience_refused")
        await desk.update(one, "abort")
        await asks_about_a_batch(desk, handle)
        if again:
            await desk.update(handle, "retry")
    run, ended = await newest(desk, handle.id), await newest(desk, one.id)
    reset_run = await reset(desk.env.client, run, await before_the_answer(run))
    await until(one.describe, lambda found: found.run_id != ended.run_id and found.status != RUNNING)
    await asks_about_a_batch(desk, reset_run)
    assert await sent_to(desk) == [1, 1]
    await replays(desk.env.client, reset_run)
    await desk.update(reset_run, "abort")
    assert (await failed(reset_run)).outcome == "aborted"


async def test_a_reset_list_sends_no_rest_with_both_messages(real_desk: Desk) -> None:
    """It was reset to before the choice, and a person chooses the other message: a batch of the rest has its own."""
    desk = real_desk
    split = {"split": {"a": 20, "b": 40}, "message_b": {"msgtype": "text", "content": "春装到了"}}
    handle = await desk.start("chosen", audience=FILE, **split)
    await desk.asks(handle, "winner_not_chosen")
    desk.wechat.push_at_once = None
    await desk.update(handle, "choose", winner="b")
    await until(lambda: sent_to(desk), lambda numbers: numbers == [1, 2, 3])
    run = await newest(desk, handle.id)
    begun = [event.event_id async for event in run.fetch_history_events() if event.event_type == BEGUN]
    before_the_second = max(point for point in await points(run) if point < begun[1])
    again = await reset(desk.env.client, run, before_the_second)
    await desk.asks(again, "winner_not_chosen")
    await desk.update(again, "choose", winner="a")
    result = await again.result()
    assert (result.outcome, result.problem and result.problem.name) == ("partly_sent", "key_reused")
    assert await sent_to(desk) == [1, 2, 3]
    await replays(desk.env.client, again)


async def asks_about_a_batch(desk: Desk, handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until the list asks about a batch that has ended badly."""
    await desk.until(handle, lambda status: status.problem is not None and status.problem.name == "batch_failed")


async def before_the_answer(run: WorkflowHandle[Any, Any]) -> int:
    """The newest task before the one in which the run has taken its first update."""
    given = [event.event_id async for event in run.fetch_history_events() if event.event_type == UPDATED]
    return max(point for point in await points(run) if point < given[0])


async def pending(run: WorkflowHandle[Any, Any]) -> set[str]:
    """The activities that are to be carried out for a run, or are under way."""
    described = await run.describe()
    return {one.activity_type.name for one in described.raw_description.pending_activities}
