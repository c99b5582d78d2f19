"""A worker is killed in the middle of a preview, and another one goes on."""

import signal
from pathlib import Path

import pytest

from tests.e2e.processes import configuration, logged, running
from tests.e2e.stage import Scene

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

TIMING = {"QUNFA_TIMING__HEARTBEAT": "1", "QUNFA_TIMING__HTTP_TIMEOUT": "60"}
"""A call that is held is not given up before its worker is killed, and the loss is noticed within a second."""


async def test_a_preview_that_was_cut_off_is_not_repeated(scene: Scene, tmp_path: Path) -> None:
    """It may have been shown, and its row says so. The send goes on to everybody."""
    config, log = configuration(scene, tmp_path), tmp_path / "first.log"
    scene.fault("timeout_after_accept", "mass/preview")
    async with running(scene, ["worker.py"], config, TIMING, log) as first:
        await logged(log, '"started"')
        handle = await scene.start(preview={"to": [{"openid": scene.openids(1)[0]}]})
        calls = scene.sim.world.calls
        await scene.sim.world.until(lambda: any(one.path.endswith("mass/preview") for one in calls), 30)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with running(scene, ["worker.py"], config, TIMING, tmp_path / "second.log"):
        assert (await scene.result(handle)).outcome == "sent"
        [row] = (await scene.status(handle)).previews
    assert (row.sent, row.perhaps) == (False, True)
    assert row.errmsg == "it may have been shown: there was no answer"
    assert (scene.calls("mass/preview"), await scene.everyone_once()) == (1, True)
