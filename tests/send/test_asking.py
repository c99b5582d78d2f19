"""What a person is asked: with WeChat's words and the account's counts, once the ledger knows no better."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from qunfa.contract.facts import Ended, Known, Said
from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.result import Answer, Problem, Verdict
from qunfa.send import events, steps
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import IDS
from tests.send.places import FAILED, SENDING, asking, begun, refused, straggling, trying

DAY = timedelta(days=1)
COUNTED = SendsCounted(today=Day(total=41, to_all=1), month=Day(total=43, to_all=3), since=NOON - DAY)


def shown(alone: Alone) -> Problem:
    """The problem that people see."""
    problem = alone.status.problem
    assert problem is not None
    return problem


def of_quota() -> Alone:
    """The day's sends are used up, and the account has a person asked."""
    alone = Alone(FACTS.model_copy(update={"quota": "ask"}))
    alone.joined(counted=COUNTED)
    alone.tries()
    alone.answered("refused", errcode=45028)
    alone.asked(counted=COUNTED)
    assert alone.asks() == "quota_exhausted"
    return alone


def test_a_used_up_quota_is_told_with_what_was_counted() -> None:
    """When a person is asked, while the account is asked once more, and with the end."""
    alone = of_quota()
    assert "41 accepted today" in shown(alone).sentence
    alone.abort()
    assert alone.does() is steps.SendWish
    assert "41 accepted today" in shown(alone).sentence
    alone.asked()
    alone.reported("aborted")
    assert alone.end.problem is not None
    assert "41 accepted today" in alone.end.problem.sentence


@pytest.mark.parametrize(("there", "slow"), [(asking, False), (straggling, True)])
def test_a_strange_word_has_the_ledger_asked_again(there: Callable[[], Alone], slow: bool) -> None:
    """It may turn out to be one's own. The problem stays as it was, and is put once more."""
    alone = there()
    before = alone.step
    alone.pushed("send fail", msg_id=99)
    assert alone.wants() == "asking"
    assert alone.step.problem == before.problem
    assert ("may still carry it out" in shown(alone).sentence) is slow
    alone.asked()
    assert (alone.wants(), alone.step) == (None, before)


def test_another_word_on_ones_own_job_asks_the_ledger_nothing() -> None:
    """It is known whose it is."""
    alone = asking()
    alone.take(events.Polled(7, "SEND_FAIL"))
    alone.reported()
    assert (alone.step.phase, alone.wants()) == ("needs_operator", None)


def test_a_problem_has_the_words_of_the_job_that_failed() -> None:
    """Not of one that was opened since, and of which nothing is known."""
    before = asking("err(40002)")
    before.retry()
    before.take(events.WechatSaid(7, FAILED))
    assert len(before.status.jobs) == 2
    alone = Alone()
    alone.joined(before.state.known, ended=Ended(outcome="failed", problem="admin_timeout"))
    alone.asked(before.state.known)
    alone.take(events.WechatSaid(7, FAILED))
    assert alone.end.problem is not None
    assert (alone.end.problem.name, alone.end.problem.errmsg) == ("admin_timeout", "err(40002)")


def test_what_expires_while_nobody_decides_has_expired() -> None:
    """Where the time for the decision and ``not_after`` are the same moment."""
    alone = refused(not_after=(NOON + DAY).isoformat(), decision_timeout="P1D")
    assert alone.step.until == NOON + DAY
    alone.wait(DAY)
    alone.asked()
    alone.reported("expired")


def test_who_ends_by_time_asks_wechat_and_is_not_held_back() -> None:
    """Its content was not looked at: an earlier run had a job that is said to have failed."""
    alone = begun(not_after=NOON.isoformat())
    no = Said(msg_id=7, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    job = own(1, Answer(kind="accepted", at=NOON, msg_id=7))
    alone.take(events.LookedUp(job.model_copy(update={"said": (no,)})))
    assert (alone.step.effect, alone.step.ends) == (steps.AskWechat(7), True)
    assert alone.abort() is not None
    alone.take(events.WechatSaid(7, FAILED))
    assert alone.end.outcome == "expired"


def test_a_doubtful_end_names_each_job_in_doubt() -> None:
    """WeChat has taken two, and says of neither in time that it has failed."""
    alone = Alone(on_problem="fail")
    [first] = own(1, Answer(kind="accepted", at=NOON, msg_id=7)).tries
    [second] = own(2, Answer(kind="accepted", at=NOON, msg_id=8)).tries
    second = second.model_copy(update={"generation": 1, "clientmsgid": IDS[1]})
    no = Verdict(status="send fail", observed_by="push")
    said = tuple(Said(msg_id=msg_id, verdict=no, at=NOON) for msg_id in (7, 8))
    alone.joined(Known(tries=(first, second), said=said))
    while alone.does() is steps.SendWish:
        alone.asked()
    for msg_id in (7, 8):
        assert alone.step.effect == steps.AskWechat(msg_id)
        alone.take(events.WechatSaid(msg_id, SENDING), events.Polled(msg_id, None))
    alone.reported("unknown")
    assert alone.end.problem is not None
    assert "msg_id 7, msg_id 8" in alone.end.problem.sentence


def test_sends_that_wait_for_a_quota_are_spread() -> None:
    """Within three minutes from midnight in Shanghai; one send always at the same time."""
    midnight = NOON.replace(hour=16)
    times = set()
    for key in ("a", "b", "c", "d"):
        alone = trying(key=key)
        alone.answered("refused", errcode=45028)
        assert alone.step.until is not None
        assert midnight <= alone.step.until < midnight + timedelta(minutes=3)
        assert (alone.step.phase, alone.status.waiting_for is None) == ("scheduled", False)
        times.add(alone.step.until)
    assert len(times) > 1
