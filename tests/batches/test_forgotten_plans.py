"""A plan that the store has lost: none of its batches is begun, and nobody is called not submitted."""

from datetime import timedelta
from typing import Any

from qunfa.batches import show, steps
from qunfa.contract.operators import Abort
from qunfa.rules.problems import ASK_WECHAT
from tests.batches.driving import FACTS, LI, Drive, planned, request, sent
from tests.rules.arbitrary import NOON

DAY_40 = NOON + timedelta(days=40)


def from_before(**more: Any) -> Drive:
    """A list whose plan an earlier run has made. It waits for its time until nobody remembers what that run did."""
    drive = Drive(request(send_at=DAY_40, **more))
    drive.plan = planned().model_copy(update={"is_from_before": True})
    drive.go()
    drive.now = DAY_40
    return drive


def test_no_batch_of_a_forgotten_plan_is_begun() -> None:
    """Temporal and the ledger keep what an earlier run has sent for 35 days. Its openids are unknown then."""
    drive = from_before()
    end = drive.ended()
    result = show.result(drive.request, drive.state, end, drive.now)
    assert end.problem is not None
    assert (end.outcome, end.problem.todo, drive.begun.total()) == ("unknown", ASK_WECHAT, 0)
    assert result.may_have_been_delivered
    assert [one.state for one in drive.state.all_rows] == ["unknown"] * 3
    assert "older than 35 days" in end.problem.sentence
    assert Drive(request(send_at=DAY_40)).ended_on(DAY_40).outcome == "sent"


def test_who_approves_sees_that_batches_may_have_been_sent() -> None:
    """Of a plan that an earlier run has made, and of no other."""
    told = "an earlier run may have sent batches of this, which are not sent again"
    for is_from_before in (True, False):
        plan = planned().model_copy(update={"is_from_before": is_from_before})
        assert (told in show.shown(plan, None)) is is_from_before


def test_an_end_of_a_forgotten_plan_calls_nobody_not_submitted() -> None:
    """An earlier run may have sent what nobody has heard of any more; what is still known of a batch is told."""
    drive = from_before()
    drive.earlier = {2: sent(2)}
    assert drive.answer(Abort(**LI)) is None
    end = drive.ended()
    assert (end.outcome, [one.state for one in drive.state.all_rows]) == ("partly_sent", ["unknown", "sent", "unknown"])


def test_a_reset_after_35_days_begins_no_batch() -> None:
    """The run before may have sent all of it since."""
    drive = Drive(request(send_at=DAY_40))
    drive.go()
    drive.hear(steps.WasReset())
    assert drive.ended_on(DAY_40).outcome == "unknown"
    assert drive.begun.total() == 0
    young = Drive(request(send_at=NOON + timedelta(days=34)))
    young.go()
    assert young.hear(steps.WasReset()).ended_on(NOON + timedelta(days=34)).outcome == "sent"


def test_a_plan_of_a_run_that_was_reset_is_from_before() -> None:
    """It was reset while it was planned, so it may have begun batches that the plan's date does not tell of."""
    drive = Drive(request(send_at=DAY_40))
    drive.hear(steps.Pinned(FACTS), steps.WasReset())
    assert drive.ended_on(DAY_40).outcome == "unknown"
    assert drive.begun.total() == 0
