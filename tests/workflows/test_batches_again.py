"""A send in batches that was reset, or goes on in a new run, sends no batch twice, and leaves none out."""

import pytest

from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.resets import points, reset
from tests.workflows.test_in_batches import FILE, sent_to

pytestmark = pytest.mark.long


@pytest.mark.history
async def test_a_reset_anywhere_sends_no_batch_twice(real_desk: Desk) -> None:
    """A list that was sent is reset to each of its workflow tasks."""
    desk = real_desk
    desk.store.batches, desk.store.openids = 2, 20
    handle = await desk.start(audience=FILE)
    await handle.result()
    last = desk.env.client.get_workflow_handle(handle.id)
    run = desk.env.client.get_workflow_handle(handle.id, run_id=(await last.describe()).run_id)
    for point in await points(run):
        again = await reset(desk.env.client, run, point)
        assert (await again.result()).outcome == "sent"
    assert await sent_to(desk) == [1, 2]


async def test_a_reset_under_a_batch_waits_for_its_end(real_desk: Desk) -> None:
    """The batch goes on meanwhile, and its result counts in the new run."""
    desk = real_desk
    desk.wechat.push_at_once = None
    handle = await desk.start(audience=FILE)
    await until(lambda: sent_to(desk), lambda numbers: numbers == [1])
    newest = desk.env.client.get_workflow_handle(handle.id)
    run = desk.env.client.get_workflow_handle(handle.id, run_id=(await newest.describe()).run_id)
    again = await reset(desk.env.client, run, (await points(run))[-1])
    desk.wechat.push_at_once = "send success"
    [msg_id] = desk.wechat.accepted.values()
    await desk.wechat.push(msg_id)
    assert (await again.result()).outcome == "sent"
    assert await sent_to(desk) == [1, 2, 3]


async def test_a_list_goes_on_in_new_runs(short_desk: Desk) -> None:
    """Between two batches a run continues as new; none is sent twice."""
    desk = short_desk
    desk.store.batches, desk.store.openids = 6, 60
    handle = await desk.start(audience=FILE)
    result = await handle.result()
    assert (result.outcome, len(result.jobs)) == ("sent", 6)
    assert await sent_to(desk) == [1, 2, 3, 4, 5, 6]
