"""`qunfa speed` and `qunfa quota`: the account as WeChat and its ledger know it, asked by one without credentials."""

import asyncio
import os
import pty
from typing import Any

import pytest

from qunfa.contract.limits import PATHS, QuotaResult, SpeedResult
from tests.e2e.commands import parsed, qunfa
from tests.e2e.own_worker import own_worker
from tests.e2e.processes import ended
from tests.e2e.stage import SECRET, Scene
from tests.e2e.test_recall import sent
from tests.e2e.test_recall_commands import typed
from tests.e2e.test_secrets import TOKEN_LIKE
from tests.looking import PATIENCE

pytestmark = pytest.mark.long


async def test_the_speed_is_shown_and_set(scene: Scene) -> None:
    """With WeChat's real rates, and that it holds for the whole account."""
    answer = await qunfa(scene, "speed", scene.account, "get")
    assert answer.stdout.startswith(f"{scene.account}  speed 0\n")
    assert "→  0      800,000" in answer.stdout
    answer = await qunfa(scene, "speed", scene.account, "set", "3", "--yes", "--reason", "load", "--json")
    result = SpeedResult.model_validate(parsed(answer))
    assert (result.before and result.before.speed, result.now.speed, result.now.realspeed) == (0, 3, 30)
    assert (result.by, result.reason, scene.simulated.speed) == ("wang", "load", 3)
    shown = await qunfa(scene, "speed", scene.account)
    assert "→  3      300,000" in shown.stdout


@pytest.mark.parametrize(("said", "code", "speed"), [("y\n", 0, 4), ("n\n", 1, 0)])
async def test_a_speed_is_set_when_a_terminal_says_yes(scene: Scene, said: str, code: int, speed: int) -> None:
    """It stays set for the whole account, which is said first."""
    master, slave = pty.openpty()
    process = await typed(scene, "speed", scene.account, "set", "4", stdin=slave)
    os.write(master, said.encode())
    end = await ended(process)
    os.close(master)
    os.close(slave)
    assert (end.code, scene.simulated.speed) == (code, speed), end.stderr
    assert "It holds for every mass send of the account, whoever makes it" in end.stderr
    assert f"Set the speed of {scene.account} to 4, 100,000 a minute?" in end.stderr


@pytest.mark.parametrize("args", [("set",), ("get", "3"), ("set", "5"), ("set", "-1"), ("set", "fast"), ("slow",)])
async def test_a_wrong_speed_is_wrong_use(scene: Scene, args: tuple[str, ...]) -> None:
    """Exit 2, and WeChat is not asked."""
    answer = await qunfa(scene, "speed", scene.account, *args)
    assert (answer.exit_code, list(scene.sim.world.calls)) == (2, [])


async def test_what_wechat_refuses_is_said(scene: Scene) -> None:
    """Exit 1, with its code."""
    scene.fault("errcode", "speed/set", errcode=48001)
    answer = await qunfa(scene, "speed", scene.account, "set", "1", "--yes")
    assert (answer.exit_code, scene.simulated.speed) == (1, 0)
    assert "The speed may not have been set, so look at it again" in answer.stderr
    assert "48001" in answer.stderr


async def test_a_lost_answer_is_asked_for_again(scene: Scene) -> None:
    """Setting it twice changes nothing."""
    scene.fault("reset_after_accept", "speed/set")
    answer = await qunfa(scene, "speed", scene.account, "set", "2", "--yes")
    assert (answer.exit_code, scene.simulated.speed) == (0, 2)


async def test_an_unknown_account(scene: Scene) -> None:
    """Nobody at the workers knows it."""
    for command in ("speed", "quota"):
        answer = await qunfa(scene, command, "nosuch")
        assert (answer.exit_code, "the workers' configuration does not have it" in answer.stderr) == (1, True)


async def test_quotas_are_counted(scene: Scene) -> None:
    """Calls by WeChat, sends by the account's ledger, and what remains of each."""
    await scene.result(await scene.start("all"))
    await scene.result(await scene.start("tag", audience={"kind": "tag", "tag_id": 2}))
    answer = await qunfa(scene, "quota", scene.account, "--json")
    result = QuotaResult.model_validate(parsed(answer))
    assert (result.today.total, result.today.to_all, result.month.total) == (2, 1, 2)
    assert result.since is not None
    assert result.since <= result.at
    left = {row.name: row for row in result.allowances}
    assert (left["sends_to_all"].used, left["sends_to_all"].left, left["sends_to_all"].whole) == (1, 3, False)
    assert (left["mass_calls"].used, left["mass_calls"].left, left["mass_calls"].whole) == (2, 98, True)
    calls = {one.cgi_path: one for one in result.calls}
    assert list(calls) == list(PATHS)
    sendall = calls["/cgi-bin/message/mass/sendall"]
    assert (sendall.used, sendall.remain, sendall.daily_limit, sendall.call_count) == (2, 98, 100, 60)


async def test_a_subscription_account_has_one_a_day(scene: Scene) -> None:
    """By its kind in the workers' configuration; one that has sent nothing says so."""
    async with own_worker(scene, account={"kind": "subscription"}):
        before = await qunfa(scene, "quota", scene.account)
        assert "Nothing of this account has been sent here yet" in before.stdout
        await scene.result(await scene.start())
        answer = await qunfa(scene, "quota", scene.account)
    assert f"{scene.account}  subscription account {scene.appid}" in answer.stdout
    row, *_ = [line.split() for line in answer.stdout.splitlines() if line.startswith("mass sends, to all or to a tag")]
    assert row[8:16] == ["at", "most", "0", "at", "least", "1", "1", "a"]


async def test_a_count_that_wechat_does_not_tell(scene: Scene) -> None:
    """Its row says why; the rest is there."""
    scene.fault("errcode", "quota/get", errcode=48001, times=None)
    answer = await qunfa(scene, "quota", scene.account)
    assert answer.exit_code == 0
    assert answer.stdout.count("errcode 48001") == len(PATHS)
    assert "mass sends to all" in answer.stdout


@pytest.mark.parametrize("fault", [None, {"kind": "errcode", "errcode": 40001}, {"kind": "reset_after_accept"}])
async def test_account_commands_show_and_keep_no_secret(scene: Scene, fault: dict[str, Any] | None) -> None:
    """Not on a screen, and not in a history, whatever goes wrong: of speeds, quotas and recalls."""
    job = await sent(scene)
    for endpoint in ("speed/set", "quota/get", "mass/delete") if fault else ():
        scene.fault(endpoint=endpoint, **(fault or {}))
    answers = [
        await qunfa(scene, "quota", scene.account, "--json"),
        await qunfa(scene, "speed", scene.account, "set", "1", "--yes"),
        await qunfa(scene, "recall", str(job.msg_id), "--account", scene.account, "--reason", "r", "--yes"),
    ]
    query = " OR ".join(f"WorkflowId STARTS_WITH '{kind}:{scene.account}:'" for kind in ("quota", "speed", "recall"))
    found: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < len(answers):  # the list is a little behind
            found = [one.id async for one in scene.client.list_workflows(query)]
    histories = [(await scene.client.get_workflow_handle(one).fetch_history()).to_json() for one in found]
    for seen in [*(answer.output for answer in answers), *histories]:
        assert SECRET not in seen
        assert not TOKEN_LIKE.search(seen.encode())
    assert [answer.exit_code for answer in answers] == [0, 0, 0]
