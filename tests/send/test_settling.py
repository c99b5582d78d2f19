"""What a person is asked, once the ledger knows no better; and how one who has looked settles it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from qunfa.account.budget import fitting
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Ended, Known, Said
from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.message import Made, Material
from qunfa.contract.result import Answer, Problem, Verdict
from qunfa.contract.steps import JobStatus
from qunfa.rules.bounds import shortened
from qunfa.rules.problems import NO_NEW_KEY, PROBLEMS
from qunfa.send import events, steps
from qunfa.send.answers import FACTS_BYTES
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import IDS, a_try
from tests.send.places import (
    FAILED,
    MINUTE,
    SENDING,
    asking,
    begun,
    in_doubt,
    joined,
    queued,
    refused,
    silent,
    straggling,
    trying,
)


@pytest.mark.parametrize(("there", "problem"), [(in_doubt, "not_delivered"), (straggling, "content_refused")])
def test_a_confirmed_abort_ends_as_aborted(there: Callable[[], Alone], problem: str) -> None:
    """The ledger keeps the confirmation; WeChat is asked all the same about a job that it has accepted."""
    alone = there()
    assert alone.abort(confirm_not_delivered=True) is None
    assert [one.covers for one in alone.state.known.decided] == [(alone.state.known.tries[0].wish,)]
    alone.reported()
    alone.asked()
    if alone.does() is steps.AskWechat:
        alone.take(events.WechatSaid(7, FAILED))
    alone.reported("aborted")
    assert (alone.end.outcome, alone.end.problem and alone.failure.name) == ("aborted", problem)


def test_a_confirmed_abort_gives_way_to_wechats_word() -> None:
    """What WeChat, or the ledger, knows after all is no less than before."""
    alone, delivered = straggling(), straggling()
    alone.abort(confirm_not_delivered=True)
    alone.reported()
    lost = Known(tries=(a_try(9, lost=True).model_copy(update={"clientmsgid": alone.status.jobs[0].clientmsgid}),))
    alone.asked(lost)
    alone.take(events.WechatSaid(7, FAILED))
    alone.reported("unknown")
    delivered.abort(confirm_not_delivered=True)
    delivered.pushed()
    assert delivered.status.jobs[0].state == "sent"


def test_an_abort_is_confirmed_where_a_person_can_know() -> None:
    """Not where nothing is asked, nor of an accepted job of which WeChat was not asked for as long as is waited."""
    assert "answers a problem" in str(queued().abort(confirm_not_delivered=True))
    alone = Alone()
    alone.joined(asking().state.known, ended=Ended(outcome="failed", problem="send_failed"))
    late = Answer(kind="accepted", at=alone.now, msg_id=8)
    alone.asked(Known(tries=(a_try(2, late, generation=1),)))
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert "has accepted msg_id 8" in str(alone.abort(confirm_not_delivered=True))


NOT_KNOWN = JobStatus(errcode=40059, errmsg="invalid msg_id")


def missing(**request: Any) -> Alone:
    """WeChat has accepted it, and never said what became of it; a person has looked, and it is not there."""
    alone = silent(**request)
    assert alone.abort(confirm_not_delivered=True) is None
    alone.reported()
    alone.asked()
    return alone


def test_a_job_that_wechat_never_settles_is_given_up() -> None:
    """WeChat is asked once more. Then the end is aborted; the key can be sent again, once WeChat has said no."""
    alone = missing()
    alone.take(events.WechatSaid(7, NOT_KNOWN))
    alone.reported("aborted")
    assert (alone.end.outcome, alone.failure.name) == ("aborted", "not_delivered")
    again = Alone()
    again.now = alone.now
    again.joined(alone.state.known, ended=Ended(outcome="aborted", problem="not_delivered"))
    again.asked()
    assert (again.asks(), again.retry()) == ("not_delivered", None)
    again.take(events.WechatSaid(7, NOT_KNOWN), events.Reported())
    assert again.turn.generation == 1


@pytest.mark.parametrize(("said", "outcome"), [(SENDING, "unknown"), (JobStatus(status="SEND_SUCCESS"), "sent")])
def test_a_job_that_was_given_up_gives_way_to_wechat(said: JobStatus, outcome: str) -> None:
    """Its word stands above that of who has not found the job."""
    alone = missing()
    alone.take(events.WechatSaid(7, said))
    if said == SENDING:
        alone.wait(10 * MINUTE)
        alone.take(events.Polled(7, None))
    while isinstance(step := alone.engine.planned(alone.run, alone.now), steps.Step):
        assert isinstance(step.effect, steps.Report)
        alone.take(events.Reported(step.effect.ended))
    assert alone.end.outcome == outcome
    pushed = missing()
    pushed.pushed()
    assert pushed.status.jobs[0].state == "sent"


@pytest.mark.parametrize("on_problem", ["wait", "fail"])
def test_a_key_that_ended_in_doubt_asks_again(on_problem: str) -> None:
    """Started again, a person can settle whether a slow try came through, unless nobody is to be asked."""
    before = straggling()
    alone = Alone(on_problem=on_problem)
    alone.joined(before.state.known, ended=Ended(outcome="unknown", problem="content_refused"))
    if on_problem == "fail":
        assert alone.step.ends
        return
    alone.asked()
    assert alone.asks() == "content_refused"
    assert "abort" in alone.status.answers
    assert alone.abort(confirm_not_delivered=True) is None


@pytest.mark.parametrize("heard_first", [True, False])
def test_an_abort_before_the_ledgers_answer_ends_a_key_in_doubt(heard_first: bool) -> None:
    """Nobody is asked about a send that a person has ended: no answer would fit."""
    known, alone = straggling().state.known, Alone()
    alone.take()
    assert alone.abort() is None
    wish = alone.wish
    sent = events.WishSent(wish.wish, known if heard_first else Known(), searched=True)
    heard = alone.granted(known, ended=Ended(outcome="unknown", problem="content_refused"))
    alone.take(*((heard, sent) if heard_first else (sent, heard)))
    while alone.does() is steps.SendWish:
        alone.asked()
    if alone.does() is steps.AskWechat:
        alone.take(events.WechatSaid(7, FAILED))
    assert alone.end.outcome == "unknown"


@pytest.mark.parametrize("there", [in_doubt, straggling])
def test_an_end_in_doubt_has_its_problem(there: Callable[[], Alone]) -> None:
    """And advises no new key, whatever the problem's own advice is."""
    alone = there()
    problem = alone.asks()
    alone.abort()
    alone.asked()
    if alone.does() is steps.AskWechat:
        alone.take(events.WechatSaid(7, FAILED))
    alone.reported("unknown")
    assert (alone.failure.name, alone.failure.todo) == (problem, NO_NEW_KEY)


def test_a_confirmation_settles_what_a_generation_inherits() -> None:
    """It shares a clientmsgid whose window is over, and was never tried: the retry that is confirmed submits."""
    alone = straggling("send fail")
    alone.wait(FACTS.timing.window)
    assert alone.retry() is None
    alone.take(events.WechatSaid(7, FAILED), events.Reported())
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert alone.retry(confirm_not_delivered=True) is None
    alone.take(events.WechatSaid(7, FAILED), events.Reported())
    assert (alone.wants(), alone.asks()) == ("turn", None)
    assert len({job.clientmsgid for job in alone.status.jobs}) == 2


def test_a_slow_try_is_said_with_the_problem_that_it_may_change() -> None:
    """With what a retry does, where there is one; not where every try was answered."""
    said = [straggling(word).problem.sentence for word in ("send fail", "err(10001)")]
    assert all("may still carry it out" in one and one.endswith(".") for one in said)
    assert ["A retry cannot double it" in one for one in said] == [True, False]
    assert "carried out" not in asking().problem.sentence


def test_an_old_retry_that_inherits_a_doubt_is_asked_about() -> None:
    """It is not submitted by itself, and a person can still settle what became of the slow try."""
    before = straggling("send fail")
    before.retry()
    before.take(events.WechatSaid(7, FAILED))
    alone = Alone()
    alone.joined(before.state.known, ended=Ended(outcome="unknown", problem="unknown_outcome"))
    alone.asked(before.state.known, ended=Ended(outcome="unknown", problem="unknown_outcome"))
    assert alone.asks() == "unknown_outcome"
    assert alone.abort(confirm_not_delivered=True) is None
    alone.reported()
    alone.asked()
    alone.take(events.WechatSaid(7, FAILED))
    assert alone.end.outcome == "failed", "as it had failed before"


def test_a_run_whose_key_was_taken_by_other_content_ends() -> None:
    """Its ledger was lost meanwhile. What it has tried may be delivered. WeChat's answer says nothing of that."""
    for answer, outcome in (("unknown", "unknown"), ("refused", "failed")):
        alone = trying()
        alone.answered(answer, errcode=48001 if answer == "refused" else None)
        if alone.does() is not steps.SendWish:
            alone.wait(FACTS.timing.repeat)
        alone.sent()
        alone.hear(answer="reused")
        choice = PROBLEMS["key_reused"]
        assert alone.end.outcome == outcome
        assert alone.failure == Problem(name="key_reused", sentence=choice.sentence, todo=choice.todo)


def test_a_retry_of_refused_material_makes_it_anew() -> None:
    """Where WeChat no longer knows it: nothing else is uploaded again."""
    for errcode, rebuilt in ((40007, True), (46001, True), (48001, False), (None, False)):
        alone = joined()
        problem = Problem(name="media_refused", sentence="No.", todo="Retry.", errcode=errcode)
        alone.run.state = alone.state.changed(material=Material())
        alone.take(events.Obstructed(problem))
        alone.asked()
        assert alone.asks() == "media_refused"
        assert alone.retry() is None
        assert (alone.state.obstacle, alone.state.material) == (None, Material(rebuilt=rebuilt))


@pytest.mark.parametrize(("errcode", "again"), [(48014, False), (48021, False), (46001, True)])
def test_a_retry_keeps_material_that_wechat_knows(errcode: int, again: bool) -> None:
    """Another upload would be reviewed from the start; a draft that a person has saved would be another one."""
    alone = trying()
    video = Material(made=Made(media_id="video", made_at=NOON))
    alone.run.state = alone.state.changed(material=video)
    alone.answered("refused", errcode=errcode)
    alone.asked()
    assert alone.asks() == "media_refused"
    assert alone.retry() is None
    assert alone.state.material == (Material(rebuilt=True) if again else video)


def test_a_key_is_retried_as_long_as_its_account_has_room() -> None:
    """What it knows fits into a ledger that was lost meanwhile: otherwise it would wait for room for ever."""
    alone = in_doubt()
    refused = retried_in_vain(alone, 99)
    assert refused is not None
    assert "its account has no room for one more try" in refused
    assert "new key" not in refused
    assert len(shortened(alone.state.known).model_dump_json(exclude_none=True)) > FACTS_BYTES
    assert alone.status.answers == ("mark_sent", "abort")
    assert len(alone.state.known.decided) > 8
    record = Record(key="spring", digest="d" * 64, workflow_id="w" * 64, known=alone.state.known, touched_at=NOON)
    assert fitting(AccountState(appid="wx", since=NOON), record) is not None


def retried_in_vain(alone: Alone, times: int) -> str | None:
    """So many retries of an unknown outcome, of each of which nobody hears; why one is refused."""
    for _ in range(times):
        if refused := alone.retry(confirm_not_delivered=True):
            return refused
        alone.reported()
        alone.tries()
        alone.answered("unknown")
        alone.wait(FACTS.timing.window)
        alone.asked()
    return None


DAY = timedelta(days=1)
COUNTED = SendsCounted(today=Day(total=41, to_all=1), month=Day(total=43, to_all=3), since=NOON - DAY)


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
    assert "41 accepted that day" in alone.problem.sentence
    alone.abort()
    assert alone.does() is steps.SendWish
    assert "41 accepted that day" in alone.problem.sentence
    alone.asked()
    alone.reported("aborted")
    assert "41 accepted that day" in alone.failure.sentence


@pytest.mark.parametrize(("there", "slow"), [(asking, False), (straggling, True)])
def test_a_strange_word_has_the_ledger_asked_again(there: Callable[[], Alone], slow: bool) -> None:
    """It may turn out to be one's own. The problem stays as it was, and is put once more."""
    alone = there()
    before = alone.step
    alone.pushed("send fail", msg_id=99)
    assert alone.wants() == "asking"
    assert alone.step.problem == before.problem
    assert ("may still carry it out" in alone.problem.sentence) is slow
    alone.asked()
    assert (alone.wants(), alone.step) == (None, before)


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
    assert "msg_id 7, msg_id 8" in alone.failure.sentence


def test_sends_that_wait_for_a_quota_are_spread() -> None:
    """Within three minutes from midnight in Shanghai; one send always at the same time."""
    midnight = NOON.replace(hour=16)
    times = set()
    for key in ("a", "b", "c", "d"):
        alone = trying(key=key)
        alone.answered("refused", errcode=45028)
        assert midnight <= alone.until < midnight + timedelta(minutes=3)
        assert (alone.step.phase, alone.status.waiting_for is None) == ("scheduled", False)
        times.add(alone.until)
    assert len(times) > 1
