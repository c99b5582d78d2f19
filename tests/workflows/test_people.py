"""People and a send at the same time: what they answer is judged, and who comes second is told."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from qunfa.contract.result import JobFinished
from qunfa.contract.steps import WishStep
from qunfa.markdown import SUMMARY_BYTES
from qunfa.temporal.payloads import data_converter
from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.test_paths import NO, PROBLEM

pytestmark = pytest.mark.long

BIG = 100 * 1024


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


@pytest.mark.history
async def test_another_time_counts_while_the_lease_is_on_its_way(desk: Desk) -> None:
    """Rescheduled in the moment in which it was to go out: the lease is given back, and it goes out at the new time."""
    now = await desk.env.get_current_time()
    later = now + timedelta(days=3)

    async def reschedule(step: WishStep) -> None:
        if step.wish.turn is None:
            return
        desk.slow.after_wish = None
        answer = await desk.update(handle, "reschedule", send_at=later.isoformat())
        assert answer.send_at == later

    desk.slow.after_wish = reschedule
    handle = await desk.start(send_at=(now + timedelta(hours=1)).isoformat())
    result = await handle.result()
    assert (result.outcome, len(desk.wechat.tries)) == ("sent", 1)
    assert desk.wechat.tries[0].lease.not_before >= later


@pytest.mark.history
@pytest.mark.parametrize("way", ["abort", "on_problem"])
async def test_no_end_is_a_no_while_wechat_still_sends(desk: Desk, way: str) -> None:
    """`mass/get` goes on saying SENDING: unknown, also when the key is started again, until the true push comes."""
    desk.wechat.push_at_once = None
    handle = await desk.start(**({"on_problem": "fail"} if way == "on_problem" else {}))
    msg_id = await desk.accepted(handle)
    desk.wechat.statuses[msg_id] = "SENDING"
    await desk.wechat.push(msg_id, NO)
    if way == "abort":
        await desk.asks(handle, PROBLEM)
        await desk.update(handle, "abort")
    ends = [await failure_of(handle), await failure_of(await desk.start())]
    assert [(end.outcome, end.may_have_been_delivered) for end in ends] == [("unknown", True)] * 2
    assert all(end.problem is None or "Use no new key" in end.problem.todo for end in ends)
    assert ends[1].problem is not None
    await desk.wechat.push(msg_id)
    assert (await (await desk.start()).result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


async def test_a_frozen_send_goes_on_by_the_bytes_of_its_history(
    monkeypatch: pytest.MonkeyPatch, real_desk: Desk
) -> None:
    """Its account answers once it is unfrozen. Until then some big signals would fill the history."""
    monkeypatch.setattr("workflows.waiting.BYTES_FULL", 4 * BIG)
    desk = real_desk
    await desk.wechat.signal("push", JobFinished(msg_id=1, status="send success"))
    await desk.freeze()
    handle = await desk.start()
    await desk.waits(handle, "frozen by li")
    numbers = count(100)

    async def run_after_another_word() -> str | None:
        await handle.signal("job_finished", {"msg_id": next(numbers), "status": "send success", "odd": "x" * BIG})
        return (await handle.describe()).run_id

    await until(run_after_another_word, lambda run_id: run_id != handle.first_execution_run_id)
    await desk.waits(handle, "frozen by li")
    await desk.account.execute_update("unfreeze", {"by": "li", "reason": "right again"})
    assert (await handle.result()).outcome == "sent"
    assert len(desk.wechat.tries) == 1


async def test_a_long_reason_is_cut_in_the_history(real_desk: Desk) -> None:
    """Each summary has as many bytes as Temporal takes, in one line without what steers a terminal."""
    desk = real_desk
    await desk.wechat.signal("push", JobFinished(msg_id=1, status="send success"))
    await desk.freeze("冻\u202e" * 500)
    handle = await desk.start(not_after=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    await desk.waits(handle, "frozen by li: 冻")
    events = (await handle.fetch_history()).events
    summaries = [event.user_metadata.summary for event in events if event.user_metadata.HasField("summary")]
    texts = [str(text) for text in await data_converter.decode(summaries)]
    [timer] = [text for text in texts if text.startswith("frozen by li: 冻\\u202e冻")]
    assert len(timer.encode()) > SUMMARY_BYTES - 10
    assert all(len(text.encode()) <= SUMMARY_BYTES and text.isprintable() for text in texts)
