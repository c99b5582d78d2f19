"""Sends whose account gets another appid under them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from qunfa.simulator import SimulatorConfig
from tests.e2e.stage import FOLLOWERS, SCALE, Scene, Stage, on_its_own_queue, working
from tests.looking import PATIENCE

pytestmark = pytest.mark.long

SOON = {"push_timeout": 1, "poll_interval": 1}
"""`mass/get` decides, once the push is not waited for any more."""


@pytest.fixture
async def other(stage: Stage, scene: Scene) -> Scene:
    """A second account beside the scene's, in the same WeChat."""
    other = stage.scene()
    raw = {one.account: one.at_wechat() for one in (scene, other)}
    await scene.sim.reset(SimulatorConfig.model_validate({"scale": SCALE, "accounts": raw}))
    return other


async def test_a_changed_appid_redirects_nothing(scene: Scene, other: Scene) -> None:
    """Sends in three phases, then another appid under the name: it gets no call, and when it is undone all are sent."""
    settings = on_its_own_queue(scene)
    configured = settings.accounts[scene.account].model_copy(update={"appid": other.appid})
    changed = settings.model_copy(update={"accounts": {scene.account: configured}})
    async with working(scene.client, settings):
        scene.plan(drop=True)
        scene.fault("errcode", "mass/get", errcode=-1, times=None)
        polled = await scene.start("polled", result=SOON)
        await scene.accepted()
        scene.fault("reset_after_accept")
        scene.fault("reset_before_accept", times=None)  # or a try before the worker ends would settle it
        lost = await scene.start("lost")
        await scene.until(lost, lambda status: status.jobs and status.jobs[0].state == "unknown")
        later = datetime.now(UTC) + timedelta(days=1)
        waiting = await scene.start("waiting", send_at=later.isoformat())
        await scene.waits(waiting, "send_at")
    calls = len(scene.sim.world.calls)
    scene.sim.world.faults.clear()
    async with working(scene.client, changed):
        await waiting.execute_update("reschedule", {"by": "li", "send_at": datetime.now(UTC).isoformat()})
        status = await scene.asks(waiting, "account_changed")
        assert status.answers == ("retry", "abort")
        await scene.until(lost, lambda status: any(other.appid in line.what for line in status.history))
        await polling(polled, other.appid)
        await scene.update(waiting, "retry")
        await scene.asks(waiting, "account_changed")
        assert len(scene.sim.world.calls) == calls
    async with working(scene.client, settings):
        await scene.update(waiting, "retry")
        for handle in (polled, lost, waiting):
            assert (await scene.result(handle)).outcome == "sent"
    assert await scene.received() == dict.fromkeys(range(FOLLOWERS), 3)
    assert await other.received() == {}


async def polling(handle: WorkflowHandle[Any, Any], heard: str) -> None:
    """Until the activity that asks `mass/get` has heard this."""
    async with asyncio.timeout(PATIENCE):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if any(heard in one.last_failure.message for one in pending):
                return
