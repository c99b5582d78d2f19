"""A no that WeChat takes back, of a poll or a forged push: its yes ends the send, and stops what was to follow."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.test_problems import refused
from tests.workflows.test_unknown_is_not_no import answer

pytestmark = pytest.mark.long

NOES = [("SEND_FAIL", "poll", "send_failed"), ("err(30001)", "push", "originality_check_error")]
"""What WeChat says, by which way, and the problem that it is."""


async def awaiting(desk: Desk, said: str, by: str, **more: Any) -> tuple[WorkflowHandle[Any, Any], int]:
    """A send whose job was accepted, and of which a no is told by a push or a poll, and its msg_id."""
    desk.wechat.push_at_once = said if by == "push" else None
    handle = await desk.start(**more)
    status = await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].msg_id))
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    if by == "poll":
        desk.wechat.statuses[msg_id] = said
    return handle, msg_id


async def test_a_push_within_the_grace_of_a_polled_no_is_taken(desk: Desk) -> None:
    """SEND_FAIL of `mass/get` waits for the push that knows more; it says success, with its counts."""
    handle, msg_id = await awaiting(desk, "SEND_FAIL", "poll")
    await desk.until(handle, lambda status: bool(status.waiting_for and "says why" in status.waiting_for.reason))
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, result.totals and result.totals.sent) == ("sent", "push", 97)


@pytest.mark.parametrize("name", ["retry", "mark_sent", "abort"])
async def test_no_answer_fits_within_the_grace_of_a_polled_no(desk: Desk, name: str) -> None:
    """Nobody is asked yet: the push may know better, and then no second submission has gone out."""
    handle, msg_id = await awaiting(desk, "SEND_FAIL", "poll")
    await desk.until(handle, lambda status: bool(status.waiting_for and "says why" in status.waiting_for.reason))
    payload = {"msg_id": msg_id} if name == "mark_sent" else {}
    sentence = await refused(desk, handle, name, **payload)
    assert ("already accepted as msg_id" if name == "abort" else f"{name} does not fit now") in sentence
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


@pytest.mark.parametrize(("said", "by", "problem"), NOES)
async def test_a_push_that_says_success_ends_the_question(desk: Desk, said: str, by: str, problem: str) -> None:
    """While an operator is asked, the true push completes the send; no answer fits any more."""
    handle, msg_id = await awaiting(desk, said, by)
    await desk.asks(handle, problem)
    assert "does not answer" in await refused(desk, handle, "mark_sent", msg_id=msg_id)
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].status, len(desk.wechat.tries)) == ("sent", "send success", 1)


@pytest.mark.history
async def test_a_yes_of_mass_get_ends_the_send_that_was_to_be_retried(desk: Desk) -> None:
    """The retry is refused, and what WeChat said on the way is not forgotten: the send is sent."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    assert "SEND_SUCCESS" in await refused(desk, handle, "retry")
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, len(desk.wechat.tries)) == ("sent", "poll", 1)
    assert (await desk.ledger()).records[0].ended_as == "sent"


async def test_an_abort_that_wechat_does_not_contradict_is_an_abort(desk: Desk) -> None:
    """`mass/get` says SEND_FAIL as the push did: nothing was delivered."""
    handle, msg_id = await awaiting(desk, "err(30001)", "push")
    await desk.asks(handle, "originality_check_error")
    desk.wechat.statuses[msg_id] = "SEND_FAIL"
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)


@pytest.mark.parametrize(("said", "by"), [("SEND_FAIL", "poll"), ("err(30001)", "push")])
async def test_a_yes_after_the_end_is_what_the_key_stands_for(desk: Desk, said: str, by: str) -> None:
    """Aborted while WeChat knew no better; the true push comes; the same key again is sent, and sends nothing."""
    handle, msg_id = await awaiting(desk, said, by)
    await desk.until(handle, lambda status: status.phase == "needs_operator", timedelta(minutes=20))
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"
    await desk.wechat.push(msg_id)
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].msg_id, result.jobs[0].deduplicated) == ("sent", msg_id, True)
    assert len(desk.wechat.tries) == 1


@pytest.mark.parametrize("second", ["send fail", "send success"])
@pytest.mark.parametrize(("said", "by", "problem"), NOES)
async def test_a_yes_on_the_first_generation_waits_for_the_second(
    desk: Desk, said: str, by: str, problem: str, second: str
) -> None:
    """Retried after a no that was none: what became of the second submission is told as well."""
    handle, first = await awaiting(desk, said, by)
    await desk.asks(handle, problem)
    desk.wechat.push_at_once = None
    await desk.update(handle, "retry")
    await desk.until(handle, lambda status: len(desk.wechat.tries) == 2 and status.phase == "awaiting_result")
    await desk.wechat.push(first)
    await desk.seen(handle, f"msg_id {first}: send success")
    assert (await desk.status(handle)).phase == "awaiting_result"
    await desk.wechat.push(max(set(desk.wechat.accepted.values()) - {first}), second)
    result = await handle.result()
    states = ["sent", "sent" if second == "send success" else "failed"]
    assert (result.outcome, [job.state for job in result.jobs]) == ("sent", states)


@pytest.mark.parametrize(("said", "by", "problem"), NOES)
async def test_a_yes_before_the_second_submission_stops_it(desk: Desk, said: str, by: str, problem: str) -> None:
    """Retried after a no that was none, and the account is frozen: the true push ends the send with one delivery."""
    handle, first = await awaiting(desk, said, by)
    await desk.asks(handle, problem)
    await desk.freeze()
    await desk.update(handle, "retry")
    await desk.until(handle, lambda status: bool(status.waiting_for and "frozen" in status.waiting_for.reason))
    await desk.wechat.push(first)
    result = await handle.result()
    assert (result.outcome, [job.msg_id for job in result.jobs]) == ("sent", [first])
    await desk.unfreeze()
    assert (len(desk.wechat.tries), (await desk.ledger()).lease) == (1, None)


@pytest.mark.parametrize("names", [("retry", "abort"), ("abort", "retry")], ids="-".join)
@pytest.mark.parametrize(("said", "by", "problem"), NOES)
async def test_two_answers_to_a_no_have_one_winner(
    desk: Desk, said: str, by: str, problem: str, names: Sequence[str]
) -> None:
    """One is told why it was refused; a second submission goes out where the retry won, and only there.

    A retry that has not gone out yet can still be aborted.
    """
    handle, _ = await awaiting(desk, said, by)
    await desk.asks(handle, problem)
    desk.wechat.push_at_once = "send success"
    won = await asyncio.gather(*(answer(desk, handle, name) for name in names))
    winners = {name for name, one in zip(names, won, strict=True) if one}
    if winners == {"retry", "abort"}:
        assert [line.by for line in (await desk.status(handle)).history if line.by] == ["retry", "abort"]
    winner = "abort" if "abort" in winners else "retry"
    assert winner in winners
    if winner == "abort":
        result = await failure_of(handle)
        assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)
    else:
        assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1 + (winner == "retry")
