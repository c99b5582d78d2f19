"""A key whose run was terminated in doubt: whoever approves the next run sees what the earlier ones have left."""

from typing import Any

import pytest

from qunfa.batches.show import LET_GO
from qunfa.send.turns import IN_DOUBT, REPRINTED
from tests.workflows.conftest import Desk
from tests.workflows.model import silent
from tests.workflows.test_in_batches import FILE, batch
from tests.workflows.test_refused_updates import replays

DRAFT: dict[str, Any] = {
    "message": {"msgtype": "mpnews", "media_id": "draft-1"},
    "approval": {"required": True},
    "requested_by": "crm",
}


@pytest.mark.history
async def test_a_run_in_doubt_is_approved_anew(desk: Desk) -> None:
    """An earlier run was approved, and let a reprint go. This one is approved as it is, and repeats the same."""
    desk.wechat.push_at_once = "err(30003)"
    first = await desk.start(**DRAFT)
    await desk.waits(first, "approval")
    await desk.update(first, "approve")
    await desk.asks(first, "reprint_needs_decision")
    desk.wechat.script = [silent]
    await desk.update(first, "retry", send_ignore_reprint=True)
    await desk.until(first, lambda status: status.jobs[-1].state == "unknown")
    await first.terminate("by accident")
    desk.wechat.push_at_once = "send success"
    second = await desk.start(**DRAFT)
    status = await desk.waits(second, "approval")
    assert status.approval.shows[1:3] == (REPRINTED, IN_DOUBT)
    assert len(desk.wechat.tries) == 2
    await desk.update(second, "approve")
    assert (await second.result()).outcome == "sent"
    repeated = [(step.lease.clientmsgid, step.send_ignore_reprint) for step in desk.wechat.tries[1:]]
    assert repeated == [(desk.wechat.tries[1].lease.clientmsgid, True)] * 2
    await replays(desk.env.client, second)


async def test_a_list_with_a_reprint_is_approved_anew(real_desk: Desk) -> None:
    """Its batch was let go, and its account was frozen then. Whoever approves the next run reads that it goes out."""
    desk = real_desk
    desk.store.batches, desk.store.openids = 1, 9_000
    desk.wechat.push_at_once = "err(30003)"
    first = await desk.start("anew", audience=FILE, **DRAFT)
    status = await desk.waits(first, "approval")
    assert LET_GO not in status.approval.shows
    await desk.update(first, "approve")
    await desk.asks(first, "reprint_needs_decision")
    await desk.freeze()
    await desk.update(first, "retry", send_ignore_reprint=True)
    await desk.until(batch(desk, 1, "anew"), lambda status: status.phase == "scheduled")
    for one in (first, batch(desk, 1, "anew")):
        await one.terminate("by accident")
    await desk.account.execute_update("unfreeze", {"by": "li"})
    desk.wechat.push_at_once = "send success"
    second = await desk.start("anew", audience=FILE, **DRAFT)
    status = await desk.waits(second, "approval")
    assert LET_GO in status.approval.shows
    await desk.update(second, "approve")
    assert (await second.result()).outcome == "sent"
    assert [step.send_ignore_reprint for step in desk.wechat.tries] == [False, True]
