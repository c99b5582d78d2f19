"""The straight way of a send."""

from tests.workflows.conftest import Desk


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
