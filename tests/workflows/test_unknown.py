"""Unknown is not no: what follows a try of which nobody knows whether WeChat took it."""

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import Scripted, accepts, dies, loses, says, silent, unreachable, untold
from tests.workflows.questions import duplicates

pytestmark = pytest.mark.long

FOUND = 4_000_000_001
"""A msg_id that an operator has found in WeChat's console."""


@pytest.mark.parametrize(
    "script",
    [
        [loses],
        [dies],
        [loses, says(45066, "unknown"), says(45066, "unknown")],
        [loses, says(-1, "unknown")],
        [loses, says(45028)],
        [loses, says(40007)],
        [loses, says(48001)],
        [loses, says(40001), says(40001), says(40001)],
        [loses, says(424242)],
        [says(-1, "unknown")],
        [unreachable, unreachable, loses, unreachable],
    ],
    ids=lambda script: "-".join(getattr(one, "__name__", "code") for one in script),
)
async def test_the_same_clientmsgid_is_tried_until_wechat_says_accepted(desk: Desk, script: Sequence[Scripted]) -> None:
    """Whatever WeChat says after an unknown try, only acceptance settles it, and it is delivered once."""
    desk.wechat.script = list(script)
    result = await (await desk.start()).result()
    assert result.outcome == "sent"
    assert {step.clientmsgid for step in desk.wechat.tries} == {result.jobs[0].clientmsgid}
    assert len(desk.wechat.accepted) == 1
    times = [step.lease.not_before for step in desk.wechat.tries]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert all(gap >= timedelta(seconds=59) for gap in gaps)


async def test_after_the_window_a_person_is_asked_and_nothing_more_is_tried(desk: Desk) -> None:
    """23 hours after the unknown try the probing ends, before WeChat forgets the clientmsgid."""
    desk.wechat.script = [silent, *[says(45028)] * 100]
    handle = await desk.start()
    status = await desk.asks(handle, "unknown_outcome")
    first, last = desk.wechat.tries[0], desk.wechat.tries[-1]
    assert last.lease.not_before - first.lease.not_before < timedelta(hours=23)
    assert all(step.write_before <= first.lease.not_before + timedelta(hours=23) for step in desk.wechat.tries)
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1
    assert status.answers == ("retry", "mark_sent", "abort")
    tries = len(desk.wechat.tries)
    await desk.env.sleep(timedelta(days=1))
    assert len(desk.wechat.tries) == tries
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)


async def test_an_undecided_unknown_ends_as_unknown(desk: Desk) -> None:
    """Nobody decides within decision_timeout: unknown, never failed."""
    desk.wechat.script = [silent, *[says(45028)] * 100]
    handle = await desk.start(decision_timeout="PT2H")
    result = await failure_of(handle)
    assert (result.outcome, result.problem and result.problem.name) == ("unknown", "unknown_outcome")
    assert result.may_have_been_delivered


async def test_an_undecided_verdict_ends_as_unknown(desk: Desk) -> None:
    """WeChat has accepted it and never said what became of it, and nobody decides either."""
    desk.wechat.push_at_once = None
    handle = await desk.start(decision_timeout="PT2H")
    result = await failure_of(handle)
    assert (result.outcome, result.problem and result.problem.name) == ("unknown", "no_verdict")
    assert (result.may_have_been_delivered, result.jobs[0].state) == (True, "accepted")


async def test_an_unknown_try_is_not_repeated_after_not_after(desk: Desk) -> None:
    """`not_after` ends the probing: a probe could deliver."""
    desk.wechat.script = [silent] * 100
    now = await desk.env.get_current_time()
    handle = await desk.start(not_after=(now + timedelta(hours=2)).isoformat())
    await desk.asks(handle, "unknown_outcome")
    assert all(step.lease.not_before < now + timedelta(hours=2) for step in desk.wechat.tries)
    assert all(step.write_before <= now + timedelta(hours=2) for step in desk.wechat.tries)


@pytest.mark.history
async def test_retry_of_an_unknown_outcome_needs_a_confirmation(desk: Desk) -> None:
    """Only `confirm_not_delivered` opens a new generation, with a new clientmsgid."""
    desk.wechat.script = [silent, *[says(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, "unknown_outcome")
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await desk.update(handle, "retry")
    assert "confirm_not_delivered" in str(caught.value.cause)
    desk.wechat.script = []
    await desk.update(handle, "retry", confirm_not_delivered=True)
    result = await handle.result()
    assert [job.generation for job in result.jobs] == [0, 1]
    assert [job.state for job in result.jobs] == ["failed", "sent"]
    assert result.jobs[0].clientmsgid != result.jobs[1].clientmsgid
    assert result.jobs[0].observed_by == "operator"


@pytest.mark.history
async def test_mark_sent_takes_a_msg_id_that_wechat_knows(desk: Desk) -> None:
    """A msg_id from the console is checked by `mass/get`, then awaited like any other."""
    desk.wechat.script = [loses, *[says(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, "unknown_outcome")
    (msg_id,) = desk.wechat.accepted.values()
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await desk.update(handle, "mark_sent", msg_id=msg_id)
    assert "does not know" in str(caught.value.cause)
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    status = await desk.update(handle, "mark_sent", msg_id=msg_id)
    assert status.phase == "awaiting_result"
    result = await handle.result()
    assert (result.outcome, result.jobs[0].msg_id) == ("sent", msg_id)
    assert (await desk.ledger()).records[0].jobs[0].msg_id == msg_id


async def test_mark_sent_refuses_another_sends_job(desk: Desk) -> None:
    """A msg_id that the ledger knows for another key is refused by name."""
    await (await desk.start("other")).result()
    (msg_id,) = desk.wechat.accepted.values()
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    desk.wechat.script = [silent, *[says(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, "unknown_outcome")
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await desk.update(handle, "mark_sent", msg_id=msg_id)
    assert "key other" in str(caught.value.cause)
    assert (await desk.status(handle)).phase == "needs_operator"
    await desk.update(handle, "abort")


@pytest.mark.history
async def test_a_duplicate_of_another_job_is_a_collision(desk: Desk) -> None:
    """45065 with a msg_id that belongs to another key was no acceptance."""
    other = await (await desk.start("other")).result()
    desk.wechat.script = [
        lambda wechat, _step: wechat.answered("duplicate", errcode=45065, msg_id=other.jobs[0].msg_id)
    ]
    handle = await desk.start()
    status = await desk.asks(handle, "clientmsgid_collision")
    assert status.answers == ("mark_sent", "abort")
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)


async def test_mark_sent_settles_a_collision(desk: Desk) -> None:
    """The msg_id of another key is refused; its own, found in the console, is awaited like any other."""
    other = await (await desk.start("other")).result()
    others = other.jobs[0].msg_id
    assert others is not None
    desk.wechat.statuses[others] = desk.wechat.statuses[FOUND] = "SEND_SUCCESS"
    desk.wechat.script = [duplicates(others)]
    handle = await desk.start()
    await desk.asks(handle, "clientmsgid_collision")
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await desk.update(handle, "mark_sent", msg_id=others)
    assert "key other" in str(caught.value.cause)
    await desk.update(handle, "mark_sent", msg_id=FOUND)
    result = await handle.result()
    assert (result.outcome, result.jobs[-1].msg_id, len(desk.wechat.accepted)) == ("sent", FOUND, 1)


@pytest.mark.history
async def test_a_late_lease_is_no_try(desk: Desk) -> None:
    """An activity that comes after its lease writes nothing; the next one does."""
    desk.wechat.late = True
    result = await (await desk.start()).result()
    assert result.outcome == "sent"
    assert len(desk.wechat.tries) == 1


async def test_an_answer_that_the_ledger_was_not_told_gives_its_lease_back(desk: Desk) -> None:
    """The workflow tells it: WeChat's no is one in the ledger, too, and nobody waits for the lease to run out."""
    desk.wechat.script = [untold(says(48001))]
    handle = await desk.start()
    await desk.asks(handle, "account_refused")
    ledger = await desk.ledger()
    assert ledger.lease is None
    (job,) = ledger.records[0].jobs
    assert (job.ever_unknown, job.unanswered, job.answer and job.answer.errcode) == (False, (), 48001)
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).may_have_been_delivered is False


@pytest.mark.parametrize(("scripted", "accepted"), [(silent, False), (accepts, True)])
async def test_an_answer_that_the_ledger_was_not_told_is_what_it_is(
    desk: Desk, scripted: Scripted, accepted: bool
) -> None:
    """A doubt stays one, and an acceptance counts once in the quota book."""
    desk.wechat.script, desk.wechat.push_at_once = [untold(scripted), *[says(45028)] * 5], None
    handle = await desk.start()
    await desk.seen(handle, "try 1")
    ledger = await until(desk.ledger, lambda ledger: ledger.lease is None)
    (job,) = ledger.records[0].jobs
    assert (job.ever_unknown, job.msg_id is not None) == (not accepted, accepted)
    assert sum(day.total for day in ledger.book.values()) == int(accepted)
