"""Two things at once: each has one winner, and no delivery too many."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from qunfa.contract import Status, account_id
from qunfa.contract.grants import Wish
from qunfa.contract.result import Answer
from qunfa.contract.steps import WishStep
from tests.looking import until
from tests.workflows import resets
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import dies, loses, says, silent
from tests.workflows.model_material import busy
from tests.workflows.test_material import VIDEO

pytestmark = pytest.mark.long


async def test_a_late_yes_stops_a_submission_whose_lease_is_coming(desk: Desk) -> None:
    """`send fail`, retry; the push that says success comes while the lease is granted: nothing more is submitted."""
    desk.wechat.push_at_once = "send fail"
    handle = await desk.start()
    msg_id = (await desk.asks(handle, "send_failed")).jobs[0].msg_id
    assert msg_id is not None

    async def push_first(step: WishStep) -> None:
        if step.wish.turn is not None:
            await desk.wechat.push(msg_id)
            await desk.seen(handle, "send success")

    desk.slow.before_wish = push_first
    await desk.update(handle, "retry")
    result = await handle.result()
    assert result.outcome == "sent"
    assert len(desk.wechat.tries) == 1
    assert (await desk.ledger()).lease is None


async def test_an_abort_while_a_duplicate_is_looked_up_is_refused(desk: Desk) -> None:
    """45065 has been answered: the send may have been delivered, whosever the msg_id turns out to be."""
    refusals: list[str] = []
    handles: list[Any] = []

    async def abort(_step: WishStep) -> None:
        if not desk.wechat.tries:
            return
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await desk.update(handles[0], "abort")
        refusals.append(str(caught.value.cause))

    desk.slow.before_wish = abort
    desk.wechat.script = [lambda wechat, step: wechat.answered("duplicate", errcode=45065, msg_id=wechat.accept(step))]
    handles.append(await desk.start())
    assert (await handles[0].result()).outcome == "sent"
    assert "may have reached WeChat" in refusals[0]


async def test_an_abort_acts_while_the_tag_cannot_be_looked_up(desk: Desk) -> None:
    """`tags/get` fails for hours: the wait is shown, and abort ends it."""
    desk.wechat.tags_fail = True
    audience = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}
    handle = await desk.start(audience=audience)
    await desk.until(handle, lambda status: bool(status.waiting_for and "tag 2" in status.waiting_for.reason))
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"


async def test_signals_with_too_many_inputs_wedge_nobody(desk: Desk) -> None:
    """They are dropped; the account and the send go on."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    account = desk.env.client.get_workflow_handle(account_id(desk.wechat.facts.appid))
    await account.signal("push", args=[{"msg_id": 1, "status": "x"}, 2])
    await account.signal("told", args=[{}, 2, 3])
    await handle.signal("job_finished", args=[{"msg_id": 1, "status": "x"}, 2])
    assert status.jobs[0].msg_id is not None
    await desk.wechat.push(status.jobs[0].msg_id)
    assert (await handle.result()).outcome == "sent"


async def test_an_earlier_generation_that_was_accepted_after_all_is_awaited(desk: Desk) -> None:
    """Confirmed as not delivered, then the first try's answer comes: it is awaited, and nothing is submitted."""
    desk.wechat.script = [loses, *[says(45028)] * 60]
    handle = await desk.start()
    await desk.asks(handle, "unknown_outcome")
    step, (msg_id,) = desk.wechat.tries[-1], desk.wechat.accepted.values()
    await desk.freeze()
    await desk.update(handle, "retry", confirm_not_delivered=True)
    await desk.until(handle, lambda status: bool(status.waiting_for and "frozen" in status.waiting_for.reason))
    await desk.wechat.tell(step, Answer(kind="accepted", at=await desk.env.get_current_time(), msg_id=msg_id))
    await desk.until(handle, lambda status: status.phase == "awaiting_result")
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    assert (await handle.result()).outcome == "sent"
    assert {one.generation for one in desk.wechat.tries} == {0}


async def test_a_key_of_other_content_hides_no_unknown_try(real_desk: Desk) -> None:
    """The ledger is lost and the key taken for other content meanwhile: the send ends as unknown, never as refused.

    It waits behind a freeze until then: otherwise the new ledger may hear of it first.
    """
    desk = real_desk
    desk.wechat.push_at_once = None
    desk.wechat.script = [loses, *[says(45028)] * 100]
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].state == "unknown"))
    await desk.freeze()
    await until(desk.ledger, lambda ledger: ledger.lease is None and ledger.waiting)
    account = desk.env.client.get_workflow_handle(account_id(desk.wechat.facts.appid))
    await account.terminate("lost")
    taken = Wish(
        wish="another", key="spring", digest="other", workflow_id="mass-send:brand:spring", run_id="b", searched=True
    )
    await desk.wechat.signal("wants", taken)
    await handle.signal("ledger_lost", {"at": (await desk.env.get_current_time()).isoformat()})  # as a worker does
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)


async def test_not_after_ends_the_wait_for_an_answer(desk: Desk) -> None:
    """Nothing was taken, and nothing may be submitted any more: expired, whatever decision_timeout says."""
    desk.wechat.script = [says(48001)]
    not_after = await desk.env.get_current_time() + timedelta(hours=3)
    handle = await desk.start(not_after=not_after.isoformat())
    await desk.asks(handle, "account_refused")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("expired", False)


async def test_many_answers_at_once_have_one_winner(desk: Desk) -> None:
    """Ten operators, one second submission."""
    desk.wechat.push_at_once = "send fail"
    handle = await desk.start()
    await desk.asks(handle, "send_failed")
    desk.wechat.push_at_once = "send success"
    answers = [handle.execute_update("retry", {"by": f"op-{number}", "reason": "x"}) for number in range(8)]
    ended = await asyncio.gather(*answers, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in ended) == 1
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 2


async def test_an_answer_after_its_time_is_refused(desk: Desk) -> None:
    """decision_timeout has come, the end is checked with the ledger: a retry is refused, not accepted and ignored."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start(decision_timeout="PT1H")
    await desk.asks(handle, "account_refused")
    refusals: list[str] = []

    async def retry(_step: Any) -> None:
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await desk.update(handle, "retry")
        refusals.append(str(caught.value.cause))

    desk.slow.before_wish = retry
    assert (await failure_of(handle)).outcome == "failed"
    assert "does not fit now" in refusals[0]


async def test_a_reset_while_the_ledger_is_full_waits(real_desk: Desk) -> None:
    """The reset run asks what is known, and for its turn, and waits for room again, instead of asking on and on."""
    desk = real_desk
    asked: set[str] = set()

    async def note(step: WishStep) -> None:
        asked.add(step.wish.wish)

    desk.slow.before_wish, desk.slow.says = note, "full"
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.waiting_for and "room" in status.waiting_for.reason))
    first = desk.env.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    run = await resets.reset(desk.env.client, first, (await resets.points(first))[-1])
    desk.started.append(run)
    await desk.until(run, lambda status: bool(status.waiting_for and "room" in status.waiting_for.reason))
    assert len(asked) <= 4


@pytest.mark.history
async def test_another_time_counts_while_the_lease_is_on_its_way(desk: Desk) -> None:
    """Rescheduled in the moment in which it was to go out: the lease is given back, and it goes out at the new time."""
    now = await desk.env.get_current_time()
    later = now + timedelta(days=3)

    async def reschedule(step: WishStep) -> None:
        if step.wish.turn is None:
            return
        desk.slow.after_wish = None
        asked = {"by": "li", "send_at": later.isoformat()}
        answer: Status = await handle.execute_update("reschedule", asked, result_type=Status)
        assert answer.send_at == later

    desk.slow.after_wish = reschedule
    handle = await desk.start(send_at=(now + timedelta(hours=1)).isoformat())
    result = await handle.result()
    assert (result.outcome, len(desk.wechat.tries)) == ("sent", 1)
    assert desk.wechat.tries[0].lease.not_before >= later


@pytest.mark.parametrize("planned", [timedelta(0), timedelta(days=2)], ids=["at once", "in two days"])
async def test_another_time_counts_while_material_is_uploaded(desk: Desk, planned: timedelta) -> None:
    """Later or earlier than the time that it had when the upload began."""
    now = await desk.env.get_current_time()
    wanted = now + (timedelta(days=3) if not planned else timedelta(0))
    desk.material.refuse("upload", busy())
    handle = await desk.start(message=VIDEO, **({"send_at": (now + planned).isoformat()} if planned else {}))
    await desk.until(handle, lambda status: bool(status.waiting_for and "upload" in status.waiting_for.reason))
    await handle.execute_update("reschedule", {"by": "li", "send_at": wanted.isoformat()}, result_type=Status)
    result = await handle.result()
    assert (result.outcome, len(desk.wechat.tries)) == ("sent", 1)
    written = desk.wechat.tries[0].lease.not_before
    assert written >= wanted
    assert written < wanted + timedelta(days=1)


@pytest.mark.history
async def test_a_push_on_a_job_that_only_the_ledger_knows_ends_the_question(desk: Desk) -> None:
    """The worker of an accepted try told the ledger, and was lost; nobody need look for it in WeChat's console."""
    desk.wechat.script = [dies, *[silent] * 60]
    not_after = await desk.env.get_current_time() + timedelta(minutes=30)
    handle = await desk.start(not_after=not_after.isoformat())
    await desk.asks(handle, "unknown_outcome")
    step = desk.wechat.tries[0]
    accepted = Answer(kind="accepted", at=step.lease.not_before, msg_id=desk.wechat.accept(step))
    await desk.wechat.tell(step, accepted)
    await desk.wechat.push(desk.wechat.accept(step))
    result = await handle.result()
    assert (result.outcome, result.jobs[0].msg_id) == ("sent", desk.wechat.accept(step))


@pytest.mark.history
async def test_before_an_unknown_end_the_ledger_is_asked(desk: Desk) -> None:
    """It has heard of the acceptance, and no push has come: the send goes on to its verdict."""
    desk.wechat.script = [dies, *[silent] * 60]
    not_after = await desk.env.get_current_time() + timedelta(minutes=30)
    handle = await desk.start(not_after=not_after.isoformat(), decision_timeout="PT2H")
    await desk.asks(handle, "unknown_outcome")
    step = desk.wechat.tries[0]
    msg_id = desk.wechat.accept(step)
    await desk.wechat.tell(step, Answer(kind="accepted", at=step.lease.not_before, msg_id=msg_id))
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "poll")
