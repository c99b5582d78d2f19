"""The straight way of a send, and the verdicts that end it."""

from datetime import timedelta

import pytest

from qunfa.contract.request import Tag
from qunfa.contract.steps import Listed
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of


@pytest.mark.history
async def test_a_send_reaches_its_verdict_by_push(desk: Desk) -> None:
    """Accepted, pushed, sent: with the counts of the push. A closed send still tells its story."""
    handle = await desk.start()
    result = await handle.result()
    assert (result.outcome, result.may_have_been_delivered) == ("sent", True)
    (job,) = result.jobs
    assert (job.state, job.observed_by, job.deduplicated) == ("sent", "push", False)
    assert (result.totals and result.totals.sent, len(desk.wechat.tries)) == (97, 1)
    status = await desk.status(handle)
    assert (status.phase, status.answers, status.waiting_for) == ("done", (), None)
    assert [line.what for line in status.history] == [
        f"try 1: accepted as msg_id {job.msg_id}",
        f"WeChat's push on msg_id {job.msg_id}: send success",
        "ended as sent",
    ]


@pytest.mark.parametrize(
    "audience",
    [{"kind": "tag", "tag_id": 2}, {"kind": "openids", "openids": [f"o{number}" for number in range(10_000)]}],
    ids=["tag", "openids"],
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


@pytest.mark.history
async def test_a_push_that_never_comes_is_asked_for(desk: Desk) -> None:
    """Without a push `mass/get` decides: sent, and no counts."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    desk.wechat.statuses[await desk.accepted(handle)] = "SEND_SUCCESS"
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by, result.totals) == ("sent", "poll", None)


@pytest.mark.history
async def test_a_push_ends_the_asking(desk: Desk) -> None:
    """A push that comes hours late, while `mass/get` says SENDING, is taken with its counts."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    msg_id = await desk.accepted(handle)
    await desk.env.sleep(timedelta(hours=5))
    await desk.waits(handle, "mass/get")
    await desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")


@pytest.mark.history
async def test_a_polled_failure_waits_for_the_push_that_knows_more(desk: Desk) -> None:
    """SEND_FAIL of `mass/get`, then the push says err(30001): the push names the problem."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    msg_id = await desk.accepted(handle)
    desk.wechat.statuses[msg_id] = "SEND_FAIL"
    await desk.waits(handle, "the push that says why")
    await desk.wechat.push(msg_id, "err(30001)")
    await desk.asks(handle, "originality_check_error")
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "aborted"


async def test_a_day_of_silence_asks_a_person(desk: Desk) -> None:
    """The asking of a day is one activity, so the history stays short. The push ends the question after all."""
    desk.wechat.push_at_once = None
    handle = await desk.start()
    status = await desk.asks(handle, "no_verdict")
    assert status.answers == ("retry", "mark_sent", "abort")
    assert len((await handle.fetch_history()).events) < 100
    assert status.jobs[0].msg_id is not None
    await desk.wechat.push(status.jobs[0].msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")
