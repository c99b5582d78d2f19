"""The workers' configuration changes while sends are under way: none of them goes anywhere else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qunfa.rules.calendar import SHANGHAI
from qunfa.settings import Settings
from tests.e2e.stage import SCALE, Scene, on_its_own_queue, working
from tests.e2e.test_in_batches import OPENIDS, listed
from tests.looking import PATIENCE
from tests.workflows.resets import points, reset

HOUR = timedelta(hours=1)
OTHER_APPID = "wx00000000000000aa"
HELD_SECONDS = SCALE * PATIENCE
"""Of WeChat's: as long as a test has patience."""


def changed(settings: Settings, account: str, what: str) -> Settings:
    """A configuration that has something else of the account."""
    raw: dict[str, Any] = settings.model_dump()
    kept = raw["accounts"].pop(account)
    if what == "name":
        raw["accounts"]["renamed"] = kept
    else:
        raw["accounts"][account] = kept | {"appid": OTHER_APPID}
    return Settings.model_validate(raw)


async def test_a_reset_goes_to_no_other_account_than_before(scene: Scene) -> None:
    """A person is asked, as for a send that runs on; once the account is put back, it goes where it was to go."""
    await scene.simulate()
    settings = on_its_own_queue(scene)
    async with working(scene.client, settings):
        await scene.freeze()
        first = await scene.start()
        await scene.waits(first, "frozen")
    async with working(scene.client, changed(settings, scene.account, "appid")):
        again = await reset(scene.client, first, (await points(first))[0])
        await scene.waits(again, "frozen")
        await scene.unfreeze()
        await scene.asks(again, "account_changed")
        assert await scene.nobody()
    async with working(scene.client, settings):
        await scene.update(again, "retry")
        assert (await scene.result(again)).outcome == "sent"
    assert await scene.everyone_once()


async def test_a_reset_of_what_an_account_sent_sends_nothing(scene: Scene) -> None:
    """The name has another appid now; the ledger of the former one still answers for it."""
    await scene.simulate()
    settings = on_its_own_queue(scene)
    async with working(scene.client, settings):
        first = await scene.start()
        await scene.result(first)
    async with working(scene.client, changed(settings, scene.account, "appid")):
        result = await scene.result(await reset(scene.client, first, (await points(first))[0]))
    assert (result.outcome, result.jobs[0].deduplicated, len(scene.jobs)) == ("sent", True, 1)


async def test_a_renamed_account_leaves_the_rest_of_a_list_unsent(scene: Scene) -> None:
    """Its batches go to nobody, and for certain: the report is written all the same, and the rest can be sent to."""
    await scene.simulate(followers=OPENIDS)
    settings, audience = on_its_own_queue(scene), listed(scene)
    async with working(scene.client, settings):
        scene.plan(delay=HELD_SECONDS)  # so the first batch is under way until the test advances the clock
        late = {"push_timeout": PATIENCE}
        handle = await scene.start(audience=audience, on_batch_problem="continue", on_problem="fail", result=late)
        await scene.accepted()
        await scene.update(handle, "pause")
        scene.sim.world.clock.advance(HELD_SECONDS)
        await scene.until(handle, lambda status: status.progress.done == 1 and status.phase == "paused")
    async with working(scene.client, changed(settings, scene.account, "name")):
        await scene.update(handle, "resume")
        result = await scene.result(handle)
    assert result.outcome == "partly_sent"
    assert [job.state for job in result.jobs] == ["sent", "refused", "refused"]
    async with working(scene.client, settings):
        rest = {"kind": "report", "key": "spring", "states": ["failed"]}
        await scene.result(await scene.start("rest", audience=rest))
    assert await scene.received() == dict.fromkeys(range(OPENIDS), 1)


async def test_a_list_keeps_the_hours_that_its_approver_saw(scene: Scene) -> None:
    """They are widened while it awaits its approval: its batches wait for them, as those of any send do."""
    settings = on_its_own_queue(scene)
    raw: dict[str, Any] = settings.model_dump()
    is_morning = datetime.now(SHANGHAI).hour < 12
    raw["accounts"][scene.account]["send_hours"] = ("20:00", "21:00") if is_morning else ("05:00", "06:00")
    async with working(scene.client, Settings.model_validate(raw)):
        handle = await scene.start(audience=listed(scene, 5), approval={"required": True}, requested_by="wang")
        await scene.until(handle, lambda status: status.phase == "awaiting_approval" and status.approval.shows)
    async with working(scene.client, settings):
        await scene.update(handle, "approve")
        status = await scene.until(handle, lambda status: status.phase in {"scheduled", "done"})
    assert status.progress.done == 0
    assert await scene.nobody()


@pytest.mark.parametrize("nth", [0, 1])
async def test_a_reset_of_a_list_goes_to_no_other_account(scene: Scene, nth: int) -> None:
    """Of the run that has handed it on, or of the one in batches: both are of one life."""
    settings, audience = on_its_own_queue(scene), listed(scene, 5)
    async with working(scene.client, settings):
        handle = await scene.start(audience=audience, send_at=(datetime.now(UTC) + HOUR).isoformat())
        await scene.until(handle, lambda status: status.phase == "scheduled")
        runs = [handle.first_execution_run_id, (await handle.describe()).run_id]
    async with working(scene.client, changed(settings, scene.account, "appid")):
        run = scene.client.get_workflow_handle(handle.id, run_id=runs[nth])
        await reset(scene.client, run, (await points(run))[0])
        await scene.until(handle, lambda status: status.phase == "scheduled")
        await handle.execute_update("reschedule", {"by": "li", "send_at": datetime.now(UTC).isoformat()})
        await scene.asks(handle, "account_changed")
        assert await scene.nobody()
