"""What people decide: WeChat's administrator, the account's operator, and the switch."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from qunfa.contract import mass_send_id
from tests.e2e.stage import Scene
from tests.looking import PATIENCE, look_again
from tests.workflows.failures import failure_of


async def test_a_reprint_is_sent_as_one_when_an_operator_says_so(scene: Scene) -> None:
    """err(30003), then `retry` with `send_ignore_reprint`: two generations, one delivery."""
    scene.plan(reprint="allowed")
    handle = await scene.start()
    status = await scene.asks(handle, "reprint_needs_decision")
    assert (status.answers, await scene.received()) == (("retry", "abort"), {})
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await scene.update(handle, "retry")
    assert "retry needs send_ignore_reprint" in str(caught.value.cause)
    await scene.update(handle, "retry", send_ignore_reprint=True)
    result = await scene.result(handle)
    assert [(job.generation, job.state) for job in result.jobs] == [(0, "failed"), (1, "sent")]
    assert [step["send_ignore_reprint"] for step in await scene.submissions(handle)] == [False, True]
    assert scene.jobs[0].clientmsgid != scene.jobs[1].clientmsgid
    assert await scene.everyone_once()


async def test_a_send_waits_for_wechats_administrator(scene: Scene) -> None:
    """Accepted, SENDING, and nobody has it until the administrator confirms; then the push comes."""
    await scene.simulate(admin_confirmation=True)
    handle = await scene.start(result={"push_timeout": 1, "poll_interval": 1})
    await scene.waits(handle, "asking mass/get as well")
    assert scene.sim.world.ledger.counts(scene.simulated).count(0) == 100
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    result = await scene.result(handle)
    assert (result.outcome, len(scene.tries)) == ("sent", 1)
    assert await scene.everyone_once()


async def test_an_administrator_who_refuses_is_a_problem(scene: Scene) -> None:
    """err(40001): nothing was sent, an operator is asked, and `abort` ends it as aborted."""
    await scene.simulate(admin_confirmation=True)
    handle = await scene.start()
    await scene.until(handle, lambda status: status.phase == "awaiting_result")
    scene.sim.world.decide(scene.simulated, "refused", None)
    status = await scene.asks(handle, "admin_refused")
    assert status.answers == ("retry", "abort")
    await scene.update(handle, "abort")
    failure = await failure_of(handle)
    assert (failure.outcome, failure.may_have_been_delivered) == ("aborted", False)
    assert await scene.received() == {}


async def test_a_frozen_account_submits_nothing(scene: Scene) -> None:
    """A send that is due while frozen says by whom and why, and goes on when it is over."""
    handle = await scene.start(send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await scene.waits(handle, "send_at")
    assert (await scene.freeze()).in_flight == ()
    await scene.send_now(handle)
    await scene.waits(handle, "frozen by li: wrong text")
    assert scene.tries == []
    await scene.unfreeze()
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.everyone_once()


async def test_a_freeze_in_the_middle_of_a_try_names_it(scene: Scene) -> None:
    """What is in flight cannot be called back: `freeze` says so, the send gets its verdict, the next one waits."""
    scene.fault("slow", seconds=0.5)
    first = await scene.start("first")
    await scene.tried()
    assert [lease.key for lease in (await scene.freeze()).in_flight] == ["first"]
    second = await scene.start("second")
    await scene.waits(second, "frozen")
    assert (await scene.result(first)).outcome == "sent"
    assert len(scene.tries) == 1
    await scene.update(second, "abort")
    assert (await failure_of(second)).outcome == "aborted"
    assert await scene.everyone_once()


@pytest.mark.long
async def test_not_after_that_passes_while_frozen_is_expired(scene: Scene) -> None:
    """Too late is too late, whatever delayed it."""
    await scene.freeze()
    handle = await scene.start(not_after=(datetime.now(UTC) + timedelta(seconds=2)).isoformat())
    await scene.waits(handle, "frozen")
    failure = await failure_of(handle)
    assert (failure.outcome, failure.may_have_been_delivered, failure.jobs) == ("expired", False, ())
    await scene.unfreeze()
    assert scene.tries == []
    assert await scene.nobody()


async def test_a_problem_is_found_by_search_and_explained_on_the_page(scene: Scene) -> None:
    """48001: the list filters by it, and the page says what happened and which JSON to paste."""
    scene.fault("errcode", errcode=48001)
    handle = await scene.start()
    await scene.asks(handle, "account_refused")
    found = await _listed(scene, "needs_operator", "account_refused")
    assert found == mass_send_id(scene.account, "spring")
    page = await _page(handle)
    for part in (
        "### needs operator",
        "text to **all followers**",
        "#### account_refused",
        "48001",
        "**Waiting for** an operator's answer",
        'Update `retry`: `{"by": "your name", "reason": "…"}`',
        'Update `abort`: `{"by": "your name", "reason": "…"}`',
    ):
        assert part in page
    await scene.update(handle, "retry")
    assert (await scene.result(handle)).outcome == "sent"
    assert await _listed(scene, "done", None) == mass_send_id(scene.account, "spring")
    assert await scene.everyone_once()


async def test_the_accounts_page_shows_its_switch_and_its_ledger(scene: Scene) -> None:
    """Open or frozen by whom, the pace, the sends of the day, and each key's state."""
    result = await scene.result(await scene.start())
    assert (await scene.ledger_until(lambda view: view.records[0].ended_as)).records[0].ended_as == "sent"
    page = await _page(scene.ledger_handle)
    for part in (f"### {scene.appid}: open", "nothing in flight", "today 1 (1 to all)", str(result.jobs[0].msg_id)):
        assert part in page
    row = ("`spring`", "0", "1", str(result.jobs[0].msg_id), "sent", "sent")
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.splitlines()]
    assert row in rows
    await scene.freeze("the picture is wrong")
    page = await _page(scene.ledger_handle)
    for part in ("FROZEN", "by **li**", "the picture is wrong", '`unfreeze` with `{"by": "your name"}`'):
        assert part in page


async def _listed(scene: Scene, phase: str, problem: str | None) -> str:
    """The id of the one send that Temporal's list shows so, once it does."""
    of_problem = f'MassSendProblem = "{problem}"' if problem else "MassSendProblem IS NULL"
    query = f'MassSendAccount = "{scene.account}" AND MassSendPhase = "{phase}" AND {of_problem}'
    async with asyncio.timeout(PATIENCE):
        while not (found := [one.id async for one in scene.client.list_workflows(query)]):
            await look_again()
    [workflow_id] = found
    return workflow_id


async def _page(handle: WorkflowHandle[Any, Any]) -> str:
    """The current details, as the UI asks for them."""
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details
