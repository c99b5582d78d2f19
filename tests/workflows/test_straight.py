"""The straight way of a send, and the verdicts that end it."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from qunfa.contract import MassSendResult
from qunfa.contract.request import Tag
from qunfa.contract.steps import Listed
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of


@pytest.mark.history
async def test_a_send_reaches_its_verdict_by_push(desk: Desk) -> None:
    """Accepted, pushed, sent: with the counts of the push."""
    handle = await desk.start()
    result = await handle.result()
    assert result.outcome == "sent"
    assert result.may_have_been_delivered
    (job,) = result.jobs
    assert (job.state, job.observed_by, job.deduplicated) == ("sent", "push", False)
    assert result.totals is not None
    assert result.totals.sent == 97
    assert len(desk.wechat.tries) == 1


@pytest.mark.parametrize(
    "audience",
    [{"kind": "tag", "tag_id": 2}, {"kind": "openids", "openids": [f"o{number}" for number in range(10_000)]}],
)
async def test_every_audience_goes_the_same_way(desk: Desk, audience: dict[str, object]) -> None:
    """A tag reaches the submission as it was asked for; ten thousand openids are named by their digest."""
    result = await (await desk.start(audience=audience)).result()
    assert result.outcome == "sent"
    (step,) = desk.wechat.tries
    openids = audience.get("openids")
    named = Listed.of(tuple(openids)) if isinstance(openids, list) else Tag.model_validate(audience)
    assert step.audience == named
    assert len(step.model_dump_json()) < 2_000


async def test_the_story_is_told_when_it_is_done(desk: Desk) -> None:
    """A closed send still answers `status`, with its story in order and nothing to answer."""
    handle = await desk.start()
    await handle.result()
    status = await desk.status(handle)
    assert (status.phase, status.answers, status.waiting_for) == ("done", (), None)
    assert [line.what for line in status.history] == [
        f"try 1: accepted as msg_id {status.jobs[0].msg_id}",
        f"WeChat's push on msg_id {status.jobs[0].msg_id}: send success",
        "ended as sent",
    ]
    assert (status.progress.jobs, status.progress.accepted, status.progress.done) == (1, 1, 1)
    assert status.progress.followers == 97


async def test_a_push_with_nobody_reached_completes_flagged(desk: Desk) -> None:
    """`send success` that reached nobody completes as sent_nobody."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    await desk.wechat.push(msg_id, sent=0)
    assert (await handle.result()).outcome == "sent_nobody"


@pytest.mark.history
async def test_a_push_that_never_comes_is_asked_for(desk: Desk) -> None:
    """Without a push `mass/get` decides: sent, and no counts."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, result.totals) == ("sent", "poll", None)


@pytest.mark.history
async def test_a_push_ends_the_asking(desk: Desk) -> None:
    """A push that comes hours late, while `mass/get` says SENDING, is taken with its counts."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    await desk.env.sleep(timedelta(hours=5))
    assert "mass/get" in (await desk.status(handle)).waiting_for.reason  # type: ignore[union-attr]
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")


@pytest.mark.history
async def test_a_polled_failure_waits_for_the_push_that_knows_more(desk: Desk) -> None:
    """SEND_FAIL of `mass/get`, then the push says err(30001): the push names the problem."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    desk.wechat.statuses[msg_id] = "SEND_FAIL"
    waits = "the push that says why"
    await desk.until(handle, lambda status: bool(status.waiting_for and waits in status.waiting_for.reason))
    await desk.wechat.push(msg_id, "err(30001)")
    await desk.asks(handle, "originality_check_error")
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"


async def test_a_day_of_silence_asks_a_person(desk: Desk) -> None:
    """No verdict within give_up_after is no_verdict; abort then ends as unknown."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.asks(handle, "no_verdict")
    assert status.answers == ("retry", "mark_sent", "abort")
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)


async def test_a_day_of_polling_adds_a_handful_of_events(desk: Desk) -> None:
    """The history of a send that waited a day stays short: the asking of a day is one activity."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    await desk.asks(handle, "no_verdict")
    history = await handle.fetch_history()
    assert len(history.events) < 100


@pytest.mark.parametrize("key", ["no_verdict", "unknown"])
async def test_on_problem_fail_fails_with_the_facts(desk: Desk, key: str) -> None:
    """With on_problem "fail" an open verdict ends as unknown, typed, and not to be retried."""
    desk.wechat.push_at_once = None
    handle = await desk.start(key, on_problem="fail")
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("MassSendFailed", True)
    result = MassSendResult.model_validate(cause.details[0])
    assert (result.outcome, result.problem and result.problem.name) == ("unknown", "no_verdict")
