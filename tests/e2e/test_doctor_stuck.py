"""`qunfa doctor` finds what would otherwise hang in the dark: on a real server of its own, with nothing else on it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.cli.doctor.temporal import look_at_own_workflow, look_at_tasks
from qunfa.contract.checks import Finding
from qunfa.contract.ids import ACCOUNT, MASS_SEND, account_id, mass_send_id
from tests.e2e.commands import parsed, qunfa
from tests.e2e.stage import Scene, working
from tests.looking import until
from tests.temporal import development_server

SOON = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1"
"""Temporal tells of a task that has failed once, instead of five times, which takes 46 s."""


@workflow.defn(name=MASS_SEND)
class BrokenMassSend:
    """Code that fails, as a worker of a wrong version has it."""

    @workflow.run
    async def run(self, _raw: Any = None) -> None:
        """Fail the workflow task."""
        msg = "a fault"
        raise ValueError(msg)


@workflow.defn(name=ACCOUNT)
class BrokenAccount(BrokenMassSend):
    """Likewise."""

    @workflow.run
    async def run(self, _raw: Any = None) -> None:
        """Fail the workflow task."""
        await super().run()


async def until_failed(client: Client) -> Finding:
    """What the doctor says once Temporal tells of it."""
    return await until(lambda: look_at_tasks(client), lambda finding: finding.state != "ok")


async def test_workflows_whose_tasks_keep_failing_are_named() -> None:
    """With Temporal's name of the cause; before there was one, all was well."""
    async with development_server(SOON) as client:
        assert (await look_at_tasks(client)).state == "ok"
        runner = UnsandboxedWorkflowRunner()
        async with Worker(client, task_queue="stuck", workflows=[BrokenMassSend], workflow_runner=runner):
            send = mass_send_id("demo", "spring")
            handle = await client.start_workflow(MASS_SEND, id=send, task_queue="stuck")
            finding = await until_failed(client)
            await handle.terminate()
    assert (finding.name, finding.state) == ("workflow_tasks", "failed")
    assert f"1 workflow keep failing, so that none of them goes on: {send} (WorkflowWorker" in finding.said


async def test_an_account_whose_own_workflow_keeps_failing_is_named() -> None:
    """Also among many sends that keep failing: nothing of the account goes out."""
    async with development_server(SOON) as client:
        runner = UnsandboxedWorkflowRunner()
        async with Worker(client, task_queue="stuck", workflows=[BrokenAccount], workflow_runner=runner):
            handle = await client.start_workflow(ACCOUNT, id=account_id("wx1"), task_queue="stuck")
            finding = await until(
                lambda: look_at_own_workflow(client, "stuck", "demo", "wx1", datetime.now(UTC)),
                lambda finding: finding.state != "ok",
            )
            await handle.terminate()
    assert (finding.name, finding.account, finding.state) == ("own_workflow", "demo", "failed")
    assert "the tasks of account:wx1 keep failing (WorkflowWorker" in finding.said


@pytest.mark.long
async def test_an_account_on_a_task_queue_that_nobody_polls_is_a_failure(scene: Scene) -> None:
    """Every send of it waits; both ways out are named."""
    old = f"old-{scene.account}"
    await scene.client.start_workflow(ACCOUNT, id=account_id(scene.appid), task_queue=old)
    finding = await own_workflow(scene)
    assert (finding["state"], f"nobody polls {old}" in finding["said"]) == ("failed", True)
    assert f"Name {old} as the task queue again" in finding["todo"]


async def test_an_account_on_another_task_queue_is_found(scene: Scene) -> None:
    """Its own workflow stays where it was started: with the queue renamed, every send of it hangs."""
    await scene.result(await scene.start())
    old, scene.queue = scene.queue, f"renamed-{scene.account}"
    raw = scene.stage.settings.model_dump()
    raw["task_queue"] = scene.queue
    async with working(scene.client, type(scene.stage.settings).model_validate(raw)):
        finding = await own_workflow(scene)
    assert finding["state"] == "warning"
    said = f"account:{scene.appid} is on the task queue {old}, and this configuration names {scene.queue}"
    assert said in finding["said"]


async def own_workflow(scene: Scene) -> dict[str, Any]:
    """The doctor's finding."""
    answer = await qunfa(scene, "doctor", scene.account, "--json")
    [finding] = [one for one in parsed(answer)["findings"] if one["name"] == "own_workflow"]
    found: dict[str, Any] = finding
    return found
