"""Who approves a list hours after it was shown: what they read of its end was of another time."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from qunfa.batches import outlook, show
from qunfa.batches.state import Case
from qunfa.batches.steps import Step
from qunfa.contract.operators import Approve, Pause, Reschedule, Resume
from qunfa.rules.calendar import shanghai_clock
from tests.batches.driving import FACTS, LI, MINUTE, Drive, request
from tests.rules.arbitrary import NOON

HOUR = timedelta(hours=1)
SLOW = FACTS.model_copy(update={"timing": FACTS.timing.model_copy(update={"pace": 2 * MINUTE})})
APPROVED: dict[str, Any] = {"approval": {"required": True}, "requested_by": "crm"}


def shown(**more: Any) -> Drive:
    """A list of three hours, shown at noon, that has until nine in the evening, and its approval until ten."""
    drive = Drive(request(not_after=NOON + 9 * HOUR, decision_timeout="PT10H", **APPROVED, **more), 90, SLOW)
    assert drive.waits().until == NOON + 9 * HOUR
    assert not warned(drive)
    return drive


def warned(drive: Drive) -> list[str]:
    """The warnings of time that stand there for who approves."""
    return [line for line in drive.state.shows if line.startswith(("not_after", "quota"))]


def test_an_approval_by_old_times_is_refused_and_shown_anew() -> None:
    """By then a third of the list would go out. The time for an answer is as it was."""
    drive = shown()
    drive.now += 8 * HOUR
    assert "a warning has come up" in str(drive.answer(Approve(by="wang")))
    assert drive.begun.total() == 0
    assert drive.waits().until == NOON + 9 * HOUR
    assert len(warned(drive)) == 1
    assert drive.answer(Approve(by="wang")) is None


def test_another_time_is_shown_to_who_approves() -> None:
    """Somebody has put the list off, to when it is not through in time."""
    drive = shown()
    assert drive.answer(Reschedule(by="li", send_at=NOON + 8 * HOUR)) is None
    step = drive.step
    assert isinstance(step, Step)
    assert (step.phase, warned(drive)) == ("awaiting_approval", [])
    drive.waits()
    assert len(warned(drive)) == 1
    assert drive.answer(Approve(by="wang")) is None


def test_an_approval_in_time_enough_is_taken_hours_later() -> None:
    """Nothing that matters has changed."""
    drive = shown()
    drive.now += 5 * HOUR
    assert drive.answer(Approve(by="wang")) is None


def test_a_late_list_that_is_paused_is_shown_once_it_goes_on() -> None:
    """Until then nobody can approve it."""
    drive = shown()
    assert drive.answer(Pause(**LI)) is None
    drive.now += 8 * HOUR
    assert "is not ready" in str(drive.answer(Approve(by="wang")))
    assert drive.answer(Resume(**LI)) is None
    drive.waits()
    assert len(warned(drive)) == 1
    assert drive.answer(Approve(by="wang")) is None


def test_a_new_warning_puts_off_no_end_of_an_approval() -> None:
    """It comes up while nobody looks: the approval is still awaited for as long as was said."""
    drive = Drive(request(not_after=NOON + 9 * HOUR, decision_timeout="PT7H", **APPROVED), 90, SLOW)
    drive.waits()
    drive.now += 7 * HOUR
    assert drive.ended().outcome == "expired"


@pytest.mark.parametrize(("send_at", "begun"), [(None, NOON), (NOON + 2 * HOUR, NOON + 2 * HOUR)])
def test_the_end_is_told_with_the_beginning_it_counts_from(send_at: datetime | None, begun: datetime) -> None:
    """So it is true whenever somebody reads it. The status tells of no end that nobody has computed since."""
    drive = shown(send_at=send_at)
    (line,) = outlook.lines(Case(drive.request, drive.state, drive.now))
    assert line == f"begun at {shanghai_clock(begun)}: through at about {shanghai_clock(begun + 3 * HOUR)}"
    step = drive.step
    assert show.status(drive.request, drive.state, step, drive.now).progress.ends_at is None
