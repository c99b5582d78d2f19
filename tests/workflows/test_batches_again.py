"""A send in batches that was reset, or goes on in a new run, sends no batch twice, and leaves none out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.batches import HEARD, Batches
from activities.earlier_runs import VisibleRuns
from qunfa.contract.batches import BATCH_PROBLEM, FOLLOW_BATCH, BatchSaid, FollowBatchStep
from qunfa.contract.ids import MASS_SEND_IN_BATCHES
from qunfa.contract.operators import Status
from qunfa.contract.steps import LEDGER_UNAVAILABLE, LookUpStep
from tests.activities.conftest import activity_info
from tests.looking import PATIENCE, until
from tests.workflows.conftest import Desk
from tests.workflows.model import accepts, says
from tests.workflows.resets import points, reset
from tests.workflows.test_in_batches import FILE, batch, failed, sent_to, terminated
from workflows.waiting import HISTORY_MAX

pytestmark = pytest.mark.long
UPDATED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED


@pytest.mark.history
async def test_a_reset_anywhere_sends_no_batch_twice(real_desk: Desk) -> None:
    """A list that was sent is reset to each of its workflow tasks."""
    desk = real_desk
    desk.store.batches, desk.store.openids = 2, 20
    handle = await desk.start(audience=FILE)
    await handle.result()
    run = await newest(desk, handle.id)
    for point in await points(run):
        again = await reset(desk.env.client, run, point)
        assert (await again.result()).outcome == "sent"
    assert await sent_to(desk) == [1, 2]


async def test_a_batch_that_is_reset_is_followed_further(real_desk: Desk) -> None:
    """Its run that was followed is terminated by that, and the new one has the result."""
    desk = real_desk
    desk.wechat.push_at_once = None
    handle = await desk.start(audience=FILE)
    await until(lambda: sent_to(desk), lambda numbers: numbers == [1])
    again = await reset(desk.env.client, run := await newest(desk, handle.id), (await points(run))[-1])
    await until(again.describe, is_following)
    await reset(desk.env.client, run := await newest(desk, f"{handle.id}.1"), (await points(run))[-1])
    desk.wechat.push_at_once = "send success"
    [msg_id] = desk.wechat.accepted.values()
    await desk.wechat.push(msg_id)
    result = await again.result()
    assert (result.outcome, await sent_to(desk)) == ("sent", [1, 2, 3])


async def test_a_batch_that_asks_no_more_after_a_reset_tells_its_list(real_desk: Desk) -> None:
    """Its new run has told nothing yet, and needs nobody: the list shows so."""
    desk = real_desk
    poster = {"msgtype": "image", "images": [{"uri": "file:/poster.png"}]}
    approval = {"approval": {"required": True}, "requested_by": "wang"}
    handle = await desk.start("again", audience=FILE, message=poster, **approval)
    await desk.waits(handle, "approval")
    desk.material.files["file:/poster.png"] = "another"
    await desk.update(handle, "approve")
    await desk.asks(handle, "source_changed")
    desk.wechat.push_at_once = None
    del desk.material.files["file:/poster.png"]
    await reset(desk.env.client, run := await newest(desk, f"{handle.id}.1"), (await points(run))[1])
    await until(lambda: desk.status(handle), lambda status: status.phase != "needs_operator")
    await until(lambda: sent_to(desk), lambda numbers: numbers == [1])


@pytest.mark.parametrize(("unasked", "batches"), [(timedelta(minutes=30), [1]), (timedelta(0), [1, 2])])
async def test_a_silent_ledger_is_not_asked_for_each_batch(
    real_desk: Desk, monkeypatch: pytest.MonkeyPatch, unasked: timedelta, batches: list[int]
) -> None:
    """An end that waits a minute for each of many would take hours. After a while it is asked again."""
    desk, key, asked = real_desk, f"unheard-{len(batches)}", list[int]()

    async def silent(step: LookUpStep) -> None:
        asked.append(int(step.key.rpartition(".")[2]))
        raise ApplicationError("no answer", type=LEDGER_UNAVAILABLE, non_retryable=True)

    monkeypatch.setattr("workflows.batch_effects._UNASKED", unasked)
    desk.wechat.push_at_once, desk.slow.before_look = None, silent
    desk.store.batches, desk.store.openids = 2, 20
    first = await desk.start(key, audience=FILE, on_batch_problem="continue")
    for number, begun in enumerate(([1], [1, 2]), 1):
        await until(lambda: sent_to(desk), begun.__eq__)
        if number == 2:
            await first.terminate("by mistake")
        await batch(desk, number, key).terminate("by mistake")
    second = await desk.start(key, audience=FILE, approval={"required": True}, requested_by="wang")
    await desk.waits(second, "approval")
    await desk.update(second, "abort")
    result = await failed(second)
    assert (result.outcome, [job.state for job in result.jobs]) == ("unknown", ["unknown"] * 2)
    assert list(dict.fromkeys(asked)) == batches


async def test_an_early_end_without_its_store_may_have_been_sent(desk: Desk) -> None:
    """Temporal and the ledger forget what a run before has sent, and the store alone knows that for ever."""
    desk.store.silent, too_late = True, await desk.env.get_current_time() - timedelta(hours=1)
    result = await failed(await desk.start("silent", audience=FILE, not_after=too_late))
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)


async def test_a_batch_that_asks_is_told_once_to_abort(real_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a list that ends, and shows what it asks. Until the person has looked in the console, nobody else decides."""
    desk, client = real_desk, real_desk.env.client
    desk.wechat.script = [says(40003)]
    first = await terminated(desk, "once")
    run, batch = await newest(desk, first.id), client.get_workflow_handle(f"{first.id}.1")
    step = FollowBatchStep(workflow_id=batch.id, number=1, abort={"by": "qunfa", "reason": "the whole send ends"})
    beats: list[Any] = []
    told: list[tuple[str, int, str | None]] = []

    async def heard(_handle: WorkflowHandle[Any, Any], name: str, said: BatchSaid, **_more: Any) -> None:
        told.append((name, said.number, said.problem.name if said.problem else None))

    monkeypatch.setattr(WorkflowHandle, "signal", heard)
    looking = ActivityEnvironment(client)
    looking.on_heartbeat = lambda *details: beats.extend(details)
    looking.info = activity_info(workflow_id=first.id, workflow_run_id=run.run_id, heartbeat_details=[HEARD], attempt=2)
    with pytest.raises(ApplicationError, match="is still under way"):
        await looking.run(Batches(client, followed=timedelta(0)).look_back, step)
    assert (beats, told) == ([HEARD], [(BATCH_PROBLEM, 1, "audience_refused")])
    assert not [event async for event in batch.fetch_history_events() if event.event_type == UPDATED]
    desk.wechat.script = [says(45028)]
    await desk.update(batch, "retry")
    await desk.until(batch, lambda status: status.phase == "scheduled")
    with pytest.raises(ApplicationError, match="is still under way"):
        await looking.run(Batches(client, followed=timedelta(0)).look_back, step)
    assert (await batch.query("status", result_type=Status)).phase == "scheduled", "a person has decided"
    looking.info = replace(looking.info, heartbeat_details=[])
    beats.clear()
    found = await looking.run(Batches(client).look_back, step)
    assert found.row is not None
    assert (found.row.outcome, beats, set(told[1:])) == ("aborted", [HEARD], {(BATCH_PROBLEM, 1, None)})


_LISTED = Client.list_workflows


async def a_list_that_is_behind(client: Client, query: str, **more: Any) -> AsyncIterator[WorkflowExecution]:
    """By which all still run."""
    async for run in _LISTED(client, query, **more):
        yield replace(run, status=WorkflowExecutionStatus.RUNNING)


async def test_temporal_tells_which_batches_may_reach_people(real_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each its newest run counts. One that is reset by itself goes out, and its list has ended before."""
    desk, runs = real_desk, VisibleRuns(real_desk.env.client)
    desk.wechat.script = [says(40003), accepts, says(40003)]
    handle = await desk.start("resets", audience=FILE, on_batch_problem="continue", on_problem="fail")
    assert (await handle.result()).outcome == "partly_sent"
    await until(lambda: runs.reaching(handle.id), lambda numbers: numbers == {2})
    with monkeypatch.context() as patch:
        patch.setattr(Client, "list_workflows", a_list_that_is_behind)
        assert await runs.reaching(handle.id) == {2}
    first = await newest(desk, f"{handle.id}.1")
    again = await reset(desk.env.client, first, (await points(first))[0])
    assert (await again.result()).outcome == "sent"
    assert await sent_to(desk) == [1, 2, 3, 1]
    await until(lambda: runs.reaching(handle.id), lambda numbers: numbers == {1, 2})
    await reset(desk.env.client, last := await newest(desk, f"{handle.id}.3"), (await points(last))[0])
    await until(lambda: runs.reaching(handle.id), lambda numbers: numbers == {1, 2, 3})
    assert await runs.reaching("mass-send:demo:nobody") == frozenset()


async def newest(desk: Desk, workflow_id: str) -> WorkflowHandle[Any, Any]:
    """The newest run of the id, as the one that is meant."""
    described = await desk.env.client.get_workflow_handle(workflow_id).describe()
    return desk.env.client.get_workflow_handle(workflow_id, run_id=described.run_id)


def is_following(described: WorkflowExecutionDescription) -> bool:
    """Whether an attempt to follow a batch is under way."""
    pending = described.raw_description.pending_activities
    return any(one.activity_type.name == FOLLOW_BATCH and one.HasField("last_started_time") for one in pending)


BATCHES = 12
SHORT = 30
A_BATCH = 20
"""Events of a batch in the history of its whole, at most: one run ends within so many of its bound."""


async def test_the_runs_of_a_long_list_stay_short(real_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has no more events than its bound and one batch, however many batches there are."""
    monkeypatch.setattr("workflows.waiting.HISTORY_MAX", SHORT)
    desk = real_desk
    desk.store.batches, desk.store.openids = BATCHES, 10 * BATCHES
    handle = await desk.start(audience=FILE)
    async with asyncio.timeout(PATIENCE):
        assert (await handle.result()).outcome == "sent"
    assert await sent_to(desk) == list(range(1, BATCHES + 1))
    lengths = [length async for length in _lengths(desk, handle.id, handle.first_execution_run_id)]
    assert len(lengths) > 3
    assert max(lengths) <= SHORT + A_BATCH
    assert sum(lengths) <= BATCHES * A_BATCH
    assert HISTORY_MAX + A_BATCH < 10_000


async def _lengths(desk: Desk, workflow_id: str, run_id: str | None) -> AsyncIterator[int]:
    """How many events each run of a list has, after the one that has handed it over."""
    while run_id is not None:
        run = desk.env.client.get_workflow_handle(workflow_id, run_id=run_id)
        events = (await run.fetch_history()).events
        if events[0].workflow_execution_started_event_attributes.workflow_type.name == MASS_SEND_IN_BATCHES:
            yield len(events)
        run_id = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id or None
