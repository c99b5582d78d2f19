"""A worker is killed in the middle of a preview, and another one goes on."""

from pathlib import Path

import pytest

from tests.e2e.stage import Stage
from tests.faults.company import Company, result_of
from tests.faults.nursery import Nursery
from tests.faults.place import Place
from tests.looking import PATIENCE

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]


async def test_a_preview_that_was_cut_off_is_not_repeated(stage: Stage, nursery: Nursery, tmp_path: Path) -> None:
    """It may have been shown, and its row says so. The send goes on to everybody.

    A call that is held is not given up before its worker is killed, and the loss is noticed within a second.
    """
    company = Company(stage, nursery, tmp_path)
    actor = company.actor(heartbeat=1, http_timeout=60)
    scene = actor.scene
    await company.simulate()
    world = scene.sim.world
    scene.fault("timeout_after_accept", "mass/preview")
    async with actor.victim(Place.BEFORE_WRITE, "kill", passing=0) as first:
        handle = await actor.send(preview={"to": [{"openid": scene.openids(1)[0]}]})
        await world.until(lambda: any(one.path.endswith("mass/preview") for one in world.calls), PATIENCE)
        await first.killed()
    async with actor.successor():
        assert (await result_of(handle)).outcome == "sent"
        [row] = (await scene.status(handle)).previews
    assert (row.sent, row.perhaps) == (False, True)
    assert row.errmsg == "it may have been shown: there was no answer"
    assert (scene.calls("mass/preview"), await scene.everyone_once()) == (1, True)
