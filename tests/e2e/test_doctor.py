"""`qunfa doctor` against a real Temporal, receiver and worker: what it finds, and that it disturbs nothing."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.cli.ledger import describe_account
from qunfa.cli.temporal_checks import look_at_own_workflow, look_at_tasks
from qunfa.contract.checks import OF_AN_ACCOUNT, CheckName, Diagnosis, Finding
from qunfa.contract.ids import ACCOUNT, MASS_SEND, account_id, mass_send_id
from tests.cli.calls import parsed
from tests.e2e.commands import qunfa
from tests.e2e.processes import configuration, running
from tests.e2e.stage import CALLBACK_TOKEN, Scene
from tests.looking import until
from tests.temporal import development_server

CALLS = ["callback/check", "openapi/quota/get", "openapi/quota/get", "stable_token"]
SOON = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1"
"""Temporal tells of a task that has failed once, instead of five times, which takes 46 s."""


def configured(scene: Scene) -> dict[str, str]:
    """This machine's configuration has the account and its callback, and no AppSecret."""
    of = f"QUNFA_ACCOUNTS__{scene.account.upper()}__"
    values = {"APPID": scene.appid, "KIND": "service", "CALLBACK__TOKEN": CALLBACK_TOKEN}
    return {f"{of}{name}": value for name, value in values.items()}


async def doctor(scene: Scene, *args: str, code: int = 0, **given: str) -> dict[str, Finding]:
    """The findings of the scene's account and of what is checked once, by name; `code` is how it exits."""
    answer = await qunfa(scene, "doctor", scene.account, *args, "--json", **given)
    assert answer.exit_code == code, answer.output
    diagnosis = Diagnosis.model_validate(parsed(answer))
    assert diagnosis.ok is (code == 0)
    return {finding.name: finding for finding in diagnosis.findings if finding.account in {None, scene.account}}


async def polled(scene: Scene) -> None:
    """Until Temporal tells of the worker's polls."""

    async def look() -> dict[str, str]:
        found: list[dict[str, Any]] = parsed(await qunfa(scene, "doctor", "--json"))["findings"]
        return {finding["name"]: finding["state"] for finding in found}

    await until(look, lambda states: states["workers"] == "ok")


async def test_doctor_finds_that_all_is_well(scene: Scene) -> None:
    """Four calls of WeChat's API, no more; no `Account` is started. An unknown account hides nothing of another.

    Settings of the workers that differ from this machine's are told; what it leaves out is not compared.
    """
    await polled(scene)
    url = f"{scene.stage.receiver}/wechat/{{account}}"
    findings = await doctor(scene, "nosuch", "--callback-url", url, code=1, **configured(scene))
    states = {name: findings[name].state for name in OF_AN_ACCOUNT}
    assert states == {**dict.fromkeys(OF_AN_ACCOUNT, "ok"), "callback": "warning"}
    assert "; mode: plain" in findings["callback"].said  # it is how the scene's pushes come
    assert set(findings) == set(get_args(CheckName))
    assert findings["search_attributes"].state == findings["temporal_version"].state == "ok"
    assert findings["clock"].state == "ok"
    assert (findings["retention"].state, findings["retention"].todo) == ("failed", "qunfa setup --retention 35d")
    assert "url: verified" in findings["callback"].said
    assert "push: left out, as it would start the account's own workflow" in findings["callback"].said
    assert sorted(call.path.removeprefix("/cgi-bin/") for call in scene.sim.world.calls) == CALLS
    assert await describe_account(scene.client, scene.appid) is None
    assert await scene.nobody()
    approval = {f"QUNFA_ACCOUNTS__{scene.account.upper()}__APPROVAL": "always"}
    account = (await doctor(scene, code=1, **configured(scene), **approval))["account"]
    assert (account.state, account.said.endswith("this configuration has: approval")) == ("warning", True)


async def test_without_temporal_what_does_not_need_it_is_checked(scene: Scene) -> None:
    """Everything else says so; the command line's other ways to fail are kept for wrong use."""
    url = f"{scene.stage.receiver}/wechat/{scene.account}"
    findings = await doctor(scene, "--callback-url", url, code=1, TEMPORAL_ADDRESS="127.0.0.1:1", **configured(scene))
    assert "nothing listens there" in findings["temporal"].said
    assert (findings["callback"].state, findings["configuration"].state) == ("warning", "ok")
    assert "url: verified" in findings["callback"].said
    others = [one for name, one in findings.items() if name not in {"temporal", "callback", "configuration"}]
    assert {one.state for one in others} == {"skipped"}
    assert all("Temporal" in one.said for one in others)


async def test_without_workers_the_doctor_asks_nobody(scene: Scene) -> None:
    """Temporal's own checks are made, and nothing is started that would wait for one."""
    scene.queue = f"nobody-{scene.account}"
    findings = await doctor(scene, code=1)
    assert (findings["workers"].state, "qunfa worker" in (findings["workers"].todo or "")) == ("failed", True)
    assert findings["search_attributes"].state == "ok"
    assert {findings[name].state for name in OF_AN_ACCOUNT} == {"skipped"}
    query = f"WorkflowId STARTS_WITH 'account-check:{scene.account}:'"
    assert [one.id async for one in scene.client.list_workflows(query)] == []
    bare = (await doctor(scene, code=1, TEMPORAL_NAMESPACE="bare"))["search_attributes"]
    assert (bare.state, bare.todo, "MassSendPhase" in bare.said) == ("failed", "qunfa setup", True)


@pytest.mark.long
async def test_the_doctor_notices_that_the_only_worker_has_stopped(scene: Scene, tmp_path: Path) -> None:
    """Temporal still remembers its polls: nobody answers, which is said soon, and no account is asked about."""
    config = configuration(scene, tmp_path)
    async with running(scene, ["worker.py"], config, {}, tmp_path / "worker.log") as worker:
        await polled(scene)
        worker.send_signal(signal.SIGSTOP)
        found = await doctor(scene, code=1)
    assert found["workers"].state == "failed"
    assert f"no worker has answered this check on the task queue {scene.queue} within 5 s" in found["workers"].said
    assert "qunfa worker" in (found["workers"].todo or "")
    assert {found[name].state for name in ("clock", *OF_AN_ACCOUNT)} == {"skipped"}


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


async def test_workflows_whose_tasks_keep_failing_are_named() -> None:
    """With Temporal's name of the cause, those of an account's own workflow as well; before, all was well."""
    broken = [BrokenMassSend, BrokenAccount]
    async with development_server(SOON) as client:
        assert (await look_at_tasks(client)).state == "ok"
        async with Worker(client, task_queue="stuck", workflows=broken, workflow_runner=UnsandboxedWorkflowRunner()):
            send = await client.start_workflow(MASS_SEND, id=mass_send_id("demo", "spring"), task_queue="stuck")
            finding = await until(lambda: look_at_tasks(client), lambda finding: finding.state != "ok")
            await send.terminate()
            account = await client.start_workflow(ACCOUNT, id=account_id("wx1"), task_queue="stuck")
            own = await until(
                lambda: look_at_own_workflow(client, "stuck", "demo", "wx1", datetime.now(UTC)),
                lambda finding: finding.state != "ok",
            )
            await account.terminate()
    assert (finding.name, finding.state) == ("workflow_tasks", "failed")
    assert f"1 workflow keep failing, so that none of them goes on: {send.id} (WorkflowWorker" in finding.said
    assert (own.name, own.account, own.state) == ("own_workflow", "demo", "failed")
    assert "the tasks of account:wx1 keep failing (WorkflowWorker" in own.said
