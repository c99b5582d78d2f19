"""What a person may say while WeChat asks the administrator, or does not say what it knows."""

from datetime import datetime

import pytest

from qunfa.contract.steps import JobStatus
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.notices import notice_problem
from qunfa.send import events, steps
from tests.send.alone import FACTS, Alone
from tests.send.places import HOUR, MINUTE, found, in_doubt, trying
from tests.send.test_contradictions import settled


@pytest.mark.parametrize("errcode", [89504, 89505])
def test_a_job_that_the_administrator_is_asked_about_is_known(errcode: int) -> None:
    """Its verdict is awaited like that of any other."""
    alone = in_doubt()
    found(alone, 9, JobStatus(errcode=errcode))
    alone.reported()
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 9)


@pytest.mark.parametrize("errcode", [45009, 48001])
def test_a_refusal_does_not_say_that_a_job_is_not_known(errcode: int) -> None:
    """Nothing is changed, and the person may ask again."""
    alone = in_doubt()
    alone.mark_sent(9)
    alone.asked()
    refused = str(alone.take_and_reply(events.WechatSaid(9, JobStatus(errcode=errcode, errmsg="no"))))
    assert f"has not said whether it knows msg_id 9 (it answered {errcode} no)" in refused
    assert (alone.asks(), alone.mark_sent(9)) == ("unknown_outcome", None)


def test_nobody_confirms_for_an_administrator_who_is_still_asked() -> None:
    """For 35 minutes: he has 30. An abort without that word ends as unknown, as ever."""
    alone = trying()
    alone.wait(FACTS.timing.window - 15 * MINUTE)
    asked_at = alone.now
    alone.answered("unknown", errcode=89505)
    while alone.asks() is None:
        if alone.does() is steps.SendWish:
            alone.asked()
        else:
            alone.wait(MINUTE)
    assert alone.asks() == "unknown_outcome"
    for answer in (alone.retry, alone.abort):
        said = f"who may confirm it until {shanghai_clock(asked_at + 35 * MINUTE)}"
        assert said in str(answer(confirm_not_delivered=True))
    alone.now = asked_at + 35 * MINUTE
    assert alone.retry(confirm_not_delivered=True) is None


def test_an_administrator_who_is_asked_again_is_spoken_of() -> None:
    """35 minutes later the repeat is another question to him. A person hears of it at once, and it is repeated no more.

    Whether he says yes now shows in the console, once his time is over.
    """
    alone = trying()
    alone.answered("unknown", errcode=89505)
    assert alone.asks() is None
    alone.wait(35 * MINUTE)
    alone.tries()
    alone.answered("unknown", errcode=89505)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert "the administrator has been asked" in alone.problem.sentence
    assert "who may confirm it until" in str(alone.abort(confirm_not_delivered=True))
    found(alone)
    alone.reported()
    assert alone.step.phase == "awaiting_result"


def refused_by_phone() -> Alone:
    """He has said no to a job that a person has found, and the repeat of another try waits on his phone."""
    alone = trying()
    alone.answered("unknown", errcode=89505)
    alone.wait(35 * MINUTE)
    alone.tries()
    alone.answered("unknown", errcode=89505)
    alone.asked()
    found(alone)
    alone.reported()
    alone.pushed("err(40001)", msg_id=9)
    alone.asked()
    assert alone.asks() == "admin_refused"
    return alone


def test_a_no_by_phone_leaves_the_question_that_is_open() -> None:
    """A yes to it would deliver: nobody confirms the contrary, nor has it asked a third time, before its end."""
    alone = refused_by_phone()
    until = f"who may confirm it until {shanghai_clock(alone.now + 35 * MINUTE)}"
    assert until in str(alone.abort(confirm_not_delivered=True))
    assert until in str(alone.retry())
    assert until in alone.problem.todo
    assert notice_problem(alone.problem).todo == alone.problem.todo
    assert "retry" not in alone.status.answers
    assert alone.step.wakes_at == alone.now + 35 * MINUTE, "a list hears then that more fits"
    alone.now += 35 * MINUTE
    assert "retry" in alone.status.answers
    again = refused_by_phone()
    again.now += 35 * MINUTE
    assert (alone.abort(confirm_not_delivered=True), again.retry()) == (None, None)


def asked_again(times: int) -> Alone:
    """Nobody is asked, and each repeat is another question to the administrator."""
    alone = trying(on_problem="fail")
    for _ in range(times):
        alone.answered("unknown", errcode=89505)
        alone.wait(35 * MINUTE)
        alone.tries()
    return alone


def test_without_a_person_a_second_yes_of_his_is_found() -> None:
    """One more try is made once he has had his time."""
    alone = asked_again(2)
    alone.answered("duplicate", errcode=45065, msg_id=7)
    alone.asked()
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 7)


def test_who_reads_the_end_finds_what_the_administrator_said() -> None:
    """It ends once he has had his time: the console tells nothing before, and somebody might send it anew."""
    alone = asked_again(2)
    alone.answered("unknown", errcode=89505)
    asked_at = alone.now
    alone.asked()
    assert (alone.step.phase, alone.step.until) == ("submitting", asked_at + 35 * MINUTE)
    assert alone.step.why == "the administrator, who may still confirm it"
    alone.wait(35 * MINUTE)
    assert settled(alone).outcome == "unknown"


def asked_with_him() -> tuple[Alone, datetime]:
    """A person has ten minutes, and the administrator was asked just before, which is told, too."""
    alone = trying(decision_timeout="PT10M")
    alone.wait(FACTS.timing.window - 2 * MINUTE)
    asked_at = alone.now
    alone.answered("unknown", errcode=89505)
    while alone.asks() is None:
        alone.asked() if alone.does() is steps.SendWish else alone.wait(MINUTE)
    return alone, asked_at


def test_nobody_decides_while_the_administrator_is_asked() -> None:
    """The person's time begins once his is over: until then their answer is refused."""
    alone, asked_at = asked_with_him()
    alone.now = asked_at + 34 * MINUTE
    alone.take()
    assert (alone.asks(), alone.step.until) == ("unknown_outcome", asked_at + 45 * MINUTE)
    alone.wait(HOUR)
    assert settled(alone).outcome == "unknown"


def test_a_person_can_answer_once_the_administrator_could() -> None:
    """As they were told, however short their time is."""
    alone, asked_at = asked_with_him()
    alone.wait(asked_at + 44 * MINUTE - alone.now)
    assert (alone.asks(), alone.abort(confirm_not_delivered=True)) == ("unknown_outcome", None)
