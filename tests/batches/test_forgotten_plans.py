"""A plan that the store has lost: none of its batches is begun, and nobody is called not submitted."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.batches import show, steps
from qunfa.contract.operators import Abort, Pause, Reschedule, Resume
from qunfa.rules.problems import ASK_WECHAT, SEND_TO_THE_REST
from tests.batches.driving import FACTS, LI, Drive, planned, request, sent
from tests.rules.arbitrary import NOON

DAY_40 = NOON + timedelta(days=40)


def from_before(**more: Any) -> Drive:
    """A list whose plan an earlier run has made. It was paused until nobody remembers what that run did."""
    drive = Drive(request(**more))
    drive.plan = planned().model_copy(update={"is_from_before": True})
    return paused_until_day_40(drive)


def paused_until_day_40(drive: Drive) -> Drive:
    """Nothing of it is begun before."""
    assert drive.answer(Pause(**LI)) is None
    drive.go()
    drive.now = DAY_40
    return drive


def resumed(drive: Drive) -> steps.End:
    """How it ends after that."""
    assert drive.answer(Resume(**LI)) is None
    return drive.ended()


def test_no_batch_of_a_forgotten_plan_is_begun() -> None:
    """Temporal and the ledger keep what an earlier run has sent for 35 days. Its openids are unknown then."""
    drive = from_before()
    end = resumed(drive)
    result = show.result(drive.request, drive.state, end, drive.now)
    assert end.problem is not None
    assert (end.outcome, end.problem.todo, drive.begun.total()) == ("unknown", ASK_WECHAT, 0)
    assert result.may_have_been_delivered
    assert [one.state for one in drive.state.all_rows] == ["unknown"] * 3
    assert "older than 35 days" in end.problem.sentence
    assert Drive(request(send_at=DAY_40)).ended_on(DAY_40).outcome == "sent"


def test_who_approves_sees_that_batches_may_have_been_sent() -> None:
    """Of a plan that an earlier run has made, and of no other."""
    told = "an earlier run may have sent batches of this: those are not sent again, one in doubt is repeated"
    for is_from_before in (True, False):
        plan = planned().model_copy(update={"is_from_before": is_from_before})
        assert (told in show.shown(plan)) is is_from_before


def test_an_end_of_a_forgotten_plan_calls_nobody_not_submitted() -> None:
    """An earlier run may have sent what nobody has heard of any more; what is still known of a batch is told."""
    drive = from_before()
    drive.earlier = {2: sent(2)}
    assert drive.answer(Abort(**LI)) is None
    end = drive.ended()
    assert (end.outcome, [one.state for one in drive.state.all_rows]) == ("partly_sent", ["unknown", "sent", "unknown"])


def test_a_reset_after_35_days_begins_no_batch() -> None:
    """The run before may have sent all of it since."""
    drive = paused_until_day_40(Drive())
    drive.hear(steps.WasReset())
    assert resumed(drive).outcome == "unknown"
    assert drive.begun.total() == 0
    young = Drive(request(send_at=NOON + timedelta(days=34)))
    young.go()
    assert young.hear(steps.WasReset()).ended_on(NOON + timedelta(days=34)).outcome == "sent"


def test_a_plan_of_a_run_that_was_reset_is_from_before() -> None:
    """It was reset while it was planned, so it may have begun batches that the plan's date does not tell of."""
    drive = Drive()
    drive.hear(steps.Pinned(FACTS), steps.WasReset())
    assert resumed(paused_until_day_40(drive)).outcome == "unknown"
    assert drive.begun.total() == 0


@pytest.mark.parametrize("more", [{}, {"approval": {"required": True}, "requested_by": "wang"}])
@pytest.mark.parametrize("is_reset", [True, False])
def test_a_time_that_is_too_late_ends_the_list_at_once(more: dict[str, Any], *, is_reset: bool) -> None:
    """Nobody approves what never goes out. What the run before has begun is still known by then."""
    drive = Drive(request(send_at=DAY_40, **more))
    drive.plan = planned().model_copy(update={"is_from_before": not is_reset})
    if is_reset:
        drive.go()
        drive.hear(steps.WasReset())
    end = drive.ended()
    assert end.problem is not None
    assert "older than 35 days at its time, 2027-01-10" in end.problem.sentence
    assert (end.outcome, end.problem.todo, drive.begun.total()) == ("failed", SEND_TO_THE_REST, 0)
    assert is_reset or drive.state.shows == ()
    assert not show.result(drive.request, drive.state, end, drive.now).may_have_been_delivered


def test_a_reschedule_to_a_time_that_is_too_late_is_refused() -> None:
    """The list waits on. One that no earlier run has begun takes any time."""
    later, young = Reschedule(by="li", send_at=DAY_40), NOON + timedelta(days=3)
    drive = Drive(request(send_at=young))
    assert drive.waits().until == young
    assert drive.answer(later) is None
    drive = Drive(request(send_at=young))
    drive.plan = planned().model_copy(update={"is_from_before": True})
    drive.go()
    assert "must be earlier than 2027-01-05" in (drive.answer(later) or "")
    assert drive.waits().until == young


def test_a_late_time_that_a_reset_repeats_is_not_dropped() -> None:
    """The run before has taken it. The list ends by it, instead of going out at the time before."""
    drive, later = Drive(request(send_at=NOON + timedelta(days=3))), Reschedule(by="li", send_at=DAY_40)
    drive.go()
    drive.hear(steps.WasReset())
    assert drive.answer(later) is None
    assert (drive.ended().outcome, drive.begun.total()) == ("failed", 0)
    drive = Drive(request(send_at=NOON + timedelta(days=3)))
    drive.go()
    drive.hear(steps.WasReset())
    drive.now += timedelta(minutes=1)
    assert drive.answer(later) is not None
