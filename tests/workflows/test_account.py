"""The account: freeze, second lives, pushes of every kind, and what it survives."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from qunfa.contract import account_id
from qunfa.contract.ledger import FreezeAnswer
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of, refusal_of
from tests.workflows.model import loses, says

pytestmark = pytest.mark.long


async def test_nothing_is_submitted_while_frozen(desk: Desk) -> None:
    """A frozen account holds every send and says who froze it; unfreeze lets them go."""
    await (await desk.start("other")).result()
    answer = await desk.freeze()
    assert (answer.frozen and answer.frozen.by, answer.in_flight) == ("li", ())
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.waiting_for is not None)
    assert status.waiting_for is not None
    assert status.waiting_for.reason == "frozen by li: wrong text"
    await desk.env.sleep(timedelta(hours=6))
    assert len(desk.wechat.tries) == 1
    await desk.unfreeze()
    assert (await handle.result()).outcome == "sent"


@pytest.mark.history
async def test_a_frozen_send_can_be_aborted(desk: Desk) -> None:
    """The wait for an unfreeze does not hold an abort."""
    await (await desk.start("other")).result()
    await desk.freeze()
    handle = await desk.start()
    await desk.until(handle, lambda status: status.waiting_for is not None)
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"


@pytest.mark.history
async def test_the_same_key_again_completes_from_the_ledger(desk: Desk) -> None:
    """Started again with the same content: the earlier result, and nothing is submitted."""
    first = await (await desk.start()).result()
    again = await (await desk.start()).result()
    assert again.outcome == "sent"
    (job,) = again.jobs
    assert (job.observed_by, job.deduplicated, job.msg_id) == ("ledger", True, first.jobs[0].msg_id)
    assert again.totals == first.totals
    assert len(desk.wechat.tries) == 1


@pytest.mark.history
async def test_the_same_key_for_other_content_is_refused(desk: Desk) -> None:
    """InvalidRequest names the key."""
    await (await desk.start()).result()
    other = await desk.start(message={"msgtype": "text", "content": "再见"})
    assert '"spring" stands for other content' in await refusal_of(other)
    assert len(desk.wechat.tries) == 1


async def test_a_key_that_failed_fails_again(desk: Desk) -> None:
    """WeChat's no, decided by abort: a restart with the same key submits nothing."""
    desk.wechat.push_at_once = "err(20001)"
    handle = await desk.start()
    await desk.asks(handle, "content_refused")
    await desk.update(handle, "abort")
    await failure_of(handle)
    result = await failure_of(await desk.start())
    assert result.outcome == "failed"
    assert result.problem is not None
    assert "This key has failed as content_refused" in result.problem.sentence
    assert len(desk.wechat.tries) == 1


async def test_a_definite_no_leaves_the_key_free(desk: Desk) -> None:
    """WeChat took nothing, so the same key may be started again."""
    desk.wechat.script = [says(48001)]
    await failure_of(await desk.start(on_problem="fail"))
    assert (await (await desk.start()).result()).outcome == "sent"


@pytest.mark.history
async def test_a_terminated_send_with_an_unknown_try_is_probed(desk: Desk) -> None:
    """The ledger remembers the unknown try: the same clientmsgid finds the accepted job."""
    desk.wechat.script = [loses]
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].state == "unknown"))
    await handle.terminate("killed")
    result = await (await desk.start()).result()
    assert result.outcome == "sent"
    assert len(desk.wechat.accepted) == 1
    assert {step.clientmsgid for step in desk.wechat.tries} == {result.jobs[0].clientmsgid}


async def test_a_terminated_send_that_was_accepted_is_awaited(desk: Desk) -> None:
    """The ledger remembers the msg_id: nothing is submitted, the verdict is awaited."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    await handle.terminate("killed")
    again = await desk.start()
    await desk.until(again, lambda status: status.phase == "awaiting_result")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    await desk.wechat.push(msg_id)
    assert (await again.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


async def test_a_push_before_the_answer_is_kept_and_matched(desk: Desk) -> None:
    """The push comes first, five times, in the middle of the try: one verdict, by push."""
    msg_id = 4_000_000_000

    async def push_first() -> None:
        for _ in range(5):
            await desk.wechat.push(msg_id)

    await push_first()
    assert [kept.event.msg_id for kept in (await desk.ledger()).kept] == [msg_id]
    desk.wechat.push_at_once = None
    desk.wechat.script = [lambda wechat, _step: wechat.answered("accepted", msg_id=msg_id)]
    result = await (await desk.start()).result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")
    assert (await desk.ledger()).kept == ()


async def test_a_push_after_the_end_is_kept_in_the_ledger(desk: Desk) -> None:
    """The send was settled by a poll; the push that comes later completes the record and harms nobody."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    desk.wechat.statuses[msg_id] = "SEND_SUCCESS"
    await handle.result()
    await desk.wechat.push(msg_id)
    again = await (await desk.start()).result()
    assert again.totals is not None
    assert again.totals.sent == 97


async def test_a_terminated_account_does_not_lose_a_push(desk: Desk) -> None:
    """A fresh ledger keeps the push of a job that it does not know; the send asks for it before it polls."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    await desk.env.client.get_workflow_handle(account_id(desk.wechat.facts.appid)).terminate("killed")
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")


async def test_malformed_messages_do_no_harm(desk: Desk) -> None:
    """Signals of any shape are dropped; the account and the send go on."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.until(handle, lambda status: status.phase == "awaiting_result")
    account = desk.env.client.get_workflow_handle(account_id(desk.wechat.facts.appid))
    junks: list[Any] = [
        None,
        3,
        "x",
        [],
        {},
        {"msg_id": "x"},
        {"msg_id": -1, "status": 3},
        {"key": "spring", "answer": 1},
    ]
    for junk in junks:
        await account.signal("push", junk)
        await account.signal("told", junk)
        await handle.signal("job_finished", junk)
        with pytest.raises(WorkflowUpdateFailedError):
            await account.execute_update("reserve", junk)
        with pytest.raises(WorkflowUpdateFailedError):
            await account.execute_update("freeze", junk)
    await account.signal("push")
    await account.cancel()
    msg_id = status.jobs[0].msg_id
    assert msg_id is not None
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"


async def test_many_sends_go_one_after_the_other(real_desk: Desk) -> None:
    """Twenty sends at once: each delivered once, at the account's pace."""
    desk = real_desk
    handles = [await desk.start(f"key-{number}") for number in range(20)]
    results = await asyncio.gather(*(handle.result() for handle in handles))
    assert {result.outcome for result in results} == {"sent"}
    assert len(desk.wechat.accepted) == len(desk.wechat.tries) == 20
    times = sorted(step.not_before for step in desk.wechat.tries)
    pace = desk.wechat.facts.timing.pace
    assert all(after - before >= pace for before, after in itertools.pairwise(times))


@pytest.mark.history
@pytest.mark.usefixtures("noon")
async def test_the_account_continues_as_new_and_forgets_nothing(desk: Desk) -> None:
    """More messages than a run takes: the ledger goes on in the next run."""
    await (await desk.start()).result()
    account = desk.env.client.get_workflow_handle(account_id(desk.wechat.facts.appid))
    first_run = (await account.describe()).run_id
    for number in range(450):
        await account.signal("push", {"msg_id": 5_000_000_000 + number, "status": "send success"})
    again = await (await desk.start()).result()
    assert again.jobs[0].deduplicated
    assert (await account.describe()).run_id != first_run
    ledger = await desk.ledger()
    assert len(ledger.kept) == 200
    day = next(iter(ledger.book.values()))
    assert (day.total, day.to_all, day.others) == (1, 1, 450)


async def test_unfreeze_of_an_open_account_is_harmless(desk: Desk) -> None:
    """The switch may be set to what it is."""
    await (await desk.start()).result()
    answer: FreezeAnswer = await desk.unfreeze()
    assert answer.frozen is None
