"""What people hold back or end although a try may be out: before the account has answered, and after a restore."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from qunfa.account.people import with_forgotten
from qunfa.contract.facts import Known
from qunfa.contract.ledger import Restored
from qunfa.contract.operators import Pause, Reschedule
from qunfa.contract.result import Answer, Job, Problem
from qunfa.rules import memory
from qunfa.rules.problems import describe
from qunfa.send import events, steps
from qunfa.send.doubt import DOUBT
from qunfa.send.state import QUOTA_OF_CALLS, Case
from qunfa.send.turns import TAG_FRESH
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import a_try
from tests.send.places import (
    FAILED,
    FROZEN,
    HOUR,
    MINUTE,
    accepted,
    asking,
    begun,
    joined,
    planned,
    refused,
    second,
    settle_questions,
    trying,
)

DAY = timedelta(days=1)
NEW = Job(clientmsgid="c")
CHANGED = describe("audience_changed", NEW)


@pytest.mark.parametrize("happened", ["nothing", "a try", "an acceptance"])
def test_a_cancellation_ends_what_a_restore_may_have_forgotten(happened: str) -> None:
    """There may have been nothing. A try that is known since then goes on to its verdict."""
    doubt = a_try(lost=True).model_copy(update={"wish": f"{DOUBT}spring"})
    alone = Alone()
    alone.joined(Known(tries=(doubt,)))
    if happened != "nothing":
        alone.take(events.Began(alone.lease()))
    if happened == "an acceptance":
        alone.answered()
    alone.take(events.Cancelled("no"))
    assert Case(alone.engine.request, alone.state, alone.now).stops is (happened == "nothing")


@pytest.mark.parametrize("there", [Alone, begun])
def test_a_send_can_be_held_back_before_its_account_answers(there: Callable[[], Alone]) -> None:
    """A reset applies what was accepted before again, in its first tasks: it must not go out instead."""
    alone = there()
    assert alone.update(Pause(by="li", reason="look")) is None
    alone.joined() if there is Alone else alone.asked()
    assert alone.step.phase == "paused"
    alone = there()
    assert alone.update(Reschedule(by="li", send_at=NOON + HOUR)) is None
    alone.joined() if there is Alone else alone.asked()
    while alone.does() is steps.SendWish:
        alone.asked()
    assert (alone.step.phase, alone.until) == ("scheduled", NOON + HOUR)


@pytest.mark.parametrize("tried", [("not_written", None), ("refused", 42010), ("refused", 45028)])
def test_a_try_that_reached_nobody_lets_another_time_count(tried: tuple[str, int | None]) -> None:
    """WeChat has taken nothing, and the next try may be hours away. A quota is waited for, too."""
    alone = trying()
    alone.answered(tried[0], errcode=tried[1])
    usual = alone.step.until or NOON
    assert alone.update(Reschedule(by="li", send_at=NOON + 22 * HOUR)) is None
    while alone.does() is steps.SendWish:
        alone.asked()
    assert (alone.step.phase, alone.until) == ("scheduled", NOON + 22 * HOUR)
    assert alone.update(Reschedule(by="li", send_at=NOON)) is None
    assert (alone.step.until or NOON) == usual


def forgotten(**request: Any) -> Alone:
    """A restored database may have forgotten its first try, and nobody has done anything since the snapshot."""
    alone = joined(**request)
    one = a_try(lost=True).model_copy(update={"wish": f"{DOUBT}spring", "clientmsgid": alone.turn.clientmsgid})
    alone.sent()
    alone.hear(Known(tries=(one,)), waits=FROZEN)
    return alone


def tagged() -> Alone:
    """The same of a send to a tag of which something is expected, and that has its lease a while later."""
    alone = joined(audience={"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}})
    alone.take(events.TagSeen())
    one = a_try(lost=True).model_copy(update={"wish": f"{DOUBT}spring", "clientmsgid": alone.turn.clientmsgid})
    alone.sent()
    alone.hear(Known(tries=(one,)))
    alone.sent()
    alone.hear(waits=FROZEN)
    alone.wait(HOUR)
    alone.hear(answer="lease", lease=alone.lease(2))
    return alone


def test_a_tag_is_looked_at_where_a_restore_may_have_forgotten_a_try() -> None:
    """There may have been none, and the same message must not go to others. A person is asked about the doubt first."""
    alone = tagged()
    assert alone.does() is steps.LookAtTag
    alone.take(events.TagSeen())
    assert alone.does() is steps.Submit
    alone = tagged()
    alone.take(events.Obstructed(CHANGED), steps.GiveBack(alone.lease(2)))
    while alone.does() in {steps.Report, steps.SendWish}:
        alone.reported() if alone.does() is steps.Report else alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert "It is not tried again now" in alone.problem.sentence
    assert alone.retry(confirm_not_delivered=True) is None
    alone.reported()
    assert alone.does() is steps.LookAtTag
    alone.take(events.Obstructed(CHANGED))
    alone.asked()
    assert alone.asks() == "audience_changed"


def repeated() -> Alone:
    """A send to a tag whose first try WeChat has answered as busy, and that is to be repeated."""
    alone = joined(audience={"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}})
    alone.take(events.TagSeen())
    alone.tries()
    alone.answered("unknown", errcode=-1)
    alone.wait(TAG_FRESH)
    alone.sent()
    alone.hear(answer="lease", lease=alone.lease(2))
    assert alone.does() is steps.LookAtTag
    return alone


def test_a_tag_is_looked_at_before_each_repeat() -> None:
    """WeChat evaluates it when it takes the call: who has come to it since is not to get the message."""
    alone = repeated()
    alone.take(events.TagSeen())
    assert alone.does() is steps.Submit


@pytest.mark.parametrize("why", [CHANGED, describe("material_failed", NEW)], ids=["changed", "cannot be looked at"])
def test_a_tag_that_others_may_have_is_waited_for(why: Problem) -> None:
    """The same call to the same people may find out what has become of the first one, until its time is over."""
    alone, late = repeated(), repeated()
    for one in (alone, late):
        one.take(events.Obstructed(why), steps.GiveBack(one.lease(2)), events.Reported())
        assert (one.asks(), one.does(), one.step.until) == (None, None, one.now + FACTS.timing.repeat_max)
        assert why.sentence in one.state.story[-1].what
    alone.wait(FACTS.timing.repeat_max)
    assert alone.does() is steps.LookAtTag
    alone.take(events.TagSeen())
    assert alone.does() is steps.SendWish
    late.wait(FACTS.timing.window)
    late.asked()
    assert late.asks() == "unknown_outcome"
    assert late.retry(confirm_not_delivered=True) is None
    late.reported()
    assert late.does() is steps.LookAtTag


def test_material_that_cannot_be_made_is_asked_about_after_a_restore() -> None:
    """It is waited for only while a try is known to be out; a quota of calls is waited for at any rate."""
    answer = Answer(kind="refused", at=NOON, errcode=45009)
    wanted = describe("quota_exhausted", NEW.model_copy(update={"answer": answer}))
    for problem in (describe("material_failed", NEW), wanted):
        alone = forgotten()
        alone.take(events.Obstructed(problem))
        while alone.does() is steps.SendWish:
            alone.asked()
        assert alone.asks() == (None if problem is wanted else "unknown_outcome")
    assert (alone.step.held, alone.step.why) == ("quota_exhausted", QUOTA_OF_CALLS)


def test_a_send_that_a_restore_may_have_forgotten_is_held_or_ended() -> None:
    """While its account is frozen people look at each. There may have been no try at all."""
    alone = forgotten()
    assert set(alone.status.answers) == {"mark_sent", "pause", "reschedule", "abort"}
    assert alone.step.held == "account_frozen"
    assert alone.update(Pause(by="li", reason="look")) is None
    assert alone.step.phase == "paused"
    alone = forgotten()
    assert alone.update(Reschedule(by="li", send_at=NOON + 2 * HOUR)) is None
    alone.asked()
    assert alone.until == NOON + 2 * HOUR
    alone = forgotten()
    assert alone.abort() is None
    alone.asked()
    alone.reported("unknown")
    assert alone.end.outcome == "unknown"


@pytest.mark.parametrize("there", [refused, asking])
def test_a_retry_under_a_freeze_takes_what_was_found(there: Callable[[], Alone]) -> None:
    """It has asked about something else since before a snapshot, and was sent after that."""
    alone = there()
    assert alone.mark_sent(9) is not None
    assert alone.retry() is None
    while alone.wants() != "turn":
        if alone.does() is steps.AskWechat:
            alone.take(events.WechatSaid(7, FAILED))
        else:
            settle_questions(alone)
    alone.sent()
    alone.hear(waits=FROZEN)
    assert alone.mark_sent(9) is None


def test_what_was_held_back_stays_so_if_a_try_turns_out_to_be_out() -> None:
    """The account knows of one of an earlier run. The new time counts, and a paused send can be ended."""
    lost = own(1, lost=True)
    alone = begun()
    assert alone.update(Reschedule(by="li", send_at=NOON + 6 * HOUR)) is None
    alone.asked(lost)
    while alone.does() is steps.SendWish:
        alone.asked()
    assert alone.until == NOON + 6 * HOUR
    alone = begun()
    assert alone.update(Pause(by="li", reason="look")) is None
    alone.asked(lost)
    while alone.does() is steps.SendWish:
        alone.asked()
    assert (alone.step.phase, alone.status.answers) == ("paused", ("resume", "abort"))
    assert alone.abort() is None
    alone.asked()
    alone.reported("unknown")
    assert alone.end.outcome == "unknown"


def test_a_later_time_gives_up_no_doubt_that_can_be_settled() -> None:
    """The account knows of a lost try, and WeChat remembers it for less long than the new time is away."""
    alone = begun()
    assert alone.update(Reschedule(by="li", send_at=NOON + 2 * DAY)) is None
    alone.asked(own(1, lost=True))
    while alone.does() is steps.SendWish:
        alone.asked()
    assert (alone.asks(), alone.wants()) == (None, "turn")
    assert alone.turn.due < NOON + HOUR


def test_an_acceptance_is_awaited_whatever_a_person_held_back() -> None:
    """The account knows that WeChat has it: its push tells how that ended, and the abort comes too late."""
    alone = begun()
    assert alone.update(Pause(by="li", reason="look")) is None
    assert alone.abort() is None
    alone.asked(accepted().state.known)
    assert "the abort came too late: something may have been delivered" in [line.what for line in alone.state.story]
    assert alone.step.phase == "awaiting_result"
    alone.pushed()
    assert alone.end.outcome == "sent"


def test_an_abort_is_kept_where_nothing_that_was_accepted_is_open() -> None:
    """An earlier job has failed, and a try after its retry was lost: a paused send is ended, as the answer says."""
    known = second(asking()).state.known
    alone = begun()
    assert alone.update(Pause(by="li", reason="look")) is None
    alone.asked(memory.given_up(known, alone.now))
    while alone.does() is steps.SendWish:
        alone.asked()
    assert alone.step.phase == "paused"
    assert alone.abort() is None
    alone.asked()
    assert alone.state.stop is not None


def test_a_later_time_counts_with_the_hours_of_the_account() -> None:
    """It would go out on the next morning, when WeChat has forgotten the try that is lost."""
    facts = FACTS.model_copy(update={"send_hours": ("12:00", "21:00")})
    alone = begun(facts)
    late = NOON + timedelta(hours=9, minutes=30)
    assert alone.update(Reschedule(by="li", send_at=late)) is None
    alone.asked(own(1, lost=True))
    while alone.does() is steps.SendWish:
        alone.asked()
    assert (alone.asks(), alone.wants()) == (None, "turn")
    assert alone.turn.due < NOON + HOUR


def test_what_may_be_forgotten_waits_as_long_as_its_window() -> None:
    """Later the same could not settle it any more; and where a person is asked, no other time is an answer."""
    alone = forgotten()
    assert "may have forgotten. Pause it" in (alone.update(Reschedule(by="li", send_at=NOON + 2 * DAY)) or "")
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert "asks a person first" in (alone.update(Reschedule(by="li", send_at=alone.now + HOUR)) or "")


def test_a_send_that_a_restore_may_have_forgotten_is_not_early() -> None:
    """It was sent at its time, if at all."""
    known = forgotten().state.known
    alone = planned()
    alone.wait(HOUR - MINUTE)
    assert alone.wants() == "turn"
    alone.asked(known)
    assert (alone.wants(), alone.turn.due) == ("turn", NOON + HOUR)


def test_a_scheduled_send_can_be_asked_about_before_its_time() -> None:
    """After a restore it is moved to now, answered and moved back: else it asks minutes before its time."""
    restored = Restored(by="li", reason="disk lost", taken=NOON, at=NOON)
    alone = planned()

    def goes_on() -> None:
        while alone.step.effect is not None:
            if alone.does() is steps.SendWish:
                alone.asked(with_forgotten(restored, alone.state.known), waits=FROZEN)
            else:
                alone.reported()

    assert (alone.step.phase, alone.asks()) == ("scheduled", None)
    assert alone.update(Reschedule(by="li", send_at=alone.now)) is None
    goes_on()
    assert alone.asks() == "unknown_outcome"
    assert alone.retry(confirm_not_delivered=True) is None
    goes_on()
    assert alone.step.held == "account_frozen"
    assert alone.update(Reschedule(by="li", send_at=NOON + HOUR)) is None
    goes_on()
    assert (alone.step.phase, alone.step.why, alone.until) == ("scheduled", "send_at", NOON + HOUR)
