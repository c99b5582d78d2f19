"""What holds a list back: a pause, an approval, its time."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.batches import steps
from qunfa.batches.answers import JUST_ENDED, fitting
from qunfa.contract.batches import BatchSaid
from qunfa.contract.operators import Abort, Approve, Pause, Reschedule, Resume, Retry
from qunfa.contract.result import Job
from qunfa.rules.problems import describe
from qunfa.send.state import QUOTA_OF_CALLS
from tests.batches.driving import FACTS, LI, MINUTE, Drive, asks, failed, request, row, sent
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


@pytest.mark.parametrize("answer", [Resume(by="bo"), Retry(**LI)], ids=["resume", "retry"])
def test_an_answer_about_a_batch_leaves_a_pause(answer: Resume | Retry) -> None:
    """Who answers may not know that somebody else has paused the list. It goes on once that is resumed, too."""
    drive = Drive()
    drive.go()
    assert drive.answer(Pause(**LI)) is None
    step = drive.waits(lambda number: row(number, "failed"))
    assert (step.phase, step.problem and step.problem.name) == ("needs_operator", "batch_failed")
    drive.now += MINUTE
    assert drive.answer(answer, "v") is None
    step = drive.waits()
    assert (step.phase, step.why, drive.begun.total()) == ("paused", "resume: paused by li", 1)
    told = "li has paused this send, and this may be meant for a batch: look at the status, then decide"
    assert drive.answer(Resume(by="bo"), "again") == told
    drive.now += MINUTE
    assert drive.answer(Resume(by="bo"), "w") is None
    drive.ended()
    assert drive.begun == {1: 1 + isinstance(answer, Retry), 2: 1, 3: 1}


def test_a_resume_is_not_taken_for_another_than_it_answers() -> None:
    """For a minute it may be meant for what stood there before. Who has paused the list knows of that."""
    drive = Drive()
    drive.go()
    assert drive.answer(Pause(**LI)) is None
    drive.hear(steps.Ended(row(1, "failed")))
    assert drive.answer(Resume(by="bo"), "early") == JUST_ENDED
    drive.waits()
    drive.now += MINUTE
    assert drive.answer(Resume(by="bo"), "later") is None
    assert drive.answer(Resume(by=" LI "), "own") is None
    drive.ended()
    assert drive.begun == {1: 1, 2: 1, 3: 1}


def test_a_pause_is_lifted_at_once_where_no_batch_is_asked_about() -> None:
    """A list that goes on after a bad batch puts no question, so nobody can mean that."""
    drive = Drive(request(on_batch_problem="continue"))
    drive.go()
    assert drive.answer(Pause(**LI)) is None
    drive.hear(steps.Ended(row(1, "failed")))
    assert drive.answer(Resume(by="bo"), "other") is None
    drive.ended()
    assert drive.begun == {1: 1, 2: 1, 3: 1}


def test_no_batch_is_retried_under_a_pause_of_its_list() -> None:
    """WeChat had accepted the batch, which took no pause, and has then failed to send it. Who retries may not know."""
    drive = Drive()
    drive.go()
    assert drive.answer(Pause(**LI), "first") is None
    drive.hear(steps.WasPassed("first", "already accepted"), asks(1))
    assert fitting(drive.request, drive.state, drive.now) == ("resume", "abort")
    told = "retry does not fit now: li has paused this send. Resume it first"
    assert (drive.answer(Retry(by="bo", reason="again")), drive.state.passing) == (told, ())
    assert drive.answer(Resume(by="bo"), "second") is None
    drive.go()
    assert drive.answer(Retry(by="bo", reason="again"), "third") is None
    assert [one.name for one in drive.state.passing] == ["retry"]


def test_what_holds_a_list_is_given_to_a_batch_that_asks() -> None:
    """It may be answered by its own key, and would go out. An abort from before says nothing about what it asks.

    A batch may refuse another time for long, while a pause fits. A resume waits, or the batch would go out now.
    """
    drive, later = Drive(), Reschedule(by="li", send_at=NOON + 9 * MINUTE)
    drive.go()
    answers = (later, Pause(**LI), Resume(by="bo"))
    assert [drive.answer(one, str(number)) for number, one in enumerate(answers)] == [None] * 3
    for said in ((), (asks(1),)):
        drive.hear(*said)
        assert [one.name for one in drive.state.passing] == ["pause", "reschedule", "resume"]


@pytest.mark.parametrize("is_reset_first", [False, True])
def test_an_abort_that_a_reset_repeats_is_given_to_its_batch(*, is_reset_first: bool) -> None:
    """The batch has asked before, and tells that once more. Else the list would be over, and its batch ask on."""
    drive, happens = Drive(), [steps.WasReset(), steps.Updated("u", Abort(**LI))]
    drive.go()
    drive.hear(asks(1), *(happens if is_reset_first else reversed(happens)), asks(1))
    assert [one.name for one in drive.state.passing] == ["abort"]
    drive.hear(steps.WasPassed("u", None), steps.Ended(row(1, "aborted")))
    assert drive.ended().outcome == "aborted"


def test_a_pause_of_an_earlier_run_is_known_by_its_batch() -> None:
    """A resume is for the batch and for the rest. What was resumed is paused by no late word."""
    drive = Drive()
    drive.go()
    paused = BatchSaid(number=1, paused_by="wang")
    drive.hear(paused)
    assert drive.state.paused
    assert (drive.state.paused.by, drive.passed) == ("wang", [])
    assert drive.answer(Resume(by="li")) is None
    assert [one.name for one in drive.state.passing] == ["resume"]
    drive.hear(paused)
    assert drive.state.paused is None


def known() -> Drive:
    """A list whose account is known, and nothing else."""
    return Drive().hear(steps.Pinned(FACTS))


def test_a_batch_is_resumed_that_its_list_meets_later() -> None:
    """An earlier run had paused it, and this one was paused and resumed before it follows it."""
    drive, late = known(), BatchSaid(number=1, paused_by="li")
    assert [drive.answer(Pause(**LI)), drive.answer(Resume(by="bo"))] == [None, None]
    drive.go()
    assert drive.hear(late, late).state.paused is None
    assert [(one.name, one.answer) for one in drive.state.passing] == [("resume", {"by": "bo"})]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_new_pause_of_a_list_stands_for_its_batch(*, is_late: bool) -> None:
    """The batch tells of the one before just before the list is paused again, or just after that."""
    drive, said = known(), [BatchSaid(number=1, paused_by="li"), steps.Updated("again", Pause(**LI))]
    assert [drive.answer(Pause(**LI)), drive.answer(Resume(by="bo"))] == [None, None]
    drive.go()
    drive.hear(*(reversed(said) if is_late else said)).go()
    assert (bool(drive.state.paused), drive.passed[-1]) == (True, "pause")


def test_a_pause_that_nobody_lifted_holds_the_list() -> None:
    """An earlier run had taken it, and this one was resumed from another."""
    drive = known()
    assert [drive.answer(Pause(**LI)), drive.answer(Resume(by="bo"))] == [None, None]
    drive.go()
    drive.hear(BatchSaid(number=1, paused_by="wang"))
    assert drive.state.paused
    assert (drive.state.paused.by, drive.state.passing) == ("wang", ())


def test_a_resume_in_the_first_task_lifts_no_pause() -> None:
    """A reset gives it again what has answered a batch. The list stays paused until somebody resumes it."""
    drive = Drive()
    told = "resume does not fit yet: this run has just begun; try again in a moment"
    assert [drive.answer(Pause(**LI)), drive.answer(Resume(by="li"))] == [None, told]
    assert "resume" not in fitting(drive.request, drive.state, drive.now)
    assert drive.waits().phase == "paused"
    assert drive.answer(Resume(by="bo")) is None
    drive.ended()


@pytest.mark.parametrize(("by", "minutes", "lifts"), [("bo", 0, False), ("bo", 1, True), ("li", 0, True)])
def test_a_resume_that_a_reset_gives_again_lifts_no_pause(by: str, minutes: int, *, lifts: bool) -> None:
    """It may have answered a batch. Who has paused the list may lift that at once, and others after a minute."""
    drive = known().hear(steps.WasReset())
    assert drive.answer(Pause(**LI)) is None
    drive.now += minutes * MINUTE
    refusal = drive.answer(Resume(by=by))
    assert (refusal is None, drive.state.paused is None) == (lifts, lifts)


def test_a_list_hears_that_its_batch_asks_no_more() -> None:
    """It can be paused then. Who follows the batch says so again and again, and the story has no line of it."""
    drive = Drive()
    drive.go()
    drive.hear(asks(1))
    story = drive.state.story
    for _again in range(2):
        drive.hear(BatchSaid(number=1))
        step = drive.go()
        assert isinstance(step, steps.Step)
        assert (step.phase, step.problem, drive.state.story) == ("submitting", None, story)
    assert drive.answer(Pause(**LI)) is None


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


HOURS = FACTS.model_copy(update={"send_hours": ("08:00", "21:00"), "approval": "always"})
CLOSED = NOON + 540 * MINUTE
TILL_NIGHT: dict[str, Any] = {"not_after": NOON + 660 * MINUTE, "requested_by": "wang"}


def test_no_other_time_is_taken_that_ends_the_list() -> None:
    """Its hours are over then, and begin again only after its `not_after`."""
    drive = Drive(request(**TILL_NIGHT), facts=HOURS)
    drive.waits()
    told = drive.answer(Reschedule(by="li", send_at=CLOSED), "a") or ""
    assert told.startswith("send_at: must be earlier than 2026-12-01 21:00:00+08:00, when send_hours (08:00 to 21:00)")
    assert drive.answer(Reschedule(by="li", send_at=CLOSED - MINUTE), "b") is None
    drive.answer(Approve(by="li"), "c")
    assert drive.waits().phase == "scheduled"


def test_a_list_is_prepared_until_its_hours_end() -> None:
    """Each step before its approval, and none for longer."""
    drive = Drive(request(preview={"to": [{"openid": "boss"}]}, **TILL_NIGHT), facts=HOURS)
    drive.hear(steps.Pinned(HOURS))
    untils = []
    while isinstance(step := drive.step, steps.Step) and (event := drive.event(step)) is not None:
        untils.append(step.until)
        drive.hear(event)
    assert untils == [CLOSED] * 5


@pytest.mark.parametrize("asked", ["approval", "pause", "retry"])
def test_a_list_says_until_when_its_hours_last(asked: str) -> None:
    """It ends at the time that people are told."""
    drive = Drive(request(**TILL_NIGHT), facts=HOURS)
    drive.waits()
    if asked != "approval":
        drive.answer(Approve(by="li"), "a")
        drive.go()
    if asked == "pause":
        drive.answer(Pause(**LI), "b")
    step = drive.waits(failed if asked == "retry" else sent)
    assert step.until == CLOSED
    drive.now = CLOSED - MINUTE
    assert fitting(drive.request, drive.state, drive.now)
    drive.now = CLOSED
    assert drive.ended().outcome in {"expired", "partly_sent"}


def under_way(drive: Drive) -> steps.Step:
    """What is done while the batch is under way."""
    step = drive.go()
    assert isinstance(step, steps.Step)
    return step


def test_another_time_holds_for_the_batch_under_way() -> None:
    """It may wait for a freeze to end, and would go out then. One batch may be the whole list."""
    drive, later = Drive(batches=1), NOON + 9 * MINUTE
    drive.go()
    assert drive.answer(Reschedule(by="li", send_at=later)) is None
    [passing] = drive.state.passing
    assert passing.name == "reschedule"
    assert Reschedule.model_validate(passing.answer).send_at == later
    step = under_way(drive)
    assert (step.phase, step.until) == ("scheduled", later)
    drive.now = later
    assert under_way(drive).phase == "submitting"


@pytest.mark.parametrize(
    "why", [{"held": "account_frozen"}, {"problem": describe("send_failed", Job(clientmsgid="c"))}]
)
def test_a_list_that_a_batch_holds_back_has_no_timer(why: dict[str, Any]) -> None:
    """Its new time would change nothing that is seen: a workflow task without a command, which no replay has."""
    drive = Drive(batches=1)
    drive.go()
    assert drive.answer(Reschedule(by="li", send_at=NOON + 9 * MINUTE)) is None
    assert under_way(drive).until == NOON + 9 * MINUTE
    drive.hear(BatchSaid(number=1, **why))
    assert under_way(drive).until is None


def test_a_list_says_until_when_its_batch_waits_for_hours() -> None:
    """Or for the later time that it was given. What holds it back at its time is told before."""
    drive, opens = Drive(), NOON + 9 * MINUTE
    drive.go()
    drive.hear(BatchSaid(number=1, opens=opens))
    step = under_way(drive)
    assert (step.phase, step.why, step.until) == ("scheduled", "the account's send_hours", opens)
    assert drive.answer(Reschedule(by="li", send_at=opens + MINUTE)) is None
    assert (under_way(drive).why, under_way(drive).until) == ("batch 1 of 3, spring.1", opens + MINUTE)
    drive.hear(BatchSaid(number=1, opens=opens, held="account_frozen"))
    assert (under_way(drive).phase, under_way(drive).until) == ("scheduled", None)
    drive.hear(BatchSaid(number=1, opens=opens))
    drive.now = opens + MINUTE
    assert (under_way(drive).phase, under_way(drive).until) == ("submitting", None)


def test_a_list_says_until_when_its_batch_waits_for_quota() -> None:
    """Then it is tried again. If WeChat refuses it once more, it tells of the next window."""
    drive, opens = Drive(), NOON + 9 * MINUTE
    drive.go()
    drive.hear(BatchSaid(number=1, held="quota_exhausted", opens=opens))
    step = under_way(drive)
    assert (step.phase, step.why, step.until, step.held) == ("scheduled", QUOTA_OF_CALLS, opens, "quota_exhausted")
    drive.now = opens
    assert under_way(drive) == steps.Step("submitting", why="batch 1 of 3, spring.1")
    drive.hear(BatchSaid(number=1, held="quota_exhausted", opens=opens + 9 * MINUTE))
    assert (under_way(drive).phase, under_way(drive).until) == ("scheduled", opens + 9 * MINUTE)


def test_a_time_that_a_batch_does_not_take_is_told() -> None:
    """WeChat has accepted it. Those after it wait all the same."""
    drive = Drive()
    drive.go()
    assert drive.answer(Reschedule(by="li", send_at=NOON + 9 * MINUTE)) is None
    drive.hear(steps.WasPassed("u", "already accepted"))
    assert under_way(drive).phase == "submitting"
    assert "the batch did not take reschedule: already accepted" in [line.what for line in drive.state.story]
    drive.hear(steps.Ended(sent(1)))
    assert drive.waits().until == NOON + 9 * MINUTE


@pytest.mark.parametrize("answer", [Pause(by="li"), Reschedule(by="li", send_at=NOON)], ids=["pause", "reschedule"])
def test_a_list_that_ends_by_itself_is_held_no_more(answer: Pause | Reschedule) -> None:
    """It looks back at what earlier runs have begun. Who had paused it would think that it can be resumed."""
    drive = Drive(request(not_after=NOON + 60 * MINUTE))
    drive.go()
    drive.hear(steps.Ended(sent(1)))
    drive.now += 60 * MINUTE
    assert isinstance(drive.step, steps.Step)
    assert isinstance(drive.step.effect, steps.LookBack | steps.WriteReport)
    assert drive.answer(answer) == "this send is ending: look at the status"
    assert fitting(drive.request, drive.state, drive.now) == ("abort",)


@pytest.mark.parametrize("late", [False, True])
def test_the_last_batch_is_retried_before_not_after_alone(late: bool) -> None:
    """Afterwards a retry would end the list, and nobody could resume it any more."""
    drive = Drive(request(not_after=NOON + 60 * MINUTE), batches=1)
    drive.waits(lambda number: row(number, "failed"))
    drive.now += timedelta(minutes=60 if late else 59)
    told = None
    if late:
        told = (
            "not_after has passed, or no send_hours are left before it, so a retry would send nothing: resume, or abort"
        )
    assert ("retry" in fitting(drive.request, drive.state, drive.now)) is not late
    assert drive.answer(Retry(**LI)) == told
