"""Temporal's Worker Versioning: running workflows move on to the current version of a deployment."""

import asyncio

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract.checks import Diagnosis, Finding
from qunfa.settings import Settings
from tests.e2e.commands import parsed, qunfa
from tests.e2e.stage import Scene, on_its_own_queue, working
from tests.looking import PATIENCE

pytestmark = pytest.mark.long


def build(settings: Settings, build_id: str) -> Settings:
    """The configuration of a worker of this build."""
    worker = {"deployment": f"of-{settings.task_queue}", "build_id": build_id}
    return Settings.model_validate({**settings.model_dump(), "worker": worker})


async def make_current(scene: Scene, settings: Settings) -> None:
    """Say that this build is the one, as soon as Temporal knows it."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace="default", deployment_name=settings.worker.deployment or "", build_id=settings.worker.build_id or ""
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
    """Begun under one build and ended under the next, the account included; each follower once."""
    settings = on_its_own_queue(scene)
    await scene.simulate(admin_confirmation=True)
    old, new = build(settings, "one"), build(settings, "two")
    async with working(scene.client, new):
        async with working(scene.client, old):
            await make_current(scene, old)
            handle = await scene.start()
            await scene.until(handle, lambda status: status.phase == "awaiting_result")
        await make_current(scene, new)
        scene.sim.world.decide(scene.simulated, "confirmed", None)
        assert (await scene.result(handle)).outcome == "sent"
        assert await scene.everyone_once()
        description = await handle.describe()
    assert description.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id == "two"


async def test_the_doctor_sees_workers_that_get_no_task(scene: Scene) -> None:
    """Until their build is made the current one, by the command that it prints."""
    settings = build(on_its_own_queue(scene), "one")
    name = settings.worker.deployment
    async with working(scene.client, settings):
        idle = await workers_when(scene, f"of-{scene.queue}:one")
        assert (idle.state, "no version is the current one" in idle.said) == ("failed", True)
        command = f"temporal worker deployment set-current-version --deployment-name {name} --build-id one"
        assert command in (idle.todo or "")
        await make_current(scene, settings)
        current = await workers_when(scene, "tasks go to the version")
        assert (current.state, f"{name}:one" in current.said) == ("ok", True)


async def workers_when(scene: Scene, said: str) -> Finding:
    """The finding about workers, once it says this: Temporal tells of pollers and versions a little late."""
    async with asyncio.timeout(PATIENCE):
        while True:
            diagnosis = Diagnosis.model_validate(parsed(await qunfa(scene, "doctor", "--json")))
            [finding] = [one for one in diagnosis.findings if one.name == "workers"]
            if said in finding.said:
                return finding
