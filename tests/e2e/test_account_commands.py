"""`qunfa speed` and `qunfa quota`: the account as WeChat and its ledger know it, asked by one without credentials."""

import pytest

from qunfa.contract.limits import PATHS, QuotaResult, SpeedResult
from tests.cli.calls import parsed
from tests.e2e.commands import answered, qunfa
from tests.e2e.stage import Scene, Stage
from tests.e2e.staging import on_one_day

pytestmark = pytest.mark.long


async def test_the_speed_is_shown_and_set(scene: Scene) -> None:
    """With WeChat's real rates. A lost answer is asked for again: setting it twice changes nothing."""
    answer = await qunfa(scene, "speed", scene.account, "get")
    assert answer.stdout.startswith(f"{scene.account}  speed 0\n")
    assert "→  0      800,000" in answer.stdout
    scene.fault("reset_after_accept", "speed/set")
    answer = await qunfa(scene, "speed", scene.account, "set", "3", "--yes", "--reason", "load", "--json")
    result = SpeedResult.model_validate(parsed(answer))
    assert (result.now.speed, result.now.realspeed) == (3, 30)
    assert (result.by, result.reason, scene.simulated.speed) == ("wang", "load", 3)
    shown = await qunfa(scene, "speed", scene.account)
    assert "→  3      300,000" in shown.stdout


async def test_no_speed_is_set_when_a_terminal_says_no(scene: Scene) -> None:
    """It would stay set for the whole account, which is said first."""
    end = await answered(scene, "n\n", "speed", scene.account, "set", "4")
    assert (end.code, scene.simulated.speed) == (1, 0), end.stderr
    assert "It holds for every mass send of the account, whoever makes it" in end.stderr
    assert f"Set the speed of {scene.account} to 4, 100,000 a minute?" in end.stderr


async def test_why_a_speed_or_a_quota_is_not_told_is_said(scene: Scene) -> None:
    """Exit 1 with WeChat's code, or that nobody at the workers knows the account."""
    scene.fault("errcode", "speed/set", errcode=48001)
    answer = await qunfa(scene, "speed", scene.account, "set", "1", "--yes")
    assert (answer.exit_code, scene.simulated.speed) == (1, 0)
    assert "The speed may not have been set, so look at it again" in answer.stderr
    assert "48001" in answer.stderr
    for command in ("speed", "quota"):
        answer = await qunfa(scene, command, "nosuch")
        assert (answer.exit_code, "the workers' configuration does not have it" in answer.stderr) == (1, True)


async def quotas(scene: Scene) -> QuotaResult:
    """After one send to all, and one to a tag."""
    await scene.result(await scene.start("all"))
    await scene.result(await scene.start("tag", audience={"kind": "tag", "tag_id": 2}))
    return QuotaResult.model_validate(parsed(await qunfa(scene, "quota", scene.account, "--json")))


async def test_quotas_are_counted(stage: Stage) -> None:
    """Calls by WeChat, sends by the account's ledger, and what remains of each."""
    result = await on_one_day(stage, quotas)
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
