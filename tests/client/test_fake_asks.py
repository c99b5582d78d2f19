"""`qunfa.testing`: sends that ask a person, and the batches and times that they are given."""

from datetime import UTC, datetime, timedelta

import pytest

from qunfa.client import MassSendFailed, NoAnswer, UpdateRefused, Wait
from qunfa.testing import FakeQunfa
from tests.client.test_fake import HELD, SPLIT, failure, listed, request


async def test_a_fake_split_test_waits_for_its_winner() -> None:
    """Both groups have gone out by then. An abort leaves it sent in part, and so does its key when it comes again."""
    fake = FakeQunfa()
    fake.plans(40_000)
    handle = await fake.send(listed(**SPLIT))
    status = await handle.status()
    assert (status.phase, status.problem and status.problem.name) == ("needs_operator", "winner_not_chosen")
    answers = ("choose", "pause", "reschedule", "abort")
    assert (status.answers, status.progress.jobs, status.progress.done) == (answers, 5, 2)
    await handle.choose(by="li", winner="b")
    sizes = [job.counts and job.counts.sent for job in (await handle.result()).jobs]
    assert sizes == [4_000, 8_000, 9_333, 9_333, 9_334]
    given_up = await fake.send(listed("other", **SPLIT))
    await given_up.abort(by="li", reason="enough")
    for one in (given_up, await fake.send(listed("other", **SPLIT))):
        result = await one.result()
        assert (result.outcome, result.totals and result.totals.sent) == ("partly_sent", 12_000)
    whole = await fake.send(listed("whole", **{**SPLIT, "split": {"a": 50, "b": 50}}))
    assert (await whole.result()).outcome == "sent"


@pytest.mark.parametrize(("openids", "sizes"), [(10_000, [10_000]), (10_001, [5_000, 5_001])])
async def test_a_fake_list_is_cut_as_workers_cut_it(openids: int, sizes: list[int]) -> None:
    """WeChat takes no batch of one."""
    fake = FakeQunfa()
    fake.plans(openids)
    result = await (await fake.send(listed())).result()
    assert [job.counts and job.counts.total for job in result.jobs] == sizes


async def test_a_fake_send_asks_a_person() -> None:
    """With the answers of its problem, and what a retry has to say. It ends as the test says, or as it was answered."""
    fake = FakeQunfa()
    fake.waits_with("unknown_outcome")
    retried = await fake.send(request())
    status = await retried.status()
    assert (status.phase, status.answers) == ("needs_operator", ("retry", "mark_sent", "abort"))
    assert status.problem is not None
    with pytest.raises(UpdateRefused, match="retry needs confirm_not_delivered"):
        await retried.retry(by="li", reason="not there")
    await retried.retry(by="li", reason="not there", confirm_not_delivered=True)
    assert (await retried.result()).outcome == "sent"
    found = await fake.send(request("found"))
    await found.mark_sent(by="li", reason="it is there", msg_id=7)
    assert [job.msg_id for job in (await found.result()).jobs] == [7]
    result = await failure(await fake.send(request("alone", on_problem="fail")))
    assert (result.outcome, result.problem and result.problem.name) == ("unknown", status.problem.name)


@pytest.mark.parametrize("problem", ["winner_not_chosen", "batch_failed", "plan_missing", "no_such_problem"])
def test_a_fake_asks_about_nothing_that_it_cannot_play(problem: str) -> None:
    """Its answers would be other ones than those of workers."""
    with pytest.raises(ValueError, match=problem):
        FakeQunfa().waits_with(problem)


async def test_a_fake_send_waits_for_no_time_that_workers_refuse() -> None:
    """Neither too far ahead, nor beyond its own end. What was taken stands in its status."""
    fake = FakeQunfa()
    now = datetime.now(UTC)
    handle = await fake.send(request(**HELD, not_after=now + timedelta(days=2), send_at=now + timedelta(days=1)))
    assert (await handle.status()).send_at == now + timedelta(days=1)
    for days, said in ((500, "more than 366 days ahead"), (3, "must be earlier than not_after")):
        with pytest.raises(UpdateRefused, match=said):
            await handle.reschedule(by="li", send_at=now + timedelta(days=days))
    status = await handle.reschedule(by="li", send_at=now + timedelta(hours=1))
    assert status.send_at == now + timedelta(hours=1)


async def test_a_fake_abort_leaves_what_wechat_has_said() -> None:
    """Its no to what it had accepted stands for the key: it fails for that again. Else the key starts anew."""
    fake = FakeQunfa()
    for problem in ("admin_refused", "content_refused", "quota_exhausted"):
        fake.waits_with(problem, key=problem)
        handle = await fake.send(request(problem))
        await handle.abort(by="li", reason="enough")
        assert (await failure(handle)).outcome == "aborted"
    for problem in 2 * ("admin_refused", "content_refused"):
        failed = await fake.send(request(problem))
        assert (await failed.status()).phase == "done"
        result = await failure(failed)
        assert (result.outcome, result.problem and result.problem.name) == ("failed", problem)
    asks = await fake.send(request("quota_exhausted"))
    await asks.retry(by="li", reason="a new day")
    assert (await asks.result()).outcome == "sent"


async def test_a_fake_key_in_doubt_is_submitted_again() -> None:
    """As workers do, it may be delivered now. Only WeChat's word on it ends the doubt, or a person's."""
    fake = FakeQunfa()
    fake.waits_with("unknown_outcome", key="asks")
    await (await fake.send(request("asks"))).abort(by="li", reason="enough")
    again = await fake.send(request("asks"))
    assert (await again.status()).phase == "needs_operator"
    await again.retry(by="li", reason="not there", confirm_not_delivered=True)
    assert (await again.result()).outcome == "sent"
    fake.ends("unknown", problem="unknown_outcome")
    await fake.send(request())
    fake.ends("failed", problem="account_refused")
    with pytest.raises(MassSendFailed) as caught:
        await fake.send(request(), wait="result")
    assert (caught.value.result.outcome, caught.value.result.may_have_been_delivered) == ("unknown", True)
    fake.ends("sent")
    assert (await (await fake.send(request())).result()).outcome == "sent"


async def test_a_no_settles_what_wechat_had_accepted() -> None:
    """Nobody knew what became of that job, and each try was answered. Where one was not, the doubt stays."""
    fake = FakeQunfa()
    fake.ends("unknown", problem="unknown_outcome")
    await fake.send(request("lost"))
    fake.ends("unknown", problem="no_verdict")
    for key in 2 * ("lost", "accepted"):
        await fake.send(request(key))
    fake.ends("failed", problem="content_refused")
    for key, outcome in (("lost", "unknown"), ("accepted", "failed")):
        result = await failure(await fake.send(request(key)))
        assert (result.outcome, result.may_have_been_delivered) == (outcome, outcome == "unknown")


async def test_a_fake_start_may_have_no_answer() -> None:
    """It goes out all the same: who sends the key again hears of that, and whoever takes another key sends it twice."""
    fake = FakeQunfa()
    fake.gives_no_answer()
    waits: tuple[Wait, ...] = ("accepted", "started")
    for wait in waits:
        with pytest.raises(NoAnswer, match="if it was started, it goes on") as caught:
            await fake.send(request(wait), wait=wait)
        assert (await caught.value.handle.result()).outcome == "sent"
        assert (await (await fake.send(request(wait))).result()).jobs[0].deduplicated


async def test_a_fake_keeps_the_time_of_an_approved_send() -> None:
    """Approved before, it is moved to now and goes out. One without a time goes out at once."""
    fake = FakeQunfa()
    fake.waits_for_its_time()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    handle = await fake.send(request(send_at=tomorrow, **HELD))
    assert (await handle.status()).phase == "awaiting_approval"
    status = await handle.approve(by="li")
    assert (status.phase, status.answers) == ("scheduled", ("pause", "reschedule", "abort"))
    assert (await handle.reschedule(by="li", send_at=datetime.now(UTC))).phase == "done"
    assert (await (await fake.send(request("now"))).result()).outcome == "sent"
