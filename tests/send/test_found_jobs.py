"""A job that a person has found in the console: one that failed settles no try that may have been accepted."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from qunfa.contract.facts import Known
from qunfa.contract.result import Answer
from qunfa.contract.steps import JobStatus
from qunfa.rules.problems import FOUND_BY_A_PERSON
from qunfa.send import events, steps
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.places import (
    BATCH,
    FAILED,
    SENDING,
    collided,
    end_of,
    failed_again,
    found,
    in_doubt,
    joined,
    obstructed,
    settle_questions,
    silent,
    straggling,
)

SUCCESS = JobStatus(status="SEND_SUCCESS")


def failed_as_found(alone: Alone) -> Alone:
    """A person has named msg_id 9, which has failed."""
    found(alone)
    alone.reported()
    alone.pushed("send fail", msg_id=9)
    alone.asked()
    assert alone.asks() == "send_failed"
    return alone


def vaguely_answered() -> Alone:
    """WeChat has answered that its system is busy, until it has forgotten the clientmsgid; a person is asked."""
    alone = joined()
    alone.tries()
    alone.answered("unknown", errcode=-1)
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    return alone


@pytest.mark.parametrize("there", [in_doubt, vaguely_answered, collided, partial(collided, "unknown")])
def test_a_found_job_that_failed_leaves_the_doubt(there: Callable[[], Alone]) -> None:
    """It may have been sent by hand, and the try may have been delivered: an end does not deny that."""
    alone = failed_as_found(there())
    assert "may still carry it out" in alone.problem.sentence
    assert alone.status.answers == ("retry", "mark_sent", "abort")
    alone.abort()
    alone.asked()
    alone.take(events.WechatSaid(9, FAILED))
    alone.reported("unknown")


def cancelled(alone: Alone) -> None:
    """Temporal is asked to cancel it."""
    alone.take(events.Cancelled("in the UI"))


def late(alone: Alone) -> None:
    """Nobody has decided in time."""
    alone.wait(alone.engine.request.decision_timeout)


COMES = [cancelled, late]


def found_before(alone: Alone, comes: Callable[[Alone], None], said: JobStatus | None, msg_id: int = 9) -> str | None:
    """A person has found the job, and something comes while that is checked; why it is not taken."""
    assert alone.mark_sent(msg_id) is None
    comes(alone)
    while alone.does() is not steps.AskWechat:
        settle_questions(alone)
    return alone.take_and_reply(events.WechatSaid(msg_id, said))


@pytest.mark.parametrize("comes", COMES)
@pytest.mark.parametrize("there", [in_doubt, straggling, collided, obstructed])
def test_a_job_found_in_time_counts_whatever_ends_its_send(
    there: Callable[[], Alone], comes: Callable[[Alone], None]
) -> None:
    """Its result is awaited, as if it had been checked at once."""
    alone = there()
    assert found_before(alone, comes, SENDING) is None
    settle_questions(alone)
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 9)
    alone.pushed(msg_id=9)
    assert end_of(alone).outcome == "sent"


@pytest.mark.parametrize("said", [SENDING, None])
def test_a_job_without_a_verdict_is_found_in_time(said: JobStatus | None) -> None:
    """It is asked about once more. Where WeChat cannot be asked, nobody is told that it will be."""
    alone = silent()
    why = found_before(alone, late, said, msg_id=7)
    if said is not None:
        assert (why, alone.step.phase) == (None, "awaiting_result")
        return
    assert why == "WeChat could not be asked about msg_id 7, so this send ends as unknown"
    assert end_of(alone).outcome == "unknown"


def test_an_end_in_doubt_tells_of_the_job_that_was_found() -> None:
    """Nobody could check that in time."""
    alone = in_doubt()
    why = found_before(alone, late, None)
    assert why == "WeChat could not be asked about msg_id 9, so this send ends as unknown"
    end = end_of(alone)
    assert (end.outcome, end.problem and end.problem.todo) == ("unknown", FOUND_BY_A_PERSON)
    assert end.problem is not None
    assert "as msg_id 9, and nobody could check that" in end.problem.sentence


def test_a_retry_of_a_found_job_is_to_be_confirmed() -> None:
    """WeChat has forgotten the clientmsgid of the try: nobody knows but who looks into the console."""
    alone = failed_as_found(in_doubt())
    assert alone.retry() is None
    alone.take(events.WechatSaid(9, FAILED), events.Reported())
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert alone.retry() is not None


def settle(alone: Alone) -> None:
    """The ledger hears all, and knows no more."""
    effect = alone.step.effect
    if isinstance(effect, steps.Report):
        alone.take(events.Reported(effect.ended))
    else:
        alone.asked()


def found_beside(alone: Alone) -> Alone:
    """A person has named msg_id 9 beside the job that failed, and it has failed, too."""
    found(alone)
    settle(alone)
    return failed_too(alone)


def failed_too(alone: Alone, msg_id: int = 9) -> Alone:
    """A push says no of the job that shows, and a person is asked."""
    alone.pushed("send fail", msg_id=msg_id)
    while alone.asks() is None:
        settle(alone)
    assert (alone.asks(), alone.status.jobs[-1].msg_id) == ("send_failed", msg_id)
    return alone


def taken_twice(**request: Any) -> Alone:
    """A slow call was carried out once its job had failed; the account tells of that job, which failed, too."""
    alone = straggling("send fail", **request)
    slow, other = alone.state.known.tries
    answer = Answer(kind="accepted", at=NOON, msg_id=9)
    alone.take(events.WishSent("of another run", Known(tries=(slow.model_copy(update={"answer": answer}), other))))
    return failed_too(alone)


def overruled(**request: Any) -> Alone:
    """A person had named msg_id 7 before the answer to the try was known, by which WeChat had accepted another one."""
    alone = in_doubt(**request)
    (one,) = alone.state.known.tries
    found(alone, 7)
    answer = Answer(kind="accepted", at=NOON, msg_id=9)
    alone.reported()
    alone.take(events.WishSent("of another run", Known(tries=(one.model_copy(update={"answer": answer}),))))
    return failed_too(alone)


HIDDEN = [
    (lambda: found_beside(failed_again()), 77),
    (lambda: found_beside(straggling("send fail")), 7),
    (lambda: found_beside(straggling("send fail", audience=BATCH)), 7),
    (taken_twice, 7),
    (overruled, 7),
]
"""Sends of which a generation shows msg_id 9, and another job may be delivered."""


def as_it_is(alone: Alone) -> Alone:
    """The same run."""
    return alone


def reset(alone: Alone) -> Alone:
    """The run goes back, and asks its account anew what is known."""
    alone.take(events.WasReset())
    alone.asked(alone.state.known)
    return alone


def continued(alone: Alone) -> Alone:
    """The run goes on as another one."""
    alone.take(events.Continued())
    return alone


def started_again(alone: Alone) -> Alone:
    """A second life of the key."""
    again = Alone(**alone.engine.request.model_dump(mode="json", include={"audience"}))
    again.now = alone.now
    again.joined(alone.state.known)
    while again.asks() is None:
        settle(again)
    return again


LATER = [as_it_is, reset, continued, started_again]


def asked_about(alone: Alone, msg_id: int, word: JobStatus) -> set[int]:
    """Of which jobs WeChat is asked, who says this of one of them, and no of the others."""
    asked = set()
    while isinstance(step := alone.engine.planned(alone.run, alone.now), steps.Step) and step.effect is not None:
        if isinstance(step.effect, steps.AskWechat):
            one = step.effect.msg_id
            asked.add(one)
            alone.take(events.WechatSaid(one, word if one == msg_id else FAILED))
        elif isinstance(step.effect, steps.Poll):
            alone.take(events.Polled(step.effect.msg_id, None))
        else:
            settle(alone)
    return asked


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize(("there", "msg_id"), HIDDEN)
def test_no_second_submission_passes_over_a_job(
    there: Callable[[], Alone], msg_id: int, later: Callable[[Alone], Alone]
) -> None:
    """The no to each may be forged: WeChat's word on all of them lets the next generation go out."""
    delivered = later(there())
    assert delivered.retry() is None
    assert asked_about(delivered, msg_id, SUCCESS) == {9, msg_id}
    assert delivered.end.outcome == "sent"
    assert delivered.status.jobs[-1].msg_id == msg_id


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize(("there", "msg_id"), HIDDEN)
def test_no_bad_end_passes_over_a_job(there: Callable[[], Alone], msg_id: int, later: Callable[[Alone], Alone]) -> None:
    """It is named where WeChat still sends it, and stands for the send where it was delivered."""
    for word, outcome in ((SENDING, "unknown"), (SUCCESS, "sent"), (FAILED, "aborted")):
        alone = later(there())
        assert alone.abort(confirm_not_delivered=True) is None
        assert {9, msg_id} == asked_about(alone, msg_id, word)
        assert alone.end.outcome == outcome
        assert word is not SENDING or f"msg_id {msg_id} failed" in alone.failure.sentence


def test_a_job_that_comes_up_meanwhile_is_asked_about_too() -> None:
    """The account tells of a slow call that made a job, while WeChat is asked about the one that is known."""
    alone = straggling("send fail")
    slow, other = alone.state.known.tries
    assert alone.retry() is None
    answer = Answer(kind="accepted", at=NOON, msg_id=9)
    alone.take(events.WishSent("of another run", Known(tries=(slow.model_copy(update={"answer": answer}), other))))
    alone.pushed("send fail", msg_id=9)
    assert asked_about(alone, 9, SUCCESS) == {7, 9}
    assert alone.end.outcome == "sent"
