"""A reset run remembers less than the ledger does: whatever point it is reset to, nothing is delivered twice."""

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from tests.workflows.conftest import Desk
from tests.workflows.model import loses, silent
from tests.workflows.model_material import NEWS
from tests.workflows.resets import points, reset

pytestmark = pytest.mark.long


async def every_reset_sends(desk: Desk, handle: WorkflowHandle[Any, Any]) -> None:
    run = desk.first_run(handle)
    for event_id in await points(run):
        again = await reset(desk.env.client, run, event_id)
        assert (await again.result()).outcome == "sent", event_id


async def test_a_send_that_went_on_in_a_new_run_is_reset_to_its_first(short_desk: Desk) -> None:
    """Each point of the first run, whose later runs know more: one clientmsgid, one delivery."""
    desk = short_desk
    desk.wechat.script = [silent, silent, loses]
    handle = await desk.start()
    assert (await handle.result()).outcome == "sent"
    accepted = dict(desk.wechat.accepted)
    await every_reset_sends(desk, handle)
    assert desk.wechat.accepted == accepted


async def test_a_send_with_material_reset_to_any_point_ends_the_same(real_desk: Desk) -> None:
    """Also to before its sources were looked at: the ledger is asked, and nobody is told that nothing was sent."""
    desk = real_desk
    handle = await desk.start(message=NEWS)
    assert (await handle.result()).outcome == "sent"
    accepted = dict(desk.wechat.accepted)
    await every_reset_sends(desk, handle)
    assert (desk.wechat.accepted, len(desk.wechat.accepted)) == (accepted, 1)
