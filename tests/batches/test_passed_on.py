"""What a person says to a list while a batch is under way: the batch is given it, and may refuse it."""

from collections.abc import Callable
from datetime import datetime
from itertools import product

import pytest

from qunfa.batches import show, steps
from qunfa.batches.answers import JUST_ENDED, fitting, is_given_again
from qunfa.batches.rows import row_of_closed
from qunfa.batches.state import Case
from qunfa.contract.batches import BatchRow, BatchSaid
from qunfa.contract.operators import Abort, MarkSent, Pause, Reschedule, Resume, Retry
from qunfa.send import events
from tests.batches.driving import ASKS, LI, MINUTE, Drive, asks, failed, row, sent
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone
from tests.send.places import BATCH, HOUR, accepted, asking, checked, unanswered

SECOND = MINUTE / 60
CONFIRMED = Abort(**LI, confirm_not_delivered=True)


def test_what_a_batch_asks_is_answered_through_the_whole() -> None:
    """The answers of the batch fit, and its word is the reply."""
    drive = Drive()
    drive.go()
    drive.hear(asks(1))
    assert set(fitting(drive.request, drive.state, drive.now)) >= {"retry", "abort"}
    assert show.status(drive.request, drive.state, drive.go(), drive.now).batch == 1
    drive.hear(steps.Updated("u", Retry(**LI)))
    waits = drive.state.replies
    assert not waits
    drive.go()
    assert len(drive.state.replies) == 1
    assert drive.passed == ["retry"]


def test_an_abort_that_a_batch_did_not_take_is_given_again() -> None:
    """The story says what the batch said."""
    drive = Drive()
    drive.go()
    assert drive.answer(Abort(**LI), "first") is None
    drive.hear(steps.WasPassed("first", "a try is under way"))
    assert "the batch did not take abort: a try is under way" in [said.what for said in drive.state.story]
    assert drive.answer(Abort(**LI), "second") is None
    drive.go()
    assert drive.passed == ["abort"]
    assert drive.answer(Abort(**LI), "again") is None
    drive.hear(asks(1))
    assert drive.state.passing == ()
    assert fitting(drive.request, drive.state, drive.now) == ("abort",)
    drive.hear(steps.Ended(sent(1)))
    assert drive.answer(Abort(**LI), "third") == "this send is ending: look at the status"


@pytest.mark.parametrize(
    ("stop", "by"), [(steps.Updated("u", Abort(**LI)), "li"), (steps.Cancelled(""), "a cancellation")]
)
def test_no_batch_is_retried_by_its_list_after_that_was_ended(stop: steps.Event, by: str) -> None:
    """WeChat had accepted the batch, so it has not taken the abort; then it asks. Its own key answers it."""
    drive = Drive()
    drive.go()
    drive.hear(stop)
    drive.state = drive.state.changed(replies=())
    drive.hear(asks(1))
    why = f"retry does not fit now: {by} has ended this send. Answer batch 1 by its own key"
    assert drive.answer(Retry(**LI), "again") == why
    assert not drive.state.passing
    assert drive.answer(Abort(**LI), "both") is None
    assert [one.name for one in drive.state.passing] == ["abort"]


def test_what_a_person_awaits_is_passed_on_before_all_else() -> None:
    """A pause or a cancellation may wait long for its batch; an abort takes their place."""
    drive = Drive()
    drive.go()
    assert drive.answer(Pause(**LI), "first") is None
    drive.hear(steps.Cancelled("r" * 5000))
    assert [one.name for one in drive.state.passing] == ["abort"]
    drive.state = drive.state.changed(running=drive.state.running and drive.state.running.model_copy(
        update={"problem": ASKS, "answers": ("mark_sent", "abort")}
    ))  # fmt: skip
    assert drive.answer(MarkSent(**LI, msg_id=7), "second") is None
    assert [one.name for one in drive.state.passing] == ["mark_sent", "abort"]
    for another in (Retry(**LI), CONFIRMED):
        assert drive.answer(another, "third") == "the batch under way is being asked; look at the status, then decide"
    drive.go()
    assert drive.passed == ["mark_sent", "abort"]


@pytest.mark.parametrize("stop", [steps.Updated("u", Abort(**LI)), steps.Cancelled("")], ids=["abort", "cancel"])
def test_an_abort_reaches_a_batch_that_was_just_answered(stop: steps.Event) -> None:
    """The batch asked and was checking a retry, so it refused the abort. It goes out, fails, and asks again."""
    drive = Drive()
    drive.go()
    drive.hear(asks(1), BatchSaid(number=1, problem=ASKS, answers=("abort",)), stop)
    drive.hear(steps.WasRefused("abort", checked().update(Pause(**LI)) or ""), BatchSaid(number=1))
    assert drive.answer(Abort(**LI), "once more") is None
    drive.hear(asks(1))
    drive.go()
    assert drive.passed == ["abort"]


@pytest.mark.parametrize("reason", ["r" * 5000, " " * 5000, " " * 1000 + "r"], ids=["long", "blank", "behind blanks"])
def test_a_batch_can_read_each_cancellation_of_its_list(reason: str) -> None:
    """Temporal takes any reason. The batch would refuse for ever what it cannot read, and go out."""
    drive = Drive()
    drive.go()
    drive.hear(steps.Cancelled(reason))
    [passing] = drive.state.passing
    assert Abort.model_validate(passing.answer).reason in {"r" * 1000, "r", "no reason given"}


def test_only_a_batch_that_asks_is_given_a_confirmation() -> None:
    """One that does not would refuse such an abort for ever, and go out. The list is aborted all the same."""
    drive = Drive()
    drive.go()
    drive.hear(asks(1), steps.Updated("u", CONFIRMED))
    assert [one.answer["confirm_not_delivered"] for one in drive.state.passing] == [True]
    other = Drive()
    other.go()
    assert other.answer(CONFIRMED) is None
    assert (other.state.stop is not None, [one.answer for one in other.state.passing]) == (True, [LI])


def test_the_story_tells_once_that_an_abort_is_not_taken() -> None:
    """It is given again, and may be refused for days."""
    drive = Drive()
    drive.go()
    assert drive.answer(Abort(**LI)) is None
    awaits = drive.state.passing
    for why in ("a try is under way", "a try is under way", "accepted"):
        drive.hear(steps.WasRefused("abort", why))
    told = [line.what.rpartition(": ")[2] for line in drive.state.story if "did not take abort" in line.what]
    assert (told, drive.state.passing) == (["a try is under way", "accepted"], awaits)


@pytest.mark.parametrize("is_asked", [False, True])
def test_an_abort_ends_the_send_after_the_batch_under_way(*, is_asked: bool) -> None:
    """The batch is told, and its result counts. It may ask a person, and be answered by its own key meanwhile."""
    drive = Drive()
    drive.go()
    if is_asked:
        drive.hear(BatchSaid(number=1, problem=ASKS, answers=()))
    assert drive.answer(Abort(**LI)) is None
    assert drive.state.stop is not None
    drive.go()
    assert drive.passed == ["abort"]
    end = drive.hear(steps.Ended(sent(1))).ended()
    assert (end.outcome, drive.begun[2]) == ("partly_sent", 0)


OVER: dict[str, Callable[[Alone], object]] = {
    "aborted": Alone.abort,
    "cancelled": lambda batch: batch.take(events.Cancelled("")),
    "out of time": lambda batch: batch.wait(999 * HOUR),
    "sent": Alone.pushed,
}


@pytest.mark.parametrize("how", [None, *OVER])
def test_a_confirmed_abort_too_late_for_its_batch_ends_the_rest(how: str | None) -> None:
    """Somebody has answered the batch by its own key. Its end may be heard later, or in the same moment."""
    batch, why = asking(audience=BATCH), JUST_ENDED
    if how is not None:
        OVER[how](batch)
        why = batch.update(CONFIRMED) or ""
    drive = Drive()
    drive.go()
    drive.hear(asks(1), steps.Updated("u", CONFIRMED), steps.WasPassed("u", why))
    assert [one.refusal for one in drive.state.replies] == [None]
    end = drive.hear(steps.Ended(sent(1))).ended()
    assert (end.outcome, drive.begun[2]) == ("partly_sent", 0)


CHECKS = [("retry", "abort"), ("abort",), ()]


@pytest.mark.parametrize("answers", CHECKS, ids=str)
def test_a_list_is_paused_while_its_batch_is_answered(answers: tuple[str, ...]) -> None:
    """A batch that asks names fewer answers while it checks one. It goes out then, and those after it do not."""
    drive = Drive()
    drive.go()
    drive.hear(asks(1), BatchSaid(number=1, problem=ASKS, answers=answers))
    later = Reschedule(by="bo", send_at=NOON + 9 * MINUTE)
    if "retry" in answers:
        told = "this send asks a person already, and begins no batch meanwhile: answer it, or leave it"
        assert drive.answer(Pause(by="bo")) == told
        assert drive.answer(later) == "reschedule does not fit now: this send asks a person first"
        drive.hear(steps.Updated("u", Retry(**LI)))
    assert drive.answer(later) == "the batch under way is being asked; look at the status, then decide"
    assert "pause" in fitting(drive.request, drive.state, drive.now)
    assert drive.answer(Pause(by="bo"), "holds") is None
    assert [one.name for one in drive.state.passing] == (["retry"] if "retry" in answers else []) + ["pause"]
    drive.hear(BatchSaid(number=1), steps.Ended(sent(1)))
    assert (drive.waits().phase, drive.begun) == ("paused", {1: 1})


def test_a_batch_whose_retry_is_in_vain_checks_none() -> None:
    """It waits for a person, and would refuse a pause. What is said of it is true."""
    late = asking(audience=BATCH, not_after=(NOON + 2 * HOUR).isoformat())
    late.wait(3 * HOUR)
    drive = Drive()
    drive.go()
    drive.now = late.now
    drive.hear(BatchSaid(number=1, problem=late.status.problem, answers=late.status.answers))
    later = Reschedule(by="bo", send_at=drive.now + HOUR)
    assert drive.answer(later) == "reschedule does not fit now: this send asks a person first"
    told = "this send asks a person already, and begins no batch meanwhile: answer it, or leave it"
    assert (drive.answer(Pause(by="bo")), drive.state.passing) == (told, ())
    assert fitting(drive.request, drive.state, drive.now) == ("abort",)
    on_its_way = asking(audience=BATCH)
    assert on_its_way.retry() is None
    drive.hear(BatchSaid(number=1, problem=on_its_way.status.problem, answers=on_its_way.status.answers))
    assert drive.answer(Pause(by="bo")) is None


@pytest.mark.parametrize("answers", CHECKS[1:], ids=str)
def test_a_batch_says_itself_why_an_answer_does_not_fit(answers: tuple[str, ...]) -> None:
    """It checks another one, say, and names fewer by that. The status of its list has none of these.

    A confirmed abort that it refuses ends nothing.
    """
    for answer in (Retry(**LI), MarkSent(**LI, msg_id=7), CONFIRMED):
        drive = Drive()
        drive.go()
        drive.hear(BatchSaid(number=1, problem=ASKS, answers=answers))
        assert not {"retry", "mark_sent"} & set(fitting(drive.request, drive.state, drive.now))
        assert drive.answer(answer) is None
        drive.hear(steps.WasPassed("u", "another is carried out"))
        assert ([one.refusal for one in drive.state.replies], drive.state.stop) == (["another is carried out"], None)


def test_no_batch_is_retried_before_the_time_of_its_list() -> None:
    """A batch that asks takes no time, and would go out now. The time is over at last, or the batch has taken it."""
    later = Reschedule(by="bo", send_at=NOON + 9 * MINUTE)
    told = "retry does not fit now: bo has moved this send to 2026-12-01 12:09:00+08:00. Answer batch 1 by its own key"
    for passed in (steps.WasRefused("reschedule", JUST_ENDED), steps.WasPassed("t", "accepted"), steps.WasPassed("t")):
        drive = Drive()
        drive.go()
        assert drive.answer(later, "t") is None
        drive.hear(passed, asks(1))
        is_taken = passed == steps.WasPassed("t")
        assert drive.answer(Retry(**LI), "r") == (None if is_taken else told)
        if not is_taken:
            drive.now += 9 * MINUTE
            assert drive.answer(Retry(**LI), "r") is None


@pytest.mark.parametrize("flag", ["confirm_not_delivered", "send_ignore_reprint"])
def test_a_flag_that_no_batch_would_hear_is_refused(flag: str) -> None:
    """The batch would go the same way again, and nobody would know that the word was lost."""
    drive = Drive(batches=1)
    drive.waits(lambda number: row(number, "unknown"))
    told = f"{flag} answers a batch that asks, and none does: retry without it"
    assert drive.answer(Retry.model_validate({**LI, flag: True})) == told
    assert drive.answer(Retry(**LI)) is None


def test_a_batch_that_failed_for_good_is_not_retried() -> None:
    """Its key would fail again: the report tells who is left."""
    drive = Drive()
    drive.carry(failed)
    assert "failed for good" in (drive.answer(Retry(**LI)) or "")


@pytest.mark.parametrize(
    "answer", [Pause(by="li"), Reschedule(by="li", send_at=NOON + 9 * MINUTE)], ids=["pause", "time"]
)
def test_what_holds_a_list_is_given_again_while_a_try_is_settled(answer: Pause | Reschedule) -> None:
    """And while the batch starts. What it has taken before, or refuses for good, stands in the way of no resume."""
    name = type(answer).__name__.lower()
    settled = unanswered().update(answer)
    assert settled
    assert is_given_again(name, settled)
    assert is_given_again(name, JUST_ENDED)
    assert is_given_again(name, checked().update(answer) or "")
    for said in ("paused by li already", accepted().update(answer) or "", "this send is done"):
        assert not is_given_again(name, said)
    assert not is_given_again("resume", settled)
    assert is_given_again("abort", "a try is under way")


def test_no_resume_of_a_list_overtakes_another_time() -> None:
    """The batch ends up as its list stands, in all orders. When it may go on, it knows each time given before."""
    for order in product("prt", repeat=5):
        drive, paused, goes_at = Drive(), False, NOON
        drive.go()
        wanted = {str(number): _said_at(drive, letter, number) for number, letter in enumerate(order, 1)}
        for passed in drive.state.passing:
            goes_at = Reschedule.model_validate(passed.answer).send_at if passed.name == "reschedule" else goes_at
            paused = passed.name == "pause" or (paused and passed.name == "reschedule")
            assert paused or goes_at == wanted[passed.id], order
        assert (paused, goes_at) == (drive.state.paused is not None, max(NOON, *wanted.values()))


def _said_at(drive: Drive, letter: str, number: int) -> datetime:
    """The time that the list has for its batches, once one letter was said: pause, resume, time."""
    later = NOON + number * MINUTE
    drive.answer(
        {"p": Pause(by="li"), "r": Resume(by="li"), "t": Reschedule(by="li", send_at=later)}[letter], f"{number}"
    )
    return Case(drive.request, drive.state, NOON).send_at or NOON


def test_a_resume_goes_before_a_time_that_waits_for_it() -> None:
    """A paused batch does not settle its doubt before it is resumed."""
    drive = Drive()
    drive.go()
    assert drive.answer(Pause(by="li"), "first") is None
    drive.hear(steps.WasPassed("first"))
    assert drive.answer(Reschedule(by="li", send_at=NOON + 9 * MINUTE), "second") is None
    assert drive.answer(Resume(by="li"), "third") is None
    for why, first in ((JUST_ENDED, "reschedule"), (unanswered().update(Pause(by="li")), "resume")):
        drive.hear(steps.WasRefused("reschedule", why or ""))
        assert drive.state.passing[0].name == first


@pytest.mark.parametrize("stopped", [row(1, "aborted"), row_of_closed(1, "terminated")])
def test_a_retry_just_after_an_abort_is_for_what_was_asked(stopped: BatchRow) -> None:
    """Somebody saw the batch ask, and not that a person has ended it since. One in doubt is retried at once."""
    drive = Drive()
    drive.go()
    drive.hear(asks(1), steps.Ended(stopped))
    drive.go()
    assert "retry" in fitting(drive.request, drive.state, drive.now)
    drive.now += MINUTE - SECOND
    assert (drive.answer(Retry(**LI)), drive.begun) == (JUST_ENDED, {1: 1})
    drive.now += SECOND
    assert drive.answer(Retry(**LI)) is None
    for in_doubt in (row(1, "unknown"), row_of_closed(1, "terminated")):
        drive = Drive()
        drive.go()
        drive.hear(steps.Ended(in_doubt))
        drive.go()
        assert drive.answer(Retry(**LI)) is None
