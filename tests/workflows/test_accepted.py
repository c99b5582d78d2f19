"""The update `accepted`: who starts a send hears in the same call that it is accepted, or all that is wrong."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from qunfa.contract import INVALID_REQUEST, MASS_SEND, MassSendResult, Status
from qunfa.contract.result import ASK_AGAIN
from tests.looking import PATIENCE, until
from tests.temporal import run_at_rest
from tests.workflows.conftest import Desk
from tests.workflows.failures import cause_of, refusal_of
from tests.workflows.model_material import NEWS
from tests.workflows.resets import applied_again, points, reset
from tests.workflows.test_refused_requests import ACCOUNT, ELSE, GOOD_ID, PHASE, PROBLEM, REFUSED, page
from tests.workflows.test_refused_updates import replays


def starting(desk: Desk, raw: Any, workflow_id: str = GOOD_ID, **options: Any) -> WithStartWorkflowOperation[Any, Any]:
    """The start of a send, for an update that comes with it."""
    return WithStartWorkflowOperation(
        MASS_SEND,
        raw,
        id=workflow_id,
        task_queue=desk.wechat.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        result_type=MassSendResult,
        **options,
    )


async def begun(desk: Desk, operation: WithStartWorkflowOperation[Any, Any]) -> Status:
    """Start a send, and await that it is accepted."""
    asked = desk.env.client.execute_update_with_start_workflow(
        "accepted", start_workflow_operation=operation, result_type=Status
    )
    try:
        status: Status = await asyncio.wait_for(asked, PATIENCE)
    finally:
        desk.started.append(await operation.workflow_handle())
    return status


async def said_of(desk: Desk, operation: WithStartWorkflowOperation[Any, Any]) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await begun(desk, operation)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    return cause


@pytest.mark.history
async def test_who_starts_a_send_hears_that_it_is_accepted(desk: Desk) -> None:
    """Once the ledger has told what the key has done; the send goes on to its end. Asked again, it says so again."""
    desk.wechat.push_at_once = None
    status = await begun(desk, starting(desk, desk.request(requested_by="crm")))
    assert status.phase != "done"
    assert status.problem is None
    [handle] = desk.started
    msg_id = await desk.accepted(handle)
    again: Status = await handle.execute_update("accepted", result_type=Status)
    assert again.phase == "awaiting_result"
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "other content"])
async def test_a_start_that_breaks_a_promise_is_refused(real_desk: Desk, name: str) -> None:
    """Who starts it hears all that is wrong, in the words of the run's failure. It is found; nothing is submitted."""
    raw, workflow_id, options, parts = REFUSED[name]
    real_desk.material.problems = ("message.media: there is no such file",)
    said = await said_of(real_desk, starting(real_desk, raw(real_desk), workflow_id, **options))
    assert (said.type, [part for part in parts if part not in said.message]) == (INVALID_REQUEST, [])
    failure = await cause_of(real_desk.started[-1], INVALID_REQUEST)
    assert (failure.message, list(failure.details)) == (said.message, list(said.details))
    assert "earlier run" not in failure.message
    found = (await real_desk.started[-1].describe()).typed_search_attributes
    assert [found.get(key) for key in (PHASE, PROBLEM, ACCOUNT)] == ["done", "invalid_request", "demo"]
    assert (await page(real_desk.started[-1])).startswith("### done: refused")
    assert real_desk.wechat.tries == []


@pytest.mark.history
async def test_who_starts_a_used_key_hears_what_was_delivered(desk: Desk) -> None:
    """The msg_id stands in the error."""
    sent = await (await desk.start()).result()
    said = await said_of(desk, starting(desk, desk.request(message=ELSE)))
    assert (said.type, f"(msg_id: {sent.jobs[0].msg_id})" in said.message) == (INVALID_REQUEST, True)
    assert said.details[0][0] == 'key: "spring" stands for other content already; use a new key for this one'


async def test_a_cron_schedule_is_not_accepted(real_desk: Desk) -> None:
    """Its run has no time to answer, and is refused by the next one."""
    handle = await real_desk.start_raw(real_desk.request(), GOOD_ID, cron_schedule="@every 1s")
    with pytest.raises((WorkflowUpdateFailedError, RPCError)) as caught:  # the latter where it had ended before
        await handle.execute_update("accepted")
    if isinstance(caught.value, WorkflowUpdateFailedError):
        assert "a cron schedule must not be set" in str(caught.value.cause)
    assert "a cron schedule must not be set" in await refusal_of(real_desk.env.client.get_workflow_handle(GOOD_ID))


@pytest.mark.long
async def test_who_awaits_a_run_that_goes_on_is_told_to_ask_again(short_desk: Desk) -> None:
    """The next run answers."""
    desk = short_desk
    desk.material.refuse("inspect", *[ApplicationError("busy", next_retry_delay=timedelta(seconds=1))] * 100)
    handle = await desk.start(message=NEWS)
    asked = await handle.start_update("accepted", wait_for_stage=WorkflowUpdateStage.ACCEPTED)

    newest = desk.env.client.get_workflow_handle(handle.id)

    async def is_another_run() -> bool:
        await handle.signal("job_finished", {"msg_id": 77, "status": "send success"})
        return await run_at_rest(newest) != asked.workflow_run_id

    await until(is_another_run)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await asked.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == ASK_AGAIN
    desk.material.refuse("inspect")
    assert (await asked_until_told(newest)).problem is None


async def asked_until_told(newest: WorkflowHandle[Any, Any]) -> Status:
    """What the run answers which does not go on: the signals of a test may let more than one go on."""
    while True:
        try:
            status: Status = await newest.execute_update("accepted", result_type=Status)
        except WorkflowUpdateFailedError as failed:
            assert isinstance(failed.cause, ApplicationError)  # noqa: PT017  any other refusal is a mistake
            assert failed.cause.type == ASK_AGAIN  # noqa: PT017
        else:
            return status


async def test_a_reset_asks_again_whether_a_send_is_accepted(real_desk: Desk) -> None:
    """The update is applied to the new run, which answers, and replays."""
    tomorrow = (await real_desk.env.get_current_time()) + timedelta(days=1)
    await begun(real_desk, starting(real_desk, real_desk.request(send_at=tomorrow.isoformat())))
    [handle] = real_desk.started
    run: WorkflowHandle[Any, Any] = await reset(real_desk.env.client, handle, (await points(handle))[0])
    await real_desk.until(run, lambda status: status.phase == "scheduled")
    assert await applied_again(run) == 1
    await real_desk.update(run, "abort")
    await replays(real_desk.env.client, run)
