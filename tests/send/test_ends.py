"""How a send ends, and what it is found by then; how one begins whose key has done something before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Decided, Ended, Known, Owned
from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.operators import Pause
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer
from qunfa.contract.steps import JobStatus, Timing
from qunfa.rules.problems import ASK_WECHAT, CORRECT_IT, ITS_LIST_GOES_ON, USE_A_NEW_KEY, USE_THE_SAME_KEY
from qunfa.send import events, steps
from qunfa.send.doubt import LOST, heard, jobs_of
from qunfa.send.ledger import SILENT_ASKS
from qunfa.send.plan import plan
from qunfa.send.show import Searchable, result, searchable
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import FIRST, KEY, a_try
from tests.send.places import (
    BATCH,
    FAILED,
    HOUR,
    SENDING,
    accepted,
    asking,
    begun,
    in_doubt,
    joined,
    planned,
    second,
    sent,
    settle_questions,
    trying,
)
from tests.send.test_second_lives import FAIL, said, tried


def found(alone: Alone) -> Searchable:
    """What the run is found by."""
    step = alone.engine.planned(alone.run, alone.now)
    return searchable(alone.engine.request, alone.state, step, alone.now)


def new() -> Alone:
    """The account is not known yet."""
    return Alone()


def invalid() -> Alone:
    """The request cannot be carried out."""
    alone = Alone()
    alone.take(events.Refused(("x",)))
    return alone


def reused() -> Alone:
    """The key stands for other content."""
    alone = Alone()
    alone.joined(answer="reused")
    alone.take(events.LookedUp(Known()))
    return alone


@pytest.mark.parametrize(
    ("there", "what"),
    [
        (new, Searchable("demo", "preparing", "text", None, (), None)),
        (accepted, Searchable("demo", "awaiting_result", "text", None, ("7",), None)),
        (asking, Searchable("demo", "needs_operator", "text", "send_failed", ("7",), None)),
        (sent, Searchable("demo", "done", "text", None, ("7",), "sent")),
        (invalid, Searchable("demo", "done", "text", "invalid_request", (), "refused")),
        (reused, Searchable("demo", "done", "text", "invalid_request", (), "refused")),
    ],
)
def test_a_send_is_found_by_where_it_stands(there: Callable[[], Alone], what: Searchable) -> None:
    """From its first workflow task to its end."""
    assert found(there()) == what


def test_the_result_is_what_it_ended_as() -> None:
    """With its jobs, and the problem where there is one."""
    alone = sent()
    said = result(alone.engine.request, alone.state, alone.end, alone.now)
    assert (said.outcome, said.problem, [job.msg_id for job in said.jobs]) == ("sent", None, [7])
    alone = reused()
    said = result(alone.engine.request, alone.state, alone.end, alone.now)
    assert (said.outcome, said.problem, said.jobs) == ("failed", alone.end.problem, ())


def test_the_status_shows_previews_and_rows() -> None:
    """Who has seen it, and each job as it stands."""
    alone = joined(preview={"to": [{"wxname": "zhao"}]})
    alone.take(events.WasPreviewed(Previewed(to="zhao", sent=True)))
    assert [one.to for one in alone.status.previews] == ["zhao"]
    assert [row.state for row in alone.status.jobs] == ["new"]
    assert [row.state for row in sent().status.jobs] == ["sent"]


def ending() -> Alone:
    """A job has failed, and WeChat is asked before that is told."""
    alone = accepted(on_problem="fail")
    alone.pushed("err(30002)")
    alone.asked()
    alone.asked()
    return alone


def test_before_a_bad_end_it_says_what_is_asked() -> None:
    """WeChat once, and its last word for a while; nobody can hold it back meanwhile."""
    alone = ending()
    assert (alone.step.phase, alone.step.why, alone.step.ends) == ("awaiting_result", "WeChat's word on msg_id 7", True)
    alone.take(events.WechatSaid(7, SENDING))
    last = "WeChat's last word on msg_id 7: WeChat had said that it failed, and is still sending it"
    assert (alone.step.phase, alone.step.why, alone.step.ends) == ("awaiting_result", last, True)


def test_a_bad_end_is_told_to_the_ledger_with_its_problem() -> None:
    """The next life of the key fails the same way, so a new one is advised: nobody answers what is over."""
    alone = ending()
    alone.take(events.WechatSaid(7, FAILED))
    effect = alone.step.effect
    assert isinstance(effect, steps.Report)
    assert effect.ended
    assert (effect.ended.outcome, effect.ended.problem) == ("failed", "originality_forbidden")
    alone.reported("failed")
    assert alone.failure.todo == USE_A_NEW_KEY


ALL: dict[str, Any] = {"kind": "all"}
OPENIDS: dict[str, Any] = {"kind": "openids", "openids": ["o1", "o2"]}


@pytest.mark.parametrize(
    ("audience", "errcode", "todo"),
    [
        (ALL, 48001, USE_THE_SAME_KEY),
        (ALL, 40152, USE_THE_SAME_KEY),
        (OPENIDS, 40003, CORRECT_IT),
        (ALL, 45002, CORRECT_IT),
        (ALL, 45166, CORRECT_IT),
        (ALL, 40118, CORRECT_IT),
        (BATCH, 48001, ITS_LIST_GOES_ON),
        (BATCH, 45002, ITS_LIST_GOES_ON),
    ],
)
def test_an_end_without_a_verdict_advises_a_key(audience: dict[str, Any], errcode: int, todo: str) -> None:
    """The same key sends what was put right elsewhere; what the key stands for needs a new one."""
    alone = trying(audience=audience)
    alone.answered("refused", errcode=errcode)
    alone.asked()
    alone.abort()
    while alone.does() is steps.SendWish:
        alone.asked()
    alone.reported("aborted")
    assert alone.failure.todo == todo


def test_a_key_stays_failed_though_its_retry_was_refused() -> None:
    """WeChat's no stands, so a new key is advised: the next life of this one fails by that no at once."""
    alone = second(asking())
    alone.answered("refused", errcode=48001)
    alone.asked()
    assert (alone.asks(), alone.abort()) == ("account_refused", None)
    ended = Ended(outcome="aborted", problem="account_refused")
    again = Alone()
    again.joined(alone.state.known, ended=ended)
    for life, outcome in ((alone, "aborted"), (again, "failed")):
        while isinstance(step := life.engine.planned(life.run, life.now), steps.Step):
            match step.effect:
                case steps.AskWechat():
                    life.take(events.WechatSaid(7, FAILED))
                case steps.Report():
                    life.reported("aborted")
                case _:
                    life.asked()
        assert (life.end.outcome, life.failure.todo) == (outcome, USE_A_NEW_KEY)
    assert "failed as send_failed before" in again.failure.sentence


def test_an_end_in_doubt_advises_no_new_key() -> None:
    """Whatever the problem's own advice is. The key asks nobody about it, however it is started: WeChat said no."""
    alone = ending()
    alone.take(events.WechatSaid(7, SENDING))
    assert alone.step.effect == steps.Poll(7, NOON + Timing().push_grace)
    alone.take(events.Polled(7, None))
    alone.reported("unknown")
    assert alone.failure.todo == ASK_WECHAT
    assert "msg_id 7 failed, and mass/get does not say so yet" in alone.failure.sentence


def test_a_last_word_that_does_not_come_is_told() -> None:
    """WeChat did not confirm the no, so that people read of the doubt; where it did there is none to read of."""
    for last, told in ((None, 1), ("SEND_FAIL", 0)):
        alone = ending()
        alone.take(events.WechatSaid(7, SENDING), events.Polled(7, last))
        lines = [line.what for line in alone.state.story if "it may still be delivered" in line.what]
        assert len(lines) == told
        assert all("msg_id 7" in line for line in lines)


def test_a_send_whose_time_is_over_expires() -> None:
    """To the moment; before it has a place, and before its content is known."""
    alone = joined(not_after=(NOON + HOUR).isoformat(), send_at=(NOON + HOUR / 2).isoformat())
    alone.now += HOUR
    alone.take(events.TimeCame())
    alone.asked()
    alone.reported("expired")
    assert (alone.end.outcome, alone.end.problem) == ("expired", None)
    late = begun(not_after=NOON.isoformat())
    assert (late.step.why, late.does()) == ("what the key has done before", steps.LookUp)
    late.take(events.LookedUp(Known()))
    assert late.end.outcome == "expired"


@pytest.mark.parametrize(
    ("before", "comes"),
    [
        (lambda: sent().state.known, "sent"),
        (lambda: accepted().state.known, "awaiting_result"),
        (lambda: own(1, lost=True), "unknown_outcome"),
        (lambda: own(1, Answer(kind="refused", at=NOON, errcode=48001)), "expired"),
    ],
)
def test_a_key_is_settled_also_after_its_own_time(before: Callable[[], Known], comes: str) -> None:
    """Its caller starts it again, as after any failure: it ends as it ended, or goes on; nothing is submitted."""
    known = before()
    alone = Alone(not_after=NOON.isoformat())
    alone.wait(HOUR)
    assert alone.does() is steps.LookUp
    alone.take(events.LookedUp(known))
    while not isinstance(alone.engine.planned(alone.run, alone.now), steps.End) and alone.does() is steps.SendWish:
        alone.asked(known)
    if comes in {"sent", "expired"}:
        assert alone.end.outcome == comes
    else:
        assert (alone.asks() or alone.step.phase) == comes
    assert alone.state.again is (comes in {"sent", "expired"})
    assert not any(isinstance(effect, steps.Submit) for effect in alone.begun)


def test_a_key_that_cannot_be_settled_after_its_time_ends_as_unknown() -> None:
    """Nobody can look at its files any more: a person would have had so long to decide."""
    alone, began = Alone(not_after=NOON.isoformat(), decision_timeout="PT1H"), NOON + HOUR
    state = alone.state.changed(pinned=FACTS, known=own(1, lost=True), searched=True, started_at=began)
    step = plan(alone.engine.request, state, began)
    assert isinstance(step, steps.Step)
    assert (type(step.effect), step.until) == (steps.Inspect, began + HOUR)
    end = plan(alone.engine.request, state, began + HOUR)
    assert isinstance(end, steps.End)
    assert end.outcome == "unknown"


def test_refusals_of_the_token_are_counted_from_the_last_try() -> None:
    """Any other answer ends the row."""
    token = Answer(kind="refused", at=NOON, errcode=40001)
    other = Answer(kind="refused", at=NOON, errcode=45028)
    silent = Answer(kind="unknown", at=NOON, errcode=40001)
    for answers, count in (((token,) * 3, 3), ((token, other, token, token), 2), ((token, silent), 0)):
        tries = tuple(a_try(number, answer) for number, answer in enumerate(answers, start=1))
        assert jobs_of(Known(tries=tries), KEY, FIRST)[0].token_refusals == count


def test_a_key_that_came_again_keeps_what_its_ledger_knows() -> None:
    """The job of an earlier send is the ledger's word; a send's own is not."""
    alone = Alone()
    alone.abort()
    alone.take(events.LookedUp(own(1, Answer(kind="refused", at=NOON, errcode=48001))))
    assert (alone.end.outcome, [row.deduplicated for row in alone.status.jobs]) == ("aborted", [True])


def test_a_refusal_needs_no_account() -> None:
    """Where its configuration cannot be read, nobody can say what the key has done before."""
    alone = Alone()
    state = alone.state.changed(refused=("no such account",), searched=True)
    end = plan(alone.engine.request, state, alone.now)
    assert isinstance(end, steps.End)
    assert (end.outcome, end.refused) == ("failed", ("no such account",))


def test_a_dropped_question_says_that_nothing_was_changed() -> None:
    """Whoever gave the answer tries again."""
    alone = asking()
    alone.retry()
    assert alone.state.question
    why = "the account's ledger could not be asked, so nothing was changed; try again"
    assert alone.take_and_reply(steps.Drop(alone.state.question.update)) == why
    assert alone.state.question is None


@pytest.mark.parametrize("there", [joined, trying, asking, in_doubt])
def test_a_run_that_was_reset_asks_before_it_submits(there: Any) -> None:
    """What the ledger knows may be more than the run: it asks for its turn only where it has done nothing."""
    alone = there()
    if alone.state.trying:
        alone.answered("unknown", told=True)
    alone.take(events.WasReset())
    assert alone.wants() == "joining"


def test_a_run_whose_key_was_taken_before_it_tried_fails() -> None:
    """It had joined; another content has the key by now."""
    alone = joined()
    alone.sent()
    alone.hear(answer="reused")
    assert (alone.end.outcome, alone.end.problem and alone.failure.name) == ("failed", "key_reused")


def test_a_paused_send_that_is_asked_about_can_be_resumed() -> None:
    """While it was held back its ledger told of a job that has failed."""
    alone = planned()
    alone.wait(HOUR)
    alone.update(Pause(by="li"))
    alone.sent()
    alone.hear(Known(tries=(tried(1, msg_id=7),), said=(said(7, FAIL),)))
    while alone.asks() is None:
        settle_questions(alone)
    assert alone.status.answers == ("retry", "resume", "abort")


@pytest.mark.parametrize(("slow", "last"), [(False, GENERATIONS_MAX - 2), (True, GENERATIONS_MAX - 3)])
def test_a_key_is_submitted_a_hundred_times_at_most(slow: bool, last: int) -> None:
    """One that shares its clientmsgid with a slow try needs room for two: WeChat may keep the id that they share."""
    for generation in (last, last + 1):
        alone = Alone()
        slow_try = (tried(1, generation),) if slow else ()
        known = Known(tries=(*slow_try, tried(2, generation, msg_id=7)), said=(said(7, FAIL),))
        alone.joined(known)
        while alone.asks() is None:
            settle_questions(alone)
        assert ("retry" in alone.status.answers) is (generation == last)
        assert ("100 times" in (alone.retry() or "")) is (generation > last)


def test_the_last_generation_ends_without_a_word_of_one_more() -> None:
    """There is no clientmsgid for it, so that no retry of it can be forgotten."""
    last = GENERATIONS_MAX - 1
    opened = Decided(id="x", what="open", by="li", reason="y", at=NOON, generation=last, opens="z")
    alone = Alone()
    alone.joined(Known(tries=(tried(2, last, msg_id=7),), said=(said(7, FAIL),), decided=(opened,)))
    while alone.asks() is None:
        settle_questions(alone)
    assert [job.generation for job in alone.status.jobs][-1] == last
    assert alone.abort() is None
    while alone.does() is not steps.AskWechat:
        alone.asked()
    alone.take(events.WechatSaid(7, JobStatus(status="SEND_FAIL")))
    alone.reported("aborted")
    assert alone.end.outcome == "aborted"


def test_the_last_generation_that_shares_its_id_asks_a_person() -> None:
    """Its clientmsgid is that of a job that has failed, and there is none after it."""
    last = GENERATIONS_MAX - 1
    before = tried(1, last - 1, msg_id=7)
    echo = Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7)
    again = before.model_copy(update={"generation": last, "number": 2, "wish": "wish-2", "answer": echo})
    owned = Owned(msg_id=7, key="spring", generation=last - 1, accepted=True)
    alone = Alone()
    alone.joined(Known(tries=(before, again), said=(said(7, FAIL),), owned=(owned,)))
    while alone.asks() is None:
        settle_questions(alone)
    assert alone.asks() == "unknown_outcome"


def test_who_ends_unsearched_and_unheard_knows_nothing() -> None:
    """Neither earlier runs nor the ledger have told whether something was sent."""
    alone = begun()
    alone.abort()
    while isinstance(step := alone.engine.planned(alone.run, alone.now), steps.Step):
        if isinstance(step.effect, steps.SendWish):
            alone.take(events.WishSent(alone.wish.wish, Known(), searched=False))
        alone.wait(SILENT_ASKS * FACTS.timing.ask)
    assert alone.end.outcome == "unknown"


def test_an_account_that_demands_approval_has_it_given() -> None:
    """Though the request does not ask for it."""
    alone = joined(FACTS.model_copy(update={"approval": "always"}), requested_by="wang")
    alone.take(events.Shown(("to all",)))
    assert alone.status.answers[:2] == ("approve", "reject")
    assert alone.status.approval.required


def test_a_lost_try_counts_as_an_unknown_answer() -> None:
    """From when it was lost."""
    lost = a_try(lost=True)
    assert heard(lost) == Answer(kind="unknown", at=NOON + timedelta(minutes=1), detail=LOST)
    assert heard(a_try()) is None


def test_a_key_of_other_content_has_heard_nothing_of_its_own() -> None:
    """It is refused, and what its key has done before is looked up."""
    alone = Alone()
    alone.joined(answer="reused")
    assert (alone.state.heard, alone.state.searched, alone.does()) == (None, False, steps.LookUp)
