"""`qunfa doctor` with workers that do not know its check: what it does when nobody answers, and when it is left."""

import asyncio
import os
import pty
import signal
from asyncio.subprocess import DEVNULL
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.cli import temporal_checks
from qunfa.cli.workers import Handle
from qunfa.contract.checks import Diagnosis, Finding
from qunfa.contract.ids import (
    ACCOUNT,
    CHECK_ACCOUNT,
    CHECK_WORKER,
    MASS_SEND,
    account_id,
    mass_send_id,
    worker_check_id,
)
from qunfa.rules import doctor
from qunfa.rules.doctor import ALIVE
from tests.cli.calls import DESERTED_QUEUE, QUEUE, Qunfa, Scripted, Start, having, parsed, screen, until_listed
from tests.cli.stub import upload
from tests.looking import PATIENCE, until
from tests.temporal import development_server, is_polled
from workflows.checks import CheckWorker


async def checks_of(client: Client, name: str) -> list[WorkflowExecutionStatus | None]:
    """How the checks of an account stand."""
    query = f"WorkflowType = '{CHECK_ACCOUNT}' AND WorkflowId STARTS_WITH 'account-check:{name}:'"
    found = [one.id async for one in client.list_workflows(query)]
    return [(await client.get_workflow_handle(one).describe()).status for one in found]


async def until_checked(client: Client, name: str) -> list[WorkflowExecutionStatus | None]:
    """The same, once there is one: the list is a little behind."""
    return await until(lambda: checks_of(client, name))


async def until_polled(qunfa: Qunfa) -> None:
    """Until Temporal tells of the worker's polls."""
    await until(lambda: qunfa("doctor"), lambda answer: "ok       workers" in answer.stdout)


async def test_an_answer_that_comes_while_it_is_given_up_counts(
    client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal ends nothing that has ended: the worker was in time, and its check is no error."""
    handle: Handle[Any] = await client.start_workflow(CHECK_WORKER, id=worker_check_id(key), task_queue=QUEUE)
    await handle.result()
    monkeypatch.setattr(temporal_checks, "ANSWERS", timedelta(0))
    assert await temporal_checks.is_answered(handle)


async def test_an_account_on_a_task_queue_whose_worker_has_stopped(client: Client, key: str) -> None:
    """Temporal remembers its polls for minutes, in which every send would hang: only those that may live count."""
    await client.start_workflow(ACCOUNT, id=account_id(key), task_queue=QUEUE)

    async def look(later: timedelta) -> Finding:
        return await temporal_checks.look_at_own_workflow(client, "renamed", "demo", key, datetime.now(UTC) + later)

    assert "Keep a worker on" in ((await until(lambda: look(timedelta(0)), _is_served)).todo or "")
    finding = await look(ALIVE + timedelta(hours=1))
    assert (finding.state, f"nobody polls {QUEUE}" in finding.said) == ("failed", True)


def _is_served(finding: Finding) -> bool:
    return finding.state == "warning"


async def test_a_send_that_no_worker_has_begun_is_named(
    client: Client, scripted: Scripted, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was started on a task queue that nobody polls, and is in no phase. One that starts later is not meant."""
    monkeypatch.setattr(doctor, "BEGUN_WITHIN", timedelta(0))
    begun = (await scripted()).id
    one, other = mass_send_id("demo", f"{key}.late"), mass_send_id("demo", f"{key}.now")
    late = await client.start_workflow(MASS_SEND, id=one, task_queue=DESERTED_QUEUE, start_delay=timedelta(hours=1))
    unbegun = await client.start_workflow(MASS_SEND, id=other, task_queue=DESERTED_QUEUE)
    await until_listed(client, late.id)
    named = f"{unbegun.id} ({DESERTED_QUEUE})"

    async def look() -> Finding:
        return await temporal_checks.look_at_first_tasks(client)

    finding = await until(look, lambda found: named in found.said and f"{begun} (" not in found.said)
    assert (finding.name, finding.state) == ("first_tasks", "failed")
    assert late.id not in finding.said
    await unbegun.terminate()
    await late.terminate()
    await until(look, lambda found: named not in found.said)


async def test_nobody_is_waited_for_for_ever(
    qunfa: Qunfa, client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that polls and does not answer is a failure of the account, and its check is ended."""
    monkeypatch.setattr(temporal_checks, "ANSWERS", timedelta(seconds=PATIENCE))
    monkeypatch.setattr(temporal_checks, "WITHIN", timedelta(seconds=1))
    await until_polled(qunfa)
    answer = await qunfa("doctor", key, "--json")
    findings = {one.name: one for one in Diagnosis.model_validate(parsed(answer)).findings}
    assert (answer.exit_code, findings["workers"].state) == (1, "ok")
    assert (findings["account"].state, findings["account"].said) == ("failed", "no worker answered within 1 s")
    assert {
        findings[name].state for name in ("token", "ip_whitelist", "quota", "worker_clock", "store", "callback")
    } == {"skipped"}
    assert findings["clock"].state == "ok"
    assert await until_checked(client, key) == [WorkflowExecutionStatus.TERMINATED]


async def test_ctrl_c_leaves_nothing_behind(qunfa: Qunfa, start: Start, client: Client, key: str) -> None:
    """On a terminal it says what it is looking at; when it is left, the check that is under way is ended."""
    await until_polled(qunfa)
    master, slave = pty.openpty()
    process = await start("doctor", key, stdin=DEVNULL, stderr=slave)
    os.close(slave)
    assert await until_checked(client, key) == [WorkflowExecutionStatus.RUNNING]
    drawn = (await screen(master, key)).decode("utf-8", "replace")
    process.send_signal(signal.SIGINT)
    reading = asyncio.create_task(asyncio.to_thread(_read_to_the_end, master))
    stdout, _ = await process.communicate()
    await reading
    os.close(master)
    assert (process.returncode, stdout) == (130, b"")
    assert "Looking at " in drawn
    assert await until_checked(client, key) == [WorkflowExecutionStatus.TERMINATED]


def _read_to_the_end(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:  # the terminal's other side is closed
        return


async def test_a_configuration_that_cannot_be_read_is_a_finding(qunfa: Qunfa, tmp_path: Path) -> None:
    """Accounts that are named, and Temporal, are checked all the same."""
    file = tmp_path / "qunfa.toml"
    file.write_text("accounts = [", encoding="utf-8")
    answer = await qunfa("doctor", "--json", QUNFA_CONFIG=str(file))
    diagnosis = Diagnosis.model_validate(parsed(answer))
    findings = {one.name: one for one in diagnosis.findings}
    assert diagnosis.task_queue == QUEUE  # as of the environment: a send would go there
    assert (answer.exit_code, findings["configuration"].state, findings["temporal"].state) == (1, "failed", "ok")
    assert "not valid TOML" in findings["configuration"].said


async def test_the_task_queue_needs_no_secret(qunfa: Qunfa, tmp_path: Path) -> None:
    """Where the files of the callback are on another machine, the workers are looked for where sends look for them."""
    file = tmp_path / "qunfa.toml"
    account = '[accounts.demo]\nappid = "wx0123456789abcdef"\nkind = "service"\n'
    callback = '[accounts.demo.callback]\ntoken_file = "/nowhere/token"\n'
    file.write_text(f'task_queue = "{DESERTED_QUEUE}"\n{account}{callback}', encoding="utf-8")
    answer = await qunfa("doctor", "demo", "--json", QUNFA_CONFIG=str(file), QUNFA_TASK_QUEUE=None)
    diagnosis = Diagnosis.model_validate(parsed(answer))
    assert [one.state for one in diagnosis.findings if one.name == "configuration"] == ["failed"]
    assert diagnosis.task_queue == DESERTED_QUEUE


async def test_a_list_that_is_not_written_is_found(qunfa: Qunfa) -> None:
    """As of a store without room. New keys wait for it, and whoever asks it is told that all is well."""
    async with development_server("history.visibilityProcessorSchedulerWorkerCount=0") as client:
        where = {"TEMPORAL_ADDRESS": client.service_client.config.target_host, "TEMPORAL_NAMESPACE": client.namespace}
        runner = UnsandboxedWorkflowRunner()
        async with Worker(
            client, task_queue=QUEUE, workflows=[CheckWorker], activities=[upload], workflow_runner=runner
        ):
            await until(lambda: is_polled(client, QUEUE))
            answer = await qunfa("doctor", "--json", **where)
    findings = {one.name: one for one in Diagnosis.model_validate(parsed(answer)).findings}
    states = [findings[name].state for name in ("workers", "visibility", "workflow_tasks", "first_tasks", "restore")]
    assert (answer.exit_code, states) == (1, ["ok", "failed", "skipped", "skipped", "skipped"])


async def test_all_accounts_of_the_configuration_are_checked(qunfa: Qunfa) -> None:
    """Where none is named, in the order of their names."""
    configured = having({name: f"wx0000{name}" for name in ("shop", "brand")})
    answer = await qunfa("doctor", "--task-queue", f"not-{QUEUE}", "--json", **configured)
    diagnosis = Diagnosis.model_validate(parsed(answer))
    assert (diagnosis.accounts, diagnosis.task_queue) == (("brand", "shop"), f"not-{QUEUE}")
    said = [one for one in diagnosis.findings if one.name == "callback"]
    assert [one.said for one in said] == ["WeChat does not push to Qunfa for this account: results are asked for"] * 2
