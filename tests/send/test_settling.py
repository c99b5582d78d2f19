"""A person who has looked into WeChat's console settles what nobody else can: it is not there, or it is."""

from collections.abc import Callable

import pytest

from qunfa.account.budget import fitting
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Ended, Known
from qunfa.contract.message import Material
from qunfa.contract.result import Problem
from qunfa.rules.bounds import shortened
from qunfa.rules.problems import NO_NEW_KEY
from qunfa.send import events, steps
from qunfa.send.answers import FACTS_BYTES
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.arbitrary_facts import a_try
from tests.send.places import FAILED, asking, in_doubt, joined, queued, silent, straggling, trying


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
    assert (alone.end.outcome, alone.end.problem and alone.end.problem.name) == ("aborted", problem)


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
    """Not where nothing is asked, nor of a job that WeChat has accepted and can be asked about."""
    assert "answers a problem" in str(queued().abort(confirm_not_delivered=True))
    assert "has accepted msg_id 7" in str(silent().abort(confirm_not_delivered=True))


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
    wish = alone.state.wish
    assert wish is not None
    sent = events.WishSent(wish.wish, known if heard_first else Known(), searched=True)
    heard = events.Heard(alone.granted(known, ended=Ended(outcome="unknown", problem="content_refused")))
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
    assert alone.end.problem is not None
    assert (alone.end.problem.name, alone.end.problem.todo) == (problem, NO_NEW_KEY)


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
    said = {word: straggling(word).status.problem for word in ("send fail", "err(10001)")}
    assert all(one is not None and "may still carry it out" in one.sentence for one in said.values())
    assert all(one is not None and one.sentence.endswith(".") for one in said.values())
    assert ["A retry cannot double it" in one.sentence for one in said.values() if one] == [True, False]
    answered = asking()
    assert answered.status.problem is not None
    assert "carried out" not in answered.status.problem.sentence


def test_a_key_that_failed_before_is_not_submitted_by_an_old_retry() -> None:
    """It had been decided, and nothing was submitted; the same failure ends it again."""
    before = asking()
    before.retry()
    before.take(events.WechatSaid(7, FAILED))
    known = before.state.known
    assert [one.what for one in known.decided] == ["open"]
    alone = Alone()
    alone.joined(known, ended=Ended(outcome="failed", problem="send_failed"))
    alone.asked(known, ended=Ended(outcome="failed", problem="send_failed"))
    alone.take(events.WechatSaid(7, FAILED))
    assert alone.end.outcome == "failed"


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
    """Its ledger was lost meanwhile. What it has tried may be delivered."""
    for answer, outcome in (("unknown", "unknown"), ("refused", "failed")):
        alone = trying()
        alone.answered(answer, errcode=48001 if answer == "refused" else None)
        if alone.does() is not steps.SendWish:
            alone.wait(FACTS.timing.repeat)
        alone.sent()
        alone.hear(answer="reused")
        assert (alone.end.outcome, alone.end.problem and alone.end.problem.name) == (outcome, "key_reused")


def test_a_retry_of_refused_material_makes_it_anew() -> None:
    """Where WeChat no longer knows it: nothing else is uploaded again."""
    for errcode, rebuilt in ((40007, True), (48001, False)):
        alone = joined()
        problem = Problem(name="media_refused", sentence="No.", todo="Retry.", errcode=errcode)
        alone.run.state = alone.state.changed(material=Material())
        alone.take(events.Obstructed(problem))
        alone.asked()
        assert alone.asks() == "media_refused"
        assert alone.retry() is None
        assert (alone.state.obstacle, alone.state.material) == (None, Material(rebuilt=rebuilt))


def test_a_key_is_retried_as_long_as_its_account_has_room() -> None:
    """What it knows fits into a ledger that was lost meanwhile: otherwise it would wait for room for ever."""
    alone = in_doubt()
    refused = retried_in_vain(alone, 99)
    assert refused is not None
    assert "its account has no room for one more try" in refused
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
