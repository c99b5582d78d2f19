"""The submissions of one key: which one a word, an owner or an answer is about, and what opens the next one."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Decided, Ended, Known
from qunfa.contract.fields import NUMBER_MAX
from qunfa.contract.operators import Abort, MarkSent, Retry
from qunfa.contract.result import Answer
from qunfa.contract.steps import JobStatus
from qunfa.rules.memory import TRIES_MAX, union
from qunfa.send import events, steps
from qunfa.send.doubt import jobs_of
from tests.rules.arbitrary import NOON
from tests.send.alone import BY_LI, FACTS, Alone, own
from tests.send.arbitrary_facts import FIRST, KEY, a_try
from tests.send.places import (
    FAILED,
    HOUR,
    SENDING,
    asking,
    found,
    in_doubt,
    joined,
    second,
    settle_questions,
    straggling,
    unanswered,
)


def failed_twice() -> Alone:
    """Two of its jobs have failed, and a person is asked."""
    alone = second(asking())
    alone.answered(msg_id=8)
    alone.pushed("send fail", msg_id=8)
    alone.asked()
    assert alone.asks() == "send_failed"
    assert alone.state.asking is not None
    assert alone.state.asking.number == 2
    return alone


def test_an_id_that_wechat_keeps_is_given_up() -> None:
    """The second try shares it with a slow one; WeChat names the job that failed, so neither of them is taken."""
    alone = second(straggling("send fail"))
    alone.answered("duplicate", errcode=45065, msg_id=7)
    while alone.wants() != "turn":
        settle_questions(alone)
    first, shared, renewed = alone.status.jobs
    assert first.clientmsgid == shared.clientmsgid
    assert [job.clientmsgid[-7:] for job in alone.status.jobs] == ["0000-00", "0000-00", "0000-02"]
    assert [job.generation for job in alone.status.jobs] == [0, 1, 2]
    assert (alone.turn.generation, alone.turn.clientmsgid) == (2, renewed.clientmsgid)


def test_wechat_is_asked_of_each_job_before_a_third() -> None:
    """Each of them has to have failed: one that is still under way would be doubled."""
    alone = failed_twice()
    assert alone.retry() is None
    assert alone.step.effect == steps.AskWechat(7)
    alone.take(events.WechatSaid(7, FAILED))
    assert (alone.step.effect, len(alone.status.jobs)) == (steps.AskWechat(8), 2)
    alone.take(events.WechatSaid(8, FAILED), events.Reported())
    assert [job.generation for job in alone.status.jobs] == [0, 1, 2]
    assert [job.clientmsgid[-2:] for job in alone.status.jobs] == ["00", "01", "02"]
    doubled = failed_twice()
    doubled.retry()
    doubled.take(events.WechatSaid(7, FAILED))
    assert "would double it" in str(doubled.take_and_reply(events.WechatSaid(8, SENDING)))
    assert len(doubled.status.jobs) == 2


def test_an_older_job_is_not_marked_as_sent_for_the_newest() -> None:
    """It is another generation's of the same key, which has failed."""
    alone = second(asking())
    alone.answered("unknown")
    alone.wait(timedelta(hours=48))
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert alone.mark_sent(7) is None
    alone.sent()
    heard = alone.granted()
    assert alone.take_and_reply(heard) == "msg_id 7 is another job's: key spring"
    assert alone.mark_sent(9) is None


def test_a_job_that_wechat_does_not_know_is_waited_for() -> None:
    """It may not know a new one yet; after twice the time between two tries it has none."""
    early, late = asking(), asking()
    for alone in (early, late):
        alone.wait(2 * FACTS.timing.repeat - timedelta(seconds=alone is early))
        alone.retry()
    unknown = events.WechatSaid(7, JobStatus(errcode=40059))
    assert "does not know msg_id 7 yet" in str(early.take_and_reply(unknown))
    assert late.take_and_reply(unknown) is None
    assert (len(early.status.jobs), len(late.status.jobs)) == (1, 2)


def test_a_confirmation_is_of_what_is_in_doubt() -> None:
    """Not of a try whose job was found, and has failed since: its doubt is over."""
    alone = unanswered()
    alone.wait(timedelta(minutes=1))
    alone.tries()
    alone.answered("duplicate", errcode=45065, msg_id=7)
    alone.asked()
    alone.pushed("send fail")
    alone.asked()
    second(alone).answered("unknown")
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert alone.retry(confirm_not_delivered=True) is None
    alone.take(events.WechatSaid(7, FAILED))
    covers = {one.generation: one.covers for one in alone.state.known.decided}
    assert covers == {0: (), 1: (alone.state.known.tries[-1].wish,)}


def test_an_answer_that_fits_no_more_is_refused_when_it_is_taken() -> None:
    """WeChat was asked for so long that ``not_after`` has come."""
    alone = straggling("send fail", not_after=(NOON + HOUR).isoformat())
    assert alone.retry() is None
    alone.wait(NOON + HOUR - alone.now)
    assert "not_after has passed" in str(alone.take_and_reply(events.WechatSaid(7, FAILED)))
    assert (alone.state.known.decided, alone.state.question) == ((), None)


def test_an_id_belongs_to_one_account_of_one_namespace() -> None:
    """Two places that send the same key take nothing from each other."""
    here, there, other = joined(), Alone(), Alone(FACTS.model_copy(update={"appid": "wy"}))
    there.run.state = there.state.changed(namespace="other")
    for alone in (there, other):
        alone.joined()
    assert len({alone.status.jobs[0].clientmsgid for alone in (here, there, other)}) == 3


@pytest.mark.parametrize(
    "answer",
    [
        Retry(**BY_LI, confirm_not_delivered=True),
        Abort(**BY_LI, confirm_not_delivered=True),
        MarkSent(**BY_LI, msg_id=9),
    ],
)
def test_a_decision_is_known_by_its_update(answer: events.Answering) -> None:
    """Two updates that say the same are two decisions."""
    ids = set()
    for update in ("one", "other"):
        alone = in_doubt()
        alone.take(events.Updated(update, answer))
        if alone.wants() == "question":
            alone.asked()
            alone.take(events.WechatSaid(9, SENDING))
        ids.add(alone.state.known.decided[-1].id)
    assert len(ids) == 2


def test_a_key_that_ended_in_doubt_is_sent_again_by_a_person() -> None:
    """Whoever has it retried now wants another submission, though it had failed before."""
    alone = Alone()
    alone.joined(straggling("send fail").state.known, ended=Ended(outcome="unknown", problem="send_failed"))
    alone.asked()
    assert (alone.asks(), alone.state.again) == ("send_failed", True)
    assert alone.retry() is None
    alone.take(events.WechatSaid(7, FAILED), events.Reported())
    assert (alone.wants(), alone.state.again) == ("turn", False)


def test_a_retry_after_a_mark_covers_all_tries() -> None:
    """The mark was about a slow one; what no retry has covered before counts no more."""
    alone = straggling()
    found(alone)
    alone.reported()
    alone.wait(timedelta(days=2))
    alone.asked()
    alone.take(events.Polled(9, None))
    alone.asked()
    assert alone.asks() == "no_verdict"
    assert alone.retry() is None
    covers = {one.what: one.covers for one in alone.state.known.decided}
    assert covers == {"mark_sent": ("wish-1",), "retry": tuple(one.wish for one in alone.state.known.tries)}


def test_the_jobs_of_a_key_that_comes_again_are_the_ledgers() -> None:
    """Their data ids are kept, by which articles are found."""
    alone = Alone()
    alone.joined(own(1, Answer(kind="accepted", at=NOON, msg_id=7, msg_data_id=70)))
    assert [(job.msg_id, job.msg_data_id) for job in alone.status.jobs] == [(7, 70)]


def decided(what: str, **more: Any) -> Decided:
    """What li has decided about the first generation."""
    usual = {"id": "u", "what": what, **BY_LI, "at": NOON, "generation": 0}
    return Decided.model_validate({**usual, **more})


def test_only_a_retry_has_seen_the_answers_before_it() -> None:
    """An abort that was confirmed says nothing of them; nor does a retry of another generation."""
    no = a_try(1, Answer(kind="refused", at=NOON, errcode=45028))
    for decision in (decided("abort", covers=("wish-1",)), decided("retry", covers=("wish-1",), generation=1)):
        assert jobs_of(Known(tries=(no,), decided=(decision,)), KEY, FIRST)[0].answer == no.answer
    seen = jobs_of(Known(tries=(no,), decided=(decided("retry", covers=("wish-1",)),)), KEY, FIRST)
    assert (seen[0].answer, seen[0].repeats) == (None, 0)


def test_only_mark_sent_finds_a_job() -> None:
    """No other decision about its generation does, and not one about another."""
    lost = a_try(1, lost=True)
    for decision in (decided("retry"), decided("mark_sent", msg_id=9, generation=1)):
        [job, *_] = jobs_of(Known(tries=(lost,), decided=(decision,)), KEY, FIRST)
        assert (job.msg_id, job.accepted_at) == (None, None)
    [job] = jobs_of(Known(tries=(lost,), decided=(decided("mark_sent", msg_id=9),)), KEY, FIRST)
    assert (job.msg_id, job.accepted_at) == (9, NOON)


def test_wechats_acceptance_overrules_who_saw_nothing_of_it() -> None:
    """A person had looked for it in vain; then its acceptance was heard of."""
    tries = (a_try(1, lost=True), a_try(2, Answer(kind="accepted", at=NOON, msg_id=7)))
    looked = decided("abort", covers=("wish-1",), confirms=True)
    [job] = jobs_of(Known(tries=tries, decided=(looked,)), KEY, FIRST)
    assert (job.msg_id, job.verdict) == (7, None)


def test_the_newest_answer_counts_where_numbers_have_run_out() -> None:
    """A stranger has told of the last number that there is. Wishes have no order: the time of a try has."""
    numbers = {"number": NUMBER_MAX, "clientmsgid": FIRST}
    quota, media = [Answer(kind="refused", at=NOON, errcode=code) for code in (45028, 40007)]
    before = a_try(answer=quota).model_copy(update={**numbers, "wish": "z", "not_before": NOON})
    newest = a_try(answer=media).model_copy(update={**numbers, "wish": "a", "not_before": NOON + HOUR})
    [job] = jobs_of(union(Known(tries=(before,)), Known(tries=(newest,))), KEY, FIRST)
    assert (job.answer, job.repeats) == (media, 2)
    many = tuple(
        newest.model_copy(update={"wish": f"{99 - number}", "not_before": NOON + number * HOUR})
        for number in range(TRIES_MAX + 3)
    )
    kept = union(Known(tries=many)).tries
    assert {one.wish for one in many} - {one.wish for one in kept} == {"99", "98", "97"}
