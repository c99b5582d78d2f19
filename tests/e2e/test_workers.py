"""`worker.py` as the platform engineer runs it: it stops cleanly, says why it does not start, and is upgraded."""

import asyncio
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.checks import Diagnosis, Finding
from qunfa.settings import Settings
from tests.cli.calls import parsed
from tests.e2e.commands import qunfa
from tests.e2e.processes import configuration, ended, logged, running, stopped
from tests.e2e.stage import SECRET, Scene, on_its_own_queue, working
from tests.looking import PATIENCE, until
from tests.temporal import time_skipping_server

pytestmark = pytest.mark.long


async def test_a_stopped_worker_exits_cleanly(scene: Scene, tmp_path: Path) -> None:
    """By SIGTERM: exit code 0, and the try under way is ended first."""
    scene.fault("slow", seconds=1)
    log = tmp_path / "worker.log"
    async with running(scene, ["worker.py"], configuration(scene, tmp_path), {}, log) as worker:
        await logged(log, '"started"')
        await scene.start()
        await scene.tried()
        assert await stopped(worker) == 0
    await logged(log, '"stopped"')
    assert [(call.answered, call.errcode) for call in scene.tries] == [(True, 0)]
    assert await scene.everyone_once()


@pytest.mark.parametrize(
    ("given", "code", "sentence"),
    [
        ({"TEMPORAL_NAMESPACE": "bare"}, 1, "namespace bare lacks the search attributes"),
        ({"TEMPORAL_ADDRESS": "127.0.0.1:9"}, 3, "cannot reach Temporal at 127.0.0.1:9"),
    ],
    ids=["bare namespace", "unreachable"],
)
async def test_a_worker_that_cannot_work_says_why(
    scene: Scene, tmp_path: Path, given: dict[str, str], code: int, sentence: str
) -> None:
    """One clear sentence, no traceback, and the exit code of its kind."""
    async with running(scene, ["worker.py"], configuration(scene, tmp_path), given) as worker:
        refused = await ended(worker)
    assert (refused.code, refused.stdout) == (code, "")
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert SECRET not in refused.stderr


BROKEN = """
import sys, activities, worker
async def look(_self):
    raise KeyError("a mistake")
activities.LostQueues.look = look
sys.exit(worker.main())
"""


async def test_a_worker_ends_where_one_of_its_looks_does(scene: Scene, tmp_path: Path) -> None:
    """So it is started again. It would go on for months, and tell nobody of an account that was lost."""
    async with running(scene, ["-c", BROKEN], configuration(scene, tmp_path), {"PYTHONPATH": "."}) as worker:
        broken = await ended(worker)
    assert broken.code == 1
    assert "lost queues ended by a mistake" in broken.stderr


async def test_a_worker_warns_of_what_it_cannot_know_or_write(scene: Scene, tmp_path: Path) -> None:
    """Whether a search attribute is missing; its temporary files go elsewhere. It starts all the same."""
    log = tmp_path / "worker.log"
    async with time_skipping_server() as environment:
        host = environment.client.service_client.config.target_host
        given = {"TEMPORAL_ADDRESS": host, "TMPDIR": str(tmp_path / "missing")}
        async with running(scene, ["worker.py"], configuration(scene, tmp_path), given, log):
            for said in ("does not list search attributes", "TMPDIR cannot be written", '"started"'):
                await logged(log, said)


def build(settings: Settings, build_id: str) -> Settings:
    """The configuration of a worker of this build."""
    worker = {"deployment": f"of-{settings.task_queue}", "build_id": build_id}
    return Settings.model_validate({**settings.model_dump(), "worker": worker})


async def make_current(scene: Scene, settings: Settings) -> None:
    """Say that this build is the one, as soon as Temporal knows it; or that workers without one get the tasks."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace="default", deployment_name=f"of-{scene.queue}", build_id=settings.worker.build_id or ""
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await scene.client.workflow_service.set_worker_deployment_current_version(request)
            except RPCError as error:
                if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
                    raise
            else:
                return


async def test_running_sends_move_on_to_the_current_build(scene: Scene) -> None:
    """Begun under one build and ended under the next, the account included; each follower once.

    The doctor sees that no build is the current one, and prints the command that makes it so.
    """
    settings = on_its_own_queue(scene)
    await scene.simulate(admin_confirmation=True)
    old, new = build(settings, "one"), build(settings, "two")
    async with working(scene.client, new):
        async with working(scene.client, old):
            idle = await workers_when(scene, f"of-{scene.queue}:one")
            assert (idle.state, "no version is the current one" in idle.said) == ("failed", True)
            command = f"temporal worker deployment set-current-version --deployment-name of-{scene.queue} --build-id"
            assert command in (idle.todo or "")
            await make_current(scene, old)
            current = await workers_when(scene, "tasks go to the version")
            assert (current.state, f"of-{scene.queue}:one" in current.said) == ("ok", True)
            handle = await scene.start()
            await scene.until(handle, lambda status: status.phase == "awaiting_result")
        await make_current(scene, new)
        scene.sim.world.decide(scene.simulated, "confirmed", None)
        assert (await scene.result(handle)).outcome == "sent"
        assert await scene.everyone_once()
        description = await handle.describe()
    assert description.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id == "two"


async def test_earlier_workers_without_a_build_get_the_tasks_again(scene: Scene) -> None:
    """Back from the first build: running sends go on with them once Temporal is told."""
    earlier = on_its_own_queue(scene)
    newer = build(earlier, "one")
    await scene.simulate(admin_confirmation=True)
    async with working(scene.client, newer):
        await make_current(scene, newer)
        handle = await scene.start()
        await scene.until(handle, lambda status: status.phase == "awaiting_result")
    async with working(scene.client, earlier):
        await make_current(scene, earlier)
        scene.sim.world.decide(scene.simulated, "confirmed", None)
        assert (await scene.result(handle)).outcome == "sent"
        assert await scene.everyone_once()


async def test_the_doctor_sees_a_ramp_to_another_build(scene: Scene) -> None:
    """It looks whether both builds are polled with."""
    settings = on_its_own_queue(scene)
    old, new = build(settings, "one"), build(settings, "two")
    ramp = SetWorkerDeploymentRampingVersionRequest(
        namespace="default", deployment_name=old.worker.deployment or "", build_id="two", percentage=10
    )
    async with working(scene.client, old), working(scene.client, new):
        for current in (new, old):
            await make_current(scene, current)
        await scene.client.workflow_service.set_worker_deployment_ramping_version(ramp)
        found = await workers_when(scene, f"of-{scene.queue}:one (10 %: of-{scene.queue}:two)")
    assert found.state == "ok"


async def workers_when(scene: Scene, said: str) -> Finding:
    """The finding about workers, once it says this: Temporal tells of pollers and versions a little late."""

    async def look() -> Finding:
        diagnosis = Diagnosis.model_validate(parsed(await qunfa(scene, "doctor", "--json")))
        [finding] = [one for one in diagnosis.findings if one.name == "workers"]
        return finding

    return await until(look, lambda finding: said in finding.said)
