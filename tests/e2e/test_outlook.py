"""What a dry run tells of freeze, key and quota, and how sends that are held back are listed: as operators type it."""

from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError
from typer.testing import Result

from qunfa.contract.checks import CheckResult
from tests.e2e.commands import parsed, qunfa
from tests.e2e.stage import FOLLOWERS, Scene
from tests.looking import until

pytestmark = pytest.mark.long


async def dry_run(scene: Scene, *more: str, text: str | None = None) -> Result:
    """`qunfa send --dry-run` of the scene's own text under the key `spring`."""
    message = scene.request()["message"]["content"] if text is None else text
    words = ("send", "--account", scene.account, "--key", "spring", "--to-all", "--text", message, "--dry-run")
    return await qunfa(scene, *words, *more)


def row(shown: Result, name: str) -> str:
    """A row of the table, with single blanks."""
    return next(" ".join(line.split()) for line in shown.stdout.splitlines() if line.startswith(f"{name} "))


async def listed(scene: Scene, *more: str) -> str:
    """`qunfa list` of the account."""
    return (await qunfa(scene, "list", "--account", scene.account, *more)).stdout


async def held(scene: Scene, key: str, why: str) -> WorkflowHandle[Any, Any]:
    """A send that waits for this."""
    handle = await scene.start(key)
    await scene.waits(handle, why)
    return handle


async def test_a_dry_run_says_what_nobody_knows_yet(scene: Scene) -> None:
    """An account that has sent nothing has no ledger, and asking starts none; its followers are counted."""
    shown = await dry_run(scene)
    assert shown.exit_code == 0, shown.stderr
    assert f"all followers: {FOLLOWERS}, by WeChat's count" in shown.stdout
    assert row(shown, "key") == "key new is sent"
    assert row(shown, "freeze").startswith("freeze not known: the account's own")
    with pytest.raises(RPCError, match="not found"):
        await scene.ledger_handle.describe()
    scene.fault("errcode", "user/get", errcode=48001)
    uncounted = CheckResult.model_validate(parsed(await dry_run(scene, "--json")))
    assert (uncounted.followers, uncounted.problems) == (None, ())
    assert "48001" in (uncounted.uncounted or "")
    assert await scene.nobody()


async def test_a_dry_run_tells_a_freeze_and_what_was_sent(scene: Scene) -> None:
    """It went out once; under the same key nothing goes out again, under another one it waits."""
    msg_id = (await scene.result(await scene.start())).jobs[0].msg_id
    await scene.freeze()
    again = await dry_run(scene)
    assert again.exit_code == 0
    assert f"{scene.account}/spring  would end as before\n" in again.stdout
    assert f"sent as msg_id {msg_id}, accepted" in row(again, "key")
    assert row(again, "freeze").endswith("wrong text nothing: it is not submitted")
    other = await dry_run(scene, text="something else")
    assert (other.exit_code, "stands for other content already" in other.stdout) == (1, True)
    new = await dry_run(scene, "--key", "summer")
    assert f"{scene.account}/summer  would wait\n" in new.stdout
    assert "frozen by li since" in row(new, "freeze")
    assert row(new, "freeze").endswith(": wrong text waits for an unfreeze")
    assert "3 of 4 mass sends to all left this month" in row(new, "quota")
    assert await scene.everyone_once()


async def test_what_is_held_back_is_listed_with_its_reason(scene: Scene) -> None:
    """It is scheduled, can be found by what holds it, and its story keeps it; afterwards it goes on."""
    await scene.result(await scene.start("first"))
    scene.fault("errcode", errcode=45028)
    poor = await held(scene, "poor", "the next quota window")
    await scene.freeze()
    frozen = await held(scene, "cold", "frozen by li: wrong text")
    seen = await until(lambda: listed(scene), lambda shown: shown.count("scheduled:") == 2)
    assert "scheduled: quota_exhausted" in seen
    assert "scheduled: account_frozen" in seen
    assert "/cold" in await listed(scene, "--problem", "account_frozen")
    assert "/poor" in await listed(scene, "--problem", "quota_exhausted", "--phase", "scheduled")
    await scene.unfreeze()
    await scene.result(frozen)
    told = [(line.what, line.by) for line in (await scene.status(frozen)).history]
    assert told[:2] == [
        ("the account is frozen: it waits", "li"),
        ("the account is not frozen any more: it goes on", None),
    ]
    assert "try 1: WeChat answered 45028" in (await scene.status(poor)).history[0].what
    await scene.update(poor, "abort")
    assert "account_frozen" not in await until(lambda: listed(scene), lambda shown: "scheduled" not in shown)
