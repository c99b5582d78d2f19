"""A list whose first tasks are given what people say: none was carried out yet, or a reset gives it again."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.update.v1 import UpdateRef
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.ids import MASS_SEND_IN_BATCHES
from qunfa.contract.operators import Status
from tests.looking import until
from tests.workflows.conftest import Desk, scaled_facts, staffed
from tests.workflows.model import says
from tests.workflows.resets import points, reset
from tests.workflows.test_batches_again import newest
from tests.workflows.test_in_batches import FILE, failed, sent_to
from tests.workflows.test_refused_updates import is_admitted, replays

pytestmark = pytest.mark.long


@pytest.mark.parametrize("flags", [{}, {"confirm_not_delivered": True}], ids=["plain", "confirmed"])
async def test_an_aborted_list_reset_at_its_first_run_is_aborted(real_desk: Desk, flags: dict[str, bool]) -> None:
    """That run has ended as it went on in batches. Temporal applies to it what people have said to all after it."""
    desk = real_desk
    desk.wechat.script = [says(40003)]
    handle = await desk.start(f"aborted-first-{len(flags)}", audience=FILE)
    await desk.asks(handle, "audience_refused")
    await desk.update(handle, "abort", **flags)
    assert (await failed(handle)).outcome == "aborted"
    again = await reset(desk.env.client, first := desk.first_run(handle), (await points(first))[0])
    assert (await failed(again)).outcome == "aborted"
    assert await sent_to(desk) == [1]
    await replays(desk.env.client, again)
    anew = await desk.start(handle.id.rpartition(":")[2], audience=FILE, on_problem="fail")
    assert (await anew.result()).outcome == "sent", "nobody has given up its batch by itself"


async def test_a_list_takes_a_pause_before_its_first_task(real_env: WorkflowEnvironment) -> None:
    """No worker was there. The run that goes on as a list knows of it, and who has asked for it has an answer."""
    desk, worker = staffed(real_env, scaled_facts())
    handle = await desk.start("paused-early", audience=FILE)
    said = {"by": "li", "reason": "wrong price"}
    asked = asyncio.create_task(handle.execute_update("pause", said, id="early", result_type=Status))
    of = Execution(workflow_id=handle.id, run_id=handle.first_execution_run_id or "")
    await is_admitted(real_env.client, UpdateRef(workflow_execution=of, update_id="early"))
    async with worker():
        answer = await asked
        assert (answer.phase, answer.paused_by, "resume" in answer.answers) == ("preparing", "li", False)
        await desk.until(handle, lambda status: status.phase == "paused")
        await desk.update(handle, "abort")
        assert (await failed(handle)).outcome == "aborted"


async def test_a_held_list_reset_at_its_first_run_stays_held(real_desk: Desk) -> None:
    """The pause holds, and so does another time once it is resumed."""
    desk, now = real_desk, await real_desk.env.get_current_time()
    handle = await desk.start("held-first", audience=FILE, send_at=(now + timedelta(days=1)).isoformat())
    await until(handle.describe, lambda seen: seen.workflow_type == MASS_SEND_IN_BATCHES)
    await desk.update(handle, "reschedule", send_at=(later := now + timedelta(days=2)).isoformat())
    await desk.update(handle, "pause")
    again = await reset(desk.env.client, first := desk.first_run(handle), (await points(first))[0])
    newest = desk.env.client.get_workflow_handle(again.id)
    assert (await desk.until(newest, lambda status: status.phase == "paused")).send_at == later
    await desk.update(newest, "resume")
    assert (await desk.until(newest, lambda status: status.phase == "scheduled")).send_at == later


@pytest.mark.parametrize("number", [0, 1], ids=["first run", "list"])
async def test_a_list_reset_to_its_start_is_not_resumed(real_desk: Desk, number: int) -> None:
    """A resume that is given again may have answered a batch. Somebody has to resume the list once more."""
    desk, now = real_desk, await real_desk.env.get_current_time()
    handle = await desk.start(f"resumed-{number}", audience=FILE, send_at=(now + timedelta(days=1)).isoformat())
    await until(handle.describe, lambda seen: seen.workflow_type == MASS_SEND_IN_BATCHES)
    runs = [desk.first_run(handle), await newest(desk, handle.id)]
    await desk.until(handle, lambda status: status.phase == "scheduled")
    await desk.update(handle, "pause")
    await desk.update(handle, "resume")
    again = await reset(desk.env.client, runs[number], (await points(runs[number]))[0])
    held = desk.env.client.get_workflow_handle(again.id)
    await desk.until(held, lambda status: status.phase == "paused")
    await replays(desk.env.client, await newest(desk, again.id))
    await desk.update(held, "resume")
    await desk.until(held, lambda status: status.phase == "scheduled")
