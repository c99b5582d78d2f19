"""Operators hold sends back and let them go, from the command line, without credentials."""

import shlex
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.e2e.commands import parsed, qunfa
from tests.e2e.stage import Scene
from tests.looking import until
from tests.workflows.failures import failure_of

APPROVAL: dict[str, Any] = {"approval": {"required": True}, "requested_by": "crm"}


def printed(shown: str, command: str) -> list[str]:
    """The words after `qunfa` of the one printed command of this name, as somebody copies them."""
    lines = [line.partition("qunfa ")[2] for line in shown.splitlines() if f"qunfa {command} " in line]
    [line] = [shlex.split(one) for one in lines]
    return line


async def test_who_approves_sees_what_goes_out_and_copies_the_command(scene: Scene) -> None:
    """Nothing is submitted before; whoever asked for it is refused; then everybody gets it once."""
    handle = await scene.start(**APPROVAL)
    await scene.until(handle, lambda status: status.phase == "awaiting_approval")
    shown = (await qunfa(scene, "status", f"{scene.account}/spring")).stdout
    for part in (f"text: spring: 你好 of {scene.account}", "to all followers", "digest of all this"):
        assert part in shown
    own = await qunfa(scene, *printed(shown, "approve"), "--by", "CRM")
    assert own.exit_code == 1
    assert "somebody else has to approve it" in own.stderr
    assert scene.tries == []
    assert (await qunfa(scene, *printed(shown, "approve"))).exit_code == 0
    assert (await scene.result(handle)).outcome == "sent"
    assert "wang, " in (await qunfa(scene, "status", f"{scene.account}/spring")).stdout
    assert await scene.everyone_once()


async def test_a_pause_holds_a_send_until_it_is_resumed(scene: Scene) -> None:
    """Each step by the command that `status` prints; another time is taken meanwhile; sent once."""
    handle = await scene.start(send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await scene.waits(handle, "send_at")
    shown = (await qunfa(scene, "status", f"{scene.account}/spring")).stdout
    assert (await qunfa(scene, *printed(shown, "pause"), "--reason", "wrong picture?")).exit_code == 0
    await scene.until(handle, lambda status: status.phase == "paused")
    shown = (await qunfa(scene, "status", f"{scene.account}/spring")).stdout
    assert [row.split()[-1] for row in shown.splitlines() if row.startswith("paused by")] == ["wang"]
    later = [word.replace("TIME", "2026-12-01T09:00:00") for word in printed(shown, "reschedule")]
    assert (await qunfa(scene, *later)).exit_code == 2
    assert (await qunfa(scene, "reschedule", f"{scene.account}/spring", "--now")).exit_code == 0
    assert scene.tries == []
    assert (await qunfa(scene, *printed(shown, "resume"))).exit_code == 0
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.everyone_once()


async def test_a_query_rejects_all_that_wait_and_no_other(scene: Scene) -> None:
    """Each ends as rejected; one that needs no approval goes out, and none is rejected twice."""
    waiting = [await scene.start(key, **APPROVAL) for key in ("a", "b")]
    for handle in waiting:
        await scene.until(handle, lambda status: status.phase == "awaiting_approval")
    other = await scene.start("c", send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    query = f"MassSendAccount = '{scene.account}' AND MassSendPhase = 'awaiting_approval'"
    listing = partial(qunfa, scene, "list", "--query", query, "--json")
    await until(listing, lambda found: len(parsed(found)) == len(waiting))
    answer = await qunfa(scene, "reject", "--query", query, "--reason", "wrong text", "--yes", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert sorted(one["key"] for one in parsed(answer)) == ["a", "b"]
    assert [(await failure_of(handle)).outcome for handle in waiting] == ["rejected", "rejected"]
    again = await qunfa(scene, "reject", f"{scene.account}/a", f"{scene.account}/c", "--reason", "again", "--yes")
    assert again.exit_code == 1
    assert "has ended, so there is nothing to answer. Rejected by its approver." in again.stdout
    assert "needs no approval" in again.stdout
    await scene.waits(other, "send_at")
    assert (await qunfa(scene, "reschedule", f"{scene.account}/c", "--now")).exit_code == 0
    assert (await scene.result(other)).outcome == "sent"
    assert await scene.everyone_once()
