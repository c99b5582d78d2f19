"""What waits for a person on Temporal: questions, the answers to them, and who comes first."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from qunfa.contract.result import Answer
from qunfa.contract.steps import AudienceFinding, SubmitStep
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import ModelWechat, accepts, duplicates, loses, says, silent

pytestmark = pytest.mark.long

NO = "err(30001)"
PROBLEM = "originality_check_error"


def delivers(wechat: ModelWechat, step: SubmitStep) -> Answer:
    """Accept, or say that it was accepted before, and push its success."""
    wechat.push_at_once = "send success"
    return accepts(wechat, step)


@pytest.mark.history
async def test_a_refused_token_is_renewed_once(desk: Desk) -> None:
    """40001 is tried again at once with a fresh token; twice in a row is a matter of the account."""
    desk.wechat.script = [says(40001)]
    assert (await (await desk.start("once")).result()).outcome == "sent"
    desk.wechat.script = [says(40001), says(42001)]
    handle = await desk.start("twice")
    await desk.asks(handle, "account_refused")


@pytest.mark.history
async def test_a_reprint_is_sent_again_with_the_flag(desk: Desk) -> None:
    """err(30003): retry needs send_ignore_reprint, and is a second submission with its own clientmsgid."""
    desk.wechat.push_at_once = "err(30003)"
    handle = await desk.start()
    await desk.asks(handle, "reprint_needs_decision")
    assert "send_ignore_reprint" in await desk.refused(handle, "retry")
    desk.wechat.push_at_once = "send success"
    await desk.update(handle, "retry", send_ignore_reprint=True)
    result = await handle.result()
    assert [(job.generation, job.state) for job in result.jobs] == [(0, "failed"), (1, "sent")]
    assert [step.send_ignore_reprint for step in desk.wechat.tries] == [False, True]
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 2


@pytest.mark.history
async def test_a_send_that_nobody_decides_about_ends(desk: Desk) -> None:
    """When decision_timeout ends the send has failed, with the problem."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start(decision_timeout="PT1H")
    result = await failure_of(handle)
    assert (result.outcome, result.problem and result.problem.name) == ("failed", "account_refused")
    assert not result.may_have_been_delivered


@pytest.mark.history
async def test_retry_of_a_missing_verdict_asks_again_and_submits_nothing(desk: Desk) -> None:
    """no_verdict: retry asks `mass/get` again."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    msg_id = (await desk.asks(handle, "no_verdict")).jobs[0].msg_id
    assert msg_id is not None
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


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


async def test_an_account_that_asks_tells_what_it_has_counted(desk: Desk) -> None:
    """A person decides at once, with WeChat's words and the account's book."""
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"quota": "ask"})
    desk.wechat.script = [says(45028)]
    problem = (await desk.asks(await desk.start(), "quota_exhausted")).problem
    assert problem is not None
    assert (problem.errcode, problem.errmsg) == (45028, "says 45028")
    assert "Counted here before it: 0 accepted today (0 to all), 0 this month (0 to all)" in problem.sentence


@pytest.mark.history
async def test_a_late_lease_is_no_try(desk: Desk) -> None:
    """An activity that comes after its lease writes nothing; the next one does."""
    desk.wechat.late = True
    result = await (await desk.start()).result()
    assert result.outcome == "sent"
    assert len(desk.wechat.tries) == 1


@pytest.mark.history
async def test_retry_of_an_unknown_outcome_needs_a_confirmation(desk: Desk) -> None:
    """Only `confirm_not_delivered` opens a new generation, with a new clientmsgid."""
    desk.wechat.script = [silent, *[says(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, "unknown_outcome")
    assert "confirm_not_delivered" in await desk.refused(handle, "retry")
    desk.wechat.script = []
    await desk.update(handle, "retry", confirm_not_delivered=True)
    result = await handle.result()
    assert [(job.generation, job.state) for job in result.jobs] == [(0, "failed"), (1, "sent")]
    assert result.jobs[0].clientmsgid != result.jobs[1].clientmsgid
    assert result.jobs[0].observed_by == "operator"


@pytest.mark.history
async def test_mark_sent_takes_a_msg_id_that_wechat_knows(desk: Desk) -> None:
    """A msg_id from the console is checked by `mass/get`, then awaited like any other."""
    desk.wechat.script = [loses, *[says(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, "unknown_outcome")
    (msg_id,) = desk.wechat.accepted.values()
    assert "does not know" in await desk.refused(handle, "mark_sent", msg_id=msg_id)
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    status = await desk.update(handle, "mark_sent", msg_id=msg_id)
    assert status.phase == "awaiting_result"
    result = await handle.result()
    assert (result.outcome, result.jobs[0].msg_id) == ("sent", msg_id)
    assert (await desk.ledger()).records[0].jobs[0].msg_id == msg_id


@pytest.mark.history
async def test_a_duplicate_of_another_job_is_a_collision(desk: Desk) -> None:
    """45065 with a msg_id that belongs to another key was no acceptance."""
    [job] = (await (await desk.start("other")).result()).jobs
    assert job.msg_id is not None
    desk.wechat.script = [duplicates(job.msg_id)]
    handle = await desk.start()
    status = await desk.asks(handle, "clientmsgid_collision")
    assert status.answers == ("mark_sent", "abort")
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)


@pytest.mark.history
async def test_where_wechat_keeps_the_clientmsgid_a_retry_gets_another(desk: Desk) -> None:
    """45065 with the job that failed: nothing comes through under that id, so the retry goes on under its own."""
    desk.wechat.script, desk.wechat.push_at_once = [silent, accepts, accepts, delivers], NO
    handle = await desk.start()
    await desk.asks(handle, PROBLEM)
    await desk.update(handle, "retry")
    result = await handle.result()
    assert (result.outcome, [job.state for job in result.jobs]) == ("sent", ["failed", "refused", "sent"])
    first, second, third, last = [step.clientmsgid for step in desk.wechat.tries]
    assert first == second == third != last


@pytest.mark.history
async def test_where_wechat_frees_the_clientmsgid_a_retry_takes_it(desk: Desk) -> None:
    """The retry blocks the id for the slow try."""
    desk.wechat.script, desk.wechat.push_at_once = [silent, accepts, delivers], NO
    handle = await desk.start()
    await desk.asks(handle, PROBLEM)
    desk.wechat.accepted.clear()
    await desk.update(handle, "retry")
    result = await handle.result()
    assert (result.outcome, [job.state for job in result.jobs]) == ("sent", ["failed", "sent"])
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1


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


@pytest.mark.parametrize("name", ["retry", "abort", "mark_sent"])
async def test_a_malformed_answer_is_refused_and_changes_nothing(desk: Desk, name: str) -> None:
    """Every update names what is wrong with it; the send waits on."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start()
    before = await desk.asks(handle, "account_refused")
    for payload in ({}, {"by": "li", "reason": "x", "force": True}, None):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(name, *([] if payload is None else [payload]))
    assert await desk.status(handle) == before


async def test_many_answers_at_once_have_one_winner(desk: Desk) -> None:
    """Eight operators, one second submission."""
    desk.wechat.push_at_once = "send fail"
    handle = await desk.start()
    await desk.asks(handle, "send_failed")
    desk.wechat.push_at_once = "send success"
    answers = [handle.execute_update("retry", {"by": f"op-{number}", "reason": "x"}) for number in range(8)]
    ended = await asyncio.gather(*answers, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in ended) == 1
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 2
