"""`qunfa doctor` against a real Temporal, receiver and worker: what it finds, and that it disturbs nothing."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from qunfa.cli.appid import describe_account
from qunfa.contract.checks import OF_AN_ACCOUNT, Diagnosis, Finding
from tests.e2e.commands import parsed, qunfa
from tests.e2e.own_worker import own_worker
from tests.e2e.processes import configuration, running
from tests.e2e.stage import CALLBACK_TOKEN, SECRET, Scene
from tests.e2e.test_secrets import TOKEN_LIKE
from tests.looking import PATIENCE, look_again

CALLS = ["callback/check", "openapi/quota/get", "openapi/quota/get", "stable_token"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The receiver's log does not get among what a command prints."""
    with capture_logs():
        yield


def configured(scene: Scene, **more: str) -> dict[str, str]:
    """This machine's configuration has the account and its callback, and no AppSecret."""
    of = f"QUNFA_ACCOUNTS__{scene.account.upper()}__"
    values = {"APPID": scene.appid, "KIND": "service", "CALLBACK__TOKEN": CALLBACK_TOKEN, **more}
    return {f"{of}{name}": value for name, value in values.items()}


async def doctor(scene: Scene, *args: str, code: int = 0, given: dict[str, str] | None = None) -> dict[str, Finding]:
    """The findings of the scene's account and of what is checked once, by name; `code` is how it exits."""
    more = given or {}
    await polled(scene, more.get("TEMPORAL_NAMESPACE", "default"))
    answer = await qunfa(scene, "doctor", scene.account, *args, "--json", **more)
    assert answer.exit_code == code, answer.output
    diagnosis = Diagnosis.model_validate(parsed(answer))
    assert diagnosis.ok is (code == 0)
    return {finding.name: finding for finding in diagnosis.findings if finding.account in {None, scene.account}}


async def polled(scene: Scene, namespace: str = "default") -> None:
    """Until Temporal tells of the worker's polls, where one is meant to run."""
    if namespace != "default" or scene.queue.startswith("nobody"):
        return
    await looked_until(scene, "ok")


async def looked(scene: Scene) -> Any:
    """What the doctor says without any account."""
    return parsed(await qunfa(scene, "doctor", "--json"))["findings"]


def states_of(findings: list[dict[str, Any]]) -> dict[str, str]:
    """State by name."""
    return {finding["name"]: finding["state"] for finding in findings}


def called(scene: Scene) -> list[str]:
    """The calls of WeChat's API, in the order of their names."""
    return sorted(call.path.removeprefix("/cgi-bin/") for call in scene.sim.world.calls)


async def test_doctor_finds_that_all_is_well(scene: Scene) -> None:
    """Exit 0; four calls of WeChat's API and not one more; no `Account` is started, and nobody gets anything."""
    url = f"{scene.stage.receiver}/wechat/{{account}}"
    findings = await doctor(scene, "--callback-url", url, given=configured(scene))
    states = {name: findings[name].state for name in OF_AN_ACCOUNT}
    assert states == {**dict.fromkeys(OF_AN_ACCOUNT, "ok"), "callback": "warning"}
    assert "; mode: plain" in findings["callback"].said  # it is how the scene's pushes come
    assert findings["search_attributes"].state == findings["temporal_version"].state == "ok"
    assert findings["clock"].state == "ok"
    assert "url: verified" in findings["callback"].said
    assert "push: left out, as it would start the account's own workflow" in findings["callback"].said
    assert called(scene) == CALLS
    assert await describe_account(scene.client, scene.appid) is None
    assert await scene.nobody()


async def test_a_namespace_that_forgets_early_is_a_warning(scene: Scene) -> None:
    """It fails nothing, and the command that mends it is said."""
    finding = (await doctor(scene))["retention"]
    assert (finding.state, finding.todo) == ("warning", "qunfa setup --retention 35d")
    assert "for 1 day, less than 35" in finding.said


async def test_the_way_of_a_push_is_followed_where_the_account_is_at_work(scene: Scene) -> None:
    """Its workflow has the test push, and forgets it."""
    await scene.result(await scene.start())
    before = await scene.ledger()
    findings = await doctor(
        scene, "--callback-url", f"{scene.stage.receiver}/wechat/{scene.account}", given=configured(scene)
    )
    assert "temporal: the push stands in the history" in findings["callback"].said
    after = await scene.ledger()
    assert (after.kept, after.book, after.records) == (before.kept, before.book, before.records)
    assert "3 of 4 sends to all left this month; 99 of 100 calls" in findings["quota"].said
    assert await scene.everyone_once()


async def test_a_frozen_account_is_a_warning(scene: Scene) -> None:
    """It explains why nothing goes out."""
    await scene.freeze()
    findings = await doctor(scene)
    assert (findings["account"].state, "frozen by li" in findings["account"].said) == ("warning", True)
    assert findings["callback"].state == "ok"


async def test_a_wrong_callback_token(scene: Scene) -> None:
    """The receiver's answer is explained, and WeChat's view is told as well."""
    wrong = configured(scene, CALLBACK__TOKEN="another-token")
    url = f"{scene.stage.receiver}/wechat/{scene.account}"
    finding = (await doctor(scene, "--callback-url", url, code=1, given=wrong))["callback"]
    assert (finding.state, "url: answered" in finding.said) == ("failed", True)
    assert "Receiver and this command disagree about token" in (finding.todo or "")


async def test_an_operator_without_configuration_sees_what_the_workers_see(scene: Scene) -> None:
    """The callback's own side needs the callback token; that is no failure."""
    findings = await doctor(scene)
    assert findings["configuration"].state == "skipped"
    assert findings["callback"].state == "ok"
    assert "wechat: WeChat finds the host at 127.0.0.1" in findings["callback"].said


async def test_doctor_tells_of_an_address_off_the_whitelist(scene: Scene) -> None:
    """Which address to put on it; what needs a token is skipped, and the rest is checked."""
    await scene.simulate(ip_whitelist=["203.0.113.7"])
    findings = await doctor(scene, code=1)
    assert findings["ip_whitelist"].said.startswith("WeChat does not take calls from the worker's address 127.0.0.1: ")
    assert (findings["ip_whitelist"].todo or "").startswith("Put 127.0.0.1 on the account's IP whitelist")
    states = {name: findings[name].state for name in OF_AN_ACCOUNT}
    assert states == {
        "account": "ok",
        "own_workflow": "ok",
        "token": "failed",
        "ip_whitelist": "failed",
        "quota": "skipped",
        "worker_clock": "ok",
        "callback": "skipped",
    }


async def test_doctor_tells_of_a_wrong_secret(scene: Scene) -> None:
    """WeChat's word, not the secret."""
    await scene.simulate(secret="another-SECRET-0123456789")
    answer = await qunfa(scene, "doctor", scene.account, "--json")
    [token] = [one for one in parsed(answer)["findings"] if one["name"] == "token"]
    assert (token["state"], "secret" in token["todo"]) == ("failed", True)
    assert SECRET not in answer.output


async def test_doctor_tells_of_a_limit_that_is_used_up(scene: Scene) -> None:
    """Until when; sends wait for it, so it is a warning."""
    async with own_worker(scene, account={"kind": "subscription"}):
        await scene.result(await scene.start())
        finding = (await doctor(scene))["quota"]
    assert (finding.state, "0 of 1 sends left this day" in finding.said) == ("warning", True)
    assert "00:00:00+08:00" in (finding.todo or "")


async def test_one_account_hides_nothing_of_another(scene: Scene) -> None:
    """An unknown one fails, the other is well."""
    await polled(scene)
    answer = await qunfa(scene, "doctor", "nosuch", scene.account)
    assert answer.exit_code == 1
    of_nosuch, _, of_scene = answer.stdout.partition(f"\n{scene.account}\n")
    assert "the workers' configuration does not have it" in of_nosuch
    assert {line.split()[0] for line in of_scene.splitlines()[: len(OF_AN_ACCOUNT)]} == {"ok"}
    assert "1 failed" in answer.stdout.splitlines()[-1]


async def test_without_temporal_what_does_not_need_it_is_checked(scene: Scene) -> None:
    """Everything else says so; the command line's other ways to fail are kept for wrong use."""
    answer = await qunfa(
        scene,
        *("doctor", scene.account, "--callback-url", f"{scene.stage.receiver}/wechat/{scene.account}", "--json"),
        TEMPORAL_ADDRESS="127.0.0.1:1",
        **configured(scene),
    )
    findings = {one["name"]: one for one in parsed(answer)["findings"]}
    assert answer.exit_code == 1
    assert "nothing listens there" in findings["temporal"]["said"]
    assert (findings["callback"]["state"], findings["configuration"]["state"]) == ("warning", "ok")
    assert "url: verified" in findings["callback"]["said"]
    others = {name: one for name, one in findings.items() if name not in {"temporal", "callback", "configuration"}}
    assert {one["state"] for one in others.values()} == {"skipped"}
    assert all("Temporal" in one["said"] for one in others.values())


async def test_without_workers(scene: Scene) -> None:
    """Temporal's own checks are made, and nothing is started that would wait for one."""
    scene.queue = f"nobody-{scene.account}"
    findings = await doctor(scene, code=1)
    assert (findings["workers"].state, "qunfa worker" in (findings["workers"].todo or "")) == ("failed", True)
    assert findings["search_attributes"].state == "ok"
    assert {findings[name].state for name in OF_AN_ACCOUNT} == {"skipped"}
    query = f"WorkflowId STARTS_WITH 'account-check:{scene.account}:'"
    assert [one.id async for one in scene.client.list_workflows(query)] == []


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
async def test_the_only_worker_has_stopped(scene: Scene, tmp_path: Path, how: signal.Signals) -> None:
    """Temporal still remembers its polls: nobody answers, which is said soon, and no account is asked about."""
    config = configuration(scene, tmp_path)
    async with running(scene, ["worker.py"], config, {}, tmp_path / "worker.log") as worker:
        await looked_until(scene, "ok")
        worker.send_signal(how)
        if how is not signal.SIGSTOP:
            await worker.wait()
        async with asyncio.timeout(PATIENCE):
            answer = await qunfa(scene, "doctor", scene.account, "--json")
    found = {one["name"]: one for one in parsed(answer)["findings"]}
    assert (answer.exit_code, found["workers"]["state"]) == (1, "failed")
    assert f"no worker has answered this check on the task queue {scene.queue} within 5 s" in found["workers"]["said"]
    assert "qunfa worker" in found["workers"]["todo"]
    assert {found[name]["state"] for name in ("clock", *OF_AN_ACCOUNT)} == {"skipped"}


async def looked_until(scene: Scene, workers: str) -> Any:
    """What the doctor says, once it says this of the workers."""
    async with asyncio.timeout(PATIENCE):
        while states_of(found := await looked(scene))["workers"] != workers:
            await look_again()
    return found


async def test_a_namespace_without_search_attributes(scene: Scene) -> None:
    """Which are missing, and the command that adds them."""
    finding = (await doctor(scene, code=1, given={"TEMPORAL_NAMESPACE": "bare"}))["search_attributes"]
    assert (finding.state, finding.todo) == ("failed", "qunfa setup")
    assert "MassSendPhase" in finding.said


@pytest.mark.parametrize("fault", [None, "reset_after_accept"])
async def test_doctor_shows_and_keeps_no_secret(scene: Scene, fault: str | None) -> None:
    """Not on a screen, and not in a history."""
    for endpoint in ("stable_token", "quota/get", "callback/check") if fault else ():
        scene.fault(fault or "", endpoint)
    await polled(scene)
    answer = await qunfa(scene, "doctor", scene.account, **configured(scene))
    query = f"WorkflowId STARTS_WITH 'account-check:{scene.account}:'"
    found: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while not found:  # the list is a little behind
            found = [one.id async for one in scene.client.list_workflows(query)]
    histories = [(await scene.client.get_workflow_handle(one).fetch_history()).to_json() for one in found]
    for seen in (answer.output, *histories):
        assert SECRET not in seen
        assert CALLBACK_TOKEN not in seen
        assert not TOKEN_LIKE.search(seen.encode())
