"""What holds a list back: a pause, an approval, its time."""

from qunfa.batches import steps
from qunfa.contract.operators import Approve, Pause, Reschedule, Resume
from tests.batches.driving import FACTS, LI, MINUTE, Drive, failed, request, sent
from tests.rules.arbitrary import NOON


def test_a_pause_acts_between_two_batches() -> None:
    """The batch under way goes on, and the next one waits for a resume."""
    drive = Drive()
    drive.go()
    assert drive.answer(Pause(**LI)) is None
    drive.hear(steps.Ended(sent(1)))
    step = drive.waits()
    assert step.phase == "paused"
    assert drive.answer(Resume(by="li")) is None
    drive.ended()


def test_a_pause_of_an_earlier_run_is_known_by_its_batch() -> None:
    """A resume is for the batch and for the rest. What was resumed is paused by no late word."""
    drive = Drive()
    drive.go()
    paused = steps.Said(1, paused_by="wang")
    drive.hear(paused)
    assert drive.state.paused
    assert (drive.state.paused.by, drive.passed) == ("wang", [])
    assert drive.answer(Resume(by="li")) is None
    assert [one.name for one in drive.state.passing] == ["resume"]
    drive.hear(paused)
    assert drive.state.paused is None


def test_a_list_that_needs_approval_waits_with_its_plan() -> None:
    """Who asked for it cannot approve it; no batch is approved again."""
    facts = FACTS.model_copy(update={"approval": "always"})
    drive = Drive(request(requested_by="wang"), facts=facts)
    step = drive.waits()
    assert step.phase == "awaiting_approval"
    assert "somebody else" in (drive.answer(Approve(by="wang"), "a") or "")
    assert drive.answer(Approve(by="li"), "b") is None
    drive.ended()


def test_a_resume_comes_too_late_once_the_list_ends() -> None:
    """Nobody has decided about a batch in time. Had it been taken, the list would go on without anybody's leave."""
    drive = Drive(request(decision_timeout="PT1H"))
    drive.go()
    assert drive.answer(Pause(**LI)) is None
    drive.waits(failed)
    drive.now += 61 * MINUTE
    step = drive.step
    assert isinstance(step, steps.Step)
    assert step.effect == steps.LookBack(2)
    assert drive.answer(Resume(**LI), "v") == "this send is ending: look at the status"
    assert (drive.ended().outcome, drive.begun.total()) == ("failed", 1)


def test_a_resumed_list_has_all_its_time_to_be_approved() -> None:
    """However long it was paused."""
    asked = request(approval={"required": True}, requested_by="wang", decision_timeout="PT1H")
    drive = Drive(asked)
    assert drive.waits().until == NOON + 60 * MINUTE
    drive.answer(Pause(by="li"), "a")
    drive.now += 120 * MINUTE
    assert drive.answer(Resume(by="li"), "b") is None
    step = drive.waits()
    assert (step.phase, step.until) == ("awaiting_approval", drive.now + 60 * MINUTE)
    drive.now += 60 * MINUTE
    assert drive.ended().outcome == "expired"


def test_a_list_waits_for_its_time_and_for_a_later_one() -> None:
    """`reschedule` acts before the first batch, and between two."""
    drive = Drive(request(send_at=NOON + 5 * MINUTE))
    step = drive.waits()
    assert (step.phase, step.until) == ("scheduled", NOON + 5 * MINUTE)
    assert drive.answer(Reschedule(by="li", send_at=NOON + 9 * MINUTE)) is None
    drive.now = NOON + 6 * MINUTE
    assert not drive.begun
    drive.now = NOON + 9 * MINUTE
    drive.ended()
