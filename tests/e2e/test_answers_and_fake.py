"""What comes of answers, in a send and in a list: the same with a real worker and WeChat, and with the fake."""

from typing import Any, Final

import pytest

from qunfa.client import MassSendResult, Status, UpdateRefused
from tests.client.test_fake import HELD, SPLIT
from tests.e2e.sides import Side
from tests.e2e.test_client import WITHIN
from tests.looking import until

SOON: Final[dict[str, Any]] = {"result": {"push_timeout": 1, "poll_interval": 1, "give_up_after": 2}}


def rows(one: MassSendResult | Status) -> list[tuple[Any, ...]]:
    """Its jobs, as callers go by them."""
    return [
        (job.index, job.generation, job.state, job.msg_id is not None, job.observed_by, job.counts and job.counts.sent)
        for job in one.jobs
    ]


async def test_a_retried_send_has_a_row_for_each_job(side: Side) -> None:
    """What was refused stays, and comes first; also where the key comes again."""
    side.problem("admin_refused")
    handle = await side.send()
    asks = await side.asks(handle)
    assert rows(asks) == [(0, 0, "failed", True, "push", 0)]
    await handle.retry(by="li", reason="they know now")
    result = await handle.result(within=WITHIN)
    assert rows(result) == [(0, 0, "failed", True, "push", 0), (0, 1, "sent", True, "push", 100)]
    assert (result.totals and result.totals.sent, result.jobs[0].msg_id) == (100, asks.jobs[0].msg_id)
    progress = (await handle.status()).progress
    assert (progress.jobs, progress.accepted, progress.done, progress.followers) == (1, 1, 1, 100)
    again = await (await side.send()).result(within=WITHIN)
    assert rows(again) == [(0, 0, "failed", True, "ledger", 0), (0, 1, "sent", True, "ledger", 100)]
    assert [job.deduplicated for job in again.jobs] == [True, True]
    assert await side.was_delivered()


async def test_a_silence_is_ended_by_no_confirmed_abort(side: Side) -> None:
    """WeChat still calls the job SENDING, so it may be delivered. Its key asks again, and no retry doubles it."""
    side.silence()
    handle = await side.send(**SOON)
    asks = await side.asks(handle)
    assert rows(asks) == [(0, 0, "accepted", True, None, None)]
    with pytest.raises(UpdateRefused, match=f"as msg_id {asks.jobs[0].msg_id}, not 3"):
        await handle.mark_sent(by="li", reason="it is there", msg_id=3)
    await handle.abort(by="li", reason="not there", confirm_not_delivered=True)
    ended = await side.ended(handle)
    assert (ended.outcome, ended.may_have_been_delivered) == ("unknown", True)
    assert (ended.problem and ended.problem.name, ended.totals) == ("not_delivered", None)
    assert rows(ended) == [(0, 0, "failed", True, "operator", None)]
    again = await side.send(**SOON)
    assert (await side.asks(again)).answers == ("retry", "abort")
    with pytest.raises(UpdateRefused, match="WeChat now says SENDING of msg_id"):
        await again.retry(by="li", reason="not there")


async def test_who_deletes_a_send_leaves_no_counts(side: Side) -> None:
    """`mass/get` alone tells of it, and counts nobody."""
    if side.fake:
        side.fake.ends("deleted")
    elif side.scene:
        side.scene.plan(drop=True, job_status="DELETE")
    result = await (await side.send(**SOON)).result(within=WITHIN)
    assert (result.outcome, result.totals, rows(result)) == ("deleted", None, [(0, 0, "deleted", True, "poll", None)])


async def test_a_list_that_is_given_up_asks_when_it_comes_again(side: Side) -> None:
    """Its problem is that of a batch, which has no row before it is over. A resume goes on with those after it."""
    side.problem("admin_refused")
    more = side.listed(50)
    handle = await side.send(**more)
    asks = await side.asks(handle)
    assert (asks.problem and asks.problem.name, asks.answers) == ("admin_refused", ("retry", "abort"))
    assert (asks.batch, rows(asks), asks.progress.accepted, asks.progress.done) == (1, [], 0, 0)
    answer = await handle.abort(by="li", reason="enough")
    assert (answer.phase, answer.problem and answer.problem.name) == ("needs_operator", "admin_refused")
    ended = await side.ended(handle)
    assert ended.problem is not None
    assert (ended.outcome, ended.problem.name) == ("aborted", "batch_failed")
    said = "Batch 1 of 1, spring.1, ended as aborted (admin_refused). Nothing of it was delivered."
    assert ended.problem.sentence == said
    assert (rows(ended), ended.totals and ended.totals.sent) == ([(0, 0, "failed", True, None, 0)], 0)
    again = await side.send(**more)
    asks = await side.asks(again)
    assert (asks.problem and asks.problem.name, asks.answers) == ("batch_failed", ("resume", "abort"))
    assert (asks.batch, rows(asks), asks.progress.done) == (1, [(0, 0, "failed", True, None, 0)], 1)
    await again.resume(by="li")
    ended = await side.ended(again)
    assert (ended.outcome, ended.problem and ended.problem.name) == ("failed", "batch_failed")


async def test_a_resumed_list_goes_on_after_its_first_batch(side: Side) -> None:
    """It is sent in part: that batch has failed. Its key ends so again."""
    if side.scene:
        await side.scene.simulate(followers=10_001)
    side.problem("send_failed")
    more = side.listed(10_001)
    handle = await side.send(**more)
    await side.asks(handle)
    await handle.abort(by="li", reason="enough")
    assert (await side.ended(handle)).outcome == "aborted"
    again = await side.send(**more)
    await side.asks(again)
    await again.resume(by="li")
    for one in (again, await side.send(**more)):
        ended = await side.ended(one)
        assert (ended.outcome, ended.problem and ended.problem.name) == ("partly_sent", "batch_failed")
        assert [row[:4] for row in rows(ended)] == [(0, 0, "failed", True), (1, 0, "sent", True)]


async def test_a_list_without_a_word_of_wechat_is_in_doubt(side: Side) -> None:
    """Whoever says that nothing was delivered. What may still be delivered has a row of its own."""
    side.silence()
    handle = await side.send(**SOON, **side.listed(50))
    assert (await side.asks(handle)).answers == ("retry", "mark_sent", "abort")
    answer = await handle.abort(by="li", reason="not there", confirm_not_delivered=True)
    assert (answer.phase, answer.batch, rows(answer)) == ("needs_operator", 1, [])
    ended = await side.ended(handle)
    assert (ended.outcome, ended.problem and ended.problem.name) == ("unknown", "batch_failed")
    assert rows(ended) == [(0, 0, "failed", True, None, None), (0, 0, "unknown", False, None, None)]


async def test_a_retried_batch_has_a_row_for_each_job(side: Side) -> None:
    """Of those before its newest one the list tells no counts."""
    side.problem("admin_refused")
    handle = await side.send(**side.listed(50))
    await side.asks(handle)
    await handle.retry(by="li", reason="they know now")
    result = await handle.result(within=WITHIN)
    assert rows(result) == [(0, 0, "failed", True, None, None), (0, 1, "sent", True, None, 50)]
    assert result.totals is not None
    assert result.totals.sent == 50


async def test_a_list_that_reaches_nobody_counts_that(side: Side) -> None:
    """WeChat has filtered all of them out."""
    if side.fake:
        side.fake.ends("sent_nobody")
    elif side.scene:
        side.scene.plan(counts={"total": 50, "filter": 0, "sent": 0, "error": 0}, delivered=False)
    handle = await side.send(**side.listed(50))
    result = await handle.result(within=WITHIN)
    assert (result.outcome, rows(result)) == ("sent_nobody", [(0, 0, "sent_nobody", True, None, 0)])
    assert result.totals is not None
    assert (result.totals.total, result.totals.filter, result.totals.sent) == (50, 0, 0)
    assert (await handle.status()).progress.followers == 0


async def test_the_rest_of_a_split_test_is_held_back(side: Side) -> None:
    """While it is paused a winner can be chosen. It goes out by a resume."""
    handle = await side.send(**side.listed(100), **SPLIT)
    asks = await side.asks(handle)
    assert (asks.batch, asks.answers) == (None, ("choose", "pause", "reschedule", "abort"))
    paused = await handle.pause(by="li")
    assert (paused.phase, paused.problem, len(paused.jobs)) == ("paused", None, 2)
    assert paused.answers == ("resume", "choose", "reschedule", "abort")
    chosen = await handle.choose(by="li", winner="b")
    assert (chosen.phase, chosen.answers, len(chosen.jobs)) == ("paused", ("resume", "reschedule", "abort"), 2)
    await handle.resume(by="li")
    result = await handle.result(within=WITHIN)
    assert (result.outcome, result.totals and result.totals.sent, len(result.jobs)) == ("sent", 100, 3)


async def test_a_list_that_waits_takes_any_abort(side: Side) -> None:
    """Nothing of it was submitted, and whoever confirms that is right."""
    handle = await side.send(**side.listed(50), **HELD)
    await until(handle.status, lambda status: status.phase == "awaiting_approval")
    await handle.abort(by="li", reason="enough", confirm_not_delivered=True)
    ended = await side.ended(handle)
    assert (ended.outcome, ended.problem, ended.jobs) == ("aborted", None, ())


async def test_a_list_that_asks_nobody_goes_on_after_a_batch(side: Side) -> None:
    """By its request. What its first batch has met is the problem of the whole."""
    if side.scene:
        await side.scene.simulate(followers=10_001)
    side.problem("content_refused")
    handle = await side.send(**side.listed(10_001), on_batch_problem="continue")
    ended = await side.ended(handle)
    assert ended.problem is not None
    assert (ended.outcome, ended.problem.sentence.partition(",")[0]) == ("partly_sent", "Batch 1 of 2")
    assert [row[:4] for row in rows(ended)] == [(0, 0, "failed", True), (1, 0, "sent", True)]
