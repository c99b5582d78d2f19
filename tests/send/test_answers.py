"""Which answers of people fit, what each does, and why one does not: judged when it comes, and when it is taken."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from qunfa.contract.facts import Known, Owned
from qunfa.contract.operators import Approve, Choose, Pause, Reject, Reschedule, Resume, WaitingFor
from qunfa.contract.result import Answer
from qunfa.contract.steps import JobStatus
from qunfa.rules.course import may_straggle
from qunfa.rules.notices import notice_problem
from qunfa.send import events, steps
from qunfa.send.answers import NO_SPLIT, refusal
from qunfa.send.state import Case
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.places import (
    FAILED,
    HOUR,
    MINUTE,
    SENDING,
    accepted,
    asking,
    in_doubt,
    joined,
    planned,
    polled_no,
    refused,
    settle_questions,
    silent,
    straggling,
    to_approve,
    unanswered,
)


def test_a_planned_retry_needs_a_no_of_wechat() -> None:
    """A second submission under a new clientmsgid, once WeChat has said that the first one failed."""
    alone = asking()
    alone.retry()
    assert alone.step.effect == steps.AskWechat(7)
    alone.take(events.WechatSaid(7, FAILED), events.Reported())
    assert [job.generation for job in alone.status.jobs] == [0, 1]
    assert alone.status.jobs[0].clientmsgid != alone.status.jobs[1].clientmsgid
    assert alone.wants() == "turn"


def test_an_answer_still_being_checked_at_the_end_is_refused() -> None:
    """Whoever gave it would wait for ever, and the run for them: a ledger that was lost may end the send meanwhile."""
    alone = asking()
    alone.retry()
    assert alone.state.question is not None
    assert alone.take_and_reply(events.Finished("failed")) == "this send is done"
    assert alone.state.question is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (SENDING, "would double it"),
        (JobStatus(status="SEND_SUCCESS"), "would double it"),
        (JobStatus(status="WEIRD"), "WeChat has not said what became of"),
        (JobStatus(errcode=89504), "WeChat still asks the administrator about msg_id"),
        (JobStatus(errcode=48001, errmsg="api unauthorized"), "WeChat has not said what became of"),
        (None, "WeChat could not be asked about msg_id 7, so nothing was changed; retry later"),
    ],
)
def test_no_second_submission_while_wechat_does_not_say_no(said: JobStatus | None, why: str) -> None:
    """The update fails with a sentence, and nothing was changed; a yes is taken."""
    alone = asking()
    alone.retry()
    after = alone.take_and_reply(events.WechatSaid(7, said))
    assert after is not None
    assert why in after
    delivered = said is not None and said.status == "SEND_SUCCESS"
    assert len(alone.state.known.decided) == 0
    assert alone.wants() is None
    assert alone.step.effect == steps.Report() if delivered else alone.asks() == "send_failed"


def test_a_push_that_comes_while_wechat_is_asked_is_judged_with_it() -> None:
    """The send was delivered after all: the retry does not fit any more."""
    alone = asking()
    alone.retry()
    alone.pushed()
    assert "look at the status, then decide" in str(alone.take_and_reply(events.WechatSaid(7, FAILED)))
    assert alone.end.outcome == "sent"


def test_a_retry_of_a_refusal_keeps_the_generation() -> None:
    """WeChat took nothing: the same clientmsgid, at once. Of two operators at once the second one is told why."""
    alone = refused()
    assert alone.retry() is None
    assert ([job.generation for job in alone.status.jobs], alone.wants()) == ([0], "turn")
    assert "asks nothing" in str(alone.retry())


def test_a_planned_retry_of_an_unknown_needs_a_confirmation() -> None:
    """And the confirmation covers what was known when it was given."""
    alone = in_doubt()
    assert "retry needs confirm_not_delivered" in str(alone.retry())
    assert alone.retry(confirm_not_delivered=True) is None
    assert alone.status.jobs[0].state == "failed"
    assert alone.state.known.decided[0].covers == (alone.state.known.tries[0].wish,)


@pytest.mark.parametrize("asked", [asking, straggling, in_doubt])
def test_a_retry_too_late_is_refused(asked: Callable[..., Alone]) -> None:
    """It would submit nothing, and end the send; or the person would be asked the same again."""
    end = NOON + 2 * FACTS.timing.window
    alone = asked(**({"word": "send fail"} if asked is not in_doubt else {}), not_after=end.isoformat())
    assert "retry" in alone.status.answers
    alone.wait(end - alone.now)
    assert "retry" not in alone.status.answers
    assert "not_after has passed" in str(alone.retry(confirm_not_delivered=asked is in_doubt))
    assert alone.problem.todo.startswith(
        "Its not_after has passed, or no send_hours are left before it, so a retry would"
    )
    assert notice_problem(alone.problem).todo == alone.problem.todo
    assert alone.abort(confirm_not_delivered=True) is None


def test_a_verdict_is_asked_for_after_not_after_too() -> None:
    """That retry submits nothing at any time."""
    alone = silent(not_after=(NOON + HOUR).isoformat())
    assert alone.retry() is None


def test_a_reprint_needs_the_flag() -> None:
    """Without it the same would happen again; elsewhere it makes no sense."""
    alone = asking("err(30003)")
    assert "retry needs send_ignore_reprint" in str(alone.retry())
    assert "answers unknown_outcome only" in str(alone.retry(confirm_not_delivered=True, send_ignore_reprint=True))
    alone.retry(send_ignore_reprint=True)
    alone.take(events.WechatSaid(7, FAILED))
    assert alone.state.known.decided[0].send_ignore_reprint


def test_mark_sent_refuses_another_jobs_msg_id() -> None:
    """By the ledger, or since WeChat does not know it."""
    alone = in_doubt()
    alone.mark_sent(9)
    theirs = Known(owned=(Owned(msg_id=9, key="autumn", generation=0, accepted=True),))
    alone.sent()
    heard = alone.granted(theirs)
    assert "is another job's: key autumn" in str(alone.take_and_reply(heard))
    alone.mark_sent(8)
    alone.asked()
    assert "does not know msg_id 8" in str(alone.take_and_reply(events.WechatSaid(8, JobStatus(errcode=40059))))


def test_a_problem_that_nobody_decides_ends_in_time() -> None:
    """The time is over: the send fails with its problem, or as unknown."""
    alone = asking(decision_timeout="PT1H")
    alone.wait(HOUR)
    alone.asked()
    alone.take(events.WechatSaid(7, FAILED))
    alone.reported("failed")
    assert (alone.end.outcome, alone.end.problem and alone.failure.name) == ("failed", "send_failed")
    assert refusal(alone.engine.request, alone.state, alone.now, Pause(by="li")) == "this send is done"


def test_an_approval_is_given_by_somebody_else() -> None:
    """After what goes out was shown; without it the send expires."""
    alone = joined(approval={"required": True}, requested_by="crm")
    assert "is not ready" in str(alone.update(Approve(by="wang")))
    alone.take(events.Shown(("text: 你好", "to all followers")))
    assert alone.status.answers == ("approve", "reject", "pause", "reschedule", "abort")
    assert "somebody else has to approve" in str(alone.update(Approve(by=" CRM ")))
    assert alone.update(Approve(by="wang")) is None
    assert alone.status.approval.by == "wang"
    assert alone.wants() == "turn"
    assert "has approved it already" in str(alone.update(Reject(by="wang")))


def test_another_time_moves_the_send() -> None:
    """Not beyond not_after, and not once a try was answered."""
    alone = planned(not_after=(NOON + 3 * HOUR).isoformat())
    assert "must be earlier than not_after" in str(alone.update(Reschedule(by="li", send_at=NOON + 4 * HOUR)))
    assert alone.update(Reschedule(by="li", send_at=NOON + 2 * HOUR)) is None
    assert alone.step.until == NOON + 2 * HOUR
    assert alone.update(Reschedule(by="li", send_at=NOON - HOUR)) is None
    assert alone.wants() == "turn"


def test_a_cancellation_ends_what_cannot_have_been_delivered() -> None:
    """And is noted where something may have been: the send goes on to its verdict."""
    free, accepted = Alone(send_at=(NOON + HOUR).isoformat()), Alone()
    free.joined()
    free.take(events.Cancelled("no reason given"))
    free.asked()
    free.reported("aborted")
    assert free.end.outcome == "aborted"
    accepted.accepted()
    accepted.take(events.Cancelled("no reason given"))
    assert accepted.step.phase == "awaiting_result"


def test_a_retry_of_a_cancelled_send_is_refused() -> None:
    """It would submit nothing: whoever gives it is told so."""
    alone = unanswered()
    alone.take(events.Cancelled("no"))
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert "retry" not in alone.status.answers
    assert "was cancelled" in (alone.retry(confirm_not_delivered=True) or "")


@pytest.mark.parametrize("said", [FAILED, None])
def test_an_abort_comes_before_a_retry_that_is_checked(said: JobStatus | None) -> None:
    """Nothing is submitted a second time: the retry is refused once WeChat has answered."""
    alone = asking()
    assert alone.retry() is None
    assert alone.abort() is None
    told = str(alone.take_and_reply(events.WechatSaid(7, said)))
    assert ("this send is ending" in told) is (said is not None)
    alone.asked()
    alone.take(events.WechatSaid(7, FAILED))
    alone.reported("aborted")
    assert (alone.end.outcome, len(alone.state.known.decided)) == ("aborted", 0)


def test_a_question_to_a_silent_ledger_is_dropped() -> None:
    """Nothing was changed, and the same answer can be given again: the ledger is asked anew, and may be back."""
    alone = in_doubt()
    for _ in range(2):
        alone.mark_sent(9)
        assert alone.wants() == "question"
        alone.sent()
        alone.wait(3 * FACTS.timing.ask)
        assert (alone.state.question, alone.asks()) == (None, "unknown_outcome")
    alone.mark_sent(9)
    alone.sent()
    alone.hear()
    assert alone.step.effect == steps.AskWechat(9)


def test_what_is_listed_fits() -> None:
    """And what is not listed is refused: by the same rules."""
    checked, late, waiting = asking(), asking(decision_timeout="PT1H"), Alone()
    checked.retry()
    assert checked.status.answers == ("abort",)
    assert checked.status.problem
    late.wait(HOUR)
    assert (late.status.answers, late.step.phase) == ((), "needs_operator")
    assert "ending" in str(late.abort())
    waiting.accepted()
    waiting.wait(HOUR)
    waiting.asked()
    waiting.take(events.Polled(7, "SEND_FAIL"), events.Reported())
    assert waiting.status.answers == ()
    assert "can only be recalled" in str(waiting.abort())


def test_a_word_that_changes_which_job_counts_ends_the_question() -> None:
    """WeChat had taken two: while one is asked about, a push says that the other was sent."""
    alone = accepted()
    first = alone.state.known.tries[0]
    alone.pushed("err(40002)")
    second = first.model_copy(update={"number": 2, "wish": "w2", "answer": Answer(kind="accepted", at=NOON, msg_id=8)})
    alone.take(events.WishSent("of another run", Known(tries=(second,))))
    alone.pushed("send fail", msg_id=8)
    while alone.asks() is None:
        settle_questions(alone)
    assert alone.retry() is None
    assert alone.state.question is not None
    asked = alone.state.question.left[0]
    alone.pushed("send success", msg_id=15 - asked)
    refusal = alone.take_and_reply(events.WechatSaid(asked, FAILED))
    assert refusal is not None
    assert "knew more of this send" in refusal


def test_a_retry_covers_what_no_retry_has_covered_before() -> None:
    """Or what a key remembers would grow with the square of its retries."""
    alone = joined()
    for _ in range(3):
        alone.tries()
        alone.answered("refused", errcode=48001)
        alone.asked()
        assert alone.asks() == "account_refused"
        assert alone.retry() is None
    assert [len(one.covers) for one in alone.state.known.decided] == [1, 1, 1]


@pytest.mark.parametrize("outcome", ["rejected", "expired"])
def test_a_send_that_nobody_approves_is_not_sent(outcome: str) -> None:
    """Somebody rejects it, or the time for the decision is over."""
    alone = to_approve(decision_timeout="PT1H")
    if outcome == "rejected":
        assert alone.update(Reject(by="li", reason="wrong text")) is None
    else:
        alone.wait(HOUR)
    alone.asked()
    alone.reported(outcome)
    assert alone.end.outcome == outcome


def test_a_resumed_send_has_all_its_time_to_be_approved() -> None:
    """However long it was paused; a ``resume`` never ends it, but ``not_after`` does."""
    alone = to_approve(decision_timeout="PT1H", not_after=NOON + 4 * HOUR)
    assert alone.status.waiting_for == WaitingFor(reason="approval", until=NOON + HOUR)
    alone.wait(HOUR / 2)
    assert alone.update(Pause(by="li")) is None
    alone.wait(2 * HOUR)
    assert alone.update(Resume(by="li")) is None
    resumed = NOON + 2.5 * HOUR
    assert (alone.status.phase, alone.status.waiting_for) == (
        "awaiting_approval",
        WaitingFor(reason="approval", until=resumed + HOUR),
    )
    alone.wait(HOUR - timedelta(seconds=1))
    assert alone.status.phase == "awaiting_approval"
    alone.update(Pause(by="li"))
    alone.update(Resume(by="li"))
    assert alone.status.waiting_for == WaitingFor(reason="approval", until=NOON + 4 * HOUR)
    alone.wait(HOUR)
    alone.asked()
    alone.reported("expired")
    assert alone.end.outcome == "expired"


def test_a_retry_does_not_answer_a_problem_that_came_meanwhile() -> None:
    """``mass/get`` said no; the push that says why came while WeChat was asked: a reprint needs its flag."""
    alone = polled_no()
    alone.wait(FACTS.timing.push_grace)
    alone.asked()
    assert alone.asks() == "send_failed"
    assert alone.retry() is None
    alone.pushed("err(30003)")
    assert "look at the status, then decide" in str(alone.take_and_reply(events.WechatSaid(7, FAILED)))
    alone.asked()
    assert (alone.asks(), alone.state.known.decided) == ("reprint_needs_decision", ())


def test_an_answer_fits_no_problem_that_is_about_to_be_put() -> None:
    """The push names another reason, and the account is asked before that is shown: the page has the old one."""
    alone = silent()
    alone.pushed("err(30003)")
    assert (alone.does(), alone.asks()) == (steps.SendWish, "no_verdict")
    assert "look at the status, then decide" in str(alone.retry())
    alone.asked()
    assert (alone.asks(), alone.state.known.decided) == ("reprint_needs_decision", ())


def test_a_retry_that_only_asks_wechat_again_brings_no_doubt_back() -> None:
    """A 45065 has told that the lost try had made the job: after its no, nothing else can come through."""
    alone = unanswered()
    alone.wait(MINUTE)
    alone.tries()
    alone.answered("duplicate", errcode=45065)
    alone.asked(Known(owned=(Owned(msg_id=7, key="spring", generation=0, accepted=True),)))
    alone.take(events.Polled(7, None))
    alone.asked()
    assert alone.asks() == "no_verdict"
    assert alone.retry() is None
    alone.pushed("send fail")
    while alone.does() is not None:
        alone.reported() if alone.does() is steps.Report else alone.asked()
    assert alone.asks() == "send_failed"
    assert not may_straggle(Case(alone.engine.request, alone.state, alone.now).jobs)


def test_the_job_that_failed_is_not_the_other_one() -> None:
    """A slow try may have made another. The one that WeChat has refused changes nothing."""
    alone = straggling()
    assert "msg_id 7 failed: give the msg_id of the other job" in str(alone.mark_sent(7))
    assert alone.mark_sent(8) is None


def test_a_plain_send_has_no_choice_to_make() -> None:
    """Whoever chooses for it means another send."""
    alone, asked = joined(), Choose(by="li", reason="looked", winner="a")
    assert refusal(alone.engine.request, alone.state, alone.now, asked) == NO_SPLIT
