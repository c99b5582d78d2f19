"""`qunfa list` of sends that have ended in every way: one in doubt, or refused, is not taken for a failed one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from qunfa.contract import mass_send_id
from tests.e2e.commands import parsed, qunfa
from tests.e2e.stage import Scene
from tests.looking import until
from tests.workflows.failures import failure_of

APPROVAL: dict[str, Any] = {"approval": {"required": True}, "requested_by": "crm"}


async def ended_in_every_way(scene: Scene) -> dict[str, str | None]:
    """A send for each outcome that can be had at once, named for it, and what `list --json` is to say of each."""
    await scene.result(await scene.start("sent"))
    scene.fault("errcode", errcode=48001)
    await failure_of(await scene.start("failed", on_problem="fail"))
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    aborted = await scene.start("aborted", send_at=later)
    await scene.waits(aborted, "send_at")
    await scene.update(aborted, "abort")
    await failure_of(aborted)
    rejected = await scene.start("rejected", **APPROVAL)
    await scene.until(rejected, lambda status: status.phase == "awaiting_approval")
    await scene.update(rejected, "reject")
    await failure_of(rejected)
    await failure_of(await scene.start("expired", not_after=datetime.now(UTC).isoformat()))
    cancelled = await scene.start("cancelled", send_at=later)
    await scene.waits(cancelled, "send_at")
    await cancelled.cancel()
    with pytest.raises(WorkflowFailureError):
        await cancelled.result()
    await scene.refusal(await scene.start("refused", colour="red"))
    other = {**scene.request("sent"), "message": {"msgtype": "text", "content": "other"}}
    await scene.refusal(await scene.start_raw(other, mass_send_id(scene.account, "sent")))
    terminated = await scene.start("terminated", send_at=later)
    await scene.waits(terminated, "send_at")
    await terminated.terminate("by hand")
    scene.fault("reset_before_accept", times=None)
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    unknown = await scene.start("unknown", not_after=soon)
    await scene.asks(unknown, "unknown_outcome")
    await scene.update(unknown, "abort")
    assert (await failure_of(unknown)).outcome == "unknown"
    named = ("failed", "aborted", "rejected", "expired", "refused", "unknown")
    return {**{name: name for name in named}, "sent": "refused", "cancelled": "aborted", "terminated": None}


async def listed(scene: Scene, *filters: str, runs: int) -> list[dict[str, Any]]:
    """The rows of this scene's sends, once there are so many that have closed: the list is a little behind."""
    mine = ("--query", f"WorkflowId STARTS_WITH 'mass-send:{scene.account}:' AND ExecutionStatus != 'Running'")

    async def look() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = parsed(await qunfa(scene, "list", *mine, *filters, "--json"))
        return rows

    return await until(look, lambda rows: len(rows) == runs)


async def test_each_way_to_end_has_its_word(scene: Scene) -> None:
    """The outcome, also by --json and as a filter; how Temporal closed it where the send did not end by itself."""
    expected = await ended_in_every_way(scene)
    rows = await listed(scene, runs=len(expected) + 1)
    newest = {row["workflow_id"].rpartition(":")[2]: row for row in reversed(rows)}
    assert {key: row["outcome"] for key, row in newest.items()} == expected
    assert {row["outcome"] for row in rows if row["key"] == "sent"} == {"sent", "refused"}
    assert newest["terminated"]["state"] == "terminated"
    refused = await listed(scene, "--outcome", "refused", runs=2)
    assert {row["workflow_id"].rpartition(":")[2] for row in refused} == {"refused", "sent"}
    [unknown] = await listed(scene, "--outcome", "unknown", runs=1)
    assert (unknown["key"], unknown["state"], unknown["phase"]) == ("unknown", "failed", "done")
    shown = (await qunfa(scene, "list", "--query", f"WorkflowId STARTS_WITH 'mass-send:{scene.account}:'")).stdout
    lines = {line.split()[0].rpartition("/")[2]: line for line in shown.splitlines()}
    assert "unknown: may have been delivered" in lines["unknown"]
    for key, word in (("failed", "failed"), ("expired", "expired"), ("terminated", "terminated")):
        assert lines[key].split()[1] == word
