"""What waits for a person, and what the answers do."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage

from qunfa.contract.steps import AudienceFinding
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import says

pytestmark = pytest.mark.long


async def refused(desk: Desk, handle: WorkflowHandle[object, object], name: str, **payload: object) -> str:
    """The sentence with which an update is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await desk.update(handle, name, **payload)
    return str(caught.value.cause)


@pytest.mark.parametrize(
    ("errcode", "problem"),
    [
        (48001, "account_refused"),
        (40164, "ip_not_whitelisted"),
        (40152, "audience_refused"),
        (45002, "content_refused"),
        (45067, "request_refused"),
        (40007, "media_refused"),
    ],
)
async def test_a_definite_no_asks_and_retry_keeps_the_generation(desk: Desk, errcode: int, problem: str) -> None:
    """WeChat took nothing, so a retry is the same generation with the same clientmsgid."""
    desk.wechat.script = [says(errcode)]
    handle = await desk.start()
    status = await desk.asks(handle, problem)
    assert status.problem is not None
    assert (status.problem.errcode, status.problem.rid) == (errcode, "1-2-3")
    if "retry" not in status.answers:
        return
    status = await desk.update(handle, "retry")
    assert (status.phase, status.problem) == ("submitting", None)
    result = await handle.result()
    assert [(job.generation, job.state) for job in result.jobs] == [(0, "sent")]
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1
    answered = next(line for line in (await desk.status(handle)).history if line.by)
    assert (answered.by, answered.reason, answered.what) == ("li", "looked", f"retry of {problem}")


@pytest.mark.history
async def test_a_refused_token_is_renewed_once(desk: Desk) -> None:
    """40001 is tried again at once with a fresh token; twice in a row is a matter of the account."""
    desk.wechat.script = [says(40001)]
    assert (await (await desk.start("once")).result()).outcome == "sent"
    desk.wechat.script = [says(40001), says(42001)]
    handle = await desk.start("twice")
    await desk.asks(handle, "account_refused")


@pytest.mark.parametrize(
    ("pushed", "problem", "answers"),
    [
        ("err(30001)", "originality_check_error", ("retry", "abort")),
        ("err(30002)", "originality_forbidden", ("abort",)),
        ("err(20001)", "content_refused", ("abort",)),
        ("err(20431)", "content_refused", ("abort",)),
        ("err(40001)", "admin_refused", ("retry", "abort")),
        ("err(40002)", "admin_timeout", ("retry", "abort")),
        ("sendfail", "send_failed", ("retry", "abort")),
    ],
)
async def test_a_no_of_wechats_asks_with_its_answers(
    desk: Desk, pushed: str, problem: str, answers: tuple[str, ...]
) -> None:
    """Each status that is a no becomes its problem; abort then ends as aborted, for nothing was delivered."""
    desk.wechat.push_at_once = pushed
    handle = await desk.start()
    status = await desk.asks(handle, problem)
    assert status.answers == answers
    if "retry" not in answers:
        assert "does not answer" in await refused(desk, handle, "retry")
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)


@pytest.mark.history
async def test_a_reprint_is_sent_again_with_the_flag(desk: Desk) -> None:
    """err(30003): retry needs send_ignore_reprint, and is a second submission with its own clientmsgid."""
    desk.wechat.push_at_once = "err(30003)"
    handle = await desk.start()
    await desk.asks(handle, "reprint_needs_decision")
    assert "send_ignore_reprint" in await refused(desk, handle, "retry")
    desk.wechat.push_at_once = "send success"
    await desk.update(handle, "retry", send_ignore_reprint=True)
    result = await handle.result()
    assert [(job.generation, job.state) for job in result.jobs] == [(0, "failed"), (1, "sent")]
    assert [step.send_ignore_reprint for step in desk.wechat.tries] == [False, True]
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 2


@pytest.mark.parametrize("status", ["SENDING", "SEND_SUCCESS"])
async def test_no_second_submission_while_wechat_contradicts_the_push(desk: Desk, status: str) -> None:
    """A forged err(30001): `mass/get` says otherwise, so the retry is refused."""
    desk.wechat.push_at_once = "err(30001)"
    handle = await desk.start()
    found = await desk.asks(handle, "originality_check_error")
    msg_id = found.jobs[0].msg_id
    assert msg_id is not None
    desk.wechat.statuses[msg_id] = status
    assert status in await refused(desk, handle, "retry")
    assert len(desk.wechat.tries) == 1
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"


async def test_two_operators_at_once_have_one_winner(desk: Desk) -> None:
    """Two retries of a failed send make one second submission."""
    desk.wechat.push_at_once = "send fail"
    handle = await desk.start()
    await desk.asks(handle, "send_failed")
    desk.wechat.push_at_once = "send success"
    first = await handle.start_update(
        "retry", {"by": "li", "reason": "a"}, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=dict
    )
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("retry", {"by": "wang", "reason": "b"})
    await first.result()
    result = await handle.result()
    assert [job.generation for job in result.jobs] == [0, 1]
    assert len(desk.wechat.tries) == 2


@pytest.mark.history
async def test_a_send_that_nobody_decides_about_ends(desk: Desk) -> None:
    """When decision_timeout ends the send has failed, with the problem."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start(decision_timeout="PT1H")
    result = await failure_of(handle)
    assert (result.outcome, result.problem and result.problem.name) == ("failed", "account_refused")
    assert not result.may_have_been_delivered


async def test_a_push_supersedes_what_was_believed(desk: Desk) -> None:
    """A send that waits for a decision about its silence completes when the push comes after all."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.asks(handle, "no_verdict")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")


@pytest.mark.history
async def test_retry_of_a_missing_verdict_asks_again_and_submits_nothing(desk: Desk) -> None:
    """no_verdict: retry asks `mass/get` again."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.asks(handle, "no_verdict")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


async def test_mark_sent_of_a_missing_verdict_waits_for_it_again(desk: Desk) -> None:
    """no_verdict: the msg_id that WeChat gave is the only one that fits; it is awaited again, nothing is submitted."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.asks(handle, "no_verdict")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    desk.wechat.statuses[msg_id] = desk.wechat.statuses[msg_id + 1] = "SEND_SUCCESS"
    assert f"as msg_id {msg_id}" in await refused(desk, handle, "mark_sent", msg_id=msg_id + 1)
    await desk.update(handle, "mark_sent", msg_id=msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].msg_id, len(desk.wechat.tries)) == ("sent", msg_id, 1)


@pytest.mark.parametrize("found", [AudienceFinding(found=True, name="VIPs", count=10), AudienceFinding(found=False)])
async def test_a_tag_that_is_not_as_expected_asks_before_submission(desk: Desk, found: AudienceFinding) -> None:
    """`expect` is checked before the submission, and again on retry."""
    desk.wechat.tags[2] = found
    audience = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP", "max": 50}}
    handle = await desk.start(audience=audience)
    await desk.asks(handle, "audience_changed")
    assert desk.wechat.tries == []
    desk.wechat.tags[2] = AudienceFinding(found=True, name="VIP", count=51)
    await desk.update(handle, "retry")
    status = await desk.asks(handle, "audience_changed")
    assert status.problem is not None
    assert "51" in status.problem.sentence
    desk.wechat.tags[2] = AudienceFinding(found=True, name="VIP", count=50)
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"by": "li"},
        {"by": " ", "reason": "x"},
        {"by": "li", "reason": "x", "force": True},
        {"by": 3, "reason": "x"},
    ],
)
@pytest.mark.parametrize("name", ["retry", "abort", "mark_sent"])
async def test_a_malformed_answer_is_refused_and_changes_nothing(
    desk: Desk, name: str, payload: dict[str, object]
) -> None:
    """Every update names what is wrong with it; the send waits on."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start()
    before = await desk.asks(handle, "account_refused")
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update(name, payload)
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update(name)
    assert await desk.status(handle) == before


@pytest.mark.history
async def test_quota_waits_for_midnight_in_shanghai(desk: Desk) -> None:
    """45028 is tried again on the next Shanghai day, with the same clientmsgid."""
    desk.wechat.script = [says(45028)]
    result = await (await desk.start()).result()
    assert result.outcome == "sent"
    first, second = desk.wechat.tries
    assert first.clientmsgid == second.clientmsgid
    shanghai = second.lease.not_before + timedelta(hours=8)
    assert shanghai.date() == (first.lease.not_before + timedelta(hours=8)).date() + timedelta(days=1)
    assert (shanghai.hour, shanghai.minute < 4) == (0, True)
