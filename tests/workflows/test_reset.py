"""A reset run remembers less than the ledger does: whatever point it is reset to, nothing is delivered twice."""

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from tests.workflows import resets
from tests.workflows.conftest import Desk
from tests.workflows.model import loses, silent
from tests.workflows.model_material import NEWS

pytestmark = pytest.mark.long


async def points(desk: Desk, handle: WorkflowHandle[Any, Any]) -> list[int]:
    """Every point of the first run to which it can be reset."""
    return await resets.points(desk.first_run(handle))


async def reset(desk: Desk, handle: WorkflowHandle[Any, Any], event_id: int) -> WorkflowHandle[Any, Any]:
    return await resets.reset(desk.env.client, desk.first_run(handle), event_id)


@pytest.mark.history
async def test_a_reset_run_catches_up_with_the_ledger(real_desk: Desk) -> None:
    """Before its first wish, and after its try was begun: it ends as the first one did, and submits nothing."""
    handle = await real_desk.start()
    assert (await handle.result()).outcome == "sent"
    first, *_, last = await points(real_desk, handle)
    for event_id in (first, last):
        run = await reset(real_desk, handle, event_id)
        real_desk.started.append(run)
        assert (await run.result()).outcome == "sent"
    assert len(real_desk.wechat.tries) == 1


async def test_a_send_that_went_on_in_a_new_run_is_reset_to_its_first(short_desk: Desk) -> None:
    """Each point of the first run, whose later runs know more: one clientmsgid, one delivery."""
    desk = short_desk
    desk.wechat.script = [silent, silent, loses]
    handle = await desk.start()
    assert (await handle.result()).outcome == "sent"
    accepted = dict(desk.wechat.accepted)
    for event_id in await points(desk, handle):
        assert (await (await reset(desk, handle, event_id)).result()).outcome == "sent", event_id
    assert desk.wechat.accepted == accepted


async def test_a_send_with_material_reset_to_any_point_ends_the_same(real_desk: Desk) -> None:
    """Also to before its sources were looked at: the ledger is asked, and nobody is told that nothing was sent."""
    desk = real_desk
    handle = await desk.start(message=NEWS)
    assert (await handle.result()).outcome == "sent"
    accepted = dict(desk.wechat.accepted)
    for event_id in await points(desk, handle):
        assert (await (await reset(desk, handle, event_id)).result()).outcome == "sent", event_id
    assert (desk.wechat.accepted, len(desk.wechat.accepted)) == (accepted, 1)
