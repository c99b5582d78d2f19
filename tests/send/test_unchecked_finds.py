"""What a person has found in WeChat's console, and another denies, or nobody can check."""

from collections.abc import Callable
from typing import Any

import pytest

from qunfa.contract.batches import OF_LIST
from qunfa.contract.facts import Ended, Known, Owned
from qunfa.contract.operators import Abort, Resume
from qunfa.contract.steps import JobStatus
from qunfa.rules.problems import FOUND_BY_A_PERSON, LOOK_AT_ITS_LIST
from qunfa.send import events, steps
from tests.send.alone import BY_LI, FACTS, Alone
from tests.send.places import (
    BATCH,
    FAILED,
    FROZEN,
    HOUR,
    MINUTE,
    SENDING,
    begun,
    end_of,
    failed_again,
    found,
    frozen,
    in_doubt,
    settle_questions,
    silent,
)

BUSY = JobStatus(errcode=-1, errmsg="system error")
NOT_KNOWN = JobStatus(errcode=40059, errmsg="invalid msg_id")


def denied() -> Alone:
    """A person ends it, who has not found it, and the ledger is asked before."""
    alone = in_doubt()
    assert alone.abort(confirm_not_delivered=True) is None
    return alone


def ended_under_a_freeze() -> Alone:
    """A person ends it, which was never tried."""
    alone = frozen()
    assert alone.abort() is None
    return alone


def marks(alone: Alone, said: JobStatus | None, msg_id: int = 9) -> str | None:
    """Another says that it stands there as this msg_id; why that is not taken, after WeChat has said this."""
    assert alone.mark_sent(msg_id) is None
    while alone.does() is not steps.AskWechat:
        settle_questions(alone)
    return alone.take_and_reply(events.WechatSaid(msg_id, said))


def ended_after_a_no() -> Alone:
    """WeChat is asked about the job that failed, before a person's end of what had gone out again."""
    alone = failed_again()
    assert alone.abort(confirm_not_delivered=True) is None
    while alone.does() is not steps.AskWechat:
        settle_questions(alone)
    return alone


ENDING = [denied, ended_under_a_freeze, ended_after_a_no]


def test_each_find_is_kept_once_with_its_words() -> None:
    """The newest one last. The send is paused in the words of who has found it."""
    alone = frozen()
    for msg_id in (8, 9, 8):
        marks(alone, BUSY, msg_id)
    assert [one.msg_id for one in alone.state.checks] == [9, 8]
    assert alone.state.paused is not None
    assert alone.state.paused.reason == BY_LI["reason"]
    assert {(line.by, line.reason) for line in alone.state.story if "msg_id" in line.what} == {tuple(BY_LI.values())}
    assert marks(alone, SENDING) is None
    assert alone.state.story[-1].what == "marked as sent: msg_id 9"


@pytest.mark.parametrize("there", ENDING)
def test_a_find_comes_before_the_end_that_denies_it(there: Callable[[], Alone]) -> None:
    """WeChat knows the job, so its result is awaited; it does not know another one, so that the end stands."""
    alone, wrong = there(), there()
    assert "mark_sent" in alone.status.answers
    assert marks(alone, SENDING) is None
    settle_questions(alone)
    assert alone.step.phase == "awaiting_result"
    assert "does not know msg_id 9" in str(marks(wrong, NOT_KNOWN))
    assert end_of(wrong).outcome == "aborted"


@pytest.mark.parametrize("there", ENDING)
def test_no_end_denies_a_find_that_nobody_could_check(there: Callable[[], Alone]) -> None:
    """Neither WeChat nor the ledger can be asked. What becomes known of other jobs, or a reset, forgets no find."""
    alone, pushed, reset, unheard = there(), there(), there(), there()
    assert str(marks(alone, BUSY)).endswith("so this send ends as unknown")
    for one in (pushed, reset):
        marks(one, None)
    pushed.pushed("send fail", msg_id=8)
    reset.take(events.WasReset())
    assert unheard.mark_sent(9) is None
    if unheard.does() is steps.Report:
        unheard.reported()
    unheard.sent()
    unheard.wait(10 * MINUTE)
    for one in (alone, pushed, reset, unheard):
        assert one.state.question is None
        end = end_of(one)
        assert (end.outcome, end.may_have_been_delivered) == ("unknown", True)
        assert end.problem is not None
        assert "as msg_id 9, and nobody could check that" in end.problem.sentence
        assert end.problem.todo == FOUND_BY_A_PERSON


def test_a_find_before_an_end_stands_unless_somebody_looks() -> None:
    """Who ends it later, and has found nothing since, has read what the other one had found."""
    for there in (frozen, in_doubt):
        alone = there()
        marks(alone, BUSY)
        assert alone.abort() is None
        assert end_of(alone).outcome == "unknown"
    sure = in_doubt()
    marks(sure, BUSY)
    assert sure.abort(confirm_not_delivered=True) is None
    assert end_of(sure).outcome == "aborted"


def test_a_find_that_was_checked_later_is_a_job_like_any() -> None:
    """It has failed, and its send ends: nothing is in doubt any more."""
    alone = frozen()
    marks(alone, BUSY)
    assert marks(alone, SENDING) is None
    settle_questions(alone)
    alone.pushed("send fail", msg_id=9)
    alone.asked()
    assert (alone.asks(), alone.abort()) == ("send_failed", None)
    assert end_of(alone).outcome == "aborted"


@pytest.mark.parametrize("is_owned", [False, True])
def test_what_is_said_of_another_job_checks_no_find(*, is_owned: bool) -> None:
    """WeChat was asked before the find came, and answers after it. The find waits for its own answer."""
    alone = ended_after_a_no()
    assert alone.mark_sent(9) is None
    if is_owned:
        settle_questions(alone)
    alone.take(events.WechatSaid(77, FAILED))
    assert alone.state.question is not None
    while alone.does() is not steps.AskWechat:
        settle_questions(alone)
    assert "does not know msg_id 9" in str(alone.take_and_reply(events.WechatSaid(9, NOT_KNOWN)))
    assert end_of(alone).outcome == "aborted"


def test_no_find_is_asked_for_beside_a_job_accepted() -> None:
    """A person has not found that job, and WeChat has not said that it failed: another msg_id would have no effect."""
    alone = silent()
    assert alone.abort(confirm_not_delivered=True) is None
    again = Alone()
    again.now = alone.now
    again.joined(alone.state.known, ended=Ended(outcome="aborted"))
    again.asked()
    assert again.status.answers == ("retry", "abort")
    for one in (alone, again):
        assert "mark_sent" not in one.status.answers
        assert "mark_sent does not" in str(one.mark_sent(9))
    assert end_of(alone).outcome == "aborted"


def said_to_be_unknown(alone: Alone) -> str | None:
    """WeChat answers now."""
    return marks(alone, NOT_KNOWN)


def said_to_be_anothers(alone: Alone) -> str | None:
    """The ledger knows whose it is."""
    assert alone.mark_sent(9) is None
    while alone.does() is not steps.SendWish:
        settle_questions(alone)
    alone.sent()
    owned = Owned(msg_id=9, key="autumn", generation=0, accepted=True)
    return alone.take_and_reply(alone.granted(Known(owned=(owned,))))


@pytest.mark.parametrize("refuted", [said_to_be_unknown, said_to_be_anothers])
def test_a_find_that_was_wrong_leaves_no_doubt(refuted: Callable[[Alone], str | None]) -> None:
    """It could be checked in the end. Another find, which could not, stands; and a new job may not be known yet."""
    alone, doubted, new = frozen(), frozen(), frozen()
    for one in (alone, doubted, new):
        marks(one, BUSY)
    marks(doubted, BUSY, msg_id=8)
    for one in (alone, doubted):
        one.wait(2 * FACTS.timing.repeat)
    for one in (alone, doubted, new):
        assert "msg_id 9" in str(refuted(one))
        assert one.abort() is None
    assert end_of(alone).outcome == "aborted"
    assert end_of(new).outcome == ("unknown" if refuted is said_to_be_unknown else "aborted")
    end = end_of(doubted)
    assert end.outcome == "unknown"
    assert end.problem is not None
    assert "as msg_id 8, and nobody could check that" in end.problem.sentence


@pytest.mark.parametrize(
    ("request_of", "todo"), [({"on_problem": "fail"}, FOUND_BY_A_PERSON), ({"audience": BATCH}, LOOK_AT_ITS_LIST)]
)
def test_a_find_in_doubt_is_told_to_whom_it_concerns(request_of: dict[str, Any], todo: str) -> None:
    """A batch is its list's. The ledger does not know of the find: a key started again would ask nobody about it."""
    alone = frozen(**request_of)
    marks(alone, BUSY)
    assert alone.abort() is None
    end = end_of(alone)
    assert end.problem is not None
    assert (end.outcome, end.problem.todo) == ("unknown", todo)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        *((NOT_KNOWN, "aborted"), (FAILED, "aborted"), (BUSY, "unknown"), (None, "unknown")),
        (JobStatus(status="SEND_SUCCESS"), "sent"),
    ],
)
@pytest.mark.parametrize("happens", [events.TimeCame(), events.WasReset()])
def test_a_find_of_an_earlier_job_leaves_its_end_to_wechat(
    said: JobStatus | None, outcome: str, happens: events.Event
) -> None:
    """It is asked about that job before the end anyway. Where it does not say, the end does not deny the find."""
    before, alone = silent(), Alone()
    before.abort(confirm_not_delivered=True)
    alone.now = before.now
    alone.joined(before.state.known, ended=Ended(outcome="aborted"))
    alone.asked()
    assert alone.retry() is None
    alone.take(events.WechatSaid(7, NOT_KNOWN), events.Reported())
    assert alone.abort(confirm_not_delivered=True) is None
    assert alone.mark_sent(7) is None
    while alone.wants() != "question":
        settle_questions(alone)
    alone.sent()
    refusal = str(alone.take_and_reply(alone.granted()))
    assert refusal == "msg_id 7 is an earlier job of this send, so WeChat is asked about it before the end"
    alone.take(happens)
    while alone.does() is not steps.AskWechat:
        settle_questions(alone)
    assert alone.step.effect == steps.AskWechat(7)
    alone.take(events.WechatSaid(7, said))
    assert end_of(alone).outcome == outcome


def test_a_find_is_not_denied_where_other_content_has_its_key() -> None:
    """The ledger was lost. What nobody could check, or is being checked, may be there all the same."""
    checked, doubted, none = frozen(), frozen(), frozen()
    marks(doubted, BUSY)
    assert doubted.update(Resume(by="li")) is None
    assert checked.mark_sent(9) is None
    none.wait(HOUR)
    for alone, outcome in ((checked, "unknown"), (doubted, "unknown"), (none, "failed")):
        alone.sent()
        alone.hear(answer="reused")
        end = end_of(alone)
        assert (end.outcome, end.may_have_been_delivered, alone.failure.name) == (
            outcome,
            alone is not none,
            "key_reused",
        )
    for alone in (checked, doubted):
        assert "as msg_id 9, and nobody could check that" in alone.failure.sentence
        assert alone.failure.todo == FOUND_BY_A_PERSON


def started_again(before: Alone, **request: Any) -> Alone:
    """Its list is started again, or reset, and comes to this batch, whose turn is due at once."""
    alone = begun(**{"audience": BATCH, **request})
    alone.sent()
    alone.hear(before.state.known, ended=before.state.told_end, lease=alone.lease())
    while alone.does() is steps.Report:
        settle_questions(alone)
    return alone


@pytest.mark.parametrize("identity", ["update", OF_LIST])
def test_a_batch_that_somebody_has_found_asks_before_it_goes_out(identity: str) -> None:
    """It was ended, and nobody could check that: who starts its list again, or retries it, may not know."""
    before = frozen(audience=BATCH)
    marks(before, BUSY)
    before.take(events.Updated(identity, Abort(**BY_LI)))
    assert end_of(before).outcome == "unknown"
    asked = started_again(before)
    asked.asked()
    assert (asked.asks(), asked.status.answers) == ("unknown_outcome", ("retry", "mark_sent", "abort"))
    assert "asked about next" not in asked.problem.sentence
    assert "as msg_id 9, and nobody could check that" in asked.problem.sentence
    assert asked.problem.sentence.count("This is one batch of a list") == 1
    asked.take(events.WasReset(), events.Continued())
    settle_questions(asked)
    assert asked.asks() == "unknown_outcome"
    assert asked.retry() is not None
    assert asked.retry(confirm_not_delivered=True) is None
    settle_questions(asked)
    assert (asked.wants(), asked.state.checks) == ("turn", ())
    for confirms, outcome in ((False, "unknown"), (True, "aborted")):
        ended = started_again(before)
        ended.asked()
        assert ended.abort(confirm_not_delivered=confirms) is None
        assert end_of(ended).outcome == outcome
        third = started_again(ended)
        assert third.does() is steps.SendWish
        third.asked()
        assert (third.asks(), third.state.stop is not None) == (None if confirms else "unknown_outcome", confirms)
    since, unattended = started_again(before), started_again(before, on_problem="fail")
    since.asked()
    found(since)
    settle_questions(since)
    assert since.step.phase == "awaiting_result"
    assert end_of(unattended).outcome == "unknown"
    retried = started_again(before, audience={**BATCH, "retried": True})
    retried.asked()
    assert retried.asks() == "unknown_outcome"


def test_a_found_batch_is_asked_about_past_a_confirmation() -> None:
    """Who retries it has to have looked: another one had not found what somebody has found since."""
    before = in_doubt(audience=BATCH)
    assert before.retry(confirm_not_delivered=True) is None
    before.reported()
    before.sent()
    before.hear(waits=FROZEN)
    marks(before, BUSY)
    assert before.abort() is None
    assert end_of(before).outcome == "unknown"
    again = begun(audience=BATCH)
    again.joined(before.state.known, ended=before.state.told_end)
    again.asked()
    assert (again.asks(), again.retry() is None) == ("unknown_outcome", False)


@pytest.mark.parametrize("more", [{}, {"on_problem": "fail"}, {"audience": {**BATCH, "retried": True}}])
def test_a_no_does_not_deny_in_a_second_life_what_was_found(more: dict[str, Any]) -> None:
    """It went out after the find, and WeChat has said no to that."""
    before = frozen(audience=BATCH)
    marks(before, BUSY)
    assert before.update(Resume(by="wang")) is None
    before.sent()
    before.tries()
    before.answered(msg_id=7)
    before.pushed("send fail", msg_id=7)
    before.asked()
    assert before.abort() is None
    assert end_of(before).outcome == "unknown"
    again = started_again(before, **more)
    if not more.get("on_problem"):
        again.asked()
        assert (again.asks(), again.abort()) == ("send_failed", None)
    assert end_of(again).outcome == "unknown"


def test_a_find_counts_beside_a_job_that_had_no_try() -> None:
    """A person had marked the first one behind a freeze, and did not find it later; the retry has failed."""
    before = frozen()
    assert marks(before, SENDING) is None
    settle_questions(before)
    before.wait(24 * HOUR)
    before.asked()
    before.take(events.Polled(9, None))
    before.asked()
    assert before.abort(confirm_not_delivered=True) is None
    assert end_of(before).outcome == "aborted"
    alone = Alone()
    alone.now = before.now
    alone.joined(before.state.known, ended=Ended(outcome="aborted"))
    alone.asked()
    assert alone.retry() is None
    alone.take(events.WechatSaid(9, NOT_KNOWN), events.Reported())
    alone.tries()
    alone.answered(msg_id=11)
    alone.pushed("send fail", msg_id=11)
    while alone.asks() is None:
        settle_questions(alone)
    assert (alone.asks(), "mark_sent" in alone.status.answers) == ("send_failed", True)
    found(alone, 12)
    settle_questions(alone)
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 12)
