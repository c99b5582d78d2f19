"""What people have said to a list that was reset: Temporal applies it again, and its batch may ask anew by now."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.batches import steps
from qunfa.contract.batches import BatchSaid
from qunfa.contract.operators import Abort, Approve, Choose, MarkSent, Pause, Retry
from tests.batches.driving import ASKS, LI, Drive, failed, request
from tests.batches.test_split import SPLIT
from workflows.inbox import Inbox

IN_DOUBT = ASKS.model_copy(update={"name": "unknown_outcome"})
ANSWERS = ("retry", "mark_sent", "abort")
IS_IN_DOUBT = BatchSaid(number=1, problem=IN_DOUBT, answers=ANSWERS)
CONFIRMED: dict[str, Any] = {**LI, "confirm_not_delivered": True}


def asking() -> Drive:
    """A list whose first batch asks a person."""
    drive = Drive()
    drive.go()
    return drive.hear(IS_IN_DOUBT)


@pytest.mark.parametrize("answer", [Retry(**CONFIRMED), Retry(**LI), MarkSent(**LI, msg_id=7)], ids=repr)
@pytest.mark.parametrize("is_late", [False, True])
def test_a_reset_list_gives_no_old_answer(answer: Retry | MarkSent, *, is_late: bool) -> None:
    """Where nobody looked at what the batch asks now. It may have refused the answer then, or be another run."""
    drive, name = asking(), "retry" if isinstance(answer, Retry) else "mark_sent"
    again, reset = steps.Updated("u", answer), steps.WasReset()
    drive.hear(*((again, reset) if is_late else (reset, again)))
    [reply] = drive.state.replies
    assert reply.refusal == f"{name} does not fit now: the send is submitting and asks nothing"
    drive.go()
    assert (drive.passed, drive.state.passing) == ([], ())
    drive.hear(IS_IN_DOUBT)
    assert drive.answer(answer, "now") is None
    drive.go()
    assert drive.passed == [name]


@pytest.mark.parametrize("is_late", [False, True])
def test_an_abort_is_the_lists_own_after_a_reset(*, is_late: bool) -> None:
    """It ends the list. What it had confirmed for the batch is dropped."""
    drive, again, reset = asking(), steps.Updated("u", Abort(**CONFIRMED)), steps.WasReset()
    drive.hear(*((again, reset) if is_late else (reset, again)))
    assert [(one.id, one.refusal) for one in drive.state.replies] == [("u", None)]
    assert drive.state.stop is not None
    assert [(one.update, one.name, one.answer) for one in drive.state.passing] == [(None, "abort", LI)]


def test_an_abort_given_again_lets_no_other_batch_go() -> None:
    """The batch may have taken it before the reset, or refused it. A list that goes on by itself ends all the same."""
    drive = Drive(request(on_batch_problem="continue"))
    drive.go()
    drive.hear(IS_IN_DOUBT, steps.WasReset(), steps.Updated("u", Abort(**CONFIRMED)), steps.Ended(failed(1)))
    assert drive.ended().outcome == "aborted"
    assert drive.begun == {1: 1}


def test_a_reset_list_keeps_what_holds_its_batch() -> None:
    """The batch is given it once more, and shows soon whether it is held."""
    drive = Drive()
    drive.go()
    drive.hear(BatchSaid(number=1, held="account_frozen"))
    assert drive.answer(Pause(**LI)) is None
    drive.hear(steps.WasReset())
    assert [one.name for one in drive.state.passing] == ["pause"]
    step = drive.step
    assert isinstance(step, steps.Step)
    assert (step.phase, step.held) == ("submitting", None)


def test_a_reset_list_has_all_its_time_to_be_approved() -> None:
    """The reset has taken the approval back, long after what was approved was shown."""
    drive = Drive(request(approval={"required": True}, requested_by="wang", decision_timeout="PT1H"))
    drive.waits()
    drive.now += timedelta(hours=2)
    drive.hear(steps.WasReset())
    assert "is not ready" in str(drive.answer(Approve(by="li"))), "its lines know of no earlier run"
    assert drive.waits().effect is None
    assert drive.answer(Approve(by="li")) is None
    drive.ended()
    assert drive.begun == {1: 1, 2: 1, 3: 1}


def test_a_reset_list_has_all_its_time_to_be_answered() -> None:
    """It asked which message wins, and its earlier run went on from there for days."""
    drive = Drive(request(**SPLIT))
    assert drive.waits().phase == "needs_operator"
    drive.now += timedelta(hours=240)
    drive.hear(steps.WasReset())
    step = drive.waits()
    assert (step.phase, step.until) == ("needs_operator", drive.now + drive.request.decision_timeout)
    assert drive.answer(Choose(by="li", winner="b")) is None


async def test_a_reset_forgets_what_has_come_with_it() -> None:
    """Temporal applies what the batch has said again, too."""
    drive, inbox = Drive(), Inbox()
    drive.go()
    for event in (IS_IN_DOUBT, steps.Updated("u", Retry(**CONFIRMED)), steps.WasReset()):
        inbox.put(event)
    drive.hear(*inbox.take()).go()
    assert (drive.passed, len(drive.state.replies)) == ([], 1)
