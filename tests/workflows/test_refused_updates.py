"""A refused update is in no history: it changes nothing of the task that it was refused in, so that this replays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, Final

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import PollWorkflowExecutionUpdateRequest
from temporalio.client import Client, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from temporalio.workflow import NondeterminismError

from qunfa.contract.operators import Status
from qunfa.rules.digest import clientmsgid
from qunfa.rules.pace import spread
from qunfa.send.turns import SPREAD
from tests.histories.keep import HISTORIES
from tests.looking import PATIENCE
from tests.workflows.conftest import Desk, scaled_facts, staffed
from tests.workflows.failures import failure_of
from tests.workflows.idle_tasks import with_idle_tasks
from tests.workflows.refusals import UPDATES, Refusing, Taping, as_workers_do, replay
from tests.workflows.resets import applied_again, points, reset
from tests.workflows.test_histories import RECORDED, history_of
from workflows.waiting import Alarm

pytestmark = pytest.mark.long

Handle = WorkflowHandle[Any, Any]
FIRED: Final = EventType.EVENT_TYPE_TIMER_FIRED
SIGNALED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
SCHEDULED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED

WAITS = {
    "its approval": "a_missing_approval_expires.send-2",
    "its resume": "a_paused_send_waits_for_its_resume.send-1",
    "its time": "a_rescheduled_send_goes_out_at_its_new_time.send-1",
    "previews, approval and time": "preview_approval_and_send_time_come_in_this_order.send-1",
    "its material": "a_try_is_repeated_with_the_same_material.send-1",
    "the next quota": "quota_waits_for_midnight_in_shanghai.send-1",
    "the account, which is frozen": "a_send_is_ended_while_another_one_holds_the_lease.send-2",
    "the next try": "a_cancellation_during_or_after_a_try_goes_on_to_the_verdict.send-1",
    "the push": "a_push_that_never_comes_is_asked_for.send-1",
    "the push that knows more": "a_polled_failure_waits_for_the_push_that_knows_more.send-1",
    "an operator": "a_send_that_nobody_decides_about_ends.send-1",
}
AGES: Final = timedelta(days=40)
_LATEST: Final = 10
"""Seconds after its time within which the server has fired a timer, on a slow machine too."""


@pytest.mark.parametrize("path", WAITS.values(), ids=WAITS)
async def test_refused_updates_change_nothing_of_a_task_that_is_taken_late(path: str) -> None:
    """A worker takes a task when all times that the send knows of are over: it does and shows the same with them."""
    taping = Taping()
    await replay(history_of(HISTORIES / "0.2.0" / f"{path}.json"), taping)
    [tape] = taping.tapes
    for number in range(len(tape.tasks)):
        with_them, without = [await tape.late(number, AGES, refusing=refusing) for refusing in (True, False)]
        assert with_them == without, number


@pytest.mark.parametrize("kind", ["send-", "account"])
async def test_what_came_before_a_timer_replays_at_its_time(kind: str) -> None:
    """A replay takes a signal at the time of a refused update that came after it, when the timer was due already."""
    assert [history async for history in unlike_before(kind)] == []


async def test_the_replay_notices_a_timer_that_is_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: a send that takes the signal at once cancels a timer that has fired."""
    monkeypatch.setattr(Alarm, "is_due", False)
    assert await anext(unlike_before("send-"))


async def test_a_send_that_was_reset_before_updates_were_refused_replays(real_env: WorkflowEnvironment) -> None:
    """It notices the reset in the task of the reset, not when its timer fires and something is refused."""
    handle, worker = await reset_and_fired_unseen(real_env)
    async with refused(real_env.client, handle), worker():
        assert (await handle.result()).outcome == "sent"
    await replays(real_env.client, handle)


async def test_a_send_that_is_reset_to_its_first_task_replays(real_env: WorkflowEnvironment) -> None:
    """What operators had answered is applied again to its first task, where it comes too early and is refused."""
    desk, worker = staffed(real_env, scaled_facts())
    async with worker():
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        handle = await desk.start(desk.wechat.facts.appid, send_at=tomorrow.isoformat())
        await desk.until(handle, is_scheduled)
        for answer in ("pause", "resume"):
            await desk.update(handle, answer)
    run = await reset(real_env.client, handle, (await points(handle))[0])
    async with worker():
        await desk.until(run, is_scheduled)
        await desk.update(run, "abort")
        assert (await failure_of(run)).outcome == "aborted"
    assert await applied_again(run) == 2
    await replays(real_env.client, run)


async def reset_and_fired_unseen(env: WorkflowEnvironment) -> tuple[Handle, Callable[..., Worker]]:
    """A send that was reset, and whose timer has fired while no worker ran; a slow machine is given more time."""
    for seconds in (3, 20):
        desk, worker = staffed(env, scaled_facts())
        key = early_key(env.client.namespace, desk.wechat.facts.appid)
        async with worker(max_cached_workflows=0):
            at = datetime.now(UTC) + timedelta(seconds=seconds)
            handle = await desk.start(key, send_at=at.isoformat())
            await desk.until(handle, is_scheduled)
            with contextlib.suppress(RPCError):  # of one whose time came earlier than that
                handle = await reset_to_a_signal(desk, handle)
        with contextlib.suppress(TimeoutError):  # of one that never set its timer, since its time had come before
            async with asyncio.timeout(seconds + _LATEST):
                if await comes(handle, FIRED) and await last_events(handle, 2) == [FIRED, SCHEDULED]:
                    return handle, worker
    raise AssertionError("the time of the send has come before its worker had gone")


async def unlike_before(kind: str) -> AsyncIterator[str]:
    """The recorded runs that do something else with idle tasks before their timers."""
    for history in with_timers(kind):
        try:
            await replay(history, as_workers_do())
        except (NondeterminismError, RuntimeError):
            yield history.workflow_id


@cache
def with_timers(kind: str) -> list[WorkflowHistory]:
    """The recorded runs that have such timers, with those tasks."""
    files = [file for file in RECORDED if kind in file.stem and "TIMER_FIRED" in file.read_text(encoding="utf-8")]
    histories = [history for history, timers in map(with_idle_tasks, map(history_of, files)) if timers]
    assert len(histories) > 10
    return histories


def early_key(namespace: str, appid: str) -> str:
    """A key whose send wakes as it is due, and not some minutes later."""
    keys = (f"{appid}-{number}" for number in count())
    return next(key for key in keys if not spread(clientmsgid(namespace, appid, key, 0), SPREAD))


async def reset_to_a_signal(desk: Desk, handle: Handle) -> Handle:
    """A push of another send comes, and the run is reset to the task that took it."""
    await handle.signal("job_finished", {"msg_id": 77, "status": "send success"})
    await comes(handle, SIGNALED, COMPLETED)
    run = await reset(desk.env.client, handle, (await points(handle))[-1])
    await comes(run, FAILED, COMPLETED)
    await desk.until(run, is_scheduled)
    return run


async def comes(handle: Handle, *kinds: EventType.ValueType) -> bool:
    """Wait until such events have come one after the other; false where the run ends without."""
    missing = list(kinds)
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == missing[0]:
            missing.pop(0)
        if not missing:
            return True
    return False


async def last_events(handle: Handle, number: int) -> list[EventType.ValueType]:
    return [event.event_type for event in (await handle.fetch_history()).events[-number:]]


def is_scheduled(status: Status) -> bool:
    """Whether the send waits for its time alone, and no longer for the account's word on its place; or has ended."""
    waits = status.waiting_for is not None and status.waiting_for.until == status.send_at
    return waits if status.phase == "scheduled" else status.phase in {"submitting", "awaiting_result", "done"}


@contextlib.asynccontextmanager
async def refused(client: Client, handle: Handle) -> AsyncIterator[None]:
    """Updates are asked for before a worker is there, and have been refused in the end."""
    asked = [asyncio.ensure_future(handle.execute_update(name, id=name)) for name in UPDATES]
    send = WorkflowExecution(workflow_id=handle.id)
    for name in UPDATES:
        await is_admitted(client, UpdateRef(workflow_execution=send, update_id=name))
    yield
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(answer, WorkflowUpdateFailedError)


async def is_admitted(client: Client, update: UpdateRef) -> None:
    """Wait until Temporal knows of the update."""
    request = PollWorkflowExecutionUpdateRequest(namespace=client.namespace, update_ref=update)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await client.workflow_service.poll_workflow_execution_update(request)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
            else:
                return


async def replays(client: Client, handle: Handle) -> None:
    """The run replays, with the updates in each of its tasks and without."""
    history = await handle.fetch_history()
    for runner in (as_workers_do(), Refusing()):
        await replay(history, runner, client.namespace)
